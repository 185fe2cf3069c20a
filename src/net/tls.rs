//! TLS by rustls, around any other stream: a [`Stream`] that keeps little memory while it is idle.

mod explain;
pub mod pin;
mod trust;

pub use trust::{CaFileError, Protocol, Trust};

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error as RustlsError, ProtocolVersion};

use super::{NetError, NetErrorKind, Stream};
use crate::clock::{Deadline, Phase};

/// What is read from the socket at once while data streams in, at first and in the end. rustls itself asks for 4 KiB at a
/// time. Two thousand mailboxes may get a mail at once, and one mail needs no large buffer.
const READ_AHEAD: RangeInclusive<usize> = 8 * 1024..=32 * 1024;

/// A connection inside TLS.
pub(super) struct TlsStream {
    connection: ClientConnection,
    transport: Transport,
    /// Why records can no longer be read; reported once what was decrypted before it has been taken.
    broken: Option<RustlsError>,
}

impl TlsStream {
    /// Shakes hands with `host`.
    pub(super) fn connect(
        stream: Box<dyn Stream>,
        host: &str,
        config: Arc<ClientConfig>,
        deadline: Deadline,
    ) -> Result<TlsStream, NetError> {
        let refused = |reason: String| error(&*stream, Phase::Tls, NetErrorKind::Tls(reason));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| refused("not a host name that a certificate can be checked against".to_owned()))?;
        let connection = ClientConnection::new(config, name).map_err(|error| refused(explain::handshake(&error)))?;
        let mut stream = TlsStream {
            connection,
            transport: Transport::new(stream),
            broken: None,
        };
        stream.transport.deadline = Some(deadline);
        while stream.connection.is_handshaking() || stream.connection.wants_write() {
            let progress = stream.connection.complete_io(&mut stream.transport);
            progress.map_err(|error| stream.failed(deadline.phase, error))?;
        }
        Ok(stream)
    }

    /// Takes what is already decrypted; `None` when more records are needed.
    fn take(&mut self, buffer: &mut [u8], phase: Phase) -> Result<Option<usize>, NetError> {
        match self.connection.reader().read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(self.failed(phase, error)),
        }
    }

    /// Reads from the socket once and decrypts what is complete.
    fn receive(&mut self, phase: Phase) -> Result<(), NetError> {
        if let Some(broken) = &self.broken {
            let kind = NetErrorKind::Tls(explain::record(broken));
            return Err(error(&*self.transport.stream, phase, kind));
        }
        let received = self.connection.read_tls(&mut self.transport);
        received.map_err(|error| self.failed(phase, error))?;
        if let Err(error) = self.connection.process_new_packets() {
            // The alert that tells the peer why; the error matters more than whether it arrives.
            self.last_words();
            self.broken = Some(error);
        }
        Ok(())
    }

    fn flush(&mut self, deadline: Deadline) -> Result<(), NetError> {
        self.transport.deadline = Some(deadline);
        while self.connection.wants_write() {
            let written = self.connection.write_tls(&mut self.transport);
            written.map_err(|error| self.failed(deadline.phase, error))?;
        }
        Ok(())
    }

    /// Sends what rustls still has to say, if that needs no waiting.
    fn last_words(&mut self) {
        let mut words = Vec::new();
        while self.connection.wants_write() && self.connection.write_tls(&mut words).is_ok() {}
        self.transport.stream.write_at_once(&words);
    }

    /// An error that came through rustls: our own [`NetError`], TLS's, or an end without `close_notify`.
    fn failed(&self, phase: Phase, error: io::Error) -> NetError {
        let kind = match error.kind() {
            // Truncation: an attacker can cut a connection, only the peer can close it (RFC 8446, section 6.1).
            ErrorKind::UnexpectedEof => NetErrorKind::Closed,
            _ => match error.downcast::<NetError>() {
                Ok(ours) => return ours,
                Err(error) => match error.downcast::<RustlsError>() {
                    Ok(tls) => NetErrorKind::Tls(explain::handshake(&tls)),
                    Err(error) => NetErrorKind::Io(error.to_string()),
                },
            },
        };
        self::error(&*self.transport.stream, phase, kind)
    }
}

