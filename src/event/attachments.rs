//! The attachments of a mail, kept aside as they stream by, for a receiver that stores them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::build::filename::FileName;
use super::build::{Arrival, EventBuilder, Settings};
use super::raw::elision::attachment_name;
use super::{Anomaly, Origin, Part};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::cuts::cuts;
use crate::mime::embedded::Enclosed;
use crate::mime::{Entity, Finding, Kind, Visitor, encoded_word};
use crate::spool::Spool;

/// A visitor that keeps every attachment's decoded bytes, those of mails inside the mail and of files in content as well.
#[derive(Debug)]
pub struct Attachments {
    spool: Spool,
    /// The largest that is kept, in bytes; larger ones are left out.
    largest: u64,
    /// What has begun and not ended, outermost first; `None` for what is no attachment.
    open: Vec<Option<UnderWay>>,
    /// The file in the innermost's content.
    enclosed: Option<UnderWay>,
    whole: Vec<Attachment>,
    /// The contents of those that are whole, and how many others there were when these were enough.
    known: HashSet<[u8; 32]>,
    left_out: usize,
    /// The last charset that a part named, as for the names in an event.
    charset: Option<Vec<u8>>,
    failure: Option<io::Error>,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Of its bytes.
    pub sha256: [u8; 32],
    /// Its name, cleaned; empty where it has none.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Where they are: a file and what is enclosed in it come at the same time.
    extents: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct UnderWay {
    sha256: Sha256,
    attachment: Attachment,
}

impl UnderWay {
    fn new(name: String) -> UnderWay {
        UnderWay {
            sha256: Sha256::new(),
            attachment: Attachment {
                sha256: [0; 32],
                name,
                size: 0,
                extents: Vec::new(),
            },
        }
    }
}

impl Attachments {
    /// For one mail. What does not fit into memory goes to a file in `directory`.
    pub fn new(directory: &Path, largest: u64) -> Attachments {
        Attachments {
            spool: Spool::new(directory),
            largest,
            open: Vec::new(),
            enclosed: None,
            whole: Vec::new(),
            known: HashSet::new(),
            left_out: 0,
            charset: None,
            failure: None,
        }
    }

    /// All of them, each content once; the error says why they could not be kept.
    pub fn whole(&mut self) -> io::Result<Vec<Attachment>> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(mem::take(&mut self.whole)),
        }
    }

    /// Reads `buffer.len()` bytes of `attachment` from `at` on, less at its end. Says how many.
    pub fn read(&self, attachment: &Attachment, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut skip = at;
        let mut filled: usize = 0;
        for &(from, length) in &attachment.extents {
            if skip >= length {
                skip = skip.saturating_sub(length);
                continue;
            }
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let here = usize::try_from(length.saturating_sub(skip))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let Some(rest) = rest.get_mut(..here) else { break };
            self.spool.read(from.saturating_add(skip), rest)?;
            filled = filled.saturating_add(here);
            skip = 0;
        }
        Ok(filled)
    }

    /// How many were passed over, once [`limits::PARTS`] were whole.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// More than an event has parts could not be named in it.
    fn begin_one(&mut self, name: String) -> Option<UnderWay> {
        if self.known.len() < limits::PARTS {
            return Some(UnderWay::new(name));
        }
        self.left_out = self.left_out.saturating_add(1);
        None
    }

    fn keep(spool: &mut Spool, failure: &mut Option<io::Error>, largest: u64, to: &mut UnderWay, bytes: &[u8]) {
        to.sha256.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let attachment = &mut to.attachment;
        attachment.size = attachment.size.saturating_add(length);
        if failure.is_some() || attachment.size > largest {
            return;
        }
        let from = spool.len();
        if let Err(error) = spool.append(bytes) {
            *failure = Some(error);
            return;
        }
        match attachment.extents.last_mut() {
            Some((begin, before)) if begin.saturating_add(*before) == from => *before = before.saturating_add(length),
            _ => attachment.extents.push((from, length)),
        }
    }

    fn finish(&mut self, under_way: Option<UnderWay>) {
        let Some(UnderWay { sha256, mut attachment }) = under_way else {
            return;
        };
        attachment.sha256 = sha256.finalize().into();
        if attachment.size <= self.largest && self.known.insert(attachment.sha256) {
            self.whole.push(attachment);
        }
    }
}

