//! `--extract DIR`: every decoded leaf of a mail becomes a file, and so does what is enclosed in one. Its name is the SHA-256 of its content, so that the mail
//! has no say in it, and a file that is there already is the same one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::event::encode::hexadecimal;
use crate::mime::embedded::Enclosed;
use crate::mime::{Entity, Finding, Kind, Visitor};
use crate::replace::create_anew;

/// Writes the leaves of one mail as they come, and the files enclosed in them; none is held in memory.
pub(super) struct Extraction {
    /// Where to; nothing is written without it.
    folder: Option<Rc<Path>>,
    /// The files of what has begun and not ended, outermost first; `None` for what has no content of its own.
    open: Vec<Option<PartFile>>,
    /// That of what is enclosed in the innermost.
    enclosed: Option<PartFile>,
    /// How many have begun, which tells their temporary names apart.
    begun: u64,
    outcome: io::Result<()>,
}

impl Extraction {
    pub(super) fn new(folder: Option<Rc<Path>>) -> Extraction {
        Extraction {
            folder,
            open: Vec::new(),
            enclosed: None,
            begun: 0,
            outcome: Ok(()),
        }
    }

    /// Why a file could not be written; nothing was written since.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.outcome.as_ref().err()
    }

    fn create(&mut self) -> Option<PartFile> {
        let folder = self.folder.as_deref().filter(|_| self.outcome.is_ok())?;
        self.begun = self.begun.saturating_add(1);
        PartFile::create(folder, self.begun)
            .map_err(|error| self.outcome = Err(error))
            .ok()
    }

    /// Keeps the first failure.
    fn note(&mut self, result: io::Result<()>) {
        if self.outcome.is_ok() {
            self.outcome = result;
        }
    }

    fn write(&mut self, depth: usize, decoded: &[u8]) {
        let result = match self.open.get_mut(depth) {
            Some(Some(file)) if self.outcome.is_ok() => file.write(decoded),
            _ => return,
        };
        self.note(result);
    }

    fn finish(&mut self, file: Option<PartFile>) {
        if let Some(file) = file.filter(|_| self.outcome.is_ok()) {
            self.note(file.finish());
        }
    }
}

impl Visitor for Extraction {
    fn begin(&mut self, entity: &Entity<'_>) {
        let file = match entity.kind {
            Kind::Leaf | Kind::Cms => self.create(),
            Kind::Multipart | Kind::Message => None,
        };
        self.open.push(file);
    }

    fn body(&mut self, decoded: &[u8]) {
        self.write(self.open.len().saturating_sub(1), decoded);
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.write(depth, decoded);
    }

    fn enclosed(&mut self, found: Enclosed<'_>) {
        match found {
            Enclosed::Begin(_) => self.enclosed = self.create(),
            Enclosed::Data(data) if self.outcome.is_ok() => {
                if let Some(file) = &mut self.enclosed {
                    let result = file.write(data);
                    self.note(result);
                }
            }
            Enclosed::End => {
                let file = self.enclosed.take();
                self.finish(file);
            }
            Enclosed::Data(_) | Enclosed::Name(_) | Enclosed::Charset { .. } | Enclosed::Finding(_) => {}
        }
    }

    fn end(&mut self) {
        let file = self.open.pop().flatten();
        self.finish(file);
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
    fn create(folder: &Path, number: u64) -> io::Result<PartFile> {
        let temporary = folder.join(format!(".mailtap-{}-{number}", std::process::id()));
        let file = create_anew(&temporary, OpenOptions::new().write(true))?;
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
