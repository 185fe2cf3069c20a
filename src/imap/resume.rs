//! Where to go on: what the checkpoint remembers, compared with what the mailbox says now. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::limits;

/// How far a mailbox has been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The UIDVALIDITY that gives `next_uid` its meaning.
    pub uid_validity: u32,
    /// Everything below this UID has been acknowledged, or was reported as a gap. One more than the highest UID is
    /// possible: UIDs have 32 bits, this has more.
    pub next_uid: u64,
}

/// All that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// How far everything is delivered.
    pub position: Position,
    /// UIDs above `next_uid` that are done as well, ascending: live mail that did not wait for the end of a backlog. The
    /// last one may be empty: live mail begins there. Without them, or with some missing, mails are delivered again.
    pub done: Vec<Range<u64>>,
    /// What was listed last, to find what becomes visible late; without it, nothing late is looked for.
    pub latest: Option<Latest>,
    /// The mails delivered last, to know the mailbox by.
    pub recent: Recent,
    /// What a change of UIDVALIDITY, or of what UIDs mean, has left to do.
    pub rescan: Option<Rescan>,
    /// UIDs of delivered mails on which `after_delivery` is to be carried out still, ascending and apart.
    pub due: Vec<Range<u64>>,
}

/// Mails that are done from a UID on, all of them: another one that is there became visible late, or is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// That UID.
    pub from: u64,
    /// UIDs, ascending, at most [`limits::LOOK_BACK`].
    pub uids: Vec<u32>,
}

/// A mail as it can be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its UID.
    pub uid: u32,
    /// RFC822.SIZE in bytes, where the server said it.
    pub size: Option<u64>,
    /// INTERNALDATE in milliseconds since 1970, where the server said it.
    pub internal_date_ms: Option<i64>,
    /// SHA-256 of the mail; `None` for one that was there before the first start.
    pub sha256: Option<[u8; 32]>,
}

/// The last [`limits::RECENT_MAILS`] mails delivered, in the order of their delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent(VecDeque<Known>);

/// Mails that a changed UIDVALIDITY, or a server that gives UIDs again, made strangers are looked at anew, but for those that
/// were delivered by all that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescan {
    /// Mails with an earlier INTERNALDATE (in milliseconds since 1970) count as delivered.
    pub since_ms: Option<i64>,
    /// This is about mails with lower UIDs; the others came later.
    pub below: u64,
    /// Dates count for mails with lower UIDs alone.
    pub presumed_below: u64,
    /// SHA-256 of mails that were delivered and are not recognised yet. Two that were delivered stand there twice: a third one
    /// with the same bytes was not.
    pub delivered: Vec<[u8; 32]>,
}

/// What to do with a mailbox that was just opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Go on at this UID.
    GoOn(u64),
    /// First run: deliver what comes from now on, which will have this UID or a higher one.
    FromNow(u64),
    /// First run: deliver everything.
    FromZero,
    /// The mailbox ends at this UID, below what was delivered, or has other mails from here on (a server restored from a
    /// backup, say): UIDs are given again, against RFC 3501, and what comes under them is new.
    GoBack(u64),
    /// UIDVALIDITY is another (RFC 3501, 2.3.1.1): remembered UIDs mean nothing, unless the mails under them are the same
    /// ([`Recent::compare`]).
    Renumbered {
        /// UIDVALIDITY as remembered.
        before: u32,
    },
}

/// What the mails under remembered UIDs tell of a mailbox with another UIDVALIDITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Other mails, or none of those remembered.
    Other,
    /// The same mails, by all that is known without their bytes.
    Same,
    /// The same so far; this one's bytes can prove it.
    Prove(Known),
}

/// UIDs are given again under the same UIDVALIDITY: what the remembered mails tell of where that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenAgain {
    /// From this UID on: behind the last mail that is the same.
    From(u64),
    /// No mail is the same by its date. From the UID of the first of these on that can be read, if it still has its bytes; from 1
    /// on otherwise.
    Above(Vec<Known>),
}

impl Memory {
    /// Nothing but a position.
    pub fn at(position: Position) -> Memory {
        Memory {
            position,
            done: Vec::new(),
            latest: None,
            recent: Recent::default(),
            rescan: None,
            due: Vec::new(),
        }
    }

    /// Of a mailbox that was looked for and is not there: when it is, whatever is in it is new.
    pub fn of_none() -> Memory {
        Memory::at(Position {
            uid_validity: 0,
            next_uid: 1,
        })
    }

    /// One more than the highest UID that is done.
    pub fn top(&self) -> u64 {
        let ends = self
            .done
            .iter()
            .filter(|range| !range.is_empty())
            .map(|range| range.end);
        ends.fold(self.position.next_uid, u64::max)
    }

