//! How fast mails get done, and how long the rest will take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far one mailbox, or several together, have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Mails that are done, whatever their end.
    pub mails: u64,
    /// Bytes fetched.
    pub bytes: u64,
    /// Mails that are there and not done, at the most; `None` where a mailbox was not opened yet.
    pub behind: Option<u64>,
}

impl Totals {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Totals) -> Totals {
        Totals {
            mails: self.mails.saturating_add(other.mails),
            bytes: self.bytes.saturating_add(other.bytes),
            behind: self.behind.zip(other.behind).map(|(one, two)| one.saturating_add(two)),
        }
    }
}

/// What a look at the [`Meter`] shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Mails done a minute.
    pub mails_per_minute: u64,
    /// Bytes fetched a second.
    pub bytes_per_second: u64,
    /// How long what is left takes at this rate; `None` where that cannot be told.
    pub time_left: Option<Duration>,
}

/// Rates over a window of time that ends now.
#[derive(Debug)]
pub struct Meter {
    window: Duration,
    /// At most [`LOOKS`] and one more, ascending.
    looks: VecDeque<(Instant, Totals)>,
}

/// Looks that are remembered, evenly over the window.
const LOOKS: u32 = 16;

impl Meter {
    /// Rates over the last `window`.
    pub fn new(window: Duration) -> Meter {
        Meter {
            window,
            looks: VecDeque::new(),
        }
    }

    /// The rates now. The first look has nothing to compare with.
    pub fn look(&mut self, now: Instant, totals: Totals) -> Progress {
        let age = |look: &(Instant, Totals)| now.saturating_duration_since(look.0);
        while self.looks.get(1).is_some_and(|second| age(second) >= self.window) {
            self.looks.pop_front();
        }
        let (since, before) = self.looks.front().copied().unwrap_or((now, totals));
        let step = self.window.checked_div(LOOKS).unwrap_or(self.window);
        if self.looks.back().is_none_or(|last| age(last) >= step) {
            self.looks.push_back((now, totals));
        }
        let elapsed = now.saturating_duration_since(since).as_millis();
        let mails = totals.mails.saturating_sub(before.mails);
        let bytes = totals.bytes.saturating_sub(before.bytes);
        Progress {
            mails_per_minute: per(mails, 60_000, elapsed),
            bytes_per_second: per(bytes, 1000, elapsed),
            time_left: totals.behind.and_then(|behind| time_for(behind, mails, elapsed)),
        }
    }
}

/// `count` in `elapsed` milliseconds, as so many in `unit` milliseconds.
fn per(count: u64, unit: u64, elapsed: u128) -> u64 {
    let grown = u128::from(count).saturating_mul(unit.into());
    grown
        .checked_div(elapsed)
        .map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
}

fn time_for(behind: u64, mails: u64, elapsed: u128) -> Option<Duration> {
    if behind == 0 {
        return Some(Duration::ZERO);
    }
    let milliseconds = u128::from(behind).saturating_mul(elapsed).checked_div(mails.into())?;
    (elapsed > 0).then(|| Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LOOKS, Meter, Progress, Totals};

    fn totals(mails: u64, behind: Option<u64>) -> Totals {
        let bytes = mails * 5000;
        Totals { mails, bytes, behind }
    }

    #[test]
    fn rates_are_of_the_window_and_not_of_all_time() {
        let mut meter = Meter::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        assert_eq!(meter.look(start, totals(7, None)), Progress::default());
        for second in 1..=600 {
            // Ten mails a second, after five minutes two.
            let mails = if second <= 300 {
                second * 10
            } else {
                3000 + (second - 300) * 2
            };
            let progress = meter.look(at(second), totals(7 + mails, Some(1000)));
            let expected = match second {
                1..=300 => (600, 50_000, 100),
                370.. => (120, 10_000, 500),
                _ => continue,
            };
            let seconds_left = progress.time_left.unwrap().as_secs();
            assert_eq!(
                (progress.mails_per_minute, progress.bytes_per_second, seconds_left),
                expected,
                "{second}"
            );
            assert!(meter.looks.len() <= LOOKS as usize + 2);
        }
    }

    #[test]
    fn no_time_is_promised_where_nothing_moves() {
        let mut meter = Meter::new(Duration::from_secs(60));
        let start = Instant::now();
        meter.look(start, totals(5, Some(9)));
        let later = start + Duration::from_secs(30);
        assert_eq!(meter.look(later, totals(5, Some(9))).time_left, None);
        assert_eq!(meter.look(later, totals(6, None)).time_left, None);
        assert_eq!(meter.look(later, totals(6, Some(0))).time_left, Some(Duration::ZERO));
        let most = totals(u64::MAX / 5000, Some(u64::MAX));
        assert!(meter.look(later, most).time_left.is_some());
    }

    #[test]
    fn mailboxes_add_up_and_one_that_is_not_known_makes_the_sum_unknown() {
        let sum = totals(1, Some(2)).plus(totals(10, Some(20)));
        assert_eq!((sum.mails, sum.behind), (11, Some(22)));
        assert_eq!(sum.plus(totals(1, None)).behind, None);
    }
}
