//! Files written into text: uuencode and yEnc, found by their first lines, decoded as they go by. BinHex is only noticed,
//! and so is a PGP message.
//!
//! A first line alone is nothing: mails talk about `begin 644`. The lines after it decide.

use std::mem;

use memchr::{memchr, memchr2};

use super::anomaly::Flag;
use super::armor::Armor;
use super::cuts::cuts;
use super::header::describes_content;
use super::uuencode::{self, Form};
use super::yenc;
use crate::limits;

/// Something found in content that MIME does not describe. A file's `Name` and `Data` come between its `Begin` and `End`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enclosed<'e> {
    /// A file begins.
    Begin(Body<'e>),
    /// Its name, in UTF-8 or the charset of the mail; the last one counts.
    Name(&'e [u8]),
    /// Bytes of it.
    Data(&'e [u8]),
    /// It is over.
    End,
    /// What the bodies of this media type are written in that have ended and had no charset.
    Charset {
        /// Theirs.
        media_type: &'static str,
        /// As a label.
        charset: &'e str,
    },
    /// Something to be flagged; an `Extractor` makes a [`Finding`](super::Finding) of it.
    Finding(Flag),
}

/// What a file is, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'e> {
    /// An attachment.
    File,
    /// A body of the mail.
    Text {
        /// Its media type.
        media_type: &'static str,
        /// Its charset, as a label; `None` where an [`Enclosed::Charset`] tells it later.
        charset: Option<&'e str>,
    },
}

/// Searches one text: `feed` in pieces, then `finish`.
#[derive(Debug, Default)]
pub struct Scanner {
    state: State,
    /// The PGP message under way. Whatever else begins in it is another reader's.
    armor: Option<Armor>,
    lines: Lines,
    place: Place,
    decoded: Vec<u8>,
}

/// What is searched.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Text of a part.
    #[default]
    Text,
    /// Text of a mail that says nothing of its content: Thunderbird takes every line after a first one for data.
    Untyped,
    /// Content under uuencode: its lines are data without a first line too.
    Uuencoded,
    /// Text before the first part or behind the last: fields of a part's header are found as well.
    Outside,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// After a first line, and so many that are no data.
    Announced(Announced, usize),
    Uuencode {
        /// A line without bytes has been seen: the end is near.
        ending: bool,
    },
    Base64,
    Yenc(yenc::Decoder),
}

/// What a first line announces.
#[derive(Debug)]
enum Announced {
    /// A file with this name.
    File(Form, Vec<u8>),
    BinHex,
}

impl Scanner {
    /// For the text of a mail without Content-Type.
    pub fn untyped() -> Scanner {
        Scanner {
            place: Place::Untyped,
            ..Scanner::default()
        }
    }

    /// For content whose transfer encoding is uuencode.
    pub fn uuencoded() -> Scanner {
        Scanner {
            place: Place::Uuencoded,
            ..Scanner::default()
        }
    }

    /// For text before the first part of a multipart or behind its last. Fields of a part's header are a finding there,
    /// [`Flag::PreamblePart`], wherever it is.
    pub fn outside() -> Scanner {
        Scanner {
            place: Place::Outside,
            ..Scanner::default()
        }
    }

    /// Tells `found` what is in `input`. All `Data` together is at most as long as all input.
    pub fn feed(&mut self, mut input: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        while !input.is_empty() {
            if let State::Yenc(decoder) = &mut self.state {
                let (keyword, rest) = decoder.feed(input, &mut self.decoded);
                input = rest;
                self.give(found);
                if let Some(keyword) = keyword {
                    self.end(found);
                    if let yenc::Keyword::Begin(name) = keyword {
                        self.begin(State::Yenc(yenc::Decoder::default()), &name, found);
                    }
                }
            } else {
                let mut lines = mem::take(&mut self.lines);
                if let Some(line) = lines.next(&mut input) {
                    self.line(line, found);
                }
                self.lines = lines;
            }
        }
        self.give(found);
    }

    /// The end of the text.
    pub fn finish(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        let last = self.lines.finish();
        if !last.is_empty() {
            self.line(&last, found);
        }
        self.end(found);
        if self.armor.take().is_some() {
            found(Enclosed::Finding(Flag::Encrypted));
        }
    }

