//! The IMAP server fails: connections break, answers are strange, the mailbox changes under us.

use crate::support::receiver::sha256;
use crate::support::{imap_server, receiver};
use crate::{ServerFault, Stage, ends_well, mail};

#[test]
fn matrix_14_a_disconnect_inside_a_literal_costs_nothing_but_time() {
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
fn matrix_14_a_literal_that_lies_about_its_length_never_makes_another_mail() {
    for by in [1, 7, 2000, -1, -7, -200, 1 << 32] {
        let stage = Stage::new();
        let uids = stage.deliver(10);
        stage.server.misbehave(ServerFault::LiteralLies { uid: 45, by });
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        collector.wait_for_line(&["trying again"]);
        ends_well(collector);
        for (number, uid) in uids.iter().enumerate() {
            let record = stage.receiver.record();
            let event = record.events.iter().find(|event| event.uid == u64::from(*uid)).unwrap();
            let expected = sha256(&mail(u32::try_from(number).unwrap()));
            assert_eq!(event.event["routing"]["sha256"], expected, "uid {uid}, {by} bytes");
        }
        assert_eq!(stage.server.record().faults_struck, 1);
    }
}

#[test]
fn matrix_14_strange_but_legal_answers_change_nothing() {
    for fault in [
        ServerFault::ItemsInAnotherOrder,
        ServerFault::UnsolicitedData,
        ServerFault::UidNextMissing,
        ServerFault::GivesTwice,
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
fn a_mail_left_out_of_a_listing_comes_all_the_same() {
    // The first, one in the middle and the last of the backlog, and one that comes live.
    for uid in [41, 45, 50, 51] {
        let stage = Stage::new();
        let mut uids = stage.deliver(10);
        stage.server.misbehave(ServerFault::LeavesOut { uid });
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
        ends_well(collector);
        assert_eq!(stage.duplicates(), 0, "{uid}");
    }
}

#[test]
fn a_listing_that_is_refused_is_asked_for_in_another_way() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    stage.server.misbehave(ServerFault::NoOnListing);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn an_ordinary_start_and_an_ordinary_mail_cost_no_search() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    let commands = stage.server.record().commands;
    assert!(
        !commands.iter().any(|command| command.contains("SEARCH")),
        "{commands:?}"
    );
}

#[test]
fn uidnext_far_too_high_hides_no_mail() {
    let stage = Stage::new();
    let mut uids = stage.deliver(3);
    stage.server.misbehave(ServerFault::UidNextIs(4_000_000_000));
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    uids.extend(stage.deliver(2));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_14_uidnext_goes_down_and_what_comes_then_is_delivered() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    // UIDs that are given again below, to mails that are new.
    for uid in 46..50 {
        stage.server.expunge(uid);
    }
    let mut kept: Vec<u32> = uids.into_iter().filter(|uid| !(46..50).contains(uid)).collect();
    let collector = stage.start();
    stage.wait_for_exactly(&kept);
    ends_well(collector);
    stage.server.expunge(50);
    stage.server.skip_uids_to(46);
    let collector = stage.start();
    collector.wait_for_line(&["UIDNEXT"]);
    stage.wait_for_idle();
    kept.extend(stage.deliver(2));
    kept.sort_unstable();
    stage.wait_for_exactly(&kept);
    ends_well(collector);
}

/// Ten mails are delivered. While nobody looks, a backup with `kept` of them is restored, and mails from `first` on come: until
/// there are `total`.
fn restored(kept: usize, total: usize, first: u32) -> (Stage, Vec<u32>) {
    let stage = Stage::new();
    let uids: Vec<u32> = (10..20).map(|number| stage.server.deliver(&mail(number))).collect();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    for uid in &uids[kept..] {
        stage.server.expunge(*uid);
    }
    stage.server.skip_uids_to(uids[kept]);
    for number in kept..total {
        stage.server.deliver(&mail(first + u32::try_from(number).unwrap()));
    }
    (stage, uids)
}

#[test]
fn matrix_14_uids_that_are_given_again_while_nobody_looks_hide_no_mail() {
    // What comes then has the same sizes, or others; it ends beyond what was delivered, or below.
    for first in [60, 70] {
        for (kept, total) in [(0, 12), (7, 12), (9, 12), (0, 6), (4, 6), (5, 9)] {
            let (stage, uids) = restored(kept, total, first);
            let collector = stage.start();
            collector.wait_for_line(&["error", "UIDNEXT went down or mails have other dates"]);
            let lines = 10 + total - kept;
            stage.receiver.wait_until("every mail", |record| record.lines >= lines);
            stage.wait_for_idle();
            ends_well(collector);
            let record = stage.receiver.record();
            let again = uids.iter().take(total).skip(kept);
            let again = again.map(|uid| format!("uid {uid} came again with another id"));
            assert_eq!(record.violations, again.collect::<Vec<_>>());
            assert_eq!((record.events.len(), record.lines), (lines, lines), "none came twice");
        }
    }
}

#[test]
fn matrix_14_a_uid_that_is_given_again_in_an_open_session_hides_no_mail() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    stage.server.expunge(uids[2]);
    stage.server.skip_uids_to(uids[2]);
    stage.server.deliver(&mail(60));
    stage
        .receiver
        .wait_until("the mail that has its UID now", |record| record.events.len() == 4);
    ends_well(collector);
    let again = format!("uid {} came again with another id", uids[2]);
    assert_eq!(stage.receiver.record().violations, [again]);
    assert_eq!(stage.server.record().connections, 1);
}

#[test]
fn matrix_14_mails_that_a_restored_server_gets_back_are_known_by_their_hash() {
    // The last three go, one comes in between, and the three are put back behind it.
    let (stage, mut uids) = restored(7, 8, 60);
    for number in 17..20 {
        stage.server.deliver(&mail(number));
    }
    let collector = stage.start();
    collector.wait_for_line(&["caught up", "next_uid=52"]);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage
        .receiver
        .wait_until("the mail behind them", |record| record.lines >= 12);
    ends_well(collector);
    let record = stage.receiver.record();
    let subjects: Vec<&str> = record.events[10..]
        .iter()
        .map(|event| event.header("subject"))
        .collect();
    assert_eq!((record.lines, subjects), (12, vec!["mail 67", "mail 0"]));
}

#[test]
fn matrix_14_dates_that_are_others_repeat_nothing() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    stage.server.misbehave(ServerFault::MeasuresBadly);
    stage.server.cut_connections();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn matrix_14_uidnext_that_is_wrong_and_low_repeats_nothing() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    stage.server.misbehave(ServerFault::UidNextIs(2));
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    stage.server.cut_connections();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn matrix_14_a_session_that_ends_while_the_mailbox_is_opened_changes_no_uidvalidity() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    stage.server.misbehave(ServerFault::UidNextIs(2));
    stage.server.misbehave(ServerFault::ByeOn("UID FETCH"));
    let collector = stage.start();
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    let lines = collector.lines();
    ends_well(collector);
    assert!(stage.server.record().faults_struck > 0, "the first session ended");
    assert!(
        !lines.iter().any(|line| line.contains("UIDVALIDITY changed")),
        "{lines:#?}"
    );
}

