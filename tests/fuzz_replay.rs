//! Every seed of every fuzz target, replayed on stable; and the targets themselves are what they should be.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::fs;
use std::path::Path;

use support::shared::files_below;

/// Fuzz target, the module whose `fuzz` it calls, and that function.
type Target = (&'static str, &'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("archive", "archive", mailtap::archive::fuzz),
    ("attachments", "event::attachments", mailtap::event::attachments::fuzz),
    ("charset", "mime::charset", mailtap::mime::charset::fuzz),
    ("cloud_answer", "cloud::answer", mailtap::cloud::answer::fuzz),
    (
        "compressed_rtf",
        "mime::compressed_rtf",
        mailtap::mime::compressed_rtf::fuzz,
    ),
    ("config", "config", mailtap::config::fuzz),
    ("date", "mime::date", mailtap::mime::date::fuzz),
    ("deflate", "net::deflate", mailtap::net::deflate::fuzz),
    ("dead_letter", "dead_letter", mailtap::dead_letter::fuzz),
    (
        "directory",
        "sink::limacharlie::discovery",
        mailtap::sink::limacharlie::discovery::fuzz,
    ),
    ("duration", "config::duration", mailtap::config::duration::fuzz),
    ("embedded", "mime::embedded", mailtap::mime::embedded::fuzz),
    ("encode", "event::encode", mailtap::event::encode::fuzz),
    ("encoded_word", "mime::encoded_word", mailtap::mime::encoded_word::fuzz),
    ("event", "event::build", mailtap::event::build::fuzz),
    (
        "filename",
        "event::build::filename",
        mailtap::event::build::filename::fuzz,
    ),
    ("health_request", "health::request", mailtap::health::request::fuzz),
    ("hostile_server", "mailbox", mailtap::mailbox::fuzz),
    ("http_response", "http::response", mailtap::http::response::fuzz),
    ("http_url", "http::url", mailtap::http::url::fuzz),
    ("imap_response", "imap::reader", mailtap::imap::reader::fuzz),
    ("journal", "event::journal", mailtap::event::journal::fuzz),
    ("mailbox_name", "imap::mailbox_name", mailtap::imap::mailbox_name::fuzz),
    ("mime_entity", "mime::entity", mailtap::mime::entity::fuzz),
    ("parameter", "mime::parameter", mailtap::mime::parameter::fuzz),
    ("pkcs7", "mime::pkcs7", mailtap::mime::pkcs7::fuzz),
    (
        "proxy_answer",
        "net::proxy::connect",
        mailtap::net::proxy::connect::fuzz,
    ),
    ("sasl", "imap::auth", mailtap::imap::auth::fuzz),
    ("tls_pin", "net::tls::pin", mailtap::net::tls::pin::fuzz),
    ("raw", "event::raw::elision", mailtap::event::raw::elision::fuzz),
    ("stub", "event::stub", mailtap::event::stub::fuzz),
    ("tnef", "mime::tnef", mailtap::mime::tnef::fuzz),
    ("token_answer", "oauth", mailtap::oauth::fuzz),
    ("transfer", "mime::transfer", mailtap::mime::transfer::fuzz),
    (
        "usp_control",
        "sink::limacharlie::message",
        mailtap::sink::limacharlie::message::fuzz,
    ),
    (
        "webhook_answer",
        "sink::webhook::answer",
        mailtap::sink::webhook::answer::fuzz,
    ),
    ("websocket", "websocket::message", mailtap::websocket::message::fuzz),
];

/// Targets that compare with another reader of mail, which is a dependency of fuzz/ only; `cargo test` there replays them.
const OF_TWO_READERS: [&str; 2] = ["differential", "mime_tree"];

#[test]
fn every_dictionary_is_a_target_s() {
    let targets: Vec<&str> = TARGETS
        .iter()
        .map(|(target, ..)| *target)
        .chain(OF_TWO_READERS)
        .chain(["mime"]) // the one that others link to
        .collect();
    for file in files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(targets.contains(&name), "{} is used by no target", file.display());
        assert!(!fs::read_to_string(&file).unwrap().is_empty());
    }
}

#[test]
fn every_seed_holds() {
    for (target, _, fuzz) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz").join(target);
        let seeds = if folder.exists() {
            files_below(&folder)
        } else {
            Vec::new()
        };
        assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
        for seed in seeds {
            let data = fs::read(&seed).unwrap();
            let result = std::panic::catch_unwind(|| fuzz(&data));
            assert!(result.is_ok(), "{}", seed.display());
        }
    }
}

#[test]
fn every_target_is_one_line_and_replayed_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (target, module, _) in TARGETS {
        let source = fs::read_to_string(folder.join(format!("fuzz_targets/{target}.rs"))).unwrap();
        let line = format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| mailtap::{module}::fuzz(data));");
        assert_eq!(source, format!("#![no_main]\n{line}\n"));
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} is not in fuzz/Cargo.toml"
        );
    }
    assert_eq!(
        files_below(&folder.join("fuzz_targets")).len(),
        TARGETS.len() + OF_TWO_READERS.len()
    );
}
