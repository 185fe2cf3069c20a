//! What a token endpoint answers (RFC 6749 sections 5.1 and 5.2).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Grant, Settings, TokenError};
use crate::http::request::Method;
use crate::http::response::{Progress, Response, ResponseReader};
use crate::http::url::Url;
use crate::limits;
use crate::secret::{Secret, Spellings};

/// A token.
#[derive(Debug)]
pub(super) struct Answer {
    pub access_token: Secret<String>,
    /// How long it holds from the request on, where the provider says so.
    pub lifetime: Option<Duration>,
    /// The one to use from now on.
    pub refresh_token: Option<Secret<String>>,
}

/// Reads `response` to the request that `settings` and `grant` made.
pub(super) fn read(
    response: &Response,
    settings: &Settings,
    grant: &Grant,
    now_unix_milliseconds: i64,
) -> Result<Answer, TokenError> {
    let later = |reason| TokenError::Later {
        reason,
        after: response.retry_after(now_unix_milliseconds),
    };
    let endpoint = &settings.token_url.endpoint;
    let fields = match serde_json::from_slice(&response.body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    if response.status == 200 {
        return success(&fields).map_err(|reason| later(format!("{endpoint}: {reason}; check oauth.token_url")));
    }
    let error = text(&fields, "error").unwrap_or_default();
    let advice = match (error, response.status) {
        // Before 4xx: these say nothing about the settings.
        ("temporarily_unavailable" | "server_error", _) | (_, 408 | 425 | 429 | 500..) => None,
        ("invalid_grant", _) => Some(match grant {
            Grant::RefreshToken(_) => {
                "check oauth.refresh_token: it has expired, was revoked, or belongs to another client"
            }
            Grant::ClientCredentials => "check oauth.client_id and oauth.client_secret",
        }),
        ("invalid_client" | "unauthorized_client", _) => Some("check oauth.client_id and oauth.client_secret"),
        ("invalid_scope", _) => Some("check oauth.scope"),
        ("unsupported_grant_type", _) => Some("check oauth.grant"),
        (_, 300..=399) => Some("redirects are not followed; set oauth.token_url to the final address"),
        ("", _) => Some("check oauth.token_url and oauth.tenant"),
        _ => Some("check `oauth`"),
    };
    let words = words(&fields, &response.body, settings, grant);
    let status = response.status;
    Err(match advice {
        Some(advice) => TokenError::Refused(format!("{endpoint} answered {status}: {advice}{words}")),
        None => later(format!("{endpoint} answered {status}{words}")),
    })
}

fn success(fields: &Map<String, Value>) -> Result<Answer, &'static str> {
    let access_token = text(fields, "access_token").ok_or("there is no access_token in the answer")?;
    // RFC 6749 appendix A.12; a space or a control character would be another part of the login.
    if access_token.len() > limits::OAUTH_TOKEN || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the access_token is too long or has characters that none may have");
    }
    // Required, and left out by some; what is no bearer token would be refused by the server without a hint.
    if text(fields, "token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token is not of the type Bearer");
    }
    Ok(Answer {
        access_token: Secret::new(access_token.to_owned()),
        lifetime: fields.get("expires_in").and_then(seconds),
        refresh_token: text(fields, "refresh_token")
            .filter(|token| token.len() <= limits::OAUTH_TOKEN)
            .map(|token| Secret::new(token.to_owned())),
    })
}

/// A number, or one in quotes, as Microsoft has written it.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.parse().ok()?,
        value => value.as_u64()?,
    };
    Some(Duration::from_secs(seconds).min(limits::OAUTH_LIFETIME))
}

/// Text that is not empty.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// ` (it says: …)`, without our secrets, should the provider repeat one.
fn words(fields: &Map<String, Value>, body: &[u8], settings: &Settings, grant: &Grant) -> String {
    let words = match (text(fields, "error"), text(fields, "error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.to_owned(),
        (None, _) => String::from_utf8_lossy(body).into_owned(),
    };
    let refresh_token = match grant {
        Grant::RefreshToken(refresh_token) => Some(refresh_token),
        Grant::ClientCredentials => None,
    };
    let secrets = settings.client_secret.iter().chain(refresh_token);
    let words = Spellings::of(secrets.map(Secret::expose)).hide(words.as_bytes());
    let mut excerpt = String::new();
    for character in words.trim().chars() {
        let character = if character.is_control() { ' ' } else { character };
        if excerpt.len().saturating_add(character.len_utf8()) > limits::HTTP_EXCERPT {
            excerpt.push('…');
            break;
        }
        excerpt.push(character);
    }
    if excerpt.is_empty() {
        excerpt
    } else {
        format!(" (it says: {excerpt})")
    }
}

/// Whatever a token endpoint answers: a token is bounded and can stand in a login, and what the operator is told is one short
/// line without our secrets. The first byte of `data` chooses the status, the rest is the body.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    const SECRETS: [&str; 2] = ["the-client-secret", "the-refresh-token"];
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let status = match choice % 4 {
        0 | 1 => 200,
        2 => 400,
        _ => 503,
    };
    let Ok(token_url) = Url::parse("https://provider.example/token", false) else {
        return;
    };
    let [client_secret, refresh_token] = SECRETS.map(|secret| Secret::new(secret.to_owned()));
    let settings = Settings {
        token_url,
        client_id: "client".to_owned(),
        client_secret: Some(client_secret),
        grant: Grant::RefreshToken(refresh_token),
        scope: None,
    };
    let mut bytes = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    let Ok(Progress::Done { response, .. }) = ResponseReader::new(Method::Post).feed(&bytes) else {
        return;
    };
    match read(&response, &settings, &settings.grant, 0) {
        Ok(answer) => {
            let token = answer.access_token.expose();
            assert!(status == 200 && (1..=limits::OAUTH_TOKEN).contains(&token.len()));
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(
                answer
                    .lifetime
                    .is_none_or(|lifetime| lifetime <= limits::OAUTH_LIFETIME)
            );
        }
        Err(error) => {
            let line = error.to_string();
            assert!(line.len() <= limits::HTTP_EXCERPT.saturating_add(200), "{line}");
            assert!(!line.contains(char::is_control), "{line}");
            assert!(SECRETS.iter().all(|secret| !line.contains(secret)), "{line}");
        }
    }
}
