//! Attachments to LimaCharlie's artifact store, each under its SHA-256, before the event that names it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::limacharlie::discovery::{self, Discovery};
use super::{DeliveryError, Reached};
use crate::clock::Clock;
use crate::event::attachments::{Attachment, Attachments};
use crate::event::encode::hexadecimal;
use crate::http::exchange::Exchange;
use crate::http::request::{FieldError, Method, Request};
use crate::http::url::Url;
use crate::limits;
use crate::net::Dial;
use crate::secret::Secret;

/// Where attachments go, and as whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `client_options.identity.oid`.
    pub oid: String,
    /// `attachment_ingest_key`.
    pub ingest_key: Secret<String>,
    /// `attachment_retention_days`; the store's own default where it is not set.
    pub retention_days: Option<u64>,
    /// `client_options.hostname`: the source that the store shows.
    pub hostname: String,
    /// What is asked for the store's address; see [`discovery::address`].
    pub directory: Url,
}

/// Uploads attachments over one kept connection.
pub struct Artifacts {
    settings: Settings,
    /// The store's address, once it is known.
    store: Option<Url>,
    discovery: Discovery,
    exchange: Exchange,
    /// What was stored last: the same file comes with many mails.
    stored: VecDeque<[u8; 32]>,
    /// The bytes of the part under way.
    part: Vec<u8>,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
}

impl Artifacts {
    /// Contacts nobody yet.
    pub fn new(settings: Settings, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Artifacts {
        Artifacts {
            settings,
            store: None,
            discovery: Discovery,
            exchange: Exchange::new(),
            stored: VecDeque::new(),
            part: Vec::new(),
            dial,
            clock,
        }
    }

    /// Stores `attachment`, of which `kept` has the bytes, and waits until all of it is acknowledged. After an error the same
    /// attachment is stored again from its beginning: under its SHA-256 it is the same artifact.
    pub fn store(&mut self, attachment: &Attachment, kept: &Attachments) -> Result<(), DeliveryError> {
        if self.stored.contains(&attachment.sha256) {
            return Ok(());
        }
        let store = match self.store.take() {
            Some(store) => store,
            None => self.find_store()?,
        };
        let stored = self.send_parts(&store, attachment, kept);
        self.part = Vec::new();
        // Another address is asked for only where this one does not work.
        if stored.is_ok() {
            self.store = Some(store);
            self.stored.truncate(limits::ARTIFACTS_REMEMBERED.saturating_sub(1));
            self.stored.push_front(attachment.sha256);
        }
        stored
    }

    /// Closes a connection that is too old to be used again.
    pub fn tend(&self) {
        self.exchange.close_old(&*self.clock);
    }

    /// Asks where the store is and connects to it; nothing is stored.
    pub fn reach(&mut self) -> Result<Reached, DeliveryError> {
        let store = self.find_store()?;
        match self.dial.dial(&store.endpoint) {
            Ok(_) => Ok(Reached {
                peer: store.endpoint.to_string(),
                works: "the connection",
                untried: "an upload: attachment_ingest_key may be wrong",
            }),
            Err(error) => Err(DeliveryError::Retry {
                reason: format!("the artifact store (attachment_ingest_key): {error}"),
                after: None,
            }),
        }
    }

    fn find_store(&mut self) -> Result<Url, DeliveryError> {
        let answer = self
            .discovery
            .hosts(&self.settings.directory, &*self.dial, &*self.clock)?;
        let host = answer.host("artifacts").or_else(|| answer.host("logs"));
        let url = host.and_then(|host| discovery::store_url(&host).ok());
        url.ok_or_else(|| DeliveryError::Retry {
            reason: "LimaCharlie's directory names no host for artifacts".to_owned(),
            after: None,
        })
    }

    /// In parts of 1 MiB; the last one, which says that it is, when all others are there. A small one is one request.
    fn send_parts(&mut self, store: &Url, attachment: &Attachment, kept: &Attachments) -> Result<(), DeliveryError> {
        let small = attachment.size <= limits::ARTIFACT_PART as u64;
        let (mut at, mut number) = (0, 0_u64);
        loop {
            let count = self.read_part(attachment, kept, at)?;
            at = at.saturating_add(count);
            let last = at >= attachment.size;
            let label = match (small, last) {
                (true, _) => None,
                (false, true) => Some("done".to_owned()),
                (false, false) => Some(number.to_string()),
            };
            self.send_part(store, attachment, label.as_deref())?;
            if last {
                return Ok(());
            }
            number = number.saturating_add(1);
        }
    }

    fn read_part(&mut self, attachment: &Attachment, kept: &Attachments, at: u64) -> Result<u64, DeliveryError> {
        let left = attachment.size.saturating_sub(at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(limits::ARTIFACT_PART);
        self.part.resize(length, 0);
        match kept.read(attachment, at, &mut self.part) {
            Ok(count) if count > 0 || left == 0 => {
                self.part.truncate(count);
                Ok(count as u64)
            }
            read => Err(spool_failed(
                &read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            )),
        }
    }

    fn send_part(&mut self, store: &Url, attachment: &Attachment, label: Option<&str>) -> Result<(), DeliveryError> {
        let request = self
            .request(store, attachment, label)
            .map_err(|error| DeliveryError::Configuration {
                reason: format!("attachment_ingest_key, or client_options.hostname: {error}"),
            })?;
        let answer = self.exchange.send(&*self.dial, &*self.clock, &request, &self.part);
        let response = answer.map_err(|error| DeliveryError::unanswered("artifacts", &error))?;
        let endpoint = request.endpoint();
        let reason = |advice: &str| format!("artifacts: {endpoint} answered {}: {advice}", response.status);
        match response.status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500.. => Err(DeliveryError::Retry {
                reason: reason("not taken"),
                after: response.retry_after(self.clock.unix_milliseconds()),
            }),
            400 | 413 | 415 | 422 => Err(DeliveryError::Reject {
                reason: reason("the store refuses this attachment"),
            }),
            407 => Err(DeliveryError::Configuration {
                reason: reason("a proxy stands before the store and wants a login"),
            }),
            _ => Err(DeliveryError::Configuration {
                reason: reason("check attachment_ingest_key and client_options.identity.oid"),
            }),
        }
    }

    fn request(&self, store: &Url, attachment: &Attachment, label: Option<&str>) -> Result<Request, FieldError> {
        let settings = &self.settings;
        let login = STANDARD.encode(format!("{}:{}", settings.oid, settings.ingest_key.expose()));
        // Never a path of this machine, and nothing of the mail's that could be one: its name has lost its folders.
        let sha256 = hexadecimal(&attachment.sha256);
        let path = STANDARD.encode(match attachment.name.as_str() {
            "" => &sha256,
            name => name,
        });
        let mut request = Request::new(Method::Post, store)
            .with_field("Authorization", &format!("Basic {login}"))?
            .with_field("Content-Type", "application/octet-stream")?
            .with_field("lc-source", &settings.hostname)?
            .with_field("lc-hint", "attachment")?
            .with_field("lc-payload-id", &sha256)?
            .with_field("lc-path", &path)?;
        if let Some(days) = settings.retention_days {
            request = request.with_field("lc-retention-days", &days.to_string())?;
        }
        match label {
            Some(label) => request.with_field("lc-part", label),
            None => Ok(request),
        }
    }
}

fn spool_failed(error: &io::Error) -> DeliveryError {
    let mut reason = "state_dir: an attachment kept aside cannot be read".to_owned();
    let _ = write!(reason, ": {error}");
    DeliveryError::Retry { reason, after: None }
}

#[cfg(test)]
mod tests;
