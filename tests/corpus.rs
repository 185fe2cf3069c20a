//! Every public mail goes through without panic, with the same event whole, byte by byte and in pieces.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailtap::event::build;
use support::shared::{files_below, shared};

#[test]
fn every_mail_of_the_corpus_gives_the_same_event_however_it_is_cut() {
    let Some(corpus) = shared("corpus") else { return };
    let files = files_below(&corpus);
    let next = AtomicUsize::new(0);
    let bytes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bytes.fetch_add(check(file), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} files, {} MB", files.len(), bytes.into_inner() / 1_000_000);
    assert!(
        files.len() > 9_000,
        "only {} files below {}",
        files.len(),
        corpus.display()
    );
}

/// The fuzz function asserts what must always be true, and names the file where it is not.
fn check(file: &PathBuf) -> usize {
    let mail = std::fs::read(file).unwrap();
    let result = std::panic::catch_unwind(|| build::fuzz(&mail));
    assert!(result.is_ok(), "{}", file.display());
    mail.len()
}
