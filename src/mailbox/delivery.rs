//! The batch to the receiver, then the position to the disk: in this order, and as often as it takes.

use std::fmt::Display;
use std::time::Duration;

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::imap::resume::Position;
use crate::log::Level;
use crate::sink::{Batch, DeliveryError};

impl Life {
    /// Delivers the batch, however long the receiver takes, and moves the checkpoint after its acknowledgement. What the
    /// receiver refuses as too large or malformed is halved, down to the one event that is meant.
    pub(super) fn deliver(&mut self) -> Result<(), Failure> {
        // Halves that wait for their turn, the last one first.
        let mut later = Vec::new();
        while !self.batch.is_empty() {
            self.deliver_batch(&mut later)?;
            if let Some(half) = later.pop() {
                (self.batch, self.batched) = half;
            }
        }
        Ok(())
    }

    fn deliver_batch(&mut self, later: &mut Vec<(Batch, Vec<u32>)>) -> Result<(), Failure> {
        let mut attempt: u32 = 0;
        while let Err(error) = self.mailbox.sink.deliver(&self.batch) {
            if self.stopping() {
                return Err(Failure::Stopping);
            }
            let half = self.batch.count().div_ceil(2).min(self.batched.len());
            if matches!(error, DeliveryError::Reject { .. }) && half < self.batch.count() {
                let fields: [(&str, &dyn Display); 2] = [("events", &self.batch.count()), ("reason", &error)];
                self.log(Level::Warn, "refused, sending it in halves", &fields);
                later.push((self.batch.split_off(half), self.batched.split_off(half)));
                continue;
            }
            let (backoff, at_least) = match &error {
                DeliveryError::Retry { after, .. } => (backoff::DELIVERY, after.unwrap_or_default()),
                // Nothing is dropped: whoever mends the setting or the receiver finds every event still coming.
                DeliveryError::Reject { .. } | DeliveryError::Configuration { .. } => {
                    (backoff::CONFIGURATION, Duration::ZERO)
                }
            };
            let delay = backoff.delay(attempt, (self.mailbox.random)()).max(at_least);
            attempt = attempt.saturating_add(1);
            self.log(
                Level::Warn,
                "not delivered, trying again",
                &[
                    ("events", &self.batch.count()),
                    ("first_uid", &self.batched.first().copied().unwrap_or_default()),
                    ("reason", &error),
                    ("in_seconds", &whole_seconds(delay)),
                ],
            );
            self.mailbox.clock.wait(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        if attempt > 0 {
            self.log(Level::Info, "delivering again", &[]);
        }
        self.progress.delivered(self.batch.count());
        for uid in std::mem::take(&mut self.batched) {
            self.done(uid);
        }
        self.batch.clear();
        self.move_on()?;
        if let Some(delivered) = self.progress.due(self.mailbox.clock.now()) {
            let fields: [(&str, &dyn Display); 3] = [
                ("delivered", &delivered),
                ("next_uid", &self.frontier.position()),
                ("left_of_listing", &self.frontier.left()),
            ];
            self.log(Level::Info, "delivering", &fields);
        }
        Ok(())
    }

    /// Always when a session has read the backlog, later once in a while: live mail is the normal state.
    pub(super) fn tell_caught_up(&mut self, first: bool) {
        let now = self.mailbox.clock.now();
        let delivered = if first {
            Some(self.progress.tell(now))
        } else {
            self.progress.due(now)
        };
        if let Some(delivered) = delivered {
            let fields: [(&str, &dyn Display); 2] =
                [("delivered", &delivered), ("next_uid", &self.frontier.position())];
            self.log(Level::Info, "caught up", &fields);
        }
    }

    /// Remembers the position, if it is another.
    pub(super) fn move_on(&mut self) -> Result<(), Failure> {
        let position = Position {
            uid_validity: self.uid_validity,
            next_uid: self.frontier.position(),
        };
        if self.remembered == Some(position) {
            return Ok(());
        }
        self.remember(position)?;
        let before = self.remembered.replace(position);
        // Sessions that get on are no failures, however they end.
        if before.is_some_and(|before| before.uid_validity == position.uid_validity) {
            self.attempt = 0;
        }
        Ok(())
    }

    /// Writes the checkpoint. A disk that is full stops the mailbox here, where nothing is delivered twice meanwhile.
    fn remember(&mut self, position: Position) -> Result<(), Failure> {
        let mut attempt: u32 = 0;
        while let Err(error) = self.mailbox.checkpoint.advance(position) {
            let delay = backoff::DELIVERY.delay(attempt, (self.mailbox.random)());
            attempt = attempt.saturating_add(1);
            self.log(
                Level::Error,
                "checkpoint not written, trying again",
                &[("reason", &error), ("in_seconds", &whole_seconds(delay))],
            );
            self.mailbox.clock.wait(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        Ok(())
    }
}
