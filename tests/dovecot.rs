//! The whole line against a real Dovecot: thousands of real mails, over TLS, across kills.
//!
//! Needs `/usr/sbin/dovecot` and the corpus beside the project; where they are missing it says so and passes, except
//! with `CI=true`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::collector::{Collector, Configuration, no_secret_in};
use support::folder::Folder;
use support::random::Random;
use support::real_server::RealServer;
use support::real_server::dovecot::Dovecot;
use support::receiver::{self, Receiver};
use support::shared::{files_below, shared};

/// Rounds that end with SIGKILL; before each some more mails arrive.
const ROUNDS: usize = 24;

/// Where the kills fall. Another seed is another test; this one is repeated.
const SEED: u64 = 0x6d61_696c_7461_7021;

#[test]
fn matrix_1_killed_again_and_again_nothing_is_lost_between_dovecot_and_the_receiver() {
    let Some(corpus) = shared("corpus/ham") else { return };
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let mails = mails(&corpus);
    let receiver = Receiver::start();
    let state = Folder::new("dovecot-state");
    let configuration = dovecot.configuration(&receiver, &state.path().join("state"));
    let file = state.write("mailtap.yaml", configuration.yaml());
    let started = Instant::now();

    let mut random = Random(SEED);
    let mut present = 0;
    let mut cut_short = 0;
    for (round, helping) in mails.chunks(mails.len().div_ceil(ROUNDS)).enumerate() {
        for mail in helping {
            dovecot.deliver(mail);
        }
        present += helping.len();
        let before = receiver.look(|record| record.events.len());
        let collector = collector(&file);
        let patience = Duration::from_micros(random.below(150_000));
        if round % 2 == 0 {
            // Anywhere at all, from before the first connection to after the last acknowledgement.
            receiver.wait_at_most(patience, |_| None::<()>);
        } else {
            // In the thick of it, however slow the machine.
            receiver.wait_until("some mail of this round", |record| record.events.len() > before);
            receiver.wait_at_most(patience / 10, |_| None::<()>);
        }
        collector.kill();
        let stored = receiver.look(|record| record.events.len());
        cut_short += usize::from(before < stored && stored < present);
    }

    let collector = collector(&file);
    receiver.wait_until("every mail", |record| record.events.len() >= mails.len());
    let backlog = started.elapsed();
    let delivered_twice = receiver.look(|record| record.duplicates);
    println!(
        "dovecot: {} mails delivered, {delivered_twice} of them more than once with equal ids, {ROUNDS} kills (seed \
         {SEED:#x}), {cut_short} of them with a part delivered, {:.1} s",
        mails.len(),
        backlog.as_secs_f64(),
    );
    assert_same_mails(&mails, &receiver);

    // Live, once the collector has nothing else to do.
    let delivered = Instant::now();
    let live = b"From: a@example.com\nSubject: live\n\nnews\n";
    dovecot.deliver(live);
    let arrived = receiver.wait_for("the live mail", |record| {
        let event = record.events.iter().find(|event| event.header("subject") == "live")?;
        Some(event.received)
    });
    let milliseconds = (arrived - delivered).as_millis();
    println!("dovecot: a live mail took {milliseconds} ms");

    // A clean restart repeats nothing and misses nothing.
    let (status, lines) = collector.terminate();
    assert!(status.success(), "{status}\n{}", lines.join("\n"));
    let before = receiver.look(|record| record.duplicates);
    let while_down = b"From: a@example.com\nSubject: while it was down\n\nnews\n";
    dovecot.deliver(while_down);
    let collector = self::collector(&file);
    receiver.wait_until("the mail that came while it was down", |record| {
        record.events.len() == mails.len() + 2
    });
    let (status, lines) = collector.terminate();
    assert!(status.success(), "{status}\n{}", lines.join("\n"));
    assert_eq!(receiver.look(|record| record.duplicates), before);
    let all: Vec<Vec<u8>> = [mails, vec![live.to_vec(), while_down.to_vec()]].concat();
    assert_same_mails(&all, &receiver);
}

