//! Attempt number → delay: exponential, half of it by chance, so that many clients do not come back at once.

use std::time::Duration;

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay.
    pub first: Duration,
    /// Upper bound of every delay.
    pub most: Duration,
}

/// A server or the network is away (imap.md's *network* class).
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
/// A setting is wrong: a probe every minute tells when it was mended.
pub const CONFIGURATION: Backoff = Backoff {
    first: Duration::from_secs(60),
    most: Duration::from_secs(60),
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
    /// The delay before attempt `attempt` (0 is the first repetition): between half of and the whole of what
    /// exponential growth has come to. `random` is any uniformly distributed number.
    ///
    /// Half is kept as a floor so that no loop ever spins, whatever the dice say.
    pub fn delay(self, attempt: u32, random: u64) -> Duration {
        let grown = self
            .first
            .saturating_mul(2_u32.saturating_pow(attempt.min(20)))
            .min(self.most);
        let half = grown.checked_div(2).unwrap_or(grown);
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        let jitter = random.checked_rem(spread.saturating_add(1)).unwrap_or(0);
        half.saturating_add(Duration::from_millis(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::{AUTHENTICATION, CONFIGURATION, DELIVERY, NETWORK, REFUSAL, SENSOR, THROTTLE};
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
                        delay >= backoff.first / 2 && delay <= backoff.most,
                        "{backoff:?} {attempt} {delay:?}"
                    );
                }
            }
        }
        assert_eq!(NETWORK.delay(0, 0), Duration::from_secs(1));
        assert_eq!(NETWORK.delay(3, 0), Duration::from_secs(8));
        assert_eq!(NETWORK.delay(u32::MAX, 0), Duration::from_secs(150));
    }

    #[test]
    fn two_clients_do_not_come_back_together() {
        assert_ne!(NETWORK.delay(5, 1), NETWORK.delay(5, 12_345));
    }
}
