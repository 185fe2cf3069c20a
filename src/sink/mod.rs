//! Where events go. A [`Sink`] takes a [`Batch`] and returns when the receiver has acknowledged all of it, or says why not.

pub mod stdout;
pub mod webhook;

use std::fmt;
use std::time::Duration;

use crate::limits;

/// Events on their way: JSON objects, one a line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    lines: Vec<u8>,
    count: usize,
}

impl Batch {
    /// Adds one event, which `write` appends to the buffer as one line of JSON without its line end.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.lines);
        self.lines.push(b'\n');
        self.count = self.count.saturating_add(1);
    }

    /// Keeps the first `count` events and gives the others.
    #[must_use = "the others are nowhere else"]
    pub fn split_off(&mut self, count: usize) -> Batch {
        // An event is one line: JSON escapes every LF in it.
        let ends = memchr::memchr_iter(b'\n', &self.lines).map(|end| end.saturating_add(1));
        let at = std::iter::once(0).chain(ends).nth(count).unwrap_or(self.lines.len());
        let rest = Batch {
            lines: self.lines.split_off(at),
            count: self.count.saturating_sub(count),
        };
        self.count = self.count.min(count);
        rest
    }

    /// The events, each ended by LF.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many events.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets the events and keeps the buffer, but for what an event of unusual size made it grow.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(limits::BATCH_BYTES.saturating_mul(2));
        self.count = 0;
    }
}

/// A receiver of events.
pub trait Sink: Send {
    /// Sends the whole batch and waits for the acknowledgement of all of it. After an error the receiver may hold
    /// some or all of the events: the same batch is delivered again, and the events' ids tell the repeats.
    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError>;
}

/// A batch that was not acknowledged. Nothing is ever dropped: each kind says when to try again.
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
        let events = ["{}", "{\"a\":1}", "{\"b\":\"\\n\"}"];
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
            assert_eq!([first.lines(), second.lines()].concat(), whole().lines(), "{count}");
            assert_eq!(
                (first.count(), second.count()),
                (count.min(3), 3_usize.saturating_sub(count))
            );
            for batch in [first, second] {
                assert_eq!(
                    batch.lines().split_inclusive(|byte| *byte == b'\n').count(),
                    batch.count()
                );
            }
        }
    }
}
