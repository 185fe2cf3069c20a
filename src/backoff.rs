//! Attempt number → delay: exponential with full jitter above a floor, so that many clients do not come back at once and no
//! loop ever spins.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backoff {
    /// Lower bound of every delay.
    pub first: Duration,
    /// Upper bound of every delay.
    pub most: Duration,
}

/// A server or the network is away.
pub const NETWORK: Backoff = Backoff {
    first: Duration::from_secs(2),
    most: Duration::from_secs(300),
};
/// The server asks for less.
pub const THROTTLE: Backoff = Backoff {
    first: Duration::from_secs(30),
    most: Duration::from_secs(900),
};
/// Login refused: slowly, so that the account is not locked.
pub const AUTHENTICATION: Backoff = Backoff {
    first: Duration::from_secs(300),
    most: Duration::from_secs(3600),
};
/// A setting is wrong: a probe every minute, on average, tells when it was mended.
pub const CONFIGURATION: Backoff = Backoff {
    first: Duration::from_secs(45),
    most: Duration::from_secs(75),
};
/// The server refuses some mails: long enough for what it stores them on to come back, short for the mails behind.
pub const REFUSAL: Backoff = Backoff {
    first: Duration::from_secs(60),
    most: Duration::from_secs(300),
};
/// The receiver is away.
pub const DELIVERY: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};
/// LimaCharlie's own protocol is away: every attempt is a new sensor's login there.
pub const SENSOR: Backoff = Backoff {
    first: Duration::from_secs(5),
    most: Duration::from_secs(300),
};

impl Backoff {
    /// The delay before attempt `attempt` (0 is the first repetition): anything between the floor and what exponential growth
    /// has come to, at first twice the floor. `random` is any uniformly distributed number.
    pub fn delay(self, attempt: u32, random: u64) -> Duration {
        let grown = self
            .first
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_add(1).min(20)))
            .min(self.most);
        let spread = grown.saturating_sub(self.first).as_millis();
        // The high half of the product: `random` as a fraction of all numbers, of the spread.
        let jitter = spread.saturating_add(1).saturating_mul(random.into()) >> 64;
        let jitter = Duration::from_millis(u64::try_from(jitter).unwrap_or(u64::MAX));
        self.first.saturating_add(jitter)
    }
}

/// Failures of each class, until something goes well. One counter for all, begun anew whenever the class changes, would let a
/// server that refuses one login and drops the next be asked every few minutes for ever, until the account is locked.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<Backoff, u32>);

impl Failures {
    /// One more of this class, and how long to wait after it.
    pub fn delay(&mut self, backoff: Backoff, random: u64) -> Duration {
        let attempts = self.0.entry(backoff).or_default();
        let delay = backoff.delay(*attempts, random);
        *attempts = attempts.saturating_add(1);
        delay
    }

    /// It went well.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{AUTHENTICATION, CONFIGURATION, DELIVERY, Failures, NETWORK, REFUSAL, SENSOR, THROTTLE};
    use std::time::Duration;

    #[test]
    fn delays_grow_to_their_bound_and_never_vanish() {
        for backoff in [
            NETWORK,
            THROTTLE,
            AUTHENTICATION,
            CONFIGURATION,
            REFUSAL,
            DELIVERY,
            SENSOR,
        ] {
            for attempt in [0, 1, 5, 20, u32::MAX] {
                for random in [0, 1, u64::MAX / 3, u64::MAX] {
                    let delay = backoff.delay(attempt, random);
                    assert!(
                        delay >= backoff.first && delay <= backoff.most,
                        "{backoff:?} {attempt} {delay:?}"
                    );
                }
            }
        }
        let (least, third, most) = (0, u64::MAX / 3, u64::MAX);
        let seconds = Duration::from_secs;
        assert_eq!(NETWORK.delay(0, least), seconds(2));
        assert_eq!(NETWORK.delay(0, most), seconds(4));
        assert_eq!(NETWORK.delay(3, third), seconds(12));
        assert_eq!(NETWORK.delay(u32::MAX, most), seconds(300));
        assert_eq!(NETWORK.delay(u32::MAX, least), seconds(2));
        assert_eq!(
            AUTHENTICATION.delay(0, least),
            seconds(300),
            "the account is not locked"
        );
        assert_eq!(
            (DELIVERY.delay(0, least), DELIVERY.delay(9, most)),
            (seconds(1), seconds(60))
        );
    }

    #[test]
    fn a_change_of_class_forgets_no_failure() {
        let mut failures = Failures::default();
        for attempt in 0..6 {
            for class in [AUTHENTICATION, NETWORK] {
                assert_eq!(failures.delay(class, u64::MAX), class.delay(attempt, u64::MAX));
            }
        }
        failures.forget();
        assert_eq!(failures.delay(AUTHENTICATION, 0), AUTHENTICATION.delay(0, 0));
    }

    #[test]
    fn two_clients_do_not_come_back_together() {
        assert_ne!(NETWORK.delay(5, u64::MAX / 7), NETWORK.delay(5, u64::MAX / 5));
    }
}
