//! One mailbox's life, on one page: connect, log in, catch up, watch; after any failure wait and begin again.
//!
//! The checkpoint moves only after the receiver's acknowledgement, and only up to the lowest mail that is not done.
//! `mailbox/failure.rs` is the single table that says what each failure leads to.

mod failure;
mod frontier;
mod progress;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use failure::{Failure, Remedy, remedy};
use frontier::Frontier;
use progress::Progress;

use crate::backoff::{self, Backoff};
use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::event::build::{self, EventBuilder};
use crate::event::{Origin, encode};
use crate::imap::resume::{Position, Resume, resume};
use crate::imap::session::{Arrival, Listed, Selected, Session, SessionError};
use crate::log::{self, Level};
use crate::net::Dial;
use crate::sink::{Batch, DeliveryError, Sink};
use crate::{imap, limits};

/// One mailbox and everything it needs; [`Mailbox::run`] is a thread's work.
pub struct Mailbox {
    /// Where mail comes from.
    pub imap: imap::Settings,
    /// What events say.
    pub event: build::Settings,
    /// Whether the first start delivers what is already there.
    pub from_zero: bool,
    /// Opens connections to the IMAP server.
    pub dial: Arc<dyn Dial>,
    /// Takes events.
    pub sink: Box<dyn Sink>,
    /// Remembers how far delivery has come.
    pub checkpoint: Box<dyn Checkpoint>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Uniformly distributed numbers, for the jitter of delays.
    pub random: fn() -> u64,
}

impl Mailbox {
    /// Delivers until the program is asked to stop.
    pub fn run(self) {
        Life::new(self).run();
    }
}

/// A [`Mailbox`] at work.
struct Life {
    mailbox: Mailbox,
    /// `user@host:port`.
    account: String,
    /// Failures of one kind in a row.
    attempt: u32,
    last_backoff: Option<Backoff>,
    /// Events on their way, and the UIDs they are of.
    batch: Batch,
    batched: Vec<u32>,
    /// Mails that the server refused, by how many sessions.
    refused: BTreeMap<u32, u32>,
    progress: Progress,
}

impl Life {
    fn new(mailbox: Mailbox) -> Life {
        Life {
            account: mailbox.imap.account(),
            mailbox,
            attempt: 0,
            last_backoff: None,
            batch: Batch::default(),
            batched: Vec::new(),
            refused: BTreeMap::new(),
            progress: Progress::default(),
        }
    }

    fn run(&mut self) {
        self.until_stopped();
        let delivered = self.progress.tell(self.mailbox.clock.now());
        self.log(Level::Info, "stopped", &[("delivered", &delivered)]);
    }

    fn until_stopped(&mut self) {
        while !self.stopping() {
            let Err(failure) = self.session() else { continue };
            // What was fetched and not acknowledged is fetched again.
            self.batch.clear();
            self.batched.clear();
            match remedy(&failure) {
                Remedy::Stop => return,
                Remedy::Again { backoff, at_least } => self.back_off(&failure, backoff, at_least),
            }
        }
    }

    fn back_off(&mut self, failure: &Failure, backoff: Backoff, at_least: Duration) {
        if self.last_backoff.replace(backoff) != Some(backoff) {
            self.attempt = 0;
        }
        let delay = backoff
            .delay(self.attempt, (self.mailbox.random)())
            .max(at_least.min(limits::THROTTLE));
        self.attempt = self.attempt.saturating_add(1);
        self.log(
            Level::Warn,
            "trying again",
            &[("reason", failure), ("in_seconds", &whole_seconds(delay))],
        );
        self.mailbox.clock.wait(delay);
    }

    /// One connection, from greeting to failure: it ends no other way.
    fn session(&mut self) -> Result<(), Failure> {
        let stream = self.mailbox.dial.dial(&self.mailbox.imap.endpoint)?;
        let mut session = Session::open(stream, Arc::clone(&self.mailbox.clock))?;
        session.log_in(&self.mailbox.imap)?;
        let selected = session.examine(&self.mailbox.imap.mailbox)?;
        let uid_next = u64::from(session.uid_next(&self.mailbox.imap.mailbox, &selected)?);
        let mut position = self.begin(selected, uid_next)?;
        let mut first = true;
        while !self.stopping() {
            self.catch_up(&mut session, &mut position, uid_next)?;
            // Listing and fetching work: the session has proven itself.
            self.attempt = 0;
            self.tell_caught_up(std::mem::take(&mut first), position);
            session.watch(limits::IDLE_CYCLE)?;
        }
        session.log_out();
        Ok(())
    }

