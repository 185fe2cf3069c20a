//! Transfer encodings (RFC 2045, 6): streaming, lenient, counting what was wrong. A bad byte never costs the rest of a part.

use memchr::memchr2;

use super::embedded::{Enclosed, Scanner};
use crate::limits;

/// Content-Transfer-Encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`, and whatever nobody defined.
    Identity,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// `x-uuencode` and its other names: no RFC defines it, some readers decode it.
    Uuencode,
    /// `x-yenc`: likewise.
    Yenc,
}

impl Encoding {
    /// Reads the field's value; `None` for a name that means nothing here.
    pub fn parse(value: &[u8]) -> Option<Encoding> {
        let value = value.trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if is("base64") {
            Some(Encoding::Base64)
        } else if is("quoted-printable") {
            Some(Encoding::QuotedPrintable)
        } else if is("7bit") || is("8bit") || is("binary") || value.is_empty() {
            Some(Encoding::Identity)
        } else if ["x-uuencode", "uuencode", "x-uue", "uue", "x-uu"].into_iter().any(is) {
            Some(Encoding::Uuencode)
        } else if ["x-yenc", "yenc", "x-yencode"].into_iter().any(is) {
            Some(Encoding::Yenc)
        } else {
            None
        }
    }

    /// What the author of a name that is not defined must have meant: `x-base64`, `"base64"`, `base64, 8bit`, `quoted`.
    pub fn make_out(value: &str) -> Encoding {
        let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let at = |names: [&str; 2]| names.iter().filter_map(|name| letters.find(name)).min();
        match (at(["base64", "b64"]), at(["quoted", "qp"])) {
            (Some(base64), Some(quoted)) if quoted < base64 => Encoding::QuotedPrintable,
            (Some(_), _) => Encoding::Base64,
            (None, Some(_)) => Encoding::QuotedPrintable,
            (None, None) => Encoding::Identity,
        }
    }
}

/// What a decoder met that its encoding does not allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Base64: bytes that are neither in the alphabet nor white space.
    pub junk: u64,
    /// Base64: characters after padding.
    pub after_padding: u64,
    /// Base64: padding where no group ends, or less or more of it than the group lacks.
    pub bad_padding: u64,
    /// Base64: the last group was not whole.
    pub truncated: bool,
    /// Quoted-printable: `=` followed by something else than an escape or a line end.
    pub bad_escapes: u64,
    /// Quoted-printable: escapes in capitals, as RFC 2045 wants them, and others in small letters, which some readers do
    /// not take for escapes.
    pub mixed_case: bool,
}

/// Decodes one part's content: `feed` in pieces, then `finish`.
#[derive(Debug)]
pub enum Decoder {
    /// Bytes as they are.
    Identity,
    /// See [`QuotedPrintable`].
    QuotedPrintable(QuotedPrintable),
    /// See [`Base64`].
    Base64(Base64),
    /// uuencode and yEnc: what their first and last lines enclose.
    Embedded(Box<Scanner>),
}

impl Decoder {
    /// A decoder at the start of a part.
    pub fn new(encoding: Encoding) -> Decoder {
        match encoding {
            Encoding::Identity => Decoder::Identity,
            Encoding::QuotedPrintable => Decoder::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Base64 => Decoder::Base64(Base64::default()),
            Encoding::Uuencode => Decoder::Embedded(Box::new(Scanner::uuencoded())),
            Encoding::Yenc => Decoder::Embedded(Box::default()),
        }
    }

    /// Appends what `input` decodes to: at most its length and what was held back before.
    pub fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        match self {
            Decoder::Identity => output.extend_from_slice(input),
            Decoder::QuotedPrintable(decoder) => decoder.feed(input, output),
            Decoder::Base64(decoder) => decoder.feed(input, output),
            Decoder::Embedded(scanner) => scanner.feed(input, &mut |found| append(found, output)),
        }
    }

    /// The end of the part: appends what was held back.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Faults {
        match self {
            Decoder::Identity => Faults::default(),
            Decoder::QuotedPrintable(decoder) => decoder.finish(output),
            Decoder::Base64(decoder) => decoder.finish(output),
            Decoder::Embedded(scanner) => {
                scanner.finish(&mut |found| append(found, output));
                Faults::default()
            }
        }
    }
}

