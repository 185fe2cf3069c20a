//! A TCP socket whose every call has a deadline: on the operation, not on the system call.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{NetError, NetErrorKind, Stream};
use crate::clock::{Clock, Deadline, Phase, Stop, StopGuard};

/// How much later than its deadline a call may notice it. Setting the kernel's timeout costs a system call, and reads
/// come by the thousand with deadlines that differ by microseconds.
const TOLERANCE: Duration = Duration::from_millis(50);

/// A connected socket. As a [`Stream`] it is the connection in clear; `tls.rs` builds on the same calls.
pub(super) struct Socket {
    // Shared with the waker of `stop`, so that waking costs no second file descriptor.
    tcp: Arc<TcpStream>,
    peer: String,
    clock: Arc<dyn Clock>,
    stop: Option<(Arc<Stop>, StopGuard)>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl Socket {
    /// Takes a connected socket. When `stop` is asked, a read that waits on it ends with [`NetErrorKind::Stopped`];
    /// writing stays possible, so that a session can still say goodbye.
    pub(super) fn new(socket: TcpStream, peer: String, clock: Arc<dyn Clock>, stop: Option<&Arc<Stop>>) -> Socket {
        let tcp = Arc::new(socket);
        let stop = stop.map(|stop| {
            let waker = Arc::clone(&tcp);
            let guard = stop.on_stop(move || {
                // A socket that is already closed needs no waking.
                let _ = waker.shutdown(Shutdown::Read);
            });
            (Arc::clone(stop), guard)
        });
        Socket {
            tcp,
            peer,
            clock,
            stop,
            read_timeout: None,
            write_timeout: None,
        }
    }

    fn error(&self, phase: Phase, kind: NetErrorKind) -> NetError {
        NetError {
            peer: self.peer.clone(),
            phase,
            kind,
        }
    }

    fn remaining(&self, deadline: Deadline) -> Result<Duration, NetError> {
        deadline
            .remaining(self.clock.now())
            .ok_or_else(|| self.error(deadline.phase, NetErrorKind::TimedOut(deadline.after)))
    }

    fn failed(&self, phase: Phase, error: &io::Error) -> NetError {
        self.error(phase, NetErrorKind::Io(error.to_string()))
    }

    /// The end of the stream: our own stop, or the peer's.
    fn ended(&self, phase: Phase) -> Result<usize, NetError> {
        match &self.stop {
            Some((stop, _)) if stop.asked() => Err(self.error(phase, NetErrorKind::Stopped)),
            _ => Ok(0),
        }
    }
}

impl Stream for Socket {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        loop {
            let remaining = self.remaining(deadline)?;
            if !serves(self.read_timeout, remaining) {
                self.tcp
                    .set_read_timeout(Some(remaining))
                    .map_err(|error| self.failed(deadline.phase, &error))?;
                self.read_timeout = Some(remaining);
            }
            match (&*self.tcp).read(buffer) {
                Ok(0) => return self.ended(deadline.phase),
                Ok(count) => return Ok(count),
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(self.failed(deadline.phase, &error)),
            }
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        let failed = |error: io::Error| self.failed(Phase::Write, &error);
        self.tcp.set_nonblocking(true).map_err(failed)?;
        let result = (&*self.tcp).read(buffer);
        self.tcp.set_nonblocking(false).map_err(failed)?;
        match result {
            Ok(0) => self.ended(Phase::Write).map(Some),
            Ok(count) => Ok(Some(count)),
            Err(error) if is_wait(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        while !bytes.is_empty() {
            let count = self.write_some(&[IoSlice::new(bytes)], deadline)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_some(&mut self, pieces: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, NetError> {
        loop {
            let remaining = self.remaining(deadline)?;
            if !serves(self.write_timeout, remaining) {
                self.tcp
                    .set_write_timeout(Some(remaining))
                    .map_err(|error| self.failed(deadline.phase, &error))?;
                self.write_timeout = Some(remaining);
            }
            match (&*self.tcp).write_vectored(pieces) {
                Ok(0) => return Err(self.error(deadline.phase, NetErrorKind::Closed)),
                Ok(count) => return Ok(count),
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(self.failed(deadline.phase, &error)),
            }
        }
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        // Nobody waits for it, so nobody hears whether it left.
        if self.tcp.set_nonblocking(true).is_ok() {
            let _ = (&*self.tcp).write(bytes);
            let _ = self.tcp.set_nonblocking(false);
        }
    }

    fn peer(&self) -> &str {
        &self.peer
    }
}

/// Whether the timeout already set on the socket is good enough for `remaining`: not notably later, and not so early
/// that the call would wake for nothing again and again.
fn serves(set: Option<Duration>, remaining: Duration) -> bool {
    set.is_some_and(|set| set <= remaining.saturating_add(TOLERANCE) && set.saturating_mul(2) >= remaining)
}

fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
