//! Compressed RTF (MS-OXRTFCP): how Outlook keeps a mail's text in TNEF. A dictionary of 4 KiB, filled beforehand with the
//! beginning of an ordinary document, and references into it.

use super::cuts::cuts;

const DICTIONARY: usize = 4096;
/// MS-OXRTFCP, section 2.1.3.1: what is in the dictionary before anything is.
const PRELOADED: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor \
                           MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
                           \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const HEADER: usize = 16;

/// Decompresses one value: `feed` it in pieces.
#[derive(Debug)]
pub struct Decompressor {
    state: State,
    header: Vec<u8>,
    dictionary: Box<[u8; DICTIONARY]>,
    /// Where the next byte goes.
    position: usize,
    /// One bit for each of the next items, the lowest first: a byte, or a reference.
    control: u8,
    items: u8,
    /// Bytes still to come out, as the header announces, and whether there were more.
    announced: u32,
    exceeded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Uncompressed,
    Items,
    /// After the first byte of a reference.
    Reference(u8),
    Done,
    /// Neither compressed nor uncompressed RTF.
    Unknown,
}

impl Default for Decompressor {
    fn default() -> Decompressor {
        let mut dictionary = Box::new([b' '; DICTIONARY]);
        for (slot, byte) in dictionary.iter_mut().zip(PRELOADED) {
            *slot = *byte;
        }
        Decompressor {
            state: State::Header,
            header: Vec::with_capacity(HEADER),
            dictionary,
            position: PRELOADED.len(),
            control: 0,
            items: 0,
            announced: 0,
            exceeded: false,
        }
    }
}

impl Decompressor {
    /// Appends what `input` decompresses to: two bytes become 17 at most.
    pub fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        for byte in input {
            match self.state {
                State::Header => self.header(*byte),
                State::Uncompressed => self.put(*byte, output),
                State::Items if self.items == 0 => {
                    self.control = *byte;
                    self.items = 8;
                }
                State::Items => {
                    let reference = self.control & 1 == 1;
                    self.control = self.control.wrapping_shr(1);
                    self.items = self.items.saturating_sub(1);
                    if reference {
                        self.state = State::Reference(*byte);
                    } else {
                        self.put(*byte, output);
                    }
                }
                State::Reference(first) => self.copy(u16::from_be_bytes([first, *byte]), output),
                State::Done | State::Unknown => return,
            }
        }
    }

    /// Whether all that was announced has come out, and there was no more: readers that do not believe the announcement
    /// show it.
    pub fn whole(&self) -> bool {
        let ended = matches!(self.state, State::Items | State::Uncompressed) && self.announced == 0;
        !self.exceeded && (ended || self.state == State::Done)
    }

    /// Sizes, the kind of compression, a checksum that tells nothing to who only reads.
    fn header(&mut self, byte: u8) {
        self.header.push(byte);
        if self.header.len() < HEADER {
            return;
        }
        let word = |at: usize| self.header.get(at..).and_then(<[u8]>::first_chunk).copied();
        self.announced = u32::from_le_bytes(word(4).unwrap_or_default());
        self.state = match &word(8).unwrap_or_default() {
            b"LZFu" => State::Items,
            b"MELA" => State::Uncompressed,
            _ => State::Unknown,
        };
    }

    fn put(&mut self, byte: u8, output: &mut Vec<u8>) {
        if let Some(slot) = self.dictionary.get_mut(self.position) {
            *slot = byte;
        }
        self.position = self.position.wrapping_add(1) % DICTIONARY;
        if self.announced > 0 {
            self.announced = self.announced.wrapping_sub(1);
            output.push(byte);
        } else {
            self.exceeded = true;
        }
    }

    /// Twelve bits say where, four how much; where the next byte goes, there is nothing yet: the end.
    fn copy(&mut self, reference: u16, output: &mut Vec<u8>) {
        let mut from = usize::from(reference.wrapping_shr(4));
        if from == self.position {
            self.state = State::Done;
            return;
        }
        for _ in 0..(reference & 0x0f).wrapping_add(2) {
            let byte = self.dictionary.get(from).copied().unwrap_or_default();
            self.put(byte, output);
            from = from.wrapping_add(1) % DICTIONARY;
        }
        self.state = State::Items;
    }
}

