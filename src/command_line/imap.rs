//! `mailtap imap`: watches mailboxes, or catches up with them once.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use super::Failure;
use super::configuration::{self, environment};
use crate::log;
use crate::mailbox::Until;
use crate::sink::stdout;
use crate::supervisor::{Manner, Outcome, Supervisor, watch};

/// `mailtap imap [--once] [--dry-run] CONFIG` or `… key=value …`: one argument without `=` is a file, as in the original.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let mut manner = Manner::default();
    let mut others = Vec::new();
    for argument in arguments {
        match argument.to_str() {
            Some("--once") => manner.until = Until::CaughtUp,
            Some("--dry-run") => manner.dry_run = true,
            _ => others.push(argument),
        }
    }
    let loaded = configuration::load("imap", &others)?;
    let delivers = loaded.delivers_to_stdout();
    manner.shows_progress = shows_progress(delivers || manner.dry_run);
    if delivers && !manner.dry_run && stdout::is_null() {
        log::warn(
            "client_options.dest_url is stdout: and standard output is /dev/null, or closed: events are lost",
            &[],
        );
    }
    let adapters = loaded.adapters;
    let supervisor = Supervisor::prepare(adapters.clone()).map_err(Failure::Usage)?;
    if manner.dry_run {
        log::info(
            "dry run: events go to standard output, nothing is sent, no checkpoint moves",
            &[],
        );
    }
    if manner.until == Until::Stopped && !manner.dry_run {
        drop(supervisor);
        let read_again = &mut || {
            let loaded = configuration::load("imap", &others).map_err(|failure| failure.to_string())?;
            Supervisor::prepare(loaded.adapters.clone())?;
            Ok(loaded.adapters)
        };
        return watch(adapters, manner.shows_progress, read_again).map_err(Failure::Run);
    }
    match supervisor.run(manner).map_err(Failure::Run)? {
        Outcome::Well => Ok(()),
        Outcome::DeadLetters => Err(Failure::DeadLetters),
        Outcome::NotCaughtUp => Err(Failure::Told),
    }
}

/// Whether people look at standard error, and events do not come between. `TERM=dumb` cannot blank a line.
fn shows_progress(prints: bool) -> bool {
    let can_blank = environment("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb");
    log::is_on_terminal() && can_blank && !(prints && io::stdout().is_terminal())
}
