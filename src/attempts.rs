//! Mails at which this program ended: counted before they are read, so that one that kills it is found out.
//!
//! A file beside the checkpoint, written before each mail and not fsynced: what a mail can end is this process, and the
//! kernel keeps what a dead process has written. So it costs a microsecond a mail, and not a disk's wait. After a power
//! failure it may be old or damaged; then a few attempts are forgotten, or one is counted too many.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::limits;

/// The attempts of one mailbox that did not end otherwise than with the process.
#[derive(Debug)]
pub struct Attempts {
    path: PathBuf,
    file: Option<File>,
    uid_validity: u32,
    /// UIDs and how often, the oldest suspect first.
    counts: Vec<(u32, u32)>,
    in_hand: Option<u32>,
    /// What is in the file, with the blanks that cover what was longer before.
    written: String,
    /// The file could not be written: that was told, and is not told again.
    failed: bool,
    /// The file stays as it is.
    read_only: bool,
}

impl Attempts {
    /// Of this file, which need not be there.
    pub fn new(path: PathBuf) -> Attempts {
        let written = fs::read_to_string(&path).unwrap_or_default();
        let (uid_validity, mut counts) = read(&written).unwrap_or_default();
        // Only here: whatever is in hand beyond the bound may turn out to be harmless.
        counts.drain(..counts.len().saturating_sub(limits::SUSPECTS));
        Attempts {
            path,
            file: None,
            uid_validity,
            counts,
            in_hand: None,
            written,
            failed: false,
            read_only: false,
        }
    }

    /// The same, but that the file is only read.
    #[must_use]
    pub fn read_only(self) -> Attempts {
        Attempts {
            read_only: true,
            ..self
        }
    }

    /// How often the program ended at this mail.
    pub fn of(&self, uid_validity: u32, uid: u32) -> u32 {
        let counts = self.counts.iter().filter(|_| uid_validity == self.uid_validity);
        let mut of_it = counts.filter(|(suspect, _)| *suspect == uid);
        of_it.next().map_or(0, |(_, count)| *count)
    }

    /// The mail that is being read.
    pub fn in_hand(&self) -> Option<u32> {
        self.in_hand
    }

    /// Whether one more suspect would cost the oldest its count.
    pub fn are_full(&self) -> bool {
        self.counts.len() >= limits::SUSPECTS
    }

    /// The mail is about to be read: from now on an end of the process counts against it. Gives how often there was one.
    pub fn begin(&mut self, uid_validity: u32, uid: u32) -> io::Result<u32> {
        if uid_validity != self.uid_validity {
            self.counts.clear();
            self.uid_validity = uid_validity;
        }
        self.forget_in_hand();
        let before = self.of(uid_validity, uid);
        self.set(uid, before.saturating_add(1));
        self.in_hand = Some(uid);
        self.write().map(|()| before)
    }

    /// It was read to its end.
    pub fn succeeded(&mut self) {
        if let Some(uid) = self.in_hand.take() {
            self.set(uid, 0);
        }
    }

    /// No mail is in hand: what ends the process now is no mail's fault.
    pub fn pause(&mut self) -> io::Result<()> {
        self.forget_in_hand();
        self.write()
    }

    /// The attempt ended otherwise: it does not count.
    fn forget_in_hand(&mut self) {
        if let Some(uid) = self.in_hand.take() {
            self.set(uid, self.of(self.uid_validity, uid).saturating_sub(1));
        }
    }

    /// In its place, or behind all others; none is no suspect.
    fn set(&mut self, uid: u32, count: u32) {
        match self.counts.iter().position(|(suspect, _)| *suspect == uid) {
            Some(at) if count == 0 => drop(self.counts.remove(at)),
            Some(at) => self.counts.get_mut(at).into_iter().for_each(|known| known.1 = count),
            None if count == 0 => {}
            None => self.counts.push((uid, count)),
        }
    }

