//! The part of the story that takes minutes: one mailbox in this process, on a clock that the test turns.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mailtap::clock::Phase;
use mailtap::limits;
use mailtap::metrics::Counter;

use crate::dead_letters::letters;
use crate::support::imap_server::{self, Fault};
use crate::support::receiver;
use crate::watch::Watch;

pub fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Three mails are delivered, and nothing is left to do.
fn at_rest() -> Watch {
    let mut watch = Watch::new(3);
    watch.begin_well();
    watch.wait_for_events(3);
    watch.wait_for_idle();
    watch
}

#[test]
fn the_banner_hangs_and_the_next_connection_is_better() {
    let mut watch = Watch::new(3);
    watch.server.misbehave(Fault::BannerHangs);
    watch.impatient.store(true, Ordering::SeqCst);
    watch.begin_well();
    assert!(
        watch.glass.waiting() >= Duration::from_secs(1),
        "no loop without a delay"
    );
    assert_eq!(watch.server.record().commands, Vec::<String>::new());
    watch.server.heal();
    watch.impatient.store(false, Ordering::SeqCst);
    watch.glass.turn();
    watch.wait_for_events(3);
    assert_eq!(watch.server.record().connections, 2);
}

#[test]
fn a_server_that_only_says_bye_is_asked_less_and_less_often() {
    let mut watch = Watch::new(1);
    watch.server.misbehave(Fault::ByeAsGreeting);
    watch.begin_well();
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(watch.glass.waiting());
        watch.glass.turn();
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert!(
        waits[0] <= Duration::from_secs(4) && waits[11] >= minutes(1),
        "{waits:?}"
    );
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(1);
}

#[test]
fn a_new_mail_is_delivered_live_by_polling_where_idle_is_missing() {
    let mut watch = Watch::new(2);
    watch.server.misbehave(Fault::NoIdle);
    watch.begin_well();
    watch.wait_for_events(2);
    for count in 3..6 {
        assert!(watch.glass.waiting() <= minutes(1), "a mail must not wait longer");
        watch.server.deliver(&crate::mail(9));
        watch.glass.turn();
        watch.wait_for_events(count);
    }
    let record = watch.server.record();
    assert_eq!((record.connections, record.bodies), (1, vec![1, 2, 3, 4, 5]));
    assert!(!record.commands.contains(&"IDLE".to_owned()));
}

#[test]
fn matrix_14_an_idle_that_never_fires_is_not_trusted() {
    let mut watch = Watch::new(1);
    watch.server.misbehave(Fault::IdleNeverFires);
    watch.impatient.store(true, Ordering::SeqCst);
    watch.begin(imap_server::PASSWORD, receiver::SECRET, Phase::Idle);
    watch.wait_for_events(1);
    watch
        .server
        .wait_until("a session in IDLE", |record| record.idling == 1);
    watch.server.deliver(&crate::mail(9));
    watch.wait_for_events(2);
    assert_eq!(watch.server.record().connections, 1);
}

#[test]
fn a_mailbox_made_again_under_the_session_is_noticed_with_or_without_news() {
    for idle_fires in [true, false] {
        let mut watch = Watch::new(3);
        if !idle_fires {
            watch.server.misbehave(Fault::IdleNeverFires);
            watch.impatient.store(true, Ordering::SeqCst);
        }
        watch.begin(imap_server::PASSWORD, receiver::SECRET, Phase::Idle);
        watch.wait_for_events(3);
        watch
            .server
            .wait_until("a session in IDLE", |record| record.idling == 1);
        // Its UID is one of those that are done.
        watch.server.recreate_in_silence();
        watch.server.deliver(&crate::mail(9));
        if idle_fires {
            assert!(watch.glass.waiting() <= minutes(1));
            watch.glass.turn();
        }
        watch.wait_for_events(4);
        assert_eq!(watch.server.record().connections, 1);
    }
}

#[test]
fn matrix_3_the_sink_says_503_and_the_checkpoint_stays_until_2xx() {
    let mut watch = Watch::new(4);
    watch.receiver.misbehave(receiver::Fault::Status {
        code: 503,
        retry_after: Some("120"),
    });
    watch.begin_well();
    for _ in 0..3 {
        assert!(watch.glass.waiting() >= minutes(2), "Retry-After is honoured");
        assert_eq!(watch.next_uid().unwrap_or(1), 1, "nothing was acknowledged");
        watch.glass.turn();
    }
    watch.glass.waiting();
    watch.receiver.heal();
    watch.glass.turn();
    watch
        .server
        .wait_until("a session in IDLE", |record| record.idling == 1);
    assert_eq!(watch.next_uid(), Some(5));
    assert_eq!(watch.receiver.record().uids(), [1, 2, 3, 4]);
    assert_eq!(
        watch.server.record().bodies,
        [1, 2, 3, 4],
        "what waits is not fetched again"
    );
}

