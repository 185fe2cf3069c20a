//! Attachments to the artifact store, before the event that names them.

use std::collections::BTreeSet;
use std::io;

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::event::attachments::{Attachment, Attachments};
use crate::event::raw::Collected;
use crate::event::{Message, Part};
use crate::limits;
use crate::log::Level;
use crate::metrics::{Concern, Doing};
use crate::sink::DeliveryError;

impl Life {
    /// Stores the attachments of `mail`, however long it takes, and names them in its event. What the store refuses again and
    /// again stays unnamed, and so does what does not fit on the disk: its event goes out all the same, and the mail stays on the
    /// server as it is.
    pub(super) fn store_attachments(&mut self, mail: &mut Collected, uid: u32) -> Result<(), Failure> {
        let Some(mut kept) = mail.attachments.take() else {
            return Ok(());
        };
        let attachments = match kept.whole() {
            Ok(attachments) => attachments,
            Err(error) => return self.not_kept(uid, &error),
        };
        self.unkept.remove(&uid);
        if kept.left_out() > 0 {
            let reason = "attachments of this mail are not stored: there are too many";
            let id = &mail.event.routing.event_id;
            self.log(Level::Warn, reason, &[("id", id), ("not_stored", &kept.left_out())]);
            self.due.leave(uid);
        }
        // It was read whole. That the program ends while it waits for the store says nothing of the mail.
        let in_hand = self.mailbox.attempts.in_hand();
        self.nothing_in_hand();
        self.note(|vitals, now| vitals.begin(Doing::Attachments, now));
        let mut stored = BTreeSet::new();
        for attachment in attachments {
            if self.store_attachment(&attachment, &kept)? {
                stored.insert(attachment.sha256);
            } else {
                self.due.leave(uid);
            }
        }
        name_artifacts(&mut mail.event.message, &stored);
        // Its event is not written yet.
        if let Some(uid) = in_hand {
            self.take_in_hand(uid);
        }
        self.note(|vitals, now| {
            vitals.well(Concern::Storing);
            vitals.begin(Doing::Server, now);
        });
        Ok(())
    }

    /// The mail's bytes are gone with the file that could not be written: it is fetched again, but not for ever.
    fn not_kept(&mut self, uid: u32, error: &io::Error) -> Result<(), Failure> {
        let times = self.unkept.entry(uid).or_default();
        *times = times.saturating_add(1);
        if *times < limits::SPOOL_ATTEMPTS {
            return Err(Failure::Spool(error.to_string()));
        }
        self.unkept.remove(&uid);
        self.due.leave(uid);
        let what = "attachments not stored: they cannot be kept aside in state_dir";
        self.log(Level::Error, what, &[("uid", &uid), ("reason", error)]);
        Ok(())
    }

    /// Whether it is stored.
    fn store_attachment(&mut self, attachment: &Attachment, kept: &Attachments) -> Result<bool, Failure> {
        let (mut attempt, mut refusals) = (0_u32, 0_u32);
        loop {
            let Some(artifacts) = &mut self.mailbox.artifacts else {
                return Ok(false);
            };
            let Err(error) = artifacts.store(attachment, kept) else {
                return Ok(true);
            };
            let (backoff, at_least) = match &error {
                DeliveryError::Retry { after, .. } | DeliveryError::Each { after, .. } => {
                    (backoff::DELIVERY, after.unwrap_or_default())
                }
                DeliveryError::Reject { .. } => {
                    refusals = refusals.saturating_add(1);
                    if refusals >= limits::REFUSED_EVENT {
                        self.log(Level::Error, "attachment not stored", &[("reason", &error)]);
                        return Ok(false);
                    }
                    (backoff::DELIVERY, std::time::Duration::ZERO)
                }
                DeliveryError::Configuration { .. } => (backoff::CONFIGURATION, std::time::Duration::ZERO),
            };
            let delay = backoff.delay(attempt, (self.mailbox.random)()).max(at_least);
            attempt = attempt.saturating_add(1);
            self.insist(attempt, backoff, &error)?;
            let grave = matches!(error, DeliveryError::Configuration { .. });
            self.note(|vitals, now| vitals.failed(Concern::Storing, error.to_string(), grave, now));
            self.log(
                Level::Warn,
                "attachment not stored, trying again",
                &[("reason", &error), ("in_seconds", &whole_seconds(delay))],
            );
            self.pause(delay);
            if self.stopping() {
                return Err(Failure::Stopping);
            }
        }
    }
}

/// Marks every part whose content is in the store.
fn name_artifacts(message: &mut Message, stored: &BTreeSet<[u8; 32]>) {
    name_parts(&mut message.parts, stored);
    if let Some(report) = message.journal.as_mut().and_then(|journal| journal.report.as_mut()) {
        name_parts(&mut report.parts, stored);
    }
}

fn name_parts(parts: &mut [Part], stored: &BTreeSet<[u8; 32]>) {
    for part in parts {
        part.artifact = part.size.is_some()
            && part
                .hashes
                .as_ref()
                .is_some_and(|hashes| stored.contains(&hashes.sha256));
        if let Some(message) = &mut part.message {
            name_artifacts(message, stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::name_artifacts;
    use crate::event::{Hashes, Message, Part};

    #[test]
    fn attachments_that_are_stored_are_named_also_in_mails_inside_and_nothing_else_is() {
        let part = |digest: u8, attachment: bool, message: Option<Message>| Part {
            hashes: Some(Hashes {
                md5: [0; 16],
                sha1: [0; 20],
                sha256: [digest; 32],
            }),
            size: attachment.then_some(1),
            message: message.map(Box::new),
            ..Part::default()
        };
        let inner = Message {
            parts: vec![part(1, true, None)],
            ..Message::default()
        };
        let mut message = Message {
            parts: vec![
                part(1, true, None),
                part(2, true, None),
                part(1, false, None),
                part(3, true, Some(inner)),
            ],
            ..Message::default()
        };
        name_artifacts(&mut message, &BTreeSet::from([[1; 32]]));
        let named: Vec<bool> = message.parts.iter().map(|part| part.artifact).collect();
        assert_eq!(named, [true, false, false, false]);
        assert!(message.parts[3].message.as_ref().unwrap().parts[0].artifact);
    }
}
