//! An HTTPS webhook receiver in this process. It stores each event once by its id, counts the repeats, notes whatever
//! the client does against RFC 9112, and misbehaves on command.
//!
//! `request.rs` reads requests strictly; this file decides what happens to them.

pub mod request;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Watched;
use super::certificates::{self, Certificate};
use super::wire::{Connection, Listener};
use request::{Reader, Request};

pub const SECRET: &str = "a-receiver-secret";

/// How the receiver is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// TLS with this certificate; `None` is clear text.
    pub certificate: Option<Certificate>,
    /// Events are counted, and nothing else is made of them: for a bench, which measures the collector.
    pub only_counts: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            certificate: Some(Certificate::Good),
            only_counts: false,
        }
    }
}

/// What the receiver does wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Stores nothing and answers with this status.
    Status {
        code: u16,
        retry_after: Option<&'static str>,
    },
    /// Stores nothing of a request with this mail's event, and answers with this status; others are served well.
    Refuses { uid: u64, code: u16 },
    /// Answers as Elasticsearch's `_bulk` does: each event has its own status, those of these mails the one that is said, and 409
    /// what is stored already. Stores those with 201.
    Each { others: Vec<(u64, u16)> },
    /// As [`Fault::Each`], and the connection ends after so many bytes of the answer, whose length nobody said.
    EachCut { others: Vec<(u64, u16)>, after: usize },
    /// Stores nothing, answers nothing, keeps the connection open.
    NoAnswer,
    /// Stores nothing and closes without an answer.
    CloseBeforeStoring,
    /// *Stored but did not answer*: stores everything and closes without an answer.
    CloseAfterStoring,
    /// Stores everything and closes in the middle of the answer.
    HalfAnswer,
    /// Stores everything; from when `stored` events are there, the answer waits until [`Receiver::heal`] is called.
    Slow { stored: usize },
    /// Stores everything; the answer comes a byte at a time.
    Drip,
}

/// An event, as it was first stored.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: String,
    pub uid_validity: u64,
    pub uid: u64,
    /// The whole event.
    pub event: Value,
    pub received: Instant,
}

impl Stored {
    /// The first value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.event["event"]["headers"][name][0].as_str().unwrap_or_default()
    }
}

/// As `routing.sha256` has it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the receiver has seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Events by first arrival, each id once.
    pub events: Vec<Stored>,
    /// Lines of all stored requests, repeats included.
    pub lines: usize,
    /// Events that came again, with the same id and the same content.
    pub duplicates: usize,
    /// Requests read to their end, refused ones included.
    pub requests: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    pub connections: usize,
    /// How often each fault struck.
    pub faults_struck: usize,
    /// What was wrong with requests or events.
    pub violations: Vec<String>,
    by_id: HashMap<String, [u64; 2]>,
    by_mail: HashMap<(String, u64, u64), String>,
}

impl Record {
    /// UIDs, in order of arrival.
    pub fn uids(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.uid).collect()
    }
}

/// The receiver; it stops when it is dropped.
pub struct Receiver {
    listener: Listener,
    state: Arc<Watched<State>>,
    scheme: &'static str,
}

type Whim = Box<dyn FnMut() -> Option<Fault> + Send>;

struct State {
    settings: Settings,
    secret: String,
    /// Faults of the next requests, one each.
    next: VecDeque<Fault>,
    /// The fault of every request after them.
    always: Option<Fault>,
    /// Chooses the fault of every request that has none of these.
    whim: Option<Whim>,
    heals: usize,
    record: Record,
}

impl Receiver {
    /// An HTTPS receiver with a good certificate.
    pub fn start() -> Receiver {
        Receiver::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Receiver {
        let config = settings.certificate.map(certificates::server_config);
        let scheme = if config.is_some() { "https" } else { "http" };
        let state = Arc::new(Watched::new(State {
            settings,
            secret: SECRET.to_owned(),
            next: VecDeque::new(),
            always: None,
            whim: None,
            heals: 0,
            record: Record::default(),
        }));
        let shared = Arc::clone(&state);
        let listener = Listener::start(config, move |connection| serve(connection, &shared));
        Receiver {
            listener,
            state,
            scheme,
        }
    }

    /// `https://localhost:PORT/hook/mail`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}{PATH}", self.scheme, self.listener.port())
    }

