//! UTF-16 whose label does not tell the byte order (RFC 2781, section 4.3): the byte order mark does, else the RFC's
//! big-endian. Many senders mean little-endian and leave the mark out; text in any language has spaces, line ends or
//! ASCII, so its zero bytes tell.

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Bytes that are looked at: a file name or a line.
const LOOKED_AT: usize = 64;

/// Collects the beginning of a text until it tells the byte order.
#[derive(Default)]
pub(super) struct Beginning(Vec<u8>);

impl Beginning {
    /// Takes bytes from `input` and gives back the rest; `None` as long as more are needed.
    pub(super) fn feed<'i>(&mut self, input: &'i [u8]) -> Option<&'i [u8]> {
        let room = LOOKED_AT.saturating_sub(self.0.len());
        let (taken, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
        self.0.extend_from_slice(taken);
        (self.0.len() == LOOKED_AT).then_some(rest)
    }

    /// The decoder to go on with, and the bytes it has to begin with.
    pub(super) fn decide(self) -> (Decoder, Vec<u8>) {
        let zeros = |odd: usize| self.0.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let encoding = match Encoding::for_bom(&self.0) {
            Some((encoding, _)) => encoding,
            None if zeros(1) > zeros(0) => UTF_16LE,
            None => UTF_16BE,
        };
        (encoding.new_decoder_with_bom_removal(), self.0)
    }
}
