//! What `--help` and `mailtap help` print, of what `commands.rs` says.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::commands::{self, COMMANDS, Command};
use super::{Failure, print, unknown_command};

/// Where a line ends: narrow enough for a terminal of two halves, wide enough for examples.
const WIDTH: usize = 118;

/// `mailtap help [COMMAND]`.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    match arguments {
        [] => print(&overview()),
        [name] => match commands::named(&name.to_string_lossy()) {
            Some(command) => print(&about(command)),
            None => Err(unknown_command(&name.to_string_lossy())),
        },
        _ => Err(Failure::Usage("help takes one command".to_owned())),
    }
}

/// `mailtap --help`.
pub(super) fn overview() -> String {
    let mut text = format!("mailtap {}.\n\n", commands::INTRODUCTION);
    for command in COMMANDS {
        let what = format!("mailtap {} {}", command.name, command.operands);
        entry(&mut text, &what, command.summary, 40);
    }
    entry(&mut text, "mailtap --version", "print the version", 40);
    let _ = write!(
        text,
        "\n{}\n\n{}\n",
        wrapped(commands::COMMON_FLAGS, 0),
        wrapped(&format!("Exit codes: {}", commands::EXIT_CODES), 0)
    );
    text
}

/// `mailtap COMMAND --help`.
pub(super) fn about(command: &Command) -> String {
    let mut text = format!("{}\n\n{}\n", command.synopsis().trim_end(), command.description);
    for flag in command.flags {
        let name = flag
            .value
            .map_or_else(|| flag.name.to_owned(), |value| format!("{} {value}", flag.name));
        entry(&mut text, &name, flag.meaning, 23);
    }
    if !command.flags.is_empty() {
        text.push('\n');
    }
    let _ = write!(
        text,
        "{}\n\n",
        wrapped(&format!("Exit codes: {}", command.exit_codes), 0)
    );
    for example in command.examples {
        let _ = writeln!(text, "  {example}");
    }
    text
}

/// `  what    meaning`, the meaning from column `indent` on.
fn entry(text: &mut String, what: &str, meaning: &str, indent: usize) {
    let width = indent.saturating_sub(3);
    let _ = writeln!(text, "  {what:width$} {}", wrapped(meaning, indent));
}

/// `text` in lines of at most [`WIDTH`], all but the first begun with `indent` spaces.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let next = column.saturating_add(length).saturating_add(1);
        if lines.is_empty() {
            column = column.saturating_add(length);
        } else if next > WIDTH {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent.saturating_add(length);
        } else {
            lines.push(' ');
            column = next;
        }
        lines.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{WIDTH, about, commands, overview, wrapped};
    use crate::config;

    fn imap() -> String {
        about(commands::named("imap").unwrap())
    }

    /// The lines of the help between `first` and the next empty one.
    fn lines_from(first: &str) -> Vec<String> {
        let help = imap();
        let lines = help.lines().skip_while(|line| !line.starts_with(first));
        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_wrapped_between_words_and_no_word_is_lost() {
        assert_eq!(wrapped("", 3), "");
        assert_eq!(wrapped("a  b\nc", 3), "a b c");
        let word = "x".repeat(50);
        let text = [word.as_str(); 5].join(" ");
        let lines = wrapped(&text, 10);
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), [word.as_str(); 5]);
        assert_eq!(lines.lines().map(str::len).collect::<Vec<_>>(), [101, 111, 60]);
        let exactly = format!("{} {}", "y".repeat(58), "z".repeat(59));
        assert_eq!((exactly.len(), wrapped(&exactly, 0).lines().count()), (WIDTH, 1));
        assert_eq!(wrapped(&format!("{exactly}z"), 0).lines().count(), 2);
    }

    #[test]
    fn every_command_tells_its_exit_codes_and_examples() {
        for command in commands::COMMANDS {
            let text = about(command);
            assert!(text.starts_with(&format!("mailtap {}", command.name)), "{text}");
            assert!(text.contains("Exit codes: 0") && text.ends_with('\n'), "{text}");
            assert!(command.examples.iter().any(|example| example.contains("mailtap ")));
            assert!(overview().contains(&format!("  mailtap {}", command.name)));
        }
    }

    #[test]
    fn the_file_and_the_arguments_in_the_help_are_accepted() {
        let folder = std::env::temp_dir().join(format!("mailtap-help-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for credential in ["imap", "limacharlie", "hook"] {
            fs::write(folder.join(credential), "secret\n").unwrap();
        }
        let whole = lines_from("  imap:").join("\n");
        let (server, _) = whole.split_once("    client_options:").unwrap();
        let help = imap();
        let (_, webhook) = help.split_once("To a webhook, or standard output:\n\n").unwrap();
        let options: Vec<_> = webhook.lines().take_while(|line| !line.is_empty()).collect();
        let webhook = format!("{server}{}", options.join("\n"));
        fs::write(
            folder.join("config.yaml"),
            format!("{whole}\n---\n{}", webhook.replace("imap.example.com", "b")),
        )
        .unwrap();
        let environment = |name: &str| match name {
            "CREDENTIALS_DIRECTORY" => Some(folder.display().to_string()),
            "HOME" => Some("/home/mailtap".to_owned()),
            "IMAP_PASSWORD" => Some("secret".to_owned()),
            _ => None,
        };
        let from_file = config::from_file(&folder.join("config.yaml"), &environment).unwrap();
        assert_eq!((from_file.adapters.len(), from_file.notices.len()), (2, 0));

        let arguments = lines_from("  mailtap imap server").join(" ").replace('\\', " ");
        let arguments = arguments.split_whitespace().skip(2);
        let from_arguments = config::from_arguments(arguments, &environment).unwrap();
        assert_eq!(from_arguments.adapters[0].imap, from_file.adapters[0].imap);
        let receivers = from_file.adapters.iter().map(|adapter| &adapter.receiver);
        let receivers: Vec<_> = receivers.collect();
        assert!(matches!(
            receivers[..],
            [config::Receiver::LimaCharlie(_), config::Receiver::Webhook(_)]
        ));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_key_in_the_help_exists() {
        let keys = lines_from("  inbox_name ").into_iter();
        let keys: Vec<_> = keys
            .map(|line| line.split_whitespace().next().unwrap().to_owned())
            .collect();
        assert!(keys.len() >= 8);
        for key in keys {
            let error = config::from_arguments([format!("{key}=").as_str()], &|_| None).unwrap_err();
            assert_eq!(error.to_string(), "server: missing", "{key}");
        }
    }
}