#[test]
fn dovecot_by_starttls_and_compressed_delivers_the_same_mails() {
    let Some(corpus) = shared("corpus/ham") else { return };
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let mails: Vec<Vec<u8>> = mails(&corpus).into_iter().take(500).collect();
    for mail in &mails {
        dovecot.deliver(mail);
    }
    let receiver = Receiver::start();
    let state = Folder::new("dovecot-state");
    let configuration = Configuration {
        server: format!("localhost:{}", dovecot.place.imap),
        more: vec!["starttls: true".to_owned(), "compress: true".to_owned()],
        ..dovecot.configuration(&receiver, &state.path().join("state"))
    };
    let collector = collector(&state.write("mailtap.yaml", configuration.yaml()));
    receiver.wait_until("every mail", |record| record.events.len() >= mails.len());
    collector.wait_for_line(&["caught up"]);
    let live = b"From: a@example.com\nSubject: live\n\nnews\n";
    dovecot.deliver(live);
    receiver.wait_until("the live mail", |record| record.events.len() > mails.len());
    let (status, lines) = collector.terminate();
    assert!(status.success(), "{status}");
    assert!(!lines.join("\n").contains("does not compress"), "{lines:?}");
    assert_same_mails(&[mails, vec![live.to_vec()]].concat(), &receiver);
}

#[test]
fn check_counts_what_dovecot_holds_and_tells_how_long_it_takes() {
    let Some(corpus) = shared("corpus/ham") else { return };
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let mails: Vec<Vec<u8>> = mails(&corpus).into_iter().take(600).collect();
    for mail in &mails {
        dovecot.deliver(mail);
    }
    let receiver = Receiver::start();
    let state = Folder::new("dovecot-state");
    let configuration = dovecot.configuration(&receiver, &state.path().join("state"));
    let file = state.write("mailtap.yaml", configuration.yaml());
    let mailtap = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
        let output = command.args(arguments).arg(&file).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        no_secret_in(&[output.stderr, output.stdout.clone()].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let inbox = || {
        let output = mailtap(&["check", "--json"]);
        let mut steps = output
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        steps.find(|step| step["step"] == "mailbox").unwrap()
    };
    let before = inbox();
    assert_eq!((&before["mails"], &before["to_fetch"]), (&600.into(), &600.into()));
    let bytes: usize = mails.iter().map(|mail| with_crlf(mail).len()).sum();
    assert_eq!(before["bytes"], bytes, "Dovecot has STATUS=SIZE");
    assert!(before["seconds"].is_u64());
    assert_eq!(receiver.look(|record| record.requests), 0);

    mailtap(&["imap", "--once"]);
    assert_same_mails(&mails, &receiver);
    let after = inbox();
    assert_eq!(
        (&after["to_fetch"], &after["seconds"]),
        (&0.into(), &serde_json::Value::Null)
    );
}

fn collector(file: &Path) -> Collector {
    Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), file)
}

/// Every file below `corpus`.
fn mails(corpus: &Path) -> Vec<Vec<u8>> {
    let files = files_below(corpus);
    assert!(files.len() > 1000, "{} mails in {}", files.len(), corpus.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// What was put into the mailbox against what was stored, by the hash of every byte.
fn assert_same_mails(mails: &[Vec<u8>], receiver: &Receiver) {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for mail in mails {
        *expected.entry(receiver::sha256(&with_crlf(mail))).or_default() += 1;
    }
    let record = receiver.record();
    for event in &record.events {
        let sha256 = event.event["routing"]["sha256"].as_str().unwrap().to_owned();
        *expected.entry(sha256).or_default() -= 1;
    }
    expected.retain(|_, count| *count != 0);
    assert!(
        expected.is_empty(),
        "missing (above 0) or never sent (below): {expected:?}"
    );
    assert_eq!(record.violations, Vec::<String>::new());
}

/// As IMAP sends a file that has bare LF.
fn with_crlf(mail: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(mail.len() + mail.len() / 32);
    for &byte in mail {
        if byte == b'\n' && bytes.last() != Some(&b'\r') {
            bytes.push(b'\r');
        }
        bytes.push(byte);
    }
    bytes
}
