use std::ops::Range;

use super::{GivenAgain, Known, Memory, Position, Recent, Rescan, Resume, Sameness, resume};
use crate::limits;

fn remembered() -> Memory {
    Memory::at(Position {
        uid_validity: 7,
        next_uid: 54,
    })
}

fn known(uid: u32) -> Known {
    Known {
        uid,
        size: Some(1000 + u64::from(uid)),
        internal_date_ms: Some(1_700_000_000_000 + i64::from(uid) * 60_000),
        sha256: Some([u8::try_from(uid).unwrap(); 32]),
    }
}

fn again(memory: &Memory, uid_validity: u32, given_again: Option<u64>, from_zero: bool) -> Resume {
    resume(Some(memory.position), uid_validity, given_again, 60, from_zero)
}

#[test]
fn the_first_start_is_from_now_or_from_zero() {
    assert_eq!(resume(None, 7, None, 54, false), Resume::FromNow(54));
    assert_eq!(resume(None, 7, None, 54, true), Resume::FromZero);
    assert_eq!(
        resume(None, 7, None, 0, false).next_uid(),
        1,
        "UIDNEXT 0, as Courier says it"
    );
}

#[test]
fn a_restart_goes_on_where_it_was_whatever_from_zero_says() {
    let memory = remembered();
    assert_eq!(again(&memory, 7, None, false), Resume::GoOn(54));
    assert_eq!(again(&memory, 7, None, true), Resume::GoOn(54));
}

#[test]
fn uids_that_are_given_again_are_gone_back_to() {
    let memory = remembered();
    assert_eq!(again(&memory, 7, Some(53), false), Resume::GoBack(53));
    assert_eq!(again(&memory, 7, Some(0), true).next_uid(), 1);
}

/// What has the UIDs of ten remembered mails now; those of `others` are changed.
fn there(others: Range<u32>, change: fn(&mut Known)) -> Vec<Known> {
    let mails = (40..50).map(|uid| {
        let mut mail = Known {
            sha256: None,
            ..known(uid)
        };
        if others.contains(&uid) {
            change(&mut mail);
        }
        mail
    });
    mails.collect()
}

fn dated_anew(mail: &mut Known) {
    mail.internal_date_ms = Some(1);
}

#[test]
fn uids_are_given_again_where_dates_are_others() {
    let recent: Recent = (40..50).map(known).collect();
    let from = |now: &[Known]| recent.given_again(now, None);
    assert_eq!(from(&there(40..40, dated_anew)), None);
    assert_eq!(from(&there(40..50, |mail| mail.size = Some(1))), None, "measured anew");
    assert_eq!(from(&there(40..50, |mail| mail.internal_date_ms = None)), None);
    for first in 41..50 {
        let expected = Some(GivenAgain::From(first.into()));
        assert_eq!(from(&there(first..50, dated_anew)), expected);
    }
    assert_eq!(
        from(&there(44..46, dated_anew)),
        Some(GivenAgain::From(44)),
        "what is the same above does not count"
    );
    assert_eq!(
        from(&there(40..50, dated_anew)),
        Some(GivenAgain::Above((40..50).map(known).collect())),
        "others, or a backup that forgets dates"
    );
    let mut expunged = there(46..50, dated_anew);
    expunged.retain(|mail| mail.uid < 44 || mail.uid > 46);
    assert_eq!(
        from(&expunged),
        Some(GivenAgain::From(44)),
        "behind the last that is known to be the same"
    );
    let before_the_first_start: Recent = recent.mails().map(|known| Known { sha256: None, ..*known }).collect();
    assert_eq!(
        before_the_first_start.given_again(&there(49..50, dated_anew), None),
        None,
        "a date alone, and no bytes to compare"
    );
    let both = |mail: &mut Known| {
        mail.size = Some(1);
        dated_anew(mail);
    };
    assert_eq!(
        before_the_first_start.given_again(&there(49..50, both), None),
        Some(GivenAgain::From(49))
    );
    assert_eq!(
        before_the_first_start.given_again(&there(40..50, both), None),
        Some(GivenAgain::Above(Vec::new()))
    );
}

#[test]
fn uids_are_given_again_where_the_mailbox_ends_below_what_was_listed() {
    let recent: Recent = (40..50).map(known).collect();
    let from = |now: &[Known], end| recent.given_again(now, Some(end));
    assert_eq!(
        from(&there(40..40, dated_anew), 55),
        Some(GivenAgain::From(50)),
        "what was not delivered may be another mail"
    );
    assert_eq!(from(&there(40..40, dated_anew)[..5], 47), Some(GivenAgain::From(45)));
    assert_eq!(
        from(&there(44..50, dated_anew)[..8], 48),
        Some(GivenAgain::From(44)),
        "new mails came before anybody looked"
    );
    assert_eq!(from(&[], 20), Some(GivenAgain::Above(Vec::new())), "far below");
    assert_eq!(
        Recent::default().given_again(&[], Some(20)),
        Some(GivenAgain::From(20)),
        "nothing was delivered"
    );
}

