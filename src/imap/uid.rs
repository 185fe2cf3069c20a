//! Sets of UIDs (RFC 3501 section 9, sequence-set), explicit: what is not in the listing is never asked for.

use std::fmt::Write as _;

/// Some UIDs, ascending, together with how a command writes them: `1:3,7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UidSet {
    uids: Vec<u32>,
    /// All but the run that the last UID belongs to, with a comma behind each run.
    written: String,
    run_start: u32,
}

impl UidSet {
    /// The empty set.
    pub fn new() -> UidSet {
        UidSet::default()
    }

    /// The UIDs, ascending.
    pub fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// Adds `uid`, if it is higher than all that are in, and if the set then takes at most `length` bytes in a command.
    /// Says whether it did.
    pub fn push(&mut self, uid: u32, length: usize) -> bool {
        let last = self.uids.last().copied();
        if last.is_some_and(|last| last >= uid) {
            return false;
        }
        let next_of_run = last.is_some_and(|last| last.checked_add(1) == Some(uid));
        let mut written = String::new();
        if !next_of_run && let Some(last) = last {
            write_run(&mut written, self.run_start, last);
            written.push(',');
        }
        let run_start = if next_of_run { self.run_start } else { uid };
        let mut run = String::new();
        write_run(&mut run, run_start, uid);
        let total = self
            .written
            .len()
            .saturating_add(written.len())
            .saturating_add(run.len());
        if total > length {
            return false;
        }
        self.written.push_str(&written);
        self.run_start = run_start;
        self.uids.push(uid);
        true
    }

    /// As a command writes it. Empty for the empty set, which no command takes.
    pub fn written(&self) -> String {
        let mut written = self.written.clone();
        if let Some(last) = self.uids.last() {
            write_run(&mut written, self.run_start, *last);
        }
        written
    }
}

/// A set without a bound on its length.
impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> UidSet {
        let mut sorted: Vec<u32> = uids.into_iter().collect();
        sorted.sort_unstable();
        let mut set = UidSet::new();
        for uid in sorted {
            set.push(uid, usize::MAX);
        }
        set
    }
}

fn write_run(out: &mut String, first: u32, last: u32) {
    // Writing into a String cannot fail.
    let _ = if first == last {
        write!(out, "{first}")
    } else {
        write!(out, "{first}:{last}")
    };
}

#[cfg(test)]
mod tests {
    use super::UidSet;

    fn written(uids: &[u32]) -> String {
        uids.iter().copied().collect::<UidSet>().written()
    }

    #[test]
    fn neighbours_become_runs_and_nothing_between_is_asked_for() {
        assert_eq!(written(&[]), "");
        assert_eq!(written(&[7]), "7");
        assert_eq!(written(&[1, 2, 3, 7]), "1:3,7");
        assert_eq!(written(&[7, 3, 2, 1, 3, 3]), "1:3,7");
        assert_eq!(written(&[1, 3, 5]), "1,3,5");
        assert_eq!(written(&[1, 2, 4, 5]), "1:2,4:5");
        assert_eq!(written(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
    }

    #[test]
    fn a_set_grows_to_the_length_of_a_command_and_not_beyond() {
        for limit in 0..60 {
            let mut set = UidSet::new();
            let mut refused = 0;
            for uid in [1, 2, 3, 7, 9, 10, 4_000_000_000, 4_000_000_002] {
                if !set.push(uid, limit) {
                    refused += 1;
                }
                assert!(set.written().len() <= limit, "{limit}");
            }
            let again: UidSet = set.uids().iter().copied().collect();
            assert_eq!(again, set);
            let whole = "1:3,7,9:10,4000000000,4000000002".len();
            assert_eq!(refused == 0, limit >= whole, "{limit}");
        }
    }
}
