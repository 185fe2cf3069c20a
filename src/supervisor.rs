//! One thread for each mailbox. A thread that panics is counted, logged and begun again: one mailbox's failure is its own.
//! `supervisor/threads.rs` knows which run.

mod check;
mod common;
mod connections;
mod first_listing;
mod outcome;
mod progress;
mod sections;
pub mod signals;
mod threads;

pub use sections::{Complaint, Sections, watch};

pub use check::{Step, Verdict};
pub use outcome::Outcome;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver as Ends};
use std::time::{Duration, Instant};

use crate::account::{Account, Adjusted};
use crate::attempts::Attempts;
use crate::backoff;
use crate::clock::{Clock, Stop, StopGuard, SystemClock};
use crate::config::{Adapter, Receiver};
use crate::dead_letter::DeadLetters;
use crate::http::exchange::Kept;
use crate::imap::mailbox_name::MailboxName;
use crate::mailbox::{Credentials, Mailbox, Until, insists};
use crate::metrics::{Concern, Counter, Counters, Entered, Entry, Moment};
use crate::net::Dial;
use crate::net::tls::Trust;
use crate::sink::Sink;
use crate::sink::artifact::Artifacts;
use crate::sink::limacharlie::LimaCharlie;
use crate::sink::stdout::{Descriptor, Stdout};
use crate::sink::webhook::Webhook;
use crate::turns::Turns;
use crate::websocket::connection::RandomError;
use crate::{limits, log};
use common::Common;
use connections::{counted, credentials, imap_dialer, receiver_dialer, turns};
use outcome::Tally;
use progress::ProgressLine;
use ring::rand::{SecureRandom as _, SystemRandom};
use threads::{Kind, Lifetime, Threads};

/// What [`Supervisor::run`] is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// How long.
    pub until: Until,
    /// Events go to standard output, nothing is sent, nothing is remembered.
    pub dry_run: bool,
    /// Standard error is a terminal, with nothing else on it: the progress is shown there.
    pub shows_progress: bool,
}

/// Everything checked, nothing contacted yet.
pub struct Supervisor {
    watches: Vec<Watch>,
    stop: Arc<Stop>,
    clock: Arc<SystemClock>,
    common: Arc<Common>,
}

/// What all threads of these sections share.
struct Program {
    stop: Arc<Stop>,
    clock: Arc<SystemClock>,
    common: Arc<Common>,
    until: Until,
    tally: Tally,
}

/// One account and its mailboxes to be: what it takes to make a [`Mailbox`], as often as needed.
struct Watch {
    adapter: Adapter,
    credentials: Credentials,
    /// To the IMAP server and to the receiver: made once, as what they trust is large.
    dial: Arc<dyn Dial>,
    dial_receiver: Arc<dyn Dial>,
    turns: Arc<Turns>,
    /// Connections to a webhook that the mailboxes share.
    kept: Arc<Kept>,
    /// The one standard output that mailboxes share.
    stdout: Stdout<Descriptor>,
}

impl Supervisor {
    /// Reads certificates and checks receivers; the error is a configuration error and names its setting.
    pub fn prepare(adapters: Vec<Adapter>) -> Result<Supervisor, String> {
        let common = Common::new();
        let stop = Arc::clone(&common.stop);
        Supervisor::prepare_in(&common, stop, adapters)
    }

    /// As [`Supervisor::prepare`], beside others. `stop` ends these.
    fn prepare_in(common: &Arc<Common>, stop: Arc<Stop>, adapters: Vec<Adapter>) -> Result<Supervisor, String> {
        let clock = Arc::new(SystemClock::new(Arc::clone(&stop)));
        let mut watches: Vec<Watch> = Vec::new();
        for adapter in adapters {
            let trust = Trust::load(adapter.ca_file.as_deref()).map_err(|error| error.to_string())?;
            let watch = Watch {
                credentials: credentials(&adapter, &trust, common)?,
                dial: counted(imap_dialer(&adapter, &trust, &clock, &stop)?, &common.registry),
                dial_receiver: counted(receiver_dialer(&adapter, &trust, &clock)?, &common.registry),
                turns: turns(&adapter, &watches),
                kept: Arc::default(),
                stdout: common.stdout.clone(),
                adapter,
            };
            watch.sink(&MailboxName::new("INBOX"), &clock)?;
            watches.push(watch);
        }
        Ok(Supervisor {
            watches,
            stop,
            clock,
            common: Arc::clone(common),
        })
    }

