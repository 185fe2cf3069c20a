//! One mailbox's life, on one page: connect, log in, catch up, watch; after any failure wait and begin again.
//!
//! The checkpoint moves only after the receiver's acknowledgement, and only up to the lowest mail that is not done.
//! `mailbox/transfer.rs` fetches, `mailbox/delivery.rs` delivers and remembers, and `mailbox/failure.rs` is the single table
//! that says what each failure leads to.

mod delivery;
mod failure;
mod frontier;
mod progress;
mod transfer;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use failure::{Failure, Remedy, remedy};
use frontier::Frontier;
use progress::Progress;

use crate::backoff::Backoff;
use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::event::build;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::resume::{Position, Resume, resume};
use crate::imap::session::{Listed, Selected, Session, Watched};
use crate::log::{self, Level};
use crate::net::Dial;
use crate::sink::{Batch, Sink};
use crate::{imap, limits};

/// One mailbox and everything it needs; [`Mailbox::run`] is a thread's work.
pub struct Mailbox {
    /// The account.
    pub imap: imap::Settings,
    /// Its mailbox where mail comes from.
    pub name: MailboxName,
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

/// A [`Mailbox`] at work. What it knows of the mailbox outlives a session: a server that ends sessions early, or refuses a
/// mail, makes no other mail come twice.
struct Life {
    mailbox: Mailbox,
    /// `user@host:port`.
    account: String,
    /// Failures of one kind in a row.
    attempt: u32,
    last_backoff: Option<Backoff>,
    /// UIDVALIDITY of the mailbox as it was opened last.
    uid_validity: u32,
    /// What the checkpoint holds. The file is read once: should it vanish, this is no first start.
    remembered: Option<Position>,
    frontier: Frontier,
    /// Events on their way, and the UIDs they are of.
    batch: Batch,
    batched: Vec<u32>,
    /// What the fetch of the moment asks for.
    underway: Vec<u32>,
    /// Mails at which sessions ended, and how many.
    stumbles: BTreeMap<u32, u32>,
    /// Mails that the server refused, by how many sessions; and what it said in this one.
    refusals: BTreeMap<u32, u32>,
    refused: BTreeMap<u32, String>,
    /// A mail came in this session: the server has its mails at hand.
    came: bool,
    /// A mail that came before, to ask for where none came.
    witness: Option<Listed>,
    progress: Progress,
}

impl Life {
    fn new(mailbox: Mailbox) -> Life {
        Life {
            account: mailbox.imap.account(),
            mailbox,
            attempt: 0,
            last_backoff: None,
            uid_validity: 0,
            remembered: None,
            frontier: Frontier::default(),
            batch: Batch::default(),
            batched: Vec::new(),
            underway: Vec::new(),
            stumbles: BTreeMap::new(),
            refusals: BTreeMap::new(),
            refused: BTreeMap::new(),
            came: false,
            witness: None,
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
            let failure = self.settle(failure);
            match remedy(&failure) {
                Remedy::Stop => return,
                Remedy::Again { backoff, at_least } => self.back_off(&failure, backoff, at_least),
            }
        }
    }

    /// What came whole is delivered before anything else, or sessions that end early would never get on. The mail at which
    /// this one ended is noted: servers answer in the order of UIDs, so it is the first that did not come.
    fn settle(&mut self, failure: Failure) -> Failure {
        if remedy(&failure) == Remedy::Stop {
            return failure;
        }
        if let Err(failure) = self.deliver() {
            return failure;
        }
        let underway = std::mem::take(&mut self.underway);
        if let Some(uid) = underway.into_iter().find(|uid| self.frontier.is_open(*uid)) {
            let stumbles = self.stumbles.entry(uid).or_default();
            *stumbles = stumbles.saturating_add(1);
        }
        failure
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
        self.came = false;
        self.refused.clear();
        let stream = self.mailbox.dial.dial(&self.mailbox.imap.endpoint)?;
        let mut session = Session::open(stream, Arc::clone(&self.mailbox.clock))?;
        session.log_in(&self.mailbox.imap)?;
        let selected = session.examine(&self.mailbox.name)?;
        let uid_next = u64::from(session.uid_next(&self.mailbox.name, &selected)?);
        self.begin(&mut session, selected, uid_next)?;
        let mut backlog_end = uid_next;
        let mut first = true;
        let mut watched = Watched::Quiet;
        while !self.stopping() {
            let listed = self.frontier.end();
            self.catch_up(&mut session, backlog_end)?;
            if watched == Watched::News && self.frontier.end() == listed {
                self.mailbox.clock.wait(limits::IDLE_NEWS);
            }
            // From here on there is only what is new, under whatever UID.
            backlog_end = 0;
            // Listing and fetching work: the session has proven itself.
            self.attempt = 0;
            self.tell_caught_up(std::mem::take(&mut first));
            watched = session.watch(limits::IDLE_CYCLE)?;
        }
        session.log_out();
        Ok(())
    }

