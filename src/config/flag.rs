//! Truth values.

use super::node::{Content, Node};

/// The flag of a scalar: YAML 1.1's words, which yaml.v3 takes for a flag as well; in arguments, which the original reads
/// otherwise, Go's too. Empty text is not set.
pub(super) fn flag(node: &Node) -> Option<bool> {
    let Content::Scalar(text) = &node.content else {
        return None;
    };
    let is_argument = node.place.is_none();
    match text.expose().to_ascii_lowercase().as_str() {
        "" | "false" | "no" | "off" | "n" => Some(false),
        "true" | "yes" | "on" | "y" => Some(true),
        "0" | "f" if is_argument => Some(false),
        "1" | "t" if is_argument => Some(true),
        _ => None,
    }
}
