//! One thread for each mailbox. A thread that panics is counted, logged and begun again: one mailbox's failure is its own.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver as Ends};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::backoff;
use crate::checkpoint::StateDirectory;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::{Adapter, Receiver};
use crate::mailbox::Mailbox;
use crate::metrics::Counters;
use crate::net::dial::TcpDialer;
use crate::net::proxy;
use crate::net::tls::{Protocol, Trust};
use crate::sink::Sink;
use crate::sink::stdout::Stdout;
use crate::sink::webhook::Webhook;
use crate::{limits, log};

/// Everything checked, nothing contacted yet.
pub struct Supervisor {
    mailboxes: Vec<Watch>,
    stop: Arc<Stop>,
    clock: Arc<SystemClock>,
}

/// One mailbox to be: what it takes to make a [`Mailbox`], as often as needed.
struct Watch {
    adapter: Adapter,
    trust: Trust,
    /// The one standard output that mailboxes share.
    stdout: Stdout<io::Stdout>,
    /// They outlive a mailbox that panics.
    counters: Arc<Counters>,
}

impl Supervisor {
    /// Reads certificates and checks receivers; the error is a configuration error and names its setting.
    pub fn prepare(adapters: Vec<Adapter>) -> Result<Supervisor, String> {
        let stop = Stop::new();
        let clock = Arc::new(SystemClock::new(Arc::clone(&stop)));
        let stdout = Stdout::new(io::stdout());
        let mut mailboxes = Vec::new();
        for adapter in adapters {
            let trust = Trust::load(adapter.ca_file.as_deref()).map_err(|error| error.to_string())?;
            let watch = Watch {
                adapter,
                trust,
                stdout: stdout.clone(),
                counters: Arc::default(),
            };
            watch.sink(&clock)?;
            mailboxes.push(watch);
        }
        Ok(Supervisor { mailboxes, stop, clock })
    }

    /// Watches all mailboxes until SIGTERM or SIGINT, then waits for the acknowledgements under way. A second signal
    /// ends the process at once. The error tells why it could not begin.
    pub fn run(self) -> Result<(), String> {
        let directories = Arc::new(self.lock_state_directories()?);
        self.stop_on_signals()
            .map_err(|error| format!("cannot listen to signals: {error}"))?;
        let (ended, ends) = mpsc::channel::<()>();
        let mut running: usize = 0;
        for watch in self.mailboxes {
            let (clock, stop, directories) = (
                Arc::clone(&self.clock),
                Arc::clone(&self.stop),
                Arc::clone(&directories),
            );
            let ended = ended.clone();
            let work = move || {
                watch.keep_running(&clock, &stop, &directories);
                drop(ended);
            };
            thread::Builder::new()
                .name("mailbox".to_owned())
                .spawn(work)
                .map_err(|error| format!("cannot start a thread: {error}"))?;
            running = running.saturating_add(1);
        }
        drop(ended);
        wait_for_ends(&ends, &*self.clock);
        Ok(())
    }

    fn lock_state_directories(&self) -> Result<BTreeMap<PathBuf, StateDirectory>, String> {
        let mut directories = BTreeMap::new();
        for watch in &self.mailboxes {
            let path = &watch.adapter.state_dir;
            if !directories.contains_key(path) {
                let directory = StateDirectory::open(path).map_err(|error| error.to_string())?;
                directories.insert(path.clone(), directory);
            }
        }
        Ok(directories)
    }

    fn stop_on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let stop = Arc::clone(&self.stop);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if stop.asked() {
                    // What is not acknowledged is not checkpointed, so this loses nothing.
                    std::process::exit(signal.saturating_add(128));
                }
                log::info("stopping: waiting for acknowledgements", &[]);
                stop.ask();
            }
        })?;
        Ok(())
    }
}

