//! The program's story, failure by failure: the real binary between the two servers of `support`.
//!
//! What would take minutes of waiting in the real program is told in `story/patience.rs` with a clock of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "story/patience.rs"]
mod patience;
mod support;

use std::process::Command;

use support::certificates::{self, Certificate};
use support::collector::{Collector, Configuration};
use support::folder::Folder;
use support::imap_server::{self, ImapServer};
use support::receiver::{self, Receiver};

type ServerFault = imap_server::Fault;
type ReceiverFault = receiver::Fault;

/// Both servers, and a configuration between them that is right in everything.
struct Stage {
    server: ImapServer,
    receiver: Receiver,
    folder: Folder,
    configuration: Configuration,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(imap_server::Settings::default(), receiver::Settings::default())
    }

    fn with(server: imap_server::Settings, receiver: receiver::Settings) -> Stage {
        let server = ImapServer::with(server);
        // UIDs that cannot be taken for sequence numbers.
        server.skip_uids_to(41);
        let receiver = Receiver::with(receiver);
        let folder = Folder::new("story");
        let configuration = Configuration::between(&server, &receiver, &folder.path().join("state"));
        Stage {
            server,
            receiver,
            folder,
            configuration,
        }
    }

    fn start(&self) -> Collector {
        let file = self.folder.write("mailtap.yaml", self.configuration.yaml());
        Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file)
    }

    /// Puts `count` mails into the mailbox and returns their UIDs.
    fn deliver(&self, count: u32) -> Vec<u32> {
        (0..count).map(|number| self.server.deliver(&mail(number))).collect()
    }

    fn wait_for_idle(&self) {
        self.server.wait_until("a session in IDLE", |record| record.idling == 1);
    }

    /// Waits until exactly these mails have been stored, and checks that neither protocol was violated.
    fn wait_for_exactly(&self, uids: &[u32]) {
        self.receiver
            .wait_until("every mail", |record| record.events.len() >= uids.len());
        let record = self.receiver.record();
        let mut stored = record.uids();
        stored.sort_unstable();
        assert_eq!(stored, uids.iter().copied().map(u64::from).collect::<Vec<_>>());
        assert_eq!(record.violations, Vec::<String>::new());
        assert_eq!(self.server.record().violations, Vec::<String>::new());
    }

    fn duplicates(&self) -> usize {
        self.receiver.look(|record| record.duplicates)
    }
}

/// An ordinary mail, larger for larger numbers.
fn mail(number: u32) -> Vec<u8> {
    let text = format!("This is line {number} of an ordinary mail.\r\n").repeat(20 + number as usize % 50);
    format!("From: a@example.com\r\nTo: b@example.com\r\nSubject: mail {number}\r\n\r\n{text}").into_bytes()
}

/// Ends the program the polite way and checks that it takes it so.
fn ends_well(collector: Collector) -> Vec<String> {
    let (status, lines) = collector.terminate();
    assert!(status.success(), "SIGTERM: {status}\n{}", lines.join("\n"));
    let output = lines.join("\n");
    for secret in [imap_server::PASSWORD, receiver::SECRET, "hook/mail", "wrong-secret"] {
        assert!(!output.contains(secret), "a secret in the output:\n{output}");
    }
    lines
}

// ---- where it begins ----

#[test]
fn the_first_start_from_zero_delivers_everything_and_only_reads() {
    let stage = Stage::new();
    let uids = stage.deliver(300);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    let record = stage.server.record();
    assert_eq!(record.bodies, uids, "every body once");
    assert!(record.commands.iter().any(|command| command.starts_with("EXAMINE")));
    assert!(!record.commands.iter().any(|command| command.starts_with("SELECT")));
    assert!(record.commands.iter().all(|command| !command.contains("BODY[")));
    let first = stage.receiver.record().events.remove(0);
    assert_eq!(first.header("subject"), "mail 0");
    assert_eq!(first.uid_validity, u64::from(stage.server.uid_validity()));
    assert_eq!(first.event["routing"]["mailbox"], "INBOX");
    assert_eq!(first.event["routing"]["hostname"], "collector");
}

