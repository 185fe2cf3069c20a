//! A checked tree → [`Adapter`]s.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::keys::Shape;
use super::nearest::shown;
use super::node::{Content, Finding, Node, Place};
use super::reference::{self, Environment};
use super::{
    Adapter, Receiver, artifacts, duration, flag, healthcheck, keys, mailboxes, number, oauth, original,
    other_adapters, proxy, receiver, server, verbatim,
};
use crate::imap::wanted::Wanted;
use crate::net::Security;
use crate::net::tls::Trust;
use crate::net::tls::pin::Pin;
use crate::{event, imap, limits};

/// The adapters of a file's documents, and what in them has no effect.
pub(super) fn adapters(
    documents: &[Node],
    environment: Environment<'_>,
) -> Result<(Vec<Adapter>, Vec<Finding>), Finding> {
    let mut adapters = Vec::new();
    let mut notices = Vec::new();
    let mut watched = HashSet::new();
    for document in documents {
        notices.extend(other_adapters::tell(document)?);
        keys::check_document(document)?;
        let Some(imap) = document.get("imap") else {
            return Err(Finding::at(
                document.place,
                "imap: missing; the settings of the mailbox stand under it",
            ));
        };
        let (mut adapter, found) = adapter(imap, "imap", environment)?;
        if let Some(address) = healthcheck::healthcheck(document, "healthcheck")?
            && adapter.healthcheck.replace(address).is_some()
        {
            let message = "imap.healthcheck: is set above imap as well; leave one of the two";
            return Err(Finding::at(imap.place, message));
        }
        for name in adapter.mailboxes.iter().filter_map(Wanted::name) {
            if !watched.insert((adapter.imap.account(), name.clone())) {
                // So do its claim, its metrics, and `replay`, which would send dead letters to the first one's receiver.
                let message = "imap: an earlier document watches this mailbox of this account, by which a process knows \
                               it, whatever state_dir and oid are; watch it by another mailtap, with its own state_dir";
                return Err(Finding::at(imap.place, message));
            }
        }
        adapters.push(adapter);
        notices.extend(found);
    }
    if adapters.is_empty() {
        return Err(Finding::at(None, "nothing is configured in it"));
    }
    Ok((adapters, notices))
}

/// The adapter of `key=value` arguments: what a file has under `imap:`.
pub(super) fn adapter_of_arguments(
    arguments: &Node,
    environment: Environment<'_>,
) -> Result<(Adapter, Vec<Finding>), Finding> {
    if arguments.get("imap").is_some() {
        let message = "imap: arguments are all about the mailbox; leave `imap.` away, as in `server=…`";
        return Err(Finding::at(None, message));
    }
    keys::check(arguments, &keys::IMAP)?;
    adapter(arguments, "", environment)
}

fn adapter(imap: &Node, path: &str, environment: Environment<'_>) -> Result<(Adapter, Vec<Finding>), Finding> {
    let section = Section {
        node: Some(imap),
        path: path.to_owned(),
        place: imap.place,
        environment,
    };
    let is_insecure = section.flag("is_insecure")?;
    let healthcheck = healthcheck::healthcheck(imap, &keys::join(path, "healthcheck"))?;
    let security = security(&section, is_insecure)?;
    let endpoint =
        server::endpoint(&section.required("server")?, security).map_err(|reason| section.fault("server", &reason))?;
    let username = section.required("username")?;
    let (credentials, mechanism) = oauth::credentials(&section, is_insecure)?;
    let imap = imap::Settings {
        endpoint,
        username,
        mechanism,
        compress: section.flag("compress")?,
    };
    let ca_file = ca_file(&section)?;
    let tls_pins = tls_pins(&section, security)?;
    let proxy = proxy::proxy(&section.section("proxy"), "proxy")?;

    let options = section.section("client_options");
    let (receiver, mut notices) = receiver::receiver(&options, is_insecure)?;
    let receiver_proxy = match options.section("proxy") {
        // The original's files have such sections, and it ignores them.
        section if section.text("url")?.is_none() && options.is_set("proxy") => {
            notices.push(options.fault("proxy", "has no effect without url"));
            None
        }
        section => proxy::proxy(&section, "client_options.proxy")?,
    };
    if receiver_proxy.is_some() && receiver == Receiver::Stdout {
        notices.push(options.fault("proxy", "has no effect with stdout:"));
    }
    if receiver_proxy.is_none() && receiver != Receiver::Stdout {
        notices.extend(original::proxy_of_the_environment(&options, environment));
    }
    let state_dir = match section.path("state_dir")? {
        Some(path) => path,
        None => default_state_dir(environment).ok_or_else(|| {
            section.fault(
                "state_dir",
                "set it: neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME says where the checkpoint may live",
            )
        })?,
    };
    let mut event = event::build::Settings {
        include_attachments: section.flag("include_attachments")?,
        max_body_size: section.number("max_body_size")?.unwrap_or(0),
        raw: raw(&section, &receiver)?,
        artifacts: None,
        unwrap_journal: !section.is_set("unwrap_journal") || section.flag("unwrap_journal")?,
        hostname: match options.text("hostname")? {
            Some(name) => name,
            None => {
                machine_name().ok_or_else(|| options.fault("hostname", "this machine's name cannot be read; set it"))?
            }
        },
        oid: receiver::oid(&options, &receiver)?,
    };
    if section.is_set("max_message_size") && event.raw.is_none() {
        let reason = "has no effect without `platform: email` of LimaCharlie's own protocol";
        notices.push(section.fault("max_message_size", reason));
    }
    let (artifacts, found) = artifacts::artifacts(&section, &event)?;
    notices.extend(found);
    notices.extend(original::filters(&section)?);
    event.artifacts = artifacts.as_ref().map(|_| state_dir.clone());
    let mailboxes = mailboxes::wanted(&section)?;
    let adapter = Adapter {
        imap,
        credentials,
        after_delivery: mailboxes::after_delivery(&section, &mailboxes)?,
        mailboxes,
        max_connections: mailboxes::max_connections(&section)?,
        from_zero: section.flag("from_zero")?,
        ca_file,
        tls_pins,
        proxy,
        receiver_proxy,
        state_dir,
        shutdown_timeout: section.duration("shutdown_timeout", limits::SHUTDOWN, duration::parse)?,
        event,
        receiver,
        artifacts,
        healthcheck,
    };
    Ok((adapter, notices))
}

