//! What LimaCharlie's own adapter does wrong, found by running it against a hostile server and a real Dovecot: each defect is
//! a test of its name, between servers of this process, or stands in [`ELSEWHERE`] with the test that stages it already.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;
#[path = "story/watch.rs"]
mod watch;

use std::fs;
use std::path::Path;
use std::process::Command;

use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{Origin, encode};
use mailtap::metrics::Counter;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use support::collector::{Collector, Configuration};
use support::figures::peak_kilobytes;
use support::folder::Folder;
use support::imap_server::{Fault, ImapServer};
use support::receiver::{self, Receiver};
use watch::Watch;

/// Defects that are staged elsewhere: the file, and the test.
const ELSEWHERE: [(&str, &str, &str); 20] = [
    (
        "no dial timeout",
        "src/net/dial/tests.rs",
        "an_address_that_swallows_packets_leaves_time_for_the_others",
    ),
    (
        "no dial timeout",
        "src/net/dial/tests.rs",
        "a_resolver_that_hangs_is_given_up_at_the_deadline",
    ),
    (
        "no read timeout",
        "tests/story/patience.rs",
        "the_banner_hangs_and_the_next_connection_is_better",
    ),
    (
        "`* 1 FETCH` crashes it",
        "src/imap/reader/tests.rs",
        "an_announcement_that_the_grammar_does_not_expect_ends_everything",
    ),
    (
        "40 MiB of `(` crash it",
        "src/imap/reader/tests.rs",
        "forty_mib_of_parentheses_end_the_connection",
    ),
    (
        "{3221225472} allocates 3 GiB",
        "src/imap/reader/tests.rs",
        "matrix_14_a_body_of_4_gib_is_announced_and_streamed_like_any_other",
    ),
    (
        "resumes in the middle of a line after a parse error",
        "src/imap/reader/tests.rs",
        "a_response_that_cannot_be_read_is_skipped_only_while_no_literal_is_in_doubt",
    ),
    (
        "n:* fetches the last mail at every poll",
        "tests/story/long_run.rs",
        "an_unchanged_mailbox_downloads_no_mail_and_each_mail_was_downloaded_once",
    ),
    (
        "no OAuth",
        "tests/story/tokens.rs",
        "a_token_that_the_server_refuses_is_renewed_at_once",
    ),
    (
        "no OAuth",
        "tests/login.rs",
        "a_token_from_a_provider_opens_dovecot_and_a_refused_one_is_renewed",
    ),
    (
        "no STARTTLS",
        "tests/story/the_way.rs",
        "starttls_comes_before_the_login",
    ),
    (
        "no private CA",
        "tests/story/wrong_settings.rs",
        "matrix_9_a_wrong_certificate_authority",
    ),
    (
        "no proxy",
        "tests/story/the_way.rs",
        "every_connection_goes_through_its_proxy_which_alone_looks_names_up",
    ),
    ("no IDLE", "tests/story.rs", "a_new_mail_is_delivered_live_by_idle"),
    (
        "no nested mail",
        "src/event/build/tests.rs",
        "a_mail_in_a_mail_has_the_same_shape",
    ),
    (
        "no journal reports",
        "tests/golden_events.rs",
        "a_journal_report_that_stays_is_the_unwrapped_one_put_together_again",
    ),
    ("no RFC 2231 names", "src/mime/parameter/tests.rs", "rfc_2231_examples"),
    (
        "no UID, mailbox, INTERNALDATE in the event",
        "tests/story.rs",
        "the_first_start_from_zero_delivers_everything_and_only_reads",
    ),
    (
        "no INTERNALDATE in the event",
        "src/event/build/tests.rs",
        "event_time_is_internaldate_then_date_then_now",
    ),
    (
        "one mailbox only",
        "tests/story/several_mailboxes.rs",
        "names_and_patterns_are_watched_each_as_a_sensor_of_its_own",
    ),
];

#[test]
fn every_defect_that_is_staged_elsewhere_still_is() {
    for (defect, file, test) in ELSEWHERE {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
        let text = text.unwrap_or_else(|error| panic!("{defect}: {file}: {error}"));
        assert!(is_test(&text, test), "{defect}: {file} has no test {test}");
    }
}

/// Whether there is a test with this name, or with one that ends so: those of the fault matrix begin with their row.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let end = format!("{name}() {{");
    lines
        .windows(2)
        .any(|two| two[0] == "#[test]" && two[1].starts_with("fn ") && two[1].ends_with(&end))
}

fn mail(number: u32) -> Vec<u8> {
    format!("Subject: mail {number}\r\n\r\nThis is mail {number}.\r\n").into_bytes()
}

fn subjects(watch: &Watch) -> Vec<String> {
    let events = watch.receiver.record().events;
    events.iter().map(|event| event.header("subject").to_owned()).collect()
}

// ---- loses mail ----

