//! A dead-letter file, line by line. A line that cannot be read is told, and the next one is.

use std::fmt;
use std::io::{self, BufRead, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Content, Letter};
use crate::limits;

/// Reads letters.
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// Why a line is no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is no JSON object.
    Damaged,
    /// It is only the beginning of a letter.
    Torn,
    /// A key is missing, or has a value that it never has.
    Key(&'static str),
    /// It is longer than any that mailtap writes.
    TooLong,
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Damaged => formatter.write_str("damaged, or no dead letter of mailtap's"),
            Unread::Torn => formatter.write_str("torn by a crash; its mail came again later"),
            Unread::Key(key) => write!(formatter, "no dead letter of mailtap's: `{key}` is missing or wrong"),
            Unread::TooLong => write!(formatter, "longer than {} bytes", limits::DEAD_LETTER_LINE),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// At the start of a file.
    pub fn new(input: R) -> Reader<R> {
        Reader {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is not empty, and its number from 1; `None` at the end.
    pub fn next_letter(&mut self) -> io::Result<Option<(u64, Result<Letter<'static>, Unread>)>> {
        loop {
            if !self.next_line()? {
                return Ok(None);
            }
            self.number = self.number.saturating_add(1);
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            if line.len() > limits::DEAD_LETTER_LINE {
                self.skip_line()?;
                return Ok(Some((self.number, Err(Unread::TooLong))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, read(line))));
            }
        }
    }

    /// A line with its line end, or as much of it as tells that it is too long.
    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let most = u64::try_from(limits::DEAD_LETTER_LINE).unwrap_or(u64::MAX);
        let most = most.saturating_add(1);
        let length = (&mut self.input).take(most).read_until(b'\n', &mut self.line)?;
        Ok(length > 0)
    }

    /// The rest of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        if self.line.ends_with(b"\n") {
            return Ok(());
        }
        self.input.skip_until(b'\n').map(|_| ())
    }
}

fn read(line: &[u8]) -> Result<Letter<'static>, Unread> {
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        // As each begins that mailtap writes.
        if error.is_eof() && line.starts_with(b"{\"account\":") {
            Unread::Torn
        } else {
            Unread::Damaged
        }
    })?;
    let object = value.as_object().ok_or(Unread::Damaged)?;
    let text = |key| {
        let text = object.get(key).and_then(Value::as_str);
        text.map(str::to_owned).ok_or(Unread::Key(key))
    };
    let number = |key| {
        let number = object.get(key).and_then(Value::as_u64);
        number
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(Unread::Key(key))
    };
    let content = match (object.get("event"), object.get("message")) {
        (None, None) => None,
        (Some(event @ Value::Object(_)), None) => {
            let as_written = last_value(line, b",\"event\":").filter(|bytes| {
                let read: Option<Value> = serde_json::from_slice(bytes).ok();
                read.as_ref() == Some(event)
            });
            Some(Content::Event(
                as_written
                    .map_or_else(|| event.to_string().into_bytes(), <[u8]>::to_vec)
                    .into(),
            ))
        }
        (None, Some(message)) => {
            let message = message.as_str().and_then(|text| STANDARD.decode(text).ok());
            Some(Content::Message(message.ok_or(Unread::Key("message"))?.into()))
        }
        (Some(_), _) => return Err(Unread::Key("event")),
    };
    Ok(Letter {
        id: text("id")?,
        account: text("account")?,
        mailbox: text("mailbox")?,
        uid_validity: number("uidvalidity")?,
        uid: number("uid")?,
        time: text("time")?,
        reason: text("reason")?,
        content,
    })
}

/// The bytes of the last value of an object, whose key begins so. The first place where that stands is the key: within a
/// string a quote would be escaped.
fn last_value<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    let at = memchr::memmem::find(line, key)?.checked_add(key.len())?;
    let value = line.get(at..)?.trim_ascii().strip_suffix(b"}")?;
    Some(value.trim_ascii())
}

/// However the bytes come in, the same letters are read, and each is the same when it is written and read again.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let all = |input: &mut dyn BufRead| {
        let mut reader = Reader::new(input);
        let mut letters = Vec::new();
        while let Ok(Some(letter)) = reader.next_letter() {
            letters.push(letter);
        }
        letters
    };
    let letters = all(&mut &*data);
    assert_eq!(letters, all(&mut io::BufReader::with_capacity(1, data)));
    let ends = memchr::memchr_iter(b'\n', data).count().saturating_add(1);
    assert!(letters.len() <= ends);
    for (_, letter) in letters {
        let Ok(letter) = letter else { continue };
        let mut line = Vec::new();
        let written = letter.write(&mut line);
        assert!(written.is_ok());
        assert_eq!(memchr::memchr(b'\n', &line), line.len().checked_sub(1));
        assert_eq!(all(&mut line.as_slice()), [(1, Ok(letter))]);
    }
}
