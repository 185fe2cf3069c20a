//! Charset label → streaming decoder to UTF-8. The tables are `encoding_rs`'s (the WHATWG Encoding Standard, what mail
//! programs built on browsers show); labels (`label.rs`) are read as mail writes them, not as the standard wishes.
//!
//! Beyond the standard, which turns them into a single U+FFFD or does not know them: UTF-7, UTF-32, ISO-2022-KR, HZ and some code
//! pages of DOS. `iso-2022-cn` counts as unknown, so that what is ASCII in it stays readable. EBCDIC is known by its names only.

mod dos;
mod guess;
mod label;
mod shifting;
mod utf16;
mod utf32;
mod utf7;

use std::mem;
use std::str::from_utf8;

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};
use memchr::memchr;

use super::cuts::cuts;
use guess::Guess;
use shifting::Shifts;
use utf7::Utf7;
use utf16::Utf16;
use utf32::Utf32;

pub use shifting::Shifting;

/// What a label means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// One of `encoding_rs`'s encodings.
    Table(&'static Encoding),
    /// UTF-8 as long as it is valid, from the first invalid byte on windows-1252: what text without a (true) label
    /// almost always is. US-ASCII is read this way too, since 8-bit text hides under that label.
    Guess,
    /// UTF-16 of unknown byte order.
    Utf16,
    /// UTF-32, little-endian if that is known.
    Utf32(Option<bool>),
    /// UTF-7, RFC 2152.
    Utf7,
    /// ISO-2022-JP and its like.
    Shifting(Shifting),
    /// A code page of DOS: its characters from 0x80 on.
    Dos(&'static str),
    /// EBCDIC in one of its code pages, which hardly any mail program reads: left to [`Charset::Guess`].
    Ebcdic,
}

impl Charset {
    /// Reads a label as mail writes it: quotes, any case, white space, `charset=` before it, a language (RFC 2231,
    /// section 5) or a `;` behind it, `_` for `-`, code page numbers. `None` when nothing is known by that name.
    pub fn from_label(label: &[u8]) -> Option<Charset> {
        label::read(label)
    }

    /// Whether bytes below 0x80 are something else than ASCII after an escape: who does not decode it reads another text.
    pub fn is_stateful(self) -> bool {
        matches!(self, Charset::Utf7 | Charset::Shifting(_))
    }

    /// Whether escape sequences switch between ASCII and Japanese.
    pub fn is_iso_2022_jp(self) -> bool {
        self == Charset::Shifting(Shifting::Iso2022Jp)
    }

    /// Whether a character is more than a byte, with NUL in ordinary ones.
    pub fn is_wide(self) -> bool {
        match self {
            Charset::Table(encoding) => encoding == UTF_16LE || encoding == UTF_16BE,
            Charset::Utf16 | Charset::Utf32(_) => true,
            _ => false,
        }
    }

    /// Whether what is ASCII stays so, but for escapes.
    pub fn keeps_ascii(self) -> bool {
        match self {
            Charset::Table(encoding) => encoding.is_ascii_compatible(),
            Charset::Guess | Charset::Shifting(_) | Charset::Dos(_) => true,
            Charset::Utf16 | Charset::Utf32(_) | Charset::Utf7 | Charset::Ebcdic => false,
        }
    }

    /// A decoder at the start of a text.
    fn machine(self) -> Machine {
        match self {
            // RFC 2781 lets the byte order mark decide between the two.
            Charset::Table(encoding) if self.is_wide() => Machine::Utf16(Utf16::new(Some(encoding))),
            Charset::Table(encoding) => Machine::Table(encoding.new_decoder_with_bom_removal()),
            Charset::Guess | Charset::Ebcdic => Machine::Guess(Guess::default()),
            Charset::Utf16 => Machine::Utf16(Utf16::new(None)),
            Charset::Utf32(little) => Machine::Utf32(Utf32::new(little)),
            Charset::Utf7 => Machine::Utf7(Utf7::default()),
            Charset::Shifting(charset) => {
                let decoder = charset.encoding().new_decoder_without_bom_handling();
                Machine::Shifting(Shifts::new(charset), decoder)
            }
            Charset::Dos(code_page) => Machine::Dos(code_page),
        }
    }
}

/// Bytes of one text → UTF-8, fed in pieces of any size with the same result.
pub struct TextDecoder {
    charset: Charset,
    machine: Machine,
    mark: Mark,
    known: bool,
    replaced: bool,
    doubtful: bool,
}

/// A byte order mark of UTF-16, in spite of the label.
enum Mark {
    NotSought,
    /// The first bytes of the text, until they are enough for one.
    Sought(Vec<u8>),
    /// They have been.
    Passed,
}

enum Machine {
    Table(Decoder),
    Guess(Guess),
    Utf16(Utf16),
    Utf32(Utf32),
    Utf7(Utf7),
    Shifting(Shifts, Decoder),
    Dos(&'static str),
}

/// Room in which every encoding's decoder can end: for a character and what it makes of half of one.
const CHARACTER: usize = 16;

/// Bytes of a byte order mark of UTF-16.
const MARK_LENGTH: usize = 2;

/// Bytes that are decoded at a time.
const TABLE_PIECE: usize = 4096;

impl TextDecoder {
    /// A decoder for the text of a part under `label` as written in the mail; without a label, or with an unknown one, it
    /// guesses ([`Charset::Guess`]). A byte order mark of UTF-16 counts before any label, as in the Encoding Standard.
    pub fn new(label: Option<&[u8]>) -> TextDecoder {
        let label = label.filter(|label| !label.trim_ascii().is_empty());
        let charset = label.map(Charset::from_label);
        let decoder = TextDecoder::of(charset.flatten().unwrap_or(Charset::Guess));
        let mark = if decoder.charset.is_wide() {
            Mark::NotSought
        } else {
            Mark::Sought(Vec::new())
        };
        TextDecoder {
            known: charset != Some(None),
            mark,
            ..decoder
        }
    }

    /// A decoder for a charset.
    pub fn of(charset: Charset) -> TextDecoder {
        TextDecoder {
            charset,
            machine: charset.machine(),
            mark: Mark::NotSought,
            known: true,
            replaced: false,
            doubtful: false,
        }
    }

    /// Appends what `input` says. The output of a text is at most three times its bytes, plus one character.
    pub fn feed(&mut self, mut input: &[u8], output: &mut String) {
        self.doubtful |= !self.known && memchr(0, input).is_some();
        if let Mark::Sought(beginning) = &mut self.mark {
            let missing = MARK_LENGTH.saturating_sub(beginning.len());
            let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
            beginning.extend_from_slice(taken);
            if beginning.len() < MARK_LENGTH {
                return;
            }
            self.begin(output);
            input = rest;
        }
        self.decode(input, output);
    }

    /// The first bytes are there: do they say that this is UTF-16?
    fn begin(&mut self, output: &mut String) {
        let Mark::Sought(beginning) = &mut self.mark else {
            return;
        };
        let beginning = mem::take(beginning);
        self.mark = Mark::Passed;
        if matches!(*beginning, [0xFF, 0xFE] | [0xFE, 0xFF]) {
            self.machine = Charset::Utf16.machine();
            // Without a label there is nothing that it contradicts.
            self.doubtful = !self.known || self.charset != Charset::Guess;
        }
        self.decode(&beginning, output);
    }

    fn decode(&mut self, input: &[u8], output: &mut String) {
        match &mut self.machine {
            Machine::Table(decoder) => self.replaced |= decode_table(decoder, input, output),
            Machine::Guess(guess) => guess.feed(input, output),
            Machine::Utf16(utf_16) => self.replaced |= utf_16.feed(input, output),
            Machine::Utf32(utf_32) => self.replaced |= utf_32.feed(input, output),
            Machine::Utf7(utf_7) => self.replaced |= utf_7.feed(input, output),
            Machine::Shifting(shifts, decoder) => {
                let mut bytes = Vec::new();
                for piece in input.chunks(TABLE_PIECE) {
                    bytes.clear();
                    shifts.feed(piece, &mut bytes);
                    self.replaced |= decode_table(decoder, &bytes, output);
                }
            }
            Machine::Dos(code_page) => dos::decode(code_page, input, output),
        }
    }

    /// Ends the text: a truncated character becomes U+FFFD (or windows-1252, where nothing before it was UTF-8 and the
    /// charset is a guess). The decoder is then ready for another text; [`TextDecoder::replaced`] remembers all of them.
    pub fn finish(&mut self, output: &mut String) {
        self.begin(output);
        self.replaced |= match &mut self.machine {
            Machine::Table(decoder) => decode_piece(decoder, &[], output, true),
            Machine::Guess(guess) => guess.finish(output),
            Machine::Utf16(utf_16) => {
                let replaced = utf_16.finish(output);
                self.doubtful |= utf_16.is_doubtful();
                replaced
            }
            Machine::Utf32(utf_32) => utf_32.finish(output),
            Machine::Utf7(utf_7) => utf_7.finish(output),
            Machine::Shifting(shifts, decoder) => {
                let mut bytes = Vec::new();
                shifts.finish(&mut bytes);
                let replaced = decode_table(decoder, &bytes, output);
                decode_piece(decoder, &[], output, true) || replaced
            }
            Machine::Dos(_) => false,
        };
        self.machine = self.charset.machine();
        if matches!(self.mark, Mark::Passed) {
            self.mark = Mark::Sought(Vec::new());
        }
    }

    /// Whether some bytes meant nothing in the charset and became U+FFFD.
    pub fn replaced(&self) -> bool {
        self.replaced
    }

    /// After the end: whether it may be UTF-16 in another byte order, or at all. The mark contradicts the label or nothing
    /// tells the order; or there is NUL under a label that means nothing here.
    pub fn doubtful(&self) -> bool {
        self.doubtful
    }

    /// What the text is read as, unless it begins with a mark of UTF-16.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// Whether the label was recognised; true when there was none.
    pub fn known(&self) -> bool {
        self.known
    }
}

/// Appends raw header text, which should have been ASCII: UTF-8 where it is valid (RFC 6532), else the charset of the
/// part where that fits, else as [`Charset::Guess`] reads it.
pub fn decode_header_bytes(bytes: &[u8], part_charset: Option<&[u8]>, output: &mut String) {
    let part_charset = || part_charset.and_then(Charset::from_label);
    // Japanese mail of the nineties has no 8-bit byte, but escape sequences.
    if let Ok(text) = from_utf8(bytes)
        && !(bytes.contains(&0x1B) && part_charset().is_some_and(Charset::is_iso_2022_jp))
    {
        output.push_str(text);
    } else if let Some(text) = part_charset().and_then(|charset| fitting(bytes, charset)) {
        output.push_str(&text);
    } else {
        let mut guess = Guess::default();
        guess.feed(bytes, output);
        guess.finish(output);
    }
}

/// What `bytes` say in `charset`, if all of them mean something in it, and ASCII in it is ASCII.
fn fitting(bytes: &[u8], charset: Charset) -> Option<String> {
    let readable = charset.keeps_ascii() && charset != Charset::Guess;
    let mut decoder = TextDecoder::of(charset);
    let mut text = String::with_capacity(bytes.len());
    if readable {
        decoder.feed(bytes, &mut text);
        decoder.finish(&mut text);
    }
    (readable && !decoder.replaced()).then_some(text)
}

/// True when something became U+FFFD.
fn decode_table(decoder: &mut Decoder, input: &[u8], output: &mut String) -> bool {
    // No piece is empty: given nothing, encoding_rs 0.8.35 forgets half a character of EUC-KR, Big5 or Shift_JIS.
    let mut replaced = false;
    for piece in input.chunks(TABLE_PIECE) {
        replaced |= decode_piece(decoder, piece, output, false);
    }
    replaced
}

fn decode_piece(decoder: &mut Decoder, input: &[u8], output: &mut String, last: bool) -> bool {
    // Most text is ASCII, and as long as its bytes; a character more for what was held back. Room for the worst case only
    // where that was not enough.
    output.reserve(input.len().saturating_add(CHARACTER));
    let (result, read, replaced) = decoder.decode_to_string(input, output, last);
    if result == CoderResult::InputEmpty {
        return replaced;
    }
    let rest = input.get(read..).unwrap_or_default();
    output.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()));
    let (_, _, replaced_in_rest) = decoder.decode_to_string(rest, output, last);
    replaced || replaced_in_rest
}

