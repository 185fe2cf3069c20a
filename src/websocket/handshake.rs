//! The opening handshake (RFC 6455 section 4.1): an HTTP request that asks to switch, and the proof in its answer.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::http::request::{FieldError, Method, Request};
use crate::http::response::Response;
use crate::http::url::Url;

/// What a server puts behind the key to show that it understood (section 1.3).
const PROOF: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Key: 16 fresh random bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// From the random bytes.
    pub fn new(random: [u8; 16]) -> Key {
        Key(STANDARD.encode(random))
    }

    /// What Sec-WebSocket-Accept must say.
    fn accept(&self) -> String {
        let digest = Sha1::new().chain_update(&self.0).chain_update(PROOF).finalize();
        STANDARD.encode(digest)
    }
}

/// The request: no subprotocol, no extension, no Origin.
pub fn request(url: &Url, key: &Key) -> Result<Request, FieldError> {
    Request::new(Method::Upgrade, url)
        .with_field("Sec-WebSocket-Version", "13")?
        .with_field("Sec-WebSocket-Key", &key.0)
}

/// Whether `response` opens a WebSocket (section 4.1, the client's five checks).
pub fn verify(response: &Response, key: &Key) -> Result<(), HandshakeError> {
    if response.status != 101 {
        return Err(HandshakeError::Status(response.status));
    }
    if !has_token(response, "upgrade", b"websocket") {
        return Err(HandshakeError::Upgrade);
    }
    if !has_token(response, "connection", b"upgrade") {
        return Err(HandshakeError::Connection);
    }
    let mut accepts = response.fields("sec-websocket-accept");
    if accepts.next() != Some(key.accept().as_bytes()) || accepts.next().is_some() {
        return Err(HandshakeError::Accept);
    }
    for unasked in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        if response.fields(unasked).next().is_some() {
            return Err(HandshakeError::Unasked(unasked));
        }
    }
    Ok(())
}

fn has_token(response: &Response, name: &str, token: &[u8]) -> bool {
    let mut tokens = response
        .fields(name)
        .flat_map(|value| value.split(|&byte| byte == b','));
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token))
}

/// An answer that opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeError {
    /// Another status than 101.
    Status(u16),
    /// Upgrade does not say `websocket`.
    Upgrade,
    /// Connection does not say `Upgrade`.
    Connection,
    /// Sec-WebSocket-Accept is missing, repeated, or no proof: something answered that is no WebSocket server.
    Accept,
    /// An extension or a subprotocol that was not asked for.
    Unasked(&'static str),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Status(status) => write!(formatter, "answered {status} instead of opening a WebSocket"),
            HandshakeError::Upgrade => formatter.write_str("did not upgrade to WebSocket"),
            HandshakeError::Connection => formatter.write_str("did not upgrade the connection"),
            HandshakeError::Accept => formatter.write_str("gave no proof that it speaks WebSocket"),
            HandshakeError::Unasked(field) => write!(formatter, "chose what was not offered ({field})"),
        }
    }
}

impl std::error::Error for HandshakeError {}

#[cfg(test)]
mod tests {
    use super::{HandshakeError, Key, request, verify};
    use crate::http::request::Method;
    use crate::http::response::{Progress, Response, ResponseReader};
    use crate::http::url::Url;

    /// The key of RFC 6455 section 1.3.
    fn key() -> Key {
        Key("dGhlIHNhbXBsZSBub25jZQ==".to_owned())
    }

    const GOOD: &[(&str, &str)] = &[
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];

    fn response(status: u16, fields: &[(&str, &str)]) -> Response {
        let fields: String = fields
            .iter()
            .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
            .collect();
        let bytes = format!("HTTP/1.1 {status} Whatever\r\n{fields}Content-Length: 0\r\n\r\n");
        let progress = ResponseReader::new(Method::Upgrade).feed(bytes.as_bytes()).unwrap();
        let Progress::Done { response, .. } = progress else {
            panic!("{progress:?}")
        };
        response
    }

    #[test]
    fn the_key_is_sixteen_bytes_and_the_proof_is_the_rfcs() {
        assert_eq!(Key::new(*b"the sample nonce"), key());
        assert_eq!(verify(&response(101, GOOD), &key()), Ok(()));
    }

    #[test]
    fn the_request_asks_for_an_upgrade_and_nothing_else() {
        let url = Url::parse("https://h.example/usp", false).unwrap();
        let head = String::from_utf8(request(&url, &key()).unwrap().head(0)).unwrap();
        let agent = concat!("mailtap/", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            head,
            format!(
                "GET /usp HTTP/1.1\r\nHost: h.example\r\nUser-Agent: {agent}\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
        );
    }

    #[test]
    fn tokens_in_lists_and_in_any_case_are_tokens() {
        let fields = [
            ("UPGRADE", "foo, WebSocket"),
            ("connection", "keep-alive,upgrade"),
            GOOD[2],
        ];
        assert_eq!(verify(&response(101, &fields), &key()), Ok(()));
    }

    #[test]
    fn every_missing_or_wrong_field_is_named() {
        let without = |name: &str| -> Vec<_> { GOOD.iter().copied().filter(|(field, _)| *field != name).collect() };
        let with = |field| [GOOD, &[field]].concat();
        for (status, fields, error) in [
            (200, GOOD.to_vec(), HandshakeError::Status(200)),
            (403, vec![], HandshakeError::Status(403)),
            (101, without("Upgrade"), HandshakeError::Upgrade),
            (101, without("Connection"), HandshakeError::Connection),
            (101, without("Sec-WebSocket-Accept"), HandshakeError::Accept),
            (101, with(GOOD[2]), HandshakeError::Accept),
            (
                101,
                with(("Sec-WebSocket-Extensions", "permessage-deflate")),
                HandshakeError::Unasked("sec-websocket-extensions"),
            ),
            (
                101,
                with(("Sec-WebSocket-Protocol", "usp")),
                HandshakeError::Unasked("sec-websocket-protocol"),
            ),
        ] {
            assert_eq!(verify(&response(status, &fields), &key()), Err(error), "{fields:?}");
        }
        // A proof for another key: a cache answered.
        assert_eq!(
            verify(&response(101, GOOD), &Key::new([0; 16])),
            Err(HandshakeError::Accept)
        );
    }
}