#[test]
fn takes_searchs_sequence_numbers_for_uids() {
    let mut watch = Watch::new(0);
    watch.server.skip_uids_to(41);
    let uids: Vec<u64> = (0..13)
        .map(|number| watch.server.deliver(&mail(number)).into())
        .collect();
    watch.begin_well();
    watch.wait_for_events(13);
    watch.wait_for_idle();
    watch.end();
    watch.begin_well();
    watch.wait_for_idle();
    let record = watch.receiver.record();
    assert_eq!((record.uids(), record.duplicates), (uids, 0));
}

#[test]
fn an_empty_mailbox_ends_it() {
    let mut watch = Watch::new(0);
    watch.begin_well();
    watch.wait_for_idle();
    watch.server.deliver(&mail(1));
    watch.wait_for_events(1);
    let record = watch.server.record();
    assert_eq!(record.connections, 1);
    assert!(
        record.commands.iter().all(|command| !command.contains("FETCH  ")),
        "{:?}",
        record.commands
    );
}

#[test]
fn never_reads_uidvalidity() {
    let mut watch = Watch::new(30);
    watch.begin_well();
    watch.wait_for_events(30);
    watch.wait_for_idle();
    // Made anew: the first mail in it has a UID that was delivered before.
    watch.server.recreate_empty();
    watch.glass.waiting();
    assert_eq!(watch.server.deliver(&mail(99)), 1);
    watch.glass.turn();
    watch.wait_for_events(31);
    assert_eq!(subjects(&watch)[30], "mail 99");
}

#[test]
fn no_checkpoint_so_downtime_loses_mail() {
    let mut watch = Watch::new(3);
    watch.begin_well();
    watch.wait_for_events(3);
    watch.wait_for_idle();
    watch.end();
    watch.server.deliver(&mail(4));
    watch.begin_well();
    watch.wait_for_events(4);
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
}

#[test]
fn uid_at_most_last_in_arrival_order_so_fetch_order_3_1_2_loses_1_and_2() {
    let mut watch = Watch::new(3);
    watch.server.misbehave(Fault::LastFirst);
    // The session ends behind the mail that came first, which is the last one.
    watch.server.misbehave(Fault::EndsAfter { bodies: 1 });
    watch.begin_well();
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(3);
    watch.wait_for_idle();
    let record = watch.receiver.record();
    assert_eq!((record.uids(), record.duplicates), (vec![3, 1, 2], 0));
}

#[test]
fn matrix_14_an_unsolicited_fetch_with_flags_ships_an_empty_event() {
    let mut watch = Watch::new(10);
    watch.server.misbehave(Fault::UnsolicitedData);
    watch.begin_well();
    watch.wait_for_events(10);
    watch.wait_for_idle();
    let expected: Vec<String> = (0..10).map(|number| format!("mail {number}")).collect();
    assert_eq!(subjects(&watch), expected);
}

#[test]
fn one_mail_with_an_unknown_charset_or_bad_base64_blocks_everything_behind_it() {
    let mut watch = Watch::new(0);
    for header in [
        "Content-Type: text/plain; charset=x-nobody-knows",
        "Content-Transfer-Encoding: base64",
        "Content-Type: multipart/mixed; boundary=",
    ] {
        let mail = format!("Subject: odd\r\n{header}\r\n\r\n%%% \u{e9} =\r\n");
        watch.server.deliver(mail.as_bytes());
    }
    watch.server.deliver(&mail(1));
    watch.begin_well();
    watch.wait_for_events(4);
    watch.wait_for_idle();
    assert_eq!(subjects(&watch), ["odd", "odd", "odd", "mail 1"]);
    assert_eq!(watch.server.record().bodies, [1, 2, 3, 4], "each once");
}

