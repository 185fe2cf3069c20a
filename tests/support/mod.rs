//! What integration tests, the demo and the benches share: an IMAP server and a webhook receiver that live in this
//! process and misbehave on command, and the real program as a child between them.
//!
//! Nothing here sleeps: [`Watched`] holds what a server has seen, and whoever waits for it is woken by the change.
#![allow(dead_code, reason = "every test, bench and the demo uses another part of it")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]
#![allow(
    clippy::print_stdout,
    reason = "a test says why it skips, and what the program said before it failed"
)]

pub mod certificates;
pub mod cloud;
pub mod collector;
pub mod destination;
pub mod distance;
pub mod figures;
pub mod folder;
pub mod imap_server;
pub mod line;
pub mod port;
pub mod proxy;
pub mod random;
pub mod real_server;
pub mod receiver;
pub mod sandglass;
pub mod shared;
pub mod strace;
pub mod token_endpoint;
pub mod wire;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything may take on a slow, busy machine before it counts as hung. Nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A value that some threads change and others wait for.
#[derive(Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    pub fn new(value: T) -> Watched<T> {
        Watched {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    /// Looks at the value, or takes something of it.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the value and wakes whoever waits for it.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `look` returns something, and panics when it does not within [`PATIENCE`].
    pub fn wait_for<R>(&self, what: &str, look: impl FnMut(&T) -> Option<R>) -> R {
        self.wait_at_most(PATIENCE, look)
            .unwrap_or_else(|| panic!("waited {} s in vain: {what}", PATIENCE.as_secs()))
    }

    /// Waits until `look` returns something, for `patience` at most.
    pub fn wait_at_most<R>(&self, patience: Duration, mut look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let mut found = None;
        let guard = self.lock();
        drop(
            self.changed
                .wait_timeout_while(guard, patience, |value| {
                    found = look(value);
                    found.is_none()
                })
                .unwrap_or_else(PoisonError::into_inner),
        );
        found
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