impl Visitor for Attachments {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some(charset) = entity.content_type.charset() {
            self.charset = Some(charset.to_vec());
        }
        let kept = matches!(entity.kind, Kind::Leaf | Kind::Cms);
        let name = kept.then(|| attachment_name(entity, self.charset.as_deref())).flatten();
        let under_way = name.and_then(|name| self.begin_one(name));
        self.open.push(under_way);
    }

    fn body(&mut self, decoded: &[u8]) {
        if let Some(Some(under_way)) = self.open.last_mut() {
            Attachments::keep(&mut self.spool, &mut self.failure, self.largest, under_way, decoded);
        }
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        if let Some(Some(under_way)) = self.open.get_mut(depth) {
            Attachments::keep(&mut self.spool, &mut self.failure, self.largest, under_way, decoded);
        }
    }

    fn enclosed(&mut self, found: Enclosed<'_>) {
        match found {
            Enclosed::Begin(_) => self.enclosed = self.begin_one(String::new()),
            Enclosed::Name(name) => {
                if let Some(under_way) = &mut self.enclosed {
                    let mut text = String::new();
                    encoded_word::decode_with_controls(name, self.charset.as_deref(), &mut text);
                    under_way.attachment.name = FileName::of(text).filename.unwrap_or_default();
                }
            }
            Enclosed::Data(data) => {
                if let Some(under_way) = &mut self.enclosed {
                    Attachments::keep(&mut self.spool, &mut self.failure, self.largest, under_way, data);
                }
            }
            Enclosed::End => {
                let under_way = self.enclosed.take();
                self.finish(under_way);
            }
            Enclosed::Charset { .. } | Enclosed::Finding(_) => {}
        }
    }

    fn end(&mut self) {
        let under_way = self.open.pop().flatten();
        self.finish(under_way);
    }

    fn finding(&mut self, _: Finding<'_>) {}
}

/// The same attachments for every split, each once, with their bytes; all that the event names. They fit into memory.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let choice = data.last().copied().unwrap_or_default();
    let largest = if choice & 1 == 1 {
        u64::from(choice >> 1)
    } else {
        u64::MAX
    };
    let settings = Settings {
        unwrap_journal: false,
        ..Settings::default()
    };
    let keep = |pieces: &[&[u8]]| {
        let mut builder = EventBuilder::beside(Attachments::new(Path::new("/dev/null"), largest), &settings);
        for piece in pieces {
            builder.feed(piece);
        }
        let arrival = Arrival {
            origin: Origin::File { source: String::new() },
            account: String::new(),
            internal_date: None,
            now: 0,
        };
        let (event, mut kept) = builder.finish_both(&settings, arrival);
        let whole = kept.whole().unwrap_or_default();
        let contents = whole.iter().map(|attachment| {
            let mut content = vec![0; usize::try_from(attachment.size).unwrap_or_default()];
            let read = kept.read(attachment, 0, &mut content).unwrap_or_default();
            assert_eq!(read, content.len());
            assert_eq!(attachment.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
            (attachment.sha256, attachment.name.clone(), content)
        });
        (event, contents.collect::<Vec<_>>())
    };
    let (event, whole) = keep(&[data]);
    for pieces in cuts(data) {
        assert_eq!(whole, keep(&pieces).1, "{} pieces", pieces.len());
    }
    let kept: HashSet<_> = whole.iter().map(|(sha256, ..)| *sha256).collect();
    assert!(kept.len() == whole.len() && whole.len() <= limits::PARTS, "each once");
    let beyond = |anomaly: &Anomaly| anomaly.flag == Flag::LimitParts.name();
    if event.message.anomalies.iter().any(beyond) {
        return;
    }
    let mut named = HashMap::new();
    attached(&event.message.parts, &mut named);
    assert!(
        kept.iter().all(|sha256| named.contains_key(sha256)),
        "what the event does not call one"
    );
    let small = named.iter().filter(|(_, (size, named))| *named && *size <= largest);
    for (sha256, _) in small {
        assert!(kept.contains(sha256), "one with a name is left out");
    }
}

