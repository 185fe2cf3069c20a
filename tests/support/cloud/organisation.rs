//! An organisation in LimaCharlie's cloud, as far as its own directory and its artifact store go: the directory tells where
//! everything is, the store takes attachments whole or in parts, checks them, and refuses on command.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::Watched;
use super::super::certificates::{self, Certificate};
use super::super::collector::Configuration;
use super::super::folder::Folder;
use super::super::proxy::Proxy;
use super::super::receiver::request::{Reader, Request};
use super::super::receiver::sha256;
use super::super::wire::{Connection, Listener};

pub const OID: &str = "8cbe27f4-bfa1-4afb-ba19-138cd51389cd";

/// The store's key.
pub const INGEST_KEY: &str = "canary-ingest-key";

/// The most that one request may bring.
const PART: usize = 1 << 20;

/// An attachment that is there, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub path: String,
    pub content: Vec<u8>,
    pub retention_days: Option<String>,
    /// In how many requests it came.
    pub parts: usize,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// By SHA-256, in hexadecimal.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Questions to the directory.
    pub asked: usize,
    /// Requests to the store.
    pub requests: usize,
    /// Attachments that came again, whole.
    pub again: usize,
    pub violations: Vec<String>,
}

/// Directory and store; they stop when it is dropped.
pub struct Organisation {
    directory: Listener,
    store: Listener,
    state: Arc<Watched<State>>,
}

#[derive(Default)]
struct State {
    /// The store answers with it, and takes nothing.
    status: Option<u16>,
    /// Parts of what is not whole yet.
    parts: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    record: Record,
}

impl Organisation {
    /// One whose sensors connect to this port of this machine. The directory shows `certificate`.
    pub fn start(sensors: u16, certificate: Certificate) -> Organisation {
        let state = Arc::new(Watched::new(State::default()));
        let config = |certificate| Some(certificates::server_config(certificate));
        let shared = Arc::clone(&state);
        let store = Listener::start(config(Certificate::Good), move |connection| {
            serve(connection, |request| ingest(&shared, request));
        });
        let shared = Arc::clone(&state);
        let hosts = json!({
            "url": {
                "lc": "lc.invalid",
                "lc_wss": format!("localhost:{sensors}"),
                "edr": "edr.invalid",
                "artifacts": format!("localhost:{}", store.port()),
                "logs": "logs.invalid",
                "hooks": "hooks.invalid",
                "private_endpoints": {"lc": ["10.0.0.1"]},
            },
            "certs": {},
            "site_name": "test",
        });
        let directory = Listener::start(config(certificate), move |connection| {
            serve(connection, |request| {
                let right = (request.method.as_str(), request.target.as_str())
                    == ("GET", format!("/v1/orgs/{OID}/url").as_str())
                    && request.header("authorization").is_none();
                shared.change(|state| {
                    state.record.asked += 1;
                    state.record.violations.extend(request.violations.clone());
                    if !right {
                        let wrong = format!("to the directory: {} {}", request.method, request.target);
                        state.record.violations.push(wrong);
                    }
                });
                (200, hosts.to_string())
            });
        });
        Organisation {
            directory,
            store,
            state,
        }
    }

    /// Lets attachments go to the store, as long as the proxy lives that knows where the directory is.
    #[must_use]
    pub fn configure(&self, configuration: &mut Configuration, folder: &Folder) -> Proxy {
        let proxy = Proxy::start(None, None, vec![("api.limacharlie.io", self.port())]);
        configuration.ca_file = folder.write("ca.pem", certificates::with_directory());
        let way = format!("proxy: {{url: 'http://localhost:{}'}}", proxy.port());
        configuration.more_options.push(way);
        configuration.more.push(format!("attachment_ingest_key: {INGEST_KEY}"));
        proxy
    }

    /// Of the directory.
    pub fn port(&self) -> u16 {
        self.directory.port()
    }

    /// The store answers with this status from now on; `None`, as it should.
    pub fn fail(&self, status: Option<u16>) {
        self.state.change(|state| state.status = status);
    }

    /// Ends every connection to the store.
    pub fn cut_connections(&self) {
        self.store.cut_all();
    }

    /// Waits until all that came from programs that are gone is in the record.
    pub fn wait_until_nobody_is_connected(&self) {
        self.store.wait_for_the_end_of_all();
    }

    pub fn record(&self) -> Record {
        self.look(Clone::clone)
    }

    /// Looks at the record without copying it.
    pub fn look<R>(&self, look: impl FnOnce(&Record) -> R) -> R {
        self.state.look(|state| look(&state.record))
    }

    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Record) -> bool) {
        self.state.wait_for(what, |state| wanted(&state.record).then_some(()));
    }
}

fn serve(connection: &Arc<Connection>, mut answer: impl FnMut(&Request) -> (u16, String)) {
    let mut reader = Reader::new(connection);
    while let Ok(Some(request)) = reader.request() {
        let (status, body) = answer(&request);
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if connection.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    connection.close();
}

fn ingest(state: &Watched<State>, request: &Request) -> (u16, String) {
    let field = |name: &str| request.header(name).cloned().unwrap_or_default();
    let login = STANDARD.encode(format!("{OID}:{INGEST_KEY}"));
    let path = STANDARD.decode(field("lc-path")).ok();
    let path = path.and_then(|path| String::from_utf8(path).ok()).unwrap_or_default();
    let id = field("lc-payload-id");
    let mut wrong = request.violations.clone();
    let mut expect = |right: bool, what: &str| {
        if !right {
            wrong.push(format!("to the store: {what}"));
        }
    };
    expect(
        (request.method.as_str(), request.target.as_str()) == ("POST", "/ingest"),
        "the target",
    );
    expect(field("authorization") == format!("Basic {login}"), "Authorization");
    expect(field("content-type") == "application/octet-stream", "Content-Type");
    expect(field("lc-source") == "collector", "lc-source");
    expect(field("lc-hint") == "attachment", "lc-hint");
    expect(!path.is_empty() && !path.contains('/'), "lc-path");
    expect(request.body.len() <= PART, "more than 1 MiB");
    state.change(|state| {
        state.record.requests += 1;
        state.record.violations.extend(wrong);
        if let Some(status) = state.status {
            return (status, "not now".to_owned());
        }
        let part = request.header("lc-part").map(String::as_str);
        let parts = match part {
            None => BTreeMap::from([(0, request.body.clone())]),
            Some("done") => {
                let mut parts = state.parts.remove(&id).unwrap_or_default();
                parts.insert(parts.len(), request.body.clone());
                parts
            }
            Some(number) => {
                let parts = state.parts.entry(id).or_default();
                parts.insert(number.parse().unwrap_or(usize::MAX), request.body.clone());
                return (200, "{}".to_owned());
            }
        };
        let in_order = parts.keys().copied().eq(0..parts.len());
        let content: Vec<u8> = parts.values().flatten().copied().collect();
        if !in_order || sha256(&content) != id {
            state
                .record
                .violations
                .push(format!("{id} is not what came under this name"));
        }
        let artifact = Artifact {
            path,
            content,
            retention_days: request.header("lc-retention-days").cloned(),
            parts: parts.len(),
        };
        state.record.again += usize::from(state.record.artifacts.insert(id, artifact).is_some());
        (200, "{}".to_owned())
    })
}