    /// How many UIDs at the most are not done below the highest place that is known: a backlog under way. `None` where
    /// nothing is known above the position.
    pub fn backlog(&self) -> Option<u64> {
        let end = self.done.last()?.end;
        let lengths = self.done.iter().map(|range| range.end.saturating_sub(range.start));
        let done = lengths.fold(self.position.next_uid, u64::saturating_add);
        Some(end.saturating_sub(done))
    }

    /// What is left to look at when UIDVALIDITY is another: all mails of the mailbox, which has them below `below`.
    pub fn rescan(&self, below: u64) -> Rescan {
        self.rescan_from(1, below, below)
    }

    /// The same where UIDs are given again from `first` on. What is not below the mails delivered last was not delivered before
    /// them, whatever its date.
    pub fn rescan_given_again(&self, first: u64, below: u64) -> Rescan {
        let lowest = self.recent.mails().map(|known| u64::from(known.uid)).min();
        let lowest = lowest.unwrap_or(1).min(self.position.next_uid);
        self.rescan_from(first, below, lowest.min(below))
    }

    /// Dates are taken from the mails below the position: those above it may have been delivered before older ones. They count
    /// where everything is looked at anew.
    fn rescan_from(&self, first: u64, below: u64, presumed_below: u64) -> Rescan {
        let last = self.recent.mails();
        let last = last.filter(|known| u64::from(known.uid) < self.position.next_uid);
        let last = last
            .max_by_key(|known| known.uid)
            .and_then(|known| known.internal_date_ms);
        let margin = i64::try_from(limits::RESCAN_MARGIN.as_millis()).unwrap_or(i64::MAX);
        let before = self.rescan.clone().unwrap_or_default();
        let since_ms = last.map(|last| last.saturating_sub(margin)).filter(|_| first == 1);
        // A rescan that was not over had older mails to look at.
        let since_ms = before.since_ms.or(since_ms);
        let recent = self.recent.0.iter().rev().filter(|known| u64::from(known.uid) >= first);
        let mut delivered: Vec<[u8; 32]> = recent
            .filter_map(|known| known.sha256)
            .chain(before.delivered)
            .collect();
        delivered.truncate(limits::RECENT_MAILS.saturating_mul(2));
        Rescan {
            since_ms,
            below,
            presumed_below,
            delivered,
        }
    }
}

impl Recent {
    /// The mails, in the order of their delivery.
    pub fn mails(&self) -> impl Iterator<Item = &Known> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `known` was delivered last. The oldest goes, but for two: the highest, which shows that UIDs are given again where live
    /// mail is, while a backlog is read; and the one from before the first start, behind which everything is delivered.
    pub fn push(&mut self, known: Known) {
        if self.0.len() >= limits::RECENT_MAILS {
            let highest = self.mails().map(|known| known.uid).max();
            let goes = |known: &Known| Some(known.uid) != highest && known.sha256.is_some();
            let place = self.0.iter().position(goes).unwrap_or_default();
            self.0.remove(place);
        }
        self.0.push_back(known);
    }

    /// UIDs from `end` on will be those of other mails.
    pub fn go_back(&mut self, end: u64) {
        self.0.retain(|known| u64::from(known.uid) < end);
    }

    /// Compares with the mails that have these UIDs `now`. One that is not there any more says nothing; one that differs
    /// says that UIDs have another meaning.
    pub fn compare(&self, now: &[Known]) -> Sameness {
        let mut same = Vec::new();
        for known in &self.0 {
            let Some(mail) = now.iter().find(|mail| mail.uid == known.uid) else {
                continue;
            };
            if known.differs_from(mail) {
                return Sameness::Other;
            }
            if known.sha256.is_some() || known.is_like(mail) {
                same.push(Known {
                    size: known.size.or(mail.size),
                    ..*known
                });
            }
        }
        // The highest: numbered anew, mails move down where there were holes, the more the higher they are. But not a
        // huge one, as some servers make this necessary in every session. What another mail has as well proves nothing: a
        // hash that several have, an empty mail.
        let times = |sha256| self.0.iter().filter(|known| known.sha256 == sha256).count();
        let is_telling = |known: &&Known| known.size != Some(0) && times(known.sha256) == 1;
        let hashed = same.iter().filter(|known| known.sha256.is_some()).filter(is_telling);
        let is_small = |known: &&Known| known.size.is_some_and(|size| size <= limits::IMAP_BATCH_BYTES);
        let highest = hashed.clone().filter(is_small).max_by_key(|known| known.uid);
        match highest.or_else(|| hashed.min_by_key(|known| known.size)) {
            Some(known) => Sameness::Prove(*known),
            None if same.is_empty() || same.iter().any(|known| known.sha256.is_some()) => Sameness::Other,
            None => Sameness::Same,
        }
    }

