//! A session failed: what is in hand is delivered, what was learned is kept, and it is waited before the next one.

use std::time::Duration;

use super::failure::{Failure, Remedy, remedy};
use super::{Life, on_its_own_stack, whole_seconds};
use crate::backoff::Backoff;
use crate::imap::session::SessionError;
use crate::limits;
use crate::log::Level;
use crate::metrics::{Counter, Vitals};

impl Life {
    /// What came whole is delivered before anything else, or sessions that end early would never get on. The mail at which
    /// this one ended is noted: servers answer in the order of UIDs, so it is the first that did not come.
    pub(super) fn settle(&mut self, failure: Failure) -> Failure {
        self.note(Vitals::fell_behind);
        self.nothing_in_hand();
        self.stuck_at = None;
        if remedy(&failure) == Remedy::Stop {
            // Nothing else can be done about what fails now.
            let _ = on_its_own_stack(|| self.wait_for_what_is_under_way());
            return failure;
        }
        self.count(Counter::Failures);
        if let Err(failure) = on_its_own_stack(|| self.deliver()) {
            return failure;
        }
        if matches!(failure, Failure::Session(SessionError::NoSuchMailbox(_)))
            && let Err(failure) = self.is_not_there()
        {
            return failure;
        }
        let throttled = matches!(failure, Failure::Session(SessionError::Throttled { .. }));
        let underway = std::mem::take(&mut self.underway);
        let alone = underway.len() == 1;
        let stumbled = underway.into_iter().find(|uid| self.frontier.is_open(*uid));
        if let Some(uid) = stumbled {
            let times = self.stumbles.entry(uid).or_default();
            self.stuck_at = stumbled.filter(|_| alone && *times >= limits::STUMBLES);
            // Where no other mail came, or the server asked for less, the end was not this mail's fault: an hour without the
            // server's storage must not cost a mail that it gives as soon as it is back.
            if *times < limits::STUMBLES || self.came && !throttled {
                *times = times.saturating_add(1);
            }
            // The server gave the mail, and it was our disk that had no room: it is asked for last, but not passed over. What
            // becomes of it has its own bound, `SPOOL_ATTEMPTS`.
            if matches!(failure, Failure::Spool(_)) {
                *times = (*times).min(limits::STUMBLES);
            }
        }
        if throttled {
            self.count(Counter::Throttled);
        }
        // More than a session, or the server, can take: less the next time.
        if let Some(width) = self.listing.take() {
            self.widest = (width / 2).max(limits::LISTED_UIDS);
        }
        // A refusal has slowed the fetch down already.
        if throttled || stumbled.is_some() && !matches!(failure, Failure::Refused { .. }) {
            self.pace.slow_down();
        }
        failure
    }

    pub(super) fn back_off(&mut self, failure: &Failure, backoff: Backoff, at_least: Duration) {
        let now = self.mailbox.clock.now();
        let served = self
            .caught_up
            .is_some_and(|since| now.saturating_duration_since(since) >= limits::PROVEN);
        if served {
            self.failures.forget();
        }
        let at_least = if self.stuck_at.is_some() {
            at_least.max(limits::STUMBLE_PAUSE)
        } else {
            at_least
        };
        let delay = self
            .failures
            .delay(backoff, (self.mailbox.random)())
            .max(at_least.min(limits::THROTTLE));
        // Servers end sessions now and then; that is no trouble.
        let level = if served && failure.is_an_end() {
            Level::Info
        } else {
            self.note_failure(failure, backoff);
            Level::Warn
        };
        self.log(
            level,
            "trying again",
            &[("reason", failure), ("in_seconds", &whole_seconds(delay))],
        );
        self.pause(delay);
    }
}
