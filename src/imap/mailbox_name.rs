//! Mailbox names as they travel: modified UTF-7 (RFC 3501 section 5.1.3), which is ASCII with `&` for everything else.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

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
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, fuzz};

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
        }
    }
}
