//! The same story on Dovecot, Cyrus and Courier: the real program between a real server and the receiver of `support`, over
//! TLS, while another session delivers, expunges and deletes.
//!
//! A server that is not on this machine is skipped, and said so, except with `CI=true`. `.ci/servers` fetches those that
//! cannot be installed side by side.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "real_servers/matrix.rs"]
mod matrix;
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use mailtap::limits;

use support::collector::{Collector, Configuration};
use support::folder::Folder;
use support::real_server::courier::Courier;
use support::real_server::cyrus::Cyrus;
use support::real_server::dovecot::Dovecot;
use support::real_server::other_session::OtherSession;
use support::real_server::{Kind, RealServer};
use support::receiver::{self, Receiver};

/// Every chapter on every server.
macro_rules! on_each_server {
    ($($chapter:ident)*) => {
        on_each_server!(dovecot Dovecot: $($chapter)*);
        on_each_server!(cyrus Cyrus: $($chapter)*);
        on_each_server!(courier Courier: $($chapter)*);
    };
    ($module:ident $kind:ident: $($chapter:ident)*) => {
        mod $module {
            $(#[test]
            fn $chapter() {
                if let Some(mut stage) = super::Stage::<super::$kind>::new() {
                    super::$chapter(&mut stage);
                }
            })*
        }
    };
}

on_each_server! {
    started_from_now_it_delivers_what_comes_while_it_idles
    restarted_it_repeats_nothing_and_loses_nothing
    what_another_session_expunges_hides_no_other_mail
    a_mailbox_made_again_while_it_idles_is_read_from_its_first_mail
    a_mailbox_made_again_while_it_is_down_is_read_from_its_first_mail
    starttls_is_as_good_as_tls
    a_wrong_password_is_tried_again_slowly
    a_server_killed_and_started_again_is_found_again
    what_was_delivered_is_seen_and_nothing_else
    what_was_delivered_gets_the_keyword_and_nothing_else
    what_was_delivered_is_moved_and_nothing_else
    what_was_delivered_is_deleted_and_nothing_else
    several_mailboxes_are_found_by_name_by_pattern_and_by_use
    what_readme_says_of_it_is_what_it_says
}

fn started_from_now_it_delivers_what_comes_while_it_idles<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["old 1", "old 2"]);
    stage.configuration.from_zero = false;
    let collector = stage.collect();
    collector.wait_for_line(&["first start", "from now on"]);
    collector.wait_for_line(&["caught up"]);
    stage.expect(&[]);

    let began = Instant::now();
    stage.append(&["live 1"]);
    stage.expect(&["live 1"]);
    println!("{}: a live mail took {} ms", K::NAME, began.elapsed().as_millis());
    assert!(began.elapsed() < limits::IMAP_POLL / 2, "not by polling");
    // IDLE goes on after its first success.
    stage.append(&["live 2", "live 3"]);
    stage.expect(&["live 1", "live 2", "live 3"]);
    stage.ends_well(collector);
}

fn restarted_it_repeats_nothing_and_loses_nothing<K: Kind>(stage: &mut Stage<K>) {
    // UIDs that cannot be taken for sequence numbers.
    stage.append(&["gone 1", "gone 2", "1", "2"]);
    stage.server.other_session().expunge(K::MAILBOX, "1:2");
    let collector = stage.collect();
    stage.expect(&["1", "2"]);
    assert_eq!(stage.receiver.record().uids(), [3, 4]);
    stage.ends_well(collector);

    stage.append(&["3"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "3"]);
    stage.append(&["4"]);
    stage.expect(&["1", "2", "3", "4"]);
    stage.ends_well(collector);

    stage.append(&["5"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "3", "4", "5"]);
    stage.ends_well(collector);
}