/// Size of every part that is an attachment, by its hash, and whether it has a name.
fn attached(parts: &[Part], found: &mut HashMap<[u8; 32], (u64, bool)>) {
    for part in parts {
        if let (Some(size), Some(hashes)) = (part.size, &part.hashes) {
            let (_, named) = found.entry(hashes.sha256).or_insert((size, false));
            *named |= part.filename.is_some();
        }
        if let Some(message) = &part.message {
            attached(&message.parts, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::Attachments;
    use crate::event::Origin;
    use crate::event::build::{Arrival, EventBuilder, Settings};
    use crate::limits;

    fn arrival() -> Arrival {
        Arrival {
            origin: Origin::File { source: String::new() },
            account: String::new(),
            internal_date: None,
            now: 0,
        }
    }

    /// Name and content of every attachment of `mail`, fed in pieces of `step`, read in pieces of 7.
    fn attachments(mail: &[u8], step: usize, largest: u64) -> Vec<(String, Vec<u8>)> {
        let settings = Settings::default();
        let mut builder = EventBuilder::beside(Attachments::new(&std::env::temp_dir(), largest), &settings);
        for piece in mail.chunks(step) {
            builder.feed(piece);
        }
        let (_, mut kept) = builder.finish_both(&settings, arrival());
        let whole = kept.whole().unwrap();
        let read = |attachment: &super::Attachment| {
            let mut content = Vec::new();
            loop {
                let mut piece = [0; 7];
                let count = kept.read(attachment, content.len() as u64, &mut piece).unwrap();
                if count == 0 {
                    break;
                }
                content.extend(&piece[..count]);
            }
            assert_eq!(content.len() as u64, attachment.size);
            assert_eq!(attachment.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
            (attachment.name.clone(), content)
        };
        whole.iter().map(read).collect()
    }

    const MAIL: &[u8] = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
        --b\r\nContent-Disposition: attachment; filename=../notes.txt\r\n\r\nnotes\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n\
        --b\r\nContent-Type: application/octet-stream; name=empty\r\n\r\n\r\n\
        --b\r\nContent-Type: application/pdf; name=again.txt\r\n\r\nnotes\r\n\
        --b\r\n\r\nbegin 644 in text.bin\r\n#0V%T\r\n`\r\nend\r\n--b--\r\n";

    #[test]
    fn every_attachment_is_kept_once_named_text_nested_mail_and_files_in_text_as_well() {
        let expected = [
            ("notes.txt", &b"notes"[..]),
            ("", b"\x89PNG"),
            ("empty", b""),
            ("in text.bin", b"Cat"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
            .collect();
        for step in 1..40 {
            assert_eq!(attachments(MAIL, step, u64::MAX), expected, "{step}");
        }
    }

    #[test]
    fn a_signed_object_is_kept_and_so_is_the_file_in_it() {
        // ContentInfo, SignedData, EncapsulatedContentInfo (RFC 5652): an entity of its own.
        let entity = b"Content-Type: a/b; name=in\n\nhi";
        let mut object = b"0@\x06\x09*\x86H\x86\xf7\x0d\x01\x07\x02\xa0301\x02\x01\x011\x000*\x06\x09*\x86H\x86\xf7\x0d\x01\x07\x01\xa0\x1d\x04\x1b".to_vec();
        let grown = entity.len() - 0x1b;
        for at in [1, 14, 16, 23, 36, 38] {
            object[at] += u8::try_from(grown).unwrap();
        }
        object.extend_from_slice(entity);
        let mail = [
            b"Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: binary\n\n",
            object.as_slice(),
        ]
        .concat();
        let expected = [("in".to_owned(), b"hi".to_vec()), ("smime.p7m".to_owned(), object)];
        for step in [1, 7, 1000] {
            assert_eq!(attachments(&mail, step, u64::MAX), expected, "{step}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_an_error_for_all_and_the_event_comes_nevertheless() {
        let settings = Settings::default();
        let nowhere = std::env::temp_dir().join("mailtap-no-such-directory");
        let mut builder = EventBuilder::beside(Attachments::new(&nowhere, u64::MAX), &settings);
        builder.feed(b"Content-Type: a/b\n\n");
        builder.feed(&vec![b'x'; limits::SPOOL_MEMORY + 1]);
        let (event, mut kept) = builder.finish_both(&settings, arrival());
        assert_eq!(event.message.parts[0].size, Some(limits::SPOOL_MEMORY as u64 + 1));
        assert_eq!(kept.whole().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn one_over_the_limit_is_left_out() {
        let names = |largest| {
            attachments(MAIL, 100, largest)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(5), ["notes.txt", "", "empty", "in text.bin"]);
        assert_eq!(names(4), ["", "empty", "in text.bin"]);
        assert_eq!(names(3), ["empty", "in text.bin"]);
    }

    #[test]
    fn of_more_attachments_than_an_event_can_name_the_first_are_kept_and_the_others_counted() {
        let settings = Settings::default();
        for count in [limits::PARTS - 1, limits::PARTS, limits::PARTS + 1, 3 * limits::PARTS] {
            let mut builder = EventBuilder::beside(Attachments::new(&std::env::temp_dir(), u64::MAX), &settings);
            builder.feed(b"Content-Type: multipart/mixed; boundary=b\n\n");
            for number in 0..count {
                builder.feed(format!("--b\nContent-Type: a/b\n\n{number}\n").as_bytes());
            }
            let (_, mut kept) = builder.finish_both(&settings, arrival());
            assert_eq!(kept.whole().unwrap().len(), count.min(limits::PARTS));
            assert_eq!(kept.left_out(), count.saturating_sub(limits::PARTS));
        }
    }

    #[test]
    fn a_raw_name_is_read_in_the_charset_that_the_mail_names_as_in_the_event() {
        let mail =
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=koi8-r\n\n\xd4\n\
            --b\nContent-Type: a/b; name=\"\xd4\xc5\xd3\xd4\"\n\nx\n--b--\n";
        assert_eq!(
            attachments(mail, 7, u64::MAX),
            [("\u{442}\u{435}\u{441}\u{442}".to_owned(), b"x".to_vec())]
        );
    }

    #[test]
    fn a_file_and_what_is_enclosed_in_it_are_each_whole_although_they_come_together() {
        // An attachment larger than memory that has a uuencoded file in its middle.
        let line = b"begin 644 inner\r\n#0V%T\r\n`\r\nend\r\n";
        let half = b"some ordinary line of text that is no code\r\n".repeat(limits::SPOOL_MEMORY / 44);
        let content = [&half[..], line, &half].concat();
        let mail = [b"Content-Type: text/plain; name=outer.txt\r\n\r\n", content.as_slice()].concat();
        let found = attachments(&mail, 60_000, u64::MAX);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ("inner".to_owned(), b"Cat".to_vec()));
        assert!(found[1] == ("outer.txt".to_owned(), content));
    }
}