#[test]
fn matrix_14_a_wrong_password_is_tried_slowly_and_heals() {
    let mut watch = Watch::new(2);
    watch.begin("not yet the password", receiver::SECRET, Phase::Greeting);
    for _ in 0..3 {
        assert!(watch.glass.waiting() >= minutes(5), "accounts get locked");
        watch.glass.turn();
    }
    watch.glass.waiting();
    watch.server.set_password("not yet the password");
    watch.glass.turn();
    watch.wait_for_events(2);
}

#[test]
fn matrix_5_a_wrong_receiver_secret_is_probed_and_heals() {
    let mut watch = Watch::new(2);
    watch.begin(imap_server::PASSWORD, "not yet the secret", Phase::Greeting);
    for _ in 0..3 {
        let wait = watch.glass.waiting();
        assert!((Duration::from_secs(20)..=minutes(1)).contains(&wait), "{wait:?}");
        assert_eq!(watch.next_uid().unwrap_or(1), 1, "nothing is dropped");
        watch.glass.turn();
    }
    watch.glass.waiting();
    watch.receiver.set_secret("not yet the secret");
    watch.glass.turn();
    watch.wait_for_events(2);
}

#[test]
fn a_receiver_that_refuses_a_batch_gets_it_again_and_nothing_is_dropped() {
    let mut watch = Watch::new(2);
    watch.receiver.misbehave(receiver::Fault::Status {
        code: 400,
        retry_after: None,
    });
    watch.begin_well();
    watch.glass.waiting();
    assert_eq!(watch.next_uid().unwrap_or(1), 1, "nothing is dropped");
    watch.receiver.heal();
    watch.glass.turn();
    watch.wait_for_events(2);
}

#[test]
fn matrix_4_a_receiver_that_refuses_large_batches_gets_halves_without_any_waiting() {
    let mut watch = Watch::new(4);
    for _ in 0..2 {
        watch.receiver.misbehave_once(receiver::Fault::Status {
            code: 413,
            retry_after: None,
        });
    }
    watch.begin_well();
    // The clock stands: whoever waited here would wait for ever.
    watch.wait_for_events(4);
    let record = watch.receiver.record();
    assert_eq!((record.uids(), record.duplicates), (vec![1, 2, 3, 4], 0));
    assert_eq!(record.requests, 5, "4 refused, 2 refused, 1, 1, 2");
}

#[test]
fn one_mail_that_the_server_refuses_does_not_hold_up_the_others() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::NoOnFetch { uid: 7 });
    watch.begin_well();
    // Three sessions must have been refused it; then it is passed over, and the log says so.
    watch.glass.turns(2);
    watch
        .server
        .wait_until("a session in IDLE", |record| record.idling == 1);
    let mut uids = watch.receiver.record().uids();
    uids.sort_unstable();
    assert_eq!(uids, (1..=20).filter(|uid| *uid != 7).collect::<Vec<u64>>());
    assert_eq!(watch.next_uid(), Some(21));
    watch.server.deliver(&crate::mail(9));
    watch.wait_for_events(20);
}

#[test]
fn several_mails_that_the_server_refuses_are_settled_together() {
    let mut watch = Watch::new(20);
    for uid in [3, 7, 11, 15] {
        watch.server.misbehave(Fault::NoOnFetch { uid });
    }
    watch.begin_well();
    for _ in 0..2 {
        assert!(watch.glass.waiting() >= Duration::from_secs(20), "spaced tries");
        watch.glass.turn();
    }
    watch
        .server
        .wait_until("a session in IDLE", |record| record.idling == 1);
    let mut uids = watch.receiver.record().uids();
    uids.sort_unstable();
    let good = (1..=20).filter(|uid| ![3, 7, 11, 15].contains(uid));
    assert_eq!(uids, good.collect::<Vec<u64>>());
    assert_eq!(watch.next_uid(), Some(21));
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
    let letters = letters(&watch);
    let refused = letters.iter().map(|letter| (letter.uid, letter.content.is_none()));
    assert_eq!(
        refused.collect::<Vec<_>>(),
        [(3, true), (7, true), (11, true), (15, true)]
    );
    assert!(
        letters[0].reason.contains("the IMAP server refuses"),
        "{}",
        letters[0].reason
    );
}

#[test]
fn a_server_that_refuses_every_mail_is_away_and_no_mail_is_passed_over() {
    let mut watch = Watch::new(3);
    watch.server.misbehave(Fault::NoBodies);
    watch.begin_well();
    watch.glass.turns(6);
    watch.glass.waiting();
    assert_eq!(watch.next_uid(), Some(1), "nothing is passed over");
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(3);
}

