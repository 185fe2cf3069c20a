//! The main job on embedded defaults: `cargo run --release --example demo`. No network, no configuration.
//!
//! Three parties on this machine: an IMAP server and an HTTPS receiver inside this process, and between them the real
//! program as a child (this executable again, which then does exactly what `main.rs` does). The demo shows a backlog,
//! a live mail, and a kill in the worst moment; it exits with 1 if any mail was lost.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example: it prints, and a panic is its way to fail"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use support::collector::{Collector, Configuration};
use support::folder::Folder;
use support::imap_server::ImapServer;
use support::receiver::{Fault, Receiver, Record, Stored};

/// The first argument of this executable when it is to be the collector.
const COLLECTOR: &str = "--collector";

/// How many mails arrive for the third act.
const FLOOD: usize = 2_000;

/// Everything takes seconds; whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((COLLECTOR, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return mailtap::command_line::run(rest);
    }
    match Stage::set().play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("\nFAILED: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The three parties, and what the demo has put into the mailbox.
struct Stage {
    server: ImapServer,
    receiver: Receiver,
    mails: Vec<Vec<u8>>,
    configuration_file: PathBuf,
    /// Holds the configuration and the checkpoint; removed at the end.
    _folder: Folder,
}

impl Stage {
    fn set() -> Stage {
        let folder = Folder::new("demo");
        let server = ImapServer::start();
        let receiver = Receiver::start();
        let configuration = Configuration::between(&server, &receiver, &folder.path().join("state"));
        let configuration_file = folder.write("mailtap.yaml", configuration.yaml());
        Stage {
            server,
            receiver,
            mails: mails(),
            configuration_file,
            _folder: folder,
        }
    }

    fn play(&self) -> Result<(), String> {
        let started = Instant::now();
        println!("mailbox (IMAP over TLS)  →  mailtap  →  receiver (HTTPS)      all on this machine\n");
        for mail in &self.mails {
            self.server.deliver(mail);
        }
        let collector = self.start_collector();
        self.backlog(&collector)?;
        self.live_mail(&collector)?;
        self.kill_in_the_middle(collector)?;
        self.verdict(started)
    }

    fn backlog(&self, collector: &Collector) -> Result<(), String> {
        println!(
            "1  Backlog: {} mails wait in the mailbox. Each line is an event as it reaches the receiver.\n",
            self.mails.len()
        );
        println!("    uid  parts  sha256    subject");
        for number in 0..self.mails.len() {
            let event = self.wait_for_event(collector, "the backlog", |record| record.events.get(number))?;
            println!("  {}", line(&event));
        }
        Ok(())
    }

    fn live_mail(&self, collector: &Collector) -> Result<(), String> {
        self.server
            .wait_until("the collector waits in IDLE", |record| record.idling == 1);
        println!("\n2  Live: the collector waits in IDLE, a new mail arrives.\n");
        let mail = "From: alice@example.com\r\nTo: bob@example.com\r\nSubject: Live, while you watch\r\n\r\nHello.\r\n";
        let delivered = Instant::now();
        let uid = u64::from(self.server.deliver(mail.as_bytes()));
        let event = self.wait_for_event(collector, "the live mail", |record| {
            record.events.iter().find(|event| event.uid == uid)
        })?;
        let milliseconds = event.received.saturating_duration_since(delivered).as_secs_f64() * 1000.0;
        println!("  {}", line(&event));
        println!("         {milliseconds:.1} ms from the mailbox to the receiver");
        Ok(())
    }

    fn kill_in_the_middle(&self, collector: Collector) -> Result<(), String> {
        println!("\n3  Kill: {FLOOD} more mails; the collector is killed in the middle, at the worst moment:");
        println!("   the receiver has stored a batch and not yet acknowledged it.\n");
        let before = self.receiver.look(|record| record.events.len());
        self.receiver.misbehave(Fault::Slow {
            stored: before + FLOOD / 3,
        });
        for mail in self.mails.iter().cycle().take(FLOOD) {
            self.server.deliver(mail);
        }
        let stored = self
            .receiver
            .wait_at_most(PATIENCE, |record| {
                (record.events.len() >= before + FLOOD / 3).then_some(record.events.len() - before)
            })
            .ok_or_else(|| complaint("the first third of the mails did not arrive", &collector))?;
        let process_id = collector.process_id();
        collector.kill();
        println!("   kill -9 {process_id:<12} {stored:>5} of {FLOOD} stored");
        self.receiver.heal();
        let restarted = Instant::now();
        let collector = self.start_collector();
        self.receiver
            .wait_at_most(PATIENCE, |record| (record.events.len() >= before + FLOOD).then_some(()))
            .ok_or_else(|| complaint("the rest did not arrive after the restart", &collector))?;
        let rest = FLOOD - stored;
        println!(
            "   started again        {rest:>5} more in {} ms",
            restarted.elapsed().as_millis()
        );
        // The mailbox is read to its end, so whatever was to be sent again has been.
        self.server
            .wait_until("the collector waits in IDLE", |record| record.idling == 1);
        let (status, lines) = collector.terminate();
        println!("   SIGTERM              {status}");
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("SIGTERM must end it with 0; it said:\n{}", lines.join("\n")))
    }

    fn verdict(&self, started: Instant) -> Result<(), String> {
        let expected: BTreeSet<u64> = self.server.uids().into_iter().map(u64::from).collect();
        let record = self.receiver.record();
        let stored: BTreeSet<u64> = record.uids().into_iter().collect();
        let lost: Vec<&u64> = expected.difference(&stored).collect();
        let server = self.server.record();
        println!("\n   in the mailbox       {:>5}", expected.len());
        println!("   stored               {:>5}", stored.len());
        println!("   lost                 {:>5}", lost.len());
        println!(
            "   came twice           {:>5}   same event id, dropped",
            record.duplicates
        );
        println!("\n{:.1} s in all.", started.elapsed().as_secs_f64());
        if !lost.is_empty() {
            return Err(format!("lost UIDs: {lost:?}"));
        }
        if stored.len() != expected.len() {
            return Err("the receiver holds mails that were never in the mailbox".to_owned());
        }
        match record.violations.iter().chain(&server.violations).next() {
            Some(violation) => Err(format!("a protocol was violated: {violation}")),
            None => Ok(()),
        }
    }

    fn start_collector(&self) -> Collector {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(COLLECTOR);
        Collector::start(command, &self.configuration_file)
    }

    fn wait_for_event(
        &self,
        collector: &Collector,
        what: &str,
        look: impl Fn(&Record) -> Option<&Stored>,
    ) -> Result<Stored, String> {
        self.receiver
            .wait_at_most(PATIENCE, |record| look(record).cloned())
            .ok_or_else(|| complaint(&format!("{what} did not arrive"), collector))
    }
}

fn complaint(what: &str, collector: &Collector) -> String {
    format!("{what}; the collector said:\n{}", collector.lines().join("\n"))
}

/// `uid  parts  sha256  subject`.
fn line(event: &Stored) -> String {
    let parts = event.event["event"]["parts"].as_array().map_or(0, Vec::len);
    let sha256 = event.event["routing"]["sha256"].as_str().unwrap_or("-");
    let sha256: String = sha256.chars().take(8).collect();
    let subject: String = event
        .header("subject")
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(70)
        .collect();
    let subject = if subject.is_empty() { "(no subject)" } else { &subject };
    format!("{:>5}  {parts:>5}  {sha256}  {subject}", event.uid)
}

/// The mails of `testdata/mail`, by name.
fn mails() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/mail");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no mails in {}", folder.display());
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}
