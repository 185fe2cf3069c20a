//! The artifact store and the directory that tells where it is: HTTP, as far as an upload needs it, and what goes wrong.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use mailtap::clock::{Deadline, Phase};
use mailtap::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};
use sha2::{Digest as _, Sha256};

use super::world::{Fault, Process, World};

const HOSTS: &str = r#"{"url":{"artifacts":"store.example"}}"#;

pub struct Store(pub Arc<World>);

impl Dial for Store {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        let mut truth = self.0.truth();
        truth.step();
        if truth.process == Process::Killed || truth.goes_wrong(Fault::StoreNotThere) {
            return Err(error(Phase::Connect, NetErrorKind::Io("connection refused".to_owned())));
        }
        Ok(Box::new(Connection {
            world: Arc::clone(&self.0),
            is_directory: endpoint.host == "api.limacharlie.io",
            request: Vec::new(),
            output: VecDeque::new(),
        }))
    }
}

struct Connection {
    world: Arc<World>,
    is_directory: bool,
    /// What came of a request.
    request: Vec<u8>,
    output: VecDeque<u8>,
}

impl Stream for Connection {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let mut truth = self.world.truth();
        truth.step();
        if truth.process == Process::Killed || self.output.is_empty() {
            return Err(error(deadline.phase, NetErrorKind::Closed));
        }
        let length = buffer.len().min(self.output.len());
        for byte in &mut buffer[..length] {
            *byte = self.output.pop_front().expect("more");
        }
        Ok(length)
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        let world = Arc::clone(&self.world);
        let mut truth = world.truth();
        truth.step();
        if truth.process == Process::Killed {
            return Err(error(deadline.phase, NetErrorKind::Closed));
        }
        self.request.extend_from_slice(bytes);
        let Some(head) = self.request.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(());
        };
        let text = String::from_utf8(self.request[..head].to_vec()).expect("a head in ASCII");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let length = field("Content-Length:").map_or(0, |length| length.parse().expect("a length"));
        let body = &self.request[head + 4..];
        if body.len() < length {
            return Ok(());
        }
        assert_eq!(body.len(), length, "one request at a time");
        if self.is_directory {
            self.request.clear();
            self.answer("200 OK", HOSTS);
            return Ok(());
        }
        let digest: [u8; 32] = Sha256::digest(body).into();
        let name = digest.iter().fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        });
        assert_eq!(field("lc-payload-id:"), Some(name), "an artifact's name is its hash");
        self.request.clear();
        if truth.goes_wrong(Fault::StoreTakesNothing) {
            self.answer("503 Service Unavailable", "");
        } else if !truth.goes_wrong(Fault::StoreAnswerLost) {
            truth.artifacts.insert(digest);
            self.answer("200 OK", "");
        }
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "store.example:443"
    }
}

impl Connection {
    fn answer(&mut self, status: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.output.extend(answer.bytes());
    }
}

fn error(phase: Phase, kind: NetErrorKind) -> NetError {
    NetError {
        peer: "store.example:443".to_owned(),
        phase,
        kind,
    }
}
