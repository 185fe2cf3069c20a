//! UTF-7 (RFC 2152), which hides `<script>` as `+ADw-script+AD4-` from whoever does not decode it.
//!
//! Deviation: a `+` that no base64 follows is a plus sign; the RFC calls it ill-formed, people write it.

use std::mem;

use crate::mime::sextet;

/// A streaming decoder.
#[derive(Default)]
pub(super) struct Utf7 {
    /// After `+`, until something that is not base64.
    shifted: bool,
    /// Whether base64 has followed the `+`.
    begun: bool,
    /// Bits that make no UTF-16 unit yet, and their number, under 16.
    bits: u32,
    count: u8,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Utf7 {
    /// True when something became U+FFFD.
    pub(super) fn feed(&mut self, input: &[u8], output: &mut String) -> bool {
        let mut replaced = false;
        for byte in input {
            replaced |= self.byte(*byte, output);
        }
        replaced
    }

    /// True when the text ended in U+FFFD.
    pub(super) fn finish(&mut self, output: &mut String) -> bool {
        self.shifted && self.unshift(output)
    }

    fn byte(&mut self, byte: u8, output: &mut String) -> bool {
        let mut replaced = false;
        if self.shifted {
            if let Some(sextet) = sextet::value(byte) {
                self.begun = true;
                return self.sextet(sextet, output);
            }
            replaced = self.unshift(output);
            // It only ends the base64; of `+-`, the plus sign is out already.
            if byte == b'-' {
                return replaced;
            }
        }
        match byte {
            b'+' => self.shifted = true,
            0..0x80 => output.push(char::from(byte)),
            _ => {
                output.push(char::REPLACEMENT_CHARACTER);
                replaced = true;
            }
        }
        replaced
    }

    fn sextet(&mut self, sextet: u8, output: &mut String) -> bool {
        self.bits = self.bits.wrapping_shl(6) | u32::from(sextet);
        self.count = self.count.saturating_add(6);
        let Some(rest) = self.count.checked_sub(16) else {
            return false;
        };
        let unit = self.bits.wrapping_shr(u32::from(rest)) & 0xFFFF;
        self.count = rest;
        self.bits &= 1_u32.wrapping_shl(u32::from(rest)).saturating_sub(1);
        self.unit(u16::try_from(unit).unwrap_or_default(), output)
    }

    fn unit(&mut self, unit: u16, output: &mut String) -> bool {
        if let Some(high) = self.high.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                output.push(character);
                return false;
            }
            output.push(char::REPLACEMENT_CHARACTER);
            self.unit(unit, output);
            return true;
        }
        match char::from_u32(u32::from(unit)) {
            Some(character) => output.push(character),
            None if unit < 0xDC00 => self.high = Some(unit),
            None => {
                output.push(char::REPLACEMENT_CHARACTER);
                return true;
            }
        }
        false
    }

    /// Base64 has ended. True when it ended inside a character: RFC 2152 wants the bits left over to be zero, under six.
    fn unshift(&mut self, output: &mut String) -> bool {
        let ended = mem::take(self);
        if !ended.begun {
            output.push('+');
            return false;
        }
        let broken = ended.high.is_some() || ended.count >= 6 || ended.bits != 0;
        if broken {
            output.push(char::REPLACEMENT_CHARACTER);
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::Utf7;

    fn decode(pieces: &[&[u8]]) -> (String, bool) {
        let (mut decoder, mut output) = (Utf7::default(), String::new());
        let replaced = pieces
            .iter()
            .fold(false, |replaced, piece| decoder.feed(piece, &mut output) | replaced);
        let replaced = decoder.finish(&mut output) | replaced;
        (output, replaced)
    }

    #[test]
    fn rfc_2152_examples_and_what_mail_makes_of_them() {
        for (text, expected, replaced) in [
            ("A+ImIDkQ.", "A≢Α.", false),
            ("Hi Mom -+Jjo--!", "Hi Mom -☺-!", false),
            ("+ZeVnLIqe-", "日本語", false),
            ("Item 3 is +AKM-1.", "Item 3 is £1.", false),
            ("1 +- 1", "1 + 1", false),
            ("1 + 1", "1 + 1", false),
            ("+ADw-script+AD4-alert(1)", "<script>alert(1)", false),
            ("+ADw-a+AD4--", "<a>-", false),
            ("+2D3eAA-", "😀", false),
            ("+AOQ", "ä", false),
            ("+AOQ\r\n+APY-", "ä\r\nö", false),
            ("ends in +", "ends in +", false),
            ("+AO-x", "\u{FFFD}x", true),
            ("+AOR-x", "ä\u{FFFD}x", true),
            ("+2D0-x", "\u{FFFD}x", true),
            ("+2D0AYQ-x", "\u{FFFD}ax", true),
            ("+3gA-x", "\u{FFFD}x", true),
            ("+2D3YPd4A-x", "\u{FFFD}😀x", true),
            ("C++ x", "C\u{FFFD} x", true),
            ("\u{e4}", "\u{FFFD}\u{FFFD}", true),
        ] {
            assert_eq!(decode(&[text.as_bytes()]), (expected.to_owned(), replaced), "{text}");
            for cut in 0..=text.len() {
                let (before, after) = text.as_bytes().split_at(cut);
                assert_eq!(decode(&[before, after]).0, expected, "{text} cut at {cut}");
            }
        }
    }
}
