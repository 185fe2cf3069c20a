//! Waiting for news: IDLE (RFC 2177), or NOOP now and then.

use std::time::Duration;

use super::connection::{Patience, trouble};
use super::{Session, SessionError};
use crate::clock::Phase;
use crate::imap::command::{Command, DONE};
use crate::imap::reader::Event;
use crate::imap::response::Response;
use crate::limits;
use crate::net::NetErrorKind;

/// What a watch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The server announced a change: look at UIDNEXT now.
    News,
    /// Nothing was announced. Look at UIDNEXT all the same: some servers never announce anything.
    Quiet,
}

/// How an IDLE ended.
enum Idled {
    /// We ended it.
    Done,
    /// The server refused it, or ended it of itself: asked again at once, it might do so for ever.
    Declined,
}

impl Session {
    pub(super) fn wait_for_news(
        &mut self,
        patience: Duration,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Watched, SessionError> {
        if self.idles && !self.news {
            self.idles = matches!(self.idle(patience, meanwhile)?, Idled::Done);
        } else if !self.news {
            self.poll(patience, meanwhile)?;
        }
        let news = std::mem::take(&mut self.news);
        Ok(if news { Watched::News } else { Watched::Quiet })
    }

    pub(super) fn ask_for_news(&mut self) -> Result<bool, SessionError> {
        if self.announced == 0 {
            self.noop()?;
        }
        Ok(self.announced > 0)
    }

    fn idle(&mut self, patience: Duration, meanwhile: &mut dyn FnMut()) -> Result<Idled, SessionError> {
        self.expect_in_flight(0)?;
        self.connection.goodbye = Some(DONE);
        let tag = self.send(&Command::Idle)?;
        // The next bytes may be hours away; a handful of them needs no large buffer.
        self.connection.reader.rest();
        let mut waiting = Patience::new(Phase::Command, limits::IMAP_COMMAND);
        let mut idling = false;
        let mut slices = slices(patience);
        while !(idling && self.news) {
            let event = match self.connection.event(&mut waiting) {
                Err(SessionError::Net(error)) if idling && matches!(error.kind, NetErrorKind::TimedOut(_)) => {
                    let Some(slice) = slices.next() else { break };
                    meanwhile();
                    waiting = Patience::in_all(Phase::Idle, slice);
                    continue;
                }
                event => event?,
            };
            match event {
                Event::Response(Response::Continuation(_)) if !idling => {
                    idling = true;
                    // "Still here" every minute does not make the cycle longer.
                    waiting = Patience::in_all(Phase::Idle, slices.next().unwrap_or_default());
                }
                Event::Response(Response::Tagged { tag: ended, condition }) => {
                    self.connection.goodbye = Some(b"");
                    self.end_flight(&tag, &ended)?;
                    return match trouble(&condition) {
                        Some(error) => Err(error),
                        None => Ok(Idled::Declined),
                    };
                }
                event => self.note(&event),
            }
        }
        self.connection.write(DONE)?;
        self.connection.goodbye = Some(b"");
        let mut waiting = Patience::in_all(Phase::Command, limits::IMAP_DONE);
        loop {
            match self.connection.event(&mut waiting)? {
                Event::Response(Response::Tagged { tag: ended, condition }) => {
                    self.end_flight(&tag, &ended)?;
                    return match trouble(&condition) {
                        Some(error) => Err(error),
                        None => Ok(Idled::Done),
                    };
                }
                event => self.note(&event),
            }
        }
    }

    fn poll(&mut self, patience: Duration, meanwhile: &mut dyn FnMut()) -> Result<(), SessionError> {
        let mut left = patience;
        while !left.is_zero() && !self.news {
            let pause = left.min(limits::IMAP_POLL);
            left = left.saturating_sub(pause);
            self.connection.clock().wait(pause);
            if self.connection.clock().stopping() {
                return Ok(());
            }
            meanwhile();
            self.noop()?;
        }
        Ok(())
    }

    fn noop(&mut self) -> Result<(), SessionError> {
        let patience = Patience::new(Phase::Command, limits::IMAP_COMMAND);
        let condition = self.run(&Command::Noop, patience, |_| {})?;
        trouble(&condition).map_or(Ok(()), Err)
    }
}

/// A long wait in pieces, between which there is other work.
fn slices(wait: Duration) -> impl Iterator<Item = Duration> {
    let mut left = wait;
    std::iter::from_fn(move || {
        let slice = left.min(limits::TEND);
        left = left.saturating_sub(slice);
        (!slice.is_zero()).then_some(slice)
    })
}
