//! Mail for a receiver that parses it by itself: byte for byte as it came, or with the bodies of attachments taken out and
//! named in a header field (`raw/elision.rs`).

use sha2::{Digest as _, Sha256};

use self::elision::Elider;
use super::attachments::Attachments;
use super::build::{self, Arrival, EventBuilder, Settings};
use super::{EmailEvent, Message};

pub mod elision;

/// One mail on its way to its event, or to its raw form where the receiver takes that: fed as it arrives, then finished.
pub struct Collector {
    /// Reads the mail for its event. Where the mail itself goes out, only its attachments may need that.
    builder: Option<Builder>,
    raw: Option<Raw>,
}

type Builder = EventBuilder<Option<Attachments>>;

/// The mail as it came, so far.
struct Raw {
    mail: Vec<u8>,
    sha256: Sha256,
    /// Where attachments do not go along.
    elider: Option<Box<Elider>>,
}

impl Collector {
    /// At the start of a mail of `length` bytes, as it is announced.
    pub fn new(settings: &Settings, length: u64) -> Collector {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let raw = settings.raw.filter(|limit| length <= *limit).map(|_| Raw {
            // Reserved at once: growing would hold it twice.
            mail: Vec::with_capacity(length),
            sha256: Sha256::new(),
            elider: (!settings.include_attachments).then(Box::default),
        });
        Collector {
            builder: (raw.is_none() || settings.artifacts.is_some()).then(|| builder(settings)),
            raw,
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, input: &[u8], settings: &Settings) {
        if let (Some(raw), Some(limit)) = (&mut self.raw, settings.raw) {
            if raw.mail.len().saturating_add(input.len()) <= limit {
                raw.feed(input);
            } else {
                // It goes out as an event: memory does not grow with the mail.
                let held = self.raw.take().map(|raw| raw.mail).unwrap_or_default();
                self.builder.get_or_insert_with(|| read(&held, settings));
            }
        }
        if let Some(builder) = &mut self.builder {
            builder.feed(input);
        }
    }

    /// The end of the mail.
    pub fn finish(self, settings: &Settings, arrival: Arrival) -> Collected {
        let Collector { builder, raw } = self;
        // An empty text would vanish on its way.
        let Some(raw) = raw.filter(|raw| !raw.mail.is_empty()) else {
            return event(builder.unwrap_or_else(|| self::builder(settings)), settings, arrival);
        };
        let collected = match (builder, arrival.internal_date) {
            (None, Some(time)) => {
                let sha256 = raw.sha256.clone().finalize().into();
                Collected {
                    event: EmailEvent {
                        routing: build::routing(settings, arrival, sha256, time),
                        message: Message::default(),
                    },
                    raw: None,
                    attachments: None,
                }
            }
            // The mail's own date counts.
            (None, None) => event(read(&raw.mail, settings), settings, arrival),
            (Some(builder), _) => event(builder, settings, arrival),
        };
        Collected {
            raw: Some(raw.finish()),
            ..collected
        }
    }
}

fn builder(settings: &Settings) -> Builder {
    let attachments = settings.artifacts.as_deref();
    let attachments = attachments.map(|directory| Attachments::new(directory, settings.largest()));
    EventBuilder::beside(attachments, settings)
}

fn read(mail: &[u8], settings: &Settings) -> Builder {
    let mut builder = builder(settings);
    builder.feed(mail);
    builder
}

fn event(builder: Builder, settings: &Settings, arrival: Arrival) -> Collected {
    let (event, attachments) = builder.finish_both(settings, arrival);
    Collected {
        event,
        raw: None,
        attachments,
    }
}

impl Raw {
    fn feed(&mut self, input: &[u8]) {
        self.sha256.update(input);
        self.mail.extend_from_slice(input);
        if let Some(elider) = &mut self.elider {
            elider.look(&self.mail);
        }
    }

    /// What goes out.
    fn finish(self) -> Vec<u8> {
        let elided = self.elider.and_then(|elider| elider.finish(&self.mail));
        elided.unwrap_or(self.mail)
    }
}

/// One mail, ready to go out.
#[derive(Debug)]
pub struct Collected {
    /// What is in it; of a mail that goes out by itself only where and when it came, and its hash.
    pub event: EmailEvent,
    /// The mail itself, never empty, for a receiver that parses it by itself; `None` where events are wanted, or the mail
    /// is too large.
    pub raw: Option<Vec<u8>>,
    /// Its attachments, where they are stored apart.
    pub attachments: Option<Attachments>,
}

#[cfg(test)]
mod tests;
