//! Where events go. A [`Sink`] takes a [`Batch`] and returns when the receiver has acknowledged all of it, or says why not.

pub mod artifact;
mod gzip;
pub mod limacharlie;
pub mod stdout;
pub mod webhook;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::dead_letter::Content;
use crate::event::raw::Collected;
use crate::event::{EventId, encode};
use crate::http::exchange::ExchangeError;
use crate::limits;

/// Events on their way, each in the form that the sink gave it: new ones join at the back, and leave from the front.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
    /// And what tells it from any other: which mail it is of, and what is in it.
    ids: Vec<EventId>,
    /// How many at the front have left; their bytes are still there.
    left: usize,
    /// The number of the first event, of all that ever joined.
    first: u64,
}

impl Batch {
    /// Adds one event, which no other has the `id` of, and which `write` appends to the buffer.
    pub fn push(&mut self, id: EventId, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
        self.ids.push(id);
    }

    /// The events' ids.
    pub fn ids(&self) -> &[EventId] {
        self.ids.get(self.left..).unwrap_or_default()
    }

    /// The ids and the bytes of the events at these places.
    pub fn range(&self, places: Range<usize>) -> (&[EventId], &[u8]) {
        let bytes = self.end(places.start).zip(self.end(places.end));
        let bytes = bytes.and_then(|(begin, end)| self.bytes.get(begin..end));
        let ids = self.ids().get(places);
        (ids.unwrap_or_default(), bytes.unwrap_or_default())
    }

    /// Where the first `count` events end.
    fn end(&self, count: usize) -> Option<usize> {
        match self.left.saturating_add(count).checked_sub(1) {
            Some(last) => self.ends.get(last).copied(),
            None => Some(0),
        }
    }

    /// The number of the first event: it stays the event's own while others leave, and no other event's.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The first `count` events leave.
    pub fn drop_front(&mut self, count: usize) {
        let count = count.min(self.count());
        self.left = self.left.saturating_add(count);
        self.first = self.first.saturating_add(count as u64);
        if self.is_empty() {
            self.bytes.clear();
            // The buffer stays, but for what an event of unusual size made it grow.
            self.bytes.shrink_to(limits::BATCH_BYTES.saturating_mul(2));
            self.ends.clear();
            self.ids.clear();
            self.left = 0;
        } else if self.begin().saturating_mul(2) >= self.bytes.len() {
            self.close_up();
        }
    }

    /// Gives the room of what has left back. It is done when that is the half, so an event is moved once on average.
    fn close_up(&mut self) {
        let begin = self.begin();
        self.bytes.drain(..begin);
        self.ends.drain(..self.left);
        self.ids.drain(..self.left);
        self.left = 0;
        for end in &mut self.ends {
            *end = end.saturating_sub(begin);
        }
    }

    /// Where the first event begins.
    fn begin(&self) -> usize {
        self.end(0).unwrap_or_default()
    }

    /// Keeps the first `count` events and gives the others.
    #[must_use = "the others are nowhere else"]
    pub fn split_off(&mut self, count: usize) -> Batch {
        self.close_up();
        let count = count.min(self.ends.len());
        let mut ends = self.ends.split_off(count);
        let at = self.ends.last().copied().unwrap_or_default();
        for end in &mut ends {
            *end = end.saturating_sub(at);
        }
        Batch {
            bytes: self.bytes.split_off(at),
            ends,
            ids: self.ids.split_off(count),
            left: 0,
            first: self.first.saturating_add(count as u64),
        }
    }

