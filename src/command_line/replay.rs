//! `mailtap replay`: the events of a dead-letter file → the receiver, once more.

use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use super::configuration::load_file;
use super::{Failure, complain};
use crate::clock::{Clock, Stop, SystemClock};
use crate::dead_letter::{Letter, Reader};
use crate::event::EventId;
use crate::sink::{Batch, DeliveryError, Fate, Sink, stdout};
use crate::supervisor::{Supervisor, random};
use crate::{backoff, limits, log};

/// `mailtap replay CONFIG FILE`. Well only when every line's event was acknowledged; the file stays as it is.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let [configuration, file] = arguments else {
        return Err(Failure::Usage(
            "replay: name a configuration file and a dead-letter file; `mailtap replay --help` tells more".to_owned(),
        ));
    };
    let loaded = load_file(Path::new(configuration))?;
    if loaded.delivers_to_stdout() && stdout::is_null() {
        return Err(Failure::Usage(
            "client_options.dest_url is stdout: and standard output is /dev/null, or closed".to_owned(),
        ));
    }
    let supervisor = Supervisor::prepare(loaded.adapters).map_err(Failure::Usage)?;
    let name = Path::new(file).display().to_string();
    let opened = File::open(file).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    let mut replay = Replay {
        supervisor,
        clock: SystemClock::new(Stop::new()),
        file: name,
        receiver: None,
        batch: Batch::default(),
        lines: Vec::new(),
        letters: 0,
        acknowledged: 0,
    };
    let mut reader = Reader::new(BufReader::new(opened));
    let outcome = replay.all(&mut reader);
    if let Some(mut receiver) = replay.receiver.take() {
        receiver.sink.close();
    }
    if outcome.is_err() {
        // With what is behind. The file may be a pipe, which cannot be read twice.
        while let Ok(Some(_)) = reader.next_letter() {
            replay.letters = replay.letters.saturating_add(1);
        }
    }
    let acknowledged = replay.acknowledged;
    let left = replay.letters.saturating_sub(acknowledged);
    log::info("replayed", &[("acknowledged", &acknowledged), ("left", &left)]);
    outcome?;
    if left > 0 { Err(Failure::Told) } else { Ok(()) }
}

struct Replay {
    supervisor: Supervisor,
    clock: SystemClock,
    /// As it was named, for what is told.
    file: String,
    /// Of the last letter: nearly always that of the whole file.
    receiver: Option<Receiver>,
    batch: Batch,
    /// Which line each event of the batch is.
    lines: Vec<u64>,
    /// Lines that were read, but for empty ones.
    letters: u64,
    acknowledged: u64,
}

/// The receiver of one mailbox's events.
struct Receiver {
    account: String,
    mailbox: String,
    sink: Box<dyn Sink>,
}

impl Replay {
    fn all(&mut self, reader: &mut Reader<BufReader<File>>) -> Result<(), Failure> {
        let unreadable = |file: &str, error| Failure::Run(format!("{file}: {error}"));
        while let Some((line, letter)) = reader.next_letter().map_err(|error| unreadable(&self.file, error))? {
            self.letters = self.letters.saturating_add(1);
            match letter {
                Ok(letter) => self.add(line, letter)?,
                Err(unread) => self.leave(line, &unread.to_string()),
            }
        }
        self.deliver()
    }