/// Of what a scanner finds, a transfer decoder wants the bytes.
fn append(found: Enclosed<'_>, output: &mut Vec<u8>) {
    if let Enclosed::Data(bytes) = found {
        output.extend_from_slice(bytes);
    }
}

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
    fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
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

    fn finish(&mut self, output: &mut Vec<u8>) -> Faults {
        match self.state {
            // White space before the end of the part is at the end of a line.
            Quoted::Text => {
                if self.held.last() == Some(&b'\r') {
                    output.push(b'\r');
                }
            }
            // `=` at the very end: a soft line break whose line end belonged to the boundary.
            Quoted::Escape | Quoted::SoftBreak => {}
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

/// Base64 (RFC 2045, 6.8). Everything outside the alphabet is passed over; padding ends a group, not the part, because
/// concatenated base64 exists and readers differ on it.
#[derive(Debug, Default)]
pub struct Base64 {
    /// Sextets of the group under way, and how many.
    group: u32,
    sextets: u8,
    padded: bool,
    /// Padding characters that the last group still lacks.
    padding_due: u8,
    faults: Faults,
}

/// Marks a byte that is no base64 character.
const OUTSIDE: u8 = 0x80;
/// Byte → sextet, or [`OUTSIDE`].
static SEXTETS: [u8; 256] = sextets();

const fn sextets() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OUTSIDE; 256];
    let mut value: u8 = 0;
    while value < 64 {
        #[allow(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler; iterators are not const"
        )]
        {
            table[alphabet[value as usize] as usize] = value;
        }
        value = value.wrapping_add(1);
    }
    table
}

fn sextet(byte: u8) -> u8 {
    SEXTETS.get(usize::from(byte)).copied().unwrap_or(OUTSIDE)
}

impl Base64 {
    fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while !input.is_empty() {
            if self.sextets == 0 && !self.padded {
                input = whole_groups(input, output);
            }
            let Some((first, rest)) = input.split_first() else {
                return;
            };
            self.character(*first, output);
            input = rest;
        }
    }

    /// The slow path: one byte, which may be anything.
    fn character(&mut self, byte: u8, output: &mut Vec<u8>) {
        let value = sextet(byte);
        if value != OUTSIDE {
            self.padding_ends();
            if self.padded {
                self.faults.after_padding = self.faults.after_padding.saturating_add(1);
            }
            self.group = self.group.wrapping_shl(6) | u32::from(value);
            self.sextets = self.sextets.wrapping_add(1);
            if self.sextets == 4 {
                let [_, a, b, c] = self.group.to_be_bytes();
                output.extend_from_slice(&[a, b, c]);
                self.next_group();
            }
        } else if byte == b'=' {
            self.padding(output);
        } else if !matches!(byte, b'\r' | b'\n' | b' ' | b'\t') {
            self.faults.junk = self.faults.junk.saturating_add(1);
        }
    }

    /// `=`: two of them end a group of two characters, one ends a group of three, and nothing else can be padded.
    fn padding(&mut self, output: &mut Vec<u8>) {
        if self.padding_due > 0 {
            self.padding_due = self.padding_due.wrapping_sub(1);
            return;
        }
        match self.sextets {
            2 => self.padding_due = 1,
            3 => {}
            _ => self.faults.bad_padding = self.faults.bad_padding.saturating_add(1),
        }
        self.end_group(output);
        self.padded = true;
    }

    /// Something else than padding, or the end.
    fn padding_ends(&mut self) {
        if self.padding_due > 0 {
            self.faults.bad_padding = self.faults.bad_padding.saturating_add(1);
            self.padding_due = 0;
        }
    }

    /// Padding, or the end: the whole bytes of an unfinished group come out.
    fn end_group(&mut self, output: &mut Vec<u8>) {
        let missing = u32::from(4_u8.wrapping_sub(self.sextets)).wrapping_mul(6);
        let [_, a, b, _] = self.group.wrapping_shl(missing).to_be_bytes();
        match self.sextets {
            2 => output.push(a),
            3 => output.extend_from_slice(&[a, b]),
            _ => {}
        }
        self.next_group();
    }

    fn next_group(&mut self) {
        self.group = 0;
        self.sextets = 0;
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Faults {
        self.padding_ends();
        self.faults.truncated = self.sextets != 0;
        self.end_group(output);
        self.faults
    }
}

