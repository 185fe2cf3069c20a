//! What each reader makes of a mail, in terms that can be compared.

use std::borrow::Cow;
use std::collections::BTreeSet;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};
use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{EmailEvent, Origin};
use mailtap::mime::charset::TextDecoder;
use mailtap::mime::{Entity, Finding, Kind, Visitor};

/// One mail and both readings of it.
#[derive(Debug)]
pub struct Mail<'m> {
    /// As it came.
    pub bytes: &'m [u8],
    /// mailtap's reading.
    pub ours: Reading,
    /// The flags of mailtap's event, with their severity.
    pub flags: BTreeSet<(String, &'static str)>,
    /// `mail-parser`'s reading; empty where it gives up.
    pub theirs: Reading,
}

/// What is in a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Subject, decoded.
    pub subject: Option<String>,
    /// From: the whole value of ours, the addresses of theirs.
    pub from: Vec<String>,
    /// The leaves of the MIME tree in order, those of enclosed mails among them.
    pub leaves: Vec<Leaf>,
}

/// One leaf.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Leaf {
    /// `text/plain`, in lower case.
    pub media_type: String,
    /// The name of an attachment, decoded, not cleaned.
    pub file_name: Option<String>,
    /// Decoded content; of theirs, none where it is text.
    pub bytes: Vec<u8>,
    /// Content as text.
    pub text: Option<String>,
    /// Whether only one of the readers looks there: inside an S/MIME object.
    pub beyond: bool,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = self
            .text
            .clone()
            .unwrap_or_else(|| self.bytes.escape_ascii().to_string());
        let shown: String = content.chars().take(400).collect();
        let Leaf {
            media_type, file_name, ..
        } = self;
        write!(
            formatter,
            "{media_type} {file_name:?} {} bytes {shown:?}",
            content.len()
        )
    }
}

impl Leaf {
    /// Its content as text: by its charset, and by none.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let undecoded = (!self.bytes.is_empty()).then(|| String::from_utf8_lossy(&self.bytes));
        self.text.as_deref().map(Cow::from).into_iter().chain(undecoded)
    }
}

impl<'m> Mail<'m> {
    /// Reads it twice.
    pub fn read(bytes: &'m [u8]) -> Mail<'m> {
        let settings = Settings {
            unwrap_journal: false,
            ..Settings::default()
        };
        let mut builder = EventBuilder::beside(Leaves::default(), &settings);
        builder.feed(bytes);
        let origin = Origin::File { source: String::new() };
        let arrival = Arrival {
            origin,
            account: String::new(),
            internal_date: None,
            now: 0,
        };
        let (event, leaves) = builder.finish_both(&settings, arrival);
        let ours = ours(&event, leaves);
        Mail {
            bytes,
            flags: flags(&event),
            // Where it panics there is nothing to compare with.
            theirs: read_by_other(bytes).unwrap_or_else(|| ours.clone()),
            ours,
        }
    }
}

/// What `mail-parser` reads; `None` where it panics, as it does for some broken nestings. The fuzzer's hook would end the
/// process at any panic, so it is put aside meanwhile.
fn read_by_other(bytes: &[u8]) -> Option<Reading> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let read = std::panic::catch_unwind(|| {
        let message = MessageParser::default().parse(bytes);
        message.map(|message| theirs(&message)).unwrap_or_default()
    });
    std::panic::set_hook(hook);
    read.ok()
}

fn flags(event: &EmailEvent) -> BTreeSet<(String, &'static str)> {
    let anomalies = event.message.anomalies.iter();
    anomalies
        .map(|anomaly| (anomaly.flag.clone(), anomaly.severity))
        .collect()
}

fn ours(event: &EmailEvent, leaves: Leaves) -> Reading {
    let first = |name: &str| Some(event.message.headers.first(name)?.to_owned());
    Reading {
        subject: first("subject"),
        from: first("from").into_iter().collect(),
        leaves: leaves.found,
    }
}

/// Listens beside the event: the same leaves, but with all of their bytes.
#[derive(Default)]
struct Leaves {
    found: Vec<Leaf>,
    /// Of every open entity: its leaf, if it is one, and what decodes its text.
    open: Vec<Option<(usize, Option<TextDecoder>)>>,
    /// How many S/MIME objects are open.
    objects: usize,
}

impl Visitor for Leaves {
    fn begin(&mut self, entity: &Entity<'_>) {
        let object = entity.kind == Kind::Cms;
        if !object && entity.kind != Kind::Leaf {
            return self.open.push(None);
        }
        let media_type = entity.content_type.value.clone();
        let disposition = entity.disposition.and_then(|value| value.text("filename", None));
        let text = media_type.starts_with("text/") || media_type.is_empty();
        let decoder = text.then(|| TextDecoder::new(entity.content_type.parameter("charset")));
        self.open.push(Some((self.found.len(), decoder)));
        self.found.push(Leaf {
            media_type,
            file_name: disposition.or_else(|| entity.content_type.text("name", None)),
            bytes: Vec::new(),
            text: text.then(String::new),
            beyond: self.objects > 0,
        });
        self.objects += usize::from(object);
    }

    fn body(&mut self, decoded: &[u8]) {
        self.add(self.open.len() - 1, decoded);
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.add(depth, decoded);
    }

    fn end(&mut self) {
        if let Some(Some((position, decoder))) = self.open.pop() {
            let leaf = &mut self.found[position];
            if let (Some(mut decoder), Some(text)) = (decoder, &mut leaf.text) {
                decoder.finish(text);
            }
        }
        self.objects = self.open.iter().flatten().count();
    }

    fn finding(&mut self, _: Finding<'_>) {}
}

impl Leaves {
    fn add(&mut self, depth: usize, decoded: &[u8]) {
        if let Some(Some((position, decoder))) = self.open.get_mut(depth) {
            let leaf = &mut self.found[*position];
            leaf.bytes.extend_from_slice(decoded);
            if let (Some(decoder), Some(text)) = (decoder, &mut leaf.text) {
                decoder.feed(decoded, text);
            }
        }
    }
}

fn theirs(message: &Message<'_>) -> Reading {
    let mut leaves = Vec::new();
    add_leaves(message, &mut leaves);
    let addresses = message.from().into_iter().flat_map(|from| from.iter());
    Reading {
        subject: message.subject().map(str::to_owned),
        from: addresses
            .filter_map(|address| address.address.as_deref())
            .map(str::to_owned)
            .collect(),
        leaves,
    }
}

fn add_leaves(message: &Message<'_>, leaves: &mut Vec<Leaf>) {
    for part in &message.parts {
        match &part.body {
            PartType::Multipart(_) => {}
            PartType::Message(message) => add_leaves(message, leaves),
            PartType::Text(text) | PartType::Html(text) => {
                leaves.push(Leaf {
                    text: Some(text.to_string()),
                    ..leaf(part)
                });
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                leaves.push(Leaf {
                    bytes: bytes.to_vec(),
                    ..leaf(part)
                });
            }
        }
    }
}

fn leaf(part: &MessagePart<'_>) -> Leaf {
    let media_type = part.content_type().map(|value| match value.subtype() {
        Some(subtype) => format!("{}/{subtype}", value.ctype()).to_ascii_lowercase(),
        None => value.ctype().to_ascii_lowercase(),
    });
    Leaf {
        media_type: media_type.unwrap_or_else(|| "text/plain".to_owned()),
        file_name: part.attachment_name().map(str::to_owned),
        ..Leaf::default()
    }
}
