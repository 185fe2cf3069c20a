//! A whole mailbox against a hostile server, for the fuzzer: bytes choose what the server does, and a model of the mailbox
//! knows what may come of it.
//!
//! Whatever the server does, an event is a mail as the server gave it under that UID, and comes once; the checkpoint passes
//! no mail that the server could have given; and nothing goes on for ever. When the bytes are over, the server becomes a
//! good one: then every mail that it has must have come out, or be one whose absence it was shown to have said, or be counted
//! as a gap, or stand in the dead-letter file. To leave a mail out of a listing is no excuse: it comes with the next one.
//!
//! `hostile/account.rs` is what is configured, `hostile/script.rs` reads the bytes, `hostile/store.rs` is the model,
//! `hostile/server.rs` the conversation, `hostile/noise.rs` what is said besides, `hostile/way_in.rs` the login,
//! `hostile/answers.rs` what it says about mails, `hostile/look.rs` what must follow a listing, and `hostile/writes.rs` what is
//! done after delivery.

mod account;
mod answers;
mod look;
mod noise;
mod script;
mod server;
mod store;
mod way_in;
mod writes;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::account::{Choices, TokenEndpoint};
use self::script::Script;
use self::server::Conversation;
use self::store::Store;
use super::{Life, Mailbox, Until};
use crate::attempts::Attempts;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::clock::{Clock, Phase};
use crate::dead_letter::DeadLetters;
use crate::event::raw::Collected;
use crate::event::{Origin, build};
use crate::imap::mailbox_name::MailboxName;
use crate::imap::resume::Memory;
use crate::limits;
use crate::metrics::{Counter, Counters};
use crate::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};
use crate::sink::{Batch, DeliveryError, Sink};
use crate::turns::Turns;

/// What the server may make us do: so many commands for each byte that chooses, and so many for a good end.
const COMMANDS: usize = 40;
const COMMANDS_AT_THE_END: usize = 1_000;
/// Processes that follow one another, by choice.
const LIVES: usize = 3;

#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let world = World::new(data);
    let _ = fs::remove_file(dead_letters());
    if world.choices.lists {
        world.list();
    }
    loop {
        world.time.stopping.store(false, Ordering::Relaxed);
        let mut life = Life::new(world.mailbox());
        life.run();
        let mut state = world.lock();
        if !std::mem::take(&mut state.restart) {
            break;
        }
        let State { store, remembered, .. } = &mut *state;
        store.process_ends(remembered.as_ref());
    }
    let state = world.lock();
    assert_eq!(state.store.events(), world.counters.get(Counter::Delivered));
    let missing = state.store.missing(&buried());
    assert!(missing.lost.is_empty(), "mails that never came: {missing:?}");
    let counters = [Counter::Expunged, Counter::Presumed, Counter::Recognised];
    let counted: u64 = counters.iter().map(|counter| world.counters.get(*counter)).sum();
    assert!(missing.counted.len() as u64 <= counted, "gaps not counted: {missing:?}");
}

/// UIDVALIDITY and UID of the mails in the dead-letter file.
fn buried() -> Vec<(u32, u32)> {
    let letters = fs::read_to_string(dead_letters()).unwrap_or_default();
    let number = |letter: &Value, key| u32::try_from(letter.get(key)?.as_u64()?).ok();
    let lines = letters
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_default());
    let names = lines.map(|letter| (number(&letter, "uidvalidity"), number(&letter, "uid")));
    let names: Option<Vec<(u32, u32)>> = names.map(|(uid_validity, uid)| uid_validity.zip(uid)).collect();
    assert!(names.is_some(), "a dead letter that cannot be read: {letters}");
    names.unwrap_or_default()
}

/// All that is not the mailbox.
#[derive(Clone)]
struct World {
    choices: Choices,
    time: Arc<Time>,
    state: Arc<Mutex<State>>,
    counters: Arc<Counters>,
}

struct State {
    script: Script,
    store: Store,
    remembered: Option<Memory>,
    commands: usize,
    most_commands: usize,
    /// Times that the good server at the end was seen with nothing left to do.
    quiet: usize,
    lives: usize,
    /// The process is to end, and another one begins.
    restart: bool,
    /// Names of mailboxes that were said, unless it may be any.
    names: BTreeSet<Vec<u8>>,
    any_name: bool,
}

