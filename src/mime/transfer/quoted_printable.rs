//! Quoted-printable.

use memchr::memchr2;

use super::Faults;
use crate::limits;

/// Quoted-printable (RFC 2045, 6.7). White space at the end of a line is dropped, as transports may have added it.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    state: Quoted,
    /// White space and CR that only the next byte decides about.
    held: Vec<u8>,
    /// Letters seen in escapes: capitals, small ones.
    capitals: bool,
    small: bool,
    faults: Faults,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Quoted {
    #[default]
    Text,
    /// After `=`.
    Escape,
    /// After `=` and one hexadecimal digit, as written.
    HalfEscape(u8),
    /// After `=` and white space: a soft line break if the line ends here.
    SoftBreak,
}

impl QuotedPrintable {
    pub(super) fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while let Some((first, rest)) = input.split_first() {
            input = if self.state == Quoted::Text {
                self.text(input, output)
            } else if self.escape(*first, output) {
                rest
            } else {
                input
            };
        }
    }

    /// Takes text up to and including the next `=` or line end.
    fn text<'i>(&mut self, input: &'i [u8], output: &mut Vec<u8>) -> &'i [u8] {
        let stop = memchr2(b'=', b'\n', input);
        let (run, rest) = input
            .split_at_checked(stop.unwrap_or(input.len()))
            .unwrap_or((input, &[]));
        let solid = run
            .iter()
            .rposition(|byte| !is_blank(*byte))
            .map_or(0, |last| last.saturating_add(1));
        let (content, blank) = run.split_at_checked(solid).unwrap_or((run, &[]));
        if !content.is_empty() {
            output.append(&mut self.held);
            output.extend_from_slice(content);
        }
        self.held.extend_from_slice(blank);
        // An endless run of blanks is data, but for its last bytes.
        let excess = self.held.len().saturating_sub(limits::HELD_WHITE_SPACE);
        output.extend(self.held.drain(..excess));
        match rest.split_first() {
            Some((b'=', rest)) => {
                output.append(&mut self.held);
                self.state = Quoted::Escape;
                rest
            }
            Some((_, rest)) => {
                self.line_end(output);
                rest
            }
            None => rest,
        }
    }

    /// LF: the white space before it goes, its CR stays.
    fn line_end(&mut self, output: &mut Vec<u8>) {
        if self.held.last() == Some(&b'\r') {
            output.push(b'\r');
        }
        self.held.clear();
        output.push(b'\n');
    }

    /// Takes one byte after `=`; false when the byte must be read again as text.
    fn escape(&mut self, byte: u8, output: &mut Vec<u8>) -> bool {
        match (self.state, byte) {
            (Quoted::Escape | Quoted::SoftBreak, b'\n') => {
                self.held.clear();
                self.state = Quoted::Text;
                true
            }
            (Quoted::Escape | Quoted::SoftBreak, b' ' | b'\t' | b'\r')
                if self.held.len() < limits::HELD_WHITE_SPACE =>
            {
                self.held.push(byte);
                self.state = Quoted::SoftBreak;
                true
            }
            (Quoted::Escape, _) if byte.is_ascii_hexdigit() => {
                self.state = Quoted::HalfEscape(byte);
                true
            }
            (Quoted::HalfEscape(high), _) if byte.is_ascii_hexdigit() => {
                self.capitals |= high.is_ascii_uppercase() || byte.is_ascii_uppercase();
                self.small |= high.is_ascii_lowercase() || byte.is_ascii_lowercase();
                output.push(hexadecimal(high).wrapping_shl(4) | hexadecimal(byte));
                self.state = Quoted::Text;
                true
            }
            _ => {
                self.give_back(output);
                false
            }
        }
    }

    /// Not an escape after all: what was taken for one is text.
    fn give_back(&mut self, output: &mut Vec<u8>) {
        self.faults.bad_escapes = self.faults.bad_escapes.saturating_add(1);
        output.push(b'=');
        if let Quoted::HalfEscape(digit) = self.state {
            output.push(digit);
        }
        self.state = Quoted::Text;
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Faults {
        match self.state {
            // White space before the end of the part is at the end of a line.
            Quoted::Text => {
                if self.held.last() == Some(&b'\r') {
                    output.push(b'\r');
                }
            }
            // A soft line break whose line end belonged to the boundary, or half of an escape: readers differ.
            Quoted::Escape | Quoted::SoftBreak => self.faults.bad_escapes = self.faults.bad_escapes.saturating_add(1),
            Quoted::HalfEscape(_) => self.give_back(output),
        }
        self.held.clear();
        self.faults.mixed_case = self.capitals && self.small;
        self.faults
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}
