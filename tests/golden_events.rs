//! Every mail of `testdata/mail` becomes exactly the event that stands beside it.
//!
//! `NAME.json` is the `event` object of `NAME.eml`, without its list of all anomalies. This program did not write it: it is what the RFCs
//! and another MIME parser say.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mailtap::event::Origin;
use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::encode::encode;
use serde_json::{Value, json};

#[test]
fn every_mail_becomes_its_golden_event() {
    let mut differences = Vec::new();
    for name in names("eml") {
        let mail = read(&name, "eml");
        let golden: Value =
            serde_json::from_slice(&read(&name, "json")).unwrap_or_else(|error| panic!("{name}.json: {error}"));
        let mut event = event_of(&mail, mail.len());
        event.as_object_mut().unwrap().remove("anomalies");
        compare(&name, &golden, &event, &mut differences);
    }
    assert!(differences.is_empty(), "golden ≠ event:\n{}", differences.join("\n"));
}

#[test]
fn a_mail_that_arrives_in_small_pieces_becomes_the_same_event() {
    for name in names("eml") {
        let mail = read(&name, "eml");
        let whole = event_of(&mail, mail.len());
        for size in [1, 7, 4096] {
            let mut differences = Vec::new();
            compare(&name, &whole, &event_of(&mail, size), &mut differences);
            assert!(
                differences.is_empty(),
                "whole ≠ in pieces of {size}:\n{}",
                differences.join("\n")
            );
        }
    }
}

/// `unwrap_journal: false` leaves the report where it is and changes nothing else.
#[test]
fn a_journal_report_that_stays_is_the_unwrapped_one_put_together_again() {
    let mut reports = 0;
    for name in names("eml") {
        let mail = read(&name, "eml");
        let mut expected = event_of(&mail, mail.len());
        let journal = expected.get_mut("journal").and_then(Value::as_object_mut);
        if let Some(mut report) = journal.and_then(|journal| journal.remove("report")) {
            let [headers, parts] = ["headers", "parts"].map(|key| expected[key].take());
            let without_content = |part: &&mut Value| part.get("message").is_none() && part.get("hashes").is_none();
            let carrier = report["parts"].as_array_mut().unwrap().iter_mut().find(without_content);
            carrier.unwrap()["message"] = json!({"headers": headers, "parts": parts});
            expected["headers"] = report["headers"].take();
            expected["parts"] = report["parts"].take();
            reports += 1;
        }
        let settings = Settings {
            unwrap_journal: false,
            ..Settings::default()
        };
        assert_eq!(expected, event_with(&settings, &mail, mail.len()), "{name}");
    }
    assert!(reports >= 8);
}

#[test]
fn every_mail_has_its_golden_event_and_there_are_thirty() {
    assert_eq!(
        names("eml"),
        names("json"),
        "a mail without its event, or an event without its mail"
    );
    assert!(names("eml").len() >= 30);
}

