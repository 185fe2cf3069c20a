//! How the mailbox is, noted for whoever asks (`health`). Nothing here decides anything.

use std::time::Duration;

use super::Life;
use super::failure::{self, Failure};
use crate::backoff::Backoff;
use crate::metrics::{Doing, Moment, Vitals};

impl Life {
    /// Waits on purpose.
    pub(super) fn pause(&self, delay: Duration) {
        let before = self.mailbox.counters.vitals().doing;
        self.note(|vitals, now| vitals.begin(Doing::Pause, now));
        self.mailbox.clock.wait(delay);
        if let Some((doing, _)) = before {
            self.note(|vitals, now| vitals.begin(doing, now));
        }
    }

    /// The IMAP server answered.
    pub(super) fn answered(&self) {
        self.note(Vitals::answered);
    }

    pub(super) fn note_failure(&self, failure: &Failure, backoff: Backoff) {
        let grave = failure::is_grave(backoff);
        self.note(|vitals, now| vitals.failed(self.concern, failure.to_string(), grave, now));
    }

    /// How the mailbox is, for whoever asks.
    pub(super) fn note(&self, change: impl FnOnce(&mut Vitals, Moment)) {
        let now = Moment::now(&*self.mailbox.clock);
        self.mailbox.counters.note(|vitals| change(vitals, now));
    }
}
