//! TLS by rustls: whom to trust, and a [`Stream`] that keeps little memory while it is idle.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error as RustlsError, InvalidMessage,
    RootCertStore,
};

use super::socket::Socket;
use super::{NetError, NetErrorKind, Stream};
use crate::clock::{Deadline, Phase};
use crate::limits;
use crate::mime::date;

/// Session tickets kept for later handshakes, per configuration: a collector speaks to a handful of hosts.
const SESSIONS: usize = 32;
/// What is read from the socket at once while data streams in. rustls itself asks for 4 KiB at a time.
const READ_AHEAD: usize = 32 * 1024;

/// Whom to trust: the public certificate authorities, and those of `ca_file`.
pub struct Trust {
    roots: Arc<RootCertStore>,
}

/// What is spoken inside TLS, as the server is told (ALPN, RFC 7301), so that no other protocol's server can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`.
    Http,
    /// IMAP: no name is offered.
    Imap,
}

impl Trust {
    /// Reads the certificates of `ca_file`, if there is one.
    pub fn load(ca_file: Option<&Path>) -> Result<Trust, CaFileError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = ca_file {
            add_certificates(&mut roots, path).map_err(|reason| CaFileError {
                path: path.to_owned(),
                reason,
            })?;
        }
        Ok(Trust { roots: Arc::new(roots) })
    }

    /// The configuration for connections that speak `protocol`. Make one and share it.
    pub fn client_config(&self, protocol: Protocol) -> Result<Arc<ClientConfig>, RustlsError> {
        // The provider is named here, not installed for the process: a library has no business with globals.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = match protocol {
            Protocol::Http => vec![b"http/1.1".to_vec()],
            // A server that knows other names only would refuse the handshake (RFC 7301, 3.2), and no mail client offers one.
            Protocol::Imap => Vec::new(),
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Arc::new(config))
    }
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut count: usize = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count = count.saturating_add(1);
        certificate
            .map_err(|error| format!("certificate {count}: {error}"))
            .and_then(|certificate| {
                roots
                    .add(certificate)
                    .map_err(|error| format!("certificate {count}: {error}"))
            })?;
    }
    if count == 0 {
        return Err("no certificate in it (PEM: -----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(())
}

/// `ca_file` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFileError {
    /// Its path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for CaFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ca_file {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for CaFileError {}

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
        socket: Socket,
        host: &str,
        config: Arc<ClientConfig>,
        deadline: Deadline,
    ) -> Result<TlsStream, NetError> {
        let refused = |reason: String| socket.error(Phase::Tls, NetErrorKind::Tls(reason));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| refused("not a host name that a certificate can be checked against".to_owned()))?;
        let connection = ClientConnection::new(config, name).map_err(|error| refused(explain(&error)))?;
        let mut stream = TlsStream {
            connection,
            transport: Transport::new(socket),
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
        if let Some(error) = &self.broken {
            let kind = NetErrorKind::Tls(explain_record(error));
            return Err(self.transport.socket.error(phase, kind));
        }
        let received = self.connection.read_tls(&mut self.transport);
        received.map_err(|error| self.failed(phase, error))?;
        if let Err(error) = self.connection.process_new_packets() {
            // The alert that tells the peer why; the error matters more than whether it arrives.
            let _ = self.connection.write_tls(&mut self.transport.socket.write_at_once());
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

    /// An error that came through rustls: our own [`NetError`], TLS's, or an end without `close_notify`.
    fn failed(&self, phase: Phase, error: io::Error) -> NetError {
        let kind = match error.kind() {
            // Truncation: an attacker can cut a connection, only the peer can close it (RFC 8446, section 6.1).
            ErrorKind::UnexpectedEof => NetErrorKind::Closed,
            _ => match error.downcast::<NetError>() {
                Ok(ours) => return ours,
                Err(error) => match error.downcast::<RustlsError>() {
                    Ok(tls) => NetErrorKind::Tls(explain(&tls)),
                    Err(error) => NetErrorKind::Io(error.to_string()),
                },
            },
        };
        self.transport.socket.error(phase, kind)
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

    fn peer(&self) -> &str {
        self.transport.socket.peer()
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.connection.send_close_notify();
        // A goodbye: nobody waits for it.
        let _ = self.connection.write_tls(&mut self.transport.socket.write_at_once());
    }
}

/// The socket as rustls sees it: `io::Read` and `io::Write` under the deadline of the call in progress.
struct Transport {
    socket: Socket,
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
    fn new(socket: Socket) -> Transport {
        Transport {
            socket,
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
    /// A read that fills rustls's small buffer says that more is waiting: from then on 32 KiB are read at once, until
    /// something is written. A short read ends nothing: Dovecot's records are 22 bytes longer than the small buffer, so
    /// that every second read would be of 22 bytes. An idle connection has just sent IDLE or a request, and holds no buffer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end {
            return Ok(self.hand_out(buffer));
        }
        if !self.streaming {
            let count = read_socket(&mut self.socket, buffer, self.deadline, &mut self.dry)?;
            self.streaming = count == buffer.len();
            return Ok(count);
        }
        self.ahead.resize(READ_AHEAD, 0);
        let count = read_socket(&mut self.socket, &mut self.ahead, self.deadline, &mut self.dry)?;
        (self.start, self.end) = (0, count);
        Ok(self.hand_out(buffer))
    }
}

fn read_socket(
    socket: &mut Socket,
    buffer: &mut [u8],
    deadline: Option<Deadline>,
    dry: &mut bool,
) -> io::Result<usize> {
    let count = match deadline {
        Some(deadline) => socket.read(buffer, deadline).map(Some),
        None => socket.read_ready(buffer),
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
        self.socket.write_vectored(pieces, deadline).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// TLS errors in an operator's words, with the setting to change where there is one.
fn explain(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidCertificate(error) => explain_certificate(error),
        RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the port answers in clear text, not in TLS; check the port, or whether the server wants TLS at all"
                .to_owned()
        }
        RustlsError::AlertReceived(AlertDescription::ProtocolVersion) | RustlsError::PeerIncompatible(_) => {
            format!("the server does not offer TLS 1.2 or 1.3 as needed here ({error})")
        }
        RustlsError::AlertReceived(alert) => format!("the server refused the TLS handshake ({alert:?})"),
        other => other.to_string(),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", day(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is valid only from {}; check this machine's clock",
            day(not_before.as_secs())
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented
                .iter()
                .take(limits::CERTIFICATE_NAMES)
                .map(|name| bare_name(name))
                .collect();
            let more = match presented.len().saturating_sub(limits::CERTIFICATE_NAMES) {
                0 if names.is_empty() => "nobody".to_owned(),
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names = names.join(", ");
            format!(
                "the server's certificate is not for {}; it is for {names}{more}",
                expected.to_str()
            )
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by an authority that is not trusted; set ca_file to the server's CA"
                .to_owned()
        }
        other => format!("the server's certificate is refused: {other}"),
    }
}

/// `mail.example` from `DnsName("mail.example")`, which is how the verifier words it.
fn bare_name(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

/// What breaks a stream after the handshake.
fn explain_record(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidMessage(_) | RustlsError::DecryptError => {
            format!("bytes were changed or put in between on the way ({error})")
        }
        RustlsError::AlertReceived(alert) => format!("the server ended the TLS connection ({alert:?})"),
        other => other.to_string(),
    }
}

fn day(unix_seconds: u64) -> String {
    let milliseconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    date::rfc3339(milliseconds)
}

#[cfg(test)]
mod tests;
