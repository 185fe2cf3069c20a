//! Every key there is and the shape of its value: LimaCharlie's for this adapter, and ours. A key that is not in these
//! tables is refused with the nearest one that is.

use std::fmt::Write as _;

use super::nearest::{nearest, shown};
use super::node::{Content, Entry, Finding, Node, refuse_repeated_keys};
use super::other_adapters;

/// What a value must be.
pub(super) enum Shape {
    /// Text; any scalar.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number, not negative.
    Number,
    /// One of [`IDENTITY_TYPES`], or empty.
    IdentityType,
    /// The keys of a section.
    Section(&'static [Key]),
    /// A list of such values.
    List(&'static Shape),
    /// A section of the operator's own keys, or one without meaning here.
    Free,
    /// A section of the operator's own keys, each with text.
    FreeText,
}

/// One key.
pub(super) type Key = (&'static str, Shape);

/// The top of a file.
pub(super) static DOCUMENT: Shape = Shape::Section(&[
    ("sensor_type", Shape::Text),
    ("imap", Shape::Section(IMAP_KEYS)),
    ("healthcheck", Shape::Text),
    ("cloud", CLOUD),
]);

/// `imap:`, which is also what `key=value` arguments fill.
pub(super) static IMAP: Shape = Shape::Section(IMAP_KEYS);

/// The keys of arguments, as they are written: those of sections with a dot, and none of lists or of the operator's own.
pub(super) fn of_arguments() -> Vec<String> {
    let mut written = Vec::new();
    add_keys("", IMAP_KEYS, &mut written);
    written
}

fn add_keys(path: &str, keys: &[Key], written: &mut Vec<String>) {
    for (key, shape) in keys {
        let key = join(path, key);
        match shape {
            Shape::Text | Shape::Flag | Shape::Number | Shape::IdentityType => written.push(key),
            Shape::Section(keys) => add_keys(&key, keys, written),
            Shape::List(_) | Shape::Free | Shape::FreeText => {}
        }
    }
}

const IMAP_KEYS: &[Key] = &[
    ("server", Shape::Text),
    ("username", Shape::Text),
    ("password", Shape::Text),
    ("inbox_name", Shape::Text),
    ("inbox_names", Shape::List(&Shape::Text)),
    ("max_connections", Shape::Number),
    ("is_insecure", Shape::Flag),
    ("from_zero", Shape::Flag),
    ("after_delivery", Shape::Text),
    ("include_attachments", Shape::Flag),
    ("max_body_size", Shape::Number),
    ("max_message_size", Shape::Number),
    ("attachment_ingest_key", Shape::Text),
    ("attachment_retention_days", Shape::Number),
    ("filters", Shape::List(&Shape::Free)),
    ("filter_mode", Shape::Text),
    ("client_options", CLIENT_OPTIONS),
    ("unwrap_journal", Shape::Flag),
    ("starttls", Shape::Flag),
    ("compress", Shape::Flag),
    ("auth", Shape::Text),
    ("oauth", OAUTH),
    ("ca_file", Shape::Text),
    ("tls_pin_sha256", Shape::Text),
    ("proxy", PROXY),
    ("state_dir", Shape::Text),
    ("shutdown_timeout", Shape::Text),
    ("healthcheck", Shape::Text),
];

/// What the original has instead of `mailtap cloud`.
const CLOUD: Shape = Shape::Section(&[
    ("oid", Shape::Text),
    ("conf_guid", Shape::Text),
    ("show_config", Shape::Flag),
]);

/// What `mailtap cloud` takes beside keys of its own.
pub(super) const WITH_PROXY: Shape = Shape::Section(&[("proxy", PROXY)]);

const OAUTH: Shape = Shape::Section(&[
    ("provider", Shape::Text),
    ("tenant", Shape::Text),
    ("token_url", Shape::Text),
    ("client_id", Shape::Text),
    ("client_secret", Shape::Text),
    ("refresh_token", Shape::Text),
    ("grant", Shape::Text),
    ("scope", Shape::Text),
]);

const CLIENT_OPTIONS: Shape = Shape::Section(&[
    ("identity", IDENTITY),
    ("platform", Shape::Text),
    ("sensor_seed_key", Shape::Text),
    ("hostname", Shape::Text),
    ("architecture", Shape::Text),
    ("mapping", MAPPING),
    ("mappings", Shape::List(&MAPPING)),
    ("indexing", Shape::List(&INDEX)),
    ("is_compressed", Shape::Flag),
    ("buffer_options", Shape::Free),
    ("dest_url", Shape::Text),
    ("proxy", PROXY),
    ("lc_secret", Shape::Text),
    ("headers", Shape::FreeText),
    ("signing_secret", Shape::Text),
    ("batch_events", Shape::Number),
]);

const IDENTITY: Shape = Shape::Section(&[("oid", Shape::Text), ("installation_key", Shape::Text)]);

pub(super) const MAPPING: Shape = Shape::Section(&[
    ("parsing_re", Shape::Text),
    ("parsing_grok", Shape::FreeText),
    ("sensor_key_path", Shape::Text),
    ("sensor_identity_type", Shape::IdentityType),
    ("sensor_hostname_path", Shape::Text),
    ("event_type_path", Shape::Text),
    ("event_time_path", Shape::Text),
    ("event_time_timezone", Shape::Text),
    ("investigation_id_path", Shape::Text),
    ("rename_only", Shape::Flag),
    ("mappings", Shape::List(&FIELD_MAPPING)),
    ("transform", Shape::Free),
    ("drop_fields", Shape::List(&Shape::Text)),
    ("sid_replication_path", Shape::Text),
]);

/// What `sensor_key_path` may lead to; the original refuses any other word.
const IDENTITY_TYPES: [&str; 5] = ["", "email", "username", "github_login", "device"];

const FIELD_MAPPING: Shape = Shape::Section(&[("src_field", Shape::Text), ("dst_field", Shape::Text)]);

pub(super) const INDEX: Shape = Shape::Section(&[
    ("events_included", Shape::List(&Shape::Text)),
    ("events_excluded", Shape::List(&Shape::Text)),
    ("path", Shape::Text),
    ("regexp", Shape::Text),
    ("index_type", Shape::Text),
]);

const PROXY: Shape = Shape::Section(&[
    ("url", Shape::Text),
    ("username", Shape::Text),
    ("password", Shape::Text),
    ("handshake_timeout", Shape::Text),
    ("connect_timeout", Shape::Text),
    ("read_write_timeout", Shape::Text),
]);

/// Refuses unknown keys and wrong shapes in `node`, the whole of a configuration.
pub(super) fn check(node: &Node, root: &'static Shape) -> Result<(), Finding> {
    check_node(node, root, "", root)
}

/// The same in a file's document, but for what is another adapter's.
pub(super) fn check_document(document: &Node) -> Result<(), Finding> {
    let (Content::Mapping(entries), Shape::Section(keys)) = (&document.content, &DOCUMENT) else {
        return check(document, &DOCUMENT);
    };
    let mut own = entries.iter().filter(|entry| !other_adapters::is_one(&entry.key));
    own.try_for_each(|entry| check_entry(entry, keys, "", &DOCUMENT))
}

fn check_node(node: &Node, shape: &Shape, path: &str, root: &'static Shape) -> Result<(), Finding> {
    let expected = match (&node.content, shape) {
        // Null is how the original writes what is not set.
        (Content::Null, _)
        | (Content::Mapping(_), Shape::Free)
        | (Content::Scalar(_), Shape::Text | Shape::Flag | Shape::Number) => return Ok(()),
        (Content::Scalar(word), Shape::IdentityType) if IDENTITY_TYPES.contains(&word.expose().as_str()) => {
            return Ok(());
        }
        (Content::Mapping(entries), Shape::Section(keys)) => {
            return entries
                .iter()
                .try_for_each(|entry| check_entry(entry, keys, path, root));
        }
        // A key of the operator's own may hold what is no name, as where the space behind a colon is missing.
        (Content::Mapping(entries), Shape::FreeText) => {
            return entries
                .iter()
                .try_for_each(|entry| check_node(&entry.value, &Shape::Text, &join(path, &shown(&entry.key)), root));
        }
        (Content::Sequence(items), Shape::List(item)) => {
            return items
                .iter()
                .enumerate()
                .try_for_each(|(number, node)| check_node(node, item, &format!("{path}[{number}]"), root));
        }
        (_, Shape::Text) => "text",
        (_, Shape::Flag) => "true or false",
        (_, Shape::Number) => "a whole number",
        (_, Shape::IdentityType) => "email, username, github_login or device",
        (_, Shape::Section(_) | Shape::Free | Shape::FreeText) => "a section of `key: value`",
        (_, Shape::List(_)) => "a list",
    };
    let path = if path.is_empty() { "the configuration" } else { path };
    let message = format!("{path}: expected {expected}, found {}", node.kind());
    Err(Finding::at(node.place, message))
}

fn check_entry(entry: &Entry, keys: &[Key], path: &str, root: &'static Shape) -> Result<(), Finding> {
    match keys.iter().find(|(name, _)| *name == entry.key) {
        Some((name, shape)) => check_node(&entry.value, shape, &join(path, name), root),
        None => Err(Finding::at(entry.place, unknown(path, &entry.key, keys, root))),
    }
}

/// Gives keys of `node` that differ from those of `shape` only by the case of their letters the case that they have there:
/// the original reads JSON this way, and arguments, but not YAML.
pub(super) fn fold_case(node: &mut Node, shape: &'static Shape) -> Result<(), Finding> {
    match &mut node.content {
        Content::Mapping(entries) => {
            for entry in &mut *entries {
                let (key, shape) = in_any_case(&entry.key, shape);
                let key = key.to_owned();
                fold_case(&mut entry.value, shape)?;
                entry.key = key;
            }
            refuse_repeated_keys(entries)
        }
        Content::Sequence(items) => items.iter_mut().try_for_each(|item| fold_case(item, item_of(shape))),
        Content::Null | Content::Scalar(_) => Ok(()),
    }
}

/// The known key of a section of `shape` that `key` is in any case of its letters, else `key`, and the shape of what stands
/// under it.
pub(super) fn in_any_case<'a>(key: &'a str, shape: &Shape) -> (&'a str, &'static Shape) {
    let known = match shape {
        Shape::Section(keys) => keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)),
        _ => None,
    };
    known.map_or((key, &Shape::Free), |(name, shape)| (*name, shape))
}

