//! Seven-bit charsets that shift between ASCII and another set: ISO-2022-JP (RFC 1468), ISO-2022-KR (RFC 1557), HZ (RFC
//! 1843). What they shift to are `encoding_rs`'s tables; here the shifts are read as mail writes them.
//!
//! - A line begins in ASCII, whether or not the line before shifted back. An encoder that forgot it, or a mail that was
//!   cut, would otherwise take the line end and all that follows with it.
//! - ISO-2022-JP: two escape sequences without text between them are no error, as the Encoding Standard has it: mail is
//!   put together from encoded words and lines.
//! - Eight-bit bytes are those of the charset shifted to, which is what a wrong label usually hides.

use std::mem;

use encoding_rs::{EUC_KR, Encoding, GBK, ISO_2022_JP};

/// One of the charsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shifting {
    /// ISO-2022-JP, also the later editions as far as they use its sets.
    Iso2022Jp,
    /// ISO-2022-KR: SO and SI shift to KS X 1001 and back.
    Iso2022Kr,
    /// HZ-GB-2312: `~{` and `~}` shift to GB 2312 and back.
    Hz,
}

impl Shifting {
    /// What [`Shifts`] turns the bytes into.
    pub(super) fn encoding(self) -> &'static Encoding {
        match self {
            Shifting::Iso2022Jp => ISO_2022_JP,
            Shifting::Iso2022Kr => EUC_KR,
            Shifting::Hz => GBK,
        }
    }
}

/// Bytes of such a charset → bytes of its [`Shifting::encoding`], fed in pieces of any size.
pub(super) struct Shifts {
    charset: Shifting,
    /// The beginning of what may be a shift, at most three bytes.
    held: Vec<u8>,
    /// Korean and Chinese: shifted away from ASCII.
    shifted: bool,
    /// Chinese: the first byte of a character is out, so that `~` is the second.
    half: bool,
    /// Japanese: the set that text is in, by the end of its escape sequence; and the set that the output is in.
    set: [u8; 2],
    written: [u8; 2],
}

const ASCII: [u8; 2] = *b"(B";
const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;

impl Shifts {
    pub(super) fn new(charset: Shifting) -> Shifts {
        Shifts {
            charset,
            held: Vec::new(),
            shifted: false,
            half: false,
            set: ASCII,
            written: ASCII,
        }
    }

    pub(super) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        for byte in input {
            self.byte(*byte, output);
        }
    }

    /// What was held back and is no shift.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        for byte in mem::take(&mut self.held) {
            self.text(byte, output);
        }
    }

    fn byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        self.held.push(byte);
        let shift = match self.charset {
            Shifting::Iso2022Jp => self.japanese(),
            Shifting::Iso2022Kr => self.korean(),
            Shifting::Hz => self.chinese(output),
        };
        match shift {
            Shift::Maybe => {}
            Shift::Done => self.held.clear(),
            // The last byte may be the beginning of another one.
            Shift::None if self.held.len() > 1 => {
                self.held.pop();
                self.finish(output);
                self.byte(byte, output);
            }
            Shift::None => self.finish(output),
        }
    }

    fn japanese(&mut self) -> Shift {
        match *self.held.as_slice() {
            [ESCAPE] | [ESCAPE, b'$' | b'('] => Shift::Maybe,
            [ESCAPE, b'$', b'@' | b'B'] => {
                self.set = *b"$B";
                Shift::Done
            }
            [ESCAPE, b'(', set @ (b'B' | b'J' | b'I')] => {
                self.set = [b'(', set];
                Shift::Done
            }
            _ => Shift::None,
        }
    }

    fn korean(&mut self) -> Shift {
        match *self.held.as_slice() {
            // The designation at the head of the text, which says nothing more.
            [ESCAPE, b'$', b')', b'C'] => Shift::Done,
            [ESCAPE] | [ESCAPE, b'$'] | [ESCAPE, b'$', b')'] => Shift::Maybe,
            [shift @ (SHIFT_OUT | SHIFT_IN)] => {
                self.shifted = shift == SHIFT_OUT;
                Shift::Done
            }
            _ => Shift::None,
        }
    }

    fn chinese(&mut self, output: &mut Vec<u8>) -> Shift {
        match *self.held.as_slice() {
            [b'~'] if !self.half => Shift::Maybe,
            [b'~', shift @ (b'{' | b'}')] => {
                self.shifted = shift == b'{';
                Shift::Done
            }
            [b'~', b'~'] => {
                output.push(b'~');
                Shift::Done
            }
            // A line that goes on.
            [b'~', b'\n'] | [b'~', b'\r', b'\n'] => Shift::Done,
            [b'~', b'\r'] => Shift::Maybe,
            _ => Shift::None,
        }
    }

    fn text(&mut self, byte: u8, output: &mut Vec<u8>) {
        // An escape that begins no sequence must not become one with the text behind the next sequence: here it is written
        // as another byte that no Japanese set defines.
        let lone_escape = byte == ESCAPE && self.charset == Shifting::Iso2022Jp;
        let byte = if lone_escape { SHIFT_OUT } else { byte };
        let blank = byte <= b' ';
        // The Encoding Standard knows no blanks in a Japanese set; mail has them.
        let set = if blank { ASCII } else { self.set };
        if self.written != set {
            output.push(ESCAPE);
            output.extend_from_slice(&set);
            self.written = set;
        }
        if matches!(byte, b'\r' | b'\n') {
            self.set = ASCII;
            self.shifted = false;
        }
        if self.shifted && !blank && byte != 0x7F {
            output.push(byte | 0x80);
            self.half = !self.half && self.charset == Shifting::Hz;
        } else {
            output.push(byte);
            self.half = false;
        }
    }
}

