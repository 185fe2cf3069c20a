//! A mail at which the program is killed every time does not block its mailbox.

use std::fs;
use std::thread;
use std::time::Instant;

use mailtap::dead_letter::Reader;

use crate::support::PATIENCE;
use crate::support::imap_server::Fault;
use crate::{Stage, ends_well};

/// Lets the program be killed in the midst of the mail with this UID, so often.
fn kill_at(stage: &Stage, uid: u32, times: u32) {
    stage.server.misbehave(Fault::HangsAt { uid });
    for time in 1..=times {
        let collector = stage.start();
        let record = format!("[{uid},{time}]");
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
    assert_eq!(stage.receiver.record().events.len(), 9, "it held up no other");
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
