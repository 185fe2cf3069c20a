//! The batch to the receiver, then the position to the disk: in this order, and as often as it takes.

use std::fmt::Display;
use std::time::Duration;

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::imap::resume::{Known, Memory, Position};
use crate::limits;
use crate::log::Level;
use crate::metrics::{Concern, Counter, Doing, Vitals};
use crate::sink::{Batch, DeliveryError, Fate};

impl Life {
    /// Delivers the batch, however long the receiver takes, and moves the checkpoint after its acknowledgement. What the
    /// receiver refuses as too large or malformed is halved, down to the one event that is meant, unless the receiver tells
    /// which events it means; such a one is tried again a few times, then goes to the dead-letter file and holds up no other.
    pub(super) fn deliver(&mut self) -> Result<(), Failure> {
        // Halves and refused events that wait for their turn, the last one first.
        let mut later = Vec::new();
        self.nothing_in_hand();
        if self.batch.is_empty() {
            return Ok(());
        }
        self.note(|vitals, now| vitals.begin(Doing::Receiver, now));
        while !self.batch.is_empty() {
            self.deliver_batch(&mut later)?;
            if let Some(half) = later.pop() {
                (self.batch, self.batched) = half;
            }
        }
        self.note(|vitals, now| {
            // Nothing waits for the receiver. What it refused is in the dead-letter file, and was the events' trouble.
            vitals.well(Concern::Delivering);
            vitals.begin(Doing::Server, now);
        });
        Ok(())
    }

