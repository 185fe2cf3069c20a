//! Charset label → streaming decoder to UTF-8. The tables are `encoding_rs`'s (the WHATWG Encoding Standard, what mail
//! programs built on browsers show); labels are read as mail writes them, not as the standard wishes.
//!
//! Deviation: the standard decodes `hz-gb-2312`, `iso-2022-kr` and `iso-2022-cn` to a single U+FFFD. Here they count as
//! unknown, so that what is ASCII in them stays readable. UTF-7 is unknown as well.

use std::str::from_utf8;

use encoding_rs::{
    BIG5, Decoder, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, KOI8_R, KOI8_U, MACINTOSH, REPLACEMENT,
    SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED,
};

use crate::limits;

/// What a label means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// One of `encoding_rs`'s encodings.
    Table(&'static Encoding),
    /// UTF-8 as long as it is valid, from the first invalid byte on windows-1252: what text without a (true) label
    /// almost always is. US-ASCII is read this way too, since 8-bit text hides under that label.
    Guess,
}

impl Charset {
    /// Reads a label as mail writes it: quotes, any case, white space, `charset=` before it, a language (RFC 2231,
    /// section 5) or a `;` behind it, `_` for `-`, code page numbers. `None` when nothing is known by that name.
    pub fn from_label(label: &[u8]) -> Option<Charset> {
        let label = bare_label(label)?;
        if matches!(
            label.as_str(),
            "us-ascii"
                | "ascii"
                | "us"
                | "ansi_x3.4-1968"
                | "ansi_x3.4-1986"
                | "iso-ir-6"
                | "iso646-us"
                | "iso_646.irv:1991"
        ) {
            return Some(Charset::Guess);
        }
        Encoding::for_label(label.as_bytes())
            .or_else(|| Encoding::for_label(label.replace('_', "-").as_bytes()))
            .filter(|encoding| *encoding != REPLACEMENT && *encoding != X_USER_DEFINED)
            .map(Charset::Table)
            .or_else(|| alias(&label))
            .or_else(|| code_page(&label))
    }

    /// Whether escape sequences switch between ASCII and Japanese.
    pub fn is_iso_2022_jp(self) -> bool {
        self == Charset::Table(ISO_2022_JP)
    }

    /// A decoder at the start of a text.
    fn machine(self) -> Machine {
        match self {
            // RFC 2781 lets the byte order mark decide between the two.
            Charset::Table(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
                Machine::Table(encoding.new_decoder())
            }
            Charset::Table(encoding) => Machine::Table(encoding.new_decoder_with_bom_removal()),
            Charset::Guess => Machine::Guess(Guess::default()),
        }
    }
}

/// Bytes of one text → UTF-8, fed in pieces of any size with the same result.
pub struct TextDecoder {
    charset: Charset,
    machine: Machine,
    known: bool,
    replaced: bool,
}

enum Machine {
    Table(Decoder),
    Guess(Guess),
}

/// Bytes that are decoded at a time.
const TABLE_PIECE: usize = 4096;

impl TextDecoder {
    /// A decoder for `label` as written in the mail; without a label, or with an unknown one, it guesses
    /// ([`Charset::Guess`]).
    pub fn new(label: Option<&[u8]>) -> TextDecoder {
        match label.filter(|label| !label.trim_ascii().is_empty()) {
            None => TextDecoder::of(Charset::Guess),
            Some(label) => {
                let charset = Charset::from_label(label);
                TextDecoder {
                    known: charset.is_some(),
                    ..TextDecoder::of(charset.unwrap_or(Charset::Guess))
                }
            }
        }
    }

    /// A decoder for a charset.
    pub fn of(charset: Charset) -> TextDecoder {
        TextDecoder {
            charset,
            machine: charset.machine(),
            known: true,
            replaced: false,
        }
    }

