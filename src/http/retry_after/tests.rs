use std::time::Duration;

use super::parse;

/// 1994-11-06T08:49:37Z, the RFC's own example.
const THEN: i64 = 784_111_777_000;

#[test]
fn matrix_3_seconds_and_all_three_forms_of_date_are_read() {
    let cases: [(&str, i64, u64); 12] = [
        ("0", 0, 0),
        ("120", 0, 120),
        ("0000000000000000000000000000120", 0, 120),
        ("Sun, 06 Nov 1994 08:49:37 GMT", THEN - 90_000, 90),
        ("Sunday, 06-Nov-94 08:49:37 GMT", THEN - 90_000, 90),
        ("Sun Nov  6 08:49:37 1994", THEN - 90_000, 90),
        ("Sun Nov 06 08:49:37 1994", THEN - 90_000, 90),
        ("Thu, 29 Feb 2024 00:00:10 GMT", 1_709_164_800_000, 10),
        ("Fri, 01 Mar 2024 00:00:10 GMT", 1_709_251_200_000, 10),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0, 1),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799_000, 1),
        ("Friday, 01-Jan-27 00:00:07 GMT", 1_798_761_600_000, 7),
    ];
    for (value, now, seconds) in cases {
        assert_eq!(
            parse(value.as_bytes(), now),
            Some(Duration::from_secs(seconds)),
            "{value}"
        );
    }
}

#[test]
fn matrix_3_a_date_in_the_past_is_no_wait() {
    for value in ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 0001 00:00:00 GMT"] {
        assert_eq!(parse(value.as_bytes(), THEN + 1), Some(Duration::ZERO), "{value}");
    }
}

/// The receiver's clock and ours differ by a day: it is no wait, or the longest, never more.
#[test]
fn matrix_15_a_clock_that_is_a_day_wrong_makes_a_date_no_wait_or_the_longest() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let hour = Some(Duration::from_secs(3600));
    for date in [
        "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sunday, 06-Nov-94 08:50:07 GMT",
        "Sun Nov  6 08:50:07 1994",
    ] {
        assert_eq!(parse(date.as_bytes(), THEN), Some(Duration::from_secs(30)), "{date}");
        assert_eq!(parse(date.as_bytes(), THEN + DAY), Some(Duration::ZERO), "{date}");
        assert_eq!(parse(date.as_bytes(), THEN - DAY), hour, "{date}");
        assert_eq!(
            parse(b"30", THEN + DAY),
            parse(b"30", THEN - DAY),
            "seconds are seconds"
        );
    }
}

#[test]
fn matrix_3_the_wait_is_clamped_to_an_hour() {
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(parse(b"3599", 0), Some(Duration::from_secs(3599)));
    for value in [
        "3600",
        "3601",
        "1000000000000",
        "99999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(parse(value.as_bytes(), THEN), hour, "{value}");
    }
}

#[test]
fn matrix_3_what_is_neither_is_ignored() {
    let cases = [
        "",
        "-1",
        "+1",
        "1.5",
        "1e12",
        "0x10",
        "soon",
        "1 2",
        "٣",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:37:00 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94-1 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 006 08:49:37 1994",
        "1994-11-06T08:49:37Z",
    ];
    for value in cases {
        assert_eq!(parse(value.as_bytes(), 0), None, "{value}");
    }
    assert_eq!(parse(b"\xff", 0), None);
}

#[test]
fn a_two_digit_year_is_never_more_than_fifty_years_ahead() {
    // Seen from 2026, 76 is 2076 and 77 is 1977.
    let now = 1_800_000_000_000 - 31_556_952_000;
    assert_eq!(
        parse(b"Wednesday, 01-Jan-76 00:00:00 GMT", now),
        Some(Duration::from_secs(3600))
    );
    assert_eq!(parse(b"Saturday, 01-Jan-77 00:00:00 GMT", now), Some(Duration::ZERO));
}
