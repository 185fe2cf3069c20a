//! Content-Type and Content-Disposition values: RFC 2045, section 5.1, with the continuations and charsets of RFC 2231.
//!
//! Everything readable is read; what two readers may read differently is noted. Read [`Parameterized::parse`], then
//! `Reader` (the grammar, leniently), then `Parameter` (RFC 2231).
//!
//! Time is linear: a comment or quoted string that never ends is looked for once.

use std::collections::{BTreeMap, BTreeSet};

use memchr::{memchr, memmem};

use crate::limits;
use crate::mime::charset::{Charset, TextDecoder};
use crate::mime::encoded_word::{self, hexadecimal, push_without_controls};

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
    /// An RFC 2047 encoded word.
    Rfc2047,
    /// RFC 2231 that breaks its rules: gaps, bad escapes, no charset.
    Rfc2231,
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
    parameters: BTreeMap<String, Parameter>,
    notes: BTreeSet<Note>,
}

/// One parameter in all the forms it came in. Of each form the first wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Parameter {
    /// `name=…`
    plain: Option<Vec<u8>>,
    /// `name*=…`
    extended: Option<Vec<u8>>,
    /// `name*0=…`, `name*1*=…`
    sections: BTreeMap<u32, Section>,
    /// What the extended form or the sections say.
    assembled: Option<Assembled>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    value: Vec<u8>,
    /// `name*1*`: with percent escapes.
    extended: bool,
}

/// The value of RFC 2231's forms, put together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assembled {
    bytes: Vec<u8>,
    /// The charset label; `None` when no form was an extended one.
    charset: Option<Vec<u8>>,
}

impl Parameterized {
    /// Reads an unfolded field value. Never fails.
    pub fn parse(value: &[u8]) -> Parameterized {
        let mut parsed = Parameterized::default();
        let mut reader = Reader {
            rest: value,
            notes: &mut parsed.notes,
            comments_close: true,
            quotes_close: true,
        };
        if value
            .iter()
            .any(|byte| !byte.is_ascii() || (byte.is_ascii_control() && *byte != b'\t'))
        {
            reader.notes.insert(Note::Raw8Bit);
        }
        parsed.value = reader.media_value();
        let mut sections = 0_usize;
        while let Some((name, value)) = reader.next_parameter() {
            let Some(name) = ParameterName::parse(&name) else {
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
            let parameter = parsed.parameters.entry(name.attribute.clone()).or_default();
            if let Some(note) = parameter.add(&name, value) {
                reader.notes.insert(note);
            }
        }
        for (name, parameter) in &mut parsed.parameters {
            parameter.assemble(name, &mut parsed.notes);
        }
        parsed
    }

    /// The bytes of a parameter (`name` in lower case), as a boundary needs them: quotes and escapes undone, no charset.
    /// The plain form wins, since most readers know no other.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let parameter = self.parameters.get(name)?;
        parameter
            .plain
            .as_deref()
            .or(parameter.assembled.as_ref().map(|assembled| assembled.bytes.as_slice()))
    }

    /// The text of a parameter (`name` in lower case), as a file name needs it: RFC 2231 where it is there, else RFC 2047
    /// where it is there. It has no control characters.
    pub fn text(&self, name: &str) -> Option<String> {
        self.parameters.get(name)?.text()
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

/// `attribute`, `attribute*`, `attribute*0`, `attribute*0*` (RFC 2231, section 7).
struct ParameterName {
    attribute: String,
    section: Option<u32>,
    extended: bool,
}

impl ParameterName {
    fn parse(name: &[u8]) -> Option<ParameterName> {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| name.len() <= limits::PARAMETER_NAME)?;
        let (attribute, rest) = name
            .split_once('*')
            .map_or((name, None), |(attribute, rest)| (attribute, Some(rest)));
        if attribute.is_empty() || !attribute.bytes().all(is_token) {
            return None;
        }
        let (section, extended) = match rest {
            None => (None, false),
            Some("") => (None, true),
            Some(rest) => {
                let (digits, extended) = rest.strip_suffix('*').map_or((rest, false), |digits| (digits, true));
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (Some(digits.parse().ok()?), extended)
            }
        };
        Some(ParameterName {
            attribute: attribute.to_ascii_lowercase(),
            section,
            extended,
        })
    }
}

impl Parameter {
    /// Keeps `value` unless that form is there already.
    fn add(&mut self, name: &ParameterName, value: Vec<u8>) -> Option<Note> {
        let first = match (name.section, name.extended) {
            (None, false) => &mut self.plain,
            (None, true) => &mut self.extended,
            (Some(number), extended) => {
                let section = Section { value, extended };
                return match self.sections.get(&number) {
                    Some(first) if *first == section => Some(Note::Repeated(name.attribute.clone())),
                    Some(_) => Some(Note::Conflict(name.attribute.clone())),
                    None => {
                        self.sections.insert(number, section);
                        None
                    }
                };
            }
        };
        match first {
            Some(first) if *first == value => Some(Note::Repeated(name.attribute.clone())),
            Some(_) => Some(Note::Conflict(name.attribute.clone())),
            None => {
                *first = Some(value);
                None
            }
        }
    }

