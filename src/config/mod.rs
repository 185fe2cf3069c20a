//! Configuration: LimaCharlie's files and `key=value` arguments → each module's own settings. Unknown keys are refused.
//!
//! `document.rs` (with `yaml.rs` and `json.rs`) or `key_value.rs` makes a tree of text, `keys.rs` says which keys there
//! are, `reference.rs` fetches secrets from elsewhere, `settings.rs` with its helpers gives everything its meaning.

mod artifacts;
mod document;
pub mod duration;
mod flag;
mod healthcheck;
mod json;
mod key_value;
mod keys;
mod mailboxes;
mod nearest;
mod node;
mod number;
mod oauth;
mod original;
mod other_adapters;
mod proxy;
mod receiver;
mod reference;
mod round_trip;
mod server;
mod settings;
mod verbatim;
mod yaml;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;
use crate::net::tls::pin::Pin;
use crate::secret::Secret;
use crate::{event, imap, limits, net, sink};

pub(crate) use healthcheck::address as healthcheck_address;
pub(crate) use nearest::{nearest, shown};
pub use reference::Environment;
pub(crate) use reference::{resolve, resolve_path};
#[doc(hidden)]
pub use round_trip::fuzz;
pub(crate) use settings::default_state_dir;
pub use settings::machine_name;

/// One mailbox to watch and the receiver of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// The account.
    pub imap: imap::Settings,
    /// What proves that the account is ours.
    pub credentials: Credentials,
    /// `inbox_name` or `inbox_names`, at least one; default `INBOX`.
    pub mailboxes: Vec<Wanted>,
    /// `max_connections`: to the IMAP server at a time.
    pub max_connections: usize,
    /// `from_zero`: the first start delivers what is already there; otherwise it starts from now.
    pub from_zero: bool,
    /// `after_delivery`: what is done on the server with a mail that was delivered; `keep` is nothing.
    pub after_delivery: Option<Action>,
    /// `ca_file`: certificate authorities trusted beside the public ones, for every server that is connected to.
    pub ca_file: Option<PathBuf>,
    /// `tls_pin_sha256`: the keys of which the IMAP server must hold one, instead of a certificate that can be checked.
    pub tls_pins: Vec<Pin>,
    /// `proxy`: the way to the IMAP server and to the token endpoint.
    pub proxy: Option<net::proxy::Settings>,
    /// `client_options.proxy`: the way to the receiver.
    pub receiver_proxy: Option<net::proxy::Settings>,
    /// `state_dir`: where the checkpoint lives.
    pub state_dir: PathBuf,
    /// `shutdown_timeout`: how long acknowledgements are awaited when the program stops. The longest holds for the process.
    pub shutdown_timeout: Duration,
    /// What events say.
    pub event: event::build::Settings,
    /// Where events go.
    pub receiver: Receiver,
    /// `attachment_ingest_key`: where attachments are stored apart.
    pub artifacts: Option<sink::artifact::Settings>,
    /// `healthcheck`: where the process, with everything it watches, tells how it is.
    pub healthcheck: Option<SocketAddr>,
}

impl Adapter {
    /// The same mailboxes with their events on standard output and nothing sent: as mailtap makes them, also where the
    /// receiver would get the mail itself, and with no attachment stored.
    #[must_use]
    pub fn rehearsed(mut self) -> Adapter {
        self.receiver = Receiver::Stdout;
        self.artifacts = None;
        self.event.artifacts = None;
        self.event.raw = None;
        self
    }

    /// The host name of the sensor that `mailbox` is: the configured one as it stands for the one mailbox that is asked for
    /// by its name; where there may be several, each is its own sensor and has its own name.
    pub fn host_name(&self, mailbox: &MailboxName) -> String {
        match self.mailboxes.as_slice() {
            [Wanted::Name(_)] => self.event.hostname.clone(),
            _ => mailbox.as_str().to_owned(),
        }
    }

