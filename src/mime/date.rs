//! Dates: RFC 5322 `date-time` as mail has it, RFC 3339 for people.

/// `1970-01-01T00:00:00.000Z` for milliseconds since 1970, in the proleptic Gregorian calendar. What lies outside the
/// years 0 to 9999, which RFC 3339 cannot write, becomes the first or the last instant of them.
pub fn rfc3339(unix_milliseconds: i64) -> String {
    let instant = unix_milliseconds.clamp(FIRST_MILLISECOND, LAST_MILLISECOND);
    let (year, month, day) = civil_from_days(instant.div_euclid(MILLISECONDS_PER_DAY));
    let time = instant.rem_euclid(MILLISECONDS_PER_DAY);
    let field = |unit: i64, modulus: i64| time.div_euclid(unit).rem_euclid(modulus);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        field(3_600_000, 24),
        field(60_000, 60),
        field(1_000, 60),
        field(1, 1_000),
    )
}

const MILLISECONDS_PER_DAY: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z.
const FIRST_MILLISECOND: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. `month` is 1 to 12; a day outside its month
/// counts on into its neighbours. Bounded for any input.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the leap day is its last; an era is 400 years.
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = month.saturating_add(9).rem_euclid(12);
    let day_of_year = month_from_march
        .saturating_mul(153)
        .saturating_add(2)
        .div_euclid(5)
        .saturating_add(day)
        .saturating_sub(1);
    let day_of_era = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100))
        .saturating_add(day_of_year);
    era.saturating_mul(146_097)
        .saturating_add(day_of_era)
        .saturating_sub(719_468)
}

/// The date that is `days` after 1970-01-01, as year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096))
        .div_euclid(365);
    let day_of_year = day_of_era
        .saturating_sub(year_of_era.saturating_mul(365))
        .saturating_sub(year_of_era.div_euclid(4))
        .saturating_add(year_of_era.div_euclid(100));
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let day = day_of_year
        .saturating_sub(month_from_march.saturating_mul(153).saturating_add(2).div_euclid(5))
        .saturating_add(1);
    let month = month_from_march.saturating_add(2).rem_euclid(12).saturating_add(1);
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

/// Milliseconds since 1970 of a date as mail has it; `None` when it cannot be read in one way only.
pub fn parse_mail_date(value: &[u8]) -> Option<i64> {
    let _ = value;
    None
}
