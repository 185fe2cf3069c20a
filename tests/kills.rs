//! Row 1 of the fault matrix: kill -9 at every system call that matters, one after another, and at random instants, between
//! a real Dovecot and a receiver. `strace` sends the signal when the call begins, so that what came before it is done.
//!
//! Needs Dovecot and `strace`; where they are missing it says so and passes, except with `CI=true`.
//! `KILLS=500 cargo test --test kills` goes on for longer.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::folder::Folder;
use support::random::Random;
use support::real_server::RealServer;
use support::real_server::dovecot::Dovecot;
use support::receiver::{Fault, Receiver};
use support::shared::in_ci;

/// What a run asks of the system between its first connection and its last acknowledgement: bytes from and to the network,
/// checkpoint, attempts and dead letters on the disk.
const CALLS: [&str; 10] = [
    "fsync", "rename", "write", "pwrite64", "openat", "recvfrom", "sendto", "writev", "read", "close",
];
/// So many kills if nobody says a number.
const KILLS: usize = 40;
/// No run makes so many of most of these calls.
const MOST_CALLS: usize = 16;
/// A run that is not killed takes so long, in microseconds, on a machine with nothing else to do.
const RUN: u64 = 40_000;
/// In one round of so many, at an `fsync`, the receiver refuses an event for good, which takes seconds.
const REFUSED: usize = 20;
/// At most so many events come again in one run.
const WINDOW: usize = 12;
const SIGKILL: i32 = 9;

#[test]
fn matrix_1_killed_at_every_system_call_and_at_random_nothing_is_lost() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        assert!(!in_ci(), "strace is not on this machine");
        println!("skipped: strace is not on this machine");
        return;
    }
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let kills = env::var("KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let receiver = Receiver::start();
    let folder = Folder::new("kills");
    let state = folder.path().join("state");
    let configuration = dovecot.configuration(&receiver, &state);
    let file = folder.write("mailtap.yaml", configuration.yaml());

    let mut random = Random(1);
    let (mut rounds, mut present, mut killed, mut repeated) = (0, 0, 0, 0);
    while killed < kills {
        for _ in 0..3 {
            present += 1;
            dovecot.deliver(&mail(present));
        }
        let refuses = rounds % REFUSED == REFUSED / 2;
        if refuses {
            let uid = u64::try_from(present).unwrap();
            receiver.misbehave(Fault::Refuses { uid, code: 422 });
        }
        let before = receiver.look(|record| record.duplicates);
        let status = if rounds % 4 == 0 {
            let mut child = program(&file, None).spawn().unwrap();
            receiver.wait_at_most(Duration::from_micros(random.below(RUN)), |_| None::<()>);
            child.kill().unwrap();
            child.wait().unwrap()
        } else {
            // The first such call of this run, the second, and so on.
            let number = 1 + rounds / CALLS.len() % MOST_CALLS;
            program(&file, Some((CALLS[rounds % CALLS.len()], number)))
                .status()
                .unwrap()
        };
        match status.signal() {
            Some(SIGKILL) => killed += 1,
            // 3: some of it is a dead letter.
            _ => assert!(status.success() || refuses && status.code() == Some(3), "{status}"),
        }
        receiver.heal();
        let again = receiver.look(|record| record.duplicates) - before;
        // The window: what runs before had on its way when they were killed.
        assert!(again <= WINDOW, "{again} events came again in round {rounds}");
        repeated += again;
        rounds += 1;
        assert!(rounds < 8 * kills, "only {killed} of {rounds} runs were killed");
    }
    let status = program(&file, None).status().unwrap();
    assert!(status.success(), "{status}");

    let record = receiver.record();
    assert_eq!(record.violations, Vec::<String>::new(), "ids differ");
    let mut there: BTreeSet<usize> = record
        .events
        .iter()
        .map(|event| number(event.header("subject")))
        .collect();
    let dead = dead_letters(&state);
    println!(
        "{killed} kills in {rounds} runs: {present} mails, {} with the receiver, {} dead letters, {repeated} came again with \
         equal ids, 0 lost",
        there.len(),
        dead.len()
    );
    there.extend(dead);
    assert_eq!(there, (1..=present).collect(), "what was put into the mailbox");
}

/// The program, which ends when everything is delivered, or is killed at the Nth call of that name.
fn program(configuration: &Path, kill: Option<(&str, usize)>) -> Command {
    let program = env!("CARGO_BIN_EXE_mailtap");
    let mut command = match kill {
        None => Command::new(program),
        Some((call, number)) => {
            let mut strace = Command::new("strace");
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            strace.args(["-f", "-qq", "-o", "/dev/null"]);
            strace.args(["-e", &format!("trace={call}"), "-e", &inject, program]);
            strace
        }
    };
    command.args(["imap", "--once"]).arg(configuration);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: a@example.com\r\nSubject: {number}\r\n\r\n{}\r\n",
        "text ".repeat(number % 40)
    )
    .into_bytes()
}

fn number(subject: &str) -> usize {
    subject.parse().unwrap()
}

/// The numbers of the mails in the dead-letter files.
fn dead_letters(state: &Path) -> Vec<usize> {
    let files = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "ndjson"));
    let lines: Vec<String> = files
        .flat_map(|file| {
            fs::read_to_string(file)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let letters = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    letters
        .map(|letter| number(letter["event"]["event"]["headers"]["subject"][0].as_str().unwrap()))
        .collect()
}
