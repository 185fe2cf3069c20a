//! Attachments out of a mail: each body gives way to a field that says what stood there.
//!
//! The mail is read while it arrives, in steps that end where something can begin or end: at an empty line, and at one that
//! begins with `--`. What the machine tells during such a step happened at that line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use sha2::{Digest as _, Sha256};

use crate::event::build::filename::FileName;
use crate::event::encode::hexadecimal;
use crate::limits;
use crate::mime::anomaly::Severity;
use crate::mime::cuts::cuts;
use crate::mime::entity::Machine;
use crate::mime::extract::Extractor;
use crate::mime::{Entity, Finding, Kind, Visitor};

/// The field that stands where an attachment's body stood: `name; size; sha256` of the decoded bytes.
const ELIDED: &str = "X-Mailtap-Elided";

/// The mail with the body of every attachment taken out; `None` where there is none. Whatever is not plainly a part with a
/// header block, an empty line and a body stays as it is, and so does what two readers can see differently: better a byte
/// too many than a doubt.
pub fn without_attachments(mail: &[u8]) -> Option<Vec<u8>> {
    let mut elider = Elider::default();
    elider.look(mail);
    elider.finish(mail)
}

/// Looks at a mail while it arrives.
pub struct Elider {
    machine: Machine<Extractor<Outline>>,
    /// The machine has read what is before.
    read: usize,
    /// Where the line begins whose end has not come, and how far it was searched for that.
    line: usize,
    searched: usize,
    /// The empty line before the attachment that is open, and where its body begins.
    begun: Option<(usize, usize)>,
    found: Vec<Elision>,
    /// By how much the fields are longer than the bodies, where they are.
    grown: usize,
}

/// One body to be taken out.
struct Elision {
    /// Where the empty line before the body begins.
    separator: usize,
    /// The field, with its line end.
    field: String,
    /// The body.
    from: usize,
    to: usize,
}

impl Default for Elider {
    fn default() -> Elider {
        Elider {
            machine: Machine::new(Extractor::new(Outline::default())),
            read: 0,
            line: 0,
            searched: 0,
            begun: None,
            found: Vec::new(),
            grown: 0,
        }
    }
}

impl Elider {
    /// Reads on in `mail`, which is all that has come so far.
    pub fn look(&mut self, mail: &[u8]) {
        while let Some(length) = memchr(b'\n', mail.get(self.searched..).unwrap_or_default()) {
            let end = self.searched.saturating_add(length).saturating_add(1);
            let line = mail.get(self.line..end).unwrap_or_default();
            if line.starts_with(b"--") || is_empty_line(line) {
                self.step(mail, self.line);
                self.step(mail, end);
            }
            (self.line, self.searched) = (end, end);
        }
        self.searched = mail.len();
        self.step(mail, self.line);
    }

    /// `mail` has come to its end: without its attachments, if there are any.
    pub fn finish(mut self, mail: &[u8]) -> Option<Vec<u8>> {
        self.look(mail);
        let last = mail.get(self.line..).unwrap_or_default();
        if last.starts_with(b"--") {
            // Is it a boundary line? With its line end it ends something, or else there is a doubt, and all stays.
            self.step(mail, mail.len());
            self.machine.feed(b"\n");
            self.judge(mail, self.line, mail.len());
        } else {
            self.step(mail, mail.len());
            let found = self.machine.finish().into_visitor().ended;
            if let (Some(found), Some((separator, from))) = (found, self.begun) {
                let elision = elision(mail, &found, separator, from, mail.len());
                add(&mut self.found, &mut self.grown, elision);
            }
        }
        cut(mail, &self.found)
    }

    /// The machine reads on to `end`.
    fn step(&mut self, mail: &[u8], end: usize) {
        let from = std::mem::replace(&mut self.read, end);
        if from < end {
            self.machine.feed(mail.get(from..end).unwrap_or_default());
            self.judge(mail, from, end);
        }
    }

    /// What began or ended in this step.
    fn judge(&mut self, mail: &[u8], from: usize, end: usize) {
        let outline = self.machine.visitor_mut().visitor_mut();
        let (ended, begun) = (outline.ended.take(), std::mem::take(&mut outline.begun));
        let line = mail.get(from..end).unwrap_or_default();
        if let Some(found) = ended
            && let Some((separator, body)) = self.begun.take()
            && line.starts_with(b"--")
        {
            // The line break before a boundary line belongs to the boundary (RFC 2046, 5.1.1).
            let before = mail.get(..from).unwrap_or_default();
            let line_break = match before {
                [.., b'\r', b'\n'] => 2,
                [.., b'\n'] => 1,
                _ => 0,
            };
            let elision = elision(mail, &found, separator, body, from.saturating_sub(line_break));
            add(&mut self.found, &mut self.grown, elision);
        }
        if begun {
            self.begun = is_empty_line(line).then_some((from, end));
        }
    }
}

/// Fields instead of many tiny bodies would make the mail grow.
fn add(found: &mut Vec<Elision>, grown: &mut usize, elision: Option<Elision>) {
    let Some(elision) = elision else { return };
    let more = elision
        .field
        .len()
        .saturating_sub(elision.to.saturating_sub(elision.from));
    let sum = grown.saturating_add(more);
    if sum <= limits::ELIDED_GROWTH {
        *grown = sum;
        found.push(elision);
    }
}

