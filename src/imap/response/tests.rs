//! LIST, as servers write it.

use super::{Parsed, Response, read};
use crate::limits::{IMAP_ATTRIBUTES, IMAP_CAPABILITIES, IMAP_CAPABILITY};

/// Attributes, delimiter and name.
fn listed(line: &[u8]) -> Option<(Vec<String>, Option<String>, Vec<u8>)> {
    match read(line) {
        Ok(Parsed::Complete(Response::List(listed))) => {
            Some((listed.attributes, listed.delimiter, listed.name.wire().to_vec()))
        }
        _ => None,
    }
}

#[test]
fn a_listed_mailbox_is_read_however_its_name_is_written() {
    for (line, attributes, delimiter, name) in [
        (
            &b"* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent \\\"Items\\\"\""[..],
            &["\\HASNOCHILDREN", "\\SENT"][..],
            Some("/"),
            &b"Sent \"Items\""[..],
        ),
        (b"* list () NIL inbox", &[], None, b"INBOX"),
        (b"* LIST () \".\" {3}\nA B", &[], Some("."), b"A B"),
        (b"* LIST () \"\\\\\" \"Entw\xfcrfe\"", &[], Some("\\"), b"Entw\xfcrfe"),
        (
            b"* LIST (\\NonExistent) \"/\" [Gmail]/All (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            &["\\NONEXISTENT"],
            Some("/"),
            b"[Gmail]/All",
        ),
        (b"* LIST (\\Noselect) \"/\" \"\"", &["\\NOSELECT"], Some("/"), b""),
    ] {
        let attributes = attributes.iter().map(ToString::to_string).collect();
        let expected = (attributes, delimiter.map(str::to_owned), name.to_vec());
        assert_eq!(listed(line), Some(expected), "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn what_is_no_listing_names_no_mailbox() {
    for line in [
        &b"* LIST"[..],
        b"* LIST \"/\" A",
        b"* LIST () \"/\"",
        b"* LIST ((\\A)) \"/\" A",
        b"* LIST (\\A \"/\" A",
        b"* LSUB () \"/\" A",
    ] {
        assert_eq!(listed(line), None, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn names_beyond_their_number_or_length_are_not_kept() {
    for (number, kept) in [
        (IMAP_CAPABILITIES - 1, IMAP_CAPABILITIES - 1),
        (IMAP_CAPABILITIES, IMAP_CAPABILITIES),
        (IMAP_CAPABILITIES + 1, IMAP_CAPABILITIES),
    ] {
        let line = format!("* CAPABILITY{}", " x".repeat(number));
        let Ok(Parsed::Complete(Response::Capability(capabilities))) = read(line.as_bytes()) else {
            panic!("{line}")
        };
        assert_eq!(capabilities.0.len(), kept);
    }
    for (number, kept) in [
        (IMAP_ATTRIBUTES - 1, IMAP_ATTRIBUTES - 1),
        (IMAP_ATTRIBUTES, IMAP_ATTRIBUTES),
        (IMAP_ATTRIBUTES + 1, IMAP_ATTRIBUTES),
    ] {
        let line = format!("* LIST ({}) \"/\" A", "\\x ".repeat(number).trim_end());
        assert_eq!(listed(line.as_bytes()).unwrap().0.len(), kept);
    }
    for (length, kept) in [(IMAP_CAPABILITY - 1, 2), (IMAP_CAPABILITY, 2), (IMAP_CAPABILITY + 1, 1)] {
        let name = "x".repeat(length);
        let Ok(Parsed::Complete(Response::Capability(capabilities))) =
            read(format!("* CAPABILITY {name} IDLE").as_bytes())
        else {
            panic!("{name}")
        };
        assert_eq!(capabilities.0.len(), kept);
        assert!(capabilities.has("IDLE"));
        let line = format!("* LIST ({name} y) \"/\" A");
        assert_eq!(listed(line.as_bytes()).unwrap().0.len(), kept);
    }
}
