//! The network of a test: servers that follow a script, and a clock that only they move.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Deadline, Phase};
use crate::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};

/// What the server does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads one whole request.
    Request,
    /// Reads this many bytes, and from then on nothing.
    Take(usize),
    /// Sends.
    Say(String),
    /// Lets time pass.
    Wait(Duration),
    /// Closes in an orderly way.
    Close,
    /// Is gone, without TLS's goodbye.
    Cut,
    /// Resets the connection: what was said before can still be read, what is written fails.
    Reset,
    /// Neither reads nor writes any more.
    Stuck,
}

/// `Step::Say`.
pub(crate) fn say(text: &str) -> Step {
    Step::Say(text.to_owned())
}

/// Time that stands still until a script lets it pass.
pub(crate) struct ScriptClock {
    now: Mutex<Instant>,
    start: Instant,
}

impl ScriptClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    /// How much time has passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now() - self.start
    }
}

impl Clock for ScriptClock {
    fn now(&self) -> Instant {
        *self.now.lock().unwrap()
    }

    fn unix_milliseconds(&self) -> i64 {
        // 1994-11-06T08:49:37Z
        784_111_777_000 + i64::try_from(self.elapsed().as_millis()).expect("short")
    }

    fn wait(&self, duration: Duration) {
        self.advance(duration);
    }

    fn stopping(&self) -> bool {
        false
    }
}

/// Whole requests, each with the number of its connection from 1.
pub(crate) type Requests = Vec<(usize, Vec<u8>)>;

/// A network in which every connection meets the next script.
pub(crate) struct Network {
    pub(crate) clock: Arc<ScriptClock>,
    scripts: Mutex<VecDeque<Result<Vec<Step>, NetErrorKind>>>,
    requests: Arc<Mutex<Requests>>,
    dialled: Mutex<Vec<String>>,
}

impl Network {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Vec<Step>>) -> Arc<Network> {
        Network::with_failures(scripts.into_iter().map(Ok))
    }

    pub(crate) fn with_failures(scripts: impl IntoIterator<Item = Result<Vec<Step>, NetErrorKind>>) -> Arc<Network> {
        let start = Instant::now();
        Arc::new(Network {
            clock: Arc::new(ScriptClock {
                now: Mutex::new(start),
                start,
            }),
            scripts: Mutex::new(scripts.into_iter().collect()),
            requests: Arc::default(),
            dialled: Mutex::default(),
        })
    }

    /// Every whole request.
    pub(crate) fn requests(&self) -> Requests {
        self.requests.lock().unwrap().clone()
    }

    /// Whom every connection was for.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().clone()
    }
}

impl Dial for Network {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        let mut dialled = self.dialled.lock().unwrap();
        dialled.push(endpoint.to_string());
        let script = self
            .scripts
            .lock()
            .unwrap()
            .pop_front()
            .expect("one connection too many");
        let steps = script.map_err(|kind| NetError {
            peer: endpoint.to_string(),
            phase: Phase::Connect,
            kind,
        })?;
        Ok(Box::new(ScriptStream {
            steps: steps.into(),
            number: dialled.len(),
            taken: Vec::new(),
            peer: endpoint.to_string(),
            clock: Arc::clone(&self.clock),
            requests: Arc::clone(&self.requests),
        }))
    }
}

struct ScriptStream {
    steps: VecDeque<Step>,
    number: usize,
    /// The request that is being read.
    taken: Vec<u8>,
    peer: String,
    clock: Arc<ScriptClock>,
    requests: Arc<Mutex<Requests>>,
}

impl ScriptStream {
    fn error(&self, phase: Phase, kind: NetErrorKind) -> NetError {
        NetError {
            peer: self.peer.clone(),
            phase,
            kind,
        }
    }

    /// Nothing happens until the deadline.
    fn time_out(&self, deadline: Deadline) -> NetError {
        let left = deadline.remaining(self.clock.now()).unwrap_or_default();
        self.clock.advance(left);
        self.error(deadline.phase, NetErrorKind::TimedOut(deadline.after))
    }

    fn reset(&self, phase: Phase) -> NetError {
        self.error(phase, NetErrorKind::Io("connection reset".to_owned()))
    }

    /// What `bytes` leave over once the request is whole.
    fn take_request<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (count, &byte) in bytes.iter().enumerate() {
            self.taken.push(byte);
            if is_whole(&self.taken) {
                self.steps.pop_front();
                let request = (self.number, std::mem::take(&mut self.taken));
                self.requests.lock().unwrap().push(request);
                return &bytes[count + 1..];
            }
        }
        &[]
    }
}

impl Stream for ScriptStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        loop {
            let Some(left) = deadline.remaining(self.clock.now()) else {
                return Err(self.time_out(deadline));
            };
            match self.steps.front_mut() {
                Some(Step::Wait(wait)) if *wait < left => {
                    self.clock.advance(*wait);
                    self.steps.pop_front();
                }
                Some(Step::Wait(wait)) => {
                    *wait -= left;
                    return Err(self.time_out(deadline));
                }
                Some(Step::Cut) => return Err(self.error(deadline.phase, NetErrorKind::Closed)),
                Some(Step::Reset) => return Err(self.reset(deadline.phase)),
                _ => {
                    return match self.read_ready(buffer)? {
                        Some(count) => Ok(count),
                        None => Err(self.time_out(deadline)),
                    };
                }
            }
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        match self.steps.front_mut() {
            Some(Step::Say(text)) => {
                let count = text.len().min(buffer.len());
                buffer[..count].copy_from_slice(&text.as_bytes()[..count]);
                text.drain(..count);
                if text.is_empty() {
                    self.steps.pop_front();
                }
                Ok(Some(count))
            }
            Some(Step::Close) => Ok(Some(0)),
            Some(Step::Cut) => Err(self.error(Phase::Write, NetErrorKind::Closed)),
            Some(Step::Reset) => Err(self.reset(Phase::Write)),
            _ => Ok(None),
        }
    }

    fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        while !bytes.is_empty() {
            match self.steps.front_mut() {
                Some(Step::Request) => bytes = self.take_request(bytes),
                Some(Step::Take(left)) => {
                    let count = bytes.len().min(*left);
                    *left -= count;
                    if *left == 0 {
                        self.steps.pop_front();
                    }
                    bytes = &bytes[count..];
                }
                _ => {
                    let ahead = self
                        .steps
                        .iter()
                        .find(|step| matches!(step, Step::Reset | Step::Stuck | Step::Request));
                    return match ahead {
                        Some(Step::Reset) => Err(self.reset(deadline.phase)),
                        Some(Step::Stuck) => Err(self.time_out(deadline)),
                        // The kernel takes it; nobody reads it.
                        _ => Ok(()),
                    };
                }
            }
        }
        Ok(())
    }

    fn peer(&self) -> &str {
        &self.peer
    }
}

/// Whether a request's head and as much body as its Content-Length says are there.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = memchr::memmem::find(request, b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |digits| digits.parse().expect("digits"));
    request.len() == head + 4 + length
}

/// The files of `testdata/fuzz/TARGET`.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/fuzz")
        .join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = files
        .map(|file| std::fs::read(file.expect("entry").path()).expect("file"))
        .collect();
    assert!(!seeds.is_empty(), "{}", folder.display());
    seeds
}