fn what_another_session_expunges_hides_no_other_mail<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["1", "2", "3"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "3"]);
    collector.wait_for_line(&["caught up"]);
    // One fewer and one more: by their number alone nothing has happened.
    let mut other = stage.server.other_session();
    other.expunge(K::MAILBOX, "1");
    other.append(K::MAILBOX, &mail("4"));
    stage.expect(&["1", "2", "3", "4"]);
    other.expunge(K::MAILBOX, "2:4");
    other.append(K::MAILBOX, &mail("5"));
    stage.expect(&["1", "2", "3", "4", "5"]);
    stage.ends_well(collector);

    // And while it is down: what it knows the mailbox by is gone.
    other.expunge(K::MAILBOX, "5");
    other.append(K::MAILBOX, &mail("6"));
    let collector = stage.collect();
    stage.expect(&["1", "2", "3", "4", "5", "6"]);
    stage.ends_well(collector);
}

fn a_mailbox_made_again_while_it_idles_is_read_from_its_first_mail<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["1", "2", "3"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "3"]);
    collector.wait_for_line(&["caught up"]);
    let mut other = stage.server.other_session();
    let before = other.uid_validity(K::MAILBOX);
    other.command(&format!("DELETE {}", K::MAILBOX));
    if K::ENDS_SESSIONS_ON_DELETION {
        collector.wait_for_line(&["trying again"]);
    }
    other.create_anew(K::MAILBOX, &before);
    other.append(K::MAILBOX, &mail("new 1"));
    stage.expect(&["1", "2", "3", "new 1"]);
    collector.wait_for_line(&["UIDVALIDITY changed"]);
    other.append(K::MAILBOX, &mail("new 2"));
    stage.expect(&["1", "2", "3", "new 1", "new 2"]);
    let record = stage.receiver.record();
    assert_eq!(record.uids(), [1, 2, 3, 1, 2]);
    let uid_validities: BTreeSet<u64> = record.events.iter().map(|event| event.uid_validity).collect();
    assert_eq!(uid_validities.len(), 2);
    stage.ends_well(collector);
}

fn a_mailbox_made_again_while_it_is_down_is_read_from_its_first_mail<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["1", "2"]);
    let collector = stage.collect();
    stage.expect(&["1", "2"]);
    stage.ends_well(collector);
    // More mails than before, so that no number tells; one of them the same as before.
    let mut other = stage.server.other_session();
    let before = other.uid_validity(K::MAILBOX);
    other.command(&format!("DELETE {}", K::MAILBOX));
    other.create_anew(K::MAILBOX, &before);
    stage.append(&["new 1", "2", "new 3"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "new 1", "new 3"]);
    collector.wait_for_line(&["UIDVALIDITY changed"]);
    stage.ends_well(collector);
}

fn starttls_is_as_good_as_tls<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["1"]);
    stage.configuration.more.push("starttls: true".to_owned());
    stage.configuration.server = format!("localhost:{}", stage.server.place.imap);
    let collector = stage.collect();
    stage.expect(&["1"]);
    stage.append(&["2"]);
    stage.expect(&["1", "2"]);
    stage.ends_well(collector);
}

fn a_wrong_password_is_tried_again_slowly<K: Kind>(stage: &mut Stage<K>) {
    "not-the-password".clone_into(&mut stage.configuration.password);
    let collector = stage.collect();
    let line = collector.wait_for_line(&["trying again"]);
    assert!(
        line.contains("login") && line.contains("username") && line.contains("password"),
        "the line names the phase and the settings: {line}"
    );
    let (_, seconds) = line.rsplit_once("in_seconds=").unwrap();
    let wait = Duration::from_secs(seconds.parse().unwrap());
    assert!(wait >= mailtap::backoff::AUTHENTICATION.first / 2, "{line}");
    let lines = stage.ends_well(collector);
    assert!(!lines.concat().contains("not-the-password"));
}

fn a_server_killed_and_started_again_is_found_again<K: Kind>(stage: &mut Stage<K>) {
    stage.append(&["1", "2"]);
    let collector = stage.collect();
    stage.expect(&["1", "2"]);
    collector.wait_for_line(&["caught up"]);
    stage.server.kill();
    collector.wait_for_line(&["trying again"]);
    stage.server.go_on();
    stage.append(&["3"]);
    stage.expect(&["1", "2", "3"]);
    stage.append(&["4"]);
    stage.expect(&["1", "2", "3", "4"]);
    stage.ends_well(collector);
}

