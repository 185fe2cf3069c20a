use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Artifacts, Settings};
use crate::clock::Clock;
use crate::event::attachments::{Attachment, Attachments};
use crate::event::build::{self, Arrival, EventBuilder};
use crate::event::encode::hexadecimal;
use crate::http::script::{Network, Step, say};
use crate::limits;
use crate::net::Dial;
use crate::secret::Secret;
use crate::sink::DeliveryError;
use crate::sink::limacharlie::discovery;

fn answer(status: &str, body: &str) -> Step {
    say(&format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The directory's answer, on a connection of its own.
fn directory(body: &str) -> Vec<Step> {
    vec![Step::Request, answer("200 OK", body)]
}

const HOSTS: &str = r#"{"url":{"artifacts":"artifacts.example","logs":"logs.example"}}"#;

/// A store that answers each request with one of these.
fn store(statuses: &[&str]) -> Vec<Step> {
    statuses
        .iter()
        .flat_map(|status| [Step::Request, answer(status, "")])
        .collect()
}

fn artifacts(network: &Arc<Network>) -> Artifacts {
    let settings = Settings {
        oid: "some-oid".to_owned(),
        ingest_key: Secret::new("canary".to_owned()),
        retention_days: Some(30),
        hostname: "collector".to_owned(),
        directory: discovery::address("some-oid").unwrap(),
    };
    let dial: Arc<dyn Dial> = Arc::clone(network) as Arc<dyn Dial>;
    let clock: Arc<dyn Clock> = Arc::clone(&network.clock) as Arc<dyn Clock>;
    Artifacts::new(settings, dial, clock)
}

/// The one attachment of a mail with this content.
fn kept(name: &str, content: &[u8]) -> (Attachment, Attachments) {
    let head =
        format!("Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    let settings = build::Settings::default();
    let mut builder = EventBuilder::beside(Attachments::new(&std::env::temp_dir(), u64::MAX), &settings);
    builder.feed(head.as_bytes());
    builder.feed(content);
    let arrival = Arrival {
        origin: crate::event::Origin::File { source: String::new() },
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    let (_, mut kept) = builder.finish_both(&settings, arrival);
    let attachment = kept.whole().unwrap().remove(0);
    (attachment, kept)
}

/// `lc-part` and the length of the body of every request to the store.
fn parts(network: &Network) -> Vec<(Option<String>, usize)> {
    let requests = network.requests().into_iter().skip(1);
    let part = |(_, request): (usize, Vec<u8>)| {
        let end = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(request[..end].to_vec()).unwrap();
        let label = head.lines().find_map(|line| line.strip_prefix("lc-part: "));
        (label.map(str::to_owned), request.len() - end)
    };
    requests.map(part).collect()
}

#[test]
fn a_small_attachment_is_one_request_with_everything_that_the_store_wants_to_know() {
    let network = Network::new([directory(HOSTS), store(&["200 OK"])]);
    let (attachment, kept) = kept("a b.bin", b"content");
    let mut artifacts = artifacts(&network);
    artifacts.store(&attachment, &kept).unwrap();
    // The same again is there already.
    artifacts.store(&attachment, &kept).unwrap();
    let requests = network.requests();
    assert_eq!(requests.len(), 2);
    let agent = concat!("mailtap/", env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "POST /ingest HTTP/1.1\r\nHost: artifacts.example\r\nUser-Agent: {agent}\r\n\
         Authorization: Basic c29tZS1vaWQ6Y2FuYXJ5\r\nContent-Type: application/octet-stream\r\nlc-source: collector\r\n\
         lc-hint: attachment\r\nlc-payload-id: {}\r\nlc-path: YSBiLmJpbg==\r\nlc-retention-days: 30\r\n\
         Content-Length: 7\r\n\r\ncontent",
        hexadecimal(&Sha256::digest(b"content"))
    );
    assert_eq!(String::from_utf8_lossy(&requests[1].1), expected);
    assert_eq!(network.dialled(), ["api.limacharlie.io:443", "artifacts.example:443"]);
}

#[test]
fn one_without_a_name_is_shown_under_its_sha256() {
    let network = Network::new([directory(HOSTS), store(&["200 OK"])]);
    let (attachment, kept) = kept("", b"content");
    artifacts(&network).store(&attachment, &kept).unwrap();
    let path = STANDARD.encode(hexadecimal(&Sha256::digest(b"content")));
    let (_, request) = network.requests().pop().unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(request.contains(&format!("\r\nlc-path: {path}\r\n")), "{request}");
}

#[test]
fn nothing_is_kept_between_two_attachments_but_a_young_connection() {
    let network = Network::new([directory(HOSTS), store(&["200 OK"]), store(&["200 OK"])]);
    let mut artifacts = artifacts(&network);
    let (first, kept_first) = kept("a", &vec![b'x'; limits::ARTIFACT_PART]);
    artifacts.store(&first, &kept_first).unwrap();
    assert_eq!(artifacts.part.capacity(), 0);
    network.clock.wait(limits::HTTP_IDLE);
    artifacts.tend();
    let (second, kept_second) = kept("b", b"y");
    artifacts.store(&second, &kept_second).unwrap();
    assert_eq!(network.dialled().len(), 3, "the directory, and the store twice");
}

#[test]
fn parts_are_numbered_and_the_last_is_done_also_at_an_exact_multiple_and_for_nothing_at_all() {
    let part = limits::ARTIFACT_PART;
    for (size, expected) in [
        (0, vec![(None, 0)]),
        (1, vec![(None, 1)]),
        (part, vec![(None, part)]),
        (part + 1, vec![(Some("0"), part), (Some("done"), 1)]),
        (2 * part, vec![(Some("0"), part), (Some("done"), part)]),
        (
            2 * part + 1,
            vec![(Some("0"), part), (Some("1"), part), (Some("done"), 1)],
        ),
    ] {
        let network = Network::new([directory(HOSTS), store(&vec!["200 OK"; expected.len()])]);
        let (attachment, kept) = kept("x", &vec![b'x'; size]);
        artifacts(&network).store(&attachment, &kept).unwrap();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(label, size)| (label.map(str::to_owned), size))
            .collect();
        assert_eq!(parts(&network), expected, "{size}");
    }
}

#[test]
fn a_failure_in_the_middle_begins_again_and_done_never_overtakes() {
    let two = limits::ARTIFACT_PART + 1;
    // The store's connection is kept.
    let network = Network::new([
        directory(HOSTS),
        store(&["200 OK", "503 Busy\r\nRetry-After: 7", "200 OK", "200 OK"]),
        directory(HOSTS),
    ]);
    let (attachment, kept) = kept("x", &vec![b'x'; two]);
    let mut artifacts = artifacts(&network);
    let Err(DeliveryError::Retry { after, .. }) = artifacts.store(&attachment, &kept) else {
        panic!("stored")
    };
    assert_eq!(after.map(|after| after.as_secs()), Some(7));
    artifacts.store(&attachment, &kept).unwrap();
    let sent: Vec<_> = network
        .requests()
        .into_iter()
        .filter(|(connection, _)| *connection == 2)
        .collect();
    let labels: Vec<bool> = sent
        .iter()
        .map(|(_, request)| memchr::memmem::find(request, b"lc-part: done\r\n").is_some())
        .collect();
    assert_eq!(labels, [false, true, false, true]);
}

#[test]
fn refusals_are_told_apart_and_the_key_is_not_told() {
    let judged = |status: &str| {
        let network = Network::new([directory(HOSTS), store(&[status])]);
        let (attachment, kept) = kept("x", b"y");
        artifacts(&network).store(&attachment, &kept).unwrap_err()
    };
    let DeliveryError::Configuration { reason } = judged("401 Unauthorized") else {
        panic!()
    };
    assert!(
        reason.contains("attachment_ingest_key") && !reason.contains("canary"),
        "{reason}"
    );
    assert!(matches!(judged("413 Too Large"), DeliveryError::Reject { .. }));
    assert!(matches!(judged("500 Oops"), DeliveryError::Retry { .. }));
}

#[test]
fn without_a_host_of_their_own_artifacts_go_to_the_host_of_logs() {
    let network = Network::new([directory(r#"{"url":{"logs":"logs.example"}}"#), store(&["200 OK"])]);
    let (attachment, kept) = kept("x", b"y");
    artifacts(&network).store(&attachment, &kept).unwrap();
    assert_eq!(network.dialled()[1], "logs.example:443");
    let network = Network::new([directory(r#"{"url":{}}"#)]);
    assert!(artifacts(&network).store(&attachment, &kept).is_err());
}