    /// Puts RFC 2231's forms together, once everything has been read: sections come in any order.
    fn assemble(&mut self, name: &str, notes: &mut BTreeSet<Note>) {
        let mut clean = true;
        let sections = join_sections(&self.sections, &mut clean);
        let extended = self.extended.as_deref().map(|value| {
            let (charset, text) = split_charset(value, &mut clean);
            let mut bytes = Vec::with_capacity(text.len());
            clean &= percent_decode(text, &mut bytes);
            Assembled {
                bytes,
                charset: Some(charset.to_vec()),
            }
        });
        let conflict = |left: &Assembled, right: &Assembled| left.text() != right.text();
        if let (Some(left), Some(right)) = (&extended, &sections)
            && conflict(left, right)
        {
            notes.insert(Note::Conflict(name.to_owned()));
        }
        self.assembled = extended.or(sections);
        if let (Some(assembled), Some(plain)) = (&self.assembled, &self.plain)
            && assembled.text() != header_text(plain)
        {
            notes.insert(Note::Conflict(name.to_owned()));
        }
        if !clean {
            notes.insert(Note::Rfc2231);
        }
    }

    fn text(&self) -> Option<String> {
        match &self.assembled {
            Some(assembled) => Some(assembled.text()),
            None => self.plain.as_deref().map(header_text),
        }
    }
}

impl Assembled {
    fn text(&self) -> String {
        let Some(charset) = &self.charset else {
            return header_text(&self.bytes);
        };
        let mut decoder = TextDecoder::of(Charset::from_label(charset).unwrap_or(Charset::Guess));
        let mut raw = String::with_capacity(self.bytes.len());
        decoder.feed(&self.bytes, &mut raw);
        decoder.finish(&mut raw);
        let mut text = String::with_capacity(raw.len());
        push_without_controls(&raw, &mut text);
        text
    }
}

fn header_text(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    encoded_word::decode(value, None, &mut text);
    text
}

/// Joins sections up to the first gap (RFC 2231, section 3). Numbers should begin at 0; some senders begin at 1.
fn join_sections(sections: &BTreeMap<u32, Section>, clean: &mut bool) -> Option<Assembled> {
    let first = *sections.keys().next()?;
    *clean &= first == 0;
    let mut assembled = Assembled {
        bytes: Vec::new(),
        charset: None,
    };
    let mut expected = first;
    for (number, section) in sections {
        if *number != expected {
            *clean = false;
            break;
        }
        expected = number.saturating_add(1);
        if !section.extended {
            assembled.bytes.extend_from_slice(&section.value);
            continue;
        }
        // The charset stands in the first section only (section 4.1).
        let text = if *number == first {
            let (charset, text) = split_charset(&section.value, clean);
            assembled.charset = Some(charset.to_vec());
            text
        } else {
            assembled.charset.get_or_insert_default();
            &section.value
        };
        *clean &= percent_decode(text, &mut assembled.bytes);
    }
    Some(assembled)
}

/// `charset'language'text` → charset and text.
fn split_charset<'a>(value: &'a [u8], clean: &mut bool) -> (&'a [u8], &'a [u8]) {
    let mut fields = value.splitn(3, |byte| *byte == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(charset), Some(_language), Some(text)) if Charset::from_label(charset).is_some() => (charset, text),
        // RFC 2231, section 4 allows both fields to be empty; and a name that nobody knows is still a name.
        (Some(charset), Some(_language), Some(text)) if charset.iter().copied().all(is_token) => {
            *clean &= charset.is_empty();
            (charset, text)
        }
        (Some(charset), Some(text), None) if Charset::from_label(charset).is_some() => {
            *clean = false;
            (charset, text)
        }
        _ => {
            *clean = false;
            (&[], value)
        }
    }
}

