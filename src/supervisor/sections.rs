//! The sections of a configuration, each with threads and a request to stop of its own: another configuration restarts what is
//! different in it, and nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::common::{Common, authorities};
use super::connections::share_turns;
use super::progress::ProgressLine;
use super::signals::{self, Hangup};
use super::{Manner, Supervisor, Working};
use crate::clock::{Clock, Stop, StopGuard};
use crate::config::Adapter;
use crate::metrics::{Concern, Counters, Entered, Entry, Moment, Registry};
use crate::{limits, log};

/// Those that are at work.
pub struct Sections {
    common: Arc<Common>,
    running: Vec<Section>,
    /// Red in `/healthz` while one cannot begin.
    not_begun: Vec<Entered>,
    /// The same for the configuration as a whole.
    configuration: Option<(Arc<Counters>, Entered)>,
}

/// One that is at work.
struct Section {
    made_of: Made,
    stop: Arc<Stop>,
    working: Working,
    _ends_with_all: StopGuard,
}

/// What is begun and ended together: a section, or those that share an account's connections (`connections.rs`, `turns`). Two
/// that are equal need no restart.
#[derive(PartialEq)]
struct Made {
    adapters: Vec<Adapter>,
    authorities: Option<Vec<u8>>,
}

impl Made {
    /// `adapters`, by what is begun together.
    fn of(adapters: &[Adapter]) -> Vec<Made> {
        let mut all: Vec<Made> = Vec::new();
        for adapter in adapters {
            let same = |made: &&mut Made| made.adapters.iter().any(|other| share_turns(adapter, other));
            match all.iter_mut().find(same) {
                Some(made) => made.adapters.push(adapter.clone()),
                None => all.push(Made {
                    adapters: vec![adapter.clone()],
                    authorities: authorities(adapter),
                }),
            }
        }
        all
    }

    /// Whether only other mailboxes are asked for, each by its name. With one alone the sensor is another one (`hostname`).
    fn differs_in_names(&self, other: &Made) -> bool {
        let ([mine], [theirs]) = (self.adapters.as_slice(), other.adapters.as_slice()) else {
            return false;
        };
        let named = |adapter: &Adapter| {
            let mailboxes = &adapter.mailboxes;
            mailboxes.len() > 1 && mailboxes.iter().all(|wanted| wanted.name().is_some())
        };
        let renamed = Adapter {
            mailboxes: theirs.mailboxes.clone(),
            ..mine.clone()
        };
        named(mine) && named(theirs) && renamed == *theirs && self.authorities == other.authorities
    }
}

/// What is wrong with the configuration.
pub struct Complaint {
    /// For operators, free of secrets.
    pub reason: String,
    /// Waiting will not help.
    pub grave: bool,
}

impl Sections {
    /// None yet.
    pub fn new() -> Sections {
        Sections {
            common: Common::new(),
            running: Vec::new(),
            not_begun: Vec::new(),
            configuration: None,
        }
    }

