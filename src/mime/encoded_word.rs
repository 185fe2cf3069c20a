//! RFC 2047 encoded words in one unfolded field value → text.
//!
//! Words are decoded wherever they stand, since other readers do: glued to text, in quoted strings, in parameters.
//! What a word yields is never read again, and cannot end a line. Read [`decode`] here, then `scanner.rs` (where words
//! are), then `encoding.rs` (what B and Q say).

mod encoding;
mod scanner;

use memchr::{memmem, memrchr};

use crate::mime::charset::{Charset, TextDecoder, decode_header_bytes};

pub(super) use encoding::hexadecimal;
use encoding::{Base64, decode_q};
use scanner::{Scanner, Word, WordEncoding};

/// Something odd about the encoded words of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// 8-bit bytes, beside words or inside.
    Raw8Bit,
    /// A word that breaks the grammar (glued, unclosed, spaces inside, bad base64 or hexadecimal), or
    /// something like a word that was left as it is: readers differ.
    Malformed,
    /// A charset nobody knows; read as UTF-8 or windows-1252.
    UnknownCharset,
    /// A character split across words (RFC 2047, section 5 forbids it); joined.
    SplitCharacter,
    /// A word inside a quoted string (RFC 2047, section 5 forbids it); decoded.
    InQuotes,
    /// A word of more than 75 characters (RFC 2047, section 2).
    Over75,
    /// The decoded text looks like an encoded word; it was not decoded again.
    YieldsEncodedWord,
    /// A word decodes to a control character, such as the CR LF that would begin another field; replaced.
    YieldsControl,
    /// A control character outside of words; replaced.
    RawControl,
    /// A word has bytes that mean nothing in its charset; they became U+FFFD.
    Replaced,
    /// A charset in which ASCII is not ASCII after an escape: UTF-7, ISO-2022-JP and its like.
    StatefulCharset,
    /// EBCDIC; read as UTF-8 or windows-1252.
    Ebcdic,
    /// UTF-16 that readers take in different byte orders.
    ByteOrder,
    /// A character that turns the direction of the text around it: an embedding, an override or an isolate (Unicode,
    /// UAX #9). Marks of direction, which ordinary Arabic and Hebrew have, turn nothing.
    BidiControl,
}

/// The set of [`Note`]s of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes(u16);

impl Notes {
    /// Every note there is.
    pub const ALL: [Note; 14] = [
        Note::Raw8Bit,
        Note::Malformed,
        Note::UnknownCharset,
        Note::SplitCharacter,
        Note::InQuotes,
        Note::Over75,
        Note::YieldsEncodedWord,
        Note::YieldsControl,
        Note::RawControl,
        Note::Replaced,
        Note::StatefulCharset,
        Note::Ebcdic,
        Note::ByteOrder,
        Note::BidiControl,
    ];

    /// Whether `note` is in the set.
    pub fn contains(self, note: Note) -> bool {
        self.0 & bit(note) != 0
    }

    /// The notes in the set, in the order of [`Notes::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Notes::ALL.into_iter().filter(move |note| self.contains(*note))
    }

    fn add(&mut self, note: Note) {
        self.0 |= bit(note);
    }
}

fn bit(note: Note) -> u16 {
    1_u16.wrapping_shl(note as u32)
}

/// Appends the text of `value`, an unfolded field value, and tells what was odd about it.
///
/// Raw 8-bit text is read by [`decode_header_bytes`] with `part_charset`. No control character but TAB comes out: those
/// that end or separate lines become a space, others U+FFFD. The output is at most three times `value`, plus a little.
pub fn decode(value: &[u8], part_charset: Option<&[u8]>, output: &mut String) -> Notes {
    decode_and(push_without_controls, value, part_charset, output)
}

/// As [`decode`], but control characters come out as they are.
pub fn decode_with_controls(value: &[u8], part_charset: Option<&[u8]>, output: &mut String) -> Notes {
    decode_and(push_with_controls, value, part_charset, output)
}

/// Appends a text, and tells whether a control character is in it.
type Push = fn(&str, &mut String) -> bool;

