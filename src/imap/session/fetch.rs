//! Bodies by UID, two commands or more in flight, so that the server never waits for us between two commands.
//!
//! What a server refuses (NO, BAD) is asked for again in halves, down to the one mail that is meant: one bad mail makes some
//! servers refuse a whole range.
//!
//! Only UIDs count. A body is taken when its UID is in flight and did not come before; everything else that a server may
//! say meanwhile (flags, EXPUNGE, a body twice, a body unasked) changes nothing.

use std::collections::{BTreeSet, VecDeque};

use super::connection::{Patience, trouble};
use super::{Listed, Session, SessionError, unknown_tag};
use crate::clock::Phase;
use crate::imap::command::Command;
use crate::imap::fetch_items::BodyItem;
use crate::imap::pace::Pace;
use crate::imap::reader::Event;
use crate::imap::response::{Condition, Response};
use crate::imap::uid::UidSet;
use crate::limits;

/// Bodies on their way; see [`Session::fetch`].
pub struct Fetch<'s> {
    session: &'s mut Session,
    /// Not asked for yet, ascending.
    waiting: VecDeque<Listed>,
    pace: Pace,
    /// A command has ended, and others are in flight: what they are about must come now, or the line is empty.
    between: bool,
    /// No more of them are asked for.
    held: bool,
    /// Parts of commands that were refused, each to be asked for by itself.
    parts: VecDeque<Vec<u32>>,
    /// Asked for once; the command succeeded, and they did not come.
    again: VecDeque<u32>,
    /// Asked for twice. SEARCH will tell whether they are gone.
    unproven: Vec<u32>,
    flights: Flights,
    /// Bodies that came and were not asked for.
    unasked: u32,
    verdicts: VecDeque<Arrival<'static>>,
}

/// What came, or did not.
pub enum Arrival<'f> {
    /// A mail's body begins.
    Message(Body<'f>),
    /// The mail of this UID is gone: it was asked for twice, and the server says that it does not exist.
    Missing(u32),
    /// NO or BAD to the command that asked for this mail alone; or it did not come, twice, though SEARCH finds it.
    Refused {
        /// Which one.
        uid: u32,
        /// The server's words.
        text: String,
    },
}

/// One mail's bytes, as they arrive. Dropped early, the rest is skipped up to a bound, beyond which the session ends; the
/// mail counts as delivered.
pub struct Body<'f> {
    session: &'f mut Session,
    flights: &'f mut Flights,
    unasked: &'f mut u32,
    patience: Patience,
    uid: Option<u32>,
    length: u64,
}

/// What is known of a mail once its response is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Its UID.
    pub uid: u32,
    /// INTERNALDATE in milliseconds since 1970, where the server said it.
    pub internal_date_ms: Option<i64>,
}