    /// The letter's event joins the batch.
    fn add(&mut self, line: u64, letter: Letter<'_>) -> Result<(), Failure> {
        let Some(content) = &letter.content else {
            let reason = format!(
                "no event to send: mailbox {}, UID {}: {}",
                letter.mailbox, letter.uid, letter.reason
            );
            self.leave(line, &reason);
            return Ok(());
        };
        let same = self
            .receiver
            .as_ref()
            .is_some_and(|receiver| receiver.account == letter.account && receiver.mailbox == letter.mailbox);
        if !same {
            self.deliver()?;
            if let Some(mut receiver) = self.receiver.take() {
                receiver.sink.close();
            }
            match self.supervisor.sink_for(&letter.account, &letter.mailbox) {
                Ok(sink) => {
                    self.receiver = Some(Receiver {
                        account: letter.account,
                        mailbox: letter.mailbox,
                        sink,
                    });
                }
                Err(reason) => {
                    self.leave(line, &reason);
                    return Ok(());
                }
            }
        }
        let Some(Receiver { sink, .. }) = &self.receiver else {
            return Ok(());
        };
        let mut encoded = Vec::new();
        if !sink.encode_letter(content, &mut encoded) {
            self.leave(line, "this receiver cannot take what is in this line");
            return Ok(());
        }
        let full = self.batch.count() >= sink.batch_events()
            || self.batch.bytes().len().saturating_add(encoded.len()) > limits::BATCH_BYTES;
        if full {
            self.deliver()?;
        }
        self.batch
            .push(EventId::of(&encoded), |output| output.append(&mut encoded));
        self.lines.push(line);
        Ok(())
    }

    /// Delivers the batch. What is refused is halved, down to the event that is meant: that one is told, and left.
    fn deliver(&mut self) -> Result<(), Failure> {
        let mut later = vec![(std::mem::take(&mut self.batch), std::mem::take(&mut self.lines))];
        while let Some((mut batch, mut lines)) = later.pop() {
            let count = batch.count();
            match self.attempt(&batch).map_err(|error| error.of(count)) {
                Ok(()) => {
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    self.acknowledged = self.acknowledged.saturating_add(count);
                }
                Err(DeliveryError::Reject { .. }) if count > 1 => {
                    let half = count.div_ceil(2);
                    later.push((batch.split_off(half), lines.split_off(half)));
                    later.push((batch, lines));
                }
                Err(DeliveryError::Each { fates, .. }) => later.extend(self.sort(&batch, lines, &fates)),
                Err(error @ DeliveryError::Reject { .. }) => {
                    for line in lines {
                        self.leave(line, &error.to_string());
                    }
                }
                Err(error) => {
                    let line = lines.first().copied().unwrap_or_default();
                    return Err(Failure::Run(format!(
                        "{}:{line}: not acknowledged, nor is anything behind it: {error}",
                        self.file
                    )));
                }
            }
        }
        Ok(())
    }

    /// Counts what was taken. The rest is sent again: what was refused alone, so that the receiver says why.
    fn sort(&mut self, batch: &Batch, lines: Vec<u64>, fates: &[Fate]) -> Vec<(Batch, Vec<u64>)> {
        let mut again = Vec::new();
        let (mut later, mut later_lines) = (Batch::default(), Vec::new());
        for (place, line) in lines.into_iter().enumerate() {
            match fates.get(place) {
                Some(Fate::Taken) => self.acknowledged = self.acknowledged.saturating_add(1),
                Some(Fate::Refused) => again.push((batch.part(|other| other == place), vec![line])),
                Some(Fate::Later) | None => {
                    later.push_from(batch, place);
                    later_lines.push(line);
                }
            }
        }
        again.push((later, later_lines));
        again
    }

    /// Tries a few times where that may help: somebody waits for the outcome.
    fn attempt(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let Some(Receiver { sink, .. }) = &mut self.receiver else {
            return Ok(());
        };
        if batch.is_empty() {
            return Ok(());
        }
        let mut attempt: u32 = 0;
        loop {
            let outcome = sink.deliver(batch);
            let Err(DeliveryError::Retry { after, .. }) = &outcome else {
                return outcome;
            };
            attempt = attempt.saturating_add(1);
            if attempt >= limits::REPLAY_ATTEMPTS {
                return outcome;
            }
            let at_least: Duration = after.unwrap_or_default();
            let delay = backoff::DELIVERY.delay(attempt, random()).max(at_least);
            if let Err(error) = &outcome {
                let seconds = delay.as_secs();
                log::warn(
                    "not delivered, trying again",
                    &[("reason", error), ("in_seconds", &seconds)],
                );
            }
            self.clock.wait(delay);
        }
    }

    /// Nothing of this line was acknowledged.
    fn leave(&self, line: u64, reason: &str) {
        complain(&format!("{}:{line}: {reason}", self.file));
    }
}
