//! TNEF (MS-OXTNEF): `winmail.dat`, in which Outlook and Exchange hide attachments and the formatted body.
//!
//! A stream of attributes, each with a level, an identifier, a length and a checksum. Some of them hold MAPI properties
//! (`properties.rs`), which is where long file names, embedded objects and bodies are. Everything is taken as it goes by.

mod code_page;
mod properties;
mod value;

use super::anomaly::Flag;
use super::cuts::cuts;
use super::embedded::Enclosed;
use super::file_name;
use super::parameter::Parameterized;
use code_page::Kind;
use properties::Properties;
use value::{Purpose, Value};

/// Whether an entity calls itself TNEF, by type or by the name that it always has.
pub fn announced(content_type: &Parameterized, disposition: Option<&Parameterized>) -> bool {
    matches!(
        content_type.value.as_str(),
        "application/ms-tnef" | "application/vnd.ms-tnef"
    ) || file_name::names(content_type, disposition)
        .iter()
        .any(|name| name.eq_ignore_ascii_case("winmail.dat"))
}

/// Reads one TNEF stream: `feed` in pieces, then `finish`.
#[derive(Debug)]
pub struct Reader {
    state: State,
    /// A field of fixed size under way.
    field: Vec<u8>,
    /// Of the attribute under way: bytes to come, and the sum of those that came.
    left: u64,
    sum: u16,
    /// The attribute's data, where it is one value.
    value: Value,
    damaged: bool,
}

#[derive(Debug)]
enum State {
    Signature,
    Head,
    /// Data that is one value.
    Data,
    /// Data that is MAPI properties.
    Properties(Box<Properties>),
    Checksum,
    /// Behind the last attribute: line ends that transports leave behind, zeros that writers fill up with.
    Filler,
    /// No attribute begins here.
    Stopped,
}

const SIGNATURE: [u8; 4] = 0x223e_9f78_u32.to_le_bytes();
const MESSAGE: u8 = 1;
const ATTACHMENT: u8 = 2;

/// MS-OXTNEF, section 2.1.3.1: the lower half of an identifier. The upper half repeats the type, and some writers leave
/// it out.
mod attribute {
    pub(super) const MESSAGE_CLASS: u16 = 0x8008;
    pub(super) const BODY: u16 = 0x800c;
    pub(super) const ATTACHMENT_DATA: u16 = 0x800f;
    pub(super) const ATTACHMENT_TITLE: u16 = 0x8010;
    pub(super) const ATTACHMENT_BEGINS: u16 = 0x9002;
    pub(super) const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub(super) const ATTACHMENT_PROPERTIES: u16 = 0x9005;
    pub(super) const CODE_PAGE: u16 = 0x9007;
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::inside(0)
    }
}

impl Reader {
    /// A stream in so many others.
    fn inside(depth: usize) -> Reader {
        Reader {
            state: State::Signature,
            field: Vec::new(),
            left: 0,
            sum: 0,
            value: Value::new(depth),
            damaged: false,
        }
    }

    /// Tells `found` what is in `input`.
    pub fn feed(&mut self, mut input: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        while !input.is_empty() {
            input = match &mut self.state {
                State::Signature => self.gather(6, input, found),
                State::Head => self.gather(9, input, found),
                State::Checksum => self.gather(2, input, found),
                State::Filler if input.iter().copied().all(is_filler) => return,
                State::Filler => return self.stop(),
                State::Stopped => return,
                State::Data | State::Properties(_) => self.data(input, found),
            };
            if self.left == 0 && matches!(self.state, State::Data | State::Properties(_)) {
                self.data_ends(found);
            }
        }
    }

    /// The end of the stream.
    pub fn finish(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        let filler = self.field.iter().copied().all(is_filler);
        self.damaged |= !matches!(self.state, State::Head | State::Filler) || !filler;
        if matches!(self.state, State::Data | State::Properties(_)) {
            self.data_ends(found);
        }
        self.value.finish(found);
        if self.damaged || self.value.damaged {
            found(Enclosed::Finding(Flag::TnefUnread));
        }
    }

