//! The parenthesis of a FETCH response (RFC 3501 section 7.4.2): items in any order, with or without a body among them.

use super::lexer::{Lexer, Token, Unreadable};
use crate::limits;
use crate::mime::date;

/// What one FETCH response says of a mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The sequence number; Courier's 0 is none.
    pub number: Option<u32>,
    /// UID.
    pub uid: Option<u32>,
    /// RFC822.SIZE: a hint.
    pub size: Option<u64>,
    /// INTERNALDATE in milliseconds since 1970.
    pub internal_date_ms: Option<i64>,
    /// `BODY[]`.
    pub body: BodyItem,
}

/// The `BODY[]` item of a FETCH response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyItem {
    /// Not there: news about flags, say.
    #[default]
    Absent,
    /// NIL: Dovecot's way to say that another session expunged the mail.
    Nil,
    /// There; its bytes came, or are about to come.
    Present,
}

/// A FETCH response as far as it is read. A body may come in its middle, so reading stops there and goes on behind it.
#[derive(Debug, Clone, Default)]
pub struct Items {
    /// What was read so far.
    pub attributes: Attributes,
    /// The body, when it came as a quoted string or an atom.
    pub content: Option<Vec<u8>>,
    depth: usize,
}

/// Where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the end of the response.
    End,
    /// At the announcement of a literal that is no mail: collect it and read again.
    Literal(u64),
    /// At the announcement of the mail.
    Body(u64),
}

impl Items {
    /// Reads on. Redundant parentheses are walked through, wherever they stand (Domino).
    pub fn read(&mut self, lexer: &mut Lexer<'_>) -> Result<Stop, Unreadable> {
        loop {
            match lexer.peek() {
                None if self.depth == 0 => return Ok(Stop::End),
                None => return Err(Unreadable("a FETCH response without its end")),
                Some(b'(') => {
                    lexer.token()?;
                    self.open()?;
                }
                Some(b')') => {
                    lexer.token()?;
                    self.depth = self.depth.saturating_sub(1);
                }
                Some(_) if self.depth == 0 => return Err(Unreadable("text behind a FETCH response")),
                Some(_) => {
                    if let Some(stop) = self.item(lexer)? {
                        return Ok(stop);
                    }
                }
            }
        }
    }

    fn open(&mut self) -> Result<(), Unreadable> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > limits::IMAP_NESTING {
            return Err(Unreadable("parentheses nested too deeply"));
        }
        Ok(())
    }

    fn item(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Stop>, Unreadable> {
        let name = lexer.item_name()?;
        // Every item that exists begins with a letter; in what is left of somebody's mail, anything does.
        if !name.name.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(Unreadable("a FETCH item without a name"));
        }
        if name.is_whole_body() {
            return self.body(lexer);
        }
        let known = name.is(b"UID") || name.is(b"RFC822.SIZE") || name.is(b"INTERNALDATE");
        if !known {
            return skip(lexer, self.depth);
        }
        let value = match self.value(lexer)? {
            Token::Atom(atom) => atom.into(),
            Token::String(string) => string,
            Token::Announced(length) => return Ok(Some(Stop::Literal(length))),
            Token::Open | Token::Close | Token::End => return Err(Unreadable("a FETCH item without a value")),
        };
        if name.is(b"UID") {
            let uid = number(&value).filter(|uid| *uid > 0);
            // Two different UIDs in one response: no saying whose body it is.
            if self.attributes.uid.is_some() && self.attributes.uid != uid {
                return Err(Unreadable("two UIDs in one FETCH response"));
            }
            self.attributes.uid = uid;
        } else if name.is(b"RFC822.SIZE") {
            self.attributes.size = size(&value);
        } else {
            self.attributes.internal_date_ms = internal_date(&value);
        }
        Ok(None)
    }

    fn body(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Stop>, Unreadable> {
        if self.attributes.body != BodyItem::Absent {
            return Err(Unreadable("two bodies in one FETCH response"));
        }
        let value = self.value(lexer)?;
        self.attributes.body = BodyItem::Present;
        match value {
            Token::Announced(length) => return Ok(Some(Stop::Body(length))),
            Token::Atom(atom) if atom.eq_ignore_ascii_case(b"NIL") => self.attributes.body = BodyItem::Nil,
            // `{5}` with something behind it: the mail may follow all the same.
            Token::Atom([b'{', ..]) => return Err(Unreadable("a body announced in the middle of a line")),
            Token::Atom(atom) => self.content = Some(atom.to_vec()),
            Token::String(string) => self.content = Some(string.into_owned()),
            Token::Open | Token::Close | Token::End => return Err(Unreadable("a body without a value")),
        }
        Ok(None)
    }

    /// The value of an item that has no parentheses, through those that stand around it all the same.
    fn value<'a>(&mut self, lexer: &mut Lexer<'a>) -> Result<Token<'a>, Unreadable> {
        loop {
            match lexer.token()? {
                Token::Open => self.open()?,
                token => return Ok(token),
            }
        }
    }
}

