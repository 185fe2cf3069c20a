//! Whether content begins with header fields that make what follows a part: then a reader that passes over a blank line, or
//! descends where RFC 2046 does not, reads another mail.

use std::mem;

use super::header::describes_content;
use crate::limits;

/// Looks at the beginning of content: blank lines, then fields as far as they go.
#[derive(Debug, Default)]
pub(super) struct Opening {
    place: Place,
    name: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In blank lines.
    #[default]
    Blank,
    /// At the start of a line behind a field.
    LineStart,
    /// In what may be a field's name.
    Name,
    /// Behind its colon, or in a continuation.
    Value,
}

impl Opening {
    /// The content goes on with `bytes`. Some answer once there is one: a field that describes content has come, or
    /// something else than a field.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<bool> {
        for byte in bytes {
            let place = match (self.place, byte) {
                (Place::Blank, b' ' | b'\t' | b'\r' | b'\n') => Place::Blank,
                (Place::LineStart | Place::Name, b'\r' | b'\n') => return Some(false),
                (Place::Name, b':') if describes_content(self.name.trim_ascii_end()) => return Some(true),
                (Place::Value, b'\n') => Place::LineStart,
                (Place::Name, b':') | (Place::LineStart, b' ' | b'\t') | (Place::Value, _) => Place::Value,
                (Place::Blank | Place::LineStart, _) => {
                    self.name.clear();
                    self.name.push(*byte);
                    Place::Name
                }
                (Place::Name, _) if self.name.len() < limits::LINE => {
                    self.name.push(*byte);
                    Place::Name
                }
                (Place::Name, _) => return Some(false),
            };
            self.place = place;
        }
        None
    }
}

/// Looks for content behind fields that should stand alone and say what it is: anything but blank lines behind the blank
/// line that ends them. Where they do not say, it is text as it stands: some servers send bounces so.
#[derive(Debug, Default)]
pub(super) struct Behind {
    opening: Opening,
    /// Whether the fields describe content, once that is known.
    described: Option<bool>,
    line: Line,
    /// There is something behind the fields.
    seen: bool,
    /// The last byte was CR, which ends a line with LF or alone.
    cr: bool,
}

#[derive(Debug, Default)]
enum Line {
    /// Of the blank ones before the fields.
    #[default]
    Before,
    /// There is something in it.
    Field,
    /// Nothing is in it yet; a field was in the last one.
    Next,
    /// Behind the fields.
    Behind,
}

impl Behind {
    /// The content goes on with `bytes`: whether it is such by now. The two looks at it end at other bytes, so neither answers
    /// for both.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        self.described = self.described.or_else(|| self.opening.feed(bytes));
        if self.described == Some(false) {
            return false;
        }
        for byte in bytes {
            let cr = mem::replace(&mut self.cr, *byte == b'\r');
            self.line = match (mem::take(&mut self.line), byte) {
                (line, b'\n') if cr => line,
                (Line::Field, b'\r' | b'\n') => Line::Next,
                (Line::Next, b'\r' | b'\n') => Line::Behind,
                (line, b'\r' | b'\n' | b' ' | b'\t') => line,
                (Line::Behind, _) => {
                    self.seen = true;
                    Line::Behind
                }
                (Line::Before | Line::Field | Line::Next, _) => Line::Field,
            };
        }
        self.seen && self.described == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::Opening;
    use crate::limits;

    #[test]
    fn fields_at_the_beginning_are_told_from_text_in_every_split() {
        let long = [b'x'].repeat(limits::LINE + 1);
        for (content, expected) in [
            (&b"Content-Type: a/b"[..], Some(true)),
            (b"\r\n \r\n\nX-A: 1\r\n 2\r\ncontent-disposition : x", Some(true)),
            (b"A:\nContent-Transfer-Encoding:", Some(true)),
            (b"Content-Type", None),
            (b"\r\n\r\n", None),
            (b"A: 1\n", None),
            (b"A: 1\n\nContent-Type: a/b", Some(false)),
            (b"text\nContent-Type: a/b", Some(false)),
            (b"A: 1\n Content-Type: a/b\n\n", Some(false)),
            (b"Content-Language: en\n\n", Some(false)),
            (&long, Some(false)),
        ] {
            for split in 0..=content.len() {
                let (head, tail) = content.split_at(split);
                let mut opening = Opening::default();
                let answer = opening.feed(head).or_else(|| opening.feed(tail));
                assert_eq!(answer, expected, "{} at {split}", content.escape_ascii());
            }
        }
    }
}
