//! A configuration that is managed in LimaCharlie's cloud: fetched at the start, watched, and changed under way. What the
//! cloud last said and what could be run goes on while it is away, or says something that cannot be run, a restart included.
//!
//! `cloud/answer.rs` reads what the cloud says, `cloud/last_good.rs` remembers it; this file waits.

pub mod answer;
mod last_good;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::answer::{Answer, Configuration};
use self::last_good::LastGood;
use crate::clock::Clock;
use crate::config::{self, Adapter};
use crate::http::exchange::Exchange;
use crate::http::request::{Method, Request};
use crate::http::url::Url;
use crate::net::dial::TcpDialer;
use crate::net::proxy;
use crate::net::tls::{Protocol, Trust};
use crate::oauth::form;
use crate::secret::Secret;
use crate::supervisor::signals::{self, Hangup};
use crate::supervisor::{Complaint, Sections, Supervisor};
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
    /// `proxy`: which opens the connections to the cloud.
    pub proxy: Option<proxy::Settings>,
    /// `healthcheck`: where the process tells how it is, whatever the configuration says.
    pub healthcheck: Option<SocketAddr>,
    /// `state_dir`: where the last good configuration is remembered.
    pub state_dir: PathBuf,
}

/// Serves `env://` and the defaults of a configuration.
pub type Environment = fn(&str) -> Option<String>;

/// Runs what the cloud says; see [`Managed::run`].
pub struct Managed {
    settings: Settings,
    environment: Environment,
    dialer: TcpDialer,
    clock: Arc<dyn Clock>,
    last_good: LastGood,
    /// What the cloud wants to run, as it said it; `None` until it is known.
    known: Option<Configuration>,
    /// The same, read.
    wanted: Option<Vec<Adapter>>,
    sections: Sections,
}

impl Managed {
    /// Nobody is contacted yet. The error is one of the settings.
    pub fn prepare(settings: Settings, environment: Environment) -> Result<Managed, String> {
        let sections = Sections::new();
        let clock = sections.clock();
        Managed::on_clock(settings, environment, sections, clock)
    }

    /// Whose looks are those of `clock`, for tests that do not wait for a minute.
    pub fn on_clock(
        settings: Settings,
        environment: Environment,
        sections: Sections,
        clock: Arc<dyn Clock>,
    ) -> Result<Managed, String> {
        let trust = Trust::load(settings.ca_file.as_deref()).map_err(|error| error.to_string())?;
        let tls = || trust.client_config(Protocol::Http).map_err(|error| error.to_string());
        let dialer = TcpDialer::new(tls()?, Arc::clone(&clock), Some(sections.stop()));
        let mut dialer = dialer.connect_within(limits::HTTP_CONNECT);
        if let Some(proxy) = &settings.proxy {
            dialer = dialer.through(proxy.clone(), tls()?);
        }
        Ok(Managed {
            last_good: LastGood::new(&settings.state_dir, &settings.oid, settings.guid.expose()),
            settings,
            environment,
            dialer,
            clock,
            known: None,
            wanted: None,
            sections,
        })
    }

    /// Runs what the cloud says until SIGTERM or SIGINT; SIGHUP asks it at once. The error tells why it could not begin.
    pub fn run(mut self) -> Result<(), String> {
        let hangup = Hangup::default();
        signals::listen(&self.sections.stop(), Some(hangup.clone()))
            .map_err(|error| format!("cannot listen to signals: {error}"))?;
        // Nothing is watched yet, and nobody may take that for well.
        self.away(Some(Complaint {
            reason: "the cloud was not asked yet".to_owned(),
            grave: true,
        }));
        self.sections.listen(self.settings.healthcheck.into_iter())?;
        self.follow(&hangup);
        Ok(())
    }

