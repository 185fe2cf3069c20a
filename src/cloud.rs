//! A configuration that is managed in LimaCharlie's cloud: fetched at the start, watched, and changed under way. What the
//! cloud last said and what could be run goes on while it is away, or says something that cannot be run, a restart included.
//!
//! `cloud/answer.rs` reads what the cloud says, `cloud/last_good.rs` remembers it; this file waits.

mod answer;
mod last_good;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::answer::{Answer, Configuration};
use self::last_good::LastGood;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::{self, Adapter};
use crate::http::exchange::Exchange;
use crate::http::request::{Method, Request};
use crate::http::url::Url;
use crate::net::dial::TcpDialer;
use crate::net::tls::{Protocol, Trust};
use crate::oauth::form;
use crate::secret::Secret;
use crate::supervisor::{Manner, Outcome, Supervisor};
use crate::{limits, log};

/// Whose configuration, and where it is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `oid`: the organisation, for messages.
    pub oid: String,
    /// `conf_guid`. Whoever knows it can read the configuration.
    pub guid: Secret<String>,
    /// What is asked, with the organisation in it.
    pub address: Url,
    /// `ca_file`: authorities trusted beside the public ones, for the cloud.
    pub ca_file: Option<PathBuf>,
    /// `state_dir`: where the last good configuration is remembered.
    pub state_dir: PathBuf,
}

/// Serves `env://` and the defaults of a configuration.
pub type Environment = fn(&str) -> Option<String>;

/// Runs what the cloud says until SIGTERM or SIGINT; SIGHUP asks it at once. The error tells why it could not begin.
pub fn run(settings: Settings, environment: Environment) -> Result<(), String> {
    let trust = Trust::load(settings.ca_file.as_deref()).map_err(|error| error.to_string())?;
    let tls = trust.client_config(Protocol::Http).map_err(|error| error.to_string())?;
    let stop = Stop::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(Arc::clone(&stop)));
    let dialer = TcpDialer::new(tls, Arc::clone(&clock), Some(Arc::clone(&stop))).connect_within(limits::HTTP_CONNECT);
    let (wake, woken) = mpsc::channel();
    let at_work: AtWork = Arc::default();
    listen_to_signals(&stop, &at_work, wake).map_err(|error| format!("cannot listen to signals: {error}"))?;
    let mut managed = Managed {
        last_good: LastGood::new(&settings.state_dir, &settings.oid, settings.guid.expose()),
        settings,
        environment,
        dialer,
        clock,
        etag: None,
        wanted: None,
        running: None,
        at_work,
    };
    managed.remember();
    while !stop.asked() {
        managed.ask();
        managed.adjust();
        wait(&woken);
    }
    managed.end();
    Ok(())
}

/// For the next look, or less: a signal came.
fn wait(woken: &Receiver<()>) {
    match woken.recv_timeout(limits::CLOUD_LOOK) {
        Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
}

/// The stop of what is running, for the thread that hears signals.
type AtWork = Arc<RwLock<Option<Arc<Stop>>>>;

fn listen_to_signals(stop: &Arc<Stop>, at_work: &AtWork, wake: Sender<()>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (stop, at_work) = (Arc::clone(stop), Arc::clone(at_work));
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                if stop.asked() {
                    // What is not acknowledged is not checkpointed, so this loses nothing.
                    std::process::exit(signal.saturating_add(128));
                }
                log::info("stopping: waiting for acknowledgements", &[]);
                stop.ask();
                if let Some(at_work) = &*at_work.read().unwrap_or_else(PoisonError::into_inner) {
                    at_work.ask();
                }
            }
            // Nobody listens any more at the very end.
            let _ = wake.send(());
        }
    })?;
    Ok(())
}

struct Managed {
    settings: Settings,
    environment: Environment,
    dialer: TcpDialer,
    clock: Arc<dyn Clock>,
    last_good: LastGood,
    /// Of the configuration that is wanted.
    etag: Option<String>,
    /// What the cloud wants to run; `None` until it is known.
    wanted: Option<Vec<Adapter>>,
    running: Option<Running>,
    at_work: AtWork,
}

/// What is at work.
struct Running {
    adapters: Vec<Adapter>,
    stop: Arc<Stop>,
    thread: JoinHandle<Result<Outcome, String>>,
}

impl Managed {
    /// What was good before this start is what counts while the cloud is away.
    fn remember(&mut self) {
        match self.last_good.load() {
            Ok(None) => {}
            Ok(Some(configuration)) => match self.read(&configuration) {
                Ok(adapters) => {
                    self.etag = configuration.etag;
                    self.wanted = Some(adapters);
                }
                Err(reason) => log::warn("the remembered configuration cannot be run", &[("reason", &reason)]),
            },
            Err(error) => log::warn("the remembered configuration cannot be read", &[("reason", &error)]),
        }
    }

