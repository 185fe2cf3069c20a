//! Which of the mails under way are done, in whatever order they come, and up to where *all* are. Kept from session to
//! session, so that a mail that holds the position back makes no other mail come twice.
//!
//! ```text
//! 1 ······ position ······ end ························ ahead ········ ahead ··· 2³²
//!   done     listed, some     the rest of a backlog,    live mail, listed while
//!            of it open       not listed yet            the backlog is not done
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::imap::resume::{Latest, Memory};
use crate::imap::session::Listed;
use crate::limits;

/// The mails that were listed and are not done yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// Their sizes by UID.
    open: BTreeMap<u32, u64>,
    /// Everything below has been listed: the position when nothing is open.
    end: u64,
    /// Above `end`, ascending and apart: ranges that have been listed as well. The last one may be empty: live mail begins
    /// there.
    ahead: Vec<Range<u64>>,
    /// The highest UIDs that were listed.
    latest: BTreeSet<u32>,
    /// What is below was there before the first process, or listed so long ago that it is not known which of it.
    foreign: u64,
    /// UIDNEXT when the mailbox was opened, until all of it is listed; and how many mails of it are not.
    reach: u64,
    unseen: u64,
    /// From the position on: runs of mails that are done, with nothing open in between. First to last.
    done: BTreeMap<u32, u32>,
}

impl Frontier {
    /// Everything below `next_uid` is done, and these ranges above it.
    pub fn new(next_uid: u64, done: &[Range<u64>]) -> Frontier {
        let mut frontier = Frontier {
            end: next_uid,
            foreign: next_uid,
            ..Frontier::default()
        };
        for range in done.iter().filter(|range| range.start >= next_uid) {
            frontier.ahead.push(range.clone());
            let last = u32::try_from(range.end.saturating_sub(1)).unwrap_or(u32::MAX);
            if let Ok(first) = u32::try_from(range.start)
                && !range.is_empty()
            {
                frontier.done.insert(first, last);
                frontier.foreign = range.end;
            }
        }
        frontier
    }

    /// Where another process was. What it had listed and not done is listed again.
    pub fn of(memory: &Memory) -> Frontier {
        let mut frontier = Frontier::new(memory.position.next_uid, &memory.done);
        if let Some(latest) = &memory.latest {
            frontier.foreign = latest.from;
            frontier.latest.extend(&latest.uids);
        }
        frontier
    }

    /// Live mail begins at `uid_next`, and what is below it is backlog, if that is a long one.
    pub fn divide(&mut self, uid_next: u64) {
        // Behind live mail, what came while we were away is live mail as well, unless a listing of it would be too long.
        let long = if self.ahead.is_empty() {
            limits::LONG_BACKLOG
        } else {
            limits::LISTED_UIDS
        };
        if uid_next.saturating_sub(self.top()) > long {
            self.ahead.push(uid_next..uid_next);
        }
    }

    /// The mailbox has `exists` mails with UIDs below `uid_next`.
    pub fn reaches(&mut self, uid_next: u64, exists: u32) {
        self.reach = uid_next;
        self.unseen = exists.into();
    }

    /// Whatever UIDNEXT said, there are no more mails than were listed.
    pub fn all_listed(&mut self) {
        self.reach = 0;
    }

    /// How many mails are not done, at the most: of UIDs that are not listed yet, each may be a mail.
    pub fn behind(&self) -> u64 {
        let unlisted = self.reach.saturating_sub(self.end);
        let ahead = self.ahead.iter().fold(0_u64, |sum, range| {
            let (start, end) = (range.start.max(self.end), range.end.min(self.reach));
            sum.saturating_add(end.saturating_sub(start))
        });
        let unlisted = unlisted.saturating_sub(ahead).min(self.unseen);
        unlisted.saturating_add(self.open.len() as u64)
    }

    /// Where the backlog that is to be listed ends; `None` when all that is left is what comes.
    pub fn backlog_end(&self) -> Option<u64> {
        self.ahead.first().map(|range| range.start)
    }

    /// The mails of the backlog from [`Frontier::end`] on; the listing goes on behind them.
    pub fn listed(&mut self, listed: &[Listed]) {
        for listed in listed {
            self.open(*listed);
            self.end = self.end.max(behind(listed.uid));
        }
    }

