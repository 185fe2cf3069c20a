//! `Retry-After` (RFC 9110 section 10.2.3): seconds or a date, from a server that may be wrong about either.

use std::time::Duration;

use crate::limits;
use crate::mime::date;

/// How long to wait, at most [`limits::HTTP_RETRY_AFTER`]; `None` for what is neither seconds nor a date. A date in the
/// past is no wait at all.
pub fn parse(value: &[u8], now_unix_milliseconds: i64) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a number, and a long wait.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = http_date(value, now_unix_milliseconds)?.saturating_mul(1000);
        Duration::from_millis(u64::try_from(at.saturating_sub(now_unix_milliseconds)).unwrap_or(0))
    };
    Some(wait.min(limits::HTTP_RETRY_AFTER))
}

/// Seconds since 1970 of an HTTP-date (RFC 9110 section 5.6.7). All three forms: recipients must read the old ones.
fn http_date(value: &str, now_unix_milliseconds: i64) -> Option<i64> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    match words.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, "GMT"] if weekday.ends_with(',') => {
            seconds(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, "GMT"] if weekday.ends_with(',') => {
            let mut date = date.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            if date.next().is_some() {
                return None;
            }
            let year = full_year(digits(year, 2)?, now_unix_milliseconds);
            seconds(year, month, digits(day, 2)?, time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => seconds(digits(year, 4)?, month, digits(day, day.len().min(2))?, time),
        _ => None,
    }
}

/// A two-digit year is the one closest to now that is not more than 50 years ahead (RFC 9110 section 5.6.7).
fn full_year(two_digits: i64, now_unix_milliseconds: i64) -> i64 {
    let this_year = now_unix_milliseconds
        .div_euclid(31_556_952_000) // the mean year of the Gregorian calendar
        .saturating_add(1970);
    let century = this_year.saturating_sub(this_year.rem_euclid(100));
    let year = century.saturating_add(two_digits);
    if year > this_year.saturating_add(50) {
        year.saturating_sub(100)
    } else {
        year
    }
}

fn seconds(year: i64, month: &str, day: i64, time: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let mut time = time.split(':');
    let (hour, minute, second) = (
        digits(time.next()?, 2)?,
        digits(time.next()?, 2)?,
        digits(time.next()?, 2)?,
    );
    // 60 is a leap second.
    if time.next().is_some() || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let of_day = hour
        .saturating_mul(60)
        .saturating_add(minute)
        .saturating_mul(60)
        .saturating_add(second);
    Some(
        date::days_from_civil(year, month.saturating_add(1), day)
            .saturating_mul(86_400)
            .saturating_add(of_day),
    )
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
