//! Everything that a start needs, tried once: what works, what does not and which setting to change, and what was not tried.
//! No event is sent and nothing remembered; `check/backlog.rs` says what there is to fetch.

mod backlog;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::backlog::Survey;
use super::{Supervisor, Watch, random};
use crate::checkpoint::StateDirectory;
use crate::clock::{Clock, Phase, SystemClock};
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::session::{Session, SessionError};
use crate::limits;
use crate::mailbox::failure::Failure;
use crate::mailbox::{Credentials, Login};
use crate::net::{NetError, NetErrorKind, Security};
use crate::replace::create_anew;
use crate::sink::{DeliveryError, Reached};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `user@host:port`: which section of the configuration it is about.
    pub account: String,
    /// What was tried: `server`, `login`, a mailbox, …
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What there is to say, with the setting to change where it did not work.
    pub text: String,
    /// The same for programs; none but for mailboxes.
    pub facts: Map<String, Value>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// Neither: what could not be tried, or is worth knowing.
    Note,
}

impl Supervisor {
    /// Tries everything, and tells each step as soon as it is done.
    pub fn check(&self, tell: &mut dyn FnMut(&Step)) {
        let mut asked = BTreeSet::new();
        for watch in &self.watches {
            let mut check = Check {
                watch,
                clock: &self.clock,
                account: watch.adapter.imap.account(),
                directory: StateDirectory::read_only(&watch.adapter.state_dir),
                tell,
            };
            check.state_directory();
            if let Some(address) = watch.adapter.healthcheck.filter(|address| asked.insert(*address)) {
                check.healthcheck(address);
            }
            check.server();
            check.receiver();
        }
    }
}

/// The check of one section.
struct Check<'a> {
    watch: &'a Watch,
    clock: &'a Arc<SystemClock>,
    account: String,
    directory: StateDirectory,
    tell: &'a mut dyn FnMut(&Step),
}

