//! What a receiver refused, sent once more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::support::cloud::Cloud;
use crate::support::cloud::frames::Payload;
use crate::support::collector::no_secret_in;
use crate::support::receiver::{Fault, Receiver};
use crate::{Stage, ends_well};

fn replay(configuration: &Path, file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command.arg("replay").arg(configuration).arg(file).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    no_secret_in(text.as_bytes());
    text
}

/// A dead-letter file of the real program, with one line: of the mail with this UID.
fn refused() -> (Stage, u32, PathBuf) {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    stage.receiver.misbehave(Fault::Refuses {
        uid: uids[1].into(),
        code: 400,
    });
    let collector = stage.start();
    collector.wait_for_line(&["written to the dead-letter file"]);
    stage.wait_for_idle();
    ends_well(collector);
    let file = crate::dead_letters::file_of(&stage).unwrap();
    (stage, uids[1], file)
}

#[test]
fn what_a_webhook_refused_is_sent_again_until_it_is_acknowledged() {
    let (stage, uid, file) = refused();
    let configuration = stage.folder.path().join("mailtap.yaml");
    let before = fs::read(&file).unwrap();
    let output = replay(&configuration, &file);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("ndjson:1: ") && told.contains("400") && told.contains("left=1"),
        "{told}"
    );
    stage.receiver.heal();
    stage.receiver.misbehave_once(Fault::CloseAfterStoring);
    let output = replay(&configuration, &file);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("acknowledged=1 left=0"), "{told}");
    let record = stage.receiver.record();
    assert_eq!(record.events.last().unwrap().uid, u64::from(uid));
    // Sent twice, as the answer was lost: with the same bytes, or that would be a violation.
    assert_eq!((record.duplicates, record.violations), (1, Vec::new()));
    assert_eq!(fs::read(&file).unwrap(), before, "the file stays as it is");
}

#[test]
fn what_is_left_is_told_where_the_receiver_takes_nothing_at_all() {
    let (mut stage, _, file) = refused();
    let lines = format!("{}\n", fs::read_to_string(&file).unwrap()).repeat(3);
    let file = stage.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    stage.receiver.misbehave(Fault::Status {
        code: 401,
        retry_after: None,
    });
    let writes = thread::spawn({
        let file = file.clone();
        move || fs::write(file, lines)
    });
    // The first batch is not the whole file.
    stage.configuration.more_options.push("batch_events: 1".to_owned());
    let single = stage.configuration.yaml();
    let output = replay(&stage.folder.write("single.yaml", single), &file);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("acknowledged=0 left=3"), "{told}");
    writes.join().unwrap().unwrap();
}

#[test]
fn lines_without_an_event_or_torn_are_told_and_the_others_are_sent() {
    let (mut stage, uid, file) = refused();
    stage.configuration.dest_url = "stdout:".to_owned();
    stage.configuration.lc_secret = String::new();
    let configuration = stage.folder.write("stdout.yaml", stage.configuration.yaml());
    let line = fs::read_to_string(&file).unwrap();
    let (head, event) = line.trim_end().split_once(",\"event\":").unwrap();
    let lines = format!("{head}}}\n{line}{head},\"event\":{{\n{line}");
    let file = stage.folder.write("letters", &lines);
    let output = replay(&configuration, &file);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("letters:1: no event") && told.contains(&format!("UID {uid}")),
        "{told}"
    );
    assert!(
        told.contains("letters:3: torn by a crash") && told.contains("acknowledged=2 left=2"),
        "{told}"
    );
    let mut nowhere = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    let nowhere = nowhere
        .arg("replay")
        .arg(&configuration)
        .arg(&file)
        .stdout(Stdio::null());
    let nowhere = nowhere.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));
    assert!(
        said(&nowhere).contains("standard output is /dev/null"),
        "{}",
        said(&nowhere)
    );
    let event = event.strip_suffix('}').unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{event}\n{event}\n"));
}

#[test]
fn limacharlie_s_own_protocol_takes_them_as_events() {
    let (mut stage, uid, file) = refused();
    let cloud = Cloud::start();
    stage.configuration.dest_url = cloud.url();
    stage.configuration.lc_secret = String::new();
    let configuration = stage.folder.write("cloud.yaml", stage.configuration.yaml());
    let output = replay(&configuration, &file);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let record = cloud.record();
    let [message] = record.messages.as_slice() else {
        panic!("one: {:?}", record.messages)
    };
    let Payload::Event(event) = &message.payload else {
        panic!("no event")
    };
    assert_eq!(event["routing"]["uid"], uid);
    assert_eq!((record.closes, record.violations), (vec![1000], Vec::new()));
}

#[test]
fn each_line_goes_to_the_receiver_of_its_account_and_mailbox() {
    let (mut stage, uid, file) = refused();
    stage.receiver.heal();
    let right = stage.configuration.yaml();
    let other = Receiver::start();
    stage.configuration.dest_url = other.url();
    stage.configuration.inbox_name = Some("Other".to_owned());
    let wrong = stage.configuration.yaml();
    let configuration = stage.folder.write("both.yaml", format!("{wrong}---\n{right}"));
    let output = replay(&configuration, &file);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(stage.receiver.record().events.last().unwrap().uid, u64::from(uid));
    stage.configuration.inbox_name = Some("A third".to_owned());
    let neither = format!("{wrong}---\n{}", stage.configuration.yaml());
    let output = replay(&stage.folder.write("neither.yaml", neither), &file);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("mailbox INBOX of"), "{told}");
    assert_eq!(other.record().requests, 0);
}

#[test]
fn wrong_arguments_are_told_before_anybody_is_contacted() {
    let (stage, _, file) = refused();
    let configuration = stage.folder.path().join("mailtap.yaml");
    let requests = stage.receiver.record().requests;
    for (configuration, file) in [
        (configuration.as_path(), Path::new("/nowhere/letters")),
        (Path::new("/nowhere/mailtap.yaml"), file.as_path()),
    ] {
        let output = replay(configuration, file);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("/nowhere/"), "{told}");
    }
    assert_eq!(stage.receiver.record().requests, requests);
}
