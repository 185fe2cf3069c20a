//! Row 1 of the fault matrix: kill -9 between a real Dovecot and either receiver.
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
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mailtap::checkpoint::{Checkpoint as _, StateDirectory};
use mailtap::dead_letter::Reader;
use support::destination::{Destination, Way};
use support::folder::Folder;
use support::random::Random;
use support::real_server::dovecot::Dovecot;
use support::real_server::{PASSWORD, RealServer};
use support::strace::{self, Call};

/// Bytes from and to the network; attempts, checkpoint and dead letters on the disk.
const CALLS: [&str; 12] = [
    "openat", "read", "write", "pwrite64", "fsync", "rename", "close", "connect", "recvfrom", "sendto", "sendmsg",
    "writev",
];
/// So many kills on each way if nobody says a number.
const KILLS: usize = 50;
/// A step that is not reached, because the kill before it has changed the run, is tried again, so often at most.
const TRIES: usize = 6;
/// A receiver that refuses takes no event of this size.
const LARGEST: usize = 20_000;
const PROGRAM: &str = env!("CARGO_BIN_EXE_mailtap");
const SIGKILL: i32 = 9;

#[test]
fn matrix_1_killed_at_every_step_and_at_random_nothing_is_lost_on_the_way_to_a_webhook() {
    kill_again_and_again(Way::Webhook);
}

#[test]
fn matrix_1_killed_at_every_step_and_at_random_nothing_is_lost_on_the_way_to_limacharlie() {
    kill_again_and_again(Way::LimaCharlie);
}

#[test]
fn matrix_1_killed_at_every_step_of_a_dead_letter_nothing_is_lost() {
    kill_at_dead_letters(Way::Webhook);
    if env::var_os("KILLS").is_some() {
        // There the three tries take a quarter of a minute.
        kill_at_dead_letters(Way::LimaCharlie);
    }
}

fn kill_again_and_again(way: Way) {
    let Some(dovecot) = strace::is_here().then(RealServer::<Dovecot>::start).flatten() else {
        return;
    };
    let kills = env::var("KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut world = World::new(&dovecot, "u1", Destination::start(way));
    world.deliver(3);
    let began = Instant::now();
    assert!(world.program().status().unwrap().success());
    let whole_run = began.elapsed();
    world.deliver(3);
    let calls = world.calls();
    let (steps, others): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.file.is_some());
    assert_every_step_is_there(&steps);

    let (mut rounds, mut killed, mut repeated) = (0, BTreeMap::<&str, usize>::new(), 0);
    let mut round = |world: &mut World, kind: &'static str, run: &mut dyn FnMut(&World) -> ExitStatus| {
        world.deliver(3);
        let (before, window) = (world.destination.repeats(), world.window());
        let status = run(world);
        let again = world.destination.repeats() - before;
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
        let mut at = |world: &World| world.killed_at(step).status().unwrap();
        let struck = (0..TRIES).any(|_| round(&mut world, "on the disk", &mut at));
        assert!(struck, "never killed at {step:?}");
    }
    let (mut random, mut next) = (Random(1), 0);
    let mut struck = steps.len();
    while struck < kills {
        struck += usize::from(round(&mut world, "at random", &mut |world: &World| {
            let instant = random.below(u64::try_from(whole_run.as_micros()).unwrap());
            let mut child = world.program().spawn().unwrap();
            world.destination.linger(Duration::from_micros(instant));
            child.kill().unwrap();
            child.wait().unwrap()
        }));
        // Scattered, so that few rounds in a row end at the same mail.
        next = (next + 61) % others.len();
        let call = &others[next];
        let mut at = |world: &World| world.killed_at(call).status().unwrap();
        struck += usize::from(round(&mut world, "on the way", &mut at));
    }
    assert!(world.program().status().unwrap().success());
    println!(
        "{way:?}: {} kills ({killed:?}) in {rounds} rounds: {} mails, {repeated} came again with equal ids and within \
         the window, {} dead letters, 0 lost",
        killed.values().sum::<usize>(),
        world.present,
        world.letters().len()
    );
    world.judge();
}

