//! One frame (RFC 6455 section 5): its header both ways, and the mask that a client puts over what it sends.

use std::fmt;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that has begun.
    Continuation,
    /// A message of UTF-8 text begins.
    Text,
    /// A message of bytes begins.
    Binary,
    /// The end of the conversation.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    fn code(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xa,
        }
    }

    fn of(code: u8) -> Result<Opcode, Violation> {
        Ok(match code {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            _ => return Err(Violation::Opcode),
        })
    }

    /// Close, ping and pong: at most 125 bytes, never in pieces, allowed between the pieces of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The longest payload of a control frame (section 5.5).
pub const CONTROL: usize = 125;

/// Lengths that say where the length is (section 5.2).
const IN_TWO_BYTES: u8 = 126;
const IN_EIGHT_BYTES: u8 = 127;

/// The longest header: two bytes, eight of length, four of mask.
const LONGEST_HEADER: usize = 14;

/// A frame's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends with this frame.
    pub last: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Bytes of payload.
    pub length: u64,
}

impl Header {
    /// Appends the header as a client writes it: with `mask`, which must be fresh and unpredictable (section 5.3).
    pub fn write(self, mask: [u8; 4], output: &mut Vec<u8>) {
        let first = if self.last { 0x80 } else { 0 };
        output.push(first | self.opcode.code());
        let masked = 0x80;
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length @ 0..=125), _) => output.push(masked | length),
            (_, Ok(length)) => {
                output.push(masked | IN_TWO_BYTES);
                output.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                output.push(masked | IN_EIGHT_BYTES);
                output.extend_from_slice(&self.length.to_be_bytes());
            }
        }
        output.extend_from_slice(&mask);
    }

    /// Reads a server's header from the beginning of `bytes`: it and its own length, `None` while bytes are missing. What a
    /// server must not send is refused as soon as it shows.
    pub fn read(bytes: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let (last, opcode) = (first & 0x80 != 0, Opcode::of(first & 0x0f)?);
        if opcode.is_control() && !last {
            return Err(Violation::ControlInPieces);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 != 0 {
            return Err(Violation::Masked);
        }
        if opcode.is_control() && usize::from(second) > CONTROL {
            return Err(Violation::ControlTooLong);
        }
        let rest = bytes.get(2..).unwrap_or_default();
        let (length, used, shortest) = match second {
            IN_TWO_BYTES => match rest.first_chunk::<2>() {
                Some(digits) => (u64::from(u16::from_be_bytes(*digits)), 4, 126),
                None => return Ok(None),
            },
            IN_EIGHT_BYTES => match rest.first_chunk::<8>() {
                Some(digits) => (u64::from_be_bytes(*digits), 10, 1 << 16),
                None => return Ok(None),
            },
            short => (u64::from(short), 2, 0),
        };
        // The shortest form is the only one (section 5.2), and the highest bit must be 0.
        if length < shortest || length > u64::MAX >> 1 {
            return Err(Violation::Length);
        }
        Ok(Some((Header { last, opcode, length }, used)))
    }
}

/// Appends one whole frame, whose payload is `pieces` one behind the other.
pub fn write(opcode: Opcode, last: bool, pieces: &[&[u8]], mask: [u8; 4], output: &mut Vec<u8>) {
    let length = pieces
        .iter()
        .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
    output.reserve(length.saturating_add(LONGEST_HEADER));
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    Header { last, opcode, length }.write(mask, output);
    let mut mask = mask;
    for piece in pieces {
        // Eight bytes at a time: the compiler makes wide instructions of it.
        let [a, b, c, d] = mask;
        let wide = [a, b, c, d, a, b, c, d];
        let (blocks, rest) = piece.as_chunks::<8>();
        for block in blocks {
            output.extend_from_slice(&(u64::from_ne_bytes(*block) ^ u64::from_ne_bytes(wide)).to_ne_bytes());
        }
        output.extend(rest.iter().zip(wide).map(|(byte, mask)| byte ^ mask));
        mask.rotate_left(rest.len() & 3);
    }
}