    /// Where to go on in the mailbox that was just opened.
    fn begin(&mut self, selected: Selected, uid_next: u64) -> Result<Position, Failure> {
        let remembered = self.mailbox.checkpoint.load()?;
        let resumed = resume(remembered, selected.uid_validity, uid_next, self.mailbox.from_zero);
        let position = Position {
            uid_validity: selected.uid_validity,
            next_uid: resumed.next_uid(),
        };
        let (level, what) = match resumed {
            // A server that was restored from a backup. Its next mails get UIDs that were delivered before.
            Resume::GoOn(next_uid) if next_uid > uid_next => (
                Level::Error,
                "UIDNEXT went down and UIDVALIDITY did not change (a restored server?): mails that get UIDs below \
                 next_uid count as delivered",
            ),
            Resume::GoOn(_) => (Level::Info, "going on"),
            Resume::FromNow(_) => (Level::Info, "first start: delivering what arrives from now on"),
            Resume::FromZero => (Level::Info, "first start: delivering everything"),
            Resume::Renumbered { .. } => (
                Level::Warn,
                "UIDVALIDITY changed: the server has renumbered its mails; delivering all of them again",
            ),
        };
        let before = remembered.map_or(0, |position| position.uid_validity);
        self.log(
            level,
            what,
            &[
                ("mails", &selected.exists),
                ("uidvalidity", &selected.uid_validity),
                ("uidvalidity_before", &before),
                ("next_uid", &position.next_uid),
                ("uidnext", &uid_next),
            ],
        );
        if remembered != Some(position) {
            self.remember(position)?;
        }
        Ok(position)
    }

    /// Delivers everything from `position` on. UIDs below `uid_next` are asked for in windows, so that a listing of a
    /// long backlog is never in memory whole; the last window is open at its end and sees what has just arrived.
    fn catch_up(&mut self, session: &mut Session, position: &mut Position, uid_next: u64) -> Result<(), Failure> {
        let mut width = limits::LISTED_UIDS;
        while let Ok(first) = u32::try_from(position.next_uid) {
            let window_end = position.next_uid.saturating_add(width);
            let last = if window_end < uid_next {
                u32::try_from(window_end.saturating_sub(1)).unwrap_or(u32::MAX)
            } else {
                u32::MAX
            };
            let listed = session.list(first, last)?;
            let behind_listed = listed.last().map(|listed| u64::from(listed.uid).saturating_add(1));
            let whole = listed.len() < limits::LISTED_MAILS;
            let end = match behind_listed {
                // Nothing new can come to a window below UIDNEXT: it is done with its last UID.
                _ if whole && last != u32::MAX => window_end,
                Some(behind) => behind,
                None => return Ok(()),
            };
            self.transfer(
                session,
                &listed,
                Frontier::new(listed.iter().map(|listed| listed.uid), end),
                position,
            )?;
            if whole && last == u32::MAX {
                return Ok(());
            }
            width = if listed.is_empty() {
                width.saturating_mul(2)
            } else {
                limits::LISTED_UIDS
            };
        }
        Ok(())
    }

    /// Fetches and delivers the mails of one listing.
    fn transfer(
        &mut self,
        session: &mut Session,
        listed: &[Listed],
        mut frontier: Frontier,
        position: &mut Position,
    ) -> Result<(), Failure> {
        let refused = self.fetch(session, listed, &mut frontier, position)?;
        // NO to many mails says nothing of each: one bad mail makes some servers refuse a whole range.
        for listed in listed.iter().filter(|listed| refused.contains_key(&listed.uid)) {
            let refused = self.fetch(session, std::slice::from_ref(listed), &mut frontier, position)?;
            if let Some(text) = refused.get(&listed.uid) {
                self.refused(listed.uid, text, &mut frontier)?;
            }
        }
        self.move_to(frontier.position(), position)
    }

    /// Fetches mails and delivers them in batches; gives back what the server refused, with its words.
    fn fetch(
        &mut self,
        session: &mut Session,
        listed: &[Listed],
        frontier: &mut Frontier,
        position: &mut Position,
    ) -> Result<BTreeMap<u32, String>, Failure> {
        let mut refused = BTreeMap::new();
        let mut fetch = session.fetch(listed);
        while let Some(arrival) = fetch.next()? {
            match arrival {
                Arrival::Message(mut body) => {
                    let mut builder = EventBuilder::new(&self.mailbox.event);
                    while let Some(chunk) = body.chunk()? {
                        builder.feed(chunk);
                    }
                    let Some(fetched) = body.finish()? else { continue };
                    self.add(builder, fetched.uid, fetched.internal_date_ms, position.uid_validity);
                    if self.batch.lines().len() >= limits::BATCH_BYTES || self.batch.count() >= limits::BATCH_EVENTS {
                        self.deliver(frontier, position)?;
                    }
                }
                Arrival::Missing(uid) => {
                    self.gap(Level::Warn, "the mail was expunged before it was fetched", uid, "");
                    frontier.done(uid);
                }
                Arrival::Refused { uids, text } => {
                    refused.extend(uids.into_iter().map(|uid| (uid, text.clone())));
                }
            }
        }
        self.deliver(frontier, position)?;
        Ok(refused)
    }

    /// The mail is whole: its event joins the batch.
    fn add(&mut self, builder: EventBuilder, uid: u32, internal_date: Option<i64>, uid_validity: u32) {
        let arrival = build::Arrival {
            origin: Origin::Mailbox {
                mailbox: self.mailbox.imap.mailbox.clone(),
                uid_validity,
                uid,
            },
            account: self.account.clone(),
            internal_date,
            now: self.mailbox.clock.unix_milliseconds(),
        };
        let event = builder.finish(&self.mailbox.event, arrival);
        self.batch.push(|line| encode::encode(&event, line));
        self.batched.push(uid);
    }