#[test]
fn what_is_looked_at_again_is_known_by_its_hash() {
    let mut memory = remembered();
    memory.recent = (40..50).map(known).collect();
    let rescan = memory.rescan_given_again(48, 60);
    assert_eq!(
        (rescan.since_ms, rescan.below),
        (None, 60),
        "dates say nothing of those above the same ones"
    );
    assert_eq!(rescan.delivered, [49, 48].map(|uid| known(uid).sha256.unwrap()));
    let everything = memory.rescan_given_again(1, 60);
    assert!(everything.since_ms.is_some());
    let old = |uid| Known {
        internal_date_ms: Some(1),
        ..known(uid)
    };
    assert!(everything.presumes(&old(39)));
    assert!(
        !everything.presumes(&old(40)),
        "not delivered before the others, however old"
    );
    assert!(memory.rescan(60).presumes(&old(40)), "UIDs are other ones");
    memory.rescan = Some(rescan);
    assert_eq!(
        memory.rescan(70).since_ms,
        everything.since_ms,
        "what dates said nothing of ends with it"
    );
    memory.rescan = Some(memory.rescan(60));
    assert_eq!(
        memory.rescan_given_again(48, 70).since_ms,
        memory.rescan(60).since_ms,
        "one that was not over goes on"
    );
}

#[test]
fn uidvalidity_changes() {
    let changed = again(&remembered(), 8, None, false);
    assert_eq!(changed, Resume::Renumbered { before: 7 });
    assert_eq!(changed.next_uid(), 1);
}

