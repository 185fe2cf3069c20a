//! Events to an HTTPS webhook: newline-separated JSON, acknowledged by a 2xx.
//!
//! `webhook/settings.rs` makes the request of the settings, `webhook/answer.rs` reads what a success says about single
//! events, `webhook/signature.rs` signs; this file waits, and decides what a status means.

pub mod answer;
mod quotation;
pub mod settings;
pub mod signature;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::answer::Taken;
use self::settings::Prepared;
pub use self::settings::{Settings, SettingsError};
use super::gzip::Gzip;
use super::{Batch, DeliveryError, Flow, Reached, Sink};
use crate::clock::{Clock, Deadline};
use crate::event::EventId;
use crate::http::exchange::{Awaited, Exchange, ExchangeError, Failure, Heard, Kept};
use crate::http::request::{FieldError, Request};
use crate::http::response::Response;
use crate::net::Dial;
use crate::{limits, log};

/// Posts batches over kept connections.
pub struct Webhook {
    prepared: Prepared,
    /// Where bodies are compressed.
    gzip: Option<Gzip>,
    exchange: Exchange,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    /// The last request. While its events are not acknowledged they go together, or their key would be another.
    last: Option<Posted>,
    /// It is on its way.
    awaited: Option<Awaited>,
    /// Events at the front of the queue that was given last.
    acknowledged: usize,
}

/// What a request carries: the number of its first event, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Posted {
    first: u64,
    count: usize,
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
            last: None,
            awaited: None,
            acknowledged: 0,
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
        self.post(batch, 0..batch.count(), None)?;
        while self.awaited.is_some() {
            self.hear(batch, None)?;
        }
        Ok(())
    }

    fn flow(&mut self) -> Option<&mut dyn Flow> {
        Some(self)
    }

    fn tend(&mut self) -> Result<(), DeliveryError> {
        self.exchange.close_old(&*self.clock);
        if let Some(gzip) = &mut self.gzip {
            gzip.rest();
        }
        Ok(())
    }
}

/// One request at a time is on its way, and another is gathered meanwhile.
impl Flow for Webhook {
    fn room(&self) -> (usize, usize) {
        let events = self.prepared.batch_events.saturating_mul(2);
        (events, limits::BATCH_BYTES.saturating_mul(2))
    }

    fn is_worth_sending(&self, events: usize, bytes: usize) -> bool {
        events >= self.prepared.batch_events || bytes >= limits::POST_AHEAD
    }

    fn send_ahead(&mut self, queue: &Batch) -> Result<(), DeliveryError> {
        self.go_on(queue, self.clock.now())
    }

    fn send_and_wait(&mut self, queue: &Batch, patience: Duration) -> Result<(), DeliveryError> {
        let now = self.clock.now();
        self.acknowledged = 0;
        if self.awaited.is_none() {
            self.post_next(queue)?;
        }
        self.go_on(queue, now.checked_add(patience).unwrap_or(now))
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    fn refused(&self) -> usize {
        self.last.map_or(usize::MAX, |last| last.count)
    }
}

impl Webhook {
    /// Hears what becomes of the request on its way, and when it is over sends the next.
    fn go_on(&mut self, queue: &Batch, until: Instant) -> Result<(), DeliveryError> {
        self.acknowledged = 0;
        // The answer to a request of another queue acknowledges nothing of this one.
        let is_of_queue = |last: Posted| last.first == queue.first() && last.count <= queue.count();
        self.awaited.take_if(|_| !self.last.is_some_and(is_of_queue));
        self.hear(queue, Some(until))?;
        if self.awaited.is_some() {
            Ok(())
        } else {
            self.post_next(queue)
        }
    }

    /// Posts what follows the events that are acknowledged, if there is something.
    fn post_next(&mut self, queue: &Batch) -> Result<(), DeliveryError> {
        let start = self.acknowledged;
        let left = queue.count().saturating_sub(start);
        if left == 0 {
            return Ok(());
        }
        let count = match self.last {
            Some(last) if last.first == number(queue, start) && last.count <= left => last.count,
            _ => self.fill(queue, start),
        };
        self.post(queue, start..start.saturating_add(count), None)
    }

