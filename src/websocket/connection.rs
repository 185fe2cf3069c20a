//! One WebSocket over one connection: the handshake, whole messages both ways, and an orderly end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::frame::{self, Opcode, Violation};
use super::handshake::{self, HandshakeError, Key};
use super::message::{Event, MessageReader};
use crate::clock::{Clock, Deadline, Phase};
use crate::http::request::Method;
use crate::http::response::{Progress, Response, ResponseError, ResponseReader};
use crate::http::url::Url;
use crate::limits;
use crate::net::{Dial, NetError, NetErrorKind, Stream};

/// Fresh unpredictable bytes, for keys and masks; an error where the system has none to give.
pub type Random = fn(&mut [u8]) -> Result<(), RandomError>;

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomError;

/// An open WebSocket.
pub struct Connection {
    stream: Box<dyn Stream>,
    clock: Arc<dyn Clock>,
    random: Random,
    reader: MessageReader,
    /// What has arrived, and how much of it is read.
    received: Vec<u8>,
    read: usize,
    /// Frames that are to be written: many small ones leave together.
    unwritten: Vec<u8>,
}

impl Connection {
    /// Connects to `url` and shakes hands. A message of more than `limit` bytes that the server sends later is an error.
    pub fn open(
        url: &Url,
        limit: usize,
        dial: &dyn Dial,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Result<Connection, WebSocketError> {
        let mut key = [0; 16];
        random(&mut key)?;
        let key = Key::new(key);
        // Both fields are ours and well formed; a URL that is not was refused before.
        let request = handshake::request(url, &key).map_err(|_| WebSocketError::Random)?;
        let mut connection = Connection {
            stream: dial.dial(request.endpoint())?,
            clock,
            random,
            reader: MessageReader::new(limit),
            received: Vec::new(),
            read: 0,
            unwritten: Vec::new(),
        };
        let deadline = connection.clock.deadline(Phase::Write, limits::HTTP_WRITE_STALL);
        connection.stream.write_all(&request.head(0), deadline)?;
        let response = connection.response()?;
        match handshake::verify(&response, &key) {
            Ok(()) => Ok(connection),
            Err(error) => Err(WebSocketError::Handshake {
                peer: connection.peer().to_owned(),
                error,
                response: Box::new(response),
            }),
        }
    }

    /// The answer to the handshake. What follows it is the first frame's already.
    fn response(&mut self) -> Result<Response, WebSocketError> {
        let mut reader = ResponseReader::new(Method::Upgrade);
        let deadline = self.clock.deadline(Phase::FirstByte, limits::HTTP_FIRST_BYTE);
        let mut piece = [0; 4096];
        loop {
            let count = self.stream.read(&mut piece, deadline)?;
            let bytes = piece.get(..count).unwrap_or_default();
            let malformed = |error| WebSocketError::Response {
                peer: self.stream.peer().to_owned(),
                error,
            };
            if bytes.is_empty() {
                return reader.finish().map_err(malformed);
            }
            if let Progress::Done { response, used } = reader.feed(bytes).map_err(malformed)? {
                self.received.extend_from_slice(bytes.get(used..).unwrap_or_default());
                return Ok(response);
            }
        }
    }

    /// `host:port` of the server, for messages.
    pub fn peer(&self) -> &str {
        self.stream.peer()
    }

    /// Sends `head` and `payload` as one message, a long one in pieces. Between them it takes what the server says, so that
    /// neither waits for the other. Small messages are gathered; what is not written yet is written before anything is
    /// waited for, or by [`Connection::flush`]. Says whether all is written.
    pub fn send(&mut self, head: &[u8], payload: &[u8], kind: MessageKind) -> Result<bool, WebSocketError> {
        let (mut head, mut rest) = (head, payload);
        let mut opcode = match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        loop {
            let (piece, left) = rest.split_at_checked(limits::WEBSOCKET_PIECE).unwrap_or((rest, &[]));
            self.write_frame(opcode, left.is_empty(), &[head, piece])?;
            if left.is_empty() {
                return Ok(self.unwritten.is_empty());
            }
            self.listen()?;
            (head, rest, opcode) = (&[], left, Opcode::Continuation);
        }
    }

    /// Asks for a pong.
    pub fn ping(&mut self) -> Result<(), WebSocketError> {
        self.write_frame(Opcode::Ping, true, &[])
    }

    /// Writes what is not written yet.
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        if !self.unwritten.is_empty() {
            let deadline = self.clock.deadline(Phase::Write, limits::HTTP_WRITE_STALL);
            let written = self.stream.write_all(&self.unwritten, deadline);
            self.unwritten.clear();
            written?;
        }
        Ok(())
    }

    /// The next message or pong; `None` when nothing came for `wait`. Pings are answered on the way.
    pub fn receive(&mut self, wait: Duration) -> Result<Option<Event>, WebSocketError> {
        self.flush()?;
        let deadline = self.clock.deadline(Phase::Message, wait);
        loop {
            if let Some(event) = self.event()? {
                return Ok(Some(event));
            }
            if !self.read(deadline)? {
                return Ok(None);
            }
        }
    }

    /// As [`Connection::receive`], of what has arrived already.
    pub fn receive_ready(&mut self) -> Result<Option<Event>, WebSocketError> {
        loop {
            if let Some(event) = self.event()? {
                return Ok(Some(event));
            }
            if !self.read_ready()? {
                return Ok(None);
            }
        }
    }