impl Stream for TlsStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        loop {
            if let Some(count) = self.take(buffer, deadline.phase)? {
                return Ok(count);
            }
            self.flush(deadline)?;
            self.receive(deadline.phase)?;
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        // Tickets and key updates are records without plaintext: read on until there is some, or nothing.
        loop {
            if let Some(count) = self.take(buffer, Phase::Write)? {
                return Ok(Some(count));
            }
            self.transport.deadline = None;
            self.transport.dry = false;
            let received = self.receive(Phase::Write);
            if self.transport.dry {
                return Ok(None);
            }
            received?;
        }
    }

    fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        while !bytes.is_empty() {
            let taken = self.connection.writer().write(bytes);
            let taken = taken.map_err(|error| self.failed(deadline.phase, error))?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush(deadline)?;
        }
        Ok(())
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        if self.connection.writer().write_all(bytes).is_ok() {
            self.last_words();
        }
    }

    fn channel_binding(&self) -> Option<[u8; 32]> {
        // Before TLS 1.3 the exporter is only safe with an extended master secret (RFC 9266 section 3), which rustls does
        // not tell.
        let current = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let export = || {
            self.connection
                .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
        };
        current.then(export)?.ok()
    }

    fn peer(&self) -> &str {
        self.transport.stream.peer()
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.connection.send_close_notify();
        self.last_words();
    }
}

/// The stream underneath as rustls sees it: `io::Read` and `io::Write` under the deadline of the call in progress.
struct Transport {
    stream: Box<dyn Stream>,
    /// `None`: do not wait.
    deadline: Option<Deadline>,
    /// A read that was not to wait found nothing.
    dry: bool,
    /// Read ahead and not yet handed out: `ahead[start..end]`. Allocated only while data streams in.
    ahead: Vec<u8>,
    start: usize,
    end: usize,
    /// More came than fits rustls's small buffer, since the last write.
    streaming: bool,
}

impl Transport {
    fn new(stream: Box<dyn Stream>) -> Transport {
        Transport {
            stream,
            deadline: None,
            dry: false,
            ahead: Vec::new(),
            start: 0,
            end: 0,
            streaming: false,
        }
    }

    /// Hands out what was read ahead; frees the memory when the stream has ended.
    fn hand_out(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.end.saturating_sub(self.start).min(buffer.len());
        let stop = self.start.saturating_add(count);
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.ahead.get(self.start..stop)) {
            to.copy_from_slice(from);
        }
        self.start = stop;
        self.free_ahead();
        count
    }

    fn free_ahead(&mut self) {
        if self.start >= self.end && !self.streaming {
            self.ahead = Vec::new();
        }
    }
}

impl Read for Transport {
    /// A read that fills rustls's small buffer says that more is waiting: from then on 8 KiB are read at once, and more
    /// when they were filled, until something is written. A short read ends nothing: Dovecot's records are 22 bytes longer
    /// than the small buffer, so that every second read would be of 22 bytes. An idle connection has just sent IDLE or a
    /// request, and holds no buffer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end {
            return Ok(self.hand_out(buffer));
        }
        if !self.streaming {
            let count = read_stream(&mut *self.stream, buffer, self.deadline, &mut self.dry)?;
            self.streaming = count == buffer.len();
            return Ok(count);
        }
        if self.ahead.is_empty() {
            self.ahead.resize(*READ_AHEAD.start(), 0);
        } else if self.end == self.ahead.len() {
            self.ahead.resize(*READ_AHEAD.end(), 0);
        }
        let count = read_stream(&mut *self.stream, &mut self.ahead, self.deadline, &mut self.dry)?;
        (self.start, self.end) = (0, count);
        Ok(self.hand_out(buffer))
    }
}

fn read_stream(
    stream: &mut dyn Stream,
    buffer: &mut [u8],
    deadline: Option<Deadline>,
    dry: &mut bool,
) -> io::Result<usize> {
    let count = match deadline {
        Some(deadline) => stream.read(buffer, deadline).map(Some),
        None => stream.read_ready(buffer),
    };
    count.map_err(io::Error::other)?.ok_or_else(|| {
        *dry = true;
        ErrorKind::WouldBlock.into()
    })
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(deadline) = self.deadline else {
            return Err(ErrorKind::WouldBlock.into());
        };
        self.streaming = false;
        self.free_ahead();
        self.stream.write_some(pieces, deadline).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn error(stream: &dyn Stream, phase: Phase, kind: NetErrorKind) -> NetError {
    NetError {
        peer: stream.peer().to_owned(),
        phase,
        kind,
    }
}

#[cfg(test)]
mod tests;
