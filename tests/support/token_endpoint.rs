//! An OAuth token endpoint in this process, on loopback, in clear or in TLS. It answers as it is told, and keeps what it was asked.

use std::sync::Arc;

use super::Watched;
use super::certificates::{self, Certificate};
use super::receiver::request::Reader;
use super::wire::{Connection, Listener};

/// The endpoint; it stops when it is dropped.
pub struct TokenEndpoint {
    listener: Listener,
    scheme: &'static str,
    state: Arc<Watched<State>>,
}

struct State {
    /// Status and body. The last one is given again and again.
    answers: Vec<(u16, String)>,
    forms: Vec<String>,
}

impl TokenEndpoint {
    pub fn start(answers: &[(u16, &str)]) -> TokenEndpoint {
        TokenEndpoint::with(None, answers)
    }

    /// In TLS, with this certificate.
    pub fn secure(certificate: Certificate, answers: &[(u16, &str)]) -> TokenEndpoint {
        TokenEndpoint::with(Some(certificate), answers)
    }

    fn with(certificate: Option<Certificate>, answers: &[(u16, &str)]) -> TokenEndpoint {
        let state = Arc::new(Watched::new(State {
            answers: answers
                .iter()
                .map(|(status, body)| (*status, (*body).to_owned()))
                .collect(),
            forms: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let config = certificate.map(certificates::server_config);
        let scheme = if config.is_some() { "https" } else { "http" };
        let listener = Listener::start(config, move |connection| serve(connection, &shared));
        TokenEndpoint {
            listener,
            scheme,
            state,
        }
    }

    pub fn url(&self) -> String {
        format!("{}://localhost:{}/token", self.scheme, self.listener.port())
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The forms of all requests.
    pub fn forms(&self) -> Vec<String> {
        self.state.look(|state| state.forms.clone())
    }
}

fn serve(connection: &Arc<Connection>, state: &Watched<State>) {
    let mut reader = Reader::new(connection);
    while let Ok(Some(request)) = reader.request() {
        let wrong = !request.violations.is_empty() || request.method != "POST" || request.target != "/token";
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let (status, body) = state.change(|state| {
            let answer = state.answers[state.forms.len().min(state.answers.len() - 1)].clone();
            state.forms.push(form);
            if wrong { (500, "{}".to_owned()) } else { answer }
        });
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if connection.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    connection.close();
}
