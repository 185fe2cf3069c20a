//! One HTTP/1.1 request, read strictly (RFC 9112) and without waiting. Only GET and HEAD, so nothing behind the head
//! matters: a connection serves one request, and what else was sent on it is thrown away.

use std::fmt;

use crate::http::request::{is_field_byte, is_token};
use crate::limits;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HEAD: the answer goes out without its body.
    pub head_only: bool,
    /// The path, without a query, as it was written: nothing is decoded, so no two paths are the same.
    pub path: String,
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: this is no request.
    Malformed,
    /// 405: neither GET nor HEAD.
    Method,
    /// 408: it did not come in time.
    Slow,
    /// 431: its head is longer than [`limits::HEALTH_HEAD`].
    TooLarge,
    /// 505: another major version of HTTP.
    Version,
}

impl Refusal {
    /// Status code and reason phrase (RFC 9110 section 15, RFC 6585).
    pub fn status(self) -> &'static str {
        match self {
            Refusal::Malformed => "400 Bad Request",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::Slow => "408 Request Timeout",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
            Refusal::Version => "505 HTTP Version Not Supported",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.status())
    }
}

/// Collects the head of a request.
#[derive(Debug, Default)]
pub struct Reader {
    head: Vec<u8>,
}

impl Reader {
    /// Takes what arrived. Once the head is complete, or too long, says what is asked for; what comes later means nothing.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Result<Request, Refusal>> {
        let searched = self.head.len().saturating_sub(END.len());
        let room = limits::HEALTH_HEAD.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        let fresh = self.head.get(searched..).unwrap_or_default();
        let end = fresh.windows(END.len()).position(|window| window == END);
        match end {
            Some(end) => Some(parse(self.head.get(..searched.saturating_add(end)).unwrap_or_default())),
            None if self.head.len() >= limits::HEALTH_HEAD => Some(Err(Refusal::TooLarge)),
            None => None,
        }
    }
}

/// The empty line behind the head.
const END: &[u8] = b"\r\n\r\n";

/// `head` without the line end of its last line.
fn parse(head: &[u8]) -> Result<Request, Refusal> {
    let head = str::from_utf8(head).map_err(|_| Refusal::Malformed)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    let version = version.strip_prefix("HTTP/").ok_or(Refusal::Malformed)?;
    let (major, minor) = match version.as_bytes() {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => (*major, *minor),
        _ => return Err(Refusal::Malformed),
    };
    let mut hosts: usize = 0;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Refusal::Malformed)?;
        if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_field_byte) {
            return Err(Refusal::Malformed);
        }
        hosts = hosts.saturating_add(usize::from(name.eq_ignore_ascii_case("host")));
    }
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Refusal::Malformed);
    }
    if major != b'1' {
        return Err(Refusal::Version);
    }
    // RFC 9112 section 3.2: one Host, which HTTP/1.0 may leave away.
    if hosts > 1 || hosts == 0 && minor > b'0' {
        return Err(Refusal::Malformed);
    }
    let path = path(target).ok_or(Refusal::Malformed)?;
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Refusal::Method),
    };
    Ok(Request {
        head_only,
        path: path.to_owned(),
    })
}

/// The path of a target in origin-form, or in absolute-form, which a server must take as well (RFC 9112 section 3.2.2).
fn path(target: &str) -> Option<&str> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let target = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').and_then(|slash| rest.get(slash..))?,
        None => target,
    };
    let path = target.split('?').next()?;
    path.starts_with('/').then_some(path)
}

/// Whole, and byte by byte, the same is read; what is accepted is a path that can be printed; a head that has no end within
/// the limit is refused there, and not one byte later.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = Reader::default().feed(data);
    let mut reader = Reader::default();
    let mut found = None;
    for (read, byte) in (1..).zip(data) {
        found = reader.feed(&[*byte]);
        if found.is_some() || read >= limits::HEALTH_HEAD {
            break;
        }
    }
    assert_eq!(found, whole);
    assert!(reader.head.len() <= limits::HEALTH_HEAD);
    assert_eq!(whole.is_some(), data.len() >= limits::HEALTH_HEAD || ends(data));
    if let Some(Ok(request)) = whole {
        assert!(request.path.starts_with('/') && request.path.bytes().all(|byte| byte.is_ascii_graphic()));
        let again = format!("GET {} HTTP/1.0\r\n\r\n", request.path);
        let again = Reader::default().feed(again.as_bytes());
        assert_eq!(again.and_then(Result::ok).map(|again| again.path), Some(request.path));
    }
}