    /// Appends what `input` says. The output of a text is at most three times its bytes, plus one character.
    pub fn feed(&mut self, input: &[u8], output: &mut String) {
        match &mut self.machine {
            // No piece is empty: given nothing, encoding_rs 0.8.35 forgets half a character of EUC-KR, Big5 or Shift_JIS.
            Machine::Table(decoder) => {
                for piece in input.chunks(TABLE_PIECE) {
                    self.replaced |= decode_table(decoder, piece, output, false);
                }
            }
            Machine::Guess(guess) => guess.feed(input, output),
        }
    }

    /// Ends the text: a truncated character becomes U+FFFD (or windows-1252, where nothing before it was UTF-8 and the
    /// charset is a guess). The decoder is then ready for another text; [`TextDecoder::replaced`] remembers all of them.
    pub fn finish(&mut self, output: &mut String) {
        match &mut self.machine {
            Machine::Table(decoder) => self.replaced |= decode_table(decoder, &[], output, true),
            Machine::Guess(guess) => self.replaced |= guess.finish(output),
        }
        self.machine = self.charset.machine();
    }

    /// Whether some bytes meant nothing in the charset and became U+FFFD.
    pub fn replaced(&self) -> bool {
        self.replaced
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
    } else if let Some(Charset::Table(encoding)) = part_charset()
        && (encoding.is_ascii_compatible() || encoding == ISO_2022_JP)
        && let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes)
    {
        output.push_str(&text);
    } else {
        let mut guess = Guess::default();
        guess.feed(bytes, output);
        guess.finish(output);
    }
}

/// True when something became U+FFFD.
fn decode_table(decoder: &mut Decoder, input: &[u8], output: &mut String, last: bool) -> bool {
    // Room for the worst case of a short piece: the decoder never has to ask for more, and little is reserved in vain.
    let room = decoder.max_utf8_buffer_length(input.len()).unwrap_or(input.len());
    output.reserve(room);
    let (_, _, replaced) = decoder.decode_to_string(input, output, last);
    replaced
}

/// See [`Charset::Guess`].
#[derive(Default)]
struct Guess {
    /// The beginning of a UTF-8 character, at most three bytes.
    held: Vec<u8>,
    /// A character beyond ASCII has been read, so this is UTF-8: a character that lacks its end was cut.
    utf_8: bool,
    /// An invalid byte has been seen.
    windows: bool,
}

