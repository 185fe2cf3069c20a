//! An unattended day in a minute: forty mailboxes of two servers, each with a receiver of its own, the real program between
//! them. Servers and receivers go away and come back by dice; passwords, certificates and the receivers' secrets are changed
//! under way, and each time somebody puts the new one into its file and sends SIGHUP. Nothing is lost, and health is red
//! exactly while something is wrong that will not pass by itself: from when it is noticed to when it is mended, and never for
//! what passes within two minutes.
//!
//! `MAILTAP_DAY_SECONDS=1200` makes it twenty minutes, `MAILTAP_DAY_SEED` another day. What is not told here, an absence beyond
//! two minutes, is in `story/health.rs`, on a clock that the test turns.
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

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::certificates::{self, Certificate};
use support::collector::{Collector, Configuration};
use support::folder::Folder;
use support::imap_server::{self, ImapServer};
use support::port;
use support::receiver::{self, Receiver};

/// Mailboxes of a server, in sections of ten.
const MAILBOXES: usize = 20;
const IN_A_SECTION: usize = 10;

/// Until health has noticed, and until all is well again: reconnecting takes seconds by its backoff.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look thrown and are the same for a seed (xorshift64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A server, its receiver, and the files that an operator would write.
struct Pair {
    server: ImapServer,
    receiver: Receiver,
    password: PathBuf,
    secret: PathBuf,
    ca_file: PathBuf,
    /// Subjects of all mails.
    sent: BTreeSet<String>,
}

/// What changes under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Password,
    Certificate,
    Secret,
}

const CHANGES: [Change; 3] = [Change::Password, Change::Certificate, Change::Secret];

fn name(number: usize) -> String {
    if number == 0 {
        "INBOX".to_owned()
    } else {
        format!("Box{number:02}")
    }
}

impl Pair {
    fn new(folder: &Folder, which: usize) -> Pair {
        let server = ImapServer::with(imap_server::Settings::default());
        for number in 1..MAILBOXES {
            server.create(&name(number), "");
        }
        let ca_file = folder.path().join(format!("ca-{which}.pem"));
        fs::copy(certificates::authority(), &ca_file).unwrap();
        Pair {
            server,
            receiver: Receiver::start(),
            password: folder.write(&format!("password-{which}"), imap_server::PASSWORD),
            secret: folder.write(&format!("secret-{which}"), receiver::SECRET),
            ca_file,
            sent: BTreeSet::new(),
        }
    }

    /// Its sections, as YAML documents.
    fn sections(&self, folder: &Folder, port: u16) -> Vec<String> {
        let names: Vec<String> = (0..MAILBOXES).map(name).collect();
        let of = |names: &[String]| {
            let mut configuration = Configuration::between(&self.server, &self.receiver, &folder.path().join("state"));
            configuration.password = format!("file://{}", self.password.display());
            configuration.lc_secret = format!("file://{}", self.secret.display());
            configuration.ca_file.clone_from(&self.ca_file);
            configuration.inbox_names = names.to_vec();
            // For all sections of the account.
            configuration.max_connections = Some(MAILBOXES);
            configuration.more.push(format!("healthcheck: {port}"));
            configuration.yaml()
        };
        names.chunks(IN_A_SECTION).map(of).collect()
    }

    fn deliver(&mut self, number: usize, which: usize) {
        let subject = format!("mail {which} {}", self.sent.len());
        let mail = format!("From: a@example.com\r\nSubject: {subject}\r\n\r\nText.\r\n");
        self.server.deliver_to(&name(number), mail.as_bytes());
        self.sent.insert(subject);
    }

    fn arrived(&self) -> BTreeSet<String> {
        self.receiver.look(|record| {
            record
                .events
                .iter()
                .map(|event| event.header("subject").to_owned())
                .collect()
        })
    }
}