    /// How many events from `start` on a request has.
    fn fill(&self, queue: &Batch, start: usize) -> usize {
        let (mut count, mut bytes) = (0_usize, 0_usize);
        while count < self.prepared.batch_events
            && bytes < limits::BATCH_BYTES
            && let Some(event) = queue.event(start.saturating_add(count))
        {
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(event.len());
        }
        count
    }

    /// Posts the events at these places; where a connection had died under them, once more on a fresh one, `again` until then.
    fn post(&mut self, queue: &Batch, places: Range<usize>, again: Option<Deadline>) -> Result<(), DeliveryError> {
        self.last = Some(Posted {
            first: number(queue, places.start),
            count: places.len(),
        });
        let (ids, events) = queue.range(places);
        let id = batch_id(ids);
        let body = match &mut self.gzip {
            Some(gzip) => gzip.member(&[events]).map_err(|error| DeliveryError::Retry {
                reason: format!("client_options.is_compressed: {error}"),
                after: None,
            })?,
            None => events,
        };
        let seconds = self.clock.unix_milliseconds().div_euclid(1000);
        let request = request(&self.prepared, &id, seconds, body).map_err(|error| DeliveryError::Configuration {
            reason: error.to_string(),
        })?;
        let posted = match again {
            None => self.exchange.post(&*self.dial, &*self.clock, &request, body),
            Some(total) => Exchange::post_afresh(&*self.dial, &*self.clock, total, &request, body),
        };
        self.awaited = Some(posted.map_err(|error| unanswered(&error))?);
        Ok(())
    }

    /// What becomes of the request on its way, the first of the queue, if there is one.
    fn hear(&mut self, queue: &Batch, until: Option<Instant>) -> Result<(), DeliveryError> {
        let (Some(awaited), Some(Posted { count, .. })) = (self.awaited.take(), self.last) else {
            return Ok(());
        };
        match self.exchange.hear(&*self.clock, awaited, until) {
            Heard::Response(response) => {
                self.judge(&response, count)?;
                self.tell_page(&response);
                self.acknowledged = count;
                Ok(())
            }
            Heard::Nothing(awaited) => {
                self.awaited = Some(awaited);
                Ok(())
            }
            Heard::Failure(Failure {
                again: again @ Some(_), ..
            }) => self.post(queue, 0..count, again),
            Heard::Failure(failure) => Err(unanswered(&failure.error)),
        }
    }
}

fn unanswered(error: &ExchangeError) -> DeliveryError {
    DeliveryError::unanswered("client_options.dest_url", error)
}

/// The number of the event at this place.
fn number(queue: &Batch, place: usize) -> u64 {
    queue.first().saturating_add(u64::try_from(place).unwrap_or(u64::MAX))
}

/// The same for the same events: however often they are sent, the receiver can tell. It is written as a UUID because some
/// receivers insist on one.
fn batch_id(ids: &[EventId]) -> String {
    let ids: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
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
                    reason: reason("but did not take all events"),
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
                reason: reason("not taken"),
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
            404 | 405 | 410 => Err(DeliveryError::Configuration {
                reason: reason("check the path of client_options.dest_url"),
            }),
            // Nothing is dropped for a status that nobody thought of.
            _ => Err(DeliveryError::Configuration {
                reason: reason("the receiver wants none of it; ask there, or check client_options.dest_url"),
            }),
        }
    }

    /// Logins and firewalls answer so, whatever they are sent. Many programs call `ok` HTML that is none.
    fn tell_page(&self, response: &Response) {
        let is_html = |value: &[u8]| {
            value
                .get(..9)
                .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
        };
        let is_page = response.fields("content-type").any(is_html) && response.body.trim_ascii().starts_with(b"<");
        if is_page && self.exchange.is_to_tell() {
            log::warn(
                "the receiver acknowledges with a page for people: check that client_options.dest_url is the receiver",
                &[("receiver", self.prepared.request.endpoint())],
            );
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
