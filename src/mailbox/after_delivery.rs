//! What is done on the server with delivered mails (`after_delivery`), and what of it is due.
//!
//! A mail is due from its acknowledgement on, and the checkpoint that says it is delivered says so, too: killed in
//! between, the next process makes up for it. A failure here is tried again later and never stands before delivery.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::imap::resume::Known;
use crate::imap::session::{Carried, Selected, Session, SessionError};
use crate::imap::uid::UidSet;
use crate::limits;
use crate::log::Level;

impl Life {
    /// Opens the mailbox: only for reading, unless something is to be done after delivery.
    pub(super) fn open(&self, session: &mut Session) -> Result<Selected, SessionError> {
        match &self.mailbox.after_delivery {
            None => session.examine(&self.mailbox.name),
            Some(_) => session.select(&self.mailbox.name),
        }
    }

    /// The mail has been acknowledged.
    pub(super) fn delivered(&mut self, known: Known) {
        self.recent.push(known);
        self.done(known.uid);
        if self.mailbox.after_delivery.is_some()
            && let Some(uid) = self.due.add(known.uid)
        {
            self.log(
                Level::Error,
                "after_delivery fails for too many mails; this one is delivered and stays as it is",
                &[("uid", &uid)],
            );
        }
    }

    /// What the checkpoint says is due. UIDs that may mean other mails now are not touched.
    pub(super) fn resume_due(&mut self, due: &[Range<u64>]) {
        if self.mailbox.after_delivery.is_some() {
            self.due = Due::new(due);
        }
    }

    /// UIDVALIDITY is another, or the server has none: nobody knows which mails are due.
    pub(super) fn forget_due(&mut self) {
        self.leave_due(0);
        self.due = Due::default();
    }

    /// UIDs from `first` on have other mails, or will.
    pub(super) fn leave_due(&mut self, first: u64) {
        let mails = self.due.go_back(first);
        if mails > 0 {
            self.log(
                Level::Warn,
                "UIDs may mean other mails now: these are delivered, and after_delivery is not carried out on them",
                &[("mails", &mails)],
            );
        }
    }

    /// Carries out what is due. What the server refuses is asked for again in halves, and later.
    pub(super) fn act(&mut self, session: &mut Session) -> Result<(), Failure> {
        let now = self.mailbox.clock.now();
        let Some(action) = self.mailbox.after_delivery.clone().filter(|_| self.due.is_time(now)) else {
            return Ok(());
        };
        // First of all, so that a server that ends the session at this is asked for mail first in the next one.
        let delay = backoff::REFUSAL.delay(self.due.attempt, (self.mailbox.random)());
        self.due.put_off(now, delay);
        let mut parts = self.due.parts();
        let mut refusals: usize = 0;
        let mut failed = None;
        while let Some(part) = parts.pop() {
            match session.carry_out(&action, &part, &mut self.due.copied) {
                Ok(carried) => {
                    self.due.done(&part);
                    self.tell_only_marked(carried);
                }
                Err(error @ SessionError::Throttled { wait, .. }) => {
                    let wait = wait.unwrap_or_default().min(limits::THROTTLE);
                    self.due.put_off(now, delay.max(wait));
                    failed = Some(error);
                    break;
                }
                Err(error @ (SessionError::Refused { .. } | SessionError::Unavailable(_))) => {
                    failed = Some(error);
                    refusals = refusals.saturating_add(1);
                    if refusals >= limits::STORE_REFUSALS {
                        break;
                    }
                    parts.extend(halves(&part));
                }
                Err(error) => return Err(error.into()),
            }
        }
        match failed {
            Some(error) if !self.due.mails.is_empty() => self.tell_failed(&error),
            _ => self.due.succeeded(),
        }
        Ok(())
    }

    fn tell_failed(&self, error: &SessionError) {
        let now = self.mailbox.clock.now();
        let in_seconds = whole_seconds(self.due.patience(now, Duration::MAX));
        let fields: [(&str, &dyn Display); 3] = [
            ("mails", &self.due.mails.len()),
            ("reason", error),
            ("in_seconds", &in_seconds),
        ];
        self.log(
            Level::Warn,
            "after_delivery not carried out, trying again; delivery goes on",
            &fields,
        );
    }

