//! Whether a `PGP MESSAGE` is encrypted (RFC 9580, 6.2 and 10.3). One that is signed, compressed or plain is content, which
//! gpg prints without any key; and it does so behind session keys that open nothing.

use super::anomaly::Flag;
use super::sextet;
use crate::limits;

/// Follows a message from the line behind `-----BEGIN PGP MESSAGE` to the packet that decides. As gpg does, it passes over
/// characters outside the alphabet.
#[derive(Debug, Default)]
pub(super) struct Armor {
    /// Whether its headers are over.
    body: bool,
    /// The last bits of its characters, of which so many are of an octet to come.
    bits: u32,
    pending: u32,
    place: Place,
}

/// Where in a packet.
#[derive(Debug, Default, Clone, Copy)]
enum Place {
    #[default]
    Header,
    /// At the first octet of a length that is not in the legacy format.
    FirstOfLength,
    /// In a length: what it is so far, octets to come, and what is added in the end.
    Length(u32, u8, u32),
    /// In the content of a packet: octets to come.
    Content(u32),
}

impl Armor {
    /// The next line, and the flag for the message if it decides.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<Flag> {
        if !self.body {
            let header = memchr::memchr(b':', line).and_then(|colon| line.get(colon.saturating_add(1)));
            if header == Some(&b' ') {
                return None;
            }
            self.body = true;
        }
        for byte in line {
            if *byte == b'=' {
                return Some(Flag::Encrypted); // the end of it
            }
            let Some(sextet) = sextet::value(*byte) else { continue };
            self.bits = self.bits.wrapping_shl(6) | u32::from(sextet);
            self.pending = self.pending.saturating_add(6);
            if let Some(pending) = self.pending.checked_sub(8) {
                self.pending = pending;
                let [.., octet] = self.bits.wrapping_shr(pending).to_be_bytes();
                if let Some(flag) = self.octet(octet) {
                    return Some(flag);
                }
            }
        }
        // Of so long a line only the beginning is here; writers end them at 76 characters (RFC 9580, 6.2).
        (line.len() >= limits::EMBEDDED_LINE).then_some(Flag::EmbeddedEncoding)
    }

    /// RFC 9580, 4.2: an octet with the type of the packet, then its length. Session keys (types 1 and 3) stand before the
    /// data that they encrypt (9, 18, or 20, which gpg added); before anything else they mean nothing.
    fn octet(&mut self, octet: u8) -> Option<Flag> {
        self.place = match self.place {
            Place::Header if octet < 0x80 => return Some(Flag::Encrypted), // no packet: nobody reads on
            Place::Header => {
                let legacy = octet < 0xc0;
                let packet = if legacy { (octet >> 2) & 0x0f } else { octet & 0x3f };
                match (packet, legacy, octet & 3) {
                    (9 | 18 | 20, ..) => return Some(Flag::Encrypted),
                    (1 | 3, false, _) => Place::FirstOfLength,
                    (1 | 3, true, 0) => Place::Length(0, 1, 0),
                    (1 | 3, true, 1) => Place::Length(0, 2, 0),
                    (1 | 3, true, 2) => Place::Length(0, 4, 0),
                    _ => return Some(Flag::EmbeddedEncoding),
                }
            }
            Place::FirstOfLength => match octet {
                0..192 => Place::content(octet.into()),
                192..224 => Place::Length(u32::from(octet & 0x1f), 1, 192),
                224..255 => return Some(Flag::EmbeddedEncoding), // a piece of a packet, which only data has
                255 => Place::Length(0, 4, 0),
            },
            Place::Length(length, left, more) => {
                let length = length.wrapping_shl(8) | u32::from(octet);
                match left {
                    0 | 1 => Place::content(length.saturating_add(more)),
                    _ => Place::Length(length, left.saturating_sub(1), more),
                }
            }
            Place::Content(left) => Place::content(left.saturating_sub(1)),
        };
        None
    }
}

impl Place {
    fn content(left: u32) -> Place {
        if left == 0 { Place::Header } else { Place::Content(left) }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::Armor;
    use crate::mime::anomaly::Flag::{self, EmbeddedEncoding, Encrypted};

    fn flag(text: &str) -> Option<Flag> {
        let mut armor = Armor::default();
        text.lines().find_map(|line| armor.line(line.as_bytes()))
    }

    const LITERAL: &[u8] = b"\xcb\x0at\0\0\0\0\0evil";

    #[test]
    fn the_first_packet_that_is_no_session_key_decides() {
        let long = |header: &[u8], length: usize| [header, &[0xcb].repeat(length)].concat();
        for (before, expected) in [
            (b"".to_vec(), Some(EmbeddedEncoding)),
            (b"\xca\x03PGP".to_vec(), Some(EmbeddedEncoding)),
            (b"\x90\x0d\x03\0".to_vec(), Some(EmbeddedEncoding)),
            (b"\xa3".to_vec(), Some(EmbeddedEncoding)),
            (b"\xd2\x30\x01".to_vec(), Some(Encrypted)),
            (b"\xd4\x30\x01".to_vec(), Some(Encrypted)),
            (b"\xa4\x30\x01".to_vec(), Some(Encrypted)),
            (b"\x4b".to_vec(), Some(Encrypted)),
            (long(b"\xc1\xff\0\0\xff\xff", 768), Some(EmbeddedEncoding)),
            (b"\xc1\x01x".to_vec(), Some(EmbeddedEncoding)),
            (b"\xc3\0".to_vec(), Some(EmbeddedEncoding)),
            (b"\xc3\x02xx\xc1\x01x\xd2".to_vec(), Some(Encrypted)),
            (b"\xc1\xe0".to_vec(), Some(EmbeddedEncoding)),
            (b"\x87".to_vec(), Some(EmbeddedEncoding)),
            (long(b"\x84\x0c", 12), Some(EmbeddedEncoding)),
            (long(b"\x85\x01\x0c", 268), Some(EmbeddedEncoding)),
            (long(b"\x86\0\0\x01\x0c", 268), Some(EmbeddedEncoding)),
            (long(b"\xc1\xc0\x4c", 268), Some(EmbeddedEncoding)),
            (long(b"\xc1\xff\0\0\x01\x0c", 268), Some(EmbeddedEncoding)),
            (long(b"\xc1\xff\0\0\x01\x0c", 254), None),
            (long(b"\xc1\xff\xff\xff\xff\xff", 700), None),
        ] {
            let message = STANDARD.encode([&before, LITERAL].concat());
            assert_eq!(
                flag(message.trim_end_matches('=')),
                expected,
                "{}",
                before.escape_ascii()
            );
        }
    }

    #[test]
    fn headers_blank_lines_and_junk_are_passed_over() {
        for (text, expected) in [
            ("Version: y0\nComment: y0\n\nhQEMA", None),
            ("Version: hQ\n \t\ny0NiCGV2aWwuZXhl", Some(EmbeddedEncoding)),
            ("y0NiCGV2aWwuZXhl", Some(EmbeddedEncoding)),
            ("\ny\n.: 0NiCGV2aWwuZXhl", Some(EmbeddedEncoding)),
            ("y:0NiCGV2aWwuZXhl", Some(EmbeddedEncoding)),
            ("\nblah, blah", Some(Encrypted)),
            ("\n-----END PGP MESSAGE-----", Some(Encrypted)),
            ("\nwQ\n=y0Ni", Some(Encrypted)),
            ("Version: 1\n", None),
        ] {
            assert_eq!(flag(text), expected, "{text:?}");
        }
    }
}
