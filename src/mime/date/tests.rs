use super::*;

fn read(value: &str) -> Option<String> {
    parse_mail_date(value.as_bytes()).map(rfc3339)
}

#[test]
fn instants_are_written_as_rfc_3339() {
    for (instant, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (FIRST_MILLISECOND, "0000-01-01T00:00:00.000Z"),
        (FIRST_MILLISECOND - 1, "0000-01-01T00:00:00.000Z"),
        (i64::MIN, "0000-01-01T00:00:00.000Z"),
        (LAST_MILLISECOND, "9999-12-31T23:59:59.999Z"),
        (LAST_MILLISECOND + 1, "9999-12-31T23:59:59.999Z"),
        (i64::MAX, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(rfc3339(instant), text);
    }
}

#[test]
fn every_day_of_four_centuries_follows_the_one_before() {
    let (mut year, mut month, mut day) = (1896, 1, 1);
    let first = days_from_civil(year, month, day);
    for days in first..first + 2 * 146_097 {
        assert_eq!(civil_from_days(days), (year, month, day));
        assert_eq!(days_from_civil(year, month, day), days);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day += 1;
        if day > length {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    for extreme in [i64::MIN, i64::MAX] {
        let _ = days_from_civil(extreme, extreme, extreme);
        let _ = civil_from_days(extreme);
    }
}

/// RFC 5322, appendix A, and what senders make of it.
#[test]
fn dates_that_can_be_read_one_way_are_read() {
    for (value, expected) in [
        ("Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06.000Z"),
        ("Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T08:52:37.000Z"),
        ("Thu, 13 Feb 1969 23:32:54 -0330", "1969-02-14T03:02:54.000Z"),
        (
            "Thu,\r\n\t13\r\n\t  Feb\r\n\t    1969\r\n\t23:32\r\n\t\t\t-0330 (Newfoundland Time)",
            "1969-02-14T03:02:00.000Z",
        ),
        ("Mon, 24 Nov 1997 14:22:01 -0800", "1997-11-24T22:22:01.000Z"),
        ("21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06.000Z"),
        (
            "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
            "1997-11-21T15:55:06.000Z",
        ),
        (
            "(a (nested) one)Fri(b), 21(c) Nov 1997 09:55:06 -0600(d",
            "1997-11-21T15:55:06.000Z",
        ),
        ("1 Jan 49 00:00 UT", "2049-01-01T00:00:00.000Z"),
        ("1 Jan 50 00:00 UT", "1950-01-01T00:00:00.000Z"),
        ("1 Jan 102 00:00 UT", "2002-01-01T00:00:00.000Z"),
        ("Thu, 22 Aug 0102 12:07:35 +0800", "2002-08-22T04:07:35.000Z"),
        ("mon, 2 jan 2024 03:04:05 est", "2024-01-02T08:04:05.000Z"),
        ("2 Jan 2024 03:04:05 PDT", "2024-01-02T10:04:05.000Z"),
        ("2 Jan 2024 03:04:05 A", "2024-01-02T03:04:05.000Z"),
        ("2 Jan 2024 03:04:05 CEST", "2024-01-02T03:04:05.000Z"),
        ("2 Jan 2024 03:04:05 +0200 CEST", "2024-01-02T01:04:05.000Z"),
        ("2 Jan 2024 03:04:05 GMT +0200", "2024-01-02T01:04:05.000Z"),
        ("2 Jan 2024 03:04:05 GMT+02:00", "2024-01-02T01:04:05.000Z"),
        ("2 Jan 2024 03:04:05", "2024-01-02T03:04:05.000Z"),
        ("2 January 2024 3:04", "2024-01-02T03:04:00.000Z"),
        ("Tuesday, Jan. 2, 2024 3:04 PM", "2024-01-02T15:04:00.000Z"),
        ("Jan 2, 2024 12:04:05 AM", "2024-01-02T00:04:05.000Z"),
        ("Jan 2, 2024 12:04:05pm", "2024-01-02T12:04:05.000Z"),
        ("Di, 02 Jan 2024 03:04:05 +0100", "2024-01-02T02:04:05.000Z"),
        ("Tue Jan  2 03:04:05 2024", "2024-01-02T03:04:05.000Z"),
        ("Tue Jan 2 03:04:05 PST 2024", "2024-01-02T11:04:05.000Z"),
        ("Tue Jan  2 03:04:05 2024 +0530", "2024-01-01T21:34:05.000Z"),
        (" 2-Jan-2024 03:04:05 +0000", "2024-01-02T03:04:05.000Z"),
        ("02-Jan-24 03:04:05 +0000", "2024-01-02T03:04:05.000Z"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000Z"),
        ("2024-01-02T03:04:05.6789-08:00", "2024-01-02T11:04:05.678Z"),
        ("2024-01-02 03:04:05 +02", "2024-01-02T01:04:05.000Z"),
        ("2024/01/02 03:04:05", "2024-01-02T03:04:05.000Z"),
        ("31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00.000Z"),
        ("29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00.000Z"),
        ("1 Jan 1900 00:00:00 +0000", "1900-01-01T00:00:00.000Z"),
        ("31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.000Z"),
    ] {
        assert_eq!(read(value), Some(expected.to_owned()), "{value}");
    }
}

#[test]
fn dates_that_do_not_exist_or_mean_two_things_are_refused() {
    for value in [
        "",
        "()",
        "Tue",
        "2 Jan 2024",
        "2 Jan 03:04:05",
        "Jan 2024 03:04:05",
        "2 2024 03:04:05",
        "02/03/2024 03:04:05",
        "02-03-2024 03:04:05",
        "2 3 Jan 2024 03:04:05",
        "2 Jan Feb 2024 03:04:05",
        "2 Jan 2024 2025 03:04:05",
        "2 Jan 2024 03:04:05 04:05:06",
        "2 Jan 2024 03:04:05 +0100 +0200",
        "2 Jan 2024 24:00:00 +0000",
        "2 Jan 2024 03:60:00 +0000",
        "2 Jan 2024 03:04:61 +0000",
        "2 Jan 2024 03:04:05:06",
        "2 Jan 2024 13:04:05 PM",
        "2 Jan 2024 0:04:05 AM",
        "2 Jan 2024 03:04:05 +2400",
        "2 Jan 2024 03:04:05 +0160",
        "2 Jan 2024 03:04:05 ++200",
        "2 Jan 2024 03:04:05 somewhere",
        "29 Feb 2023 00:00:00 +0000",
        "31 Apr 2024 00:00:00 +0000",
        "0 Jan 2024 00:00:00 +0000",
        "2024-13-01T00:00:00Z",
        "1 Jan 1900 00:00:00 +0001",
        "31 Dec 1899 23:59:59 -0100",
        "31 Dec 9999 23:59:59 -0001",
        "1 Jan 12024 00:00:00 +0000",
        "2 Jan \u{661}\u{661} 03:04:05",
    ] {
        assert_eq!(read(value), None, "{value}");
    }
}

#[test]
fn a_date_is_not_looked_at_beyond_its_limit() {
    let date = "2 Jan 2024 03:04:05 +0000";
    let padded = |length: usize| format!("{date}{}", " ".repeat(length - date.len()));
    assert!(read(&padded(limits::DATE - 1)).is_some());
    assert!(read(&padded(limits::DATE)).is_some());
    assert!(read(&padded(limits::DATE + 1)).is_none());
}

#[test]
fn every_truncation_keeps_the_properties() {
    for value in [
        "Thu, 13 Feb 1969 23:32:54.5 -0330 (Newfoundland (Time))",
        "2024-01-02T03:04:05.678+05:30",
    ] {
        for end in 0..=value.len() {
            fuzz(&value.as_bytes()[..end]);
        }
    }
}
