//! The model sees what it is there to see.

use std::collections::BTreeSet;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::look::Look;
use super::script::Script;
use super::store::{Missing, Store};
use super::{World, fuzz, store};
use crate::imap::resume::{Memory, Position};
use crate::limits;

/// A mailbox with one mail, which was sent.
fn store() -> Store {
    let mut store = Store::new(&mut Script::new(b""), 1);
    let (uid_validity, uid) = (store.uid_validity, store.mails[0].uid);
    let body = store.mails[0].body.clone();
    store.claim(&BTreeSet::from([uid_validity]), uid, &body);
    store
}

/// The event of that mail.
fn event(store: &Store) -> Vec<u8> {
    let mail = &store.mails[0];
    store::event(store.uid_validity, mail.uid, &mail.sha256)
}

fn fails(what: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(what)).is_err()
}

#[test]
fn a_good_server_gives_everything_whatever_the_account_asks_for() {
    fuzz(b"");
    for choices in 0..=u8::MAX {
        fuzz(&[3, choices]);
    }
}

#[test]
fn an_event_that_nobody_sent_is_noticed() {
    let mut store = store();
    let (uid_validity, uid, sha256) = (store.uid_validity, store.mails[0].uid, store.mails[0].sha256);
    for (what, event) in [
        ("UIDVALIDITY", store::event(uid_validity ^ 1, uid, &sha256)),
        ("UID", store::event(uid_validity, uid ^ 1, &sha256)),
        ("hash", store::event(uid_validity, uid, &[0; 32])),
        ("everything", b"{}".to_vec()),
    ] {
        assert!(fails(|| store.deliver(&event)), "another {what}");
    }
}

#[test]
fn an_event_that_comes_twice_is_noticed() {
    let mut store = store();
    let event = event(&store);
    store.deliver(&event);
    assert_eq!(store.events(), 1);
    assert!(fails(|| store.deliver(&event)));
}

#[test]
fn a_mail_that_is_passed_before_it_came_is_noticed() {
    let mut store = store();
    let (uid, uid_validity) = (store.mails[0].uid, store.uid_validity);
    let at = |next_uid| {
        Memory::at(Position {
            uid_validity,
            next_uid: u64::from(next_uid),
        })
    };
    let above = Memory {
        done: iter::once(u64::from(uid)..u64::from(uid) + 1).collect(),
        ..at(1)
    };
    assert_eq!(store.passed(&at(uid)), [0_u32; 0]);
    assert_eq!(store.passed(&at(uid + 1)), [uid]);
    assert_eq!(store.passed(&above), [uid]);
    assert_eq!(store.missing(&[]).lost, [uid]);
    store.deliver(&event(&store));
    assert_eq!(store.passed(&above), [0_u32; 0]);
    assert_eq!(store.missing(&[]), Missing::default());
}

#[test]
fn a_mail_left_out_of_a_listing_may_be_passed_and_must_come_all_the_same() {
    let mut store = store();
    let uid = store.mails[0].uid;
    store.mails[0].fate.hidden = true;
    let memory = Memory::at(Position {
        uid_validity: store.uid_validity,
        next_uid: u64::from(uid) + 1,
    });
    assert_eq!(store.passed(&memory), [0_u32; 0]);
    assert_eq!(store.missing(&[]).lost, [uid]);
    store.process_ends(Some(&memory));
    assert_eq!(
        store.missing(&[]),
        Missing::default(),
        "the next process looks at what is new"
    );
}

#[test]
fn a_mail_that_was_refused_too_seldom_or_is_in_no_dead_letter_file_is_lost() {
    let mut store = store();
    let (uid_validity, uid) = (store.uid_validity, store.mails[0].uid);
    for session in 1..=limits::REFUSALS {
        store.begin_session();
        store.asked_for(&BTreeSet::from([uid_validity]), uid_validity, uid, false);
        store.asked_for(&BTreeSet::from([uid_validity]), uid_validity, uid, false);
        let missing = store.missing(&[(uid_validity, uid)]);
        assert_eq!(missing.lost.is_empty(), session == limits::REFUSALS, "{session}");
    }
    assert_eq!(
        store.missing(&[(uid_validity, uid + 1)]).lost,
        [uid],
        "another's letter"
    );
}

#[test]
fn a_mail_whose_absence_was_told_must_be_counted() {
    let mut store = store();
    let uid = store.mails[0].uid;
    store.mails[0].fate.denied = true;
    assert_eq!(store.missing(&[]).counted, [uid]);
}

#[test]
fn only_older_mails_from_before_a_change_of_uidvalidity_are_presumed() {
    for (hour, latest, known, forgiven) in [
        (3, 5, Some(7), true),
        (4, 5, Some(7), false),
        (3, 5, None, false),
        (3, 5, Some(1000), false),
    ] {
        let mut store = Store::new(&mut Script::new(&[1]), 1);
        store.mails[0].hour = hour;
        store.mails[1].hour = latest;
        store.latest = latest;
        store.opened(1000, known);
        assert_eq!(
            store.missing(&[]).counted.len() == 1,
            forgiven,
            "{hour} {latest} {known:?}"
        );
    }
}

/// A listing of two mails of which the first is left out.
#[test]
fn a_hole_in_a_listing_must_be_searched_for() {
    for (number, exists, searched, fine) in [
        (2, 2, false, false),
        (2, 2, true, true),
        // The numbers show nothing.
        (1, 1, false, true),
    ] {
        let world = World::new(&[1, 0]);
        let mut state = world.lock();
        let view: Vec<u32> = state.store.mails.iter().map(|mail| mail.uid).collect();
        let mut look = Look::at(1, u32::MAX);
        look.told.insert(view[1], number);
        look.ends(&mut state, &view, exists);
        assert!(state.store.mails[0].fate.hidden && !state.store.mails[1].fate.hidden);
        let next = if searched {
            "UID SEARCH UID 1:4294967295"
        } else {
            "NOOP"
        };
        assert_eq!(
            fails(|| {
                look.is_followed_by(&mut state, next);
            }),
            !fine
        );
    }
}