/// Everything at work, and the ledger of what was wrong.
struct Day {
    pairs: Vec<Pair>,
    collector: Collector,
    port: u16,
    dice: Dice,
    /// So many answers of health, and so many of them red.
    asked: usize,
    red: usize,
    changes: usize,
    restarts: usize,
}

impl Day {
    /// A little time passes: mail comes, health is asked. Gives the servers that it is red about.
    fn pass(&mut self) -> BTreeSet<String> {
        let which = usize::try_from(self.dice.throw(2)).unwrap();
        let number = usize::try_from(self.dice.throw(MAILBOXES as u64)).unwrap();
        self.pairs[which].deliver(number, which);
        thread::sleep(Duration::from_millis(20 + self.dice.throw(30)));
        let (status, told) = health(self.port);
        let failing = told["mailboxes"].as_array().unwrap().iter();
        let failing = failing.filter(|mailbox| mailbox["status"] != "ok");
        let failing: BTreeSet<String> = failing
            .map(|mailbox| mailbox["server"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(status == 200, failing.is_empty(), "{told}");
        self.asked += 1;
        self.red += usize::from(status != 200);
        failing
    }

    /// Passes time while `wanted` is not so; health may say nothing against other servers than `about`.
    fn until(&mut self, what: &str, about: &str, wanted: impl Fn(&BTreeSet<String>) -> bool) {
        let begun = Instant::now();
        loop {
            let failing = self.pass();
            assert!(
                failing.iter().all(|server| server == about),
                "{what}: {failing:?}, not {about}"
            );
            if wanted(&failing) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", reasons(self.port));
        }
    }

    /// Everybody goes away and comes back, and that is nothing to be red about.
    fn calm(&mut self) {
        for _ in 0..=self.dice.throw(3) {
            let which = usize::try_from(self.dice.throw(2)).unwrap();
            self.restarts += 1;
            let kind = self.dice.throw(3);
            let pair = &self.pairs[which];
            match kind {
                0 => {
                    pair.server.misbehave(imap_server::Fault::ByeAsGreeting);
                    pair.server.cut_connections();
                }
                1 => {
                    pair.receiver.misbehave(receiver::Fault::CloseBeforeStoring);
                    pair.receiver.cut_connections();
                }
                // It was stored, and nobody was told.
                _ => pair.receiver.misbehave(receiver::Fault::CloseAfterStoring),
            }
            for _ in 0..10 + self.dice.throw(20) {
                let failing = self.pass();
                assert_eq!(failing, BTreeSet::new(), "{:?}", reasons(self.port));
            }
            self.pairs[which].server.heal();
            self.pairs[which].receiver.heal();
            // Its commands would fill the memory of a long day.
            let violations = self.pairs[which].server.record().violations;
            assert_eq!(violations, Vec::<String>::new());
            self.pairs[which].server.forget_record();
        }
    }

    /// Something changes on one side; a while later somebody changes it on ours.
    fn change(&mut self, change: Change, which: usize) {
        self.changes += 1;
        let about = format!("localhost:{}", self.pairs[which].server.port());
        let fresh = format!("canary-{}", self.changes);
        let pair = &self.pairs[which];
        match change {
            Change::Password => pair.server.set_password(&fresh),
            Change::Certificate => pair.server.set_certificate(Certificate::Renewed),
            Change::Secret => pair.receiver.set_secret(&fresh),
        }
        pair.server.cut_connections();
        self.until("it is noticed", &about, |failing| !failing.is_empty());
        for _ in 0..10 + self.dice.throw(30) {
            let failing = self.pass();
            assert_eq!(failing, BTreeSet::from([about.clone()]), "it is red until it is mended");
        }
        let pair = &self.pairs[which];
        match change {
            Change::Password => fs::write(&pair.password, &fresh).unwrap(),
            Change::Secret => fs::write(&pair.secret, &fresh).unwrap(),
            Change::Certificate => {
                let both =
                    [certificates::authority(), certificates::renewed_authority()].map(|path| fs::read(path).unwrap());
                fs::write(&pair.ca_file, both.concat()).unwrap();
            }
        }
        self.hang_up();
        self.until("all is well again", &about, BTreeSet::is_empty);
        if change == Change::Certificate {
            // As it was, for the next time; its sections begin anew once more.
            let pair = &self.pairs[which];
            pair.server.set_certificate(Certificate::Good);
            fs::copy(certificates::authority(), &pair.ca_file).unwrap();
            let before = pair.server.record().connections;
            self.hang_up();
            let begun = Instant::now();
            // Red meanwhile, perhaps for less than from one answer to the next.
            while self.pairs[which].server.record().connections < before + MAILBOXES {
                self.until("they begin anew", &about, |_| true);
                assert!(begun.elapsed() < PATIENCE, "they do not begin anew");
            }
            self.until("all is well", &about, BTreeSet::is_empty);
        }
    }

    fn hang_up(&self) {
        let kill = format!("kill -HUP {}", self.collector.process_id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

fn health(port: u16) -> (u16, Value) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// What health has to say, and of whom.
fn reasons(port: u16) -> Vec<String> {
    let (_, told) = health(port);
    let mailboxes = told["mailboxes"].as_array().unwrap().iter();
    let failing = mailboxes.filter(|mailbox| mailbox["status"] != "ok");
    failing.map(ToString::to_string).collect()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn nothing_is_lost_and_health_is_red_exactly_while_something_is_wrong() {
    let length = Duration::from_secs(setting("MAILTAP_DAY_SECONDS", 45));
    let seed = setting("MAILTAP_DAY_SEED", 20_251_129);
    println!("seed {seed}");
    let folder = Folder::new("day");
    let port = port::reserve();
    let pairs: Vec<Pair> = (0..2).map(|which| Pair::new(&folder, which)).collect();
    let sections: Vec<String> = pairs.iter().flat_map(|pair| pair.sections(&folder, port)).collect();
    let file = folder.write("mailtap.yaml", sections.join("\n---\n"));
    let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
    for pair in &pairs {
        pair.server
            .wait_until("every mailbox in IDLE", |record| record.idling == MAILBOXES);
    }
    let mut day = Day {
        pairs,
        collector,
        port,
        dice: Dice(seed),
        asked: 0,
        red: 0,
        changes: 0,
        restarts: 0,
    };
    let begun = Instant::now();
    // However slow the machine: each change is seen at least once.
    while begun.elapsed() < length || day.changes < CHANGES.len() {
        day.calm();
        let which = usize::try_from(day.dice.throw(2)).unwrap();
        day.change(CHANGES[day.changes % CHANGES.len()], which);
    }
    for pair in &day.pairs {
        pair.receiver
            .wait_until("every mail", |record| record.events.len() >= pair.sent.len());
        assert_eq!(pair.arrived(), pair.sent, "nothing is lost, nothing is invented");
        assert_eq!(
            pair.receiver.look(|record| record.violations.clone()),
            Vec::<String>::new()
        );
        assert_eq!(pair.server.record().violations, Vec::<String>::new());
    }
    let mails: usize = day.pairs.iter().map(|pair| pair.sent.len()).sum();
    let again: usize = day
        .pairs
        .iter()
        .map(|pair| pair.receiver.look(|record| record.duplicates))
        .sum();
    println!(
        "{} s: {mails} mails, 0 lost, {again} delivered again; {} restarts, {} changes; health asked {} times, red {}",
        begun.elapsed().as_secs(),
        day.restarts,
        day.changes,
        day.asked,
        day.red
    );
    day.collector.ask_to_stop();
    let (status, lines) = day.collector.ends();
    assert!(status.success(), "{status}\n{}", lines.join("\n"));
    let told: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("defect") || line.contains(" gap "))
        .collect();
    assert_eq!(told, Vec::<&String>::new());
}
