//! Bytes → a response (RFC 9112 sections 2, 4, 5, 6, 7), read strictly: a response that can be understood two ways is refused.
//!
//! [`ResponseReader::feed`] takes bytes as they come, cut anywhere; [`ResponseReader::finish`] says that the peer has closed.

mod line;

use std::fmt;
use std::time::Duration;

use super::request::Method;
use super::retry_after;
use crate::limits;
use line::{parse_chunk_size, parse_field, parse_length, parse_status_line};

/// A final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 999, or 101 where that was asked for. Beyond 599 there are none: take it as a server error
    /// (RFC 9110 section 15).
    pub status: u16,
    /// The first [`limits::HTTP_BODY_KEPT`] bytes of the body.
    pub body: Vec<u8>,
    /// Whether the connection can carry another request: the response was read to its end and none of it forbids it.
    pub reusable: bool,
    /// Lower-case name and value, in order.
    fields: Vec<(String, Vec<u8>)>,
}

impl Response {
    /// The values of every field called `name` (lower-case), in order.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.fields.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.as_slice())
    }

    /// The wait that the server asks for, clamped; `None` when it asks for none or not intelligibly.
    pub fn retry_after(&self, now_unix_milliseconds: i64) -> Option<Duration> {
        self.fields("retry-after")
            .find_map(|value| retry_after::parse(value, now_unix_milliseconds))
    }
}

/// How far a [`ResponseReader::feed`] came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// All bytes were taken and more are needed.
    More,
    /// The response is complete, or as much of it as is wanted was read.
    Done {
        /// The response.
        response: Response,
        /// Bytes of the last piece that belong to it. What follows was not asked for: the connection is not clean.
        used: usize,
    },
}

/// Reads the response to one request.
#[derive(Debug)]
pub struct ResponseReader {
    method: Method,
    state: State,
    /// The line being read, without its LF.
    line: Vec<u8>,
    /// Bytes of the current head (or trailer) so far.
    head_length: usize,
    interim: usize,
    chunk_extensions: usize,
    body_length: u64,
    framing: Framing,
    response: Response,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StatusLine,
    Fields,
    /// `left` bytes of a body with Content-Length.
    Sized {
        left: u64,
    },
    /// A body that the end of the connection ends.
    UntilClose,
    ChunkSize,
    ChunkData {
        left: u64,
    },
    /// The CRLF behind a chunk.
    ChunkEnd,
    Trailer,
    Done,
}

/// What the fields of the current head say about the body and the connection.
#[derive(Debug, Default)]
struct Framing {
    old_version: bool,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
}

impl ResponseReader {
    /// A reader for the response to a request with `method`.
    pub fn new(method: Method) -> ResponseReader {
        ResponseReader {
            method,
            state: State::StatusLine,
            line: Vec::new(),
            head_length: 0,
            interim: 0,
            chunk_extensions: 0,
            body_length: 0,
            framing: Framing::default(),
            response: Response {
                status: 0,
                body: Vec::new(),
                reusable: false,
                fields: Vec::new(),
            },
        }
    }

    /// Whether anything of a response has arrived.
    pub fn begun(&self) -> bool {
        self.state != State::StatusLine || self.head_length > 0 || self.interim > 0
    }

    /// The status of the final response, once its head is complete.
    pub fn status(&self) -> Option<u16> {
        let head_read = !matches!(self.state, State::StatusLine | State::Fields);
        head_read.then_some(self.response.status)
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, ResponseError> {
        let mut rest = bytes;
        loop {
            rest = match self.state {
                State::Done => {
                    return Ok(Progress::Done {
                        response: self.response.clone(),
                        used: bytes.len().saturating_sub(rest.len()),
                    });
                }
                _ if rest.is_empty() => return Ok(Progress::More),
                State::Sized { left } | State::ChunkData { left } => self.body(rest, left),
                State::UntilClose => self.body(rest, u64::MAX),
                State::StatusLine | State::Fields | State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    self.line_bytes(rest)?
                }
            };
        }
    }

