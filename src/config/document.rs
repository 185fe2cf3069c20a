//! A configuration file's bytes → one tree for each document in it.

use super::node::{Content, Finding, Node, Place};
use super::{json, keys, yaml};
use crate::limits;

/// The documents of `bytes`: JSON, with its keys in any case, when the first thing in it is `{`; else, or where it is none,
/// YAML. Empty documents (a trailing `---`, a file of comments) are left out.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Node>, Finding> {
    if bytes.len() > limits::CONFIGURATION_BYTES {
        let message = format!("larger than {} bytes: not a configuration", limits::CONFIGURATION_BYTES);
        return Err(Finding::at(None, message));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes
            .iter()
            .take(error.valid_up_to())
            .filter(|byte| **byte == b'\n')
            .count();
        let place = Place {
            line: line.saturating_add(1),
            column: 1,
        };
        Finding::at(place, "not UTF-8 text from this line on")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = if text.trim_start().starts_with('{') {
        match json::parse(text) {
            Ok(mut documents) => {
                for document in &mut documents {
                    keys::fold_case(document, &keys::DOCUMENT)?;
                }
                documents
            }
            // In the original's order: what is no JSON may be YAML. The text was meant as JSON, so its fault there is told.
            Err(fault) => yaml::parse(text).map_err(|_| fault)?,
        }
    } else {
        yaml::parse(text)?
    };
    documents.retain(|document| !matches!(document.content, Content::Null));
    Ok(documents)
}
