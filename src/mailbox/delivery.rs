//! The batch to the receiver, then the position to the disk: in this order, and as often as it takes.
//!
//! A receiver gets events while others are fetched ([`crate::sink::Flow`]); what it acknowledges leaves the front of the batch,
//! and the position follows. Where it is no such receiver, it takes the whole batch, and is waited for.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::{Life, whole_seconds};
use crate::backoff;
use crate::event::EventId;
use crate::imap::resume::{Known, Memory, Position};
use crate::limits;
use crate::log::Level;
use crate::metrics::{Concern, Counter, Doing};
use crate::sink::{Batch, DeliveryError, Fate};

/// What is on its way to the receiver, and to the disk.
#[derive(Debug, Default)]
pub(super) struct Handing {
    /// Since when something waits in the batch that the receiver was not given, or not heard of.
    since: Option<Instant>,
    /// Bytes of events that it was not given, and how many these are.
    fresh: usize,
    fresh_events: usize,
    /// It has some of the batch, and may acknowledge that at any time.
    under_way: bool,
    /// Events that are acknowledged and not remembered, and when it was remembered last.
    unremembered: usize,
    remembered: Option<Instant>,
}

/// How often delivery failed.
#[derive(Default)]
struct Trials {
    /// In a row.
    attempt: u32,
    /// Of them, because the one event of the batch was refused.
    refusals: u32,
}

/// Halves and refused events that wait for their turn, the last one first.
type Later = Vec<(Batch, Vec<Known>)>;

impl Life {
    /// Delivers the batch, however long the receiver takes, and moves the checkpoint after its acknowledgement. What the
    /// receiver refuses as too large or malformed is halved, down to the one event that is meant, unless the receiver tells
    /// which events it means; such a one is tried again a few times, then goes to the dead-letter file and holds up no other.
    pub(super) fn deliver(&mut self) -> Result<(), Failure> {
        self.deliver_until(&|_| false, None)?;
        self.remember_now()
    }

    /// Before an event of about `size` bytes joins the batch: what is in flight is bounded.
    pub(super) fn make_room(&mut self, size: usize) -> Result<(), Failure> {
        let Some(flow) = self.mailbox.sink.flow() else {
            return Ok(());
        };
        let (events, bytes) = flow.room();
        let fits = |batch: &Batch| batch.count() < events && batch.bytes().len().saturating_add(size) <= bytes;
        if self.batch.is_empty() || fits(&self.batch) {
            return Ok(());
        }
        let in_hand = self.mailbox.attempts.in_hand();
        self.deliver_until(&fits, None)?;
        // Its event is not written yet.
        if let Some(uid) = in_hand {
            self.take_in_hand(uid);
        }
        Ok(())
    }

    /// An event joins the batch.
    pub(super) fn join(&mut self, known: Known, id: EventId, write: impl FnOnce(&Life, &mut Vec<u8>)) {
        let mut batch = std::mem::take(&mut self.batch);
        let before = batch.bytes().len();
        batch.push(id, |output| write(self, output));
        let length = batch.bytes().len().saturating_sub(before);
        self.batch = batch;
        self.batched.push(known);
        self.handing.fresh = self.handing.fresh.saturating_add(length);
        self.handing.fresh_events = self.handing.fresh_events.saturating_add(1);
        self.handing.since.get_or_insert_with(|| self.mailbox.clock.now());
    }

