//! MAPI properties in a TNEF attribute (MS-OXTNEF, section 2.1.3.4): a count, then each with its type, its identifier, its
//! name if it has one, and its values.

use super::code_page::Kind;
use super::number;
use super::value::{Purpose, Value};
use crate::mime::embedded::Enclosed;

#[derive(Debug)]
pub(super) struct Properties {
    owner: Owner,
    state: State,
    field: Vec<u8>,
    /// Properties to come, and values of the one under way.
    to_come: u32,
    values: u32,
    data_type: u16,
    identifier: u16,
    /// Of the value or name under way: bytes to come, and those that fill up a group of four.
    left: u32,
    padding: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Message,
    Attachment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Count,
    Tag,
    /// The GUID and the kind of a property's name.
    NameKind,
    NameNumber,
    NameLength,
    NameText,
    ValueCount,
    ValueSize,
    Value,
    Padding,
    /// All have been read.
    Done,
    /// A type that nobody knows: no telling where its value ends.
    Lost,
}

/// The bit of a type that says: a list of them.
const MULTIPLE: u16 = 0x1000;
/// From here on, properties have names.
const NAMED: u16 = 0x8000;
/// MS-OXCDATA, section 2.11.1.
const OBJECT: u16 = 0x000d;
const STRING_8: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const BINARY: u16 = 0x0102;

impl Properties {
    pub(super) fn of_message() -> Properties {
        Properties::of(Owner::Message)
    }

    pub(super) fn of_attachment() -> Properties {
        Properties::of(Owner::Attachment)
    }

    fn of(owner: Owner) -> Properties {
        Properties {
            owner,
            state: State::Count,
            field: Vec::new(),
            to_come: 0,
            values: 0,
            data_type: 0,
            identifier: 0,
            left: 0,
            padding: 0,
        }
    }

