//! Requests as bytes (RFC 9112 section 3). What could break out of a field is refused when the request is made, which is
//! when the configuration is loaded.

use std::fmt;

use super::url::Url;
use crate::net::Endpoint;
use crate::secret::Secret;

/// The request methods that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Delivers.
    Post,
    /// Like GET, answered without a body.
    Head,
    /// A GET that asks to go on in the WebSocket protocol (RFC 9110 section 7.8).
    Upgrade,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Get | Method::Upgrade => "GET",
            Method::Post => "POST",
            Method::Head => "HEAD",
        }
    }
}

/// A request without its body: made once, sent many times.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    endpoint: Endpoint,
    /// Request line and header fields; the target and some fields are secrets.
    head: Secret<Vec<u8>>,
}

impl Request {
    /// A request for `url` with Host and User-Agent.
    pub fn new(method: Method, url: &Url) -> Request {
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mailtap/{}\r\n",
            method.name(),
            url.target.expose(),
            url.host_field(),
            env!("CARGO_PKG_VERSION"),
        );
        Request {
            method,
            endpoint: url.endpoint.clone(),
            head: Secret::new(head.into_bytes()),
        }
    }

    /// Adds a header field. Fields that frame the message are ours to write and are refused here.
    pub fn with_field(self, name: &str, value: &str) -> Result<Request, FieldError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(FieldError::Name);
        }
        if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            return Err(FieldError::Ours);
        }
        // A space at the ends would be lost on the way: the value would silently be another one.
        if value.trim_matches([' ', '\t']) != value || !value.bytes().all(is_field_byte) {
            return Err(FieldError::Value);
        }
        let mut head = self.head.expose().clone();
        for piece in [name, ": ", value, "\r\n"] {
            head.extend_from_slice(piece.as_bytes());
        }
        Ok(Request {
            head: Secret::new(head),
            ..self
        })
    }

    /// How the response is to be read.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Where to send it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The head of a request with a body of `content_length` bytes, up to and including the empty line.
    pub fn head(&self, content_length: usize) -> Vec<u8> {
        let mut head = self.head.expose().clone();
        match self.method {
            Method::Post => head.extend_from_slice(format!("Content-Length: {content_length}\r\n").as_bytes()),
            Method::Upgrade => head.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
            Method::Get | Method::Head => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Fields whose second copy, or other value, would change where the request ends, whom it is for, or how its answer is to
/// be read.
const OURS: [&str; 13] = [
    "Accept-Encoding",
    "Connection",
    "Content-Length",
    "Expect",
    "Host",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
];

/// Why a header field was refused. The value is not quoted: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// Not a token (RFC 9110 section 5.6.2).
    Name,
    /// One that the program writes itself, or leaves out itself.
    Ours,
    /// CR, LF, NUL or another control character, or space at an end.
    Value,
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FieldError::Name => "not a valid header name",
            FieldError::Ours => "a header on which mailtap decides itself",
            FieldError::Value => "has a line end, another control character, or a space at an end",
        })
    }
}

impl std::error::Error for FieldError {}

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a field value is made of (RFC 9110 section 5.5): anything but control characters; HTAB is one that may.
pub(crate) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests;
