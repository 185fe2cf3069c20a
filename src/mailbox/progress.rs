//! How much was delivered, told at intervals: a line for every mail would bury what matters, and silence for hours leaves
//! an operator to guess.

use std::time::Instant;

use crate::limits;

/// Deliveries since the last line about them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    delivered: u64,
    told: Option<Instant>,
}

impl Progress {
    /// `count` events were acknowledged.
    pub fn delivered(&mut self, count: usize) {
        self.delivered = self.delivered.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// How many, if there are any and the last line is old enough. The caller tells them.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        let told = *self.told.get_or_insert(now);
        let old = now.saturating_duration_since(told) >= limits::PROGRESS;
        (old && self.delivered > 0).then(|| self.tell(now))
    }

    /// How many, whatever the time. The caller tells them.
    pub fn tell(&mut self, now: Instant) -> u64 {
        self.told = Some(now);
        std::mem::take(&mut self.delivered)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Progress;
    use crate::limits;

    #[test]
    fn a_busy_mailbox_is_told_once_in_a_while_and_every_mail_is_counted() {
        let mut progress = Progress::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(progress.due(start), None);
        let seconds = u32::try_from(limits::PROGRESS.as_secs()).unwrap();
        for number in 1..seconds {
            progress.delivered(2);
            assert_eq!(progress.due(start + second * number), None);
        }
        progress.delivered(2);
        assert_eq!(progress.due(start + limits::PROGRESS), Some(u64::from(seconds) * 2));
        progress.delivered(1);
        assert_eq!(progress.due(start + limits::PROGRESS + second), None);
        assert_eq!(progress.tell(start + limits::PROGRESS + second * 2), 1);
        assert_eq!(
            progress.due(start + limits::PROGRESS * 9),
            None,
            "nothing new is not told"
        );
    }
}
