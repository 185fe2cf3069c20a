//! How fast mail comes from a real Dovecot over TLS to an HTTPS receiver, and where the time goes.
//! `cargo bench --bench whole_line`; `BENCH_SHORT=1` for a look, `MAILTAP=FILE` for another build of the program, such as the
//! static one.
//!
//! A second table gives the session's rate with the server at a distance.
//!
//! Six readers of the same mailbox in turn, each doing more than the one before. Rates are quoted against the first, which
//! only fetches and discards: it is what this server and this machine can give. The collector's processor time is quoted
//! against the sum of its parts, each measured alone. Figures that are worse than is asked for are failures.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and a panic is its way to fail"
)]

#[path = "whole_line/parts.rs"]
mod parts;
#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mailtap::clock::{Clock, Phase, Stop, SystemClock};
use mailtap::event::build::{self, EventBuilder};
use mailtap::event::{EmailEvent, Origin, encode};
use mailtap::imap::auth::Credential;
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::pace::Pace;
use mailtap::imap::session::{Arrival, Body, Session};
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::net::{Dial as _, Endpoint, Security, Stream};
use mailtap::secret::Secret;
use mailtap::{imap, limits};
use memchr::memchr;
use parts::Parts;
use support::certificates;
use support::cloud::{self, Cloud};
use support::collector::{Collector, Configuration};
use support::distance;
use support::figures::{peak_kilobytes, processor_time};
use support::folder::Folder;
use support::real_server::dovecot::Dovecot;
use support::real_server::{self, RealServer};
use support::receiver::{self, Receiver};
use support::shared::shared;

/// What is asked for: of the mails, or bytes, that are fetched and discarded in a second; of the sum of the parts'
/// processor time; megabytes.
const LEAST_RATE: f64 = 0.5;
const MOST_WORK: f64 = 1.5;
const MOST_MEMORY: f64 = 24.0;
/// Of the session's rate with the server next door, with 80 ms to it and back.
const LEAST_FAR_RATE: f64 = 0.6;

fn main() {
    let Some(script) = shared("servers/make-mail.py") else {
        return;
    };
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let (rounds, small, big) = if short { (1, 2_000, 20) } else { (3, 20_000, 200) };
    let [small_user, big_user] = real_server::USERS;
    let mut failures = Vec::new();
    for (kind, user, mails, mails_a_command) in [("small", small_user, small, 100), ("big", big_user, big, 2)] {
        fill(&script, kind, &dovecot.maildir(user), mails);
        let mut line = Line {
            imaps_port: dovecot.place.imaps,
            user,
            mails,
            mails_a_command,
            bytes: 0,
        };
        let parts = Parts::measure(&dovecot.maildir(user));
        failures.extend(compare(kind, &mut line, rounds, &parts));
        if kind == "small" {
            failures.extend(compare_distances(&mut line, rounds));
        }
    }
    // A look is too short to judge by.
    if !short && !failures.is_empty() {
        println!("\nworse than is asked for:\n  {}", failures.join("\n  "));
        std::process::exit(1);
    }
}

/// The session alone, with the server farther and farther away, from the listing to the last mail: a backlog must not pay
/// for the distance with every command. Gives what is worse than is asked for.
fn compare_distances(line: &mut Line, rounds: usize) -> Option<String> {
    println!("\nsmall, catching up with a round trip of");
    let port = line.imaps_port;
    let (mut near, mut rate) = (Duration::MAX, 1.0);
    for milliseconds in [0, 20, 80] {
        line.imaps_port = distance::away(port, Duration::from_millis(milliseconds));
        let (mut best, mut opening) = (Outcome::NONE, Duration::MAX);
        for _ in 0..rounds {
            let started = Instant::now();
            let mut session = line.open();
            opening = opening.min(started.elapsed());
            let outcome = line.measure(|line| line.catch_up(&mut session, skip));
            best = if outcome.time < best.time { outcome } else { best };
        }
        near = if milliseconds == 0 { best.time } else { near };
        let seconds = best.time.as_secs_f64();
        rate = near.as_secs_f64() / seconds;
        println!(
            "  {milliseconds:3} ms                 {:8.0} mails/s {:7.1} MB/s   {rate:5.2} of that at 0 ms; {:.2} s to log in before",
            f64::from(line.mails) / seconds,
            line.bytes as f64 / 1e6 / seconds,
            opening.as_secs_f64()
        );
    }
    line.imaps_port = port;
    (rate < LEAST_FAR_RATE)
        .then(|| format!("small, the farthest: {rate:.2} of the rate at 0 ms, asked for {LEAST_FAR_RATE}"))
}

