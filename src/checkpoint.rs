//! How far delivery has come, on disk: one file a mailbox, replaced whole, and one process a state directory.
//!
//! `replace.rs` sees to it that being killed at any instant leaves the old position or the new one. A file that is there and cannot be read is an error, never a fresh start: a fresh
//! start from now would lose mail in silence. `checkpoint/layout.rs` says what is in the file,
//! `checkpoint/survey.rs` reads all of them.

mod layout;
mod survey;

pub use survey::Remembered;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::event::encode::hexadecimal;
use crate::imap::resume::Memory;
use crate::replace::{make_folder, replace};

/// How far one mailbox is delivered, remembered.
pub trait Checkpoint: Send {
    /// Where delivery was; `None` on the first run.
    fn load(&self) -> Result<Option<Memory>, CheckpointError>;

    /// Remembers `memory`: when this returns, it survives a crash.
    fn advance(&mut self, memory: &Memory) -> Result<(), CheckpointError>;
}

/// The state directory could not be used; says which file and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "state_dir: {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for CheckpointError {}

/// A state directory that this process, and no other, writes to for as long as the value lives; or only reads.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// Held for its lock (flock), which the system releases however the process ends. Whoever only reads has none.
    lock: Option<File>,
}

impl StateDirectory {
    /// Makes the directory where it is missing, and locks it.
    pub fn open(path: &Path) -> Result<StateDirectory, CheckpointError> {
        let failed = |error: io::Error| CheckpointError {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        make_folder(path).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(StateDirectory {
                path: path.to_owned(),
                lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(CheckpointError {
                path: path.to_owned(),
                reason: "another mailtap uses this directory: stop it, or give this one its own state_dir".to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether a mailtap uses it.
    pub fn is_locked(path: &Path) -> bool {
        File::open(path.join("lock")).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// To be read only, whether it is there or not, and whoever writes to it: each file in it is replaced whole.
    pub fn read_only(path: &Path) -> StateDirectory {
        StateDirectory {
            path: path.to_owned(),
            lock: None,
        }
    }

    /// Whether nothing in it may be changed.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// Where `mailbox` of `account` has its file that ends in `kind`.
    pub fn file(&self, account: &str, mailbox: &str, kind: &str) -> PathBuf {
        self.path.join(format!("{}.{kind}", file_name(account, mailbox)))
    }

    /// The checkpoint of `mailbox` of `account`. Where the directory is read only, nothing is remembered.
    pub fn checkpoint(&self, account: &str, mailbox: &str) -> FileCheckpoint {
        FileCheckpoint {
            read_only: self.is_read_only(),
            path: self.file(account, mailbox, "json"),
            account: account.to_owned(),
            mailbox: mailbox.to_owned(),
        }
    }
}

/// Readable where possible, unique always: `imap.example.com_user_INBOX-0123456789abcdef`.
fn file_name(account: &str, mailbox: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(account.as_bytes());
    digest.update([0]);
    digest.update(mailbox.as_bytes());
    let unique = hexadecimal(digest.finalize().get(..8).unwrap_or_default());
    let plain = |text: &str| -> String {
        let kept = text.chars().take(60);
        kept.map(|character| {
            if character.is_ascii_alphanumeric() || character == '.' {
                character
            } else {
                '_'
            }
        })
        .collect()
    };
    format!("{}_{}-{unique}", plain(account).trim_start_matches('.'), plain(mailbox))
}

/// A [`Checkpoint`] in a file.
#[derive(Debug)]
pub struct FileCheckpoint {
    path: PathBuf,
    account: String,
    mailbox: String,
    read_only: bool,
}

impl Checkpoint for FileCheckpoint {
    fn load(&self) -> Result<Option<Memory>, CheckpointError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        layout::read(&text).map(Some).map_err(|unread| CheckpointError {
            path: self.path.clone(),
            reason: unread.to_string(),
        })
    }

    fn advance(&mut self, memory: &Memory) -> Result<(), CheckpointError> {
        if self.read_only {
            return Ok(());
        }
        let text = layout::write(&self.account, &self.mailbox, memory);
        replace(&self.path, &text, 0o666).map_err(|error| self.failed(&error))
    }
}

impl FileCheckpoint {
    fn failed(&self, error: &io::Error) -> CheckpointError {
        CheckpointError {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
