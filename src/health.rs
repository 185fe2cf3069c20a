//! `healthcheck`: `/healthz` and `/metrics` for whoever watches the watcher.
//!
//! Read `verdict.rs` for what makes it red, `report.rs` for what `/healthz` says, `exposition.rs` for `/metrics`;
//! `request.rs` and `answer.rs` are the two ends of a conversation, and only this file waits.
//!
//! Whoever reaches the port may be hostile. A connection serves one request and is closed. There are so many connections at
//! a time, and one more ends the oldest: a client that only holds its connection open keeps nobody else out.

mod answer;
pub mod exposition;
pub mod report;
pub mod request;
pub mod verdict;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use report::Report;
use request::{Reader, Refusal};

use crate::clock::{Clock, Phase};
use crate::metrics::{Moment, Registry};
use crate::net::{NetError, NetErrorKind, Stream, accepted};
use crate::{limits, log};

/// What is told to whoever asks.
pub struct Health {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    started: Moment,
}

impl Health {
    /// About the mailboxes of `registry`; the process begins now.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Arc<Health> {
        let started = Moment::now(&*clock);
        Arc::new(Health {
            registry,
            clock,
            started,
        })
    }

    /// Listens on `address`, and answers on threads of its own until the process ends. Gives the address, with the port
    /// that the system chose where it was 0.
    pub fn listen(self: &Arc<Self>, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let health = Arc::clone(self);
        thread::Builder::new()
            .name("health".to_owned())
            .spawn(move || health.accept(&listener))?;
        Ok(address)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        let mut connections = VecDeque::new();
        loop {
            let begun = listener.accept().and_then(|(socket, peer)| {
                connections.retain(|connection: &Connection| !connection.thread.is_finished());
                while connections.len() >= limits::HEALTH_CONNECTIONS {
                    connections.pop_front().into_iter().for_each(Connection::end);
                }
                self.begin(socket, peer)
            });
            match begun {
                Ok(connection) => connections.push_back(connection),
                // No more files, or threads: others need them as well.
                Err(error) => {
                    if self.clock.stopping() {
                        return;
                    }
                    log::warn("healthcheck: connection not accepted", &[("reason", &error)]);
                    self.clock.wait(limits::HEALTH_NOT_ACCEPTED);
                }
            }
        }
    }

    fn begin(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) -> io::Result<Connection> {
        let (ours, theirs) = (socket.try_clone()?, socket.try_clone()?);
        let stream = accepted(socket, peer.to_string(), Arc::clone(&self.clock));
        let health = Arc::clone(self);
        let converse = move || {
            // Whoever does not listen to the answer has gone, and nobody else is concerned.
            let _ = health.converse(stream, &theirs);
            // Whoever might have to end it still holds it.
            let _ = theirs.shutdown(Shutdown::Both);
        };
        let thread = thread::Builder::new().name("health".to_owned()).spawn(converse)?;
        Ok(Connection { socket: ours, thread })
    }

    /// One request, one answer, and the end.
    fn converse(&self, mut stream: Box<dyn Stream>, socket: &TcpStream) -> Result<(), NetError> {
        let deadline = self.clock.deadline(Phase::Request, limits::HEALTH_REQUEST);
        let mut reader = Reader::default();
        let mut bytes = [0; 1024];
        let request = loop {
            match stream.read(&mut bytes, deadline) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    if let Some(request) = reader.feed(bytes.get(..count).unwrap_or_default()) {
                        break request;
                    }
                }
                Err(error) if matches!(error.kind, NetErrorKind::TimedOut(_)) => break Err(Refusal::Slow),
                Err(error) => return Err(error),
            }
        };
        if let Err(refusal) = &request {
            log::debug("healthcheck: refused", &[("peer", &stream.peer()), ("reason", refusal)]);
        }
        let answer = answer::answer(&request, || self.report());
        let deadline = self.clock.deadline(Phase::Write, limits::HEALTH_ANSWER);
        stream.write_all(&answer, deadline)?;
        // To close with bytes unread would reset the connection, and could take the answer with it (RFC 9112 section 9.6).
        let _ = socket.shutdown(Shutdown::Write);
        let deadline = self.clock.deadline(Phase::Request, limits::HEALTH_LINGER);
        while stream.read(&mut bytes, deadline)? > 0 {}
        Ok(())
    }

    fn report(&self) -> Report {
        Report::new(
            self.registry.entries(),
            self.registry.timeouts.all(),
            self.started,
            resident_memory(),
            self.clock.now(),
        )
    }
}

/// Somebody who asks.
struct Connection {
    socket: TcpStream,
    thread: JoinHandle<()>,
}

impl Connection {
    /// Another one needs its place.
    fn end(self) {
        // One that is closed already needs no end.
        let _ = self.socket.shutdown(Shutdown::Both);
        // It returns from whatever it waited for. Its panic would be told on standard error.
        let _ = self.thread.join();
    }
}

/// `VmRSS` of proc(5), in bytes.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests;