/// In the original `is_insecure` means clear text, not TLS without checking certificates, and so it does here.
fn security(section: &Section<'_>, is_insecure: bool) -> Result<Security, Finding> {
    match (is_insecure, section.flag("starttls")?) {
        (false, false) => Ok(Security::Tls),
        (false, true) => Ok(Security::StartTls),
        (true, false) => Ok(Security::Plain),
        (true, true) => {
            let reason = "is_insecure is set as well, which means clear text to the end; set one of the two";
            Err(section.fault("starttls", reason))
        }
    }
}

/// A file that cannot serve is found here, before anything is contacted.
fn ca_file(section: &Section<'_>) -> Result<Option<PathBuf>, Finding> {
    let Some(path) = section.path("ca_file")? else {
        return Ok(None);
    };
    match Trust::load(Some(&path)) {
        Ok(_) => Ok(Some(path)),
        Err(error) => Err(section.fault("ca_file", &format!("{}: {}", path.display(), error.reason))),
    }
}

/// One or several, separated by commas or spaces, neither of which a pin holds.
fn tls_pins(section: &Section<'_>, security: Security) -> Result<Vec<Pin>, Finding> {
    let Some(text) = section.text("tls_pin_sha256")? else {
        return Ok(Vec::new());
    };
    if security == Security::Plain {
        return Err(section.fault(
            "tls_pin_sha256",
            "is_insecure is set: without TLS there is no key to compare",
        ));
    }
    let pins = text.split([',', ' ', '\t', '\n', '\r']).filter(|pin| !pin.is_empty());
    let pins: Option<Vec<Pin>> = pins.map(Pin::parse).collect();
    pins.filter(|pins| !pins.is_empty()).ok_or_else(|| {
        let reason = "expected the SHA-256 of a public key in base64 (44 characters) or hexadecimal (64), or several \
                      separated by commas";
        section.fault("tls_pin_sha256", reason)
    })
}

/// How large a mail goes out as it is: only LimaCharlie's platform `email` takes mail itself.
fn raw(section: &Section<'_>, receiver: &Receiver) -> Result<Option<usize>, Finding> {
    let limit = match section.number("max_message_size")? {
        None | Some(0) => limits::RAW_MAIL,
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    Ok(receiver.takes_raw_mail().then_some(limit))
}

/// `$STATE_DIRECTORY` (systemd's `StateDirectory=`; the first of several), else the XDG base directories.
pub(crate) fn default_state_dir(environment: Environment<'_>) -> Option<PathBuf> {
    let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let by_systemd = || environment("STATE_DIRECTORY").and_then(|list| list.split(':').next().and_then(absolute));
    let by_xdg = || {
        environment("XDG_STATE_HOME")
            .and_then(|path| absolute(&path))
            .map(|path| path.join("mailtap"))
    };
    let by_home = || {
        environment("HOME")
            .and_then(|path| absolute(&path))
            .map(|path| path.join(".local/state/mailtap"))
    };
    by_systemd().or_else(by_xdg).or_else(by_home)
}

/// This machine's name, as `client_options.hostname` defaults to.
pub fn machine_name() -> Option<String> {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(Path::new(path)).ok())
        .map(|text| text.trim().to_owned())
        .find(|name| !name.is_empty())
}

/// One section of a tree whose keys and shapes are checked. Absent sections read as empty ones.
pub(super) struct Section<'a> {
    node: Option<&'a Node>,
    path: String,
    /// Where a missing key would have stood.
    place: Option<Place>,
    environment: Environment<'a>,
}

