//! Bytes kept aside for a while: the first in memory, the rest in a file without a name, which is gone with the process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;

use crate::limits;
use crate::replace::create_anew;

/// Bytes that are appended, then read anywhere.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    memory: Vec<u8>,
    /// What is behind [`limits::SPOOL_MEMORY`].
    file: Option<File>,
    length: u64,
}

impl Spool {
    /// An empty one, whose file would be in `directory`.
    pub fn new(directory: &Path) -> Spool {
        Spool {
            directory: directory.to_owned(),
            memory: Vec::new(),
            file: None,
            length: 0,
        }
    }

    /// How many bytes were appended.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends `bytes`. After an error the spool is of no more use.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = limits::SPOOL_MEMORY.saturating_sub(self.memory.len());
        let (here, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.memory.extend_from_slice(here);
        if !rest.is_empty() {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(nameless(&self.directory)?),
            };
            let behind = self.memory.len() as u64;
            let at = self.length.saturating_add(here.len() as u64).saturating_sub(behind);
            file.write_all_at(rest, at)?;
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Fills `buffer` with what stands from `at` on, all of which was appended.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.memory.len());
        let here = self.memory.get(from..).unwrap_or_default();
        let count = here.len().min(buffer.len());
        let (first, rest) = buffer.split_at_mut_checked(count).ok_or(io::ErrorKind::UnexpectedEof)?;
        first.copy_from_slice(here.get(..count).unwrap_or_default());
        if rest.is_empty() {
            return Ok(());
        }
        let behind = self.memory.len() as u64;
        let at = at.saturating_add(count as u64).saturating_sub(behind);
        self.file
            .as_ref()
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .read_exact_at(rest, at)
    }
}

/// A file for the owner's eyes only, without its name from the beginning: nothing is left behind by a kill.
fn nameless(directory: &Path) -> io::Result<File> {
    // The name exists between two lines of this function: process and thread tell all such moments apart.
    let path = directory.join(format!(".spool-{}-{:?}", std::process::id(), thread::current().id()));
    let file = create_anew(&path, OpenOptions::new().read(true).write(true).mode(0o600))?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Spool;
    use crate::limits;

    #[test]
    fn what_was_appended_is_read_again_on_both_sides_of_memory_and_no_file_is_seen() {
        let directory = std::env::temp_dir().join(format!("mailtap-spool-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let content: Vec<u8> = (0..limits::SPOOL_MEMORY + 1000)
            .map(|number| u8::try_from(number % 251).unwrap())
            .collect();
        for step in [
            1000,
            limits::SPOOL_MEMORY - 1,
            limits::SPOOL_MEMORY,
            limits::SPOOL_MEMORY + 1,
            content.len(),
        ] {
            let mut spool = Spool::new(&directory);
            for piece in content.chunks(step) {
                spool.append(piece).unwrap();
            }
            assert_eq!(spool.len(), content.len() as u64);
            for at in [
                0,
                1,
                limits::SPOOL_MEMORY - 5,
                limits::SPOOL_MEMORY,
                limits::SPOOL_MEMORY + 990,
            ] {
                let mut buffer = [0; 10];
                spool.read(at as u64, &mut buffer).unwrap();
                assert_eq!(buffer, content[at..at + 10], "{step} {at}");
            }
            assert!(
                spool.read(content.len() as u64 - 9, &mut [0; 10]).is_err(),
                "one too many"
            );
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        }
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn a_small_spool_needs_no_directory_and_a_large_one_tells_that_it_has_none() {
        let mut spool = Spool::new("/nowhere/at/all".as_ref());
        spool.append(&vec![7; limits::SPOOL_MEMORY]).unwrap();
        assert!(spool.append(&[7]).is_err());
    }
}
