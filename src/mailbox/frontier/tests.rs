use super::Frontier;
use crate::imap::resume::{Memory, Position};
use crate::imap::session::Listed;
use crate::limits;

fn listed(uids: &[u32]) -> Vec<Listed> {
    uids.iter().map(|&uid| Listed { uid, size: 0 }).collect()
}

fn done(frontier: &Frontier) -> Vec<(u64, u64)> {
    let ranges = frontier.done_ranges();
    ranges.into_iter().map(|range| (range.start, range.end)).collect()
}

#[test]
fn mails_that_come_as_3_1_2_lose_neither_1_nor_2() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.listed(&listed(&[1, 2, 3, 9]));
    let mut positions = vec![(frontier.position(), frontier.left())];
    for uid in [3, 1, 2, 2, 77, 9] {
        frontier.done(uid);
        positions.push((frontier.position(), frontier.left()));
    }
    assert_eq!(positions, [(1, 4), (1, 3), (2, 2), (9, 1), (9, 1), (9, 1), (10, 0)]);
    assert_eq!(done(&frontier), []);
}

#[test]
fn how_far_behind_is_never_less_than_it_is_and_exact_at_the_end() {
    // A hundred mails left of a thousand UIDs; ten of them are new and go first.
    let mut frontier = Frontier::new(1, &[]);
    frontier.reaches(1001, 100);
    assert_eq!(frontier.behind(), 100);
    let uids: Vec<u32> = (901..991).collect();
    frontier.listed(&listed(&uids));
    assert_eq!(frontier.behind(), 100);
    for uid in uids {
        frontier.done(uid);
    }
    assert_eq!(frontier.behind(), 10);
    frontier.all_listed();
    assert_eq!(frontier.behind(), 0, "UIDNEXT was too high");
    // Delivered before, but for the last twenty UIDs, five of which were live.
    let mut frontier = Frontier::new(981, &[990..995, 1001..1001]);
    frontier.reaches(1001, 1000);
    assert_eq!(frontier.behind(), 15);
}

#[test]
fn an_empty_listing_moves_nothing() {
    let mut frontier = Frontier::new(41, &[]);
    frontier.listed(&[]);
    assert_eq!((frontier.position(), frontier.end()), (41, 41));
}

#[test]
fn what_one_listing_left_open_holds_the_position_and_not_the_next_listing() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.listed(&listed(&[5, 7]));
    frontier.done(7);
    frontier.listed(&listed(&[u32::MAX]));
    frontier.done(u32::MAX);
    assert_eq!((frontier.position(), frontier.end()), (5, 1 << 32));
    assert_eq!(frontier.open_mails(), listed(&[5]));
    assert_eq!(done(&frontier), [(7, 1 << 32)]);
    frontier.done(5);
    assert_eq!(frontier.position(), 1 << 32);
    assert_eq!(done(&frontier), []);
}

#[test]
fn a_mailbox_that_ends_earlier_takes_the_position_back() {
    let mut frontier = Frontier::new(50, &[]);
    assert!(frontier.go_back(60).is_empty());
    assert_eq!(frontier.position(), 50);
    frontier.listed(&listed(&[44, 55, u32::MAX]));
    assert!(frontier.go_back(1 << 32).is_empty());
    assert_eq!(frontier.go_back(45), [55, u32::MAX]);
    assert_eq!((frontier.position(), frontier.end()), (44, 45));
    frontier.done(44);
    assert_eq!(frontier.position(), 45);
    frontier.listed(&listed(&[55]));
    assert!(frontier.is_open(55), "another mail has its UID");
    let mut frontier = Frontier::new(50, &[60..70, 80..90]);
    assert!(frontier.go_back(65).is_empty());
    assert_eq!((frontier.top(), frontier.position()), (65, 50));
}

#[test]
fn live_mail_is_done_before_the_backlog_and_a_restart_knows_it() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.divide(5000);
    assert_eq!((frontier.backlog_end(), frontier.top()), (Some(5000), 5000));
    frontier.listed(&listed(&[10, 20, 30]));
    assert_eq!(done(&frontier), [(5000, 5000)], "where live mail begins");
    frontier.listed_ahead(&listed(&[5000, 5003, 5004]));
    frontier.done(10);
    frontier.done(5000);
    frontier.done(5003);
    assert_eq!((frontier.position(), done(&frontier)), (20, vec![(5000, 5004)]));
    frontier.done(5004);

    // Killed here, the next process does not ask for them again.
    let mut again = Frontier::new(frontier.position(), &frontier.done_ranges());
    assert_eq!((again.position(), again.end(), again.top()), (20, 20, 5005));
    again.divide(6000);
    assert_eq!(again.top(), 5005, "what came meanwhile is live mail");
    again.listed_ahead(&listed(&[5007]));
    again.listed(&listed(&[20, 30]));
    for uid in [20, 30] {
        again.done(uid);
    }
    assert_eq!(again.position(), 31, "UIDs from 31 to 5000 are not listed yet");
    assert_eq!(done(&again), [(5000, 5005)]);
    again.pass_backlog();
    assert_eq!((again.end(), again.position(), again.backlog_end()), (5008, 5007, None));
    assert_eq!(again.look_back(), 5005, "the other process's mails are not late");
    again.done(5007);
    assert_eq!((again.position(), done(&again)), (5008, vec![]));
}

