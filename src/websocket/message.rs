//! Frames → messages (RFC 6455 sections 5.4 to 5.6): pieces joined, UTF-8 checked as it comes, control frames in between.

use std::ops::ControlFlow;

use super::frame::{Header, Opcode, Violation};

/// What came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// A ping, to be answered with its payload.
    Ping(Vec<u8>),
    /// A pong, with the payload of the ping.
    Pong(Vec<u8>),
    /// The other side ends the conversation: its code, if it gives one, and its words.
    Close(Option<u16>, String),
}

/// Takes a server's bytes in any pieces and gives what they say.
#[derive(Debug)]
pub struct MessageReader {
    /// The most bytes that a message may have.
    limit: usize,
    /// A header that has not come whole.
    header: Vec<u8>,
    frame: Option<Open>,
    /// The message whose last frame has not come, and whether it is text.
    message: Option<(Vec<u8>, bool)>,
    /// How many bytes of the text are known to be UTF-8.
    valid: usize,
    control: Vec<u8>,
    closed: bool,
}

/// A frame whose payload has not come whole.
#[derive(Debug, Clone, Copy)]
struct Open {
    last: bool,
    opcode: Opcode,
    left: u64,
}

impl MessageReader {
    /// A reader at the first byte behind the handshake. A message of more than `limit` bytes is a violation.
    pub fn new(limit: usize) -> MessageReader {
        MessageReader {
            limit,
            header: Vec::new(),
            frame: None,
            message: None,
            valid: 0,
            control: Vec::new(),
            closed: false,
        }
    }

    /// Takes bytes from the beginning of `input` until something is whole; `None` when all of it is taken. After a close
    /// nothing counts any more (section 5.5.1).
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        while !input.is_empty() && !self.closed {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.begin(input)? {
                    Some(frame) => frame,
                    None => continue,
                },
            };
            let wanted = usize::try_from(frame.left).unwrap_or(usize::MAX);
            let (payload, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            *input = rest;
            if let ControlFlow::Break(event) = self.payload(frame, payload)? {
                return Ok(Some(event));
            }
        }
        if self.closed {
            *input = &[];
        }
        Ok(None)
    }

    /// Takes a header, or as much of it as there is. A frame without payload is whole at once.
    fn begin(&mut self, input: &mut &[u8]) -> Result<Option<Open>, Violation> {
        let Some((&byte, rest)) = input.split_first() else {
            return Ok(None);
        };
        self.header.push(byte);
        *input = rest;
        let Some((header, _)) = Header::read(&self.header)? else {
            return Ok(None);
        };
        self.header.clear();
        let Header { last, opcode, length } = header;
        if opcode.is_control() {
            self.control.clear();
        } else {
            match (&self.message, opcode) {
                (None, Opcode::Text) => self.message = Some((Vec::new(), true)),
                (None, Opcode::Binary) => self.message = Some((Vec::new(), false)),
                (Some(_), Opcode::Continuation) => {}
                _ => return Err(Violation::Sequence),
            }
            let so_far = self.message.as_ref().map_or(0, |(bytes, _)| bytes.len());
            let left = self.limit.saturating_sub(so_far);
            if length > u64::try_from(left).unwrap_or(u64::MAX) {
                return Err(Violation::TooLarge);
            }
        }
        let frame = Open {
            last,
            opcode,
            left: length,
        };
        self.frame = Some(frame);
        Ok(Some(frame))
    }

    fn payload(&mut self, frame: Open, payload: &[u8]) -> Result<ControlFlow<Event>, Violation> {
        let count = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let left = frame.left.saturating_sub(count);
        let whole = left == 0;
        self.frame = (!whole).then_some(Open { left, ..frame });
        if frame.opcode.is_control() {
            self.control.extend_from_slice(payload);
            return Ok(if whole {
                ControlFlow::Break(self.control_event(frame.opcode)?)
            } else {
                ControlFlow::Continue(())
            });
        }
        let whole = whole && frame.last;
        let Some((mut bytes, text)) = self.message.take() else {
            return Err(Violation::Sequence);
        };
        bytes.extend_from_slice(payload);
        if text {
            self.valid = valid_utf8(&bytes, self.valid, whole)?;
        }
        if !whole {
            self.message = Some((bytes, text));
            return Ok(ControlFlow::Continue(()));
        }
        self.valid = 0;
        let event = if text {
            Event::Text(String::from_utf8(bytes).map_err(|_| Violation::Utf8)?)
        } else {
            Event::Binary(bytes)
        };
        Ok(ControlFlow::Break(event))
    }

    fn control_event(&mut self, opcode: Opcode) -> Result<Event, Violation> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => return Ok(Event::Ping(payload)),
            Opcode::Pong => return Ok(Event::Pong(payload)),
            _ => {}
        }
        self.closed = true;
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() {
                Ok(Event::Close(None, String::new()))
            } else {
                Err(Violation::CloseCode)
            };
        };
        let code = u16::from_be_bytes(*code);
        // Section 7.4: what is defined for the wire, and what is left to libraries and applications.
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(Violation::CloseCode);
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Violation::Utf8)?;
        Ok(Event::Close(Some(code), reason.to_owned()))
    }
}

/// How many bytes are valid UTF-8, of which `known` are already; a character may be cut at the end unless `whole`.
fn valid_utf8(bytes: &[u8], known: usize, whole: bool) -> Result<usize, Violation> {
    let fresh = bytes.get(known..).unwrap_or_default();
    match std::str::from_utf8(fresh) {
        Ok(_) => Ok(bytes.len()),
        // Without a length the error is the missing end of a character.
        Err(error) if error.error_len().is_none() && !whole => Ok(known.saturating_add(error.valid_up_to())),
        Err(_) => Err(Violation::Utf8),
    }
}

/// The same bytes give the same events however they are cut, and no message passes the limit. `data`: one byte that cuts,
/// then what a server sends.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    const LIMIT: usize = 512;
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let read = |step: usize| {
        let mut reader = MessageReader::new(LIMIT);
        let mut events = Vec::new();
        for piece in stream.chunks(step) {
            let mut input = piece;
            loop {
                match reader.next(&mut input) {
                    Ok(Some(event)) => events.push(Ok(event)),
                    Ok(None) => break,
                    Err(violation) => {
                        events.push(Err(violation));
                        return events;
                    }
                }
            }
        }
        events
    };
    let whole = read(stream.len().max(1));
    for event in whole.iter().flatten() {
        let length = match event {
            Event::Text(text) => text.len(),
            Event::Binary(bytes) => bytes.len(),
            Event::Ping(payload) | Event::Pong(payload) => payload.len().saturating_add(LIMIT.saturating_sub(125)),
            Event::Close(_, reason) => reason.len(),
        };
        assert!(length <= LIMIT);
    }
    assert_eq!(read(1), whole);
    assert_eq!(read(usize::from(step).max(1)), whole);
}

#[cfg(test)]
mod tests;