/// Writes mails into a Maildir: about 4 KB each, or about 5 MB.
fn fill(script: &Path, kind: &str, maildir: &Path, mails: u32) {
    let status = Command::new("python3")
        .arg(script)
        .arg(kind)
        .arg(maildir)
        .arg(mails.to_string())
        .status();
    assert!(status.unwrap().success());
}

/// Each reader in turn, so that a noisy machine disturbs all of them alike; the best round counts. Gives what is worse than
/// is asked for.
fn compare(kind: &str, line: &mut Line, rounds: usize, parts: &Parts) -> Vec<String> {
    // Dovecot makes its index, and the mails get into the page cache.
    line.bytes = line.discard();
    let readers: [(&str, Reader); 6] = [
        ("fetch and discard", |line| line.measure(Line::discard)),
        ("session", |line| line.measure(|line| line.session(skip))),
        ("session, MIME and hashes", |line| {
            line.measure(|line| line.session(to_event))
        }),
        ("session, event, JSON", |line| {
            line.measure(|line| line.session(to_json))
        }),
        ("mailtap to a webhook", Line::to_webhook),
        ("mailtap to LimaCharlie", Line::to_limacharlie),
    ];
    let mut best = [Outcome::NONE; 6];
    for _ in 0..rounds {
        for ((_, reader), best) in readers.iter().zip(&mut best) {
            let outcome = reader(line);
            *best = if outcome.time < best.time { outcome } else { *best };
        }
    }
    let megabytes = line.bytes as f64 / 1e6;
    println!("\n{kind}: {} mails, {megabytes:.1} MB, best of {rounds}", line.mails);
    let first = best[0];
    for ((what, _), outcome) in readers.iter().zip(&best) {
        let seconds = outcome.time.as_secs_f64();
        println!(
            "  {what:24} {:8.0} mails/s {:7.1} MB/s   {:5.2} of the first",
            f64::from(line.mails) / seconds,
            megabytes / seconds,
            outcome.rate(&first)
        );
    }
    println!(
        "  alone: TLS in {:.2} s of processor time, MIME {:.2} s, hashes {:.2} s, TLS out {:.2} s and {:.2} s",
        first.processor_seconds, parts.mime, parts.hashes, parts.tls_out[0], parts.tls_out[1]
    );
    let mut failures = Vec::new();
    for (((what, _), outcome), tls_out) in readers.iter().zip(&best).skip(4).zip(parts.tls_out) {
        let sum = first.processor_seconds + parts.mime + parts.hashes + tls_out;
        let work = outcome.processor_seconds / sum;
        println!(
            "  {what}: 0 lost, {:.2} s of processor time, {work:.2} of the sum of its parts, peak memory {:.1} MB",
            outcome.processor_seconds, outcome.peak_megabytes
        );
        let rate = outcome.rate(&first);
        for (worse, figure) in [
            (
                rate < LEAST_RATE,
                format!("{rate:.2} of the first, asked for {LEAST_RATE}"),
            ),
            (
                work > MOST_WORK,
                format!("{work:.2} of the sum of its parts, asked for {MOST_WORK}"),
            ),
            (
                outcome.peak_megabytes > MOST_MEMORY,
                format!("{:.1} MB, asked for {MOST_MEMORY}", outcome.peak_megabytes),
            ),
        ] {
            failures.extend(worse.then(|| format!("{kind}, {what}: {figure}")));
        }
    }
    failures
}

/// Reads the whole mailbox.
type Reader = fn(&Line) -> Outcome;

/// What one reader did.
#[derive(Clone, Copy)]
struct Outcome {
    time: Duration,
    /// Of the collector's process; where there is none, of this thread.
    processor_seconds: f64,
    peak_megabytes: f64,
}

impl Outcome {
    const NONE: Outcome = Outcome {
        time: Duration::MAX,
        processor_seconds: 0.0,
        peak_megabytes: 0.0,
    };

    /// Compared with the rate of another.
    fn rate(&self, other: &Outcome) -> f64 {
        other.time.as_secs_f64() / self.time.as_secs_f64()
    }
}

/// A mailbox, and what leads to it.
struct Line {
    imaps_port: u16,
    user: &'static str,
    mails: u32,
    /// How many of them the first reader asks for at a time.
    mails_a_command: u32,
    /// Their size, once it is known.
    bytes: u64,
}

impl Line {
    /// The time that `read` takes for all the bytes.
    fn measure(&self, read: impl FnOnce(&Line) -> u64) -> Outcome {
        let (started, worked) = (Instant::now(), processor_time());
        let bytes = read(self);
        let time = started.elapsed();
        assert_eq!(bytes, self.bytes, "every reader reads the same mails");
        Outcome {
            time,
            processor_seconds: processor_time().saturating_sub(worked).as_secs_f64(),
            ..Outcome::NONE
        }
    }

