//! The list of a mail's anomalies: one entry for each flag and part, a bounded number of them.

use crate::event::Anomaly;
use crate::limits;
use crate::mime::anomaly::{Flag, Severity};

#[derive(Debug, Default)]
pub(super) struct Anomalies {
    entries: Vec<Entry>,
    /// How many more there were than the limit, and where the first of them is.
    more: u64,
    more_from: u64,
}

#[derive(Debug)]
struct Entry {
    flag: Flag,
    path: Vec<u32>,
    offset: u64,
    count: u64,
}

impl Anomalies {
    pub(super) fn add(&mut self, flag: Flag, path: &[u32], offset: u64) {
        self.add_all(flag, path, offset, 1);
    }

    /// Adds `count` occurrences, of which the first is at `offset`. What is read late may stand before what was read early.
    pub(super) fn add_all(&mut self, flag: Flag, path: &[u32], offset: u64, count: u64) {
        if let Some(entry) = self
            .entries
            .iter_mut()
            .find(|entry| entry.flag == flag && entry.path == path)
        {
            entry.count = entry.count.saturating_add(count);
            entry.offset = entry.offset.min(offset);
        } else if self.entries.len().saturating_add(1) < limits::ANOMALIES {
            self.entries.push(Entry {
                flag,
                path: path.to_vec(),
                offset,
                count,
            });
        } else {
            if self.more == 0 {
                self.more_from = offset;
            }
            self.more = self.more.saturating_add(1);
            self.make_room(Entry {
                flag,
                path: path.to_vec(),
                offset,
                count,
            });
        }
    }

    /// Whether `flag` is there for a part.
    pub(super) fn has(&self, flag: Flag, path: &[u32]) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.flag == flag && entry.path == path)
    }

    /// Many small oddities must not push a HIGH one out: it takes the place of the last that is not HIGH.
    fn make_room(&mut self, entry: Entry) {
        let is_high = |entry: &Entry| entry.flag.severity() == Severity::High;
        if is_high(&entry)
            && let Some(place) = self.entries.iter_mut().rfind(|entry| !is_high(entry))
        {
            *place = entry;
        }
    }

    /// As the event shows them.
    pub(super) fn list(mut self) -> Vec<Anomaly> {
        if self.more > 0 {
            self.entries.push(Entry {
                flag: Flag::LimitAnomalies,
                path: Vec::new(),
                offset: self.more_from,
                count: self.more,
            });
        }
        self.entries.iter().map(Entry::shown).collect()
    }

    /// Those of the part at `path` and of all in it.
    pub(super) fn within(&self, path: &[u32]) -> Vec<Anomaly> {
        let within = self.entries.iter().filter(|entry| entry.path.starts_with(path));
        within.map(Entry::shown).collect()
    }
}

impl Entry {
    fn shown(&self) -> Anomaly {
        let numbers: Vec<String> = self.path.iter().map(u32::to_string).collect();
        Anomaly {
            flag: self.flag.name().to_owned(),
            severity: self.flag.severity().name(),
            part: numbers.join("."),
            offset: self.offset,
            count: self.count,
        }
    }
}