    fn deliver_batch(&mut self, later: &mut Vec<(Batch, Vec<Known>)>) -> Result<(), Failure> {
        let mut attempt: u32 = 0;
        let mut refusals: u32 = 0;
        while let Err(error) = self.mailbox.sink.deliver(&self.batch) {
            let got_on = self.sort(&error, later)? || self.mailbox.sink.got_on();
            if self.batch.is_empty() {
                return Ok(());
            }
            if self.stopping() {
                return Err(Failure::Stopping);
            }
            self.count(Counter::Undelivered);
            let half = self.batch.count().div_ceil(2).min(self.batched.len());
            if matches!(error, DeliveryError::Reject { .. }) && half < self.batch.count() {
                let fields: [(&str, &dyn Display); 2] = [("events", &self.batch.count()), ("reason", &error)];
                self.log(Level::Warn, "refused, sending it in halves", &fields);
                later.push((self.batch.split_off(half), self.batched.split_off(half)));
                continue;
            }
            if got_on {
                attempt = 0;
            }
            let (backoff, attempts, at_least) = match &error {
                DeliveryError::Retry { after, .. } | DeliveryError::Each { after, .. } => {
                    (self.mailbox.sink.backoff(), attempt, after.unwrap_or_default())
                }
                DeliveryError::Reject { .. } => {
                    refusals = refusals.saturating_add(1);
                    if refusals >= limits::REFUSED_EVENT {
                        return self.give_up_event(&error);
                    }
                    // Over several events: one that refuses everything is asked less and less often.
                    let in_a_row = self.refused_in_a_row;
                    self.refused_in_a_row = in_a_row.saturating_add(1);
                    (backoff::DELIVERY, in_a_row, Duration::ZERO)
                }
                // Nothing is dropped: whoever mends the setting finds every event still coming.
                DeliveryError::Configuration { .. } => (backoff::CONFIGURATION, attempt, Duration::ZERO),
            };
            let delay = backoff.delay(attempts, (self.mailbox.random)()).max(at_least);
            attempt = attempt.saturating_add(1);
            self.insist(attempt, backoff, &error)?;
            let grave = matches!(error, DeliveryError::Configuration { .. });
            self.note(|vitals, now| vitals.failed(Concern::Delivering, error.to_string(), grave, now));
            self.log(
                Level::Warn,
                "not delivered, trying again",
                &[
                    ("events", &self.batch.count()),
                    ("first_uid", &self.batched.first().map_or(0, |known| known.uid)),
                    ("reason", &error),
                    ("in_seconds", &whole_seconds(delay)),
                ],
            );
            self.pause(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        if attempt > 0 {
            self.log(Level::Info, "delivering again", &[]);
        }
        let batched = std::mem::take(&mut self.batched);
        let bytes = self.batch.bytes().len();
        self.batch.clear();
        self.acknowledged(batched, bytes)
    }

    /// Where the receiver tells what became of each event: what it took is done, what it refuses is tried alone, later, and
    /// the rest is the batch. Says whether it took any.
    fn sort(&mut self, error: &DeliveryError, later: &mut Vec<(Batch, Vec<Known>)>) -> Result<bool, Failure> {
        let DeliveryError::Each { fates, .. } = error else {
            return Ok(false);
        };
        let batch = std::mem::take(&mut self.batch);
        let (mut taken, mut taken_bytes) = (Vec::new(), 0_usize);
        for (place, known) in std::mem::take(&mut self.batched).into_iter().enumerate() {
            let event = batch.event(place).unwrap_or_default();
            match fates.get(place) {
                Some(Fate::Taken) => {
                    taken.push(known);
                    taken_bytes = taken_bytes.saturating_add(event.len());
                }
                Some(Fate::Refused) => later.push((batch.part(|other| other == place), vec![known])),
                Some(Fate::Later) | None => {
                    self.batch.push(|output| output.extend_from_slice(event));
                    self.batched.push(known);
                }
            }
        }
        let got_on = !taken.is_empty();
        if got_on {
            self.acknowledged(taken, taken_bytes)?;
        }
        Ok(got_on)
    }

    /// The receiver has these events, of so many bytes.
    fn acknowledged(&mut self, batched: Vec<Known>, bytes: usize) -> Result<(), Failure> {
        self.note(Vitals::acknowledged);
        let events = batched.len();
        self.log(
            Level::Debug,
            "acknowledged",
            &[("events", &events), ("batch_bytes", &bytes)],
        );
        self.refused_in_a_row = 0;
        self.progress.delivered(events);
        self.mailbox.counters.add(Counter::Delivered, events as u64);
        for known in batched {
            self.delivered(known);
        }
        self.move_on()?;
        self.tell_progress();
        Ok(())
    }

    /// Once in a while: how much, how fast, and for how much longer.
    fn tell_progress(&mut self) {
        let totals = self.mailbox.counters.totals();
        let Some(line) = self.progress.due(self.mailbox.clock.now(), totals) else {
            return;
        };
        let behind = totals.behind.unwrap_or_default();
        let (next_uid, seconds_left) = (self.frontier.position(), line.pace.time_left.map(whole_seconds));
        let mut fields: Vec<(&str, &dyn Display)> = vec![
            ("delivered", &line.delivered),
            ("bytes", &line.bytes),
            ("mails_per_minute", &line.pace.mails_per_minute),
            ("bytes_per_second", &line.pace.bytes_per_second),
            ("behind", &behind),
        ];
        if let Some(seconds_left) = &seconds_left {
            fields.push(("seconds_left", seconds_left));
        }
        fields.push(("next_uid", &next_uid));
        self.log(Level::Info, "delivering", &fields);
    }

    /// Always when a session has read the backlog, later once in a while: live mail is the normal state.
    pub(super) fn tell_caught_up(&mut self, first: bool) {
        let now = self.mailbox.clock.now();
        let delivered = if first {
            Some(self.progress.tell(now))
        } else {
            let totals = self.mailbox.counters.totals();
            self.progress.due(now, totals).map(|line| line.delivered)
        };
        if let Some(delivered) = delivered {
            let fields: [(&str, &dyn Display); 2] =
                [("delivered", &delivered), ("next_uid", &self.frontier.position())];
            self.log(Level::Info, "caught up", &fields);
        }
    }

    /// Remembers how far delivery has come, if that is another place.
    pub(super) fn move_on(&mut self) -> Result<(), Failure> {
        self.note(|vitals, _| vitals.behind = Some(self.frontier.behind()));
        let memory = self.memory();
        if self.remembered.as_ref() == Some(&memory) {
            return Ok(());
        }
        self.remember(&memory)?;
        let got_on = self.remembered.as_ref().is_some_and(|before| {
            let (position, before_it) = (memory.position, before.position);
            position.uid_validity == before_it.uid_validity
                && (position.next_uid > before_it.next_uid || memory.recent != before.recent)
        });
        self.remembered = Some(memory);
        // Sessions that get on are no failures, however they end.
        if got_on {
            self.failures.forget();
            self.fruitless = 0;
            self.note(|vitals, _| vitals.well(Concern::Reading));
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> Memory {
        Memory {
            position: Position {
                uid_validity: self.uid_validity,
                next_uid: self.frontier.position(),
            },
            done: self.frontier.done_ranges(),
            recent: self.recent.clone(),
            rescan: self.rescan.clone(),
            due: self.due.ranges(),
        }
    }

    /// Writes the checkpoint. A disk that is full stops the mailbox here, where nothing is delivered twice meanwhile.
    fn remember(&mut self, memory: &Memory) -> Result<(), Failure> {
        self.until_written("checkpoint not written, trying again", |life| {
            life.mailbox.checkpoint.advance(memory)
        })
    }
}