/// The same text for every split; no more than is announced, and than references can make of the input.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let decompress = |pieces: &[&[u8]]| {
        let mut decompressor = Decompressor::default();
        let mut output = Vec::new();
        for piece in pieces {
            decompressor.feed(piece, &mut output);
        }
        (output, decompressor.whole(), decompressor.announced)
    };
    let whole = decompress(&[data]);
    let (output, _, left) = &whole;
    assert!(output.len() <= data.len().saturating_mul(9));
    let announced = data.get(4..HEADER).and_then(<[u8]>::first_chunk);
    let announced = announced.map_or(0, |word| u32::from_le_bytes(*word));
    assert_eq!(u32::try_from(output.len()).ok(), announced.checked_sub(*left));
    for pieces in cuts(data) {
        assert_eq!(whole, decompress(&pieces), "{} pieces", pieces.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{Decompressor, PRELOADED};

    fn decompress(input: &[u8], size: usize) -> (String, bool) {
        let mut decompressor = Decompressor::default();
        let mut output = Vec::new();
        for piece in input.chunks(size) {
            decompressor.feed(piece, &mut output);
        }
        (output.escape_ascii().to_string(), decompressor.whole())
    }

    /// MS-OXRTFCP, section 4.1.
    const EXAMPLE: &[u8] = b"\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00rcpg125B2\x0a\xf3 hel\x09\x00 bw\x05\xb0ld}\x0a\x80\x0f\xa0";

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(PRELOADED.len(), 207);
        for size in [1, 2, 3, 100] {
            let expected = "{\\\\rtf1\\\\ansi\\\\ansicpg1252\\\\pard hello world}\\r\\n".to_owned();
            assert_eq!(decompress(EXAMPLE, size), (expected, true));
            let crossing =
                b"\x1a\x00\x00\x00\x1c\x00\x00\x00LZFu\xe2\xd4\x4b\x51A\x00\x04\x20WXYZ\x0d\x6e}\x01\x0e\xb0";
            let expected = "{\\\\rtf1 WXYZWXYZWXYZWXYZWXYZ}".to_owned();
            assert_eq!(decompress(crossing, size), (expected, true));
        }
    }

    #[test]
    fn uncompressed_cut_and_unknown_values() {
        let header = |kind: &[u8]| [b"\x11\0\0\0\x05\0\0\0", kind, b"\0\0\0\0"].concat();
        assert_eq!(
            decompress(&[&header(b"MELA"), &b"{rtf}"[..]].concat(), 7),
            ("{rtf}".to_owned(), true)
        );
        assert_eq!(
            decompress(&[&header(b"MELA"), &b"{rt"[..]].concat(), 7),
            ("{rt".to_owned(), false)
        );
        assert_eq!(decompress(&header(b"ZZZZ"), 7), (String::new(), false));
        assert_eq!(decompress(b"short", 7), (String::new(), false));
        for end in 0..EXAMPLE.len() - 2 {
            decompress(&EXAMPLE[..end], 4);
        }
    }

    #[test]
    fn more_than_is_announced_is_not_whole() {
        let value = |kind: &[u8], announced: u32, content: &[u8]| {
            let header = [&[0; 4][..], &announced.to_le_bytes(), kind, &[0; 4]].concat();
            decompress(&[&header, content].concat(), 7)
        };
        for (announced, text) in [(0, ""), (5, "{rtf}")] {
            assert_eq!(value(b"MELA", announced, b"{rtf}more"), (text.to_owned(), false));
        }
        let compressed = EXAMPLE.get(super::HEADER..).unwrap();
        assert_eq!(value(b"LZFu", 1, compressed), ("{".to_owned(), false));
        assert!(value(b"LZFu", 43, compressed).1);
    }

    #[test]
    fn no_more_comes_out_than_is_announced() {
        let mut bomb = b"\xff\xff\xff\xff\x40\x00\x00\x00LZFu\0\0\0\0".to_vec();
        bomb.extend(b"\xff\x00\x0f\x01\x0f\x02\x0f\x03\x0f\x04\x0f\x05\x0f\x06\x0f\x07\x0f".repeat(1000));
        let mut output = Vec::new();
        Decompressor::default().feed(&bomb, &mut output);
        assert_eq!(output.len(), 64);
    }
}
