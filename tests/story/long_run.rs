//! Months of service in a moment: a long backlog, a mailbox that changes its identity, a server that wants to be left alone.

use std::time::Duration;

use mailtap::imap::resume::Memory;
use mailtap::limits;
use mailtap::metrics::Counter;

use crate::patience::minutes;
use crate::support::imap_server::Fault;
use crate::support::receiver;
use crate::watch::Watch;

const LATER: receiver::Fault = receiver::Fault::Status {
    code: 503,
    retry_after: Some("120"),
};

/// The receiver is away for two minutes, and comes back.
fn two_minutes_pass(watch: &Watch) {
    assert!(watch.glass.waiting() >= minutes(2));
    watch.receiver.heal();
    watch.glass.turn();
}

fn last_memory(watch: &Watch) -> Memory {
    watch.memories.lock().unwrap().last().unwrap().clone()
}

#[test]
fn live_mail_does_not_wait_for_the_end_of_a_backlog_nor_come_twice_after_a_restart() {
    const BACKLOG: u32 = 6000;
    let mut watch = Watch::new(BACKLOG);
    watch.receiver.misbehave(LATER);
    watch.begin_well();
    watch.glass.waiting();
    let live = u64::from(watch.server.deliver(&crate::mail(1)));
    two_minutes_pass(&watch);
    watch
        .receiver
        .wait_until("the live mail", |record| record.uids().contains(&live));
    watch.receiver.misbehave(LATER);
    watch.glass.waiting();
    let before = watch.receiver.record().uids();
    let place = before.iter().position(|uid| *uid == live).unwrap();
    assert!(
        place <= limits::IMAP_MOST_IN_FLIGHT * limits::IMAP_BATCH_MAILS,
        "{place} mails before the live one"
    );
    let memory = last_memory(&watch);
    assert!(memory.position.next_uid < u64::from(BACKLOG), "{:?}", memory.position);
    assert!(
        memory.done.iter().any(|range| range.contains(&live)),
        "{:?}",
        memory.done
    );

    // The next process goes on with the backlog, and does not ask for the live mail again.
    watch.end();
    watch.receiver.heal();
    watch.server.deliver(&crate::mail(2));
    watch.begin_well();
    watch.wait_for_events(BACKLOG as usize + 2);
    watch.wait_for_idle();
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
    let memory = last_memory(&watch);
    assert_eq!(
        (memory.position.next_uid, memory.done),
        (u64::from(BACKLOG) + 3, vec![])
    );
    assert_eq!(watch.counted(Counter::Delivered), u64::from(BACKLOG) + 2);
}

/// What a listing and a FETCH response say of a mail beside it, what a session says before, and the answers to the NOOP,
/// EXAMINE and listing of a minute; generously.
const OF_A_MAIL: usize = 200;
const OF_A_SESSION: usize = 2000;
const OF_A_POLL: u64 = 500;

#[test]
fn an_unchanged_mailbox_downloads_no_mail_and_each_mail_was_downloaded_once() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::NoIdle);
    watch.begin_well();
    watch.wait_for_events(20);
    watch.glass.waiting();
    let bytes: usize = (0..20).map(|number| crate::mail(number).len()).sum();
    // Each mail once, and what an answer has besides.
    let to_read_all = watch.server.sent_bytes();
    let most = bytes + 20 * OF_A_MAIL + OF_A_SESSION;
    assert!(
        (bytes..most).contains(&usize::try_from(to_read_all).unwrap()),
        "{to_read_all} bytes"
    );
    for _ in 0..40 {
        watch.glass.turn();
        watch.glass.waiting();
    }
    let to_poll = watch.server.sent_bytes() - to_read_all;
    assert!(
        to_poll < 40 * OF_A_POLL,
        "{to_poll} bytes in 40 minutes in which nothing came"
    );
    assert_eq!(watch.counted(Counter::FetchedMails), 20);
    assert_eq!(watch.counted(Counter::FetchedBytes), bytes as u64);
    assert_eq!(watch.server.record().bodies, (1..=20).collect::<Vec<u32>>());
    println!(
        "20 mails of {bytes} bytes: {to_read_all} bytes on the wire; 40 minutes of polling: {to_poll}, no mail in them"
    );
}