    /// The peer has closed: a body without a length is now complete, everything else is cut off.
    pub fn finish(&mut self) -> Result<Response, ResponseError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(self.response.clone())
            }
            _ if !self.begun() => Err(ResponseError::None),
            _ => Err(ResponseError::Truncated),
        }
    }

    /// Takes body bytes, `left` at most, and returns what follows them.
    fn body<'a>(&mut self, bytes: &'a [u8], left: u64) -> &'a [u8] {
        let readable = limits::HTTP_BODY_READ.saturating_sub(self.body_length);
        if readable == 0 {
            // More than anyone needs to say: the status counts, the connection is given up.
            self.response.reusable = false;
            self.state = State::Done;
            return bytes;
        }
        let wanted = usize::try_from(left.min(readable)).unwrap_or(usize::MAX);
        let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        let keep = limits::HTTP_BODY_KEPT.saturating_sub(self.response.body.len());
        self.response.body.extend(taken.iter().take(keep));
        let count = u64::try_from(taken.len()).unwrap_or(u64::MAX);
        self.body_length = self.body_length.saturating_add(count);
        let left = left.saturating_sub(count);
        self.state = match self.state {
            State::Sized { .. } if left == 0 => State::Done,
            State::Sized { .. } => State::Sized { left },
            State::ChunkData { .. } if left == 0 => State::ChunkEnd,
            State::ChunkData { .. } => State::ChunkData { left },
            other => other,
        };
        rest
    }

    /// Takes the bytes of one line, acts on it when it is complete, and returns what follows it.
    fn line_bytes<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ResponseError> {
        let end = memchr::memchr(b'\n', bytes);
        let (taken, rest) = end
            .and_then(|end| bytes.split_at_checked(end.saturating_add(1)))
            .unwrap_or((bytes, &[]));
        let text = taken.strip_suffix(b"\n").unwrap_or(taken);
        self.head_length = self.head_length.saturating_add(taken.len());
        // The line's CR is among `text`.
        let length = self.line.len().saturating_add(text.len());
        if self.head_length > limits::HTTP_HEAD || length > limits::HTTP_LINE.saturating_add(1) {
            return Err(ResponseError::TooLarge);
        }
        self.line.extend_from_slice(text);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            // A bare LF or CR ends a line for some readers and not for others (RFC 9112 section 2.2).
            let line = line.strip_suffix(b"\r").ok_or(ResponseError::LineEnd)?;
            if line.contains(&b'\r') {
                return Err(ResponseError::LineEnd);
            }
            self.whole_line(line)?;
        }
        Ok(rest)
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), ResponseError> {
        match self.state {
            State::StatusLine => {
                (self.response.status, self.framing.old_version) = parse_status_line(line)?;
                self.state = State::Fields;
            }
            State::Fields if line.is_empty() => self.head_end()?,
            State::Fields => {
                let (name, value) = parse_field(line)?;
                self.framing.take(&name, value)?;
                self.response.fields.push((name, value.to_vec()));
            }
            State::ChunkSize => {
                let (size, extensions) = parse_chunk_size(line)?;
                // Chunk lines are bounded here; a body of many small chunks is long, but not large.
                self.head_length = 0;
                self.chunk_extensions = self.chunk_extensions.saturating_add(extensions);
                if self.chunk_extensions > limits::HTTP_CHUNK_EXTENSIONS {
                    return Err(ResponseError::TooLarge);
                }
                self.state = match size {
                    0 => State::Trailer,
                    left => State::ChunkData { left },
                };
            }
            State::ChunkEnd if line.is_empty() => {
                self.head_length = 0;
                self.state = State::ChunkSize;
            }
            State::ChunkEnd => return Err(ResponseError::Chunk),
            State::Trailer if line.is_empty() => self.state = State::Done,
            State::Trailer => {
                // Read for its syntax only: a trailer field must not change what the head said (RFC 9110 section 6.5.1).
                parse_field(line)?;
            }
            State::Sized { .. } | State::UntilClose | State::ChunkData { .. } | State::Done => {}
        }
        Ok(())
    }

    /// The empty line behind the fields: how the body is framed (RFC 9112 section 6.3).
    fn head_end(&mut self) -> Result<(), ResponseError> {
        let framing = std::mem::take(&mut self.framing);
        if framing.chunked && (framing.content_length.is_some() || framing.old_version) {
            return Err(ResponseError::AmbiguousLength);
        }
        self.head_length = 0;
        match self.response.status {
            // What follows is another protocol: the caller's.
            101 if self.method == Method::Upgrade => {
                self.state = State::Done;
                return Ok(());
            }
            101 => return Err(ResponseError::Upgrade),
            100..=199 => {
                self.interim = self.interim.saturating_add(1);
                if self.interim > limits::HTTP_INTERIM {
                    return Err(ResponseError::Interim);
                }
                self.response.fields.clear();
                self.state = State::StatusLine;
                return Ok(());
            }
            _ => {}
        }
        let without_body = self.method == Method::Head || matches!(self.response.status, 204 | 304);
        self.response.reusable = !framing.close && !framing.old_version;
        self.state = match framing.content_length {
            _ if without_body => State::Done,
            _ if framing.chunked => State::ChunkSize,
            Some(0) => State::Done,
            Some(left) => State::Sized { left },
            None => {
                self.response.reusable = false;
                State::UntilClose
            }
        };
        Ok(())
    }
}