    /// Pipelined FETCH, two commands in flight, and nothing read of the answers but line ends and the lengths of literals.
    fn discard(&self) -> u64 {
        let (stream, clock) = self.dial();
        let mut wire = Wire::new(stream, clock);
        for command in [
            format!("a LOGIN {} {}\r\n", self.user, real_server::PASSWORD),
            "a EXAMINE INBOX\r\n".to_owned(),
        ] {
            wire.write(&command);
            while !wire.line().starts_with(b"a OK") {}
        }
        let step = self.mails_a_command;
        let mut commands = (1..=self.mails).step_by(step as usize).map(|first| {
            let last = self.mails.min(first + step - 1);
            format!("f UID FETCH {first}:{last} (UID BODY.PEEK[])\r\n")
        });
        let mut in_flight = 0;
        for command in commands.by_ref().take(2) {
            wire.write(&command);
            in_flight += 1;
        }
        let mut bytes = 0;
        while in_flight > 0 {
            let line = wire.line();
            if let Some(length) = literal(line) {
                bytes += length;
                wire.skip(length);
            } else if line.starts_with(b"f ") {
                assert!(line.starts_with(b"f OK"), "{}", String::from_utf8_lossy(line));
                in_flight -= 1;
                if let Some(command) = commands.next() {
                    wire.write(&command);
                    in_flight += 1;
                }
            }
        }
        bytes
    }

    /// The project's session lists and fetches; `read` is fed each mail.
    fn session(&self, read: fn(Body<'_>, &mut Vec<u8>) -> u64) -> u64 {
        self.catch_up(&mut self.open(), read)
    }

    /// A session that has logged in and opened the mailbox.
    fn open(&self) -> Session {
        let (stream, clock) = self.dial();
        let settings = imap::Settings {
            endpoint: self.endpoint(),
            username: self.user.to_owned(),
            mechanism: None,
            compress: false,
        };
        let mut session = Session::open(stream, clock).unwrap();
        let credential = Credential::Password(Secret::new(real_server::PASSWORD.to_owned()));
        session.log_in(&settings, &credential, "a-nonce").unwrap();
        session.examine(&MailboxName::new("INBOX")).unwrap();
        session
    }

    fn catch_up(&self, session: &mut Session, read: fn(Body<'_>, &mut Vec<u8>) -> u64) -> u64 {
        let listed = session.list(1, u32::MAX).unwrap();
        assert_eq!(listed.len(), self.mails as usize);
        let mut fetch = session.fetch(&listed, Pace::default());
        let (mut bytes, mut mails) = (0, 0);
        let mut lines = Vec::new();
        while let Some(arrival) = fetch.next().unwrap() {
            let Arrival::Message(body) = arrival else {
                panic!("every mail is there")
            };
            bytes += read(body, &mut lines);
            mails += 1;
            if lines.len() >= limits::BATCH_BYTES {
                lines.clear();
            }
        }
        assert_eq!(mails, self.mails);
        bytes
    }

    /// The program, from its start to the receiver's last event.
    fn to_webhook(&self) -> Outcome {
        let receiver = Receiver::with(receiver::Settings {
            only_counts: true,
            ..receiver::Settings::default()
        });
        let outcome = self.collector("json", receiver.url(), || {
            until(|| receiver.look(|record| record.lines >= self.mails as usize));
        });
        let record = receiver.record();
        assert_eq!(record.lines, self.mails as usize, "each once");
        assert_eq!(record.violations, Vec::<String>::new());
        outcome
    }

    /// The same by LimaCharlie's own protocol, mail as it is, with a window of 100.
    fn to_limacharlie(&self) -> Outcome {
        let cloud = Cloud::with(cloud::Settings {
            window: 100,
            only_counts: true,
            ..cloud::Settings::default()
        });
        let outcome = self.collector("email", cloud.url(), || {
            until(|| cloud.look(|record| record.stored >= self.mails as usize));
        });
        let record = cloud.record();
        assert_eq!(record.stored, self.mails as usize, "each once");
        assert_eq!(record.violations, Vec::<String>::new());
        outcome
    }

    fn collector(&self, platform: &'static str, dest_url: String, wait: impl Fn()) -> Outcome {
        let state = Folder::new("whole-line");
        let login = [self.user, real_server::PASSWORD];
        let configuration = Configuration {
            platform,
            ..Configuration::new(self.imaps_port, login, dest_url, &state.path().join("state"))
        };
        let file = state.write("mailtap.yaml", configuration.yaml());
        let started = Instant::now();
        let program = std::env::var_os("MAILTAP").unwrap_or_else(|| env!("CARGO_BIN_EXE_mailtap").into());
        let collector = Collector::start(Command::new(program), &file);
        wait();
        let time = started.elapsed();
        let outcome = Outcome {
            time,
            processor_seconds: processor_seconds(collector.process_id()),
            peak_megabytes: peak_kilobytes(&collector.process_id().to_string()) as f64 / 1e3,
        };
        let (status, said) = collector.terminate();
        assert!(status.success(), "{status}\n{}", said.join("\n"));
        outcome
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: "localhost".to_owned(),
            port: self.imaps_port,
            security: Security::Tls,
        }
    }

    fn dial(&self) -> (Box<dyn Stream>, Arc<dyn Clock>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(Stop::new()));
        let trust = Trust::load(Some(&certificates::authority())).unwrap();
        let config = trust.client_config(Protocol::Imap).unwrap();
        let stream = TcpDialer::new(config, Arc::clone(&clock), None).dial(&self.endpoint());
        (stream.unwrap(), clock)
    }
}

