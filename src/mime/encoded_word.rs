//! RFC 2047 encoded words in one unfolded field value → text.
//!
//! Words are decoded wherever they stand, since other readers do: glued to text, in quoted strings, in parameters.
//! What a word yields is never read again, and cannot end a line. Read [`decode`], then `Scanner` (where words are), then
//! `Decoding` (what they say).
//!
//! Time is linear: every search for `=?` or `?=` goes on where the one before ended.

use memchr::{memchr, memmem};

use crate::limits;
use crate::mime::charset::{Charset, TextDecoder, decode_header_bytes};

/// Something odd about the encoded words of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// 8-bit bytes, beside words or inside.
    Raw8Bit,
    /// A word that breaks the grammar (glued, unclosed, spaces inside, bad base64 or hexadecimal): readers differ.
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
}

/// The set of [`Note`]s of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes(u16);

impl Notes {
    /// Every note there is.
    pub const ALL: [Note; 10] = [
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
    ];

    /// Whether nothing was odd.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

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
    let has_word = memmem::find(value, b"=?").is_some();
    if !has_word
        && value.iter().copied().all(is_plain)
        && let Ok(text) = std::str::from_utf8(value)
    {
        output.push_str(text);
        return Notes::default();
    }
    let start = output.len();
    let mut decoding = Decoding {
        part_charset,
        output,
        notes: Notes::default(),
        run: None,
        in_quotes: false,
    };
    decoding.value(value);
    let mut notes = decoding.notes;
    if has_word
        && Scanner::new(output.as_bytes().get(start..).unwrap_or_default())
            .word_after(0)
            .is_some()
    {
        notes.add(Note::YieldsEncodedWord);
    }
    notes
}

/// Finds words, from left to right.
struct Scanner<'a> {
    value: &'a [u8],
    /// The first word head that is not before the place last asked for; `None` when there is no more.
    head: Option<Head<'a>>,
    /// The same for `?=`.
    close: Option<usize>,
}

/// `=?charset?Q?`
#[derive(Clone, Copy)]
struct Head<'a> {
    start: usize,
    charset: &'a [u8],
    encoding: WordEncoding,
    text: usize,
}

/// RFC 2047, section 4.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordEncoding {
    B,
    Q,
}

/// `=?charset?Q?text?=`
struct Word<'a> {
    head: Head<'a>,
    text: &'a [u8],
    end: usize,
    closed: bool,
}

impl<'a> Scanner<'a> {
    fn new(value: &'a [u8]) -> Scanner<'a> {
        Scanner {
            value,
            head: head_after(value, 0),
            close: find_after(value, b"?=", 0),
        }
    }

    /// The first word that begins at `from` or later. Calls must go forward.
    fn word_after(&mut self, from: usize) -> Option<Word<'a>> {
        let head = self.head_from(from)?;
        let close = self.close_from(head.text);
        let next = self.head_from(head.text).map(|next| next.start);
        if let Some(close) = close
            // In `a=?=` it is the text that ends in `=`.
            && next.is_none_or(|next| close <= next.saturating_add(1))
        {
            return Some(Word {
                head,
                text: self.value.get(head.text..close).unwrap_or_default(),
                end: close.saturating_add(2),
                closed: true,
            });
        }
        // Cut off: a field that was truncated, or a word that began before this one was closed. White space ends it.
        let rest = self
            .value
            .get(head.text..next.unwrap_or(self.value.len()))
            .unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        Some(Word {
            head,
            text: text.strip_suffix(b"?").unwrap_or(text),
            end: head.text.saturating_add(length),
            closed: false,
        })
    }

    fn head_from(&mut self, from: usize) -> Option<Head<'a>> {
        if self.head.is_some_and(|head| head.start < from) {
            self.head = head_after(self.value, from);
        }
        self.head
    }

    fn close_from(&mut self, from: usize) -> Option<usize> {
        if self.close.is_some_and(|close| close < from) {
            self.close = find_after(self.value, b"?=", from);
        }
        self.close
    }
}

fn find_after(value: &[u8], what: &[u8], from: usize) -> Option<usize> {
    memmem::find(value.get(from..)?, what)?.checked_add(from)
}

fn head_after(value: &[u8], mut from: usize) -> Option<Head<'_>> {
    loop {
        let start = find_after(value, b"=?", from)?;
        if let Some(head) = head_at(value, start) {
            return Some(head);
        }
        from = start.saturating_add(2);
    }
}

fn head_at(value: &[u8], start: usize) -> Option<Head<'_>> {
    let rest = value.get(start.checked_add(2)?..)?;
    let label = rest.get(..limits::CHARSET_LABEL).unwrap_or(rest);
    let charset = label.get(..memchr(b'?', label)?)?;
    // A label has no `=`: where it has one, `=?` is text and a word may begin later.
    if charset.iter().any(|byte| *byte == b'=' || byte.is_ascii_control()) {
        return None;
    }
    let [b'?', letter, b'?', ..] = rest.get(charset.len()..)? else {
        return None;
    };
    let encoding = match letter {
        b'b' | b'B' => WordEncoding::B,
        b'q' | b'Q' => WordEncoding::Q,
        _ => return None,
    };
    Some(Head {
        start,
        charset,
        encoding,
        text: start.checked_add(charset.len())?.checked_add(5)?,
    })
}

