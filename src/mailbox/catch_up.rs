//! What is there and not done: listed, then fetched. New mail goes before old.
//!
//! A long backlog is listed in windows, so that a listing is never in memory whole, and read in pieces, so that a mail that
//! arrives meanwhile is delivered within seconds and not when the backlog is done.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Life;
use super::failure::Failure;
use super::transfer::Urgency;
use crate::imap::session::{Listed, Session};
use crate::limits;
use crate::log::Level;
use crate::metrics::Counter;

impl Life {
    /// Delivers everything that is not done. Says whether it found anything new.
    pub(super) fn catch_up(&mut self, session: &mut Session) -> Result<bool, Failure> {
        if self.frontier.backlog_end().is_some() {
            self.look_ahead(session)?;
        }
        let doubtful = self.doubtful();
        self.transfer_undoubted(session, self.frontier.open_mails(), Urgency::Old)?;
        let before = self.frontier.end();
        while let Some(backlog_end) = self.frontier.backlog_end() {
            self.read_backlog(session, backlog_end)?;
            self.frontier.pass_backlog();
            self.widest = u64::MAX;
            self.move_on()?;
        }
        let found = self.read_end(session)? || self.frontier.end() > before;
        let mut last = self.frontier.open_mails();
        last.retain(|listed| doubtful.contains(&listed.uid));
        for listed in last {
            let stumbles = self.stumbles.get(&listed.uid).copied().unwrap_or_default();
            // Another mail first: only behind one that came does the end of a session say something of this one.
            let others_come = stumbles >= limits::STUMBLES && self.gives_mails(session)?;
            if others_come && stumbles >= limits::STUMBLES_MOST {
                self.give_up_stumbling(listed.uid)?;
            } else {
                self.transfer(session, &[listed], Urgency::Live)?;
            }
        }
        self.pass_over(session)?;
        if self.frontier.left() == 0 {
            self.rescan = None;
        }
        self.frontier.all_listed();
        self.move_on()?;
        Ok(found)
    }

    /// Those of `listed` that are in no doubt; the others stay open, for the end.
    fn transfer_undoubted(
        &mut self,
        session: &mut Session,
        mut listed: Vec<Listed>,
        urgency: Urgency,
    ) -> Result<(), Failure> {
        let doubtful = self.doubtful();
        listed.retain(|listed| !doubtful.contains(&listed.uid));
        self.transfer(session, &listed, urgency)
    }

    /// UIDs up to `backlog_end`, in windows. Windows without a mail do not move the position: a server whose UIDNEXT is too
    /// high would hide what comes.
    fn read_backlog(&mut self, session: &mut Session, backlog_end: u64) -> Result<(), Failure> {
        let mut width = limits::LISTED_UIDS;
        let mut next = self.frontier.end();
        while next < backlog_end {
            let window_end = next.saturating_add(width).min(backlog_end);
            let Ok(first) = u32::try_from(next) else { break };
            let last = u32::try_from(window_end.saturating_sub(1)).unwrap_or(u32::MAX);
            self.listing = Some(width);
            let listed = session.list(first, last)?;
            self.listing = None;
            self.answered();
            let (whole, empty) = (listed.len() < limits::LISTED_MAILS, listed.is_empty());
            let listed = self.without_presumed(session, listed)?;
            self.frontier.listed(&listed);
            self.transfer_undoubted(session, listed, Urgency::Old)?;
            next = if whole { window_end } else { self.frontier.end() };
            width = if empty {
                width.saturating_mul(2).min(self.widest)
            } else {
                limits::LISTED_UIDS
            };
        }
        Ok(())
    }

    /// What is behind the backlog, whatever UIDNEXT says, and what became visible late.
    fn read_end(&mut self, session: &mut Session) -> Result<bool, Failure> {
        let mut found = false;
        while let Ok(first) = u32::try_from(self.frontier.look_back()) {
            let listed = session.list(first, u32::MAX)?;
            self.answered();
            let whole = listed.len() < limits::LISTED_MAILS;
            let listed = self.without_presumed(session, listed)?;
            let (listed, late) = self.frontier.listed_at_end(listed);
            found |= !listed.is_empty();
            if late > 0 {
                self.mailbox.counters.add(Counter::Late, late as u64);
                self.log(
                    Level::Warn,
                    "mails became visible behind others with higher UIDs",
                    &[("mails", &late)],
                );
                // The checkpoint is beyond them: a process that ended now would never look for them again.
                self.move_on()?;
            }
            self.transfer_undoubted(session, listed, Urgency::Live)?;
            if whole {
                break;
            }
        }
        Ok(found)
    }

    /// While a backlog is read: is there new mail? Then it goes first.
    pub(super) fn look_ahead(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.looked = Some(self.mailbox.clock.now());
        if let Ok(first) = u32::try_from(self.frontier.top()) {
            let listed = session.list(first, u32::MAX)?;
            self.frontier.listed_ahead(&listed);
            self.transfer_undoubted(session, listed, Urgency::Live)?;
        }
        Ok(())
    }

    /// Whether it is time to look: seldom of ourselves, sooner where the server has announced something.
    pub(super) fn is_time_to_look(&self, announced: bool, now: Instant) -> bool {
        let pause = if announced {
            limits::LIVE_NEWS
        } else {
            limits::LIVE_LOOK
        };
        self.frontier.backlog_end().is_some()
            && self
                .looked
                .is_none_or(|looked| now.saturating_duration_since(looked) >= pause)
    }

    /// After a change of what UIDs mean: without the mails that are older than what was delivered last.
    fn without_presumed(&mut self, session: &mut Session, listed: Vec<Listed>) -> Result<Vec<Listed>, Failure> {
        let Some(rescan) = self.rescan.as_ref().filter(|rescan| rescan.since_ms.is_some()) else {
            return Ok(listed);
        };
        let uids = listed.iter().map(|listed| listed.uid);
        let uids: Vec<u32> = uids.filter(|uid| !self.frontier.has_seen(*uid)).collect();
        if uids.is_empty() {
            return Ok(listed);
        }
        let described = session.describe(&uids)?.into_iter();
        let mut presumed = BTreeSet::new();
        presumed.extend(described.filter(|known| rescan.presumes(known)).map(|known| known.uid));
        if !presumed.is_empty() {
            self.mailbox.counters.add(Counter::Presumed, presumed.len() as u64);
            self.log(
                Level::Warn,
                "gap",
                &[
                    ("reason", &"UIDs mean other mails now; these are older than the last one delivered, by an hour and more, and count as delivered"),
                    ("mails", &presumed.len()),
                ],
            );
        }
        self.frontier.pass(presumed.iter().copied());
        Ok(listed
            .into_iter()
            .filter(|listed| !presumed.contains(&listed.uid))
            .collect())
    }
}
