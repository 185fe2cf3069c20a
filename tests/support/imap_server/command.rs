//! What the client sends: lines with their literals, cut into arguments.

use std::io;
use std::sync::Arc;

use super::super::wire::Connection;

/// One command.
pub(super) struct Command {
    pub tag: String,
    /// Upper case; `UID FETCH` is one name.
    pub name: String,
    /// Strings without their quotes; a parenthesised list with its parentheses.
    pub arguments: Vec<String>,
    /// As it was received, without its tag.
    pub line: String,
    /// Whether a line of it ended with a bare LF.
    pub bare_line_feed: bool,
}

/// The bytes of one connection, cut into lines.
pub(super) struct Reader {
    connection: Arc<Connection>,
    pending: Vec<u8>,
}

impl Reader {
    pub fn new(connection: &Arc<Connection>) -> Reader {
        Reader {
            connection: Arc::clone(connection),
            pending: Vec::new(),
        }
    }

    /// The next command; `None` when the client has gone.
    pub fn command(&mut self) -> io::Result<Option<Command>> {
        let mut arguments = Vec::new();
        let mut text = String::new();
        let mut bare_line_feed = false;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            bare_line_feed |= !line.ends_with(b"\r\n");
            let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            text.push_str(&line);
            let announced = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
            let Some((before, length)) = announced else {
                split(&line, &mut arguments);
                break;
            };
            split(before, &mut arguments);
            // RFC 7888: `+` means that the client does not wait.
            let (length, waits) = length
                .strip_suffix('+')
                .map_or((length, true), |length| (length, false));
            let length: usize = length.parse().map_err(io::Error::other)?;
            if waits {
                self.connection.write_all(b"+ go on\r\n")?;
            }
            let Some(literal) = self.exactly(length)? else {
                return Ok(None);
            };
            let literal = String::from_utf8_lossy(&literal).into_owned();
            text.push_str(&literal);
            arguments.push(literal);
        }
        let mut arguments = arguments.into_iter();
        let tag = arguments.next().unwrap_or_default();
        let mut name = arguments.next().unwrap_or_default().to_ascii_uppercase();
        if name == "UID" {
            name = format!("UID {}", arguments.next().unwrap_or_default().to_ascii_uppercase());
        }
        Ok(Some(Command {
            line: text.get(tag.len()..).unwrap_or_default().trim_start().to_owned(),
            tag,
            name,
            arguments: arguments.collect(),
            bare_line_feed,
        }))
    }

    /// The next line, with its end; `None` when the client has gone.
    pub fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.pending.drain(..=end).collect()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        while self.pending.len() < length {
            if !self.more()? {
                return Ok(None);
            }
        }
        Ok(Some(self.pending.drain(..length).collect()))
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let length = self.connection.read(&mut chunk)?;
        self.pending.extend_from_slice(&chunk[..length]);
        Ok(length > 0)
    }
}

/// Adds the arguments of `line`, split at spaces that are neither quoted nor inside parentheses or brackets.
fn split(line: &str, arguments: &mut Vec<String>) {
    let mut argument = String::new();
    let mut present = false;
    let mut depth = 0_u32;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' if depth == 0 => {
                if std::mem::take(&mut present) {
                    arguments.push(std::mem::take(&mut argument));
                }
                continue;
            }
            '"' if depth == 0 => {
                while let Some(quoted) = characters.next() {
                    match quoted {
                        '"' => break,
                        '\\' => argument.extend(characters.next()),
                        _ => argument.push(quoted),
                    }
                }
            }
            _ => {
                match character {
                    '(' | '[' => depth += 1,
                    ')' | ']' => depth = depth.saturating_sub(1),
                    _ => (),
                }
                argument.push(character);
            }
        }
        present = true;
    }
    if present {
        arguments.push(argument);
    }
}
