//! Base64.

use super::Faults;
use crate::limits;
use crate::mime::sextet;

/// Base64 (RFC 2045, 6.8). Everything outside the alphabet is passed over; padding ends a group, not the part, because
/// concatenated base64 exists and readers differ on it.
#[derive(Debug, Default)]
pub struct Base64 {
    /// Sextets of the group under way, and how many.
    group: u32,
    sextets: u8,
    padded: bool,
    /// Padding characters that the last group still lacks.
    padding_due: u8,
    faults: Faults,
}

impl Base64 {
    pub(super) fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while !input.is_empty() {
            if self.sextets == 0 && !self.padded {
                input = whole_groups(input, output);
            }
            let Some((first, rest)) = input.split_first() else {
                return;
            };
            self.character(*first, output);
            input = rest;
        }
    }

    /// The slow path: one byte, which may be anything.
    fn character(&mut self, byte: u8, output: &mut Vec<u8>) {
        if let Some(value) = sextet::value(byte) {
            self.padding_ends();
            if self.padded {
                self.faults.after_padding = self.faults.after_padding.saturating_add(1);
            }
            self.group = self.group.wrapping_shl(6) | u32::from(value);
            self.sextets = self.sextets.wrapping_add(1);
            if self.sextets == 4 {
                let [_, a, b, c] = self.group.to_be_bytes();
                output.extend_from_slice(&[a, b, c]);
                self.next_group();
            }
        } else if byte == b'=' {
            self.padding(output);
        } else if !matches!(byte, b'\r' | b'\n' | b' ' | b'\t') {
            self.faults.junk = self.faults.junk.saturating_add(1);
        }
    }

    /// `=`: two of them end a group of two characters, one ends a group of three, and nothing else can be padded.
    fn padding(&mut self, output: &mut Vec<u8>) {
        if self.padding_due > 0 {
            self.padding_due = self.padding_due.wrapping_sub(1);
            return;
        }
        match self.sextets {
            2 => self.padding_due = 1,
            3 => {}
            _ => self.faults.bad_padding = self.faults.bad_padding.saturating_add(1),
        }
        self.end_group(output);
        self.padded = true;
    }

    /// Something else than padding, or the end.
    fn padding_ends(&mut self) {
        if self.padding_due > 0 {
            self.faults.bad_padding = self.faults.bad_padding.saturating_add(1);
            self.padding_due = 0;
        }
    }

    /// Padding, or the end: the whole bytes of an unfinished group come out.
    fn end_group(&mut self, output: &mut Vec<u8>) {
        let missing = u32::from(4_u8.wrapping_sub(self.sextets)).wrapping_mul(6);
        let [_, a, b, _] = self.group.wrapping_shl(missing).to_be_bytes();
        match self.sextets {
            2 => output.push(a),
            3 => output.extend_from_slice(&[a, b]),
            _ => {}
        }
        self.next_group();
    }

    fn next_group(&mut self) {
        self.group = 0;
        self.sextets = 0;
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Faults {
        self.padding_ends();
        self.faults.truncated = self.sextets != 0;
        self.end_group(output);
        self.faults
    }
}

/// The fast path: decodes lines of whole groups of four characters; returns what it cannot take.
///
/// It takes at most [`limits::BASE64_STEP`] bytes at a time, because it makes room for as much as that may decode to:
/// junk after every group must not cost more than a step each.
fn whole_groups<'i>(mut input: &'i [u8], output: &mut Vec<u8>) -> &'i [u8] {
    loop {
        let step = input.get(..limits::BASE64_STEP).unwrap_or(input);
        let start = output.len();
        let most = step.len().div_ceil(4).saturating_mul(3);
        output.resize(start.saturating_add(most), 0);
        let room = output.get_mut(start..).unwrap_or_default();
        let (taken, written) = lines_of_groups(step, room);
        output.truncate(start.saturating_add(written));
        input = input.get(taken..).unwrap_or_default();
        if taken == 0 || taken < step.len() {
            return input;
        }
    }
}

/// Decodes into `room` until something else than a whole group or a line end comes; returns bytes taken and written.
fn lines_of_groups(input: &[u8], mut room: &mut [u8]) -> (usize, usize) {
    let (mut rest, space) = (input, room.len());
    loop {
        let mut groups: usize = 0;
        for (group, bytes) in rest.as_chunks::<4>().0.iter().zip(room.as_chunks_mut::<3>().0) {
            let Some(decoded) = sextet::group(*group) else { break };
            *bytes = decoded;
            groups = groups.wrapping_add(1);
        }
        rest = rest.get(groups.saturating_mul(4)..).unwrap_or_default();
        room = room.get_mut(groups.saturating_mul(3)..).unwrap_or_default();
        rest = match rest {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => after,
            _ => return (input.len().saturating_sub(rest.len()), space.saturating_sub(room.len())),
        };
    }
}