/// To be woken by every mail would cost the processor that the collector needs.
fn until(is_over: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_over() {
        assert!(begun.elapsed() < support::PATIENCE, "not every mail came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Reads a mail and makes nothing of it.
fn skip(mut body: Body<'_>, _: &mut Vec<u8>) -> u64 {
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().unwrap() {
        bytes += chunk.len() as u64;
    }
    body.finish().unwrap().expect("a mail that was asked for");
    bytes
}

/// The work on a mail up to its event.
fn to_event(body: Body<'_>, _: &mut Vec<u8>) -> u64 {
    let (bytes, event) = event(body);
    black_box(event);
    bytes
}

/// The whole work on a mail, but for sending the event.
fn to_json(body: Body<'_>, lines: &mut Vec<u8>) -> u64 {
    let (bytes, event) = event(body);
    encode::encode(&event, lines);
    bytes
}

fn event(mut body: Body<'_>) -> (u64, EmailEvent) {
    let settings = build::Settings::default();
    let mut builder = EventBuilder::new(&settings);
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().unwrap() {
        bytes += chunk.len() as u64;
        builder.feed(chunk);
    }
    let fetched = body.finish().unwrap().expect("a mail that was asked for");
    let arrival = build::Arrival {
        origin: Origin::Mailbox {
            mailbox: "INBOX".to_owned(),
            uid_validity: 1,
            uid: fetched.uid,
        },
        account: "u1@localhost:993".to_owned(),
        internal_date: fetched.internal_date_ms,
        now: 0,
    };
    (bytes, builder.finish(&settings, arrival))
}

/// Bytes from a server, as lines and lengths.
struct Wire {
    stream: Box<dyn Stream>,
    clock: Arc<dyn Clock>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Wire {
    fn new(stream: Box<dyn Stream>, clock: Arc<dyn Clock>) -> Wire {
        Wire {
            stream,
            clock,
            bytes: vec![0; 64 * 1024],
            start: 0,
            end: 0,
        }
    }

    fn write(&mut self, command: &str) {
        let deadline = self.clock.deadline(Phase::Write, support::PATIENCE);
        self.stream.write_all(command.as_bytes(), deadline).unwrap();
    }

    /// The next line, with its LF.
    fn line(&mut self) -> &[u8] {
        let length = loop {
            if let Some(at) = memchr(b'\n', &self.bytes[self.start..self.end]) {
                break at + 1;
            }
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.more();
        };
        self.start += length;
        &self.bytes[self.start - length..self.start]
    }

    fn skip(&mut self, mut length: u64) {
        loop {
            let here = ((self.end - self.start) as u64).min(length);
            self.start += here as usize;
            length -= here;
            if length == 0 {
                return;
            }
            (self.start, self.end) = (0, 0);
            self.more();
        }
    }

    fn more(&mut self) {
        let deadline = self.clock.deadline(Phase::Command, support::PATIENCE);
        let read = self.stream.read(&mut self.bytes[self.end..], deadline).unwrap();
        assert!(read > 0, "the server has gone");
        self.end += read;
    }
}

/// The length of the literal that a line announces.
fn literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"}\r\n")?;
    let brace = line.iter().rposition(|byte| *byte == b'{')?;
    str::from_utf8(&line[brace + 1..]).ok()?.parse().ok()
}

/// `utime` and `stime` of /proc/PID/stat, fields 14 and 15; the command name before them ends with the last `)`.
fn processor_seconds(process_id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    // USER_HZ is 100 on every Linux that this runs on.
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