#[test]
fn a_short_backlog_is_not_divided() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.divide(1 + limits::LONG_BACKLOG);
    assert_eq!(frontier.backlog_end(), None);
    frontier.divide(2 + limits::LONG_BACKLOG);
    assert_eq!(frontier.backlog_end(), Some(2 + limits::LONG_BACKLOG));
}

#[test]
fn uidnext_far_too_high_divides_nothing_for_good() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.divide(4_000_000_000);
    frontier.listed(&listed(&[3]));
    frontier.done(3);
    frontier.pass_backlog();
    assert_eq!((frontier.end(), frontier.top(), done(&frontier)), (4, 4, vec![]));
}

/// What another process knows.
fn begun_again(frontier: &Frontier) -> Frontier {
    let position = Position {
        uid_validity: 1,
        next_uid: frontier.position(),
    };
    Frontier::of(&Memory {
        done: frontier.done_ranges(),
        latest: Some(frontier.latest()),
        ..Memory::at(position)
    })
}

#[test]
fn a_mail_that_becomes_visible_while_no_process_looks_is_late_and_no_other_comes_twice() {
    // The first process began at 101; 107 is not visible, 109 is not done when it ends.
    let mut frontier = Frontier::new(101, &[]);
    let uids = [103, 105, 109, 111];
    frontier.listed_at_end(listed(&uids));
    for uid in [103, 105, 111] {
        frontier.done(uid);
    }
    let mut again = begun_again(&frontier);
    assert_eq!((again.position(), again.look_back()), (109, 101));
    assert_eq!(again.latest().uids, [103, 105, 111]);
    let there = [103, 105, 107, 109, 111, 113];
    assert_eq!(again.listed_at_end(listed(&there)), (listed(&[107, 109, 113]), 1));
    assert_eq!(again.position(), 107);

    // One that has looked at more than it remembers knows where that begins.
    let many: Vec<u32> = (200..300).collect();
    again.listed_at_end(listed(&many));
    let again = begun_again(&again);
    assert_eq!(again.look_back(), 107, "what is open is listed again");
    assert_eq!(again.latest().from, 300 - limits::LOOK_BACK as u64);
}

#[test]
fn a_mail_that_holds_the_position_back_makes_no_other_come_twice_after_a_restart() {
    let mut frontier = Frontier::new(1, &[]);
    let uids: Vec<u32> = (1..=1000).map(|number| number * 3).collect();
    frontier.listed(&listed(&uids));
    for uid in uids.iter().rev().filter(|uid| ![21, 600].contains(*uid)) {
        frontier.done(*uid);
    }
    assert_eq!(frontier.position(), 21);
    assert_eq!(done(&frontier), [(24, 598), (603, 3001)]);
    let mut again = Frontier::new(21, &frontier.done_ranges());
    let mut asked = Vec::new();
    while let Some(end) = again.backlog_end() {
        asked.push(again.end()..end);
        again.pass_backlog();
    }
    assert_eq!(asked, [21..24, 598..603]);
    assert_eq!(again.end(), 3001);
}

#[test]
fn more_ranges_than_the_limit_are_the_longest() {
    for open in [limits::DONE_RANGES - 1, limits::DONE_RANGES, limits::DONE_RANGES + 1] {
        let mut frontier = Frontier::new(1, &[]);
        let uids: Vec<u32> = (1..=2000).collect();
        frontier.listed(&listed(&uids));
        // Runs of 1, 2, 3… mails, an open one before each.
        let mut holes = Vec::new();
        let mut next = 1;
        for length in 0..u32::try_from(open).unwrap() {
            holes.push(next);
            next += length + 2;
        }
        let end = next;
        for uid in uids.iter().filter(|uid| **uid < end && !holes.contains(uid)) {
            frontier.done(*uid);
        }
        let done = frontier.done_ranges();
        assert_eq!(done.len(), open.min(limits::DONE_RANGES));
        assert!(done.is_sorted_by_key(|range| range.start));
        assert_eq!(
            done[0].end - done[0].start,
            if open > limits::DONE_RANGES { 2 } else { 1 }
        );
    }
}

