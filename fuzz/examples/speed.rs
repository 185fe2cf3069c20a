//! How fast mail is decoded, beside `mail-parser` on the same mails in the same run. In `fuzz/`:
//! `cargo run --profile bench --example speed FOLDER`; `BENCH_SHORT=1` for a look. Without a folder: the mails of
//! `testdata/mail`.
//!
//! Both decode every header field (RFC 2047), every text part to UTF-8 and every other part to its bytes, and nobody hashes.
//! `mail-parser` needs the whole mail in memory and gives a description of it. mailtap takes the mail in pieces and hands
//! over what it has decoded; that is measured, and what it costs to keep all of it until the mail is done.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and a panic is its way to fail"
)]

#[path = "../../tests/support/figures.rs"]
#[allow(dead_code, reason = "memory is measured elsewhere")]
mod figures;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use figures::processor_time;
use mail_parser::MessageParser;
use mailtap::mime::charset::TextDecoder;
use mailtap::mime::entity::Machine;
use mailtap::mime::{Entity, Finding, Kind, Visitor};

/// A way of reading a mail; what it returns keeps the compiler from leaving it out.
type Way = (&'static str, fn(&[u8]) -> usize);

const WAYS: [Way; 3] = [
    ("mail-parser", |mail| {
        MessageParser::default()
            .parse(mail)
            .map_or(0, |message| message.parts.len())
    }),
    ("mailtap", decode::<false>),
    ("mailtap, all of it kept", decode::<true>),
];

/// What the network hands over at a time.
const PIECE: usize = 16 * 1024;

fn main() {
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let rounds = if short { 2 } else { 10 };
    let folder = std::env::args().nth(1);
    let folder = folder.as_deref().unwrap_or("../testdata/mail");
    let mut mails = Vec::new();
    read_below(Path::new(folder), &mut mails);
    compare(folder, &mails, rounds);
    let head = b"Subject: large\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let line = b"TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsuIE1hbnkgaGFuZHMgbWFrZSBsaWdodCB3b3JrLjEy\r\n";
    let large = [head, line.repeat(60_000_000 / line.len()).as_slice()].concat();
    compare("one attachment of 60 MB", &[large], rounds.min(3));
}

fn read_below(folder: &Path, mails: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(&path, mails);
        } else {
            mails.push(fs::read(path).unwrap());
        }
    }
}

/// Each way of reading in turn, so that a noisy machine disturbs all of them alike; the best round counts.
fn compare(name: &str, mails: &[Vec<u8>], rounds: usize) {
    let mut best = [Duration::MAX; WAYS.len()];
    for _ in 0..rounds {
        for ((_, way), best) in WAYS.iter().zip(&mut best) {
            let start = processor_time();
            for mail in mails {
                black_box(way(mail));
            }
            *best = processor_time().saturating_sub(start).min(*best);
        }
    }
    let megabytes = mails.iter().map(Vec::len).sum::<usize>() as f64 / 1e6;
    println!("\n{name}: {} mails, {megabytes:.1} MB", mails.len());
    for ((what, _), time) in WAYS.iter().zip(best) {
        let rate = megabytes / time.as_secs_f64();
        let times = best[0].as_secs_f64() / time.as_secs_f64();
        println!("  {what:28} {rate:6.0} MB/s   {times:5.2} times mail-parser");
    }
}

fn decode<const KEEP: bool>(mail: &[u8]) -> usize {
    let mut machine = Machine::new(Decoded::<KEEP> {
        text: String::with_capacity(PIECE),
        ..Decoded::default()
    });
    for piece in mail.chunks(PIECE) {
        machine.feed(piece);
    }
    black_box(machine.finish()).bytes
}

/// What a mail says, decoded: all of it, or what is under way.
#[derive(Default)]
struct Decoded<const KEEP: bool> {
    /// Of all fields, and where each one ends.
    values: String,
    ends: Vec<usize>,
    /// Of all text parts, and of all others.
    text: String,
    content: Vec<u8>,
    /// Of the text part under way.
    decoder: Option<TextDecoder>,
    unfolded: Vec<u8>,
    /// Decoded so far.
    bytes: usize,
}

impl<const KEEP: bool> Decoded<KEEP> {
    fn text(&mut self, decode: impl FnOnce(&mut TextDecoder, &mut String)) {
        if !KEEP {
            self.text.clear();
        }
        let before = self.text.len();
        if let Some(decoder) = &mut self.decoder {
            decode(decoder, &mut self.text);
        }
        self.bytes += black_box(self.text.as_str()).len() - before;
    }
}

impl<const KEEP: bool> Visitor for Decoded<KEEP> {
    fn begin(&mut self, entity: &Entity<'_>) {
        let charset = entity.content_type.parameter("charset");
        if KEEP {
            self.values.reserve(entity.fields.bytes());
            self.ends.reserve(entity.fields.count());
        }
        for field in entity.fields {
            if !KEEP {
                self.values.clear();
            }
            let before = self.values.len();
            field.text(charset, &mut self.unfolded, &mut self.values);
            self.bytes += black_box(self.values.as_str()).len() - before;
            if KEEP {
                self.ends.push(self.values.len());
            }
        }
        let media_type = entity.content_type.value.as_str();
        let text = entity.kind == Kind::Leaf && (media_type.starts_with("text/") || media_type.is_empty());
        self.decoder = text.then(|| TextDecoder::new(charset));
    }

    fn body(&mut self, decoded: &[u8]) {
        if self.decoder.is_some() {
            self.text(|decoder, text| decoder.feed(decoded, text));
        } else {
            self.bytes += black_box(decoded).len();
            if KEEP {
                self.content.extend_from_slice(decoded);
            }
        }
    }

    fn end(&mut self) {
        self.text(TextDecoder::finish);
        self.decoder = None;
    }

    fn finding(&mut self, _: Finding<'_>) {}
}