    /// Mails from [`Frontier::top`] on, before the backlog is done.
    pub fn listed_ahead(&mut self, listed: &[Listed]) {
        for listed in listed {
            self.open(*listed);
            if let Some(range) = self.ahead.last_mut() {
                range.end = range.end.max(behind(listed.uid));
            }
        }
    }

    /// The backlog has been listed up to its end, and so has what is behind that. Where no mail was seen behind it, nothing
    /// is certain about its end: UIDNEXT may be too high.
    pub fn pass_backlog(&mut self) {
        if !self.ahead.is_empty() {
            let range = self.ahead.remove(0);
            if !range.is_empty() {
                self.end = self.end.max(range.end);
            }
            self.forget_what_is_below();
        }
    }

    /// Mails from [`Frontier::look_back`] on: gives those that are new, of which the first `usize` are late, which means
    /// that a mail with a higher UID was listed before them.
    pub fn listed_at_end(&mut self, listed: Vec<Listed>) -> (Vec<Listed>, usize) {
        let fresh: Vec<Listed> = listed.into_iter().filter(|listed| !self.has_seen(listed.uid)).collect();
        let late = fresh.iter().filter(|listed| u64::from(listed.uid) < self.end).count();
        self.listed(&fresh);
        (fresh, late)
    }

    /// Where a listing begins that sees what is new, and mails that became visible after later ones, be they the first of all.
    /// Never below where the first process began: older mails are none of our business.
    pub fn look_back(&self) -> u64 {
        self.foreign.min(self.end).max(1)
    }

    fn open(&mut self, listed: Listed) {
        let position = self.position();
        self.open.insert(listed.uid, listed.size);
        // A late mail below the position: what lies between is done, and a restart must not forget that.
        let (first, last) = (listed.uid.saturating_add(1), position.saturating_sub(1));
        if let Ok(last) = u32::try_from(last)
            && first <= last
        {
            self.done.insert(first, last);
        }
        self.unseen = self.unseen.saturating_sub(1);
        self.was_listed(listed.uid);
        // A late mail in a run that was thought whole.
        if let Some((first, last)) = self.run_before(listed.uid.saturating_add(1))
            && last >= listed.uid
        {
            self.done.remove(&first);
            if first < listed.uid {
                self.done.insert(first, listed.uid.saturating_sub(1));
            }
            if last > listed.uid {
                self.done.insert(listed.uid.saturating_add(1), last);
            }
        }
    }

    fn was_listed(&mut self, uid: u32) {
        self.latest.insert(uid);
        if self.latest.len() > limits::LOOK_BACK
            && let Some(forgotten) = self.latest.pop_first()
        {
            self.foreign = self.foreign.max(behind(forgotten));
        }
    }

    /// `uid` was acknowledged, or reported as a gap.
    pub fn done(&mut self, uid: u32) {
        if self.open.remove(&uid).is_none() {
            return;
        }
        let (mut first, mut last) = (uid, uid);
        if let Some(before) = self.run_before(uid).filter(|(_, end)| self.is_closed(*end, uid)) {
            self.done.remove(&before.0);
            first = before.0;
        }
        let next = self.done.range(uid..).next().map(|(&start, &end)| (start, end));
        if let Some((start, end)) = next.filter(|(start, _)| self.is_closed(uid, *start)) {
            self.done.remove(&start);
            last = end;
        }
        self.done.insert(first, last);
        self.forget_what_is_below();
    }

    /// The position says enough of the runs below it.
    fn forget_what_is_below(&mut self) {
        let position = self.position();
        while let Some(run) = self.done.first_entry().filter(|run| u64::from(*run.get()) < position) {
            run.remove();
        }
    }

    /// The run of mails done that begins last before `uid`.
    fn run_before(&self, uid: u32) -> Option<(u32, u32)> {
        self.done.range(..uid).next_back().map(|(&first, &last)| (first, last))
    }

