//! The stream of responses: bytes in, one [`Event`] at a time out.
//!
//! Two promises carry everything above. A mail's body is exactly the bytes that its literal announced, whatever they look
//! like; and where the place of a literal is in doubt, reading ends for good instead of looking for the next response in
//! what may be somebody's mail.

use std::fmt;

use super::fetch_items::{Attributes, Items};
use super::framing::Framing;
use super::lexer::{self, Unreadable};
use super::response::{self, Parsed, Response, excerpt};
use crate::limits;

/// Reads one connection's responses.
#[derive(Default)]
pub struct Reader {
    framing: Framing,
    place: Place,
    /// The lines and literals of a response that has literals other than a mail.
    collected: Vec<u8>,
    literals: usize,
    failed: Option<Violation>,
}

/// Where in the stream the next byte stands.
#[derive(Default)]
enum Place {
    /// Before a response, or in it before any body.
    #[default]
    Response,
    /// In a mail's body.
    Body { items: Items, left: u64 },
    /// In a FETCH, behind its body.
    Tail(Items),
    /// In a mail's body that came as a string, of which so many bytes were lent; the response is complete.
    Text {
        attributes: Attributes,
        content: Vec<u8>,
        lent: usize,
    },
    /// In a literal that is collected: so many bytes are missing. Afterwards the response goes on, behind a body or not.
    Collecting { left: u64, tail: Option<Items> },
}

/// What the stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Nothing complete: put more bytes into [`Reader::space`].
    Hungry,
    /// A response. A FETCH whose body was announced as [`Event::Body`] comes behind it.
    Response(Response),
    /// A mail's body begins; take it with [`Reader::body`]. What the response said before it is known.
    Body {
        /// What is known so far.
        attributes: Attributes,
        /// How many bytes it has.
        length: u64,
    },
}

/// The server broke the protocol; nothing more can be read from the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl Reader {
    /// At the beginning of a connection.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Where to put bytes from the network; say how many with [`Reader::filled`].
    pub fn space(&mut self) -> &mut [u8] {
        self.framing.space()
    }

    /// Says that `count` bytes were put into [`Reader::space`].
    pub fn filled(&mut self, count: usize) {
        self.framing.filled(count);
    }

    /// What comes next. What is left of a body that was not taken is skipped.
    pub fn event(&mut self) -> Result<Event, Violation> {
        if let Some(violation) = &self.failed {
            return Err(violation.clone());
        }
        let event = self.read();
        if let Err(violation) = &event {
            self.failed = Some(violation.clone());
        }
        event
    }

    /// The next bytes of the body, lent; empty when there are none yet, or no more.
    pub fn body(&mut self) -> &[u8] {
        match &mut self.place {
            Place::Body { left, .. } => {
                let piece = self.framing.piece(*left);
                *left = left.saturating_sub(piece.len() as u64);
                piece
            }
            Place::Text { content, lent, .. } => {
                let piece = content.get(*lent..).unwrap_or_default();
                *lent = content.len();
                piece
            }
            _ => &[],
        }
    }

    /// How many bytes of the body were not lent yet; 0 outside a body.
    pub fn body_left(&self) -> u64 {
        match &self.place {
            Place::Body { left, .. } => *left,
            Place::Text { content, lent, .. } => content.len().saturating_sub(*lent) as u64,
            _ => 0,
        }
    }

    /// Whether [`Reader::body`] has bytes to lend now.
    pub fn body_is_here(&self) -> bool {
        self.body_left() > 0 && (matches!(self.place, Place::Text { .. }) || !self.framing.is_empty())
    }

    /// Whether it stands between two responses and nothing of the next one has come.
    pub fn is_empty(&self) -> bool {
        matches!(self.place, Place::Response) && self.literals == 0 && self.framing.is_empty()
    }

    /// Nothing is expected for a while: gives memory back, unless a response is half read.
    pub fn rest(&mut self) {
        if self.is_empty() {
            self.collected = Vec::new();
            self.framing.rest();
        }
    }

    /// Takes away what was received and not read: another layer begins there. Only between two responses.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        self.framing.piece(u64::MAX).to_vec()
    }

    fn read(&mut self) -> Result<Event, Violation> {
        loop {
            match std::mem::take(&mut self.place) {
                Place::Response => return self.line(None),
                Place::Tail(items) => return self.line(Some(items)),
                Place::Body { items, mut left } => {
                    left = left.saturating_sub(self.framing.piece(left).len() as u64);
                    if left > 0 {
                        self.place = Place::Body { items, left };
                        return Ok(Event::Hungry);
                    }
                    self.place = Place::Tail(items);
                }
                Place::Text { attributes, .. } => return Ok(Event::Response(Response::Fetch(attributes))),
                Place::Collecting { mut left, tail } => {
                    let piece = self.framing.piece(left);
                    self.collected.extend_from_slice(piece);
                    left = left.saturating_sub(piece.len() as u64);
                    if left > 0 {
                        self.place = Place::Collecting { left, tail };
                        return Ok(Event::Hungry);
                    }
                    self.place = tail.map_or(Place::Response, Place::Tail);
                }
            }
        }
    }

    /// One line: the beginning of a response, or what follows a literal. `tail`: the FETCH that goes on behind its body.
    fn line(&mut self, tail: Option<Items>) -> Result<Event, Violation> {
        let Some(line) = self.framing.line().map_err(|_| too_long())? else {
            self.place = tail.map_or(Place::Response, Place::Tail);
            return Ok(Event::Hungry);
        };
        // Nearly every response is one line, and is read where it lies.
        let text = if self.literals == 0 {
            line
        } else {
            self.collected.extend_from_slice(line);
            self.collected.as_slice()
        };
        if text.len() > limits::IMAP_RESPONSE {
            return Err(too_long());
        }
        let parsed = match &tail {
            None => response::read(text),
            Some(items) => response::read_on(items.clone(), text),
        };
        let behind_literal = self.literals > 0 || tail.is_some();
        // The line ends like the announcement of a literal, though the grammar may have no place for one: to go on could be
        // to read a mail as responses. Text for humans is no such line.
        let in_doubt = lexer::may_announce(line) && !response::is_text(text);
        let event = match parsed {
            Ok(Parsed::Literal(length)) => {
                check_literal(length, text, self.literals)?;
                if self.literals == 0 {
                    self.collected.extend_from_slice(line);
                }
                self.collected.push(b'\n');
                self.literals = self.literals.saturating_add(1);
                self.place = Place::Collecting { left: length, tail };
                return self.read();
            }
            Ok(Parsed::Body(items, length)) => {
                let attributes = items.attributes;
                self.place = Place::Body { items, left: length };
                Event::Body { attributes, length }
            }
            Ok(Parsed::Fetched(items)) if !in_doubt => self.fetched(items),
            Ok(Parsed::Complete(response)) if !in_doubt => Event::Response(response),
            Ok(_) => return Err(violation("a literal announced where none can be", text)),
            Err(Unreadable(reason)) if behind_literal || lexer::may_hold_announcement(line) => {
                return Err(violation(reason, text));
            }
            Err(Unreadable(_)) => Event::Response(Response::Unreadable(excerpt(text))),
        };
        self.collected.clear();
        self.literals = 0;
        Ok(event)
    }

    fn fetched(&mut self, items: Items) -> Event {
        let attributes = items.attributes;
        let Some(content) = items.content else {
            return Event::Response(Response::Fetch(attributes));
        };
        let length = content.len() as u64;
        self.place = Place::Text {
            attributes,
            content,
            lent: 0,
        };
        Event::Body { attributes, length }
    }
}

