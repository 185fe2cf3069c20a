//! Mail in files: single mails, Maildirs and mbox files, read in pieces so that no mail is ever held whole.

mod mbox;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What a reader of mail is told, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A mail begins: its file's path (`-` for standard input), with `:N` behind it for the Nth mail of an mbox file.
    Begin(&'a str),
    /// The next bytes of the mail, never empty.
    Bytes(&'a [u8]),
    /// The mail is complete.
    End,
    /// `source` cannot be read, or no further; a mail that had begun has no end. Other files follow.
    Unreadable {
        /// The path.
        source: &'a str,
        /// What the system said.
        reason: &'a str,
    },
}

/// Takes the pieces; `Break` ends the reading.
pub type Take<'a> = &'a mut dyn FnMut(Piece<'_>) -> ControlFlow<()>;

/// Reads `path`: a Maildir (a folder with `cur` or `new`), an mbox file (it begins with `From `), or one mail.
pub fn read(path: &Path, take: Take<'_>) -> ControlFlow<()> {
    let source = path.display().to_string();
    if path.is_dir() {
        return read_maildir(path, &source, take);
    }
    read_file(path, take)
}

/// Reads one mail or an mbox file from `input`, whose name is `source`.
pub fn read_from(input: &mut dyn Read, source: &str, take: Take<'_>) -> ControlFlow<()> {
    let unreadable = |error: &std::io::Error, take: Take<'_>| {
        take(Piece::Unreadable {
            source,
            reason: &error.to_string(),
        })
    };
    let mut chunk = vec![0; 64 << 10];
    // Enough of the beginning to see what it is; a pipe gives it in any portions.
    let mut beginning = Vec::new();
    if let Err(error) = (&mut *input).take(mbox::FROM_LENGTH).read_to_end(&mut beginning) {
        return unreadable(&error, take);
    }
    let mut splitter = mbox::is_mbox(&beginning).then(|| mbox::Splitter::new(source));
    if splitter.is_none() {
        take(Piece::Begin(source))?;
    }
    let mut bytes = beginning.as_slice();
    loop {
        match &mut splitter {
            Some(splitter) => splitter.feed(bytes, take)?,
            None if bytes.is_empty() => {}
            None => take(Piece::Bytes(bytes))?,
        }
        bytes = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => chunk.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => &[],
            Err(error) => return unreadable(&error, take),
        };
    }
    match splitter {
        Some(splitter) => splitter.finish(take),
        None => take(Piece::End),
    }
}

fn read_file(path: &Path, take: Take<'_>) -> ControlFlow<()> {
    let source = path.display().to_string();
    match File::open(path) {
        Ok(mut file) => read_from(&mut file, &source, take),
        Err(error) => take(Piece::Unreadable {
            source: &source,
            reason: &error.to_string(),
        }),
    }
}

/// The mails of `cur` and `new` together, by file name: Maildir names begin with the time of delivery.
fn read_maildir(path: &Path, source: &str, take: Take<'_>) -> ControlFlow<()> {
    let folders: Vec<PathBuf> = ["cur", "new"]
        .iter()
        .map(|name| path.join(name))
        .filter(|folder| folder.is_dir())
        .collect();
    if folders.is_empty() {
        let reason = "a folder without cur and new is not a Maildir; name the files in it";
        return take(Piece::Unreadable { source, reason });
    }
    let mut mails: Vec<(OsString, PathBuf)> = Vec::new();
    for folder in folders {
        let listed = fs::read_dir(&folder).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                // A dot hides a server's own files; a named pipe in a mailbox would wait for ever.
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if !hidden && fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                    mails.push((entry.file_name(), entry.path()));
                }
            }
            Ok(())
        });
        if let Err(error) = listed {
            let source = folder.display().to_string();
            take(Piece::Unreadable {
                source: &source,
                reason: &error.to_string(),
            })?;
        }
    }
    mails.sort_unstable();
    mails.iter().try_for_each(|(_, path)| read_file(path, take))
}

/// An mbox or a mail is the same mails however it is cut, and every byte of them was in it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = mails_of(&[data]);
    let told: usize = whole.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(told <= data.len(), "more bytes than there were");
    // Every cut of a short input, a spread of them of a long one.
    let step = data.len().div_euclid(64).max(1);
    for at in (0..=data.len()).step_by(step) {
        if let Some((head, tail)) = data.split_at_checked(at) {
            assert_eq!(whole, mails_of(&[head, tail]), "cut at {at}");
        }
    }
    assert_eq!(whole, mails_of(&data.chunks(1).collect::<Vec<_>>()), "byte by byte");
}

/// The mails, by name, of an input that arrives in `portions`.
fn mails_of(portions: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let mut mails = Vec::new();
    let mut ended = true;
    let _ = read_from(&mut Portions(portions.to_vec()), "-", &mut |piece| {
        match piece {
            Piece::Begin(source) => {
                assert!(ended, "a mail begins inside another");
                mails.push((source.to_owned(), Vec::new()));
            }
            Piece::Bytes(bytes) => {
                assert!(!bytes.is_empty(), "a piece without bytes");
                if let Some((_, mail)) = mails.last_mut() {
                    mail.extend_from_slice(bytes);
                }
            }
            Piece::End => assert!(!ended, "an end without a beginning"),
            Piece::Unreadable { .. } => {}
        }
        ended = piece == Piece::End;
        ControlFlow::Continue(())
    });
    assert!(ended, "the last mail has no end");
    mails
}

/// A reader that gives each portion apart, as a pipe does.
struct Portions<'a>(Vec<&'a [u8]>);

impl Read for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.retain(|portion| !portion.is_empty());
        match self.0.first_mut() {
            Some(portion) => portion.read(buffer),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests;
