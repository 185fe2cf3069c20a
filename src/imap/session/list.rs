//! Which mails are there: UIDs with sizes, and the proof that none was left out.
//!
//! A mail that is not listed would never be asked for. Sequence numbers have no holes and end with EXISTS (RFC 3501
//! section 2.3.1.2), so a server that leaves a mail out shows in them, at no cost, unless it is the first. In doubt, and when
//! a response could not be read, SEARCH is asked, which needs nothing of a mail but its UID.

use std::collections::BTreeMap;

use super::fetch::says_expunged;
use super::{Session, SessionError, refusal, slow, trouble};
use crate::imap::command::Command;
use crate::imap::fetch_items::BodyItem;
use crate::imap::response::Response;
use crate::imap::resume::Known;
use crate::imap::uid::UidSet;
use crate::{limits, log};

/// One mail of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its UID.
    pub uid: u32,
    /// RFC822.SIZE in bytes, 0 where the server did not say: a hint only, servers get it wrong.
    pub size: u64,
}

impl Session {
    /// The mails with UIDs from `first` to `last`, sorted. At most [`limits::LISTED_MAILS`], the lowest: when that many
    /// come, go on behind the last.
    pub fn list(&mut self, first: u32, last: u32) -> Result<Vec<Listed>, SessionError> {
        let mut listed = Vec::new();
        if first > last {
            return Ok(listed);
        }
        let open_end = last == u32::MAX;
        let exists = self.exists;
        // Those announced from now on will be news.
        let announced = if open_end {
            std::mem::take(&mut self.announced)
        } else {
            0
        };
        let mut numbers = Numbers::default();
        let unreadable = self.connection.unreadable;
        let command = Command::List(first, last);
        let condition = self.run(&command, slow(), |response| {
            // With a body it is no answer to this, and a UID that is none would hide the mails that get lower ones.
            if let Response::Fetch(attributes) = response
                && attributes.body == BodyItem::Absent
                && let Some(uid) = attributes.uid.filter(|uid| (first..=last).contains(uid))
            {
                let size = attributes.size.unwrap_or(0);
                listed.push(Listed { uid, size });
                numbers.add(attributes.number);
                if listed.len() >= limits::LISTED_MAILS.saturating_mul(2) {
                    lowest(&mut listed);
                }
            }
        })?;
        lowest(&mut listed);
        let refused = !condition.is_ok() && !says_expunged(&condition);
        // Dovecot says SERVERBUG for one mail that it cannot measure.
        if refused
            && !condition.has_code("SERVERBUG")
            && let Some(error) = trouble(&condition)
        {
            return Err(error);
        }
        let few = open_end && listed.len() < usize::try_from(announced).unwrap_or(usize::MAX);
        let holes = numbers.have_holes(first == 1, open_end.then_some(self.exists.min(exists)));
        let unread = self.connection.unreadable > unreadable;
        if refused || few || holes || unread {
            let before = listed.len();
            let searched = self.search(first, last, &mut listed)?;
            if refused && !searched {
                return Err(refusal(&command, &condition));
            }
            let added = listed.len().saturating_sub(before);
            self.report_doubt(added, searched);
        }
        Ok(listed)
    }

    /// By what mails with these UIDs can be recognised, of those that are there; without UIDs, the last mail. A refusal
    /// tells nothing of any mail, and is no reason to end a session.
    pub fn describe(&mut self, uids: &[u32]) -> Result<Vec<Known>, SessionError> {
        let mut described = BTreeMap::new();
        let mut asked = uids.to_vec();
        asked.sort_unstable();
        let mut left = asked.clone();
        loop {
            let mut set = UidSet::new();
            left.retain(|uid| !set.push(*uid, limits::IMAP_SET_LENGTH));
            let last = left.is_empty();
            let condition = self.run(&Command::Describe(set), slow(), |response| {
                if let Response::Fetch(attributes) = response
                    && let Some(uid) = attributes.uid
                    && (asked.is_empty() || asked.binary_search(&uid).is_ok())
                {
                    let known = Known {
                        uid,
                        size: attributes.size,
                        internal_date_ms: attributes.internal_date_ms,
                        sha256: None,
                    };
                    // News of its flags say nothing of either.
                    let mail = described.entry(uid).or_insert(known);
                    mail.size = known.size.or(mail.size);
                    mail.internal_date_ms = known.internal_date_ms.or(mail.internal_date_ms);
                    // The last one was asked for, and is not what comes unasked.
                    if asked.is_empty() && described.len() > 1 {
                        described.pop_first();
                    }
                }
            })?;
            if !condition.has_code("SERVERBUG")
                && let Some(error) = trouble(&condition)
            {
                return Err(error);
            }
            if last {
                return Ok(described.into_values().collect());
            }
        }
    }