/// Skips the value of an item that is of no interest: one token, or a parenthesis with all it holds.
fn skip(lexer: &mut Lexer<'_>, depth: usize) -> Result<Option<Stop>, Unreadable> {
    let mut inside = depth;
    loop {
        match lexer.token()? {
            Token::Open => inside = inside.saturating_add(1),
            Token::Close if inside == depth => return Err(Unreadable("a FETCH item without a value")),
            Token::Close => inside = inside.saturating_sub(1),
            Token::Announced(length) => return Ok(Some(Stop::Literal(length))),
            Token::End => return Err(Unreadable("a FETCH response without its end")),
            Token::Atom(_) | Token::String(_) => {}
        }
        if inside > limits::IMAP_NESTING {
            return Err(Unreadable("parentheses nested too deeply"));
        }
        if inside == depth {
            return Ok(None);
        }
    }
}

/// A number of 32 bits, as all of RFC 3501 are.
pub fn number(value: &[u8]) -> Option<u32> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// A size. mail.ru writes large ones as `9.3736e+06`.
pub(super) fn size(value: &[u8]) -> Option<u64> {
    let text = str::from_utf8(value).ok()?;
    text.parse().ok().or_else(|| {
        let about: f64 = text
            .parse()
            .ok()
            .filter(|about: &f64| about.is_finite() && *about >= 0.0)?;
        // Written out in digits rather than cast: what does not fit is no size.
        format!("{about:.0}").parse().ok()
    })
}

/// INTERNALDATE (RFC 3501 section 9, date-time) in milliseconds since 1970: ` 7-Jul-1996 02:44:25 -0700`.
pub fn internal_date(value: &[u8]) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let text = str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (day_month_year, time, zone) = (words.next()?, words.next()?, words.next()?);

    let mut parts = day_month_year.split('-');
    let day: i64 = in_range(parts.next()?, 1, 31)?;
    let month_name = parts.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month_name)?;
    let year: i64 = in_range(parts.next()?, 1, 9999)?;

    let mut time = time.split(':');
    let hour = in_range(time.next()?, 0, 23)?;
    let minute = in_range(time.next()?, 0, 59)?;
    let second = in_range(time.next()?, 0, 60)?;

    let west = zone.starts_with('-');
    let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_at_checked(2)?;
    let offset = in_range(hours, 0, 23)?
        .saturating_mul(60)
        .saturating_add(in_range(minutes, 0, 59)?);
    let offset = if west { offset.saturating_neg() } else { offset };

    let month = i64::try_from(month).ok()?.saturating_add(1);
    date::days_from_civil(year, month, day)
        .saturating_mul(24)
        .saturating_add(hour)
        .saturating_mul(60)
        .saturating_add(minute)
        .saturating_sub(offset)
        .saturating_mul(60)
        .saturating_add(second)
        .checked_mul(1000)
}

