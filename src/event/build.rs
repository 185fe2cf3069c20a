//! A mail's bytes → [`EmailEvent`]: an [`EventBuilder`] is fed the mail as it arrives and keeps what the event needs.
//!
//! Memory is bounded by `limits.rs` whatever the mail: headers and text up to a budget, hashes always of the whole.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{EmailEvent, EventId, Headers, Message, Origin, Part, Routing, journal};
use crate::mime::anomaly::Flag;
use crate::mime::charset::TextDecoder;
use crate::mime::embedded::Enclosed;
use crate::mime::entity::Machine;
use crate::mime::extract::Extractor;
use crate::mime::{Entity, Finding, Kind, Visitor, date};
use anomalies::Anomalies;
use bounds::{Bounds, Budget};
use extract::Files;
use filename::FileName;
use leaf::{Leaf, flag_of_charset};

mod anomalies;
mod bounds;
mod extract;
#[doc(hidden)]
pub mod filename;
mod fuzz;
#[doc(hidden)]
pub mod hashes;
mod leaf;

pub use fuzz::fuzz;

/// What the configuration says about events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `include_attachments`: attachments travel in the event as `content`.
    pub include_attachments: bool,
    /// `max_body_size`: the largest part, in decoded bytes, whose `content` is included; 0 is no limit but memory's.
    pub max_body_size: u64,
    /// `unwrap_journal`: the original in a journal report comes on top of the event.
    pub unwrap_journal: bool,
    /// Mail of at most so many bytes goes out as it is, where the receiver parses it by itself.
    pub raw: Option<usize>,
    /// Attachments are stored apart, and meanwhile kept in this directory.
    pub artifacts: Option<PathBuf>,
    /// `client_options.hostname`, else this machine's name.
    pub hostname: String,
    /// `client_options.identity.oid`.
    pub oid: String,
}

impl Settings {
    /// The largest attachment that is included or stored, in bytes.
    pub fn largest(&self) -> u64 {
        match self.max_body_size {
            0 => u64::MAX,
            size => size,
        }
    }
}

impl Default for Settings {
    /// What an empty configuration says, without names.
    fn default() -> Settings {
        Settings {
            include_attachments: false,
            max_body_size: 0,
            unwrap_journal: true,
            raw: None,
            artifacts: None,
            hostname: String::new(),
            oid: String::new(),
        }
    }
}

/// Where and when a mail arrived: what its bytes do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The mailbox and UID, or the file.
    pub origin: Origin,
    /// The account that the mailbox is in (`user@server:port`): goes into the event id. Empty for files.
    pub account: String,
    /// INTERNALDATE in milliseconds since 1970; `None` takes the mail's own Date.
    pub internal_date: Option<i64>,
    /// Now, in milliseconds since 1970, for a mail without any date.
    pub now: i64,
}

/// Builds the event of one mail: `feed` its bytes, then `finish`. A visitor `V` may listen beside it.
pub struct EventBuilder<V = ()> {
    machine: Machine<Extractor<(Content, V)>>,
    sha256: Sha256,
}

impl EventBuilder {
    /// At the start of a mail.
    pub fn new(settings: &Settings) -> EventBuilder {
        EventBuilder::beside((), settings)
    }
}

impl<V: Visitor> EventBuilder<V> {
    /// At the start of a mail that `visitor` is told of as well.
    pub fn beside(visitor: V, settings: &Settings) -> EventBuilder<V> {
        EventBuilder::within(Bounds::default(), visitor, settings)
    }

    fn within(bounds: Bounds, visitor: V, settings: &Settings) -> EventBuilder<V> {
        EventBuilder {
            machine: Machine::with_header_block(
                bounds.header_block,
                Extractor::new((Content::new(bounds, settings), visitor)),
            ),
            sha256: Sha256::new(),
        }
    }

    /// The visitor, for a look under way.
    pub fn visitor(&self) -> &V {
        &self.machine.visitor().visitor().1
    }

