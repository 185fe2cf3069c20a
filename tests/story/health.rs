//! `/healthz` and `/metrics` of the real program: red when something is wrong, green again when it is not.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use mailtap::clock::{Clock as _, Phase};
use mailtap::health::verdict::complaints;
use mailtap::metrics::Entry;

use crate::support::collector::Collector;
use crate::support::port;
use crate::support::receiver;
use crate::watch::Watch;
use crate::{ReceiverFault, ServerFault, Stage, ends_well, imap_server};

/// A port for the program that is started next.
pub fn configure(stage: &mut Stage) -> u16 {
    let port = port::reserve();
    stage.configuration.more.push(format!("healthcheck: {port}"));
    port
}

/// A stage whose program tells how it is, and the program.
pub fn begin(stage: &mut Stage) -> (Collector, u16) {
    let port = configure(stage);
    let collector = stage.start();
    collector.wait_for_line(&["healthcheck", &format!("address=127.0.0.1:{port}")]);
    (collector, port)
}

/// Asks until `/healthz` answers `status`, and gives the body.
pub fn wait_for(port: u16, status: u16) -> String {
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let (answered, body) = get(port, "/healthz");
        if answered == status {
            return body;
        }
        assert!(std::time::Instant::now() < end, "{answered}: {body}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Status and body.
pub fn get(port: u16, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(socket, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The one mailbox, as `/healthz` has it.
fn mailbox(port: u16) -> serde_json::Value {
    let (status, body) = get(port, "/healthz");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["status"], if status == 200 { "ok" } else { "failing" });
    assert_eq!(told["mailboxes"].as_array().unwrap().len(), 1);
    told["mailboxes"][0].clone()
}

/// The value of the one sample of `name`.
fn value(port: u16, name: &str) -> String {
    let (_, page) = get(port, "/metrics");
    let start = format!("{name}{{");
    let line = page.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no {name} in:\n{page}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_mailbox_that_is_watched_is_green_and_its_mails_are_counted() {
    let mut stage = Stage::new();
    let uids = stage.deliver(30);
    let (collector, port) = begin(&mut stage);
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["caught up", "delivered=30"]);
    stage.wait_for_idle();
    let (status, _) = get(port, "/healthz");
    assert_eq!(status, 200);
    let told = mailbox(port);
    assert_eq!((&told["status"], &told["mailbox"]), (&"ok".into(), &"INBOX".into()));
    assert_eq!((&told["behind_mails"], &told["lag_seconds"]), (&0.into(), &0.into()));
    assert!(told["last_round_trip_seconds_ago"].as_u64().unwrap() < 60);
    assert!(told["last_acknowledgement_seconds_ago"].as_u64().unwrap() < 60);
    assert_eq!(value(port, "mailtap_delivered_events_total"), "30");
    assert_eq!(value(port, "mailtap_fetched_mails_total"), "30");
    assert_eq!(value(port, "mailtap_mailbox_up"), "1");
    assert_eq!(value(port, "mailtap_behind_mails"), "0");
    ends_well(collector);
}

#[test]
fn a_wrong_password_is_red_and_says_which_setting() {
    let mut stage = Stage::new();
    stage.configuration.password = "wrong-secret".to_owned();
    let (collector, port) = begin(&mut stage);
    collector.wait_for_line(&["trying again"]);
    let told = mailbox(port);
    let reason = told["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("the mailbox cannot be opened for "), "{reason}");
    assert!(reason.contains("password"), "{reason}");
    let (_, page) = get(port, "/metrics");
    assert!(page.contains("\nmailtap_up 0\n"));
    for secret in [imap_server::PASSWORD, "wrong-secret"] {
        assert!(!told.to_string().contains(secret) && !page.contains(secret));
    }
    ends_well(collector);
}

#[test]
fn a_receiver_that_refuses_us_is_red_until_it_takes_a_batch() {
    let mut stage = Stage::new();
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 403,
        retry_after: None,
    });
    stage.deliver(3);
    let (collector, port) = begin(&mut stage);
    collector.wait_for_line(&["not delivered, trying again"]);
    let told = mailbox(port);
    let reason = told["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("the receiver does not take events for "), "{reason}");
    assert!(!told.to_string().contains(receiver::SECRET), "{told}");
    assert_eq!(told["behind_mails"], 3);
    assert_eq!(told["last_acknowledgement_seconds_ago"], serde_json::Value::Null);
    collector.kill();
}

#[test]
fn a_port_that_is_taken_is_told_and_nothing_begins() {
    let mut stage = Stage::new();
    stage.deliver(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    stage.configuration.more.push(format!("healthcheck: {port}"));
    let (status, lines) = stage.start().ends();
    assert_eq!(status.code(), Some(1));
    assert!(
        lines[0].contains(&format!("healthcheck: cannot listen on 127.0.0.1:{port}")),
        "{lines:?}"
    );
    assert_eq!(stage.server.record().connections, 0);
}

/// What `/healthz` has against a mailbox on a clock that the test turns.
fn against(watch: &Watch) -> Vec<String> {
    let entry = Entry {
        server: "localhost".to_owned(),
        username: imap_server::USER.to_owned(),
        mailbox: Some("INBOX".to_owned()),
        counters: Arc::clone(&watch.counters),
    };
    complaints(&entry, &watch.counters.vitals(), watch.glass.now())
}

#[test]
fn a_receiver_that_is_away_is_red_after_two_minutes_and_green_with_its_first_acknowledgement() {
    let mut watch = Watch::new(3);
    watch.receiver.misbehave(ReceiverFault::Status {
        code: 503,
        retry_after: Some("50"),
    });
    watch.begin_well();
    for away in [0, 50, 100, 150] {
        watch.glass.waiting();
        let said = against(&watch);
        assert_eq!(said.is_empty(), away < 120, "{away}: {said:?}");
        let vitals = watch.counters.vitals();
        assert_eq!((vitals.behind, vitals.behind_since.is_some()), (Some(3), true));
        if away < 150 {
            watch.glass.turn();
        }
    }
    assert!(against(&watch)[0].starts_with("the receiver does not take events for 15"));
    watch.receiver.heal();
    watch.glass.turn();
    watch.wait_for_events(3);
    watch.wait_for_idle();
    assert_eq!(against(&watch), Vec::<String>::new());
    let vitals = watch.counters.vitals();
    assert_eq!((vitals.behind, vitals.behind_since), (Some(0), None));
}

#[test]
fn a_server_that_was_never_reached_is_red_at_once_and_green_when_the_mailbox_is_open() {
    let mut watch = Watch::new(1);
    watch.server.misbehave(ServerFault::ByeAsGreeting);
    watch.begin_well();
    watch.glass.waiting();
    assert!(against(&watch)[0].starts_with("the mailbox cannot be opened for "));
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_idle();
    assert_eq!(against(&watch), Vec::<String>::new());
}

#[test]
fn a_password_that_is_changed_under_way_is_red_until_it_is_the_configured_one_again() {
    let mut watch = Watch::new(1);
    watch.begin("not yet the password", receiver::SECRET, Phase::Greeting);
    watch.glass.waiting();
    let said = against(&watch);
    assert!(said.len() == 1 && said[0].contains("password"), "{said:?}");
    watch.server.set_password("not yet the password");
    watch.glass.turn();
    watch.wait_for_events(1);
    watch.wait_for_idle();
    assert_eq!(against(&watch), Vec::<String>::new());
}