fn cut(mail: &[u8], elisions: &[Elision]) -> Option<Vec<u8>> {
    if elisions.is_empty() {
        return None;
    }
    let mut output = Vec::new();
    let mut copied = 0;
    for elision in elisions {
        output.extend_from_slice(mail.get(copied..elision.separator).unwrap_or_default());
        output.extend_from_slice(elision.field.as_bytes());
        output.extend_from_slice(mail.get(elision.separator..elision.from).unwrap_or_default());
        copied = elision.to;
    }
    output.extend_from_slice(mail.get(copied..).unwrap_or_default());
    Some(output)
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn elision(mail: &[u8], found: &Found, separator: usize, from: usize, to: usize) -> Option<Elision> {
    if from >= to || found.doubtful {
        return None;
    }
    let line_end = if mail.get(separator) == Some(&b'\r') {
        "\r\n"
    } else {
        "\n"
    };
    let sha256 = hexadecimal(&found.sha256.clone().finalize());
    let name = field_text(&found.name);
    let field = format!("{ELIDED}: {name}; {}; {sha256}{line_end}", found.size);
    Some(Elision {
        separator,
        field,
        from,
        to,
    })
}

/// A name as a field's text: encoded-words where it is more than ASCII (RFC 2047), no semicolon of its own.
fn field_text(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain && !name.contains(';') && !name.contains("=?") {
        return name.to_owned();
    }
    // 45 bytes become 60 characters: a word has 75 at most.
    let mut words: Vec<String> = Vec::new();
    for character in name.chars() {
        match words.last_mut() {
            Some(word) if word.len().saturating_add(character.len_utf8()) <= 45 => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    let words = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    words.collect::<Vec<_>>().join(" ")
}

/// What is known of the attachment that is open, or has just ended.
#[derive(Default)]
struct Outline {
    /// Where each open entity's header begins.
    open: Vec<u64>,
    /// An attachment began, or ended, since this was looked at last.
    begun: bool,
    ended: Option<Found>,
    current: Option<Found>,
    /// The part whose header was the last one in which something could be read two ways.
    odd_header: Option<Vec<u32>>,
    /// The last charset that a part named, as for the names in an event.
    charset: Option<Vec<u8>>,
}

struct Found {
    name: String,
    size: u64,
    sha256: Sha256,
    /// Another reader may see something else: the receiver, which is not told of that, gets all of it.
    doubtful: bool,
}

impl Visitor for Outline {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some(charset) = entity.content_type.charset() {
            self.charset = Some(charset.to_vec());
        }
        // What was encoded itself stands nowhere in the mail as it is: its parts all have their carrier's offset.
        let as_it_is = self.open.last().is_none_or(|outer| entity.offset > *outer);
        self.open.push(entity.offset);
        let name = attachment_name(entity, self.charset.as_deref());
        let name = name.filter(|_| as_it_is && entity.kind == Kind::Leaf);
        let odd = self.odd_header.take();
        let doubtful = odd.is_some_and(|path| path == entity.path || path == entity.header_path());
        self.current = name.map(|name| Found {
            name,
            size: 0,
            sha256: Sha256::new(),
            doubtful,
        });
        self.begun = self.current.is_some();
    }

    fn body(&mut self, decoded: &[u8]) {
        if let Some(found) = &mut self.current {
            found.sha256.update(decoded);
            found.size = found
                .size
                .saturating_add(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
        }
    }

    fn end(&mut self) {
        self.open.pop();
        if let Some(found) = self.current.take() {
            self.ended = Some(found);
        }
    }

    fn finding(&mut self, finding: Finding<'_>) {
        if finding.flag.severity() != Severity::High {
            return;
        }
        match &mut self.current {
            Some(found) => found.doubtful = true,
            None => self.odd_header = Some(finding.path.to_vec()),
        }
    }
}

/// The name, empty where it has none, of a leaf that is an attachment: it has a name, says that it is one, or is neither
/// text nor about a mail. What is signed with S/MIME is the mail itself, and no leaf.
pub(in crate::event) fn attachment_name(entity: &Entity<'_>, charset: Option<&[u8]>) -> Option<String> {
    let (name, _) = FileName::read(entity, charset);
    (entity.is_attached() || name != FileName::default() || !entity.is_of_the_mail())
        .then(|| name.filename.unwrap_or_default())
}

/// What is taken out was an attachment's body and nothing else: the mail without it has the same header fields otherwise,
/// the same parts, and nothing more to take out. In pieces it is the same.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = without_attachments(data);
    for pieces in cuts(data) {
        let mut elider = Elider::default();
        let mut come = Vec::new();
        for piece in pieces {
            come.extend_from_slice(piece);
            elider.look(&come);
        }
        assert_eq!(elider.finish(data), whole);
    }
    let Some(elided) = whole else { return };
    let fields = memchr::memmem::find_iter(&elided, ELIDED).count();
    assert!(fields > 0 && elided.len() <= data.len().saturating_add(limits::ELIDED_GROWTH));
    let most = fields.saturating_mul(limits::FILE_NAME.saturating_mul(2).saturating_add(200));
    assert!(most > limits::ELIDED_GROWTH || without_attachments(&elided).is_none());
}
