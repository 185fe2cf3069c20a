//! What content is made of before it is decoded: line ends and line lengths (RFC 5322, sections 2.1.1 and 2.3), NUL and
//! 8-bit bytes (RFC 2045, sections 2.7 to 2.9). Readers cut at NUL, drop the eighth bit, or see a line end in a bare CR.
//!
//! Every byte goes through, so ordinary ones must cost next to nothing: a [`Survey`] looks at a thousand at a time, in a
//! loop that compilers turn into vector instructions, and only where that finds something at single ones.

use memchr::{memchr, memrchr};

use super::anomaly::Flag;
use super::charset::Charset;
use super::parameter::Parameterized;
use super::transfer::Encoding;
use crate::limits;

/// What content may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// `7bit`, and what `quoted-printable` and uuencode are written in; the default.
    SevenBit,
    /// `8bit`, and whatever has other flags for what does not belong in it.
    EightBit,
    /// `binary`: neither lines nor bytes have a limit.
    Binary,
}

impl Data {
    /// By the name of an encoding.
    pub(super) fn of(encoding: Encoding, name: &[u8]) -> Data {
        let is = |known: &str| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
        match encoding {
            Encoding::Identity if is("8bit") => Data::EightBit,
            Encoding::Identity if is("binary") => Data::Binary,
            Encoding::Identity | Encoding::QuotedPrintable | Encoding::Uuencode => Data::SevenBit,
            Encoding::Base64 | Encoding::Yenc => Data::EightBit,
        }
    }

    /// What is looked for in content of this type.
    pub(super) fn rules(self, content_type: &Parameterized, encoding: Encoding) -> Rules {
        let media_type = content_type.value.as_str();
        let text = media_type.starts_with("text/") || media_type.is_empty();
        let decoded = text && encoding != Encoding::Identity;
        let nul = if decoded && is_wide(content_type) {
            Nul::Anywhere
        } else if decoded {
            Nul::NotInDecoded // what is there before decoding comes through
        } else if self != Data::Binary || (text && !is_wide(content_type)) {
            Nul::NotInContent
        } else {
            Nul::Anywhere
        };
        Rules {
            lines: self != Data::Binary,
            eight_bit: self == Data::SevenBit,
            nul,
        }
    }
}

/// Whether NUL is part of ordinary characters.
fn is_wide(content_type: &Parameterized) -> bool {
    let charset = content_type.parameter("charset").and_then(Charset::from_label);
    charset.is_some_and(Charset::is_wide)
}

/// What is looked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// [`Flag::MixedLineEnds`] and [`Flag::LongLine`].
    pub(super) lines: bool,
    /// [`Flag::EightBitInSevenBit`].
    pub(super) eight_bit: bool,
    /// [`Flag::NulInBody`].
    pub(super) nul: Nul,
}

/// Where NUL does not belong.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nul {
    #[default]
    Anywhere,
    NotInContent,
    /// In what the content decodes to.
    NotInDecoded,
}

impl Rules {
    /// For the end of header blocks, which are looked at line by line in any case.
    pub(super) const HEADER: Rules = Rules {
        lines: true,
        eight_bit: false,
        nul: Nul::Anywhere,
    };
    /// For what stands before the first part and behind the last.
    pub(super) const NOBODY: Rules = Rules {
        nul: Nul::NotInContent,
        ..Rules::HEADER
    };

    fn none(self) -> bool {
        !self.lines && !self.eight_bit && self.nul != Nul::NotInContent
    }
}

/// Occurrences of one flag.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Offset of the first in the mail.
    pub(super) first: u64,
    pub(super) count: u64,
}

impl Seen {
    fn add(&mut self, offset: u64, count: u64) {
        if self.count == 0 {
            self.first = offset;
        }
        self.count = self.count.saturating_add(count);
    }
}

