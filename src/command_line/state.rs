//! `mailtap state`: how far each mailbox is delivered, by what is on the disk. Nobody is contacted, nothing is locked or
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Failure, complain, configuration, print};
use crate::checkpoint::{Remembered, StateDirectory};
use crate::clock::system_unix_milliseconds;
use crate::config::Adapter;
use crate::dead_letter::DeadLetters;
use crate::hidden::{escaped, escaped_json};
use crate::imap::mailbox_name::MailboxName;
use crate::imap::resume::Memory;
use crate::imap::wanted::Wanted;
use crate::mime::date::rfc3339;
use crate::quantity::{count, seconds};

/// `mailtap state [--json] CONFIG`. Well unless a file of the state directory cannot be read.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let (flags, others): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| *argument == "--json");
    let loaded = configuration::load("state", &others)?;
    let survey = Survey::of(&loaded.adapters)?;
    let now_ms = system_unix_milliseconds();
    for mailbox in &survey.mailboxes {
        let text = if flags.is_empty() {
            mailbox.text(now_ms)
        } else {
            format!("{}\n", escaped_json(&mailbox.json().to_string()))
        };
        print(&text)?;
    }
    for unread in &survey.unread {
        complain(unread);
    }
    if survey.unread.is_empty() {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

/// What there is to tell.
#[derive(Default)]
struct Survey {
    mailboxes: Vec<Mailbox>,
    /// Files that could not be read.
    unread: Vec<String>,
}

/// One mailbox.
struct Mailbox {
    account: String,
    name: String,
    /// `None` before the first start, or where it is damaged.
    remembered: Option<Remembered>,
    damaged: bool,
    /// `None` where they cannot be read.
    dead_letters: Option<u64>,
    dead_letter_file: PathBuf,
}

impl Survey {
    fn of(adapters: &[Adapter]) -> Result<Survey, Failure> {
        let mut survey = Survey::default();
        let mut directories = BTreeMap::new();
        for path in adapters.iter().map(|adapter| &adapter.state_dir) {
            if directories.contains_key(path) {
                continue;
            }
            let directory = StateDirectory::read_only(path);
            let read = directory
                .remembered()
                .map_err(|error| Failure::Run(error.to_string()))?;
            let mut remembered = Vec::new();
            for read in read {
                match read {
                    Ok(one) => remembered.push(one),
                    Err(error) => survey.unread.push(error.to_string()),
                }
            }
            directories.insert(path, (directory, remembered));
        }
        for adapter in adapters {
            if let Some((directory, remembered)) = directories.get(&adapter.state_dir) {
                survey.add(adapter, directory, remembered);
            }
        }
        Ok(survey)
    }

    /// The mailboxes of one section: those with a name, and where the server says which there are, all that are remembered.
    fn add(&mut self, adapter: &Adapter, directory: &StateDirectory, remembered: &[Remembered]) {
        let account = adapter.imap.account();
        let wanted = adapter.mailboxes.iter().filter_map(Wanted::name);
        let mut names: Vec<&str> = wanted.map(MailboxName::as_str).collect();
        let of_account = remembered.iter().filter(|one| one.account == account);
        if adapter.mailboxes.iter().any(|wanted| wanted.name().is_none()) {
            names.extend(of_account.clone().map(|one| one.mailbox.as_str()));
        }
        let mut seen = BTreeSet::new();
        for name in names {
            let told = self
                .mailboxes
                .iter()
                .any(|told| told.account == account && told.name == name);
            if told || !seen.insert(name) {
                continue;
            }
            let letters = DeadLetters::new(directory.file(&account, name, "dead-letter.ndjson"));
            let dead_letters = letters.lines();
            let dead_letters = dead_letters.map_err(|error| self.unread.push(error.to_string())).ok();
            let remembered = of_account.clone().find(|one| one.mailbox == name).cloned();
            self.mailboxes.push(Mailbox {
                account: account.clone(),
                name: name.to_owned(),
                // The error is told as that of its file.
                damaged: remembered.is_none() && directory.remembered_of(&account, name).is_err(),
                remembered,
                dead_letters,
                dead_letter_file: letters.path().to_owned(),
            });
        }
    }
}

impl Mailbox {
    fn text(&self, now_ms: i64) -> String {
        let mut lines = vec![format!("{} {}", self.account, self.name)];
        let mut line = |label: &str, text: &str| lines.push(format!("  {label:13} {text}"));
        match &self.remembered {
            None if self.damaged => line("delivered", "not known: its checkpoint cannot be read"),
            None => line("delivered", "nothing yet: not started"),
            Some(remembered) => {
                let memory = &remembered.memory;
                line("delivered", &delivered(memory));
                line("UIDVALIDITY", &memory.position.uid_validity.to_string());
                if let Some(last) = memory.recent.mails().last() {
                    let came = last.internal_date_ms.map(rfc3339);
                    let came = came.map_or_else(String::new, |date| format!(", received {date}"));
                    line("last mail", &format!("UID {}{came}", last.uid));
                }
                let ago = now_ms.saturating_sub(remembered.moved_ms).max(0).div_euclid(1000);
                let ago = seconds(u64::try_from(ago).unwrap_or_default());
                line("moved", &format!("{}, {ago} ago", rfc3339(remembered.moved_ms)));
                let behind = memory.backlog().map_or_else(
                    || "not known without the server: `mailtap check` asks it".to_owned(),
                    |most| format!("at most {} mails of the backlog", count(most)),
                );
                line("behind", &behind);
            }
        }
        let file = self.dead_letter_file.display();
        let letters = match self.dead_letters {
            Some(0) => "0".to_owned(),
            Some(count) => format!("{count} in {file}"),
            None => format!("not known: {file} cannot be read"),
        };
        line("dead letters", &letters);
        let lines: Vec<String> = lines.iter().map(|line| escaped(line).into_owned()).collect();
        format!("{}\n", lines.join("\n"))
    }

    fn json(&self) -> Value {
        let remembered = self.remembered.as_ref();
        let memory = remembered.map(|remembered| &remembered.memory);
        let last = memory.and_then(|memory| memory.recent.mails().last());
        let above = memory.map(|memory| {
            let ranges = memory.done.iter().filter(|range| !range.is_empty());
            ranges
                .map(|range| [range.start, range.end.saturating_sub(1)])
                .collect::<Vec<_>>()
        });
        json!({
            "account": self.account,
            "mailbox": self.name,
            "uidvalidity": memory.map(|memory| memory.position.uid_validity),
            "next_uid": memory.map(|memory| memory.position.next_uid),
            "delivered_above": above,
            "last_uid": last.map(|last| last.uid),
            "last_internal_date": last.and_then(|last| last.internal_date_ms).map(rfc3339),
            "moved": remembered.map(|remembered| rfc3339(remembered.moved_ms)),
            "backlog": memory.and_then(Memory::backlog),
            "dead_letters": self.dead_letters,
            "dead_letter_file": self.dead_letter_file.display().to_string(),
        })
    }
}

/// Up to which UID, and which above it.
fn delivered(memory: &Memory) -> String {
    let whole = memory.done.iter().filter(|range| !range.is_empty());
    let above: Vec<String> = whole
        .map(|range| format!("{}:{}", range.start, range.end.saturating_sub(1)))
        .collect();
    let below = format!("all below UID {}", memory.position.next_uid);
    if above.is_empty() {
        below
    } else {
        format!("{below}, and {}", above.join(", "))
    }
}
