//! The network at its narrowest: a [`Stream`] of bytes and a [`Dial`] that opens one. A test implements both and is the network.
//!
//! Read `dial.rs` for addresses, `socket.rs` for deadlines, then `tls.rs` for encryption and `tls/trust.rs` for whom to trust;
//! `proxy.rs` is the way around a firewall, `start_tls.rs` TLS in the middle of a conversation, `deflate.rs` compression.

pub mod counted;
pub mod deflate;
pub mod dial;
pub mod proxy;
mod socket;
mod start_tls;
pub mod tls;

use std::fmt;
use std::io::IoSlice;
use std::net::TcpStream;
use std::sync::Arc;

use crate::clock::{Clock, Deadline, Phase};

/// One connection: bytes both ways, each call bounded by a deadline.
pub trait Stream: Send {
    /// Reads what there is, at least one byte unless the peer has closed (then 0).
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError>;

    /// Reads what has already arrived, without waiting; `None` when there is nothing. It tells a writer that its peer
    /// has answered early, and the owner of an idle connection that it was closed.
    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        let _ = buffer;
        Ok(None)
    }

    /// Sends all of `bytes`.
    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError>;

    /// Sends some of `pieces`, at least one byte: on a socket, many TLS records leave in one system call.
    fn write_some(&mut self, pieces: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, NetError> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        let Some(piece) = first else { return Ok(0) };
        self.write_all(piece, deadline)?;
        Ok(piece.len())
    }

    /// Sends what can be sent at once and forgets the rest: a goodbye that nobody waits for.
    fn write_at_once(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Begins TLS in the middle of the conversation, and checks whom it is with: for connections with
    /// [`Security::StartTls`], after the server has agreed. No byte of what follows in clear may have been read.
    fn start_tls(&mut self, deadline: Deadline) -> Result<(), NetError> {
        Err(NetError {
            peer: self.peer().to_owned(),
            phase: deadline.phase,
            kind: NetErrorKind::Io("this connection cannot begin TLS in its middle".to_owned()),
        })
    }

    /// What only the two ends of this connection know: the channel binding `tls-exporter` (RFC 9266). `None` where there
    /// is none to be had: in clear text, and before TLS 1.3.
    fn channel_binding(&self) -> Option<[u8; 32]> {
        None
    }

    /// `host:port` of the peer, for messages.
    fn peer(&self) -> &str;
}

/// Opens connections.
pub trait Dial: Send + Sync {
    /// Resolves, connects and, where asked, shakes hands.
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError>;
}

/// A connection that `peer` opened to us, in clear.
pub fn accepted(socket: TcpStream, peer: String, clock: Arc<dyn Clock>) -> Box<dyn Stream> {
    Box::new(socket::Socket::new(socket, peer, clock, None))
}

/// Where to connect, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address literal (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether and when TLS begins.
    pub security: Security,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether bytes are protected on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// In clear until [`Stream::start_tls`], which must come before anything is said that matters (RFC 3501 section 6.2.1).
    StartTls,
    /// In clear; configuration allows it only when asked.
    Plain,
}

/// A connection that could not be made or did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetError {
    /// `host:port`.
    pub peer: String,
    /// What was being done.
    pub phase: Phase,
    /// What went wrong.
    pub kind: NetErrorKind,
}

/// What went wrong on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetErrorKind {
    /// The name has no address; the resolver's words.
    NotFound(String),
    /// The deadline passed; what the phase had been given.
    TimedOut(std::time::Duration),
    /// The peer closed before the conversation was over.
    Closed,
    /// TLS refused; the reason and, where known, the setting to change.
    Tls(String),
    /// The proxy refuses or is none; why, and the setting to change.
    Proxy(String),
    /// The program is stopping.
    Stopped,
    /// Anything else the operating system reported.
    Io(String),
}

impl NetError {
    /// Whether a setting must change before another attempt can do better: a certificate that is not trusted, a port that
    /// does not speak TLS, a proxy that refuses.
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, NetErrorKind::Tls(_) | NetErrorKind::Proxy(_))
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: ", self.peer, self.phase)?;
        match &self.kind {
            NetErrorKind::NotFound(reason) => write!(formatter, "host not found ({reason})"),
            NetErrorKind::TimedOut(after) => write!(formatter, "nothing for {} s", after.as_secs()),
            NetErrorKind::Closed => formatter.write_str("the other side closed the connection"),
            NetErrorKind::Tls(reason) | NetErrorKind::Proxy(reason) | NetErrorKind::Io(reason) => {
                formatter.write_str(reason)
            }
            NetErrorKind::Stopped => formatter.write_str("stopping"),
        }
    }
}

impl std::error::Error for NetError {}