    /// Takes a field of fixed size, and acts on it when it is whole.
    fn gather<'i>(&mut self, size: usize, input: &'i [u8], found: &mut dyn FnMut(Enclosed<'_>)) -> &'i [u8] {
        let missing = size.saturating_sub(self.field.len());
        let (bytes, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        self.field.extend_from_slice(bytes);
        if self.field.len() == size {
            let field = std::mem::take(&mut self.field);
            match self.state {
                State::Signature if !field.starts_with(&SIGNATURE) => self.stop(),
                State::Signature => self.state = State::Head,
                State::Checksum => {
                    self.damaged |= number(&field) != u32::from(self.sum);
                    self.state = State::Head;
                }
                _ if field.iter().copied().all(is_filler) => self.state = State::Filler,
                _ => self.attribute(&field, found),
            }
        }
        rest
    }

    fn stop(&mut self) {
        self.damaged = true;
        self.state = State::Stopped;
    }

    /// An attribute begins.
    fn attribute(&mut self, head: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        let level = head.first().copied().unwrap_or_default();
        let [low, high, ..] = number(head.get(1..).unwrap_or_default()).to_le_bytes();
        let identifier = u16::from_le_bytes([low, high]);
        let length = number(head.get(5..).unwrap_or_default());
        if !matches!(level, MESSAGE | ATTACHMENT) {
            self.stop();
            return;
        }
        self.left = u64::from(length);
        self.sum = 0;
        self.state = State::Data;
        let purpose = match identifier {
            attribute::BODY => Purpose::PLAIN,
            attribute::ATTACHMENT_DATA => Purpose::File,
            attribute::ATTACHMENT_TITLE => Purpose::Name { rank: 1, wide: false },
            attribute::MESSAGE_CLASS => Purpose::MessageClass,
            attribute::CODE_PAGE => Purpose::CodePage(Kind::Stream),
            attribute::ATTACHMENT_BEGINS => {
                self.value.next_attachment(found);
                Purpose::Passed
            }
            attribute::MESSAGE_PROPERTIES => {
                self.state = State::Properties(Box::new(Properties::of_message()));
                return;
            }
            attribute::ATTACHMENT_PROPERTIES => {
                self.state = State::Properties(Box::new(Properties::of_attachment()));
                return;
            }
            _ => Purpose::Passed,
        };
        self.value.begin(purpose, found);
    }

    /// Takes what there is of an attribute's data.
    fn data<'i>(&mut self, input: &'i [u8], found: &mut dyn FnMut(Enclosed<'_>)) -> &'i [u8] {
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at_checked(here).unwrap_or((input, &[]));
        self.left = self.left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
        let add = |sum: u16, byte: &u8| sum.wrapping_add(u16::from(*byte));
        self.sum = bytes.iter().fold(self.sum, add);
        if let State::Properties(properties) = &mut self.state {
            properties.feed(bytes, &mut self.value, found);
        } else {
            self.value.bytes(bytes, found);
        }
        rest
    }

    fn data_ends(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        match &mut self.state {
            State::Properties(properties) => self.damaged |= !properties.finish(&mut self.value, found),
            _ => self.value.end(found),
        }
        self.value.tell_charsets(found);
        self.state = State::Checksum;
    }
}

/// What writers and transports leave behind an object.
pub(super) fn is_filler(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

/// The first bytes as a number, at most four of them, the lowest first.
fn number(bytes: &[u8]) -> u32 {
    let digits = bytes.iter().take(4).rev();
    digits.fold(0, |number, byte| number.wrapping_shl(8) | u32::from(*byte))
}

/// The same files for every split, nested; bounded by what compressed RTF can become.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let mut reader = Reader::default();
        let mut record = super::embedded::Record::default();
        for piece in pieces {
            reader.feed(piece, &mut |item| record.add(item));
        }
        reader.finish(&mut |item| record.add(item));
        record
    };
    let whole = read(&[data]);
    assert!(!whole.open && whole.bytes() <= data.len().saturating_mul(9));
    for pieces in cuts(data) {
        assert_eq!(whole, read(&pieces), "{} pieces", pieces.len());
    }
}

#[cfg(test)]
mod tests;