    /// Says goodbye with `code` and waits a little for the answer; the connection is over either way.
    pub fn close(mut self, code: u16) {
        if self.write_frame(Opcode::Close, true, &[&code.to_be_bytes()]).is_err() {
            return;
        }
        let deadline = self.clock.deadline(Phase::Message, limits::WEBSOCKET_CLOSE);
        // What still comes is of no use any more, but reading it lets the server close first (section 7.1.1).
        loop {
            match self.take() {
                Ok(Some(Event::Close(..))) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) if matches!(self.read(deadline), Ok(true)) => {}
                Ok(None) => return,
            }
        }
    }

    /// The next message or pong in what was received. The server's close is answered, and an error.
    fn event(&mut self) -> Result<Option<Event>, WebSocketError> {
        loop {
            match self.take() {
                Ok(None) => return Ok(None),
                Ok(Some(Event::Ping(payload))) => self.write_frame(Opcode::Pong, true, &[&payload])?,
                Ok(Some(Event::Close(code, reason))) => {
                    // The same code back (section 5.5.1). The connection is over, whether that arrives or not.
                    let echo = code.map(u16::to_be_bytes);
                    let _ = self.write_frame(
                        Opcode::Close,
                        true,
                        &[echo.as_ref().map_or(&[], |code| code.as_slice())],
                    );
                    return Err(WebSocketError::Closed {
                        peer: self.peer().to_owned(),
                        code,
                        reason,
                    });
                }
                Ok(Some(event)) => return Ok(Some(event)),
                Err(violation) => {
                    let _ = self.write_frame(Opcode::Close, true, &[&violation.close_code().to_be_bytes()]);
                    return Err(WebSocketError::Violation {
                        peer: self.peer().to_owned(),
                        violation,
                    });
                }
            }
        }
    }

    fn take(&mut self) -> Result<Option<Event>, Violation> {
        let mut rest = self.received.get(self.read..).unwrap_or_default();
        let event = self.reader.next(&mut rest);
        self.read = self.received.len().saturating_sub(rest.len());
        if rest.is_empty() {
            self.received.clear();
            self.read = 0;
        }
        event
    }

    /// Waits for bytes; false when none came.
    fn read(&mut self, deadline: Deadline) -> Result<bool, WebSocketError> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece, deadline) {
            Ok(count) => self.received(piece.get(..count).unwrap_or_default()),
            Err(NetError {
                kind: NetErrorKind::TimedOut(_),
                ..
            }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read_ready(&mut self) -> Result<bool, WebSocketError> {
        let mut piece = [0; 4096];
        match self.stream.read_ready(&mut piece)? {
            Some(count) => self.received(piece.get(..count).unwrap_or_default()),
            None => Ok(false),
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<bool, WebSocketError> {
        if bytes.is_empty() {
            return Err(WebSocketError::Net(NetError {
                peer: self.peer().to_owned(),
                phase: Phase::Message,
                kind: NetErrorKind::Closed,
            }));
        }
        self.received.extend_from_slice(bytes);
        Ok(true)
    }

    /// Takes what has arrived, up to a bound, to be looked at later.
    fn listen(&mut self) -> Result<(), WebSocketError> {
        while self.received.len() < limits::WEBSOCKET_HEARD && self.read_ready()? {}
        Ok(())
    }

    fn write_frame(&mut self, opcode: Opcode, last: bool, pieces: &[&[u8]]) -> Result<(), WebSocketError> {
        let mut mask = [0; 4];
        (self.random)(&mut mask)?;
        frame::write(opcode, last, pieces, mask, &mut self.unwritten);
        if opcode.is_control() || self.unwritten.len() >= limits::WEBSOCKET_PIECE {
            self.flush()?;
        }
        Ok(())
    }
}

/// What a message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// A WebSocket that could not be opened, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocketError {
    /// The connection failed.
    Net(NetError),
    /// What answered the handshake does not speak HTTP.
    Response {
        /// `host:port`.
        peer: String,
        /// What is wrong with it.
        error: ResponseError,
    },
    /// The server does not open a WebSocket; its answer, for the caller to judge.
    Handshake {
        /// `host:port`.
        peer: String,
        /// What is missing.
        error: HandshakeError,
        /// The whole answer.
        response: Box<Response>,
    },
    /// The server broke the protocol.
    Violation {
        /// `host:port`.
        peer: String,
        /// How.
        violation: Violation,
    },
    /// The server ended the conversation.
    Closed {
        /// `host:port`.
        peer: String,
        /// Its code, where it gives one.
        code: Option<u16>,
        /// Its words.
        reason: String,
    },
    /// The system gives no random bytes.
    Random,
}

impl From<NetError> for WebSocketError {
    fn from(error: NetError) -> WebSocketError {
        WebSocketError::Net(error)
    }
}

impl From<RandomError> for WebSocketError {
    fn from(_: RandomError) -> WebSocketError {
        WebSocketError::Random
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocketError::Net(error) => error.fmt(formatter),
            WebSocketError::Response { peer, error } => write!(formatter, "{peer}: {error}"),
            WebSocketError::Handshake { peer, error, .. } => write!(formatter, "{peer} {error}"),
            WebSocketError::Violation { peer, violation } => {
                write!(formatter, "{peer} broke the WebSocket protocol: {violation}")
            }
            WebSocketError::Closed { peer, code, reason } => {
                write!(formatter, "{peer} closed the WebSocket")?;
                if let Some(code) = code {
                    write!(formatter, " with code {code}")?;
                }
                if !reason.is_empty() {
                    write!(formatter, ": {}", reason.escape_debug())?;
                }
                Ok(())
            }
            WebSocketError::Random => formatter.write_str("the system gives no random bytes"),
        }
    }
}

impl std::error::Error for WebSocketError {}

#[cfg(test)]
pub(crate) mod tests;