/// Each step in a world of its own, all at once: three tries take seconds, and wait for most of them.
fn kill_at_dead_letters(way: Way) {
    let Some(dovecot) = strace::is_here().then(RealServer::<Dovecot>::start).flatten() else {
        return;
    };
    let refusing = |user: &str| {
        dovecot.add_user(user, PASSWORD, "PLAIN");
        let mut world = World::new(&dovecot, user, Destination::that_takes(way, LARGEST));
        world.destination.refuse(2);
        world.deliver(3);
        world
    };
    let watched = refusing("watched");
    let calls = watched.calls();
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

    let users = (0..steps.len()).map(|number| format!("killed{number}"));
    let worlds: Vec<World> = users.map(|user| refusing(&user)).collect();
    let letters: usize = thread::scope(|scope| {
        let running = worlds.iter().enumerate().map(|(place, world)| {
            let step = world.own(steps[place], &watched);
            scope.spawn(move || {
                let status = world.killed_at(&step).status().unwrap();
                assert_eq!(status.signal(), Some(SIGKILL), "not killed at {step:?}: {status}");
                assert_eq!(world.letters().len(), usize::from(place > 0), "{step:?}");
                world.program().status().unwrap();
                world.judge();
                let letters = world.letters();
                let ids: BTreeSet<&(u64, String)> = letters.iter().collect();
                assert_eq!(ids.len(), 1, "one id, at {step:?}: {letters:?}");
                assert_eq!(world.next_uid(), 4, "{step:?}");
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

/// A mailbox, a receiver, and a state directory between them.
struct World<'d> {
    dovecot: &'d RealServer<Dovecot>,
    user: String,
    destination: Destination,
    folder: Folder,
    /// So many mails were put into the mailbox; their UIDs begin at 1.
    present: usize,
}

impl<'d> World<'d> {
    fn new(dovecot: &'d RealServer<Dovecot>, user: &str, destination: Destination) -> World<'d> {
        let folder = Folder::new("kills");
        let mut configuration = dovecot.configuration_for(user, &folder.path().join("state"));
        destination.configure(&mut configuration);
        folder.write("mailtap.yaml", configuration.yaml());
        World {
            dovecot,
            user: user.to_owned(),
            destination,
            folder,
            present: 0,
        }
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            self.present += 1;
            self.dovecot.deliver_to(&self.user, &mail(self.present));
        }
    }

    /// The program, which ends when everything is delivered.
    fn program(&self) -> Command {
        self.arguments(Command::new(PROGRAM))
    }

    fn killed_at(&self, call: &Call) -> Command {
        self.arguments(call.kills(PROGRAM))
    }

    fn arguments(&self, mut command: Command) -> Command {
        command
            .args(["imap", "--once"])
            .arg(self.folder.path().join("mailtap.yaml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What a run calls that is not killed.
    fn calls(&self) -> Vec<Call> {
        let log = self.folder.path().join("calls");
        strace::calls_of(&self.program(), &CALLS, &self.files(), &log)
    }

    /// A call on a file of `other`, as the same call on the same file of this world.
    fn own(&self, call: &Call, other: &World) -> Call {
        let place = other.files().iter().position(|file| Some(file) == call.file.as_ref());
        Call {
            file: place.map(|place| self.files()[place].clone()),
            ..call.clone()
        }
    }

    fn files(&self) -> [PathBuf; 5] {
        let kinds = ["new", "json", "attempts", "dead-letter.ndjson"];
        let [new, json, attempts, letters] = kinds.map(|kind| self.file(kind));
        [new, json, attempts, letters, self.state()]
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn account(&self) -> String {
        format!("{}@localhost:{}", self.user, self.dovecot.place.imaps)
    }

    fn file(&self, kind: &str) -> PathBuf {
        StateDirectory::read_only(&self.state()).file(&self.account(), "INBOX", kind)
    }

    /// All below it is done, says the checkpoint.
    fn next_uid(&self) -> u64 {
        let state = StateDirectory::read_only(&self.state());
        let memory = state
            .checkpoint(&self.account(), "INBOX")
            .load()
            .expect("a checkpoint that can be read");
        memory.map_or(1, |memory| memory.position.next_uid)
    }

    /// So many events are with the receiver and not passed by the checkpoint: those may come again.
    fn window(&self) -> usize {
        let next_uid = self.next_uid();
        let events = self.destination.events();
        events.iter().filter(|event| event.uid >= next_uid).count()
    }

    /// UIDs and ids in the dead-letter file.
    fn letters(&self) -> Vec<(u64, String)> {
        let bytes = fs::read(self.file("dead-letter.ndjson")).unwrap_or_default();
        let mut reader = Reader::new(bytes.as_slice());
        let lines = std::iter::from_fn(|| reader.next_letter().unwrap());
        let letters = lines.map(|(_, letter)| letter.expect("a line that is whole"));
        letters.map(|letter| (u64::from(letter.uid), letter.id)).collect()
    }

    /// Whatever was put into the mailbox is with the receiver or a dead letter, each under one id.
    fn judge(&self) {
        assert_eq!(self.destination.violations(), Vec::<String>::new());
        let mut ids: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let mut subjects = BTreeSet::new();
        for event in self.destination.events() {
            // Of two mails that arrive while Dovecot looks, the second may have the lower UID.
            assert!(
                subjects.insert(event.subject),
                "uid {} is a mail that was there before",
                event.uid
            );
            ids.entry(event.uid).or_default().insert(event.id);
        }
        for (uid, id) in self.letters() {
            ids.entry(uid).or_default().insert(id);
        }
        let there: Vec<u64> = ids.keys().copied().collect();
        assert_eq!(
            there,
            (1..=self.present as u64).collect::<Vec<_>>(),
            "what was put into the mailbox"
        );
        assert!(ids.values().all(|ids| ids.len() == 1), "one id each: {ids:?}");
        let all: BTreeSet<&String> = ids.values().flatten().collect();
        assert_eq!(all.len(), self.present, "and no two mails have the same");
    }
}

/// The second is large; the others grow a little.
fn mail(number: usize) -> Vec<u8> {
    let words = if number == 2 { LARGEST / 4 } else { number % 40 };
    format!(
        "From: a@example.com\r\nSubject: {number}\r\n\r\n{}\r\n",
        "text ".repeat(words)
    )
    .into_bytes()
}

/// That the run opens, writes, fsyncs and renames what the contract says it does: else nobody would be killed there.
fn assert_every_step_is_there(steps: &[Call]) {
    let expected = [
        ("pwrite64", "attempts"),
        ("openat", "new"),
        ("write", "new"),
        ("fsync", "new"),
        ("rename", "new"),
        ("openat", "state"),
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
