//! Transfer encodings (RFC 2045, 6): streaming, lenient, counting what was wrong. A bad byte never costs the rest of a part.

pub mod base64;
pub mod quoted_printable;

use super::cuts::cuts;
use super::embedded::{Enclosed, Scanner};
use base64::Base64;
use quoted_printable::QuotedPrintable;

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
        output.reserve(input.len());
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

/// Same bytes for any split; never more bytes than went in.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let encoding = match choice & 3 {
        0 => Encoding::Base64,
        1 => Encoding::QuotedPrintable,
        2 => Encoding::Uuencode,
        _ => Encoding::Yenc,
    };
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
    assert!(whole.0.len() <= data.len());
    for pieces in cuts(data) {
        assert_eq!(whole, decode(&pieces), "{} pieces", pieces.len());
    }
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
            (b"end=", "end", bad(1)),
            (b"end=\r", "end", bad(1)),
            (b"end=3", "end=3", bad(1)),
            (b"= x", "= x", bad(1)),
            (b"==3D", "==", bad(1)),
            (b"a\rb", "a\\rb", bad(0)),
            (b"a \r", "a\\r", bad(0)),
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
