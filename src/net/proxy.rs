//! HTTP CONNECT (RFC 9110 section 9.3.6): a proxy opens the connection, and looks the name up, in our place.
//!
//! `connect.rs` is the request and its answer as bytes; here they are exchanged. The proxy sees host and port, and the
//! password that is meant for it; neither goes any further.

pub mod connect;

use std::time::Duration;

use self::connect::AnswerReader;
use super::{Endpoint, NetError, NetErrorKind, Security, Stream};
use crate::clock::{Clock, Deadline, Phase};
use crate::secret::Secret;

/// A `proxy` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The section's name, for messages: `proxy` or `client_options.proxy`.
    pub setting: &'static str,
    /// `url`: with `https://`, TLS is spoken with the proxy as well.
    pub endpoint: Endpoint,
    /// `username` and `password`.
    pub credentials: Option<Credentials>,
    /// `connect_timeout`: the TCP connection to the proxy, over all its addresses.
    pub connect_timeout: Duration,
    /// `handshake_timeout`: from there until the proxy has connected us.
    pub handshake_timeout: Duration,
    /// `read_write_timeout`: silence of the proxy meanwhile.
    pub read_write_timeout: Duration,
}

/// What the proxy lets us pass for (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `username`, without a colon.
    pub username: String,
    /// `password`.
    pub password: Secret<String>,
}

impl Settings {
    /// The proxy in messages: where it is, and which setting says so.
    pub(crate) fn peer(&self) -> String {
        format!("{} ({})", self.endpoint, self.setting)
    }

    /// Whether `https://` was asked for.
    pub(super) fn wants_tls(&self) -> bool {
        self.endpoint.security == Security::Tls
    }
}

/// Asks the proxy at the other end of `stream` for a connection to `target`, and returns that connection.
pub(super) fn tunnel(
    mut stream: Box<dyn Stream>,
    settings: &Settings,
    target: &Endpoint,
    clock: &dyn Clock,
    total: Deadline,
) -> Result<Box<dyn Stream>, NetError> {
    let silence = |phase| clock.deadline(phase, settings.read_write_timeout).within(total);
    let request = connect::request(target, settings.credentials.as_ref());
    stream.write_all(request.expose(), silence(Phase::Proxy))?;
    let failed = |kind| NetError {
        peer: settings.peer(),
        phase: Phase::Proxy,
        kind,
    };
    let mut reader = AnswerReader::new();
    let mut buffer = [0; 1024];
    loop {
        let count = match stream.read(&mut buffer, silence(Phase::Proxy))? {
            0 => return Err(failed(NetErrorKind::Closed)),
            count => count,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        let Some((answer, used)) = reader
            .feed(bytes)
            .map_err(|error| failed(NetErrorKind::Proxy(error.to_string())))?
        else {
            continue;
        };
        answer.judge(target, settings).map_err(failed)?;
        return Ok(Box::new(Tunnel {
            stream,
            peer: format!("{target} (through {})", settings.endpoint),
            ahead: bytes.get(used..).unwrap_or_default().to_vec(),
        }));
    }
}

/// A connection that a proxy has opened. What is on the other side is no longer the proxy: TLS with the proxy, where there
/// is some, binds nothing to the server ([`Stream::channel_binding`] stays `None`).
struct Tunnel {
    stream: Box<dyn Stream>,
    peer: String,
    /// Bytes that came with the proxy's answer: an IMAP server speaks first, and they are its greeting.
    ahead: Vec<u8>,
}

impl Tunnel {
    fn take_ahead(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.ahead.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(self.ahead.drain(..count)) {
            *place = byte;
        }
        count
    }
}

/// The same error, of the far end.
fn named(peer: &str) -> impl Fn(NetError) -> NetError {
    move |error| NetError {
        peer: peer.to_owned(),
        ..error
    }
}

impl Stream for Tunnel {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        if self.ahead.is_empty() {
            self.stream.read(buffer, deadline).map_err(named(&self.peer))
        } else {
            Ok(self.take_ahead(buffer))
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        if self.ahead.is_empty() {
            self.stream.read_ready(buffer).map_err(named(&self.peer))
        } else {
            Ok(Some(self.take_ahead(buffer)))
        }
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        self.stream.write_all(bytes, deadline).map_err(named(&self.peer))
    }

    fn write_some(&mut self, pieces: &[std::io::IoSlice<'_>], deadline: Deadline) -> Result<usize, NetError> {
        self.stream.write_some(pieces, deadline).map_err(named(&self.peer))
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        self.stream.write_at_once(bytes);
    }

    fn peer(&self) -> &str {
        &self.peer
    }
}

#[cfg(test)]
mod tests;