impl<'s> Fetch<'s> {
    pub(super) fn new(session: &'s mut Session, listed: &[Listed], pace: Pace) -> Fetch<'s> {
        let mut waiting = listed.to_vec();
        waiting.sort_unstable();
        waiting.dedup_by_key(|listed| listed.uid);
        let pace = pace.over(session.round_trip);
        Fetch {
            session,
            waiting: waiting.into(),
            pace,
            between: false,
            held: false,
            parts: VecDeque::new(),
            again: VecDeque::new(),
            unproven: Vec::new(),
            flights: Flights(Vec::new()),
            unasked: 0,
            verdicts: VecDeque::new(),
        }
    }

    /// What comes next; `None` when all that was asked for has come or is accounted for.
    #[expect(
        clippy::should_implement_trait,
        reason = "what comes borrows the fetch, which no Iterator can express"
    )]
    pub fn next(&mut self) -> Result<Option<Arrival<'_>>, SessionError> {
        let mut patience = Patience::new(Phase::Command, limits::IMAP_COMMAND);
        loop {
            if let Some(verdict) = self.verdicts.pop_front() {
                return Ok(Some(verdict));
            }
            self.ask()?;
            if self.flights.0.is_empty() {
                if self.unproven.is_empty() {
                    return Ok(None);
                }
                self.prove()?;
                continue;
            }
            let event = self.event(&mut patience)?;
            match event {
                Event::Body { attributes, length } if self.flights.may_want(attributes.uid) => {
                    return Ok(Some(Arrival::Message(Body {
                        session: self.session,
                        flights: &mut self.flights,
                        unasked: &mut self.unasked,
                        patience: Patience::new(Phase::Literal, limits::IMAP_LITERAL_SILENCE),
                        uid: attributes.uid,
                        length,
                    })));
                }
                Event::Body { .. } => one_more_unasked(&mut self.unasked)?,
                // The end of a body that was dropped early.
                Event::Response(Response::Fetch(attributes)) if attributes.body == BodyItem::Present => {
                    attributes.uid.map(|uid| self.flights.take(uid));
                }
                Event::Response(Response::Tagged { tag, condition }) => self.ended(&tag, &condition)?,
                event => self.session.note(&event),
            }
        }
    }

    /// The next event. If it lets us wait though a command is in flight, the line ran empty.
    fn event(&mut self, patience: &mut Patience) -> Result<Event, SessionError> {
        let between = std::mem::take(&mut self.between);
        if !between {
            return self.session.connection.event(patience);
        }
        let before = self.session.connection.clock().now();
        let event = self.session.connection.event(patience)?;
        let waited = self.session.connection.clock().now().saturating_duration_since(before);
        if waited > limits::IMAP_LINE_EMPTY {
            self.pace.fill_line();
        }
        Ok(event)
    }

    /// Asks for no more. What is in flight still comes; the rest is in [`Fetch::end`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Whether the server has announced mails that no listing has seen.
    pub fn has_news(&self) -> bool {
        self.session.announced > 0
    }

    /// The pace that this fetch came to, and what was not asked for.
    pub fn end(self) -> (Pace, Vec<Listed>) {
        (self.pace, self.waiting.into())
    }

    /// Keeps the line full.
    fn ask(&mut self) -> Result<(), SessionError> {
        self.session.expect_in_flight(self.flights.0.len())?;
        while self.flights.have_room(self.pace.commands()) {
            let again = !self.again.is_empty();
            let set = if again {
                self.next_again()
            } else if let Some(part) = self.parts.pop_front() {
                part.into_iter().collect()
            } else {
                self.next_batch()
            };
            if set.is_empty() {
                break;
            }
            let uids = set.uids().to_vec();
            let tag = self.session.send(&Command::Fetch(set))?;
            self.flights.0.push(Flight {
                tag,
                asked: uids.len(),
                missing: uids,
                again,
            });
        }
        Ok(())
    }

    /// The next mails, up to a number, a size and a length of the command. A mail above the size goes alone.
    fn next_batch(&mut self) -> UidSet {
        let mut set = UidSet::new();
        let mut size = 0_u64;
        while let Some(listed) = self.waiting.front().filter(|_| !self.held) {
            size = size.saturating_add(listed.size);
            let full = set.uids().len() >= self.pace.mails() || size > self.pace.bytes();
            if full && !set.is_empty() || !set.push(listed.uid, limits::IMAP_SET_LENGTH) {
                break;
            }
            self.waiting.pop_front();
        }
        set
    }

    fn next_again(&mut self) -> UidSet {
        let mut set = UidSet::new();
        while let Some(uid) = self.again.front() {
            if !set.push(*uid, limits::IMAP_SET_LENGTH) {
                break;
            }
            self.again.pop_front();
        }
        set
    }

    /// The end of a command: compares what was asked with what came.
    fn ended(&mut self, tag: &str, condition: &Condition) -> Result<(), SessionError> {
        let Some(at) = self.flights.0.iter().position(|flight| flight.tag == tag) else {
            return Err(unknown_tag(tag));
        };
        let flight = self.flights.0.remove(at);
        self.session.in_flight = self.session.in_flight.saturating_sub(1);
        self.between = self.flights.to_come() > 0;
        if condition.is_ok() || says_expunged(condition) {
            self.pace.speed_up();
            if flight.again {
                self.unproven.extend(flight.missing);
            } else {
                self.again.extend(flight.missing);
                self.again.make_contiguous().sort_unstable();
            }
            return Ok(());
        }
        // Dovecot says SERVERBUG for one mail that it cannot read: that is this mail's trouble, not the server's.
        if !condition.has_code("SERVERBUG")
            && let Some(error) = trouble(condition)
        {
            return Err(error);
        }
        self.pace.slow_down();
        self.halve(&flight, condition);
        Ok(())
    }

    /// NO to many mails says nothing of each.
    fn halve(&mut self, flight: &Flight, condition: &Condition) {
        if let ([uid], 1) = (flight.missing.as_slice(), flight.asked) {
            self.refuse(*uid, condition.to_string());
            return;
        }
        let (first, second) = flight
            .missing
            .split_at_checked(flight.missing.len().div_ceil(2))
            .unwrap_or_default();
        for part in [second, first].into_iter().filter(|part| !part.is_empty()) {
            self.parts.push_front(part.to_vec());
        }
    }

    fn refuse(&mut self, uid: u32, text: String) {
        self.verdicts.push_back(Arrival::Refused { uid, text });
    }

    /// Asks which of the mails that did not come twice are there at all.
    fn prove(&mut self) -> Result<(), SessionError> {
        self.unproven.sort_unstable();
        let mut set = UidSet::new();
        self.unproven.retain(|uid| !set.push(*uid, limits::IMAP_SET_LENGTH));
        let asked = set.uids().to_vec();
        let (mut found, mut answered) = (BTreeSet::new(), false);
        let patience = Patience::new(Phase::Command, limits::IMAP_SLOW_COMMAND);
        let condition = self.session.run(&Command::Search(set), patience, |response| {
            if let Response::Search(uids) = response {
                answered = true;
                found.extend(uids.into_iter().filter(|uid| asked.binary_search(uid).is_ok()));
            }
        })?;
        if !condition.is_ok() {
            if let Some(error) = trouble(&condition) {
                return Err(error);
            }
            for uid in asked {
                self.refuse(uid, condition.to_string());
            }
            return Ok(());
        }
        // RFC 3501 section 6.4.4 requires the untagged response, also for none; an OK alone proves nothing.
        if !answered {
            for uid in asked {
                let text = "the server neither sends the mail nor says whether it has it";
                self.refuse(uid, text.to_owned());
            }
            return Ok(());
        }
        let (there, gone): (Vec<u32>, Vec<u32>) = asked.into_iter().partition(|uid| found.contains(uid));
        self.verdicts.extend(gone.into_iter().map(Arrival::Missing));
        for uid in there {
            let text = "the server says that it has the mail, and does not send it";
            self.refuse(uid, text.to_owned());
        }
        Ok(())
    }
}