    /// LimaCharlie's settings for the sensor that `mailbox` is; as with [`Adapter::host_name`], each has its own name and
    /// its own id where there may be several.
    pub fn sensor(&self, settings: &sink::limacharlie::Settings, mailbox: &MailboxName) -> sink::limacharlie::Settings {
        let mut settings = settings.clone();
        if !matches!(self.mailboxes.as_slice(), [Wanted::Name(_)]) {
            let seed_key = &settings.sensor.seed_key;
            settings.sensor.seed_key = format!("{seed_key}/{}", mailbox.as_str());
        }
        settings.sensor.hostname = self.host_name(mailbox);
        settings
    }
}

/// What proves that the account is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `password`.
    Password(Secret<String>),
    /// `oauth`.
    OAuth(crate::oauth::Settings),
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// No `client_options.dest_url`, or `wss://…`.
    LimaCharlie(Box<sink::limacharlie::Settings>),
    /// `client_options.dest_url: https://…`.
    Webhook(sink::webhook::Settings),
    /// `client_options.dest_url: "stdout:"`.
    Stdout,
}

impl Receiver {
    /// Whether it parses mail by itself.
    fn takes_raw_mail(&self) -> bool {
        matches!(self, Receiver::LimaCharlie(settings) if settings.sensor.platform == "email")
    }
}

/// A configuration that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// At least one; no two of them watch the same mailbox.
    pub adapters: Vec<Adapter>,
    /// What is accepted and changes nothing, or does otherwise in the original, one line each, for the log.
    pub notices: Vec<String>,
}

impl Loaded {
    /// Whether events of one of them go to standard output.
    pub fn delivers_to_stdout(&self) -> bool {
        self.adapters.iter().any(|adapter| adapter.receiver == Receiver::Stdout)
    }
}

/// Why a configuration cannot be run: one line with the file, the position and the setting, and never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Loads a YAML or JSON file.
pub fn from_file(path: &Path, environment: Environment<'_>) -> Result<Loaded, Error> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to see that a file is too large.
    let most = u64::try_from(limits::CONFIGURATION_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| Error(format!("{name}: {error}")))?;
    from_bytes(&name, &bytes, environment)
}

/// Loads what a file of this name would hold.
pub fn from_bytes(name: &str, bytes: &[u8], environment: Environment<'_>) -> Result<Loaded, Error> {
    document::parse(bytes)
        .and_then(|documents| settings::adapters(&documents, environment))
        .map(|(adapters, notices)| Loaded {
            adapters,
            notices: notices.iter().map(|notice| located(name, notice)).collect(),
        })
        .map_err(|finding| Error(located(name, &finding)))
}

/// Loads `key=value` arguments. `environment` serves `env://` and the state directory's default, nothing else.
pub fn from_arguments<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
    environment: Environment<'_>,
) -> Result<Loaded, Error> {
    key_value::parse(arguments, &keys::IMAP)
        .and_then(|tree| settings::adapter_of_arguments(&tree, environment))
        .map(|(adapter, notices)| Loaded {
            adapters: vec![adapter],
            notices: notices.into_iter().map(|notice| notice.message).collect(),
        })
        .map_err(|finding| Error(finding.message))
}

/// Every key that an argument may begin with, as it is written there: `client_options.dest_url`.
pub(crate) fn argument_keys() -> Vec<String> {
    keys::of_arguments()
}

/// The proxy that `proxy.*` arguments name.
pub(crate) fn proxy_of_arguments<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
    environment: Environment<'_>,
) -> Result<Option<net::proxy::Settings>, String> {
    let read = || {
        let tree = key_value::parse(arguments, &keys::WITH_PROXY)?;
        keys::check(&tree, &keys::WITH_PROXY)?;
        proxy::proxy(&settings::Section::root(&tree, environment).section("proxy"), "proxy")
    };
    read().map_err(|finding| finding.message)
}

/// `file:line:column: message`.
fn located(file: &str, finding: &node::Finding) -> String {
    match finding.place {
        Some(place) => format!("{file}:{place}: {}", finding.message),
        None => format!("{file}: {}", finding.message),
    }
}

#[cfg(test)]
mod tests;
