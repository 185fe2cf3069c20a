//! What requests carry beside the events.

use std::time::Duration;

use super::super::Settings;
use super::super::signature::SigningKey;
use super::{ACCEPTED, BATCH_ID, LATER, answering, batch, secret, settings, webhook_with};
use crate::http::script::Network;
use crate::sink::Sink as _;
use crate::sink::gzip::tests::inflated;

/// The lines of every request's head that begin with one of `names`.
fn fields(network: &Network, names: &[&str]) -> Vec<Vec<String>> {
    let requests = network.requests();
    let lines = requests.iter().map(|(_, request)| {
        let end = memchr::memmem::find(request, b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(request[..end].to_vec()).expect("text");
        let wanted = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}: ")));
        head.lines().filter(wanted).map(str::to_owned).collect()
    });
    lines.collect()
}

#[test]
fn every_attempt_has_the_same_key_and_a_signature_of_its_own_time() {
    let network = answering(&[LATER, ACCEPTED, ACCEPTED]);
    let settings = Settings {
        signing_secret: Some(secret("hunter2")),
        ..settings("https://a.example/x", None)
    };
    let mut webhook = webhook_with(&network, &settings);
    webhook.deliver(&batch()).expect_err("later");
    network.clock.advance(Duration::from_millis(1999));
    webhook.deliver(&batch()).expect("accepted");
    let mut other = batch();
    let _ = other.split_off(1);
    webhook.deliver(&other).expect("accepted");
    let names = [
        "Idempotency-Key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    let expected = |key: &str, seconds: &str, signature: &str| {
        names
            .iter()
            .zip([key, key, seconds, signature])
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(&network, &names),
        [
            expected(BATCH_ID, "784111777", "v1,qWSoPXJUIYhp5/oW3Nwpw4gSuiI09W8clcdj2qhCHeg="),
            expected(BATCH_ID, "784111778", "v1,8JifcWmiu6U8m6hw9pF/CXiFy+r5JFL5vDj+anTv8qQ="),
            expected(
                "cc8cd41c-ef90-7c4d-2160-69122c4b8993",
                "784111778",
                "v1,/GglVz4m8e493rT3v25ja1p523TNsiSqioXt9SphTVs="
            ),
        ]
    );
}

#[test]
fn a_compressed_body_is_one_gzip_member_and_what_is_sent_is_what_is_signed() {
    let network = answering(&[LATER, ACCEPTED]);
    let settings = Settings {
        compressed: true,
        signing_secret: Some(secret("hunter2")),
        ..settings("https://a.example/x", None)
    };
    let mut webhook = webhook_with(&network, &settings);
    webhook.deliver(&batch()).expect_err("later");
    webhook.deliver(&batch()).expect("accepted");
    let requests = network.requests();
    assert_eq!(requests[0], requests[1]);
    let (_, request) = &requests[0];
    let head = memchr::memmem::find(request, b"\r\n\r\n").expect("a head");
    let body = &request[head + 4..];
    assert_eq!(inflated(body), batch().bytes());
    let signature = SigningKey::parse("hunter2")
        .expect("a key")
        .sign(BATCH_ID, 784_111_777, body);
    assert_eq!(
        fields(&network, &["Content-Encoding", "Idempotency-Key", "webhook-signature"])[0],
        [
            "Content-Encoding: gzip".to_owned(),
            format!("Idempotency-Key: {BATCH_ID}"),
            format!("webhook-signature: {signature}"),
        ]
    );
}

#[test]
fn headers_are_sent_as_they_are_and_in_order() {
    let network = answering(&[ACCEPTED]);
    let settings = Settings {
        headers: vec![
            ("Authorization".to_owned(), secret("Splunk hunter2")),
            ("X-\u{60}a".to_owned(), secret("caf\u{e9}\t;")),
        ],
        batch_events: 1,
        ..settings("https://a.example/x", None)
    };
    webhook_with(&network, &settings).deliver(&batch()).expect("accepted");
    assert_eq!(
        fields(&network, &["Content-Type", "Authorization", "X-`a"])[0],
        [
            "Content-Type: application/json",
            "Authorization: Splunk hunter2",
            "X-`a: caf\u{e9}\t;"
        ]
    );
}