/// A literal that is no mail is small, or somebody is filling the memory.
fn check_literal(length: u64, text: &[u8], literals: usize) -> Result<(), Violation> {
    let room = limits::IMAP_RESPONSE.saturating_sub(text.len());
    if length > limits::IMAP_LITERAL || length > room as u64 {
        return Err(violation("a literal too long", text));
    }
    if literals >= limits::IMAP_LITERALS {
        return Err(violation("too many literals in one response", text));
    }
    Ok(())
}

fn too_long() -> Violation {
    Violation {
        reason: format!("a response of more than {} bytes", limits::IMAP_RESPONSE),
    }
}

fn violation(reason: &str, text: &[u8]) -> Violation {
    Violation {
        reason: format!("{reason}: {}", excerpt(text)),
    }
}

/// What a stream of responses holds, whatever the pieces it comes in.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Response(Response),
    Body(Attributes, Vec<u8>),
    Violation(Violation),
}

/// Reads `stream`, which comes in pieces of at most `step` bytes, to its end.
fn see(stream: &[u8], step: usize) -> Vec<Seen> {
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    let mut rest = stream;
    loop {
        match reader.event() {
            Err(violation) => {
                seen.push(Seen::Violation(violation));
                return seen;
            }
            Ok(Event::Response(response)) => seen.push(Seen::Response(response)),
            Ok(Event::Body { attributes, .. }) => {
                let mut bytes = Vec::new();
                while reader.body_left() > 0 && (reader.body_is_here() || receive(&mut reader, &mut rest, step)) {
                    bytes.extend_from_slice(reader.body());
                }
                seen.push(Seen::Body(attributes, bytes));
            }
            Ok(Event::Hungry) => {
                if !receive(&mut reader, &mut rest, step) {
                    return seen;
                }
            }
        }
    }
}

/// Says whether there was anything to receive.
fn receive(reader: &mut Reader, rest: &mut &[u8], step: usize) -> bool {
    let space = reader.space();
    let count = step.min(rest.len()).min(space.len());
    let (piece, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
    for (place, byte) in space.iter_mut().zip(piece) {
        *place = *byte;
    }
    *rest = behind;
    reader.filled(count);
    count > 0
}

#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let whole = see(data, usize::MAX);
    assert_eq!(whole, see(data, 1), "byte by byte");
    assert_eq!(whole, see(data, 7), "in pieces");

    // The same bytes as a mail's body: what comes out is exactly they, and what follows is read as before.
    let mut stream = format!("* 1 FETCH (UID 7 BODY[] {{{}}}\r\n", data.len()).into_bytes();
    stream.extend_from_slice(data);
    stream.extend_from_slice(b" RFC822.SIZE 9)\r\nA1 OK done\r\n");
    for step in [usize::MAX, 1, 7] {
        let seen = see(&stream, step);
        let as_announced = matches!(&*seen, [
            Seen::Body(Attributes { uid: Some(7), .. }, body),
            Seen::Response(Response::Fetch(Attributes { size: Some(9), .. })),
            Seen::Response(Response::Tagged { tag, .. }),
        ] if body == data && tag == "A1");
        assert!(as_announced, "a body changed what was read: {seen:?}");
    }
}

#[cfg(test)]
mod tests;
