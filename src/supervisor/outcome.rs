//! What a run that ends by itself has come to.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::mailbox::Until;
use crate::metrics::{Counter, Counters};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was to go on until it was asked to stop; or all that was there is delivered.
    Well,
    /// All that was there is dealt with, but something of it only by a line in the dead-letter file.
    DeadLetters,
    /// There is more in the mailboxes, as a log line told.
    NotCaughtUp,
}

/// What the mailboxes came to, so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    behind: AtomicBool,
    dead_letters: AtomicBool,
}

impl Tally {
    /// A mailbox has ended.
    pub fn ended(&self, caught_up: bool, counters: &Counters) {
        if !caught_up {
            self.fell_behind();
        }
        if [Counter::DeadLettered, Counter::Refused]
            .iter()
            .any(|counter| counters.get(*counter) > 0)
        {
            self.dead_letters.store(true, Ordering::Relaxed);
        }
    }

    /// There are mailboxes that nobody got to.
    pub fn fell_behind(&self) {
        self.behind.store(true, Ordering::Relaxed);
    }

    /// The outcome, once `all` mailboxes have ended, or not all of them.
    pub fn outcome(&self, until: Until, all: bool) -> Outcome {
        if until == Until::Stopped {
            Outcome::Well
        } else if !all || self.behind.load(Ordering::Relaxed) {
            Outcome::NotCaughtUp
        } else if self.dead_letters.load(Ordering::Relaxed) {
            Outcome::DeadLetters
        } else {
            Outcome::Well
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Tally};
    use crate::mailbox::Until;
    use crate::metrics::{Counter, Counters};

    fn outcome(ends: &[(bool, Option<Counter>)], all: bool) -> Outcome {
        let tally = Tally::default();
        for (caught_up, counter) in ends {
            let counters = Counters::default();
            if let Some(counter) = counter {
                counters.count(*counter);
            }
            tally.ended(*caught_up, &counters);
        }
        assert_eq!(tally.outcome(Until::Stopped, all), Outcome::Well);
        tally.outcome(Until::CaughtUp, all)
    }

    #[test]
    fn the_worst_of_the_mailboxes_is_the_outcome() {
        let well = (true, Some(Counter::Expunged));
        assert_eq!(outcome(&[well, (true, None)], true), Outcome::Well);
        for counter in [Counter::DeadLettered, Counter::Refused] {
            assert_eq!(outcome(&[well, (true, Some(counter))], true), Outcome::DeadLetters);
            assert_eq!(
                outcome(&[(true, Some(counter)), (false, None)], true),
                Outcome::NotCaughtUp
            );
        }
        assert_eq!(outcome(&[well], false), Outcome::NotCaughtUp);
    }
}