    fn line(&mut self, line: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        if let Some(flag) = self.armor.as_mut().and_then(|armor| armor.line(line)) {
            self.armor = None;
            found(Enclosed::Finding(flag));
        }
        self.read(line, found);
    }

    fn read(&mut self, line: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        match &mut self.state {
            State::Text | State::Yenc(_) => self.text(line, found),
            State::Announced(..) if uuencode::is_empty(line) || line.trim_ascii().is_empty() => {}
            State::Announced(Announced::BinHex, _) if line.trim_ascii_start().starts_with(b":") => {
                self.state = State::Text;
                found(Enclosed::Finding(Flag::EmbeddedEncoding));
            }
            State::Announced(Announced::File(form, name), noise)
                if uuencode::is_whole(line, *form)
                    || (*noise == 0 || self.place == Place::Uuencoded) && uuencode::is_data(line, *form) =>
            {
                let (form, name) = (*form, mem::take(name));
                self.begin(data(form), &name, found);
                self.read(line, found);
            }
            State::Announced(Announced::File(form, _), _) if uuencode::is_last(line, *form) => self.end(found),
            State::Announced(_, noise) => {
                *noise = noise.saturating_add(1);
                if *noise > limits::EMBEDDED_NOISE {
                    self.end(found);
                }
                self.text(line, found);
            }
            State::Uuencode { ending } => {
                if uuencode::is_last(line, Form::Historical) {
                    self.end(found);
                } else if uuencode::is_data(line, Form::Historical) && !*ending {
                    uuencode::decode(line, &mut self.decoded);
                    self.give_much(found);
                } else if uuencode::is_empty(line) {
                    *ending = !line.is_empty();
                } else if *ending {
                    self.end(found);
                    self.text(line, found);
                } else {
                    self.text(line, found); // noise, or the first line of another file
                }
            }
            State::Base64 => {
                if uuencode::is_last(line, Form::Base64) {
                    self.end(found);
                } else if uuencode::is_data(line, Form::Base64) {
                    uuencode::decode_base64(line, &mut self.decoded);
                    self.give_much(found);
                } else {
                    self.text(line, found);
                }
            }
        }
    }

    /// A line that is no data: does something begin with it?
    fn text(&mut self, line: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        match line.first() {
            Some(b'b') => {
                if let Some((form, name)) = uuencode::first_line(line) {
                    self.end(found);
                    self.state = State::Announced(Announced::File(form, name.to_vec()), 0);
                }
            }
            Some(b'=') => {
                if let Some(name) = yenc::first_line(line) {
                    self.end(found);
                    self.begin(State::Yenc(yenc::Decoder::default()), name, found);
                }
            }
            Some(b'(') if line.starts_with(b"(This file must be converted with BinHex") => {
                self.end(found);
                self.state = State::Announced(Announced::BinHex, 0);
            }
            Some(b'-') if line.starts_with(b"-----BEGIN PGP MESSAGE") => {
                let last = self.armor.replace(Armor::default());
                if last.is_some() {
                    found(Enclosed::Finding(Flag::Encrypted));
                }
            }
            Some(b'C' | b'c') if self.place == Place::Outside && is_content_field(line) => {
                found(Enclosed::Finding(Flag::PreamblePart));
            }
            _ if self.place == Place::Uuencoded
                && matches!(self.state, State::Text)
                && uuencode::is_data(line, Form::Historical) =>
            {
                self.begin(State::Uuencode { ending: false }, b"", found);
                self.read(line, found);
            }
            _ => {}
        }
    }

    fn begin(&mut self, state: State, name: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        self.state = state;
        found(Enclosed::Finding(Flag::EmbeddedEncoding));
        found(Enclosed::Begin(Body::File));
        if !name.is_empty() {
            found(Enclosed::Name(name));
        }
    }

    /// Ends the file under way, if there is one, or the wait for it.
    fn end(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.give(found);
        match mem::take(&mut self.state) {
            State::Uuencode { .. } | State::Base64 | State::Yenc(_) => found(Enclosed::End),
            State::Announced(_, noise) if noise > 0 && self.place == Place::Untyped => {
                found(Enclosed::Finding(Flag::EmbeddedEncoding));
            }
            State::Announced(..) | State::Text => {}
        }
    }