    /// Once, or every mail would say it.
    fn tell_only_marked(&mut self, carried: Carried) {
        if carried == Carried::OnlyMarked && !std::mem::replace(&mut self.due.told, true) {
            self.log(
                Level::Warn,
                "the server has no UIDPLUS: delivered mails are marked \\Deleted and stay until a client expunges the \
                 mailbox, because EXPUNGE would remove what others have marked as well",
                &[],
            );
        }
    }
}

/// Delivered mails on which the action is to be carried out.
#[derive(Debug, Default)]
pub(super) struct Due {
    mails: BTreeSet<u32>,
    /// Of these, what a move has copied and not removed yet.
    copied: BTreeSet<u32>,
    /// On their way to the receiver, and nothing is to be done with them then.
    left: BTreeSet<u32>,
    /// How many came since the last attempt.
    fresh: usize,
    /// Attempts that failed, in a row.
    attempt: u32,
    /// Not before.
    again: Option<Instant>,
    /// That mails are only marked has been told.
    told: bool,
}

impl Due {
    /// These mails, up to a bound.
    fn new(ranges: &[Range<u64>]) -> Due {
        let uids = ranges.iter().flat_map(Range::clone);
        Due {
            mails: uids
                .take(limits::DUE_MAILS)
                .filter_map(|uid| u32::try_from(uid).ok())
                .collect(),
            ..Due::default()
        }
    }

    /// Only a stub of this mail goes out: what is left of it on the server is all there is.
    pub fn leave(&mut self, uid: u32) {
        self.left.insert(uid);
    }

    /// One more. Gives the oldest, which is let go, where there are too many.
    fn add(&mut self, uid: u32) -> Option<u32> {
        if self.left.remove(&uid) {
            return None;
        }
        self.mails.insert(uid);
        self.fresh = self.fresh.saturating_add(1);
        if self.mails.len() <= limits::DUE_MAILS {
            return None;
        }
        let oldest = self.mails.pop_first();
        oldest.inspect(|uid| {
            self.copied.remove(uid);
        })
    }

    /// Whether a long fetch should make room for what is due.
    pub fn is_pressing(&self, now: Instant) -> bool {
        self.fresh >= limits::STORE_MAILS && self.is_time(now)
    }

    fn is_time(&self, now: Instant) -> bool {
        !self.mails.is_empty() && self.again.is_none_or(|again| now >= again)
    }

    /// How long to wait for news at most: no longer than to the next attempt.
    pub fn patience(&self, now: Instant, patience: Duration) -> Duration {
        match self.again {
            Some(again) if !self.mails.is_empty() => again.saturating_duration_since(now).min(patience),
            _ => patience,
        }
    }

    fn put_off(&mut self, now: Instant, delay: Duration) {
        if self.again.is_none_or(|again| now >= again) {
            self.attempt = self.attempt.saturating_add(1);
        }
        self.again = now.checked_add(delay);
        self.fresh = 0;
    }

    fn succeeded(&mut self) {
        self.attempt = 0;
        self.again = None;
    }

    fn done(&mut self, uids: &UidSet) {
        for uid in uids.uids() {
            self.mails.remove(uid);
            self.copied.remove(uid);
        }
    }

    /// What has UIDs from `first` on is other mail, or will be. Returns how many mails were due there.
    pub fn go_back(&mut self, first: u64) -> usize {
        let before = self.mails.len();
        self.mails.retain(|uid| u64::from(*uid) < first);
        self.copied.retain(|uid| u64::from(*uid) < first);
        self.left.retain(|uid| u64::from(*uid) < first);
        before.saturating_sub(self.mails.len())
    }

    /// Everything, in sets for a command each, the first one last.
    fn parts(&self) -> Vec<UidSet> {
        let mut parts = Vec::new();
        let mut part = UidSet::new();
        for uid in &self.mails {
            let full = part.uids().len() >= limits::STORE_MAILS;
            if full || !part.push(*uid, limits::STORE_SET_LENGTH) {
                parts.push(std::mem::take(&mut part));
                part.push(*uid, limits::STORE_SET_LENGTH);
            }
        }
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        parts.reverse();
        parts
    }

    /// For the checkpoint.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for uid in self.mails.iter().map(|uid| u64::from(*uid)) {
            match ranges.last_mut() {
                Some(range) if range.end == uid => range.end = uid.saturating_add(1),
                _ => ranges.push(uid..uid.saturating_add(1)),
            }
        }
        ranges
    }
}

