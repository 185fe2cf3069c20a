//! Events to an HTTPS webhook: newline-separated JSON, acknowledged by a 2xx.
//!
//! `webhook/settings.rs` makes the request of the settings, `webhook/answer.rs` reads what a success says about single
//! events, `webhook/signature.rs` signs; this file waits, and decides what a status means.

pub mod answer;
mod quotation;
pub mod settings;
pub mod signature;

use std::fmt::Write as _;
use std::sync::Arc;

use self::answer::Taken;
use self::settings::Prepared;
pub use self::settings::{Settings, SettingsError};
use super::gzip::Gzip;
use super::{Batch, DeliveryError, Reached, Sink};
use crate::clock::Clock;
use crate::event::EventId;
use crate::http::exchange::{Exchange, Kept};
use crate::http::request::{FieldError, Request};
use crate::http::response::Response;
use crate::net::Dial;

/// Posts batches over kept connections.
pub struct Webhook {
    prepared: Prepared,
    /// Where bodies are compressed.
    gzip: Option<Gzip>,
    exchange: Exchange,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Checks `settings`; contacts nobody.
    pub fn new(settings: &Settings, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Result<Webhook, SettingsError> {
        Ok(Webhook {
            prepared: Prepared::new(settings)?,
            gzip: settings.compressed.then(Gzip::default),
            exchange: Exchange::new(),
            dial,
            clock,
        })
    }

    /// Keeps its connections together with others that have the same receiver and dial in the same way.
    #[must_use]
    pub fn sharing(self, kept: Arc<Kept>) -> Webhook {
        Webhook {
            exchange: Exchange::sharing(kept),
            ..self
        }
    }
}

impl Sink for Webhook {
    /// Any request would be an event to somebody's receiver: the connection must do.
    fn reach(&mut self) -> Result<Option<Reached>, DeliveryError> {
        let endpoint = self.prepared.request.endpoint();
        match self.dial.dial(endpoint) {
            Ok(_) => Ok(Some(Reached {
                peer: endpoint.to_string(),
                works: "the connection",
                untried: "a request: the path of client_options.dest_url, lc_secret and headers may be wrong",
            })),
            Err(error) => Err(DeliveryError::Retry {
                reason: format!("client_options.dest_url: {error}"),
                after: None,
            }),
        }
    }

    fn batch_events(&self) -> usize {
        self.prepared.batch_events
    }

    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let id = batch_id(batch);
        let body = match &mut self.gzip {
            Some(gzip) => gzip.member(&[batch.bytes()]).map_err(|error| DeliveryError::Retry {
                reason: format!("client_options.is_compressed: {error}"),
                after: None,
            })?,
            None => batch.bytes(),
        };
        let seconds = self.clock.unix_milliseconds().div_euclid(1000);
        let request = request(&self.prepared, &id, seconds, body).map_err(|error| DeliveryError::Configuration {
            reason: error.to_string(),
        })?;
        match self.exchange.send(&*self.dial, &*self.clock, &request, body) {
            Ok(response) => self.judge(&response, batch.count()),
            Err(error) => Err(DeliveryError::unanswered("client_options.dest_url", &error)),
        }
    }

    fn tend(&mut self) -> Result<(), DeliveryError> {
        self.exchange.close_old(&*self.clock);
        if let Some(gzip) = &mut self.gzip {
            gzip.rest();
        }
        Ok(())
    }
}

/// The same for the same events: however often they are sent, the receiver can tell. It is written as a UUID because some
/// receivers insist on one.
fn batch_id(batch: &Batch) -> String {
    let ids: Vec<u8> = batch.ids().iter().flat_map(|id| id.0).collect();
    EventId::of(&ids).to_string()
}

/// The request of one attempt, made at `seconds` since 1970. The signature is over `body` as it is sent.
fn request(prepared: &Prepared, id: &str, seconds: i64, body: &[u8]) -> Result<Request, FieldError> {
    let request = prepared.request.clone().with_field("Idempotency-Key", id)?;
    let Some(key) = &prepared.signing_key else {
        return Ok(request);
    };
    request
        .with_field("webhook-id", id)?
        .with_field("webhook-timestamp", &seconds.to_string())?
        .with_field("webhook-signature", &key.sign(id, seconds, body))
}

impl Webhook {
    /// What a response means for a batch of `count` events.
    fn judge(&self, response: &Response, count: usize) -> Result<(), DeliveryError> {
        let reason = |advice| self.reason(response, advice);
        match response.status {
            200..=299 => match answer::taken(&response.body, count) {
                Taken::All => Ok(()),
                Taken::Later => Err(DeliveryError::Retry {
                    reason: reason("but did not take all events; trying again"),
                    after: response.retry_after(self.clock.unix_milliseconds()),
                }),
                Taken::Refused => Err(DeliveryError::Reject {
                    reason: reason("but refuses events of this batch"),
                }),
                Taken::Each(fates) => Err(DeliveryError::Each {
                    fates,
                    reason: reason("but did not take all events"),
                    after: response.retry_after(self.clock.unix_milliseconds()),
                }),
            },
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
                reason: reason(&self.prepared.advice),
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
        let endpoint = self.prepared.request.endpoint();
        let excerpt = self.prepared.quotation.of(&response.body);
        let mut reason = format!("{endpoint} answered {}: {advice}", response.status);
        if !excerpt.is_empty() {
            let _ = write!(reason, " (it says: {excerpt})");
        }
        reason
    }
}

#[cfg(test)]
mod tests;
