//! Numbers as people read them: sizes, spans of time, thousands.

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// `999 bytes`, `1.5 KB`, `26.0 GB`: decimal, as servers and providers count them.
pub fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "KB"),
    ];
    match UNITS.iter().find(|(unit, _)| number >= *unit) {
        None => format!("{number} bytes"),
        Some((unit, name)) => {
            let tenths = number.saturating_mul(10).checked_div(*unit).unwrap_or(number);
            format!("{}.{} {name}", tenths.div_euclid(10), tenths.rem_euclid(10))
        }
    }
}

/// `12 s`, `3 min`, `5 h 20 min`, `10 days`: rounded down, to what matters.
pub fn seconds(number: u64) -> String {
    let (minutes, hours) = (number.div_euclid(60), number.div_euclid(3600));
    match number {
        0..60 => format!("{number} s"),
        60..3600 => format!("{minutes} min"),
        3600..172_800 => format!("{hours} h {} min", minutes.rem_euclid(60)),
        _ => format!("{} days", hours.div_euclid(24)),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, seconds};

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (number, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 KB"),
            (1999, "1.9 KB"),
            (26_000_000_000, "26.0 GB"),
            (1_234_567_890_123, "1.2 TB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn spans_are_told_to_what_matters() {
        for (number, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (19_200, "5 h 20 min"),
            (172_799, "47 h 59 min"),
            (172_800, "2 days"),
        ] {
            assert_eq!(seconds(number), text);
        }
    }
}
