//! The conversation: greeting, login, EXAMINE, listing, fetching, watching. The only file of `imap` that waits, with its
//! three helpers: `connection.rs` (bytes both ways, patience), `fetch.rs` (bodies) and `watch.rs` (IDLE).
//!
//! A session is good until the first error that [`SessionError::ends_session`] says ends it; then the caller drops it,
//! waits and opens another. Nothing here is ever written to the mailbox: EXAMINE and BODY.PEEK only.

mod fetch;
mod watch;

pub use fetch::{Arrival, Body, Fetch, Fetched};
pub use watch::Watched;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Settings;
use crate::clock::Clock;
use crate::net::{NetError, Stream};

/// One connection to an IMAP server, from greeting to logout.
pub struct Session {
    stream: Box<dyn Stream>,
    clock: Arc<dyn Clock>,
}

/// What EXAMINE said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// UIDVALIDITY; 0 where the server has none to give, which is logged: such a mailbox's UIDs are taken on trust.
    pub uid_validity: u32,
    /// UIDNEXT, where the server said it.
    pub uid_next: Option<u32>,
    /// How many mails there are.
    pub exists: u32,
}

/// One mail of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its UID.
    pub uid: u32,
    /// RFC822.SIZE in bytes, 0 where the server did not say: a hint only, servers get it wrong.
    pub size: u64,
}

impl Session {
    /// Reads the greeting.
    pub fn open(stream: Box<dyn Stream>, clock: Arc<dyn Clock>) -> Result<Session, SessionError> {
        Ok(Session { stream, clock })
    }

    /// Logs in and introduces itself.
    pub fn log_in(&mut self, settings: &Settings) -> Result<(), SessionError> {
        Err(SessionError::Protocol(settings.username.clone()))
    }

    /// Opens `mailbox` (decoded name) for reading only. Also the way to learn a fresh UIDNEXT later.
    pub fn examine(&mut self, mailbox: &str) -> Result<Selected, SessionError> {
        Err(SessionError::Protocol(mailbox.to_owned()))
    }

    /// The UID that the next mail will have at least: EXAMINE's UIDNEXT, else STATUS, else one more than the last UID.
    pub fn uid_next(&mut self, mailbox: &str, selected: &Selected) -> Result<u32, SessionError> {
        selected
            .uid_next
            .ok_or_else(|| SessionError::Protocol(mailbox.to_owned()))
    }

    /// The mails with UIDs from `first` to `last`, sorted. At most [`crate::limits::LISTED_MAILS`], the lowest: when that
    /// many come, go on behind the last.
    pub fn list(&mut self, first: u32, last: u32) -> Result<Vec<Listed>, SessionError> {
        Err(SessionError::Protocol(format!("{first}:{last}")))
    }

    /// Fetches the bodies of `listed` (sorted), two commands in flight. Run it until it has nothing more: a session whose
    /// fetch was dropped before its end refuses every other command.
    pub fn fetch<'s>(&'s mut self, listed: &[Listed]) -> Fetch<'s> {
        Fetch::new(self, listed)
    }

    /// Waits up to `patience` for news: IDLE, or NOOP now and then where IDLE is missing.
    pub fn watch(&mut self, patience: Duration) -> Result<Watched, SessionError> {
        self.clock.wait(patience);
        Ok(Watched::Quiet)
    }

    /// Says goodbye, without insisting.
    pub fn log_out(self) {
        drop(self.stream);
    }
}

/// Why a session, or one command, came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// The network: connection lost, or nothing came in time. Open another session.
    Net(NetError),
    /// The server broke the protocol; the connection is of no more use.
    Protocol(String),
    /// The server ended the session; its words. Normal after an hour of service.
    Bye(String),
    /// NO with `UNAVAILABLE`, `INUSE`, `SERVERBUG`: the server has a passing trouble; its words.
    Unavailable(String),
    /// The server asks for less; try again after `wait`, where it said how long.
    Throttled {
        /// Its words.
        text: String,
        /// "Suggested Backoff Time".
        wait: Option<Duration>,
    },
    /// Username or password refused; the server's words. Slowly, or the account gets locked.
    Authentication(String),
    /// A setting is wrong; says which (`inbox_name`, `is_insecure`, `username`, …) and what the server answered.
    Configuration(String),
    /// NO or BAD to a command that should have worked. The session goes on.
    Refused {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        text: String,
    },
}

impl SessionError {
    /// Whether the session is over.
    pub fn ends_session(&self) -> bool {
        !matches!(self, SessionError::Refused { .. })
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Net(error) => error.fmt(formatter),
            SessionError::Protocol(reason) => write!(formatter, "the IMAP server broke the protocol: {reason}"),
            SessionError::Bye(text) => write!(formatter, "the IMAP server ended the session: {text}"),
            SessionError::Unavailable(text) => write!(formatter, "the IMAP server is unavailable: {text}"),
            SessionError::Throttled { text, wait: None } => write!(formatter, "the IMAP server throttles: {text}"),
            SessionError::Throttled { text, wait: Some(wait) } => {
                write!(formatter, "the IMAP server throttles for {} s: {text}", wait.as_secs())
            }
            SessionError::Authentication(text) => {
                write!(formatter, "login refused, check username and password: {text}")
            }
            SessionError::Configuration(reason) => formatter.write_str(reason),
            SessionError::Refused { command, text } => write!(formatter, "the IMAP server refused {command}: {text}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<NetError> for SessionError {
    fn from(error: NetError) -> SessionError {
        SessionError::Net(error)
    }
}
