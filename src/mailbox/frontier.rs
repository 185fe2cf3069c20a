//! Which of the mails under way are done, in whatever order they come, and up to where *all* are.

use std::collections::BTreeSet;

/// The UIDs of one listing that are not done yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frontier {
    open: BTreeSet<u32>,
    /// Where the listing ends: the position when nothing is open.
    end: u64,
}

impl Frontier {
    /// `uids` are to be done; `end` is the position behind them.
    pub fn new(uids: impl IntoIterator<Item = u32>, end: u64) -> Frontier {
        Frontier {
            open: uids.into_iter().collect(),
            end,
        }
    }

    /// `uid` was acknowledged, or reported as a gap.
    pub fn done(&mut self, uid: u32) {
        self.open.remove(&uid);
    }

    /// How many are not done.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The lowest UID that is not done.
    pub fn position(&self) -> u64 {
        self.open.first().map_or(self.end, |uid| u64::from(*uid))
    }
}

#[cfg(test)]
mod tests {
    use super::Frontier;

    #[test]
    fn mails_that_come_as_3_1_2_lose_neither_1_nor_2() {
        let mut frontier = Frontier::new([1, 2, 3, 9], 10);
        let mut positions = vec![(frontier.position(), frontier.open())];
        for uid in [3, 1, 2, 2, 77, 9] {
            frontier.done(uid);
            positions.push((frontier.position(), frontier.open()));
        }
        assert_eq!(positions, [(1, 4), (1, 3), (2, 2), (9, 1), (9, 1), (9, 1), (10, 0)]);
    }

    #[test]
    fn an_empty_listing_is_done() {
        assert_eq!(Frontier::new([], 41).position(), 41);
    }
}