/// What the bytes held back are.
enum Shift {
    Maybe,
    Done,
    None,
}

#[cfg(test)]
mod tests {
    use crate::mime::charset::{Charset, TextDecoder};

    fn decode(label: &str, text: &[u8]) -> (String, bool) {
        assert!(Charset::from_label(label.as_bytes()).unwrap().is_stateful());
        let whole = decode_in_two(label, text, 0);
        for cut in 1..=text.len() {
            assert_eq!(decode_in_two(label, text, cut), whole, "{text:?} cut at {cut}");
        }
        whole
    }

    fn decode_in_two(label: &str, text: &[u8], cut: usize) -> (String, bool) {
        let mut decoder = TextDecoder::new(Some(label.as_bytes()));
        let mut output = String::new();
        decoder.feed(&text[..cut], &mut output);
        decoder.feed(&text[cut..], &mut output);
        decoder.finish(&mut output);
        (output, decoder.replaced())
    }

    #[test]
    fn japanese_without_the_escape_back_keeps_its_line_ends() {
        for (text, expected, replaced) in [
            (&b"\x1B$B$3$s\x1B(B!"[..], "こん!", false),
            (b"\x1B$B$3$s\nab\n\x1B$B$3\x1B(B", "こん\nab\nこ", false),
            (b"\x1B$@$3$s\r\nab", "こん\r\nab", false),
            (b"\x1B$B$3 $s\t!!\x1B(B.", "こ ん\t　.", false),
            (b"\x1B$B$\nab", "\u{FFFD}\nab", true),
            (b"\x1B$B\x1B(B\x1B$B$3\x1B(B\x1B(J~\\\x1B(B~", "こ‾¥~", false),
            (b"\x1B(I1\x1B(B1", "ｱ1", false),
            (b"\x1B$B", "", false),
            (b"a\x1B", "a\u{FFFD}", true),
            (b"a\x1B\x1B$B$3", "a\u{FFFD}こ", true),
            (b"a\xE4", "a\u{FFFD}", true),
            (b"\x1B\x1B(B$B$3\nab", "\u{FFFD}$B$3\nab", true),
            (b"\x1B(x\x1B$(\x1B$x", "\u{FFFD}(x\u{FFFD}$(\u{FFFD}$x", true),
        ] {
            assert_eq!(decode("iso-2022-jp", text), (expected.to_owned(), replaced), "{text:?}");
        }
    }

    #[test]
    fn korean() {
        for (text, expected, replaced) in [
            (&b"\x1B$)C\n\x0E0!3*\x0F abc\n"[..], "\n가나 abc\n", false),
            (b"\x1B$)C\x0E0! 3*\nabc", "가 나\nabc", false),
            (b"\xB0\xA1", "가", false),
            (b"\x0E0\nab", "\u{FFFD}\nab", true),
            (b"\x1B$)", "\x1B$)", false),
        ] {
            assert_eq!(decode("iso-2022-kr", text), (expected.to_owned(), replaced), "{text:?}");
        }
    }

    #[test]
    fn rfc_1843_examples() {
        let example = b"This sentence is in ASCII.\nThe next sentence is in GB.~{<:Ky2;S{#,NpJ)l6HK!#~}Bye.\n";
        let text = "This sentence is in ASCII.\nThe next sentence is in GB.己所不欲，勿施於人。Bye.\n";
        assert_eq!(decode("hz-gb-2312", example), (text.to_owned(), false));
        for (text, expected, replaced) in [
            (&b"a~~b ~x ~"[..], "a~b ~x ~", false),
            (b"one ~\nl~\r\nine~\r", "one line~\r", false),
            (b"~{VPND\nabc", "中文\nabc", false),
            (b"~{!~~}!", "〓!", false),
            (b"~{VP", "中", false),
            (b"~{V~}", "筑\u{FFFD}", true),
        ] {
            let found = decode("hz-gb-2312", text);
            assert_eq!(found, (expected.to_owned(), replaced), "{text:?}");
        }
    }
}
