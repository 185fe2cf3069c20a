//! What becomes of a mail that cannot be delivered: a line in the dead-letter file, on the disk before the checkpoint
//! passes it.

use std::fmt::Display;

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::dead_letter::{Content, Letter};
use crate::event::Origin;
use crate::event::build::{self, Arrival};
use crate::log::Level;
use crate::metrics::{Concern, Counter};
use crate::mime::date;
use crate::sink::DeliveryError;

impl Life {
    /// A line that a crash cut off is told and closed; its mail comes again.
    pub(super) fn mend_dead_letters(&self) {
        let letters = &self.mailbox.dead_letters;
        let (level, what): (Level, &dyn Display) = match &letters.mend() {
            Ok(false) => return,
            Ok(true) => (
                Level::Warn,
                &"the last line was torn by a crash: it stays as it is, its mail comes again",
            ),
            Err(error) => (Level::Error, &error.clone()),
        };
        let file = letters.path().display();
        self.log(level, "dead-letter file", &[("file", &file), ("reason", what)]);
    }

    /// The one event of the batch goes to the dead-letter file, and counts as done.
    pub(super) fn give_up_event(&mut self, error: &DeliveryError) -> Result<(), Failure> {
        let mut batch = std::mem::take(&mut self.batch);
        let content = self.mailbox.sink.letter(batch.event(0).unwrap_or_default());
        for known in std::mem::take(&mut self.batched) {
            self.bury(known.uid, known.internal_date_ms, error, Some(content.clone()))?;
            self.count(Counter::DeadLettered);
            self.recent.push(known);
            self.done(known.uid);
        }
        batch.clear();
        self.batch = batch;
        self.move_on()
    }

    /// Writes a line about the mail, and tells it. A disk that is full stops the mailbox here: nothing is dropped for it.
    pub(super) fn bury(
        &mut self,
        uid: u32,
        internal_date: Option<i64>,
        reason: &dyn Display,
        content: Option<Content<'_>>,
    ) -> Result<(), Failure> {
        let arrival = self.arrival(uid, internal_date);
        let letter = Letter {
            // For a mail of a mailbox the content does not matter.
            id: build::event_id(&arrival, &[0; 32]).to_string(),
            account: self.account.clone(),
            mailbox: self.mailbox.name.as_str().to_owned(),
            uid_validity: self.uid_validity,
            uid,
            time: date::rfc3339(arrival.now),
            reason: reason.to_string(),
            content,
        };
        self.until_written("dead letter not written, trying again", |life| {
            life.mailbox.dead_letters.append(&letter)
        })?;
        let file = self.mailbox.dead_letters.path().display();
        let fields: [(&str, &dyn Display); 4] =
            [("uid", &uid), ("id", &letter.id), ("reason", reason), ("file", &file)];
        let what = if self.mailbox.dead_letters.is_written() {
            "written to the dead-letter file"
        } else {
            "this would go to the dead-letter file"
        };
        self.log(Level::Error, what, &fields);
        Ok(())
    }

    /// Where and when the mail came.
    pub(super) fn arrival(&self, uid: u32, internal_date: Option<i64>) -> Arrival {
        Arrival {
            origin: Origin::Mailbox {
                mailbox: self.mailbox.name.as_str().to_owned(),
                uid_validity: self.uid_validity,
                uid,
            },
            account: self.account.clone(),
            internal_date,
            now: self.mailbox.clock.unix_milliseconds(),
        }
    }

    /// Writes to the disk, however long that takes: what is not remembered must not be passed.
    pub(super) fn until_written<E: Display>(
        &mut self,
        what: &str,
        mut write: impl FnMut(&mut Life) -> Result<(), E>,
    ) -> Result<(), Failure> {
        let mut attempt: u32 = 0;
        while let Err(error) = write(self) {
            let delay = backoff::DELIVERY.delay(attempt, (self.mailbox.random)());
            attempt = attempt.saturating_add(1);
            self.insist(attempt, backoff::DELIVERY, &error)?;
            self.note(|vitals, now| vitals.failed(Concern::Writing, error.to_string(), true, now));
            let seconds = whole_seconds(delay);
            self.log(Level::Error, what, &[("reason", &error), ("in_seconds", &seconds)]);
            self.pause(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        if attempt > 0 {
            self.note(|vitals, _| vitals.well(Concern::Writing));
        }
        Ok(())
    }
}