/// Turns the pieces of one value into text.
struct Decoding<'a> {
    part_charset: Option<&'a [u8]>,
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
            if !(stands_alone(
                between.last().or(value.get(..position).and_then(<[u8]>::last)),
                b" \t(\",<:;'[",
            ) && stands_alone(value.get(word.end), b" \t)\",<>;:']"))
            {
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
        let mut decoded = String::with_capacity(text.len());
        decode_header_bytes(text, self.part_charset, &mut decoded);
        if push_without_controls(&decoded, self.output) {
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
        if self.run.as_ref().is_some_and(|run| run.charset != charset) {
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
        run.join_escape_sequences();
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
        if push_without_controls(&text, self.output) {
            self.notes.add(Note::YieldsControl);
        }
    }
}

impl Run {
    /// Whether the last word ends in the middle of a character, or of a base64 group.
    fn ends_inside_character(&self) -> bool {
        let word = self.bytes.get(self.last..).unwrap_or_default();
        if self.base64.count != 0 {
            return true;
        }
        if word.is_ascii() {
            // ISO-2022-JP: RFC 2047, section 3 wants every word to end in ASCII.
            return memchr(0x1B, word).is_some()
                && self.charset.is_iso_2022_jp()
                && word
                    .iter()
                    .rev()
                    .position(|byte| *byte == 0x1B)
                    .is_some_and(|from_end| {
                        let escape = word.get(word.len().saturating_sub(from_end)..).unwrap_or_default();
                        !(escape.starts_with(b"(B") || escape.starts_with(b"(J"))
                    });
        }
        let mut decoder = TextDecoder::of(self.charset);
        let mut text = String::with_capacity(word.len());
        decoder.feed(word, &mut text);
        let complete = text.len();
        decoder.finish(&mut text);
        text.len() > complete
    }

    /// ISO-2022-JP: one word ends by an escape to ASCII, the next begins by another escape. Joined, the first has no
    /// text, which the WHATWG decoder takes for an attack and answers with U+FFFD.
    fn join_escape_sequences(&mut self) {
        if let Some((before, word)) = self.bytes.split_at_checked(self.last)
            && word.starts_with(b"\x1B")
            && (before.ends_with(b"\x1B(B") || before.ends_with(b"\x1B(J"))
            && self.charset.is_iso_2022_jp()
        {
            let escape = self.last.saturating_sub(3);
            self.bytes.drain(escape..self.last);
            self.last = escape;
        }
    }
}

/// The B encoding, across words: some senders cut the base64 text itself into words.
#[derive(Default)]
struct Base64 {
    /// The bits of a group that is not complete, six for each character.
    bits: u32,
    /// Its characters, at most three.
    count: u8,
}

impl Base64 {
    /// Decodes what is base64 in `text`; false when something was not. Padding ends a group, not the word: texts that
    /// were encoded apart and put together are read to their end.
    fn feed(&mut self, text: &[u8], output: &mut Vec<u8>) -> bool {
        let mut clean = true;
        let mut padding = 0_u8;
        for byte in text {
            let Some(six) = base64_value(*byte) else {
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
    fn end_word(&mut self, output: &mut Vec<u8>) -> bool {
        match self.count {
            0 => return true,
            2 if self.bits.trailing_zeros() >= 4 => self.end(output),
            3 if self.bits.trailing_zeros() >= 2 => self.end(output),
            _ => {}
        }
        false
    }

    /// No more: the whole bytes of the group.
    fn end(&mut self, output: &mut Vec<u8>) {
        match self.count {
            2 => output.extend(self.bits.wrapping_shr(4).to_be_bytes().last()),
            3 => output.extend(self.bits.wrapping_shr(2).to_be_bytes().get(2..).unwrap_or_default()),
            _ => {}
        }
        *self = Base64::default();
    }
}

fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A'),
        b'a'..=b'z' => byte.checked_sub(b'a' - 26),
        b'0'..=b'9' => byte.checked_add(52 - b'0'),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The Q encoding; false when something in `text` should not be there. That stays as it is.
fn decode_q(text: &[u8], output: &mut Vec<u8>) -> bool {
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
pub(super) fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digit(high)?.checked_mul(16)?.checked_add(digit(low)?)
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

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t')
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
    let notes_again = decode(text.as_bytes(), Some(b"iso-8859-2"), &mut again);
    assert_eq!(
        again == text,
        !notes.contains(Note::YieldsEncodedWord),
        "{text:?} then {again:?}"
    );
    let _ = notes_again;
}

#[cfg(test)]
mod tests;
