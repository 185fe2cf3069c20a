//! Text without a true label: UTF-8 as long as it is valid, from the first invalid byte on windows-1252.

use std::str::from_utf8;

use encoding_rs::WINDOWS_1252;

/// UTF-8, then windows-1252.
#[derive(Default)]
pub(super) struct Guess {
    /// The beginning of a UTF-8 character, at most three bytes.
    held: Vec<u8>,
    /// A character beyond ASCII has been read, so this is UTF-8: a character that lacks its end was cut.
    utf_8: bool,
    /// An invalid byte has been seen.
    windows: bool,
}

impl Guess {
    pub(super) fn feed(&mut self, mut input: &[u8], output: &mut String) {
        while !self.held.is_empty()
            && let Some((byte, rest)) = input.split_first()
        {
            input = rest;
            self.held.push(*byte);
            match from_utf8(&self.held) {
                Ok(text) => {
                    output.push_str(text);
                    self.held.clear();
                    self.utf_8 = true;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => {
                    decode_windows(&self.held, output);
                    self.held.clear();
                    self.windows = true;
                }
            }
        }
        if self.windows {
            decode_windows(input, output);
            return;
        }
        let (text, rest, cut) = match from_utf8(input) {
            Ok(text) => (text, &[][..], true),
            Err(error) => {
                let (valid, rest) = input.split_at_checked(error.valid_up_to()).unwrap_or((&[], input));
                (from_utf8(valid).unwrap_or_default(), rest, error.error_len().is_none())
            }
        };
        output.push_str(text);
        self.utf_8 |= !text.is_ascii();
        if cut {
            self.held.extend_from_slice(rest);
        } else {
            self.windows = true;
            decode_windows(rest, output);
        }
    }

    /// True when the text ended in U+FFFD.
    pub(super) fn finish(&self, output: &mut String) -> bool {
        let replaced = self.utf_8 && !self.held.is_empty();
        if replaced {
            output.push(char::REPLACEMENT_CHARACTER);
        } else {
            decode_windows(&self.held, output);
        }
        replaced
    }
}

fn decode_windows(bytes: &[u8], output: &mut String) {
    output.push_str(&WINDOWS_1252.decode_without_bom_handling(bytes).0);
}
