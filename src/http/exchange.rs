//! One request and its response over a kept connection: connect when needed, write, read, keep or drop.
//!
//! Redirects are never followed: what a receiver's configuration says is where mail goes.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
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
pub struct Kept {
    idle: Mutex<Vec<Idle>>,
    /// That something is odd about the receiver's answers.
    told: AtomicBool,
}

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
        let mut awaited = self.post(dial, clock, request, body)?;
        loop {
            awaited = match self.hear(clock, awaited, None) {
                Heard::Response(response) => return Ok(response),
                Heard::Nothing(awaited) => awaited,
                Heard::Failure(Failure { again: Some(total), .. }) => {
                    Exchange::post_afresh(dial, clock, total, request, body)?
                }
                Heard::Failure(failure) => return Err(failure.error),
            };
        }
    }

    /// Sends `request` with `body`, and waits for no response; [`Exchange::hear`] does.
    pub fn post(
        &mut self,
        dial: &dyn Dial,
        clock: &dyn Clock,
        request: &Request,
        body: &[u8],
    ) -> Result<Awaited, ExchangeError> {
        let total = clock.deadline(Phase::Response, total(body.len()));
        if let Some(stream) = self.take_idle(clock, request.endpoint()) {
            match Awaited::post(stream, true, clock, total, request, body) {
                Err(Failure { again: Some(_), .. }) => {}
                posted => return posted.map_err(|failure| failure.error),
            }
        }
        Exchange::post_afresh(dial, clock, total, request, body)
    }

    /// The same, on a connection of its own, in what is left of its time: for a request of which [`Failure::again`] says so.
    pub fn post_afresh(
        dial: &dyn Dial,
        clock: &dyn Clock,
        total: Deadline,
        request: &Request,
        body: &[u8],
    ) -> Result<Awaited, ExchangeError> {
        let stream = dial.dial(request.endpoint()).map_err(ExchangeError::Net)?;
        Awaited::post(stream, false, clock, total, request, body).map_err(|failure| failure.error)
    }

    /// The response, if it comes `until` then; where that is over, if it is there; without it, whenever it comes. The
    /// connection is kept if it is clean afterwards.
    pub fn hear(&mut self, clock: &dyn Clock, mut awaited: Awaited, until: Option<Instant>) -> Heard {
        let response = match awaited.conversation.hear(clock, until) {
            Ok(Some(response)) => response,
            Ok(None) => return Heard::Nothing(awaited),
            Err(error) => return Heard::Failure(awaited.failure(error)),
        };
        if response.reusable {
            let idle = Idle {
                stream: awaited.conversation.stream,
                endpoint: awaited.endpoint,
                since: clock.now(),
            };
            // One too many is closed outside of the lock, as closing says goodbye.
            let closed = self.kept.with(|kept| {
                kept.push(idle);
                (kept.len() > limits::HTTP_KEPT).then(|| kept.remove(0))
            });
            drop(closed);
        }
        Heard::Response(response)
    }

    /// Whether what is odd about the receiver's answers is told now: once by all who share its connections.
    pub fn is_to_tell(&self) -> bool {
        !self.kept.told.swap(true, Ordering::Relaxed)
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
}

/// A request that has left.
pub struct Awaited {
    conversation: Conversation,
    endpoint: Endpoint,
    /// The connection had been kept.
    kept: bool,
}

/// What came of waiting for a response.
#[expect(clippy::large_enum_variant, reason = "it is looked at once and never kept")]
pub enum Heard {
    /// It is whole.
    Response(Response),
    /// It did not come yet.
    Nothing(Awaited),
    /// It will not come.
    Failure(Failure),
}

/// A request without a response.
pub struct Failure {
    /// A kept connection had died: the request is worth being sent once more, on a fresh one, until then.
    pub again: Option<Deadline>,
    /// Why.
    pub error: ExchangeError,
}

impl Awaited {
    fn post(
        stream: Box<dyn Stream>,
        kept: bool,
        clock: &dyn Clock,
        total: Deadline,
        request: &Request,
        body: &[u8],
    ) -> Result<Awaited, Failure> {
        let mut awaited = Awaited {
            conversation: Conversation {
                reader: ResponseReader::new(request.method()),
                stream,
                total,
                deadline: total,
                refused: None,
                unclean: false,
            },
            endpoint: request.endpoint().clone(),
            kept,
        };
        let posted = awaited.conversation.post(clock, request, body);
        posted.map_err(|error| awaited.failure(error))?;
        Ok(awaited)
    }

    fn failure(&self, error: ExchangeError) -> Failure {
        let again = self.kept && !self.conversation.reader.begun() && error.is_broken_connection();
        Failure {
            again: again.then_some(self.conversation.total),
            error,
        }
    }
}

