//! uuencode, line by line (POSIX `uuencode`): no RFC defines it for mail, and readers that decode it in plain text do so
//! by looking for its first line.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::limits;

/// How the lines after a first line are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `begin 644 name`.
    Historical,
    /// `begin-base64 644 name`.
    Base64,
}

/// Reads a first line: `begin`, three or four octal digits, a name, which may be empty for some readers.
pub fn first_line(line: &[u8]) -> Option<(Form, &[u8])> {
    let (form, rest) = match line.strip_prefix(b"begin-base64") {
        Some(rest) => (Form::Base64, rest),
        None => (Form::Historical, line.strip_prefix(b"begin")?),
    };
    let mode = rest.trim_ascii_start();
    let digits = mode.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (_, name) = mode.split_at_checked(digits)?;
    let spaced = mode.len() < rest.len() && name.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    let name = name.trim_ascii();
    (matches!(digits, 3 | 4) && spaced).then_some((form, name))
}

/// Whether this is the last line.
pub fn is_last(line: &[u8], form: Form) -> bool {
    match form {
        Form::Historical => line.trim_ascii_end() == b"end",
        Form::Base64 => line.trim_ascii_end() == b"====",
    }
}

/// Whether a line can be data: it is whole, or in the alphabet and has lost the spaces at its end.
pub fn is_data(line: &[u8], form: Form) -> bool {
    match form {
        Form::Historical => {
            let beginning = line.len() > 1 && announced(line) > 0 && in_alphabet(line);
            beginning || is_whole(line, form)
        }
        Form::Base64 => {
            let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
            let line = line.trim_ascii_end();
            !line.is_empty() && line.iter().all(alphabet)
        }
    }
}

/// Whether a line has as many characters as its first one announces, which text seldom has: they are in the alphabet, or
/// it ends about there. Readers look at neither, they take six bits of whatever character comes. In the base64 form no line
/// announces anything.
pub fn is_whole(line: &[u8], form: Form) -> bool {
    let bytes = announced(line);
    let characters = bytes.saturating_mul(4).div_ceil(3);
    let rest = line.get(1..).unwrap_or_default();
    let whole = rest
        .split_at_checked(characters)
        .is_some_and(|(characters, behind)| behind.len() <= limits::UUENCODE_BEHIND || in_alphabet(characters));
    form == Form::Historical && bytes > 0 && whole
}

fn in_alphabet(characters: &[u8]) -> bool {
    characters.iter().all(|byte| matches!(byte, b' '..=b'`'))
}

/// Whether a line announces no bytes, which comes before the last line.
pub fn is_empty(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end(), b"`" | b"") && announced(line) == 0
}

/// Appends what a line of the historical form holds. One that lost the spaces at its end, which stand for zeros, gets them
/// back, as far as it yields no more bytes than it has characters.
pub fn decode(line: &[u8], output: &mut Vec<u8>) {
    let most = announced(line).min(line.len());
    let end = output.len().saturating_add(most);
    let mut groups = line.get(1..).unwrap_or_default().chunks(4);
    while output.len() < end {
        let mut group = groups.next().unwrap_or_default().iter().copied();
        let word = (0..4).fold(0_u32, |word, _| {
            word.wrapping_shl(6) | u32::from(value(group.next().unwrap_or(b' ')))
        });
        let [_, a, b, c] = word.to_be_bytes();
        output.extend_from_slice(&[a, b, c]);
    }
    output.truncate(end);
}

/// Appends what a line of the base64 form holds; one that is cut inside a group holds nothing.
pub fn decode_base64(line: &[u8], output: &mut Vec<u8>) {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let before = output.len();
    if GeneralPurpose::new(&STANDARD, LENIENT)
        .decode_vec(line.trim_ascii_end(), output)
        .is_err()
    {
        output.truncate(before);
    }
}