#[test]
fn the_first_start_from_now_delivers_only_what_comes_after() {
    let mut stage = Stage::new();
    stage.configuration.from_zero = false;
    stage.deliver(20);
    let collector = stage.start();
    stage.wait_for_idle();
    let uid = stage.server.deliver(&mail(99));
    stage.wait_for_exactly(&[uid]);
    ends_well(collector);
    assert_eq!(stage.server.record().bodies, [uid]);
}

#[test]
fn from_now_is_remembered_even_if_nothing_came_before_the_kill() {
    let mut stage = Stage::new();
    stage.configuration.from_zero = false;
    stage.deliver(5);
    let collector = stage.start();
    stage.wait_for_idle();
    collector.kill();
    let while_down = stage.deliver(3);
    let collector = stage.start();
    stage.wait_for_exactly(&while_down);
    ends_well(collector);
}

#[test]
fn an_empty_mailbox_is_watched() {
    let stage = Stage::new();
    let collector = stage.start();
    stage.wait_for_idle();
    let uids = stage.deliver(1);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn a_new_mail_is_delivered_live_by_idle() {
    let stage = Stage::new();
    let mut uids = stage.deliver(3);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    for _ in 0..3 {
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
    }
    ends_well(collector);
    assert_eq!(
        stage.server.record().bodies,
        uids,
        "a new mail never fetches the last one again"
    );
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let stage = Stage::new();
    let mut uids = stage.deliver(100);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    uids.extend(stage.deliver(7));
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
    assert_eq!(stage.server.record().bodies, uids);
}

#[test]
fn two_processes_on_one_state_directory_are_one_too_many() {
    let stage = Stage::new();
    let uids = stage.deliver(1);
    let first = stage.start();
    stage.wait_for_exactly(&uids);
    let (status, lines) = stage.start().ends();
    assert_eq!(status.code(), Some(1));
    let [line] = lines.as_slice() else {
        panic!("one line: {lines:?}")
    };
    assert!(line.contains("state_dir") && line.contains("another"), "{line}");
    ends_well(first);
}

// ---- the IMAP server fails ----

#[test]
fn a_disconnect_inside_a_literal_costs_nothing_but_time() {
    let length = mail(10).len();
    for after in [0, 1, length / 2, length - 1, length] {
        let stage = Stage::new();
        let uids = stage.deliver(30);
        stage
            .server
            .misbehave(ServerFault::DisconnectInsideLiteral { body: 11, after });
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        ends_well(collector);
        let record = stage.server.record();
        assert_eq!(
            (record.faults_struck, record.connections),
            (1, 2),
            "cut after {after} bytes"
        );
        let event = &stage.receiver.record().events[10];
        assert_eq!(event.header("subject"), "mail 10");
    }
}

#[test]
fn strange_but_legal_answers_change_nothing() {
    for fault in [
        ServerFault::ItemsInAnotherOrder,
        ServerFault::UnsolicitedData,
        ServerFault::UidNextMissing,
        ServerFault::Forgets { uid: 43 },
    ] {
        let stage = Stage::new();
        let mut uids = stage.deliver(10);
        stage.server.misbehave(fault.clone());
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
        ends_well(collector);
        assert_eq!(stage.duplicates(), 0, "{fault:?}");
    }
}

#[test]
fn an_expunged_mail_is_a_gap_and_the_others_come() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    stage.server.misbehave(ServerFault::BodyNil { uid: 45 });
    let collector = stage.start();
    let others: Vec<u32> = uids.into_iter().filter(|uid| *uid != 45).collect();
    stage.wait_for_exactly(&others);
    collector.wait_for_line(&["45"]);
    ends_well(collector);
}