    /// The next request meets this fault; called again, the one after it.
    pub fn misbehave_once(&self, fault: Fault) {
        self.state.change(|state| state.next.push_back(fault));
    }

    /// Every request meets this fault.
    pub fn misbehave(&self, fault: Fault) {
        self.state.change(|state| state.always = Some(fault));
    }

    /// Every request meets the fault that `whim` chooses for it, if any.
    pub fn misbehave_by(&self, whim: impl FnMut() -> Option<Fault> + Send + 'static) {
        self.state.change(|state| state.whim = Some(Box::new(whim)));
    }

    /// No fault any more.
    pub fn heal(&self) {
        self.state.change(|state| {
            state.next.clear();
            state.always = None;
            state.whim = None;
            state.heals += 1;
        });
    }

    /// The `lc-secret` that is accepted from now on; at first [`SECRET`].
    pub fn set_secret(&self, secret: &str) {
        self.state.change(|state| secret.clone_into(&mut state.secret));
    }

    /// Ends every connection without a word.
    pub fn cut_connections(&self) {
        self.listener.cut_all();
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
        self.wait_for(what, |record| wanted(record).then_some(()));
    }

    /// Waits until `look` finds something in the record, for `patience` at most.
    pub fn wait_at_most<R>(&self, patience: Duration, mut look: impl FnMut(&Record) -> Option<R>) -> Option<R> {
        self.state.wait_at_most(patience, |state| look(&state.record))
    }

    /// Waits until `look` finds something in the record.
    pub fn wait_for<R>(&self, what: &str, mut look: impl FnMut(&Record) -> Option<R>) -> R {
        self.state.wait_for(what, |state| look(&state.record))
    }
}

const PATH: &str = "/hook/mail";

fn serve(connection: &Arc<Connection>, state: &Watched<State>) {
    state.change(|state| state.record.connections += 1);
    let mut reader = Reader::new(connection);
    // A client that goes away ends the connection, nothing else.
    while let Ok(Some(request)) = reader.request() {
        if !answer(connection, state, &request) {
            break;
        }
    }
    connection.close();
}

/// Stores and answers as it should, or as the fault of the moment says; false when the connection is to end.
fn answer(connection: &Connection, state: &Watched<State>, request: &Request) -> bool {
    let events = match request.header("content-encoding") {
        None => Cow::Borrowed(&request.body),
        Some(_) => Cow::Owned(inflated(&request.body)),
    };
    let (fault, status, heals, items) = state.change(|state| {
        let record = &mut state.record;
        record.requests += 1;
        record.bytes += request.body.len();
        record.violations.extend(request.violations.iter().cloned());
        let fault = state.next.pop_front().or_else(|| state.always.clone());
        let fault = fault.or_else(|| state.whim.as_mut().and_then(|whim| whim()));
        let fault = match fault {
            Some(Fault::Refuses { uid, code }) => has_event_of(&events, uid).then_some(Fault::Status {
                code,
                retry_after: None,
            }),
            fault => fault,
        };
        record.faults_struck += usize::from(fault.is_some());
        let status = if request.method != "POST" {
            405
        } else if request.target != PATH {
            404
        } else if request.header("lc-secret") != Some(&state.secret) {
            401
        } else {
            200
        };
        let stores = !matches!(
            fault,
            Some(
                Fault::Status { .. }
                    | Fault::Each { .. }
                    | Fault::EachCut { .. }
                    | Fault::NoAnswer
                    | Fault::CloseBeforeStoring
            )
        );
        if stores && status == 200 {
            store(state, &events);
        }
        let items = match &fault {
            Some(Fault::Each { others } | Fault::EachCut { others, .. }) => store_each(state, &events, others),
            _ => String::new(),
        };
        (fault, status, state.heals, items)
    });
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let sent = match fault {
        None | Some(Fault::Refuses { .. }) if status == 200 => connection.write_all(good.as_bytes()),
        None | Some(Fault::Refuses { .. }) => connection.write_all(refusal(status, None).as_bytes()),
        Some(Fault::Status { code, retry_after }) => connection.write_all(refusal(code, retry_after).as_bytes()),
        Some(Fault::Each { .. }) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", items.len());
            connection.write_all([head.as_bytes(), items.as_bytes()].concat().as_slice())
        }
        Some(Fault::EachCut { after, .. }) => {
            let _ = connection.write_all(
                [b"HTTP/1.1 200 OK\r\n\r\n", &items.as_bytes()[..after]]
                    .concat()
                    .as_slice(),
            );
            connection.close();
            return false;
        }
        Some(Fault::NoAnswer) => {
            let mut rest = [0; 512];
            while connection.read(&mut rest).is_ok_and(|length| length > 0) {}
            return false;
        }
        Some(Fault::CloseBeforeStoring | Fault::CloseAfterStoring) => {
            connection.cut();
            return false;
        }
        Some(Fault::HalfAnswer) => {
            let _ = connection.write_all(&good.as_bytes()[..good.len() / 2]);
            connection.cut();
            return false;
        }
        Some(Fault::Slow { stored }) => {
            state.wait_for("the receiver is healed", |state| {
                (state.record.events.len() < stored || state.heals > heals).then_some(())
            });
            connection.write_all(good.as_bytes())
        }
        Some(Fault::Drip) => good.bytes().try_for_each(|byte| connection.write_all(&[byte])),
    };
    sent.is_ok()
}