    /// A single mail that the server will not give: asked for in later sessions, then passed over, loudly.
    fn refused(&mut self, uid: u32, text: &str, frontier: &mut Frontier) -> Result<(), Failure> {
        let times = self.refused.entry(uid).or_default();
        *times = times.saturating_add(1);
        if *times < limits::REFUSALS {
            return Err(Failure::Session(SessionError::Refused {
                command: "UID FETCH",
                text: text.to_owned(),
            }));
        }
        self.refused.remove(&uid);
        self.gap(
            Level::Error,
            "the server refuses this mail; it is passed over",
            uid,
            text,
        );
        frontier.done(uid);
        Ok(())
    }

    /// One of the three ends of a mail: it is not delivered, and this line is all that is left of it.
    fn gap(&self, level: Level, reason: &str, uid: u32, server_said: &str) {
        self.log(
            level,
            "gap",
            &[("reason", &reason), ("uid", &uid), ("server_said", &server_said)],
        );
    }

    /// Delivers the batch, however long the receiver takes, and moves the checkpoint after its acknowledgement.
    fn deliver(&mut self, frontier: &mut Frontier, position: &mut Position) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut attempt: u32 = 0;
        while let Err(error) = self.mailbox.sink.deliver(&self.batch) {
            if self.stopping() {
                return Err(Failure::Stopping);
            }
            let (backoff, at_least) = match &error {
                DeliveryError::Retry { after, .. } => (backoff::DELIVERY, after.unwrap_or_default()),
                // Nothing is dropped: whoever mends the setting or the receiver finds every event still coming.
                DeliveryError::Reject { .. } | DeliveryError::Configuration { .. } => {
                    (backoff::CONFIGURATION, Duration::ZERO)
                }
            };
            let delay = backoff.delay(attempt, (self.mailbox.random)()).max(at_least);
            attempt = attempt.saturating_add(1);
            self.log(
                Level::Warn,
                "not delivered, trying again",
                &[
                    ("events", &self.batch.count()),
                    ("reason", &error),
                    ("in_seconds", &whole_seconds(delay)),
                ],
            );
            self.mailbox.clock.wait(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        if attempt > 0 {
            self.log(Level::Info, "delivering again", &[]);
        }
        self.progress.delivered(self.batch.count());
        for uid in self.batched.drain(..) {
            frontier.done(uid);
        }
        self.batch.clear();
        self.move_to(frontier.position(), position)?;
        if let Some(delivered) = self.progress.due(self.mailbox.clock.now()) {
            let fields: [(&str, &dyn Display); 3] = [
                ("delivered", &delivered),
                ("next_uid", &position.next_uid),
                ("left_of_listing", &frontier.open()),
            ];
            self.log(Level::Info, "delivering", &fields);
        }
        Ok(())
    }

    /// Always when a session has read the backlog, later once in a while: live mail is the normal state.
    fn tell_caught_up(&mut self, first: bool, position: Position) {
        let now = self.mailbox.clock.now();
        let delivered = if first {
            Some(self.progress.tell(now))
        } else {
            self.progress.due(now)
        };
        if let Some(delivered) = delivered {
            let fields: [(&str, &dyn Display); 2] = [("delivered", &delivered), ("next_uid", &position.next_uid)];
            self.log(Level::Info, "caught up", &fields);
        }
    }

    fn move_to(&mut self, next_uid: u64, position: &mut Position) -> Result<(), Failure> {
        if next_uid == position.next_uid {
            return Ok(());
        }
        position.next_uid = next_uid;
        self.remember(*position)
    }

    /// Writes the checkpoint. A disk that is full stops the mailbox here, where nothing is delivered twice meanwhile.
    fn remember(&mut self, position: Position) -> Result<(), Failure> {
        let mut attempt: u32 = 0;
        while let Err(error) = self.mailbox.checkpoint.advance(position) {
            let delay = backoff::DELIVERY.delay(attempt, (self.mailbox.random)());
            attempt = attempt.saturating_add(1);
            self.log(
                Level::Error,
                "checkpoint not written, trying again",
                &[("reason", &error), ("in_seconds", &whole_seconds(delay))],
            );
            self.mailbox.clock.wait(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
        Ok(())
    }

    fn stopping(&self) -> bool {
        self.mailbox.clock.stopping()
    }

    /// A line about this mailbox. Server and mailbox alone would not tell which of a file's accounts it is.
    fn log(&self, level: Level, what: &str, fields: &log::Fields<'_>) {
        let imap = &self.mailbox.imap;
        let whose: [(&str, &dyn Display); 3] = [
            ("server", &imap.endpoint),
            ("username", &imap.username),
            ("mailbox", &imap.mailbox),
        ];
        log::write(level, what, &[&whose, fields].concat());
    }
}

/// Rounded up: "in 0 seconds" would read as if nothing were waited for.
fn whole_seconds(delay: Duration) -> u128 {
    delay.as_millis().div_ceil(1000)
}