/// The fast path: decodes lines of whole groups of four characters; returns what it cannot take.
///
/// It takes at most [`limits::BASE64_STEP`] bytes at a time, because it makes room for as much as that may decode to:
/// junk after every group must not cost more than a step each.
fn whole_groups<'i>(mut input: &'i [u8], output: &mut Vec<u8>) -> &'i [u8] {
    loop {
        let step = input.get(..limits::BASE64_STEP).unwrap_or(input);
        let start = output.len();
        let most = step.len().div_ceil(4).saturating_mul(3);
        output.resize(start.saturating_add(most), 0);
        let room = output.get_mut(start..).unwrap_or_default();
        let (taken, written) = lines_of_groups(step, room);
        output.truncate(start.saturating_add(written));
        input = input.get(taken..).unwrap_or_default();
        if taken == 0 || taken < step.len() {
            return input;
        }
    }
}

/// Decodes into `room` until something else than a whole group or a line end comes; returns bytes taken and written.
fn lines_of_groups(input: &[u8], mut room: &mut [u8]) -> (usize, usize) {
    let (mut rest, space) = (input, room.len());
    loop {
        let mut groups: usize = 0;
        for (group, bytes) in rest.as_chunks::<4>().0.iter().zip(room.as_chunks_mut::<3>().0) {
            let [a, b, c, d] = group.map(sextet);
            if (a | b | c | d) & OUTSIDE != 0 {
                break;
            }
            let word = u32::from(a).wrapping_shl(18)
                | u32::from(b).wrapping_shl(12)
                | u32::from(c).wrapping_shl(6)
                | u32::from(d);
            let [_, first, second, third] = word.to_be_bytes();
            *bytes = [first, second, third];
            groups = groups.wrapping_add(1);
        }
        rest = rest.get(groups.saturating_mul(4)..).unwrap_or_default();
        room = room.get_mut(groups.saturating_mul(3)..).unwrap_or_default();
        rest = match rest {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => after,
            _ => return (input.len().saturating_sub(rest.len()), space.saturating_sub(room.len())),
        };
    }
}

