//! Responses as values (RFC 3501 section 7). `reader.rs` cuts them out of the stream; here one is read that is complete, or
//! complete up to the literal that comes next.

use std::fmt;
use std::time::Duration;

use super::fetch_items::{Attributes, Items, Stop, number, size};
use super::lexer::{Lexer, Token, Unreadable};
use super::mailbox_name::MailboxName;
use crate::limits;

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// `A0001 OK …`: the end of a command.
    Tagged {
        /// Which command.
        tag: String,
        /// How it went.
        condition: Condition,
    },
    /// `* OK …`, `* BYE …`: untagged.
    Condition(Condition),
    /// `+ …`: the server waits for the rest of a command; what it says is a SASL challenge, or for humans.
    Continuation(Vec<u8>),
    /// `* CAPABILITY …`
    Capability(Capabilities),
    /// `* 23 EXISTS`
    Exists(u32),
    /// `* 44 EXPUNGE`
    Expunge,
    /// `* SEARCH 2 84 882`, in the server's order.
    Search(Vec<u32>),
    /// `* LIST (\HasNoChildren \Sent) "/" "Sent Items"`
    List(ListedMailbox),
    /// `* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)`
    Status(Status),
    /// `* 12 FETCH (…)`, complete; where there was a body, it was read before.
    Fetch(Attributes),
    /// Readable, and of no interest: FLAGS, RECENT, ID, an empty line.
    Other,
    /// A response that does not follow the grammar and could be skipped safely; its beginning.
    Unreadable(String),
    /// A line that is no response; some servers say so why they are about to close.
    Stray(String),
}

/// OK, NO, BAD, BYE or PREAUTH, with its code and text (RFC 3501 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which of them.
    pub state: State,
    /// What stood in brackets.
    pub code: Option<Code>,
    /// The text for humans, cut to a bound.
    pub text: String,
}

/// How a command went, or the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Success.
    Ok,
    /// Failure.
    No,
    /// Not understood.
    Bad,
    /// The server is about to close.
    Bye,
    /// Greeting of a connection that is already logged in.
    PreAuth,
}

/// A response code (RFC 3501 section 7.1, RFC 5530).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// `UIDVALIDITY`, 0 included, because it is seen.
    UidValidity(u32),
    /// `UIDNEXT`, 0 included, because it is seen.
    UidNext(u32),
    /// `CAPABILITY`
    Capability(Capabilities),
    /// Any other: its name in capitals.
    Other(String),
}

/// What the server can do: names in capitals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<String>);

/// The items of a STATUS response that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `UIDNEXT`
    pub uid_next: Option<u32>,
    /// `UIDVALIDITY`
    pub uid_validity: Option<u32>,
    /// `MESSAGES`
    pub messages: Option<u32>,
    /// `SIZE` in bytes, of all mails together (RFC 8438).
    pub size: Option<u64>,
}

/// One mailbox of a LIST response (RFC 3501 section 7.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMailbox {
    /// What it is: `\NOSELECT`, `\SENT`; in capitals.
    attributes: Vec<String>,
    /// What stands between the levels of names; `None` where names have no levels.
    pub delimiter: Option<String>,
    /// Its name.
    pub name: MailboxName,
}

impl ListedMailbox {
    /// Whether `attribute` is one of its own.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|own| own.eq_ignore_ascii_case(attribute))
    }
}

impl Capabilities {
    /// Whether `name` (in capitals) is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|capability| capability == name)
    }

    /// The names of the SASL mechanisms among them, in the server's order.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|capability| capability.strip_prefix("AUTH="))
    }

    fn read(lexer: &mut Lexer<'_>) -> Capabilities {
        let mut names = Vec::new();
        while lexer.peek().is_some() && names.len() < limits::IMAP_CAPABILITIES {
            let word = lexer.word();
            if word.len() <= limits::IMAP_CAPABILITY {
                names.push(capitals(word));
            }
        }
        Capabilities(names)
    }
}

