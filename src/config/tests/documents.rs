//! YAML and JSON as texts: documents, scalars, bombs.

use std::fmt::Write as _;

use super::super::node::{Finding, Node};
use super::super::round_trip::write;
use super::super::{document, fuzz, json, yaml};
use super::{CANARY, adapter, load, refused, with, with_options};
use crate::limits;

/// The documents of `text`, as JSON.
fn read(text: &str) -> Result<String, String> {
    written(document::parse(text.as_bytes()))
}

fn written(documents: Result<Vec<Node>, Finding>) -> Result<String, String> {
    documents
        .map(|documents| write(&documents))
        .map_err(|finding| match finding.place {
            Some(place) => format!("{place}: {}", finding.message),
            None => finding.message,
        })
}

#[test]
fn a_scalar_stays_the_text_it_was_written_as() {
    for (yaml, text) in [
        ("0123", "0123"),
        ("1e3", "1e3"),
        ("1.50", "1.50"),
        ("0x10", "0x10"),
        ("true", "true"),
        ("No", "No"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("2024-01-01", "2024-01-01"),
        ("'null'", "null"),
        ("\"~\"", "~"),
        ("!!str null", "null"),
        ("!!int 012", "012"),
        ("'it''s'", "it's"),
        ("a#b", "a#b"),
        ("|\n  one\n  two", "one\\ntwo\\n"),
        (">-\n  one\n  two", "one two"),
        ("\"\\u00e9\\x41\\t\"", "éA\\t"),
    ] {
        assert_eq!(
            read(&format!("key: {yaml}\n")),
            Ok(format!("{{\"key\":\"{text}\"}}\n")),
            "{yaml}"
        );
    }
    for number in ["0", "-1", "1e3", "1.50", "12345678901234567890123", "true"] {
        assert_eq!(
            read(&format!("{{\"key\":{number}}}")),
            Ok(format!("{{\"key\":\"{number}\"}}\n"))
        );
    }
}

#[test]
fn null_is_not_text() {
    for yaml in ["", "~", "null", "NULL", "Null"] {
        assert_eq!(read(&format!("key: {yaml}\n")), Ok("{\"key\":null}\n".to_owned()));
    }
    assert_eq!(read("{\"key\": null}"), Ok("{\"key\":null}\n".to_owned()));
}

#[test]
fn json_is_read_as_json_with_tabs_escapes_and_surrogates() {
    let text = "\u{feff}\r\n{\t\"a\" :\t[ 1 ,\"\\ud83d\\ude00\\/\\u0041\" ,\n{} , [] ],\"b\":\"\"}\r\n";
    assert_eq!(read(text), Ok("{\"a\":[\"1\",\"😀/A\",{},[]],\"b\":\"\"}\n".to_owned()));
}

#[test]
fn what_is_json_for_both_readers_is_the_same_for_both() {
    let text = "{\"a\": [1, \"x\\n\\\"y\\\"\", {\"b\": null}], \"c\": \"é\"}";
    assert_eq!(write(&json::parse(text).unwrap()), write(&yaml::parse(text).unwrap()));
}

#[test]
fn json_faults_are_told_with_their_place() {
    for (text, error) in [
        ("{\"a\" 1}", "1:6: expected `:`"),
        ("{\"a\": 1,}", "1:9: expected a key in quotes"),
        ("{\n  \"a\": 1\n  \"b\": 2}", "3:3: expected `,` or `}`"),
        ("{\"a\": [1 2]}", "1:10: expected `,` or `]`"),
        ("{\"é\": nul}", "1:7: expected a value; text needs double quotes"),
        ("{\"a\": 01}", "1:7: expected a value; text needs double quotes"),
        ("{\"a\": 'x'}", "1:7: expected a value; text needs double quotes"),
        ("{\"a\": \"x", "1:7: this text has no closing quote"),
        (
            "{\"a\": \"x\ny\"}",
            "1:7: a line break, control character or unknown escape in a text",
        ),
        (
            "{\"a\": \"\\ud83d\"}",
            "1:7: a line break, control character or unknown escape in a text",
        ),
        ("{\"a\":", "1:6: a value is missing"),
        ("{\"a\": 1, \"a\": 2}", "1:10: `a` is set twice"),
        ("{} x", "1:4: expected a value; text needs double quotes"),
    ] {
        assert_eq!(written(json::parse(text)).unwrap_err(), error, "{text}");
        // Where it is no YAML either, this is what is told.
        assert!(read(text).is_ok() || read(text).unwrap_err() == error, "{text}");
    }
    for text in [
        "{\"a\" 1}",
        "{\"a\": \"x",
        "{\"a\": \"\\ud83d\"}",
        "{\"a\": 1, \"a\": 2}",
        "{} x",
        "{\"a\": &x 1}",
    ] {
        assert_eq!(read(text), written(json::parse(text)), "{text}");
    }
}

#[test]
fn what_begins_like_json_and_is_none_is_yaml() {
    for (text, expected) in [
        ("{a: 1, \"b\": [x, 'y',],}", "{\"a\":\"1\",\"b\":[\"x\",\"y\"]}\n"),
        ("{\n  \"a\": 1, # mine\n}\n", "{\"a\":\"1\"}\n"),
        (
            "{\"a\": 1}\n---\n{\"a\": 2}\n---\na: 3\n",
            "{\"a\":\"1\"}\n{\"a\":\"2\"}\n{\"a\":\"3\"}\n",
        ),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
    let text = "{imap: {server: imap.example.com, username: journal, password: canary-hunter2, client_options: {dest_url: 'stdout:'}}}";
    assert_eq!(load(text), load(&with(&[])));
    fuzz(text.as_bytes());
}

#[test]
fn yaml_faults_are_told_with_their_place() {
    for (text, error) in [
        ("a: 1\nb: 2\na: 3\n", "3:1: `a` is set twice"),
        ("a: 1\nb: {c: 1, c: 2}\n", "2:11: `c` is set twice"),
        (
            "a: b: c\n",
            "1:5: not YAML: mapping values are not allowed in this context; a text with special characters needs quotes",
        ),
        ("? [a]\n: b\n", "1:3: a key must be a word"),
        (
            "a:\n  <<: {b: 1}\n",
            "2:3: merge keys (<<) are not supported: write the values out",
        ),
        ("~: b\n", "1:1: a key must be a word"),
        (
            "a: !secret b\n",
            "1:4: tags are not supported: write the value without it",
        ),
        (
            "a: !!binary aGk=\n",
            "1:4: this tag is not supported: write the value without it",
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), error, "{text}");
    }
    let bytes = b"a: b\nc: \xff\n";
    let finding = document::parse(bytes).unwrap_err();
    assert_eq!(
        (finding.place.unwrap().line, finding.message.as_str()),
        (2, "not UTF-8 text from this line on")
    );
}

#[test]
fn a_billion_laughs_are_refused_at_the_first_anchor() {
    let mut text = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (name, previous) in ('b'..='z').zip('a'..) {
        let nine = vec![format!("*{previous}"); 9].join(", ");
        writeln!(text, "{name}: &{name} [{nine}]").unwrap();
    }
    assert!(
        read(&text)
            .unwrap_err()
            .contains("anchors (&name) and aliases (*name) are not supported")
    );
    assert!(read("a: &x b\n").unwrap_err().starts_with("1:"));
    assert!(read("a: *x\n").is_err());
    assert_eq!(read("a: '*x & y'\n"), Ok("{\"a\":\"*x & y\"}\n".to_owned()));
}

#[test]
fn nesting_is_bounded_in_every_notation() {
    let most = limits::CONFIGURATION_DEPTH;
    for (depth, accepted) in [(most - 1, true), (most, true), (most + 1, false), (10_000, false)] {
        let flow = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let block = format!("{}x", "- ".repeat(depth));
        let json = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let neither = format!("{}x{}", "{a: ".repeat(depth), "}".repeat(depth));
        for text in [flow, block, json, neither] {
            assert_eq!(read(&text).is_ok(), accepted, "depth {depth}: {text:.20}");
        }
    }
    assert!(read(&"[".repeat(10_000)).is_err());
    assert!(read(&"{\"a\":".repeat(100_000)).is_err());
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let most = limits::CONFIGURATION_BYTES;
    for (length, accepted) in [(most - 1, true), (most, true), (most + 1, false), (2 * most, false)] {
        let text = format!("a: {}", "x".repeat(length - 3));
        assert_eq!(read(&text).is_ok(), accepted, "{length} bytes");
    }
}

#[test]
fn sixty_thousand_keys_in_one_section_take_no_time() {
    let started = std::time::Instant::now();
    let keys: Vec<_> = (0..60_000).map(|number| format!("\"k{number}\": 1")).collect();
    let (yaml, json) = (keys.join("\n"), format!("{{{}}}", keys.join(",")));
    assert!(read(&yaml).is_ok() && read(&json).is_ok());
    // Milliseconds in truth; with a quadratic reader, minutes.
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn documents_are_counted_as_they_are_written() {
    let document = |name: &str| with(&[&format!("inbox_name: {name}")]);
    let count = |text: &str| load(text).map(|loaded| loaded.adapters.len());
    assert_eq!(count(&document("A")), Ok(1));
    assert_eq!(count(&format!("---\n{}---\n", document("A"))), Ok(1));
    assert_eq!(
        count(&format!("# mine\n---\n{}...\n---\n{}", document("A"), document("B"))),
        Ok(2)
    );
    for nothing in ["", "\n", "# only a comment\n", "---\n---\n", "{}", "~"] {
        let error = refused(nothing);
        assert!(
            error.contains("nothing is configured") || error.contains("imap: missing"),
            "{error}"
        );
    }
}

#[test]
fn a_file_with_a_byte_order_mark_or_crlf_is_the_same_file() {
    let text = with(&[]);
    let expected = adapter(&text);
    assert_eq!(adapter(&format!("\u{feff}{text}")), expected);
    assert_eq!(adapter(&text.replace('\n', "\r\n")), expected);
    assert_eq!(adapter(&with_options("dest_url: 'stdout:'")), expected);
}

#[test]
fn the_seeds_of_the_fuzzer_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/fuzz/config");
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        let bytes = std::fs::read(seed).unwrap();
        fuzz(&bytes);
        // Every truncation, as a disk that was full leaves it.
        (0..bytes.len().min(2_000)).for_each(|end| fuzz(&bytes[..end]));
    }
}

#[test]
fn a_syntax_error_beside_a_password_does_not_repeat_it() {
    for text in [
        format!("imap:\n  password: {CANARY}: x\n"),
        format!("imap:\n  password: \"{CANARY}\n"),
        format!("imap:\n  password:{CANARY}\n  server: x\n"),
        format!("imap:\n  password: &{CANARY} x\n"),
        format!("imap:\n  password: *{CANARY}\n"),
        format!("imap:\n  password: !{CANARY} x\n"),
        format!("imap:\n  password: @{CANARY}\n"),
        format!("imap:\n\tpassword: {CANARY}\n"),
        format!("{{\"imap\": {{\"password\": {CANARY}}}}}"),
        format!("{{\"imap\": {{\"password\": \"{CANARY}\\q\"}}}}"),
        format!("{{\"imap\": {{\"password\": \"{CANARY}}}}}"),
        format!("imap: {CANARY}\n"),
        format!("imap: {{password:{CANARY}, server: x}}\n"),
        format!("imap: {{password {CANARY}, server: x}}\n"),
        format!("imap:\n  password:{CANARY}: x\n  password:{CANARY}: x\n"),
        CANARY.to_owned(),
        format!("- {CANARY}\n"),
    ] {
        refused(&text);
    }
}
