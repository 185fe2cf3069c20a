//! Tokens of a response (RFC 3501 section 9), as servers write them rather than as the RFC does.
//!
//! A literal is announced only where a token begins: a `{5}` inside text or an atom announces nothing.

use std::borrow::Cow;

/// Walks over one response, or over the part of it that is there. Literals that were collected stand in it as the
/// announcement, one LF, and the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Lexer<'a> {
    rest: &'a [u8],
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// `(`
    Open,
    /// `)`
    Close,
    /// Anything without spaces and parentheses: atoms, numbers, flags, NIL.
    Atom(&'a [u8]),
    /// A quoted string or a collected literal: what it stands for.
    String(Cow<'a, [u8]>),
    /// A literal of so many bytes begins behind this line.
    Announced(u64),
    /// Nothing more.
    End,
}

/// Why a response cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `response`.
    pub fn new(response: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: response }
    }

    /// The next token.
    pub fn token(&mut self) -> Result<Token<'a>, Unreadable> {
        self.skip_spaces();
        match self.rest {
            [] => Ok(Token::End),
            [b'(', rest @ ..] => {
                self.rest = rest;
                Ok(Token::Open)
            }
            [b')', rest @ ..] => {
                self.rest = rest;
                Ok(Token::Close)
            }
            [b'"', rest @ ..] => self.quoted(rest),
            [b'{', ..] | [b'~', b'{', ..] => self.literal(),
            _ => Ok(Token::Atom(self.take_until(|byte| matches!(byte, b'(' | b')')))),
        }
    }

    /// The next byte that is not a space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_spaces();
        self.rest.first().copied()
    }

    /// The next word, whatever it holds: ends at a space.
    pub fn word(&mut self) -> &'a [u8] {
        self.skip_spaces();
        self.take_until(|_| false)
    }

    /// All that is left, without spaces around it.
    pub fn text(self) -> &'a [u8] {
        self.rest.trim_ascii()
    }

    /// The name of a FETCH item, with its section: `UID`, `BODY[]`, `BODY[HEADER.FIELDS (TO)]<0>`.
    pub fn item_name(&mut self) -> Result<ItemName<'a>, Unreadable> {
        self.skip_spaces();
        let name = self.take_until(|byte| matches!(byte, b'(' | b')' | b'['));
        if name.is_empty() {
            return Err(Unreadable("a FETCH item without a name"));
        }
        // `BODY [TEXT]` with a space has been seen.
        if name.eq_ignore_ascii_case(b"BODY") {
            self.skip_spaces();
        }
        if self.rest.first() != Some(&b'[') {
            return Ok(ItemName { name, section: None });
        }
        let mut quoted = false;
        let end = self.rest.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b']' && !quoted
        });
        let Some((section, rest)) = end.and_then(|end| self.rest.split_at_checked(end)) else {
            return Err(Unreadable("a FETCH section without an end"));
        };
        self.rest = rest;
        let behind = self.take_until(|byte| matches!(byte, b'(' | b')'));
        // `behind` is `]`, or `]<0>` for a part of the section.
        let whole = behind == b"]";
        Ok(ItemName {
            name,
            section: Some(section.get(1..).filter(|_| whole).unwrap_or(b"<partial>")),
        })
    }

    fn skip_spaces(&mut self) {
        while let [b' ' | b'\t' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take_until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let ended = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n') || ends(*byte);
        let end = self.rest.iter().position(ended).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// `rest` begins behind the opening quote. A quote with something else than a delimiter behind it belongs to the
    /// string: there are servers that forget to escape.
    fn quoted(&mut self, rest: &'a [u8]) -> Result<Token<'a>, Unreadable> {
        let mut escaped = false;
        let mut any_escape = false;
        let end = rest.iter().enumerate().position(|(at, byte)| {
            if escaped {
                escaped = false;
                return false;
            }
            escaped = *byte == b'\\';
            any_escape |= escaped;
            let behind = rest.get(at.saturating_add(1));
            *byte == b'"' && matches!(behind, None | Some(b' ' | b'\t' | b'(' | b')'))
        });
        let Some((inside, [_, rest @ ..])) = end.and_then(|end| rest.split_at_checked(end)) else {
            return Err(Unreadable("a quoted string without an end"));
        };
        self.rest = rest;
        Ok(Token::String(if any_escape {
            Cow::Owned(unescaped(inside))
        } else {
            Cow::Borrowed(inside)
        }))
    }

    fn literal(&mut self) -> Result<Token<'a>, Unreadable> {
        let Some((length, behind)) = announcement(self.rest) else {
            return Ok(Token::Atom(self.take_until(|byte| matches!(byte, b'(' | b')'))));
        };
        let length = length.ok_or(Unreadable("a literal longer than can be counted"))?;
        let [b'\n', behind @ ..] = behind else {
            self.rest = behind;
            return Ok(Token::Announced(length));
        };
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| behind.split_at_checked(length));
        let (literal, rest) = split.ok_or(Unreadable("a literal that was not collected"))?;
        self.rest = rest;
        Ok(Token::String(Cow::Borrowed(literal)))
    }
}

/// The name of a FETCH item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemName<'a> {
    /// `UID`, `BODY`, …; compare without regard to case.
    pub name: &'a [u8],
    /// What stands in the brackets: `Some(b"")` for `BODY[]`; something that is no section for a part of one.
    pub section: Option<&'a [u8]>,
}