impl Condition {
    /// Whether it is OK.
    pub fn is_ok(&self) -> bool {
        self.state == State::Ok
    }

    /// Whether it is BYE, tagged or not.
    pub fn is_bye(&self) -> bool {
        self.state == State::Bye
    }

    /// Whether the code is `name`.
    pub fn has_code(&self, name: &str) -> bool {
        matches!(&self.code, Some(Code::Other(code)) if code == name)
    }

    /// "Suggested Backoff Time: 294159 milliseconds", as Exchange says it.
    pub fn suggested_backoff(&self) -> Option<Duration> {
        let text = self.text.to_ascii_lowercase();
        let (_, behind) = text.split_once("suggested backoff time:")?;
        let (digits, _) = behind.trim_start().split_once(" milliseconds")?;
        digits.parse().ok().map(Duration::from_millis)
    }

    fn read(state: State, lexer: Lexer<'_>) -> Condition {
        let text = lexer.text();
        let (code, text) = match text.strip_prefix(b"[").and_then(split_code) {
            Some((code, text)) => (read_code(code), text.trim_ascii_start()),
            None => (None, text),
        };
        Condition {
            state,
            code,
            text: excerpt(text),
        }
    }
}

/// For errors and log lines: the code, where it says something, and the text.
impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(Code::Other(code)) => write!(formatter, "[{code}] {}", self.text),
            _ if self.text.is_empty() => formatter.write_str("(no reason given)"),
            _ => formatter.write_str(&self.text),
        }
    }
}

/// What could be read of a response.
#[derive(Debug)]
pub enum Parsed {
    /// All of it.
    Complete(Response),
    /// All of a FETCH; it may hold a body that was no literal.
    Fetched(Items),
    /// Up to a literal that is no mail: it is to be collected, and the response read again from its beginning.
    Literal(u64),
    /// Up to a mail of so many bytes.
    Body(Items, u64),
}

/// Reads a response from its beginning. `text` has no line end; collected literals stand in it behind an LF.
pub fn read(text: &[u8]) -> Result<Parsed, Unreadable> {
    let mut lexer = Lexer::new(text);
    if let Some(said) = text.strip_prefix(b"+") {
        // `+idling` has been seen as well as `+ idling` and `+`.
        let said = said.strip_prefix(b" ").unwrap_or(said);
        return Ok(Parsed::Complete(Response::Continuation(said.to_vec())));
    }
    let first = lexer.word();
    if first == b"*" {
        return untagged(lexer);
    }
    if first.is_empty() {
        return Ok(Parsed::Complete(Response::Other));
    }
    let behind = lexer;
    Ok(Parsed::Complete(match state(lexer.word()) {
        Some(state) if state != State::PreAuth => Response::Tagged {
            tag: String::from_utf8_lossy(first).into_owned(),
            condition: Condition::read(state, lexer),
        },
        _ => Response::Stray(format!("{} {}", excerpt(first), excerpt(behind.text()))),
    }))
}

/// Reads a FETCH on, behind its body.
pub fn read_on(mut items: Items, text: &[u8]) -> Result<Parsed, Unreadable> {
    let stop = items.read(&mut Lexer::new(text))?;
    Ok(fetched(items, stop))
}

/// Whether `text` is a response that is for humans, where even `{5}` at the end announces nothing. A line that is no response
/// at all is not: it may be a FETCH that has lost its star.
pub fn is_text(text: &[u8]) -> bool {
    let mut lexer = Lexer::new(text);
    if lexer.word() == b"*" {
        return lexer.peek() == Some(b'[') || state(lexer.word()).is_some();
    }
    text.first() == Some(&b'+') || state(lexer.word()).is_some_and(|state| state != State::PreAuth)
}