/// Returns when every mailbox has ended, or when it takes too long after the request to stop.
fn wait_for_ends(ends: &Ends<()>, clock: &dyn Clock) {
    let mut since: Option<Instant> = None;
    loop {
        // Nobody sends: the channel closes when the last thread drops its end.
        match ends.recv_timeout(Duration::from_secs(1)) {
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let now = clock.now();
        if clock.stopping() && now.saturating_duration_since(*since.get_or_insert(now)) >= limits::SHUTDOWN {
            log::warn(
                "some events were not acknowledged in time; they are delivered again at the next start",
                &[],
            );
            return;
        }
    }
}

impl Watch {
    fn keep_running(
        &self,
        clock: &Arc<SystemClock>,
        stop: &Arc<Stop>,
        directories: &BTreeMap<PathBuf, StateDirectory>,
    ) {
        let mut panics: u32 = 0;
        while !clock.stopping() {
            match self.mailbox(clock, stop, directories) {
                Ok(mailbox) => {
                    // Nothing of a mailbox outlives its run, so nothing half-changed is seen again.
                    if panic::catch_unwind(AssertUnwindSafe(|| mailbox.run())).is_ok() {
                        return;
                    }
                    log::error(
                        "a defect of mailtap ended this mailbox; it begins again",
                        &[
                            ("server", &self.adapter.imap.endpoint),
                            ("username", &self.adapter.imap.username),
                            ("mailbox", &self.adapter.mailbox),
                            ("times", &panics.saturating_add(1)),
                        ],
                    );
                }
                Err(error) => log::error(&error, &[("mailbox", &self.adapter.mailbox)]),
            }
            clock.wait(backoff::NETWORK.delay(panics, random()));
            panics = panics.saturating_add(1);
        }
    }

    fn mailbox(
        &self,
        clock: &Arc<SystemClock>,
        stop: &Arc<Stop>,
        directories: &BTreeMap<PathBuf, StateDirectory>,
    ) -> Result<Mailbox, String> {
        let adapter = &self.adapter;
        let directory = directories.get(&adapter.state_dir).ok_or("state_dir: not locked")?;
        let account = adapter.imap.account();
        Ok(Mailbox {
            imap: adapter.imap.clone(),
            name: adapter.mailbox.clone(),
            event: adapter.event.clone(),
            from_zero: adapter.from_zero,
            dial: Arc::new(self.imap_dialer(clock, stop)?),
            sink: self.sink(clock)?,
            checkpoint: Box::new(directory.checkpoint(&account, adapter.mailbox.as_str())),
            counters: Arc::clone(&self.counters),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            random,
        })
    }

    /// Connections to the IMAP server. They end with the request to stop.
    fn imap_dialer(&self, clock: &Arc<SystemClock>, stop: &Arc<Stop>) -> Result<TcpDialer, String> {
        let pins = &self.adapter.tls_pins;
        let pinned = (!pins.is_empty()).then(|| Trust::pinned(pins));
        let tls = client_config(pinned.as_ref().unwrap_or(&self.trust), Protocol::Imap)?;
        let dialer = TcpDialer::new(tls, Arc::clone(clock) as Arc<dyn Clock>, Some(Arc::clone(stop)));
        self.through(dialer, self.adapter.proxy.as_ref())
    }

    /// Connections to the receiver. A request to stop lets the acknowledgement under way come in.
    fn receiver_dialer(&self, clock: &Arc<SystemClock>) -> Result<TcpDialer, String> {
        let tls = client_config(&self.trust, Protocol::Http)?;
        let dialer = TcpDialer::new(tls, Arc::clone(clock) as Arc<dyn Clock>, None);
        let dialer = dialer.connect_within(limits::HTTP_CONNECT);
        self.through(dialer, self.adapter.receiver_proxy.as_ref())
    }

    fn through(&self, dialer: TcpDialer, proxy: Option<&proxy::Settings>) -> Result<TcpDialer, String> {
        Ok(match proxy {
            None => dialer,
            Some(proxy) => dialer.through(proxy.clone(), client_config(&self.trust, Protocol::Http)?),
        })
    }

    fn sink(&self, clock: &Arc<SystemClock>) -> Result<Box<dyn Sink>, String> {
        match &self.adapter.receiver {
            Receiver::Stdout => Ok(Box::new(self.stdout.clone())),
            Receiver::Webhook(settings) => {
                let dial = self.receiver_dialer(clock)?;
                let webhook = Webhook::new(settings, Arc::new(dial), Arc::clone(clock) as Arc<dyn Clock>)
                    .map_err(|error| error.to_string())?;
                Ok(Box::new(webhook))
            }
        }
    }
}

fn client_config(trust: &Trust, protocol: Protocol) -> Result<Arc<ClientConfig>, String> {
    trust.client_config(protocol).map_err(|error| error.to_string())
}

/// For jitter only, nothing secret: the standard library seeds its hash maps from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
