//! What happened, counted: a model in which nothing goes wrong proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use super::world::Fault;

/// What happened in some schedules.
#[derive(Debug, Default)]
pub struct Tally {
    pub schedules: usize,
    pub mails: usize,
    pub stored: usize,
    pub again: usize,
    pub dead: usize,
    pub kills: usize,
    pub renumbered: usize,
    pub removed: usize,
    pub clock_set: usize,
    pub torn: usize,
    pub artifacts: usize,
    pub faults: BTreeMap<Fault, usize>,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.schedules += other.schedules;
        self.mails += other.mails;
        self.stored += other.stored;
        self.again += other.again;
        self.dead += other.dead;
        self.kills += other.kills;
        self.renumbered += other.renumbered;
        self.removed += other.removed;
        self.clock_set += other.clock_set;
        self.torn += other.torn;
        self.artifacts += other.artifacts;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
    }

    pub fn assert_that_everything_happened(&self) {
        for fault in Fault::ALL {
            assert!(self.faults.contains_key(&fault), "{fault:?} never happened");
        }
        for times in [
            self.stored,
            self.again,
            self.dead,
            self.kills,
            self.renumbered,
            self.removed,
            self.clock_set,
            self.torn,
            self.artifacts,
        ] {
            assert!(times > 0, "{self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        write!(
            formatter,
            "{} mails, {} with the receiver, {} of them repeats, {} dead letters, 0 lost; {faults} faults, {} kills, {} \
             changes of UIDVALIDITY, {} of the wall clock, {} torn files; {} removed after delivery, {} artifacts named",
            self.mails,
            self.stored,
            self.again,
            self.dead,
            self.kills,
            self.renumbered,
            self.clock_set,
            self.torn,
            self.removed,
            self.artifacts
        )
    }
}
