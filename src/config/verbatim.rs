//! A part of the configuration as JSON, for whom it is meant: LimaCharlie's cloud applies `mapping` and `indexing`.

use serde_json::{Map, Value};

use super::keys::{self, Shape};
use super::node::{Content, Finding, Node};

/// `node`, of `shape`, as JSON; `None` where it says nothing. Its keys and kinds are checked already. What a key is made
/// for decides its type; under the operator's own keys, how it is written does, as everywhere in YAML and JSON.
pub(super) fn json(node: &Node, shape: &Shape, path: &str) -> Result<Option<Value>, Finding> {
    if node.is_empty() {
        return Ok(None);
    }
    let value = match &node.content {
        Content::Null => return Ok(None),
        Content::Scalar(text) => scalar(text.expose(), node, shape, path)?,
        Content::Sequence(items) => {
            let item_shape = match shape {
                Shape::List(item) => *item,
                _ => &Shape::Free,
            };
            let items = items.iter().map(|item| json(item, item_shape, path));
            let items: Result<Vec<_>, _> = items.collect();
            Value::from(items?.into_iter().flatten().collect::<Vec<Value>>())
        }
        Content::Mapping(entries) => {
            let mut object = Map::new();
            for entry in entries {
                let entry_shape = keys::shape_of(shape, &entry.key);
                if let Some(value) = json(&entry.value, entry_shape, &keys::join(path, &entry.key))? {
                    object.insert(entry.key.clone(), value);
                }
            }
            Value::from(object)
        }
    };
    Ok(Some(value))
}

fn scalar(text: &str, node: &Node, shape: &Shape, path: &str) -> Result<Value, Finding> {
    match shape {
        Shape::Flag => match super::settings::flag(text) {
            Some(flag) => Ok(Value::from(flag)),
            None => Err(Finding::at(node.place, format!("{path}: expected true or false"))),
        },
        Shape::Free if node.plain => {
            // A plain word that is no number and no truth value is text.
            let value = serde_json::from_str(text).ok();
            Ok(value
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| Value::from(text)))
        }
        _ => Ok(Value::from(text)),
    }
}