    /// Whether it is time for [`Life::hand_over`]: the batch is full, or something in it has waited long enough.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let Some(since) = self.handing.since else { return false };
        let full = if let Some(flow) = self.mailbox.sink.flow() {
            flow.is_worth_sending(self.handing.fresh_events, self.handing.fresh)
        } else {
            self.batch.bytes().len() >= limits::BATCH_BYTES || self.batch.count() >= self.mailbox.sink.batch_events()
        };
        full || now.saturating_duration_since(since) >= limits::BATCH_AGE
    }

    /// What is whole goes out, while other mail comes.
    pub(super) fn hand_over(&mut self) -> Result<(), Failure> {
        self.nothing_in_hand();
        let Some(flow) = self.mailbox.sink.flow() else {
            return self.deliver_until(&|_| false, None);
        };
        let outcome = flow.send_ahead(&self.batch);
        let acknowledged = flow.acknowledged();
        self.take_off(acknowledged);
        (self.handing.fresh, self.handing.fresh_events) = (0, 0);
        self.handing.under_way = true;
        self.handing.since = (!self.batch.is_empty()).then(|| self.mailbox.clock.now());
        match outcome {
            Ok(()) => self.remember_at_times(),
            Err(error) => self.deliver_until(&|_| false, Some(error)),
        }
    }

    /// The program stops: acknowledgements of what is in flight are waited for.
    pub(super) fn wait_for_what_is_under_way(&mut self) -> Result<(), Failure> {
        if self.handing.under_way {
            self.deliver()
        } else {
            self.remember_now()
        }
    }

    /// Delivers until `enough` says so, or there is nothing left; `failed` is how the first attempt ended, where there was
    /// one.
    fn deliver_until(
        &mut self,
        enough: &dyn Fn(&Batch) -> bool,
        mut failed: Option<DeliveryError>,
    ) -> Result<(), Failure> {
        if failed.is_none() && (self.batch.is_empty() || enough(&self.batch)) {
            return Ok(());
        }
        self.nothing_in_hand();
        self.note(|vitals, now| vitals.begin(Doing::Receiver, now));
        let mut later = Later::new();
        let mut trials = Trials::default();
        loop {
            if self.batch.is_empty() {
                let Some((mut batch, batched)) = later.pop() else { break };
                batch.follow(&self.batch);
                (self.batch, self.batched) = (batch, batched);
                trials = Trials::default();
            }
            if failed.is_none() && later.is_empty() && enough(&self.batch) {
                break;
            }
            let outcome = match failed.take() {
                Some(error) => Err(error),
                None => self.attempt(&mut trials),
            };
            match outcome {
                Ok(()) => self.remember_at_times()?,
                Err(error) => {
                    let error = error.of(self.batch.count());
                    self.handing.under_way = false;
                    if self.sort(&error, &mut later) {
                        trials.attempt = 0;
                    }
                    if self.handing.unremembered > 0 {
                        self.move_on()?;
                    }
                    if !self.batch.is_empty() {
                        self.not_delivered(&error, &mut later, &mut trials)?;
                    }
                }
            }
        }
        (self.handing.fresh, self.handing.fresh_events) = (0, 0);
        self.handing.under_way = !self.batch.is_empty();
        self.handing.since = self.handing.under_way.then(|| self.mailbox.clock.now());
        let nothing_waits = self.batch.is_empty();
        self.note(|vitals, now| {
            // What the receiver refused is in the dead-letter file, and was the events' trouble.
            if nothing_waits {
                vitals.well(Concern::Delivering);
            }
            vitals.begin(Doing::Server, now);
        });
        Ok(())
    }

    /// Asks the receiver to take the batch; what it acknowledges leaves it.
    fn attempt(&mut self, trials: &mut Trials) -> Result<(), DeliveryError> {
        let patience = self.handing.patience(self.mailbox.clock.now());
        let (acknowledged, outcome) = if let Some(flow) = self.mailbox.sink.flow() {
            let outcome = flow.send_and_wait(&self.batch, patience);
            (flow.acknowledged(), outcome)
        } else {
            let outcome = self.mailbox.sink.deliver(&self.batch);
            (if outcome.is_ok() { self.batch.count() } else { 0 }, outcome)
        };
        if acknowledged > 0 {
            self.take_off(acknowledged);
            self.note(|vitals, now| vitals.begin(Doing::Receiver, now));
            if trials.attempt > 0 {
                self.log(Level::Info, "delivering again", &[]);
            }
            *trials = Trials::default();
        }
        outcome
    }

    /// The first events of the batch are acknowledged.
    fn take_off(&mut self, count: usize) {
        let count = count.min(self.batch.count()).min(self.batched.len());
        if count == 0 {
            return;
        }
        let before = self.batch.bytes().len();
        self.batch.drop_front(count);
        let bytes = before.saturating_sub(self.batch.bytes().len());
        let batched = self.batched.drain(..count).collect();
        self.acknowledged(batched, bytes);
    }

    /// The receiver has these events, of so many bytes.
    fn acknowledged(&mut self, batched: Vec<Known>, bytes: usize) {
        let events = batched.len();
        self.log(
            Level::Debug,
            "acknowledged",
            &[("events", &events), ("batch_bytes", &bytes)],
        );
        self.refused_in_a_row = 0;
        self.progress.delivered(events);
        self.mailbox.counters.add(Counter::Delivered, events as u64);
        for known in batched {
            self.delivered(known);
        }
        self.note(|vitals, now| {
            vitals.acknowledged(now);
            vitals.behind = Some(self.frontier.behind());
        });
        self.handing.unremembered = self.handing.unremembered.saturating_add(events);
    }

    /// Where the receiver tells what became of each event: what it took is done, what it refuses is tried alone, later, and
    /// the rest is the batch. Says whether it took any.
    fn sort(&mut self, error: &DeliveryError, later: &mut Later) -> bool {
        let DeliveryError::Each { fates, .. } = error else {
            return false;
        };
        let successor = self.batch.successor();
        let batch = std::mem::replace(&mut self.batch, successor);
        let (mut taken, mut taken_bytes) = (Vec::new(), 0_usize);
        for (place, known) in std::mem::take(&mut self.batched).into_iter().enumerate() {
            let event = batch.event(place).unwrap_or_default();
            match fates.get(place) {
                Some(Fate::Taken) => {
                    taken.push(known);
                    taken_bytes = taken_bytes.saturating_add(event.len());
                }
                Some(Fate::Refused) => later.push((batch.part(|other| other == place), vec![known])),
                Some(Fate::Later) | None => {
                    self.batch.push_from(&batch, place);
                    self.batched.push(known);
                }
            }
        }
        let got_on = !taken.is_empty();
        if got_on {
            self.acknowledged(taken, taken_bytes);
        }
        got_on
    }

    /// Not for every acknowledgement: it takes two fsyncs.
    fn remember_at_times(&mut self) -> Result<(), Failure> {
        let handing = &self.handing;
        if handing.unremembered >= limits::UNREMEMBERED || handing.patience(self.mailbox.clock.now()).is_zero() {
            return self.remember_now();
        }
        Ok(())
    }

    fn remember_now(&mut self) -> Result<(), Failure> {
        if self.handing.unremembered > 0 {
            self.move_on()?;
            self.tell_progress();
        }
        Ok(())
    }

    /// What follows a failure: halves, another attempt after a delay, or the dead-letter file.
    fn not_delivered(&mut self, error: &DeliveryError, later: &mut Later, trials: &mut Trials) -> Result<(), Failure> {
        if self.stopping() {
            return Err(Failure::Stopping);
        }
        self.count(Counter::Undelivered);
        if matches!(error, DeliveryError::Reject { .. }) {
            let meant = self.mailbox.sink.flow().map_or(usize::MAX, |flow| flow.refused());
            self.put_off(meant, later);
            let half = self.batch.count().div_ceil(2);
            if half < self.batch.count() {
                let fields: [(&str, &dyn Display); 2] = [("events", &self.batch.count()), ("reason", error)];
                self.log(Level::Warn, "refused, sending it in halves", &fields);
                self.put_off(half, later);
                return Ok(());
            }
        }
        let (backoff, attempts, at_least) = match error {
            DeliveryError::Retry { after, .. } | DeliveryError::Each { after, .. } => {
                let backoff = self.mailbox.sink.backoff();
                (backoff, trials.attempt, after.unwrap_or_default())
            }
            DeliveryError::Reject { .. } => {
                trials.refusals = trials.refusals.saturating_add(1);
                if trials.refusals >= limits::REFUSED_EVENT {
                    self.give_up_event(error)?;
                    return Ok(());
                }
                // Over several events: one that refuses everything is asked less and less often.
                let in_a_row = self.refused_in_a_row;
                self.refused_in_a_row = in_a_row.saturating_add(1);
                (backoff::DELIVERY, in_a_row, Duration::ZERO)
            }
            // Nothing is dropped: whoever mends the setting finds every event still coming.
            DeliveryError::Configuration { .. } => (backoff::CONFIGURATION, trials.attempt, Duration::ZERO),
        };
        let delay = backoff.delay(attempts, (self.mailbox.random)()).max(at_least);
        trials.attempt = trials.attempt.saturating_add(1);
        self.insist(trials.attempt, backoff, error)?;
        let grave = matches!(error, DeliveryError::Configuration { .. });
        self.note(|vitals, now| vitals.failed(Concern::Delivering, error.to_string(), grave, now));
        self.log(
            Level::Warn,
            "not delivered, trying again",
            &[
                ("events", &self.batch.count()),
                ("first_uid", &self.batched.first().map_or(0, |known| known.uid)),
                ("reason", error),
                ("in_seconds", &whole_seconds(delay)),
            ],
        );
        self.pause(delay);
        if self.stopping() {
            return Err(Failure::Stopping);
        }
        Ok(())
    }

    /// All but the first `count` events wait for their turn.
    fn put_off(&mut self, count: usize, later: &mut Later) {
        if count < self.batch.count() {
            let batched = self.batched.split_off(count.min(self.batched.len()));
            later.push((self.batch.split_off(count), batched));
        }
    }

    /// Once in a while: how much, how fast, and for how much longer.
    fn tell_progress(&mut self) {
        let totals = self.mailbox.counters.totals();
        let Some(line) = self.progress.due(self.mailbox.clock.now(), totals) else {
            return;
        };
        let behind = totals.behind.unwrap_or_default();
        let (next_uid, seconds_left) = (self.frontier.position(), line.pace.time_left.map(whole_seconds));
        let mut fields: Vec<(&str, &dyn Display)> = vec![
            ("delivered", &line.delivered),
            ("bytes", &line.bytes),
            ("mails_per_minute", &line.pace.mails_per_minute),
            ("bytes_per_second", &line.pace.bytes_per_second),
            ("behind", &behind),
        ];
        if let Some(seconds_left) = &seconds_left {
            fields.push(("seconds_left", seconds_left));
        }
        fields.push(("next_uid", &next_uid));
        self.log(Level::Info, "delivering", &fields);
    }

    /// Always when a session has read the backlog, later once in a while: live mail is the normal state.
    pub(super) fn tell_caught_up(&mut self, first: bool) {
        let now = self.mailbox.clock.now();
        let delivered = if first {
            Some(self.progress.tell(now))
        } else {
            let totals = self.mailbox.counters.totals();
            self.progress.due(now, totals).map(|line| line.delivered)
        };
        if let Some(delivered) = delivered {
            let fields: [(&str, &dyn Display); 2] =
                [("delivered", &delivered), ("next_uid", &self.frontier.position())];
            self.log(Level::Info, "caught up", &fields);
        }
    }

    /// Remembers how far delivery has come, if that is another place.
    pub(super) fn move_on(&mut self) -> Result<(), Failure> {
        self.note(|vitals, _| vitals.behind = Some(self.frontier.behind()));
        self.handing.unremembered = 0;
        let memory = self.memory();
        if self.remembered.as_ref() == Some(&memory) {
            return Ok(());
        }
        self.remember(&memory)?;
        self.handing.remembered = Some(self.mailbox.clock.now());
        let got_on = self.remembered.as_ref().is_some_and(|before| {
            let (position, before_it) = (memory.position, before.position);
            position.uid_validity == before_it.uid_validity
                && (position.next_uid > before_it.next_uid || memory.recent != before.recent)
        });
        self.remembered = Some(memory);
        // Sessions that get on are no failures, however they end.
        if got_on {
            self.failures.forget();
            self.fruitless = 0;
            self.note(|vitals, _| vitals.well(Concern::Reading));
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> Memory {
        Memory {
            position: Position {
                uid_validity: self.uid_validity,
                next_uid: self.frontier.position(),
            },
            done: self.frontier.done_ranges(),
            latest: Some(self.frontier.latest()),
            recent: self.recent.clone(),
            rescan: self.rescan.clone(),
            due: self.due.ranges(),
        }
    }

    /// Writes the checkpoint. A disk that is full stops the mailbox here, where nothing is delivered twice meanwhile.
    fn remember(&mut self, memory: &Memory) -> Result<(), Failure> {
        self.until_written("checkpoint not written, trying again", |life| {
            life.mailbox.checkpoint.advance(memory)
        })
    }
}

impl Handing {
    /// How long what is acknowledged may wait to be remembered.
    fn patience(&self, now: Instant) -> Duration {
        if self.unremembered == 0 {
            return limits::TEND;
        }
        let since = self.remembered.map(|then| now.saturating_duration_since(then));
        since.map_or(Duration::ZERO, |since| limits::UNREMEMBERED_FOR.saturating_sub(since))
    }
}
