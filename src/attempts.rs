//! Mails at which this program ended: counted before they are read, so that one that kills it is found out.
//!
//! A file beside the checkpoint, not fsynced: what a mail can end is this process, and the kernel keeps what a dead process
//! has written. After a power failure it may be old or damaged; then a few attempts are forgotten, or one is counted too many.
//!
//! A write for every mail would cost a twentieth of the time in which small ones come. So a mail that nothing is known of is
//! recorded as one among [`limits::AMONG`]. Where the process ends there, that counts against each of them; and one that it
//! counts against is recorded by itself, until it is read to its end.

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
    record: Record,
    in_hand: Option<u32>,
    /// Mails among which the process before this one ended.
    doubtful: Option<Uids>,
    /// What is in the file, if it can be read, and how many bytes that takes.
    written: Option<Record>,
    width: usize,
    /// The file could not be written: that was told, and is not told again.
    failed: bool,
    /// The file stays as it is.
    read_only: bool,
}

/// What would have to be known if the process ended now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Record {
    uid_validity: u32,
    /// UIDs and how often, the oldest suspect first.
    counts: Vec<(u32, u32)>,
    /// The mail that is being read is one of these, unless it has a count.
    among: Option<Uids>,
}

/// The first and the last.
type Uids = (u32, u32);