/// The shape of an item of a list of `shape`.
pub(super) fn item_of(shape: &Shape) -> &'static Shape {
    match shape {
        Shape::List(item) => item,
        _ => &Shape::Free,
    }
}

/// `path.key`, or `key` at the top.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn unknown(path: &str, key: &str, keys: &[Key], root: &'static Shape) -> String {
    let key = shown(key);
    let mut message = format!("{}: unknown key", join(path, &key));
    let is_here = |name: &str| keys.iter().any(|(known, _)| *known == name);
    let meant = OTHER_WORDS
        .iter()
        .filter(|(word, _)| *word == key)
        .map(|(_, name)| *name);
    let here = meant.clone().find(|name| is_here(name));
    let here = here.or_else(|| nearest(&key, keys.iter().map(|(name, _)| *name)));
    let with_underscores = key.replace('-', "_");
    let elsewhere = || {
        let mut names = meant.chain([with_underscores.as_str()]);
        names.find_map(|name| home_of(name, root, ""))
    };
    if let Some(place) = here.map(|name| join(path, name)).or_else(elsewhere) {
        let _ = write!(message, "; did you mean `{place}`?");
    }
    message
}

/// What other programs call them.
const OTHER_WORDS: [(&str, &str); 9] = [
    ("host", "server"),
    ("port", "server"),
    ("user", "username"),
    ("pass", "password"),
    ("mailbox", "inbox_name"),
    ("inbox", "inbox_name"),
    ("inboxes", "inbox_names"),
    ("url", "dest_url"),
    ("url", "token_url"),
];

