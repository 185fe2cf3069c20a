//! What the text of an encoded word says: the B and the Q encoding (RFC 2047, section 4), keeping what is readable.

use crate::mime::sextet;

/// The B encoding, across words: some senders cut the base64 text itself into words.
#[derive(Default)]
pub struct Base64 {
    /// The bits of a group that is not complete, six for each character.
    bits: u32,
    /// Its characters, at most three.
    count: u8,
}

impl Base64 {
    /// Whether a group is not complete.
    pub fn is_open(&self) -> bool {
        self.count != 0
    }

    /// Decodes what is base64 in `text`; false when something was not. Padding ends a group, not the word: texts that
    /// were encoded apart and put together are read to their end.
    pub fn feed(&mut self, text: &[u8], output: &mut Vec<u8>) -> bool {
        let mut clean = true;
        let mut padding = 0_u8;
        for byte in text {
            let Some(six) = sextet::value(*byte) else {
                if *byte == b'=' {
                    // `=` is right only after the second and the third character of the last group, to fill it.
                    clean &= if padding == 0 {
                        self.count >= 2
                    } else {
                        padding == 1 && self.count == 2
                    };
                    padding = padding.saturating_add(1);
                } else {
                    clean = false;
                }
                continue;
            };
            if padding > 0 {
                clean = false;
                padding = 0;
                self.end(output);
            }
            self.bits = self.bits.wrapping_shl(6) | u32::from(six);
            self.count = self.count.saturating_add(1);
            if self.count == 4 {
                let [_, group @ ..] = self.bits.to_be_bytes();
                output.extend_from_slice(&group);
                *self = Base64::default();
            }
        }
        if padding > 0 {
            clean &= self.count.saturating_add(padding) == 4;
            self.end(output);
        }
        clean
    }

    /// The word has ended. Bits that make no whole byte are zero where an encoder left its padding out; where they are
    /// not, the next word goes on with the group. False when a group was not complete.
    pub fn end_word(&mut self, output: &mut Vec<u8>) -> bool {
        match self.count {
            0 => return true,
            2 if self.bits.trailing_zeros() >= 4 => self.end(output),
            3 if self.bits.trailing_zeros() >= 2 => self.end(output),
            _ => {}
        }
        false
    }

    /// No more: the whole bytes of the group.
    pub fn end(&mut self, output: &mut Vec<u8>) {
        match self.count {
            2 => output.extend(self.bits.wrapping_shr(4).to_be_bytes().last()),
            3 => output.extend(self.bits.wrapping_shr(2).to_be_bytes().get(2..).unwrap_or_default()),
            _ => {}
        }
        *self = Base64::default();
    }
}

/// The Q encoding; false when something in `text` should not be there. That stays as it is.
pub fn decode_q(text: &[u8], output: &mut Vec<u8>) -> bool {
    let mut clean = true;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => output.push(b' '),
            b'=' => {
                if let [high, low, ..] = bytes.as_slice()
                    && let Some(value) = hexadecimal(*high, *low)
                {
                    output.push(value);
                    bytes.nth(1);
                } else {
                    output.push(b'=');
                    clean = false;
                }
            }
            byte => {
                output.push(*byte);
                clean &= byte.is_ascii_graphic();
            }
        }
    }
    clean
}

/// The byte that two hexadecimal digits write.
pub fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digit(high)?.checked_mul(16)?.checked_add(digit(low)?)
}