    /// The same without signals, until the clock stops.
    pub fn follow(&mut self, hangup: &Hangup) {
        self.remember();
        let mut hung_up = false;
        while !self.clock.stopping() {
            self.ask(hung_up);
            self.adjust();
            hung_up = self.wait(hangup);
        }
        self.sections.end();
    }

    /// For the next look, or less: `true`, SIGHUP came.
    fn wait(&self, hangup: &Hangup) -> bool {
        let begun = self.clock.now();
        loop {
            if hangup.came() {
                return true;
            }
            if self.clock.stopping() || self.clock.now().saturating_duration_since(begun) >= limits::CLOUD_LOOK {
                return false;
            }
            self.clock.wait(Duration::from_secs(1));
        }
    }

    /// What was good before this start is what counts while the cloud is away.
    fn remember(&mut self) {
        match self.last_good.load() {
            Ok(None) => {}
            Ok(Some(configuration)) => match self.read(&configuration) {
                Ok(adapters) => {
                    self.known = Some(configuration);
                    self.wanted = Some(adapters);
                }
                Err(reason) => log::warn("the remembered configuration cannot be run", &[("reason", &reason)]),
            },
            Err(error) => log::warn("the remembered configuration cannot be read", &[("reason", &error)]),
        }
    }

    /// Asks the cloud. Only what can be run replaces what is known. What is known is read `again` if asked for, because a file
    /// that it refers to may hold another password.
    fn ask(&mut self, again: bool) {
        let configuration = match (self.fetch(), &self.known) {
            (Ok(Answer::Changed(configuration)), _) => configuration,
            (Ok(Answer::Unchanged { enabled }), Some(known))
                if again || enabled.is_some_and(|enabled| enabled != known.enabled) =>
            {
                Configuration {
                    enabled: enabled.unwrap_or(known.enabled),
                    ..known.clone()
                }
            }
            (Ok(Answer::Unchanged { .. }), _) => {
                self.away(None);
                return;
            }
            (Err(reason), known) => {
                let known = known.is_some();
                let what = if known {
                    "the cloud does not give the configuration: going on with the last good one"
                } else {
                    "the cloud does not give the configuration, and none is remembered"
                };
                self.away(Some(Complaint {
                    reason: reason.clone(),
                    grave: !known,
                }));
                log::warn(what, &[("oid", &self.settings.oid), ("reason", &reason)]);
                return;
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
                self.known = Some(configuration);
                self.wanted = Some(adapters);
                self.away(None);
            }
            // Without its etag it comes again, and may be good then: a file that is missing may be there.
            Err(reason) => {
                log::error(
                    "the configuration in the cloud cannot be run: going on with the last good one",
                    &[("oid", &self.settings.oid), ("reason", &reason)],
                );
                self.away(Some(Complaint { reason, grave: true }));
            }
        }
    }

    /// What `/healthz` has against the configuration itself.
    fn away(&mut self, complaint: Option<Complaint>) {
        let server = self.settings.address.endpoint.to_string();
        self.sections.note([&server, &self.settings.oid], complaint);
    }

    fn fetch(&self) -> Result<Answer, String> {
        let mut body = vec![("guid", self.settings.guid.expose().as_str())];
        let etag = self.known.as_ref().and_then(|known| known.etag.as_deref());
        body.extend(etag.map(|etag| ("etag", etag)));
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
            // It would be gone while the configuration is, and could not be moved: the process has its own.
            if adapter.healthcheck.take().is_some() {
                log::warn(
                    "healthcheck: has no effect in a configuration of the cloud's; `mailtap cloud … healthcheck=PORT` has",
                    &[],
                );
            }
        }
        Supervisor::prepare(adapters.clone())?;
        Ok(adapters)
    }

    /// Runs what is wanted: what is the same goes on as it is, and what ended by itself begins again.
    fn adjust(&mut self) {
        let Some(wanted) = &self.wanted else { return };
        for reason in self.sections.adjust(wanted) {
            log::error("a section of the configuration cannot begin", &[("reason", &reason)]);
        }
    }
}
