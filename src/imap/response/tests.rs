//! LIST, as servers write it.

use super::{Parsed, Response, read};

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