/// The number of bytes that a line's first character announces.
fn announced(line: &[u8]) -> usize {
    line.first().map_or(0, |first| usize::from(value(*first)))
}

fn value(character: u8) -> u8 {
    character.wrapping_sub(b' ') & 0x3f
}

#[cfg(test)]
mod tests {
    use super::{Form, decode, first_line, is_data, is_last, is_whole};

    #[test]
    fn first_lines_and_what_only_looks_like_one() {
        for (line, expected) in [
            ("begin 644 a.txt", Some((Form::Historical, "a.txt"))),
            ("begin 0644 a b.txt ", Some((Form::Historical, "a b.txt"))),
            ("begin  666\ta", Some((Form::Historical, "a"))),
            ("begin-base64 744 a.pdf", Some((Form::Base64, "a.pdf"))),
            ("begin 644 ", Some((Form::Historical, ""))),
            ("begin 644", None),
            ("begin 64 a", None),
            ("begin 64412 a", None),
            ("begin 648 a", None),
            ("begin644 a", None),
            ("begin 644a", None),
            ("beginning 644 a", None),
            ("Begin 644 a", None),
            (" begin 644 a", None),
        ] {
            let expected = expected.map(|(form, name)| (form, name.as_bytes()));
            assert_eq!(first_line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn lines_decode_as_the_manual_says() {
        for (line, expected) in [
            (&b"#0V%T"[..], &b"Cat"[..]),
            (b"\"0V$", b"Ca"),
            (b"!0P``", b"C"),
            (b"!0P", b"C"),
            (b"`", b""),
            (b"", b""),
            (b"#0V%T!extra", b"Cat"),
            (b"#", b"\0"),
            (b"M", b"\0"),
        ] {
            let mut output = Vec::new();
            decode(line, &mut output);
            assert_eq!(output, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_line_without_the_spaces_at_its_end_gets_its_zeros_back() {
        // 45 bytes: "Cat" and zeros, written with spaces that a transport removed.
        let mut output = Vec::new();
        decode(
            b"M0V%T                                                        ",
            &mut output,
        );
        assert_eq!(output.len(), 45);
        let whole = output.clone();
        output.clear();
        decode(b"M0V%T                                        ", &mut output);
        assert_eq!(output, whole);
    }

    #[test]
    fn a_whole_line_is_data_whatever_its_characters_and_what_stands_behind_them() {
        for line in [
            &b"#0V%T"[..],
            b"#0V%T\t",
            b"#pVeTa",
            b"cpVeT a",
            b"#0V%T \xc2\xa0",
            b"#0V%Tand whatever else there is",
            b"\xa3\xb0\xd6\xa5\xd4",
            b"!0P",
        ] {
            assert!(is_whole(line, Form::Historical), "{}", line.escape_ascii());
            assert!(is_data(line, Form::Historical), "{}", line.escape_ascii());
            let mut output = Vec::new();
            decode(line, &mut output);
            assert!(
                b"Cat".starts_with(&output) && !output.is_empty(),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn prose_is_no_data() {
        for line in ["the file follows", "Hello", "", "`", " ", "#", "#0v%", "#0v%tlonger"] {
            assert!(!is_data(line.as_bytes(), Form::Historical), "{line}");
        }
        for line in ["#0V%T", "#0V%T!", "#0V%", "#0v%t"] {
            assert!(is_data(line.as_bytes(), Form::Historical), "{line}");
        }
        for line in ["-", "--", "OK", "#0V%", "THE END"] {
            assert!(!is_whole(line.as_bytes(), Form::Historical), "{line}");
        }
        assert!(!is_whole(b"QUJDRA==", Form::Base64));
        assert!(is_data(b"QUJD RA==", Form::Base64) ^ true);
        assert!(is_data(b"QUJDRA==", Form::Base64));
        assert!(is_last(b"end \r", Form::Historical) && is_last(b"====", Form::Base64));
        assert!(!is_last(b"ending", Form::Historical));
    }
}
