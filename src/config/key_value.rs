//! `key=value` arguments with dotted paths and `name[0]` → the same tree that a file gives.

use super::keys::{self, Shape};
use super::nearest::shown;
use super::node::{Content, Entry, Finding, Node};
use crate::limits;

/// The tree of `arguments`, whose keys are those of `shape` in any case. Only the first `=` of each separates: a value may
/// contain more of them.
pub(super) fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>, shape: &'static Shape) -> Result<Node, Finding> {
    let mut root = Node::new(Content::Mapping(Vec::new()), None);
    for (number, argument) in (1_usize..).zip(arguments) {
        // What has no key may be a piece of a password: it is not repeated.
        let Some((path, value)) = argument.split_once('=') else {
            return Err(Finding::at(
                None,
                format!("argument {number} is not key=value; name one file, or give arguments"),
            ));
        };
        let steps = steps(path, shape).ok_or_else(|| Finding::at(None, format!("`{}` is not a key", shown(path))))?;
        insert(&mut root, &steps, value).map_err(|reason| Finding::at(None, format!("{}: {reason}", shown(path))))?;
    }
    Ok(root)
}

/// One step down the tree.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `a.b[0].c` in steps.
fn steps<'a>(path: &'a str, mut shape: &'static Shape) -> Option<Vec<Step<'a>>> {
    let mut steps = Vec::new();
    for segment in path.split('.') {
        let (name, indexes) = segment
            .split_once('[')
            .map_or((segment, None), |(name, rest)| (name, Some(rest)));
        if name.is_empty() {
            return None;
        }
        let (name, under_it) = keys::in_any_case(name, shape);
        shape = under_it;
        steps.push(Step::Key(name));
        if let Some(indexes) = indexes {
            for index in indexes.strip_suffix(']')?.split("][") {
                steps.push(Step::Index(index.parse().ok()?));
                shape = keys::item_of(shape);
            }
        }
    }
    (steps.len() <= limits::CONFIGURATION_DEPTH).then_some(steps)
}

fn insert(node: &mut Node, steps: &[Step<'_>], value: &str) -> Result<(), String> {
    let Some((step, steps)) = steps.split_first() else {
        return match node.content {
            Content::Null => {
                *node = Node::scalar(value.to_owned(), true, None);
                Ok(())
            }
            _ => Err("is set twice".to_owned()),
        };
    };
    match step {
        Step::Key(key) => {
            if matches!(node.content, Content::Null) {
                node.content = Content::Mapping(Vec::new());
            }
            let Content::Mapping(entries) = &mut node.content else {
                return Err(format!("is set below what is {} elsewhere", node.kind()));
            };
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                return insert(&mut entry.value, steps, value);
            }
            let mut fresh = null();
            insert(&mut fresh, steps, value)?;
            entries.push(Entry {
                key: (*key).to_owned(),
                place: None,
                value: fresh,
            });
            Ok(())
        }
        Step::Index(index) => {
            if matches!(node.content, Content::Null) {
                node.content = Content::Sequence(Vec::new());
            }
            let Content::Sequence(items) = &mut node.content else {
                return Err(format!("is set below what is {} elsewhere", node.kind()));
            };
            if let Some(item) = items.get_mut(*index) {
                return insert(item, steps, value);
            }
            // A gap would have to be filled with something nobody wrote, and `[999999999]` with memory.
            if *index != items.len() {
                return Err(format!(
                    "[{index}] comes before [{}]: number lists from 0 without gaps",
                    items.len()
                ));
            }
            let mut fresh = null();
            insert(&mut fresh, steps, value)?;
            items.push(fresh);
            Ok(())
        }
    }
}

fn null() -> Node {
    Node::new(Content::Null, None)
}