fn decode_and(push: Push, value: &[u8], part_charset: Option<&[u8]>, output: &mut String) -> Notes {
    let has_word = has_word_mark(value);
    if !has_word
        && is_plain(value)
        && let Ok(text) = std::str::from_utf8(value)
    {
        output.push_str(text);
        return Notes::default();
    }
    let start = output.len();
    let mut decoding = Decoding {
        part_charset,
        push,
        output,
        notes: Notes::default(),
        run: None,
        in_quotes: false,
    };
    decoding.value(value);
    let mut notes = decoding.notes;
    let text = output.get(start..).unwrap_or_default();
    if !text.is_ascii() && text.contains(turns_direction) {
        notes.add(Note::BidiControl);
    }
    if has_word && Scanner::new(text.as_bytes()).word_after(0).is_some() {
        notes.add(Note::YieldsEncodedWord);
    }
    notes
}

/// Turns the pieces of one value into text.
struct Decoding<'a> {
    part_charset: Option<&'a [u8]>,
    push: Push,
    output: &'a mut String,
    notes: Notes,
    run: Option<Run>,
    /// The text so far has opened a quoted string.
    in_quotes: bool,
}

/// Adjacent words of one charset: their bytes are one text, so that characters cut by a careless encoder are whole.
struct Run {
    charset: Charset,
    bytes: Vec<u8>,
    /// Where the last word's bytes begin.
    last: usize,
    base64: Base64,
}

impl Decoding<'_> {
    fn value(&mut self, value: &[u8]) {
        let mut scanner = Scanner::new(value);
        let mut position = 0;
        while let Some(word) = scanner.word_after(position) {
            let between = value.get(position..word.head.start).unwrap_or_default();
            if self.run.is_none() || !between.iter().all(u8::is_ascii_whitespace) {
                self.end_run();
                self.raw(between);
            }
            let before = between.last().or(value.get(..position).and_then(<[u8]>::last));
            if !stands_alone(before, b" \t\r\n(\",") || !stands_alone(value.get(word.end), b" \t\r\n)\",;<") {
                self.notes.add(Note::Malformed);
            }
            position = word.end;
            self.word(&word);
        }
        self.end_run();
        self.raw(value.get(position..).unwrap_or_default());
    }

    /// Text between words.
    fn raw(&mut self, text: &[u8]) {
        if !text.is_ascii() {
            self.notes.add(Note::Raw8Bit);
        }
        if is_like_a_word(text) {
            self.notes.add(Note::Malformed);
        }
        let mut decoded = String::with_capacity(text.len());
        decode_header_bytes(text, self.part_charset, &mut decoded);
        if (self.push)(&decoded, self.output) {
            self.notes.add(Note::RawControl);
        }
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => self.in_quotes = !self.in_quotes,
                b'\\' if self.in_quotes => drop(bytes.next()),
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &Word<'_>) {
        if word.end.saturating_sub(word.head.start) > 75 {
            self.notes.add(Note::Over75);
        }
        if self.in_quotes {
            self.notes.add(Note::InQuotes);
        }
        if !word.closed {
            self.notes.add(Note::Malformed);
        }
        if !word.text.is_ascii() {
            self.notes.add(Note::Raw8Bit);
        }
        let charset = Charset::from_label(word.head.charset).unwrap_or_else(|| {
            self.notes.add(Note::UnknownCharset);
            Charset::Guess
        });
        if charset.is_stateful() {
            self.notes.add(Note::StatefulCharset);
        }
        if charset == Charset::Ebcdic {
            self.notes.add(Note::Ebcdic);
        }
        // A word of UTF-7 ends its base64 (RFC 2047, section 3), unless a careless encoder cut the bytes anywhere.
        let ended = |run: &Run| run.charset != charset || (charset == Charset::Utf7 && !run.ends_inside_character());
        if self.run.as_ref().is_some_and(ended) {
            self.end_run();
        }
        let mut run = self.run.take().unwrap_or(Run {
            charset,
            bytes: Vec::new(),
            last: 0,
            base64: Base64::default(),
        });
        if !self.notes.contains(Note::SplitCharacter) && run.ends_inside_character() {
            self.notes.add(Note::SplitCharacter);
        }
        run.last = run.bytes.len();
        run.bytes.reserve(word.text.len());
        let well_formed = match word.head.encoding {
            WordEncoding::B => {
                let clean = run.base64.feed(word.text, &mut run.bytes);
                run.base64.end_word(&mut run.bytes) && clean
            }
            WordEncoding::Q => {
                run.base64.end(&mut run.bytes);
                decode_q(word.text, &mut run.bytes)
            }
        };
        if !well_formed {
            self.notes.add(Note::Malformed);
        }
        self.run = Some(run);
    }

    fn end_run(&mut self) {
        let Some(mut run) = self.run.take() else { return };
        run.base64.end(&mut run.bytes);
        let mut decoder = TextDecoder::of(run.charset);
        let mut text = String::with_capacity(run.bytes.len());
        decoder.feed(&run.bytes, &mut text);
        decoder.finish(&mut text);
        if decoder.replaced() {
            self.notes.add(Note::Replaced);
        }
        if decoder.doubtful() {
            self.notes.add(Note::ByteOrder);
        }
        if (self.push)(&text, self.output) {
            self.notes.add(Note::YieldsControl);
        }
    }
}

