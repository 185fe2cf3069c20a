//! Content-Type and Content-Disposition values: RFC 2045, section 5.1, with the continuations and charsets of RFC 2231.
//!
//! Everything readable is read; what two readers may read differently is noted. Read [`Parameterized::parse`] here, then
//! `reader.rs` (the grammar, leniently), then `extended.rs` (RFC 2231).

mod extended;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use crate::limits;
use extended::{Parameter, ParameterName};
use reader::Reader;

/// Something in a value that two readers may read differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// What stands before the parameters is empty, has odd characters or not one `/` between two names.
    /// A Content-Disposition has no `/`: see [`Parameterized::value`].
    Value,
    /// `a/b, c/d`: the first is taken.
    List,
    /// A comment, or `(` that never closes.
    Comment,
    /// A quoted string that does not end, has text behind it or escapes what needs none; or a value with spaces and
    /// other special characters that is not quoted.
    Quote,
    /// A missing semicolon; spaces around `=`.
    Separator,
    /// Something that is no parameter; skipped.
    Unreadable,
    /// A boundary without quotes, though a character in it needs them: for c-client it ends there.
    UnquotedBoundary,
    /// An RFC 2047 encoded word.
    Rfc2047,
    /// RFC 2231 that breaks its rules: gaps, bad escapes, no charset, zeros before a number. Or that some readers miss: a
    /// boundary in no other form, an encoded-word or an escape where it has none.
    Rfc2231,
    /// A file name with a control character in it, raw or from an encoded word: its end for some readers.
    ControlInName,
    /// A charset of RFC 2231 in which ASCII is not ASCII after an escape.
    StatefulCharset,
    /// EBCDIC as a charset of RFC 2231.
    Ebcdic,
    /// UTF-16 there that readers take in different byte orders.
    ByteOrder,
    /// 8-bit bytes or control characters.
    Raw8Bit,
    /// The parameter of this name is there twice, with the same value.
    Repeated(String),
    /// The parameter of this name has differing values, or a plain and an extended form that differ.
    Conflict(String),
    /// More parameters or sections than are read.
    Limit,
}

/// A field value with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameterized {
    /// What stands before the parameters, in lower case, without comments and spaces: `text/plain`, `attachment`.
    /// Empty when there is nothing.
    pub value: String,
    /// Boxed: nearly always there are one or two, and a node of the map has room for eleven.
    parameters: BTreeMap<String, Box<Parameter>>,
    notes: BTreeSet<Note>,
}

impl Parameterized {
    /// Reads an unfolded field value. Never fails.
    pub fn parse(value: &[u8]) -> Parameterized {
        let mut parsed = Parameterized::default();
        let mut reader = Reader::new(value, &mut parsed.notes);
        if value
            .iter()
            .any(|byte| !byte.is_ascii() || (byte.is_ascii_control() && *byte != b'\t'))
        {
            reader.notes.insert(Note::Raw8Bit);
        }
        parsed.value = reader.media_value();
        let mut sections = 0_usize;
        while let Some((name, value)) = reader.next_parameter() {
            let Some(name) = ParameterName::parse(name) else {
                reader.notes.insert(Note::Unreadable);
                continue;
            };
            if name.section.is_some() {
                sections = sections.saturating_add(1);
            }
            let full =
                parsed.parameters.len() >= limits::PARAMETERS && !parsed.parameters.contains_key(&name.attribute);
            if full || sections > limits::PARAMETER_SECTIONS {
                reader.notes.insert(Note::Limit);
                continue;
            }
            if memmem::find(&value, b"=?").is_some() {
                reader.notes.insert(Note::Rfc2047);
            }
            if !reader.quoted && name.attribute == "boundary" && !value.iter().all(|byte| is_token(*byte)) {
                reader.notes.insert(Note::UnquotedBoundary);
            }
            if name.zeros {
                reader.notes.insert(Note::Rfc2231);
            }
            let note = if let Some(parameter) = parsed.parameters.get_mut(&name.attribute) {
                parameter.add(&name, value)
            } else {
                let mut parameter = Box::<Parameter>::default();
                let note = parameter.add(&name, value);
                parsed.parameters.insert(name.attribute, parameter);
                note
            };
            if let Some(note) = note {
                reader.notes.insert(note);
            }
        }
        for (name, parameter) in &mut parsed.parameters {
            parameter.assemble(name, &mut parsed.notes);
            if matches!(name.as_str(), "name" | "filename") && parameter.has_control() {
                parsed.notes.insert(Note::ControlInName);
            }
        }
        parsed
    }

    /// The bytes of a parameter (`name` in lower case), as a boundary needs them: quotes and escapes undone, no charset.
    /// The plain form wins, since most readers know no other.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.get(name)?.bytes()
    }

    /// The text of a parameter (`name` in lower case), as a file name needs it: RFC 2231 where it is there, else RFC 2047
    /// where it is there; raw 8-bit bytes are read by `charset`, that of the part or mail, if they are not UTF-8. It has
    /// no control characters.
    pub fn text(&self, name: &str, charset: Option<&[u8]>) -> Option<String> {
        self.parameters.get(name)?.text(charset)
    }

    /// The text of a parameter as [`Parameterized::text`] reads it, with its control characters.
    pub fn raw_text(&self, name: &str, charset: Option<&[u8]>) -> Option<String> {
        self.parameters.get(name)?.raw_text(charset)
    }

    /// The `charset` parameter, unless it is the default, which says nothing of 8-bit bytes.
    pub fn charset(&self) -> Option<&[u8]> {
        let charset = self.parameter("charset")?;
        (!charset.eq_ignore_ascii_case(b"us-ascii")).then_some(charset.get(..limits::CHARSET_LABEL).unwrap_or(charset))
    }

    /// Every parameter's name, in lower case, without RFC 2231's `*`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// What two readers may read differently.
    pub fn notes(&self) -> &BTreeSet<Note> {
        &self.notes
    }
}

/// RFC 2045, section 5.1.
pub(super) fn is_token(byte: u8) -> bool {
    let special = matches!(
        byte,
        b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
    );
    byte.is_ascii_graphic() && !special
}

/// Fuzz entry: bounded by the input, and every plain parameter is read back from a well-formed value.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let parsed = Parameterized::parse(data);
    let most = data.len().saturating_mul(3);
    assert!(parsed.value.len() <= most);
    assert!(parsed.names().map(str::len).sum::<usize>() <= data.len());
    let mut written = b"text/plain".to_vec();
    let mut total = 0_usize;
    for name in parsed.names() {
        let text = parsed.text(name, Some(b"big5")).unwrap_or_default();
        assert!(text.len() <= most.saturating_add(4));
        assert!(!text.contains(|character: char| character.is_ascii_control() && character != '\t'));
        let value = parsed.parameter(name).unwrap_or_default();
        total = total.saturating_add(value.len());
        written.extend_from_slice(format!("; {name}=\"").as_bytes());
        for byte in value {
            if matches!(byte, b'"' | b'\\') {
                written.push(b'\\');
            }
            written.push(*byte);
        }
        written.push(b'"');
    }
    assert!(total <= data.len());
    let again = Parameterized::parse(&written);
    assert!(parsed.names().eq(again.names()));
    for name in parsed.names() {
        assert_eq!(parsed.parameter(name), again.parameter(name), "{name}");
    }
    assert!(
        again
            .notes()
            .iter()
            .all(|note| matches!(note, Note::Raw8Bit | Note::Rfc2047 | Note::ControlInName)),
        "{:?}",
        again.notes()
    );
}

#[cfg(test)]
mod tests;
