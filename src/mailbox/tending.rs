//! The receiver's connection while there is nothing to deliver, because no mail comes or other mailboxes have their turn.

use std::time::{Duration, Instant};

use super::Life;
use crate::log::Level;
use crate::metrics::Concern;
use crate::sink::DeliveryError;
use crate::turns::Turn;
use crate::{backoff, limits};

/// A connection that could not be kept. It was told.
pub(super) struct Untended {
    /// In a row.
    attempts: u32,
    /// When it is worth another one.
    until: Instant,
}

impl Life {
    /// Keeps the receiver's connection alive. What fails here is told once and tried again less and less often; mail is not
    /// at stake.
    pub(super) fn tend(&mut self) {
        if let Some(artifacts) = &self.mailbox.artifacts {
            artifacts.tend();
        }
        let now = self.mailbox.clock.now();
        if self.untended.as_ref().is_some_and(|untended| now < untended.until) {
            return;
        }
        let before = self.untended.take();
        let Err(error) = self.mailbox.sink.tend() else {
            if before.is_some() {
                self.note(|vitals, _| vitals.well(Concern::Delivering));
            }
            return;
        };
        let grave = matches!(
            error,
            DeliveryError::Configuration { .. } | DeliveryError::Reject { .. }
        );
        self.note(|vitals, now| vitals.failed(Concern::Delivering, error.to_string(), grave, now));
        if before.is_none() {
            self.log(Level::Warn, "the receiver cannot be reached", &[("reason", &error)]);
        }
        let attempts = before.map_or(0, |untended| untended.attempts);
        let (backoff, at_least) = match &error {
            DeliveryError::Retry { after, .. } | DeliveryError::Each { after, .. } => {
                (self.mailbox.sink.backoff(), after.unwrap_or_default())
            }
            DeliveryError::Reject { .. } | DeliveryError::Configuration { .. } => {
                (backoff::CONFIGURATION, Duration::ZERO)
            }
        };
        let delay = backoff.delay(attempts, (self.mailbox.random)()).max(at_least);
        self.untended = Some(Untended {
            attempts: attempts.saturating_add(1),
            until: now.checked_add(delay).unwrap_or(now),
        });
    }

    /// Waits for the mailbox's turn; `None` when the program stops.
    pub(super) fn wait_for_turn(&mut self) -> Option<Turn> {
        let waiting = self.mailbox.turns.ask()?;
        waiting.turn(limits::TEND, &mut || self.tend())
    }
}