/// Looks at the bytes of one layer, one content after the other.
#[derive(Debug, Default)]
pub(super) struct Survey {
    rules: Rules,
    /// Parts on the path when the content began: what is found in it is theirs, whatever has begun inside since.
    pub(super) depth: usize,
    /// Where the next byte stands in the mail.
    at: u64,
    /// `at` says where the layer was encoded, and does not move.
    still: bool,
    /// Nothing has come since the content began.
    fresh: bool,
    /// How the first line of the layer ended: with CR LF or LF.
    crlf: Option<bool>,
    /// The byte before.
    previous: u8,
    /// The line under way: its bytes so far, and where it begins.
    line: u64,
    line_at: u64,
    line_ends: Seen,
    long_lines: Seen,
    eight_bit: Seen,
    nul: Seen,
    decoded_nul: u64,
}

const BLOCK: usize = 1024;

impl Survey {
    /// Content begins at offset `at`, which moves on with it unless `still`.
    pub(super) fn begin(&mut self, rules: Rules, depth: usize, at: u64, still: bool) {
        *self = Survey {
            rules,
            depth,
            at,
            still,
            fresh: true,
            crlf: self.crlf,
            line_at: at,
            ..Survey::default()
        };
    }

    /// What follows what has come, at the same place in the mail, is content of its own.
    pub(super) fn go_on(&mut self, rules: Rules, depth: usize) {
        self.begin(rules, depth, self.at, self.still);
    }

    /// Now the offset of the next byte is known for certain.
    pub(super) fn first_byte_at(&mut self, offset: u64) {
        if self.fresh {
            self.fresh = false;
            if !self.still {
                self.at = offset;
                self.line_at = offset;
            }
        }
    }

