//! The real program: arguments, exit codes, and one line when something is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CANARY: &str = "canary-hunter2";

const MAIL: &str = "Subject: one\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\nbody\r\n";

/// `mailtap` with `arguments`, in an environment that holds nothing but a home folder.
fn mailtap(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    mailtap(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// The one line that a refusal consists of.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    let error = text(&output.stderr);
    assert_eq!(error.matches('\n').count(), 1, "not one line: {error}");
    assert!(!error.contains(CANARY), "a secret is in: {error}");
    error.strip_prefix("mailtap: ").unwrap().trim_end().to_owned()
}

/// A folder of its own for `test`, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("mailtap-command-line-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `routing.source` of every event that `arguments` print.
fn sources(output: &Output, folder: &Folder) -> Vec<String> {
    let root = format!("{}/", folder.0.display());
    text(&output.stdout)
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["routing"]["source"].as_str().unwrap().replace(&root, "")
        })
        .collect()
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["help", "imap"],
        &["imap", "--help"],
        &["imap", "-h"],
        &["help", "parse"],
        &["help", "replay"],
        &["help", "state"],
        &["help", "check"],
        &["check", "-h"],
        &["state", "--help"],
        &["imap", "--once", "--help"],
        &["replay", "--help"],
        &["parse", "--help"],
        &["parse", "x.eml", "--help"],
        &["imap", "server=x", "-h"],
    ] {
        let output = run(arguments);
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), ""),
            "{arguments:?}"
        );
        let help = text(&output.stdout);
        assert!(
            help.contains("  mailtap ") && help.lines().all(|line| line.chars().count() <= 120),
            "{help}"
        );
    }
    for flag in ["--version", "-V"] {
        assert_eq!(
            text(&run(&[flag]).stdout),
            concat!("mailtap ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn what_is_misspelt_is_told_with_what_was_meant() {
    for (arguments, error) in [
        (&["imp"][..], "unknown command `imp`; did you mean `imap`?"),
        (&["prase", "x"], "unknown command `prase`; did you mean `parse`?"),
        (
            &["syslog", "x"],
            "unknown command `syslog`; `mailtap --help` lists what there is",
        ),
        (&["--hlep"], "unknown flag `--hlep`; did you mean `--help`?"),
        (&["-x"], "unknown flag `-x`; `mailtap --help` lists what there is"),
        (&["--version", "x"], "--version takes no argument"),
        (&["help", "impa"], "unknown command `impa`; did you mean `imap`?"),
        (&["help", "imap", "x"], "help takes one command"),
        (&["parse", "--hepl"], "unknown flag `--hepl`; did you mean `--help`?"),
        (
            &["parse", "x.eml", "--prety"],
            "unknown flag `--prety`; did you mean `--pretty`?",
        ),
        (
            &["parse", "--anomalys", "x.eml"],
            "unknown flag `--anomalys`; did you mean `--anomalies`?",
        ),
        (
            &["parse", "--extract=x", "x.eml"],
            "unknown flag `--extract…`; did you mean `--extract`?",
        ),
        (&["parse", "x.eml", "--extract"], "--extract: name a folder"),
        (&["parse", "--extract", "--pretty", "x.eml"], "--extract: name a folder"),
        (
            &["parse", "--extract", "a", "--extract", "b", "x.eml"],
            "--extract: given twice",
        ),
        (
            &["parse", "--pretty"],
            "parse: name a file, a Maildir, an mbox file, or - for standard input",
        ),
        (&["imap", "--hepl"], "unknown flag `--hepl`; did you mean `--help`?"),
        (&["imap", "--onec"], "unknown flag `--onec`; did you mean `--once`?"),
        (
            &["imap", "x.yaml", "--dryrun"],
            "unknown flag `--dryrun`; did you mean `--dry-run`?",
        ),
        (&["imap", "--once=1", "server=x"], "--once takes no value"),
        (
            &["state", "--jsno", "x"],
            "unknown flag `--jsno`; did you mean `--json`?",
        ),
        (
            &["imap", "--server=x"],
            "unknown flag `--server`; write `server=…` without dashes",
        ),
        (
            &["imap", "server=x", "-password=canary-hunter2"],
            "unknown flag `-password`; write `password=…` without dashes",
        ),
        (
            &["imap", "--password:canary-hunter2"],
            "unknown flag `--password…`; `mailtap --help` lists what there is",
        ),
        (
            &["imap", "password canary-hunter2=x"],
            "password…: unknown key; did you mean `password`?",
        ),
        (&["imap", "sever=x"], "sever: unknown key; did you mean `server`?"),
        (&["imap", "server=x", "username=y"], "password: missing"),
        (
            &["imap", "server=x", "password", CANARY],
            "argument 2 is not key=value; name one file, or give arguments",
        ),
        (
            &["imap", "/nonexistent/a=b.yaml"],
            "/nonexistent/a=b.yaml: No such file or directory (os error 2)",
        ),
        (
            &["imap", "no\u{1b}[2J\nsuch.yaml"],
            "no\\u{1b}[2J\\u{a}such.yaml: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(refused(arguments), error);
    }
    for arguments in [
        &[][..],
        &["imap"],
        &["imap", "--once"],
        &["state"],
        &["check"],
        &["parse"],
    ] {
        refused(arguments);
    }
}

#[test]
fn arguments_of_cloud_that_cannot_be_used_are_told_without_its_guid() {
    for (arguments, expected) in [
        (
            &["cloud", "conf_gid=canary-hunter2", "oid=x"][..],
            "cloud: conf_gid: unknown key; did you mean `conf_guid`?",
        ),
        (&["cloud", "conf_guid=canary-hunter2"], "cloud: oid: missing"),
        (&["cloud", "oid=x"], "cloud: conf_guid: missing"),
        (
            &["cloud", "conf_guid=canary-hunter2", "oid=x", "url=http://cloud.example"],
            "cloud: url: http:// sends everything in clear text; use https://",
        ),
        (
            &["cloud", "conf_guid=canary-hunter2", "oid=x", "state_dir=~/x"],
            "cloud: state_dir: write the whole path; ~ and $VARIABLE are not expanded",
        ),
        (
            &["cloud", CANARY, "oid=x"],
            "cloud: argument 1 is not key=value; `mailtap cloud --help` tells more",
        ),
        (
            &["cloud", "--conf_guid"],
            "cloud: argument 1 is not key=value; `mailtap cloud --help` tells more",
        ),
        (
            &["cloud", "conf_guid=canary-hunter2", "show_config=true"],
            "cloud: oid: missing",
        ),
        (
            &["cloud", "Conf_GUID=canary-hunter2", "OID=x", "Proxy.URL=x", "oid=y"],
            "cloud: oid: given twice",
        ),
        (
            &["cloud", "conf_guid=canary-hunter2", "oid=../x"],
            "cloud: oid: expected an organisation's id: letters, digits and hyphens",
        ),
    ] {
        assert_eq!(refused(arguments), expected);
    }
}

#[test]
fn a_broken_file_is_told_with_its_line_and_without_its_password() {
    let folder = Folder::new("broken");
    for (text, error) in [
        (
            format!("imap:\n  sever: x\n  password: {CANARY}\n"),
            ":2:3: imap.sever: unknown key; did you mean `imap.server`?",
        ),
        (format!("imap:\n  server: x\n  password: \"{CANARY}\n"), ":3:13: "),
        (
            format!("imap:\n  server: x\n  password: [{CANARY}]\n"),
            ":3:13: imap.password: expected text, found a list",
        ),
        (
            format!("{{\"imap\": {{\"password\": {CANARY}}}"),
            ":1:23: expected a value; text needs double quotes",
        ),
        (
            format!("imap: {{server: x, username: u, password: {CANARY}}}"),
            ":1:7: imap.client_options.identity.oid: missing",
        ),
        (
            format!(
                "imap: {{server: x, username: u, password: p, client_options: {{dest_url: 'https://u:{CANARY}@h/'}}}}"
            ),
            "imap.client_options.dest_url: the URL must not carry a user name or password",
        ),
        ("syslog: {port: 514}".to_owned(), ":1:1: syslog: is another adapter"),
    ] {
        let path = folder.file("config.yaml", text);
        let found = refused(&["imap", &path]);
        assert!(found.starts_with(&path) && found.contains(error), "{found}");
    }
    assert!(refused(&["imap", &folder.0.display().to_string()]).contains("Is a directory"));
}

#[test]
fn the_environment_overrides_no_argument() {
    let output = mailtap(&["imap", "username=u", "password=p", "client_options.dest_url=stdout:"])
        .envs([("SERVER", "evil.example.com"), ("server", "evil.example.com")])
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(2), "mailtap: server: missing\n")
    );
}

#[test]
fn a_proxy_of_the_environment_is_told_by_check_without_its_password() {
    let folder = Folder::new("proxy");
    let state_dir = format!("state_dir={}", folder.0.display());
    let output = mailtap(&[
        "check",
        "server=127.0.0.1:1",
        "username=u",
        "password=p",
        "client_options.identity.oid=o",
        "client_options.dest_url=https://127.0.0.1:1/",
        &state_dir,
    ])
    .env("HTTPS_PROXY", format!("http://u:{CANARY}@127.0.0.1:1"))
    .output()
    .unwrap();
    let told = text(&output.stderr);
    assert!(
        told.contains("HTTPS_PROXY has no effect here: set client_options.proxy.url"),
        "{told}"
    );
    assert!(
        !told.contains(CANARY) && !text(&output.stdout).contains(CANARY),
        "{told}"
    );
}

#[test]
fn files_maildirs_and_mbox_files_are_printed_in_the_order_given() {
    let folder = Folder::new("order");
    let mbox = folder.file("b.mbox", "From x\nSubject: 1\n\n>From\n\nFrom y\nSubject: 2\n\n");
    let mail = folder.file("a.eml", MAIL);
    folder.file("Maildir/new/2.x", MAIL);
    folder.file("Maildir/cur/1.x:2,S", MAIL);
    let maildir = folder.0.join("Maildir").display().to_string();
    let output = run(&["parse", &mbox, &mail, &maildir, &mail]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let expected = [
        "b.mbox:1",
        "b.mbox:2",
        "a.eml",
        "Maildir/cur/1.x:2,S",
        "Maildir/new/2.x",
        "a.eml",
    ];
    assert_eq!(sources(&output, &folder), expected);
    let event: serde_json::Value = serde_json::from_str(text(&output.stdout).lines().nth(2).unwrap()).unwrap();
    assert_eq!(event["event"]["headers"]["subject"][0], "one");
    assert_eq!(event["event"]["parts"][0]["body_text"], "body\r\n");
    assert_eq!(event["routing"]["event_time"], 1_704_067_200_000_i64);
}

#[test]
fn what_cannot_be_read_costs_only_itself() {
    let folder = Folder::new("unreadable");
    let mail = folder.file("a.eml", MAIL);
    folder.file("folder/x", MAIL);
    let no_maildir = folder.0.join("folder").display().to_string();
    let output = run(&["parse", "/nonexistent/x.eml", &mail, &no_maildir, &mail]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(sources(&output, &folder), ["a.eml", "a.eml"]);
    let errors: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(
        errors[0],
        "mailtap: /nonexistent/x.eml: No such file or directory (os error 2)"
    );
    assert!(errors[1].ends_with("/folder: a folder without cur and new is not a Maildir; name the files in it"));
    assert_eq!(errors.len(), 2);
}

#[test]
fn pretty_is_the_same_event_for_people() {
    let folder = Folder::new("pretty");
    let mail = folder.file("a.eml", MAIL);
    let compact = run(&["parse", &mail]);
    let pretty = run(&["parse", "--pretty", &mail]);
    assert_eq!(pretty.status.code(), Some(0));
    let value = |output: &Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    assert_eq!(value(&compact), value(&pretty));
    assert!(text(&pretty.stdout).starts_with("{\n  \"routing\": {\n    \"event_type\": \"email\",\n"));
    assert!(text(&pretty.stdout).ends_with("\n}\n"));
}

/// A mail whose second part is a mail with a part of its own; both attachments are base64.
const NESTED: &str = "Subject: caf\u{e9}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
    Content-Type: application/x; name=\"../../escape\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs!bG8=\r\n--b\r\n\
    Content-Type: message/rfc822\r\n\r\nContent-Type: application/y\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    d29ybGQ=\r\n--b--\r\n";

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const WORLD: &str = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";

#[test]
fn anomalies_are_lines_of_fields() {
    let folder = Folder::new("anomalies");
    let mail = folder.file("a\n.eml", NESTED);
    let clean = folder.file("b.eml", MAIL);
    let output = run(&["parse", "--anomalies", "--pretty", &clean, &mail]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let name = mail.replace('\n', "\\u{a}");
    let at = NESTED.find("Content-Type: application/x").unwrap();
    let expected = [
        format!("{name}\t\t0\tmedium\traw_8bit_header\t1"),
        format!("{name}\t2\t{at}\thigh\tb64_junk\t1"),
    ];
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(expected.iter().all(|line| lines.contains(&line.as_str())), "{lines:?}");
    assert!(lines.iter().all(|line| line.split('\t').count() == 6), "{lines:?}");
}

#[test]
fn parts_are_extracted_under_their_hash_and_never_under_their_name() {
    let folder = Folder::new("extract");
    let mail = folder.file("a.eml", NESTED);
    let parts = folder.0.join("new/parts");
    let target = parts.display().to_string();
    let arguments = ["parse", "--extract", &target, &mail, &mail];
    let extracted = || {
        let mut names: Vec<_> = fs::read_dir(&parts)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let output = run(&arguments);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert_eq!(sources(&output, &folder), ["a.eml", "a.eml"]);
    assert_eq!(extracted(), [HELLO, WORLD]);
    assert_eq!(fs::read(parts.join(HELLO)).unwrap(), b"hello");
    assert_eq!(fs::read(parts.join(WORLD)).unwrap(), b"world");
    assert!(!folder.0.join("escape").exists());

    fs::write(parts.join(HELLO), "mine").unwrap();
    assert_eq!(run(&arguments).status.code(), Some(0));
    assert_eq!(fs::read(parts.join(HELLO)).unwrap(), b"mine", "what is there stays");
    assert_eq!(extracted(), [HELLO, WORLD], "no temporary file is left");
}

#[test]
fn what_is_enclosed_in_a_part_is_extracted_as_well() {
    let folder = Folder::new("enclosed");
    let mails = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/mail");
    for entry in fs::read_dir(mails).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let parts = folder.0.join(path.file_stem().unwrap());
        let output = run(&["parse", "--extract", parts.to_str().unwrap(), path.to_str().unwrap()]);
        let event: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut hashes = Vec::new();
        collect_hashes(&event, &mut hashes);
        hashes.sort();
        hashes.dedup();
        let mut names: Vec<_> = fs::read_dir(&parts)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, hashes, "{}", path.display());
    }
}

/// Every `hashes.sha256` in an event.
fn collect_hashes(value: &serde_json::Value, hashes: &mut Vec<String>) {
    if let Some(hash) = value["hashes"]["sha256"].as_str() {
        hashes.push(hash.to_owned());
    }
    let values = value.as_object().into_iter().flat_map(|object| object.values());
    for inner in values.chain(value.as_array().into_iter().flatten()) {
        collect_hashes(inner, hashes);
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_one_line() {
    let folder = Folder::new("unwritable");
    let mail = folder.file("a.eml", MAIL);
    for target in [&format!("{mail}/parts"), "/proc/mailtap"] {
        let output = run(&["parse", "--extract", target, &mail]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
        let error = text(&output.stderr);
        assert!(error.starts_with(&format!("mailtap: --extract {target}: ")), "{error}");
        assert_eq!(error.matches('\n').count(), 1, "{error}");
    }
    // Writable when it was looked at, and no more when a part comes: a folder has the temporary file's place.
    let parts = folder.0.join("parts");
    let script = format!(
        "mkdir -p '{0}'/.mailtap-$$-1 && exec '{1}' parse --extract '{0}' '{2}'",
        parts.display(),
        env!("CARGO_BIN_EXE_mailtap"),
        mail
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let error = text(&output.stderr);
    assert!(
        error.starts_with("mailtap: --extract ") && error.matches('\n').count() == 1,
        "{error}"
    );
}

#[test]
fn a_part_that_finds_no_room_is_one_line_and_leaves_nothing() {
    let folder = Folder::new("no-room");
    let mail = folder.file("a.eml", format!("Subject: x\n\n{}", "line\n".repeat(50_000)));
    let parts = folder.0.join("parts").display().to_string();
    // Files of at most 512 bytes or 1 KiB, as the shell counts; what is written beyond fails as on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' parse --extract '{parts}' '{mail}'",
        env!("CARGO_BIN_EXE_mailtap")
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert_eq!(
        text(&output.stderr),
        format!("mailtap: --extract {parts}: File too large (os error 27)\n")
    );
    assert_eq!(fs::read_dir(&parts).unwrap().count(), 0);
}

#[test]
fn standard_input_is_a_mail_or_an_mbox() {
    let folder = Folder::new("stdin");
    let mbox = format!("From x\n{MAIL}\nFrom y\n{MAIL}");
    for (input, expected) in [(MAIL, &["-"][..]), (&mbox, &["-:1", "-:2"]), ("", &["-"])] {
        let mut child = mailtap(&["parse", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), sources(&output, &folder)),
            (Some(0), expected.iter().map(ToString::to_string).collect())
        );
    }
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let folder = Folder::new("early");
    let mbox = folder.file("many.mbox", format!("From x\n{MAIL}\n").repeat(5_000));
    let mut child = mailtap(&["parse", &mbox])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with('{'));
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        println!("skipped: there is no /dev/full here");
        assert!(std::env::var_os("CI").is_none(), "CI has /dev/full");
        return;
    }
    let folder = Folder::new("full");
    let mail = folder.file("a.eml", MAIL);
    for arguments in [&["parse", &mail][..], &["--help"]] {
        let output = mailtap(arguments)
            .stdout(fs::File::create(full).unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            text(&output.stderr),
            "mailtap: standard output: No space left on device (os error 28)\n"
        );
    }
}

#[test]
fn what_standard_output_does_not_take_is_an_error() {
    let folder = Folder::new("standard-output");
    let mail = folder.file("one.eml", MAIL);
    for arguments in [&["parse", &mail][..], &["--version"]] {
        let output = mailtap(arguments).stdout(fs::File::open("/dev/null").unwrap()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            text(&output.stderr).starts_with("mailtap: standard output: "),
            "{arguments:?}"
        );
    }
}
