//! `mailtap imap`: watches mailboxes, or catches up with them once.

use std::ffi::OsString;

use super::{Failure, configuration};
use crate::log;
use crate::mailbox::Until;
use crate::supervisor::{Manner, Outcome, Supervisor};

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
    let supervisor = Supervisor::prepare(loaded.adapters).map_err(Failure::Usage)?;
    if manner.dry_run {
        log::info(
            "dry run: events go to standard output, nothing is sent, no checkpoint moves",
            &[],
        );
    }
    match supervisor.run(manner).map_err(Failure::Run)? {
        Outcome::Well => Ok(()),
        Outcome::DeadLetters => Err(Failure::DeadLetters),
        Outcome::NotCaughtUp => Err(Failure::Told),
    }
}
