//! `--once`: a mailbox is caught up with, then left. Where watching tries for ever, this tries a few times and leaves the rest
//! to the next run, which goes on from the checkpoint.

use std::fmt::Display;

use super::Life;
use super::failure::{Failure, is_grave};
use crate::backoff::Backoff;
use crate::limits;
use crate::log::Level;

/// How long a mailbox is worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Until {
    /// Until the program is asked to stop.
    #[default]
    Stopped,
    /// Until everything that is there is delivered, or it is in vain.
    CaughtUp,
}

/// Whether to try again what failed `times` times in a row. What only an operator can mend is not worth a second try while
/// somebody waits for the end.
pub(crate) fn insists(until: Until, times: u32, backoff: Backoff) -> bool {
    until == Until::Stopped || !is_grave(backoff) && times < limits::ONCE_ATTEMPTS
}

impl Life {
    /// As [`insists`]; the error ends the mailbox.
    pub(super) fn insist(&self, times: u32, backoff: Backoff, reason: &dyn Display) -> Result<(), Failure> {
        if insists(self.mailbox.until, times, backoff) {
            return Ok(());
        }
        Err(Failure::GivenUp(reason.to_string()))
    }

    /// Where nobody gets in, the account's other mailboxes do not try as well: a wrong password is one attempt.
    pub(super) fn tell_given_up(&mut self, failure: &Failure) {
        if let Failure::GivenUp(reason) = failure {
            if self.turn.is_some() {
                self.mailbox.turns.close();
            }
            self.log(Level::Error, "given up: not caught up", &[("reason", reason)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Until, insists};
    use crate::{backoff, limits};

    #[test]
    fn watching_insists_for_ever_and_once_a_few_times_where_that_can_help() {
        let few = limits::ONCE_ATTEMPTS;
        for backoff in [backoff::NETWORK, backoff::THROTTLE, backoff::DELIVERY, backoff::REFUSAL] {
            assert!(insists(Until::Stopped, u32::MAX, backoff));
            assert!(insists(Until::CaughtUp, few - 1, backoff));
            assert!(!insists(Until::CaughtUp, few, backoff));
            assert!(!insists(Until::CaughtUp, few + 1, backoff));
        }
        for backoff in [backoff::CONFIGURATION, backoff::AUTHENTICATION] {
            assert!(insists(Until::Stopped, u32::MAX, backoff));
            assert!(!insists(Until::CaughtUp, 1, backoff));
        }
    }
}
