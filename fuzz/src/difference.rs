//! Where two readings of a mail differ, and whether that is said, known, or silent.

use crate::peculiarities::PECULIARITIES;
use crate::reading::{Leaf, Mail, Reading};

/// What is read differently. Two values are ours, then theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference<'m> {
    /// They read a content that we do not.
    Missing(&'m Leaf),
    /// We read a content that they do not.
    Surplus(&'m Leaf),
    /// The same content with another media type.
    MediaType(&'m Leaf, &'m Leaf),
    /// The same content under another file name.
    FileName(&'m Leaf, &'m Leaf),
    /// The same content in ASCII, other characters between.
    Content(&'m Leaf, &'m Leaf),
    /// The same file name in ASCII, other characters between.
    FileNameCharacters(&'m Leaf, &'m Leaf),
    /// Another subject.
    Subject(String, String),
    /// Our From does not have their address.
    From(String, String),
}

impl Difference<'_> {
    /// What kind it is.
    pub fn name(&self) -> &'static str {
        match self {
            Difference::Missing(_) => "missing content",
            Difference::Surplus(_) => "surplus content",
            Difference::MediaType(..) => "media type",
            Difference::FileName(..) => "file name",
            Difference::Content(..) => "characters of content",
            Difference::FileNameCharacters(..) => "characters of a file name",
            Difference::Subject(..) => "subject",
            Difference::From(..) => "sender",
        }
    }

    /// Whether only a HIGH flag says enough: who acts on one reading misses what matters in the other.
    fn is_grave(&self) -> bool {
        use Difference::{FileName, MediaType, Missing, Surplus};
        matches!(self, Missing(_) | Surplus(_) | MediaType(..) | FileName(..))
    }
}

/// What becomes of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The event has a flag that is grave enough.
    Flagged,
    /// `mail-parser` is known to do that: the place in [`PECULIARITIES`].
    Peculiar(usize),
    /// Nobody is told: a fault.
    Silent,
}

/// Every difference between the two readings, and its verdict.
pub fn judge<'m>(mail: &'m Mail<'_>) -> Vec<(Difference<'m>, Verdict)> {
    let judged = compare(&mail.ours, &mail.theirs).into_iter().map(|difference| {
        let grave = difference.is_grave();
        let verdict = if mail.flags.iter().any(|(_, severity)| *severity == "high" || !grave) {
            Verdict::Flagged
        } else {
            let known = PECULIARITIES
                .iter()
                .position(|known| (known.explains)(&difference, mail));
            known.map_or(Verdict::Silent, Verdict::Peculiar)
        };
        (difference, verdict)
    });
    judged.collect()
}

/// Compares two readings. White space at the end of lines, and leaves of white space only, are no content.
pub fn compare<'m>(ours: &'m Reading, theirs: &'m Reading) -> Vec<Difference<'m>> {
    let mut found = Vec::new();
    let subjects = [&ours.subject, &theirs.subject].map(words);
    if let [ours, theirs] = subjects
        && ours != theirs
    {
        found.push(Difference::Subject(ours, theirs));
    }
    let from = squeezed(&ours.from.concat());
    if let Some(address) = theirs.from.iter().find(|address| !from.contains(&squeezed(address))) {
        found.push(Difference::From(from, address.clone()));
    }
    let mut left = contents(&ours.leaves);
    for content in contents(&theirs.leaves) {
        let theirs = content.leaf;
        let whole = left.iter().position(|ours| ours.is(&content));
        let Some(position) = whole.or_else(|| left.iter().position(|ours| ours.is_in_ascii(&content))) else {
            found.push(Difference::Missing(theirs));
            continue;
        };
        let ours = left.remove(position).leaf;
        if whole.is_none() {
            found.push(Difference::Content(ours, theirs));
        }
        if ours.media_type.trim() != theirs.media_type.trim() {
            found.push(Difference::MediaType(ours, theirs));
        }
        let [our_name, their_name] = [&ours.file_name, &theirs.file_name].map(words);
        if ascii(&our_name) != ascii(&their_name) {
            found.push(Difference::FileName(ours, theirs));
        } else if our_name != their_name {
            found.push(Difference::FileNameCharacters(ours, theirs));
        }
    }
    let ours = left.into_iter().map(|content| content.leaf);
    found.extend(ours.filter(|leaf| !leaf.beyond).map(Difference::Surplus));
    found
}

fn contents(leaves: &[Leaf]) -> Vec<Content<'_>> {
    let contents = leaves.iter().map(Content::of);
    contents.filter(|content| !content.is_blank()).collect()
}

/// A leaf's content, in the forms that are compared.
struct Content<'l> {
    leaf: &'l Leaf,
    bytes: &'l [u8],
    texts: Vec<String>,
    /// The same without what is not ASCII.
    ascii: Vec<String>,
}

