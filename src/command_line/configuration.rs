//! The configuration that a command's arguments name, with nobody contacted yet.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::commands::{self, Command};
use super::{Failure, unknown};
use crate::config::{self, Loaded, shown};
use crate::log;

/// What a file, or `key=value` arguments, ask for: one argument without `=` is a file, as in the original. What is misspelt
/// may be a flag of `command`.
pub(super) fn load(command: &str, arguments: &[&OsString]) -> Result<Loaded, Failure> {
    let flags = commands::named(command).map(Command::flag_names).unwrap_or_default();
    let loaded = match arguments {
        [] => {
            return Err(Failure::Usage(format!(
                "{command}: name a configuration file or give key=value arguments; `mailtap {command} --help` tells more"
            )));
        }
        [file] if is_file(file) => config::from_file(Path::new(file), &environment),
        arguments => config::from_arguments(key_values(&flags, arguments)?, &environment),
    };
    tell_notices(loaded)
}

/// What a configuration file asks for.
pub(super) fn load_file(path: &Path) -> Result<Loaded, Failure> {
    tell_notices(config::from_file(path, &environment))
}

fn tell_notices(loaded: Result<Loaded, config::Error>) -> Result<Loaded, Failure> {
    let loaded = loaded.map_err(|error| Failure::Usage(error.to_string()))?;
    for notice in &loaded.notices {
        log::warn(notice, &[]);
    }
    Ok(loaded)
}

pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A key never begins with a slash or a dot, so a path with `=` in it can still be written.
fn is_file(argument: &OsStr) -> bool {
    let bytes = argument.as_encoded_bytes();
    !bytes.starts_with(b"-") && (!bytes.contains(&b'=') || bytes.starts_with(b"/") || bytes.starts_with(b"."))
}

fn key_values<'a>(flags: &[&str], arguments: &[&'a OsString]) -> Result<Vec<&'a str>, Failure> {
    arguments
        .iter()
        .map(|argument| {
            let argument = argument
                .to_str()
                .ok_or_else(|| Failure::Usage("an argument is not UTF-8 text".to_owned()))?;
            match argument.split_once('=') {
                _ if !argument.starts_with('-') => Ok(argument),
                Some((flag, _)) if flags.contains(&flag) => Err(Failure::Usage(format!("{flag} takes no value"))),
                Some((flag, _)) => {
                    let (flag, key) = (shown(flag), shown(flag.trim_start_matches('-')));
                    Err(Failure::Usage(format!(
                        "unknown flag `{flag}`; write `{key}=…` without dashes"
                    )))
                }
                None => Err(unknown("flag", argument, flags)),
            }
        })
        .collect()
}
