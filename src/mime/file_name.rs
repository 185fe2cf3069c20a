//! What of a decoded file name counts: it has no path, and nothing that does not show or that a file system drops.

use crate::hidden::is_hidden;
use crate::mime::parameter::Parameterized;

/// RFC 2183, section 2.3: only the last component counts, on any system: separators of Unix and Windows, a drive letter.
/// What does not show is removed, so that `exe.<right-to-left override>txt` cannot pass for what it is not. Windows drops
/// dots and spaces at the end, so they hide an extension there.
pub(crate) fn clean(raw: &str) -> String {
    let shown: String = raw.chars().filter(|character| !is_invisible(*character)).collect();
    let components = shown.rsplit(['/', '\\']).map(bare);
    components
        .into_iter()
        .find(|component| !component.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// A component without a drive letter, and without what Windows would drop.
fn bare(component: &str) -> &str {
    let mut name = component.trim_start();
    // `c:d:name` would be a path again without its first letter.
    while let [letter, b':', ..] = name.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        name = name.get(2..).unwrap_or_default().trim_start();
    }
    name.trim_end_matches(|character: char| character == '.' || character.is_whitespace())
}

/// What a reader does not see; the joiners stay, which are letters' business in Persian and Hindi.
pub(crate) fn is_invisible(character: char) -> bool {
    is_hidden(character) && !matches!(character, '\u{200c}' | '\u{200d}')
}

/// Whether a clean name has one of these extensions, in whatever case.
pub(super) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, own)| extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension)))
}

/// The names that readers go by: Content-Disposition's, which counts, then Content-Type's; where a parameter is there in
/// RFC 2231's form as well, its plain form after that.
pub(super) fn names(content_type: &Parameterized, disposition: Option<&Parameterized>) -> Vec<String> {
    let disposition = disposition.map(|disposition| (disposition, "filename"));
    let mut names = Vec::new();
    for (value, name) in disposition.into_iter().chain([(content_type, "name")]) {
        let Some(plain) = value.parameter(name) else { continue };
        let text = value.raw_text(name, None).unwrap_or_default();
        names.push(clean(&text));
        if plain != text.as_bytes() {
            names.push(clean(&String::from_utf8_lossy(plain)));
        }
    }
    names
}
