//! OAuth tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, which has the same parts without the names.

use std::fmt::Write as _;

use serde_json::Value;

use super::scram::escape_name;
use crate::limits;
use crate::secret::Secret;

/// OAUTHBEARER's only message (RFC 7628 section 3.1). It cannot be bound to the connection, so it says that nothing can.
pub(super) fn oauthbearer(username: &str, token: &Secret<String>, host: &str, port: u16) -> Secret<Vec<u8>> {
    let username = escape_name(username);
    let token = token.expose();
    let message = format!("n,a={username},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01");
    Secret::new(message.into_bytes())
}

/// XOAUTH2's only message (<https://developers.google.com/gmail/imap/xoauth2-protocol>).
pub(super) fn xoauth2(username: &str, token: &Secret<String>) -> Secret<Vec<u8>> {
    let message = format!("user={username}\x01auth=Bearer {}\x01\x01", token.expose());
    Secret::new(message.into_bytes())
}

/// What the server has against the token (RFC 7628 section 3.2.2), for the operator. Both mechanisms say it in a challenge
/// before the refusal, as JSON; what is not JSON is given as it is.
pub(super) fn complaint(challenge: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(challenge) else {
        return printable(&String::from_utf8_lossy(challenge));
    };
    let mut text = String::new();
    for name in ["status", "error", "error_description", "schemes", "scope"] {
        let value = match fields.get(name) {
            Some(Value::String(value)) => printable(value),
            Some(Value::Number(value)) => value.to_string(),
            _ => continue,
        };
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{name} {value}");
    }
    printable(&text)
}

/// The beginning, as one line.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if line.len().saturating_add(character.len_utf8()) > limits::IMAP_TEXT {
            break;
        }
        line.push(character);
    }
    line
}