    /// Finds where to go on in the mailbox that was just opened.
    fn begin(&mut self, session: &mut Session, selected: Selected, uid_next: u64) -> Result<(), Failure> {
        let known = self.remembered.map(|position| Position {
            next_uid: self.frontier.end(),
            ..position
        });
        let before = match known {
            Some(_) => known,
            None => self.mailbox.checkpoint.load()?,
        };
        let mut mailbox_end = uid_next;
        if before.is_some_and(|before| before.uid_validity == selected.uid_validity && uid_next < before.next_uid) {
            // Some servers say any number; only the last mail tells.
            mailbox_end = uid_next.max(u64::from(session.behind_last()?));
        }
        let resumed = resume(before, selected.uid_validity, mailbox_end, self.mailbox.from_zero);
        match (resumed, known) {
            (Resume::GoOn(_), Some(_)) => {}
            (Resume::GoBack(end), Some(_)) => self.frontier.go_back(end),
            (resumed, _) => {
                self.frontier = Frontier::new(resumed.next_uid());
                self.stumbles.clear();
                self.refusals.clear();
                self.witness = None;
            }
        }
        self.remembered = self.remembered.or(before);
        self.uid_validity = selected.uid_validity;
        self.report(resumed, selected, uid_next, before);
        self.move_on()
    }

    fn report(&self, resumed: Resume, selected: Selected, uid_next: u64, before: Option<Position>) {
        let (level, what) = match resumed {
            Resume::GoOn(next_uid) if next_uid > uid_next => (
                Level::Error,
                "UIDNEXT went down and UIDVALIDITY did not change (a restored server?): mails that get UIDs below \
                 next_uid count as delivered",
            ),
            Resume::GoOn(_) => (Level::Info, "going on"),
            Resume::FromNow(_) => (Level::Info, "first start: delivering what arrives from now on"),
            Resume::FromZero => (Level::Info, "first start: delivering everything"),
            Resume::GoBack(_) => (
                Level::Error,
                "UIDNEXT went down and UIDVALIDITY did not change (a restored server?): going back to it; mails that \
                 got UIDs below next_uid meanwhile count as delivered",
            ),
            Resume::Renumbered { .. } => (
                Level::Warn,
                "UIDVALIDITY changed: the server has renumbered its mails; delivering all of them again",
            ),
        };
        let before = before.map_or(0, |position| position.uid_validity);
        self.log(
            level,
            what,
            &[
                ("mails", &selected.exists),
                ("uidvalidity", &selected.uid_validity),
                ("uidvalidity_before", &before),
                ("next_uid", &self.frontier.position()),
                ("uidnext", &uid_next),
            ],
        );
    }

    /// Delivers everything that is not done. UIDs below `backlog_end` are asked for in windows, so that a listing of a
    /// long backlog is never in memory whole; the last window is open at its end and sees what has just arrived.
    ///
    /// Windows without a mail do not move the position: a server whose UIDNEXT is too high would hide what comes.
    fn catch_up(&mut self, session: &mut Session, backlog_end: u64) -> Result<(), Failure> {
        let stumbling = self.stumbling();
        let (last, open): (Vec<Listed>, Vec<Listed>) = self
            .frontier
            .open()
            .into_iter()
            .partition(|listed| stumbling.contains(&listed.uid));
        self.transfer(session, &open)?;
        self.list_and_transfer(session, backlog_end)?;
        for listed in last {
            self.transfer(session, &[listed])?;
        }
        self.pass_over(session)
    }

    fn list_and_transfer(&mut self, session: &mut Session, backlog_end: u64) -> Result<(), Failure> {
        let mut width = limits::LISTED_UIDS;
        let mut next = self.frontier.end();
        while let Ok(first) = u32::try_from(next) {
            let window_end = next.saturating_add(width);
            let last = if window_end < backlog_end {
                u32::try_from(window_end.saturating_sub(1)).unwrap_or(u32::MAX)
            } else {
                u32::MAX
            };
            let listed = session.list(first, last)?;
            self.frontier.listed(&listed);
            self.transfer(session, &listed)?;
            let whole = listed.len() < limits::LISTED_MAILS;
            if whole && last == u32::MAX {
                break;
            }
            next = if whole { window_end } else { self.frontier.end() };
            width = if listed.is_empty() {
                width.saturating_mul(2)
            } else {
                limits::LISTED_UIDS
            };
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
            ("mailbox", &self.mailbox.name),
        ];
        log::write(level, what, &[&whose, fields].concat());
    }
}

/// Rounded up: "in 0 seconds" would read as if nothing were waited for.
fn whole_seconds(delay: Duration) -> u128 {
    delay.as_millis().div_ceil(1000)
}
