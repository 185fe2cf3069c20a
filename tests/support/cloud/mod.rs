//! LimaCharlie in this process, as far as a sensor sees it: it takes sensors, keeps what they send, acknowledges it, notes
//! whatever they do against the protocol, and misbehaves on command.

pub mod frames;
pub mod hive;
pub mod organisation;

use std::collections::{HashMap, VecDeque};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha1::Digest as _;

use super::Watched;
use super::certificates::{self, Certificate};
use super::wire::{Connection, Listener};
use frames::{Data, Payload, frame, take_frame};

/// The window that sensors get when they are ready.
pub const WINDOW: u64 = 20;

/// How the cloud is set up.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The window that sensors get.
    pub window: u64,
    /// Bytes of the largest message that is taken. A larger one: the connection is closed with 1009.
    pub largest: Option<usize>,
    /// Messages are counted, and nothing else is made of them: for a bench, which measures the collector.
    pub only_counts: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            window: WINDOW,
            largest: None,
            only_counts: false,
        }
    }
}

/// What the cloud does wrong, or only unusually, with one data message; before it, on a new connection, for the first two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// On a new connection: refuses the sensor.
    RefuseSensor,
    /// On a new connection: closes instead of shaking hands.
    NoHandshake,
    /// On a new connection: answers the handshake with 503.
    Unavailable,
    /// Stores nothing and is gone.
    CutBeforeStoring,
    /// *Stored but not acknowledged*: stores it and is gone.
    CutAfterStoring,
    /// Stores it, acknowledges it, and asks for another connection.
    Reconnect,
    /// Stores it, acknowledges it, and closes with this code.
    Close(u16),
    /// Stores it and says these controls before its acknowledgement.
    Say(Vec<String>),
    /// Stores it, and says nothing any more on this connection.
    Mute,
    /// Stores it and acknowledges it in pieces, with a ping in between.
    Fragmented,
    /// Stores it and sends something that no server may send.
    Violate(Vec<u8>),
}

/// When something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A new connection.
    Connection,
    /// A data message.
    Message,
}

/// A sensor's message, as it was first stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// `sensor_seed_key` of the sensor.
    pub sensor: String,
    pub sequence: u64,
    pub payload: Payload,
    pub time: Option<u64>,
}

/// What the cloud has seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The first message of every connection.
    pub hellos: Vec<Value>,
    /// All messages, repeats included.
    pub stored: usize,
    /// Messages by first arrival, each content once.
    pub messages: Vec<Stored>,
    /// Messages whose content was there already.
    pub duplicates: usize,
    /// The most messages that were in flight at once.
    pub in_flight: u64,
    pub connections: usize,
    pub faults_struck: usize,
    /// Codes of the sensors' closes.
    pub closes: Vec<u16>,
    /// What sensors did wrong.
    pub violations: Vec<String>,
    /// By instance and sequence: which message it was.
    sequences: HashMap<(String, u64), Vec<u8>>,
}

impl Record {
    /// The mails that were sent as they are.
    pub fn mails(&self) -> Vec<Vec<u8>> {
        let mails = self.messages.iter().filter_map(|message| match &message.payload {
            Payload::Mail(mail) => Some(mail.clone()),
            Payload::Event(_) => None,
        });
        mails.collect()
    }
}

/// LimaCharlie; it stops when it is dropped.
pub struct Cloud {
    listener: Listener,
    state: Arc<Watched<State>>,
}

type Whim = Box<dyn FnMut(Occasion) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    settings: Settings,
    next: VecDeque<Fault>,
    /// Chooses the fault of every occasion that has none of these.
    whim: Option<Whim>,
    /// Messages are stored and not acknowledged.
    withholds: bool,
    record: Record,
}

