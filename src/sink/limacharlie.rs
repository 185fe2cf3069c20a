//! Events to LimaCharlie by its own protocol: messages over a WebSocket, acknowledged by the cloud, a window of them in
//! flight. `limacharlie/message.rs` has the bytes, `limacharlie/window.rs` the order; this file waits.

pub mod discovery;
pub mod message;
mod msgpack;
pub mod window;

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::discovery::Discovery;
use self::message::{Control, Sensor};
use self::window::{Broken, Step, Window};
use super::gzip::Gzip;
use super::{Batch, DeliveryError, Flow, Reached, Sink};
use crate::backoff::{self, Backoff};
use crate::clock::Clock;
use crate::dead_letter::Content;
use crate::event::encode;
use crate::event::raw::Collected;
use crate::http::url::Url;
use crate::net::Dial;
use crate::secret::Spellings;
use crate::websocket::connection::{Connection, MessageKind, Random, WebSocketError};
use crate::websocket::handshake::HandshakeError;
use crate::websocket::message::Event;
use crate::{limits, log};

/// Where LimaCharlie is and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who we are.
    pub sensor: Sensor,
    /// Where to connect.
    pub destination: Destination,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// LimaCharlie is asked where the organisation is, at every connection.
    Discover {
        /// What is asked; see [`discovery::address`].
        address: Url,
    },
    /// `client_options.dest_url`.
    Fixed(Url),
}

/// One sensor: one connection, kept.
pub struct LimaCharlie {
    settings: Settings,
    /// The same across reconnects: the cloud tells by it that sequences go on.
    instance: String,
    discovery: Discovery,
    connection: Option<Connection>,
    /// Where messages are compressed.
    gzip: Option<Gzip>,
    window: Window,
    /// How much the cloud may still say on this connection that goes to the log.
    reports_left: u32,
    /// The cloud has asked for another connection.
    called_back: bool,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    random: Random,
}

impl LimaCharlie {
    /// Contacts nobody yet.
    pub fn new(settings: Settings, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>, random: Random) -> LimaCharlie {
        let mut instance = [0; 16];
        // Without randomness no connection can be made either; that error is told then.
        let _ = random(&mut instance);
        LimaCharlie {
            gzip: settings.sensor.compressed.then(Gzip::default),
            settings,
            instance: message::uuid(instance),
            discovery: Discovery,
            connection: None,
            window: Window::default(),
            reports_left: 0,
            called_back: false,
            dial,
            clock,
            random,
        }
    }
}

impl Sink for LimaCharlie {
    /// The mail itself where that is wanted, else its event: `event`, with `routing` in it, because the cloud makes a
    /// `routing` of its own.
    fn encode(&self, mail: &Collected, output: &mut Vec<u8>) {
        let time = mail.event.routing.event_time;
        if let Some(raw) = &mail.raw {
            message::push_mail(raw, time, output);
        } else {
            let mut line = Vec::new();
            encode::encode(&mail.event, &mut line);
            message::push_event(&object(&line), time, output);
        }
    }

    fn letter<'e>(&self, encoded: &'e [u8]) -> Content<'e> {
        Content::Message(encoded.into())
    }

    fn encode_letter(&self, content: &Content<'_>, output: &mut Vec<u8>) -> bool {
        match content {
            Content::Message(message) => output.extend_from_slice(message),
            Content::Event(event) => {
                let event = object(event);
                if !event.is_object() {
                    return false;
                }
                let time = event.pointer("/routing/event_time").and_then(Value::as_i64);
                message::push_event(&event, time.unwrap_or_default(), output);
            }
        }
        true
    }

    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        self.go_on(batch, Wait::UntilAll)?;
        self.window.pass();
        Ok(())
    }

    fn flow(&mut self) -> Option<&mut dyn Flow> {
        Some(self)
    }

    fn backoff(&self) -> Backoff {
        backoff::SENSOR
    }

    /// Asks the directory and opens a WebSocket, but does not say who we are: that would be a sensor that comes and goes.
    fn reach(&mut self) -> Result<Option<Reached>, DeliveryError> {
        let (url, connection) = self.open()?;
        connection.close(1000);
        Ok(Some(Reached {
            peer: url.endpoint.to_string(),
            works: "the WebSocket",
            untried: "the sensor: LimaCharlie may refuse client_options.identity",
        }))
    }

    fn tend(&mut self) -> Result<(), DeliveryError> {
        if let Some(gzip) = &mut self.gzip {
            gzip.rest();
        }
        self.window.pass();
        let mut tended = self.stay_connected();
        if std::mem::take(&mut self.called_back) {
            self.connection = None;
            tended = self.stay_connected();
        }
        if tended.is_err() {
            self.connection = None;
        }
        tended
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close(1000);
        }
    }
}

