//! One mailbox's life, on one page: connect, log in, catch up, watch; after any failure wait and begin again.
//!
//! The checkpoint moves only after the receiver's acknowledgement, and only up to the lowest mail that is not done.
//! `mailbox/begin.rs` finds where to go on, `mailbox/catch_up.rs` lists, live mail before old, `mailbox/transfer.rs` fetches,
//! `mailbox/delivery.rs` delivers and remembers, `mailbox/after_delivery.rs` does on the server what is asked for then,
//! `mailbox/dead_letter.rs` gives up, `mailbox/once.rs` bounds what is done once, `mailbox/condition.rs` notes how it is, and
//! `mailbox/failure.rs` is the single table that says what each failure leads to; `mailbox/settle.rs` sees to it. What is deep in
//! this story has a stack of its own, `mailbox/stack.rs`, because a thread that waits must be small.

mod after_delivery;
mod artifacts;
mod begin;
mod catch_up;
mod condition;
mod dead_letter;
mod delivery;
pub(crate) mod failure;
mod frontier;
mod hostile;
mod log_in;
mod once;
mod poison;
mod progress;
mod settle;
mod stack;
mod tending;
mod transfer;

#[doc(hidden)]
pub use hostile::fuzz;
pub use log_in::Credentials;
pub(crate) use log_in::Login;
pub use once::Until;
pub(crate) use once::insists;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use after_delivery::Due;
use delivery::Handing;
use failure::{Failure, Remedy, remedy};
use frontier::Frontier;
use progress::Progress;
use stack::on_its_own_stack;
use tending::Untended;

use crate::attempts::Attempts;
use crate::backoff::Failures;
use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::dead_letter::DeadLetters;
use crate::event::build;
use crate::imap::action::Action;
use crate::imap::idle_cycle::IdleCycle;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::pace::Pace;
use crate::imap::resume::{Known, Memory, Recent, Rescan};
use crate::imap::session::{Listed, Session, SessionError, Watched};
use crate::log::{self, Level};
use crate::metrics::{Concern, Counter, Counters, Doing, Vitals};
use crate::net::{Dial, NetErrorKind};
use crate::sink::artifact::Artifacts;
use crate::sink::{Batch, Sink};
use crate::turns::{Member, Turn};
use crate::{imap, limits};

/// One mailbox and everything it needs; [`Mailbox::run`] is a thread's work.
pub struct Mailbox {
    /// The account.
    pub imap: imap::Settings,
    /// Its mailbox where mail comes from.
    pub name: MailboxName,
    /// What proves that the account is ours.
    pub credentials: Credentials,
    /// What events say.
    pub event: build::Settings,
    /// Whether the first start delivers what is already there.
    pub from_zero: bool,
    /// What is done on the server with a mail that was delivered.
    pub after_delivery: Option<Action>,
    /// Opens connections to the IMAP server.
    pub dial: Arc<dyn Dial>,
    /// Takes events.
    pub sink: Box<dyn Sink>,
    /// Stores attachments apart, where that is wanted.
    pub artifacts: Option<Artifacts>,
    /// Remembers how far delivery has come.
    pub checkpoint: Box<dyn Checkpoint>,
    /// Where what cannot be delivered goes.
    pub dead_letters: DeadLetters,
    /// Knows at which mails the program ended.
    pub attempts: Attempts,
    /// What is counted, for whoever asks.
    pub counters: Arc<Counters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whose turn it is to have a connection.
    pub turns: Member,
    /// It was listed, not asked for by its name: when it is gone, that is the end of it.
    pub listed: bool,
    /// How long it is worked on.
    pub until: Until,
    /// Uniformly distributed numbers that nobody can guess: for the jitter of delays and the nonces of logins.
    pub random: fn() -> u64,
}

impl Mailbox {
    fn login(&self) -> Login<'_> {
        Login {
            imap: &self.imap,
            credentials: &self.credentials,
            dial: &*self.dial,
            clock: &self.clock,
            random: self.random,
        }
    }

    /// Delivers until the program is asked to stop, or as [`Mailbox::until`] says. Whether everything that was there is
    /// dealt with: delivered, or told as a gap, or in the dead-letter file. Of no meaning for a mailbox that is watched.
    pub fn run(self) -> bool {
        Life::new(self).run()
    }
}