/// Undoes `%41`; false when a `%` is something else, which stays as it is.
fn percent_decode(text: &[u8], output: &mut Vec<u8>) -> bool {
    let mut clean = true;
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        output.extend_from_slice(before);
        if let [_, high, low, after @ ..] = escape
            && let Some(value) = hexadecimal(*high, *low)
        {
            output.push(value);
            // A control character in a file name hides from one reader what another shows.
            clean &= !value.is_ascii_control();
            rest = after;
        } else {
            output.push(b'%');
            clean = false;
            rest = escape.get(1..).unwrap_or_default();
        }
    }
    output.extend_from_slice(rest);
    clean
}

/// Reads a value from left to right.
struct Reader<'a, 'n> {
    rest: &'a [u8],
    notes: &'n mut BTreeSet<Note>,
    /// False once a `(` was found that never closes: from there on `(` is a character like others.
    comments_close: bool,
    /// The same for `"`.
    quotes_close: bool,
}

impl<'a> Reader<'a, '_> {
    /// What stands before the first parameter.
    fn media_value(&mut self) -> String {
        let mut value = String::new();
        let mut listed = false;
        loop {
            self.skip_blank();
            let before = self.rest;
            let word = self.take_while(|byte| !is_blank(byte) && !matches!(byte, b';' | b',' | b'(' | b'"' | b'='));
            let behind = self.rest;
            self.skip_blank();
            if self.rest.first() == Some(&b'=') {
                // `boundary=x` where the type should be; `multipart/mixed boundary=x`.
                self.rest = before;
                self.notes
                    .insert(if value.is_empty() { Note::Value } else { Note::Separator });
                break;
            }
            self.rest = behind;
            if value.is_empty() || value.ends_with('/') || word.starts_with(b"/") {
                value.extend(word.iter().map(|byte| match byte {
                    byte if byte.is_ascii() => char::from(byte.to_ascii_lowercase()),
                    _ => char::REPLACEMENT_CHARACTER,
                }));
            } else if !word.is_empty() && !listed {
                self.notes.insert(Note::Value);
            }
            match self.rest.split_first() {
                None => break,
                Some((b';', rest)) => {
                    self.rest = rest;
                    break;
                }
                Some((b',', rest)) => {
                    listed = true;
                    self.notes.insert(Note::List);
                    self.rest = rest;
                }
                Some((b'"', _)) => {
                    self.notes.insert(Note::Value);
                    let quoted = self.quoted_string();
                    if value.is_empty() {
                        value = String::from_utf8_lossy(&quoted).to_ascii_lowercase();
                    }
                }
                Some((b'(', rest)) if !self.comments_close => self.rest = rest,
                Some(_) => {}
            }
        }
        let names = || value.split('/');
        if names().count() > 2 || names().any(|name| name.is_empty() || !name.bytes().all(is_token)) {
            self.notes.insert(Note::Value);
        }
        value
    }

    /// The next parameter's name, as written, and value.
    fn next_parameter(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        loop {
            self.skip_blank();
            match self.rest.split_first() {
                None => return None,
                Some((b';', rest)) => self.rest = rest,
                Some((b',', rest)) => {
                    self.notes.insert(Note::Separator);
                    self.rest = rest;
                }
                Some(_) => {
                    let name =
                        self.take_while(|byte| !is_blank(byte) && !matches!(byte, b'=' | b';' | b',' | b'(' | b'"'));
                    let behind = self.rest;
                    self.skip_blank();
                    if let Some((b'=', rest)) = self.rest.split_first() {
                        let spaced = behind.first() != Some(&b'=') || rest.first().is_some_and(u8::is_ascii_whitespace);
                        if spaced {
                            self.notes.insert(Note::Separator);
                        }
                        self.rest = rest;
                        self.skip_blank();
                        return Some((name.to_vec(), self.parameter_value()));
                    }
                    self.notes.insert(Note::Unreadable);
                    match self.rest.split_first() {
                        Some((b'"', _)) => drop(self.quoted_string()),
                        Some((b'(', rest)) => self.rest = rest,
                        _ => {}
                    }
                }
            }
        }
    }

    fn parameter_value(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        if self.rest.first() == Some(&b'"') {
            value = self.quoted_string();
            let after = self.take_while(|byte| !is_blank(byte) && !matches!(byte, b';' | b'"'));
            if !after.is_empty() {
                self.notes.insert(Note::Quote);
                if value.is_empty() {
                    value = after.to_vec();
                }
            }
        } else {
            self.unquoted(&mut value);
        }
        self.skip_blank();
        if !matches!(self.rest.first(), None | Some(b';')) {
            self.notes.insert(Note::Separator);
        }
        value
    }

    /// An unquoted value: up to `;`, or to white space where another parameter or a comment follows it. Other spaces
    /// belong to it, as in `filename=annual report.pdf`.
    fn unquoted(&mut self, value: &mut Vec<u8>) {
        let mut comment_may_follow = true;
        loop {
            let word = self.take_while(|byte| !is_blank(byte) && byte != b';');
            value.extend_from_slice(word);
            if word.iter().any(|byte| b"()\"\\,".contains(byte)) {
                self.notes.insert(Note::Quote);
            }
            let behind = self.rest;
            if comment_may_follow {
                self.skip_blank();
            } else {
                self.take_while(is_blank);
            }
            if self.rest.first().is_none_or(|byte| *byte == b';') {
                return;
            }
            if self.parameter_follows() {
                // `charset=utf-8, boundary=x`: the semicolon is missing, or it is a comma.
                if value.last() == Some(&b',') {
                    value.pop();
                }
                return;
            }
            // Text. A comment that was skipped is part of it, and so are all others: they are not looked at twice.
            comment_may_follow &= behind.trim_ascii_start().len() == self.rest.len();
            self.rest = behind;
            self.notes.insert(Note::Quote);
            value.extend_from_slice(self.take_while(is_blank));
        }
    }

    /// Whether `name=` comes next.
    fn parameter_follows(&self) -> bool {
        let name = self
            .rest
            .iter()
            .take(limits::PARAMETER_NAME)
            .take_while(|byte| is_token(**byte))
            .count();
        name > 0 && self.rest.get(name..).unwrap_or_default().trim_ascii_start().first() == Some(&b'=')
    }

    /// Reads a quoted string whose `"` comes next.
    fn quoted_string(&mut self) -> Vec<u8> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let mut value = Vec::new();
        if self.quotes_close {
            let mut rest = inside;
            while let Some((byte, after)) = rest.split_first() {
                rest = after;
                match byte {
                    b'"' => {
                        self.rest = rest;
                        return value;
                    }
                    b'\\' => {
                        if let Some((escaped, after)) = rest.split_first() {
                            if !matches!(escaped, b'"' | b'\\') {
                                self.notes.insert(Note::Quote);
                            }
                            value.push(*escaped);
                            rest = after;
                        }
                    }
                    byte => value.push(*byte),
                }
            }
            self.quotes_close = false;
        }
        // It never ends. What follows a semicolon is more likely another parameter than part of the text.
        self.notes.insert(Note::Quote);
        self.rest = inside;
        self.take_while(|byte| byte != b';').trim_ascii_end().to_vec()
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.notes.insert(Note::Comment);
            let Some(rest) = self.comments_close.then(|| comment_end(self.rest)).flatten() else {
                self.comments_close = false;
                return;
            };
            self.rest = rest;
        }
    }

    fn take_while(&mut self, mut condition: impl FnMut(u8) -> bool) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| !condition(*byte))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

/// What follows the comment (RFC 822, section 3.4.3: nested, with escapes) that `text` begins with.
fn comment_end(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            b'\\' => rest = rest.get(1..).unwrap_or_default(),
            _ => {}
        }
        if depth == 0 {
            return Some(rest);
        }
    }
    None
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// RFC 2045, section 5.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?="#.contains(&byte)
}
