//! A parameter in the forms that RFC 2231 gives it: plain, with charset and percent escapes, in numbered sections.

use std::collections::{BTreeMap, BTreeSet};

use memchr::{memchr, memmem};

use super::{Note, is_token};
use crate::limits;
use crate::mime::charset::{Charset, TextDecoder};
use crate::mime::encoded_word::{self, hexadecimal, push_without_controls};

/// One parameter in all the forms it came in. Of each form the first wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// `name=…`
    plain: Option<Vec<u8>>,
    /// `name*=…`
    extended: Option<Vec<u8>>,
    /// `name*0=…`, `name*1*=…`
    sections: BTreeMap<u32, Section>,
    /// What the extended form or the sections say. Boxed: hostile fields have thousands of parameters, and hardly one has it.
    assembled: Option<Box<Assembled>>,
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

/// `attribute`, `attribute*`, `attribute*0`, `attribute*0*` (RFC 2231, section 7).
pub struct ParameterName {
    /// In lower case, without RFC 2231's `*`.
    pub attribute: String,
    pub section: Option<u32>,
    extended: bool,
    /// `*00`, which RFC 2231, section 7 forbids: another parameter for some readers.
    pub zeros: bool,
}

impl ParameterName {
    pub fn parse(name: &[u8]) -> Option<ParameterName> {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| name.len() <= limits::PARAMETER_NAME)?;
        let (attribute, rest) = name
            .split_once('*')
            .map_or((name, None), |(attribute, rest)| (attribute, Some(rest)));
        if attribute.is_empty() || !attribute.bytes().all(is_token) {
            return None;
        }
        let (section, extended, zeros) = match rest {
            None => (None, false, false),
            Some("") => (None, true, false),
            Some(rest) => {
                let (digits, extended) = rest.strip_suffix('*').map_or((rest, false), |digits| (digits, true));
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                let zeros = digits.len() > 1 && digits.starts_with('0');
                (Some(digits.parse().ok()?), extended, zeros)
            }
        };
        Some(ParameterName {
            attribute: attribute.to_ascii_lowercase(),
            section,
            extended,
            zeros,
        })
    }
}