    /// The next bytes of the mail, in pieces of any size.
    pub fn feed(&mut self, input: &[u8]) {
        self.sha256.update(input);
        self.machine.feed(input);
    }

    /// The end of the mail. There always is an event.
    pub fn finish(self, settings: &Settings, arrival: Arrival) -> EmailEvent {
        self.finish_both(settings, arrival).0
    }

    /// The end of the mail: the event, and what the visitor has become.
    pub fn finish_both(self, settings: &Settings, arrival: Arrival) -> (EmailEvent, V) {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        let (content, visitor) = self.machine.finish().into_visitor();
        let (message, mut anomalies) = content.message();
        let event_time = arrival
            .internal_date
            .or_else(|| date::parse_mail_date(message.headers.first("date")?.as_bytes()))
            .unwrap_or(arrival.now);
        let routing = routing(settings, arrival, sha256, event_time);
        let unwrap = settings.unwrap_journal;
        let mut message = journal::recognise(message, unwrap, |flag| anomalies.add(flag, &[], 0));
        message.anomalies = anomalies.list();
        (EmailEvent { routing, message }, visitor)
    }
}

/// Where and when a mail with this hash came.
pub(super) fn routing(settings: &Settings, arrival: Arrival, sha256: [u8; 32], event_time: i64) -> Routing {
    Routing {
        event_time,
        event_id: event_id(&arrival, &sha256),
        hostname: settings.hostname.clone(),
        oid: settings.oid.clone(),
        origin: arrival.origin,
        sha256,
    }
}

/// The same mail of the same mailbox has the same id, whenever and however often it is read: account, mailbox,
/// UIDVALIDITY and UID for IMAP (RFC 3501, 2.3.1.1 makes them unique for ever), name and content for files. A server that was
/// restored from a backup gives UIDs again all the same: INTERNALDATE keeps a receiver that drops what it has, by its id, from
/// dropping another mail.
pub(crate) fn event_id(arrival: &Arrival, sha256: &[u8; 32]) -> EventId {
    let mut digest = Sha256::new();
    let mut add = |field: &[u8]| {
        digest.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(field);
    };
    match &arrival.origin {
        Origin::Mailbox {
            mailbox,
            uid_validity,
            uid,
        } => {
            add(b"imap");
            add(arrival.account.as_bytes());
            add(mailbox.as_bytes());
            add(&uid_validity.to_be_bytes());
            add(&uid.to_be_bytes());
            if let Some(date) = arrival.internal_date {
                add(&date.to_be_bytes());
            }
        }
        Origin::File { source } => {
            add(b"file");
            add(source.as_bytes());
            add(sha256);
        }
    }
    let EventId(mut id) = EventId::from_digest(digest.finalize().into());
    // RFC 9562, 5.8: version 8, variant 10.
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut id;
    *version = (*version & 0x0f) | 0x80;
    *variant = (*variant & 0x3f) | 0x80;
    EventId(id)
}

impl EventId {
    /// Names these bytes.
    pub fn of(bytes: &[u8]) -> EventId {
        EventId::from_digest(Sha256::digest(bytes).into())
    }

    /// The beginning of a SHA-256.
    fn from_digest(digest: [u8; 32]) -> EventId {
        let mut id = [0; 16];
        for (byte, hashed) in id.iter_mut().zip(digest) {
            *byte = hashed;
        }
        EventId(id)
    }
}

/// The visitor: what the event says of the mail's content.
struct Content {
    /// The mail, and the mails inside it that have not ended, outermost first.
    messages: Vec<Message>,
    /// What has begun and not ended, outermost first.
    open: Vec<Open>,
    /// The leaf under way, unless there are too many.
    leaf: Option<Leaf>,
    /// What is enclosed in its content.
    files: Files,
    /// Parts that may still be described, in all messages.
    parts_left: usize,
    /// Bytes that headers may still take.
    headers_left: usize,
    budget: Budget,
    anomalies: Anomalies,
    /// The last charset that a part named, for raw 8-bit file names: attachments have none of their own.
    charset: Option<Vec<u8>>,
    /// Reused for unfolded values.
    unfolded: Vec<u8>,
}