#[test]
fn bye_in_the_middle_of_everything_is_survived() {
    for fault in [
        ServerFault::ByeOn("EXAMINE"),
        ServerFault::ByeOn("UID FETCH"),
        ServerFault::ByeOn("IDLE"),
    ] {
        let stage = Stage::new();
        let mut uids = stage.deliver(10);
        stage.server.misbehave(fault);
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
        ends_well(collector);
        assert_eq!(stage.server.record().faults_struck, 1);
    }
}

#[test]
fn a_connection_lost_in_idle_is_made_again() {
    let stage = Stage::new();
    let collector = stage.start();
    stage.wait_for_idle();
    stage.server.cut_connections();
    let uids = stage.deliver(1);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn uidvalidity_changes_and_no_mail_is_missed() {
    let stage = Stage::new();
    stage.deliver(10);
    let collector = stage.start();
    stage
        .receiver
        .wait_until("the first mails", |record| record.events.len() == 10);
    stage.wait_for_idle();
    stage.server.recreate();
    collector.wait_for_line(&["UIDVALIDITY"]);
    stage.server.deliver(&mail(77));
    let validity = u64::from(stage.server.uid_validity());
    stage.receiver.wait_until("the mail behind the change", |record| {
        record
            .events
            .iter()
            .any(|event| event.header("subject") == "mail 77" && event.uid_validity == validity)
    });
    ends_well(collector);
    assert_eq!(stage.receiver.record().violations, Vec::<String>::new());
}

#[test]
fn clear_text_and_both_ways_to_log_in_work() {
    for (sasl_ir, auth_plain) in [(true, true), (false, true), (false, false)] {
        let settings = imap_server::Settings {
            certificate: None,
            sasl_ir,
            auth_plain,
            ..imap_server::Settings::default()
        };
        let mut stage = Stage::with(settings, receiver::Settings::default());
        stage.configuration.is_insecure = true;
        let uids = stage.deliver(3);
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        ends_well(collector);
    }
}

#[test]
fn a_mailbox_with_a_name_beyond_ascii_is_found() {
    let settings = imap_server::Settings {
        mailbox: "Journal &AOk-t&AOk-".to_owned(),
        ..imap_server::Settings::default()
    };
    let mut stage = Stage::with(settings, receiver::Settings::default());
    stage.configuration.inbox_name = Some("Journal été".to_owned());
    let uids = stage.deliver(3);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(
        stage.receiver.record().events[0].event["routing"]["mailbox"],
        "Journal été"
    );
}

// ---- the receiver fails ----

#[test]
fn the_sink_says_503_and_delivery_waits() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 503,
        retry_after: None,
    });
    let collector = stage.start();
    stage
        .receiver
        .wait_until("a second attempt", |record| record.requests >= 2);
    assert_eq!(stage.receiver.record().events.len(), 0);
    // Had the checkpoint moved, a kill here would lose mail.
    collector.kill();
    let collector = stage.start();
    stage
        .receiver
        .wait_until("an attempt after the restart", |record| record.requests >= 3);
    stage.receiver.heal();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn retry_after_of_any_kind_is_survived() {
    let stage = Stage::new();
    let uids = stage.deliver(5);
    for retry_after in ["1", "soon"] {
        stage.receiver.misbehave_once(ReceiverFault::Status {
            code: 503,
            retry_after: Some(retry_after),
        });
    }
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.receiver.record().faults_struck, 2);
}

#[test]
fn the_sink_stored_but_did_not_answer_so_the_same_ids_come_again() {
    for fault in [ReceiverFault::CloseAfterStoring, ReceiverFault::HalfAnswer] {
        let stage = Stage::new();
        let uids = stage.deliver(20);
        stage.receiver.misbehave_once(fault);
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        ends_well(collector);
        let record = stage.receiver.record();
        assert!(record.duplicates > 0, "what was not acknowledged is sent again");
        assert_eq!(record.violations, Vec::<String>::new(), "with equal ids and content");
    }
}