/// Same bytes for any split; never more bytes than went in.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let encoding = match choice & 3 {
        0 => Encoding::Base64,
        2 => Encoding::Uuencode,
        _ => Encoding::QuotedPrintable,
    };
    let split = usize::from(*choice).min(data.len());
    let (head, tail) = data.split_at_checked(split).unwrap_or((data, &[]));
    let decode = |pieces: &[&[u8]]| {
        let mut decoder = Decoder::new(encoding);
        let mut output = Vec::new();
        for piece in pieces {
            decoder.feed(piece, &mut output);
        }
        let faults = decoder.finish(&mut output);
        (output, faults)
    };
    let whole = decode(&[data]);
    assert_eq!(whole, decode(&[head, tail]));
    assert!(whole.0.len() <= data.len());
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(whole, decode(&bytes));
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Encoding, Faults, fuzz};
    use crate::limits;

    fn decode(encoding: Encoding, input: &[u8]) -> (String, Faults) {
        let mut decoder = Decoder::new(encoding);
        let mut output = Vec::new();
        decoder.feed(input, &mut output);
        let faults = decoder.finish(&mut output);
        for split in 0..=input.len() {
            let mut decoder = Decoder::new(encoding);
            let mut again = Vec::new();
            decoder.feed(&input[..split], &mut again);
            decoder.feed(&input[split..], &mut again);
            assert_eq!(
                (decoder.finish(&mut again), again),
                (faults, output.clone()),
                "split at {split}"
            );
        }
        (output.escape_ascii().to_string(), faults)
    }

    #[test]
    fn uuencode_and_yenc_as_transfer_encodings() {
        let none = Faults::default();
        for name in ["x-uuencode", "UUENCODE", "x-uue", "uue", " x-uu "] {
            let encoding = Encoding::parse(name.as_bytes()).unwrap();
            assert_eq!(
                decode(encoding, b"begin 644 a\n#0V%T\n`\nend\n"),
                ("Cat".to_owned(), none)
            );
            assert_eq!(decode(encoding, b"#0V%T\n"), ("Cat".to_owned(), none));
        }
        let encoding = Encoding::parse(b"x-yenc").unwrap();
        assert_eq!(
            decode(encoding, b"=ybegin line=9 name=a\r\n\x8b\r\n=yend\r\n"),
            ("a".to_owned(), none)
        );
    }

    #[test]
    fn base64_whole_padded_and_damaged() {
        let none = Faults::default();
        for (input, expected, faults) in [
            (&b""[..], "", none),
            (b"aGVsbG8=", "hello", none),
            (b"aGVs\r\nbG8=\r\n", "hello", none),
            (
                b"aGVsbG8",
                "hello",
                Faults {
                    truncated: true,
                    ..none
                },
            ),
            (
                b"aGVsbG",
                "hell",
                Faults {
                    truncated: true,
                    ..none
                },
            ),
            (
                b"aGVsb",
                "hel",
                Faults {
                    truncated: true,
                    ..none
                },
            ),
            (b"aG!Vs*bG8=", "hello", Faults { junk: 2, ..none }),
            (
                b"QUI=QUJD",
                "ABABC",
                Faults {
                    after_padding: 4,
                    ..none
                },
            ),
            (
                b"QQ==QQ==",
                "AA",
                Faults {
                    after_padding: 2,
                    ..none
                },
            ),
            (b"====", "", Faults { bad_padding: 4, ..none }),
            (b"QQ=", "A", Faults { bad_padding: 1, ..none }),
            (b"QUI==", "AB", Faults { bad_padding: 1, ..none }),
            (
                b"Q=I=",
                "",
                Faults {
                    bad_padding: 2,
                    after_padding: 1,
                    ..none
                },
            ),
            (
                b"aGVsbG8gd29ybGQhIGhlbGxvIHdvcmxkIQ==",
                "hello world! hello world!",
                none,
            ),
        ] {
            assert_eq!(
                decode(Encoding::Base64, input),
                (expected.to_owned(), faults),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn quoted_printable_escapes_soft_breaks_and_damage() {
        let bad = |bad_escapes| Faults {
            bad_escapes,
            ..Faults::default()
        };
        for (input, expected, faults) in [
            (
                &b"a=3Db=3db"[..],
                "a=b=b",
                Faults {
                    mixed_case: true,
                    ..bad(0)
                },
            ),
            (b"a=3db=3d", "a=b=", bad(0)),
            (b"soft=\r\nbreak=\nend= \t\r\n!", "softbreakend!", bad(0)),
            (b"trailing \t\r\nspace \nend  ", "trailing\\r\\nspace\\nend", bad(0)),
            (b"caf=C3=A9", "caf\\xc3\\xa9", bad(0)),
            (b"=ZZ =3 =3G", "=ZZ =3 =3G", bad(3)),
            (b"end=", "end", bad(0)),
            (b"end=3", "end=3", bad(1)),
            (b"= x", "= x", bad(1)),
            (b"==3D", "==", bad(1)),
            (b"a\rb", "a\\rb", bad(0)),
        ] {
            assert_eq!(
                decode(Encoding::QuotedPrintable, input),
                (expected.to_owned(), faults),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn a_line_of_blanks_is_not_held_for_ever() {
        let mut input = vec![b' '; limits::HELD_WHITE_SPACE + 100];
        input.extend_from_slice(b"\nx");
        let expected = format!("{}\\nx", " ".repeat(100));
        assert_eq!(decode(Encoding::QuotedPrintable, &input).0, expected);
    }

    #[test]
    fn names_of_encodings() {
        assert_eq!(Encoding::parse(b" BASE64 "), Some(Encoding::Base64));
        assert_eq!(Encoding::parse(b"Quoted-Printable"), Some(Encoding::QuotedPrintable));
        assert_eq!(Encoding::parse(b"8bit"), Some(Encoding::Identity));
        assert_eq!(Encoding::parse(b"x-base64"), None);
    }

    #[test]
    fn fuzz_function_accepts_ordinary_input() {
        fuzz(b"\x03caf=C3=A9 =\r\n x =");
        fuzz(b"\x04aGVsbG8gd29ybGQ==QQ");
    }
}
