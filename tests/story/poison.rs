//! A mail at which the program is killed every time does not block its mailbox.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Instant;

use mailtap::dead_letter::Reader;
use mailtap::limits;

use crate::support::PATIENCE;
use crate::support::imap_server::Fault;
use crate::watch::Watch;
use crate::{Stage, ends_well};

/// Lets the program be killed in the midst of the mail with this UID, so often.
fn kill_at(stage: &Stage, uid: u32, times: u32) {
    stage.server.misbehave(Fault::HangsAt { uid });
    for time in 1..=times {
        let collector = stage.start();
        // Once it has ended among these mails, it reads them one by one.
        let record = if time == 1 {
            r#""among":["#.to_owned()
        } else {
            format!("[{uid},{time}]")
        };
        let since = Instant::now();
        // What the program has in hand, only its own record tells.
        while !attempts(stage).contains(&record) {
            assert!(since.elapsed() < PATIENCE, "no attempt {time}: {}", attempts(stage));
            thread::yield_now();
        }
        collector.kill();
    }
    stage.server.heal();
}

fn attempts(stage: &Stage) -> String {
    let Ok(folder) = fs::read_dir(&stage.configuration.state_dir) else {
        return String::new();
    };
    let mut paths = folder.map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|extension| extension == "attempts"));
    path.map_or_else(String::new, |path| fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn matrix_1_killed_twice_at_the_same_mail_it_is_read_as_any_other() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    kill_at(&stage, uids[6], 2);
    let before: Vec<u64> = uids.iter().take(6).copied().map(u64::from).collect();
    assert_eq!(stage.receiver.record().uids(), before, "one by one, in their order");
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    let event = stage.receiver.record().events.pop().unwrap();
    assert!(event.event["event"].get("anomalies").is_none());
    assert!(!attempts(&stage).contains("[["), "{}", attempts(&stage));
}

#[test]
fn matrix_1_killed_three_times_at_the_same_mail_a_stub_of_it_goes_out_and_the_mailbox_moves_on() {
    let stage = Stage::new();
    let mut uids = stage.deliver(10);
    let poison = uids[6];
    kill_at(&stage, poison, 3);
    assert_eq!(stage.receiver.record().events.len(), 9, "it held up no other");
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["error", "again and again", &format!("uid={poison}"), "times=3"]);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    let record = stage.receiver.record();
    let stub = record
        .events
        .iter()
        .find(|event| event.uid == u64::from(poison))
        .unwrap();
    assert_eq!(stub.header("subject"), "mail 6");
    assert_eq!(stub.event["event"]["anomalies"][0]["flag"], "limit_attempts");
    assert_eq!(stub.event["event"]["parts"][0]["size"], crate::mail(6).len());
    assert_eq!(record.duplicates, 0);
}

#[test]
fn matrix_1_killed_at_the_stub_as_well_the_mail_is_a_line_in_the_dead_letter_file() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    let poison = uids[6];
    kill_at(&stage, poison, 4);
    let collector = stage.start();
    collector.wait_for_line(&["written to the dead-letter file", &format!("uid={poison}")]);
    stage.wait_for_idle();
    ends_well(collector);
    let others: Vec<u32> = uids.into_iter().filter(|uid| *uid != poison).collect();
    stage.wait_for_exactly(&others);
    let bytes = fs::read(crate::dead_letters::file_of(&stage).unwrap()).unwrap();
    let (_, letter) = Reader::new(bytes.as_slice()).next_letter().unwrap().unwrap();
    let letter = letter.unwrap();
    assert_eq!((letter.uid, letter.content), (poison, None));
}

/// Whether the program ended at a mail; `false` once there is nothing more to do.
fn ends_at_a_mail(watch: &mut Watch) -> bool {
    while watch.server.record().idling == 0 {
        if let Some(thread) = watch.thread.take_if(|thread| thread.is_finished()) {
            thread.join().unwrap_err();
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Starts the program until it no longer ends at a mail, and gives how often it did.
fn live_on(watch: &mut Watch) -> usize {
    let mut ends = 0;
    watch.begin_well();
    while ends_at_a_mail(watch) {
        ends += 1;
        assert!(ends <= 100, "it ends for ever");
        watch.begin_well();
    }
    ends
}

/// The events that are stubs.
fn stubs(watch: &Watch) -> BTreeSet<u32> {
    let record = watch.receiver.record();
    let is_stub = |flag: &serde_json::Value| *flag == "limit_attempts";
    let stubs = record
        .events
        .iter()
        .filter(|event| is_stub(&event.event["event"]["anomalies"][0]["flag"]));
    stubs.map(|event| u32::try_from(event.uid).unwrap()).collect()
}

#[test]
fn matrix_1_twenty_mails_that_end_the_program_cost_three_ends_each_wherever_their_uid_stands() {
    for uid_behind_the_body in [false, true] {
        let mut watch = Watch::new(50);
        if uid_behind_the_body {
            watch.server.misbehave(Fault::ItemsInAnotherOrder);
        }
        watch.poison = (1..=20).map(|number| number * 2 + 5).collect();
        assert_eq!(live_on(&mut watch), 60, "{uid_behind_the_body}");
        assert_eq!(stubs(&watch), watch.poison, "{uid_behind_the_body}");
        let mut uids = watch.receiver.record().uids();
        uids.sort_unstable();
        assert_eq!(uids, (1..=50).collect::<Vec<_>>(), "{uid_behind_the_body}");
    }
}

#[test]
fn matrix_1_where_the_uid_comes_behind_the_body_and_in_no_order_the_innocent_are_cleared() {
    let mut watch = Watch::new(12);
    watch.server.misbehave(Fault::ItemsInAnotherOrder);
    watch.server.misbehave(Fault::LastFirst);
    watch.poison = BTreeSet::from([4, 7]);
    live_on(&mut watch);
    assert_eq!(stubs(&watch), watch.poison);
    assert_eq!(watch.receiver.record().events.len(), 12);
}

#[test]
fn matrix_1_while_no_more_suspects_can_be_remembered_they_come_first_and_alone() {
    let mut watch = Watch::new(30);
    let others = (0..limits::SUSPECTS - 2).map(|number| [number + 1000, 1]);
    let suspects: Vec<_> = [[20, 1], [10, 2]].into_iter().chain(others).collect();
    let validity = watch.server.uid_validity();
    let record = serde_json::json!({"uidvalidity": validity, "attempts": suspects});
    fs::write(watch.folder.path().join("attempts"), record.to_string()).unwrap();
    watch.poison = BTreeSet::from([5, 10]);
    assert_eq!(live_on(&mut watch), 4);
    assert_eq!(stubs(&watch), watch.poison);
    let mut first = watch.server.record().bodies;
    first.truncate(3);
    assert_eq!(
        first,
        [20, 10, 21],
        "the one at which the program ended less often; then there is room, and others come before the other one"
    );
}
