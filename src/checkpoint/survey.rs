//! Everything that a state directory remembers: for whoever asks how it stands, never for delivery.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::layout::{self, Unread};
use super::{Checkpoint as _, CheckpointError, StateDirectory};
use crate::imap::resume::Memory;

/// What is remembered of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// `user@host:port`.
    pub account: String,
    /// The mailbox, decoded.
    pub mailbox: String,
    /// How far it is delivered.
    pub memory: Memory,
    /// When the checkpoint moved last, in milliseconds since 1970; where the file system does not say, 0.
    pub moved_ms: i64,
}

impl StateDirectory {
    /// What is remembered of one mailbox, if anything.
    pub fn remembered_of(&self, account: &str, mailbox: &str) -> Result<Option<Memory>, CheckpointError> {
        self.checkpoint(account, mailbox).load()
    }

    /// What is remembered of every mailbox, in the order of accounts and mailboxes; a file that cannot be read is an error in
    /// its place. A directory that is not there remembers nothing.
    pub fn remembered(&self) -> Result<Vec<Result<Remembered, CheckpointError>>, CheckpointError> {
        let failed = |error: std::io::Error| CheckpointError {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut remembered = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                remembered.push(read(&path));
            }
        }
        remembered.sort_unstable_by_key(|remembered| match remembered {
            Ok(remembered) => (remembered.account.clone(), remembered.mailbox.clone()),
            Err(error) => (error.path.display().to_string(), String::new()),
        });
        Ok(remembered)
    }
}

fn read(path: &Path) -> Result<Remembered, CheckpointError> {
    let failed = |reason: String| CheckpointError {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let memory = layout::read(&text).map_err(|unread| failed(unread.to_string()))?;
    let (account, mailbox) = layout::read_owner(&text).ok_or_else(|| failed(Unread::Damaged.to_string()))?;
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    Ok(Remembered {
        account,
        mailbox,
        memory,
        moved_ms: since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
    })
}
