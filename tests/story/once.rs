//! `imap --once`, `imap --dry-run` and `state`: runs that end by themselves, or leave no trace.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::collector::no_secret_in;
use crate::{ReceiverFault, ServerFault, Stage, ends_well};

pub fn mailtap(stage: &Stage, arguments: &[&str]) -> Output {
    let file = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    let output = command.args(arguments).arg(file).output().unwrap();
    no_secret_in(&output.stderr);
    no_secret_in(&output.stdout);
    output
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What `mailtap state --json` tells of each mailbox.
fn state(stage: &Stage) -> Vec<Value> {
    let output = mailtap(stage, &["state", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every file of the state directory, with its bytes.
fn files(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(&stage.configuration.state_dir).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

/// The one checkpoint.
fn checkpoint(stage: &Stage) -> String {
    let mut paths = files(stage).into_keys();
    paths
        .find(|path| Path::new(path).extension().is_some_and(|extension| extension == "json"))
        .unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn once_delivers_what_is_there_and_ends_well_and_the_next_run_goes_on() {
    let stage = Stage::new();
    let mut uids = stage.deliver(20);
    for _ in 0..2 {
        let output = mailtap(&stage, &["imap", "--once"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("caught up"), "{}", said(&output));
        stage.wait_for_exactly(&uids);
        uids.extend(stage.deliver(3));
    }
    assert_eq!(stage.duplicates(), 0);
    let record = stage.server.record();
    assert_eq!(record.connections, 2);
    assert!(!record.commands.iter().any(|command| command.contains("IDLE")));
}

#[test]
fn once_goes_round_all_mailboxes_that_the_server_lists() {
    let mut stage = Stage::new();
    stage.configuration.inbox_names = vec!["INBOX".to_owned(), "J*".to_owned()];
    stage.configuration.max_connections = Some(1);
    for name in ["J1", "J2", "J3"] {
        stage.server.create(name, "");
        stage.server.deliver_to(name, &crate::mail(1));
    }
    stage.deliver(1);
    let output = mailtap(&stage, &["imap", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(stage.receiver.record().events.len(), 4);
    assert_eq!(stage.server.record().most_logged_in, 1);
    let told: Vec<_> = state(&stage).iter().map(|one| one["mailbox"].clone()).collect();
    assert_eq!(told, ["INBOX", "J1", "J2", "J3"]);
}

#[test]
fn once_with_an_event_that_is_refused_says_so_by_its_exit_code() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    stage.receiver.misbehave(ReceiverFault::Refuses {
        uid: uids[1].into(),
        code: 400,
    });
    let output = mailtap(&stage, &["imap", "--once"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(stage.receiver.record().events.len(), 2);
    let [inbox] = state(&stage).try_into().unwrap();
    assert_eq!(inbox["dead_letters"], 1);
    // Nothing is left for a second run.
    assert_eq!(mailtap(&stage, &["imap", "--once"]).status.code(), Some(0));
}

#[test]
fn once_with_a_wrong_password_tries_it_once_for_all_mailboxes() {
    let mut stage = Stage::new();
    stage.configuration.password = "wrong-secret".to_owned();
    stage.configuration.inbox_names = ["INBOX", "A", "B", "C*"].map(str::to_owned).to_vec();
    let output = mailtap(&stage, &["imap", "--once"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.matches("check username and password").count(), 1, "{told}");
    assert_eq!(stage.server.record().connections, 1);
}

#[test]
fn once_gives_a_receiver_up_that_is_away_and_the_next_run_delivers() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 404,
        retry_after: None,
    });
    let output = mailtap(&stage, &["imap", "--once"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("not caught up") && told.contains("404"), "{told}");
    let [inbox] = state(&stage).try_into().unwrap();
    assert_eq!((&inbox["next_uid"], &inbox["last_uid"]), (&1.into(), &Value::Null));
    stage.receiver.heal();
    assert_eq!(mailtap(&stage, &["imap", "--once"]).status.code(), Some(0));
    stage.wait_for_exactly(&uids);
}

#[test]
fn once_survives_a_connection_that_is_lost() {
    let stage = Stage::new();
    let uids = stage.deliver(10);
    stage
        .server
        .misbehave(ServerFault::DisconnectInsideLiteral { body: 4, after: 10 });
    let output = mailtap(&stage, &["imap", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    stage.wait_for_exactly(&uids);
}

#[test]
fn a_mailbox_that_is_not_there_is_no_reason_to_wait_for_it_once() {
    let mut stage = Stage::new();
    stage.configuration.inbox_name = Some("Journal".to_owned());
    let output = mailtap(&stage, &["imap", "--once"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("inbox_name"), "{told}");
}

#[test]
fn a_dry_run_prints_what_would_go_out_and_leaves_no_trace() {
    let mut stage = Stage::new();
    let uids = stage.deliver(4);
    let output = mailtap(&stage, &["imap", "--once", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let printed: Vec<_> = events(&output)
        .iter()
        .map(|event| event["routing"]["uid"].clone())
        .collect();
    assert_eq!(printed, uids);
    assert!(!Path::new(&stage.configuration.state_dir).exists());
    assert_eq!(stage.receiver.record().requests, 0);

    // Behind a checkpoint: only what it has not passed. And beside a mailtap that runs.
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 503,
        retry_after: None,
    });
    let fresh = stage.deliver(1);
    collector.wait_for_line(&["not delivered"]);
    let before = files(&stage);
    assert!(before.len() > 1);
    let requests = stage.receiver.record().requests;
    stage.configuration.platform = "email";
    let output = mailtap(&stage, &["imap", "--dry-run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(events(&output)[0]["routing"]["uid"], fresh[0]);
    assert_eq!(events(&output).len(), 1);
    assert!(
        stage.receiver.record().requests <= requests + 1,
        "the other one's tries"
    );
    assert_eq!(files(&stage), before);
    stage.receiver.heal();
    ends_well(collector);
    let commands = stage.server.record().commands;
    for written in ["SELECT", "STORE", "EXPUNGE", "BODY["] {
        assert!(!commands.iter().any(|command| command.contains(written)), "{written}");
    }
}

#[test]
fn a_dry_run_tells_what_would_be_a_dead_letter_and_writes_none() {
    let stage = Stage::new();
    let uids = stage.deliver(2);
    let account = mailtap(&stage, &["imap", "--once"]);
    assert_eq!(account.status.code(), Some(0));
    let fresh = stage.deliver(1);
    // As after a program that ended four times at this mail.
    let validity = stage.server.uid_validity();
    let checkpoint = checkpoint(&stage);
    let attempts = checkpoint.replace(".json", ".attempts");
    let text = format!("{{\"uidvalidity\":{validity},\"attempts\":[[{},4]]}}", fresh[0]);
    fs::write(&attempts, &text).unwrap();
    let before = files(&stage);
    let output = mailtap(&stage, &["imap", "--once", "--dry-run"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("would go to the dead-letter file"),
        "{}",
        said(&output)
    );
    assert_eq!(files(&stage), before);
    assert_eq!(uids.len(), stage.receiver.record().events.len());
}

#[test]
fn state_tells_what_is_delivered_without_asking_anybody() {
    let stage = Stage::new();
    let [before] = state(&stage).try_into().unwrap();
    assert_eq!((&before["uidvalidity"], &before["moved"]), (&Value::Null, &Value::Null));
    assert!(!stage.configuration.state_dir.exists());

    let uids = stage.deliver(5);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    let connections = stage.server.record().connections;
    let [inbox] = state(&stage).try_into().unwrap();
    assert_eq!(inbox["uidvalidity"], stage.server.uid_validity());
    assert_eq!(
        (&inbox["last_uid"], &inbox["next_uid"]),
        (&uids[4].into(), &(uids[4] + 1).into())
    );
    assert_eq!((&inbox["dead_letters"], &inbox["backlog"]), (&0.into(), &Value::Null));
    assert!(inbox["last_internal_date"].is_string() && inbox["moved"].is_string());
    let output = mailtap(&stage, &["state"]);
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(text.contains(" INBOX\n  delivered     all below UID 46\n"), "{text}");
    assert_eq!(stage.server.record().connections, connections);
    ends_well(collector);
}

#[test]
fn state_tells_a_backlog_under_way_and_a_damaged_checkpoint() {
    let stage = Stage::new();
    stage.deliver(2);
    assert_eq!(mailtap(&stage, &["imap", "--once"]).status.code(), Some(0));
    let path = checkpoint(&stage);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("\"done\":[]", "\"done\":[[50,60],[2000,2003],[3000,3000]]"),
    )
    .unwrap();
    let [inbox] = state(&stage).try_into().unwrap();
    // From UID 43 to 2999, without the thirteen that are done.
    assert_eq!(inbox["backlog"], 3000 - 43 - 13);
    assert_eq!(inbox["delivered_above"], serde_json::json!([[50, 59], [2000, 2002]]));
    let output = mailtap(&stage, &["state"]);
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(text.contains("all below UID 43, and 50:59, 2000:2002\n"), "{text}");
    assert!(text.contains("at most 2,944 mails of the backlog"), "{text}");

    fs::write(&path, "{").unwrap();
    let output = mailtap(&stage, &["state"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains(&path) && said(&output).contains("damaged"),
        "{}",
        said(&output)
    );
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(text.contains("not known: its checkpoint cannot be read"), "{text}");
    // A folder in the place of a file: nobody can read it, whoever runs this.
    fs::create_dir(path.replace(".json", ".dead-letter.ndjson")).unwrap();
    let output = mailtap(&stage, &["state"]);
    let text = str::from_utf8(&output.stdout).unwrap();
    assert!(text.contains("dead letters  not known: "), "{text}");
    assert!(said(&output).contains("dead-letter.ndjson"), "{}", said(&output));
}

#[test]
fn catching_up_on_a_terminal_shows_one_line_that_log_lines_and_the_end_wipe_out() {
    if !Path::new("/usr/bin/script").exists() {
        println!("skipped: there is no script(1) to make a terminal");
        return;
    }
    let stage = Stage::new();
    stage.deliver(1200);
    // Not all of it, until the line was seen.
    stage.receiver.misbehave(ReceiverFault::Slow { stored: 600 });
    let file = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    let program = format!("'{}' imap --once '{}'", env!("CARGO_BIN_EXE_mailtap"), file.display());
    let mut child = Command::new("/usr/bin/script")
        .args(["-qefc", &program, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    let mut healed = false;
    loop {
        let count = terminal.read(&mut chunk).unwrap_or(0);
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&chunk[..count]);
        if !healed && String::from_utf8_lossy(&seen).contains(" a minute") {
            stage.receiver.heal();
            healed = true;
        }
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    assert!(child.wait().unwrap().success(), "{text}");
    assert!(
        text.contains(" of 1,200 mails, ") && text.contains("\u{1b}[K\r"),
        "{text}"
    );
    let after = text.rsplit(" a minute").next().unwrap();
    assert!(after.contains("caught up") && after.contains("\r\u{1b}[K"), "{after}");
    assert_eq!(stage.receiver.record().events.len(), 1200);
    // Where nobody looks, no line of progress.
    let output = mailtap(&stage, &["imap", "--once"]);
    assert!(!said(&output).contains('\u{1b}'), "{}", said(&output));
}

/// `imap --once` to standard output, which is `file`.
fn once_to(stage: &Stage, file: fs::File) -> Output {
    let configuration = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    let output = command.args(["imap", "--once"]).arg(configuration).stdout(file);
    let output = output.stderr(Stdio::piped()).output().unwrap();
    no_secret_in(&output.stderr);
    output
}

#[test]
fn standard_output_that_takes_nothing_acknowledges_nothing_and_a_torn_line_spoils_no_event() {
    let mut stage = Stage::new();
    stage.configuration.dest_url = "stdout:".to_owned();
    stage.configuration.lc_secret = String::new();
    stage.deliver(1);
    let output = once_to(&stage, fs::File::open("/dev/null").unwrap());
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("standard output fails") && told.contains("events are lost"),
        "{told}"
    );

    // A process before this one was killed within a line.
    let events = stage.folder.write("events", "{\"torn");
    let output = once_to(&stage, fs::OpenOptions::new().append(true).open(&events).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let events = fs::read_to_string(events).unwrap();
    let [torn, event] = events.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(torn, "{\"torn");
    assert_eq!(
        serde_json::from_str::<Value>(event).unwrap()["routing"]["mailbox"],
        "INBOX"
    );
}

#[test]
fn a_receiver_that_acknowledges_with_a_page_for_people_is_told_once() {
    for (answer, told) in [
        // What the receiver says behind it is in the body as well.
        (
            "0\r\nContent-Type: text/HTML; charset=utf-8\r\nContent-Length: 39\r\n\r\n <html>",
            1,
        ),
        ("0\r\nContent-Type: text/html; charset=utf-8", 0),
        ("0\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n\r\n <html>", 0),
    ] {
        let mut stage = Stage::new();
        stage.configuration.inbox_names = vec!["INBOX".to_owned(), "J".to_owned()];
        stage.server.create("J", "");
        stage.server.deliver_to("J", &crate::mail(1));
        stage.deliver(3);
        stage.receiver.misbehave(ReceiverFault::Status {
            code: 200,
            retry_after: Some(answer),
        });
        let output = mailtap(&stage, &["imap", "--once"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("client_options.dest_url").count(), told, "{said}");
    }
}