#[test]
fn a_mail_behind_a_later_one_is_seen_and_no_other_twice() {
    let mut frontier = Frontier::new(100, &[]);
    assert_eq!(frontier.look_back(), 100, "what was there before is never asked for");
    let (fresh, late) = frontier.listed_at_end(listed(&[103, 105]));
    assert_eq!((fresh.len(), late, frontier.look_back()), (2, 0, 100));
    frontier.done(103);
    frontier.done(105);
    let (fresh, late) = frontier.listed_at_end(listed(&[101, 103, 104, 105, 106]));
    assert_eq!(
        (fresh, late),
        (listed(&[101, 104, 106]), 2),
        "one of them before the first of all"
    );
    assert_eq!(
        (frontier.position(), done(&frontier)),
        (101, vec![(102, 104), (105, 106)])
    );
    frontier.done(101);
    assert_eq!(frontier.position(), 104);
    frontier.done(106);
    assert_eq!(done(&frontier), [(105, 107)]);
    frontier.done(104);
    assert_eq!(frontier.position(), 107);

    let many: Vec<u32> = (107..200).collect();
    frontier.listed_at_end(listed(&many));
    assert_eq!(frontier.look_back(), 200 - limits::LOOK_BACK as u64);
    assert_eq!(frontier.go_back(190).len(), 10);
    assert_eq!(frontier.look_back(), 200 - limits::LOOK_BACK as u64);
    assert_eq!(frontier.go_back(110).len(), 80);
    assert_eq!(frontier.look_back(), 110);
}

#[test]
fn a_mail_that_is_passed_is_no_late_one_in_the_next_listing() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.pass([7, 9].into_iter());
    frontier.listed(&listed(&[8]));
    frontier.done(8);
    let (fresh, late) = frontier.listed_at_end(listed(&[7, 8, 9]));
    assert_eq!((fresh, late), (vec![], 0));
}

#[test]
fn a_late_mail_in_a_run_that_was_done_is_not_forgotten_by_a_restart() {
    let mut frontier = Frontier::new(1, &[]);
    frontier.listed(&listed(&[1, 5, 10, 15, 20]));
    for uid in [5, 10, 15, 20] {
        frontier.done(uid);
    }
    assert_eq!(done(&frontier), [(5, 21)]);
    frontier.listed_at_end(listed(&[12]));
    assert_eq!(done(&frontier), [(5, 12), (13, 21)]);
    frontier.listed_at_end(listed(&[3]));
    assert_eq!(done(&frontier), [(5, 12), (13, 21)]);
}

/// Whatever happens, a checkpoint never claims what is not done, and its ranges are in order above its position.
#[test]
fn nothing_is_claimed_that_is_not_done() {
    let mut random = 1_u64;
    let mut below = |bound: u32| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(random >> 33).unwrap() % bound
    };
    for _ in 0..300 {
        let mut frontier = Frontier::new(1, &[]);
        let (mut next, mut live) = (1, 10_000);
        let divided = below(2) == 0;
        if divided {
            frontier.divide(10_000);
        }
        let mut left: Vec<u32> = Vec::new();
        for _ in 0..60 {
            match below(8) {
                0 if divided && frontier.backlog_end().is_some() => {
                    live += 1 + below(3);
                    frontier.listed_ahead(&listed(&[live]));
                    left.push(live);
                    live += 1;
                }
                1 | 2 if !divided || frontier.backlog_end().is_some() => {
                    next += 1 + below(4);
                    frontier.listed(&listed(&[next]));
                    left.push(next);
                    next += 1;
                }
                3 if below(20) == 0 => frontier.pass_backlog(),
                _ if !left.is_empty() => {
                    let place = below(u32::try_from(left.len()).unwrap()) as usize;
                    frontier.done(left.swap_remove(place));
                }
                _ => {}
            }
            let (position, done) = (frontier.position(), frontier.done_ranges());
            assert!(left.iter().all(|uid| u64::from(*uid) >= position));
            assert!(done.iter().all(|range| range.start >= position), "{position} {done:?}");
            assert!(done.windows(2).all(|two| two[0].end <= two[1].start), "{done:?}");
            let claimed = |uid: &u32| done.iter().any(|range| range.contains(&u64::from(*uid)));
            assert!(!left.iter().any(claimed), "{done:?} {left:?}");
        }
    }
}