impl Flow for LimaCharlie {
    fn send_ahead(&mut self, queue: &Batch) -> Result<(), DeliveryError> {
        self.go_on(queue, Wait::Never)
    }

    fn send_and_wait(&mut self, queue: &Batch, patience: Duration) -> Result<(), DeliveryError> {
        let now = self.clock.now();
        self.go_on(queue, Wait::UntilSome(now.checked_add(patience).unwrap_or(now)))
    }

    fn acknowledged(&self) -> usize {
        usize::try_from(self.window.acknowledged()).unwrap_or(usize::MAX)
    }
}

/// How long to listen when nothing more can be sent.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// Not at all: only to what has come.
    Never,
    /// For another acknowledgement, but not longer than this.
    UntilSome(Instant),
    /// For the last acknowledgement.
    UntilAll,
}

impl LimaCharlie {
    fn go_on(&mut self, queue: &Batch, wait: Wait) -> Result<(), DeliveryError> {
        let count = u64::try_from(queue.count()).unwrap_or(u64::MAX);
        self.window.queue(queue.first(), count);
        let mut outcome = self.converse(queue, wait);
        // "Reconnect now", and not later. A cloud that says so again is waited for, as in any other trouble.
        if std::mem::take(&mut self.called_back) {
            self.connection = None;
            outcome = self.converse(queue, wait);
            self.called_back = false;
        }
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    /// Sends and listens, as long as `wait` says.
    fn converse(&mut self, queue: &Batch, wait: Wait) -> Result<(), DeliveryError> {
        if self.connection.is_none() {
            self.connect()?;
        }
        let before = self.window.acknowledged();
        let mut heard_at_once: u32 = 0;
        loop {
            let now = self.clock.now();
            let step = self.window.next(now).map_err(|broken| self.broken(&broken))?;
            let got_on = self.window.acknowledged() > before;
            let Some(connection) = &mut self.connection else {
                return Err(self.retry("not connected"));
            };
            let mut last = false;
            let heard = match step {
                Step::Done => return Ok(()),
                Step::Send { place, sequence } => {
                    let event = usize::try_from(place).ok().and_then(|place| queue.event(place));
                    let (fields, payload) = event.and_then(<[u8]>::split_first).unwrap_or((&0, &[]));
                    let head = message::head(*fields, sequence);
                    let member = self.gzip.as_mut().map(|gzip| gzip.member(&[&head, payload]));
                    let (head, payload) = match &member {
                        None => (head.as_slice(), payload),
                        Some(Ok(member)) => (&[][..], *member),
                        Some(Err(error)) => return Err(self.retry(&error.to_string())),
                    };
                    match connection.send(head, payload, MessageKind::Binary) {
                        Ok(true) => connection.receive_ready(),
                        Ok(false) => Ok(None),
                        Err(error) => Err(error),
                    }
                }
                Step::Ping => connection.ping().and_then(|()| connection.receive_ready()),
                Step::Listen(patience) => {
                    let patience = match wait {
                        Wait::UntilAll => patience,
                        Wait::UntilSome(until) if !got_on => patience.min(until.saturating_duration_since(now)),
                        Wait::UntilSome(_) | Wait::Never => Duration::ZERO,
                    };
                    if patience.is_zero() {
                        // A cloud that never stops talking is heard to its end at another time.
                        heard_at_once = heard_at_once.saturating_add(1);
                        last = heard_at_once > limits::USP_HEARD_AT_ONCE;
                        connection.flush().and_then(|()| connection.receive_ready())
                    } else {
                        connection.receive(patience)
                    }
                    .inspect(|heard| last |= patience.is_zero() && heard.is_none())
                }
            };
            let heard = heard.map_err(|error| last_words(connection, error));
            let heard = heard.map_err(|error| self.ended(&error))?;
            self.take(heard)?;
            if last {
                return Ok(());
            }
        }
    }

    /// What is due while there is nothing to deliver: pings, and what the cloud said.
    fn stay_connected(&mut self) -> Result<(), DeliveryError> {
        if self.connection.is_none() {
            return self.connect();
        }
        // What has come is heard before it is missed; a cloud that never stops talking is heard to its end at another time.
        for _ in 0..limits::USP_HEARD_AT_ONCE {
            let Some(connection) = &mut self.connection else { break };
            let heard = connection.receive_ready().map_err(|error| self.failed(&error))?;
            if heard.is_none() {
                break;
            }
            self.take(heard)?;
        }
        let step = self.window.next(self.clock.now());
        let step = step.map_err(|broken| self.broken(&broken))?;
        match &mut self.connection {
            Some(connection) if step == Step::Ping => connection.ping().map_err(|error| self.failed(&error)),
            _ => Ok(()),
        }
    }

    /// Asks where the cloud is and connects.
    fn open(&mut self) -> Result<(Url, Connection), DeliveryError> {
        let url = match &self.settings.destination {
            Destination::Fixed(url) => url.clone(),
            Destination::Discover { address } => self.discovery.find(address, &*self.dial, &*self.clock)?,
        };
        let opened = Connection::open(
            &url,
            limits::USP_CONTROL,
            &*self.dial,
            Arc::clone(&self.clock),
            self.random,
        );
        let connection = opened.map_err(|error| self.refused(&error))?;
        Ok((url, connection))
    }

    /// Connects, says who we are, and waits until the cloud is ready.
    fn connect(&mut self) -> Result<(), DeliveryError> {
        let (_, mut connection) = self.open()?;
        let hello = self.settings.sensor.hello(&self.instance);
        let said = connection.send(&[], &hello, MessageKind::Text);
        said.map_err(|error| self.failed(&error))?;
        self.window.connected(self.clock.now());
        self.reports_left = limits::USP_REPORTS;
        let ready = self.clock.deadline(crate::clock::Phase::Message, limits::USP_READY);
        while let Some(left) = ready.remaining(self.clock.now()) {
            let Some(event) = connection.receive(left).map_err(|error| self.failed(&error))? else {
                break;
            };
            match event {
                Event::Text(text) => match Control::parse(&text) {
                    Control::Ready => {
                        self.connection = Some(connection);
                        return Ok(());
                    }
                    Control::Error(words) => {
                        return Err(DeliveryError::Configuration {
                            reason: format!(
                                "LimaCharlie refuses the sensor, check client_options.identity: {}",
                                self.told(&words)
                            ),
                        });
                    }
                    control => {
                        let heard = self.window.heard(&control, self.clock.now());
                        heard.map_err(|broken| self.broken(&broken))?;
                    }
                },
                Event::Pong(_) => self.window.pong(),
                _ => {}
            }
        }
        Err(self.retry(&format!("not ready after {} s", limits::USP_READY.as_secs())))
    }

    /// One message of the cloud's.
    fn take(&mut self, event: Option<Event>) -> Result<(), DeliveryError> {
        match event {
            Some(Event::Text(text)) => {
                let control = Control::parse(&text);
                if let Control::Error(words) | Control::Unknown(words) = &control {
                    self.report(&control, words);
                }
                let heard = self.window.heard(&control, self.clock.now());
                self.called_back = heard == Err(Broken::Reconnect);
                heard.map_err(|broken| self.broken(&broken))
            }
            Some(Event::Pong(_)) => {
                self.window.pong();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A line for the log, unless there were enough on this connection.
    fn report(&mut self, control: &Control, words: &str) {
        let Some(left) = self.reports_left.checked_sub(1) else {
            return;
        };
        self.reports_left = left;
        let words = self.told(words);
        if matches!(control, Control::Error(_)) {
            log::warn("LimaCharlie reports an error", &[("it_says", &words)]);
        } else {
            log::warn("LimaCharlie says what is not known", &[("verb", &words)]);
        }
        if left == 0 {
            log::warn("LimaCharlie says more, which is not told", &[]);
        }
    }

    fn broken(&self, broken: &Broken) -> DeliveryError {
        self.retry(&broken.to_string())
    }

    /// A connection that ended with messages in flight. Code 1009 says that one of them is larger than the cloud takes (RFC
    /// 6455 section 7.4.1), which no other attempt changes; every other code is for another attempt.
    fn ended(&self, error: &WebSocketError) -> DeliveryError {
        let WebSocketError::Closed { code: Some(1009), .. } = error else {
            return self.failed(error);
        };
        DeliveryError::Reject {
            reason: self.without_secrets(&format!("LimaCharlie takes no message that large: {error}")),
        }
    }

    fn failed(&self, error: &WebSocketError) -> DeliveryError {
        match error {
            WebSocketError::Net(cause) if cause.is_configuration() => DeliveryError::Configuration {
                reason: format!("LimaCharlie: {error}"),
            },
            _ => self.retry(&error.to_string()),
        }
    }

    fn retry(&self, reason: &str) -> DeliveryError {
        DeliveryError::Retry {
            reason: format!("LimaCharlie: {}", self.without_secrets(reason)),
            after: None,
        }
    }

    /// What did not become a WebSocket. A status says, as for a webhook, whether to wait or to look at the settings.
    fn refused(&self, error: &WebSocketError) -> DeliveryError {
        let WebSocketError::Handshake {
            error: cause, response, ..
        } = error
        else {
            return self.failed(error);
        };
        match cause {
            HandshakeError::Status(407) => DeliveryError::Configuration {
                reason: format!("LimaCharlie: {error}; a proxy stands between and wants a login"),
            },
            HandshakeError::Status(408 | 425 | 429 | 500..) => DeliveryError::Retry {
                reason: format!("LimaCharlie: {error}"),
                after: response.retry_after(self.clock.unix_milliseconds()),
            },
            _ => DeliveryError::Configuration {
                reason: format!("LimaCharlie: {error}; check client_options.dest_url, and what stands between"),
            },
        }
    }

    /// The cloud's words for the log. The key goes before they are cut: a part of it would not be found.
    fn told(&self, words: &str) -> String {
        message::shown(&self.without_secrets(words))
    }

    /// The key must not come back in words of the cloud's, however they spell it.
    fn without_secrets(&self, words: &str) -> String {
        let key = self.settings.sensor.installation_key.expose();
        Spellings::of(iter::once(key)).hide(words.as_bytes())
    }
}

impl fmt::Debug for LimaCharlie {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LimaCharlie")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A cloud that closes says why; the reason may have come before the connection failed under what was still to be sent.
fn last_words(connection: &mut Connection, error: WebSocketError) -> WebSocketError {
    for _ in 0..limits::USP_HEARD_AT_ONCE {
        match connection.receive_ready() {
            Ok(Some(_)) => {}
            Err(closed @ WebSocketError::Closed { .. }) => return closed,
            Ok(None) | Err(_) => break,
        }
    }
    error
}

/// The event, given as a line of JSON, as one object.
fn object(line: &[u8]) -> Value {
    let mut whole: Value = serde_json::from_slice(line).unwrap_or_default();
    let routing = whole.get_mut("routing").map(Value::take).unwrap_or_default();
    let mut object = whole.get_mut("event").map(Value::take).unwrap_or_default();
    if let Value::Object(entries) = &mut object {
        entries.insert("routing".to_owned(), routing);
    }
    object
}

#[cfg(test)]
mod tests;
