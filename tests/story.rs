//! The program's story, failure by failure: the real binary between the two servers of `support`.
//!
//! What would take minutes of waiting in the real program is told in `story/patience.rs` and `story/long_run.rs`
//! with a clock of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "story/after_delivery.rs"]
mod after_delivery;
#[path = "story/artifacts.rs"]
mod artifacts;
#[path = "story/check.rs"]
mod check;
#[path = "story/cloud.rs"]
mod cloud;
#[path = "story/confined.rs"]
mod confined;
#[path = "story/dead_letters.rs"]
mod dead_letters;
#[path = "story/gateways.rs"]
mod gateways;
#[path = "story/hangup.rs"]
mod hangup;
#[path = "story/health.rs"]
mod health;
#[path = "story/logs.rs"]
mod logs;
#[path = "story/long_run.rs"]
mod long_run;
#[path = "story/managed.rs"]
mod managed;
#[path = "story/once.rs"]
mod once;
#[path = "story/patience.rs"]
mod patience;
#[path = "story/poison.rs"]
mod poison;
#[path = "story/prometheus.rs"]
mod prometheus;
#[path = "story/receiver_fails.rs"]
mod receiver_fails;
#[path = "story/replay.rs"]
mod replay;
#[path = "story/server_fails.rs"]
mod server_fails;
#[path = "story/several_mailboxes.rs"]
mod several_mailboxes;
mod support;
#[path = "story/the_end.rs"]
mod the_end;
#[path = "story/the_way.rs"]
mod the_way;
#[path = "story/tokens.rs"]
mod tokens;
#[path = "story/watch.rs"]
mod watch;
#[path = "story/wrong_settings.rs"]
mod wrong_settings;

use std::process::Command;

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
fn ends_well(collector: Collector) {
    collector.ask_to_stop();
    ended_well(collector);
}

fn ended_well(collector: Collector) {
    let (status, lines) = collector.ends();
    assert!(status.success(), "SIGTERM: {status}\n{}", lines.join("\n"));
}

#[test]
fn the_first_start_from_zero_delivers_everything_and_only_reads() {
    let stage = Stage::new();
    let uids = stage.deliver(300);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&[
        "caught up",
        "username=",
        "mailbox=INBOX",
        "delivered=300",
        "next_uid=341",
    ]);
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
fn matrix_13_two_processes_on_one_state_directory_are_one_too_many() {
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
