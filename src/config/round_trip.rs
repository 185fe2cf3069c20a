//! What the fuzzer asserts: any accepted text, written out as JSON and read again, is the same configuration.

use serde_json::Value;

use super::node::{Content, Finding, Node};
use super::{Adapter, document, json, key_value, keys, settings};

/// Reads `data` as a file and as arguments. Whatever is in it, nothing panics; what is accepted survives a round trip
/// through JSON, with the same adapters, notices or complaint.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Ok(documents) = document::parse(data) {
        let again = round_trip(&documents);
        let environment = |name: &str| (name == "HOME").then(|| "/home/fuzz".to_owned());
        let outcome = settings::adapters(&documents, &environment);
        assert_eq!(
            without_places(outcome),
            without_places(settings::adapters(&again, &environment))
        );
    }
    if let Ok(text) = str::from_utf8(data)
        && let Ok(tree) = key_value::parse(text.lines(), &keys::IMAP)
    {
        round_trip(&[tree]);
    }
}

fn round_trip(documents: &[Node]) -> Vec<Node> {
    let written = write(documents);
    let again = json::parse(&written);
    assert!(again.is_ok(), "our own JSON is refused: {:?}", again.err());
    let mut again = again.unwrap_or_default();
    assert_eq!(written, write(&again));
    for (node, again) in documents.iter().zip(&mut again) {
        copy_plainness(node, again);
    }
    again
}

/// Every scalar is written as text: which of them stood without quotes is told apart from it.
fn copy_plainness(node: &Node, again: &mut Node) {
    again.plain = node.plain;
    match (&node.content, &mut again.content) {
        (Content::Sequence(items), Content::Sequence(again)) => {
            items
                .iter()
                .zip(again)
                .for_each(|(node, again)| copy_plainness(node, again));
        }
        (Content::Mapping(entries), Content::Mapping(again)) => {
            let pairs = entries.iter().zip(again);
            pairs.for_each(|(entry, again)| copy_plainness(&entry.value, &mut again.value));
        }
        _ => {}
    }
}

/// The documents as JSON, one a line.
pub(super) fn write(documents: &[Node]) -> String {
    documents
        .iter()
        .flat_map(|document| [value(document), "\n".to_owned()])
        .collect()
}

fn value(node: &Node) -> String {
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Scalar(text) => Value::from(text.expose().as_str()).to_string(),
        Content::Sequence(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(",")),
        Content::Mapping(entries) => {
            let entry = |key: &str, node| format!("{}:{}", Value::from(key), value(node));
            let entries: Vec<_> = entries.iter().map(|found| entry(&found.key, &found.value)).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

type Outcome = Result<(Vec<Adapter>, Vec<Finding>), Finding>;

fn without_places(outcome: Outcome) -> Result<(Vec<Adapter>, Vec<String>), String> {
    outcome
        .map(|(adapters, notices)| (adapters, notices.into_iter().map(|notice| notice.message).collect()))
        .map_err(|finding| finding.message)
}