/// What a server must not do. The connection is failed (section 7.1.7) with [`Violation::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A bit for an extension that nobody asked for.
    ReservedBits,
    /// An opcode that nobody defined.
    Opcode,
    /// A server's frame with a mask.
    Masked,
    /// A control frame in pieces.
    ControlInPieces,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A length not in its shortest form, or beyond 63 bits.
    Length,
    /// A continuation of nothing, or a message inside another.
    Sequence,
    /// Text, or the reason of a close, that is not UTF-8.
    Utf8,
    /// A close frame of one byte, or with a code that must not be sent.
    CloseCode,
    /// A message over the limit.
    TooLarge,
}

impl Violation {
    /// The code of the close frame that says why (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Utf8 => 1007,
            Violation::TooLarge => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Violation::ReservedBits => "a frame of an extension that was not asked for",
            Violation::Opcode => "a frame of an unknown kind",
            Violation::Masked => "a masked frame",
            Violation::ControlInPieces => "a control frame in pieces",
            Violation::ControlTooLong => "a control frame of more than 125 bytes",
            Violation::Length => "a frame whose length is not in its shortest form",
            Violation::Sequence => "frames in an order that makes no message",
            Violation::Utf8 => "text that is not UTF-8",
            Violation::CloseCode => "a close frame with a code that is none",
            Violation::TooLarge => "a message over the limit",
        })
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::{Header, Opcode, Violation, write};

    /// RFC 6455 section 5.7 without its masks, which are for the other direction.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let read = |bytes: &[u8]| Header::read(bytes).unwrap().unwrap();
        let header = |last, opcode, length| Header { last, opcode, length };
        assert_eq!(read(b"\x81\x05Hello"), (header(true, Opcode::Text, 5), 2));
        assert_eq!(read(b"\x01\x03Hel"), (header(false, Opcode::Text, 3), 2));
        assert_eq!(read(b"\x80\x02lo"), (header(true, Opcode::Continuation, 2), 2));
        assert_eq!(read(b"\x89\x05Hello"), (header(true, Opcode::Ping, 5), 2));
        assert_eq!(read(b"\x82\x7e\x01\x00"), (header(true, Opcode::Binary, 256), 4));
        assert_eq!(
            read(b"\x82\x7f\0\0\0\0\0\x01\0\0"),
            (header(true, Opcode::Binary, 65536), 10)
        );
    }

    /// Section 5.7: "a single-frame masked text message (contains Hello)".
    #[test]
    fn the_example_of_the_rfc_is_written() {
        let mut output = Vec::new();
        write(
            Opcode::Text,
            true,
            &[b"He", b"", b"llo"],
            [0x37, 0xfa, 0x21, 0x3d],
            &mut output,
        );
        assert_eq!(
            output,
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
    }

    #[test]
    fn lengths_take_their_shortest_form_at_each_border_and_the_mask_comes_off_again() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
            let mask = [1, 2, 3, 255];
            let mut output = vec![b'x'];
            let (head, tail) = payload.split_at(length.min(13));
            write(Opcode::Binary, true, &[head, tail], mask, &mut output);
            assert_eq!(output.len(), 1 + header + 4 + length);
            let unmasked = output.iter().skip(1 + header + 4).zip(mask.iter().cycle());
            assert!(unmasked.map(|(byte, mask)| byte ^ mask).eq(payload));
            // As a server would write it: without the mask.
            let mut header_bytes = output[1..=header].to_vec();
            header_bytes[1] &= 0x7f;
            for cut in 0..header {
                assert_eq!(Header::read(&header_bytes[..cut]), Ok(None), "cut at {cut}");
            }
            let (read, used) = Header::read(&header_bytes).unwrap().unwrap();
            assert_eq!((read.length, used), (length as u64, header));
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused_at_the_first_byte_that_shows_it() {
        for (bytes, violation) in [
            (&b"\xc1"[..], Violation::ReservedBits),
            (b"\x91", Violation::ReservedBits),
            (b"\x83", Violation::Opcode),
            (b"\x8b", Violation::Opcode),
            (b"\x09", Violation::ControlInPieces),
            (b"\x81\x85", Violation::Masked),
            (b"\x89\x7e", Violation::ControlTooLong),
            (b"\x88\x7f", Violation::ControlTooLong),
            (b"\x82\x7e\x00\x7d", Violation::Length),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", Violation::Length),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", Violation::Length),
        ] {
            assert_eq!(Header::read(bytes), Err(violation), "{bytes:x?}");
            let before = &bytes[..bytes.len() - 1];
            assert_eq!(Header::read(before), Ok(None), "{before:x?}");
        }
    }
}