    /// A sink of its own for events of `mailbox` of `account`, as its section of the configuration says; where there is one
    /// section only, that one. The error says that there is none.
    pub fn sink_for(&self, account: &str, mailbox: &str) -> Result<Box<dyn Sink>, String> {
        let name = MailboxName::new(mailbox);
        let of_account = || {
            let watches = self.watches.iter();
            watches.filter(|watch| watch.adapter.imap.account() == account)
        };
        let named = |watch: &&Watch| {
            let mut wanted = watch.adapter.mailboxes.iter();
            wanted.any(|wanted| wanted.name() == Some(&name))
        };
        // What a pattern or a use stands for is the server's to say.
        let listed = |watch: &&Watch| watch.adapter.mailboxes.iter().any(|wanted| wanted.name().is_none());
        let watch = match self.watches.as_slice() {
            [only] => Some(only),
            _ => of_account().find(named).or_else(|| of_account().find(listed)),
        };
        let Some(watch) = watch else {
            return Err(format!(
                "no section of the configuration is about mailbox {name} of {account}"
            ));
        };
        watch.sink(&name, &self.clock)
    }

    /// As `manner` says, until SIGTERM or SIGINT; then it waits for the acknowledgements under way. A second signal ends the
    /// process at once. With [`Until::CaughtUp`] it returns by itself. The error tells why it could not begin.
    pub fn run(self, manner: Manner) -> Result<Outcome, String> {
        signals::listen(&self.stop, None).map_err(|error| format!("cannot listen to signals: {error}"))?;
        // Nobody listens on the port of `healthcheck` here: a mailtap that watches may have it.
        let mut progress = manner.shows_progress.then(|| ProgressLine::new(io::stderr()));
        let registry = Arc::clone(&self.common.registry);
        let outcome = self.begin(manner)?.wait(&mut |now| {
            if let Some(progress) = &mut progress {
                progress.draw(now, registry.totals());
            }
        });
        if let Some(progress) = &mut progress {
            progress.blank();
        }
        Ok(outcome)
    }

    /// Begins to watch all mailboxes.
    fn begin(mut self, manner: Manner) -> Result<Working, String> {
        if manner.dry_run {
            for watch in &mut self.watches {
                watch.adapter = watch.adapter.clone().rehearsed();
            }
        }
        for watch in &self.watches {
            self.common.open(&watch.adapter.state_dir, manner)?;
        }
        let program = Arc::new(Program {
            stop: self.stop,
            clock: self.clock,
            common: self.common,
            until: manner.until,
            tally: Tally::default(),
        });
        let patience = self.watches.iter().map(|watch| watch.adapter.shutdown_timeout);
        let patience = patience.max().unwrap_or(limits::SHUTDOWN);
        let (ended, ends) = mpsc::channel::<()>();
        let mut guards = Vec::new();
        let mut accounts = Vec::new();
        let no_thread = |error: io::Error| format!("cannot start a thread: {error}");
        for watch in self.watches {
            let turns = Arc::clone(&watch.turns);
            guards.push(program.stop.on_stop(move || turns.close()));
            let mut threads = Threads::new(Arc::new(watch), Arc::clone(&program), ended.clone());
            threads.begin().map_err(no_thread)?;
            accounts.push(threads);
        }
        // After all that have a name: a pattern of another section takes none of them.
        let mut named = Vec::new();
        for threads in accounts {
            named.extend(threads.follow().map_err(no_thread)?);
        }
        drop(ended);
        Ok(Working {
            program,
            named,
            patience,
            ends,
            _guards: guards,
        })
    }
}

/// Mailboxes that are watched.
struct Working {
    program: Arc<Program>,
    /// Of sections in which each has a name.
    named: Vec<Threads>,
    /// Until they have ended, once they are asked to.
    patience: Duration,
    ends: Ends<()>,
    _guards: Vec<StopGuard>,
}

