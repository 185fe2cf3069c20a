//! `--log-format` and `--log-level`, which every command takes, before or behind its name.

use std::ffi::OsString;

use super::{Failure, unknown};
use crate::log::{self, Format, Level, Settings};

/// `arguments` without these flags, and what they say. A flag that comes twice: the last one counts.
pub(super) fn take(arguments: Vec<OsString>) -> Result<(Vec<OsString>, Settings), Failure> {
    let mut settings = Settings {
        journal: log::is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()),
        ..Settings::default()
    };
    let mut others = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (text, None),
        };
        if !matches!(flag, "--log-format" | "--log-level") {
            others.push(argument);
            continue;
        }
        let flag = flag.to_owned();
        let value = value.or_else(|| arguments.next().and_then(|value| value.into_string().ok()));
        let value = value.unwrap_or_default();
        if flag == "--log-format" {
            settings.format = choose(&flag, &value, &Format::ALL, Format::name)?;
        } else {
            settings.level = choose(&flag, &value, &Level::ALL, Level::name)?;
        }
    }
    Ok((others, settings))
}

/// The choice that is called `value`.
fn choose<T: Copy>(flag: &str, value: &str, choices: &[T], name: fn(T) -> &'static str) -> Result<T, Failure> {
    let names: Vec<&str> = choices.iter().map(|choice| name(*choice)).collect();
    let found = choices.iter().find(|choice| name(**choice) == value);
    found.copied().ok_or_else(|| {
        if value.is_empty() {
            Failure::Usage(format!("{flag}: say which, one of {}", names.join(", ")))
        } else {
            unknown(&format!("value of {flag}"), value, &names)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::take;
    use crate::command_line::Failure;
    use crate::log::{Format, Level};

    fn taken(arguments: &[&str]) -> Result<(Vec<OsString>, Format, Level), String> {
        let taken = take(arguments.iter().map(OsString::from).collect());
        taken
            .map(|(others, settings)| (others, settings.format, settings.level))
            .map_err(|failure| match failure {
                Failure::Usage(line) => line,
                _ => panic!("another failure"),
            })
    }

    #[test]
    fn the_flags_stand_anywhere_and_the_rest_stays_as_it_was() {
        for arguments in [
            ["--log-format", "json", "imap", "--log-level=warn", "a=b"].as_slice(),
            &["imap", "a=b", "--log-level", "warn", "--log-format=json"],
            &[
                "imap",
                "--log-level",
                "debug",
                "a=b",
                "--log-level=warn",
                "--log-format",
                "json",
            ],
        ] {
            let (others, format, level) = taken(arguments).unwrap();
            assert_eq!(others, ["imap", "a=b"], "{arguments:?}");
            assert_eq!((format, level), (Format::Json, Level::Warn), "{arguments:?}");
        }
        let (others, format, level) = taken(&["imap", "--log-formats=json", "--level", "x"]).unwrap();
        assert_eq!(others, ["imap", "--log-formats=json", "--level", "x"]);
        assert_eq!((format, level), (Format::Text, Level::Info));
    }

    #[test]
    fn what_is_no_choice_is_refused_with_the_choices() {
        for (arguments, error) in [
            (
                ["--log-format"].as_slice(),
                "--log-format: say which, one of text, json",
            ),
            (
                &["--log-level="],
                "--log-level: say which, one of error, warn, info, debug",
            ),
            (
                &["--log-level", "wran"],
                "unknown value of --log-level `wran`; did you mean `warn`?",
            ),
            (
                &["--log-format", "JSON"],
                "unknown value of --log-format `JSON`; did you mean `json`?",
            ),
        ] {
            assert_eq!(taken(arguments).unwrap_err(), error, "{arguments:?}");
        }
    }
}