    /// How lines end here, once one has.
    pub(super) fn crlf(&mut self) -> &mut Option<bool> {
        &mut self.crlf
    }

    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.fresh = false;
        if self.rules.none() {
            self.advance(bytes.len());
            return;
        }
        if self.crlf.is_none()
            && let Some(first) = memchr(b'\n', bytes)
        {
            let before = first.checked_sub(1).and_then(|before| bytes.get(before));
            self.crlf = Some(*before.unwrap_or(&self.previous) == b'\r');
        }
        if self.rules.lines {
            self.measure_lines(bytes);
        }
        for block in bytes.chunks(BLOCK) {
            self.block(block);
            self.previous = block.last().copied().unwrap_or_default();
            self.advance(block.len());
        }
    }

    /// The line that ends the content, and the line end before it, which belongs to it.
    pub(super) fn boundary(&mut self, line_end: &[u8], line: &[u8]) {
        self.feed(line_end);
        let rules = self.rules;
        self.rules = Rules {
            lines: rules.lines,
            ..Rules::default()
        };
        self.feed(line);
        self.rules = rules;
    }

    /// What the content's decoder gave, where that is looked at.
    pub(super) fn decoded(&mut self, bytes: &[u8]) {
        if self.rules.nul == Nul::NotInDecoded && memchr(0, bytes).is_some() {
            self.decoded_nul = self.decoded_nul.saturating_add(count(bytes, |byte| byte == 0));
        }
    }

    /// NULs in decoded text.
    pub(super) fn decoded_nul(&self) -> u64 {
        self.decoded_nul
    }

    /// The content is over: what was found in it.
    pub(super) fn finish(&mut self) -> [(Flag, Seen); 4] {
        if self.rules.lines {
            if self.previous == b'\r' {
                self.line_ends.add(self.before(1), 1);
            }
            self.line_ends_after(self.line, self.previous);
        }
        self.previous = 0;
        self.line = 0;
        [
            (Flag::MixedLineEnds, std::mem::take(&mut self.line_ends)),
            (Flag::LongLine, std::mem::take(&mut self.long_lines)),
            (Flag::EightBitInSevenBit, std::mem::take(&mut self.eight_bit)),
            (Flag::NulInBody, std::mem::take(&mut self.nul)),
        ]
    }

    fn advance(&mut self, bytes: usize) {
        if !self.still {
            self.at = self.at.saturating_add(length(bytes));
        }
    }

    /// The offset of what is `index` bytes ahead.
    fn ahead(&self, index: usize) -> u64 {
        self.at.saturating_add(if self.still { 0 } else { length(index) })
    }

    fn before(&self, bytes: u64) -> u64 {
        self.at.saturating_sub(if self.still { 0 } else { bytes })
    }

    /// A line that can be too long has no LF among so many bytes: most lines need not be looked at.
    fn measure_lines(&mut self, bytes: &[u8]) {
        let mut position = 0_usize;
        while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
            let so_far = usize::try_from(self.line).unwrap_or(usize::MAX);
            let room = limits::LINE.saturating_add(1).saturating_sub(so_far);
            let (window, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            let end = memrchr(b'\n', window).or_else(|| {
                let end = window.len().saturating_add(memchr(b'\n', behind)?);
                let last = end.checked_sub(1).and_then(|last| rest.get(last));
                self.line_ends_after(
                    self.line.saturating_add(length(end)),
                    last.copied().unwrap_or(self.previous),
                );
                Some(end)
            });
            let Some(end) = end else {
                self.line = self.line.saturating_add(length(rest.len()));
                return;
            };
            position = position.saturating_add(end).saturating_add(1);
            self.line = 0;
            self.line_at = self.ahead(position);
        }
    }

    /// A line of so many bytes has ended, of which `last` is the last.
    fn line_ends_after(&mut self, bytes: u64, last: u8) {
        let text = bytes.saturating_sub(u64::from(last == b'\r'));
        if text > length(limits::LINE) {
            self.long_lines.add(self.line_at, 1);
        }
    }

    fn block(&mut self, block: &[u8]) {
        let Some((first, _)) = block.split_first() else { return };
        // CR LF, and no other CR or LF; or no CR at all.
        let crlf = self.crlf == Some(true);
        let mut odd = u8::from(self.previous == b'\r') ^ u8::from(crlf && *first == b'\n');
        let (mut highest, mut lowest) = (*first, *first);
        let pairs = block.iter().zip(block.get(1..).unwrap_or_default());
        if crlf {
            for (byte, next) in pairs {
                odd |= u8::from(*byte == b'\r') ^ u8::from(*next == b'\n');
                highest |= next;
                lowest = lowest.min(*next);
            }
        } else {
            for (byte, next) in pairs {
                odd |= u8::from(*byte == b'\r');
                highest |= next;
                lowest = lowest.min(*next);
            }
        }
        if self.rules.lines && odd != 0 {
            self.look_at_line_ends(block);
        }
        if self.rules.eight_bit && !highest.is_ascii() {
            let first = block.iter().position(|byte| !byte.is_ascii()).unwrap_or_default();
            let count = count(block, |byte| !byte.is_ascii());
            self.eight_bit.add(self.ahead(first), count);
        }
        if self.rules.nul == Nul::NotInContent && lowest == 0 {
            let first = memchr(0, block).unwrap_or_default();
            let count = count(block, |byte| byte == 0);
            self.nul.add(self.ahead(first), count);
        }
    }

    fn look_at_line_ends(&mut self, block: &[u8]) {
        let mut previous = self.previous;
        for (index, byte) in block.iter().enumerate() {
            let after_cr = previous == b'\r';
            previous = *byte;
            if *byte == b'\n' {
                if self.crlf != Some(after_cr) {
                    let at = self.ahead(index);
                    let cr = u64::from(after_cr && !self.still);
                    self.line_ends.add(at.saturating_sub(cr), 1);
                }
            } else if after_cr {
                let at = self.ahead(index);
                self.line_ends.add(at.saturating_sub(u64::from(!self.still)), 1);
            }
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn count(bytes: &[u8], is_one: impl Fn(u8) -> bool) -> u64 {
    length(bytes.iter().filter(|byte| is_one(**byte)).count())
}

#[cfg(test)]
mod tests;