enum Open {
    Leaf,
    Multipart,
    /// A part that carries a mail, and where it is, if the event describes it.
    Message(Option<Vec<u32>>),
    /// An S/MIME object, unless there are too many parts, and which part of its message it is. What it encloses comes
    /// after it in the list, and before its end.
    Cms(Option<(Box<Leaf>, usize)>),
}

impl Content {
    fn new(bounds: Bounds, settings: &Settings) -> Content {
        Content {
            messages: Vec::new(),
            open: Vec::new(),
            leaf: None,
            files: Files::default(),
            parts_left: bounds.parts,
            headers_left: bounds.headers,
            budget: Budget::new(settings, &bounds),
            anomalies: Anomalies::default(),
            charset: None,
            unfolded: Vec::new(),
        }
    }

    /// The outermost mail and what is odd in it, after the machine's end.
    fn message(mut self) -> (Message, Anomalies) {
        (self.messages.pop().unwrap_or_default(), self.anomalies)
    }

    /// The fields of `entity`, and what is odd in them. What is not `shown` takes no room.
    fn headers(&mut self, entity: &Entity<'_>, shown: bool) -> Headers {
        let mut headers = if shown {
            let bytes = entity.fields.bytes().min(self.headers_left);
            Headers::with_room(entity.fields.count(), bytes)
        } else {
            Headers::default()
        };
        let charset = entity.content_type.parameter("charset");
        for field in entity.fields {
            let cost = if shown {
                field.name.len().saturating_add(field.value.len())
            } else {
                0
            };
            let Some(left) = self.headers_left.checked_sub(cost) else {
                let offset = entity.offset_of(&field);
                self.anomalies.add(Flag::LimitHeader, entity.header_path(), offset);
                break;
            };
            self.headers_left = left;
            let name = String::from_utf8_lossy(field.name);
            let notes = headers.add(&name, |text| field.text(charset, &mut self.unfolded, text));
            for note in notes.iter() {
                let offset = entity.offset_of(&field);
                self.anomalies.add(Flag::from(note), entity.header_path(), offset);
            }
        }
        headers
    }

    fn file_name(&mut self, entity: &Entity<'_>) -> FileName {
        let (name, field) = FileName::read(entity, self.charset.as_deref());
        let offset = entity.offset_of_first(field);
        if name.cut {
            self.anomalies.add(Flag::LimitHeader, entity.header_path(), offset);
        }
        // The field that it stands in may have said so; not where RFC 2231 escapes it.
        if name.bidi && !self.anomalies.has(Flag::BidiControl, entity.header_path()) {
            self.anomalies.add(Flag::BidiControl, entity.header_path(), offset);
        }
        name
    }

    fn leaf(&mut self, entity: &Entity<'_>, headers: Headers) -> Leaf {
        let essence = entity.content_type.value.as_str();
        let name = self.file_name(entity);
        let attached = entity.is_attached();
        let plain = matches!(essence, "text/plain" | "text/html" | "");
        let decoder = entity
            .is_text()
            .then(|| TextDecoder::new(entity.content_type.parameter("charset")));
        if let Some(flag) = decoder.as_ref().and_then(flag_of_charset) {
            let offset = entity.offset_of_first("content-type");
            self.anomalies.add(flag, entity.path, offset);
        }
        let attachment = attached || name != FileName::default() || !plain;
        let mut leaf = Leaf::new(headers, entity.path, entity.offset, decoder, attachment, &self.budget);
        leaf.set_name(name);
        leaf
    }
}

