//! Row 17: one mailbox of many is broken. How it is for an hour is told on a clock of its own, in
//! `tests/story/several_mailboxes.rs`; here by the real program.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{PROGRAM, ends_well};
use crate::support::collector::Collector;
use crate::support::folder::Folder;
use crate::support::real_server::dovecot::Dovecot;
use crate::support::real_server::{RealServer, USERS};
use crate::support::receiver::Receiver;

#[test]
fn matrix_17_a_mailbox_that_dovecot_cannot_open_holds_up_no_other_and_comes_back() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let receiver = Receiver::start();
    let folder = Folder::new("many");
    let mut configuration = dovecot.configuration(&receiver, &folder.path().join("state"));
    let names = ["A", "B", "Broken", "C"];
    let maildirs = names.map(|name| dovecot.create_mailbox(USERS[0], name));
    let [others @ .., _] = [&maildirs[0], &maildirs[1], &maildirs[3], &maildirs[2]];
    let broken = &maildirs[2];
    configuration.inbox_names = names.map(str::to_owned).into();
    let subjects = || {
        let mut subjects = receiver.look(|record| {
            let events = record.events.iter();
            events
                .map(|event| event.header("subject").to_owned())
                .collect::<Vec<_>>()
        });
        subjects.sort_unstable();
        subjects
    };
    let deliver = |maildir: &str, number: u32| {
        let mail = format!("From: a@example.com\r\nSubject: {maildir} {number}\r\n\r\nnews\r\n");
        dovecot.deliver_to(maildir, mail.as_bytes());
    };
    for maildir in &maildirs {
        deliver(maildir, 0);
    }
    let may = |mode: u32| fs::set_permissions(dovecot.maildir(broken), Permissions::from_mode(mode)).unwrap();
    may(0o000);
    let file = folder.write("mailtap.yaml", configuration.yaml());
    let collector = Collector::start(Command::new(PROGRAM), &file);
    collector.wait_for_line(&["mailbox=Broken", "in_seconds"]);
    for number in 1..4 {
        let there = 3 * number as usize;
        receiver.wait_until("the others", |record| record.events.len() >= there);
        for maildir in others {
            deliver(maildir, number);
        }
    }
    receiver.wait_until("the others' news", |record| record.events.len() >= 12);
    assert!(subjects().iter().all(|subject| !subject.contains("Broken")));
    may(0o700);
    ends_well(collector);
    // Its next attempt may be minutes away; a new start does not wait for it.
    let collector = Collector::start(Command::new(PROGRAM), &file);
    receiver.wait_until("the mail that waited", |record| record.events.len() == 13);
    ends_well(collector);
    assert!(subjects().contains(&format!("{broken} 0")));
    assert_eq!(
        receiver.look(|record| (record.duplicates, record.violations.len())),
        (0, 0)
    );
}