impl Cloud {
    pub fn start() -> Cloud {
        Cloud::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Cloud {
        let state = Arc::new(Watched::new(State {
            settings,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let config = Some(certificates::server_config(Certificate::Good));
        let listener = Listener::start(config, move |connection| {
            shared.change(|state| state.record.connections += 1);
            let mut sensor = Sensor {
                connection,
                state: &shared,
                instance: String::new(),
                seed_key: String::new(),
                compressed: false,
                window: 1,
                in_flight: 0,
                stored: None,
                mute: false,
            };
            // Whatever ends the conversation ends this connection, nothing else.
            let _ = sensor.converse();
            connection.close();
        });
        Cloud { listener, state }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// `wss://localhost:PORT/usp`.
    pub fn url(&self) -> String {
        format!("wss://localhost:{}/usp", self.listener.port())
    }

    /// The next data message, or connection, meets this fault; called again, the one after it.
    pub fn misbehave_once(&self, fault: Fault) {
        self.state.change(|state| state.next.push_back(fault));
    }

    /// Every occasion meets the fault that `whim` chooses for it, if any.
    pub fn misbehave_by(&self, whim: impl FnMut(Occasion) -> Option<Fault> + Send + 'static) {
        self.state.change(|state| state.whim = Some(Box::new(whim)));
    }

    /// From now on messages are stored and not acknowledged, until [`Cloud::acknowledge`].
    pub fn withhold(&self) {
        self.state.change(|state| state.withholds = true);
    }

    /// Acknowledges full windows that were withheld, and what comes.
    pub fn acknowledge(&self) {
        self.state.change(|state| state.withholds = false);
    }

    /// Waits until all that came from clients that are gone is in the record.
    pub fn wait_until_nobody_is_connected(&self) {
        self.listener.wait_for_the_end_of_all();
    }

    pub fn record(&self) -> Record {
        self.state.look(|state| state.record.clone())
    }

    /// Looks at the record without copying it.
    pub fn look<R>(&self, look: impl FnOnce(&Record) -> R) -> R {
        self.state.look(|state| look(&state.record))
    }

    /// Waits until the record is as `wanted`.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Record) -> bool) {
        self.state.wait_for(what, |state| wanted(&state.record).then_some(()));
    }

    /// Waits until `look` finds something in the record, for `patience` at most.
    pub fn wait_at_most<R>(&self, patience: Duration, mut look: impl FnMut(&Record) -> Option<R>) -> Option<R> {
        self.state.wait_at_most(patience, |state| look(&state.record))
    }
}

impl State {
    fn whim(&mut self, occasion: Occasion) -> Option<Fault> {
        let fault = self.whim.as_mut()?(occasion);
        self.record.faults_struck += usize::from(fault.is_some());
        fault
    }
}

/// One connection of a sensor's.
struct Sensor<'c> {
    connection: &'c Arc<Connection>,
    state: &'c Watched<State>,
    instance: String,
    seed_key: String,
    /// Its data messages are gzip members.
    compressed: bool,
    window: u64,
    in_flight: u64,
    /// The last message that is stored and not acknowledged: one acknowledgement is for all that came with it.
    stored: Option<u64>,
    /// It acknowledges nothing any more.
    mute: bool,
}

/// The conversation is over.
struct Over;

impl Sensor<'_> {
    fn converse(&mut self) -> Result<(), Over> {
        let mut stream = Vec::new();
        self.shake_hands(&mut stream)?;
        let mut message = Vec::new();
        loop {
            match take_frame(&mut stream) {
                Ok(None) => {
                    self.acknowledge()?;
                    self.receive(&mut stream)?;
                }
                Ok(Some((9, _, payload))) => self.send(&frame(10, true, &payload))?,
                Ok(Some((10, ..))) => {}
                Ok(Some((8, _, payload))) => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.state.change(|state| state.record.closes.extend(code));
                    self.send(&frame(8, true, &payload))?;
                    return Ok(());
                }
                Ok(Some((_, last, payload))) => {
                    message.extend(payload);
                    if last {
                        let whole = std::mem::take(&mut message);
                        self.take(&whole)?;
                    }
                }
                Err(violation) => return self.violated(violation),
            }
        }
    }

    fn shake_hands(&mut self, stream: &mut Vec<u8>) -> Result<(), Over> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(stream, b"\r\n\r\n") {
                break end + 4;
            }
            self.receive(stream)?;
        };
        let whim = self.state.change(|state| state.whim(Occasion::Connection));
        if self.fault(&Fault::NoHandshake) || whim == Some(Fault::NoHandshake) {
            return Err(Over);
        }
        if self.fault(&Fault::Unavailable) || whim == Some(Fault::Unavailable) {
            self.send(b"HTTP/1.1 503 not now\r\nContent-Length: 0\r\n\r\n")?;
            return Err(Over);
        }
        let head: Vec<u8> = stream.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(key), Some("13"), true) = (
            field("Sec-WebSocket-Key:"),
            field("Sec-WebSocket-Version:"),
            head.starts_with("GET /usp HTTP/1.1\r\n"),
        ) else {
            return self.violated(format!("a handshake of {head}"));
        };
        let proof = sha1::Sha1::new()
            .chain_update(key)
            .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            .finalize();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            STANDARD.encode(proof)
        );
        self.send(answer.as_bytes())
    }

    /// One whole message.
    fn take(&mut self, message: &[u8]) -> Result<(), Over> {
        if self.instance.is_empty() {
            let Ok(hello) = serde_json::from_slice::<Value>(message) else {
                return self.violated("the first message is no JSON".to_owned());
            };
            hello["instance_id"]
                .as_str()
                .unwrap_or("none")
                .clone_into(&mut self.instance);
            hello["sensor_seed_key"]
                .as_str()
                .unwrap_or("none")
                .clone_into(&mut self.seed_key);
            self.compressed = hello["is_compressed"] == true;
            self.state.change(|state| state.record.hellos.push(hello));
            if self.fault(&Fault::RefuseSensor) {
                self.say(r#"{"v":"error","err":"no such key"}"#)?;
                return Err(Over);
            }
            self.window = self.state.look(|state| state.settings.window);
            self.say(&format!(r#"{{"v":"fl","win":{}}}"#, self.window))?;
            return self.say(r#"{"v":"rd"}"#);
        }
        let mut inflated = Vec::new();
        let message = if self.compressed {
            let read = flate2::read::GzDecoder::new(message).read_to_end(&mut inflated);
            if read.is_err() {
                return self.violated("no gzip member".to_owned());
            }
            &inflated
        } else {
            message
        };
        match Data::read(message) {
            Ok(data) => self.data(data, message),
            Err(violation) => self.violated(violation),
        }
    }

    fn data(&mut self, data: Data, message: &[u8]) -> Result<(), Over> {
        let fault = self.state.change(|state| {
            let at = state
                .next
                .iter()
                .position(|fault| !matches!(fault, Fault::RefuseSensor | Fault::NoHandshake | Fault::Unavailable));
            match at.and_then(|at| state.next.remove(at)) {
                None => state.whim(Occasion::Message),
                fault => {
                    state.record.faults_struck += 1;
                    fault
                }
            }
        });
        if self
            .state
            .look(|state| state.settings.largest)
            .is_some_and(|largest| message.len() > largest)
        {
            self.send(&frame(8, true, &1009_u16.to_be_bytes()))?;
            return Err(Over);
        }
        if fault == Some(Fault::CutBeforeStoring) {
            self.connection.cut();
            return Err(Over);
        }
        self.in_flight += 1;
        let (in_flight, window) = (self.in_flight, self.window);
        let (instance, sensor, sequence) = (self.instance.clone(), self.seed_key.clone(), data.sequence);
        self.state.change(|state| {
            let record = &mut state.record;
            record.in_flight = record.in_flight.max(in_flight);
            record.stored += 1;
            if in_flight > window || !data.wants_acknowledgement {
                record
                    .violations
                    .push(format!("{in_flight} in flight with a window of {window}"));
            }
            if state.settings.only_counts {
                return;
            }
            let before = record.sequences.insert((instance, sequence), message.to_vec());
            if before.is_some_and(|before| before != message) {
                record
                    .violations
                    .push(format!("sequence {sequence} was another message before"));
            }
            let known = |stored: &Stored| stored.payload == data.payload && stored.sensor == sensor;
            if record.messages.iter().any(known) {
                record.duplicates += 1;
                return;
            }
            record.messages.push(Stored {
                sensor,
                sequence,
                payload: data.payload,
                time: data.time,
            });
        });
        let acknowledgement = format!(r#"{{"v":"ack","x":{sequence}}}"#);
        self.mute |= fault == Some(Fault::Mute);
        match fault {
            _ if self.mute => return Ok(()),
            Some(Fault::CutAfterStoring) => {
                self.connection.cut();
                return Err(Over);
            }
            Some(Fault::Reconnect) => {
                self.say(&acknowledgement)?;
                self.say(r#"{"v":"re"}"#)?;
            }
            Some(Fault::Close(code)) => {
                self.say(&acknowledgement)?;
                self.send(&frame(8, true, &code.to_be_bytes()))?;
            }
            Some(Fault::Say(controls)) => {
                for control in controls {
                    self.say(&control)?;
                    let control: Value = serde_json::from_str(&control).unwrap_or_default();
                    if control["v"] == "fl" {
                        // What is in flight already may exceed a smaller window.
                        self.window = control["win"].as_u64().unwrap_or_default().max(self.in_flight);
                    }
                }
                self.say(&acknowledgement)?;
            }
            Some(Fault::Fragmented) => {
                let (begin, end) = acknowledgement.as_bytes().split_at(5);
                self.send(&frame(1, false, begin))?;
                self.send(&frame(9, true, b"in between"))?;
                self.send(&frame(0, true, end))?;
            }
            Some(Fault::Violate(bytes)) => self.send(&bytes)?,
            None if self.is_for_later() => {
                self.stored = Some(sequence);
                return Ok(());
            }
            _ => self.say(&acknowledgement)?,
        }
        self.stored = None;
        self.in_flight = 0;
        Ok(())
    }

    /// Whether the message is acknowledged with one behind it. The last one of a window is not, but it waits where
    /// acknowledgements are withheld.
    fn is_for_later(&self) -> bool {
        if self.in_flight < self.window {
            return true;
        }
        self.state
            .wait_for("acknowledgements", |state| (!state.withholds).then_some(()));
        false
    }

    fn acknowledge(&mut self) -> Result<(), Over> {
        if self.state.look(|state| state.withholds) {
            return Ok(());
        }
        let Some(sequence) = self.stored.take() else {
            return Ok(());
        };
        self.in_flight = 0;
        self.say(&format!(r#"{{"v":"ack","x":{sequence}}}"#))
    }

    /// Whether `fault` is the next; it has struck then.
    fn fault(&self, fault: &Fault) -> bool {
        self.state.change(|state| {
            let strikes = state.next.front() == Some(fault);
            if strikes {
                state.next.pop_front();
                state.record.faults_struck += 1;
            }
            strikes
        })
    }

    fn violated(&self, violation: String) -> Result<(), Over> {
        self.state.change(|state| state.record.violations.push(violation));
        Err(Over)
    }

    fn say(&self, control: &str) -> Result<(), Over> {
        self.send(&frame(1, true, control.as_bytes()))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Over> {
        self.connection.write_all(bytes).map_err(|_| Over)
    }

    fn receive(&self, stream: &mut Vec<u8>) -> Result<(), Over> {
        let mut piece = [0; 16 * 1024];
        match self.connection.read(&mut piece) {
            Ok(count) if count > 0 => {
                stream.extend_from_slice(&piece[..count]);
                Ok(())
            }
            _ => Err(Over),
        }
    }
}
