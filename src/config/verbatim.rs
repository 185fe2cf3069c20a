//! A part of the configuration as JSON, for whom it is meant: LimaCharlie's cloud applies `mapping` and `indexing`.

use serde_json::{Map, Value};

use super::flag;
use super::keys::{self, Shape};
use super::node::{Content, Entry, Finding, Node};
use super::number;

/// `node`, of `shape`, as JSON; `None` where it says nothing. Its keys and kinds are checked already. What a key is made
/// for decides its type, and whether empty is not set; under the operator's own keys everything stands as it is written.
pub(super) fn json(node: &Node, shape: &Shape, path: &str) -> Result<Option<Value>, Finding> {
    let value = match (&node.content, shape) {
        (Content::Mapping(entries), Shape::Section(_)) => {
            let mut object = Map::new();
            for entry in entries {
                let (_, entry_shape) = keys::in_any_case(&entry.key, shape);
                if let Some(value) = json(&entry.value, entry_shape, &keys::join(path, &entry.key))? {
                    object.insert(entry.key.clone(), value);
                }
            }
            Value::from(object)
        }
        (Content::Mapping(entries), Shape::FreeText) => object(entries, text),
        (Content::Mapping(_), _) => as_written(node),
        (Content::Sequence(items), Shape::List(item)) => {
            let items = items.iter().map(|node| json(node, item, path));
            let items: Result<Vec<_>, _> = items.collect();
            items?.into_iter().flatten().collect()
        }
        (Content::Scalar(_), Shape::Flag) if !node.is_empty() => match flag::flag(node) {
            Some(flag) => Value::from(flag),
            None => return Err(Finding::at(node.place, format!("{path}: expected true or false"))),
        },
        _ => text(node),
    };
    let says_nothing = match &value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    Ok(Some(value).filter(|_| !says_nothing))
}

fn object(entries: &[Entry], value: fn(&Node) -> Value) -> Value {
    let mut object = Map::new();
    for entry in entries {
        object.insert(entry.key.clone(), value(&entry.value));
    }
    Value::from(object)
}

/// The text of a scalar; of null it is empty.
fn text(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(text) => Value::from(text.expose().as_str()),
        _ => Value::from(""),
    }
}

/// What stands under the operator's own keys, as yaml.v3 and encoding/json read it.
fn as_written(node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::Null,
        Content::Scalar(word) if node.plain => match word.expose().as_str() {
            "true" | "True" | "TRUE" => Value::from(true),
            "false" | "False" | "FALSE" => Value::from(false),
            word => number::number(word).map_or_else(|| text(node), Value::from),
        },
        Content::Scalar(_) => text(node),
        Content::Sequence(items) => items.iter().map(as_written).collect(),
        Content::Mapping(entries) => object(entries, as_written),
    }
}