fn in_range(digits: &str, lowest: i64, highest: i64) -> Option<i64> {
    let number = digits.parse().ok()?;
    (lowest..=highest).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, BodyItem, Items, Stop, internal_date, size};
    use crate::imap::lexer::{Lexer, Unreadable};

    fn read(text: &[u8]) -> Result<(Stop, Items), Unreadable> {
        let mut items = Items::default();
        let stop = items.read(&mut Lexer::new(text))?;
        Ok((stop, items))
    }

    fn attributes(text: &str) -> Attributes {
        let (stop, items) = read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(stop, Stop::End, "{text}");
        items.attributes
    }

    #[test]
    fn a_uid_is_found_whatever_stands_around_it() {
        for text in [
            "(UID 19436 )",
            "(UID 19436)",
            "( FLAGS (\\Seen)  uid 19436)",
            "((UID 19436))",
            "((UID 19436) )",
            "(UID 19436))",
            "(UID (19436))",
            "(UID 19436) (FLAGS ())",
            "(MODSEQ (-1) UID 19436)",
            "(MODSEQ -1 UID \"19436\")",
            "(FLAGS (\\Seen $a]b [x{3} \"q\") UID 19436)",
            "(X-GM-LABELS (\"\\\\Inbox\" \"a \\\"b\") UID 19436)",
            "(X-GM-LABELS (\"say \"hi\" now\" x) UID 19436)",
            "(BODY[HEADER.FIELDS (TO \"]\")] \"x\" UID 19436)",
            "(BODY ((\"a\" \"b\" (\"c\" \"d\") NIL 3)(\"x\")) UID 19436)",
            "(ENVELOPE {3}\na)b UID 19436)",
            "(X-DATE NIL UID {5}\n19436)",
        ] {
            assert_eq!(attributes(text).uid, Some(19436), "{text}");
        }
        for text in ["(UID 0)", "(UID -1)", "(UID 4294967296)", "(FLAGS (\\Seen))", "()"] {
            assert_eq!(attributes(text).uid, None, "{text}");
        }
    }

    #[test]
    fn a_body_is_announced_quoted_an_atom_nil_or_absent() {
        let (stop, items) = read(b"(UID 5 BODY[] {12}").unwrap();
        assert_eq!((stop, items.attributes.uid), (Stop::Body(12), Some(5)));
        let (stop, _) = read(b"(BODY[] ({012+}").unwrap();
        assert_eq!(stop, Stop::Body(12));
        let (stop, items) = read(b"(body[] \"a \\\"b\" UID 5)").unwrap();
        assert_eq!((stop, items.content.as_deref()), (Stop::End, Some(&b"a \"b"[..])));
        let (_, items) = read(b"(BODY[] hello)").unwrap();
        assert_eq!(items.content.as_deref(), Some(&b"hello"[..]));
        assert_eq!(attributes("(BODY[] nil)").body, BodyItem::Nil);
        assert_eq!(attributes("(UID 5)").body, BodyItem::Absent);
        let (stop, items) = read(b"(BODY[TEXT] {12}").unwrap();
        assert_eq!((stop, items.attributes.body), (Stop::Literal(12), BodyItem::Absent));
        assert_eq!(read(b"(BODY[]<0> {12}").unwrap().0, Stop::Literal(12));
    }

    #[test]
    fn what_the_grammar_cannot_place_is_refused() {
        for text in [
            "",
            "UID 5",
            "(UID 5",
            "(UID )",
            "(UID 5) x",
            "(UID 5 UID 6)",
            "(BODY[] \"a\" BODY[] \"b\")",
            "(FLAGS",
            "(FLAGS )",
            "(BODY[] \"open)",
            "([])",
            "(] 5)",
            "(5 UID)",
        ] {
            let read = read(text.as_bytes());
            assert!(read.is_err() || text.is_empty(), "{text}: {read:?}");
        }
    }

    #[test]
    fn parentheses_nest_to_the_limit_and_no_deeper() {
        let limit = crate::limits::IMAP_NESTING;
        for (depth, passes) in [(limit - 1, true), (limit, true), (limit + 1, false), (100_000, false)] {
            let extra = format!("{}UID 5{}", "(".repeat(depth), ")".repeat(depth));
            assert_eq!(read(extra.as_bytes()).is_ok(), passes, "{depth}");
            let unknown = format!("(X {}1{})", "(".repeat(depth - 1), ")".repeat(depth - 1));
            assert_eq!(read(unknown.as_bytes()).is_ok(), passes, "{depth}");
        }
    }

    #[test]
    fn sizes_as_mail_ru_writes_them() {
        assert_eq!(size(b"44827"), Some(44_827));
        assert_eq!(size(b"9.3736e+06"), Some(9_373_600));
        for not_a_size in ["-1", "NaN", "inf", "x", "", "1e300"] {
            assert_eq!(size(not_a_size.as_bytes()), None, "{not_a_size}");
        }
    }

    #[test]
    fn internal_dates_become_milliseconds() {
        for (date, expected) in [
            ("17-Jul-1996 02:44:25 -0700", Some(837_596_665_000)),
            (" 7-Jul-1996 02:44:25 -0700", Some(836_732_665_000)),
            ("01-Jan-1970 00:00:00 +0000", Some(0)),
            ("31-Dec-1969 23:59:59 +0000", Some(-1000)),
            ("29-Feb-2000 12:00:00 +0530", Some(951_805_800_000)),
            ("1-mar-2024 00:00:00 +0000", Some(1_709_251_200_000)),
            ("29-Feb-2024 23:59:59 +0000", Some(1_709_251_199_000)),
            ("17-Jul-1996 02:44:25", None),
            ("17-Xxx-1996 02:44:25 -0700", None),
            ("32-Jul-1996 02:44:25 -0700", None),
            ("17-Jul-1996 24:44:25 -0700", None),
            ("17-Jul-1996 02:44:25 PDT", None),
            ("", None),
        ] {
            assert_eq!(internal_date(date.as_bytes()), expected, "{date}");
        }
    }
}
