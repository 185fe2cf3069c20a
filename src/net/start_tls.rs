//! A connection that begins in clear and goes on in TLS (STARTTLS).

use std::io::IoSlice;
use std::sync::Arc;

use rustls::ClientConfig;

use super::tls::TlsStream;
use super::{NetError, NetErrorKind, Stream};
use crate::clock::Deadline;

/// In clear until [`Stream::start_tls`] succeeds; of no more use once it has failed.
pub(super) struct StartTls {
    /// `None` after a failed handshake: nothing may be said in clear any more.
    stream: Option<Box<dyn Stream>>,
    peer: String,
    /// The name in the certificate.
    host: String,
    /// `None` once it was used.
    tls: Option<Arc<ClientConfig>>,
}

impl StartTls {
    pub(super) fn new(stream: Box<dyn Stream>, host: &str, tls: Arc<ClientConfig>) -> StartTls {
        StartTls {
            peer: stream.peer().to_owned(),
            stream: Some(stream),
            host: host.to_owned(),
            tls: Some(tls),
        }
    }

    fn stream(&mut self, deadline: Deadline) -> Result<&mut Box<dyn Stream>, NetError> {
        self.stream.as_mut().ok_or_else(|| NetError {
            peer: self.peer.clone(),
            phase: deadline.phase,
            kind: NetErrorKind::Closed,
        })
    }
}

impl Stream for StartTls {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        self.stream(deadline)?.read(buffer, deadline)
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        // A connection that was lost is one that was closed.
        self.stream
            .as_mut()
            .map_or(Ok(Some(0)), |stream| stream.read_ready(buffer))
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        self.stream(deadline)?.write_all(bytes, deadline)
    }

    fn write_some(&mut self, pieces: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, NetError> {
        self.stream(deadline)?.write_some(pieces, deadline)
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        if let Some(stream) = &mut self.stream {
            stream.write_at_once(bytes);
        }
    }

    fn start_tls(&mut self, deadline: Deadline) -> Result<(), NetError> {
        match (self.stream.take(), self.tls.take()) {
            (Some(stream), Some(tls)) => {
                let stream = TlsStream::connect(stream, &self.host, tls, deadline)?;
                self.stream = Some(Box::new(stream));
                Ok(())
            }
            // TLS in TLS of the same server is nobody's protocol.
            _ => Err(NetError {
                peer: self.peer.clone(),
                phase: deadline.phase,
                kind: NetErrorKind::Io("TLS began already, or failed to".to_owned()),
            }),
        }
    }

    fn channel_binding(&self) -> Option<[u8; 32]> {
        self.stream.as_ref()?.channel_binding()
    }

    fn peer(&self) -> &str {
        &self.peer
    }
}
