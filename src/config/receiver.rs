//! `client_options`: where events go, and what of LimaCharlie's options that leaves without effect.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::Receiver;
use super::node::Finding;
use super::settings::Section;
use crate::secret::Secret;
use crate::sink::webhook;

/// Options that LimaCharlie's cloud applies to its own protocol, and what to do instead.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("mapping", "configure the mapping at the hook"),
    ("mappings", "configure the mapping at the hook"),
    ("indexing", "configure it at the hook"),
    ("sensor_seed_key", "the hook decides on its sensor"),
    ("architecture", "the hook decides on it"),
    ("buffer_options", "mail waits in the mailbox until it is acknowledged"),
];

/// The receiver, and the notices about options that do nothing with it.
pub(super) fn receiver(
    options: &Section<'_>,
    is_insecure: bool,
    ca_file: Option<&Path>,
) -> Result<(Receiver, Vec<Finding>), Finding> {
    if options.flag("is_compressed")? {
        return Err(options.fault("is_compressed", "compression is not built yet; remove it"));
    }
    if options.is_set("proxy") {
        return Err(options.fault("proxy", "connecting through a proxy is not built yet; remove it"));
    }
    // These two change nothing here, but a reference in them that leads nowhere is still a mistake.
    options.section("identity").text("installation_key")?;
    options.text("platform")?;

    let lc_secret = options.text("lc_secret")?;
    let url = options.text("dest_url")?.unwrap_or_default();
    let mut notices = Vec::new();
    let receiver = match Destination::of(&url).map_err(|reason| options.fault("dest_url", reason))? {
        Destination::Stdout => {
            if lc_secret.is_some() {
                notices.push(options.fault("lc_secret", "has no effect with stdout:"));
            }
            Receiver::Stdout
        }
        Destination::Http { loopback: false } if !is_insecure => {
            let reason = "http:// sends mail in clear; use https://, or set is_insecure";
            return Err(options.fault("dest_url", reason));
        }
        Destination::Http { .. } | Destination::Https => {
            // The header's value: anything else could end the header and begin another (RFC 9110, section 5.5).
            if lc_secret
                .as_ref()
                .is_some_and(|secret| !secret.bytes().all(|byte| byte.is_ascii_graphic()))
            {
                let reason = "may hold only visible ASCII characters, because it travels in an HTTP header";
                return Err(options.fault("lc_secret", reason));
            }
            let settings = webhook::Settings {
                url: Secret::new(url),
                lc_secret: lc_secret.map(Secret::new),
                allow_clear_text: is_insecure,
                ca_file: ca_file.map(Path::to_path_buf),
            };
            Receiver::Webhook(settings)
        }
    };
    for (key, instead) in WITHOUT_EFFECT {
        if options.is_set(key) {
            notices.push(options.fault(
                key,
                &match &receiver {
                    Receiver::Webhook(_) => format!("has no effect with a webhook: {instead}"),
                    Receiver::Stdout => "has no effect with stdout:".to_owned(),
                },
            ));
        }
    }
    Ok((receiver, notices))
}

/// `identity.oid`, which every event carries. Only events that stay on this machine go without it.
pub(super) fn oid(options: &Section<'_>, receiver: &Receiver) -> Result<String, Finding> {
    let identity = options.section("identity");
    match receiver {
        Receiver::Webhook(_) => identity.required("oid"),
        Receiver::Stdout => Ok(identity.text("oid")?.unwrap_or_default()),
    }
}

/// What a `dest_url` leads to.
enum Destination {
    Stdout,
    Https,
    Http { loopback: bool },
}

impl Destination {
    fn of(url: &str) -> Result<Destination, &'static str> {
        if url.is_empty() {
            return Err(
                "missing; LimaCharlie's own protocol (USP), the default, is not built yet: give https://… of a webhook, or stdout:",
            );
        }
        if url == "stdout:" {
            return Ok(Destination::Stdout);
        }
        let (scheme, rest) = url.split_once("://").ok_or("must begin with https://, or be stdout:")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            "ws" | "wss" => {
                return Err(
                    "LimaCharlie's own protocol (USP, ws:// and wss://) is not built yet: give https://… of a webhook, or stdout:",
                );
            }
            _ => return Err("must begin with https://, or be stdout:"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("may not contain a user name and password; use lc_secret");
        }
        if authority.is_empty() {
            return Err("has no host");
        }
        if https {
            Ok(Destination::Https)
        } else {
            Ok(Destination::Http {
                loopback: is_loopback(authority),
            })
        }
    }
}

fn is_loopback(authority: &str) -> bool {
    if let Some(host) = authority.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
        return host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let host = authority.split(':').next().unwrap_or_default();
    host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}
