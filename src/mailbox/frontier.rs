//! Which of the mails under way are done, in whatever order they come, and up to where *all* are. Kept from session to
//! session, so that a mail that holds the position back makes no other mail come twice.

use std::collections::BTreeMap;

use crate::imap::session::Listed;

/// The mails that were listed and are not done yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// Their sizes by UID.
    open: BTreeMap<u32, u64>,
    /// Everything below has been listed: the position when nothing is open.
    end: u64,
}

impl Frontier {
    /// Everything below `next_uid` is done.
    pub fn new(next_uid: u64) -> Frontier {
        Frontier {
            open: BTreeMap::new(),
            end: next_uid,
        }
    }

    /// These are to be done; the listing goes on behind them.
    pub fn listed(&mut self, listed: &[Listed]) {
        for listed in listed {
            self.open.insert(listed.uid, listed.size);
            self.end = self.end.max(u64::from(listed.uid).saturating_add(1));
        }
    }

    /// `uid` was acknowledged, or reported as a gap.
    pub fn done(&mut self, uid: u32) {
        self.open.remove(&uid);
    }

    /// Whether `uid` was listed and is not done.
    pub fn is_open(&self, uid: u32) -> bool {
        self.open.contains_key(&uid)
    }

    /// What was listed and is not done, by UID.
    pub fn open(&self) -> Vec<Listed> {
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

    /// The mailbox ends at `end`, below what was listed: UIDs from there on will be, or were, given again.
    pub fn go_back(&mut self, end: u64) {
        self.end = self.end.min(end);
    }

    /// The lowest UID that is not done.
    pub fn position(&self) -> u64 {
        self.open
            .first_key_value()
            .map_or(self.end, |(&uid, _)| u64::from(uid).min(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::Frontier;
    use crate::imap::session::Listed;

    fn listed(uids: &[u32]) -> Vec<Listed> {
        uids.iter().map(|&uid| Listed { uid, size: 0 }).collect()
    }

    #[test]
    fn mails_that_come_as_3_1_2_lose_neither_1_nor_2() {
        let mut frontier = Frontier::new(1);
        frontier.listed(&listed(&[1, 2, 3, 9]));
        let mut positions = vec![(frontier.position(), frontier.left())];
        for uid in [3, 1, 2, 2, 77, 9] {
            frontier.done(uid);
            positions.push((frontier.position(), frontier.left()));
        }
        assert_eq!(positions, [(1, 4), (1, 3), (2, 2), (9, 1), (9, 1), (9, 1), (10, 0)]);
    }

    #[test]
    fn an_empty_listing_moves_nothing() {
        let mut frontier = Frontier::new(41);
        frontier.listed(&[]);
        assert_eq!((frontier.position(), frontier.end()), (41, 41));
    }

    #[test]
    fn what_one_listing_left_open_holds_the_position_and_not_the_next_listing() {
        let mut frontier = Frontier::new(1);
        frontier.listed(&listed(&[5, 7]));
        frontier.done(7);
        frontier.listed(&listed(&[u32::MAX]));
        frontier.done(u32::MAX);
        assert_eq!((frontier.position(), frontier.end()), (5, 1 << 32));
        assert_eq!(frontier.open(), listed(&[5]));
        frontier.done(5);
        assert_eq!(frontier.position(), 1 << 32);
    }

    #[test]
    fn a_mailbox_that_ends_earlier_takes_the_position_back() {
        let mut frontier = Frontier::new(50);
        frontier.go_back(60);
        assert_eq!(frontier.position(), 50);
        frontier.listed(&listed(&[55]));
        frontier.go_back(45);
        assert_eq!((frontier.position(), frontier.end()), (45, 45));
        assert!(frontier.is_open(55), "the server will say that it is gone");
    }
}
