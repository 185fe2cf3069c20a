//! Dates: RFC 5322 `date-time` as mail has it, RFC 3339 for people.

use crate::limits;

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

/// Milliseconds since 1970 of a date as mail has it: RFC 5322, sections 3.3 and 4.3, the formats of `ctime`, INTERNALDATE
/// and ISO 8601, and what stands in between. Without a zone it is UTC. `None` when it can be read in two ways
/// (`02/03/2024`), lacks the year, the day or the time of day, or does not exist; and outside the years 1900 to 9999.
pub fn parse_mail_date(value: &[u8]) -> Option<i64> {
    if value.len() > limits::DATE {
        return None;
    }
    let text = without_comments(value);
    let mut fields = Fields::default();
    let words = text.split(|character: char| character.is_ascii_whitespace() || character == ',');
    for word in words.filter(|word| !word.is_empty()) {
        fields.word(word)?;
    }
    fields.instant()
}

/// Lower-case text without comments (RFC 5322, section 3.2.2), and without the white space that section 4.3 allows
/// around colons.
fn without_comments(value: &[u8]) -> String {
    let mut depth = 0_u32;
    let mut text = String::with_capacity(value.len());
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '(' => depth = depth.saturating_add(1),
            ')' if depth > 0 => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ':' => {
                text.truncate(text.trim_ascii_end().len());
                text.push(':');
            }
            _ if character.is_ascii_whitespace() && text.ends_with(':') => {}
            _ => text.push(character.to_ascii_lowercase()),
        }
        if character == '(' && !text.ends_with(':') {
            text.push(' ');
        }
    }
    text
}

/// What has been read of a date. Each field is given once.
#[derive(Default)]
struct Fields {
    started: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Milliseconds since midnight.
    time: Option<i64>,
    afternoon: Option<bool>,
    zone: Option<Zone>,
}

#[derive(Clone, Copy)]
struct Zone {
    /// East of Greenwich.
    minutes: i64,
    /// Written in digits, which beats a name beside it: `+0200 CEST`.
    numeric: bool,
}

impl Fields {
    /// Takes one word; `None` when it makes no sense here.
    fn word(&mut self, word: &str) -> Option<()> {
        let first = !self.started;
        self.started = true;
        let initial = word.chars().next()?;
        if self.time.is_some() && matches!(initial, '+' | '-') {
            return self.set_zone(numeric_zone(word)?);
        }
        if initial.is_ascii_digit() {
            return self.digits(word);
        }
        let name = word.trim_end_matches('.');
        if let Some(month) = position_of(name, &MONTHS) {
            return set(&mut self.month, month.checked_add(1)?);
        }
        if position_of(name, &WEEKDAYS).is_some() {
            return Some(());
        }
        if self.time.is_some() {
            return self.behind_time(name);
        }
        // A weekday in some other language.
        first.then_some(())
    }

    /// A word that begins with a digit.
    fn digits(&mut self, word: &str) -> Option<()> {
        let dash = word.find(['-', '/']);
        if dash.is_some_and(|dash| word.find(':').is_none_or(|colon| dash < colon)) {
            let mut parts = word.splitn(3, ['-', '/']);
            return self.date(parts.next()?, parts.next()?, parts.next()?);
        }
        if word.contains(':') {
            return self.time(word);
        }
        let number = number(word, 4)?;
        match word.len() {
            1 | 2 if self.day.is_none() => set(&mut self.day, number),
            _ => set(&mut self.year, full_year(number, word.len())?),
        }
    }

    /// `2024-01-02`, `2024-01-02t03:04:05z`, `02-jan-2024`. Two numbers that could be day and month are refused.
    fn date(&mut self, first: &str, second: &str, third: &str) -> Option<()> {
        if let Some(month) = position_of(second, &MONTHS) {
            set(&mut self.month, month.checked_add(1)?)?;
            set(&mut self.day, number(first, 2)?)?;
            return set(&mut self.year, full_year(number(third, 4)?, third.len())?);
        }
        if first.len() != 4 {
            return None;
        }
        set(&mut self.year, number(first, 4)?)?;
        set(&mut self.month, number(second, 2)?)?;
        match third.split_once('t') {
            None => set(&mut self.day, number(third, 2)?),
            Some((day, time)) => {
                set(&mut self.day, number(day, 2)?)?;
                self.time(time)
            }
        }
    }

