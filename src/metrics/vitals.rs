//! How a mailbox is at the moment: what it is doing, when it last heard of its server and of the receiver, and what is
//! wrong. Its thread notes it; `health` judges it.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::clock::Clock;

/// When something was, by both clocks: ages are taken from the one that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic time.
    pub at: Instant,
    /// Wall-clock time, for people.
    pub unix_milliseconds: i64,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Moment {
        Moment {
            at: clock.now(),
            unix_milliseconds: clock.unix_milliseconds(),
        }
    }
}

/// What a mailbox's thread is doing, which is whom it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Waiting for its turn to have a connection.
    Turn,
    /// In conversation with the IMAP server.
    Server,
    /// Delivering a batch.
    Receiver,
    /// Storing attachments, in as many requests as they are large.
    Attachments,
    /// Waiting on purpose, before another attempt or another turn.
    Pause,
}

/// What can be in trouble, each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Getting into the mailbox: connecting, logging in, opening it. For an account: listing its mailboxes.
    Opening,
    /// Getting the configuration, and running it.
    Configuring,
    /// Watching all of an account's mailboxes.
    Watching,
    /// Reading it: well as soon as it gets on.
    Reading,
    /// Delivering: well as soon as the receiver takes a batch.
    Delivering,
    /// Storing attachments.
    Storing,
    /// Writing checkpoint and dead letters.
    Writing,
}

/// What is wrong, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The first failure since all was well.
    pub since: Moment,
    /// The last one, and the setting to look at: for operators, free of secrets.
    pub reason: String,
    /// Somebody must do something: waiting will not help.
    pub grave: bool,
}

/// How a mailbox is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// What its thread is doing, and since when it has made no progress with that.
    pub doing: Option<(Doing, Moment)>,
    /// The mailbox was open once.
    pub opened: bool,
    /// The last answer of the IMAP server to a session that is logged in.
    pub round_trip: Option<Moment>,
    /// The last acknowledgement of the receiver.
    pub acknowledged: Option<Moment>,
    /// Since when mail may be waiting; `None` while all is delivered and the mailbox is watched.
    pub behind_since: Option<Moment>,
    /// How many mails are there and not done, at the most; `None` before the mailbox was opened.
    pub behind: Option<u64>,
    /// What is wrong.
    pub troubles: BTreeMap<Concern, Trouble>,
}

impl Vitals {
    /// It begins to do something else.
    pub fn begin(&mut self, doing: Doing, now: Moment) {
        self.doing = Some((doing, now));
    }

    /// The IMAP server answered.
    pub fn answered(&mut self, now: Moment) {
        self.doing = Some((Doing::Server, now));
        self.round_trip = Some(now);
    }

    /// The mailbox is open.
    pub fn opened(&mut self, now: Moment) {
        self.answered(now);
        self.opened = true;
        self.well(Concern::Opening);
    }

    /// The receiver acknowledged.
    pub fn acknowledged(&mut self, now: Moment) {
        self.acknowledged = Some(now);
        self.well(Concern::Delivering);
    }

    /// Everything in the mailbox is delivered, and it is watched.
    pub fn caught_up(&mut self) {
        self.behind_since = None;
        self.well(Concern::Reading);
    }

    /// There is mail, or nobody looks whether there is.
    pub fn fell_behind(&mut self, now: Moment) {
        self.behind_since.get_or_insert(now);
    }

    /// Something failed; it has been in trouble since it failed first.
    pub fn failed(&mut self, concern: Concern, reason: String, grave: bool, now: Moment) {
        let since = self.troubles.get(&concern).map_or(now, |trouble| trouble.since);
        let trouble = Trouble { since, reason, grave };
        self.troubles.insert(concern, trouble);
    }

    /// It works, or works again.
    pub fn well(&mut self, concern: Concern) {
        self.troubles.remove(&concern);
    }
}
