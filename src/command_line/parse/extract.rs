//! `--extract DIR`: every decoded leaf of a mail becomes a file. Its name is the SHA-256 of its content, so that the mail
//! has no say in it, and a file that is there already is the same one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::event::encode::hexadecimal;
use crate::mime::{Entity, Finding, Kind, Visitor};

/// Writes the leaves of one mail as they come; none is held in memory.
pub(super) struct Extractor {
    /// Where to; nothing is written without it.
    folder: Option<Rc<Path>>,
    /// The leaf under way.
    part: Option<PartFile>,
    outcome: io::Result<()>,
}

impl Extractor {
    pub(super) fn new(folder: Option<Rc<Path>>) -> Extractor {
        Extractor {
            folder,
            part: None,
            outcome: Ok(()),
        }
    }

    /// Why a file could not be written; nothing was written since.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.outcome.as_ref().err()
    }
}

impl Visitor for Extractor {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some(folder) = self.folder.as_deref().filter(|_| self.outcome.is_ok())
            && entity.kind == Kind::Leaf
        {
            match PartFile::create(folder) {
                Ok(part) => self.part = Some(part),
                Err(error) => self.outcome = Err(error),
            }
        }
    }

    fn body(&mut self, decoded: &[u8]) {
        if let Some(part) = &mut self.part
            && let Err(error) = part.write(decoded)
        {
            self.part = None;
            self.outcome = Err(error);
        }
    }

    fn end(&mut self) {
        // Nothing begins inside a leaf: the first end after its beginning is its own.
        if let Some(part) = self.part.take()
            && let Err(error) = part.finish()
        {
            self.outcome = Err(error);
        }
    }

    fn finding(&mut self, _: Finding<'_>) {}
}

/// A file under a temporary name, which is removed unless the part comes to its end.
struct PartFile {
    temporary: PathBuf,
    file: BufWriter<File>,
    sha256: Sha256,
}

impl PartFile {
    fn create(folder: &Path) -> io::Result<PartFile> {
        // One part at a time. What has this name was left by a process that was killed.
        let temporary = folder.join(format!(".mailtap-{}", std::process::id()));
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        Ok(PartFile {
            temporary,
            file: BufWriter::new(file),
            sha256: Sha256::new(),
        })
    }

    fn write(&mut self, decoded: &[u8]) -> io::Result<()> {
        self.sha256.update(decoded);
        self.file.write_all(decoded)
    }

    fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        let name = hexadecimal(&self.sha256.finalize_reset());
        let path = self.temporary.with_file_name(name);
        if fs::symlink_metadata(&path).is_ok() {
            return Ok(());
        }
        fs::rename(&self.temporary, path)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Gone already where it got its name.
        let _ = fs::remove_file(&self.temporary);
    }
}