/// What is in one gzip member.
fn inflated(member: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(member).read_to_end(&mut bytes).unwrap();
    bytes
}

fn has_event_of(body: &[u8], uid: u64) -> bool {
    body.split(|byte| *byte == b'\n').any(|line| {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        event["routing"]["uid"] == uid
    })
}

fn refusal(code: u16, retry_after: Option<&str>) -> String {
    let retry_after = retry_after.map_or_else(String::new, |value| format!("Retry-After: {value}\r\n"));
    format!("HTTP/1.1 {code} no\r\n{retry_after}Content-Length: 9\r\n\r\nnot today")
}

/// Stores the events whose mails have no other status, and gives the answer of `_bulk`.
fn store_each(state: &mut State, body: &[u8], others: &[(u64, u16)]) -> String {
    let mut items = Vec::new();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        let other = others.iter().find(|(uid, _)| event["routing"]["uid"] == *uid);
        let duplicates = state.record.duplicates;
        let status = other.map_or(201, |(_, status)| *status);
        if status == 201 {
            store(state, line);
        }
        let status = if state.record.duplicates > duplicates {
            409
        } else {
            status
        };
        items.push(serde_json::json!({"create": {"status": status}}));
    }
    let errors = items.iter().any(|item| item["create"]["status"] != 201);
    serde_json::json!({"errors": errors, "items": items}).to_string()
}

/// Newline-separated JSON, every line one event.
fn store(state: &mut State, body: &[u8]) {
    let record = &mut state.record;
    record.lines += memchr::memchr_iter(b'\n', body).count();
    if state.settings.only_counts {
        return;
    }
    if body.is_empty() || !body.ends_with(b"\n") {
        record
            .violations
            .push("the body is not made of lines that end with LF".to_owned());
    }
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            record
                .violations
                .push(format!("not JSON: {}", String::from_utf8_lossy(line)));
            continue;
        };
        let routing = &event["routing"];
        let (Some(id), Some(uid), Some(uid_validity)) = (
            routing["event_id"].as_str().map(str::to_owned),
            routing["uid"].as_u64(),
            routing["uidvalidity"].as_u64(),
        ) else {
            record
                .violations
                .push(format!("no event_id, uid or uidvalidity: {routing}"));
            continue;
        };
        let content = fingerprint(line);
        if let Some(before) = record.by_id.get(&id) {
            record.duplicates += 1;
            if *before != content {
                record
                    .violations
                    .push(format!("uid {uid} came again with the same id and other content"));
            }
            continue;
        }
        let mailbox = routing["mailbox"].to_string();
        let mail = (mailbox, uid_validity, uid);
        if record.by_mail.insert(mail, id.clone()).is_some() {
            record.violations.push(format!("uid {uid} came again with another id"));
        }
        record.by_id.insert(id.clone(), content);
        record.events.push(Stored {
            id,
            uid_validity,
            uid,
            event,
            received: Instant::now(),
        });
    }
}

/// Enough of a hash to see that a repeat is the same event.
fn fingerprint(line: &[u8]) -> [u64; 2] {
    let digest = Sha256::digest(line);
    let part = |from: usize| u64::from_be_bytes(digest[from..from + 8].try_into().unwrap());
    [part(0), part(8)]
}
