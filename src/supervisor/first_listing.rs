//! Which mailboxes there were when an entry of `inbox_names` was listed for the first time. Those begin from now, unless
//! `from_zero` says otherwise; every other one was made since, and all mail in it is new.
//!
//! Kept in the state directory, a file for each entry: were every start a first listing, a mailbox made in the hour before a
//! restart, or between two runs with `--once`, would lose the mail that it got until then. A new mailbox is never added, so
//! it is new for as long as it has no checkpoint; one that went is taken out, because another may come by its name.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::checkpoint::StateDirectory;
use crate::imap::session::list_mailboxes::Found;
use crate::imap::wanted::Wanted;
use crate::log;
use crate::replace::replace;

const VERSION: u64 = 1;

/// One for each entry of `inbox_names` that is listed, by their places.
pub(super) struct FirstListings(Vec<Option<FirstListing>>);

struct FirstListing {
    path: PathBuf,
    read_only: bool,
    account: String,
    entry: String,
    /// By their names as people read them; `None` before the first listing.
    mailboxes: Option<BTreeSet<String>>,
}

impl FirstListings {
    /// What is remembered of the entries `wanted` of `account`.
    pub fn load(directory: &StateDirectory, account: &str, wanted: &[Wanted]) -> Result<FirstListings, String> {
        let load = |wanted: &Wanted| match wanted {
            Wanted::Name(_) => Ok(None),
            Wanted::Pattern(_) | Wanted::Use(_) => FirstListing::load(directory, account, wanted.entry()).map(Some),
        };
        wanted.iter().map(load).collect::<Result<_, _>>().map(FirstListings)
    }

    /// These are there now. Where they cannot be remembered, nothing has changed.
    pub fn see(&mut self, found: &[Found]) -> Result<(), String> {
        for (entry, first) in self.0.iter_mut().enumerate() {
            let there = found.iter().filter(|found| found.by.contains(&entry));
            let there = there.map(|found| found.name.as_str().to_owned()).collect();
            if let Some(first) = first {
                first.see(there)?;
            }
        }
        Ok(())
    }

    /// Whether this one, which was seen, was made after the first listing of an entry that means it.
    pub fn is_new(&self, found: &Found) -> bool {
        let firsts = found.by.iter().filter_map(|entry| self.0.get(*entry)?.as_ref());
        let mut known = firsts.filter_map(|first| first.mailboxes.as_ref());
        known.any(|mailboxes| !mailboxes.contains(found.name.as_str()))
    }
}