#[test]
fn a_mail_refused_while_the_server_is_away_is_not_passed_over() {
    let watch = at_rest();
    watch.server.misbehave(Fault::NoBodies);
    watch.server.deliver(&crate::mail(4));
    watch.glass.turns(6);
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(4);
}

#[test]
fn a_mail_at_which_sessions_end_while_the_server_gives_no_mail_is_not_passed_over() {
    let watch = at_rest();
    watch.server.misbehave(Fault::EndsAfter { bodies: 0 });
    watch.server.cut_connections();
    watch.glass.waiting();
    watch.server.deliver(&crate::mail(4));
    for _ in 0..limits::STUMBLES_MOST + 2 {
        watch.glass.turn();
        watch.glass.waiting();
    }
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(4);
    assert_eq!(letters(&watch).len(), 0);
}

#[test]
fn mails_refused_until_the_server_has_its_mails_again_are_not_passed_over() {
    let watch = at_rest();
    watch.server.misbehave(Fault::NoBodies);
    watch.server.deliver(&crate::mail(4));
    watch.server.deliver(&crate::mail(5));
    watch.glass.turns(limits::REFUSALS - 1);
    // In this session its storage comes back behind the two: the next that it gives is a mail of before.
    watch.glass.waiting();
    watch.server.heal();
    for _ in 0..2 {
        watch.server.misbehave(Fault::NoBodiesOnce);
    }
    watch.glass.turn();
    watch.wait_for_events(5);
    assert_eq!((letters(&watch).len(), watch.counted(Counter::Refused)), (0, 0));
}

#[test]
fn a_mail_that_gets_the_uid_of_one_that_was_doubted_is_not_doubted() {
    let watch = at_rest();
    watch.server.misbehave(Fault::EndsAt { uid: 4 });
    watch.server.deliver(&crate::mail(4));
    watch.glass.turns(limits::STUMBLES_MOST - 1);
    watch.glass.waiting();
    // A backup is restored.
    watch.server.expunge(4);
    watch.server.skip_uids_to(4);
    watch.glass.turn();
    watch.wait_for_idle();
    watch.server.deliver(&crate::mail(5));
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(4);
    assert_eq!(letters(&watch).len(), 0);
}

#[test]
fn a_mail_at_which_every_session_ends_does_not_keep_the_mailbox_from_being_opened() {
    let watch = at_rest();
    // Dates are others, and the mail that could prove that nothing else is cannot be read.
    watch.server.misbehave(Fault::MeasuresBadly);
    watch.server.misbehave(Fault::EndsAt { uid: 1 });
    watch.server.deliver(&crate::mail(4));
    watch.server.cut_connections();
    watch.glass.turns(limits::STUMBLES * 2 + 1);
    watch.wait_for_events(4);
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
    assert_eq!(watch.counted(Counter::Recognised), 2);
}

#[test]
fn a_server_that_describes_no_mail_does_not_keep_the_mailbox_from_being_opened() {
    let watch = at_rest();
    watch.server.misbehave(Fault::Says {
        to: "UID FETCH 1:3 (UID RFC822.SIZE INTERNALDATE",
        line: "* BYE no",
    });
    watch.server.deliver(&crate::mail(4));
    watch.server.cut_connections();
    watch.glass.turns(limits::STUMBLES_MOST + 1);
    watch.wait_for_events(4);
}

#[test]
fn a_mail_at_which_every_session_ends_holds_up_no_other_though_uidvalidity_is_always_new() {
    let mut watch = Watch::new(5);
    watch.server.misbehave(Fault::UidValidityAlwaysNew);
    watch.server.misbehave(Fault::EndsAt { uid: 3 });
    watch.begin_well();
    watch.glass.turns(limits::STUMBLES);
    watch.wait_for_events(4);
}

#[test]
fn matrix_14_news_without_end_of_nothing_new_make_no_loop_spin() {
    let mut watch = Watch::new(2);
    watch.server.misbehave(Fault::EndlessNews);
    watch.begin_well();
    watch.wait_for_events(2);
    for _ in 0..3 {
        assert!(watch.glass.waiting() >= Duration::from_secs(1));
        watch.glass.turn();
    }
    watch.glass.waiting();
    assert!(watch.server.record().commands.len() < 40);
    watch.server.deliver(&crate::mail(9));
    watch.glass.turn();
    watch.wait_for_events(3);
}

#[test]
fn sessions_that_end_before_a_batch_is_full_deliver_what_came() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::EndsAfter { bodies: 6 });
    watch.begin_well();
    for _ in 0..3 {
        let wait = watch.glass.waiting();
        assert!(wait <= Duration::from_secs(4), "progress ends the backoff: {wait:?}");
        watch.glass.turn();
    }
    watch.wait_for_events(20);
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
}

