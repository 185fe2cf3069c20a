//! The one buffer between the network and the grammar: bytes go in at the end, lines and pieces of literals come out at the
//! start, lent without copying. It knows nothing of IMAP; `reader.rs` decides which of the two comes next.

use memchr::memchr;

use crate::limits;

/// Bytes received and not yet read.
pub struct Framing {
    bytes: Vec<u8>,
    /// What is received and not yet read is `bytes[start..end]`.
    start: usize,
    end: usize,
    /// The last read filled the space: more is coming.
    streaming: bool,
    /// Up to here it is known to hold no LF, so that a line that comes byte by byte is not searched again and again.
    searched: usize,
}

/// A line that is longer than [`limits::IMAP_RESPONSE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

impl Framing {
    /// Without a buffer.
    pub fn new() -> Framing {
        Framing {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            streaming: false,
            searched: 0,
        }
    }

    /// Gives the memory back, if nothing is left to read; it is taken anew with the next bytes.
    pub fn rest(&mut self) {
        if self.is_empty() {
            *self = Framing::new();
        }
    }

    /// Where to put the next bytes. Never empty as long as [`Framing::line`] and [`Framing::piece`] are called until they
    /// have nothing more, because then only the beginning of a line within its limit is left.
    pub fn space(&mut self) -> &mut [u8] {
        let free = self.bytes.len().saturating_sub(self.end);
        // Moving the little that is left to the front is cheaper than many small reads.
        if self.start > 0 && free < self.bytes.len() / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        // A connection that waits holds a small buffer, one mail makes it larger, a backlog large.
        if self.bytes.is_empty() {
            self.bytes.resize(limits::IMAP_WAITING_BUFFER, 0);
        } else if self.streaming && self.bytes.len() < limits::IMAP_BUFFER {
            let length = self.bytes.len().saturating_mul(4).min(limits::IMAP_BUFFER);
            self.bytes.resize(length, 0);
        }
        // Only a line can fill the buffer; one byte over the limit (and its CRLF) is enough to know that it is too long.
        if self.end == self.bytes.len() {
            let longest = limits::IMAP_RESPONSE.saturating_add(3);
            let length = self.bytes.len().saturating_mul(2).min(longest);
            self.bytes.resize(length, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `count` bytes were put into [`Framing::space`].
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
        self.streaming = self.end == self.bytes.len();
    }

    /// The next line, without its LF and the CRs before it (some servers send two); `None` when it is not complete yet.
    pub fn line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let unsearched = self.bytes.get(self.searched..self.end).unwrap_or_default();
        let Some(found) = memchr(b'\n', unsearched) else {
            self.searched = self.end;
            let waiting = self.bytes.get(self.start..self.end).unwrap_or_default();
            return if without_cr(waiting).len() > limits::IMAP_RESPONSE {
                Err(LineTooLong)
            } else {
                Ok(None)
            };
        };
        let line_end = self.searched.saturating_add(found);
        let line = without_cr(self.bytes.get(self.start..line_end).unwrap_or_default());
        self.start = line_end.saturating_add(1);
        self.searched = self.start;
        if line.len() > limits::IMAP_RESPONSE {
            return Err(LineTooLong);
        }
        Ok(Some(line))
    }

    /// Up to `at_most` of the bytes there are, as they are; empty when there are none.
    pub fn piece(&mut self, at_most: u64) -> &[u8] {
        let received = self.bytes.get(self.start..self.end).unwrap_or_default();
        let length = usize::try_from(at_most).map_or(received.len(), |most| most.min(received.len()));
        let piece = received.get(..length).unwrap_or_default();
        self.start = self.start.saturating_add(length);
        self.searched = self.start;
        piece
    }

    /// Whether nothing is left to read.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl Default for Framing {
    fn default() -> Framing {
        Framing::new()
    }
}

fn without_cr(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r'] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Framing, LineTooLong};
    use crate::limits::{IMAP_BUFFER, IMAP_RESPONSE, IMAP_WAITING_BUFFER};

    /// Feeds in steps of `step`, calling `read` whenever there is something new.
    fn feed(framing: &mut Framing, mut bytes: &[u8], step: usize, mut read: impl FnMut(&mut Framing)) {
        while !bytes.is_empty() {
            let space = framing.space();
            let count = bytes.len().min(step).min(space.len());
            assert!(count > 0, "no room for the next byte");
            space[..count].copy_from_slice(&bytes[..count]);
            framing.filled(count);
            bytes = &bytes[count..];
            read(framing);
        }
    }

    #[test]
    fn lines_end_with_lf_and_lose_every_cr_before_it() {
        for step in 1..12 {
            let mut framing = Framing::new();
            let mut lines = Vec::new();
            feed(&mut framing, b"a\r\nb\n\r\n\nc\rd\r\r\nrest", step, |framing| {
                while let Some(line) = framing.line().unwrap() {
                    lines.push(line.to_vec());
                }
            });
            assert_eq!(lines, [&b"a"[..], b"b", b"", b"", b"c\rd"]);
            assert_eq!(framing.piece(3), b"res");
            assert_eq!(framing.piece(3), b"t");
            assert!(framing.is_empty());
        }
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        for (length, ends) in [
            (IMAP_RESPONSE - 1, "\r\n"),
            (IMAP_RESPONSE, "\r\n"),
            (IMAP_RESPONSE, "\n"),
            (IMAP_RESPONSE + 1, "\n"),
            (IMAP_RESPONSE + 1, "\r\n"),
            (IMAP_RESPONSE * 3, ""),
        ] {
            let mut input = vec![b'('; length];
            input.extend_from_slice(ends.as_bytes());
            let mut framing = Framing::new();
            let mut outcome = Ok(None);
            feed(&mut framing, &input, 50_000, |framing| {
                if outcome == Ok(None) {
                    outcome = framing.line().map(|line| line.map(<[u8]>::len));
                }
                if outcome == Err(LineTooLong) {
                    let all = framing.piece(u64::MAX).len();
                    assert!(all <= IMAP_RESPONSE + 3, "memory is bounded");
                }
            });
            let expected = if length <= IMAP_RESPONSE {
                Ok(Some(length))
            } else {
                Err(LineTooLong)
            };
            assert_eq!(outcome, expected, "{length} {ends:?}");
        }
    }

    #[test]
    fn a_long_literal_makes_the_buffer_as_large_as_its_pieces_and_no_larger_than_its_limit() {
        for (piece, buffer) in [
            (100, IMAP_WAITING_BUFFER),
            (7_000, IMAP_WAITING_BUFFER * 16),
            (1_000_000, IMAP_BUFFER),
        ] {
            let mut framing = Framing::new();
            let mut total = 0;
            feed(&mut framing, &vec![b'x'; IMAP_BUFFER * 20], piece, |framing| {
                total += framing.piece(u64::MAX).len();
            });
            assert_eq!(total, IMAP_BUFFER * 20);
            assert_eq!(framing.bytes.len(), buffer, "in pieces of {piece}");
            framing.rest();
            assert_eq!(framing.bytes.len(), 0, "nothing is left to read");
        }
    }
}