impl Check<'_> {
    fn state_directory(&mut self) {
        let path = &self.watch.adapter.state_dir;
        match writable(path) {
            Ok(true) => self.works("state_dir", &path.display()),
            Ok(false) => self.works("state_dir", &format!("{}: the first start makes it", path.display())),
            Err(error) => self.fails("state_dir", &format!("state_dir: {}: {error}", path.display())),
        }
    }

    /// Listens for an instant. The mailtap that runs may have the port.
    fn healthcheck(&mut self, address: SocketAddr) {
        match TcpListener::bind(address) {
            Ok(_) => self.works("healthcheck", &address),
            Err(error)
                if error.kind() == ErrorKind::AddrInUse && StateDirectory::is_locked(&self.watch.adapter.state_dir) =>
            {
                let text = format!("{address}: taken, perhaps by the mailtap that uses this state_dir");
                self.tell("healthcheck", Verdict::Note, text, &[]);
            }
            Err(error) => self.fails(
                "healthcheck",
                &format!("healthcheck: cannot listen on {address}: {error}"),
            ),
        }
    }

    fn server(&mut self) {
        let watch = self.watch;
        let clock = Arc::clone(self.clock) as Arc<dyn Clock>;
        let login = Login {
            imap: &watch.adapter.imap,
            credentials: &watch.credentials,
            dial: &*watch.dial,
            clock: &clock,
            random,
        };
        // In one go, as a start does it; an error says how far it came.
        let (came_to, failure, session) = match login.connect() {
            Ok(session) => (Stage::Mailboxes, None, Some(session)),
            Err(failure) => (self.stage(&failure), Some(failure), None),
        };
        for stage in [Stage::Token, Stage::Proxy, Stage::Server, Stage::Login] {
            if stage < came_to {
                self.passed(stage);
            }
        }
        if let Some(failure) = failure {
            self.fails(came_to.name(), &format!("{failure}{}", self.advice(came_to, &failure)));
        }
        if let Some(mut session) = session {
            match self.mailboxes(&mut session) {
                Ok(()) => session.log_out(),
                Err(error) => self.fails("mailboxes", &error),
            }
        }
    }

    /// Where it stuck.
    fn stage(&self, failure: &Failure) -> Stage {
        match failure {
            Failure::Token(_) => Stage::Token,
            Failure::Dial(error) if self.is_the_proxy(error) => Stage::Proxy,
            Failure::Dial(_) => Stage::Server,
            Failure::Session(SessionError::Net(error)) if error.phase == Phase::Greeting => Stage::Server,
            _ => Stage::Login,
        }
    }

    fn is_the_proxy(&self, error: &NetError) -> bool {
        let proxy = self.watch.adapter.proxy.as_ref();
        proxy.is_some_and(|proxy| error.peer == proxy.peer() || matches!(error.kind, NetErrorKind::Proxy(_)))
    }

    fn passed(&mut self, stage: Stage) {
        let adapter = &self.watch.adapter;
        let imap = &adapter.imap;
        match (stage, &self.watch.credentials, &adapter.proxy) {
            (Stage::Token, Credentials::Tokens(tokens), _) => {
                let text = format!("{} gives access tokens", tokens.endpoint());
                self.works(stage.name(), &text);
            }
            (Stage::Proxy, _, Some(proxy)) => {
                let text = format!("{} opens connections to {}", proxy.peer(), imap.endpoint);
                self.works(stage.name(), &text);
            }
            (Stage::Server, ..) => {
                let how = match imap.endpoint.security {
                    Security::Tls => "TLS",
                    Security::StartTls => "STARTTLS",
                    Security::Plain => "clear text, is_insecure is set",
                };
                self.works(stage.name(), &format!("{}, {how}", imap.endpoint));
            }
            (Stage::Login, ..) => self.works(stage.name(), &imap.username),
            _ => {}
        }
    }

    /// Which setting to look at, where the error does not say it.
    fn advice(&self, stage: Stage, failure: &Failure) -> &'static str {
        let (Failure::Dial(error) | Failure::Session(SessionError::Net(error))) = failure else {
            return "";
        };
        match (stage, &error.kind) {
            (_, NetErrorKind::Tls(_) | NetErrorKind::Proxy(_) | NetErrorKind::Stopped) => "",
            (Stage::Proxy, _) => "; check proxy.url",
            (Stage::Server, _) if self.watch.adapter.proxy.is_some() => "; check server, and what the proxy allows",
            (Stage::Server, NetErrorKind::NotFound(_)) => "; check server",
            (Stage::Server, _) => "; check server, and whether a firewall wants a proxy (proxy.url)",
            _ => "",
        }
    }

    fn mailboxes(&mut self, session: &mut Session) -> Result<(), SessionError> {
        let listing = session.mailboxes(&self.watch.adapter.mailboxes)?;
        if let Some(reason) = listing.left_out() {
            self.fails("mailboxes", &format!("not all can be watched: {reason}"));
        }
        let names: Vec<MailboxName> = listing.found.into_iter().map(|found| found.name).collect();
        if names.is_empty() {
            self.fails("mailboxes", &"no mailbox matches inbox_names");
        }
        for name in &names {
            self.mailbox(session, name)?;
        }
        if self.watch.adapter.after_delivery.is_some() {
            let text = "after_delivery: the account may lack the right to write to the mailbox";
            self.tell("not tried", Verdict::Note, text.to_owned(), &[]);
        }
        let unwatched = session.every_mailbox()?;
        let destination = self.watch.adapter.after_delivery.as_ref().and_then(Action::destination);
        match destination.cloned() {
            Some(there) if unwatched.contains(&there) => {
                self.works("move", &format!("after_delivery: there is a mailbox {there}"));
            }
            // Where there are more than are listed, it may be one of them.
            Some(missing) if unwatched.len() < limits::MAILBOXES => {
                let text = format!("after_delivery: there is no mailbox {missing}: make it, or name another one");
                self.fails("move", &text);
            }
            _ => {}
        }
        let unwatched: Vec<&str> = unwatched
            .iter()
            .filter(|name| !names.contains(name))
            .map(MailboxName::as_str)
            .collect();
        if !unwatched.is_empty() {
            let shown = unwatched
                .get(..limits::UNWATCHED_NAMES)
                .unwrap_or(&unwatched)
                .join(", ");
            let more = match unwatched.len().saturating_sub(limits::UNWATCHED_NAMES) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let text = format!("inbox_name and inbox_names leave out: {shown}{more}");
            let facts = [("mailboxes", json!(unwatched))];
            self.tell("not watched", Verdict::Note, text, &facts);
        }
        Ok(())
    }

    /// One mailbox. An error is the session's end; what is wrong with the mailbox alone is told.
    fn mailbox(&mut self, session: &mut Session, name: &MailboxName) -> Result<(), SessionError> {
        let account = self.account.clone();
        let memory = match self.directory.remembered_of(&account, name.as_str()) {
            Ok(memory) => memory,
            Err(error) => {
                self.fails("mailbox", &format!("{name}: {error}"));
                return Ok(());
            }
        };
        let from_zero = self.watch.adapter.from_zero;
        match Survey::of(session, name, memory.as_ref(), from_zero, &**self.clock) {
            Ok(survey) => {
                self.tell(
                    "mailbox",
                    Verdict::Works,
                    format!("{name}: {}", survey.text()),
                    &survey.facts(name),
                );
                Ok(())
            }
            Err(SessionError::Configuration(reason) | SessionError::NoSuchMailbox(reason)) => {
                self.fails("mailbox", &reason);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn receiver(&mut self) {
        // Any name does: no sensor is told of.
        let name = MailboxName::new("INBOX");
        match self.watch.sink(&name, self.clock) {
            Ok(mut sink) => match sink.reach() {
                Ok(None) => self.works("receiver", &"standard output"),
                Ok(Some(reached)) => self.reached("receiver", Ok(reached)),
                Err(error) => self.reached("receiver", Err(error)),
            },
            Err(reason) => self.fails("receiver", &reason),
        }
        if let Some(mut artifacts) = self.watch.artifacts(&name, self.clock) {
            self.reached("artifacts", artifacts.reach());
        }
    }

    fn reached(&mut self, name: &'static str, outcome: Result<Reached, DeliveryError>) {
        match outcome {
            Ok(reached) => {
                self.works(name, &format!("{}: {} works", reached.peer, reached.works));
                self.tell("not tried", Verdict::Note, reached.untried.to_owned(), &[]);
            }
            Err(error) => self.fails(name, &error),
        }
    }

    fn works(&mut self, name: &'static str, text: &dyn Display) {
        self.tell(name, Verdict::Works, text.to_string(), &[]);
    }

    fn fails(&mut self, name: &'static str, reason: &dyn Display) {
        self.tell(name, Verdict::Fails, reason.to_string(), &[]);
    }

    fn tell(&mut self, name: &'static str, verdict: Verdict, text: String, facts: &[(&'static str, Value)]) {
        let mut step = Step {
            account: self.account.clone(),
            name,
            verdict,
            text,
            facts: Map::new(),
        };
        for (key, value) in facts {
            step.facts.insert((*key).to_owned(), value.clone());
        }
        (self.tell)(&step);
    }
}

/// How far a login comes, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Token,
    Proxy,
    Server,
    Login,
    Mailboxes,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Token => "token",
            Stage::Proxy => "proxy",
            Stage::Server => "server",
            Stage::Login => "login",
            Stage::Mailboxes => "mailboxes",
        }
    }
}

/// Whether a folder, or the one in which it would be made, takes files: by one that is removed at once. `true`: it is there.
fn writable(folder: &Path) -> io::Result<bool> {
    let there = folder.ancestors().find(|ancestor| ancestor.exists());
    let there = there
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let trial = there.join(format!(".mailtap-check-{}", std::process::id()));
    let written = create_anew(&trial, OpenOptions::new().write(true))?.write_all(b"\n");
    // On a full disk it was made and could not be written to.
    fs::remove_file(&trial)?;
    written.map(|()| there == folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_a_link_in_the_folder_leads_to_stays_as_it_is() {
        let folder = std::env::temp_dir().join(format!("mailtap-writable-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("target");
        fs::write(&target, "precious").unwrap();
        symlink(&target, folder.join(format!(".mailtap-check-{}", std::process::id()))).unwrap();
        assert!(super::writable(&folder).unwrap());
        assert!(!super::writable(&folder.join("new/state")).unwrap());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
