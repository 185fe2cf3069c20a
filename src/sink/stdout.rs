//! Events to standard output, one a line.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Batch, DeliveryError, Sink};
use crate::dead_letter::is_torn;
use crate::hidden::escaped_json;

/// It is open for reading only, which no wait mends.
const EBADF: i32 = 9;

/// Standard output, whose errors show: std's own takes a descriptor that cannot be written to for one that took everything.
pub fn descriptor() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// [`descriptor`], whenever something is written.
pub struct Descriptor;

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        descriptor()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether what goes to standard output goes nowhere. Where it was closed, std has opened /dev/null in its place.
pub fn is_null() -> bool {
    let device = |metadata: fs::Metadata| metadata.file_type().is_char_device().then(|| metadata.rdev());
    let own = descriptor().and_then(|own| own.metadata()).ok().and_then(device);
    own.is_some() && own == fs::metadata("/dev/null").ok().and_then(device)
}

/// Whether `file`, which is also at `path`, ends within a line, as a process leaves it that was killed, or met a full disk. It
/// may be open for writing only, and be no file to read from. What cannot be told may be so.
fn ends_within_line(file: &File, path: &Path) -> bool {
    let is_written = |metadata: fs::Metadata| metadata.is_file() && metadata.len() > 0;
    file.metadata().is_ok_and(is_written) && File::open(path).and_then(|mut file| is_torn(&mut file)).unwrap_or(true)
}

/// Writes batches to `W`; acknowledged when flushed. Clones write to the same `W`, one batch at a time: mailboxes share
/// the program's standard output.
pub struct Stdout<W>(Arc<Mutex<Lines<W>>>);

struct Lines<W> {
    writer: W,
    /// A write failed within a line, or a process before this one ended there: the next one begins with a line end, so that
    /// only that line is spoilt.
    within_line: bool,
    /// People look at it: what hides or steers a terminal is escaped. Programs get the text as it is.
    on_terminal: bool,
}

impl Stdout<Descriptor> {
    /// Writes to the program's standard output.
    pub fn of_program() -> Stdout<Descriptor> {
        let within_line = descriptor().is_ok_and(|own| ends_within_line(&own, Path::new("/proc/self/fd/1")));
        Stdout::behind(within_line, Descriptor, io::stdout().is_terminal())
    }
}

impl<W: Write> Stdout<W> {
    /// Writes to `writer`, which may be within a line.
    fn behind(within_line: bool, writer: W, on_terminal: bool) -> Stdout<W> {
        Stdout(Arc::new(Mutex::new(Lines {
            writer,
            within_line,
            on_terminal,
        })))
    }
}

impl<W> Clone for Stdout<W> {
    fn clone(&self) -> Stdout<W> {
        Stdout(Arc::clone(&self.0))
    }
}

impl<W: Write> Lines<W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.within_line {
            self.writer.write_all(b"\n")?;
            self.within_line = false;
        }
        while !bytes.is_empty() {
            let count = match self.writer.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (written, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            self.within_line = !written.ends_with(b"\n");
            bytes = rest;
        }
        self.writer.flush()
    }
}

impl<W: Write + Send> Sink for Stdout<W> {
    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = match str::from_utf8(batch.bytes()) {
            Ok(text) if lines.on_terminal => escaped_json(text),
            _ => "".into(),
        };
        let bytes = if shown.is_empty() {
            batch.bytes()
        } else {
            shown.as_bytes()
        };
        lines.write(bytes).map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                return DeliveryError::Configuration {
                    reason: "client_options.dest_url is stdout: and what read standard output has ended".to_owned(),
                };
            }
            let reason = format!("client_options.dest_url is stdout: and standard output fails: {error}");
            if error.raw_os_error() == Some(EBADF) {
                DeliveryError::Configuration { reason }
            } else {
                DeliveryError::Retry { reason, after: None }
            }
        })
    }
}

#[cfg(test)]
mod tests;