/// A refusal of many mails says nothing of each; one of a single mail leaves nothing to halve. The first half comes last.
fn halves(part: &UidSet) -> impl Iterator<Item = UidSet> {
    let uids = part.uids();
    let (first, second) = uids.split_at_checked(uids.len().div_ceil(2)).unwrap_or_default();
    let halves = [second, first]
        .into_iter()
        .filter(|half| uids.len() > half.len() && !half.is_empty());
    halves.map(|half| half.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Due, halves};
    use crate::imap::uid::UidSet;
    use crate::limits;

    fn due(uids: &[u32]) -> Due {
        let mut due = Due::default();
        for uid in uids {
            assert_eq!(due.add(*uid), None);
        }
        due
    }

    fn written(parts: &[UidSet]) -> Vec<String> {
        parts.iter().map(UidSet::written).collect()
    }

    #[test]
    fn what_is_due_survives_the_checkpoint() {
        for uids in [&[][..], &[7], &[1, 2, 3, 7, 9, 10], &[u32::MAX - 1, u32::MAX]] {
            let again = Due::new(&due(uids).ranges());
            assert_eq!(again.mails, uids.iter().copied().collect());
        }
        assert_eq!(due(&[3, 1, 2, 7]).ranges(), [1..4, 7..8]);
        let everything = 0..u64::MAX;
        assert_eq!(Due::new(&[everything]).mails.len(), limits::DUE_MAILS);
    }

    #[test]
    fn parts_fit_into_commands_and_leave_nothing_out() {
        let most = u32::try_from(limits::STORE_MAILS).unwrap();
        for (count, step) in [(most - 1, 1), (most, 1), (most + 1, 1), (3 * most, 2), (0, 1)] {
            let uids: Vec<u32> = (0..count).map(|at| 4_000_000_000 + at * step).collect();
            let parts = due(&uids).parts();
            for part in &parts {
                assert!(part.written().len() <= limits::STORE_SET_LENGTH);
                assert!((1..=limits::STORE_MAILS).contains(&part.uids().len()));
            }
            let all: Vec<u32> = parts.iter().rev().flat_map(|part| part.uids().to_vec()).collect();
            assert_eq!(all, uids);
        }
    }

    #[test]
    fn a_refusal_is_halved_down_to_one_mail() {
        let set = |uids: &[u32]| uids.iter().copied().collect::<UidSet>();
        let halved = |uids: &[u32]| written(&halves(&set(uids)).collect::<Vec<_>>());
        assert_eq!(halved(&[1, 2, 3]), ["3", "1:2"]);
        assert_eq!(halved(&[1, 2]), ["2", "1"]);
        assert_eq!(halved(&[1]), Vec::<String>::new());
    }

    #[test]
    fn the_oldest_is_let_go_where_too_many_are_due() {
        let most = u32::try_from(limits::DUE_MAILS).unwrap();
        let mut due = due(&(1..=most).collect::<Vec<u32>>());
        assert_eq!(due.add(most + 1), Some(1));
        assert_eq!(due.mails.len(), limits::DUE_MAILS);
    }

    #[test]
    fn a_failed_attempt_waits_and_the_watch_ends_with_it() {
        let now = Instant::now();
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let mut due = due(&[5]);
        assert_eq!((due.is_time(now), due.patience(now, hour)), (true, hour));
        due.put_off(now, minute);
        assert!(!due.is_time(now) && due.is_time(now + minute));
        assert_eq!(due.patience(now, hour), minute);
        due.put_off(now, minute * 2);
        assert_eq!(due.attempt, 1, "the hint of the same attempt");
        due.put_off(now + hour, minute);
        assert_eq!(due.attempt, 2);
        due.done(&[5].into_iter().collect());
        assert_eq!(due.patience(now, hour), hour, "nothing is due any more");
    }

    #[test]
    fn a_mail_of_which_only_a_stub_goes_out_stays() {
        let mut due = Due::default();
        due.leave(6);
        assert_eq!([5, 6, 7].map(|uid| due.add(uid)), [None; 3]);
        assert_eq!(due.mails, [5, 7].into());
    }

    #[test]
    fn uids_that_are_given_again_are_not_touched() {
        let mut due = due(&[5, 6, 7]);
        due.copied.extend([6, 7]);
        assert_eq!(due.go_back(7), 1);
        assert_eq!(due.mails, [5, 6].into());
        assert!(!due.copied.contains(&7));
    }
}