    /// Asks the cloud. Only what can be run replaces what is known.
    fn ask(&mut self) {
        let configuration = match self.fetch() {
            Ok(Answer::Unchanged) => return,
            Ok(Answer::Changed(configuration)) => configuration,
            Err(reason) => {
                let what = if self.wanted.is_some() {
                    "the cloud does not give the configuration: going on with the last good one"
                } else {
                    "the cloud does not give the configuration, and none is remembered"
                };
                return log::warn(what, &[("oid", &self.settings.oid), ("reason", &reason)]);
            }
        };
        match self.read(&configuration) {
            Ok(adapters) => {
                let enabled = configuration.enabled;
                log::info(
                    "the cloud gave a configuration",
                    &[("oid", &self.settings.oid), ("enabled", &enabled)],
                );
                if let Err(error) = self.last_good.keep(&configuration) {
                    log::warn(
                        "the configuration is not remembered for the next start",
                        &[("reason", &error)],
                    );
                }
                self.etag = configuration.etag;
                self.wanted = Some(adapters);
            }
            // Without its etag it comes again, and may be good then: a file that is missing may be there.
            Err(reason) => log::error(
                "the configuration in the cloud cannot be run: going on with the last good one",
                &[("oid", &self.settings.oid), ("reason", &reason)],
            ),
        }
    }

    fn fetch(&self) -> Result<Answer, String> {
        let mut body = vec![("guid", self.settings.guid.expose().as_str())];
        body.extend(self.etag.as_deref().map(|etag| ("etag", etag)));
        let request = Request::new(Method::Post, &self.settings.address)
            .with_field("Content-Type", "application/x-www-form-urlencoded")
            .map_err(|error| error.to_string())?;
        let body = form(&body);
        let response = Exchange::new()
            .send(&self.dialer, &*self.clock, &request, body.expose())
            .map_err(|error| error.to_string())?;
        match response.status {
            200 => answer::read(&response.body),
            400 | 401 | 403 | 404 => Err(format!(
                "{} answered {}: check conf_guid and oid",
                self.settings.address.endpoint, response.status
            )),
            status => Err(format!("{} answered {status}", self.settings.address.endpoint)),
        }
    }

    /// The adapters of `configuration`, checked as at a start; none where it is disabled.
    fn read(&self, configuration: &Configuration) -> Result<Vec<Adapter>, String> {
        if !configuration.enabled {
            return Ok(Vec::new());
        }
        let text = configuration.data.to_string();
        let loaded =
            config::from_bytes("cloud", text.as_bytes(), &self.environment).map_err(|error| error.to_string())?;
        for notice in &loaded.notices {
            log::warn(notice, &[]);
        }
        let mut adapters = loaded.adapters;
        for adapter in &mut adapters {
            // A port that is listened on cannot be given back and taken again at each change.
            if adapter.healthcheck.take().is_some() {
                log::warn("healthcheck: has no effect in a configuration of the cloud's", &[]);
            }
        }
        Supervisor::prepare(adapters.clone())?;
        Ok(adapters)
    }

    /// Runs what is wanted: what is the same goes on as it is, and what ended by itself begins again.
    fn adjust(&mut self) {
        let Some(wanted) = self.wanted.clone() else { return };
        if let Some(running) = &self.running
            && running.adapters == wanted
            && !running.thread.is_finished()
        {
            return;
        }
        self.end();
        if wanted.is_empty() {
            return;
        }
        if let Err(reason) = self.start(wanted) {
            log::error("the configuration cannot be run", &[("reason", &reason)]);
        }
    }

    fn start(&mut self, adapters: Vec<Adapter>) -> Result<(), String> {
        let supervisor = Supervisor::prepare(adapters.clone())?;
        let stop = supervisor.stop();
        *self.at_work.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&stop));
        // A signal may have come before there was anything to stop.
        if self.clock.stopping() {
            return Ok(());
        }
        let work = move || supervisor.work(Manner::default());
        let thread = thread::Builder::new().name("supervisor".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        self.running = Some(Running { adapters, stop, thread });
        Ok(())
    }

    /// Ends what is running, once its acknowledgements are in.
    fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.ask();
        match running.thread.join() {
            Ok(Ok(_)) => {}
            Ok(Err(reason)) => log::error("the configuration cannot be run", &[("reason", &reason)]),
            Err(_) => log::error("a defect of mailtap ended the supervisor", &[]),
        }
    }
}
