//! The mailboxes of one account, where the server says which there are: asked at the start, then every hour.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{self, Failures};
use crate::clock::Clock;
use crate::imap::session::SessionError;
use crate::imap::session::list_mailboxes::Listing;
use crate::imap::wanted::Wanted;
use crate::mailbox::failure::{Failure, Remedy, is_grave, remedy};
use crate::mailbox::{Credentials, Login, Until, insists, whole_seconds};
use crate::metrics::{Concern, Counter, Counters, Doing, Moment, Vitals};
use crate::net::Dial;
use crate::turns::{Turn, Turns};
use crate::{imap, limits, log};

/// An account whose mailboxes are listed.
pub struct Account {
    /// How to log in.
    pub imap: imap::Settings,
    /// What proves that the account is ours.
    pub credentials: Credentials,
    /// Which mailboxes.
    pub wanted: Vec<Wanted>,
    /// Opens connections to the IMAP server.
    pub dial: Arc<dyn Dial>,
    /// Whose turn it is to have a connection: a listing needs one as well.
    pub turns: Arc<Turns>,
    /// How the listing is, for whoever asks.
    pub counters: Arc<Counters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How long it is followed: [`Until::CaughtUp`] is one listing.
    pub until: Until,
    /// Uniformly distributed numbers that nobody can guess: for the jitter of delays and the nonces of logins.
    pub random: fn() -> u64,
}

/// What came of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Adjusted {
    /// One that was there before is missed, or one could not begin: the server is asked again soon.
    pub soon: bool,
    /// Of those, one that comes back before its thread has ended.
    pub comes_back: bool,
    /// Why not all of it is watched.
    pub unwatched: Option<String>,
}

impl Account {
    /// Tells `there_are` the mailboxes of each listing, until the program is asked to stop. Gives whether it was told of any
    /// listing.
    pub fn follow(&self, mut there_are: impl FnMut(&Listing) -> Adjusted) -> bool {
        let mut panics: u32 = 0;
        loop {
            // Nothing of a listing outlives it, so nothing half-changed is seen again.
            let work = AssertUnwindSafe(|| self.follow_listings(&mut there_are));
            if let Ok(listed) = panic::catch_unwind(work) {
                return listed;
            }
            let delay = backoff::NETWORK.delay(panics, (self.random)());
            panics = panics.saturating_add(1);
            self.tell_defect(panics);
            if self.clock.stopping() || !insists(self.until, panics, backoff::NETWORK) {
                return false;
            }
            self.clock.wait(delay);
        }
    }

    fn follow_listings(&self, there_are: &mut impl FnMut(&Listing) -> Adjusted) -> bool {
        let mut failures = Failures::default();
        let mut attempt: u32 = 0;
        let mut listed = false;
        // Kept while the account lets nobody in, so that the others do not try as well.
        let mut kept = None;
        while !self.clock.stopping() {
            let delay = match self.list(&mut kept) {
                Ok(listing) => {
                    failures.forget();
                    attempt = 0;
                    listed = true;
                    self.note(|vitals, now| {
                        vitals.opened(now);
                        // Until the next listing nobody expects an answer.
                        vitals.begin(Doing::Pause, now);
                    });
                    let Adjusted { soon, unwatched, .. } = there_are(&listing);
                    self.note(|vitals, now| match unwatched {
                        Some(reason) => vitals.failed(Concern::Watching, reason, true, now),
                        None => vitals.well(Concern::Watching),
                    });
                    if self.until == Until::CaughtUp {
                        return true;
                    }
                    if soon { limits::RELIST_SOON } else { limits::RELIST }
                }
                Err(failure) => match remedy(&failure) {
                    Remedy::Stop => return listed,
                    Remedy::Again { backoff, at_least } => {
                        let delay = failures
                            .delay(backoff, (self.random)())
                            .max(at_least.min(limits::THROTTLE));
                        attempt = attempt.saturating_add(1);
                        if !insists(self.until, attempt, backoff) {
                            // The mailboxes that are known by name would not get in either.
                            if kept.is_some() {
                                self.turns.close();
                            }
                            self.give_up(&failure);
                            return listed;
                        }
                        let (reason, grave) = (failure.to_string(), is_grave(backoff));
                        self.note(|vitals, now| vitals.failed(Concern::Opening, reason, grave, now));
                        self.warn(&failure, delay);
                        delay
                    }
                },
            };
            self.clock.wait(delay);
        }
        listed
    }

    fn list(&self, kept: &mut Option<Turn>) -> Result<Listing, Failure> {
        let Some(mut turn) = kept.take().or_else(|| self.turns.join().wait()) else {
            return Err(Failure::Stopping);
        };
        let mut session = match turn.session() {
            Some(session) => session,
            None => match self.login().connect() {
                Ok(session) => session,
                Err(failure) => {
                    turn.not_logged_in();
                    *kept = Some(turn);
                    return Err(failure);
                }
            },
        };
        turn.logged_in();
        let listing: Result<_, SessionError> = session.mailboxes(&self.wanted);
        let listing = listing?;
        turn.hand_over(session);
        Ok(listing)
    }

    fn note(&self, change: impl FnOnce(&mut Vitals, Moment)) {
        let now = Moment::now(&*self.clock);
        self.counters.note(|vitals| change(vitals, now));
    }

    fn login(&self) -> Login<'_> {
        Login {
            imap: &self.imap,
            credentials: &self.credentials,
            dial: &*self.dial,
            clock: &self.clock,
            random: self.random,
        }
    }

    fn tell_defect(&self, times: u32) {
        let what = "a defect of mailtap ended the listing of this account; it begins again";
        self.counters.count(Counter::Defects);
        self.note(|vitals, now| vitals.failed(Concern::Watching, what.to_owned(), true, now));
        log::error(
            what,
            &[
                ("server", &self.imap.endpoint),
                ("username", &self.imap.username),
                ("times", &times),
            ],
        );
    }

    fn give_up(&self, failure: &Failure) {
        log::error(
            "given up: mailboxes not listed",
            &[
                ("server", &self.imap.endpoint),
                ("username", &self.imap.username),
                ("reason", failure),
            ],
        );
    }

    fn warn(&self, failure: &Failure, delay: Duration) {
        log::warn(
            "mailboxes not listed, trying again",
            &[
                ("server", &self.imap.endpoint),
                ("username", &self.imap.username),
                ("reason", failure),
                ("in_seconds", &whole_seconds(delay)),
            ],
        );
    }
}
