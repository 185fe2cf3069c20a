//! How everything is at one instant, and `/healthz`, which tells it as JSON. Pure.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::verdict::complaints;
use crate::clock::Phase;
use crate::hidden::escaped_json;
use crate::metrics::{Entry, Moment, Vitals};

/// How everything is.
#[derive(Debug)]
pub struct Report {
    /// When the process began.
    pub started: Moment,
    /// Bytes; `None` where the system does not tell.
    pub resident_memory: Option<u64>,
    /// Everybody, sorted.
    pub mailboxes: Vec<Mailbox>,
    /// What the process waited for too long, and how often.
    pub timeouts: Vec<(Phase, u64)>,
}

/// How a mailbox is, or the listing of an account's mailboxes.
#[derive(Debug)]
pub struct Mailbox {
    /// Whose numbers these are.
    pub entry: Entry,
    /// How it is.
    pub vitals: Vitals,
    /// What is wrong.
    pub complaints: Vec<String>,
    /// For how long mail may have been waiting.
    pub lag: Duration,
    round_trip_seconds: Option<u64>,
    acknowledged_seconds: Option<u64>,
}

impl Report {
    /// How `entries` are at `now`.
    pub fn new(
        entries: Vec<Entry>,
        timeouts: Vec<(Phase, u64)>,
        started: Moment,
        resident_memory: Option<u64>,
        now: Instant,
    ) -> Report {
        let age = |moment: Moment| now.saturating_duration_since(moment.at);
        let mailbox = |entry: Entry| {
            let vitals = entry.counters.vitals();
            Mailbox {
                complaints: complaints(&entry, &vitals, now),
                lag: vitals.behind_since.map(age).unwrap_or_default(),
                round_trip_seconds: vitals.round_trip.map(|moment| age(moment).as_secs()),
                acknowledged_seconds: vitals.acknowledged.map(|moment| age(moment).as_secs()),
                entry,
                vitals,
            }
        };
        Report {
            started,
            resident_memory,
            mailboxes: entries.into_iter().map(mailbox).collect(),
            timeouts,
        }
    }

    /// Whether nobody has a complaint.
    pub fn is_well(&self) -> bool {
        self.mailboxes.iter().all(|mailbox| mailbox.complaints.is_empty())
    }

    /// The body of `/healthz`.
    pub fn json(&self) -> String {
        let mailboxes: Vec<Value> = self.mailboxes.iter().map(Mailbox::json).collect();
        let text = json!({ "status": status(self.is_well()), "mailboxes": mailboxes }).to_string();
        // What servers said is for a terminal as well: nothing in it may steer one.
        format!("{}\n", escaped_json(&text))
    }
}

impl Mailbox {
    fn json(&self) -> Value {
        json!({
            "server": self.entry.server,
            "username": self.entry.username,
            "mailbox": self.entry.mailbox,
            "status": status(self.complaints.is_empty()),
            "reasons": self.complaints,
            "last_round_trip_seconds_ago": self.round_trip_seconds,
            "last_acknowledgement_seconds_ago": self.acknowledged_seconds,
            "lag_seconds": self.lag.as_secs(),
            "behind_mails": self.vitals.behind,
        })
    }
}

fn status(well: bool) -> &'static str {
    if well { "ok" } else { "failing" }
}