fn what_was_delivered_is_seen_and_nothing_else<K: Kind>(stage: &mut Stage<K>) {
    let mut other = after_delivery("seen", stage);
    assert_eq!(other.search(K::MAILBOX, "SEEN DELETED"), 0);
    assert_eq!(other.search(K::MAILBOX, "SEEN"), 5);
    assert_eq!(other.search(K::MAILBOX, "DELETED"), 1);
}

fn what_was_delivered_gets_the_keyword_and_nothing_else<K: Kind>(stage: &mut Stage<K>) {
    let mut other = after_delivery("'flag:$Collected'", stage);
    assert_eq!(other.search(K::MAILBOX, "KEYWORD $Collected"), 5);
    assert_eq!(other.search(K::MAILBOX, "UNKEYWORD $Collected DELETED"), 1);
    assert_eq!(other.search(K::MAILBOX, "SEEN"), 0);
}

fn what_was_delivered_is_moved_and_nothing_else<K: Kind>(stage: &mut Stage<K>) {
    let done = format!("{}-done", K::MAILBOX);
    stage.server.other_session().command(&format!("CREATE {done}"));
    let mut other = after_delivery(&format!("'move:{done}'"), stage);
    assert_eq!(other.search(K::MAILBOX, "ALL"), 1);
    // Where the kill falls between COPY and what follows it, the three from before are copied twice.
    let moves = other
        .command("CAPABILITY")
        .iter()
        .any(|line| line.split_whitespace().any(|name| name == "MOVE"));
    let copies = other.search(&done, "ALL");
    assert!(copies == 5 || !moves && copies == 8, "{copies}");
    assert_eq!(other.search(&done, "DELETED"), 0);
}

fn what_was_delivered_is_deleted_and_nothing_else<K: Kind>(stage: &mut Stage<K>) {
    let mut other = after_delivery("delete", stage);
    assert_eq!(other.search(K::MAILBOX, "ALL"), 1);
}

/// Five mails are delivered, three before a kill and two after it; a sixth, which is older and which another client has
/// marked as deleted, is none of our business.
fn after_delivery<K: Kind>(setting: &str, stage: &mut Stage<K>) -> OtherSession {
    let mut other = stage.server.other_session();
    stage.append(&["theirs"]);
    other.command(&format!("SELECT {}", K::MAILBOX));
    other.command("UID STORE 1 +FLAGS.SILENT (\\Deleted)");
    stage.configuration.from_zero = false;
    stage.configuration.more.push(format!("after_delivery: {setting}"));
    let collector = stage.collect();
    collector.wait_for_line(&["caught up"]);
    stage.append(&["1", "2", "3"]);
    stage.expect(&["1", "2", "3"]);
    // Wherever it falls: before the checkpoint, which repeats an event, or between the checkpoint and the action.
    collector.kill();
    stage.append(&["4", "5"]);
    let collector = stage.collect();
    stage.expect(&["1", "2", "3", "4", "5"]);
    collector.wait_for_line(&["caught up"]);
    let (status, lines) = collector.terminate();
    let lines = lines.join("\n");
    assert!(status.success(), "{lines}");
    assert!(!lines.contains("gap") && !lines.contains("trying again"), "{lines}");
    assert_eq!(other.search(K::MAILBOX, "UID 1 DELETED"), 1);
    other
}