impl Content<'_> {
    fn of(leaf: &Leaf) -> Content<'_> {
        let texts: Vec<String> = leaf.texts().map(|text| lines(&text)).collect();
        let ascii = texts.iter().map(|text| lines(&ascii(text))).collect();
        let bytes = trimmed(&leaf.bytes);
        Content {
            leaf,
            bytes,
            texts,
            ascii,
        }
    }

    fn is_blank(&self) -> bool {
        self.bytes.is_empty() && self.texts.iter().all(|text| text.trim().is_empty())
    }

    /// Whether our content is theirs. Text they give as text only, and then nothing else can be compared.
    fn is(&self, theirs: &Content<'_>) -> bool {
        match &theirs.leaf.text {
            Some(_) => theirs.texts.iter().any(|text| self.texts.contains(text)),
            None => self.bytes == theirs.bytes,
        }
    }

    fn is_in_ascii(&self, theirs: &Content<'_>) -> bool {
        theirs.leaf.text.is_some() && theirs.ascii.iter().any(|text| self.ascii.contains(text))
    }
}

/// Without white space at its end, VT among it, which `trim_ascii_end` leaves.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_white = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0B';
    let length = bytes
        .iter()
        .rposition(|byte| !is_white(byte))
        .map_or(0, |last| last + 1);
    &bytes[..length]
}

fn words(text: &Option<String>) -> String {
    let words: Vec<&str> = text.as_deref().unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// Without white space, in lower case.
pub(crate) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_lowercase()
}

fn ascii(text: &str) -> String {
    text.chars().filter(char::is_ascii).collect()
}

/// Without white space at the end of lines and of the text.
fn lines(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Verdict, compare, judge};
    use crate::reading::{Leaf, Mail, Reading};

    fn leaf(media_type: &str, file_name: Option<&str>, text: &str) -> Leaf {
        Leaf {
            media_type: media_type.to_owned(),
            file_name: file_name.map(str::to_owned),
            text: Some(text.to_owned()),
            ..Leaf::default()
        }
    }

    fn reading(subject: &str, from: &str, leaves: &[Leaf]) -> Reading {
        Reading {
            subject: Some(subject.to_owned()),
            from: vec![from.to_owned()],
            leaves: leaves.to_vec(),
        }
    }

    fn names(ours: &Reading, theirs: &Reading) -> Vec<&'static str> {
        compare(ours, theirs)
            .iter()
            .map(|difference| difference.name())
            .collect()
    }

    #[test]
    fn what_both_read_alike_is_no_difference() {
        let ours = reading(
            "a  b",
            "A <A@x>",
            &[leaf("a/b", None, "x \r\ny\r\n\r\n"), leaf("a/b", None, " \r\n")],
        );
        let theirs = reading("a b", "a@x", &[leaf("a/b", None, "x\ny")]);
        assert_eq!(names(&ours, &theirs), Vec::<&str>::new());
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        let ours = reading("a", "a@x", &[leaf("a/b", Some("n.exe"), "x"), leaf("a/b", None, "é!")]);
        for (theirs, expected) in [
            (reading("b", "a@x", &ours.leaves), &["subject"][..]),
            (reading("a", "b@x", &ours.leaves), &["sender"]),
            (reading("a", "a@x", &ours.leaves[1..]), &["surplus content"]),
            (
                reading(
                    "a",
                    "a@x",
                    &[ours.leaves.clone(), vec![leaf("a/b", None, "x")]].concat(),
                ),
                &["missing content"],
            ),
            (
                reading(
                    "a",
                    "a@x",
                    &[leaf("c/d", Some("n.exé"), "x"), leaf("a/b", Some("m"), "è!")],
                ),
                &["media type", "file name", "characters of content", "file name"],
            ),
            (
                reading("a", "a@x", &[leaf("a/b", Some("né.exe"), "x"), leaf("a/b", None, "é!")]),
                &["characters of a file name"],
            ),
        ] {
            assert_eq!(names(&ours, &theirs), expected);
        }
    }

    #[test]
    fn a_difference_is_flagged_known_or_a_fault() {
        let verdicts = |mail: &[u8], change: fn(&mut Mail<'_>)| {
            let mut mail = Mail::read(mail);
            change(&mut mail);
            judge(&mail).into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()
        };
        let plain = b"From: a@x\nSubject: s\n\nbody\n";
        assert_eq!(verdicts(plain, |_| {}), []);
        assert_eq!(verdicts(plain, |mail| mail.theirs.leaves.clear()), [Verdict::Silent]);
        fn flag(mail: &mut Mail<'_>, severity: &'static str) {
            mail.theirs.leaves.clear();
            mail.theirs.subject = None;
            mail.flags.insert(("flag".to_owned(), severity));
        }
        assert_eq!(verdicts(plain, |mail| flag(mail, "high")), [Verdict::Flagged; 2]);
        assert_eq!(
            verdicts(plain, |mail| flag(mail, "medium")),
            [Verdict::Flagged, Verdict::Silent]
        );
        let comment = b"From: A <a(b)@x>\nSubject: s\n\nbody\n";
        assert!(matches!(verdicts(comment, |_| {})[..], [Verdict::Peculiar(_)]));
    }
}
