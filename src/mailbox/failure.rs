//! What can end a session, and the one table of what follows.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::checkpoint::CheckpointError;
use crate::http::exchange::ExchangeError;
use crate::imap::session::SessionError;
use crate::net::{NetError, NetErrorKind};
use crate::oauth::TokenError;

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection.
    Dial(NetError),
    /// The IMAP conversation.
    Session(SessionError),
    /// No access token to log in with.
    Token(TokenError),
    /// The server refused some mails; everything else is delivered.
    Refused {
        /// How many.
        mails: usize,
        /// One of them.
        uid: u32,
        /// The server's words.
        text: String,
    },
    /// The checkpoint could not be read.
    Checkpoint(CheckpointError),
    /// An attachment could not be kept aside in the state directory.
    Spool(String),
    /// `--once`, and trying again has not helped, or cannot.
    GivenUp(String),
    /// The system has no thread to give.
    Thread(io::Error),
    /// Nothing failed: the account's other mailboxes have waited long enough for the connection.
    OthersWait,
    /// The program was asked to stop.
    Stopping,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Another session, after a delay by `backoff` of not less than `at_least`.
    Again { backoff: Backoff, at_least: Duration },
    /// The end.
    Stop,
}

/// The table. Whatever is not a wish to stop is tried again: a mailbox never gives up.
pub(crate) fn remedy(failure: &Failure) -> Remedy {
    let again = |backoff| Remedy::Again {
        backoff,
        at_least: Duration::ZERO,
    };
    match failure {
        Failure::GivenUp(_) | Failure::OthersWait | Failure::Stopping => Remedy::Stop,
        Failure::Dial(error)
        | Failure::Session(SessionError::Net(error))
        | Failure::Token(TokenError::Exchange(ExchangeError::Net(error))) => match error.kind {
            NetErrorKind::Stopped => Remedy::Stop,
            // A certificate that is not trusted, or a port that does not speak TLS, is somebody's setting.
            // So is a proxy that refuses.
            NetErrorKind::Tls(_) | NetErrorKind::Proxy(_) => again(backoff::CONFIGURATION),
            NetErrorKind::NotFound(_) | NetErrorKind::TimedOut(_) | NetErrorKind::Closed | NetErrorKind::Io(_) => {
                again(backoff::NETWORK)
            }
        },
        Failure::Session(error) => match error {
            SessionError::Throttled { wait, .. } => Remedy::Again {
                backoff: backoff::THROTTLE,
                at_least: wait.unwrap_or_default(),
            },
            SessionError::Authentication(_) | SessionError::Token(_) => again(backoff::AUTHENTICATION),
            SessionError::Configuration(_) | SessionError::NoSuchMailbox(_) => again(backoff::CONFIGURATION),
            SessionError::Net(_)
            | SessionError::Protocol(_)
            | SessionError::Bye(_)
            | SessionError::Unavailable(_)
            | SessionError::Refused { .. } => again(backoff::NETWORK),
        },
        Failure::Token(TokenError::Exchange(ExchangeError::Response { .. })) | Failure::Thread(_) => {
            again(backoff::NETWORK)
        }
        Failure::Token(TokenError::Later { after, .. }) => Remedy::Again {
            backoff: backoff::NETWORK,
            at_least: after.unwrap_or_default(),
        },
        Failure::Token(TokenError::Refused(_)) => again(backoff::AUTHENTICATION),
        Failure::Refused { .. } => again(backoff::REFUSAL),
        Failure::Checkpoint(_) | Failure::Spool(_) => again(backoff::CONFIGURATION),
    }
}

/// Whether somebody must do something, because waiting will not help.
pub(crate) fn is_grave(backoff: Backoff) -> bool {
    backoff == backoff::AUTHENTICATION || backoff == backoff::CONFIGURATION
}

impl Failure {
    /// Whether this is how a session ends that was served well.
    pub(super) fn is_an_end(&self) -> bool {
        match self {
            Failure::Session(SessionError::Bye(_)) => true,
            Failure::Session(SessionError::Net(error)) => error.kind == NetErrorKind::Closed,
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Dial(error) => error.fmt(formatter),
            Failure::Session(error) => error.fmt(formatter),
            Failure::Token(error) => error.fmt(formatter),
            Failure::Refused { mails, uid, text } => {
                write!(
                    formatter,
                    "the IMAP server refuses {mails} mail(s), UID {uid} among them: {text}"
                )
            }
            Failure::Checkpoint(error) => error.fmt(formatter),
            Failure::Spool(reason) => write!(formatter, "state_dir: an attachment cannot be kept aside: {reason}"),
            Failure::GivenUp(reason) => formatter.write_str(reason),
            Failure::Thread(error) => write!(formatter, "cannot start a thread: {error}"),
            Failure::OthersWait => formatter.write_str("others wait for the connection"),
            Failure::Stopping => formatter.write_str("stopping"),
        }
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Failure {
        Failure::Dial(error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Failure {
        Failure::Session(error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Failure {
        Failure::Token(error)
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Failure {
        Failure::Checkpoint(error)
    }
}