    /// Whether nothing between two UIDs is open, or not listed yet.
    fn is_closed(&self, low: u32, high: u32) -> bool {
        let listed_with = |uid: u32| self.ahead.iter().position(|range| range.contains(&u64::from(uid)));
        self.open.range(low..high).next().is_none() && listed_with(low) == listed_with(high)
    }

    /// Whether `uid` is one of those that were listed lately.
    pub fn has_seen(&self, uid: u32) -> bool {
        self.latest.contains(&uid)
    }

    /// Whether `uid` was listed and is not done.
    pub fn is_open(&self, uid: u32) -> bool {
        self.open.contains_key(&uid)
    }

    /// The size that the listing told, if it is open; none of a mail without bytes.
    pub fn size(&self, uid: u32) -> Option<u64> {
        self.open.get(&uid).copied().filter(|size| *size > 0)
    }

    /// What was listed and is not done, by UID.
    pub fn open_mails(&self) -> Vec<Listed> {
        self.open.iter().map(|(&uid, &size)| Listed { uid, size }).collect()
    }

    /// How many are not done.
    pub fn left(&self) -> usize {
        self.open.len()
    }

    /// Where the listing goes on.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where live mail is listed from.
    pub fn top(&self) -> u64 {
        self.ahead.last().map_or(self.end, |range| range.end)
    }

    /// Behind the highest UID that is known to have been given.
    pub fn given(&self) -> u64 {
        let ranges = self.ahead.iter().filter(|range| !range.is_empty());
        ranges.map(|range| range.end).fold(self.end, u64::max)
    }

    /// These need not be done, nor listed again.
    pub fn pass(&mut self, uids: impl Iterator<Item = u32>) {
        for uid in uids {
            // Or the next listing would take it for a late one.
            self.was_listed(uid);
            self.end = self.end.max(behind(uid));
        }
        self.forget_what_is_below();
    }

    /// UIDs from `end` on, below what was listed, will be, or were, given again. Returns those that were open: were they marked
    /// as done later, so would be the mails that have these UIDs now.
    pub fn go_back(&mut self, end: u64) -> Vec<u32> {
        self.end = self.end.min(end);
        self.foreign = self.foreign.min(end);
        self.ahead.retain(|range| range.start < end);
        if let Some(range) = self.ahead.last_mut() {
            range.end = range.end.min(end);
        }
        self.latest.retain(|uid| u64::from(*uid) < end);
        self.done.retain(|first, _| u64::from(*first) < end);
        if let Some(mut run) = self.done.last_entry() {
            let last = u32::try_from(end.saturating_sub(1)).unwrap_or(u32::MAX);
            let run = run.get_mut();
            *run = last.min(*run);
        }
        let gone = u32::try_from(end).map(|first| self.open.split_off(&first));
        gone.map_or_else(|_| Vec::new(), |gone| gone.into_keys().collect())
    }

    /// The lowest UID that is not done.
    pub fn position(&self) -> u64 {
        self.open
            .first_key_value()
            .map_or(self.end, |(&uid, _)| u64::from(uid).min(self.end))
    }

    /// Of what was listed last, what another process need not look at again.
    pub fn latest(&self) -> Latest {
        let uids = self.latest.iter().copied();
        Latest {
            from: self.foreign,
            uids: uids.filter(|uid| !self.is_open(*uid)).collect(),
        }
    }

    /// What is done above the position, ascending; where there are too many ranges, the longest. The last may be empty: it
    /// tells where live mail begins.
    pub fn done_ranges(&self) -> Vec<Range<u64>> {
        let mut done: Vec<Range<u64>> = self
            .done
            .iter()
            .map(|(&first, &last)| u64::from(first)..behind(last))
            .collect();
        done.sort_unstable_by_key(|range| Reverse(range.end.saturating_sub(range.start)));
        done.truncate(limits::DONE_RANGES);
        done.sort_unstable_by_key(|range| range.start);
        let live = self.ahead.last().map(|range| range.start);
        if let Some(live) = live.filter(|live| done.last().is_none_or(|last| last.end <= *live)) {
            done.push(live..live);
        }
        done
    }
}

/// One more than `uid`.
fn behind(uid: u32) -> u64 {
    u64::from(uid).saturating_add(1)
}

#[cfg(test)]
mod tests;