    pub(super) fn feed(&mut self, mut input: &[u8], value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        while !input.is_empty() {
            let size = match self.state {
                State::Count
                | State::Tag
                | State::NameNumber
                | State::NameLength
                | State::ValueCount
                | State::ValueSize => 4,
                State::NameKind => 20,
                State::NameText | State::Value | State::Padding => 0,
                State::Done | State::Lost => return,
            };
            if size == 0 {
                input = self.run(input, value, found);
            } else {
                let missing = usize::saturating_sub(size, self.field.len());
                let (bytes, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
                self.field.extend_from_slice(bytes);
                input = rest;
                if self.field.len() == size {
                    self.field(value, found);
                    self.field.clear();
                }
            }
            self.settle(value, found);
        }
    }

    /// The attribute ends; whether all was there.
    pub(super) fn finish(&mut self, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) -> bool {
        if self.state == State::Value {
            value.end(found);
        }
        matches!(self.state, State::Done) || (self.state == State::Padding && self.values == 0 && self.to_come == 0)
    }

    /// Bytes that are not gathered: of a name, a value or its padding.
    fn run<'i>(&mut self, input: &'i [u8], value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) -> &'i [u8] {
        let left = if self.state == State::Padding {
            &mut self.padding
        } else {
            &mut self.left
        };
        let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at_checked(here).unwrap_or((input, &[]));
        *left = left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
        if self.state == State::Value {
            value.bytes(bytes, found);
        }
        rest
    }

    /// A gathered field is whole.
    fn field(&mut self, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        let read = number(&self.field);
        match self.state {
            State::Count => {
                self.to_come = read;
                self.next_property();
            }
            State::Tag => {
                let [low, high, ..] = read.to_le_bytes();
                self.data_type = u16::from_le_bytes([low, high]);
                let [.., low, high] = read.to_le_bytes();
                self.identifier = u16::from_le_bytes([low, high]);
                if self.identifier >= NAMED {
                    self.state = State::NameKind;
                } else {
                    self.values_begin(value, found);
                }
            }
            State::NameKind => {
                self.state = match number(self.field.get(16..).unwrap_or_default()) {
                    0 => State::NameNumber,
                    _ => State::NameLength,
                };
            }
            State::NameNumber => self.values_begin(value, found),
            State::NameLength => {
                self.left = read;
                self.padding = padding(read);
                self.state = State::NameText;
            }
            State::ValueCount => {
                self.values = read;
                self.next_value(value, found);
            }
            State::ValueSize => self.value_begins(read, value, found),
            _ => {}
        }
    }

    /// Goes on from what is over without another byte.
    fn settle(&mut self, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        if self.state == State::Value && self.left == 0 {
            value.end(found);
            self.values = self.values.saturating_sub(1);
            self.state = State::Padding;
        }
        if self.state == State::NameText && self.left == 0 {
            self.left = u32::MAX; // the padding of a name, not of a value
            self.state = State::Padding;
        }
        if self.state == State::Padding && self.padding == 0 {
            if self.left == u32::MAX {
                self.left = 0;
                self.values_begin(value, found);
            } else {
                self.next_value(value, found);
            }
        }
    }

    /// The property's name is read: values of fixed size may come at once, others are counted.
    fn values_begin(&mut self, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        if self.data_type & MULTIPLE != 0 || self.is_variable() {
            self.state = State::ValueCount;
        } else {
            self.values = 1;
            self.next_value(value, found);
        }
    }

    fn next_value(&mut self, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        if self.values == 0 {
            self.next_property();
        } else if self.is_variable() {
            self.state = State::ValueSize;
        } else if let Some(size) = self.fixed_size() {
            self.value_begins(size, value, found);
        } else {
            self.state = State::Lost;
        }
    }

    fn next_property(&mut self) {
        match self.to_come.checked_sub(1) {
            Some(left) => {
                self.to_come = left;
                self.state = State::Tag;
            }
            None => self.state = State::Done,
        }
    }

    fn value_begins(&mut self, size: u32, value: &mut Value, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.left = size;
        self.padding = padding(size);
        self.state = State::Value;
        value.begin(self.purpose(), found);
    }

    fn is_variable(&self) -> bool {
        matches!(self.data_type & !MULTIPLE, OBJECT | STRING_8 | UNICODE | BINARY)
    }

    /// Of types whose values have no size of their own; the short ones fill four bytes.
    fn fixed_size(&self) -> Option<u32> {
        match self.data_type & !MULTIPLE {
            0x0001..=0x0004 | 0x000a | 0x000b => Some(4),
            0x0005..=0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            _ => None,
        }
    }

    /// MS-OXPROPS: the properties that hold content, or say how to read it.
    fn purpose(&self) -> Purpose {
        let wide = self.data_type == UNICODE;
        let string = wide || self.data_type == STRING_8;
        let terminator = match self.data_type {
            UNICODE => 2,
            STRING_8 => 1,
            _ => 0,
        };
        match (self.owner, self.identifier) {
            (Owner::Message, 0x001a) if string => Purpose::MessageClass,
            (Owner::Message, 0x1000) if string => Purpose::Text {
                media_type: "text/plain",
                terminator,
            },
            (Owner::Message, 0x1013) if string || self.data_type == BINARY => Purpose::Text {
                media_type: "text/html",
                terminator,
            },
            (Owner::Message, 0x1009) if self.data_type == BINARY => Purpose::CompressedRtf,
            (Owner::Message, 0x3fde) if !self.is_variable() => Purpose::CodePage(Kind::Internet),
            (Owner::Message, 0x3ffd) if !self.is_variable() => Purpose::CodePage(Kind::Message),
            (Owner::Attachment, 0x3707) if string => Purpose::Name { rank: 3, wide },
            (Owner::Attachment, 0x3704) if string => Purpose::Name { rank: 2, wide },
            (Owner::Attachment, 0x3001) if string => Purpose::Name { rank: 0, wide },
            (Owner::Attachment, 0x3701) if self.data_type == OBJECT => Purpose::Object,
            (Owner::Attachment, 0x3701) if self.data_type == BINARY => Purpose::File,
            _ => Purpose::Passed,
        }
    }
}

/// Bytes that follow so many to fill up a group of four.
fn padding(size: u32) -> u32 {
    size.wrapping_neg() & 3
}