#[test]
fn a_mail_at_which_every_session_ends_holds_up_no_other() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::EndsAt { uid: 7 });
    watch.begin_well();
    watch.glass.turns(limits::STUMBLES);
    watch.wait_for_events(19);
    watch.glass.waiting();
    assert_eq!(watch.next_uid(), Some(7), "it is not passed over either");
    watch.server.deliver(&crate::mail(9));
    watch.glass.turn();
    watch.wait_for_events(20);
    watch.glass.waiting();
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(21);
    assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
}

#[test]
fn a_mail_at_which_every_session_ends_is_given_up_while_others_come() {
    let mut watch = Watch::new(20);
    watch.server.misbehave(Fault::EndsAt { uid: 7 });
    watch.begin_well();
    let sessions = u64::from(limits::STUMBLES_MOST);
    for session in 0..sessions {
        let wait = watch.glass.waiting();
        if session >= u64::from(limits::STUMBLES) {
            assert!(
                wait >= limits::STUMBLE_PAUSE,
                "what is wrong with it may pass: {wait:?}"
            );
        }
        assert_eq!(letters(&watch).len(), 0, "{session}");
        watch.glass.turn();
    }
    watch.wait_for_idle();
    assert_eq!(watch.next_uid(), Some(21));
    assert_eq!(watch.counted(Counter::Refused), 1, "a gap that is counted");
    let letters = letters(&watch);
    assert_eq!((letters.len(), letters[0].uid), (1, 7));
    assert!(letters[0].reason.contains("session"), "{}", letters[0].reason);
    assert_eq!(
        watch.receiver.look(|record| (record.events.len(), record.duplicates)),
        (19, 0)
    );
    assert_eq!(watch.counted(Counter::Sessions), sessions + 1);
}

#[test]
fn a_mail_at_which_every_session_ends_is_not_given_up_where_no_other_comes() {
    let mut watch = Watch::new(1);
    watch.server.misbehave(Fault::EndsAt { uid: 1 });
    watch.begin_well();
    watch.glass.turns(limits::STUMBLES_MOST * 2);
    watch.glass.waiting();
    assert_eq!((watch.next_uid(), letters(&watch).len()), (Some(1), 0));
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(1);
}

#[test]
fn a_server_that_refuses_one_login_and_drops_the_next_is_asked_less_and_less_often() {
    let mut watch = Watch::new(1);
    watch.begin("not yet the password", receiver::SECRET, Phase::Greeting);
    let (mut refused, mut dropped) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        refused.push(watch.glass.waiting());
        watch.server.misbehave(Fault::ByeAsGreeting);
        watch.glass.turn();
        dropped.push(watch.glass.waiting());
        watch.server.heal();
        watch.glass.turn();
    }
    assert!(refused.is_sorted() && dropped.is_sorted(), "{refused:?} {dropped:?}");
    assert!(refused[0] >= minutes(5) && refused[5] >= minutes(20), "{refused:?}");
    assert!(dropped[5] > dropped[0] * 4, "{dropped:?}");
}

#[test]
fn a_session_that_held_a_minute_proves_itself_and_one_that_ends_at_once_does_not() {
    for held in [false, true] {
        let mut watch = Watch::new(0);
        watch.server.misbehave(Fault::ByeAsGreeting);
        watch.begin_well();
        let mut before = Duration::ZERO;
        for _ in 0..6 {
            before = watch.glass.waiting();
            watch.glass.turn();
        }
        watch.glass.waiting();
        watch.server.heal();
        watch.server.misbehave(Fault::NoIdle);
        let ends_at = if held { "NOOP" } else { "EXAMINE" };
        watch.server.misbehave(Fault::ByeOn(ends_at));
        watch.glass.turn();
        if held {
            // It is caught up, and asks for news once a minute.
            assert_eq!(watch.glass.waiting(), limits::PROVEN);
            watch.glass.turn();
        }
        let wait = watch.glass.waiting();
        if held {
            assert!(wait <= Duration::from_secs(4), "BYE after a while is normal: {wait:?}");
        } else {
            assert!(wait > before, "{wait:?}");
        }
    }
}

#[test]
fn matrix_14_a_server_without_its_user_database_is_not_a_wrong_password() {
    let mut watch = Watch::new(1);
    watch.server.misbehave(Fault::LoginUnavailable);
    watch.begin_well();
    assert!(watch.glass.waiting() <= minutes(1), "it will be back soon");
    watch.server.heal();
    watch.glass.turn();
    watch.wait_for_events(1);
}