    /// What ends all of them.
    pub fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.common.stop)
    }

    /// Time, until then.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.common.clock) as Arc<dyn Clock>
    }

    /// Tells how they are.
    pub fn listen(&self, addresses: impl Iterator<Item = SocketAddr>) -> Result<(), String> {
        self.common.listen(addresses)
    }

    /// Runs `adapters`: what is the same goes on as it is; what is not among them ends, once its acknowledgements are in; what ended
    /// by itself begins again. Gives why any of them could not begin.
    pub fn adjust(&mut self, adapters: &[Adapter]) -> Vec<String> {
        let mut wanted = Made::of(adapters);
        let mut over = Vec::new();
        for section in std::mem::take(&mut self.running) {
            let place = wanted.iter().position(|made| *made == section.made_of);
            match place.filter(|_| !section.working.has_ended()) {
                Some(place) => {
                    wanted.remove(place);
                    self.running.push(section);
                }
                None => over.push(section),
            }
        }
        self.not_begun.clear();
        let mut reasons = Vec::new();
        let mut ended = Vec::new();
        for mut section in over {
            let place = wanted.iter().position(|made| section.made_of.differs_in_names(made));
            let Some(place) = place.filter(|_| !section.working.has_ended()) else {
                ended.push(section);
                continue;
            };
            let made_of = wanted.remove(place);
            match section.working.rename(&made_of.adapters) {
                None => section.made_of = made_of,
                Some(reason) => {
                    self.not_begun.extend(self.red(&made_of, &reason));
                    reasons.push(reason);
                }
            }
            self.running.push(section);
        }
        // Red from now until their mailboxes are open: nobody watches them meanwhile.
        let begin_anew: Vec<Entered> = wanted
            .iter()
            .flat_map(|made| self.red(made, "it begins anew"))
            .collect();
        end(ended);
        for made_of in wanted {
            match self.begin(&made_of) {
                Ok((stop, working)) => {
                    let all = &self.common.stop;
                    let ends_with_all = all.on_stop({
                        let stop = Arc::clone(&stop);
                        move || stop.ask()
                    });
                    self.running.push(Section {
                        made_of,
                        stop,
                        working,
                        _ends_with_all: ends_with_all,
                    });
                }
                Err(reason) => {
                    self.not_begun.extend(self.red(&made_of, &reason));
                    reasons.push(reason);
                }
            }
        }
        drop(begin_anew);
        reasons
    }

    fn begin(&self, made: &Made) -> Result<(Arc<Stop>, Working), String> {
        let stop = Stop::new();
        let supervisor = Supervisor::prepare_in(&self.common, Arc::clone(&stop), made.adapters.clone())?;
        let begun = supervisor.begin(Manner::default());
        if begun.is_err() {
            // Some of its threads may have.
            stop.ask();
        }
        Ok((stop, begun?))
    }

    fn red(&self, made: &Made, reason: &str) -> Vec<Entered> {
        let now = Moment::now(&*self.common.clock);
        let enter = |adapter: &Adapter| {
            let counters: Arc<Counters> = Arc::default();
            counters.note(|vitals| vitals.failed(Concern::Watching, reason.to_owned(), true, now));
            self.common.registry.enter(Entry {
                server: adapter.imap.endpoint.to_string(),
                username: adapter.imap.username.clone(),
                mailbox: None,
                counters,
            })
        };
        made.adapters.iter().map(enter).collect()
    }

    /// How it is with the configuration itself: `from` is where it comes from.
    pub fn note(&mut self, from: [&str; 2], complaint: Option<Complaint>) {
        let Some(Complaint { reason, grave }) = complaint else {
            self.configuration = None;
            return;
        };
        let now = Moment::now(&*self.common.clock);
        let registry: &Arc<Registry> = &self.common.registry;
        let (counters, _) = self.configuration.get_or_insert_with(|| {
            let counters: Arc<Counters> = Arc::default();
            counters.note(|vitals| vitals.opened(now));
            let entered = registry.enter(Entry {
                server: from.first().copied().unwrap_or_default().to_owned(),
                username: from.last().copied().unwrap_or_default().to_owned(),
                mailbox: None,
                counters: Arc::clone(&counters),
            });
            (counters, entered)
        });
        counters.note(|vitals| {
            // Nobody waits for an answer.
            vitals.doing = None;
            vitals.failed(Concern::Configuring, reason, grave, now);
        });
    }

    /// Whether each has ended by itself.
    fn have_ended(&self) -> bool {
        self.running.iter().all(|section| section.working.has_ended())
    }

    /// Ends all of them, once their acknowledgements are in.
    pub fn end(&mut self) {
        self.common.stop.ask();
        end(std::mem::take(&mut self.running));
    }
}

impl Default for Sections {
    fn default() -> Sections {
        Sections::new()
    }
}

/// Together: nobody waits for one after the other.
fn end(sections: Vec<Section>) {
    for section in &sections {
        section.stop.ask();
    }
    for section in sections {
        section.working.wait(&mut |_| ());
    }
}

/// Watches all mailboxes of `adapters` until SIGTERM or SIGINT. At SIGHUP the configuration is read again, with all that it
/// refers to, and what is different in it begins anew. The error tells why it could not begin.
pub fn watch(
    mut adapters: Vec<Adapter>,
    shows_progress: bool,
    read_again: &mut dyn FnMut() -> Result<Vec<Adapter>, String>,
) -> Result<(), String> {
    let mut sections = Sections::new();
    let hangup = Hangup::default();
    signals::listen(&sections.stop(), Some(hangup.clone()))
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    for adapter in &adapters {
        sections.common.open(&adapter.state_dir, Manner::default())?;
    }
    sections.listen(adapters.iter().filter_map(|adapter| adapter.healthcheck))?;
    if let Some(reason) = sections.adjust(&adapters).into_iter().next() {
        sections.end();
        return Err(reason);
    }
    let clock = sections.clock();
    let mut progress = shows_progress.then(|| ProgressLine::new(io::stderr()));
    // When those that could not begin are tried again.
    let mut again = None;
    while !clock.stopping() && (again.is_some() || !sections.have_ended()) {
        let now = clock.now();
        if let Some(progress) = &mut progress {
            progress.draw(now, sections.common.registry.totals());
        }
        let mut adjusts = again.is_some_and(|at| now >= at);
        if hangup.came() {
            adjusts = true;
            match read_again() {
                Ok(read) => {
                    log::info(
                        "the configuration is read again: what is different in it begins anew",
                        &[],
                    );
                    adapters = read;
                    sections.note(["configuration", ""], None);
                }
                Err(reason) => {
                    log::error(
                        "the configuration cannot be read again: going on with the last good one",
                        &[("reason", &reason)],
                    );
                    let grave = true;
                    sections.note(["configuration", ""], Some(Complaint { reason, grave }));
                }
            }
        }
        if adjusts {
            let reasons = sections.adjust(&adapters);
            for reason in &reasons {
                log::error("a section of the configuration cannot begin", &[("reason", reason)]);
            }
            again = reasons.first().and_then(|_| now.checked_add(limits::SECTION_AGAIN));
        }
        clock.wait(Duration::from_secs(1));
    }
    if let Some(progress) = &mut progress {
        progress.blank();
    }
    sections.end();
    Ok(())
}
