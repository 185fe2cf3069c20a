//! What is in flight: sequences, the window, acknowledgements, and when to lose patience. It waits for nothing: time is an
//! argument.

use std::time::{Duration, Instant};

use super::message::Control;
use crate::limits;

/// The messages of one delivery on their way. Sequences go on from delivery to delivery and across connections; one that
/// was given to a message is never given to another.
#[derive(Debug)]
pub struct Window {
    /// The sequence of the delivery's first message.
    first: u64,
    /// How many messages the delivery has.
    count: u64,
    /// Of these: how many are acknowledged, how many need not be sent on this connection any more, and how many were sent
    /// on any.
    acknowledged: u64,
    sent: u64,
    sent_ever: u64,
    /// The most that may be in flight. Every connection begins with 1.
    size: u64,
    /// Nothing is to be sent before.
    held_until: Option<Instant>,
    /// Since when an acknowledgement is due.
    waiting_since: Option<Instant>,
    /// When the last ping went out, and whether its pong is still due.
    pinged: Option<Instant>,
    pong_due: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the message with this place in the delivery, under this sequence.
    Send {
        /// From 0.
        place: u64,
        /// Its sequence.
        sequence: u64,
    },
    /// Send a ping.
    Ping,
    /// Listen, so long at most.
    Listen(Duration),
    /// Everything is acknowledged.
    Done,
}

/// The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// It asks for another connection.
    Reconnect,
    /// An acknowledgement of something that was never sent.
    UnsentAcknowledged {
        /// What it acknowledges.
        sequence: u64,
        /// The highest that was sent.
        highest: u64,
    },
    /// Messages are in flight, and none was acknowledged for too long.
    NoAcknowledgement,
    /// A ping was not answered.
    NoPong,
}

impl Default for Window {
    /// Before the first message, whose sequence is 1.
    fn default() -> Window {
        Window {
            first: 1,
            count: 0,
            acknowledged: 0,
            sent: 0,
            sent_ever: 0,
            size: 1,
            held_until: None,
            waiting_since: None,
            pinged: None,
            pong_due: false,
        }
    }
}

impl Window {
    /// The next delivery has `count` messages.
    pub fn begin(&mut self, count: u64) {
        // Sequences of messages that were given up are not used again.
        self.first = self.first.saturating_add(self.count);
        self.count = count;
        self.acknowledged = 0;
        self.sent = 0;
        self.sent_ever = 0;
        self.waiting_since = None;
    }

    /// A new connection: what is not acknowledged goes out again, under the same sequences, one at a time until the cloud
    /// says otherwise.
    pub fn connected(&mut self, now: Instant) {
        self.sent = self.acknowledged;
        self.size = 1;
        self.held_until = None;
        self.waiting_since = None;
        self.pinged = Some(now);
        self.pong_due = false;
    }

    /// What to do at `now`. A step other than `Done` was done when this is asked again.
    pub fn next(&mut self, now: Instant) -> Result<Step, Broken> {
        let since = |then: Instant| now.saturating_duration_since(then);
        if self
            .waiting_since
            .is_some_and(|then| since(then) >= limits::USP_ACKNOWLEDGEMENT)
        {
            return Err(Broken::NoAcknowledgement);
        }
        let pinged = *self.pinged.get_or_insert(now);
        if self.pong_due && since(pinged) >= limits::USP_PONG {
            return Err(Broken::NoPong);
        }
        if !self.pong_due && since(pinged) >= limits::USP_PING {
            self.pinged = Some(now);
            self.pong_due = true;
            return Ok(Step::Ping);
        }
        if self.acknowledged == self.count {
            return Ok(Step::Done);
        }
        let held = self.held_until.filter(|until| now < *until);
        let in_flight = self.sent.saturating_sub(self.acknowledged);
        if held.is_none() && self.sent < self.count && in_flight < self.size {
            let place = self.sent;
            self.sent = self.sent.saturating_add(1);
            self.sent_ever = self.sent_ever.max(self.sent);
            self.waiting_since.get_or_insert(now);
            let sequence = self.first.saturating_add(place);
            return Ok(Step::Send { place, sequence });
        }
        let pings = if self.pong_due {
            limits::USP_PONG
        } else {
            limits::USP_PING
        };
        let mut patience = pings.saturating_sub(since(pinged));
        if let Some(then) = self.waiting_since {
            patience = patience.min(limits::USP_ACKNOWLEDGEMENT.saturating_sub(since(then)));
        }
        if let Some(until) = held {
            patience = patience.min(until.saturating_duration_since(now));
        }
        Ok(Step::Listen(patience))
    }

    /// The cloud said `control` at `now`. `Ready`, `Error` and unknown verbs change nothing here.
    pub fn heard(&mut self, control: &Control, now: Instant) -> Result<(), Broken> {
        match control {
            Control::Acknowledged(sequence) => {
                // One more than the place, so the first message is 1; older than this delivery is 0.
                let acknowledged = sequence.saturating_add(1).saturating_sub(self.first);
                if acknowledged > self.sent_ever {
                    return Err(Broken::UnsentAcknowledged {
                        sequence: *sequence,
                        highest: self.first.saturating_add(self.sent_ever).saturating_sub(1),
                    });
                }
                if acknowledged > self.acknowledged {
                    self.acknowledged = acknowledged;
                    // What went out on the last connection may have arrived all the same.
                    self.sent = self.sent.max(acknowledged);
                    // Patience begins anew with every progress.
                    self.waiting_since = (self.sent > self.acknowledged).then_some(now);
                }
            }
            Control::Window(size) => self.size = *size,
            Control::BackOff(wait) => self.held_until = now.checked_add(*wait),
            Control::Reconnect => return Err(Broken::Reconnect),
            Control::Ready | Control::Error(_) | Control::Unknown(_) => {}
        }
        Ok(())
    }

    /// A pong came.
    pub fn pong(&mut self) {
        self.pong_due = false;
    }

    /// How many of the delivery's messages are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many messages may be in flight.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Reconnect => formatter.write_str("it asks for another connection"),
            Broken::UnsentAcknowledged { sequence, highest } => {
                write!(
                    formatter,
                    "it acknowledges message {sequence}, and {highest} was the last one sent"
                )
            }
            Broken::NoAcknowledgement => {
                let seconds = limits::USP_ACKNOWLEDGEMENT.as_secs();
                write!(formatter, "no acknowledgement for {seconds} s")
            }
            Broken::NoPong => write!(formatter, "no answer to a ping for {} s", limits::USP_PONG.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests;
