//! Arguments → command → exit code.

mod help;
mod parse;
mod replay;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, nearest, shown};
use crate::log;
use crate::supervisor::Supervisor;

const COMMANDS: [&str; 4] = ["imap", "parse", "replay", "help"];

/// Why the program ends otherwise than well.
enum Failure {
    /// A wrong command, argument or configuration: exit code 2 and this line, before anything was contacted.
    Usage(String),
    /// It began and could not go on: exit code 1 and this line.
    Run(String),
    /// It went on, and what was wrong has been told: exit code 1.
    Told,
    /// Whoever read standard output has gone (`| head`): nothing is wrong.
    ReaderGone,
}

/// Runs mailtap as `arguments` (without the program's name) say. `main.rs` is only this call, so that whatever runs
/// it, the demo included, runs the real program.
pub fn run<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let (code, line) = match command(&arguments) {
        Ok(()) | Err(Failure::ReaderGone) => return ExitCode::SUCCESS,
        Err(Failure::Told) => return ExitCode::FAILURE,
        Err(Failure::Run(line)) => (1, line),
        Err(Failure::Usage(line)) => (2, line),
    };
    complain(&line);
    ExitCode::from(code)
}

fn command(arguments: &[OsString]) -> Result<(), Failure> {
    let Some((command, arguments)) = arguments.split_first() else {
        return Err(Failure::Usage(
            "nothing to do: `mailtap imap CONFIG` watches mailboxes, `mailtap parse PATH` reads files, `mailtap --help` tells more"
                .to_owned(),
        ));
    };
    match command.to_str().unwrap_or_default() {
        "imap" if wants_help(arguments) => print(help::IMAP),
        "imap" => watch(arguments),
        "parse" if wants_help(arguments) => print(help::PARSE),
        "parse" => parse::run(arguments),
        "replay" if wants_help(arguments) => print(help::REPLAY),
        "replay" => replay::run(arguments),
        "help" | "--help" | "-h" => print(help_about(arguments)?),
        "--version" | "-V" if arguments.is_empty() => print(concat!("mailtap ", env!("CARGO_PKG_VERSION"), "\n")),
        "--version" | "-V" => Err(Failure::Usage("--version takes no argument".to_owned())),
        word if word.starts_with('-') => Err(unknown("flag", word, &["--help", "--version"])),
        word => Err(unknown("command", word, &COMMANDS)),
    }
}

fn wants_help(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
}

fn help_about(arguments: &[OsString]) -> Result<&'static str, Failure> {
    match arguments {
        [] => Ok(help::MAILTAP),
        [command] if command == "imap" => Ok(help::IMAP),
        [command] if command == "parse" => Ok(help::PARSE),
        [command] if command == "replay" => Ok(help::REPLAY),
        [command] if command == "help" => Ok(help::MAILTAP),
        [command] => Err(unknown("command", &command.to_string_lossy(), &COMMANDS)),
        _ => Err(Failure::Usage("help takes one command".to_owned())),
    }
}

/// `mailtap imap CONFIG` or `mailtap imap key=value …`: one argument without `=` is a file, as in the original.
fn watch(arguments: &[OsString]) -> Result<(), Failure> {
    let loaded = match arguments {
        [] => {
            return Err(Failure::Usage(
                "imap: name a configuration file or give key=value arguments; `mailtap imap --help` tells more"
                    .to_owned(),
            ));
        }
        [file] if is_file(file) => return load_file(Path::new(file))?.run().map_err(Failure::Run),
        arguments => config::from_arguments(key_values(arguments)?, &environment),
    };
    prepare(loaded)?.run().map_err(Failure::Run)
}

/// What a configuration file asks for, with nobody contacted yet.
fn load_file(path: &Path) -> Result<Supervisor, Failure> {
    prepare(config::from_file(path, &environment))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn prepare(loaded: Result<config::Loaded, config::Error>) -> Result<Supervisor, Failure> {
    let loaded = loaded.map_err(|error| Failure::Usage(error.to_string()))?;
    for notice in &loaded.notices {
        log::warn(notice, &[]);
    }
    Supervisor::prepare(loaded.adapters).map_err(Failure::Usage)
}

/// A key never begins with a slash or a dot, so a path with `=` in it can still be written.
fn is_file(argument: &OsStr) -> bool {
    let bytes = argument.as_encoded_bytes();
    !bytes.starts_with(b"-") && (!bytes.contains(&b'=') || bytes.starts_with(b"/") || bytes.starts_with(b"."))
}

fn key_values(arguments: &[OsString]) -> Result<Vec<&str>, Failure> {
    arguments
        .iter()
        .map(|argument| {
            let argument = argument
                .to_str()
                .ok_or_else(|| Failure::Usage("an argument is not UTF-8 text".to_owned()))?;
            match argument.split_once('=') {
                _ if !argument.starts_with('-') => Ok(argument),
                Some((flag, _)) => {
                    let (flag, key) = (shown(flag), shown(flag.trim_start_matches('-')));
                    Err(Failure::Usage(format!(
                        "unknown flag `{flag}`; write `{key}=…` without dashes"
                    )))
                }
                None => Err(unknown("flag", argument, &["--help"])),
            }
        })
        .collect()
}

fn unknown(what: &str, word: &str, known: &[&str]) -> Failure {
    let word = shown(word);
    Failure::Usage(match nearest(&word, known.iter().copied()) {
        Some(near) => format!("unknown {what} `{word}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; `mailtap --help` lists what there is"),
    })
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| output_failure(&error))
}

fn output_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Run(format!("standard output: {error}")),
    }
}

/// One line to standard error.
fn complain(line: &str) {
    // Nothing is left to say it with when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "mailtap: {}", one_line(line));
}

/// `text` without control characters, so that a line stays one whatever a file's name holds.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
