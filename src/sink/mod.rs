//! Where events go. A [`Sink`] takes a [`Batch`] and returns when the receiver has acknowledged all of it, or says why not.

pub mod artifact;
mod gzip;
pub mod limacharlie;
pub mod stdout;
pub mod webhook;

use std::fmt;
use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::dead_letter::Content;
use crate::event::encode;
use crate::event::raw::Collected;
use crate::limits;

/// Events on their way, each in the form that the sink gave it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds one event, which `write` appends to the buffer.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Keeps the first `count` events and gives the others.
    #[must_use = "the others are nowhere else"]
    pub fn split_off(&mut self, count: usize) -> Batch {
        let count = count.min(self.ends.len());
        let mut ends = self.ends.split_off(count);
        let at = self.ends.last().copied().unwrap_or_default();
        for end in &mut ends {
            *end = end.saturating_sub(at);
        }
        Batch {
            bytes: self.bytes.split_off(at),
            ends,
        }
    }

    /// The events, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One event.
    pub fn event(&self, place: usize) -> Option<&[u8]> {
        let begin = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(begin..*self.ends.get(place)?)
    }

    /// The events whose place is `wanted`.
    #[must_use]
    pub fn part(&self, wanted: impl Fn(usize) -> bool) -> Batch {
        let mut part = Batch::default();
        let places = (0..self.count()).filter(|place| wanted(*place));
        for event in places.filter_map(|place| self.event(place)) {
            part.push(|output| output.extend_from_slice(event));
        }
        part
    }

    /// How many events.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets everything, the buffer as well: there may be nothing to deliver for days.
    pub fn release(&mut self) {
        *self = Batch::default();
    }

    /// Forgets the events and keeps the buffer, but for what an event of unusual size made it grow.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(limits::BATCH_BYTES.saturating_mul(2));
        self.ends.clear();
    }
}

/// A receiver of events.
pub trait Sink: Send {
    /// Appends `mail` as this receiver takes it: its event as a line of JSON, unless it says otherwise.
    fn encode(&self, mail: &Collected, output: &mut Vec<u8>) {
        encode::encode(&mail.event, output);
        output.push(b'\n');
    }

    /// How many events a batch may have at most.
    fn batch_events(&self) -> usize {
        limits::BATCH_EVENTS
    }

    /// What a dead-letter file keeps of an event that [`Sink::encode`] wrote.
    fn letter<'e>(&self, encoded: &'e [u8]) -> Content<'e> {
        Content::Event(encoded.trim_ascii_end().into())
    }

    /// Appends what a dead-letter file kept, as this receiver takes it; `false` where that is nothing for it.
    fn encode_letter(&self, content: &Content<'_>, output: &mut Vec<u8>) -> bool {
        let Content::Event(event) = content else {
            return false;
        };
        output.extend_from_slice(event);
        output.push(b'\n');
        true
    }

    /// Sends the whole batch and waits for the acknowledgement of all of it. After an error the receiver may hold
    /// some or all of the events: the same batch is delivered again, and the events' ids tell the repeats.
    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError>;

    /// How long to wait between attempts that failed.
    fn backoff(&self) -> Backoff {
        backoff::DELIVERY
    }

    /// Whether the receiver acknowledged events of the batch whose delivery has just failed: patience begins anew then.
    fn got_on(&self) -> bool {
        false
    }

    /// Called now and then while there is nothing to deliver: what a connection needs to stay alive, or its end; memory
    /// that only a delivery needs is given back.
    fn tend(&mut self) -> Result<(), DeliveryError> {
        Ok(())
    }

    /// Connects as far as that is possible without sending an event, and tells how far that was; `None` where there is nobody
    /// to connect to.
    fn reach(&mut self) -> Result<Option<Reached>, DeliveryError> {
        Ok(None)
    }

    /// Called when nothing more will be delivered: a goodbye, where one is usual.
    fn close(&mut self) {}
}

/// How far a receiver can be reached without an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// `host:port`.
    pub peer: String,
    /// What works.
    pub works: &'static str,
    /// What only a real delivery can show.
    pub untried: &'static str,
}

/// What became of one event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is acknowledged.
    Taken,
    /// It is not, and may be later.
    Later,
    /// The receiver refuses it.
    Refused,
}

/// A batch that was not acknowledged, or not all of it. Nothing is ever dropped: each kind says when to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryError {
    /// Network, timeout, TLS, 408, 425, 429, 5xx: try again with backoff, not before `after`.
    Retry {
        /// What happened, for the log.
        reason: String,
        /// The receiver's `Retry-After`, clamped.
        after: Option<Duration>,
    },
    /// 400, 413, 415, 422: the receiver refuses these very bytes.
    Reject {
        /// What the receiver said, for the log.
        reason: String,
    },
    /// The receiver tells what became of each event.
    Each {
        /// By their places in the batch.
        fates: Vec<Fate>,
        /// What the receiver said, for the log.
        reason: String,
        /// The receiver's `Retry-After`, clamped.
        after: Option<Duration>,
    },
    /// 401, 403, 404, 407, 410, 3xx: a setting is wrong; probe slowly and say which.
    Configuration {
        /// What the receiver said and which setting to look at, for the log.
        reason: String,
    },
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeliveryError::Retry { reason, .. }
            | DeliveryError::Reject { reason }
            | DeliveryError::Each { reason, .. }
            | DeliveryError::Configuration { reason } => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for DeliveryError {}

#[cfg(test)]
mod tests {
    use super::Batch;

    #[test]
    fn a_batch_is_split_between_events_and_none_is_lost() {
        let events = ["{}", "", "{\"b\":\"\\n\"}"];
        let whole = || {
            let mut batch = Batch::default();
            for event in events {
                batch.push(|line| line.extend_from_slice(event.as_bytes()));
            }
            batch
        };
        for count in 0..5 {
            let mut first = whole();
            let second = first.split_off(count);
            let kept = count.min(3);
            assert_eq!((first.count(), second.count()), (kept, 3 - kept));
            assert_eq!([first.bytes(), second.bytes()].concat(), whole().bytes(), "{count}");
            for (place, event) in events.iter().enumerate() {
                let found = match place.checked_sub(kept) {
                    None => first.event(place),
                    Some(place) => second.event(place),
                };
                assert_eq!(found, Some(event.as_bytes()), "{count} {place}");
            }
            assert_eq!((first.event(kept), second.event(3 - kept)), (None, None));
        }
        for chosen in 0..8_u8 {
            let wanted = |place: usize| chosen >> place & 1 == 1;
            let part = whole().part(wanted);
            let expected = (0..3)
                .filter(|place| wanted(*place))
                .map(|place| events[place].as_bytes());
            let found = (0..part.count()).map(|place| part.event(place).unwrap());
            assert!(found.eq(expected), "{chosen}");
        }
    }
}
