//! One request and its response over a kept connection: connect when needed, write, read, keep or drop.
//!
//! Redirects are never followed: what a receiver's configuration says is where mail goes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::request::Request;
use super::response::{Progress, Response, ResponseError, ResponseReader};
use crate::clock::{Clock, Deadline, Phase};
use crate::limits;
use crate::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};

/// The client's side of one connection at a time.
#[derive(Default)]
pub struct Exchange {
    kept: Arc<Kept>,
}

/// Clean connections between two requests. Those who write to the same receiver share them: each would hold its own for
/// nothing most of the time.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Idle>>);

/// A clean connection between two requests.
struct Idle {
    stream: Box<dyn Stream>,
    endpoint: Endpoint,
    since: Instant,
}

impl Exchange {
    /// Without a connection yet.
    pub fn new() -> Exchange {
        Exchange::default()
    }

    /// With the connections that others keep as well, who dial in the same way.
    pub fn sharing(kept: Arc<Kept>) -> Exchange {
        Exchange { kept }
    }

    /// Sends `request` with `body` and returns the final response, whatever its status.
    ///
    /// A kept connection may die just as it is used, and its server cannot be asked whether it saw the request. The
    /// request is then sent once more, on a fresh connection, if not a byte of a response had come.
    pub fn send(
        &mut self,
        dial: &dyn Dial,
        clock: &dyn Clock,
        request: &Request,
        body: &[u8],
    ) -> Result<Response, ExchangeError> {
        let total = clock.deadline(Phase::Response, total(body.len()));
        if let Some(stream) = self.take_idle(clock, request.endpoint()) {
            match self.attempt(stream, clock, total, request, body) {
                Err(Failure { begun: false, error }) if error.is_broken_connection() => {}
                result => return result.map_err(|failure| failure.error),
            }
        }
        let stream = dial.dial(request.endpoint()).map_err(ExchangeError::Net)?;
        self.attempt(stream, clock, total, request, body)
            .map_err(|failure| failure.error)
    }

    /// Closes connections that are too old to be used again.
    pub fn close_old(&self, clock: &dyn Clock) {
        let now = clock.now();
        self.kept.with(|kept| kept.retain(|idle| idle.is_young(now)));
    }

    /// A kept connection, if one leads to `endpoint`, is young enough, and the server has neither closed it nor said
    /// something that nobody asked for.
    fn take_idle(&mut self, clock: &dyn Clock, endpoint: &Endpoint) -> Option<Box<dyn Stream>> {
        let now = clock.now();
        // The one that was used last is the likeliest to live.
        while let Some(mut idle) = self.kept.with(Vec::pop) {
            let usable = idle.endpoint == *endpoint && idle.is_young(now);
            if usable && matches!(idle.stream.read_ready(&mut [0]), Ok(None)) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// One attempt on one connection, which is kept if it is clean afterwards.
    fn attempt(
        &mut self,
        stream: Box<dyn Stream>,
        clock: &dyn Clock,
        total: Deadline,
        request: &Request,
        body: &[u8],
    ) -> Result<Response, Failure> {
        let mut conversation = Conversation {
            reader: ResponseReader::new(request.method()),
            stream,
            clock,
            total,
            unclean: false,
        };
        let exchanged = conversation.run(request, body);
        let begun = conversation.reader.begun();
        let response = exchanged.map_err(|error| Failure { begun, error })?;
        if response.reusable {
            let idle = Idle {
                stream: conversation.stream,
                endpoint: request.endpoint().clone(),
                since: clock.now(),
            };
            // One too many is closed outside of the lock, as closing says goodbye.
            let closed = self.kept.with(|kept| {
                kept.push(idle);
                (kept.len() > limits::HTTP_KEPT).then(|| kept.remove(0))
            });
            drop(closed);
        }
        Ok(response)
    }
}

impl Kept {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<Idle>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Idle {
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < limits::HTTP_IDLE
    }
}

struct Failure {
    /// Whether any byte of a response had arrived.
    begun: bool,
    error: ExchangeError,
}

/// One request on one connection.
struct Conversation<'a> {
    reader: ResponseReader,
    stream: Box<dyn Stream>,
    clock: &'a dyn Clock,
    total: Deadline,
    /// Bytes followed the response: they would be taken for the answer to the next request.
    unclean: bool,
}

impl Conversation<'_> {
    fn run(&mut self, request: &Request, body: &[u8]) -> Result<Response, ExchangeError> {
        match self.write(request, body) {
            Ok(Written::All) => self.read(Phase::FirstByte, limits::HTTP_FIRST_BYTE),
            Ok(Written::Refused) => self.refusal(None),
            Err(error @ ExchangeError::Response { .. }) => Err(error),
            Err(error) => self.refusal(Some(error)),
        }
    }

    /// Writes piece by piece and looks between the pieces whether the answer is already there.
    fn write(&mut self, request: &Request, body: &[u8]) -> Result<Written, ExchangeError> {
        // Head and a small body leave in one packet.
        let mut first = request.head(body.len());
        let room = limits::HTTP_WRITE_PIECE.saturating_sub(first.len());
        let (with_head, rest) = body.split_at_checked(room).unwrap_or((body, &[]));
        first.extend_from_slice(with_head);
        self.write_piece(&first)?;
        for piece in rest.chunks(limits::HTTP_WRITE_PIECE) {
            if self.refused_early()? {
                return Ok(Written::Refused);
            }
            self.write_piece(piece)?;
        }
        Ok(Written::All)
    }