    /// Adds what SEARCH finds and the listing left out, whatever it finds before it is refused; says whether it is not. An
    /// answer is one line, so it is asked for in slices, each of so many mails of the listing and what was left out between
    /// them.
    fn search(&mut self, first: u32, last: u32, listed: &mut Vec<Listed>) -> Result<bool, SessionError> {
        let mut ends: Vec<u32> = listed
            .chunks_exact(limits::SEARCHED_MAILS)
            .filter_map(|slice| slice.last().map(|listed| listed.uid))
            .filter(|end| *end < last)
            .collect();
        ends.push(last);
        let mut from = first;
        for end in ends {
            let condition = self.run(&Command::SearchRange(from, end), slow(), |response| {
                if let Response::Search(uids) = response {
                    let uids = uids.into_iter().filter(|uid| (from..=end).contains(uid));
                    listed.extend(uids.map(|uid| Listed { uid, size: 0 }));
                    if listed.len() >= limits::LISTED_MAILS.saturating_mul(2) {
                        lowest(listed);
                    }
                }
            })?;
            lowest(listed);
            if !condition.is_ok() {
                return trouble(&condition).map_or(Ok(false), Err);
            }
            from = end.saturating_add(1);
        }
        Ok(true)
    }

    fn report_doubt(&mut self, added: usize, searched: bool) {
        let server = self.peer().to_owned();
        if added > 0 {
            log::warn(
                "the server left mails out of its listing; SEARCH found them",
                &[("server", &server), ("mails", &added)],
            );
        }
        if !searched && !std::mem::replace(&mut self.connection.holes_told, true) {
            log::warn(
                "the server's listing has holes, and it refuses SEARCH: a mail that is left out comes when it is listed",
                &[("server", &server)],
            );
        }
    }
}

/// Sorted, each UID once, with a size where there is one, and no more than the limit.
fn lowest(listed: &mut Vec<Listed>) {
    listed.sort_unstable_by_key(|listed| (listed.uid, listed.size == 0, listed.size));
    listed.dedup_by_key(|listed| listed.uid);
    listed.truncate(limits::LISTED_MAILS);
}

/// Sequence numbers, as they come. A mail listed twice can hide another, and Courier numbers some mails 0: what is seen is
/// enough for a doubt, never for a proof.
#[derive(Default)]
struct Numbers {
    mails: u32,
    lowest: Option<u32>,
    highest: Option<u32>,
}

impl Numbers {
    fn add(&mut self, number: Option<u32>) {
        self.mails = self.mails.saturating_add(1);
        self.highest = self.highest.max(number);
        self.lowest = self.lowest.map_or(number, |lowest| Some(lowest.min(number?)));
    }

    /// Whether there are more numbers than mails. `from_first`: the listing begins with the first mail; `exists`: it ends
    /// with the last one, which has this number, at least.
    fn have_holes(&self, from_first: bool, exists: Option<u32>) -> bool {
        let lowest = if from_first { Some(1) } else { self.lowest };
        let (Some(lowest), Some(highest)) = (lowest, exists.max(self.highest)) else {
            return false;
        };
        highest.saturating_add(1).saturating_sub(lowest) > self.mails
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    fn have_holes(numbers: &[u32], from_first: bool, exists: Option<u32>) -> bool {
        let mut seen = Numbers::default();
        for number in numbers {
            seen.add(Some(*number).filter(|number| *number > 0));
        }
        seen.have_holes(from_first, exists)
    }

    #[test]
    fn a_mail_left_out_anywhere_leaves_a_hole() {
        for (numbers, from_first, exists) in [
            (&[1, 3][..], false, None),
            (&[9, 7], false, None),
            (&[2, 3], true, None),
            (&[2, 3], true, Some(3)),
            (&[2, 3], false, Some(4)),
            (&[], true, Some(1)),
            (&[0, 0], true, Some(3)),
            // EXISTS says less than is there.
            (&[2, 3], true, Some(0)),
            (&[5, 7], false, Some(4)),
        ] {
            assert!(have_holes(numbers, from_first, exists), "{numbers:?}");
        }
    }

    #[test]
    fn a_whole_listing_leaves_no_doubt() {
        for (numbers, from_first, exists) in [
            (&[][..], false, None),
            (&[], false, Some(7)),
            (&[], true, None),
            (&[], true, Some(0)),
            (&[1, 2, 3], true, Some(3)),
            (&[3, 1, 2], true, Some(3)),
            (&[5, 6], false, None),
            (&[5, 6], false, Some(6)),
            // One more that came during the listing, and one that was expunged.
            (&[5, 6, 7], false, Some(6)),
            (&[5], false, Some(4)),
            (&[0, 0, 0], true, Some(3)),
            (&[0, 0, 0], false, Some(3)),
            (&[1, 1, 1], false, None),
        ] {
            assert!(!have_holes(numbers, from_first, exists), "{numbers:?}");
        }
    }
}
