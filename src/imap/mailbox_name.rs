//! Mailbox names as they travel: modified UTF-7 (RFC 3501 section 5.1.3), which is ASCII with `&` for everything else.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The name of a mailbox: as people read it, and as the server writes it. A server may write names that are not modified
/// UTF-7; those are sent back byte for byte, or the mailbox could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName {
    shown: String,
    wire: Vec<u8>,
}

impl MailboxName {
    /// The mailbox that is called `name` (decoded).
    ///
    /// INBOX is the one name without case (RFC 3501 section 5.1). It is written one way here, because checkpoint and event
    /// ids are made of it: a new spelling must not begin anew.
    pub fn new(name: &str) -> MailboxName {
        let name = if name.eq_ignore_ascii_case("INBOX") {
            "INBOX"
        } else {
            name
        };
        MailboxName {
            shown: name.to_owned(),
            wire: encode(name).into_bytes(),
        }
    }

    /// The mailbox that the server writes as `wire`.
    pub fn from_wire(wire: &[u8]) -> MailboxName {
        match std::str::from_utf8(wire).ok().and_then(decode) {
            Some(name) => MailboxName::new(&name),
            None => MailboxName {
                shown: escaped(wire),
                wire: wire.to_vec(),
            },
        }
    }

    /// As people read it; also what checkpoints and event ids are made of. What the server wrote in some other way than
    /// modified UTF-7 is shown as it was written, bytes that are no UTF-8 as `\xFF`.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The same name as servers write it that take UTF-8 for what it is and have not heard of modified UTF-7; `None` where
    /// that is no other way.
    pub fn in_utf_8(&self) -> Option<MailboxName> {
        let differs = self.wire != self.shown.as_bytes() && self.wire == encode(&self.shown).as_bytes();
        let can_be_sent = !self.shown.contains(char::is_control);
        (differs && can_be_sent).then(|| MailboxName {
            shown: self.shown.clone(),
            wire: self.shown.clone().into_bytes(),
        })
    }

    /// As the server writes it.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// `bytes` as text, and what is no text as `\xFF`.
fn escaped(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |text, chunk| {
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}"));
        text + chunk.valid() + &invalid.collect::<String>()
    })
}

/// `name` in modified UTF-7. The result is printable ASCII, whatever the name holds: no line end can get through.
pub fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for character in name.chars() {
        if !matches!(character, ' '..='~') {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shifted.extend_from_slice(&unit.to_be_bytes());
            }
            continue;
        }
        unshift(&mut encoded, &mut shifted);
        encoded.push(character);
        if character == '&' {
            encoded.push('-');
        }
    }
    unshift(&mut encoded, &mut shifted);
    encoded
}

fn unshift(encoded: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        encoded.push('&');
        BASE64.encode_string(&shifted, encoded);
        encoded.push('-');
        shifted.clear();
    }
}

/// The name that `encoded` stands for; `None` when it is not modified UTF-7, or not the only way to write its name (two
/// spellings of one mailbox would be two mailboxes to us and one to the server).
pub fn decode(encoded: &str) -> Option<String> {
    let mut name = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((plain, shifted)) = rest.split_once('&') {
        name.push_str(plain);
        let (shifted, behind) = shifted.split_once('-')?;
        if shifted.is_empty() {
            name.push('&');
        } else {
            let bytes = BASE64.decode(shifted).ok()?;
            let (units, []) = bytes.as_chunks::<2>() else {
                return None;
            };
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            name.extend(char::decode_utf16(units).collect::<Result<String, _>>().ok());
        }
        rest = behind;
    }
    name.push_str(rest);
    (encode(&name) == encoded).then_some(name)
}

#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let encoded = encode(&text);
    assert!(
        encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "printable ASCII"
    );
    assert_eq!(
        decode(&encoded).as_deref(),
        Some(&*text),
        "what was encoded can be decoded"
    );
    if let Some(name) = decode(&text) {
        assert_eq!(encode(&name), text, "one name, one spelling");
    }
    let name = MailboxName::from_wire(data);
    let inbox = data.eq_ignore_ascii_case(b"INBOX");
    assert!(name.wire() == data || inbox, "the server gets back what it wrote");
    assert_eq!(
        name == MailboxName::new(name.as_str()),
        name.wire().is_ascii() && decode(&text).is_some()
    );
    if let Some(raw) = MailboxName::new(&text).in_utf_8() {
        assert_eq!((raw.as_str(), raw.wire()), (&*text, text.as_bytes()));
        assert!(raw.in_utf_8().is_none(), "there is no third way");
    }
}

#[cfg(test)]
mod tests {
    use super::{MailboxName, decode, encode, fuzz};

    #[test]
    fn names_travel_both_ways() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            ("", ""),
            ("Tom & Jerry", "Tom &- Jerry"),
            ("&", "&-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("受信箱", "&U9dP4Xux-"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a📧b", "a&2D3c5w-b"),
            ("é&é", "&AOk-&-&AOk-"),
            ("a\r\nb\0", "a&AA0ACg-b&AAA-"),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(name), "{encoded}");
            fuzz(name.as_bytes());
        }
    }

    #[test]
    fn what_is_no_modified_utf_7_is_no_name() {
        for wrong in [
            "&",
            "&AO",
            "&A-",
            "&AO-",
            "&*-",
            "&2D0-",
            "&AGE-",
            "é",
            "a\nb",
            "&AOk-&AOk-",
            "&AOl-",
            "&AOk=-",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
            fuzz(wrong.as_bytes());
        }
    }

    #[test]
    fn a_name_that_is_no_modified_utf_7_goes_back_to_the_server_byte_for_byte() {
        for (wire, shown) in [
            (&b"R&D"[..], "R&D"),
            ("Entwürfe".as_bytes(), "Entwürfe"),
            (b"Entw\xfcrfe", "Entw\\xFCrfe"),
            (b"&AOk-&AOk-", "&AOk-&AOk-"),
        ] {
            let name = MailboxName::from_wire(wire);
            assert_eq!((name.wire(), name.as_str()), (wire, shown));
            assert_ne!(name, MailboxName::new(shown), "its namesake is another mailbox");
            fuzz(wire);
        }
        let name = MailboxName::from_wire(b"Entw&APw-rfe");
        assert_eq!((name.as_str(), &name), ("Entwürfe", &MailboxName::new("Entwürfe")));
    }

    #[test]
    fn a_name_has_one_other_spelling_where_it_is_not_plain_ascii() {
        for (name, raw) in [
            ("Entwürfe", Some("Entwürfe")),
            ("R&D", Some("R&D")),
            ("INBOX", None),
            ("a\r\né", None),
        ] {
            let other = MailboxName::new(name).in_utf_8();
            assert_eq!(other.as_ref().map(MailboxName::wire), raw.map(str::as_bytes), "{name}");
            assert!(other.is_none_or(|other| other.as_str() == name), "{name}");
        }
        for wire in [&b"Entw\xfcrfe"[..], "Entwürfe".as_bytes(), b"R&D"] {
            assert_eq!(MailboxName::from_wire(wire).in_utf_8(), None, "as the server wrote it");
        }
    }

    #[test]
    fn inbox_is_one_mailbox_however_it_is_spelt() {
        for spelling in ["INBOX", "inbox", "Inbox"] {
            assert_eq!(MailboxName::new(spelling).as_str(), "INBOX");
            assert_eq!(MailboxName::from_wire(spelling.as_bytes()).wire(), b"INBOX");
            fuzz(spelling.as_bytes());
        }
        assert_eq!(MailboxName::new("inbox/Sub").as_str(), "inbox/Sub");
    }
}