impl Body<'_> {
    /// The mail's UID; `None` when the server says it only behind the body.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// [`Body::uid`], or the first of those awaited: servers answer in the order of UIDs, and where one mail is asked for there
    /// is no other.
    pub fn likely_uid(&self) -> Option<u32> {
        let awaited = || self.flights.0.iter().find_map(|flight| flight.missing.first().copied());
        self.uid.or_else(awaited)
    }

    /// How many bytes the body has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes of it are still to come.
    pub fn left(&self) -> u64 {
        self.session.connection.reader.body_left()
    }

    /// The next bytes, lent from the reading buffer; `None` at the end.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, SessionError> {
        let connection = &mut self.session.connection;
        if connection.reader.body_left() == 0 {
            return Ok(None);
        }
        while !connection.reader.body_is_here() {
            connection.receive(&mut self.patience)?;
        }
        Ok(Some(connection.reader.body()))
    }

    /// The end of the response. `None`: this was a body that nobody asked for (its UID came behind it, and is not one in
    /// flight); forget what was made of it.
    pub fn finish(mut self) -> Result<Option<Fetched>, SessionError> {
        let event = self.session.connection.event(&mut self.patience)?;
        let Event::Response(Response::Fetch(attributes)) = event else {
            return Err(SessionError::Protocol(
                "a body that is part of no FETCH response".to_owned(),
            ));
        };
        let uid = attributes.uid.filter(|uid| self.flights.take(*uid));
        if uid.is_none() {
            one_more_unasked(self.unasked)?;
        }
        Ok(uid.map(|uid| Fetched {
            uid,
            internal_date_ms: attributes.internal_date_ms,
        }))
    }
}

/// The commands in flight.
struct Flights(Vec<Flight>);

/// One command in flight.
struct Flight {
    tag: String,
    /// How many were asked for.
    asked: usize,
    /// What was asked for and did not come, ascending.
    missing: Vec<u32>,
    /// Whether it asks for the second time.
    again: bool,
}

/// A command, in shares: what of it is still to come is counted in them.
const SHARES: usize = 64;

impl Flights {
    /// Whether one more command may be sent, with `commands` in flight. It is what is still to come that counts, not how many
    /// commands have ended: Dovecot answers several side by side, a mail of each in turn, so that they end together.
    fn have_room(&self, commands: usize) -> bool {
        let room = commands.saturating_sub(1).saturating_mul(SHARES);
        self.to_come() <= room && self.0.len() < commands.saturating_mul(limits::IMAP_OPEN_COMMANDS)
    }

    /// How much is still to come, in shares of commands.
    fn to_come(&self) -> usize {
        let shares = |flight: &Flight| {
            let missing = flight.missing.len().saturating_mul(SHARES);
            missing.div_ceil(flight.asked.max(1))
        };
        self.0.iter().map(shares).sum()
    }

    /// Whether a body with this UID is one that is awaited; one without may be.
    fn may_want(&self, uid: Option<u32>) -> bool {
        uid.is_none_or(|uid| self.0.iter().any(|flight| flight.missing.binary_search(&uid).is_ok()))
    }

    /// Takes `uid` off those awaited. Says whether it was one.
    fn take(&mut self, uid: u32) -> bool {
        self.0.iter_mut().any(|flight| {
            let at = flight.missing.binary_search(&uid);
            at.map(|at| flight.missing.remove(at)).is_ok()
        })
    }
}

/// Some servers send a mail twice. One that sends bodies without end would keep the fetch going, and bring no mail.
fn one_more_unasked(unasked: &mut u32) -> Result<(), SessionError> {
    *unasked = unasked.saturating_add(1);
    if *unasked <= limits::IMAP_UNASKED_BODIES {
        return Ok(());
    }
    let reason = format!(
        "more than {} mails that were not asked for",
        limits::IMAP_UNASKED_BODIES
    );
    Err(SessionError::Protocol(reason))
}

/// NO because mails of the range were expunged meanwhile: the others came.
pub(super) fn says_expunged(condition: &Condition) -> bool {
    condition.has_code("EXPUNGEISSUED") || condition.text.to_ascii_lowercase().contains("no longer exist")
}
