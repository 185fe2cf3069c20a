//! What is in flight: sequences, the window, acknowledgements, and when to lose patience. It waits for nothing: time is an
//! argument.

use std::time::{Duration, Instant};

use super::message::Control;
use crate::limits;

/// The messages on their way. Sequences go on across connections; one that was given to a message is never given to
/// another.
#[derive(Debug)]
pub struct Window {
    /// The sequence of the message with the number 0 in the queue.
    base: u64,
    /// The queue: the sequence of its first message, and the one behind its last.
    front: u64,
    end: u64,
    /// Up to this sequence nothing is waited for: acknowledged, or given up.
    acknowledged: u64,
    /// The one that is sent next on this connection, and the highest that was sent on any.
    next: u64,
    highest: u64,
    /// The most that may be in flight. Every connection begins with 1.
    size: u64,
    /// Nothing is to be sent before, on whatever connection.
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
    /// Send the message with this place in the queue, under this sequence.
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
            base: 1,
            front: 1,
            end: 1,
            acknowledged: 0,
            next: 1,
            highest: 0,
            size: 1,
            held_until: None,
            waiting_since: None,
            pinged: None,
            pong_due: false,
        }
    }
}

impl Window {
    /// The queue has `count` messages, the first of which has the number `first`. Those before it are acknowledged or given
    /// up. Where the queue before had begun behind `first`, this is another one.
    pub fn queue(&mut self, first: u64, count: u64) {
        let mut front = self.base.saturating_add(first);
        if front < self.front {
            // Sequences that were given to messages are not used again.
            let unused = self.highest.saturating_add(1);
            self.base = unused.saturating_sub(first);
            front = self.base.saturating_add(first);
        }
        self.front = front;
        self.end = front.saturating_add(count);
        self.nothing_is_due_before(front);
    }

    /// All of the queue is dealt with: acknowledged, or given up.
    pub fn pass(&mut self) {
        self.front = self.end;
        self.nothing_is_due_before(self.end);
    }

    fn nothing_is_due_before(&mut self, sequence: u64) {
        self.acknowledged = self.acknowledged.max(sequence.saturating_sub(1));
        self.next = self.next.max(sequence);
        if self.in_flight() == 0 {
            self.waiting_since = None;
        }
    }

    fn in_flight(&self) -> u64 {
        self.next.saturating_sub(self.acknowledged).saturating_sub(1)
    }

    /// A new connection: what is not acknowledged goes out again, under the same sequences, one at a time until the cloud
    /// says otherwise.
    pub fn connected(&mut self, now: Instant) {
        self.next = self.acknowledged.saturating_add(1);
        self.size = 1;
        self.waiting_since = None;
        self.pinged = Some(now);
        self.pong_due = false;
    }

    /// What to do at `now`. A step other than `Done` was done when this is asked again.
    pub fn next(&mut self, now: Instant) -> Result<Step, Broken> {
        let since = |then: Instant| now.saturating_duration_since(then);
        if let Some(until) = self.held_until.filter(|until| *until <= now) {
            // Nobody could have been expected to acknowledge anything meanwhile.
            self.waiting_since = self.waiting_since.map(|then| then.max(until));
            self.held_until = None;
        }
        let waiting_since = self.waiting_since.filter(|_| self.held_until.is_none());
        if waiting_since.is_some_and(|then| since(then) >= limits::USP_ACKNOWLEDGEMENT) {
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
        if self.acknowledged.saturating_add(1) >= self.end {
            return Ok(Step::Done);
        }
        if self.held_until.is_none() && self.next < self.end && self.in_flight() < self.size {
            let sequence = self.next;
            self.next = sequence.saturating_add(1);
            self.highest = self.highest.max(sequence);
            self.waiting_since.get_or_insert(now);
            let place = sequence.saturating_sub(self.front);
            return Ok(Step::Send { place, sequence });
        }
        let pings = if self.pong_due {
            limits::USP_PONG
        } else {
            limits::USP_PING
        };
        let mut patience = pings.saturating_sub(since(pinged));
        if let Some(then) = waiting_since {
            patience = patience.min(limits::USP_ACKNOWLEDGEMENT.saturating_sub(since(then)));
        }
        if let Some(until) = self.held_until {
            patience = patience.min(until.saturating_duration_since(now));
        }
        Ok(Step::Listen(patience))
    }

    /// The cloud said `control` at `now`. `Ready`, `Error` and unknown verbs change nothing here.
    pub fn heard(&mut self, control: &Control, now: Instant) -> Result<(), Broken> {
        match control {
            Control::Acknowledged(sequence) => {
                if *sequence > self.highest {
                    return Err(Broken::UnsentAcknowledged {
                        sequence: *sequence,
                        highest: self.highest,
                    });
                }
                if *sequence > self.acknowledged {
                    self.acknowledged = *sequence;
                    // What went out on the last connection may have arrived all the same.
                    self.next = self.next.max(sequence.saturating_add(1));
                    // Patience begins anew with every progress.
                    self.waiting_since = (self.in_flight() > 0).then_some(now);
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

    /// How many messages at the front of the queue are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let behind = self.acknowledged.saturating_add(1).min(self.end);
        behind.saturating_sub(self.front)
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
