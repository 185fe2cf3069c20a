//! Either receiver, by what a test of delivery asks of both: which events are there, and how often they came.

use std::time::Duration;

use serde_json::Value;

use super::cloud::frames::Payload;
use super::cloud::{self, Cloud};
use super::collector::Configuration;
use super::receiver::{self, Fault, Receiver};

/// How events leave the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Webhook,
    LimaCharlie,
}

pub enum Destination {
    Webhook(Receiver),
    LimaCharlie(Cloud),
}

/// An event, as it was first stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub uid: u64,
    pub id: String,
    pub subject: String,
    /// What its parts name, in their order.
    pub artifacts: Vec<String>,
    /// It tells of a mail that was left unread.
    pub is_stub: bool,
}

impl Destination {
    pub fn start(way: Way) -> Destination {
        Destination::that_takes(way, usize::MAX)
    }

    /// It counts what comes and keeps nothing of it.
    pub fn that_counts(way: Way) -> Destination {
        match way {
            Way::Webhook => Destination::Webhook(Receiver::with(receiver::Settings {
                only_counts: true,
                ..receiver::Settings::default()
            })),
            Way::LimaCharlie => Destination::LimaCharlie(Cloud::with(cloud::Settings {
                only_counts: true,
                ..cloud::Settings::default()
            })),
        }
    }

    /// LimaCharlie takes no larger message: it closes with 1009. A webhook refuses what [`Destination::refuse`] names.
    pub fn that_takes(way: Way, largest: usize) -> Destination {
        match way {
            Way::Webhook => Destination::Webhook(Receiver::start()),
            Way::LimaCharlie => Destination::LimaCharlie(Cloud::with(cloud::Settings {
                largest: Some(largest),
                ..cloud::Settings::default()
            })),
        }
    }

    /// A webhook will never take this mail's event.
    pub fn refuse(&self, uid: u64) {
        if let Destination::Webhook(receiver) = self {
            receiver.misbehave(Fault::Refuses { uid, code: 413 });
        }
    }

    /// Stores what comes and does not say so, until [`Destination::heal`].
    pub fn withhold(&self) {
        match self {
            Destination::Webhook(receiver) => receiver.misbehave(Fault::Slow { stored: 0 }),
            Destination::LimaCharlie(cloud) => cloud.withhold(),
        }
    }

    /// Stores nothing, and is gone at every attempt, until [`Destination::heal`].
    pub fn die(&self) {
        match self {
            Destination::Webhook(receiver) => receiver.misbehave(Fault::CloseBeforeStoring),
            Destination::LimaCharlie(cloud) => cloud.misbehave_by(|occasion| {
                (occasion == cloud::Occasion::Connection).then_some(cloud::Fault::NoHandshake)
            }),
        }
    }

    /// As it should be.
    pub fn heal(&self) {
        match self {
            Destination::Webhook(receiver) => receiver.heal(),
            Destination::LimaCharlie(cloud) => {
                cloud.acknowledge();
                cloud.misbehave_by(|_| None);
            }
        }
    }

    /// Lets events go there, as JSON.
    pub fn configure(&self, configuration: &mut Configuration) {
        match self {
            Destination::Webhook(receiver) => configuration.dest_url = receiver.url(),
            Destination::LimaCharlie(cloud) => {
                configuration.dest_url = cloud.url();
                configuration.lc_secret = String::new();
            }
        }
    }

    /// Every event that is there, once.
    pub fn events(&self) -> Vec<Event> {
        match self {
            Destination::Webhook(receiver) => receiver.look(|record| {
                let events = record.events.iter().map(|stored| &stored.event);
                events.map(|event| read(event, &event["event"])).collect()
            }),
            Destination::LimaCharlie(cloud) => cloud.look(|record| {
                let events = record.messages.iter().map(|message| match &message.payload {
                    Payload::Event(event) => read(event, event),
                    Payload::Mail(_) => panic!("a mail, not an event"),
                });
                events.collect()
            }),
        }
    }

    /// How many events came, those that came again included.
    pub fn count(&self) -> usize {
        match self {
            Destination::Webhook(receiver) => receiver.look(|record| record.lines),
            Destination::LimaCharlie(cloud) => cloud.look(|record| record.stored),
        }
    }

    /// How many events came once more than they should.
    pub fn repeats(&self) -> usize {
        match self {
            Destination::Webhook(receiver) => receiver.look(|record| record.duplicates),
            Destination::LimaCharlie(cloud) => cloud.look(|record| record.duplicates),
        }
    }

    /// What was wrong with what came.
    pub fn violations(&self) -> Vec<String> {
        match self {
            Destination::Webhook(receiver) => receiver.look(|record| record.violations.clone()),
            Destination::LimaCharlie(cloud) => cloud.look(|record| record.violations.clone()),
        }
    }

    /// Waits until so many events are there.
    pub fn wait_for_events(&self, count: usize) {
        match self {
            Destination::Webhook(receiver) => receiver.wait_until("events", |record| record.events.len() >= count),
            Destination::LimaCharlie(cloud) => cloud.wait_until("events", |record| record.messages.len() >= count),
        }
    }

    /// Waits until all that came from a program that is gone is stored.
    pub fn settle(&self) {
        match self {
            Destination::Webhook(receiver) => receiver.wait_until_nobody_is_connected(),
            Destination::LimaCharlie(cloud) => cloud.wait_until_nobody_is_connected(),
        }
    }

    /// Lets the time pass.
    pub fn linger(&self, time: Duration) {
        match self {
            Destination::Webhook(receiver) => drop(receiver.wait_at_most(time, |_| None::<()>)),
            Destination::LimaCharlie(cloud) => drop(cloud.wait_at_most(time, |_| None::<()>)),
        }
    }
}

fn read(whole: &Value, event: &Value) -> Event {
    let routing = &whole["routing"];
    Event {
        uid: routing["uid"].as_u64().unwrap(),
        id: routing["event_id"].as_str().unwrap().to_owned(),
        subject: event["headers"]["subject"][0].as_str().unwrap_or_default().to_owned(),
        artifacts: named(event),
        is_stub: event["anomalies"][0]["flag"] == "limit_attempts",
    }
}

/// `artifact` of every part of an event that has one, those of mails inside too.
pub fn named(event: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match event {
        Value::Array(values) => found.extend(values.iter().flat_map(named)),
        Value::Object(fields) => {
            found.extend(fields.get("artifact").and_then(Value::as_str).map(str::to_owned));
            found.extend(fields.values().flat_map(named));
        }
        _ => {}
    }
    found
}