#[test]
fn an_answer_a_byte_at_a_time_and_a_lost_connection_change_nothing() {
    let stage = Stage::new();
    let mut uids = stage.deliver(5);
    stage.receiver.misbehave(ReceiverFault::Drip);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    // The kept connection is closed while idle: the next request takes a fresh one.
    stage.receiver.cut_connections();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    stage.receiver.misbehave_once(ReceiverFault::CloseBeforeStoring);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn one_connection_serves_many_batches() {
    let stage = Stage::new();
    let mut uids = stage.deliver(1);
    let collector = stage.start();
    for _ in 0..5 {
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
    }
    ends_well(collector);
    assert_eq!(stage.receiver.record().connections, 1);
}

#[test]
fn sigterm_while_the_sink_is_dead_loses_nothing() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::CloseBeforeStoring);
    let collector = stage.start();
    stage.receiver.wait_until("an attempt", |record| record.requests >= 1);
    ends_well(collector);
    stage.receiver.heal();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

// ---- the configuration is wrong: one clear line, and the program goes on trying ----

/// Starts with what is wrong, wants one line with all of `words`, a program that is still there, and nothing delivered.
fn complains(stage: &Stage, words: &[&str]) {
    let uids = stage.deliver(3);
    let collector = stage.start();
    collector.wait_for_line(words);
    ends_well(collector);
    assert_eq!(stage.receiver.record().events.len(), 0);
    assert_eq!(stage.server.uids(), uids);
}

#[test]
fn a_wrong_password() {
    let mut stage = Stage::new();
    stage.configuration.password = "wrong-secret".to_owned();
    complains(&stage, &["login", "username", "password"]);
    assert_eq!(
        stage.server.record().connections,
        1,
        "an account is not hammered until it is locked"
    );
}

#[test]
fn a_wrong_certificate_authority() {
    let mut stage = Stage::new();
    stage.configuration.ca_file = certificates::other_authority();
    complains(&stage, &["TLS handshake", "ca_file"]);
}

#[test]
fn a_server_that_shows_another_hosts_certificate() {
    for (certificate, word) in [(Certificate::WrongHost, "server"), (Certificate::Expired, "expired")] {
        let settings = imap_server::Settings {
            certificate: Some(certificate),
            ..imap_server::Settings::default()
        };
        let stage = Stage::with(settings, receiver::Settings::default());
        complains(&stage, &["TLS handshake", word]);
    }
}

#[test]
fn a_host_that_does_not_exist() {
    let mut stage = Stage::new();
    stage.configuration.server = "imap.invalid:993".to_owned();
    complains(&stage, &["imap.invalid:993", "name resolution"]);
}

#[test]
fn a_port_where_nobody_listens() {
    let mut stage = Stage::new();
    stage.configuration.server = "localhost:1".to_owned();
    complains(&stage, &["localhost:1", "connect"]);
}

#[test]
fn a_wrong_mailbox() {
    let mut stage = Stage::new();
    stage.configuration.inbox_name = Some("Jurnal".to_owned());
    complains(&stage, &["inbox_name", "Jurnal"]);
}

#[test]
fn a_wrong_receiver_secret() {
    let mut stage = Stage::new();
    stage.configuration.lc_secret = "wrong-secret".to_owned();
    complains(&stage, &["401", "lc_secret"]);
}

#[test]
fn a_wrong_receiver_path() {
    let mut stage = Stage::new();
    stage.configuration.dest_url.push_str("-wrong-secret");
    complains(&stage, &["404", "dest_url"]);
}

#[test]
fn a_receiver_that_shows_another_hosts_certificate() {
    let settings = receiver::Settings {
        certificate: Some(Certificate::WrongHost),
        ..receiver::Settings::default()
    };
    let stage = Stage::with(imap_server::Settings::default(), settings);
    complains(&stage, &["TLS handshake", "dest_url"]);
}
