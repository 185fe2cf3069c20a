//! The model sees what it is there to see.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::fuzz;
use super::script::Script;
use super::store::Store;
use crate::imap::resume::{Memory, Position};

/// A mailbox with one mail, which was sent.
fn store() -> Store {
    let mut store = Store::new(&mut Script::new(b""));
    let (uid_validity, uid) = (store.uid_validity, store.mails[0].uid);
    let body = store.mails[0].body.clone();
    store.claim(uid_validity, uid, &body);
    store
}

/// The event of that mail.
fn event(store: &Store) -> Vec<u8> {
    let mail = &store.mails[0];
    [
        &store.uid_validity.to_be_bytes()[..],
        &mail.uid.to_be_bytes(),
        &mail.sha256,
    ]
    .concat()
}

fn fails(what: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(what)).is_err()
}

#[test]
fn a_good_server_gives_everything() {
    fuzz(b"");
}

#[test]
fn an_event_that_nobody_sent_is_noticed() {
    for (place, what) in [(0, "UIDVALIDITY"), (4, "UID"), (8, "hash")] {
        let mut store = store();
        let mut event = event(&store);
        event[place] ^= 1;
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
    assert_eq!(store.lost(), [uid]);
    store.deliver(&event(&store));
    assert_eq!(store.passed(&above), [0_u32; 0]);
    assert_eq!(store.lost(), [0_u32; 0]);
}