/// Each is a sensor of its own, and what is none of them is left alone. A use that the server does not tell is no mailbox.
fn several_mailboxes_are_found_by_name_by_pattern_and_by_use<K: Kind>(stage: &mut Stage<K>) {
    let mut other = stage.server.other_session();
    let capabilities = other.command("CAPABILITY").concat();
    let tells_uses = capabilities.contains(" SPECIAL-USE");
    let delimiter = if K::MAILBOX.contains('.') { '.' } else { '/' };
    let beside = |name: &str| K::MAILBOX.replace("Journal", name);
    let below = |name: &str| format!("{}{delimiter}{name}", K::MAILBOX);
    let use_of_it = if capabilities.contains("CREATE-SPECIAL-USE") {
        " (USE (\\Sent))"
    } else {
        ""
    };
    other.command(&format!("CREATE {}{use_of_it}", beside("Sent")));
    for name in [below("2025"), below("&AOk-t&AOk-"), beside("Private")] {
        other.command(&format!("CREATE {name}"));
    }
    let mailboxes = [below("2025"), below("&AOk-t&AOk-"), beside("Private"), beside("Sent")];
    for (name, subject) in mailboxes.iter().zip(["2025", "summer", "private", "sent"]) {
        other.append(name, &mail(subject));
    }
    stage.append(&["journal"]);
    stage.configuration.inbox_name = None;
    stage.configuration.inbox_names = vec![K::MAILBOX.to_owned(), below("*"), "\\Sent".to_owned()];
    let collector = stage.collect();
    if !tells_uses {
        collector.wait_for_line(&["no mailbox that it has the use", "entry=\\Sent"]);
    }
    let mut expected = BTreeSet::from([
        (K::MAILBOX.to_owned(), "journal".to_owned()),
        (below("2025"), "2025".to_owned()),
        (below("été"), "summer".to_owned()),
    ]);
    if tells_uses {
        expected.insert((beside("Sent"), "sent".to_owned()));
    }
    stage
        .receiver
        .wait_until("a mail of each", |record| record.events.len() >= expected.len());
    for subject in ["2026", "live"] {
        other.append(&below("&AOk-t&AOk-"), &mail(subject));
        expected.insert((below("été"), subject.to_owned()));
    }
    stage
        .receiver
        .wait_until("live mail", |record| record.events.len() >= expected.len());
    stage.ends_well(collector);
    let record = stage.receiver.record();
    let came: BTreeSet<(String, String)> = record
        .events
        .iter()
        .map(|event| (event, event.event["routing"]["mailbox"].as_str().unwrap()))
        .map(|(event, mailbox)| (mailbox.to_owned(), event.header("subject").to_owned()))
        .collect();
    assert_eq!(came, expected);
}

fn what_readme_says_of_it_is_what_it_says<K: Kind>(stage: &mut Stage<K>) {
    matrix::holds(&stage.server);
}

/// A server with an empty mailbox, the receiver, and a configuration between them that is right in everything.
struct Stage<K: Kind> {
    server: RealServer<K>,
    receiver: Receiver,
    folder: Folder,
    configuration: Configuration,
}

impl<K: Kind> Stage<K> {
    fn new() -> Option<Stage<K>> {
        let server = RealServer::<K>::start()?;
        server.other_session().command(&format!("CREATE {}", K::MAILBOX));
        let receiver = Receiver::start();
        let folder = Folder::new("real-servers");
        let mut configuration = server.configuration(&receiver, &folder.path().join("state"));
        configuration.inbox_name = Some(K::MAILBOX.to_owned());
        Some(Stage {
            server,
            receiver,
            folder,
            configuration,
        })
    }

    /// Delivers mails with these subjects.
    fn append(&self, subjects: &[&str]) {
        let mut session = self.server.other_session();
        for subject in subjects {
            session.append(K::MAILBOX, &mail(subject));
        }
    }

    fn collect(&self) -> Collector {
        let file = self.folder.write("mailtap.yaml", self.configuration.yaml());
        Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file)
    }

    /// Waits for as many events; they must be of these mails, byte by byte, in this order.
    fn expect(&self, subjects: &[&str]) {
        self.receiver
            .wait_until(&format!("{subjects:?}"), |record| record.events.len() >= subjects.len());
        let record = self.receiver.record();
        let delivered: Vec<&str> = record.events.iter().map(|event| event.header("subject")).collect();
        assert_eq!(delivered, subjects);
        for event in &record.events {
            let expected = receiver::sha256(&mail(event.header("subject")));
            assert_eq!(event.event["routing"]["sha256"], expected);
        }
    }

    /// SIGTERM ends the collector well, and nothing was delivered twice.
    fn ends_well(&self, collector: Collector) -> Vec<String> {
        let (status, lines) = collector.terminate();
        assert!(status.success(), "{status}\n{}", lines.join("\n"));
        let record = self.receiver.record();
        assert_eq!(record.duplicates, 0, "{}", lines.join("\n"));
        assert_eq!(record.violations, Vec::<String>::new());
        lines
    }
}

fn mail(subject: &str) -> Vec<u8> {
    format!("From: a@example.com\r\nSubject: {subject}\r\n\r\nThe text of {subject}.\r\n").into_bytes()
}
