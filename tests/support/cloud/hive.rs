//! The place in LimaCharlie's cloud where configurations are managed, in this process and in clear on loopback.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Watched;
use super::super::receiver::request::Reader;
use super::super::wire::{Connection, Listener};

/// The only configuration that it knows, and of whom.
pub const GUID: &str = "0a1b2c3d-secret-guid";
pub const OID: &str = "8cbe27f4-bfa1-4afb-ba19-138cd51389cd";

/// It stops when it is dropped.
pub struct Hive {
    listener: Listener,
    state: Arc<Watched<State>>,
}

struct State {
    data: Value,
    version: u32,
    enabled: bool,
    /// Instead of any answer.
    status: Option<u16>,
    /// The form of every request.
    forms: Vec<String>,
    violations: Vec<String>,
}

impl Hive {
    /// With this configuration.
    pub fn start(data: Value) -> Hive {
        let state = Arc::new(Watched::new(State {
            data,
            version: 1,
            enabled: true,
            status: None,
            forms: Vec::new(),
            violations: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let listener = Listener::start(None, move |connection| serve(connection, &shared));
        Hive { listener, state }
    }

    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.listener.port())
    }

    /// Another configuration.
    pub fn change(&self, data: Value) {
        self.state.change(|state| {
            state.data = data;
            state.version += 1;
        });
    }

    pub fn enable(&self, enabled: bool) {
        self.state.change(|state| {
            state.enabled = enabled;
            state.version += 1;
        });
    }

    /// Without another version: who asks with the etag gets no data.
    pub fn enable_in_the_same_version(&self, enabled: bool) {
        self.state.change(|state| state.enabled = enabled);
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.state.look(|state| state.forms.len())
    }

    /// Answers with this status from now on; `None`, as it should.
    pub fn fail(&self, status: Option<u16>) {
        self.state.change(|state| state.status = status);
    }

    /// Waits until so many requests were answered, and gives their forms. None of them was wrong.
    pub fn wait_for(&self, requests: usize) -> Vec<String> {
        let look =
            |state: &State| (state.forms.len() >= requests).then(|| (state.forms.clone(), state.violations.clone()));
        let (forms, violations) = self.state.wait_for("requests for the configuration", look);
        assert_eq!(violations, Vec::<String>::new());
        forms
    }
}

fn serve(connection: &Arc<Connection>, state: &Watched<State>) {
    let mut reader = Reader::new(connection);
    while let Ok(Some(request)) = reader.request() {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let mut violations = request.violations.clone();
        if (request.method.as_str(), request.target.as_str())
            != ("POST", &format!("/v1/hive-public/external_adapter/{OID}"))
        {
            violations.push(format!("{} {}", request.method, request.target));
        }
        let (status, body) = state.change(|state| {
            let etag = format!("v{}", state.version);
            let known = form == format!("guid={GUID}&etag={etag}");
            let asked = known || form == format!("guid={GUID}") || form.starts_with(&format!("guid={GUID}&etag=v"));
            state.forms.push(form.clone());
            state.violations.extend(violations.clone());
            let data = if known { json!({}) } else { state.data.clone() };
            let body = json!({"data": data, "sys_mtd": {"etag": etag}, "usr_mtd": {"enabled": state.enabled}});
            match state.status {
                Some(status) => (status, "{}".to_owned()),
                None if !asked => (403, "{}".to_owned()),
                None => (200, body.to_string()),
            }
        });
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if connection.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    connection.close();
}
