//! How much was delivered, told at intervals: a line for every mail would bury what matters, and silence for hours leaves
//! an operator to guess.

use std::time::Instant;

use crate::limits;
use crate::metrics::{self, Meter, Totals};

/// Deliveries since the last line about them.
#[derive(Debug)]
pub(super) struct Progress {
    delivered: u64,
    told: Option<Instant>,
    meter: Meter,
    /// Bytes fetched, by the last look, and by the last line.
    bytes: u64,
    bytes_told: u64,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Events delivered since the last one.
    pub delivered: u64,
    /// Bytes fetched since then.
    pub bytes: u64,
    /// How fast that is, and how long the rest takes.
    pub pace: metrics::Progress,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            delivered: 0,
            told: None,
            meter: Meter::new(limits::PROGRESS),
            bytes: 0,
            bytes_told: 0,
        }
    }
}

impl Progress {
    /// `count` events were acknowledged.
    pub fn delivered(&mut self, count: usize) {
        self.delivered = self.delivered.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// What there is to tell, if there is anything and the last line is old enough. The caller tells it.
    pub fn due(&mut self, now: Instant, totals: Totals) -> Option<Line> {
        let pace = self.meter.look(now, totals);
        self.bytes = totals.bytes;
        let told = *self.told.get_or_insert(now);
        let old = now.saturating_duration_since(told) >= limits::PROGRESS;
        let bytes = self.bytes.saturating_sub(self.bytes_told);
        (old && self.delivered > 0).then(|| Line {
            delivered: self.tell(now),
            bytes,
            pace,
        })
    }

    /// How many, whatever the time. The caller tells them.
    pub fn tell(&mut self, now: Instant) -> u64 {
        self.told = Some(now);
        self.bytes_told = self.bytes;
        std::mem::take(&mut self.delivered)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Progress;
    use crate::limits;
    use crate::metrics::Totals;

    #[test]
    fn a_busy_mailbox_is_told_once_in_a_while_and_every_mail_is_counted() {
        let mut progress = Progress::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let totals = |mails: u64| Totals {
            mails,
            bytes: mails * 1000,
            behind: Some(240),
        };
        assert_eq!(progress.due(start, totals(0)), None);
        let seconds = u32::try_from(limits::PROGRESS.as_secs()).unwrap();
        for number in 1..seconds {
            progress.delivered(2);
            assert_eq!(
                progress.due(start + second * number, totals(u64::from(number) * 2)),
                None
            );
        }
        progress.delivered(2);
        let minute = progress
            .due(start + limits::PROGRESS, totals(u64::from(seconds) * 2))
            .unwrap();
        let done = u64::from(seconds) * 2;
        assert_eq!((minute.delivered, minute.bytes), (done, done * 1000));
        let pace = minute.pace;
        assert_eq!((pace.mails_per_minute, pace.bytes_per_second), (120, 2000));
        assert_eq!(pace.time_left, Some(Duration::from_secs(120)));
        progress.delivered(1);
        assert_eq!(progress.due(start + limits::PROGRESS + second, totals(done + 1)), None);
        assert_eq!(progress.tell(start + limits::PROGRESS + second * 2), 1);
        assert_eq!(
            progress.due(start + limits::PROGRESS * 9, totals(done + 1)),
            None,
            "nothing new is not told"
        );
    }
}