impl Attempts {
    /// Of this file, which need not be there.
    pub fn new(path: PathBuf) -> Attempts {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let written = if text.is_empty() {
            Some(Record::default())
        } else {
            Record::read(&text)
        };
        let mut record = written.clone().unwrap_or_default();
        // Only here: whatever is in hand beyond the bound may turn out to be harmless.
        record
            .counts
            .drain(..record.counts.len().saturating_sub(limits::SUSPECTS));
        Attempts {
            path,
            file: None,
            doubtful: record.among.take(),
            record,
            in_hand: None,
            written,
            width: text.len(),
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

    /// How often the program ended at this mail, or among mails of which it is one.
    pub fn of(&self, uid_validity: u32, uid: u32) -> u32 {
        if uid_validity != self.record.uid_validity {
            return 0;
        }
        let in_doubt = || u32::from(is_among(self.doubtful, uid));
        self.record.count(uid).unwrap_or_else(in_doubt)
    }

    /// The mail that is being read.
    pub fn in_hand(&self) -> Option<u32> {
        self.in_hand
    }

    /// Whether one more suspect would cost the oldest its count.
    pub fn are_full(&self) -> bool {
        self.record.counts.len() >= limits::SUSPECTS
    }

    /// The mail is about to be read: from now on an end of the process counts against it. Gives how often there was one.
    pub fn begin(&mut self, uid_validity: u32, uid: u32) -> io::Result<u32> {
        if uid_validity != self.record.uid_validity {
            self.doubtful = None;
            self.record = Record {
                uid_validity,
                ..Record::default()
            };
        }
        self.forget_in_hand();
        let before = self.of(uid_validity, uid);
        if before > 0 {
            self.record.among = None;
            self.record.set(uid, before.saturating_add(1));
        } else if !is_among(self.record.among, uid) {
            let first = uid.saturating_sub(uid % limits::AMONG);
            self.record.among = Some((first, first.saturating_add(limits::AMONG.saturating_sub(1))));
        }
        self.in_hand = Some(uid);
        self.write().map(|()| before)
    }

    /// It was read to its end.
    pub fn succeeded(&mut self) {
        if let Some(uid) = self.in_hand.take() {
            self.record.set(uid, 0);
        }
    }

    /// No mail is in hand: what ends the process now is no mail's fault.
    pub fn pause(&mut self) -> io::Result<()> {
        self.forget_in_hand();
        self.record.among = None;
        self.write()
    }

    /// The attempt ended otherwise: it does not count.
    fn forget_in_hand(&mut self) {
        if let Some(uid) = self.in_hand.take() {
            let count = self.record.count(uid).unwrap_or_default();
            self.record.set(uid, count.saturating_sub(1));
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
        if self.written.as_ref() == Some(&self.record) {
            return Ok(());
        }
        // In one write, over what was there: nobody finds half of it.
        let (text, width) = (self.record.text(), self.width);
        let text = format!("{text:width$}");
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
        self.width = text.len();
        self.written = Some(self.record.clone());
        Ok(())
    }
}

impl Record {
    fn read(text: &str) -> Option<Record> {
        let value: Value = serde_json::from_str(text).ok()?;
        let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
        let pair = |pair: &Value| Some((number(pair.get(0)?)?, number(pair.get(1)?)?));
        let counts = value.get("attempts")?.as_array()?.iter().map(pair);
        Some(Record {
            uid_validity: number(value.get("uidvalidity")?)?,
            counts: counts.collect::<Option<_>>()?,
            among: value.get("among").and_then(pair),
        })
    }

    fn text(&self) -> String {
        json!({"uidvalidity": self.uid_validity, "attempts": self.counts, "among": self.among}).to_string()
    }

    fn count(&self, uid: u32) -> Option<u32> {
        let counted = self.counts.iter().find(|(suspect, _)| *suspect == uid);
        counted.map(|(_, count)| *count)
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
}

fn is_among(uids: Option<Uids>, uid: u32) -> bool {
    uids.is_some_and(|(first, last)| (first..=last).contains(&uid))
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
            // The others are read again, and well, before it each time. At first nobody knows which of them it was.
            let mut attempts = Attempts::new(path.clone());
            for uid in [1, 2] {
                assert_eq!(attempts.begin(9, uid).unwrap(), u32::from(before == 1), "{before}");
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
    fn mails_of_which_nothing_is_known_are_recorded_many_at_a_time_and_those_in_doubt_one_by_one() {
        let path = path("among");
        let record = || fs::read_to_string(&path).unwrap().trim_end().to_owned();
        let (first, last) = (limits::AMONG, 2 * limits::AMONG - 1);
        let mut attempts = Attempts::new(path.clone());
        for uid in [last, first + 1, first] {
            attempts.begin(9, uid).unwrap();
            attempts.succeeded();
            // Not written again for the next one.
            let among = format!(r#"{{"among":[{first},{last}],"attempts":[],"uidvalidity":9}}"#);
            assert_eq!(record(), if uid == last { among } else { String::new() }, "{uid}");
            fs::write(&path, "").unwrap();
        }
        attempts.begin(9, last + 1).unwrap();
        let written = record();
        let mut attempts = Attempts::new(path.clone());
        let of = |attempts: &Attempts| {
            [last, last + 1, last + limits::AMONG, last + limits::AMONG + 1].map(|uid| attempts.of(9, uid))
        };
        assert_eq!(of(&attempts), [0, 1, 1, 0], "{written}");
        attempts.begin(9, last + 2).unwrap();
        assert_eq!(of(&Attempts::new(path.clone())), [0; 4], "only the one in hand");
        attempts.succeeded();
        attempts.begin(9, last + 3).unwrap();
        let counts = |attempts: &Attempts| [last + 2, last + 3].map(|uid| attempts.of(9, uid));
        assert_eq!(counts(&Attempts::new(path.clone())), [0, 2], "{}", record());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_attempt_that_ends_otherwise_does_not_count() {
        let path = path("otherwise");
        let mut attempts = Attempts::new(path.clone());
        attempts.begin(9, 7).unwrap();
        attempts.pause().unwrap();
        assert_eq!(Attempts::new(path.clone()).of(9, 7), 0);
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
            // The program ends twice at each: once it is not known at which.
            for first in [true, false] {
                let mut attempts = Attempts::new(path.clone());
                assert_eq!(attempts.are_full(), uid == 1, "{uid}");
                attempts.begin(9, 2 * most).unwrap();
                attempts.succeeded();
                assert_eq!(attempts.begin(9, uid).unwrap() == 0, first, "{uid}");
            }
        }
        let mut attempts = Attempts::new(path.clone());
        assert_eq!((attempts.of(9, most + 1), attempts.of(9, 1)), (0, 2), "not the lowest");
        for uid in most + 1..most + 100 {
            attempts.begin(9, uid).unwrap();
            attempts.succeeded();
        }
        attempts.pause().unwrap();
        let attempts = Attempts::new(path.clone());
        assert!((1..=most).all(|uid| attempts.of(9, uid) == 2));
        fs::remove_file(path).unwrap();
    }
}
