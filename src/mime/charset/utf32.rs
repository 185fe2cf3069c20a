//! UTF-32, which no browser reads and so `encoding_rs` does not know. The byte order mark tells the byte order; else the
//! first character does, since one of its ends is zero (the highest character is U+10FFFF); else it is big-endian.

/// Decodes one text.
#[derive(Debug, Default)]
pub(super) struct Utf32 {
    little: Option<bool>,
    begun: bool,
    /// Bytes of the unit under way.
    unit: Vec<u8>,
}

impl Utf32 {
    /// With a byte order that the label tells; `None` where the text does.
    pub(super) fn new(little: Option<bool>) -> Utf32 {
        Utf32 {
            little,
            ..Utf32::default()
        }
    }

    /// Appends what `input` says; true when something became U+FFFD.
    pub(super) fn feed(&mut self, input: &[u8], output: &mut String) -> bool {
        let mut replaced = false;
        for byte in input {
            self.unit.push(*byte);
            if let [a, b, c, d] = *self.unit.as_slice() {
                self.unit.clear();
                let first = !std::mem::replace(&mut self.begun, true);
                let little = *self.little.get_or_insert((a, b) != (0, 0) && d == 0);
                let value = if little {
                    u32::from_le_bytes([a, b, c, d])
                } else {
                    u32::from_be_bytes([a, b, c, d])
                };
                let character = char::from_u32(value);
                replaced |= character.is_none();
                if !(first && character == Some('\u{FEFF}')) {
                    output.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
            }
        }
        replaced
    }

    /// The end of the text; true when half a character became U+FFFD.
    pub(super) fn finish(&mut self, output: &mut String) -> bool {
        let cut = !self.unit.is_empty();
        self.unit.clear();
        if cut {
            output.push(char::REPLACEMENT_CHARACTER);
        }
        cut
    }
}