#[test]
fn matrix_14_a_new_uidvalidity_at_every_examine_repeats_nothing() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::UidValidityAlwaysNew);
    watch.begin_well();
    watch.wait_for_events(20);
    for more in 1..=3 {
        watch.wait_for_idle();
        watch.server.cut_connections();
        watch.glass.waiting();
        watch.server.deliver(&crate::mail(30 + more));
        watch.glass.turn();
        watch.wait_for_events(20 + more as usize);
    }
    watch.wait_for_idle();
    // A new process, as well.
    watch.end();
    watch
        .server
        .wait_until("no session in IDLE", |record| record.idling == 0);
    watch.begin_well();
    watch.wait_for_idle();
    let record = watch.receiver.record();
    assert_eq!((record.uids(), record.duplicates), ((1..=23).collect(), 0));
    assert_eq!(watch.counted(Counter::Renumbered), 4);
    let proofs = watch.server.record().bodies.len() - 23;
    assert_eq!(proofs, 4, "one small mail proves that the mailbox is the same");
}

#[test]
fn matrix_14_uids_that_begin_anew_are_noticed_though_the_first_mails_have_the_same_as_before() {
    let mut watch = Watch::new(3);
    watch.server.skip_uids_to(10);
    watch.server.deliver(&crate::mail(3));
    watch.begin_well();
    watch.wait_for_events(4);
    watch.wait_for_idle();
    watch.server.recreate();
    watch.glass.waiting();
    // Its UID is one of those that are done.
    watch.server.deliver(&crate::mail(9));
    watch.glass.turn();
    watch.wait_for_events(6);
    watch.wait_for_idle();
    // Nothing proves that 4 is the mail that was 10: it comes again.
    assert_eq!(watch.receiver.record().uids(), [1, 2, 3, 10, 4, 5]);
}

#[test]
fn matrix_14_uidvalidity_changes_and_mails_known_by_their_hash_do_not_come_again() {
    let mut watch = Watch::new(0);
    watch.server.skip_uids_to(41);
    for number in 0..50 {
        watch.server.deliver(&crate::mail(number));
    }
    watch.begin_well();
    watch.wait_for_events(50);
    watch.wait_for_idle();
    watch.server.recreate();
    watch.glass.waiting();
    watch.server.deliver(&crate::mail(70));
    watch.glass.turn();
    watch.wait_for_events(51);
    watch.wait_for_idle();
    assert_eq!(watch.receiver.record().events.len(), 51);
    assert_eq!(watch.counted(Counter::Recognised), 50);
    assert_eq!(watch.counted(Counter::Presumed), 0);
    assert_eq!(last_memory(&watch).rescan, None, "it is over");
}

#[test]
fn matrix_14_uidvalidity_changes_and_mails_older_than_the_last_one_are_counted_not_repeated() {
    // The server of the tests dates the first 2,000 a day earlier than the others.
    let mut watch = Watch::new(0);
    watch.server.skip_uids_to(41);
    for number in 0..2010 {
        watch.server.deliver(&crate::mail(number));
    }
    watch.begin_well();
    watch.wait_for_events(2010);
    watch.wait_for_idle();
    watch.server.recreate();
    watch.glass.waiting();
    watch.server.deliver(&crate::mail(70));
    watch.glass.turn();
    watch.wait_for_events(2011);
    watch.wait_for_idle();
    assert_eq!(watch.receiver.record().events.len(), 2011);
    assert_eq!(watch.counted(Counter::Presumed), 2000);
    assert_eq!(watch.counted(Counter::Recognised), 10);
}

#[test]
fn a_uid_visible_later_than_a_higher_one_is_delivered() {
    let mut watch = Watch::new(3);
    watch.begin_well();
    watch.wait_for_events(3);
    watch.wait_for_idle();
    watch.server.skip_uids_to(6);
    watch.server.deliver(&crate::mail(6));
    watch.wait_for_events(4);
    watch.wait_for_idle();
    watch.server.deliver_late(5, &crate::mail(5));
    watch.wait_for_events(5);
    watch.wait_for_idle();
    assert_eq!(watch.receiver.record().uids(), [1, 2, 3, 6, 5]);
    assert_eq!((watch.counted(Counter::Late), watch.next_uid()), (1, Some(7)));
}

