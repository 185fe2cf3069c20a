use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{families, write};
use crate::health::report::Report;
use crate::metrics::{Counter, Counters, Entry, Moment};

fn moment(at: Instant, unix_milliseconds: i64) -> Moment {
    Moment { at, unix_milliseconds }
}

fn page(mailboxes: &[&str]) -> String {
    let start = Instant::now();
    let now = start + Duration::from_millis(90_250);
    let entries = mailboxes.iter().map(|mailbox| {
        let counters = Counters::default();
        counters.add(Counter::Delivered, 7);
        counters.note(|vitals| {
            vitals.opened(moment(start, 1_700_000_000_005));
            vitals.fell_behind(moment(start, 0));
            vitals.behind = Some(12);
        });
        Entry {
            server: "imap.example.com:993".to_owned(),
            username: "u".to_owned(),
            mailbox: Some((*mailbox).to_owned()),
            counters: Arc::new(counters),
        }
    });
    let entries: Vec<Entry> = entries.collect();
    let account = Entry {
        mailbox: None,
        ..entries[0].clone()
    };
    let entries = [vec![account], entries].concat();
    let started = moment(start, 1_600_000_000_000);
    write(&Report::new(entries, Vec::new(), started, Some(4096), now))
}

#[test]
fn a_page_says_everything_once() {
    let page = page(&["INBOX"]);
    let of = |name: &str| -> Vec<&str> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .collect()
    };
    let labels = "{server=\"imap.example.com:993\",username=\"u\",mailbox=\"INBOX\"}";
    assert_eq!(
        of("mailtap_delivered_events_total"),
        [format!("mailtap_delivered_events_total{labels} 7")]
    );
    assert_eq!(of("mailtap_mailbox_up"), [format!("mailtap_mailbox_up{labels} 1")]);
    assert_eq!(of("mailtap_behind_mails"), [format!("mailtap_behind_mails{labels} 12")]);
    assert_eq!(
        of("mailtap_lag_seconds"),
        [format!("mailtap_lag_seconds{labels} 90.250")]
    );
    assert_eq!(
        of("mailtap_last_round_trip_timestamp_seconds"),
        [format!(
            "mailtap_last_round_trip_timestamp_seconds{labels} 1700000000.005"
        )]
    );
    assert_eq!(
        of("mailtap_last_acknowledgement_timestamp_seconds"),
        [""; 0],
        "there was none"
    );
    assert_eq!(of("mailtap_up"), ["mailtap_up 1"]);
    assert_eq!(
        of("process_resident_memory_bytes"),
        ["process_resident_memory_bytes 4096"]
    );
    assert_eq!(
        of("process_start_time_seconds"),
        ["process_start_time_seconds 1600000000.000"]
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        of("mailtap_build_info"),
        [format!("mailtap_build_info{{version=\"{version}\"}} 1")]
    );
}

#[test]
fn names_follow_the_rules_and_samples_stand_together_under_their_name() {
    let page = page(&["INBOX", "b"]);
    let mut named: Vec<&str> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty() && !text.contains('\\'));
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            assert_eq!(lines.next(), Some(format!("# TYPE {name} {kind}").as_str()));
            named.push(name);
        } else {
            assert_eq!(line.split(['{', ' ']).next(), named.last().copied(), "{line}");
        }
    }
    let expected: Vec<&str> = families().iter().map(|family| family.name).collect();
    assert_eq!(named, expected);
    assert_eq!(named.iter().collect::<HashSet<_>>().len(), named.len());
    for family in families() {
        assert_eq!(family.kind == "counter", family.name.ends_with("_total"));
        let characters = |character: char| character.is_ascii_lowercase() || character == '_';
        assert!(family.name.chars().all(characters), "{}", family.name);
    }
}

#[test]
fn a_mailbox_s_name_cannot_leave_its_quotes() {
    let hostile = "a\"} 1\nmailtap_up 0\\\u{1b}\r";
    let page = page(&[hostile]);
    assert_eq!(page.lines().filter(|line| line.starts_with("mailtap_up ")).count(), 1);
    let escaped = "mailbox=\"a\\\"} 1\\\\u{a}mailtap_up 0\\\\\\\\u{1b}\\\\u{d}\"} 7\n";
    assert!(page.contains(escaped), "{page}");
}

#[test]
fn names_that_look_the_same_or_imitate_an_escape_stay_two() {
    let names = ["a\u{1b}", "a\\u{1b}", "a\\u{5c}u{1b}", "a\\\\u{1b}", "a\u{200b}", "a"];
    let page = page(&names);
    let samples = page
        .lines()
        .filter(|line| line.starts_with("mailtap_delivered_events_total{"));
    assert_eq!(samples.collect::<HashSet<_>>().len(), names.len(), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{200b}']));
}