impl<'a> Section<'a> {
    /// A whole tree.
    pub fn root(node: &'a Node, environment: Environment<'a>) -> Section<'a> {
        Section {
            node: Some(node),
            path: String::new(),
            place: node.place,
            environment,
        }
    }

    /// The section under `key`.
    pub fn section(&self, key: &str) -> Section<'a> {
        let node = self.get(key);
        Section {
            node,
            path: keys::join(&self.path, key),
            place: node.map_or(self.place, |node| node.place),
            environment: self.environment,
        }
    }

    /// Whether `key` says more than its absence.
    pub fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| !node.is_empty())
    }

    /// The text under `key`, its reference resolved. As in the original, empty text is not set.
    pub fn text(&self, key: &str) -> Result<Option<String>, Finding> {
        match self.scalar(key) {
            None | Some("") => Ok(None),
            Some(text) => reference::resolve(text, self.environment)
                .map(|text| Some(text).filter(|text| !text.is_empty()))
                .map_err(|reason| self.fault(key, &reason)),
        }
    }

    /// The texts of the list under `key`, their references resolved; empty ones are left out.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, Finding> {
        let Some(Content::Sequence(items)) = self.get(key).map(|node| &node.content) else {
            return Ok(Vec::new());
        };
        let scalars = items.iter().filter_map(|item| match &item.content {
            Content::Scalar(text) => Some(text.expose()),
            _ => None,
        });
        scalars
            .map(|text| reference::resolve(text, self.environment).map_err(|reason| self.fault(key, &reason)))
            .filter(|text| !text.as_ref().is_ok_and(String::is_empty))
            .collect()
    }

    /// The texts of the section under `key`, whose keys are the operator's own, their references resolved.
    pub fn named_texts(&self, key: &str) -> Result<Vec<(String, String)>, Finding> {
        let section = self.section(key);
        let Some(Content::Mapping(entries)) = section.node.map(|node| &node.content) else {
            return Ok(Vec::new());
        };
        let named = entries.iter().map(|entry| {
            let text = match &entry.value.content {
                Content::Scalar(text) => reference::resolve(text.expose(), self.environment),
                _ => Ok(String::new()),
            };
            text.map(|text| (entry.key.clone(), text))
                .map_err(|reason| section.fault(&shown(&entry.key), &reason))
        });
        named.collect()
    }

    /// The text under `key`, which must be there.
    pub fn required(&self, key: &str) -> Result<String, Finding> {
        self.text(key)?.ok_or_else(|| self.fault(key, "missing"))
    }

    /// The path under `key`.
    fn path(&self, key: &str) -> Result<Option<PathBuf>, Finding> {
        match self.scalar(key) {
            None | Some("") => Ok(None),
            Some(text) => reference::resolve_path(text, self.environment)
                .map(|path| Some(path).filter(|path| !path.as_os_str().is_empty()))
                .map_err(|reason| self.fault(key, &reason)),
        }
    }

    /// The flag under `key`; false when it is not set.
    pub fn flag(&self, key: &str) -> Result<bool, Finding> {
        let flag = self.get(key).map_or(Some(false), flag::flag);
        flag.ok_or_else(|| self.fault(key, "expected true or false"))
    }

    /// The number under `key`.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Finding> {
        let text = self.scalar(key).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        match number::whole(text) {
            Some(number) => Ok(Some(number)),
            None => Err(self.fault(key, "expected a whole number, 0 or more, without 0 in front")),
        }
    }

    /// The duration under `key` as `parse` reads it; `default` where it is not set, or zero, which is the same in the original.
    pub fn duration(
        &self,
        key: &str,
        default: Duration,
        parse: fn(&str) -> Option<Duration>,
    ) -> Result<Duration, Finding> {
        let Some(text) = self.text(key)? else {
            return Ok(default);
        };
        match parse(&text) {
            Some(Duration::ZERO) => Ok(default),
            Some(duration) if duration <= limits::CONFIGURED_DURATION => Ok(duration),
            _ => Err(self.fault(key, "expected a duration with its unit, as in 45s or 1m30s, up to 1h")),
        }
    }

    /// What stands under `key`, of `shape`, as JSON.
    pub fn json(&self, key: &str, shape: &Shape) -> Result<Option<Value>, Finding> {
        match self.get(key) {
            Some(node) => verbatim::json(node, shape, &keys::join(&self.path, key)),
            None => Ok(None),
        }
    }

    /// A finding about `key`.
    pub fn fault(&self, key: &str, reason: &str) -> Finding {
        let place = self.get(key).map_or(self.place, |node| node.place);
        Finding::at(place, format!("{}: {reason}", keys::join(&self.path, key)))
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.and_then(|node| node.get(key))
    }

    fn scalar(&self, key: &str) -> Option<&'a str> {
        match &self.get(key)?.content {
            Content::Scalar(text) => Some(text.expose()),
            _ => None,
        }
    }
}
