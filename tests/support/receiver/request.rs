//! HTTP/1.1 requests, read strictly (RFC 9112): whatever is wrong is noted, so that a test can see it.

use std::io;
use std::sync::Arc;

use super::super::wire::Connection;

/// One request, with its whole body.
pub struct Request {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub violations: Vec<String>,
}

impl Request {
    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&String> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }
}

/// The bytes of one connection, cut into requests.
pub struct Reader {
    connection: Arc<Connection>,
    pending: Vec<u8>,
    chunk: Vec<u8>,
}

impl Reader {
    pub fn new(connection: &Arc<Connection>) -> Reader {
        Reader {
            connection: Arc::clone(connection),
            pending: Vec::new(),
            chunk: vec![0; 64 * 1024],
        }
    }

    /// The next request; `None` when the client has gone, or when no length of the body can be told.
    pub fn request(&mut self) -> io::Result<Option<Request>> {
        let mut searched: usize = 0;
        let end = loop {
            let from = searched.saturating_sub(3);
            let found = self.pending[from..].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(position) = found {
                break from + position + 4;
            }
            searched = self.pending.len();
            if !self.more()? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.pending.drain(..end).collect();
        let (mut request, length) = read_head(&head[..end - 2]);
        let Some(length) = length else { return Ok(None) };
        self.pending.reserve(length);
        while self.pending.len() < length {
            if !self.more()? {
                return Ok(None);
            }
        }
        let next = self.pending.split_off(length);
        request.body = std::mem::replace(&mut self.pending, next);
        Ok(Some(request))
    }

    fn more(&mut self) -> io::Result<bool> {
        let length = self.connection.read(&mut self.chunk)?;
        self.pending.extend_from_slice(&self.chunk[..length]);
        Ok(length > 0)
    }
}

/// The head, every line of it ended by CRLF, and the length of the body that follows.
fn read_head(head: &[u8]) -> (Request, Option<usize>) {
    let mut violations = Vec::new();
    let text = String::from_utf8_lossy(head).into_owned();
    let lines: Vec<&str> = text.trim_end_matches("\r\n").split("\r\n").collect();
    if lines
        .iter()
        .any(|line| line.contains(|character: char| character.is_control() && character != '\t'))
    {
        violations.push("a bare CR, LF or another control character in the head".to_owned());
    }
    let request_line: Vec<&str> = lines[0].split(' ').collect();
    let [method, target, version] = request_line[..] else {
        violations.push(format!("request line: {}", lines[0]));
        return (request("", "", Vec::new(), violations), None);
    };
    if version != "HTTP/1.1" || !target.starts_with('/') {
        violations.push(format!("request line: {}", lines[0]));
    }
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && name.bytes().all(token) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => violations.push(format!("header line: {line}")),
        }
    }
    let values = |wanted: &str| -> Vec<&String> {
        headers
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value)
            .collect()
    };
    let is_ours = |host: &str| host.starts_with("localhost:") || host == "api.limacharlie.io";
    if values("host").len() != 1 || !is_ours(values("host")[0]) {
        violations.push(format!("Host: {:?}", values("host")));
    }
    if !values("transfer-encoding").is_empty() {
        violations.push("Transfer-Encoding in a request".to_owned());
    }
    if values("lc-secret").len() > 1 {
        violations.push("more than one lc-secret".to_owned());
    }
    let lengths = values("content-length");
    let length = match lengths[..] {
        [] if method == "GET" => Some(0),
        [digits] if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => {
            violations.push(format!("Content-Length: {lengths:?}"));
            None
        }
    };
    (request(method, target, headers, violations), length)
}

fn request(method: &str, target: &str, headers: Vec<(String, String)>, violations: Vec<String>) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
        violations,
    }
}
