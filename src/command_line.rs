//! Arguments → command → exit code.

mod check;
mod cloud;
mod commands;
mod completions;
mod configuration;
mod help;
mod imap;
mod log_flags;
mod man;
mod parse;
mod replay;
mod state;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;

use crate::config::{nearest, shown};
use crate::hidden::escaped;
use crate::log;
use crate::sink::stdout::Descriptor;
use commands::COMMANDS;

/// Why the program ends otherwise than well.
enum Failure {
    /// A wrong command, argument or configuration: exit code 2 and this line, before anything was contacted.
    Usage(String),
    /// It began and could not go on: exit code 1 and this line.
    Run(String),
    /// It went on, and what was wrong has been told: exit code 1.
    Told,
    /// It came to its end, and left something behind in a dead-letter file, as it told: exit code 3.
    DeadLetters,
    /// Whoever read standard output has gone (`| head`): nothing is wrong.
    ReaderGone,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(line) | Failure::Run(line) => formatter.write_str(line),
            Failure::Told | Failure::DeadLetters | Failure::ReaderGone => formatter.write_str("told"),
        }
    }
}

/// Runs mailtap as `arguments` (without the program's name) say. `main.rs` is only this call, so that whatever runs
/// it, the demo included, runs the real program.
pub fn run<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let arguments = log_flags::take(arguments).map(|(arguments, settings)| {
        log::begin(settings);
        arguments
    });
    panic::set_hook(Box::new(tell_defect));
    let (code, line) = match arguments.and_then(|arguments| command(&arguments)) {
        Ok(()) | Err(Failure::ReaderGone) => return ExitCode::SUCCESS,
        Err(Failure::Told) => return ExitCode::FAILURE,
        Err(Failure::DeadLetters) => return ExitCode::from(3),
        Err(Failure::Run(line)) => (1, line),
        Err(Failure::Usage(line)) => (2, line),
    };
    complain(&line);
    ExitCode::from(code)
}

/// What a panic says may be of a mail, and is escaped like everything else.
fn tell_defect(panic: &panic::PanicHookInfo<'_>) {
    let payload = panic.payload();
    let says = payload.downcast_ref::<&str>().copied();
    let says = says
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    let at = panic.location().map_or_else(String::new, ToString::to_string);
    log::error("a defect of mailtap, please report it", &[("at", &at), ("says", &says)]);
}

fn command(arguments: &[OsString]) -> Result<(), Failure> {
    let Some((command, arguments)) = arguments.split_first() else {
        return Err(Failure::Usage(
            "nothing to do: `mailtap imap CONFIG` watches mailboxes, `mailtap parse PATH` reads files, `mailtap --help` tells more"
                .to_owned(),
        ));
    };
    let word = command.to_str().unwrap_or_default();
    match commands::named(word) {
        Some(command) if wants_help(arguments) => return print(&help::about(command)),
        Some(command) => return (command.run)(arguments),
        None => {}
    }
    match word {
        "--help" | "-h" => help::run(arguments),
        "--version" | "-V" if arguments.is_empty() => print(concat!("mailtap ", env!("CARGO_PKG_VERSION"), "\n")),
        "--version" | "-V" => Err(Failure::Usage("--version takes no argument".to_owned())),
        word if word.starts_with('-') => Err(unknown("flag", word, &["--help", "--version"])),
        word => Err(unknown_command(word)),
    }
}

fn wants_help(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
}

fn unknown_command(word: &str) -> Failure {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    unknown("command", word, &names)
}

fn unknown(what: &str, word: &str, known: &[&str]) -> Failure {
    let word = shown(word);
    Failure::Usage(match nearest(&word, known.iter().copied()) {
        Some(near) => format!("unknown {what} `{word}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; `mailtap --help` lists what there is"),
    })
}

fn print(text: &str) -> Result<(), Failure> {
    Descriptor
        .write_all(text.as_bytes())
        .map_err(|error| output_failure(&error))
}

fn output_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Run(format!("standard output: {error}")),
    }
}

/// What went wrong: to people in a line without a time, to programs as every other line of the log.
fn complain(line: &str) {
    if log::settings().is_for_people() {
        // Nothing is left to say it with when standard error is closed.
        let _ = writeln!(io::stderr().lock(), "mailtap: {}", escaped(line));
    } else {
        log::error(line, &[]);
    }
}
