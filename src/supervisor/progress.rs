//! One line on a terminal while there is something to catch up with: how much is done, how fast, how long it takes yet. A log
//! has its line a minute (`mailbox/progress.rs`).
//!
//! The line is written from the terminal's left edge and the cursor put back there: the next log line goes over it, and ends
//! with an order to blank the rest.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::metrics::{Meter, Totals};
use crate::quantity::{bytes, count, seconds};
use crate::{limits, log};

/// The line, and what it is made of.
pub(super) struct ProgressLine<W> {
    terminal: W,
    meter: Meter,
    shown: bool,
}

impl<W: Write> ProgressLine<W> {
    /// On `terminal`.
    pub fn new(terminal: W) -> ProgressLine<W> {
        ProgressLine {
            terminal,
            meter: Meter::new(limits::PROGRESS),
            shown: false,
        }
    }

    /// Writes it anew; blanks it where nothing is left to do.
    pub fn draw(&mut self, now: Instant, totals: Totals) {
        let progress = self.meter.look(now, totals);
        match totals.behind {
            Some(behind) if behind > 0 => {
                let line = text(totals, behind, progress.mails_per_minute, progress.time_left);
                self.shown = true;
                log::overwrites(true);
                self.write(&format!("\r{line}\x1b[K\r"));
            }
            _ => self.blank(),
        }
    }

    /// Nothing of it stays.
    pub fn blank(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.write("\r\x1b[K");
            log::overwrites(false);
        }
    }

    fn write(&mut self, text: &str) {
        // A terminal that has gone is nobody's loss.
        let _ = self
            .terminal
            .write_all(text.as_bytes())
            .and_then(|()| self.terminal.flush());
    }
}

/// Short enough for eighty columns.
fn text(totals: Totals, behind: u64, mails_per_minute: u64, time_left: Option<Duration>) -> String {
    let all = totals.mails.saturating_add(behind);
    let left = time_left.map_or_else(String::new, |left| format!(", {} left", seconds(left.as_secs())));
    format!(
        "{} of {} mails, {}, {} a minute{left}",
        count(totals.mails),
        count(all),
        bytes(totals.bytes),
        count(mails_per_minute)
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ProgressLine, text};
    use crate::metrics::Totals;

    fn totals(mails: u64, behind: Option<u64>) -> Totals {
        let bytes = mails * 5000;
        Totals { mails, bytes, behind }
    }

    #[test]
    fn the_line_has_count_bytes_rate_and_time_left_and_is_blanked_at_the_end() {
        let mut line = ProgressLine::new(Vec::new());
        let start = Instant::now();
        line.draw(start, totals(0, None));
        assert!(line.terminal.is_empty(), "nothing is known yet");
        line.draw(start + Duration::from_secs(10), totals(500, Some(19_500)));
        assert_eq!(
            String::from_utf8(std::mem::take(&mut line.terminal)).unwrap(),
            "\r500 of 20,000 mails, 2.5 MB, 3,000 a minute, 6 min left\x1b[K\r"
        );
        line.draw(start + Duration::from_secs(400), totals(20_000, Some(0)));
        assert_eq!(line.terminal, b"\r\x1b[K");
        line.draw(start + Duration::from_secs(401), totals(20_000, Some(0)));
        line.blank();
        assert_eq!(line.terminal, b"\r\x1b[K", "once is enough");
    }

    #[test]
    fn a_line_of_a_hundred_million_mails_fits_into_eighty_columns() {
        let most = Totals {
            mails: 9_999_999,
            bytes: 999_999_999_999,
            behind: None,
        };
        let line = text(most, 90_000_000, 999_999, Some(Duration::from_secs(172_799)));
        assert!(line.len() < 80, "{} columns: {line}", line.len());
    }
}
