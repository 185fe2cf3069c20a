//! Events to standard output, one a line.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Batch, DeliveryError, Sink};
use crate::hidden::escaped_json;

/// Writes batches to `W`; acknowledged when flushed. Clones write to the same `W`, one batch at a time: mailboxes share
/// the program's standard output.
pub struct Stdout<W>(Arc<Mutex<Lines<W>>>);

struct Lines<W> {
    writer: W,
    /// A write failed within a line: the next one begins with a line end, so that only that line is spoilt.
    within_line: bool,
    /// People look at it: what hides or steers a terminal is escaped. Programs get the text as it is.
    on_terminal: bool,
}

impl<W: Write> Stdout<W> {
    /// Writes to `writer`: the program passes standard output, a test a `Vec`.
    pub fn new(writer: W, on_terminal: bool) -> Stdout<W> {
        Stdout(Arc::new(Mutex::new(Lines {
            writer,
            within_line: false,
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
        lines.write(bytes).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => DeliveryError::Configuration {
                reason: "client_options.dest_url is stdout: and what read standard output has ended".to_owned(),
            },
            _ => DeliveryError::Retry {
                reason: format!("client_options.dest_url is stdout: and standard output fails: {error}"),
                after: None,
            },
        })
    }
}

#[cfg(test)]
mod tests;