    /// Under the same UIDVALIDITY: whether UIDs have other mails `now`, by their dates, or the mailbox has its `end` below what
    /// was listed. Sizes tell nothing, Exchange measures anew. Nor is another date a proof, a backup may forget them; so mails
    /// whose bytes are known are looked at again, and one whose bytes are not is another only if its size differs as well.
    pub fn given_again(&self, now: &[Known], end: Option<u64>) -> Option<GivenAgain> {
        let there = |known: &&Known| now.iter().find(|mail| mail.uid == known.uid);
        let others = || {
            self.mails()
                .filter(|known| there(known).is_some_and(|mail| known.is_other_than(mail)))
        };
        let first_other = others().map(|known| u64::from(known.uid)).min();
        let end = first_other.into_iter().chain(end).min()?;
        if self.is_empty() {
            return Some(GivenAgain::From(end));
        }
        let below = self.mails().filter(|known| u64::from(known.uid) < end);
        let same = below.filter(|known| there(known).is_some_and(|mail| known.has_date_of(mail)));
        if let Some(behind_same) = same.map(|known| u64::from(known.uid).saturating_add(1)).max() {
            return Some(GivenAgain::From(behind_same));
        }
        let mut hashed = BTreeMap::new();
        for known in others().filter(|known| known.sha256.is_some()) {
            hashed.insert(known.uid, *known);
        }
        Some(GivenAgain::Above(hashed.into_values().collect()))
    }

    /// One more than the highest UID that is there `now` and has the same mail, by size and date, after [`Recent::compare`].
    /// Above it nothing proves anything: mails whose predecessors were expunged undelivered may have taken their UIDs.
    pub fn same_below(&self, now: &[Known]) -> u64 {
        let there = self
            .mails()
            .filter(|known| now.iter().any(|mail| mail.uid == known.uid && known.is_like(mail)));
        there
            .map(|known| u64::from(known.uid).saturating_add(1))
            .max()
            .unwrap_or(1)
    }
}

impl FromIterator<Known> for Recent {
    fn from_iter<I: IntoIterator<Item = Known>>(mails: I) -> Recent {
        let mut recent = Recent::default();
        for known in mails {
            recent.push(known);
        }
        recent
    }
}

impl Known {
    /// Something that both know differs.
    fn differs_from(&self, other: &Known) -> bool {
        self.has_other_size(other) || self.has_other_date(other)
    }

    /// The other one has another date, and another size, or perhaps other bytes.
    fn is_other_than(&self, other: &Known) -> bool {
        self.has_other_date(other) && (self.sha256.is_some() || self.has_other_size(other))
    }

    fn has_other_size(&self, other: &Known) -> bool {
        let sizes = self.size.zip(other.size);
        sizes.is_some_and(|(size, other)| size != other)
    }

    fn has_other_date(&self, other: &Known) -> bool {
        let dates = self.internal_date_ms.zip(other.internal_date_ms);
        dates.is_some_and(|(date, other)| date != other)
    }

    /// Both know the same date.
    fn has_date_of(&self, other: &Known) -> bool {
        self.internal_date_ms.is_some() && self.internal_date_ms == other.internal_date_ms
    }

    /// Both know the same size and date.
    fn is_like(&self, other: &Known) -> bool {
        let facts = |known: &Known| known.size.zip(known.internal_date_ms);
        facts(self).is_some_and(|ours| facts(other) == Some(ours))
    }
}

impl Rescan {
    /// Whether a mail with this INTERNALDATE counts as delivered.
    pub fn presumes(&self, known: &Known) -> bool {
        let dates = self.since_ms.zip(known.internal_date_ms);
        u64::from(known.uid) < self.presumed_below && dates.is_some_and(|(since, date)| date < since)
    }

    /// Whether a mail was delivered, by its hash. It counts for one of those that were.
    pub fn recognise(&mut self, uid: u32, sha256: &[u8; 32]) -> bool {
        if u64::from(uid) >= self.below {
            return false;
        }
        let place = self.delivered.iter().position(|delivered| delivered == sha256);
        place.map(|place| self.delivered.remove(place)).is_some()
    }
}

impl Resume {
    /// The lowest UID that is not yet delivered.
    pub fn next_uid(self) -> u64 {
        match self {
            Resume::GoOn(uid) | Resume::FromNow(uid) | Resume::GoBack(uid) => uid,
            Resume::FromZero | Resume::Renumbered { .. } => 1,
        }
    }
}

/// Compares what is remembered with the mailbox's `uid_validity` and `uid_next` of now; `given_again` is the UID from which on
/// UIDs have other mails under the same UIDVALIDITY, or will.
pub fn resume(
    remembered: Option<Position>,
    uid_validity: u32,
    given_again: Option<u64>,
    uid_next: u64,
    from_zero: bool,
) -> Resume {
    match remembered {
        Some(position) if position.uid_validity == uid_validity => {
            given_again.map_or(Resume::GoOn(position.next_uid), |first| Resume::GoBack(first.max(1)))
        }
        Some(position) => Resume::Renumbered {
            before: position.uid_validity,
        },
        None if from_zero => Resume::FromZero,
        None => Resume::FromNow(uid_next.max(1)),
    }
}

#[cfg(test)]
mod tests;
