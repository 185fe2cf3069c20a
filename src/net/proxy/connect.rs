//! CONNECT as bytes: the request, and an answer that is read strictly, because what follows it belongs to somebody else.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Credentials, Settings};
use crate::limits;
use crate::net::{Endpoint, NetErrorKind};
use crate::secret::Secret;

/// The request for a connection to `target`. The name goes as it is: to look it up is the proxy's business.
pub fn request(target: &Endpoint, credentials: Option<&Credentials>) -> Secret<Vec<u8>> {
    let authorization = credentials.map_or_else(String::new, |Credentials { username, password }| {
        let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
        format!("Proxy-Authorization: Basic {pair}\r\n")
    });
    let version = env!("CARGO_PKG_VERSION");
    let request =
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: mailtap/{version}\r\n{authorization}\r\n");
    Secret::new(request.into_bytes())
}

/// Reads the answer up to its empty line. Behind a 2xx the connection begins there: Content-Length and Transfer-Encoding
/// mean nothing in it (RFC 9110 section 9.3.6).
#[derive(Debug, Default)]
pub struct AnswerReader {
    line: Vec<u8>,
    /// Bytes of the head so far, interim answers included.
    length: usize,
    status: Option<u16>,
    asks_for: Vec<Vec<u8>>,
}

/// What the proxy answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Whether it wants a login (`Proxy-Authenticate`) of another kind than Basic only.
    pub without_basic: bool,
}

/// Not an answer of an HTTP proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// The first line is no status line.
    NotHttp,
    /// A line without CRLF at its end or with a bare CR in it, or a header line that is none.
    Malformed,
    /// More than [`limits::HTTP_HEAD`] bytes, or a line over [`limits::HTTP_LINE`].
    TooLarge,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AnswerError::NotHttp => "what answers is no HTTP proxy; check `url`",
            AnswerError::Malformed => "its answer is malformed",
            AnswerError::TooLarge => "its answer is too long",
        })
    }
}

impl std::error::Error for AnswerError {}

impl AnswerReader {
    /// Before the first byte.
    pub fn new() -> AnswerReader {
        AnswerReader::default()
    }

    /// Takes the next bytes. The answer comes with how many of them belong to it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<(Answer, usize)>, AnswerError> {
        for (at, &byte) in bytes.iter().enumerate() {
            self.length = self.length.saturating_add(1);
            if self.length > limits::HTTP_HEAD {
                return Err(AnswerError::TooLarge);
            }
            if byte != b'\n' {
                self.line.push(byte);
                // The line's CR is among them.
                if self.line.len() > limits::HTTP_LINE.saturating_add(1) {
                    return Err(AnswerError::TooLarge);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if let Some(answer) = self.line(&line)? {
                return Ok(Some((answer, at.saturating_add(1))));
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let Some(status) = self.status else {
            self.status = Some(status_of(line).ok_or(AnswerError::NotHttp)?);
            return Ok(None);
        };
        // A bare LF or CR ends a line for some readers and not for others: the connection would begin at two places.
        let line = line.strip_suffix(b"\r").ok_or(AnswerError::Malformed)?;
        if line.is_empty() {
            let asks_for = std::mem::take(&mut self.asks_for);
            if (100..200).contains(&status) {
                self.status = None;
                return Ok(None);
            }
            let basic = asks_for.iter().any(|challenge| is_basic(challenge));
            return Ok(Some(Answer {
                status,
                without_basic: !asks_for.is_empty() && !basic,
            }));
        }
        let colon = memchr::memchr(b':', line).ok_or(AnswerError::Malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or(AnswerError::Malformed)?;
        let token = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
        if name.is_empty() || !name.iter().all(token) || line.contains(&b'\r') {
            return Err(AnswerError::Malformed);
        }
        if name.eq_ignore_ascii_case(b"proxy-authenticate") {
            self.asks_for.push(value.to_vec());
        }
        Ok(None)
    }
}

/// `HTTP/1.1 200 Connection established`, `HTTP/1.0 200`.
fn status_of(line: &[u8]) -> Option<u16> {
    let line = line.strip_suffix(b"\r")?;
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [minor, b' ', first, second, third, rest @ ..] = rest else {
        return None;
    };
    let digits = [*first, *second, *third];
    let proper = minor.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit) && *first != b'0';
    if !proper || rest.first().is_some_and(|byte| *byte != b' ') || rest.contains(&b'\r') {
        return None;
    }
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Whether a challenge, or one of a list of them, is of the scheme Basic.
fn is_basic(challenge: &[u8]) -> bool {
    challenge
        .split(|byte| matches!(byte, b':' | b',' | b' ' | b'\t'))
        .any(|word| word.eq_ignore_ascii_case(b"basic"))
}

impl Answer {
    /// Whether the connection is there, else what to do. The proxy's own words are left out: they may repeat the password.
    pub(super) fn judge(&self, target: &Endpoint, settings: &Settings) -> Result<(), NetErrorKind> {
        let (status, setting) = (self.status, settings.setting);
        let advice = match status {
            200..=299 => return Ok(()),
            407 if self.without_basic => {
                "it wants a login of a kind that mailtap does not do (only Basic); allow this machine without one"
                    .to_owned()
            }
            407 if settings.credentials.is_none() => {
                format!("it wants a login; set {setting}.username and {setting}.password")
            }
            407 => format!("check {setting}.username and {setting}.password"),
            403 => format!("it forbids the connection; allow {target} at the proxy"),
            400 | 404 | 405 | 501 => format!("does it do CONNECT? check {setting}.url"),
            // It may be able to in a moment.
            408 | 429 | 500.. => {
                let reason = format!("the proxy answers {status}: it cannot reach {target} now");
                return Err(NetErrorKind::Io(reason));
            }
            _ => format!("check {setting}.url"),
        };
        Err(NetErrorKind::Proxy(format!("the proxy answers {status}: {advice}")))
    }
}

/// The answer and its end are the same however it is cut; what follows it is not looked at.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = AnswerReader::new().feed(data);
    for step in [1, 7] {
        let mut reader = AnswerReader::new();
        let mut taken: usize = 0;
        let mut result = Ok(None);
        for piece in data.chunks(step) {
            result = reader.feed(piece);
            match &mut result {
                Ok(None) => taken = taken.saturating_add(piece.len()),
                Ok(Some((_, used))) => {
                    *used = used.saturating_add(taken);
                    break;
                }
                Err(_) => break,
            }
        }
        assert_eq!(result, whole, "in pieces of {step}");
    }
    let Ok(Some((answer, used))) = whole else { return };
    let head = data.get(..used).unwrap_or_default();
    assert!(head.ends_with(b"\r\n\r\n"));
    assert!((200..1000).contains(&answer.status), "{answer:?}");
    let other_tail = [head, b"\r\n\r\nHTTP/1.1 500 no\r\n"].concat();
    assert_eq!(AnswerReader::new().feed(&other_tail), Ok(Some((answer, used))));
}

#[cfg(test)]
mod tests;
