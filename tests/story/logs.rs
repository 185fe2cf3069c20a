//! What goes to standard error: lines that a program can read, in the format and of the level that was asked for.

use std::process::Command;

use serde_json::Value;

use crate::support::collector::Collector;
use crate::{Stage, ended_well, ends_well};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mailtap");

/// What must never be seen as it is: it clears the screen, turns the direction of text, and begins a line.
const HOSTILE: &str = "\u{1b}[2J\u{202e}\nerror forged";

impl Stage {
    fn start_by(&self, mut command: Command, flags: &[&str]) -> Collector {
        let file = self.folder.write("mailtap.yaml", self.configuration.yaml());
        command.args(flags);
        Collector::start(command, &file)
    }

    fn start_with(&self, flags: &[&str]) -> Collector {
        self.start_by(Command::new(PROGRAM), flags)
    }

    /// Mails that say [`HOSTILE`] wherever mails say something.
    fn deliver_hostile(&self, count: u32) -> Vec<u32> {
        let hostile = HOSTILE.replace('\n', "\r\n ");
        let mail = format!(
            "From: {hostile}\r\nSubject: {hostile}\r\nMessage-ID: <{hostile}@x>\r\nContent-Type: text/plain; name=\"{hostile}\"\r\n\r\n{hostile}\r\n"
        );
        (0..count).map(|_| self.server.deliver(mail.as_bytes())).collect()
    }
}

/// Every line as JSON.
fn read(lines: &[String]) -> Vec<Value> {
    let parsed = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    parsed.collect()
}

fn no_hostile(lines: &[String]) {
    for line in lines {
        let hidden = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!line.contains(hidden) && !line.starts_with("error"), "{line:?}");
    }
}

#[test]
fn json_lines_are_json_and_what_is_counted_is_a_number() {
    let stage = Stage::new();
    let uids = stage.deliver_hostile(5);
    let collector = stage.start_with(&["--log-format", "json", "--log-level=debug"]);
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["\"message\":\"caught up\""]);
    let lines = collector.lines();
    ends_well(collector);
    no_hostile(&lines);
    let lines = read(&lines);
    for line in &lines {
        assert!(
            line["time"].as_str().unwrap().ends_with('Z') && line["level"].is_string(),
            "{line}"
        );
    }
    let caught_up = lines.iter().find(|line| line["message"] == "caught up").unwrap();
    assert_eq!(
        (&caught_up["delivered"], &caught_up["mailbox"]),
        (&5.into(), &"INBOX".into())
    );
    let acknowledged: u64 = lines.iter().filter_map(|line| line["events"].as_u64()).sum();
    assert_eq!(acknowledged, 5, "a debug line for each batch");
}

#[test]
fn a_hostile_name_is_escaped_in_every_format() {
    for flags in [["--log-format=text"], ["--log-format=json"]] {
        let mut stage = Stage::new();
        stage.configuration.inbox_name = Some(format!("box {HOSTILE}"));
        let collector = stage.start_with(&flags);
        collector.wait_for_line(&["trying again", "202e"]);
        let lines = collector.kill();
        no_hostile(&lines);
        if flags == ["--log-format=json"] {
            let lines = read(&lines);
            assert!(lines.iter().any(|line| line["mailbox"] == format!("box {HOSTILE}")));
        }
    }
}

#[test]
fn a_level_leaves_out_what_matters_less() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    let collector = stage.start_with(&["--log-level", "warn"]);
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    collector.ask_to_stop();
    let (status, lines) = collector.ends();
    assert_eq!((status.code(), lines), (Some(0), Vec::new()));
}

#[test]
fn in_the_journal_lines_have_a_priority_and_no_time() {
    let stage = Stage::new();
    let uids = stage.deliver(3);
    // As systemd would: device and inode of the standard error that it gives.
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2) exec \"$0\" \"$@\"",
        PROGRAM,
    ]);
    let collector = stage.start_by(shell, &[]);
    stage.wait_for_exactly(&uids);
    let line = collector.wait_for_line(&["caught up"]);
    assert!(line.starts_with("<6>info  caught up server="), "{line}");
    collector.ask_to_stop();
    ended_well(collector);
}

#[test]
fn with_json_the_last_line_is_json_as_well() {
    let mut stage = Stage::new();
    stage.configuration.more.push("no_such_key: 1".to_owned());
    let (status, lines) = stage.start_with(&["--log-format=json"]).ends();
    assert_eq!(status.code(), Some(2));
    let lines = read(&lines);
    assert!(
        lines[0]["message"].as_str().unwrap().contains("no_such_key"),
        "{lines:?}"
    );
}