impl Kept {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<Idle>) -> R) -> R {
        work(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Idle {
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < limits::HTTP_IDLE
    }
}

/// One request on one connection.
struct Conversation {
    reader: ResponseReader,
    stream: Box<dyn Stream>,
    total: Deadline,
    /// Of the wait for what comes next.
    deadline: Deadline,
    /// The request was not written to its end, and this is what the receiver had said to it.
    refused: Option<Response>,
    /// Bytes followed the response: they would be taken for the answer to the next request.
    unclean: bool,
}

impl Conversation {
    /// The request, to its end or to what says that it is refused.
    fn post(&mut self, clock: &dyn Clock, request: &Request, body: &[u8]) -> Result<(), ExchangeError> {
        match self.write(clock, request, body) {
            Ok(Written::All) => {}
            Ok(Written::Refused) => self.refused = Some(self.refusal(clock, None)?),
            Err(error @ ExchangeError::Response { .. }) => return Err(error),
            Err(error) => self.refused = Some(self.refusal(clock, Some(error))?),
        }
        self.deadline = self.deadline(clock, Phase::FirstByte, limits::HTTP_FIRST_BYTE);
        Ok(())
    }

    /// Writes piece by piece and looks between the pieces whether the answer is already there.
    fn write(&mut self, clock: &dyn Clock, request: &Request, body: &[u8]) -> Result<Written, ExchangeError> {
        // Head and a small body leave in one packet.
        let mut first = request.head(body.len());
        let room = limits::HTTP_WRITE_PIECE.saturating_sub(first.len());
        let (with_head, rest) = body.split_at_checked(room).unwrap_or((body, &[]));
        first.extend_from_slice(with_head);
        self.write_piece(clock, &first)?;
        for piece in rest.chunks(limits::HTTP_WRITE_PIECE) {
            if self.refused_early()? {
                return Ok(Written::Refused);
            }
            self.write_piece(clock, piece)?;
        }
        Ok(Written::All)
    }

    fn write_piece(&mut self, clock: &dyn Clock, piece: &[u8]) -> Result<(), ExchangeError> {
        let deadline = self.deadline(clock, Phase::Write, limits::HTTP_WRITE_STALL);
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

    /// The response, if all of it has come `until` then, or whenever it does.
    fn hear(&mut self, clock: &dyn Clock, until: Option<Instant>) -> Result<Option<Response>, ExchangeError> {
        if let Some(refused) = self.refused.take() {
            return Ok(Some(refused));
        }
        // What was read while writing may already be all of it.
        let mut progress = self.reader.feed(&[]).map_err(|error| self.malformed(error))?;
        let mut buffer = [0; 4096];
        let mut count = 0;
        loop {
            if let Progress::Done { mut response, used } = progress {
                self.unclean |= used < count;
                response.reusable &= !self.unclean;
                return Ok(Some(response));
            }
            count = match self.receive(&mut buffer, until) {
                Ok(None) => return Ok(None),
                Ok(Some(0)) => {
                    let response = self.reader.finish().map_err(|error| self.malformed(error));
                    return response.map(Some);
                }
                Ok(Some(count)) => count,
                Err(error) => return self.cut_off(error).map(Some),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            progress = self.reader.feed(bytes).map_err(|error| self.malformed(error))?;
            self.deadline = self.deadline(clock, Phase::Response, limits::HTTP_READ_STALL);
        }
    }

    /// Bytes that come `until` then, unless the deadline is before it. What has come counts, however late it is looked for: who
    /// does not wait may be long at something else.
    fn receive(&mut self, buffer: &mut [u8], until: Option<Instant>) -> Result<Option<usize>, NetError> {
        // However it is waited for: what fails is the wait for the response.
        let phase = self.deadline.phase;
        let failed = |error: NetError| NetError { phase, ..error };
        if until.is_some()
            && let Some(count) = self.stream.read_ready(buffer).map_err(failed)?
        {
            return Ok(Some(count));
        }
        let Some(at) = until.filter(|until| *until < self.deadline.at) else {
            return self.stream.read(buffer, self.deadline).map(Some);
        };
        let patience = Deadline {
            phase: Phase::Message,
            at,
            ..self.deadline
        };
        match self.stream.read(buffer, patience) {
            Err(NetError {
                phase: Phase::Message,
                kind: NetErrorKind::TimedOut(_),
                ..
            }) => Ok(None),
            read => read.map(Some).map_err(failed),
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
    fn refusal(&mut self, clock: &dyn Clock, write_error: Option<ExchangeError>) -> Result<Response, ExchangeError> {
        self.deadline = self.deadline(clock, Phase::Response, limits::HTTP_EARLY_RESPONSE);
        let heard = self.hear(clock, None);
        let response = heard.and_then(|response| response.ok_or_else(|| self.closed(Phase::Response)));
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
    fn deadline(&self, clock: &dyn Clock, phase: Phase, after: Duration) -> Deadline {
        clock.deadline(phase, after).within(self.total)
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
