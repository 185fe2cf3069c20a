//! UTF-16 (RFC 2781), and what says in which order its bytes are. A byte order mark counts before the label, as in the
//! Encoding Standard. Without either it would be big-endian (section 4.3), but many senders mean little-endian and leave the
//! mark out; text in any language has spaces, line ends or ASCII, so its zero bytes tell.
//!
//! Readers differ in all of this, so what speaks for another order is counted to the end of the text.

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{decode_piece, decode_table};

/// Bytes that the order is guessed from: a file name or a line.
const LOOKED_AT: usize = 64;
/// Text in one order has zeros at the other place as well, in U+3000 and U+4E00 of Chinese and Japanese: so many times as few.
const FEWER: u64 = 4;

/// Decodes one text.
pub(super) struct Utf16 {
    declared: Option<&'static Encoding>,
    state: State,
    /// Bytes so far, and zeros among them at even and at odd places.
    length: u64,
    zeros: [u64; 2],
}

enum State {
    /// The beginning of the text, until it tells the order.
    Beginning(Vec<u8>),
    Decided {
        encoding: &'static Encoding,
        decoder: Decoder,
        marked: bool,
    },
}

impl Utf16 {
    /// With the order that the label tells; `None` where it tells none.
    pub(super) fn new(declared: Option<&'static Encoding>) -> Utf16 {
        Utf16 {
            declared,
            state: State::Beginning(Vec::new()),
            length: 0,
            zeros: [0; 2],
        }
    }

    /// Appends what `input` says; true when something became U+FFFD.
    pub(super) fn feed(&mut self, input: &[u8], output: &mut String) -> bool {
        let State::Beginning(bytes) = &mut self.state else {
            return self.decode(input, output);
        };
        let room = LOOKED_AT.saturating_sub(bytes.len());
        let (taken, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
        bytes.extend_from_slice(taken);
        if bytes.len() < LOOKED_AT {
            return false;
        }
        let replaced = self.decide(output);
        self.decode(rest, output) || replaced
    }

    /// The end of the text; true when something became U+FFFD.
    pub(super) fn finish(&mut self, output: &mut String) -> bool {
        let replaced = self.decide(output);
        match &mut self.state {
            State::Decided { decoder, .. } => decode_piece(decoder, &[], output, true) || replaced,
            State::Beginning(_) => replaced,
        }
    }

    /// After the end: whether readers differ in the order of the bytes. The mark says another one than the label, or there
    /// is neither and the zeros do not tell with certainty.
    pub(super) fn is_doubtful(&self) -> bool {
        let State::Decided { encoding, marked, .. } = &self.state else {
            return false;
        };
        match self.declared {
            Some(declared) => *encoding != declared,
            None if *marked => *encoding == UTF_8,
            None => {
                let [even, odd] = self.zeros;
                let (few, many) = if *encoding == UTF_16LE {
                    (even, odd)
                } else {
                    (odd, even)
                };
                self.length > 0 && few.saturating_mul(FEWER) >= many
            }
        }
    }

    /// The beginning is there.
    fn decide(&mut self, output: &mut String) -> bool {
        let State::Beginning(bytes) = &mut self.state else {
            return false;
        };
        let bytes = std::mem::take(bytes);
        let [even, odd] = zeros(&bytes);
        let mark = Encoding::for_bom(&bytes).map(|(encoding, _)| encoding);
        let guess = if odd > even { UTF_16LE } else { UTF_16BE };
        let encoding = mark.or(self.declared).unwrap_or(guess);
        self.state = State::Decided {
            encoding,
            decoder: encoding.new_decoder_with_bom_removal(),
            marked: mark.is_some(),
        };
        self.decode(&bytes, output)
    }

    fn decode(&mut self, input: &[u8], output: &mut String) -> bool {
        let [even, odd] = zeros(input);
        let here = if self.length.is_multiple_of(2) {
            [even, odd]
        } else {
            [odd, even]
        };
        for (all, here) in self.zeros.iter_mut().zip(here) {
            *all = all.saturating_add(here);
        }
        self.length = self
            .length
            .saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        match &mut self.state {
            State::Decided { decoder, .. } => decode_table(decoder, input, output),
            State::Beginning(_) => false,
        }
    }
}

/// How many are zero at even places, and at odd ones.
fn zeros(bytes: &[u8]) -> [u64; 2] {
    let zero = |byte: Option<&u8>| u64::from(byte == Some(&0));
    bytes.chunks(2).fold([0; 2], |[even, odd]: [u64; 2], pair| {
        let (first, second) = (pair.first(), pair.get(1));
        [even.saturating_add(zero(first)), odd.saturating_add(zero(second))]
    })
}
