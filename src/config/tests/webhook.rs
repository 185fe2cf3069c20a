//! What a webhook can be told beside its address.

use super::super::{Receiver, from_bytes};
use super::{CANARY, home, load, refused, with_options};
use crate::limits;
use crate::sink::webhook::Settings;

/// The settings of a webhook with `options`.
fn settings(options: &str) -> Settings {
    let text = with_options(&format!("dest_url: 'https://x', identity: {{oid: o}}, {options}"));
    let environment = |name: &str| match name {
        "TOKEN" => Some(CANARY.to_owned()),
        _ => home(name),
    };
    let loaded = from_bytes("c.yaml", text.as_bytes(), &environment).unwrap();
    assert_eq!(loaded.notices, [""; 0]);
    let Receiver::Webhook(settings) = &loaded.adapters[0].receiver else {
        panic!("{:?}", loaded.adapters)
    };
    settings.clone()
}

fn error(options: &str) -> String {
    refused(&with_options(&format!(
        "dest_url: 'https://x', identity: {{oid: o}}, {options}"
    )))
}

#[test]
fn without_options_a_webhook_has_its_defaults() {
    assert_eq!(settings(""), Settings::new("https://x"));
}

#[test]
fn the_values_of_headers_may_be_references() {
    let settings = settings("headers: {Authorization: 'env://TOKEN', X-Plain: 5}, signing_secret: 'env://TOKEN'");
    let headers: Vec<_> = settings
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose().as_str()))
        .collect();
    assert_eq!(headers, [("Authorization", CANARY), ("X-Plain", "5")]);
    assert_eq!(settings.signing_secret.as_ref().unwrap().expose(), CANARY);
    assert!(!format!("{settings:?}").contains(CANARY));
}

#[test]
fn headers_that_cannot_be_sent_are_refused_by_name() {
    for (header, expected) in [
        ("Host: canary-hunter2", "Host: a header on which mailtap decides itself"),
        (
            "content-length: '1'",
            "content-length: a header on which mailtap decides itself",
        ),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: a header on which"),
        ("Content-Type: text/plain", "Content-Type: a header on which"),
        ("LC-Secret: canary-hunter2", "LC-Secret: a header on which"),
        ("Webhook-Signature: x", "Webhook-Signature: a header on which"),
        (
            "Proxy-Authorization: canary-hunter2",
            "Proxy-Authorization: a header on which",
        ),
        ("Accept-Encoding: gzip", "Accept-Encoding: a header on which"),
        (
            "X-A: canary-hunter2, x-a: canary-hunter2",
            "x-a: a header with this name is there already",
        ),
        ("'X A': canary-hunter2", "X…: not a valid header name"),
        ("'X\u{e9}': canary-hunter2", "not a valid header name"),
        ("'X-A:canary-hunter2': ", "X-A…: not a valid header name"),
        ("'': canary-hunter2", "not a valid header name"),
        ("X-A: \"canary-hunter2\\r\\nX-B: c\"", "X-A: has a line end"),
        ("X-A: \"canary-hunter2\\0\"", "X-A: has a line end"),
        (
            "X-A: ' canary-hunter2'",
            "X-A: has a line end, another control character, or a space at an end",
        ),
        ("X-A: ", "X-A: has no value"),
        ("X-A: ''", "X-A: has no value"),
        ("X-A: {canary-hunter2: x}", "X-A: expected text"),
        (
            "X-A: 'env://GONE'",
            "X-A: env://GONE: the environment variable is not set",
        ),
    ] {
        let found = error(&format!("headers: {{{header}}}"));
        assert!(
            found.contains("imap.client_options.headers.") && found.contains(expected),
            "{header}: {found}"
        );
    }
    assert!(error("headers: [X-A]").contains("imap.client_options.headers: expected a section"));
}

#[test]
fn a_signing_secret_that_is_none_is_refused() {
    for (secret, expected) in [
        ("whsec_canary-hunter2!", "what follows whsec_ is not base64"),
        ("whsec_", "is empty"),
        ("whsk_canary-hunter2", "is a key for v1a signatures"),
    ] {
        let found = error(&format!("signing_secret: '{secret}'"));
        assert!(
            found.contains(&format!("imap.client_options.signing_secret: {expected}")),
            "{found}"
        );
    }
}

#[test]
fn a_batch_has_one_event_at_least_and_no_more_than_a_crash_may_repeat() {
    let most = limits::BATCH_EVENTS;
    for number in [1, most - 1, most] {
        assert_eq!(settings(&format!("batch_events: {number}")).batch_events, number);
    }
    for number in [0, most + 1] {
        let found = error(&format!("batch_events: {number}"));
        assert!(
            found.ends_with(&format!("imap.client_options.batch_events: expected 1 to {most}")),
            "{found}"
        );
    }
}

#[test]
fn what_is_for_a_webhook_says_that_it_does_nothing_elsewhere() {
    let options = "headers: {A: canary-hunter2}, signing_secret: canary-hunter2, batch_events: 5, is_compressed: true";
    for (receiver, told) in [
        (
            "dest_url: 'stdout:'",
            &["headers", "signing_secret", "batch_events", "is_compressed"][..],
        ),
        (
            "platform: json, identity: {oid: o, installation_key: k}",
            &["headers", "signing_secret", "batch_events"],
        ),
    ] {
        let notices = load(&with_options(&format!("{receiver}, {options}"))).unwrap().notices;
        assert_eq!(notices.len(), told.len(), "{notices:?}");
        for (notice, key) in notices.iter().zip(told) {
            assert!(
                notice.contains(&format!("client_options.{key}: has no effect")),
                "{notice}"
            );
            assert!(!notice.contains(CANARY), "{notice}");
        }
    }
    let off = load(&with_options("dest_url: 'stdout:', is_compressed: false")).unwrap();
    assert_eq!(off.notices, [""; 0]);
}