    /// The events, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.begin()..).unwrap_or_default()
    }

    /// One event.
    pub fn event(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.end(place)?..self.end(place.saturating_add(1))?)
    }

    /// The events whose place is `wanted`.
    #[must_use]
    pub fn part(&self, wanted: impl Fn(usize) -> bool) -> Batch {
        let mut part = Batch::default();
        for place in (0..self.count()).filter(|place| wanted(*place)) {
            part.push_from(self, place);
        }
        part
    }

    /// Adds one event of another batch.
    pub fn push_from(&mut self, other: &Batch, place: usize) {
        if let (Some(id), Some(event)) = (other.ids().get(place), other.event(place)) {
            self.push(*id, |output| output.extend_from_slice(event));
        }
    }

    /// How many events.
    pub fn count(&self) -> usize {
        self.ends.len().saturating_sub(self.left)
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// All leave, the buffer as well: there may be nothing to deliver for days.
    pub fn release(&mut self) {
        *self = self.successor();
    }

    /// Numbers these events as such that come behind those of `other`.
    pub fn follow(&mut self, other: &Batch) {
        self.first = other.successor().first;
    }

    /// An empty one, for events that come behind these.
    #[must_use]
    pub fn successor(&self) -> Batch {
        Batch {
            first: self.first.saturating_add(self.count() as u64),
            ..Batch::default()
        }
    }

    /// All leave.
    pub fn clear(&mut self) {
        self.drop_front(self.count());
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

    /// The receiver as one that is not waited for, if it is.
    fn flow(&mut self) -> Option<&mut dyn Flow> {
        None
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

/// A receiver that acknowledges events while others are fetched: nobody waits for it until the queue is full.
///
/// It is given the same queue again and again. What it says to be acknowledged is taken off the front, and what is taken off
/// besides is given up.
pub trait Flow {
    /// How many events, and bytes of them, may be in the queue.
    fn room(&self) -> (usize, usize) {
        (limits::BATCH_EVENTS, limits::BATCH_BYTES)
    }

    /// Whether so many events that it was not given yet, of so many bytes, are worth being sent without waiting for more.
    fn is_worth_sending(&self, _events: usize, bytes: usize) -> bool {
        bytes >= limits::SEND_AHEAD
    }

    /// Sends what can be sent now, and hears what has come; waits for nothing.
    fn send_ahead(&mut self, queue: &Batch) -> Result<(), DeliveryError>;

    /// The same, and waits until more of the front is acknowledged, for `patience` at most.
    fn send_and_wait(&mut self, queue: &Batch, patience: Duration) -> Result<(), DeliveryError>;

    /// How many events at the front of the queue that was given last are acknowledged, also where that ended with an error.
    fn acknowledged(&self) -> usize;

    /// How many events behind those may be the ones that are meant, where that ended with [`DeliveryError::Reject`].
    fn refused(&self) -> usize {
        usize::MAX
    }
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
    /// Every status but 2xx, 400, 408, 413, 415, 422, 425, 429 and 5xx: a setting is wrong; probe slowly and say which.
    Configuration {
        /// What the receiver said and which setting to look at, for the log.
        reason: String,
    },
}

impl DeliveryError {
    /// A request to `whom` that got no answer.
    pub fn unanswered(whom: &str, error: &ExchangeError) -> DeliveryError {
        let reason = format!("{whom}: {error}");
        if error.is_configuration() {
            DeliveryError::Configuration { reason }
        } else {
            DeliveryError::Retry { reason, after: None }
        }
    }

    /// Of a batch of `count` events. That the only one is refused has one name, whatever the receiver calls it: else it would
    /// be tried alone again and again.
    #[must_use]
    pub fn of(self, count: usize) -> DeliveryError {
        match self {
            DeliveryError::Each { fates, reason, .. } if count == 1 && fates.first() == Some(&Fate::Refused) => {
                DeliveryError::Reject { reason }
            }
            error => error,
        }
    }
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
    use super::{Batch, DeliveryError, Fate};
    use crate::event::EventId;

    #[test]
    fn of_one_event_a_refusal_is_a_refusal_and_nothing_else_changes() {
        let each = |fates: &[Fate]| DeliveryError::Each {
            fates: fates.to_vec(),
            reason: "said".to_owned(),
            after: None,
        };
        let reject = DeliveryError::Reject {
            reason: "said".to_owned(),
        };
        assert_eq!(each(&[Fate::Refused]).of(1), reject);
        assert_eq!(reject.clone().of(2), reject);
        for (fates, count) in [
            ([Fate::Refused; 2].as_slice(), 2),
            (&[Fate::Later], 1),
            (&[Fate::Taken], 1),
            (&[], 1),
        ] {
            assert_eq!(each(fates).of(count), each(fates), "{fates:?}");
        }
    }

    #[test]
    fn events_leave_from_the_front_under_their_own_numbers_and_are_moved_once_at_most() {
        let mut batch = Batch::default();
        let name = |number: usize| format!("event {number}").into_bytes();
        let (mut joined, mut left) = (0, 0);
        for round in 0..200 {
            for _ in 0..round % 7 {
                batch.push(EventId::of(&name(joined)), |output| output.extend(name(joined)));
                joined += 1;
            }
            let leaving = (round % 5).min(batch.count());
            batch.drop_front(leaving);
            left += leaving;
            assert_eq!((batch.first(), batch.count()), (left as u64, joined - left));
            let whole: Vec<Vec<u8>> = (left..joined).map(name).collect();
            assert_eq!(batch.bytes(), whole.concat());
            assert!(
                batch
                    .ids()
                    .iter()
                    .eq(&whole.iter().map(|event| EventId::of(event)).collect::<Vec<_>>())
            );
            for (place, event) in whole.iter().enumerate() {
                assert_eq!(batch.event(place), Some(event.as_slice()));
            }
            assert_eq!(batch.event(whole.len()), None);
            // What has left takes no more room than what is there.
            assert!(batch.bytes.len() <= 2 * whole.concat().len());
        }
        let rest = batch.split_off(2);
        assert_eq!(rest.first(), left as u64 + 2);
        batch.release();
        assert_eq!((batch.first(), batch.count()), (left as u64 + 2, 0));
    }

    #[test]
    fn a_batch_is_split_between_events_and_none_is_lost() {
        let events = ["{}", "", "{\"b\":\"\\n\"}"];
        let whole = || {
            let mut batch = Batch::default();
            for event in events {
                batch.push(EventId::of(event.as_bytes()), |line| {
                    line.extend_from_slice(event.as_bytes());
                });
            }
            batch
        };
        for count in 0..5 {
            let mut first = whole();
            let second = first.split_off(count);
            let kept = count.min(3);
            assert_eq!((first.count(), second.count()), (kept, 3 - kept));
            assert_eq!([first.bytes(), second.bytes()].concat(), whole().bytes(), "{count}");
            assert_eq!([first.ids(), second.ids()].concat(), whole().ids(), "{count}");
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
