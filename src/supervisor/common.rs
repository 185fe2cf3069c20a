//! What the sections of a process share, however often one of them begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Manner;
use super::threads::Claims;
use crate::checkpoint::StateDirectory;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::{self, Adapter};
use crate::health::Health;
use crate::log;
use crate::metrics::Registry;
use crate::net::proxy;
use crate::oauth::Tokens;
use crate::sink::stdout::{Descriptor, Stdout};

/// What the sections of a process share.
pub struct Common {
    /// The request to stop all of them.
    pub(super) stop: Arc<Stop>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) claims: Claims,
    pub(super) registry: Arc<Registry>,
    pub(super) stdout: Stdout<Descriptor>,
    /// Each locked until the process ends.
    directories: Mutex<BTreeMap<PathBuf, Arc<StateDirectory>>>,
    tokens: Mutex<Vec<(TokensOf, Arc<Tokens>)>>,
}

/// Whose tokens they are, and by which way they come.
type TokensOf = (config::Credentials, Option<Vec<u8>>, Option<proxy::Settings>);

impl Common {
    /// Nothing yet.
    pub fn new() -> Arc<Common> {
        let stop = Stop::new();
        Arc::new(Common {
            clock: Arc::new(SystemClock::new(Arc::clone(&stop))),
            stop,
            claims: Claims::default(),
            registry: Arc::default(),
            stdout: Stdout::of_program(),
            directories: Mutex::default(),
            tokens: Mutex::default(),
        })
    }

    /// The tokens of a section: those of another one that gets them with the same settings, because a provider may replace the
    /// refresh token and count the use of an old one as theft.
    pub(super) fn tokens(
        &self,
        adapter: &Adapter,
        make: impl FnOnce() -> Result<Tokens, String>,
    ) -> Result<Arc<Tokens>, String> {
        let of = (adapter.credentials.clone(), authorities(adapter), adapter.proxy.clone());
        let mut all = lock(&self.tokens);
        if let Some((_, tokens)) = all.iter().find(|(other, _)| *other == of) {
            return Ok(Arc::clone(tokens));
        }
        let tokens = Arc::new(make()?);
        all.push((of, Arc::clone(&tokens)));
        Ok(tokens)
    }

    /// Locks the state directory, unless nothing is to be written.
    pub(super) fn open(&self, path: &Path, manner: Manner) -> Result<(), String> {
        let mut directories = lock(&self.directories);
        if !directories.contains_key(path) {
            let directory = if manner.dry_run {
                StateDirectory::read_only(path)
            } else {
                StateDirectory::open(path).map_err(|error| error.to_string())?
            };
            directories.insert(path.to_owned(), Arc::new(directory));
        }
        Ok(())
    }

    /// One that is open.
    pub(super) fn directory(&self, path: &Path) -> Option<Arc<StateDirectory>> {
        lock(&self.directories).get(path).map(Arc::clone)
    }

    /// Listens wherever it is asked for; each tells of the whole process. Refused rather than left out: whoever asks for it
    /// relies on it.
    pub(super) fn listen(&self, addresses: impl Iterator<Item = SocketAddr>) -> Result<(), String> {
        let health = Health::new(Arc::clone(&self.registry), Arc::clone(&self.clock) as Arc<dyn Clock>);
        let mut listening = BTreeSet::new();
        for address in addresses.filter(|address| listening.insert(*address)) {
            health
                .listen(address)
                .map_err(|error| format!("healthcheck: cannot listen on {address}: {error}"))?;
            log::info("healthcheck", &[("address", &address)]);
        }
        Ok(())
    }
}

/// What `ca_file` holds at the moment: a renewed one makes another section. What cannot be read is told where it is needed.
pub(super) fn authorities(adapter: &Adapter) -> Option<Vec<u8>> {
    adapter.ca_file.as_deref().and_then(|path| fs::read(path).ok())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
