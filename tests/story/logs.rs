//! What goes to standard error: lines that a program can read, in the format and of the level that was asked for.

use std::process::Command;

use serde_json::Value;

use crate::once::{mailtap, said};
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

/// What a terminal must not get of a server's words.
fn is_steering(character: char) -> bool {
    (character.is_control() && character != '\n') || matches!(character, '\u{202e}' | '\u{2060}' | '\u{61c}')
}

#[test]
fn a_mailbox_that_a_hostile_server_lists_steers_no_terminal_whatever_the_command() {
    let mut stage = Stage::new();
    let hostile = "box \u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{2060}\u{61c}";
    let wire = mailtap::imap::mailbox_name::encode(hostile);
    stage.server.create(&wire, "");
    stage.server.deliver_to(&wire, &crate::mail(1));
    stage.configuration.inbox_names = vec!["box*".to_owned()];
    let once = mailtap(&stage, &["imap", "--once"]);
    assert_eq!(once.status.code(), Some(0), "{}", said(&once));
    // A letter without an event is told by its mailbox's name.
    let letter = serde_json::json!({"id": "0".repeat(32), "account": "u@s:993", "mailbox": hostile, "uidvalidity": 1, "uid": 7,
        "time": "2024-01-01T00:00:00.000Z", "reason": hostile});
    let letters = stage.folder.write("letters.ndjson", format!("{letter}\n"));
    let file = stage.folder.path().join("mailtap.yaml");
    let replay = Command::new(PROGRAM)
        .arg("replay")
        .args([&file, &letters])
        .output()
        .unwrap();
    assert_eq!(replay.status.code(), Some(1));
    let outputs = [
        once,
        mailtap(&stage, &["check"]),
        mailtap(&stage, &["check", "--json"]),
        mailtap(&stage, &["state"]),
        mailtap(&stage, &["state", "--json"]),
        replay,
    ];
    for output in &outputs {
        for stream in [&output.stdout, &output.stderr] {
            let text = str::from_utf8(stream).unwrap();
            assert!(!text.contains(is_steering), "{text:?}");
        }
    }
    let told = |output: &std::process::Output| {
        String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
    };
    for output in [&outputs[0], &outputs[1], &outputs[3], &outputs[5]] {
        assert!(
            told(output).contains("box \\u{1b}[2J\\u{9b}2J\\u{7f}\\u{202e}\\u{2060}\\u{61c}"),
            "{}",
            told(output)
        );
    }
    // A program gets the name as it is.
    for output in [&outputs[2], &outputs[4]] {
        let text = str::from_utf8(&output.stdout).unwrap();
        let mut objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let named = |object: Value| object["mailbox"] == hostile || object["name"] == hostile;
        assert!(objects.any(named), "{text}");
    }
}

#[test]
fn what_a_command_complains_about_is_a_line_of_the_log_where_programs_read_it() {
    let stage = Stage::new();
    let letters = stage.folder.write("letters.ndjson", "{\n");
    let configuration = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    stage.deliver(1);
    assert_eq!(mailtap(&stage, &["imap", "--once"]).status.code(), Some(0));
    let mut files = std::fs::read_dir(&stage.configuration.state_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let checkpoint = files
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .unwrap();
    std::fs::write(checkpoint, "{").unwrap();
    let missing = stage.folder.path().join("missing.eml");
    for arguments in [
        vec!["state".as_ref(), configuration.as_os_str()],
        vec!["replay".as_ref(), configuration.as_os_str(), letters.as_os_str()],
        vec!["parse".as_ref(), missing.as_os_str()],
    ] {
        let run = |program: &mut Command| said(&program.args(&arguments).output().unwrap());
        let json = run(Command::new(PROGRAM).arg("--log-format=json"));
        let lines: Vec<String> = json.lines().map(str::to_owned).collect();
        assert!(read(&lines).iter().any(|line| line["level"] == "error"), "{json}");
        let script = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2) exec \"$0\" \"$@\"";
        let journal = run(Command::new("sh").args(["-c", script, PROGRAM]));
        assert!(journal.lines().any(|line| line.starts_with("<3>error ")), "{journal}");
        assert!(journal.lines().all(|line| line.starts_with('<')), "{journal}");
        let people = run(&mut Command::new(PROGRAM));
        assert!(people.lines().any(|line| line.starts_with("mailtap: ")), "{people}");
    }
}

#[test]
fn events_on_a_terminal_steer_nothing_and_a_line_of_the_log_has_no_codes_without_progress() {
    if !std::path::Path::new("/usr/bin/script").exists() {
        println!("skipped: there is no script(1) to make a terminal");
        return;
    }
    let stage = Stage::new();
    stage
        .server
        .deliver("Subject: \u{9b}2J\u{202e}\u{2060} é\r\n\r\n\u{1b}[2J\u{9b}2J\r\n".as_bytes());
    let file = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    for terminal in ["dumb", "xterm"] {
        let program = format!("'{PROGRAM}' imap --once --dry-run '{}'", file.display());
        let mut command = Command::new("/usr/bin/script");
        command.args(["-qefc", &program, "/dev/null"]).env("TERM", terminal);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let steering = |character: char| is_steering(character) && character != '\r';
        assert!(!text.contains(steering), "{terminal}: {text:?}");
        assert!(
            text.contains("\\u009b2J\\u202e\\u2060 é") && text.contains("caught up"),
            "{text}"
        );
    }
}