/// Fuzz entry: whatever the label and however the bytes are cut, the text is the same and bounded.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let (label, text) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => data.split_at_checked(end).unwrap_or((data, &[])),
        None => (&b"utf-8"[..], data),
    };
    let whole = decode_in_pieces(label, &[text]);
    assert!(whole.0.len() <= text.len().saturating_mul(3).saturating_add(4));
    for pieces in cuts(text) {
        assert_eq!(decode_in_pieces(label, &pieces), whole, "{} pieces", pieces.len());
    }
    let marked = text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF");
    if let Some(charset @ Charset::Table(encoding)) = Charset::from_label(label) {
        let at_once = if marked || charset.is_wide() {
            encoding.decode(text).0
        } else {
            encoding.decode_with_bom_removal(text).0
        };
        assert_eq!(whole.0, at_once);
    }
    let lines = |text: &[u8]| memchr::memchr_iter(b'\n', text).count();
    match Charset::from_label(label).filter(|_| !marked) {
        Some(Charset::Shifting(Shifting::Iso2022Jp | Shifting::Iso2022Kr)) => {
            assert_eq!(lines(whole.0.as_bytes()), lines(text), "a line end was lost");
        }
        Some(Charset::Utf7) => assert!(lines(whole.0.as_bytes()) >= lines(text), "a line end was lost"),
        Some(Charset::Dos(_)) => assert_eq!(whole.0.chars().count(), text.len()),
        _ => {}
    }
    let mut header = String::new();
    decode_header_bytes(text, Some(label), &mut header);
    assert!(header.len() <= text.len().saturating_mul(3).saturating_add(4));
}

fn decode_in_pieces(label: &[u8], pieces: &[&[u8]]) -> (String, bool, bool) {
    let mut decoder = TextDecoder::new(Some(label));
    let mut output = String::new();
    for piece in pieces {
        decoder.feed(piece, &mut output);
        decoder.feed(b"", &mut output);
    }
    decoder.finish(&mut output);
    (output, decoder.replaced(), decoder.doubtful())
}

#[cfg(test)]
mod tests;
