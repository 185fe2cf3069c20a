//! How long one IDLE lasts before it is begun anew. Pure.
//!
//! Boxes on the way forget silent connections, some after five minutes, and neither side is told: a mail that comes then is
//! found when the IDLE ends, and its end finds the connection dead. There is no TCP keepalive to prevent it (the standard
//! library cannot ask for it), so a connection that died in IDLE makes the next ones shorter, until they hold.

use std::time::Duration;

use crate::limits;

/// The length of the next IDLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleCycle {
    length: Duration,
    /// How many of this length have held since it was chosen.
    held: u32,
}

impl Default for IdleCycle {
    fn default() -> IdleCycle {
        IdleCycle {
            length: limits::IDLE_CYCLE,
            held: 0,
        }
    }
}

impl IdleCycle {
    /// How long the next one is.
    pub fn length(self) -> Duration {
        self.length
    }

    /// The connection was dead at its end, or before: half of it.
    pub fn died(&mut self) {
        self.length = self.length.checked_div(2).unwrap_or_default().max(limits::IDLE_LEAST);
        self.held = 0;
    }

    /// It lasted as long as it was to, and the server answered: after many of these, twice as long. Whoever grew at once would
    /// lose every third connection to the same box.
    pub fn held(&mut self) {
        self.held = self.held.saturating_add(1);
        if self.held >= limits::IDLE_HELD && self.length < limits::IDLE_CYCLE {
            self.length = self.length.saturating_mul(2).min(limits::IDLE_CYCLE);
            self.held = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::IdleCycle;
    use crate::limits;

    #[test]
    fn a_box_that_forgets_after_five_minutes_costs_one_connection_in_hours() {
        let forgets = Duration::from_secs(5 * 60);
        let mut cycle = IdleCycle::default();
        assert_eq!(cycle.length(), limits::IDLE_CYCLE);
        let (mut passed, mut deaths) = (Duration::ZERO, 0);
        while passed < Duration::from_secs(24 * 60 * 60) {
            passed += cycle.length();
            if cycle.length() < forgets {
                cycle.held();
            } else {
                deaths += 1;
                cycle.died();
            }
        }
        assert!((1..16).contains(&deaths), "{deaths}");
    }

    #[test]
    fn it_never_gets_too_short_and_comes_back_to_its_full_length() {
        let mut cycle = IdleCycle::default();
        for _ in 0..20 {
            cycle.died();
            assert!(cycle.length() >= limits::IDLE_LEAST);
        }
        assert_eq!(cycle.length(), limits::IDLE_LEAST);
        for _ in 1..limits::IDLE_HELD {
            cycle.held();
        }
        assert_eq!(cycle.length(), limits::IDLE_LEAST, "not yet");
        cycle.held();
        assert_eq!(cycle.length(), limits::IDLE_LEAST * 2);
        for _ in 0..limits::IDLE_HELD * 10 {
            cycle.held();
        }
        assert_eq!(cycle.length(), limits::IDLE_CYCLE);
    }
}