    /// `03:04`, `03:04:05.678`, with a zone, `am` or `pm` behind it.
    fn time(&mut self, word: &str) -> Option<()> {
        let end = word
            .find(|character: char| !matches!(character, '0'..='9' | ':' | '.'))
            .unwrap_or(word.len());
        let (clock, behind) = word.split_at_checked(end)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let mut parts = clock.split(':');
        let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
        let minute = number(parts.next()?, 2).filter(|minute| *minute < 60)?;
        // 60 is a leap second; it is the next minute's first.
        let second = parts
            .next()
            .map_or(Some(0), |second| number(second, 2).filter(|second| *second <= 60))?;
        if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let milliseconds = fraction.bytes().chain(*b"00").take(3).fold(0_i64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(i64::from(digit.saturating_sub(b'0')))
        });
        let seconds = hour
            .checked_mul(60)?
            .checked_add(minute)?
            .checked_mul(60)?
            .checked_add(second)?;
        set(&mut self.time, seconds.checked_mul(1_000)?.checked_add(milliseconds)?)?;
        match behind.chars().next() {
            None => Some(()),
            Some('+' | '-') => self.set_zone(numeric_zone(behind)?),
            Some(_) => self.behind_time(behind),
        }
    }

    /// A name behind the time: half of the day, or zone.
    fn behind_time(&mut self, name: &str) -> Option<()> {
        match name {
            "am" | "a.m" => set(&mut self.afternoon, false),
            "pm" | "p.m" => set(&mut self.afternoon, true),
            _ => self.set_zone(named_zone(name)?),
        }
    }

    fn set_zone(&mut self, zone: Zone) -> Option<()> {
        match self.zone {
            Some(known) if known.numeric && zone.numeric => None,
            Some(known) if known.numeric || !zone.numeric => Some(()),
            _ => {
                self.zone = Some(zone);
                Some(())
            }
        }
    }

    fn instant(&self) -> Option<i64> {
        const HALF_DAY: i64 = MILLISECONDS_PER_DAY / 2;
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let days = days_from_civil(year, month, day);
        // A day that does not exist would count on into the next month.
        if !(1900..=9999).contains(&year) || civil_from_days(days) != (year, month, day) {
            return None;
        }
        let time = match self.afternoon {
            None => self.time?,
            // Noon and midnight are 12: 0 and what is past 12:59 cannot have a half.
            Some(afternoon) => {
                let time = self
                    .time
                    .filter(|time| (3_600_000..HALF_DAY.saturating_add(3_600_000)).contains(time))?;
                time.rem_euclid(HALF_DAY)
                    .checked_add(if afternoon { HALF_DAY } else { 0 })?
            }
        };
        let zone = self.zone.map_or(0, |zone| zone.minutes).checked_mul(60_000)?;
        let instant = days
            .checked_mul(MILLISECONDS_PER_DAY)?
            .checked_add(time)?
            .checked_sub(zone)?;
        (FIRST_MAIL_MILLISECOND..=LAST_MILLISECOND)
            .contains(&instant)
            .then_some(instant)
    }
}

/// 1900-01-01T00:00:00.000Z: RFC 5322, section 3.3 knows no date before.
const FIRST_MAIL_MILLISECOND: i64 = -2_208_988_800_000;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Which of `names` begins with `name`, of which three letters must be there.
fn position_of(name: &str, names: &[&str]) -> Option<i64> {
    let position = names
        .iter()
        .position(|full| name.len() >= 3 && full.starts_with(name))?;
    i64::try_from(position).ok()
}

/// A number of at most `digits` digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// RFC 5322, section 4.3: two digits are 1950 to 2049, three count from 1900. So do `0100` to `0199`, which senders that
/// were not ready for the year 2000 write.
fn full_year(year: i64, digits: usize) -> Option<i64> {
    match digits {
        4 if (100..200).contains(&year) => year.checked_add(1900),
        4 => Some(year),
        2 if year < 50 => year.checked_add(2000),
        2 | 3 => year.checked_add(1900),
        _ => None,
    }
}

/// `+0200`, `-08:00`, `+02`.
fn numeric_zone(text: &str) -> Option<Zone> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() <= 2 => (digits, "0"),
        None => digits.split_at_checked(digits.len().checked_sub(2)?)?,
    };
    let hours = number(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = number(minutes, 2).filter(|minutes| *minutes < 60)?;
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    Some(Zone {
        minutes: if sign == "-" { minutes.checked_neg()? } else { minutes },
        numeric: true,
    })
}

/// RFC 5322, section 4.3. Names it does not know, and the military letters that RFC 822 got wrong, are UTC.
fn named_zone(name: &str) -> Option<Zone> {
    for greenwich in ["gmt", "utc", "ut"] {
        if let Some(offset) = name.strip_prefix(greenwich)
            && offset.starts_with(['+', '-'])
        {
            return numeric_zone(offset);
        }
    }
    let hours: i64 = match name {
        "edt" => -4,
        "est" | "cdt" => -5,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        name if name.len() <= 5 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => 0,
        _ => return None,
    };
    Some(Zone {
        minutes: hours.checked_mul(60)?,
        numeric: false,
    })
}

/// Fuzz entry: what is read can be written, and is read again as the same instant.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Some(instant) = parse_mail_date(data) {
        assert_eq!(
            parse_mail_date(rfc3339(instant).as_bytes()),
            Some(instant),
            "{}",
            rfc3339(instant)
        );
    }
    let (number, _) = data
        .split_first_chunk()
        .map_or(([0; 8], data), |(number, rest)| (*number, rest));
    let instant = i64::from_be_bytes(number);
    let text = rfc3339(instant);
    assert_eq!(text.len(), "1970-01-01T00:00:00.000Z".len(), "{instant}");
    if (FIRST_MAIL_MILLISECOND..=LAST_MILLISECOND).contains(&instant) {
        assert_eq!(parse_mail_date(text.as_bytes()), Some(instant));
    }
}

#[cfg(test)]
mod tests;
