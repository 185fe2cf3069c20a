//! Mail for a receiver that parses it by itself: byte for byte as it came, or with the bodies of attachments taken out and
//! named in a header field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::EmailEvent;
use super::attachments::Attachments;
use super::build::filename::FileName;
use super::build::{Arrival, EventBuilder, Settings};
use super::encode::hexadecimal;
use crate::limits;
use crate::mime::entity::Machine;
use crate::mime::{Entity, Finding, Kind, Visitor};

/// The field that stands where an attachment's body stood: `name; size; sha256` of the decoded bytes.
const ELIDED: &str = "X-Mailtap-Elided";

/// One mail on its way to its event, and to its raw form where the receiver takes that: fed as it arrives, then finished.
pub struct Collector {
    builder: EventBuilder<Option<Attachments>>,
    /// What came, until it is too much.
    raw: Option<Vec<u8>>,
}

impl Collector {
    /// At the start of a mail of about `length` bytes.
    pub fn new(settings: &Settings, length: u64) -> Collector {
        // What was announced is reserved at once, as far as it will be kept: growing would hold it twice.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Collector {
            builder: EventBuilder::beside(
                settings
                    .artifacts
                    .as_deref()
                    .map(|directory| Attachments::new(directory, settings.largest())),
                settings,
            ),
            raw: settings.raw.map(|limit| Vec::with_capacity(length.min(limit))),
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, input: &[u8], settings: &Settings) {
        self.builder.feed(input);
        if let (Some(raw), Some(limit)) = (&mut self.raw, settings.raw) {
            if raw.len().saturating_add(input.len()) <= limit {
                raw.extend_from_slice(input);
            } else {
                // It goes out as an event: memory does not grow with the mail.
                self.raw = None;
            }
        }
    }

    /// The end of the mail.
    pub fn finish(self, settings: &Settings, arrival: Arrival) -> Collected {
        let raw = self.raw.map(|mail| {
            let elided = if settings.include_attachments {
                None
            } else {
                without_attachments(&mail)
            };
            elided.unwrap_or(mail)
        });
        let (event, attachments) = self.builder.finish_both(settings, arrival);
        Collected {
            event,
            raw,
            attachments,
        }
    }
}

/// One mail, ready to go out.
#[derive(Debug)]
pub struct Collected {
    /// What is in it.
    pub event: EmailEvent,
    /// The mail itself, for a receiver that parses it by itself; `None` where events are wanted, or the mail is too large.
    pub raw: Option<Vec<u8>>,
    /// Its attachments, where they are stored apart.
    pub attachments: Option<Attachments>,
}

/// The mail with the body of every attachment taken out; `None` where there is none. Whatever is not plainly a part with a
/// header block, an empty line and a body stays as it is: better a byte too many than a doubt.
pub fn without_attachments(mail: &[u8]) -> Option<Vec<u8>> {
    let elisions = elisions(mail);
    if elisions.is_empty() {
        return None;
    }
    let mut output = Vec::with_capacity(mail.len());
    let mut copied = 0;
    let copy = |from: &mut usize, to: usize, output: &mut Vec<u8>| {
        output.extend_from_slice(mail.get(*from..to).unwrap_or_default());
        *from = to;
    };
    for elision in elisions {
        copy(&mut copied, elision.separator, &mut output);
        output.extend_from_slice(elision.field.as_bytes());
        copy(&mut copied, elision.from, &mut output);
        copied = elision.to;
    }
    copy(&mut copied, mail.len(), &mut output);
    Some(output)
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

/// The machine is fed line by line: what it tells during a line happened at that line.
fn elisions(mail: &[u8]) -> Vec<Elision> {
    let mut machine = Machine::new(Outline::default());
    let mut elisions = Vec::new();
    let mut begun: Option<(usize, usize)> = None;
    let mut line_break = 0;
    let mut at: usize = 0;
    for line in mail.split_inclusive(|&byte| byte == b'\n') {
        machine.feed(line);
        let end = at.saturating_add(line.len());
        let visitor = machine.visitor_mut();
        if let Some(found) = visitor.ended.take()
            && let Some((separator, from)) = begun.take()
        {
            // The line break before a boundary line belongs to the boundary (RFC 2046, 5.1.1).
            let to = at.saturating_sub(line_break);
            elisions.extend(elision(mail, found, separator, from, to));
        }
        if std::mem::take(&mut visitor.begun) {
            begun = matches!(line, b"\n" | b"\r\n").then_some((at, end));
        }
        line_break = match line {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        at = end;
    }
    let found = machine.finish().ended;
    if let (Some(found), Some((separator, from))) = (found, begun) {
        elisions.extend(elision(mail, found, separator, from, mail.len()));
    }
    elisions
}

fn elision(mail: &[u8], found: Found, separator: usize, from: usize, to: usize) -> Option<Elision> {
    if from >= to {
        return None;
    }
    let line_end = if mail.get(separator) == Some(&b'\r') {
        "\r\n"
    } else {
        "\n"
    };
    let sha256 = hexadecimal(&found.sha256.finalize());
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
}

struct Found {
    name: String,
    size: u64,
    sha256: Sha256,
}

impl Visitor for Outline {
    fn begin(&mut self, entity: &Entity<'_>) {
        // What was encoded itself stands nowhere in the mail as it is: its parts all have their carrier's offset.
        let as_it_is = self.open.last().is_none_or(|outer| entity.offset > *outer);
        self.open.push(entity.offset);
        self.current = (as_it_is && entity.kind == Kind::Leaf && is_attachment(entity)).then(|| Found {
            name: FileName::read(entity, None).filename.unwrap_or_default(),
            size: 0,
            sha256: Sha256::new(),
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

    fn finding(&mut self, _: Finding<'_>) {}
}

/// A leaf that has a name, says that it is an attachment, or is neither text nor about a mail. What is signed with S/MIME is
/// the mail itself, and no leaf.
pub(super) fn is_attachment(entity: &Entity<'_>) -> bool {
    let essence = entity.content_type.value.as_str();
    let attached = entity
        .disposition
        .is_some_and(|disposition| disposition.value == "attachment");
    let of_the_mail = essence.is_empty() || essence.starts_with("text/") || essence.starts_with("message/");
    attached || FileName::read(entity, None) != FileName::default() || !of_the_mail
}

/// What is taken out was an attachment's body and nothing else: the mail without it has the same header fields otherwise,
/// the same parts, and nothing more to take out.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some(elided) = without_attachments(data) else {
        return;
    };
    assert_eq!(without_attachments(&elided), None);
    let fields = memchr::memmem::find_iter(&elided, ELIDED).count();
    let most = fields.saturating_mul(limits::FILE_NAME.saturating_mul(2).saturating_add(200));
    assert!(fields > 0 && elided.len() <= data.len().saturating_add(most));
}

#[cfg(test)]
mod tests;