fn untagged(mut lexer: Lexer<'_>) -> Result<Parsed, Unreadable> {
    // Responses that may hold strings, and so literals, and are of no interest.
    const WITH_STRINGS: [&[u8]; 13] = [
        b"ACL",
        b"ESEARCH",
        b"ID",
        b"LISTRIGHTS",
        b"LSUB",
        b"METADATA",
        b"MYRIGHTS",
        b"NAMESPACE",
        b"QUOTA",
        b"QUOTAROOT",
        b"SORT",
        b"THREAD",
        b"XLIST",
    ];
    let first = lexer.word();
    if let Some(state) = state(first) {
        return Ok(Parsed::Complete(Response::Condition(Condition::read(state, lexer))));
    }
    let name = capitals(first);
    Ok(Parsed::Complete(match name.as_str() {
        "CAPABILITY" => Response::Capability(Capabilities::read(&mut lexer)),
        "SEARCH" => Response::Search(numbers(&mut lexer)),
        "LIST" => return list(lexer),
        "STATUS" => return status(lexer),
        _ if WITH_STRINGS.contains(&name.as_bytes()) => return walk(lexer),
        _ if first.first().is_some_and(u8::is_ascii_digit) => return numbered(first, lexer),
        _ => Response::Other,
    }))
}

/// `* 12 FETCH …` and the like.
fn numbered(first: &[u8], mut lexer: Lexer<'_>) -> Result<Parsed, Unreadable> {
    let name = lexer.item_name()?;
    if name.is(b"FETCH") {
        // For a count of what came; only UIDs tell which mail it is.
        let mut items = Items::default();
        items.attributes.number = number(first).filter(|number| *number > 0);
        if lexer.peek() != Some(b'(') {
            return Err(Unreadable("FETCH without a parenthesis"));
        }
        let stop = items.read(&mut lexer)?;
        return Ok(fetched(items, stop));
    }
    Ok(Parsed::Complete(match number(first) {
        Some(number) if name.is(b"EXISTS") => Response::Exists(number),
        Some(_) if name.is(b"EXPUNGE") => Response::Expunge,
        _ => Response::Other,
    }))
}

fn fetched(items: Items, stop: Stop) -> Parsed {
    match stop {
        Stop::End => Parsed::Fetched(items),
        Stop::Literal(length) => Parsed::Literal(length),
        Stop::Body(length) => Parsed::Body(items, length),
    }
}

fn status(mut lexer: Lexer<'_>) -> Result<Parsed, Unreadable> {
    if let Token::Announced(length) = lexer.token()? {
        return Ok(Parsed::Literal(length)); // the mailbox name
    }
    let mut status = Status::default();
    loop {
        match lexer.token()? {
            Token::Atom(name) if name.eq_ignore_ascii_case(b"UIDNEXT") => {
                status.uid_next = number(lexer.item_name()?.name);
            }
            Token::Atom(name) if name.eq_ignore_ascii_case(b"UIDVALIDITY") => {
                status.uid_validity = number(lexer.item_name()?.name);
            }
            Token::Atom(name) if name.eq_ignore_ascii_case(b"MESSAGES") => {
                status.messages = number(lexer.item_name()?.name);
            }
            Token::Atom(name) if name.eq_ignore_ascii_case(b"SIZE") => {
                status.size = size(lexer.item_name()?.name);
            }
            Token::Announced(length) => return Ok(Parsed::Literal(length)),
            Token::End => return Ok(Parsed::Complete(Response::Status(status))),
            _ => {}
        }
    }
}