    fn give(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        if !self.decoded.is_empty() {
            found(Enclosed::Data(&self.decoded));
            self.decoded.clear();
        }
    }

    fn give_much(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        if self.decoded.len() > limits::DECODE_STEP {
            self.give(found);
        }
    }
}

/// Whether a line is a field that makes what follows a part.
fn is_content_field(line: &[u8]) -> bool {
    let colon = memchr(b':', line).and_then(|colon| line.get(..colon));
    colon.is_some_and(|name| describes_content(name.trim_ascii_end()))
}

fn data(form: Form) -> State {
    match form {
        Form::Historical => State::Uuencode { ending: false },
        Form::Base64 => State::Base64,
    }
}

/// Puts lines together; of a longer one than the limit, only its beginning is kept. CR alone ends a line, too, as it does
/// for Thunderbird.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line, or a whole line that was given.
    tail: Vec<u8>,
    given: bool,
    /// CR was the last byte: LF is not another end.
    cr: bool,
}

impl Lines {
    /// Takes bytes up to the end of a line; gives the line, without its end, if it ends.
    fn next<'l, 'i: 'l>(&'l mut self, input: &mut &'i [u8]) -> Option<&'l [u8]> {
        if mem::take(&mut self.given) {
            self.tail.clear();
        }
        if mem::take(&mut self.cr) {
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        let end = memchr2(b'\n', b'\r', input);
        let (line, rest) = input.split_at_checked(end.unwrap_or(input.len()))?;
        *input = rest.get(1..).unwrap_or_default();
        self.cr = rest.first() == Some(&b'\r');
        if end.is_some() && self.tail.is_empty() {
            return Some(line.get(..limits::EMBEDDED_LINE).unwrap_or(line));
        }
        let room = limits::EMBEDDED_LINE.saturating_sub(self.tail.len());
        self.tail.extend(line.iter().take(room));
        self.given = end.is_some();
        end.map(|_| self.tail.as_slice())
    }

    /// The line that has not ended.
    fn finish(&mut self) -> Vec<u8> {
        let mut last = mem::take(&mut self.tail);
        if mem::take(&mut self.given) {
            last.clear();
        }
        last
    }
}

/// The same files for every split, nested, with no more bytes in them than the text has.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let read = |pieces: &[&[u8]]| {
        let mut scanner = match choice & 3 {
            1 => Scanner::uuencoded(),
            2 => Scanner::outside(),
            3 => Scanner::untyped(),
            _ => Scanner::default(),
        };
        let mut record = Record::default();
        for piece in pieces {
            scanner.feed(piece, &mut |item| record.add(item));
        }
        scanner.finish(&mut |item| record.add(item));
        record
    };
    let whole = read(&[data]);
    assert!(!whole.open && whole.bytes() <= data.len());
    for pieces in cuts(data) {
        assert_eq!(whole, read(&pieces), "{} pieces", pieces.len());
    }
}

/// What a search told, data joined: what the fuzz functions and tests compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) told: Vec<String>,
    data: Vec<u8>,
    total: usize,
    pub(super) open: bool,
}

impl Record {
    pub(super) fn add(&mut self, item: Enclosed<'_>) {
        match item {
            Enclosed::Data(bytes) => {
                assert!(self.open);
                self.total = self.total.saturating_add(bytes.len());
                self.data.extend_from_slice(bytes);
            }
            Enclosed::Begin(body) => {
                assert!(!mem::replace(&mut self.open, true));
                self.told.push(format!("{body:?}"));
            }
            Enclosed::Name(name) => {
                assert!(self.open);
                self.told.push(format!("name {}", name.escape_ascii()));
            }
            Enclosed::End => {
                assert!(mem::replace(&mut self.open, false));
                let data = mem::take(&mut self.data);
                self.told.push(format!("end {}", data.escape_ascii()));
            }
            Enclosed::Charset { media_type, charset } => self.told.push(format!("{media_type} in {charset}")),
            Enclosed::Finding(flag) => self.told.push(flag.name().to_owned()),
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests;
