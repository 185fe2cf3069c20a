//! Events to an HTTPS webhook: newline-separated JSON, acknowledged by a 2xx.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{Batch, DeliveryError, Sink};
use crate::clock::Clock;
use crate::http::exchange::Exchange;
use crate::http::request::{FieldError, Method, Request};
use crate::http::response::Response;
use crate::http::url::{Url, UrlError};
use crate::limits;
use crate::net::Dial;
use crate::secret::Secret;

/// A webhook receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `client_options.dest_url`. Its path may hold a secret: it is never logged.
    pub url: Secret<String>,
    /// `client_options.lc_secret`: sent as the header `lc-secret`.
    pub lc_secret: Option<Secret<String>>,
    /// `is_insecure`: allows `http://` to hosts other than loopback.
    pub allow_clear_text: bool,
}

/// Posts batches over one kept connection.
pub struct Webhook {
    request: Request,
    /// What must not appear in a message, should the receiver echo it: pieces of the URL's path and query, `lc_secret`.
    secrets: Secret<Vec<String>>,
    exchange: Exchange,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Checks `settings`; contacts nobody.
    pub fn new(settings: &Settings, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Result<Webhook, SettingsError> {
        let url = Url::parse(settings.url.expose(), settings.allow_clear_text).map_err(SettingsError::Url)?;
        let mut request = Request::new(Method::Post, &url)
            .with_field("Content-Type", "application/x-ndjson")
            .map_err(SettingsError::LcSecret)?;
        let mut secrets: Vec<String> = url
            .target
            .expose()
            .split(['/', '?', '&', '='])
            // What is shorter is a word of the language, not a secret.
            .filter(|piece| piece.len() >= 6)
            .map(str::to_owned)
            .collect();
        if let Some(lc_secret) = &settings.lc_secret {
            request = request
                .with_field("lc-secret", lc_secret.expose())
                .map_err(SettingsError::LcSecret)?;
            secrets.push(lc_secret.expose().clone());
        }
        // The longest first, so that no piece of one is left when another is a part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Webhook {
            request,
            secrets: Secret::new(secrets),
            exchange: Exchange::new(),
            dial,
            clock,
        })
    }
}

impl Sink for Webhook {
    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let answer = self
            .exchange
            .send(&*self.dial, &*self.clock, &self.request, batch.bytes());
        match answer {
            Ok(response) => self.judge(&response),
            Err(error) if error.is_configuration() => Err(DeliveryError::Configuration {
                reason: error.to_string(),
            }),
            Err(error) => Err(DeliveryError::Retry {
                reason: format!("client_options.dest_url: {error}"),
                after: None,
            }),
        }
    }
}

impl Webhook {
    /// What a status means for the batch.
    fn judge(&self, response: &Response) -> Result<(), DeliveryError> {
        let reason = |advice| self.reason(response, advice);
        match response.status {
            200..=299 => Ok(()),
            // Before 5xx and the other 4xx: "later" is not a verdict on batch or settings.
            408 | 425 | 429 | 500.. => Err(DeliveryError::Retry {
                reason: reason("trying again"),
                after: response.retry_after(self.clock.unix_milliseconds()),
            }),
            400 | 413 | 415 | 422 => Err(DeliveryError::Reject {
                reason: reason("the receiver refuses this batch"),
            }),
            300..=399 => Err(DeliveryError::Configuration {
                reason: reason("redirects are not followed; set client_options.dest_url to the final address"),
            }),
            401 | 403 => Err(DeliveryError::Configuration {
                reason: reason("check client_options.lc_secret, and the secret part of client_options.dest_url"),
            }),
            407 => Err(DeliveryError::Configuration {
                reason: reason("a proxy stands before client_options.dest_url and wants a login"),
            }),
            // 404, 405, 410 and every other 4xx: nothing is dropped for a status that nobody thought of.
            _ => Err(DeliveryError::Configuration {
                reason: reason("check the path of client_options.dest_url"),
            }),
        }
    }

    fn reason(&self, response: &Response, advice: &str) -> String {
        let endpoint = self.request.endpoint();
        let excerpt = self.excerpt(&response.body);
        let mut reason = format!("{endpoint} answered {}: {advice}", response.status);
        if !excerpt.is_empty() {
            let _ = write!(reason, " (it says: {excerpt})");
        }
        reason
    }

    /// The beginning of a body, printable, without our secrets: error pages like to quote the path they did not find.
    fn excerpt(&self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in self.secrets.expose() {
            text = text.replace(secret, "(secret)");
        }
        let mut excerpt = String::new();
        for character in text.trim().chars() {
            let escaped = character.escape_debug();
            if excerpt.len().saturating_add(escaped.clone().map(char::len_utf8).sum()) > limits::HTTP_EXCERPT {
                excerpt.push('…');
                break;
            }
            excerpt.extend(escaped);
        }
        excerpt
    }
}

/// Settings that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsError {
    /// `client_options.dest_url`.
    Url(UrlError),
    /// `client_options.lc_secret`.
    LcSecret(FieldError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Url(error) => write!(formatter, "client_options.dest_url: {error}"),
            SettingsError::LcSecret(error) => write!(formatter, "client_options.lc_secret: {error}"),
        }
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests;
