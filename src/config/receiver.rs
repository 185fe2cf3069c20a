//! `client_options`: where events go, and what of LimaCharlie's options that leaves without effect.

use serde_json::{Map, Value};

use super::Receiver;
use super::keys::{self, Shape};
use super::nearest::shown;
use super::node::Finding;
use super::settings::{Section, machine_name};
use crate::limits;
use crate::secret::Secret;
use crate::sink::limacharlie::message::Sensor;
use crate::sink::limacharlie::{self, Destination, discovery};
use crate::sink::webhook::{self, SettingsError};

/// The `dest_url` for events that stay on this machine.
const STDOUT: &str = "stdout:";

/// Options of a webhook.
const FOR_WEBHOOK: &[(&str, &str)] = &[
    ("lc_secret", "it is for a webhook"),
    ("headers", "they are for a webhook"),
    ("signing_secret", "it is for a webhook"),
    ("batch_events", "it is for a webhook"),
];

/// Options of LimaCharlie's own protocol, and what to do instead.
const FOR_LIMACHARLIE: &[(&str, &str)] = &[
    ("mapping", "configure the mapping at the hook"),
    ("mappings", "configure the mapping at the hook"),
    ("indexing", "configure it at the hook"),
    ("sensor_seed_key", "the hook decides on its sensor"),
];

/// Options of the original that change nothing in it either.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("architecture", "it is always usp_adapter"),
    ("buffer_options", "mail waits in the mailbox until it is acknowledged"),
];

/// The receiver, and the notices about options that do nothing with it.
pub(super) fn receiver(options: &Section<'_>, is_insecure: bool) -> Result<(Receiver, Vec<Finding>), Finding> {
    let url = options.text("dest_url")?;
    // Not every receiver needs these, but a reference in them that leads nowhere is still a mistake.
    options.section("identity").text("installation_key")?;
    options.text("platform")?;
    options.text("lc_secret")?;
    options.text("signing_secret")?;
    options.named_texts("headers")?;
    let scheme = url.as_deref().map(|url| url.split(':').next().unwrap_or_default());
    let receiver = match (&url, scheme.map(str::to_ascii_lowercase).as_deref()) {
        (None, _) | (Some(_), Some("ws" | "wss")) => limacharlie(options, url.as_deref(), is_insecure)?,
        (Some(url), _) if url == STDOUT => Receiver::Stdout,
        (Some(url), _) if url.eq_ignore_ascii_case("stdout") => {
            return Err(options.fault("dest_url", "write `stdout:`, with the colon"));
        }
        (Some(url), _) => webhook(options, url, is_insecure)?,
    };
    let mut notices = notices(options, &receiver);
    // Said to be off, it is no surprise.
    if options.flag("is_compressed")? && receiver == Receiver::Stdout {
        notices.push(options.fault("is_compressed", "has no effect with stdout:"));
    }
    Ok((receiver, notices))
}

fn webhook(options: &Section<'_>, url: &str, is_insecure: bool) -> Result<Receiver, Finding> {
    let headers = options.named_texts("headers")?;
    let settings = webhook::Settings {
        lc_secret: options.text("lc_secret")?.map(Secret::new),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect(),
        signing_secret: options.text("signing_secret")?.map(Secret::new),
        compressed: options.flag("is_compressed")?,
        batch_events: batch_events(options)?,
        allow_clear_text: is_insecure,
        ..webhook::Settings::new(url)
    };
    // By the poster's own rules, so that a slip is found before anything is contacted.
    settings.check().map_err(|error| match error {
        SettingsError::Header { name, error } => options.section("headers").fault(&shown(&name), &error.to_string()),
        error => {
            let (key, reason) = error.finding();
            options.fault(&key, &reason)
        }
    })?;
    Ok(Receiver::Webhook(settings))
}

fn batch_events(options: &Section<'_>) -> Result<usize, Finding> {
    let Some(number) = options.number("batch_events")? else {
        return Ok(limits::BATCH_EVENTS);
    };
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    if (1..=limits::BATCH_EVENTS).contains(&number) {
        Ok(number)
    } else {
        Err(options.fault("batch_events", &format!("expected 1 to {}", limits::BATCH_EVENTS)))
    }
}

/// LimaCharlie's own protocol: at `url`, or where LimaCharlie says.
fn limacharlie(options: &Section<'_>, url: Option<&str>, is_insecure: bool) -> Result<Receiver, Finding> {
    let identity = options.section("identity");
    let oid = checked_oid(&identity)?;
    let destination = match url {
        None => discovery::address(&oid).map(|address| Destination::Discover { address }),
        Some(url) => discovery::websocket_url(url, is_insecure).map(Destination::Fixed),
    };
    let list = |key, shape| match options.json(key, shape)? {
        Some(Value::Array(items)) => Ok(items),
        _ => Ok(Vec::new()),
    };
    let sensor = Sensor {
        installation_key: Secret::new(identity.required("installation_key")?),
        hostname: options.text("hostname")?.or_else(machine_name).unwrap_or_default(),
        platform: options.required("platform")?,
        seed_key: options.text("sensor_seed_key")?.unwrap_or_default(),
        mapping: match options.json("mapping", &keys::MAPPING)? {
            Some(Value::Object(mapping)) => mapping,
            _ => Map::new(),
        },
        mappings: list("mappings", &Shape::List(&keys::MAPPING))?,
        indexing: list("indexing", &Shape::List(&keys::INDEX))?,
        compressed: options.flag("is_compressed")?,
        oid,
    };
    let settings = limacharlie::Settings {
        sensor,
        destination: destination.map_err(|error| {
            // There it is a WebSocket's.
            let reason = error.to_string().replace("http", "ws");
            options.fault("dest_url", &reason)
        })?,
    };
    Ok(Receiver::LimaCharlie(Box::new(settings)))
}

/// The organisation's id, which becomes a part of a URL.
pub(super) fn checked_oid(identity: &Section<'_>) -> Result<String, Finding> {
    let oid = identity.required("oid")?;
    if oid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(oid);
    }
    Err(identity.fault("oid", "is no organisation's id: letters, digits and hyphens"))
}

/// Options that do nothing with `receiver`.
fn notices(options: &Section<'_>, receiver: &Receiver) -> Vec<Finding> {
    let (with, idle): (&str, &[&[(&str, &str)]]) = match receiver {
        Receiver::LimaCharlie(_) => ("LimaCharlie's own protocol", &[FOR_WEBHOOK, WITHOUT_EFFECT]),
        Receiver::Webhook(_) => ("a webhook", &[FOR_LIMACHARLIE, WITHOUT_EFFECT]),
        Receiver::Stdout => ("", &[FOR_WEBHOOK, FOR_LIMACHARLIE, WITHOUT_EFFECT]),
    };
    let set = idle.concat().into_iter().filter(|(key, _)| options.is_set(key));
    let reason = |instead| match receiver {
        Receiver::Stdout => "has no effect with stdout:".to_owned(),
        _ => format!("has no effect with {with}: {instead}"),
    };
    set.map(|(key, instead)| options.fault(key, &reason(instead))).collect()
}

/// `identity.oid`, which every event carries. Only events that stay on this machine go without it.
pub(super) fn oid(options: &Section<'_>, receiver: &Receiver) -> Result<String, Finding> {
    let identity = options.section("identity");
    match receiver {
        Receiver::LimaCharlie(_) | Receiver::Webhook(_) => identity.required("oid"),
        Receiver::Stdout => Ok(identity.text("oid")?.unwrap_or_default()),
    }
}