/// A [`Mailbox`] at work. What it knows of the mailbox outlives a session: a server that ends sessions early, or refuses a
/// mail, makes no other mail come twice.
struct Life {
    mailbox: Mailbox,
    /// `user@host:port`.
    account: String,
    /// Failures since a session proved itself, or mail was delivered.
    failures: Failures,
    /// Failures of any kind in a row, with nothing delivered in between.
    fruitless: u32,
    /// Kept while the account lets nobody in, so that the others do not try as well.
    turn: Option<Turn>,
    /// The last session ended because others waited: the next one is nothing to tell of.
    made_way: bool,
    /// When the turn of the moment began.
    turn_began: Option<Instant>,
    /// UIDVALIDITY of the mailbox as it was opened last.
    uid_validity: u32,
    /// What the checkpoint holds. The file is read once: should it vanish, this is no first start.
    remembered: Option<Memory>,
    frontier: Frontier,
    recent: Recent,
    rescan: Option<Rescan>,
    due: Due,
    /// Events on their way, and the mails they are of.
    batch: Batch,
    batched: Vec<Known>,
    /// What of the batch goes on to the receiver when; see `mailbox/delivery.rs`.
    handing: Handing,
    /// Times that the receiver refused an event, since it took one.
    refused_in_a_row: u32,
    pace: Pace,
    /// What the fetch of the moment asks for.
    underway: Vec<u32>,
    /// How wide the listing of a backlog is that is under way, and may be.
    listing: Option<u64>,
    widest: u64,
    /// Mails at which sessions ended, and how many.
    stumbles: BTreeMap<u32, u32>,
    /// Sessions in a row that ended while it was asked whether UIDs mean the same mails.
    unproven: u32,
    /// The mail at which the last session ended, where it was asked for alone because of such ends.
    stuck_at: Option<u32>,
    /// Mails that the server refused, by how many sessions; and what it said in this one.
    refusals: BTreeMap<u32, u32>,
    refused: BTreeMap<u32, String>,
    /// Mails whose attachments could not be kept aside, and how often.
    unkept: BTreeMap<u32, u32>,
    /// What a failure would be about: until the mailbox is open, opening it.
    concern: Concern,
    /// A mail came in this session: the server has its mails at hand.
    came: bool,
    /// A mail that came before, to ask for where none came.
    witness: Option<Listed>,
    /// When new mail was looked for last, while a backlog is read.
    looked: Option<Instant>,
    /// When this session had delivered everything.
    caught_up: Option<Instant>,
    idle_cycle: IdleCycle,
    /// Gmail's limit was told.
    limit_told: bool,
    /// The receiver's connection could not be kept.
    untended: Option<Untended>,
    progress: Progress,
}

/// How a session ends that nothing failed in.
enum End {
    /// Others waited for the connection.
    MadeWay,
    /// Everything is delivered, and that was all that was asked for.
    CaughtUp,
}

impl Life {
    fn new(mailbox: Mailbox) -> Life {
        Life {
            account: mailbox.imap.account(),
            mailbox,
            failures: Failures::default(),
            fruitless: 0,
            turn: None,
            made_way: false,
            turn_began: None,
            uid_validity: 0,
            remembered: None,
            frontier: Frontier::default(),
            recent: Recent::default(),
            rescan: None,
            due: Due::default(),
            batch: Batch::default(),
            batched: Vec::new(),
            handing: Handing::default(),
            refused_in_a_row: 0,
            pace: Pace::default(),
            underway: Vec::new(),
            listing: None,
            widest: u64::MAX,
            stumbles: BTreeMap::new(),
            unproven: 0,
            stuck_at: None,
            refusals: BTreeMap::new(),
            refused: BTreeMap::new(),
            unkept: BTreeMap::new(),
            concern: Concern::Opening,
            came: false,
            witness: None,
            looked: None,
            caught_up: None,
            idle_cycle: IdleCycle::default(),
            limit_told: false,
            untended: None,
            progress: Progress::default(),
        }
    }

    fn run(&mut self) -> bool {
        self.note(Vitals::fell_behind);
        self.mend_dead_letters();
        let finished = self.until_stopped();
        self.mailbox.sink.close();
        let delivered = self.progress.tell(self.mailbox.clock.now());
        self.log(Level::Info, "stopped", &[("delivered", &delivered)]);
        finished
    }

    /// Whether nothing is left to do.
    fn until_stopped(&mut self) -> bool {
        while !self.stopping() {
            self.count(Counter::Sessions);
            let failure = match self.session() {
                Ok(End::MadeWay) => continue,
                Ok(End::CaughtUp) => return true,
                Err(failure) => self.settle(failure),
            };
            if self.mailbox.listed && matches!(failure, Failure::Session(SessionError::NoSuchMailbox(_))) {
                self.log(Level::Info, "the mailbox is gone; its checkpoint stays", &[]);
                return true;
            }
            let outcome = match remedy(&failure) {
                Remedy::Stop => Err(failure),
                Remedy::Again { backoff, at_least } => {
                    self.fruitless = self.fruitless.saturating_add(1);
                    self.insist(self.fruitless, backoff, &failure)
                        .map(|()| self.back_off(&failure, backoff, at_least))
                }
            };
            if let Err(failure) = outcome {
                self.tell_given_up(&failure);
                return false;
            }
        }
        false
    }

