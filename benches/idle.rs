//! What two thousand mailboxes cost that wait for mail: memory, processor time, and how soon a new mail is delivered.
//! `cargo bench --bench idle`; `BENCH_SHORT=1` for a look.
//!
//! The real program watches all of them in one process, over TLS, each in IDLE on a connection of its own. Its memory is
//! compared with that of the same program with a handful of mailboxes: what is left is what a mailbox costs.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark prints figures, and a panic is its way to fail"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, exit};
use std::thread;
use std::time::{Duration, Instant};

use mailtap::limits;
use support::collector::{Collector, Configuration};
use support::figures::{kilobytes, open_files, processor_time_of};
use support::folder::Folder;
use support::imap_server::ImapServer;
use support::receiver::Receiver;

/// What is compared with.
const HANDFUL: usize = 8;

fn main() {
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let extent = if short { Extent::SHORT } else { Extent::FULL };
    let extent = fit(extent);
    let handful = watch(HANDFUL, &extent);
    let many = watch(extent.mailboxes, &extent);
    let more = (extent.mailboxes - HANDFUL) as f64;
    println!(
        "\n{} mailboxes in IDLE over TLS, one process; a mailbox may cost 64 KiB",
        extent.mailboxes
    );
    for (when, of) in [
        (
            "before any mail",
            (|watched| &watched.before) as fn(&Watched) -> &Memory,
        ),
        ("after a mail in each", |watched| &watched.after),
    ] {
        let (few, all) = (of(&handful), of(&many));
        let each = |few: u64, all: u64| (all as f64 - few as f64) / more;
        println!(
            "  {when:22} {:6.1} MB resident, {:5.1} KiB a mailbox; page tables {:4.1} KiB a mailbox",
            all.resident as f64 / 1e3,
            each(few.resident, all.resident),
            each(few.page_tables, all.page_tables),
        );
    }
    println!(
        "  {} quiet seconds      {:.1} ms of processor time",
        extent.quiet.as_secs(),
        many.idle.as_secs_f64() * 1e3
    );
    let mut latencies = many.latencies;
    latencies.sort_unstable();
    println!(
        "  mail to event          {:.1} ms in the median of {}, {:.1} ms at worst",
        latencies[latencies.len() / 2].as_secs_f64() * 1e3,
        latencies.len(),
        latencies[latencies.len() - 1].as_secs_f64() * 1e3
    );
    println!(
        "  a mail in each at once {:.2} s to the last event, peak memory {:.1} MB",
        many.all.as_secs_f64(),
        many.peak as f64 / 1e3
    );
    println!("  bodies downloaded      one for each mail, none without");
}

/// How much is measured.
struct Extent {
    mailboxes: usize,
    /// How long nothing happens.
    quiet: Duration,
    /// Mails whose way is timed.
    mails: usize,
    /// From the last mail to the look at the memory.
    rest: Duration,
}

impl Extent {
    const FULL: Extent = Extent {
        mailboxes: 2000,
        quiet: Duration::from_secs(10),
        mails: 101,
        // By then the sink was tended, and has given back what only a delivery needs.
        rest: limits::TEND.saturating_add(Duration::from_secs(5)),
    };
    const SHORT: Extent = Extent {
        mailboxes: 100,
        quiet: Duration::from_secs(1),
        mails: 11,
        rest: Duration::ZERO,
    };
}

/// A mailbox is two open files here, as both servers are in this process, and a mail four. Begins anew with as many as
/// that takes, or makes do with what there is.
fn fit(extent: Extent) -> Extent {
    let needed = extent.mailboxes * 4 + 100;
    let (now, most) = open_files();
    if now >= needed {
        return extent;
    }
    if most >= needed {
        // Only the shell can raise the limit without unsafe code.
        let begin_anew = format!("ulimit -n {needed} && exec \"$0\"");
        let this = std::env::current_exe().unwrap();
        let status = Command::new("sh").arg("-c").arg(begin_anew).arg(this).status();
        exit(status.unwrap().code().unwrap_or(1));
    }
    let mailboxes = (now.saturating_sub(100) / 4).max(2 * HANDFUL);
    println!(
        "{now} open files are allowed: {mailboxes} mailboxes instead of {}",
        extent.mailboxes
    );
    Extent { mailboxes, ..extent }
}

