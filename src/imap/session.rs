//! The conversation: greeting, login, EXAMINE, listing, fetching, watching. The only file of `imap` that waits, with its
//! helpers: `connection.rs` (bytes both ways, patience), `start_tls.rs`, `log_in.rs`, `compress.rs`, `select.rs`, `list.rs`,
//! `list_mailboxes.rs`, `recognise.rs`, `count.rs`, `fetch.rs` (bodies), `watch.rs` (IDLE) and `store.rs` (`after_delivery`).
//!
//! A session is good until the first error (after [`SessionError::Refused`] alone it could go on); then the caller drops it,
//! waits and opens another. Nothing here is written to the mailbox but by `store.rs`: EXAMINE and BODY.PEEK only.

#[cfg(test)]
mod bounds;
mod compress;
mod connection;
mod count;
mod fetch;
mod list;
pub mod list_mailboxes;
mod log_in;
mod recognise;
mod select;
mod start_tls;
mod store;
mod watch;

pub use fetch::{Arrival, Body, Fetch, Fetched};
pub use list::Listed;
pub use select::Selected;
pub use store::Carried;
pub use watch::Watched;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::connection::{Connection, Patience, trouble};
use super::command::Command;
use super::pace::Pace;
use super::reader::Event;
use super::response::{Capabilities, Code, Condition, Response, State};
use crate::clock::{Clock, Phase};
use crate::limits;
use crate::net::{NetError, NetErrorKind, Stream};

/// One connection to an IMAP server, from greeting to logout.
pub struct Session {
    connection: Connection,
    /// What the server can do, as far as it said so since the last login.
    capabilities: Option<Capabilities>,
    /// PREAUTH: the connection came logged in.
    logged_in: bool,
    /// Whether IDLE works; until it fails, what CAPABILITY says.
    idles: bool,
    /// How many mails there are, by the last EXISTS.
    exists: u32,
    /// The mailbox changed since the last watch.
    news: bool,
    /// Mails announced by EXISTS and in no listing yet.
    announced: u32,
    /// Commands whose end did not come yet.
    in_flight: usize,
    /// The shortest time that a command took: the way to the server and back, about.
    round_trip: Option<Duration>,
}

impl Session {
    /// Reads the greeting.
    pub fn open(stream: Box<dyn Stream>, clock: Arc<dyn Clock>) -> Result<Session, SessionError> {
        let mut session = Session {
            connection: Connection::new(stream, clock),
            capabilities: None,
            logged_in: false,
            idles: false,
            exists: 0,
            news: false,
            announced: 0,
            in_flight: 0,
            round_trip: None,
        };
        let mut patience = Patience::in_all(Phase::Greeting, limits::IMAP_GREETING);
        let event = session.connection.event(&mut patience)?;
        let Event::Response(Response::Condition(Condition { state, .. })) = event else {
            return Err(SessionError::Protocol("its first line is no IMAP greeting".to_owned()));
        };
        match state {
            State::Ok => {}
            State::PreAuth => session.logged_in = true,
            // BYE is an error already.
            State::No | State::Bad | State::Bye => {
                return Err(SessionError::Unavailable("the greeting is a refusal".to_owned()));
            }
        }
        session.note(&event);
        Ok(session)
    }

