//! Durations as the original writes them, which are Go's: `45s`, `1m30s`, `1.5h`, `300ms`.

use std::time::Duration;

use super::number;
use crate::limits;

/// Units, a longer name before one that it begins with.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, micro sign
    ("μs", 1_000), // U+03BC, Greek letter mu
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `text`; `None` when it is no duration, negative, or beyond 584 years. A number without a unit, which Go takes for
/// nanoseconds in a file, is none: nobody means that. `0` needs no unit.
pub fn parse(text: &str) -> Option<Duration> {
    match text {
        "" => return None,
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut rest = text;
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let (whole, behind) = digits(rest);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => digits(behind),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, behind) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((*unit, behind.strip_prefix(name)?)))?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanoseconds = nanoseconds
            .checked_add(whole.checked_mul(unit)?)?
            .checked_add(part_of(unit, fraction))?;
        rest = behind;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// Reads `text` of a key that the original has as well: a bare number there is nanoseconds. One that nobody can have meant so
/// is none.
pub(super) fn parse_of_original(text: &str) -> Option<Duration> {
    let nanoseconds = || number::whole(text).filter(|number| *number >= limits::CONFIGURED_NANOSECONDS);
    parse(text).or_else(|| nanoseconds().map(Duration::from_nanos))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit());
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""))
}

/// `0.fraction` of `unit`, cut to whole nanoseconds.
fn part_of(unit: u64, fraction: &str) -> u64 {
    let mut place = u128::from(unit).saturating_mul(1_000_000);
    let mut sum: u128 = 0;
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        place /= 10;
        sum = sum.saturating_add(place.saturating_mul(u128::from(digit)));
    }
    u64::try_from(sum / 1_000_000).unwrap_or(u64::MAX)
}

/// Any text is refused or is a duration that, written again in another way, is the same.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(duration) = parse(text) else { return };
    assert!(text.starts_with(|first: char| first.is_ascii_digit() || first == '.'));
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    assert_eq!(parse(&format!("{nanoseconds}ns")), Some(duration));
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    assert_eq!(parse(&format!("{seconds}.{rest:09}s")), Some(duration));
    assert_eq!(
        parse(&format!(
            "{}h{}m{}s{rest}ns",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )),
        Some(duration)
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, parse_of_original};

    #[test]
    fn go_s_durations_are_read() {
        let milliseconds = Duration::from_millis;
        for (text, expected) in [
            ("0", milliseconds(0)),
            ("0s", milliseconds(0)),
            ("45s", milliseconds(45_000)),
            ("1m30s", milliseconds(90_000)),
            ("1.5h", milliseconds(5_400_000)),
            (".5s", milliseconds(500)),
            ("1.s", milliseconds(1000)),
            ("300ms", milliseconds(300)),
            ("1h0.25m", milliseconds(3_615_000)),
            ("5us", Duration::from_micros(5)),
            ("5µs", Duration::from_micros(5)),
            ("5μs", Duration::from_micros(5)),
            ("7ns", Duration::from_nanos(7)),
            ("1.9999999999s", Duration::from_nanos(1_999_999_999)),
            ("0.1h", milliseconds(360_000)),
            ("18446744073709551615ns", Duration::from_nanos(u64::MAX)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "45",
            "s",
            ".s",
            "-1s",
            "+1s",
            "1 s",
            "1s ",
            "1S",
            "1d",
            "1e3s",
            "1m30",
            "1,5s",
            "1..5s",
            "٣s",
            "18446744073709551616ns",
            "5124096h",
            "1s18446744073709551615ns",
            "ms",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_bare_number_is_nanoseconds_where_the_original_reads_it_so() {
        for (text, expected) in [
            ("1000000", Some(Duration::from_millis(1))),
            ("10000000000", Some(Duration::from_secs(10))),
            ("45s", Some(Duration::from_secs(45))),
            ("0", Some(Duration::ZERO)),
            ("999999", None),
            ("45", None),
            ("-10000000000", None),
            ("18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(parse_of_original(text), expected, "{text:?}");
        }
    }
}
