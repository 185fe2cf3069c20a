//! Time as an argument: [`Clock`] says what time it is and waits; a [`Deadline`] bounds one phase of a conversation.
//!
//! Nothing else in the crate asks the system for the time, so a test can let an hour pass in one line.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Monotonic time, for deadlines.
    fn now(&self) -> Instant;

    /// Wall-clock time in milliseconds since 1970, for events and logs.
    fn unix_milliseconds(&self) -> i64;

    /// Waits for `duration`, or less when the program is asked to stop.
    fn wait(&self, duration: Duration);

    /// Whether the program has been asked to stop.
    fn stopping(&self) -> bool;

    /// A deadline `after` from now for `phase`.
    fn deadline(&self, phase: Phase, after: Duration) -> Deadline {
        let now = self.now();
        Deadline {
            phase,
            at: now.checked_add(after).unwrap_or(now),
            after,
        }
    }
}

/// One phase of a conversation. Errors name it, so that an operator knows where it stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking the host name up.
    Resolve,
    /// TCP connection, over all addresses.
    Connect,
    /// A proxy's answer to CONNECT.
    Proxy,
    /// TLS handshake.
    Tls,
    /// Sending.
    Write,
    /// IMAP: the server's greeting.
    Greeting,
    /// IMAP: logging in.
    Login,
    /// IMAP: the answer to a command.
    Command,
    /// IMAP: the next bytes of a mail.
    Literal,
    /// IMAP: waiting for news.
    Idle,
    /// HTTP: the first byte of the response.
    FirstByte,
    /// HTTP: the rest of the response.
    Response,
    /// WebSocket: the next message. HTTP: a response that others are not kept waiting for.
    Message,
    /// HTTP, to us: a request.
    Request,
}

impl Phase {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Phase; 14] = [
        Phase::Resolve,
        Phase::Connect,
        Phase::Proxy,
        Phase::Tls,
        Phase::Write,
        Phase::Greeting,
        Phase::Login,
        Phase::Command,
        Phase::Literal,
        Phase::Idle,
        Phase::FirstByte,
        Phase::Response,
        Phase::Message,
        Phase::Request,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Phase::Resolve => "name resolution",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS handshake",
            Phase::Write => "write",
            Phase::Greeting => "IMAP greeting",
            Phase::Login => "IMAP login",
            Phase::Command => "IMAP command",
            Phase::Literal => "IMAP mail body",
            Phase::Idle => "IMAP idle",
            Phase::FirstByte => "HTTP first byte",
            Phase::Response => "HTTP response",
            Phase::Message => "WebSocket",
            Phase::Request => "HTTP request",
        })
    }
}

/// The instant at which a phase has taken too long.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// What is bounded.
    pub phase: Phase,
    /// When it is over.
    pub at: Instant,
    /// How long it was given, for the error message.
    pub after: Duration,
}

impl Deadline {
    /// What is left at `now`; `None` when it has passed.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// This one, or the end of the whole if that comes first; what is done then is the same.
    #[must_use]
    pub fn within(self, whole: Deadline) -> Deadline {
        let first = if whole.at < self.at { whole } else { self };
        Deadline {
            phase: self.phase,
            ..first
        }
    }
}

/// The request to stop: set once, never withdrawn. Waits end, and what was registered is woken.
#[derive(Default)]
pub struct Stop {
    state: Mutex<StopState>,
    asked: Condvar,
}

#[derive(Default)]
struct StopState {
    stopping: bool,
    next_id: u64,
    wakers: Vec<(u64, Box<dyn Fn() + Send>)>,
}

impl Stop {
    /// Not yet asked.
    pub fn new() -> Arc<Stop> {
        Arc::new(Stop::default())
    }

    /// Asks everything to stop.
    pub fn ask(&self) {
        let mut state = self.lock();
        state.stopping = true;
        for (_, wake) in &state.wakers {
            wake();
        }
        self.asked.notify_all();
    }

    /// Whether it was asked.
    pub fn asked(&self) -> bool {
        self.lock().stopping
    }

    /// Calls `wake` when a stop is asked (at once if it was), for as long as the returned guard lives: this is how a
    /// thread that blocks in a read is freed, by shutting its socket down.
    pub fn on_stop(self: &Arc<Self>, wake: impl Fn() + Send + 'static) -> StopGuard {
        let mut state = self.lock();
        if state.stopping {
            wake();
        }
        let id = state.next_id;
        state.next_id = state.next_id.wrapping_add(1);
        state.wakers.push((id, Box::new(wake)));
        StopGuard {
            stop: Arc::clone(self),
            id,
        }
    }

    /// Waits up to `duration`; returns early when a stop is asked.
    pub fn wait(&self, duration: Duration) {
        let state = self.lock();
        drop(self.asked.wait_timeout_while(state, duration, |state| !state.stopping));
    }

    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a waker registered; see [`Stop::on_stop`].
pub struct StopGuard {
    stop: Arc<Stop>,
    id: u64,
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.stop.lock().wakers.retain(|(id, _)| *id != self.id);
    }
}

/// The system's clock; its waits end when `stop` is asked.
pub struct SystemClock {
    stop: Arc<Stop>,
}

impl SystemClock {
    /// A clock whose waits `stop` cuts short.
    pub fn new(stop: Arc<Stop>) -> SystemClock {
        SystemClock { stop }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_milliseconds(&self) -> i64 {
        system_unix_milliseconds()
    }

    fn wait(&self, duration: Duration) {
        self.stop.wait(duration);
    }

    fn stopping(&self) -> bool {
        self.stop.asked()
    }
}

/// Milliseconds since 1970 by the system's clock; 0 for a clock set before 1970.
pub fn system_unix_milliseconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