    fn write_piece(&mut self, piece: &[u8]) -> Result<(), ExchangeError> {
        let deadline = self.deadline(Phase::Write, limits::HTTP_WRITE_STALL);
        self.stream.write_all(piece, deadline).map_err(ExchangeError::Net)
    }

    /// Whether a final response other than 2xx has arrived, so that writing on is useless. A 2xx that comes before the
    /// whole request has left acknowledges nothing yet: it counts if the rest can be written.
    fn refused_early(&mut self) -> Result<bool, ExchangeError> {
        let mut buffer = [0; 4096];
        while let Some(count) = self.stream.read_ready(&mut buffer).map_err(ExchangeError::Net)? {
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Err(self.closed(Phase::Write));
            }
            if let Progress::Done { used, .. } = self.reader.feed(bytes).map_err(|error| self.malformed(error))? {
                self.unclean |= used < count;
                break; // or a server that never stops talking would hold us here
            }
        }
        Ok(self.reader.status().is_some_and(|status| !is_success(status)))
    }

    /// Reads to the end of the response. `first` bounds the wait for its first byte.
    fn read(&mut self, phase: Phase, first: Duration) -> Result<Response, ExchangeError> {
        let mut deadline = self.deadline(phase, first);
        // What was read while writing may already be all of it.
        let mut progress = self.reader.feed(&[]).map_err(|error| self.malformed(error))?;
        let mut buffer = [0; 4096];
        let mut count = 0;
        loop {
            if let Progress::Done { mut response, used } = progress {
                self.unclean |= used < count;
                response.reusable &= !self.unclean;
                return Ok(response);
            }
            count = match self.stream.read(&mut buffer, deadline) {
                Ok(0) => return self.reader.finish().map_err(|error| self.malformed(error)),
                Ok(count) => count,
                Err(error) => return self.cut_off(error),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            progress = self.reader.feed(bytes).map_err(|error| self.malformed(error))?;
            deadline = self.deadline(Phase::Response, limits::HTTP_READ_STALL);
        }
    }

    /// The connection ended without TLS's `close_notify`. For a body that the end of the connection ends, that leaves the
    /// body in doubt but not the status, which arrived whole and authenticated; many servers close that way.
    fn cut_off(&mut self, error: NetError) -> Result<Response, ExchangeError> {
        match self.reader.finish() {
            Ok(response) if error.kind == NetErrorKind::Closed => Ok(response),
            _ => Err(ExchangeError::Net(error)),
        }
    }

    /// The request was not written to its end: reads what the receiver may have said about it (413, then a reset).
    /// Only a refusal counts: a success would acknowledge events that never left.
    fn refusal(&mut self, write_error: Option<ExchangeError>) -> Result<Response, ExchangeError> {
        let response = self.read(Phase::Response, limits::HTTP_EARLY_RESPONSE);
        match (response, write_error) {
            (Ok(mut response), _) if !is_success(response.status) => {
                response.reusable = false;
                Ok(response)
            }
            // Not HTTP at all: that explains more than a write that failed.
            (Err(error), _) if error.is_malformed() => Err(error),
            (_, Some(error)) | (Err(error), None) => Err(error),
            (Ok(_), None) => Err(self.closed(Phase::Write)),
        }
    }

    /// The deadline of a phase, or the total if that comes first.
    fn deadline(&self, phase: Phase, after: Duration) -> Deadline {
        let deadline = self.clock.deadline(phase, after);
        if self.total.at < deadline.at {
            Deadline { phase, ..self.total }
        } else {
            deadline
        }
    }

    fn closed(&self, phase: Phase) -> ExchangeError {
        ExchangeError::Net(NetError {
            peer: self.stream.peer().to_owned(),
            phase,
            kind: NetErrorKind::Closed,
        })
    }

    fn malformed(&self, error: ResponseError) -> ExchangeError {
        ExchangeError::Response {
            peer: self.stream.peer().to_owned(),
            error,
        }
    }
}

enum Written {
    All,
    /// A final response came first.
    Refused,
}

/// What a request with a body of `length` bytes may take in all.
fn total(length: usize) -> Duration {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let sending = Duration::from_secs(length / limits::HTTP_FLOOR_RATE);
    limits::HTTP_TOTAL.saturating_add(sending)
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A request that got no response that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeError {
    /// The connection failed.
    Net(NetError),
    /// What came back is not a valid response, or not all of one.
    Response {
        /// `host:port`.
        peer: String,
        /// What is wrong with it.
        error: ResponseError,
    },
}

impl ExchangeError {
    /// Whether a setting must change before another attempt can do better.
    pub fn is_configuration(&self) -> bool {
        matches!(self, ExchangeError::Net(error) if error.is_configuration())
    }

    /// Whether something came that is not a response, rather than nothing or a part of one.
    fn is_malformed(&self) -> bool {
        match self {
            ExchangeError::Net(_) => false,
            ExchangeError::Response { error, .. } => !matches!(error, ResponseError::None | ResponseError::Truncated),
        }
    }

    /// Whether this is how a connection fails that the server closed while it was idle. A timeout is not: the server is
    /// there, and slow, and a second copy of the request would not make it faster.
    fn is_broken_connection(&self) -> bool {
        match self {
            ExchangeError::Net(error) => !matches!(error.kind, NetErrorKind::TimedOut(_) | NetErrorKind::Stopped),
            ExchangeError::Response { error, .. } => *error == ResponseError::None,
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeError::Net(error) => error.fmt(formatter),
            ExchangeError::Response { peer, error } => write!(formatter, "{peer}: {error}"),
        }
    }
}

impl std::error::Error for ExchangeError {}

#[cfg(test)]
mod tests;