impl FirstListing {
    fn load(directory: &StateDirectory, account: &str, entry: &str) -> Result<FirstListing, String> {
        let path = directory.file(account, entry, "listing");
        let mailboxes = match fs::read(&path) {
            Ok(text) => Some(read(&text).unwrap_or_else(|| {
                log::warn(
                    "state_dir: the first listing of an entry of inbox_names is damaged: its mailboxes without a checkpoint \
                     are delivered from their first mail",
                    &[("file", &path.display()), ("entry", &entry)],
                );
                BTreeSet::new()
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(format!("state_dir: {}: {error}", path.display())),
        };
        Ok(FirstListing {
            path,
            read_only: directory.is_read_only(),
            account: account.to_owned(),
            entry: entry.to_owned(),
            mailboxes,
        })
    }

    fn see(&mut self, there: BTreeSet<String>) -> Result<(), String> {
        let left = match &self.mailboxes {
            None => there,
            Some(before) => before.intersection(&there).cloned().collect(),
        };
        if self.mailboxes.as_ref() == Some(&left) {
            return Ok(());
        }
        if !self.read_only {
            let text = json!({"version": VERSION, "account": self.account, "entry": self.entry, "mailboxes": left});
            replace(&self.path, &format!("{text}\n"), 0o666)
                .map_err(|error| format!("state_dir: {}: {error}", self.path.display()))?;
        }
        self.mailboxes = Some(left);
        Ok(())
    }
}

fn read(text: &[u8]) -> Option<BTreeSet<String>> {
    let file: Value = serde_json::from_slice(text).ok()?;
    let mut names = BTreeSet::new();
    for name in file.get("mailboxes")?.as_array()? {
        names.insert(name.as_str()?.to_owned());
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::FirstListings;
    use crate::checkpoint::StateDirectory;
    use crate::imap::mailbox_name::MailboxName;
    use crate::imap::session::list_mailboxes::Found;
    use crate::imap::wanted::Wanted;

    const ENTRIES: [&str; 3] = ["INBOX", "J/*", "*"];

    /// What LIST gives: `J/…` is meant by two entries.
    fn found(entries: &[&str], names: &[&str]) -> Vec<Found> {
        let means = |entry: &str, name: &str| entry == "*" || entry == "J/*" && name.starts_with("J/");
        let found = names.iter().map(|name| Found {
            name: MailboxName::new(name),
            by: (0..entries.len())
                .filter(|place| means(entries[*place], name))
                .collect(),
        });
        found.collect()
    }

    fn wanted(entries: &[&str]) -> Vec<Wanted> {
        entries.iter().map(|entry| Wanted::read(entry).unwrap()).collect()
    }

    /// Which of `names` are new to a process that begins now.
    fn new(directory: &StateDirectory, entries: &[&str], names: &[&str]) -> Vec<String> {
        let mut listings = FirstListings::load(directory, "u@h:1", &wanted(entries)).unwrap();
        let found = found(entries, names);
        listings.see(&found).unwrap();
        let new = found.iter().filter(|found| listings.is_new(found));
        new.map(|found| found.name.to_string()).collect()
    }

    fn directory(test: &str) -> StateDirectory {
        let path = std::env::temp_dir().join(format!("mailtap-listing-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        StateDirectory::open(&path).unwrap()
    }

    #[test]
    fn a_mailbox_made_before_a_restart_is_new_in_every_process_after_it() {
        let directory = directory("made");
        assert_eq!(new(&directory, &ENTRIES, &["A", "J/1"]), [""; 0], "a first start");
        for _ in 0..2 {
            assert_eq!(new(&directory, &ENTRIES, &["A", "B", "J/1", "J/2"]), ["B", "J/2"]);
        }
        // One that went and came back may be another.
        assert_eq!(new(&directory, &ENTRIES, &["J/1"]), [""; 0]);
        assert_eq!(new(&directory, &ENTRIES, &["A", "J/1"]), ["A"]);
        // The first start of one entry makes no mailbox old that another one knows to be new.
        fs::remove_file(directory.file("u@h:1", "*", "listing")).unwrap();
        assert_eq!(new(&directory, &ENTRIES, &["A", "J/1", "J/2"]), ["J/2"]);
        fs::remove_dir_all(directory.file("", "", "").parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_damaged_skips_no_mail_and_what_cannot_be_written_changes_nothing() {
        let directory = directory("damaged");
        assert_eq!(new(&directory, &["*"], &["A"]), [""; 0]);
        let file = directory.file("u@h:1", "*", "listing");
        let text = fs::read_to_string(&file).unwrap();
        for end in 0..text.trim_end().len() {
            fs::write(&file, &text[..end]).unwrap();
            assert_eq!(new(&directory, &["*"], &["A"]), ["A"], "{end}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(file.with_extension("new")).unwrap();
        let mut listings = FirstListings::load(&directory, "u@h:1", &wanted(&["*"])).unwrap();
        assert!(
            listings
                .see(&found(&["*"], &["A"]))
                .unwrap_err()
                .starts_with("state_dir: ")
        );
        assert!(listings.0[0].as_ref().unwrap().mailboxes.is_none() && !file.exists());
        // Somebody who only looks leaves nothing behind.
        let folder = file.parent().unwrap().to_owned();
        fs::remove_dir(file.with_extension("new")).unwrap();
        assert_eq!(new(&StateDirectory::read_only(&folder), &["*"], &["A"]), [""; 0]);
        assert!(!file.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
