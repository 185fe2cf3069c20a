//! Whose numbers there are: the mailboxes that are watched at the moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Counters, Timeouts, Totals};

/// The numbers of one mailbox, or of one account whose mailboxes are listed, and whose they are.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `host:port` of the IMAP server.
    pub server: String,
    /// The account.
    pub username: String,
    /// Its mailbox; `None` for the listing of the account's mailboxes.
    pub mailbox: Option<String>,
    /// Its numbers.
    pub counters: Arc<Counters>,
}

/// Who is watched. The supervisor enters, `health` reads.
#[derive(Debug, Default)]
pub struct Registry {
    /// What the process waited for too long.
    pub timeouts: Timeouts,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    entries: BTreeMap<u64, Entry>,
}

impl Registry {
    /// Adds `entry`, for as long as what is returned lives.
    pub fn enter(self: &Arc<Self>, entry: Entry) -> Entered {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        state.entries.insert(id, entry);
        Entered {
            registry: Arc::clone(self),
            id,
        }
    }

    /// Everybody, sorted by server, account and mailbox.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.lock().entries.values().cloned().collect();
        entries.sort_unstable_by(|one, other| {
            let [one, other] = [one, other].map(|entry| (&entry.server, &entry.username, &entry.mailbox));
            one.cmp(&other)
        });
        entries
    }

    /// The sum over all mailboxes.
    pub fn totals(&self) -> Totals {
        let state = self.lock();
        let mailboxes = state.entries.values().filter(|entry| entry.mailbox.is_some());
        let start = Totals {
            behind: Some(0),
            ..Totals::default()
        };
        mailboxes.fold(start, |sum, entry| sum.plus(entry.counters.totals()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an entry; see [`Registry::enter`].
#[derive(Debug)]
pub struct Entered {
    registry: Arc<Registry>,
    id: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.registry.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Entry, Registry};
    use crate::metrics::{Counter, Counters};

    fn entry(mailbox: &str, behind: u64) -> Entry {
        let counters = Counters::default();
        counters.add(Counter::Delivered, 3);
        counters.note(|vitals| vitals.behind = Some(behind));
        Entry {
            server: "s:993".to_owned(),
            username: "u".to_owned(),
            mailbox: (!mailbox.is_empty()).then(|| mailbox.to_owned()),
            counters: Arc::new(counters),
        }
    }

    #[test]
    fn who_has_gone_is_not_listed_and_the_sum_is_of_mailboxes() {
        let registry = Arc::new(Registry::default());
        let _later = registry.enter(entry("b", 10));
        let gone = registry.enter(entry("c", 100));
        let _first = registry.enter(entry("a", 1));
        let _account = registry.enter(entry("", 1000));
        let names = || -> Vec<Option<String>> { registry.entries().into_iter().map(|entry| entry.mailbox).collect() };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(), [None, some("a"), some("b"), some("c")]);
        assert_eq!(registry.totals().behind, Some(111));
        drop(gone);
        assert_eq!(names(), [None, some("a"), some("b")]);
        assert_eq!((registry.totals().mails, registry.totals().behind), (6, Some(11)));
    }
}
