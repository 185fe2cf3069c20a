//! Mail that keeps coming while the receiver is never well: nothing is lost, and memory stays under a hard limit.
//! `cargo bench --bench steady_load` takes ten minutes; `BENCH_SHORT=1` for a look.
//!
//! The real program, twice: to a webhook that answers a third of the requests with 503 and ends a tenth without an answer,
//! and to a LimaCharlie that refuses a third of the connections with 503 and cuts one at every thirtieth message: of a window
//! of 20, half would come through. What was stored and not acknowledged comes again: under the same id or sequence, or it
//! counts as a violation.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and a panic is its way to fail"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::cloud::{self, Cloud, Occasion};
use support::collector::{Collector, Configuration};
use support::figures::peak_kilobytes;
use support::folder::Folder;
use support::imap_server::ImapServer;
use support::receiver::{self, Receiver};

/// All of the program's address space: its code, every stack, and what is reserved and never touched. Resident memory is
/// less in any case.
const KIBIBYTES: u32 = 32 * 1024;
/// From the last mail to its event. The longest pause between two attempts is five minutes.
const PATIENCE: Duration = Duration::from_secs(900);
/// One mail in so many has 1 MB.
const LARGE: usize = 50;

fn main() {
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let extent = Duration::from_secs(if short { 15 } else { 600 });
    println!(
        "\nmail for {} s, the receiver in trouble, {} MiB of address space",
        extent.as_secs(),
        KIBIBYTES / 1024
    );
    thread::scope(|scope| {
        scope.spawn(|| to_webhook(extent));
        scope.spawn(|| to_limacharlie(extent));
    });
}

fn to_webhook(extent: Duration) {
    let stage = Stage::new("steady-webhook");
    let receiver = Receiver::start();
    let mut dice = Dice(1);
    receiver.misbehave_by(move || {
        Some(match dice.of(30) {
            0..10 => receiver::Fault::Status {
                code: 503,
                retry_after: None,
            },
            10 => receiver::Fault::CloseBeforeStoring,
            11 => receiver::Fault::CloseAfterStoring,
            12 => receiver::Fault::HalfAnswer,
            _ => return None,
        })
    });
    let configuration = Configuration::between(&stage.server, &receiver, &stage.folder.path().join("state"));
    let collector = stage.start(&configuration);
    let mails = stage.deliver(extent, Duration::from_millis(100));
    let since = Instant::now();
    let all = receiver.wait_at_most(PATIENCE, |record| (record.events.len() >= mails).then_some(()));
    assert!(all.is_some(), "some are lost, or late");
    let last = since.elapsed();
    let peak = ended(collector);
    let record = receiver.record();
    let mut uids = record.uids();
    uids.sort_unstable();
    assert_eq!(uids, (1..=mails as u64).collect::<Vec<_>>(), "each mail once");
    assert_eq!(record.violations, Vec::<String>::new());
    report("webhook", mails, record.duplicates, record.faults_struck, last, peak);
}

fn to_limacharlie(extent: Duration) {
    let stage = Stage::new("steady-limacharlie");
    let cloud = Cloud::start();
    let mut dice = Dice(37);
    cloud.misbehave_by(move |occasion| match (occasion, dice.of(60)) {
        (Occasion::Connection, 0..20) => Some(cloud::Fault::Unavailable),
        (Occasion::Message, 0) => Some(cloud::Fault::CutBeforeStoring),
        (Occasion::Message, 1) => Some(cloud::Fault::CutAfterStoring),
        _ => None,
    });
    let nobody = Receiver::start();
    let mut configuration = Configuration::between(&stage.server, &nobody, &stage.folder.path().join("state"));
    configuration.platform = "email";
    configuration.dest_url = cloud.url();
    configuration.lc_secret = String::new();
    let collector = stage.start(&configuration);
    // After each end of a connection there is a pause of several seconds: mail comes no faster than that allows.
    let mails = stage.deliver(extent, Duration::from_secs(1));
    let since = Instant::now();
    let all = cloud.wait_at_most(PATIENCE, |record| (record.messages.len() >= mails).then_some(()));
    assert!(all.is_some(), "some are lost, or late");
    let last = since.elapsed();
    let peak = ended(collector);
    let record = cloud.record();
    let mut stored = record.mails();
    let mut expected: Vec<Vec<u8>> = (1..=mails).map(mail).collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert!(stored == expected, "each mail once, to the byte");
    assert_eq!(record.violations, Vec::<String>::new());
    report(
        "LimaCharlie",
        mails,
        record.duplicates,
        record.faults_struck,
        last,
        peak,
    );
}

/// A mailbox and the program, which has little memory.
struct Stage {
    server: ImapServer,
    folder: Folder,
}

impl Stage {
    fn new(name: &str) -> Stage {
        Stage {
            server: ImapServer::start(),
            folder: Folder::new(name),
        }
    }

    fn start(&self, configuration: &Configuration) -> Collector {
        let file = self.folder.write("mailtap.yaml", configuration.yaml());
        let mut limited = Command::new("sh");
        let limit = format!("ulimit -v {KIBIBYTES} && exec \"$0\" \"$@\"");
        limited.args(["-c", &limit, env!("CARGO_BIN_EXE_mailtap")]);
        Collector::start(limited, &file)
    }

    /// Puts a mail into the mailbox at every beat, and says how many that were.
    fn deliver(&self, extent: Duration, beat: Duration) -> usize {
        let since = Instant::now();
        let mut mails = 0;
        while since.elapsed() < extent {
            mails += 1;
            self.server.deliver(&mail(mails));
            thread::sleep(beat);
        }
        mails
    }
}

/// Its peak memory in kilobytes; that it ended well says that it never lacked any.
fn ended(collector: Collector) -> u64 {
    let peak = peak_kilobytes(&collector.process_id().to_string());
    let (status, said) = collector.terminate();
    assert!(status.success(), "{status}\n{}", said.join("\n"));
    assert!(
        !said
            .iter()
            .any(|line| line.contains("panic") || line.contains("cannot start a thread")),
        "{}",
        said.join("\n")
    );
    peak
}

fn report(what: &str, mails: usize, repeats: usize, faults: usize, last: Duration, peak: u64) {
    println!(
        "  {what:12} {mails:5} mails, 0 lost, {repeats} repeats, {faults} faults, the last mail {:.1} s late, \
         peak memory {:.1} MB",
        last.as_secs_f64(),
        peak as f64 / 1e3
    );
}

/// 4 KB, or now and then 1 MB.
fn mail(number: usize) -> Vec<u8> {
    let lines = if number.is_multiple_of(LARGE) { 20_000 } else { 75 };
    let line = "A line of text as people write it, more or less, again.\r\n";
    format!(
        "Message-ID: <{number}@example.com>\r\nFrom: a@example.com\r\nTo: b@example.com\r\nSubject: news\r\n\r\n{}",
        line.repeat(lines)
    )
    .into_bytes()
}

/// The same chances in every run.
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn of(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