    /// The first failure is an error.
    fn write(&mut self) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        let written = self.replace();
        let failed = std::mem::replace(&mut self.failed, written.is_err());
        if failed { Ok(()) } else { written }
    }

    fn replace(&mut self) -> io::Result<()> {
        let counts = &self.counts;
        let mut text = json!({"uidvalidity": self.uid_validity, "attempts": counts}).to_string();
        if text == self.written.trim_ascii_end() || self.written.is_empty() && counts.is_empty() {
            return Ok(());
        }
        // In one write, over what was there: nobody finds half of it.
        let width = self.written.len();
        text = format!("{text:width$}");
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&self.path)?,
        };
        file.write_all_at(text.as_bytes(), 0)?;
        self.file = Some(file);
        self.written = text;
        Ok(())
    }
}

fn read(text: &str) -> Option<(u32, Vec<(u32, u32)>)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let pair = |pair: &Value| Some((number(pair.get(0)?)?, number(pair.get(1)?)?));
    let counts = value.get("attempts")?.as_array()?.iter().map(pair);
    Some((number(value.get("uidvalidity")?)?, counts.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::Attempts;
    use crate::limits;

    /// A file of this test's own.
    fn path(test: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mailtap-attempts-{test}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn matrix_1_a_process_that_ends_at_a_mail_is_counted_against_it_and_no_other() {
        let path = path("ends");
        for before in 0..4 {
            // The others are read again, and well, before it each time.
            let mut attempts = Attempts::new(path.clone());
            for uid in [1, 2] {
                assert_eq!(attempts.begin(9, uid).unwrap(), 0);
                attempts.succeeded();
            }
            assert_eq!((attempts.of(9, 7), attempts.of(8, 7)), (before, 0));
            assert_eq!(attempts.begin(9, 7).unwrap(), before);
        }
        let mut attempts = Attempts::new(path.clone());
        assert_eq!(attempts.begin(10, 7).unwrap(), 0, "other mails have its number");
        attempts.succeeded();
        attempts.pause().unwrap();
        assert_eq!(Attempts::new(path.clone()).of(9, 7), 0);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_attempt_that_ends_otherwise_does_not_count() {
        let path = path("otherwise");
        let mut attempts = Attempts::new(path.clone());
        attempts.begin(9, 7).unwrap();
        drop(attempts);
        let mut attempts = Attempts::new(path.clone());
        assert_eq!(attempts.begin(9, 7).unwrap(), 1);
        attempts.pause().unwrap();
        let mut attempts = Attempts::new(path.clone());
        assert_eq!(attempts.of(9, 7), 1, "the one before does");
        attempts.begin(9, 7).unwrap();
        attempts.succeeded();
        attempts.pause().unwrap();
        assert_eq!(Attempts::new(path.clone()).of(9, 7), 0);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_damaged_file_forgets_and_a_folder_that_is_gone_is_an_error() {
        let path = path("damaged");
        let mut attempts = Attempts::new(path.clone());
        attempts.begin(9, 7).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut attempts = Attempts::new(path.clone());
            assert_eq!(attempts.begin(9, 7).unwrap(), 0, "{cut}");
            assert_eq!(Attempts::new(path.clone()).of(9, 7), 1, "{cut}");
        }
        fs::remove_file(&path).unwrap();
        assert!(Attempts::new(path.join("x")).begin(1, 1).is_err());
    }

    #[test]
    fn the_oldest_suspect_is_forgotten_for_a_new_one_and_none_for_a_mail_that_is_harmless() {
        let path = path("bounded");
        let most = u32::try_from(limits::SUSPECTS).unwrap();
        for uid in (1..=most + 1).rev() {
            let mut attempts = Attempts::new(path.clone());
            assert_eq!(attempts.are_full(), uid == 1, "{uid}");
            attempts.begin(9, most + 2).unwrap();
            attempts.succeeded();
            attempts.begin(9, uid).unwrap();
        }
        let mut attempts = Attempts::new(path.clone());
        assert_eq!((attempts.of(9, most + 1), attempts.of(9, 1)), (0, 1), "not the lowest");
        for uid in most + 1..most + 100 {
            attempts.begin(9, uid).unwrap();
            attempts.succeeded();
        }
        attempts.pause().unwrap();
        let attempts = Attempts::new(path.clone());
        assert!((1..=most).all(|uid| attempts.of(9, uid) == 1));
        fs::remove_file(path).unwrap();
    }
}
