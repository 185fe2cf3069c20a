//! What cannot be delivered goes to the dead-letter file, and holds up nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use mailtap::dead_letter::{Content, Letter, Reader};
use mailtap::metrics::Counter;

use crate::support::receiver::Fault;
use crate::watch::Watch;
use crate::{Stage, ends_well};

/// A mailbox of ten mails, and a receiver that refuses the event of one.
fn one_of_ten_is_refused(code: u16) -> Watch {
    let watch = Watch::new(10);
    watch.receiver.misbehave(Fault::Refuses { uid: 7, code });
    watch
}

/// What is in the dead-letter file.
pub fn letters(watch: &Watch) -> Vec<Letter<'static>> {
    let bytes = fs::read(watch.dead_letters().path()).unwrap_or_default();
    let mut reader = Reader::new(bytes.as_slice());
    std::iter::from_fn(|| reader.next_letter().unwrap())
        .map(|(_, letter)| letter.unwrap())
        .collect()
}

/// UIDs that the receiver has stored, ascending.
fn stored(watch: &Watch) -> Vec<u64> {
    let mut uids = watch.receiver.record().uids();
    uids.sort_unstable();
    uids
}

fn all_but_7() -> Vec<u64> {
    (1..=10).filter(|uid| *uid != 7).collect()
}

fn event_of(letter: &Letter<'_>) -> serde_json::Value {
    let Some(Content::Event(event)) = &letter.content else {
        panic!("no event: {letter:?}")
    };
    serde_json::from_slice(event).unwrap()
}

#[test]
fn matrix_4_one_event_of_a_batch_is_refused_and_goes_to_the_dead_letter_file_after_three_tries() {
    for code in [400, 413, 415, 422] {
        let mut watch = one_of_ten_is_refused(code);
        watch.begin_well();
        for _ in 0..2 {
            assert!(watch.glass.waiting() <= Duration::from_secs(2), "tries are spaced");
            assert!(letters(&watch).is_empty(), "and there are three");
            watch.glass.turn();
        }
        watch.wait_for_events(9);
        watch.wait_for_idle();
        assert_eq!(stored(&watch), all_but_7());
        assert_eq!(watch.receiver.look(|record| record.duplicates), 0);
        assert_eq!(watch.next_uid(), Some(11), "the checkpoint passed it");
        let letters = letters(&watch);
        let [letter] = letters.as_slice() else {
            panic!("exactly that one: {letters:?}")
        };
        assert_eq!((letter.uid, letter.mailbox.as_str()), (7, "INBOX"));
        assert_eq!(letter.uid_validity, watch.server.uid_validity());
        assert!(letter.reason.contains(&code.to_string()), "{}", letter.reason);
        let event = event_of(letter);
        assert_eq!(
            (&event["routing"]["uid"], &event["routing"]["event_id"]),
            (&7.into(), &letter.id.as_str().into())
        );
        let counted = [Counter::Delivered, Counter::DeadLettered].map(|counter| watch.counted(counter));
        assert_eq!(counted, [9, 1]);
    }
}

#[test]
fn matrix_4_where_the_receiver_answers_for_each_event_only_those_it_did_not_take_are_sent_again() {
    let mut watch = Watch::new(10);
    watch.receiver.misbehave_once(Fault::Each {
        others: vec![(3, 400), (5, 429), (7, 503), (9, 422)],
    });
    // Once more, but that one is there meanwhile.
    watch.receiver.misbehave(Fault::Each {
        others: vec![(3, 400), (7, 409), (9, 422)],
    });
    watch.begin_well();
    assert!(watch.glass.waiting() <= Duration::from_secs(2));
    assert_eq!(stored(&watch), [1, 2, 4, 6, 8, 10]);
    assert_eq!(watch.counted(Counter::Delivered), 6, "they are done");
    watch.glass.turns(5);
    watch.wait_for_idle();
    assert_eq!(stored(&watch), [1, 2, 4, 5, 6, 8, 10]);
    let mut letters: Vec<u32> = letters(&watch).iter().map(|letter| letter.uid).collect();
    letters.sort_unstable();
    assert_eq!((letters, watch.next_uid()), (vec![3, 9], Some(11)));
    let record = watch.receiver.record();
    assert_eq!(
        (record.duplicates, record.requests),
        (0, 8),
        "two of all, three of each refused"
    );
    let counted = [Counter::Delivered, Counter::DeadLettered].map(|counter| watch.counted(counter));
    assert_eq!(counted, [8, 2]);
}

#[test]
fn matrix_6_an_answer_for_each_event_that_is_cut_off_acknowledges_none() {
    for after in [1, 12, 40, 100] {
        let mut watch = Watch::new(10);
        let others = vec![(3, 429)];
        watch.receiver.misbehave_once(Fault::EachCut { others, after });
        watch.begin_well();
        watch.glass.waiting();
        assert_eq!(watch.counted(Counter::Delivered), 0, "{after}");
        watch.glass.turn();
        watch.wait_for_idle();
        assert_eq!((stored(&watch).len(), letters(&watch).len()), (10, 0), "{after}");
    }
}

