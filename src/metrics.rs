//! What is counted of one mailbox: one atomic number each, from the start of the process on, never decreasing.
//!
//! Every mail ends as one of `delivered`, `dead_lettered`, `expunged`, `refused`, `presumed` or `recognised`: a sum that an auditor can check
//! against the mailbox.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Events that the receiver acknowledged.
    Delivered,
    /// Mails that went to the dead-letter file: the receiver refuses their event, or the program ended whenever it read them.
    DeadLettered,
    /// Mails of which a stub was made because the program ended whenever it read them.
    Stubs,
    /// Gaps: mails that were expunged before they were fetched.
    Expunged,
    /// Gaps: mails that the server refused to give in several sessions; the dead-letter file has a line about each.
    Refused,
    /// Gaps: mails taken for delivered after UIDVALIDITY changed, because of their INTERNALDATE.
    Presumed,
    /// Mails fetched again after UIDVALIDITY changed and known by their hash: delivered before, not again.
    Recognised,
    /// Mails that became visible behind a mail with a higher UID, and were delivered all the same.
    Late,
    /// Mails fetched, each body once.
    FetchedMails,
    /// Bytes of those mails.
    FetchedBytes,
    /// Sessions begun with the IMAP server; all but the first are reconnects.
    Sessions,
    /// Sessions that ended with an error, those that could not be opened included.
    Failures,
    /// Of those, how many because the server asked for less.
    Throttled,
    /// Changes of UIDVALIDITY.
    Renumbered,
    /// Times that the receiver did not take a batch; it is sent again, or in halves.
    Undelivered,
}

impl Counter {
    /// All of them, in the order in which they are told.
    pub const ALL: [Counter; 15] = [
        Counter::Delivered,
        Counter::DeadLettered,
        Counter::Stubs,
        Counter::Expunged,
        Counter::Refused,
        Counter::Presumed,
        Counter::Recognised,
        Counter::Late,
        Counter::FetchedMails,
        Counter::FetchedBytes,
        Counter::Sessions,
        Counter::Failures,
        Counter::Throttled,
        Counter::Renumbered,
        Counter::Undelivered,
    ];
}

/// The numbers of one mailbox. Its thread adds, anybody reads.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Counters {
    /// Counts one more.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `number` more.
    pub fn add(&self, counter: Counter, number: u64) {
        // No other value depends on the order in which these are seen.
        if let Some(value) = self.0.get(counter as usize) {
            value.fetch_add(number, Ordering::Relaxed);
        }
    }

    /// The number now.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0
            .get(counter as usize)
            .map_or(0, |value| value.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Counters};

    #[test]
    fn each_counter_has_a_number_of_its_own() {
        let counters = Counters::default();
        for (number, counter) in (1..).zip(Counter::ALL) {
            assert_eq!(counters.get(counter), 0, "{counter:?}");
            counters.add(counter, number);
            counters.count(counter);
        }
        for (number, counter) in (1..).zip(Counter::ALL) {
            assert_eq!(counters.get(counter), number + 1, "{counter:?}");
        }
    }
}
