//! What signed content is: a part of the mail (RFC 8551, 3.1), or a file that somebody signed (`CAdES`, ETSI EN 319 122-1), as
//! certified mail carries every invoice, `….xml.p7m`. Nothing in the object tells; its name and how the content begins do.

use crate::mime::opening::Opening;

/// What signed content is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mime) enum Nature {
    /// A header, and what it describes.
    Entity,
    /// Bytes, whatever they are.
    File,
}

/// What content is that begins with `beginning`, by the object's name without its extension; and whether readers differ.
pub(in crate::mime) fn nature(stem: Option<&str>, beginning: &[u8]) -> (Nature, bool) {
    let is_header = begins_like_header(beginning) || Opening::default().feed(beginning) == Some(true);
    match stem.filter(|stem| !stem.eq_ignore_ascii_case("smime")) {
        Some(stem) if stem.contains('.') => (Nature::File, is_header),
        Some(_) if !is_header => (Nature::File, false),
        _ => (Nature::Entity, !is_header),
    }
}

/// An empty line, or a field whose name has what names have.
fn begins_like_header(beginning: &[u8]) -> bool {
    let name = beginning
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')));
    let after = beginning.get(name.unwrap_or_default()..).unwrap_or_default();
    match name {
        Some(0) => after.starts_with(b"\n") || after.starts_with(b"\r\n"),
        _ => after.trim_ascii_start().starts_with(b":"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Nature, nature};

    #[test]
    fn a_name_with_an_extension_of_its_own_or_content_without_a_header_makes_a_file() {
        let (entity, file) = ((Nature::Entity, false), (Nature::File, false));
        let (named, both, text) = ((Nature::File, false), (Nature::File, true), (Nature::Entity, true));
        for (stem, beginning, expected) in [
            (Some("smime"), "Content-Type: text/plain\r\n\r\nhi", entity),
            (Some("Smime"), "Subject: x\r\nContent-Type: text/html\r\n\r\nhi", entity),
            (None, "\r\nhi", entity),
            (None, "\nhi", entity),
            (None, "X-A : b\r\n\r\nhi", entity),
            (None, "MIME-Version: 1.0", entity),
            (Some("contract"), "Content-Disposition: inline\n\nhi", entity),
            (Some("contract"), "%PDF-1.7\n1 0 obj", file),
            (Some("contract"), "<?xml version=\"1.0\"?>\n", file),
            (Some("contract"), "<p:a xmlns:p=\"b\">\n", file),
            (Some("contract"), "PK\u{3}\u{4}: x", file),
            (Some("contract"), "no colon", file),
            (Some("contract"), ": no name", file),
            (Some("invoice.xml"), "<a/>\n", named),
            (Some("page.html"), "<a>\n\n", named),
            (Some("smime.v1"), "\npay\n", both),
            (Some("run.js"), "var: 1\n\nrun()\n", both),
            (Some("run.js"), "Content-Type: text/plain\n\nhi\n", both),
            (
                Some("run.js"),
                "MIME-Version: 1.0\nContent-Type: text/plain\n\nhi\n",
                both,
            ),
            (Some("smime"), "text without a header", text),
            (None, "X/Y: 1\nSubject: z\n\nhi", text),
        ] {
            assert_eq!(nature(stem, beginning.as_bytes()), expected, "{stem:?} {beginning:?}");
        }
    }
}