    /// One turn, which nearly always is one connection, from greeting to failure.
    fn session(&mut self) -> Result<End, Failure> {
        self.concern = Concern::Opening;
        self.came = false;
        self.refused.clear();
        self.caught_up = None;
        self.note(|vitals, now| vitals.begin(Doing::Turn, now));
        let turn = self.turn.take().or_else(|| self.wait_for_turn());
        let Some(turn) = turn.filter(|_| !self.stopping()) else {
            return Err(Failure::Stopping);
        };
        self.note(|vitals, now| vitals.begin(Doing::Server, now));
        self.turn_began = Some(self.mailbox.clock.now());
        let (mut session, turn) = on_its_own_stack(|| self.enter(turn))?;
        let mut first = !std::mem::take(&mut self.made_way);
        let mut watched = None;
        while !self.stopping() {
            match on_its_own_stack(|| self.look(&mut session, watched)) {
                Err(Failure::OthersWait) => return Ok(self.make_way(turn, session)),
                looked => looked?,
            }
            self.note(|vitals, _| vitals.caught_up());
            self.caught_up.get_or_insert(self.mailbox.clock.now());
            self.tell_caught_up(std::mem::take(&mut first));
            if self.mailbox.until == Until::CaughtUp {
                turn.hand_over(session);
                return Ok(End::CaughtUp);
            }
            if turn.others_wait() {
                return Ok(self.make_way(turn, session));
            }
            watched = Some(self.watch(&mut session, turn.is_scarce())?);
            self.answered();
            self.note(Vitals::fell_behind);
        }
        session.log_out();
        Err(Failure::Stopping)
    }

    /// Opens the mailbox, and finds where to go on.
    fn enter(&mut self, turn: Turn) -> Result<(Session, Turn), Failure> {
        let (mut session, turn) = self.log_in(turn)?;
        let selected = self.open(&mut session)?;
        let uid_next = session.uid_next(&self.mailbox.name, &selected)?;
        self.begin(&mut session, selected, uid_next)?;
        self.concern = Concern::Reading;
        self.note(Vitals::opened);
        Ok((session, turn))
    }

    fn watch(&mut self, session: &mut Session, scarce: bool) -> Result<Watched, Failure> {
        let (now, cycle) = (self.mailbox.clock.now(), self.idle_cycle.length());
        let patience = self.due.patience(now, if scarce { limits::TURN } else { cycle });
        let watched = session.watch(patience, &mut || self.tend());
        match &watched {
            Ok(Watched::Quiet) if patience == cycle => self.idle_cycle.held(),
            Err(SessionError::Net(error)) if error.kind != NetErrorKind::Stopped => self.idle_cycle.died(),
            _ => {}
        }
        Ok(watched?)
    }

    /// Delivers what is there; `watched` is what led here, nothing in a new session.
    fn look(&mut self, session: &mut Session, watched: Option<Watched>) -> Result<(), Failure> {
        if watched == Some(Watched::Quiet) {
            self.open_again(session)?;
        }
        let found = self.catch_up(session)?;
        if watched == Some(Watched::News) && !found {
            self.mailbox.clock.wait(limits::IDLE_NEWS);
            self.open_again(session)?;
            self.catch_up(session)?;
        }
        self.batch.release();
        Ok(())
    }

    /// A mailbox can be deleted and made again under an open session. Courier then shows the new mails, whose UIDs begin
    /// below those that are done, or have their UIDs; Dovecot and Cyrus show nothing any more. So after news with no mail to
    /// show for it, and after every quiet watch, the mailbox is opened anew.
    fn open_again(&mut self, session: &mut Session) -> Result<(), Failure> {
        let selected = self.open(session)?;
        let uid_next = session.uid_next(&self.mailbox.name, &selected)?;
        let went_down = uid_next.is_some_and(|next| u64::from(next) < self.frontier.given());
        if selected.uid_validity == self.uid_validity
            && !went_down
            && session
                .given_again(&self.recent, None, &mut self.unproven, self.pace)?
                .is_none()
        {
            return Ok(());
        }
        self.begin(session, selected, uid_next)
    }

    /// The connection that came with the turn, or a new one.
    fn log_in(&mut self, mut turn: Turn) -> Result<(Session, Turn), Failure> {
        if let Some(session) = turn.session() {
            return Ok((session, turn));
        }
        match self.mailbox.login().connect() {
            Ok(session) => {
                turn.logged_in();
                Ok((session, turn))
            }
            Err(failure) => {
                turn.not_logged_in();
                self.turn = Some(turn);
                Err(failure)
            }
        }
    }

    /// Others have the connection now. Not to be back at once is what keeps a hundred quiet mailboxes from going round
    /// and round without a pause.
    fn make_way(&mut self, turn: Turn, session: Session) -> End {
        turn.hand_over(session);
        self.note(Vitals::fell_behind);
        self.made_way = true;
        let now = self.mailbox.clock.now();
        self.pause(limits::BETWEEN_TURNS.saturating_sub(self.turn_lasts(now)));
        End::MadeWay
    }

    /// A backlog takes as long as it takes; others, who may have a single new mail, wait for so long and no longer.
    fn is_time_to_make_way(&self, now: Instant) -> bool {
        self.turn_lasts(now) >= limits::LONG_TURN && self.mailbox.turns.others_wait()
    }

    fn turn_lasts(&self, now: Instant) -> Duration {
        self.turn_began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }

    fn stopping(&self) -> bool {
        self.mailbox.clock.stopping()
    }

    fn count(&self, counter: Counter) {
        self.mailbox.counters.count(counter);
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
pub(crate) fn whole_seconds(delay: Duration) -> u128 {
    delay.as_millis().div_ceil(1000)
}
