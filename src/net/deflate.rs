//! Compression of a whole conversation (RFC 4978, COMPRESS=DEFLATE): raw DEFLATE (RFC 1951) both ways.
//!
//! What the server sends is inflated through buffers of fixed size, so that a bomb costs time and no memory: its content
//! meets the same limits as content that came as it is. What we say is not compressed but written as stored blocks
//! (RFC 1951 section 3.2.4): commands are short, and a compressor would take more memory than everything else of an idle
//! mailbox.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::{NetError, NetErrorKind, Stream};
use crate::clock::{Deadline, Phase};
use crate::limits;

/// A stream that may go on compressed from some moment on.
pub struct Compressible {
    stream: Box<dyn Stream>,
    inflate: Option<Inflate>,
}

impl Compressible {
    /// Not compressed yet.
    pub fn new(stream: Box<dyn Stream>) -> Compressible {
        Compressible { stream, inflate: None }
    }

    /// From now on both sides compress. `ahead` was read already and belongs to it.
    pub fn compress(&mut self, ahead: &[u8]) {
        self.inflate = Some(Inflate::new(ahead));
    }

    fn broken(&self, phase: Phase) -> NetError {
        NetError {
            peer: self.stream.peer().to_owned(),
            phase,
            kind: NetErrorKind::Io("what the server sends is not compressed as agreed (COMPRESS=DEFLATE)".to_owned()),
        }
    }
}

impl Stream for Compressible {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let Some(inflate) = &mut self.inflate else {
            return self.stream.read(buffer, deadline);
        };
        loop {
            match inflate.take(buffer) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => {}
                Err(Corrupt) => return Err(self.broken(deadline.phase)),
            }
            match self.stream.read(inflate.space(), deadline)? {
                0 => return Ok(0),
                count => inflate.filled(count),
            }
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        let Some(inflate) = &mut self.inflate else {
            return self.stream.read_ready(buffer);
        };
        loop {
            match inflate.take(buffer) {
                Ok(Some(count)) => return Ok(Some(count)),
                Ok(None) => {}
                Err(Corrupt) => return Err(self.broken(Phase::Write)),
            }
            match self.stream.read_ready(inflate.space())? {
                Some(0) => return Ok(Some(0)),
                Some(count) => inflate.filled(count),
                None => return Ok(None),
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        if self.inflate.is_none() {
            return self.stream.write_all(bytes, deadline);
        }
        self.stream.write_all(&stored(bytes), deadline)
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        if self.inflate.is_none() {
            self.stream.write_at_once(bytes);
        } else {
            self.stream.write_at_once(&stored(bytes));
        }
    }

    fn start_tls(&mut self, deadline: Deadline) -> Result<(), NetError> {
        self.stream.start_tls(deadline)
    }

    fn channel_binding(&self) -> Option<[u8; 32]> {
        self.stream.channel_binding()
    }

    fn peer(&self) -> &str {
        self.stream.peer()
    }
}

/// `bytes` as stored blocks: each its three header bits, filled up to a byte, its length twice, and the bytes themselves.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(bytes.len().saturating_add(5));
    for block in bytes.chunks(usize::from(u16::MAX)) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        blocks.push(0);
        blocks.extend_from_slice(&length.to_le_bytes());
        blocks.extend_from_slice(&(!length).to_le_bytes());
        blocks.extend_from_slice(block);
    }
    blocks
}

/// Inflates what comes in pieces. Its memory is the window of DEFLATE and one buffer. What refers to before the beginning of
/// the stream is zeros, as the window is, and no error: DEFLATE alone does not tell that a stream is what was sent.
struct Inflate {
    inflater: Box<InflateState>,
    /// Received and not yet inflated: `received[start..end]`.
    received: Vec<u8>,
    start: usize,
    end: usize,
    /// The server has written a last block: nothing can follow.
    ended: bool,
}

/// Not DEFLATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Corrupt;

impl Inflate {
    fn new(ahead: &[u8]) -> Inflate {
        Inflate {
            // RFC 4978 section 4: without the header of zlib.
            inflater: InflateState::new_boxed(DataFormat::Raw),
            received: ahead.to_vec(),
            start: 0,
            end: ahead.len(),
            ended: false,
        }
    }

    /// Where to put the next bytes, once [`Inflate::take`] has nothing more.
    fn space(&mut self) -> &mut [u8] {
        self.received.resize(limits::DEFLATE_BUFFER, 0);
        (self.start, self.end) = (0, 0);
        &mut self.received
    }

    fn filled(&mut self, count: usize) {
        self.end = count.min(self.received.len());
    }

    /// Inflates into `buffer`: how many bytes, 0 at the end of the stream, `None` when more must be received.
    fn take(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        if self.ended || buffer.is_empty() {
            return Ok(Some(0));
        }
        loop {
            // Also without input: what did not fit the last buffer waits in the window.
            let received = self.received.get(self.start..self.end).unwrap_or_default();
            let waiting = received.len();
            let result = inflate(&mut self.inflater, received, buffer, MZFlush::None);
            let ended = match result.status {
                Ok(MZStatus::StreamEnd) => true,
                Ok(MZStatus::Ok) | Err(MZError::Buf) => false,
                _ => return Err(Corrupt),
            };
            let taken = result.bytes_consumed;
            self.start = self.start.saturating_add(taken).min(self.end);
            if result.bytes_written > 0 {
                return Ok(Some(result.bytes_written));
            }
            if ended {
                self.ended = true;
                return Ok(Some(0));
            }
            if self.start == self.end {
                return Ok(None);
            }
            // Neither took nor gave: asked again, it would do the same.
            if taken == 0 && waiting > 0 {
                return Err(Corrupt);
            }
        }
    }
}

/// Inflates `stream`, received in pieces of at most `step` bytes and taken in pieces of `step`, up to a bound; and whether
/// all of it was DEFLATE.
fn inflate_all(stream: &[u8], step: usize, most: usize) -> (Vec<u8>, bool) {
    let mut inflate = Inflate::new(&[]);
    let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
    let mut rest = stream;
    while all.len() < most {
        match inflate.take(&mut buffer) {
            Err(Corrupt) => return (all, false),
            Ok(Some(0)) => break,
            Ok(Some(count)) => all.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Ok(None) => {
                let space = inflate.space();
                let count = step.min(rest.len()).min(space.len());
                let (piece, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                for (place, byte) in space.iter_mut().zip(piece) {
                    *place = *byte;
                }
                if count == 0 {
                    break;
                }
                rest = behind;
                inflate.filled(count);
            }
        }
    }
    all.truncate(most);
    (all, true)
}

/// Any bytes inflate to the same however they are cut, in bounded memory; and what we write is read back as it was.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    const MOST: usize = 1 << 16;
    let (whole, sound) = inflate_all(data, 4096, MOST);
    for step in [1, 7] {
        let (pieces, also_sound) = inflate_all(data, step, MOST);
        // Where the stream is damaged, the last bytes before the damage may be lost with it.
        let common = whole.len().min(pieces.len());
        assert_eq!(whole.get(..common), pieces.get(..common), "in pieces of {step}");
        assert!(
            whole.len() == pieces.len() || !sound || !also_sound,
            "in pieces of {step}"
        );
        let reached = whole.len().max(pieces.len()) == MOST;
        assert!(sound == also_sound || reached, "in pieces of {step}");
    }
    let blocks = stored(data);
    assert!(blocks.len() <= data.len().saturating_add(data.len() / 8192).saturating_add(5));
    assert_eq!(inflate_all(&blocks, 4096, data.len()), (data.to_vec(), true));
}

#[cfg(test)]
mod tests;