#[test]
fn max_body_size_is_compared_with_the_number_of_sections() {
    let sections: Vec<String> = (0..20).map(|number| format!("--b\n\ntext {number}\n")).collect();
    let sections = sections.concat();
    let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{sections}--b--\n");
    let settings = Settings {
        max_body_size: 10,
        ..Settings::default()
    };
    let mut builder = EventBuilder::new(&settings);
    builder.feed(mail.as_bytes());
    let origin = Origin::File { source: "-".to_owned() };
    let arrival = Arrival {
        origin,
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    let mut json = Vec::new();
    encode::encode(&builder.finish(&settings, arrival), &mut json);
    let event: Value = serde_json::from_slice(&json).unwrap();
    let parts = event["event"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 20);
    assert!(
        parts
            .iter()
            .all(|part| part["body_text"].as_str().unwrap().starts_with("text "))
    );
}

#[test]
fn ten_minutes_for_a_whole_backlog_so_a_long_one_never_finishes() {
    let mut watch = Watch::new(1200);
    watch.receiver.misbehave(receiver::Fault::Status {
        code: 503,
        retry_after: Some("1200"),
    });
    watch.begin_well();
    watch.glass.turns(3);
    watch.glass.waiting();
    watch.receiver.heal();
    watch.glass.turn();
    watch.wait_for_events(1200);
    watch.wait_for_idle();
    assert_eq!(watch.server.record().connections, 1, "eighty minutes in one session");
}

// ---- dies or hangs ----

#[test]
fn any_no_or_bye_ends_the_process_and_every_other_adapter_in_it() {
    let mut other = Watch::new(1);
    other.begin_well();
    for (to, line) in [
        ("EXAMINE", "NO not now"),
        ("EXAMINE", "* BYE not now"),
        ("UID FETCH", "NO not now"),
        ("UID FETCH", "BAD not now"),
        ("IDLE", "* BYE not now"),
        ("AUTHENTICATE", "NO [UNAVAILABLE] not now"),
    ] {
        let mut watch = Watch::new(2);
        watch.server.misbehave(Fault::Says { to, line });
        watch.begin_well();
        watch.glass.waiting();
        watch.server.heal();
        watch.glass.turn();
        watch.wait_for_events(2);
        watch.wait_for_idle();
        assert_eq!(watch.counted(Counter::Failures), 1, "{to}: {line}");
    }
    other.wait_for_idle();
    other.server.deliver(&mail(1));
    other.wait_for_events(2);
    assert_eq!(other.counted(Counter::Failures), 0);
}

#[test]
fn matrix_14_body_nil_crashes_it() {
    let mut watch = Watch::new(3);
    watch.server.misbehave(Fault::BodyNil { uid: 2 });
    watch.begin_well();
    watch.wait_for_events(2);
    watch.wait_for_idle();
    assert_eq!(
        (watch.receiver.record().uids(), watch.next_uid()),
        (vec![1, 3], Some(4))
    );
    assert_eq!(watch.counted(Counter::Expunged), 1);
}

/// For any body the events are exactly those of that body: here made of what responses are made of, by chance.
#[test]
fn a_mail_body_can_forge_a_fetch_response() {
    const PIECES: [&str; 16] = [
        "\r\n",
        "\n",
        ")",
        "(",
        "* 1 FETCH (UID 999 BODY[] {5}\r\nhello)",
        "A0004 OK done",
        "{5}",
        "{0}\r\n",
        "\"",
        "\\",
        "* BYE",
        "+ ",
        "BODY[] NIL",
        "* 9 EXISTS",
        "\u{e9}\0",
        "Subject: forged\r\n\r\n",
    ];
    let mut random = 0x6d61_696c_7461_7021_u64;
    let mut below = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    let mut watch = Watch::new(0);
    let mut expected = Vec::new();
    for _ in 0..300 {
        let body: String = (0..below(12)).map(|_| PIECES[below(PIECES.len())]).collect();
        watch.server.deliver(body.as_bytes());
        expected.push(
            Sha256::digest(body.as_bytes())
                .iter()
                .fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        );
    }
    watch.begin_well();
    watch.wait_for_events(300);
    watch.wait_for_idle();
    let events = watch.receiver.record().events;
    let found: Vec<&str> = events
        .iter()
        .map(|event| event.event["routing"]["sha256"].as_str().unwrap())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(watch.server.record().connections, 1);
}

// ---- lacks ----

#[test]
fn no_id_so_netease_lets_it_read_nothing() {
    let mut watch = Watch::new(2);
    watch.server.misbehave(Fault::UnsafeLogin);
    watch.begin_well();
    watch.wait_for_events(2);
    watch.wait_for_idle();
    assert_eq!(watch.counted(Counter::Failures), 0);
    assert!(watch.server.record().id.unwrap().contains("mailtap"));
}

// ---- wastes ----

#[test]
fn select_without_peek_sets_seen_on_everything_and_downloads_twice() {
    let mut watch = Watch::new(20);
    watch.begin_well();
    watch.wait_for_events(20);
    watch.wait_for_idle();
    let record = watch.server.record();
    assert_eq!(record.bodies, (1..=20).collect::<Vec<u32>>());
    let reads = |command: &&String| command.contains("BODY");
    assert!(
        record
            .commands
            .iter()
            .filter(reads)
            .all(|command| command.contains("BODY.PEEK[]"))
    );
    assert!(record.commands.iter().all(|command| !command.starts_with("SELECT")));
}

#[test]
fn holds_whole_mails() {
    const MAILS: usize = 4;
    const SIZE: usize = 30_000_000;
    let server = ImapServer::start();
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let mail = format!(
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        line.repeat(SIZE / line.len())
    );
    for _ in 0..MAILS {
        server.deliver(mail.as_bytes());
    }
    let receiver = Receiver::start();
    let folder = Folder::new("whole-mails");
    let configuration = Configuration::between(&server, &receiver, &folder.path().join("state"));
    let file = folder.write("mailtap.yaml", configuration.yaml());
    let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
    receiver.wait_until("every mail", |record| record.events.len() == MAILS);
    let peak = peak_kilobytes(&collector.process_id().to_string());
    println!("{MAILS} mails of {} MB: peak memory {peak} kB", SIZE / 1_000_000);
    assert!(peak < 30_000, "{peak} kB");
}
