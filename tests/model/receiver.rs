//! The receiver and the disk: what they take is in the world, and sometimes they do not say so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailtap::checkpoint::{Checkpoint, CheckpointError, StateDirectory};
use mailtap::dead_letter::Content;
use mailtap::event::raw::Collected;
use mailtap::event::{EventId, Origin};
use mailtap::imap::resume::Memory;
use mailtap::sink::{Batch, DeliveryError, Fate, Flow, Sink};

use super::world::{Fault, Process, World};

/// Event id, UIDVALIDITY, UID, hash and the names of artifacts stand for the event: what the model must know of it.
pub struct Receiver {
    world: Arc<World>,
    /// It acknowledges event by event.
    flows: bool,
    /// Numbers of events: the first of the queue, the first that is not acknowledged, the first that has not come.
    front: u64,
    acknowledged: u64,
    come: u64,
}

impl Receiver {
    pub fn new(world: &Arc<World>, flows: bool) -> Receiver {
        Receiver {
            world: Arc::clone(world),
            flows,
            front: 0,
            acknowledged: 0,
            come: 0,
        }
    }

    /// Takes the events from this place on, all or less; how many, and what it says.
    fn take(&self, batch: &Batch, from: usize) -> (usize, Result<(), DeliveryError>) {
        let mut truth = self.world.truth();
        truth.step();
        let retry = |reason: &str| DeliveryError::Retry {
            reason: reason.to_owned(),
            after: None,
        };
        if truth.process == Process::Killed {
            return (0, Err(retry("killed")));
        }
        if truth.goes_wrong(Fault::TakesNothing) {
            return (0, Err(retry("503")));
        }
        if truth.goes_wrong(Fault::Misconfigured) {
            let reason = "404".to_owned();
            return (0, Err(DeliveryError::Configuration { reason }));
        }
        let events: Vec<(EventId, (u32, u32), Vec<u8>)> = (from..batch.count())
            .map(|place| {
                let event = batch.event(place).unwrap();
                let number = |at: usize| u32::from_be_bytes(event[at..at + 4].try_into().unwrap());
                let id = EventId(event[..16].try_into().unwrap());
                (id, (number(16), number(20)), event[24..].to_vec())
            })
            .collect();
        let refuses = events.iter().any(|(_, name, _)| truth.is_refused(*name));
        // Also where it is one event and there is nothing to tell apart. Of a queue, to a request with the first of its events.
        let answers = !events.is_empty() && (!self.flows || from == 0);
        if answers && (truth.goes_wrong(Fault::AnswersForEach) || refuses && truth.manner.answers_for_each) {
            let asked = if self.flows {
                truth.random.below(events.len()) + 1
            } else {
                events.len()
            };
            let fates = events[..asked]
                .iter()
                .map(|(id, name, hashes)| match truth.random.below(4) {
                    _ if truth.is_refused(*name) => Fate::Refused,
                    0 => Fate::Refused,
                    1 => Fate::Later,
                    _ => {
                        truth.store(*id, *name, hashes);
                        Fate::Taken
                    }
                });
            let fates: Vec<Fate> = fates.collect();
            truth.step();
            if truth.process == Process::Killed {
                return (0, Err(retry("killed")));
            }
            let error = DeliveryError::Each {
                fates,
                reason: "not all of them".to_owned(),
                after: None,
            };
            return (0, Err(error));
        }
        if refuses || truth.goes_wrong(Fault::RefusesBatch) {
            let reason = "422".to_owned();
            return (0, Err(DeliveryError::Reject { reason }));
        }
        let some = truth.goes_wrong(Fault::TakesSome);
        let taken = if some || self.flows {
            truth.random.below(events.len() + usize::from(self.flows))
        } else {
            events.len()
        };
        for (id, name, hashes) in &events[..taken] {
            truth.store(*id, *name, hashes);
        }
        truth.step();
        if some || truth.goes_wrong(Fault::AnswerLost) || truth.process == Process::Killed {
            return (taken, Err(retry("connection reset")));
        }
        (taken, Ok(()))
    }

    /// It acknowledges some of what has come, at least `least`. What it has not when the connection ends comes again.
    fn flow_on(&mut self, queue: &Batch, least: u64) -> Result<(), DeliveryError> {
        assert!(queue.first() >= self.front, "a number is no other event's");
        self.front = queue.first();
        self.acknowledged = self.acknowledged.max(self.front);
        self.come = self.come.max(self.acknowledged);
        let from = usize::try_from(self.come - self.front).unwrap();
        let mut outcome = Ok(());
        if from < queue.count() {
            let taken;
            (taken, outcome) = self.take(queue, from);
            self.come += taken as u64;
        }
        let in_flight = usize::try_from(self.come - self.acknowledged).unwrap();
        let said = self.world.truth().random.below(in_flight + 1) as u64;
        let said = if outcome.is_ok() {
            said.max(least.min(in_flight as u64))
        } else {
            said
        };
        self.acknowledged += said;
        if outcome.is_err() {
            self.come = self.acknowledged;
        }
        outcome
    }
}

impl Sink for Receiver {
    fn encode(&self, mail: &Collected, output: &mut Vec<u8>) {
        let routing = &mail.event.routing;
        let Origin::Mailbox { uid_validity, uid, .. } = &routing.origin else {
            panic!("a mail of no mailbox");
        };
        output.extend(routing.event_id.0);
        output.extend(uid_validity.to_be_bytes());
        output.extend(uid.to_be_bytes());
        output.extend(routing.sha256);
        let named = mail.event.message.parts.iter().filter(|part| part.artifact);
        for part in named {
            output.extend(part.hashes.as_ref().expect("the name of an artifact").sha256);
        }
    }

    fn letter<'e>(&self, encoded: &'e [u8]) -> Content<'e> {
        Content::Message(encoded.into())
    }

    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        self.take(batch, 0).1
    }

    fn flow(&mut self) -> Option<&mut dyn Flow> {
        if self.flows { Some(self) } else { None }
    }
}

impl Flow for Receiver {
    fn send_ahead(&mut self, queue: &Batch) -> Result<(), DeliveryError> {
        self.flow_on(queue, 0)
    }

    fn send_and_wait(&mut self, queue: &Batch, _: Duration) -> Result<(), DeliveryError> {
        self.flow_on(queue, 1)
    }

    fn acknowledged(&self) -> usize {
        usize::try_from(self.acknowledged - self.front).unwrap()
    }
}

/// The checkpoint, on a disk that forgets nothing once it is written.
pub struct Disk(pub Arc<World>);

impl Checkpoint for Disk {
    fn load(&self) -> Result<Option<Memory>, CheckpointError> {
        Ok(self.0.truth().disk.clone())
    }

    fn advance(&mut self, memory: &Memory) -> Result<(), CheckpointError> {
        let mut truth = self.0.truth();
        truth.step();
        if truth.process == Process::Killed || truth.goes_wrong(Fault::NotWritten) {
            return Err(failed());
        }
        truth.remembers(memory);
        truth.step();
        if truth.process == Process::Killed || truth.goes_wrong(Fault::WrittenAndNotSaid) {
            return Err(failed());
        }
        Ok(())
    }
}

/// Some error of the disk: only the module itself can make one.
fn failed() -> CheckpointError {
    StateDirectory::open(Path::new("/dev/null/none")).expect_err("no folder")
}
