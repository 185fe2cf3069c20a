//! What a listing told, and what must follow from it: a mail that was left out where the sequence numbers show a hole is
//! searched for.

use std::collections::{BTreeMap, BTreeSet};

use super::State;

/// A listing, and the SEARCH behind it.
#[derive(Default)]
pub(super) struct Look {
    /// The first and the last UID that were asked for.
    range: Option<(u32, u32)>,
    /// Sequence numbers by UID.
    pub told: BTreeMap<u32, usize>,
    /// Some of it could not be read.
    pub unreadable: bool,
    /// Nobody can say what the client made of it.
    pub unclear: bool,
    must_search: bool,
}

impl Look {
    pub(super) fn at(first: u32, last: u32) -> Look {
        Look {
            range: Some((first, last)),
            ..Look::default()
        }
    }

    fn holds(&self, uid: u32) -> bool {
        self.range.is_some_and(|(first, last)| (first..=last).contains(&uid))
    }

    /// The listing is over. Of `view`, the mails of the session, and `exists`, their number as it was said.
    pub(super) fn ends(&mut self, state: &mut State, view: &[u32], exists: usize) {
        let mut left_out = false;
        for mail in &mut state.store.mails {
            if self.holds(mail.uid) && (self.unclear || !self.told.contains_key(&mail.uid)) {
                mail.fate.hidden = true;
                left_out |= view.contains(&mail.uid);
            }
        }
        self.must_search = left_out && !self.unclear && (self.unreadable || self.has_hole(exists));
    }

    fn has_hole(&self, exists: usize) -> bool {
        let Some((first, last)) = self.range else { return false };
        let open_end = if last == u32::MAX { exists } else { 0 };
        let highest = self.told.values().copied().max().unwrap_or_default().max(open_end);
        let lowest = if first == 1 {
            Some(1)
        } else {
            self.told.values().copied().min()
        };
        lowest.is_some_and(|lowest| highest.saturating_add(1).saturating_sub(lowest) > self.told.len())
    }

    /// The next command comes, so everything before it was read, unless the program stops. Says whether it is the SEARCH that
    /// belongs to this.
    pub(super) fn is_followed_by(&mut self, state: &mut State, command: &str) -> bool {
        let Some((first, last)) = self.range else { return false };
        let searches = command == format!("UID SEARCH UID {first}:{last}");
        if command == "LOGOUT" {
            *self = Look::default();
            return false;
        }
        assert!(
            searches || !self.must_search,
            "a hole in the listing {first}:{last}, and no SEARCH but {command}"
        );
        self.must_search = false;
        if !searches {
            for mail in &mut state.store.mails {
                mail.fate.hidden &= self.unclear || !self.told.contains_key(&mail.uid);
            }
            *self = Look::default();
        }
        searches
    }

    /// What SEARCH found besides.
    pub(super) fn found(&mut self, uids: &BTreeSet<u32>) {
        self.told.extend(uids.iter().map(|uid| (*uid, 0)));
    }
}