#[test]
fn a_listing_at_which_the_session_ends_is_asked_for_in_smaller_windows() {
    let mut watch = Watch::new(0);
    // Windows without a mail are doubled, up to this one.
    watch.server.skip_uids_to(900_000);
    watch.server.deliver(&crate::mail(1));
    watch.server.misbehave(Fault::Says {
        to: "UID FETCH 350001:750000 ",
        line: "* BYE that is too much",
    });
    watch.begin_well();
    watch.glass.waiting();
    watch.glass.turn();
    // It is as much as before, and not asked for any more.
    watch.wait_for_events(1);
    let commands = watch.server.record().commands;
    let asked = |window: &str| commands.iter().filter(|command| command.starts_with(window)).count();
    assert_eq!(asked("UID FETCH 350001:750000 "), 1, "{commands:?}");
    assert_eq!(asked("UID FETCH 350001:550000 "), 1, "{commands:?}");
}

#[test]
fn a_throttle_hint_is_honoured_up_to_its_cap_and_less_is_asked_for() {
    for (line, least, most) in [
        (
            "NO [LIMIT] Request is throttled. Suggested Backoff Time: 240000 milliseconds",
            minutes(4),
            minutes(4),
        ),
        (
            "* BYE [THROTTLED] Suggested Backoff Time: 99999999999 milliseconds",
            minutes(15),
            minutes(15),
        ),
        (
            "NO [THROTTLED] slowly",
            Duration::from_secs(30),
            Duration::from_secs(60),
        ),
    ] {
        let mut watch = Watch::new(600);
        let to = if line.starts_with('*') {
            "EXAMINE"
        } else {
            "UID FETCH 1:500 ("
        };
        watch.server.misbehave(Fault::Says { to, line });
        watch.begin_well();
        let wait = watch.glass.waiting();
        assert!((least..=most).contains(&wait), "{line}: {wait:?}");
        watch.server.heal();
        watch.server.forget_record();
        watch.glass.turn();
        watch.wait_for_events(600);
        let first = watch
            .server
            .record()
            .commands
            .into_iter()
            .find(|command| command.starts_with("UID FETCH 1:") && command.contains("BODY.PEEK"));
        assert!(first.as_ref().unwrap().starts_with("UID FETCH 1:250 ("), "{first:?}");
        assert_eq!(watch.counted(Counter::Throttled), 1);
    }
}

#[test]
fn a_server_that_ends_every_session_at_idle_is_asked_less_and_less_often() {
    let mut watch = Watch::new(3);
    watch.server.misbehave(Fault::Says {
        to: "IDLE",
        line: "* BYE not today",
    });
    watch.begin_well();
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(watch.glass.waiting());
        watch.glass.turn();
    }
    assert!(waits.is_sorted() && waits[11] >= minutes(1), "{waits:?}");
    assert_eq!(watch.counted(Counter::Delivered), 3);
}

#[test]
fn a_server_without_its_storage_is_not_asked_for_every_mail_one_by_one() {
    let mut watch = Watch::new(300);
    watch.server.misbehave(Fault::NoBodies);
    watch.begin_well();
    for _ in 0..2 {
        watch.glass.waiting();
        let commands = watch.server.record().commands.len();
        assert!(commands < 80, "{commands} commands");
        watch.server.forget_record();
        watch.glass.turn();
    }
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(300);
    assert_eq!(watch.counted(Counter::Refused), 0);
}

#[test]
fn matrix_14_gaps_are_counted() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::NoOnFetch { uid: 7 });
    watch.server.misbehave(Fault::BodyNil { uid: 9 });
    watch.begin_well();
    watch.glass.turns(2);
    watch.wait_for_idle();
    let counted = [
        Counter::Delivered,
        Counter::Refused,
        Counter::Expunged,
        Counter::Sessions,
        Counter::Failures,
    ]
    .map(|counter| watch.counted(counter));
    assert_eq!(counted, [18, 1, 1, 3, 2]);
}
