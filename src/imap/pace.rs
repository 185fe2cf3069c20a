//! How much is asked for at a time: as much as serves a fast line, less for a server in trouble, slowly more again. Pure.

use std::time::Duration;

use crate::limits;

/// How many mails and bytes go into one command, and how many commands are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    mails: usize,
    bytes: u64,
    commands: usize,
}

impl Default for Pace {
    /// Full pace: servers that mind are few.
    fn default() -> Pace {
        Pace {
            mails: limits::IMAP_BATCH_MAILS,
            bytes: limits::IMAP_BATCH_BYTES,
            commands: limits::IMAP_COMMANDS_IN_FLIGHT,
        }
    }
}

impl Pace {
    /// Mails in one command.
    pub fn mails(self) -> usize {
        self.mails
    }

    /// Bytes in one command, as far as sizes are known. A larger mail goes alone.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// Commands in flight.
    pub fn commands(self) -> usize {
        self.commands
    }

    /// The server refused, asked for less or went away: half of it.
    pub fn slow_down(&mut self) {
        self.mails = (self.mails / 2).max(1);
        self.bytes = (self.bytes / 2).max(limits::IMAP_LEAST_BATCH_BYTES);
        self.commands = limits::IMAP_COMMANDS_IN_FLIGHT;
    }

    /// A command went well: a sixteenth more, so that what halved it once is back after some dozen commands.
    pub fn speed_up(&mut self) {
        self.mails = self
            .mails
            .saturating_add((self.mails / 16).max(1))
            .min(limits::IMAP_BATCH_MAILS);
        self.bytes = self.bytes.saturating_add(self.bytes / 16).min(limits::IMAP_BATCH_BYTES);
    }

    /// The session's shortest command took this long. At full pace, the line is filled from the first command on; a server in
    /// trouble is asked for no more than it bears.
    #[must_use]
    pub fn over(mut self, round_trip: Option<Duration>) -> Pace {
        if self == Pace::default() && round_trip.is_some_and(|round_trip| round_trip >= limits::IMAP_FAR) {
            self.commands = limits::IMAP_FAR_IN_FLIGHT;
        }
        self
    }

    /// The line ran empty between two commands: a long way to the server. One more in flight.
    pub fn fill_line(&mut self) {
        self.commands = self.commands.saturating_add(1).min(limits::IMAP_MOST_IN_FLIGHT);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;
    use crate::limits;

    #[test]
    fn it_halves_down_to_one_mail_and_comes_back_slowly() {
        let mut pace = Pace::default();
        pace.slow_down();
        assert_eq!(
            (pace.mails(), pace.bytes()),
            (limits::IMAP_BATCH_MAILS / 2, limits::IMAP_BATCH_BYTES / 2)
        );
        for _ in 0..100 {
            pace.slow_down();
        }
        assert_eq!((pace.mails(), pace.bytes()), (1, limits::IMAP_LEAST_BATCH_BYTES));
        let mut commands = 0;
        while pace != Pace::default() {
            pace.speed_up();
            commands += 1;
        }
        assert!((20..200).contains(&commands), "{commands}");
    }

    #[test]
    fn a_long_line_is_full_from_the_first_command_unless_the_server_is_in_trouble() {
        let moment = Duration::from_millis(1);
        for (round_trip, commands) in [
            (None, limits::IMAP_COMMANDS_IN_FLIGHT),
            (limits::IMAP_FAR.checked_sub(moment), limits::IMAP_COMMANDS_IN_FLIGHT),
            (Some(limits::IMAP_FAR), limits::IMAP_FAR_IN_FLIGHT),
            (Some(limits::IMAP_FAR + moment), limits::IMAP_FAR_IN_FLIGHT),
        ] {
            assert_eq!(Pace::default().over(round_trip).commands(), commands, "{round_trip:?}");
        }
        let mut pace = Pace::default();
        pace.slow_down();
        assert_eq!(pace.over(Some(limits::IMAP_FAR)), pace);
    }

    #[test]
    fn a_long_line_is_filled_to_the_limit() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.fill_line();
        }
        assert_eq!(pace.commands(), limits::IMAP_MOST_IN_FLIGHT);
        pace.slow_down();
        assert_eq!(pace.commands(), limits::IMAP_COMMANDS_IN_FLIGHT);
    }
}
