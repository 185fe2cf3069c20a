//! A whole line: a mailbox at a real Dovecot, the real program, a receiver, and a state directory between them. What was put
//! into the mailbox is the oracle for what must have come out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mailtap::checkpoint::{Checkpoint as _, StateDirectory};
use mailtap::dead_letter::Reader;

use super::collector::{Collector, Configuration, no_secret_in};
use super::destination::Destination;
use super::folder::Folder;
use super::real_server::dovecot::Dovecot;
use super::real_server::{RealServer, USERS};
use super::strace::{self, Call};

/// The second mail of a mailbox is larger than this, and no other is.
pub const LARGE: usize = 20_000;

pub struct Line<'d> {
    program: &'static str,
    pub dovecot: &'d RealServer<Dovecot>,
    user: String,
    pub destination: Destination,
    pub folder: Folder,
    pub configuration: Configuration,
    /// What the mail of this number is.
    pub mail: fn(usize) -> Vec<u8>,
    /// So many mails were put into the mailbox; their UIDs begin at 1.
    pub present: usize,
}

impl<'d> Line<'d> {
    /// Between the INBOX of Dovecot's first user and `destination`; `program` is ours.
    pub fn new(program: &'static str, dovecot: &'d RealServer<Dovecot>, destination: Destination) -> Line<'d> {
        Line::of(USERS[0], program, dovecot, destination)
    }

    /// The same for any user that Dovecot has.
    pub fn of(
        user: &str,
        program: &'static str,
        dovecot: &'d RealServer<Dovecot>,
        destination: Destination,
    ) -> Line<'d> {
        let folder = Folder::new("line");
        let mut configuration = dovecot.configuration_for(user, &folder.path().join("state"));
        destination.configure(&mut configuration);
        Line {
            program,
            dovecot,
            user: user.to_owned(),
            destination,
            folder,
            configuration,
            mail,
            present: 0,
        }
    }

    pub fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            self.present += 1;
            self.dovecot.deliver_to(&self.user, &(self.mail)(self.present));
        }
    }

    /// The program at work until it is stopped.
    pub fn start(&self) -> Collector {
        Collector::start(Command::new(self.program), &self.write_configuration())
    }

    /// The program, which ends when everything is delivered.
    pub fn once(&self) -> Command {
        self.arguments(Command::new(self.program))
    }

    /// The same, to be killed at this call.
    pub fn killed_at(&self, call: &Call) -> Command {
        self.arguments(call.kills(self.program))
    }

    /// The same, but that this call and the next ones fail.
    pub fn failing_at(&self, call: &Call, times: usize, error: &str) -> Command {
        self.arguments(call.fails(self.program, times, error))
    }

    fn arguments(&self, mut command: Command) -> Command {
        command.args(["imap", "--once"]).arg(self.write_configuration());
        let told = File::options().create(true).append(true).open(self.told()).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(told.try_clone().unwrap())
            .stderr(told);
        command
    }

    /// What every run has said.
    fn told(&self) -> PathBuf {
        self.folder.path().join("told")
    }

    fn write_configuration(&self) -> PathBuf {
        self.folder.write("mailtap.yaml", self.configuration.yaml())
    }

    /// What a run calls that is not killed.
    pub fn calls(&self, names: &[&'static str]) -> Vec<Call> {
        let log = self.folder.path().join("calls");
        strace::calls_of(&self.once(), names, &self.files(), &log)
    }

    /// A call on a file of `other`, as the same call on the same file of this line.
    pub fn own(&self, call: &Call, other: &Line) -> Call {
        let place = other.files().iter().position(|file| Some(file) == call.file.as_ref());
        Call {
            file: place.map(|place| self.files()[place].clone()),
            ..call.clone()
        }
    }

    fn files(&self) -> [PathBuf; 5] {
        let kinds = ["new", "json", "attempts", "dead-letter.ndjson"];
        let [new, json, attempts, letters] = kinds.map(|kind| self.file(kind));
        [new, json, attempts, letters, self.configuration.state_dir.clone()]
    }

    /// The mailbox's file of this kind.
    pub fn file(&self, kind: &str) -> PathBuf {
        StateDirectory::read_only(&self.configuration.state_dir).file(&self.account(), "INBOX", kind)
    }

    fn account(&self) -> String {
        format!("{}@localhost:{}", self.user, self.dovecot.place.imaps)
    }

    /// All below it is done, says the checkpoint.
    pub fn next_uid(&self) -> u64 {
        let state = StateDirectory::read_only(&self.configuration.state_dir);
        let memory = state.checkpoint(&self.account(), "INBOX").load();
        let memory = memory.expect("a checkpoint that can be read");
        memory.map_or(1, |memory| memory.position.next_uid)
    }

    /// So many events are with the receiver and not passed by the checkpoint: those may come again.
    pub fn window(&self) -> usize {
        let next_uid = self.next_uid();
        let events = self.destination.events();
        events.iter().filter(|event| event.uid >= next_uid).count()
    }

    /// UIDs and ids in the dead-letter file. A line that a kill has torn is none: its mail comes again.
    pub fn letters(&self) -> Vec<(u64, String)> {
        let bytes = fs::read(self.file("dead-letter.ndjson")).unwrap_or_default();
        let mut reader = Reader::new(bytes.as_slice());
        let lines = std::iter::from_fn(|| reader.next_letter().unwrap());
        let letters = lines.filter_map(|(_, letter)| letter.ok());
        letters.map(|letter| (u64::from(letter.uid), letter.id)).collect()
    }

    /// Whatever was put into the mailbox is with the receiver or a dead letter, each under one id.
    pub fn judge(&self) {
        assert_eq!(self.destination.violations(), Vec::<String>::new());
        no_secret_in(&fs::read(self.told()).unwrap_or_default());
        let mut ids: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let mut subjects = BTreeSet::new();
        for event in self.destination.events() {
            let is_new = subjects.insert(event.subject);
            // Of two mails that arrive while Dovecot looks, the second may have the lower UID.
            assert!(is_new, "uid {} is a mail that was there before", event.uid);
            ids.entry(event.uid).or_default().insert(event.id);
        }
        for (uid, id) in self.letters() {
            ids.entry(uid).or_default().insert(id);
        }
        let there: Vec<u64> = ids.keys().copied().collect();
        let expected: Vec<u64> = (1..=self.present as u64).collect();
        assert_eq!(there, expected, "what was put into the mailbox");
        assert!(ids.values().all(|ids| ids.len() == 1), "one id each: {ids:?}");
        let all: BTreeSet<&String> = ids.values().flatten().collect();
        assert_eq!(all.len(), self.present, "and no two mails have the same");
    }
}

fn mail(number: usize) -> Vec<u8> {
    let words = if number == 2 { LARGE / 4 } else { number % 40 };
    let text = "text ".repeat(words);
    format!("From: a@example.com\r\nSubject: {number}\r\n\r\n{text}\r\n").into_bytes()
}