#[test]
fn matrix_14_an_expunged_mail_is_a_gap_and_the_others_come() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    stage.server.misbehave(ServerFault::BodyNil { uid: 45 });
    let collector = stage.start();
    let others: Vec<u32> = uids.into_iter().filter(|uid| *uid != 45).collect();
    stage.wait_for_exactly(&others);
    collector.wait_for_line(&["gap", "uid=45"]);
    ends_well(collector);
}

#[test]
fn matrix_14_bye_in_the_middle_of_everything_is_survived() {
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
fn matrix_14_a_connection_lost_in_idle_is_made_again() {
    let stage = Stage::new();
    let collector = stage.start();
    stage.wait_for_idle();
    stage.server.cut_connections();
    let uids = stage.deliver(1);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_14_uidnext_goes_down_and_the_operator_is_told() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    stage.server.skip_uids_to(42);
    let collector = stage.start();
    collector.wait_for_line(&["error", "UIDNEXT went down", "next_uid=44", "uidnext=42"]);
    ends_well(collector);
}

#[test]
fn matrix_14_uidvalidity_changes_and_no_mail_is_missed() {
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

#[test]
fn gmail_s_limit_is_told_at_the_start_of_a_long_history_and_of_no_other() {
    const LIMIT: [&str; 3] = ["Gmail", "2,500 MB a day", "ten days"];
    for (extensions, from_zero, told) in [
        (vec!["X-GM-EXT-1"], true, true),
        (vec!["X-GM-EXT-1"], false, false),
        (vec![], true, false),
    ] {
        let settings = imap_server::Settings {
            extensions,
            ..imap_server::Settings::default()
        };
        let mut stage = Stage::with(settings, receiver::Settings::default());
        stage.configuration.from_zero = from_zero;
        stage.deliver(2);
        let collector = stage.start();
        stage.wait_for_idle();
        stage.server.cut_connections();
        let uids = stage.deliver(1);
        stage.wait_for_exactly(&if from_zero { stage.server.uids() } else { uids });
        let lines = collector.lines();
        let limits = lines
            .iter()
            .filter(|line| LIMIT.iter().all(|words| line.contains(words)));
        assert_eq!(
            limits.count(),
            usize::from(told),
            "once, whatever comes after: {lines:#?}"
        );
        ends_well(collector);
    }
}
