//! The fault matrix of delivery, row by row, where a row needs a program and a server of its own. Every row has tests that
//! begin with `matrix_` and its number, here or where its subject is tested: `cargo test matrix_` shows all of them.
//!
//! | row | what goes wrong | where |
//! |---|---|---|
//! | 1 | kill -9 | `tests/kills.rs`, `tests/story/poison.rs`, `tests/model.rs` |
//! | 2 | SIGTERM | here, `tests/story/the_end.rs` |
//! | 3–8 | the receiver's answers | `src/sink/webhook/tests`, `src/http`, `tests/story/dead_letters.rs` |
//! | 9 | TLS | `src/net/tls/tests.rs`, `tests/imap_transcripts.rs`, `tests/story/wrong_settings.rs` |
//! | 10 | names and addresses | `src/net/dial/tests.rs` |
//! | 11 | LimaCharlie's protocol | `src/sink/limacharlie`, `tests/story/cloud.rs` |
//! | 12 | the disk | here, `tests/story/dead_letters.rs` |
//! | 13 | the checkpoint | here, `src/checkpoint/tests.rs` |
//! | 14 | the IMAP server | `tests/story`, `tests/imap_transcripts.rs`, `src/imap/reader/tests.rs` |
//! | 15 | the clock | `tests/model.rs`, `src/http/retry_after/tests.rs` |
//! | 16 | memory | here |
//! | 17 | one mailbox of many | here, `tests/story/several_mailboxes.rs` |
//!
//! The rows that are here run against a real Dovecot; where it is missing they say so and pass, except with `CI=true`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

#[path = "matrix/checkpoint.rs"]
mod checkpoint;
#[path = "matrix/disk.rs"]
mod disk;
#[path = "matrix/memory.rs"]
mod memory;
#[path = "matrix/one_of_many.rs"]
mod one_of_many;
#[path = "matrix/stop.rs"]
mod stop;
mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::collector::Collector;
use support::destination::{Destination, Way};
use support::line::Line;
use support::real_server::RealServer;
use support::real_server::dovecot::Dovecot;
use support::shared::files_below;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mailtap");
const WAYS: [Way; 2] = [Way::Webhook, Way::LimaCharlie];

/// A line to each receiver, if there is a Dovecot.
fn with_lines(test: impl Fn(Line)) {
    for way in WAYS {
        let Some(dovecot) = RealServer::<Dovecot>::start() else {
            return;
        };
        test(Line::new(PROGRAM, &dovecot, Destination::start(way)));
    }
}

/// Ends the program the polite way and checks that it takes it so.
fn ends_well(collector: Collector) {
    let (status, lines) = collector.terminate();
    assert!(status.success(), "{status}\n{}", lines.join("\n"));
}

/// Waits until all below this UID is done, says the checkpoint. Nobody tells of it, so it is read again and again.
fn wait_for_next_uid(line: &Line, next_uid: u64) {
    let began = Instant::now();
    while line.next_uid() < next_uid {
        assert!(
            began.elapsed() < PATIENCE,
            "the checkpoint stays at {}",
            line.next_uid()
        );
        line.destination.linger(Duration::from_millis(5));
    }
}

/// A run behind the last one finds nothing to do: what was acknowledged was remembered.
fn nothing_comes_again(line: &Line) {
    let before = line.destination.repeats();
    assert!(line.once().status().unwrap().success());
    assert_eq!(line.destination.repeats(), before);
    line.judge();
}

#[test]
fn every_row_of_the_fault_matrix_has_a_test_that_names_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests"].map(|folder| files_below(&root.join(folder)));
    let texts = files
        .concat()
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let all = texts.collect::<String>();
    for row in 1..=17 {
        let named = all.matches(&format!("\nfn matrix_{row}_")).count();
        assert!(named > 0, "row {row}");
    }
}
