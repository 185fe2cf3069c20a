//! The receiver and the disk: what they take is in the world, and sometimes they do not say so.

use std::path::Path;
use std::sync::Arc;

use mailtap::checkpoint::{Checkpoint, CheckpointError, StateDirectory};
use mailtap::dead_letter::Content;
use mailtap::event::raw::Collected;
use mailtap::event::{EventId, Origin};
use mailtap::imap::resume::Memory;
use mailtap::sink::{Batch, DeliveryError, Fate, Sink};

use super::world::{Fault, Process, World};

/// Event id, UIDVALIDITY, UID, hash and the names of artifacts stand for the event: what the model must know of it.
pub struct Receiver(pub Arc<World>);

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
        let mut truth = self.0.truth();
        truth.step();
        let retry = |reason: &str| DeliveryError::Retry {
            reason: reason.to_owned(),
            after: None,
        };
        if truth.process == Process::Killed {
            return Err(retry("killed"));
        }
        if truth.goes_wrong(Fault::TakesNothing) {
            return Err(retry("503"));
        }
        if truth.goes_wrong(Fault::Misconfigured) {
            return Err(DeliveryError::Configuration {
                reason: "404".to_owned(),
            });
        }
        let events: Vec<(EventId, (u32, u32), Vec<u8>)> = (0..batch.count())
            .map(|place| {
                let event = batch.event(place).unwrap();
                let number = |at: usize| u32::from_be_bytes(event[at..at + 4].try_into().unwrap());
                let id = EventId(event[..16].try_into().unwrap());
                (id, (number(16), number(20)), event[24..].to_vec())
            })
            .collect();
        let refuses = events.iter().any(|(_, name, _)| truth.is_refused(*name));
        // Of one event there is nothing to tell apart.
        let several = events.len() > 1;
        if several && (truth.goes_wrong(Fault::AnswersForEach) || refuses && truth.manner.answers_for_each) {
            let fates = events.iter().map(|(id, name, hashes)| match truth.random.below(4) {
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
                return Err(retry("killed"));
            }
            return Err(DeliveryError::Each {
                fates,
                reason: "not all of them".to_owned(),
                after: None,
            });
        }
        if refuses || truth.goes_wrong(Fault::RefusesBatch) {
            return Err(DeliveryError::Reject {
                reason: "422".to_owned(),
            });
        }
        let some = truth.goes_wrong(Fault::TakesSome);
        let taken = if some {
            truth.random.below(events.len())
        } else {
            events.len()
        };
        for (id, name, hashes) in &events[..taken] {
            truth.store(*id, *name, hashes);
        }
        truth.step();
        if some || truth.goes_wrong(Fault::AnswerLost) || truth.process == Process::Killed {
            return Err(retry("connection reset"));
        }
        Ok(())
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