impl Working {
    /// Whether every mailbox has ended.
    fn has_ended(&self) -> bool {
        let listed = || matches!(self.ends.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        self.named.iter().all(Threads::have_ended) && (!self.named.is_empty() || listed())
    }

    /// Watches the mailboxes that `adapters` name, and no others: of a single section, in which each has a name, and had. Gives
    /// why that is not so yet.
    fn rename(&mut self, adapters: &[Adapter]) -> Option<String> {
        let both = self.named.iter_mut().zip(adapters);
        let adjusted: Vec<Adjusted> = both
            .map(|(threads, adapter)| threads.rename(&adapter.mailboxes))
            .collect();
        let unwatched = adjusted.iter().find_map(|adjusted| adjusted.unwatched.clone());
        let comes_back = || "a mailbox that is asked for again has not ended yet".to_owned();
        let later = adjusted.iter().any(|adjusted| adjusted.comes_back);
        unwatched.or_else(|| later.then(comes_back))
    }

    /// Waits for that; not for long once they are asked to stop. `meanwhile` is called every second.
    fn wait(mut self, meanwhile: &mut dyn FnMut(Instant)) -> Outcome {
        // Nobody begins any more.
        self.named.clear();
        let all = wait_for_ends(&self.ends, &*self.program.clock, self.patience, meanwhile);
        self.program.tally.outcome(self.program.until, all)
    }
}

/// Returns when every mailbox has ended, or when it takes longer than `patience` after the request to stop. Says which it was: `true`,
/// all have. `meanwhile` is called every second.
fn wait_for_ends(ends: &Ends<()>, clock: &dyn Clock, patience: Duration, meanwhile: &mut dyn FnMut(Instant)) -> bool {
    let mut since: Option<Instant> = None;
    loop {
        meanwhile(clock.now());
        // Nobody sends: the channel closes when the last thread drops its end.
        match ends.recv_timeout(Duration::from_secs(1)) {
            Err(mpsc::RecvTimeoutError::Disconnected) => return true,
            Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let now = clock.now();
        if clock.stopping() && now.saturating_duration_since(*since.get_or_insert(now)) >= patience {
            log::warn(
                "some events were not acknowledged in time; they are delivered again at the next start",
                &[],
            );
            return false;
        }
    }
}

impl Watch {
    /// `counters` outlive a mailbox that panics.
    fn keep_running(
        &self,
        name: &MailboxName,
        kind: Kind,
        lifetime: &Arc<Lifetime>,
        counters: &Arc<Counters>,
        program: &Program,
    ) {
        let mut panics: u32 = 0;
        let mut caught_up = false;
        let defect = |reason: &str| {
            let now = Moment::now(&**lifetime);
            counters.note(|vitals| vitals.failed(Concern::Reading, reason.to_owned(), true, now));
        };
        while !lifetime.stopping() {
            match self.mailbox(name, kind, lifetime, counters, program) {
                Ok(mailbox) => {
                    // Nothing of a mailbox outlives its run, so nothing half-changed is seen again.
                    if let Ok(all) = panic::catch_unwind(AssertUnwindSafe(|| mailbox.run())) {
                        caught_up = all;
                        break;
                    }
                    counters.count(Counter::Defects);
                    let what = "a defect of mailtap ended this mailbox; it begins again";
                    defect(what);
                    log::error(
                        what,
                        &[
                            ("server", &self.adapter.imap.endpoint),
                            ("username", &self.adapter.imap.username),
                            ("mailbox", name),
                            ("times", &panics.saturating_add(1)),
                        ],
                    );
                }
                Err(error) => {
                    defect(&error);
                    log::error(&error, &[("mailbox", name)]);
                }
            }
            if !insists(program.until, panics.saturating_add(1), backoff::NETWORK) {
                break;
            }
            lifetime.wait(backoff::NETWORK.delay(panics, random()));
            panics = panics.saturating_add(1);
        }
        program.tally.ended(caught_up, counters);
    }

    fn mailbox(
        &self,
        name: &MailboxName,
        kind: Kind,
        lifetime: &Arc<Lifetime>,
        counters: &Arc<Counters>,
        program: &Program,
    ) -> Result<Mailbox, String> {
        let adapter = &self.adapter;
        let directory = program
            .common
            .directory(&adapter.state_dir)
            .ok_or("state_dir: not locked")?;
        let account = adapter.imap.account();
        let attempts = Attempts::new(directory.file(&account, name.as_str(), "attempts"));
        let dead_letters = DeadLetters::new(directory.file(&account, name.as_str(), "dead-letter.ndjson"));
        // A rehearsal changes nothing on the mail server either.
        let (attempts, dead_letters, after_delivery) = if directory.is_read_only() {
            (attempts.read_only(), dead_letters.read_only(), None)
        } else {
            (attempts, dead_letters, adapter.after_delivery.clone())
        };
        let mut event = adapter.event.clone();
        event.hostname = adapter.host_name(name);
        Ok(Mailbox {
            imap: adapter.imap.clone(),
            credentials: self.credentials.clone(),
            name: name.clone(),
            event,
            after_delivery,
            from_zero: adapter.from_zero || kind == Kind::New,
            dial: Arc::clone(&self.dial),
            sink: self.sink(name, &program.clock)?,
            artifacts: self.artifacts(name, &program.clock),
            checkpoint: Box::new(directory.checkpoint(&account, name.as_str())),
            attempts,
            dead_letters,
            counters: Arc::clone(counters),
            clock: Arc::clone(lifetime) as Arc<dyn Clock>,
            turns: self.turns.join(),
            listed: kind != Kind::Named,
            until: program.until,
            random,
        })
    }

    /// Shows `counters` to whoever asks.
    fn enter(&self, program: &Program, mailbox: Option<&MailboxName>, counters: &Arc<Counters>) -> Entered {
        program.common.registry.enter(Entry {
            server: self.adapter.imap.endpoint.to_string(),
            username: self.adapter.imap.username.clone(),
            mailbox: mailbox.map(|name| name.as_str().to_owned()),
            counters: Arc::clone(counters),
        })
    }

    fn account(&self, program: &Program, counters: &Arc<Counters>) -> Account {
        Account {
            imap: self.adapter.imap.clone(),
            credentials: self.credentials.clone(),
            wanted: self.adapter.mailboxes.clone(),
            dial: Arc::clone(&self.dial),
            turns: Arc::clone(&self.turns),
            counters: Arc::clone(counters),
            clock: Arc::clone(&program.clock) as Arc<dyn Clock>,
            until: program.until,
            random,
        }
    }

    fn artifacts(&self, name: &MailboxName, clock: &Arc<SystemClock>) -> Option<Artifacts> {
        let mut settings = self.adapter.artifacts.clone()?;
        settings.hostname = self.adapter.host_name(name);
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        Some(Artifacts::new(settings, Arc::clone(&self.dial_receiver), clock))
    }

    fn sink(&self, name: &MailboxName, clock: &Arc<SystemClock>) -> Result<Box<dyn Sink>, String> {
        match &self.adapter.receiver {
            Receiver::Stdout => Ok(Box::new(self.stdout.clone())),
            Receiver::LimaCharlie(settings) => {
                let dial = Arc::clone(&self.dial_receiver);
                let clock = Arc::clone(clock) as Arc<dyn Clock>;
                let settings = self.adapter.sensor(settings, name);
                Ok(Box::new(LimaCharlie::new(settings, dial, clock, random_bytes)))
            }
            Receiver::Webhook(settings) => {
                let webhook = Webhook::new(
                    settings,
                    Arc::clone(&self.dial_receiver),
                    Arc::clone(clock) as Arc<dyn Clock>,
                )
                .map_err(|error| error.to_string())?;
                Ok(Box::new(webhook.sharing(Arc::clone(&self.kept))))
            }
        }
    }
}

/// For keys and masks: nobody can guess them.
fn random_bytes(bytes: &mut [u8]) -> Result<(), RandomError> {
    SystemRandom::new().fill(bytes).map_err(|_| RandomError)
}

/// A number that nobody can guess, from the system's generator.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // A kernel without random bytes serves no TLS either; the hash maps' seed is from its start.
        Err(_) => RandomState::new().build_hasher().finish(),
    }
}
