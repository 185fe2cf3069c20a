//! Whether LimaCharlie's window is used over a distance: a backlog to a cloud next door, and to one 50 ms away and back.
//! `cargo bench --bench window`; `BENCH_SHORT=1` for a look.
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
use std::time::{Duration, Instant};

use support::cloud::{self, Cloud};
use support::collector::{Collector, Configuration};
use support::distance;
use support::folder::Folder;
use support::imap_server::ImapServer;
use support::receiver::Receiver;

const WINDOW: u64 = 100;
/// How much of the window is asked for.
const LEAST: f64 = 0.95;

fn main() {
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let mails = if short { 1_000 } else { 10_000 };
    let server = ImapServer::start();
    for number in 0..mails {
        server.deliver(&mail(number));
    }
    println!("\n{mails} mails of 4 KB to LimaCharlie, window {WINDOW}, with a round trip of");
    for milliseconds in [0, 50] {
        let round_trip = Duration::from_millis(milliseconds);
        let cloud = Cloud::with(cloud::Settings {
            window: WINDOW,
            only_counts: true,
            ..cloud::Settings::default()
        });
        let folder = Folder::new("window");
        let mut configuration = Configuration::between(&server, &Receiver::start(), &folder.path().join("state"));
        configuration.platform = "email";
        configuration.dest_url = format!("wss://localhost:{}/usp", distance::away(cloud.port(), round_trip));
        configuration.lc_secret = String::new();
        let file = folder.write("mailtap.yaml", configuration.yaml());
        let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
        cloud.wait_until("the first mail", |record| record.stored > 0);
        let since = Instant::now();
        cloud.wait_until("every mail", |record| record.stored >= mails);
        let seconds = since.elapsed().as_secs_f64();
        let record = cloud.record();
        assert_eq!((record.stored, record.violations), (mails, Vec::new()), "each once");
        let rate = mails as f64 / seconds;
        // What the cloud sees in flight is what has arrived; what is on the way only the rate tells: a window in every round
        // trip is all that the protocol allows.
        let used = rate * round_trip.as_secs_f64() / WINDOW as f64;
        let of_window = match milliseconds {
            0 => String::new(),
            _ => format!(", {used:.2} of a full window in every round trip"),
        };
        println!("  {milliseconds:3} ms  {rate:8.0} mails/s{of_window}");
        let (status, said) = collector.terminate();
        assert!(status.success(), "{status}\n{}", said.join("\n"));
        if !short && milliseconds > 0 && used < LEAST {
            println!("  less than {LEAST}, which is asked for");
            std::process::exit(1);
        }
    }
}

fn mail(number: usize) -> Vec<u8> {
    let text = "A line of text as people write it, more or less, again.\r\n".repeat(70);
    format!("Message-ID: <{number}@example.com>\r\nFrom: a@example.com\r\nSubject: news\r\n\r\n{text}").into_bytes()
}
