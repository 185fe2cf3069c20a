//! Row 1 of the fault matrix: kill -9 between a real Dovecot and either receiver, and the artifact store before it.
//!
//! `strace` watches a run and tells which system calls it makes. Then every call on a file of the state directory
//! (attempts, checkpoint, dead letter: open, write, fsync, rename, fsync of the folder) is once the last one of a run, and so
//! are, one after another, those on sockets; between these rounds the kill falls at a random instant. The signal comes when a
//! call begins: what came before it is done.
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

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::certificates::Certificate;
use support::cloud::organisation::Organisation;
use support::destination::{Destination, Event, Way};
use support::line::{LARGE, Line};
use support::random::Random;
use support::real_server::dovecot::Dovecot;
use support::real_server::{PASSWORD, RealServer};
use support::receiver::sha256;
use support::strace::{self, Call, OPEN};

/// Bytes from and to the network; attempts, checkpoint and dead letters on the disk.
const CALLS: [&str; 12] = [
    OPEN, "read", "write", "pwrite64", "fsync", "rename", "close", "connect", "recvfrom", "sendto", "sendmsg", "writev",
];
/// So many kills on each way if nobody says a number.
const KILLS: usize = 50;
/// A step that is not reached, because the kill before it has changed the run, is tried again, so often at most.
const TRIES: usize = 6;
const PROGRAM: &str = env!("CARGO_BIN_EXE_mailtap");
const SIGKILL: i32 = 9;

#[test]
fn matrix_1_killed_at_every_step_and_at_random_nothing_is_lost_on_the_way_to_a_webhook() {
    kill_again_and_again(Way::Webhook, None);
}

#[test]
fn matrix_1_killed_at_every_step_and_at_random_nothing_is_lost_on_the_way_to_limacharlie() {
    kill_again_and_again(Way::LimaCharlie, None);
}

#[test]
fn matrix_1_killed_at_every_step_and_at_random_no_event_names_an_attachment_that_is_not_in_the_store() {
    let store = Organisation::start(1, Certificate::Directory);
    kill_again_and_again(Way::LimaCharlie, Some(&store));
}

#[test]
fn matrix_1_killed_at_every_step_of_a_dead_letter_nothing_is_lost() {
    kill_at_dead_letters(Way::Webhook);
    if env::var_os("KILLS").is_some() {
        // There the three tries take a quarter of a minute.
        kill_at_dead_letters(Way::LimaCharlie);
    }
}