#[test]
fn the_same_mails_are_known_whatever_uidvalidity_says() {
    let recent: Recent = (40..50).map(known).collect();
    let there = |uids: Range<u32>| -> Vec<Known> {
        uids.map(|uid| Known {
            sha256: None,
            ..known(uid)
        })
        .collect()
    };
    assert_eq!(
        recent.compare(&there(30..60)),
        Sameness::Prove(known(49)),
        "where there were holes, the highest has moved most"
    );
    assert_eq!(
        recent.compare(&there(47..60)),
        Sameness::Prove(known(49)),
        "some were expunged"
    );
    assert_eq!(recent.compare(&there(50..60)), Sameness::Other, "none is left");
    assert_eq!(
        Recent::default().compare(&there(50..60)),
        Sameness::Other,
        "nothing is remembered"
    );

    for change in [
        |known: &mut Known| known.size = Some(1),
        |known: &mut Known| known.internal_date_ms = Some(1),
    ] {
        let mut other = there(40..50);
        change(&mut other[9]);
        assert_eq!(recent.compare(&other), Sameness::Other, "one that differs is enough");
    }
    let mut silent = there(40..50);
    silent[3].size = None;
    silent[4].internal_date_ms = None;
    assert_eq!(recent.compare(&silent), Sameness::Prove(known(49)));

    let unsized_mails: Recent = recent.mails().map(|known| Known { size: None, ..*known }).collect();
    assert_eq!(
        unsized_mails.compare(&there(40..50)),
        Sameness::Prove(known(49)),
        "of one whose size was not told when it came, the size of now counts"
    );

    let mut alike: Vec<Known> = recent.mails().copied().collect();
    alike[8].sha256 = alike[9].sha256;
    alike[7].size = Some(0);
    let mut there_alike = there(40..50);
    there_alike[7].size = Some(0);
    assert_eq!(
        alike.iter().copied().collect::<Recent>().compare(&there_alike),
        Sameness::Prove(known(46)),
        "neither two that are the same mail nor an empty one prove anything"
    );
    assert_eq!(
        alike[7..].iter().copied().collect::<Recent>().compare(&there_alike),
        Sameness::Other,
        "with nothing else there is no proof"
    );

    let huge = |known: Known| Known {
        size: Some(limits::IMAP_BATCH_BYTES + u64::from(known.uid)),
        ..known
    };
    let recent_huge: Recent = recent.mails().map(|known| huge(*known)).collect();
    let there_huge: Vec<Known> = there(40..50).into_iter().map(huge).collect();
    assert_eq!(
        recent_huge.compare(&there_huge),
        Sameness::Prove(huge(known(40))),
        "of huge ones the smallest costs least"
    );

    let without_hashes: Recent = there(40..50).into_iter().collect();
    assert_eq!(without_hashes.compare(&there(40..50)), Sameness::Same);

    assert_eq!(recent.same_below(&there(30..60)), 50);
    assert_eq!(
        recent.same_below(&there(30..45)),
        45,
        "above the last one that is there nothing is proven"
    );
    for forget in [
        |known: &mut Known| known.size = None,
        |known: &mut Known| known.internal_date_ms = None,
    ] {
        let mut silent = there(30..60);
        forget(&mut silent[19]);
        assert_eq!(recent.same_below(&silent), 49, "of the last one, too little is told");
        let mut without_hash: Recent = Recent::default();
        without_hash.push(there(49..50)[0]);
        assert_eq!(without_hash.compare(&silent), Sameness::Other, "nor of the only one");
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_newest() {
    let recent: Recent = (0..250).map(known).collect();
    let uids: Vec<u32> = recent.mails().map(|known| known.uid).collect();
    assert_eq!(uids.len(), limits::RECENT_MAILS);
    assert_eq!(uids.last(), Some(&249));
}

#[test]
fn the_highest_mail_and_the_one_from_before_the_first_start_are_remembered_whatever_comes() {
    let first = Known {
        sha256: None,
        ..known(7)
    };
    let live = [known(200), known(201)];
    let backlog = (8..150).map(known);
    let recent: Recent = [first].into_iter().chain(live).chain(backlog).collect();
    let uids: Vec<u32> = recent.mails().map(|known| known.uid).collect();
    assert_eq!(uids.len(), limits::RECENT_MAILS);
    assert_eq!((uids[..2].to_vec(), uids[2], uids[63]), (vec![7, 201], 88, 149));
    let mut given_again: Vec<Known> = recent.mails().copied().collect();
    dated_anew(&mut given_again[1]);
    assert_eq!(
        recent.given_again(&given_again, None),
        Some(GivenAgain::From(150)),
        "it shows what the backlog hides"
    );
}

#[test]
fn a_rescan_begins_at_the_date_of_the_last_mail_below_the_position() {
    let mut memory = remembered();
    memory.position.next_uid = 50;
    // 60 is a live mail that was delivered before the backlog was.
    memory.recent = [known(48), known(60), known(49)].into_iter().collect();
    let mut rescan = memory.rescan(30);
    let since = known(49).internal_date_ms.unwrap() - i64::try_from(limits::RESCAN_MARGIN.as_millis()).unwrap();
    assert_eq!((rescan.since_ms, rescan.below), (Some(since), 30));
    let dated = |uid, internal_date_ms| Known {
        uid,
        internal_date_ms,
        ..known(1)
    };
    assert!(rescan.presumes(&dated(29, Some(since - 1))));
    assert!(!rescan.presumes(&dated(29, Some(since))));
    assert!(!rescan.presumes(&dated(29, None)), "repeats, never loss");
    assert!(!rescan.presumes(&dated(30, Some(0))), "it came after the change");
    assert!(rescan.recognise(29, &[60; 32]));
    assert!(!rescan.recognise(28, &[60; 32]), "another mail with the same bytes");
    assert!(
        !rescan.recognise(30, &[60; 32]),
        "the same mail sent again is another mail"
    );
    assert!(!rescan.recognise(29, &[61; 32]));

    // Changed again before the rescan was over.
    memory.rescan = Some(rescan);
    memory.recent = [known(2)].into_iter().collect();
    memory.position.next_uid = 3;
    let mut second = memory.rescan(99);
    assert_eq!((second.since_ms, second.below), (Some(since), 99));
    assert!(second.recognise(29, &[49; 32]) && second.recognise(29, &[2; 32]));
}

#[test]
fn without_a_date_to_begin_at_everything_is_delivered_again() {
    let mut memory = remembered();
    assert_eq!(
        memory.rescan(30),
        Rescan {
            below: 30,
            presumed_below: 30,
            ..Rescan::default()
        }
    );
    memory.recent = [Known {
        internal_date_ms: None,
        ..known(40)
    }]
    .into_iter()
    .collect();
    assert_eq!(memory.rescan(30).since_ms, None);
}

#[test]
fn hashes_do_not_pile_up_over_many_changes() {
    let mut memory = remembered();
    for _ in 0..10 {
        memory.recent = (0..200).map(known).collect();
        memory.rescan = Some(memory.rescan(9));
    }
    assert_eq!(memory.rescan.unwrap().delivered.len(), limits::RECENT_MAILS * 2);
}
