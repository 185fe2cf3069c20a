//! Numbers as yaml.v3, the original's reader, takes them: `16`, `1_048_576`, `0x10`, `0o17`, `0b11`, `.5`, `1e6`.

use serde_json::Number;

/// What a number may begin with, a longer prefix before one that it begins with.
const RADIXES: [(&str, u32); 8] = [
    ("0x", 16),
    ("0X", 16),
    ("0o", 8),
    ("0O", 8),
    ("0b", 2),
    ("0B", 2),
    ("0", 8),
    ("", 10),
];

/// The number that stands in `text`; `None` when it is none, or has no end.
pub(super) fn number(text: &str) -> Option<Number> {
    let digits = text.replace('_', "");
    let (is_negative, unsigned) = match digits.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    // Rust would take a second sign, `_1`, and words such as `inf`.
    let begins = |text: &str| text.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if text.starts_with('_') || !begins(unsigned) {
        return None;
    }
    let whole = RADIXES.iter().find_map(|(prefix, radix)| {
        let digits = unsigned.strip_prefix(prefix).filter(|rest| !rest.starts_with('+'))?;
        u64::from_str_radix(digits, *radix).ok()
    });
    match (whole, is_negative) {
        (Some(whole), false) => Some(Number::from(whole)),
        (Some(whole), true) => i64::try_from(whole).ok()?.checked_neg().map(Number::from),
        (None, _) => Number::from_f64(digits.parse().ok()?),
    }
}

/// The whole number, not negative, that stands in `text`. `010` is eight to the original and ten to most readers: it is
/// none.
pub(super) fn whole(text: &str) -> Option<u64> {
    let is_ambiguous = text
        .trim_start_matches('+')
        .strip_prefix('0')
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit() || next == '_'));
    if is_ambiguous {
        return None;
    }
    number(text)?.to_string().trim_end_matches(".0").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{number, whole};

    #[test]
    fn numbers_are_those_of_yaml_v3() {
        for (text, expected) in [
            ("0", "0"),
            ("-5", "-5"),
            ("+5", "5"),
            ("0x10", "16"),
            ("-0xff", "-255"),
            ("0o17", "15"),
            ("017", "15"),
            ("08", "8"),
            ("0b101", "5"),
            ("1_048_576", "1048576"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("1e6", "1000000.0"),
            ("2.5E-1", "0.25"),
        ] {
            assert_eq!(number(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            ".",
            "x",
            "e5",
            "0x",
            "0x+5",
            "++5",
            "-+5",
            "--5",
            "_1",
            "inf",
            "-inf",
            ".inf",
            ".nan",
            "1e999",
            "10MB",
            "1:30",
            "1 ",
            "2024-01-01",
            "1.2.3",
            "0xg",
            "٣",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_have_no_fraction_no_sign_and_no_two_readings() {
        for (text, expected) in [
            ("5.0", 5),
            ("1e6", 1_000_000),
            ("0x100000", 1 << 20),
            ("0o17", 15),
            ("0", 0),
            ("+1", 1),
        ] {
            assert_eq!(whole(text), Some(expected), "{text}");
        }
        for text in [
            "010",
            "+010",
            "00",
            "0_1",
            "1.5",
            "-1",
            "1e30",
            "18446744073709551616",
            "",
        ] {
            assert_eq!(whole(text), None, "{text:?}");
        }
    }
}
