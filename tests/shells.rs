//! What commands say of themselves: help, man page and completions have one source, and every flag that is told is taken.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use support::shared::in_ci;

/// What `mailtap` prints for `arguments`, which must be right.
fn mailtap(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = mailtap(&["--help"]);
    let names = help.lines().filter_map(|line| line.strip_prefix("  mailtap "));
    let names = names.map(|rest| rest.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "--version").collect()
}

/// The flags of the first line of a command's help.
fn flags(command: &str) -> Vec<String> {
    let help = mailtap(&["help", command]);
    let synopsis = help.lines().next().unwrap().to_owned();
    let flags = synopsis.split('[').skip(1).filter(|part| part.starts_with("--"));
    flags
        .map(|part| part.split([' ', ']']).next().unwrap().to_owned())
        .collect()
}

/// Runs `script` in `shell`; `None`, said so, where it is not installed.
fn run(shell: &str, arguments: &[&str], script: &str) -> Option<String> {
    let child = Command::new(shell)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(!in_ci(), "{shell} is not on this machine, and this is CI");
        println!("skipped: {shell} is not on this machine");
        return None;
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.is_empty(), "{shell}: {told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_flag_that_is_told_is_taken_and_no_other() {
    for command in commands() {
        for flag in flags(&command) {
            let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
                .args([&command, &flag])
                .output()
                .unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(!told.contains("unknown flag"), "{command} {flag}: {told}");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
            .args([&command, "--no-such-flag"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}");
    }
}

#[test]
fn bash_completes_commands_flags_keys_and_shells() {
    let ask = |words: &[&str]| {
        let script = format!(
            "{}\nCOMP_WORDS=({}); COMP_CWORD={}; _mailtap; printf '%s ' \"${{COMPREPLY[@]}}\"\n",
            mailtap(&["completions", "bash"]),
            words
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(" "),
            words.len() - 1
        );
        run("bash", &["--norc"], &script).unwrap().trim().to_owned()
    };
    assert_eq!(
        ask(&["mailtap", ""]),
        format!("{} --help --version", commands().join(" "))
    );
    assert_eq!(ask(&["mailtap", "che"]), "check");
    for command in commands() {
        let mut expected = ["--help", "--log-format", "--log-level"].map(str::to_owned).to_vec();
        expected.extend(flags(&command));
        assert_eq!(ask(&["mailtap", &command, "--"]), expected.join(" "));
    }
    assert_eq!(ask(&["mailtap", "imap", "serv"]), "server=");
    assert_eq!(
        ask(&["mailtap", "check", "client_options.dest"]),
        "client_options.dest_url="
    );
    assert_eq!(ask(&["mailtap", "imap", "server", "=", "i"]), "", "a value is no key");
    assert_eq!(ask(&["mailtap", "imap", ""]), "", "files are bash's own");
    assert_eq!(ask(&["mailtap", "completions", ""]), "bash zsh fish");
}

#[test]
fn zsh_and_fish_can_read_theirs_and_every_command_and_flag_is_there() {
    for (shell, arguments) in [("zsh", &["-f", "-n"][..]), ("fish", &["-n"])] {
        let script = mailtap(&["completions", shell]);
        for command in commands() {
            assert!(
                script.contains(&format!(" {command}")) || script.contains(&format!("'{command}:")),
                "{command}"
            );
            let common = ["--log-format".to_owned(), "--log-level".to_owned()];
            for flag in flags(&command).into_iter().chain(common) {
                let written = if shell == "zsh" {
                    flag
                } else {
                    flag.replace("--", "-l ")
                };
                assert!(script.contains(&written), "{shell}: {written}");
            }
        }
        run(shell, arguments, &script);
    }
}

#[test]
fn the_man_page_is_typeset_without_a_warning_and_tells_what_the_help_tells() {
    let page = mailtap(&["man"]);
    let Some(text) = run("groff", &["-man", "-ww", "-Tutf8", "-P-c", "-rLL=200n"], &page) else {
        return;
    };
    // Bold and underlined by overstriking.
    let mut plain = String::new();
    for character in text.chars() {
        if character == '\u{8}' {
            plain.pop();
        } else {
            plain.push(character);
        }
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = words(&plain);
    for command in commands() {
        let help = mailtap(&["help", &command]);
        for paragraph in help.split("\n\n") {
            // The head of a page repeats, and may fall into a long one: its first line does.
            let first = words(paragraph.lines().next().unwrap());
            let first: String = first.chars().take(60).collect();
            assert!(plain.contains(first.trim_end()), "{command}: {first}");
        }
    }
}

#[test]
fn the_table_of_commands_in_readme_is_the_help_s() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = readme
        .lines()
        .skip_while(|line| !line.contains("src/command_line/commands.rs by"));
    let rows = rows.skip_while(|line| !line.starts_with('|')).skip(2);
    let told: Vec<[String; 3]> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells = row
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('`', ""));
            cells.collect::<Vec<_>>().try_into().unwrap()
        })
        .collect();
    let help = mailtap(&["--help"]);
    let expected: Vec<[String; 3]> = commands()
        .into_iter()
        .map(|command| {
            let line = help
                .lines()
                .find(|line| line.starts_with(&format!("  mailtap {command} ")))
                .unwrap();
            let summary = line.rsplit("   ").next().unwrap().trim().to_owned();
            let flags = flags(&command).join(", ");
            [command, flags, summary]
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn readme_has_the_exit_codes_of_each_command() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = readme
        .lines()
        .skip_while(|line| *line != "| command | exit codes |")
        .skip(2);
    let told: Vec<String> = rows
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect();
    let expected = commands().into_iter().map(|command| {
        let help = mailtap(&["help", &command]);
        let (_, codes) = help.split_once("Exit codes: ").unwrap();
        let codes: Vec<&str> = codes.split("\n\n").next().unwrap().split_whitespace().collect();
        format!("| `{command}` | {} |", codes.join(" "))
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}