impl Parameter {
    /// Keeps `value` unless that form is there already.
    pub fn add(&mut self, name: &ParameterName, value: Vec<u8>) -> Option<Note> {
        let first = match (name.section, name.extended) {
            (None, false) => &mut self.plain,
            (None, true) => &mut self.extended,
            (Some(number), extended) => {
                let section = Section { value, extended };
                return match self.sections.get(&number) {
                    Some(first) if *first == section => Some(Note::Repeated(name.attribute.clone())),
                    Some(_) => Some(Note::Conflict(name.attribute.clone())),
                    None => {
                        // Legal, but some readers join sections in the order in which they come.
                        let out_of_order = self.sections.last_key_value().is_some_and(|(last, _)| number < *last);
                        self.sections.insert(number, section);
                        out_of_order.then_some(Note::Rfc2231)
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
    pub fn assemble(&mut self, name: &str, notes: &mut BTreeSet<Note>) {
        let mut clean = true;
        let sections = join_sections(&self.sections, &mut clean);
        let extended = self.extended.as_deref().map(|value| {
            let (charset, text) = split_charset(value, &mut clean);
            let mut bytes = Vec::with_capacity(text.len());
            clean &= percent_decode(text, charset, &mut bytes);
            Assembled {
                bytes,
                charset: Some(charset.to_vec()),
            }
        });
        // Raw 8-bit bytes of a form without a charset are in that of the other one.
        let conflict = |left: &Assembled, right: &Assembled| left.text(right.charset()) != right.text(left.charset());
        if let (Some(left), Some(right)) = (&extended, &sections)
            && conflict(left, right)
        {
            notes.insert(Note::Conflict(name.to_owned()));
        }
        self.assembled = extended.or(sections).map(Box::new);
        if let (Some(assembled), Some(plain)) = (&self.assembled, &self.plain)
            && assembled.text(None) != header_text(plain, assembled.charset())
        {
            notes.insert(Note::Conflict(name.to_owned()));
        }
        // What only these forms say is not there for readers that know the plain one alone, as c-client, and a boundary that
        // is not there is another one to them. Where the forms say an encoded-word, some readers decode that as well.
        clean &= name != "boundary" || self.plain.is_some();
        clean &= !self.assembled.as_deref().is_some_and(Assembled::has_encoded_word);
        let charset = self.assembled.as_deref().and_then(Assembled::charset);
        let charset = charset.and_then(Charset::from_label);
        if charset.is_some_and(Charset::is_stateful) {
            notes.insert(Note::StatefulCharset);
        }
        if charset.is_some_and(Charset::is_iso_2022_jp) {
            clean &= !self.assembled.as_deref().is_some_and(Assembled::is_replaced);
        }
        if charset == Some(Charset::Ebcdic) {
            notes.insert(Note::Ebcdic);
        }
        if self.assembled.as_deref().is_some_and(Assembled::is_doubtful) {
            notes.insert(Note::ByteOrder);
        }
        if !clean {
            notes.insert(Note::Rfc2231);
        }
    }

    /// Whether a control character is in it, in any of its forms. One that RFC 2231 escapes is noted with that; an escape
    /// of ISO-2022, which ordinary Japanese names have, is none.
    pub fn has_control(&self) -> bool {
        let sections = self.sections.values().map(|section| section.value.as_slice());
        let written = self.plain.as_deref().into_iter().chain(self.extended.as_deref());
        let raw = |value: &[u8]| {
            value
                .iter()
                .any(|byte| byte.is_ascii_control() && !b"\t\x1b".contains(byte))
        };
        let assembled = self.assembled.as_ref().map(|assembled| assembled.bytes.as_slice());
        let from_word = |value: &[u8]| {
            memmem::find(value, b"=?").is_some()
                && encoded_word::decode(value, None, &mut String::new()).contains(encoded_word::Note::YieldsControl)
        };
        written.chain(sections).any(raw) || self.plain.as_deref().into_iter().chain(assembled).any(from_word)
    }

    /// The value without a charset; the plain form wins.
    pub fn bytes(&self) -> Option<&[u8]> {
        let assembled = || self.assembled.as_ref().map(|assembled| assembled.bytes.as_slice());
        self.plain.as_deref().or_else(assembled)
    }

    /// The value as text; RFC 2231's forms win. `raw_charset` is for 8-bit bytes that nothing else explains.
    pub fn text(&self, raw_charset: Option<&[u8]>) -> Option<String> {
        let raw = self.raw_text(raw_charset)?;
        let mut text = String::with_capacity(raw.len());
        push_without_controls(&raw, &mut text);
        Some(text)
    }

    /// The same with its control characters.
    pub fn raw_text(&self, raw_charset: Option<&[u8]>) -> Option<String> {
        match &self.assembled {
            Some(assembled) => Some(assembled.text(raw_charset)),
            None => self.plain.as_deref().map(|plain| header_text(plain, raw_charset)),
        }
    }
}

impl Assembled {
    fn charset(&self) -> Option<&[u8]> {
        self.charset.as_deref()
    }

    /// In text that has a charset of its own, where it is none.
    fn has_encoded_word(&self) -> bool {
        self.charset.is_some() && memmem::find(&self.bytes, b"=?").is_some()
    }

    fn text(&self, raw_charset: Option<&[u8]>) -> String {
        match &self.charset {
            Some(charset) => self.decode(charset).0,
            None => header_text(&self.bytes, raw_charset),
        }
    }

    /// Whether readers take it in different byte orders.
    fn is_doubtful(&self) -> bool {
        let wide = self
            .charset()
            .filter(|label| Charset::from_label(label).is_some_and(Charset::is_wide));
        wide.is_some_and(|charset| self.decode(charset).1.doubtful())
    }

    /// Whether its charset does not define all of it.
    fn is_replaced(&self) -> bool {
        self.charset().is_some_and(|charset| self.decode(charset).1.replaced())
    }

    fn decode(&self, charset: &[u8]) -> (String, TextDecoder) {
        let mut decoder = TextDecoder::of(Charset::from_label(charset).unwrap_or(Charset::Guess));
        let mut text = String::with_capacity(self.bytes.len());
        decoder.feed(&self.bytes, &mut text);
        decoder.finish(&mut text);
        (text, decoder)
    }
}

fn header_text(value: &[u8], raw_charset: Option<&[u8]>) -> String {
    let mut text = String::with_capacity(value.len());
    encoded_word::decode_with_controls(value, raw_charset, &mut text);
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
            // Some readers take what has escapes for escaped, whatever the name of the section says.
            *clean &= assembled.charset.is_none() || !has_escape(&section.value);
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
        let charset = assembled.charset.as_deref().unwrap_or_default();
        *clean &= percent_decode(text, charset, &mut assembled.bytes);
    }
    Some(assembled)
}

/// `charset'language'text` → charset and text.
fn split_charset<'a>(value: &'a [u8], clean: &mut bool) -> (&'a [u8], &'a [u8]) {
    let mut fields = value.splitn(3, |byte| *byte == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(charset), Some(_language), Some(text)) if Charset::from_label(charset).is_some() => (charset, text),
        // RFC 2231, section 4 allows both fields to be empty; and a name that nobody knows is still a name.
        (Some(charset), Some(language), Some(text))
            if charset
                .iter()
                .chain(language)
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte)) =>
        {
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

fn has_escape(text: &[u8]) -> bool {
    text.windows(3)
        .any(|bytes| matches!(bytes, [b'%', high, low] if hexadecimal(*high, *low).is_some()))
}

/// Undoes `%41`; false when a `%` is something else, which stays as it is. And where there is an apostrophe, which has to be
/// escaped as well: of `utf-8''a.exe''b.txt` some readers show what is behind the last one.
fn percent_decode(text: &[u8], charset: &[u8], output: &mut Vec<u8>) -> bool {
    // Apple Mail writes Japanese names so; whether each escape is a shift, decoding tells.
    let shifts = Charset::from_label(charset).is_some_and(Charset::is_iso_2022_jp);
    let mut clean = memchr(b'\'', text).is_none();
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        output.extend_from_slice(before);
        if let [_, high, low, after @ ..] = escape
            && let Some(value) = hexadecimal(*high, *low)
        {
            output.push(value);
            // A control character in a file name hides from one reader what another shows.
            clean &= !value.is_ascii_control() || shifts && value == 0x1b;
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