impl Visitor for Content {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some(charset) = entity.content_type.charset() {
            self.charset = Some(charset.to_vec());
        }
        // What a multipart says of itself is structure; its leaves are what the event shows.
        let structure = entity.kind == Kind::Multipart;
        let described = self.parts_left > 0;
        if !described && !structure {
            self.anomalies.add(Flag::LimitParts, &[], entity.offset);
        }
        // Without a boundary, its header is that of the leaf that it is read as, too.
        let undivided = || entity.content_type.parameter("boundary").is_none_or(<[u8]>::is_empty);
        let said_below = structure && !entity.root && undivided();
        let headers = if entity.root || (described && !said_below) {
            self.headers(entity, entity.root || !structure)
        } else {
            Headers::default()
        };
        let headers = if entity.root {
            self.messages.push(Message {
                headers,
                ..Message::default()
            });
            Headers::default()
        } else {
            headers
        };
        let open = match entity.kind {
            Kind::Leaf => {
                self.leaf = described.then(|| self.leaf(entity, headers));
                Open::Leaf
            }
            Kind::Cms => {
                let leaf = described.then(|| self.leaf(entity, headers));
                self.give_up_enclosing_content();
                Open::Cms(leaf.map(|leaf| (Box::new(leaf), self.add(Part::default()))))
            }
            Kind::Multipart => Open::Multipart,
            Kind::Message => {
                if described {
                    let name = self.file_name(entity);
                    self.add(Part {
                        headers,
                        filename: name.filename,
                        filename_raw: name.filename_raw,
                        ..Part::default()
                    });
                }
                Open::Message(described.then(|| entity.path.to_vec()))
            }
        };
        self.open.push(open);
    }

    fn body(&mut self, decoded: &[u8]) {
        if let Some(leaf) = &mut self.leaf {
            leaf.body(decoded, &self.budget);
        }
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        if let Some(Open::Cms(Some((leaf, _)))) = self.open.get_mut(depth) {
            leaf.body(decoded, &self.budget);
        }
    }

    fn enclosed(&mut self, found: Enclosed<'_>) {
        if let Some(leaf) = &self.leaf {
            // The leaf itself is not among the parts yet.
            let room = self.parts_left.saturating_sub(1);
            let charset = self.charset.as_deref();
            self.files
                .take(found, leaf, room, charset, &mut self.budget, &mut self.anomalies);
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Leaf) => {
                if let Some(leaf) = self.leaf.take() {
                    let part = leaf.finish(&mut self.budget, &mut self.anomalies);
                    self.add(part);
                    for file in self.files.finish() {
                        self.add(file);
                    }
                }
            }
            Some(Open::Cms(Some((leaf, position)))) => {
                let part = leaf.finish(&mut self.budget, &mut self.anomalies);
                let parts = self.messages.last_mut().map(|message| &mut message.parts);
                if let Some(place) = parts.and_then(|parts| parts.get_mut(position)) {
                    *place = part;
                }
            }
            Some(Open::Message(carrier)) => {
                // The mail inside the mail is whole: it goes to the part that carries it.
                let message = self.messages.pop();
                let part = self.messages.last_mut().and_then(|outer| outer.parts.last_mut());
                if let (Some(path), Some(mut message), Some(part)) = (carrier, message, part) {
                    message.anomalies = self.anomalies.within(&path);
                    part.message = Some(Box::new(message));
                }
            }
            Some(Open::Multipart | Open::Cms(None)) | None => {}
        }
    }

    fn finding(&mut self, finding: Finding<'_>) {
        self.anomalies
            .add_all(finding.flag, finding.path, finding.offset, finding.count);
    }
}

impl Content {
    /// An S/MIME object in another one: its bytes need not be in memory twice.
    fn give_up_enclosing_content(&mut self) {
        for open in &mut self.open {
            if let Open::Cms(Some((leaf, _))) = open {
                leaf.give_up_content();
            }
        }
    }

    /// Adds a part to the innermost message; gives its place there.
    fn add(&mut self, part: Part) -> usize {
        self.parts_left = self.parts_left.saturating_sub(1);
        let Some(message) = self.messages.last_mut() else {
            return 0;
        };
        message.parts.push(part);
        message.parts.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod every_flag;
#[cfg(test)]
mod tests;