/// What stands behind the name (RFC 5258) is of no interest, but for literals.
fn list(mut lexer: Lexer<'_>) -> Result<Parsed, Unreadable> {
    let walked = walk(lexer)?;
    if matches!(walked, Parsed::Literal(_)) {
        return Ok(walked);
    }
    let mut attributes = Vec::new();
    if lexer.token()? != Token::Open {
        return Err(Unreadable("LIST without attributes"));
    }
    loop {
        match lexer.token()? {
            Token::Atom(attribute)
                if attributes.len() < limits::IMAP_ATTRIBUTES && attribute.len() <= limits::IMAP_CAPABILITY =>
            {
                attributes.push(capitals(attribute));
            }
            Token::Atom(_) => {}
            Token::Close => break,
            _ => return Err(Unreadable("LIST with strange attributes")),
        }
    }
    let delimiter = match lexer.token()? {
        Token::String(delimiter) => Some(excerpt(&delimiter)),
        Token::Atom(atom) if !atom.eq_ignore_ascii_case(b"NIL") => Some(excerpt(atom)),
        Token::Atom(_) => None,
        _ => return Err(Unreadable("LIST without a hierarchy delimiter")),
    };
    let name = match lexer.token()? {
        Token::String(name) => MailboxName::from_wire(&name),
        Token::Atom(name) => MailboxName::from_wire(name),
        _ => return Err(Unreadable("LIST without a name")),
    };
    Ok(Parsed::Complete(Response::List(ListedMailbox {
        attributes,
        delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
        name,
    })))
}

/// Walks to the end, for the literals that may stand there.
fn walk(mut lexer: Lexer<'_>) -> Result<Parsed, Unreadable> {
    let mut depth = 0_usize;
    loop {
        match lexer.token()? {
            Token::Open if depth == limits::IMAP_NESTING => return Err(Unreadable("parentheses nested too deeply")),
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => depth = depth.saturating_sub(1),
            Token::Announced(length) => return Ok(Parsed::Literal(length)),
            Token::End if depth > 0 => return Err(Unreadable("a parenthesis without its end")),
            Token::End => return Ok(Parsed::Complete(Response::Other)),
            Token::Atom(_) | Token::String(_) => {}
        }
    }
}

fn numbers(lexer: &mut Lexer<'_>) -> Vec<u32> {
    let mut numbers = Vec::new();
    while lexer.peek().is_some() {
        numbers.extend(number(lexer.word()));
    }
    numbers
}

fn state(word: &[u8]) -> Option<State> {
    const STATES: [(&[u8], State); 5] = [
        (b"OK", State::Ok),
        (b"NO", State::No),
        (b"BAD", State::Bad),
        (b"BYE", State::Bye),
        (b"PREAUTH", State::PreAuth),
    ];
    STATES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, state)| *state)
}

/// Splits `CODE …] text` at the bracket that ends the code. Brackets nest; inside a parenthesis they are part of a flag
/// (Gmail has flags with `]`); where nothing fits, the first one ends it.
fn split_code(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut brackets, mut parentheses) = (0_usize, 0_usize);
    let end = text.iter().position(|byte| {
        match byte {
            b'(' => parentheses = parentheses.saturating_add(1),
            b')' => parentheses = parentheses.saturating_sub(1),
            b'[' if parentheses == 0 => brackets = brackets.saturating_add(1),
            b']' if parentheses == 0 && brackets == 0 => return true,
            b']' if parentheses == 0 => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        false
    });
    let end = end.or_else(|| memchr::memchr(b']', text))?;
    let (code, rest) = text.split_at_checked(end)?;
    Some((code, rest.strip_prefix(b"]").unwrap_or(rest)))
}

fn read_code(code: &[u8]) -> Option<Code> {
    let mut lexer = Lexer::new(code);
    let name = capitals(lexer.word());
    match name.as_str() {
        "" => None,
        "UIDVALIDITY" => number(lexer.word()).map(Code::UidValidity),
        "UIDNEXT" => number(lexer.word()).map(Code::UidNext),
        "CAPABILITY" => Some(Code::Capability(Capabilities::read(&mut lexer))),
        _ => Some(Code::Other(name)),
    }
}

fn capitals(word: &[u8]) -> String {
    excerpt(word).to_ascii_uppercase()
}

/// Text of the server for humans, cut to a bound; what is not UTF-8 is replaced.
pub fn excerpt(text: &[u8]) -> String {
    let cut = text.get(..limits::IMAP_TEXT).unwrap_or(text);
    String::from_utf8_lossy(cut).into_owned()
}

#[cfg(test)]
mod tests;
