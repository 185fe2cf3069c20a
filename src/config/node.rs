//! A configuration text as a tree. Scalars stay the text they were written as (`password: 0123` is `0123`): what
//! they mean is decided by the key that holds them.

use std::collections::HashSet;
use std::fmt;

use super::nearest::shown;
use crate::secret::Secret;

/// One value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub content: Content,
    /// A scalar that stands without quotes: a number or truth value where it reads like one.
    pub plain: bool,
    /// `None` for `key=value` arguments.
    pub place: Option<Place>,
}

/// Any scalar may be a password, so none of them can be printed.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Null,
    Scalar(Secret<String>),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// `key: value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Option<Place>,
    pub value: Node,
}

/// A position in the text, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

/// What was found in a configuration, and where. Values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub place: Option<Place>,
    pub message: String,
}

impl Node {
    /// Anything but a scalar.
    pub fn new(content: Content, place: Option<Place>) -> Node {
        Node {
            content,
            plain: false,
            place,
        }
    }

    /// A scalar, and whether it stands without quotes.
    pub fn scalar(text: String, plain: bool, place: Option<Place>) -> Node {
        Node {
            content: Content::Scalar(Secret::new(text)),
            plain,
            place,
        }
    }

    /// What stands under `key`, unless that is null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Content::Mapping(entries) = &self.content else {
            return None;
        };
        entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|value| !matches!(value.content, Content::Null))
    }

    /// What it is, in words for an error.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Scalar(_) => "text",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a section",
        }
    }

    /// Whether it says as much as its absence: null, empty text, an empty list, or a section of such values. The
    /// original writes its unset options this way.
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Null => true,
            Content::Scalar(text) => text.expose().is_empty(),
            Content::Sequence(items) => items.is_empty(),
            Content::Mapping(entries) => entries.iter().all(|entry| entry.value.is_empty()),
        }
    }
}

impl Finding {
    /// A finding at `place`.
    pub fn at(place: impl Into<Option<Place>>, message: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// Of two equal keys one reader takes the first and another the last; a configuration must not depend on that.
pub(super) fn refuse_repeated_keys(entries: &[Entry]) -> Result<(), Finding> {
    let mut seen = HashSet::new();
    match entries.iter().find(|entry| !seen.insert(entry.key.as_str())) {
        Some(entry) => Err(Finding::at(
            entry.place,
            format!("`{}` is set twice", shown(&entry.key)),
        )),
        None => Ok(()),
    }
}
