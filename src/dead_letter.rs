//! What could not be delivered: an event that the receiver refuses, or a mail that there is no event of. One line each, on
//! the disk before the checkpoint passes it.
//!
//! One file a mailbox, beside its checkpoint: no two threads write to one, and all of it has one receiver. It is NDJSON and
//! only ever grows, for people, `jq` and `mailtap replay`. It is opened for each line, so whoever moves it away has all of
//! it, and the next line begins a new one. `dead_letter/read.rs` reads it again.

mod read;

use std::borrow::Cow;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::limits;

#[doc(hidden)]
pub use read::fuzz;
pub use read::{Reader, Unread};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter<'e> {
    /// `id`: the event's, `routing.event_id`.
    pub id: String,
    /// `account`: `user@host:port`.
    pub account: String,
    /// `mailbox`, decoded.
    pub mailbox: String,
    /// `uidvalidity`.
    pub uid_validity: u32,
    /// `uid`.
    pub uid: u32,
    /// `time`: when it was given up, RFC 3339.
    pub time: String,
    /// `reason`: what the receiver, or the server, said.
    pub reason: String,
    /// `event` or `message`; `None` where the mail could not be read.
    pub content: Option<Content<'e>>,
}

/// What the receiver refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'e> {
    /// `event`: one JSON object, without line ends.
    Event(Cow<'e, [u8]>),
    /// `message`: in base64, what LimaCharlie's protocol sends; nobody else can take it.
    Message(Cow<'e, [u8]>),
}

impl Letter<'_> {
    /// Writes the line, with its line end. It is nowhere whole: a mail of some megabytes that kills the program here would
    /// kill it whenever it comes again.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let head = json!({
            "id": self.id,
            "account": self.account,
            "mailbox": self.mailbox,
            "uidvalidity": self.uid_validity,
            "uid": self.uid,
            "time": self.time,
            "reason": self.reason,
        })
        .to_string();
        // The event as it was refused, byte for byte: behind the other keys, before the closing brace.
        output.write_all(head.strip_suffix('}').unwrap_or(&head).as_bytes())?;
        match &self.content {
            None => {}
            Some(Content::Event(event)) => {
                output.write_all(b",\"event\":")?;
                output.write_all(event)?;
            }
            Some(Content::Message(message)) => {
                output.write_all(b",\"message\":\"")?;
                for piece in message.chunks(limits::DEAD_LETTER_PIECE) {
                    output.write_all(STANDARD.encode(piece).as_bytes())?;
                }
                output.write_all(b"\"")?;
            }
        }
        output.write_all(b"}\n")
    }
}

/// The dead-letter file of one mailbox.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    read_only: bool,
}

impl DeadLetters {
    /// In this file, which is made when there is something to write.
    pub fn new(path: PathBuf) -> DeadLetters {
        DeadLetters { path, read_only: false }
    }

    /// The same, but that nothing is ever written.
    #[must_use]
    pub fn read_only(self) -> DeadLetters {
        DeadLetters {
            read_only: true,
            ..self
        }
    }

    /// Whether what is appended is written.
    pub fn is_written(&self) -> bool {
        !self.read_only
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines it has; none where it is not there.
    pub fn lines(&self) -> Result<u64, DeadLetterError> {
        let count = || -> io::Result<u64> {
            let mut file = BufReader::new(File::open(&self.path)?);
            let mut lines: u64 = 0;
            while file.skip_until(b'\n')? > 0 {
                lines = lines.saturating_add(1);
            }
            Ok(lines)
        };
        match count() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            counted => counted.map_err(|error| self.failed(&error)),
        }
    }

    /// Ends a last line that a crash cut off, so that it spoils no other. Says whether there was one. Nothing is lost with
    /// it: the checkpoint never passed its mail, which comes again.
    pub fn mend(&self) -> Result<bool, DeadLetterError> {
        if self.read_only {
            return Ok(false);
        }
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let mended = match file {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
            Ok(mut file) => is_torn(&mut file).and_then(|torn| {
                if torn {
                    file.write_all(b"\n")?;
                    file.sync_all()?;
                }
                Ok(torn)
            }),
        };
        mended.map_err(|error| self.failed(&error))
    }

    /// Appends `letter`: when this returns, it survives a crash.
    pub fn append(&self, letter: &Letter<'_>) -> Result<(), DeadLetterError> {
        if self.read_only {
            return Ok(());
        }
        self.write(letter).map_err(|error| self.failed(&error))
    }

    fn write(&self, letter: &Letter<'_>) -> io::Result<()> {
        // It holds mail: nobody else reads it.
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        let before = file.metadata()?.len();
        let torn = is_torn(&mut file)?;
        if let Err(error) = write_behind(&file, torn, letter) {
            // On a full disk each attempt would leave another piece of the line.
            let _ = file.set_len(before);
            return Err(error);
        }
        // The file may be new, or its folder not yet fsynced since it was.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> DeadLetterError {
        DeadLetterError {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

/// Writes the line to the end of the file, and to the disk.
fn write_behind(file: &File, torn: bool, letter: &Letter<'_>) -> io::Result<()> {
    let mut output = BufWriter::new(file);
    if torn {
        output.write_all(b"\n")?;
    }
    letter.write(&mut output)?;
    output.flush()?;
    file.sync_all()
}

/// Whether the file ends within a line.
pub(crate) fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The dead-letter file could not be written; says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for DeadLetterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "state_dir: {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for DeadLetterError {}

#[cfg(test)]
mod tests;
