//! What of a document is not this adapter's but another one's of LimaCharlie's.

use super::node::{Content, Finding, Node};

/// Named, so that a file for one of them is told from a slip.
const OTHER_ADAPTERS: &[&str] = &[
    "1password",
    "abnormal_security",
    "azure_event_hub",
    "bigquery",
    "bitwarden",
    "box",
    "cato",
    "cylance",
    "defender",
    "dropbox",
    "duo",
    "entraid",
    "evtx",
    "falconcloud",
    "file",
    "gcs",
    "hubspot",
    "itglue",
    "k8s_pods",
    "mac_unified_logging",
    "mimecast",
    "ms_graph",
    "office365",
    "okta",
    "pandadoc",
    "proofpoint_tap",
    "pubsub",
    "s3",
    "sentinel_one",
    "simulator",
    "slack",
    "sophos",
    "sqs",
    "sqs-files",
    "stdin",
    "sublime",
    "syslog",
    "trendmicro",
    "wel",
    "wiz",
    "zendesk",
];

/// Where the original looks for a configuration that LimaCharlie keeps.
const CLOUD: &str = "cloud";

/// Whether `key` is an adapter of the original that mailtap does not replace.
pub(super) fn is_one(key: &str) -> bool {
    OTHER_ADAPTERS.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// Refuses a document that is for another adapter. Beside `imap` the original leaves them alone, as is done here and told.
pub(super) fn tell(document: &Node) -> Result<Vec<Finding>, Finding> {
    let Content::Mapping(entries) = &document.content else {
        return Ok(Vec::new());
    };
    let has_imap = document.get("imap").is_some();
    let mut notices = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key == CLOUD || is_one(&entry.key)) {
        let reason = if entry.key == CLOUD && (!has_imap || is_complete(&entry.value)) {
            "names a configuration that LimaCharlie keeps, which runs instead of a file's: \
             use `mailtap cloud conf_guid=… oid=…`"
        } else if !has_imap {
            "is another adapter of LimaCharlie's; mailtap is only the imap adapter"
        } else {
            if !entry.value.is_empty() {
                let message = format!("{}: has no effect; mailtap is only the imap adapter", entry.key);
                notices.push(Finding::at(entry.place, message));
            }
            continue;
        };
        return Err(Finding::at(entry.place, format!("{}: {reason}", entry.key)));
    }
    sensor_type(document)?;
    Ok(notices)
}

/// Whether the original would ask the cloud.
fn is_complete(cloud: &Node) -> bool {
    let is_set = |key| cloud.get(key).is_some_and(|value| !value.is_empty());
    is_set("oid") && is_set("conf_guid")
}

fn sensor_type(document: &Node) -> Result<(), Finding> {
    let Some(sensor_type) = document.get("sensor_type") else {
        return Ok(());
    };
    match &sensor_type.content {
        Content::Scalar(name) if name.expose() == "imap" => Ok(()),
        Content::Scalar(name) if is_one(name.expose()) => {
            let message = format!(
                "sensor_type: `{}` is another adapter of LimaCharlie's; mailtap is only the imap adapter",
                name.expose()
            );
            Err(Finding::at(sensor_type.place, message))
        }
        _ => Err(Finding::at(sensor_type.place, "sensor_type: must be `imap`")),
    }
}