impl World {
    fn new(data: &[u8]) -> World {
        let (choices, data) = data.split_last().unwrap_or((&0, data));
        let choices = Choices::new(*choices);
        let mut script = Script::new(data);
        let store = Store::new(&mut script, choices.stride);
        World {
            choices,
            time: Arc::new(Time {
                base: Instant::now(),
                passed: Mutex::default(),
                stopping: AtomicBool::new(false),
            }),
            state: Arc::new(Mutex::new(State {
                script,
                store,
                remembered: None,
                commands: 0,
                most_commands: data.len().saturating_mul(COMMANDS).saturating_add(COMMANDS_AT_THE_END),
                quiet: 0,
                lives: 0,
                restart: false,
                names: BTreeSet::new(),
                any_name: false,
            })),
            counters: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailbox(&self) -> Mailbox {
        Mailbox {
            imap: self.choices.imap.clone(),
            name: MailboxName::new("INBOX"),
            credentials: self.credentials(),
            event: build::Settings::default(),
            from_zero: true,
            after_delivery: self.choices.action.clone(),
            dial: Arc::new(self.clone()),
            sink: Box::new(Witness(self.clone())),
            artifacts: None,
            checkpoint: Box::new(Notebook(self.clone())),
            dead_letters: DeadLetters::new(dead_letters()),
            // Cannot be written, which costs nothing.
            attempts: Attempts::new(PathBuf::from("/dev/null/attempts")),
            counters: Arc::clone(&self.counters),
            clock: Arc::clone(&self.time) as Arc<dyn Clock>,
            turns: Turns::new(1).join(),
            listed: false,
            until: Until::Stopped,
            random: || u64::MAX / 3,
        }
    }

    /// There is nothing left to do.
    fn stop(&self) {
        self.time.stopping.store(true, Ordering::Relaxed);
    }
}

/// What the server refuses to give is written here.
fn dead_letters() -> PathBuf {
    std::env::temp_dir().join(format!("mailtap-fuzz-{}.ndjson", std::process::id()))
}

impl Dial for World {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        if endpoint.host == account::TOKENS {
            return Ok(Box::new(TokenEndpoint::new(self)));
        }
        let mut state = self.lock();
        if state.script.choose(32) == 1 {
            return Err(NetError {
                peer: endpoint.to_string(),
                phase: Phase::Connect,
                kind: NetErrorKind::Closed,
            });
        }
        if state.script.choose(32) == 1 && state.lives < LIVES {
            state.lives = state.lives.saturating_add(1);
            state.restart = true;
            self.stop();
        }
        drop(state);
        Ok(Box::new(Conversation::new(self)))
    }
}

/// Time passes when somebody waits.
struct Time {
    base: Instant,
    passed: Mutex<Duration>,
    stopping: AtomicBool,
}

impl Time {
    fn pass(&self, duration: Duration) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        *passed = passed.saturating_add(duration);
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        let passed = *self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        self.base.checked_add(passed).unwrap_or(self.base)
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, duration: Duration) {
        self.pass(duration);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A checkpoint that is looked at.
struct Notebook(World);

impl Checkpoint for Notebook {
    fn load(&self) -> Result<Option<Memory>, CheckpointError> {
        Ok(self.0.lock().remembered.clone())
    }

    fn advance(&mut self, memory: &Memory) -> Result<(), CheckpointError> {
        let mut state = self.0.lock();
        let passed = state.store.passed(memory);
        assert!(
            passed.is_empty(),
            "the checkpoint passes mails that did not come: {passed:?}"
        );
        assert!(memory.done.len() <= limits::DONE_RANGES.saturating_add(1));
        state.remembered = Some(memory.clone());
        Ok(())
    }
}

/// A receiver that compares.
struct Witness(World);

impl Sink for Witness {
    fn encode(&self, mail: &Collected, output: &mut Vec<u8>) {
        let routing = &mail.event.routing;
        if let Origin::Mailbox { uid_validity, uid, .. } = &routing.origin {
            output.extend(store::event(*uid_validity, *uid, &routing.sha256));
        }
    }

    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let mut state = self.0.lock();
        let events = (0..batch.count()).filter_map(|place| batch.event(place));
        match state.script.choose(16) {
            1 => {
                return Err(DeliveryError::Retry {
                    reason: "away".to_owned(),
                    after: None,
                });
            }
            2 => {
                if let (1, Some(event)) = (batch.count(), batch.event(0)) {
                    state.store.reject(event);
                }
                return Err(DeliveryError::Reject {
                    reason: "no".to_owned(),
                });
            }
            _ => {}
        }
        for event in events {
            state.store.deliver(event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