fn kill_again_and_again(way: Way, store: Option<&Organisation>) {
    let Some(dovecot) = strace::is_here().then(RealServer::<Dovecot>::start).flatten() else {
        return;
    };
    let kills = env::var("KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut line = Line::new(PROGRAM, &dovecot, Destination::start(way));
    let _proxy = store.map(|store| {
        line.mail = with_attachments;
        store.configure(&mut line.configuration, &line.folder)
    });
    line.deliver(3);
    let began = Instant::now();
    assert!(line.once().status().unwrap().success());
    let whole_run = began.elapsed();
    line.deliver(3);
    let calls = line.calls(&CALLS);
    let (steps, others): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.file.is_some());
    assert_every_step_is_there(&steps);

    let (mut rounds, mut killed, mut repeated) = (0, BTreeMap::<&str, usize>::new(), 0);
    let mut round = |line: &mut Line, kind: &'static str, run: &mut dyn FnMut(&Line) -> ExitStatus| {
        line.deliver(3);
        let (before, window) = (line.destination.repeats(), line.window());
        let stored = store.map(|store| Stored::before(store, line));
        let status = run(line);
        // What it had sent may be on its way still.
        line.destination.settle();
        if let Some(stored) = stored {
            stored.and_now(line);
        }
        let again = line.destination.repeats() - before;
        assert!(
            again <= window,
            "{again} events came again, and {window} were not remembered"
        );
        repeated += again;
        rounds += 1;
        let struck = status.signal() == Some(SIGKILL);
        assert!(struck || status.success(), "{status}");
        *killed.entry(kind).or_default() += usize::from(struck);
        struck
    };
    for step in &steps {
        let mut at = |line: &Line| line.killed_at(step).status().unwrap();
        let struck = (0..TRIES).any(|_| round(&mut line, "on the disk", &mut at));
        assert!(struck, "never killed at {step:?}");
    }
    let (mut random, mut next) = (Random(1), 0);
    let mut struck = steps.len();
    while struck < kills {
        struck += usize::from(round(&mut line, "at random", &mut |line: &Line| {
            let instant = random.below(u64::try_from(whole_run.as_micros()).unwrap());
            let mut child = line.once().spawn().unwrap();
            line.destination.linger(Duration::from_micros(instant));
            child.kill().unwrap();
            child.wait().unwrap()
        }));
        // Scattered, so that few rounds in a row end at the same mail.
        next = (next + 61) % others.len();
        let call = &others[next];
        let mut at = |line: &Line| line.killed_at(call).status().unwrap();
        struck += usize::from(round(&mut line, "on the way", &mut at));
    }
    assert!(line.once().status().unwrap().success());
    println!(
        "{way:?}: {} kills ({killed:?}) in {rounds} rounds: {} mails, {repeated} came again with equal ids and within \
         the window, {} dead letters, 0 lost",
        killed.values().sum::<usize>(),
        line.present,
        line.letters().len()
    );
    line.judge();
    if let Some(store) = store {
        judge_attachments(store, &line);
    }
}

/// What the store holds before a run.
struct Stored<'s> {
    store: &'s Organisation,
    again: usize,
    /// Attachments of the mails that the checkpoint has not passed: those may come again.
    open: usize,
}

impl Stored<'_> {
    fn before<'s>(store: &'s Organisation, line: &Line) -> Stored<'s> {
        let done = usize::try_from(line.next_uid()).unwrap() - 1;
        Stored {
            store,
            again: store.look(|record| record.again),
            open: (line.present - done) * attachments(1).len(),
        }
    }

    /// Whatever an event names is there, and no more than may come again has.
    fn and_now(&self, line: &Line) {
        self.store.wait_until_nobody_is_connected();
        let events = line.destination.events();
        let named = events.iter().flat_map(|event| &event.artifacts);
        self.store.look(|record| {
            for name in named {
                assert!(
                    record.artifacts.contains_key(name),
                    "{name} is named, and not in the store"
                );
            }
            let again = record.again - self.again;
            assert!(again <= self.open, "{again} attachments came again, of {}", self.open);
        });
    }
}

/// Each event names the attachments of its mail, unless it tells that the mail was left unread; all are there, whole.
fn judge_attachments(store: &Organisation, line: &Line) {
    let events = line.destination.events();
    let (stubs, events): (Vec<Event>, Vec<Event>) = events.into_iter().partition(|event| event.is_stub);
    store.look(|record| {
        assert_eq!(record.violations, Vec::<String>::new());
        for event in &events {
            let attachments = attachments(event.subject.parse().unwrap());
            let names: Vec<String> = attachments.iter().map(|content| sha256(content)).collect();
            assert_eq!(event.artifacts, names, "mail {}", event.subject);
            for (name, content) in names.iter().zip(&attachments) {
                assert!(record.artifacts[name].content == *content, "{name}");
            }
        }
        println!(
            "{} attachments are there, whole, before the {} events that name them; {} came again; {} mails were left unread",
            record.artifacts.len(),
            events.len(),
            record.again,
            stubs.len()
        );
    });
}

/// No two mails have the same. Every sixth mail's first one, and so one of the mails whose steps are watched, takes a file
/// and two requests.
fn attachments(number: usize) -> [Vec<u8>; 2] {
    let length = if number % 6 == 5 { (1 << 20) + 100 } else { 3000 };
    let mut random = Random(number as u64);
    let content = (0..length).map(|_| u8::try_from(random.below(256)).unwrap());
    [content.collect(), format!("notes {number}").into_bytes()]
}

