//! What is known of a mailbox outside its thread: [`Counters`], one atomic number each, from the start of the process on,
//! never decreasing; and its [`Vitals`], how it is at the moment. `metrics/meter.rs` makes rates of them,
//! `metrics/registry.rs` knows whose they are.
//!
//! Every mail ends as one of `delivered`, `dead_lettered`, `expunged`, `refused`, `presumed` or `recognised`: a sum that an auditor can check
//! against the mailbox.

mod meter;
mod registry;
mod timeouts;
mod vitals;

pub use meter::{Meter, Progress, Totals};
pub use registry::{Entered, Entry, Registry};
pub use timeouts::Timeouts;
pub use vitals::{Concern, Doing, Moment, Trouble, Vitals};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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
    /// Gaps: mails that the server refused to give, or at which every session ended; the dead-letter file has a line about
    /// each.
    Refused,
    /// Gaps: mails taken for delivered after UIDs changed their meaning, because of their INTERNALDATE.
    Presumed,
    /// Mails fetched again after UIDs changed their meaning, and known by their hash: delivered before, not again.
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
    /// Times that a defect of mailtap ended the mailbox's thread, which began again.
    Defects,
}

impl Counter {
    /// All of them, in the order in which they are told.
    pub const ALL: [Counter; 16] = [
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
        Counter::Defects,
    ];

    /// The ends that a mail can come to; each mail has one.
    pub const ENDS: [Counter; 6] = [
        Counter::Delivered,
        Counter::DeadLettered,
        Counter::Expunged,
        Counter::Refused,
        Counter::Presumed,
        Counter::Recognised,
    ];

    /// Its name for Prometheus, and what it counts.
    pub fn about(self) -> (&'static str, &'static str) {
        match self {
            Counter::Delivered => (
                "mailtap_delivered_events_total",
                "Events that the receiver acknowledged.",
            ),
            Counter::DeadLettered => (
                "mailtap_dead_lettered_mails_total",
                "Mails in the dead-letter file because the receiver refused their event, or the program ended whenever it read them.",
            ),
            Counter::Stubs => (
                "mailtap_stubs_total",
                "Mails of which a stub was made because the program ended whenever it read them.",
            ),
            Counter::Expunged => (
                "mailtap_expunged_mails_total",
                "Gaps: mails that were expunged before they were fetched.",
            ),
            Counter::Refused => (
                "mailtap_refused_mails_total",
                "Gaps: mails that the IMAP server refused to give, or at which every session ended; each has a line in the dead-letter file.",
            ),
            Counter::Presumed => (
                "mailtap_presumed_mails_total",
                "Gaps: mails taken for delivered after UIDs changed their meaning, because of their date.",
            ),
            Counter::Recognised => (
                "mailtap_recognised_mails_total",
                "Mails known by their hash after UIDs changed their meaning, and not delivered again.",
            ),
            Counter::Late => (
                "mailtap_late_mails_total",
                "Mails that became visible behind one with a higher UID.",
            ),
            Counter::FetchedMails => ("mailtap_fetched_mails_total", "Mails fetched."),
            Counter::FetchedBytes => ("mailtap_fetched_bytes_total", "Bytes of the mails fetched."),
            Counter::Sessions => ("mailtap_sessions_total", "Sessions begun with the IMAP server."),
            Counter::Failures => (
                "mailtap_session_failures_total",
                "Sessions that ended with an error or could not be opened.",
            ),
            Counter::Throttled => (
                "mailtap_throttles_total",
                "Sessions that ended because the IMAP server asked for less.",
            ),
            Counter::Renumbered => ("mailtap_uidvalidity_changes_total", "Changes of UIDVALIDITY."),
            Counter::Undelivered => (
                "mailtap_undelivered_batches_total",
                "Times that the receiver did not take a batch; it was sent again, or in halves.",
            ),
            Counter::Defects => (
                "mailtap_defects_total",
                "Times that a defect of mailtap ended a mailbox's thread, which began again.",
            ),
        }
    }
}

/// The numbers of one mailbox. Its thread adds, anybody reads.
#[derive(Debug, Default)]
pub struct Counters {
    values: [AtomicU64; Counter::ALL.len()],
    vitals: Mutex<Vitals>,
}

impl Counters {
    /// Counts one more.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `number` more.
    pub fn add(&self, counter: Counter, number: u64) {
        // No other value depends on the order in which these are seen.
        if let Some(value) = self.values.get(counter as usize) {
            value.fetch_add(number, Ordering::Relaxed);
        }
    }

    /// The number now.
    pub fn get(&self, counter: Counter) -> u64 {
        self.values
            .get(counter as usize)
            .map_or(0, |value| value.load(Ordering::Relaxed))
    }

    /// How the mailbox is now.
    pub fn vitals(&self) -> Vitals {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how the mailbox is. `change` must not wait.
    pub fn note(&self, change: impl FnOnce(&mut Vitals)) {
        change(&mut self.vitals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What a [`Meter`] looks at.
    pub fn totals(&self) -> Totals {
        let ended = Counter::ENDS.iter().map(|counter| self.get(*counter));
        Totals {
            mails: ended.fold(0, u64::saturating_add),
            bytes: self.get(Counter::FetchedBytes),
            behind: self.vitals().behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Counter, Counters};

    #[test]
    fn each_counter_has_a_number_and_a_name_of_its_own() {
        let counters = Counters::default();
        for (number, counter) in (1..).zip(Counter::ALL) {
            assert_eq!(counters.get(counter), 0, "{counter:?}");
            counters.add(counter, number);
            counters.count(counter);
        }
        for (number, counter) in (1..).zip(Counter::ALL) {
            assert_eq!(counters.get(counter), number + 1, "{counter:?}");
        }
        let names: HashSet<&str> = Counter::ALL.iter().map(|counter| counter.about().0).collect();
        assert_eq!(names.len(), Counter::ALL.len());
        assert!(names.iter().all(|name| name.ends_with("_total")));
    }

    #[test]
    fn every_end_of_a_mail_is_done_and_nothing_else_is() {
        let counters = Counters::default();
        for counter in Counter::ALL {
            counters.add(counter, 10);
        }
        let totals = counters.totals();
        assert_eq!((totals.mails, totals.bytes, totals.behind), (60, 10, None));
    }
}
