//! YAML 1.2 through `saphyr-parser`'s events. Of the language only what a configuration needs: anchors and aliases
//! (with which ten lines become gigabytes), tags of other languages and keys that are not text are refused.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Content, Entry, Finding, Node, Place, refuse_repeated_keys};
use crate::limits;

/// The documents of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Finding> {
    let mut parser = Parser::new_from_str(text);
    let mut tree = Tree::default();
    while let Some(event) = parser.next_event() {
        // The parser's own words may quote a character of the text, never more.
        let (event, span) = event.map_err(|error| {
            let message = format!(
                "not YAML: {}; a text with special characters needs quotes",
                error.info()
            );
            Finding::at(place(*error.marker()), message)
        })?;
        let place = place(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            Event::Alias(_) => return Err(anchored(place)),
            Event::Scalar(text, style, anchor, tag) => {
                let as_text = check_properties(anchor, tag.as_deref(), place)?;
                let plain = style == ScalarStyle::Plain && !as_text;
                let content = if plain && is_null(&text) {
                    None
                } else {
                    Some(text.into_owned())
                };
                tree.scalar(content, plain, place)?;
            }
            Event::SequenceStart(anchor, tag) => {
                check_properties(anchor, tag.as_deref(), place)?;
                tree.open(Content::Sequence(Vec::new()), place)?;
            }
            Event::MappingStart(anchor, tag) => {
                check_properties(anchor, tag.as_deref(), place)?;
                tree.open(Content::Mapping(Vec::new()), place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => tree.close()?,
        }
    }
    Ok(tree.documents)
}

/// What has been read, and the collections that are still open, outermost first.
#[derive(Default)]
struct Tree {
    documents: Vec<Node>,
    open: Vec<Open>,
}

struct Open {
    node: Node,
    /// In a mapping: the key whose value comes next.
    key: Option<(String, Place)>,
}

impl Tree {
    fn scalar(&mut self, text: Option<String>, plain: bool, place: Place) -> Result<(), Finding> {
        let node = match text {
            Some(text) => Node::scalar(text, plain, Some(place)),
            None => Node::new(Content::Null, Some(place)),
        };
        self.attach(node, place)
    }

    fn open(&mut self, content: Content, place: Place) -> Result<(), Finding> {
        if self.open.len() >= limits::CONFIGURATION_DEPTH {
            let message = format!("nested deeper than {}", limits::CONFIGURATION_DEPTH);
            return Err(Finding::at(place, message));
        }
        let node = Node::new(content, Some(place));
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Finding> {
        let Some(Open { node, .. }) = self.open.pop() else {
            return Ok(());
        };
        if let Content::Mapping(entries) = &node.content {
            refuse_repeated_keys(entries)?;
        }
        let place = node.place.unwrap_or(Place { line: 1, column: 1 });
        self.attach(node, place)
    }

    fn attach(&mut self, value: Node, place: Place) -> Result<(), Finding> {
        let Some(Open { node, key }) = self.open.last_mut() else {
            self.documents.push(value);
            return Ok(());
        };
        match &mut node.content {
            Content::Sequence(items) => items.push(value),
            Content::Mapping(entries) => match key.take() {
                Some((key, place)) => entries.push(Entry {
                    key,
                    place: Some(place),
                    value,
                }),
                None => match value.content {
                    // One would be a key of its own under `transform`.
                    Content::Scalar(text) if value.plain && text.expose() == "<<" => {
                        let message = "merge keys (<<) are not supported: write the values out";
                        return Err(Finding::at(place, message));
                    }
                    Content::Scalar(text) => *key = Some((text.expose().clone(), place)),
                    _ => return Err(Finding::at(place, "a key must be a word")),
                },
            },
            Content::Null | Content::Scalar(_) => {}
        }
        Ok(())
    }
}

/// Whether a tag says that the scalar is text, whatever it looks like.
fn check_properties(anchor: usize, tag: Option<&Tag>, place: Place) -> Result<bool, Finding> {
    if anchor != 0 {
        return Err(anchored(place));
    }
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "str" => Ok(true),
            "int" | "float" | "bool" | "null" | "seq" | "map" => Ok(false),
            _ => Err(Finding::at(
                place,
                "this tag is not supported: write the value without it",
            )),
        },
        Some(_) => Err(Finding::at(place, "tags are not supported: write the value without it")),
    }
}

fn anchored(place: Place) -> Finding {
    Finding::at(
        place,
        "anchors (&name) and aliases (*name) are not supported: write the value out; a text that begins with & or * needs quotes",
    )
}

/// The core schema's null (YAML 1.2.2, section 10.3.2).
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn place(marker: Marker) -> Place {
    Place {
        line: marker.line(),
        column: marker.col().saturating_add(1),
    }
}