impl Guess {
    fn feed(&mut self, mut input: &[u8], output: &mut String) {
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
    fn finish(&self, output: &mut String) -> bool {
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

/// The label without what mail puts around it, in lower case.
fn bare_label(label: &[u8]) -> Option<String> {
    let label = label.get(..limits::CHARSET_LABEL).unwrap_or(label);
    let label = from_utf8(label).ok()?.to_ascii_lowercase();
    let around =
        |character: char| character.is_ascii_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '\\');
    let label = label.trim_matches(around);
    let label = label.strip_prefix("charset").map_or(label, |rest| {
        rest.trim_start()
            .strip_prefix(['=', ':'])
            .map_or(label, |rest| rest.trim_start_matches(around))
    });
    let label = label
        .split(|character: char| around(character) || matches!(character, '*' | ';' | ','))
        .next()?;
    (!label.is_empty()).then(|| label.to_owned())
}

/// Names seen in mail that the standard does not list.
fn alias(label: &str) -> Option<Charset> {
    let name = label.replace('_', "-");
    let encoding = match name.strip_prefix("x-").unwrap_or(&name) {
        "utf8" | "utf-8" | "utf8mb4" | "utf-8n" | "utf-8-mac" | "unicode-2-0-utf-8" => UTF_8,
        "latin-1" | "iso8859" | "iso-8859" | "iso-latin-1" | "ansi" | "western" => WINDOWS_1252,
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms" | "jis" => ISO_2022_JP,
        "eucjp" | "eucjp-ms" | "eucjp-win" => EUC_JP,
        "shiftjis" | "sjis-win" | "mskanji" => SHIFT_JIS,
        "euc-cn" | "euccn" | "cn-gb" | "gb" | "eucgb2312-cn" => GBK,
        "gb18030-2000" | "gb18030-2003" | "gb18030-2022" => GB18030,
        "euckr" | "uhc" | "ksc5601" | "ksc-5601" => EUC_KR,
        "cn-big5" | "big-5" | "big5-eten" => BIG5,
        "koi8r" => KOI8_R,
        "koi8u" => KOI8_U,
        "mac-roman" | "macroman" => MACINTOSH,
        "ucs-2le" => UTF_16LE,
        "ucs-2be" => UTF_16BE,
        _ => return None,
    };
    Some(Charset::Table(encoding))
}

/// `cp1252`, `win-1251`, `ms932`, `windows-65001`: Microsoft's numbers under the names mail gives them.
fn code_page(label: &str) -> Option<Charset> {
    let digits = label.find(|character: char| character.is_ascii_digit())?;
    let (family, number) = label.split_at_checked(digits)?;
    let family = family.trim_end_matches(['-', '_']).trim_start_matches("x-");
    if !matches!(
        family,
        "cp" | "win" | "windows" | "ms" | "ibm" | "codepage" | "csibm" | "dos"
    ) {
        return None;
    }
    let name: &[u8] = match number.parse::<u16>().ok()? {
        866 => b"ibm866",
        874 => b"windows-874",
        932 | 943 => b"shift_jis",
        936 => b"gbk",
        949 => b"euc-kr",
        950 => b"big5",
        1200 => b"utf-16le",
        1201 => b"utf-16be",
        1250 => b"windows-1250",
        1251 => b"windows-1251",
        1252 | 819 => b"windows-1252",
        1253 => b"windows-1253",
        1254 => b"windows-1254",
        1255 => b"windows-1255",
        1256 => b"windows-1256",
        1257 => b"windows-1257",
        1258 => b"windows-1258",
        20127 | 367 => return Some(Charset::Guess),
        20866 => b"koi8-r",
        21866 => b"koi8-u",
        28592 => b"iso-8859-2",
        28595 => b"iso-8859-5",
        28605 => b"iso-8859-15",
        50220..=50222 => b"iso-2022-jp",
        51932 => b"euc-jp",
        54936 => b"gb18030",
        65001 => b"utf-8",
        _ => return None,
    };
    Encoding::for_label(name).map(Charset::Table)
}

/// Fuzz entry: whatever the label and however the bytes are cut, the text is the same and bounded.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let (label, text) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => data.split_at_checked(end).unwrap_or((data, &[])),
        None => (&b"utf-8"[..], data),
    };
    let whole = decode_in_pieces(label, text, text.len().max(1));
    assert!(whole.0.len() <= text.len().saturating_mul(3).saturating_add(4));
    for size in [1, 2, 3, 7] {
        assert_eq!(decode_in_pieces(label, text, size), whole, "in pieces of {size}");
    }
    if let Some(Charset::Table(encoding)) = Charset::from_label(label) {
        let at_once = if encoding == UTF_16LE || encoding == UTF_16BE {
            encoding.decode(text).0
        } else {
            encoding.decode_with_bom_removal(text).0
        };
        assert_eq!(whole.0, at_once);
    }
    let mut header = String::new();
    decode_header_bytes(text, Some(label), &mut header);
    assert!(header.len() <= text.len().saturating_mul(3).saturating_add(4));
}

fn decode_in_pieces(label: &[u8], text: &[u8], size: usize) -> (String, bool) {
    let mut decoder = TextDecoder::new(Some(label));
    let mut output = String::new();
    for piece in text.chunks(size) {
        decoder.feed(piece, &mut output);
        decoder.feed(b"", &mut output);
    }
    decoder.finish(&mut output);
    (output, decoder.replaced())
}

#[cfg(test)]
mod tests;