#[test]
fn matrix_5_a_wrong_setting_sends_nothing_to_the_dead_letter_file() {
    for code in [401, 403, 404, 410, 301, 307] {
        let mut watch = one_of_ten_is_refused(code);
        watch.begin_well();
        for _ in 0..4 {
            assert!(watch.glass.waiting() >= Duration::from_secs(20), "it is probed");
            watch.glass.turn();
        }
        watch.glass.waiting();
        assert_eq!((letters(&watch), stored(&watch)), (Vec::new(), Vec::new()));
        watch.receiver.heal();
        watch.glass.turn();
        watch.wait_for_events(10);
    }
}

#[test]
fn a_mailbox_is_not_red_for_its_dead_letters_however_many_are_the_last_ones() {
    let mut watch = Watch::new(3);
    watch.receiver.misbehave(Fault::Status {
        code: 400,
        retry_after: None,
    });
    watch.begin_well();
    for _ in 0..6 {
        watch.glass.waiting();
        assert!(!watch.counters.vitals().troubles.is_empty(), "it may be the receiver");
        watch.glass.turn();
    }
    watch.wait_for_idle();
    assert_eq!(letters(&watch).len(), 3);
    assert!(watch.counters.vitals().troubles.is_empty());
}

#[test]
fn a_receiver_that_refuses_everything_is_asked_less_and_less_often() {
    let mut watch = Watch::new(10);
    watch.receiver.misbehave(Fault::Status {
        code: 400,
        retry_after: None,
    });
    watch.begin_well();
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(watch.glass.waiting());
        watch.glass.turn();
    }
    watch.glass.waiting();
    assert!(waits.is_sorted() && waits[11] >= Duration::from_secs(20), "{waits:?}");
    assert_eq!(letters(&watch).len(), 6, "nothing is lost meanwhile");
    watch.receiver.heal();
    watch.glass.turn();
    watch.wait_for_events(4);
    watch.wait_for_idle();
    assert_eq!(stored(&watch), [7, 8, 9, 10]);
}

#[test]
fn matrix_12_a_full_disk_stops_the_mailbox_at_the_refused_event_until_there_is_room() {
    let mut watch = one_of_ten_is_refused(422);
    let file = watch.dead_letters();
    symlink("/dev/full", file.path()).unwrap();
    watch.begin_well();
    watch.glass.turns(5);
    watch.glass.waiting();
    assert!(
        watch.next_uid() <= Some(7),
        "the checkpoint waits: {:?}",
        watch.next_uid()
    );
    fs::remove_file(file.path()).unwrap();
    watch.glass.turn();
    watch.wait_for_events(9);
    watch.wait_for_idle();
    assert_eq!(stored(&watch), all_but_7());
    assert_eq!((letters(&watch).len(), watch.next_uid()), (1, Some(11)));
}

#[test]
fn matrix_12_a_folder_that_is_gone_stops_the_mailbox_and_a_restart_finds_the_event_again() {
    let mut watch = one_of_ten_is_refused(422);
    fs::remove_dir_all(watch.folder.path()).unwrap();
    watch.begin_well();
    watch.glass.turns(4);
    watch.glass.waiting();
    watch.end();
    assert!(
        watch.next_uid() <= Some(7),
        "the checkpoint waits: {:?}",
        watch.next_uid()
    );
    fs::create_dir(watch.folder.path()).unwrap();
    watch.begin_well();
    watch.glass.turns(2);
    watch.wait_for_events(9);
    watch.wait_for_idle();
    assert_eq!(stored(&watch), all_but_7());
    assert_eq!(letters(&watch).len(), 1);
}

/// The dead-letter file of the real program.
pub fn file_of(stage: &Stage) -> Option<PathBuf> {
    let folder = fs::read_dir(&stage.configuration.state_dir).ok()?;
    let mut paths = folder.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
}

#[test]
fn matrix_1_a_dead_letter_torn_by_a_kill_is_told_at_the_next_start_and_its_event_is_not_lost() {
    let stage = Stage::new();
    let uids = stage.deliver(5);
    let refused = uids[2];
    stage.receiver.misbehave(Fault::Refuses {
        uid: refused.into(),
        code: 422,
    });
    let collector = stage.start();
    collector.wait_for_line(&["written to the dead-letter file", &format!("uid={refused}")]);
    stage.wait_for_idle();
    ends_well(collector);
    let file = file_of(&stage).unwrap();
    let whole = fs::read(&file).unwrap();
    // As if it had been killed within the line, before the checkpoint passed the mail.
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let checkpoints = fs::read_dir(&stage.configuration.state_dir).unwrap();
    for path in checkpoints.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "json") {
            fs::remove_file(path).unwrap();
        }
    }
    let collector = stage.start();
    collector.wait_for_line(&["dead-letter file", "torn", file.to_str().unwrap()]);
    collector.wait_for_line(&["written to the dead-letter file", &format!("uid={refused}")]);
    stage.wait_for_idle();
    ends_well(collector);
    let bytes = fs::read(&file).unwrap();
    let mut reader = Reader::new(bytes.as_slice());
    let (_, torn) = reader.next_letter().unwrap().unwrap();
    let (_, letter) = reader.next_letter().unwrap().unwrap();
    assert!(torn.is_err() && reader.next_letter().unwrap().is_none());
    assert_eq!(letter.unwrap().uid, refused);
}