impl ItemName<'_> {
    /// Whether it is `name`, without a section.
    pub fn is(&self, name: &[u8]) -> bool {
        self.section.is_none() && self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it is the whole mail.
    pub fn is_whole_body(&self) -> bool {
        self.section == Some(b"") && self.name.eq_ignore_ascii_case(b"BODY")
    }
}

/// Whether `line` ends with something that looks like the announcement of a literal, in a grammar position or not.
pub fn may_announce(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    memchr::memrchr(b'{', line)
        .and_then(|start| line.get(start..))
        .and_then(announcement)
        .is_some_and(|(_, behind)| behind.is_empty())
}

/// Whether `{` and a digit stand anywhere in `line`: enough to distrust what follows a line that cannot be read.
pub fn may_hold_announcement(line: &[u8]) -> bool {
    line.windows(2).any(|pair| matches!(pair, [b'{', b'0'..=b'9']))
}

/// `{5}`, `{5+}`, `{012}`, `~{5}` at the start of `rest`, with its length (`None` when it does not fit) and what stands
/// behind it, which is nothing or the LF before the literal.
fn announcement(rest: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let rest = rest.strip_prefix(b"~").unwrap_or(rest).strip_prefix(b"{")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    let rest = match rest {
        [b'+' | b'-', rest @ ..] => rest,
        _ => rest,
    };
    let behind = rest
        .strip_prefix(b"}")
        .filter(|behind| matches!(behind, [] | [b'\n', ..]))?;
    let length = digits.iter().try_fold(0_u64, |length, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        length.checked_mul(10)?.checked_add(digit)
    });
    Some((length, behind))
}

fn unescaped(inside: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'\\' {
            bytes.next().copied()
        } else {
            Some(byte)
        };
        plain.extend(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Lexer, Token, Unreadable, may_announce};

    fn tokens(line: &[u8]) -> Result<Vec<String>, Unreadable> {
        let mut lexer = Lexer::new(line);
        let mut tokens = Vec::new();
        loop {
            tokens.push(match lexer.token()? {
                Token::End => return Ok(tokens),
                Token::Open => "(".to_owned(),
                Token::Close => ")".to_owned(),
                Token::Atom(atom) => String::from_utf8_lossy(atom).into_owned(),
                Token::String(string) => format!("\"{}\"", String::from_utf8_lossy(&string)),
                Token::Announced(length) => format!("{{{length}}}"),
            });
        }
    }

    fn read(line: &[u8]) -> String {
        tokens(line).map_or_else(|error| error.0.to_owned(), |tokens| tokens.join("|"))
    }

    #[test]
    fn a_literal_is_announced_only_where_a_token_begins_and_a_line_ends() {
        assert_eq!(read(b"(X {5}"), "(|X|{5}");
        assert_eq!(read(b"({012}"), "(|{12}");
        assert_eq!(read(b"{5+}"), "{5}");
        assert_eq!(read(b"~{5}"), "{5}");
        assert_eq!(read(b"a{5}"), "a{5}");
        assert_eq!(read(b"{5} x"), "{5}|x");
        assert_eq!(read(b"\"a {5}\""), "\"a {5}\"");
        assert_eq!(read(b"{}"), "{}");
        assert_eq!(read(b"{-1}"), "{-1}");
        assert_eq!(read(b"{99999999999999999999}"), "a literal longer than can be counted");
        assert_eq!(read(b"{18446744073709551615}"), "{18446744073709551615}");
        assert_eq!(read(b"{3}\na)b c"), "\"a)b\"|c");
        assert_eq!(read(b"{3}\nab"), "a literal that was not collected");
    }

    #[test]
    fn quotes_inside_a_quoted_string_are_read_as_they_were_meant() {
        assert_eq!(read(br#""a\"b\\" x"#), "\"a\"b\\\"|x");
        assert_eq!(read(br#"("say "hi!", he said" x)"#), "(|\"say \"hi!\", he said\"|x|)");
        assert_eq!(read(br#"("" "" NIL)"#), "(|\"\"|\"\"|NIL|)");
        assert_eq!(read(br#""open"#), "a quoted string without an end");
        assert_eq!(read(br#""open\""#), "a quoted string without an end");
        assert_eq!(read(b"\"a\xf6\""), "\"a\u{fffd}\"");
    }

    #[test]
    fn sections_are_part_of_the_name() {
        for (written, name, section) in [
            (&b"UID 5"[..], &b"UID"[..], None),
            (b"BODY[] x", b"BODY", Some(&b""[..])),
            (b"BODY [TEXT] x", b"BODY", Some(b"TEXT")),
            (
                b"BODY[HEADER.FIELDS (A \"]\")] x",
                b"BODY",
                Some(b"HEADER.FIELDS (A \"]\")"),
            ),
            (b"BODY[]<0> x", b"BODY", Some(b"<partial>")),
            (b"BODY (x)", b"BODY", None),
        ] {
            let found = Lexer::new(written).item_name().unwrap();
            assert_eq!((found.name, found.section), (name, section));
        }
        assert!(Lexer::new(b"BODY[ x").item_name().is_err());
        assert!(Lexer::new(b"[] x").item_name().is_err());
    }

    #[test]
    fn whatever_looks_like_an_announcement_at_the_end_is_seen() {
        for line in [
            &b"a {5}"[..],
            b"a{5}",
            b"{5} ",
            b"\"x {5+}",
            b"~{1}",
            b"{99999999999999999999}",
        ] {
            assert!(may_announce(line), "{line:?}");
        }
        for line in [&b"a {5} x"[..], b"{}", b"{a}", b"5}", b"", b"{5"] {
            assert!(!may_announce(line), "{line:?}");
        }
    }
}
