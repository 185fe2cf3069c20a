//! `client_options`: where events go, and what of LimaCharlie's options that leaves without effect.

use super::Receiver;
use super::node::Finding;
use super::settings::Section;
use crate::http::request::{Method, Request};
use crate::http::url::Url;
use crate::secret::Secret;
use crate::sink::webhook;

/// The `dest_url` for events that stay on this machine.
const STDOUT: &str = "stdout:";

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
pub(super) fn receiver(options: &Section<'_>, is_insecure: bool) -> Result<(Receiver, Vec<Finding>), Finding> {
    if options.flag("is_compressed")? {
        return Err(options.fault("is_compressed", "compression is not built yet; remove it"));
    }
    // These two change nothing here, but a reference in them that leads nowhere is still a mistake.
    options.section("identity").text("installation_key")?;
    options.text("platform")?;

    let url = destination(options)?;
    let lc_secret = options.text("lc_secret")?;
    let mut notices = Vec::new();
    let receiver = if url == STDOUT {
        if lc_secret.is_some() {
            notices.push(options.fault("lc_secret", "has no effect with stdout:"));
        }
        Receiver::Stdout
    } else {
        // Checked here, by the poster's own rules, so that a slip is found before anything is contacted.
        let parsed = Url::parse(&url, is_insecure).map_err(|error| options.fault("dest_url", &error.to_string()))?;
        Request::new(Method::Post, &parsed)
            .with_field("lc-secret", lc_secret.as_deref().unwrap_or_default())
            .map_err(|error| options.fault("lc_secret", &error.to_string()))?;
        Receiver::Webhook(webhook::Settings {
            url: Secret::new(url),
            lc_secret: lc_secret.map(Secret::new),
            allow_clear_text: is_insecure,
        })
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

/// `dest_url`, which must be one that something built can serve.
fn destination(options: &Section<'_>) -> Result<String, Finding> {
    const NOT_BUILT: &str = "is not built yet: give the https:// address of a webhook, or stdout:";
    let Some(url) = options.text("dest_url")? else {
        let reason = format!("missing; LimaCharlie's own protocol (USP), the default, {NOT_BUILT}");
        return Err(options.fault("dest_url", &reason));
    };
    let scheme = url.split(':').next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss") {
        let reason = format!("LimaCharlie's own protocol (USP, ws:// and wss://) {NOT_BUILT}");
        return Err(options.fault("dest_url", &reason));
    }
    if url.eq_ignore_ascii_case("stdout") {
        return Err(options.fault("dest_url", "write `stdout:`, with the colon"));
    }
    Ok(url)
}

/// `identity.oid`, which every event carries. Only events that stay on this machine go without it.
pub(super) fn oid(options: &Section<'_>, receiver: &Receiver) -> Result<String, Finding> {
    let identity = options.section("identity");
    match receiver {
        Receiver::Webhook(_) => identity.required("oid"),
        Receiver::Stdout => Ok(identity.text("oid")?.unwrap_or_default()),
    }
}