impl Run {
    /// Whether the last word ends in the middle of a character, or of a base64 group.
    fn ends_inside_character(&self) -> bool {
        let word = self.bytes.get(self.last..).unwrap_or_default();
        if self.base64.is_open() {
            return true;
        }
        if word.is_ascii() && self.charset != Charset::Utf7 {
            // ISO-2022-JP: RFC 2047, section 3 wants every word to end in ASCII.
            let escape = memrchr(0x1B, word).and_then(|at| word.get(at..)).unwrap_or_default();
            return self.charset.is_iso_2022_jp()
                && !escape.is_empty()
                && !matches!(escape, [_, b'(', b'B' | b'J', ..]);
        }
        let mut decoder = TextDecoder::of(self.charset);
        let mut text = String::with_capacity(word.len());
        decoder.feed(word, &mut text);
        let complete = text.len();
        decoder.finish(&mut text);
        text.len() > complete
    }
}

/// Appends `text`; a control character becomes a space where it ends or separates lines, else U+FFFD. True when there
/// was one.
pub(super) fn push_without_controls(text: &str, output: &mut String) -> bool {
    let mut found = false;
    for piece in text.split_inclusive(|character: char| character.is_ascii_control() && character != '\t') {
        let kept = piece.trim_end_matches(|character: char| character.is_ascii_control() && character != '\t');
        output.push_str(kept);
        if kept.len() < piece.len() {
            found = true;
            let line_end = piece.ends_with(['\n', '\r', '\x0B', '\x0C']);
            output.push(if line_end { ' ' } else { char::REPLACEMENT_CHARACTER });
        }
    }
    found
}

fn push_with_controls(text: &str, output: &mut String) -> bool {
    output.push_str(text);
    text.contains(|character: char| character.is_ascii_control() && character != '\t')
}

fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether `=?` is in it. This and the next one do not stop at the first, so that the compiler makes them look at many bytes
/// at once: nearly every value there is goes through here.
fn has_word_mark(value: &[u8]) -> bool {
    let pairs = value.iter().zip(value.get(1..).unwrap_or_default());
    pairs.fold(0, |found, pair| found | u8::from(*pair.0 == b'=' && *pair.1 == b'?')) != 0
}

/// Whether all of it is ASCII that shows, spaces and TAB.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch keeps the compiler from looking at many bytes at once"
)]
fn is_plain(value: &[u8]) -> bool {
    let odd = |byte: u8| (byte > b'~') | ((byte < b' ') & (byte != b'\t'));
    !value.iter().fold(false, |found, byte| found | odd(*byte))
}

/// Whether text that was left as it is looks like a word: `=?` that `?=` follows, which another reader may decode, or the
/// `=?utf-8?` that such a one may take for the beginning of a word, and drop.
fn is_like_a_word(text: &[u8]) -> bool {
    let (mut rest, mut closes) = (text, None);
    while let Some(at) = memmem::find(rest, b"=?") {
        rest = rest.get(at.saturating_add(2)..).unwrap_or_default();
        let begins = scanner::label(rest).and_then(Charset::from_label).is_some();
        if begins || *closes.get_or_insert_with(|| memmem::find(rest, b"?=").is_some()) {
            return true;
        }
    }
    false
}

fn stands_alone(neighbour: Option<&u8>, allowed: &[u8]) -> bool {
    neighbour.is_none_or(|byte| allowed.contains(byte))
}

/// Fuzz entry: bounded, no control characters, and what needed no second decoding does not change by it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let mut text = String::new();
    let notes = decode(data, Some(b"iso-8859-2"), &mut text);
    assert!(text.len() <= data.len().saturating_mul(3).saturating_add(4));
    assert!(
        text.chars()
            .all(|character| !character.is_ascii_control() || character == '\t')
    );
    let mut again = String::new();
    decode(text.as_bytes(), Some(b"iso-8859-2"), &mut again);
    assert!(
        again == text || notes.contains(Note::YieldsEncodedWord),
        "{text:?} then {again:?}"
    );
}

#[cfg(test)]
mod tests;