impl Framing {
    /// Looks at one field of the head.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), ResponseError> {
        match name {
            "content-length" => {
                // A list of equal values is what a proxy makes of a repeated field (RFC 9112 section 6.3, rule 5).
                for element in value.split(|&byte| byte == b',') {
                    let length = parse_length(element.trim_ascii())?;
                    if self
                        .content_length
                        .replace(length)
                        .is_some_and(|before| before != length)
                    {
                        return Err(ResponseError::AmbiguousLength);
                    }
                }
            }
            "transfer-encoding" if self.chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(ResponseError::TransferCoding);
            }
            "transfer-encoding" => self.chunked = true,
            "connection" => {
                let mut options = value.split(|&byte| byte == b',');
                self.close |= options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Why a response was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    /// The peer closed before a response began.
    None,
    /// The peer closed before the response was complete.
    Truncated,
    /// The status line is not one of HTTP/1.0 or HTTP/1.1.
    NotHttp,
    /// A line ends in bare LF, or has a bare CR.
    LineEnd,
    /// A line or the head is over its limit.
    TooLarge,
    /// A field is folded over several lines (obs-fold).
    Folded,
    /// A field has no colon, a name that is not a token, or a control character.
    Field,
    /// Content-Length is not a number.
    ContentLength,
    /// Two Content-Lengths that differ, or one beside Transfer-Encoding: an attack, or a proxy that invites one.
    AmbiguousLength,
    /// A transfer coding other than one `chunked`.
    TransferCoding,
    /// A chunk is malformed.
    Chunk,
    /// More than [`limits::HTTP_INTERIM`] interim responses.
    Interim,
    /// 101, which was not asked for.
    Upgrade,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ResponseError::TooLarge => {
                return write!(
                    formatter,
                    "malformed response: header lines over {} bytes each or {} in all",
                    limits::HTTP_LINE,
                    limits::HTTP_HEAD
                );
            }
            ResponseError::Interim => {
                return write!(formatter, "more than {} interim (1xx) responses", limits::HTTP_INTERIM);
            }
            ResponseError::None => "the connection was closed without a response",
            ResponseError::Truncated => "the connection was closed in the middle of the response",
            ResponseError::NotHttp => "what answered does not speak HTTP/1.1",
            ResponseError::LineEnd => "malformed response: a line does not end in CRLF",
            ResponseError::Folded => "malformed response: a header folded over several lines",
            ResponseError::Field => "malformed response: not a header line",
            ResponseError::ContentLength => "malformed response: Content-Length is not a number",
            ResponseError::AmbiguousLength => "malformed response: its length is given twice and differently",
            ResponseError::TransferCoding => "malformed response: a transfer coding other than chunked",
            ResponseError::Chunk => "malformed response: not a chunk",
            ResponseError::Upgrade => "switched protocols without being asked",
        })
    }
}

impl std::error::Error for ResponseError {}

/// Bytes cut anywhere give the same response or the same refusal, and what is kept is bounded.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let (method, data) = match data.split_first() {
        Some((b'H', rest)) => (Method::Head, rest),
        _ => (Method::Post, data),
    };
    let whole = read(method, std::iter::once(data));
    if let Ok((response, used)) = &whole {
        assert!(*used <= data.len());
        assert!(response.status >= 200);
        assert!(response.body.len() <= limits::HTTP_BODY_KEPT);
        let fields = response
            .fields
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        assert!(fields.sum::<usize>() <= limits::HTTP_HEAD);
        if response.reusable {
            let (exact, _) = data.split_at_checked(*used).unwrap_or((data, &[]));
            assert_eq!(
                read(method, std::iter::once(exact)),
                whole,
                "a framed response needs nothing behind it"
            );
        }
    }
    assert_eq!(read(method, data.chunks(1)), whole, "byte by byte");
    // Splits in two, at most about 64 of them, so that long inputs stay quick.
    let step = data.len().checked_div(64).unwrap_or(0).saturating_add(1);
    for middle in (0..=data.len()).step_by(step) {
        let (first, second) = data.split_at_checked(middle).unwrap_or((data, &[]));
        assert_eq!(read(method, [first, second].into_iter()), whole, "split at {middle}");
    }
}

/// The response and how many bytes belonged to it.
fn read<'a>(method: Method, pieces: impl Iterator<Item = &'a [u8]>) -> Result<(Response, usize), ResponseError> {
    let mut reader = ResponseReader::new(method);
    let mut before: usize = 0;
    for piece in pieces {
        if let Progress::Done { response, used } = reader.feed(piece)? {
            return Ok((response, before.saturating_add(used)));
        }
        before = before.saturating_add(piece.len());
    }
    reader.finish().map(|response| (response, before))
}

#[cfg(test)]
mod tests;