fn ends(data: &[u8]) -> bool {
    data.windows(END.len()).any(|window| window == END)
}

#[cfg(test)]
mod tests {
    use super::{Reader, Refusal, Request};
    use crate::limits;

    fn read(head: &str) -> Option<Result<Request, Refusal>> {
        let whole = Reader::default().feed(head.as_bytes());
        for cut in 0..head.len() {
            let (first, second) = head.as_bytes().split_at(cut);
            let mut reader = Reader::default();
            let found = reader.feed(first).or_else(|| reader.feed(second));
            assert_eq!(found, whole, "cut at {cut}");
        }
        whole
    }

    fn path(head: &str) -> Result<String, Refusal> {
        read(head).unwrap().map(|request| request.path)
    }

    #[test]
    fn get_and_head_are_read_in_every_form_that_clients_write() {
        for (head, expected) in [
            ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "/healthz"),
            ("GET /metrics HTTP/1.0\r\n\r\n", "/metrics"),
            (
                "GET /metrics?x=/y HTTP/1.1\r\nhost:\r\nAccept: */*;q=0.1\r\n\r\nbody",
                "/metrics",
            ),
            (
                "GET http://localhost:8080/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                "/healthz",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\nX: \u{e9}\t\r\n\r\n", "/"),
            ("GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", "/%68ealthz"),
        ] {
            assert_eq!(path(head).unwrap(), expected, "{head}");
            let head = head.replacen("GET", "HEAD", 1);
            assert!(read(&head).unwrap().unwrap().head_only, "{head}");
        }
    }

    #[test]
    fn a_request_that_could_be_read_two_ways_is_refused() {
        for head in [
            "\r\n\r\n",
            "GET /healthz\r\n\r\n",
            "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n",
            "GET /healthz HTTP/1.1\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: x\n\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: \0\r\n\r\n",
            "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /healthz HTTP/11\r\nHost: x\r\n\r\n",
            "G(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            " /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert_eq!(read(head), Some(Err(Refusal::Malformed)), "{head:?}");
        }
        assert_eq!(
            Reader::default().feed(b"GET /\xff HTTP/1.0\r\n\r\n"),
            Some(Err(Refusal::Malformed))
        );
    }

    #[test]
    fn other_methods_and_versions_are_told_apart() {
        for method in ["POST", "get", "CONNECT", "DELETE"] {
            let head = format!("{method} /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(path(&head), Err(Refusal::Method), "{method}");
        }
        assert_eq!(path("PRI * HTTP/2.0\r\n\r\n"), Err(Refusal::Version));
    }

    #[test]
    fn a_head_may_have_its_limit_and_no_byte_more() {
        for (length, expected) in [
            (limits::HEALTH_HEAD - 1, true),
            (limits::HEALTH_HEAD, true),
            (limits::HEALTH_HEAD + 1, false),
        ] {
            let start = "GET /healthz HTTP/1.1\r\nHost: ";
            let filler = "x".repeat(length - start.len() - 4);
            let found = Reader::default().feed(format!("{start}{filler}\r\n\r\n").as_bytes());
            let refused = Some(Err(Refusal::TooLarge));
            assert_eq!(found.as_ref().is_some_and(Result::is_ok), expected, "{length}");
            assert_eq!(found == refused, !expected, "{length}");
        }
        let mut reader = Reader::default();
        let endless = std::iter::repeat_n(b'x', limits::HEALTH_HEAD);
        let found: Vec<_> = endless.filter_map(|byte| reader.feed(&[byte])).collect();
        assert_eq!(found, [Err(Refusal::TooLarge)]);
        assert_eq!(reader.feed(&vec![b'x'; 100_000]), Some(Err(Refusal::TooLarge)));
        assert_eq!(reader.head.len(), limits::HEALTH_HEAD);
    }

    #[test]
    fn a_head_that_is_cut_off_says_nothing() {
        let head = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(Reader::default().feed(&head.as_bytes()[..length]), None, "{length}");
        }
    }
}
