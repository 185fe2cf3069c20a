//! A mail at which the program ended again and again is read no more: a stub of it goes out, and the mailbox goes on.

use super::Life;
use super::failure::Failure;
use crate::event::build::{Arrival, Settings};
use crate::event::raw::{Collected, Collector};
use crate::event::stub::Stub;
use crate::limits;
use crate::log::Level;
use crate::metrics::Counter;

/// How a mail is read.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack: allocated for every mail it would cost more"
)]
pub(super) enum Reading {
    /// As every mail.
    Whole(Collector),
    /// The program ended at it [`limits::ATTEMPTS`] times.
    Stub(Stub),
    /// The program ended at its stub as well.
    Not,
}

impl Reading {
    pub(super) fn feed(&mut self, input: &[u8], settings: &Settings) {
        match self {
            Reading::Whole(collector) => collector.feed(input, settings),
            Reading::Stub(stub) => stub.feed(input),
            Reading::Not => {}
        }
    }

    /// What goes out; `None` where nothing is to be made of the mail.
    pub(super) fn finish(self, settings: &Settings, arrival: Arrival) -> Option<Collected> {
        match self {
            Reading::Whole(collector) => Some(collector.finish(settings, arrival)),
            Reading::Stub(stub) => Some(stub.finish(settings, arrival)),
            Reading::Not => None,
        }
    }
}

impl Life {
    /// How often the program ended at this mail, as far as is known.
    pub(super) fn ends_at(&self, uid: u32) -> u32 {
        self.mailbox.attempts.of(self.uid_validity, uid)
    }

    /// A mail of `length` bytes is about to come. Where the server says its UID only behind it, `uid` is a guess while several
    /// are asked for. It may make a suspect of an innocent mail; but suspects come alone, and alone none is mistaken.
    pub(super) fn begin_reading(&mut self, uid: Option<u32>, length: u64) -> Reading {
        let before = uid.map_or(0, |uid| self.take_in_hand(uid));
        if before < limits::ATTEMPTS {
            return Reading::Whole(Collector::new(&self.mailbox.event, length));
        }
        let reason = "the program ended while it read this mail, again and again: its content is not read any more";
        let uid = uid.unwrap_or_default();
        self.log(Level::Error, reason, &[("uid", &uid), ("times", &before)]);
        if before == limits::ATTEMPTS {
            self.count(Counter::Stubs);
            Reading::Stub(Stub::default())
        } else {
            Reading::Not
        }
    }

    /// What ends the program from here on is this mail's fault. Gives how often something did before.
    pub(super) fn take_in_hand(&mut self, uid: u32) -> u32 {
        let begun = self.mailbox.attempts.begin(self.uid_validity, uid);
        begun.unwrap_or_else(|error| {
            self.tell_unrecorded(&error);
            0
        })
    }

    /// Not even a stub: a line in the dead-letter file.
    pub(super) fn give_up_reading(&mut self, uid: u32, internal_date: Option<i64>) -> Result<(), Failure> {
        self.bury(
            uid,
            internal_date,
            &"the program ended whenever it read this mail",
            None,
        )?;
        self.count(Counter::DeadLettered);
        self.done(uid);
        Ok(())
    }

    /// What ends the program from here on is no mail's fault.
    pub(super) fn nothing_in_hand(&mut self) {
        if let Err(error) = self.mailbox.attempts.pause() {
            self.tell_unrecorded(&error);
        }
    }

    /// Mail goes on without: only one that kills the program would be tried once too often.
    fn tell_unrecorded(&self, error: &std::io::Error) {
        self.log(
            Level::Warn,
            "state_dir: attempts cannot be recorded",
            &[("reason", error)],
        );
    }
}