/// LimaCharlie documents one email event. This is its reconstruction: bodies, hashes, part headers and the shape of the
/// long headers are the documented ones.
#[test]
fn the_documented_sample_has_the_documented_headers_and_parts() {
    let mail = read("limacharlie_sample", "eml");
    let event = event_of(&mail, mail.len());

    assert_eq!(
        event["parts"],
        json!([
            {
                "headers": {"content-type": ["text/plain; charset=\"UTF-8\""]},
                "body_text": "One more test email.\r\n",
                "hashes": {
                    "md5": "cbe37e2ee4cf3c35d67a7c4a8e6a9e35",
                    "sha1": "c2f203f43304ab0a4c3154a84d0c876fa9c23204",
                    "sha256": "95dbb63f3fd41f7852395d84ef9570ef4db567c43d20e3f1e27c72c903b94686"
                }
            },
            {
                "headers": {"content-type": ["text/html; charset=\"UTF-8\""]},
                "body_text": "<div dir=\"ltr\">One more test email.</div>\r\n",
                "hashes": {
                    "md5": "a2fcd5c1aa40abe526bbbbd58251a90f",
                    "sha1": "5748cc5fc2cd318a5584651731887ac9d9df4df2",
                    "sha256": "1f3877f593c1af2ad3e482aee2f4181a34e0f502799908f4ca330f3327d6c175"
                }
            }
        ])
    );

    let headers = &event["headers"];
    let names: Vec<&str> = headers.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "arc-authentication-results",
            "arc-message-signature",
            "arc-seal",
            "authentication-results",
            "content-type",
            "date",
            "delivered-to",
            "dkim-signature",
            "from",
            "message-id",
            "mime-version",
            "received",
            "received-spf",
            "return-path",
            "subject",
            "to",
            "x-gm-features",
            "x-gm-gg",
            "x-gm-message-state",
            "x-google-dkim-signature",
            "x-google-smtp-source",
            "x-received"
        ]
    );
    assert_eq!(headers["subject"], json!(["more testing"]));
    assert_eq!(
        headers["received"],
        json!([
            "by 2001:db8:6402:a45:b0:5d0:9b8f:1ac2 with SMTP id bq5csp2741836edb; Fri, 3 Jan 2025 09:20:44 -0800 (PST)",
            "from mail-sor-f41.google.com (mail-sor-f41.google.com. [203.0.113.41]) by mx.google.com with SMTPS id \
             98e67ed59e1d1-2f447798f0fsor22406191a91.8.2025.01.03.09.20.43 for <watched@example.org> \
             (Google Transport Security); Fri, 03 Jan 2025 09:20:43 -0800 (PST)"
        ])
    );
    assert_eq!(
        headers["x-received"],
        json!([
            "by 2001:db8:3582:b0:2ee:b2e6:4276 with SMTP id 98e67ed59e1d1-2f452dff9eamr75321478a91.5.1735924843921; \
             Fri, 03 Jan 2025 09:20:43 -0800 (PST)",
            "by 2001:db8:4a:b0:2ee:d63f:d8f with SMTP id 98e67ed59e1d1-2f452e22dd3mr64925321a91.13.1735924843246; \
             Fri, 03 Jan 2025 09:20:43 -0800 (PST)"
        ])
    );
    let signature = headers["arc-message-signature"][0].as_str().unwrap();
    assert!(signature.starts_with("i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20240605; h=to:subject:"));
    assert!(signature.contains(" b=LdyiNwmQU+l8TQf"));
    assert!(signature.ends_with("M6pTg==; dara=google.com"));
    assert!(!signature.contains("  ") && !signature.contains(['\r', '\n', '\t']));
}

/// What a mail inside the mail says of anomalies, the outermost says too: those of the part that carries it and in it.
#[test]
fn the_anomalies_of_a_mail_inside_the_mail_are_the_outermost_s() {
    let mut mails = 0;
    for name in names("eml") {
        let mail = read(&name, "eml");
        let event = event_of(&mail, mail.len());
        let all = event["anomalies"].as_array().cloned().unwrap_or_default();
        for anomalies in inner_anomalies(&event) {
            mails += 1;
            assert!(
                anomalies.iter().all(|anomaly| all.contains(anomaly)),
                "{name}: {anomalies:?}"
            );
        }
    }
    assert!(mails > 0, "no mail inside a mail has any");
}

/// The `anomalies` of every mail inside the mail that has some.
fn inner_anomalies(message: &Value) -> Vec<Vec<Value>> {
    let parts = [&message["parts"], &message["journal"]["report"]["parts"]];
    let parts = parts.into_iter().filter_map(Value::as_array).flatten();
    parts
        .filter_map(|part| part.get("message"))
        .flat_map(|message| {
            let own = message["anomalies"].as_array().cloned();
            own.into_iter().chain(inner_anomalies(message))
        })
        .collect()
}

/// `event` of the mail, fed in pieces of this size.
fn event_of(mail: &[u8], piece: usize) -> Value {
    event_with(&Settings::default(), mail, piece)
}

fn event_with(settings: &Settings, mail: &[u8], piece: usize) -> Value {
    let mut builder = EventBuilder::new(settings);
    for piece in mail.chunks(piece) {
        builder.feed(piece);
    }
    let origin = Origin::File {
        source: "golden".to_owned(),
    };
    let arrival = Arrival {
        origin,
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    let mut line = Vec::new();
    encode(&builder.finish(settings, arrival), &mut line);
    let mut whole: Value = serde_json::from_slice(&line).unwrap();
    whole["event"].take()
}

/// Says where two events differ, one line a difference, by the path of rules: `parts/0/headers/subject`.
fn compare(path: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let absent = Value::Null;
                compare(
                    &format!("{path}/{key}"),
                    expected.get(key).unwrap_or(&absent),
                    found.get(key).unwrap_or(&absent),
                    differences,
                );
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (position, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}/{position}"), expected, found, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("  {path}\n    expected {expected}\n    found    {found}")),
    }
}

/// The names of the files with this extension, without it.
fn names(extension: &str) -> BTreeSet<String> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn read(name: &str, extension: &str) -> Vec<u8> {
    let path = folder().join(name).with_extension(extension);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/mail")
}