fn with_attachments(number: usize) -> Vec<u8> {
    let attached = attachments(number).map(|content| {
        let lines: Vec<String> = STANDARD
            .encode(content)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!(
            "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            lines.join("\r\n")
        )
    });
    format!(
        "From: a@example.com\r\nSubject: {number}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\ntext\r\n{}--b--\r\n",
        attached.concat()
    )
    .into_bytes()
}

/// Each step in a line of its own, all at once: three tries take seconds, and wait for most of them.
fn kill_at_dead_letters(way: Way) {
    let Some(dovecot) = strace::is_here().then(RealServer::<Dovecot>::start).flatten() else {
        return;
    };
    let refusing = |user: &str| {
        dovecot.add_user(user, PASSWORD, "PLAIN");
        let mut line = Line::of(user, PROGRAM, &dovecot, Destination::that_takes(way, LARGE));
        line.destination.refuse(2);
        line.deliver(3);
        line
    };
    let watched = refusing("watched");
    let calls = watched.calls(&CALLS);
    assert_eq!(watched.letters().len(), 1);
    let first = calls
        .iter()
        .position(|call| is_on(call, "ndjson") && call.name == "write")
        .expect("a letter is written");
    let steps: Vec<&Call> = calls[first..].iter().filter(|call| call.file.is_some()).collect();
    for (name, end) in [("fsync", "ndjson"), ("fsync", "state"), ("rename", "new")] {
        let there = steps.iter().any(|step| step.name == name && is_on(step, end));
        assert!(there, "no {name} of {end} behind the letter in {steps:?}");
    }

    let is_write = |step: &&Call| step.name == "write" && is_on(step, "ndjson");
    let written = steps.iter().rposition(is_write).expect("a letter is written");

    let users = (0..steps.len()).map(|number| format!("killed{number}"));
    let lines: Vec<Line> = users.map(|user| refusing(&user)).collect();
    let letters: usize = thread::scope(|scope| {
        let running = lines.iter().enumerate().map(|(place, line)| {
            let step = line.own(steps[place], &watched);
            scope.spawn(move || {
                let status = line.killed_at(&step).status().unwrap();
                assert_eq!(status.signal(), Some(SIGKILL), "not killed at {step:?}: {status}");
                assert_eq!(line.letters().len(), usize::from(place > written), "{step:?}");
                line.once().status().unwrap();
                line.judge();
                let letters = line.letters();
                let ids: BTreeSet<&(u64, String)> = letters.iter().collect();
                assert_eq!(ids.len(), 1, "one id, at {step:?}: {letters:?}");
                assert_eq!(line.next_uid(), 4, "{step:?}");
                letters.len() - 1
            })
        });
        let running: Vec<_> = running.collect();
        running.into_iter().map(|running| running.join().unwrap()).sum()
    });
    println!(
        "{way:?}: {} kills at a dead letter: 0 lost, {letters} letters twice with equal ids",
        steps.len()
    );
}

/// That the run opens, writes, fsyncs and renames what the contract says it does: else nobody would be killed there.
fn assert_every_step_is_there(steps: &[Call]) {
    let expected = [
        ("pwrite64", "attempts"),
        (OPEN, "new"),
        ("write", "new"),
        ("fsync", "new"),
        ("rename", "new"),
        (OPEN, "state"),
        ("fsync", "state"),
        ("close", "state"),
    ];
    for (name, end) in expected {
        let there = steps.iter().any(|step| step.name == name && is_on(step, end));
        assert!(there, "no {name} of {end} in {steps:?}");
    }
}

/// Whether the call is on the file that ends so.
fn is_on(call: &Call, end: &str) -> bool {
    call.file
        .as_ref()
        .is_some_and(|file| file.to_str().unwrap().ends_with(end))
}