/// What the kernel says of the program, in KiB.
struct Memory {
    resident: u64,
    page_tables: u64,
}

impl Memory {
    fn of(process: u32) -> Memory {
        Memory {
            resident: kilobytes(&process.to_string(), "VmRSS"),
            page_tables: kilobytes(&process.to_string(), "VmPTE"),
        }
    }
}

/// What was measured of so many mailboxes.
struct Watched {
    before: Memory,
    after: Memory,
    peak: u64,
    idle: Duration,
    latencies: Vec<Duration>,
    /// The time that a mail in every mailbox at once took.
    all: Duration,
}

fn watch(mailboxes: usize, extent: &Extent) -> Watched {
    let server = ImapServer::start();
    let names: Vec<String> = (0..mailboxes).map(|number| format!("Journal/{number:04}")).collect();
    for name in &names {
        server.create(name, "\\HasNoChildren");
    }
    let receiver = Receiver::start();
    let state = Folder::new("idle");
    let mut configuration = Configuration::between(&server, &receiver, &state.path().join("state"));
    configuration.inbox_names = vec!["Journal/*".to_owned()];
    configuration.max_connections = Some(mailboxes);
    let file = state.write("mailtap.yaml", configuration.yaml());
    let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
    let process = collector.process_id();
    server.wait_until("all mailboxes are in IDLE", |record| record.idling == mailboxes);

    let before = Memory::of(process);
    let earlier = processor_time_of(process);
    thread::sleep(extent.quiet);
    let idle = processor_time_of(process).saturating_sub(earlier);

    let mut events = 0;
    let mut latencies = Vec::new();
    let mut number: usize = 1;
    for _ in 0..extent.mails {
        // Any of them, the same ones each time.
        number = (number * 1_103_515_245 + 12_345) % (1 << 31);
        let sent = Instant::now();
        server.deliver_to(&names[number % mailboxes], mail().as_bytes());
        events += 1;
        receiver.wait_until("the event", |record| record.lines >= events);
        latencies.push(sent.elapsed());
    }

    let sent = Instant::now();
    for name in &names {
        server.deliver_to(name, mail().as_bytes());
    }
    events += mailboxes;
    receiver.wait_until("an event of each mailbox", |record| record.lines >= events);
    let all = sent.elapsed();
    server.wait_until("all mailboxes are in IDLE again", |record| record.idling == mailboxes);
    thread::sleep(extent.rest);
    let after = Memory::of(process);
    let peak = kilobytes(&process.to_string(), "VmHWM");

    assert_eq!(server.record().bodies.len(), events, "each mail is downloaded once");
    assert_eq!(server.record().violations, Vec::<String>::new());
    assert_eq!(receiver.look(|record| (record.lines, record.duplicates)), (events, 0));
    let (status, said) = collector.terminate();
    assert!(status.success(), "{status}\n{}", said.join("\n"));
    Watched {
        before,
        after,
        peak,
        idle,
        latencies,
        all,
    }
}

/// About 4 KB, with an attachment.
fn mail() -> String {
    let text = "A line of text as people write it, more or less.\r\n".repeat(30);
    let attachment = "QSBsaW5lIG9mIHRleHQgYXMgcGVvcGxlIHdyaXRlIGl0LCBtb3JlIG9yIGxl\r\n".repeat(30);
    format!(
        "From: a@example.com\r\nTo: b@example.com\r\nSubject: news\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\
         --b\r\nContent-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=a.bin\r\n\r\n{attachment}\r\n--b--\r\n"
    )
}