    /// Fetches the bodies of `listed` at this pace. Run it until it has nothing more: a session whose fetch was
    /// dropped before its end refuses every other command.
    pub fn fetch<'s>(&'s mut self, listed: &[Listed], pace: Pace) -> Fetch<'s> {
        Fetch::new(self, listed, pace)
    }

    /// Waits up to `patience` for news: IDLE, or NOOP now and then where IDLE is missing.
    /// `meanwhile` is called every [`limits::TEND`], or between two NOOPs.
    pub fn watch(&mut self, patience: Duration, meanwhile: &mut dyn FnMut()) -> Result<Watched, SessionError> {
        self.wait_for_news(patience, meanwhile)
    }

    /// Asks (NOOP) whether mails have come that no listing has seen.
    pub fn has_new_mail(&mut self) -> Result<bool, SessionError> {
        self.ask_for_news()
    }

    /// Whether this is Gmail, which gives 2,500 MB a day.
    pub fn is_gmail(&self) -> bool {
        self.capabilities
            .as_ref()
            .is_some_and(|capabilities| capabilities.has("X-GM-EXT-1"))
    }

    /// Says goodbye, without insisting.
    pub fn log_out(mut self) {
        let patience = Patience::in_all(Phase::Command, limits::IMAP_LOGOUT);
        self.connection.goodbye = None;
        // The session is over either way.
        let _ = self.run(&Command::Logout, patience, |_| {});
    }

    /// `host:port` of the server, for messages.
    pub fn peer(&self) -> &str {
        self.connection.peer()
    }

    /// One command from its first byte to its tagged response; untagged responses go to `take`. A mail's body is skipped.
    fn run(
        &mut self,
        command: &Command,
        mut patience: Patience,
        mut take: impl FnMut(Response),
    ) -> Result<Condition, SessionError> {
        self.expect_in_flight(0)?;
        let tag = self.connection.next_tag();
        let began = self.connection.clock().now();
        let parts = command.parts(&tag);
        let mut parts = parts.expose().iter();
        if let Some(part) = parts.next() {
            self.connection.write(part)?;
        }
        self.in_flight = 1;
        loop {
            match self.connection.event(&mut patience)? {
                Event::Response(Response::Continuation(_)) => {
                    if let Some(part) = parts.next() {
                        self.connection.write(part)?;
                    }
                }
                Event::Response(Response::Tagged { tag: ended, condition }) => {
                    self.end_flight(&tag, &ended)?;
                    self.learn(&condition);
                    let took = self.connection.clock().now().saturating_duration_since(began);
                    self.round_trip = Some(self.round_trip.map_or(took, |shortest| shortest.min(took)));
                    return Ok(condition);
                }
                event => {
                    self.note(&event);
                    if let Event::Response(response) = event {
                        take(response);
                    }
                }
            }
        }
    }

    /// Writes a command of one part without waiting for anything.
    fn send(&mut self, command: &Command) -> Result<String, SessionError> {
        let tag = self.connection.next_tag();
        for part in command.parts(&tag).expose() {
            self.connection.write(part)?;
        }
        self.in_flight = self.in_flight.saturating_add(1);
        Ok(tag)
    }

    /// A fetch that was dropped before its end leaves commands behind whose answers nobody reads any more.
    fn expect_in_flight(&self, commands: usize) -> Result<(), SessionError> {
        if self.in_flight == commands {
            return Ok(());
        }
        Err(SessionError::Protocol(
            "the last fetch was left before its end".to_owned(),
        ))
    }

    /// The tagged response to the only command in flight. Another tag means that we lost each other.
    fn end_flight(&mut self, tag: &str, ended: &str) -> Result<(), SessionError> {
        if tag != ended {
            return Err(unknown_tag(ended));
        }
        self.in_flight = 0;
        Ok(())
    }

    /// What a server may say at any time.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Response(Response::Exists(exists)) => {
                // Only a new number is news: some servers repeat the old one at every occasion.
                self.news |= *exists != self.exists;
                self.announced = self.announced.saturating_add(exists.saturating_sub(self.exists));
                self.exists = *exists;
            }
            Event::Response(Response::Expunge) => {
                self.news = true;
                self.exists = self.exists.saturating_sub(1);
            }
            Event::Response(Response::Capability(capabilities)) => self.capabilities = Some(capabilities.clone()),
            Event::Response(Response::Condition(condition)) => self.learn(condition),
            _ => {}
        }
    }

    fn learn(&mut self, condition: &Condition) {
        if let Some(Code::Capability(capabilities)) = &condition.code {
            self.capabilities = Some(capabilities.clone());
        }
    }
}

fn quick(phase: Phase) -> Patience {
    Patience::new(phase, limits::IMAP_COMMAND)
}

fn slow() -> Patience {
    Patience::new(Phase::Command, limits::IMAP_SLOW_COMMAND)
}

fn unknown_tag(tag: &str) -> SessionError {
    SessionError::Protocol(format!("an answer to no command of ours: {tag}"))
}

fn refusal(command: &Command, condition: &Condition) -> SessionError {
    trouble(condition).unwrap_or_else(|| SessionError::Refused {
        command: command.name(),
        text: condition.to_string(),
    })
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
    /// The access token of `oauth` refused; the server's words. Worth one try with another one, then slowly.
    Token(String),
    /// A setting is wrong; says which (`inbox_name`, `is_insecure`, `username`, …) and what the server answered.
    Configuration(String),
    /// The mailbox is not there; names the setting, and the server's words.
    NoSuchMailbox(String),
    /// NO or BAD to a command that should have worked. The session goes on.
    Refused {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        text: String,
    },
}

impl fmt::Display for SessionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // With `is_insecure` on a port that speaks TLS, both sides wait for the other's first word.
            SessionError::Net(error)
                if error.phase == Phase::Greeting && matches!(error.kind, NetErrorKind::TimedOut(_)) =>
            {
                write!(formatter, "{error}; check the port of `server`, and `is_insecure`")
            }
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
            SessionError::Token(text) => {
                write!(
                    formatter,
                    "login refused, check username, oauth.scope, and what the provider allows oauth.client_id: {text}"
                )
            }
            SessionError::Configuration(reason) | SessionError::NoSuchMailbox(reason) => formatter.write_str(reason),
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

#[cfg(test)]
mod tests {
    use super::SessionError;
    use crate::clock::Phase;
    use crate::limits;
    use crate::net::{NetError, NetErrorKind};

    #[test]
    fn a_greeting_that_never_comes_names_the_settings_that_may_be_wrong() {
        let silence = |phase| {
            SessionError::Net(NetError {
                peer: "h:993".to_owned(),
                phase,
                kind: NetErrorKind::TimedOut(limits::IMAP_GREETING),
            })
            .to_string()
        };
        assert_eq!(
            silence(Phase::Greeting),
            "h:993: IMAP greeting: nothing for 30 s; check the port of `server`, and `is_insecure`"
        );
        assert_eq!(silence(Phase::Command), "h:993: IMAP command: nothing for 30 s");
    }
}