/// The path of the first key called `key` in any section.
fn home_of(key: &str, shape: &Shape, path: &str) -> Option<String> {
    let Shape::Section(keys) = shape else {
        return None;
    };
    keys.iter().find_map(|(name, shape)| {
        let path = join(path, name);
        if *name == key {
            Some(path)
        } else {
            home_of(key, shape, &path)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{IMAP_KEYS, Key, Shape, join};

    /// Every key, as README writes it: `oauth` and `client_options.proxy` are told apart from the table, and the keys of what
    /// goes to LimaCharlie as it is are LimaCharlie's.
    fn add(path: &str, keys: &[Key], all: &mut BTreeSet<String>) {
        for (key, shape) in keys {
            let path = join(path, key);
            match shape {
                Shape::Section(keys)
                    if !["oauth", "client_options.proxy", "client_options.mapping"].contains(&path.as_str()) =>
                {
                    add(&path, keys, all);
                }
                _ => {
                    all.insert(path);
                }
            }
        }
    }

    #[test]
    fn readme_tells_every_key_and_no_other() {
        let mut keys = BTreeSet::new();
        add("", IMAP_KEYS, &mut keys);
        let readme = include_str!("../../README.md");
        let rows = readme
            .lines()
            .skip_while(|line| !line.starts_with("| key of `imap` |"))
            .skip(2);
        let cells = rows
            .take_while(|line| line.starts_with('|'))
            .filter_map(|line| line.split('|').nth(1));
        let told = cells.flat_map(|cell| cell.split(',').map(|key| key.trim().replace('`', "")));
        assert_eq!(told.collect::<BTreeSet<_>>(), keys);
        // Those of `oauth` are in its own paragraph.
        let Some((_, Shape::Section(oauth))) = IMAP_KEYS.iter().find(|(key, _)| *key == "oauth") else {
            panic!("a section")
        };
        for (key, _) in *oauth {
            assert!(
                readme.contains(&format!("`{key}`")) || readme.contains(&format!("`{key}: ")),
                "{key}"
            );
        }
    }
}
