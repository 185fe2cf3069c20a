//! The machine: a mail's bytes, in any pieces, → entities, decoded bodies, ends (RFC 2045, RFC 2046).
//!
//! It never holds more than one header block and one line. What a boundary line looks like is decided at the start of a
//! line; everything else of a body goes through in pieces as large as they came. A multipart or message that is itself
//! transfer-encoded, which RFC 2045 forbids and hostile mail does, is decoded into a layer of its own (`layer.rs`).
//!
//! Always true, whatever the bytes: the same calls for every split of the input (pieces of `body` apart), `begin` and
//! `end` nest, memory is bounded, decoded bytes are at most as many as came in.

mod begin;
mod content;
mod findings;
mod record;

pub use record::fuzz;

use std::mem;

use super::anomaly::Flag;
use super::boundary::Delimiter;
use super::header::{ordinary_lines, split_line};
use super::layer::{Content, Layer, Multipart, Source, State, Watch};
use super::pkcs7::Outcome;
use super::survey::Rules;
use super::{Finding, Kind, Visitor};
use crate::limits;

/// Reads one mail. `feed` as its bytes come, then `finish`.
pub struct Machine<V> {
    visitor: V,
    /// Bytes of a header block that are read.
    header_block: usize,
    layers: Vec<Layer>,
    /// IMAP part numbers from the root to the innermost entity.
    path: Vec<u32>,
    /// Bytes of the mail read so far.
    offset: u64,
    /// Whether the bytes under way have been read before, so that `offset` says nothing about them.
    counted: bool,
    /// The last charset that a header named, for names without one.
    charset: Option<Vec<u8>>,
    /// Entities that have begun and not ended, in all layers.
    begun: usize,
    /// How many of them are mails in a part.
    mails: usize,
}

impl<V: Visitor> Machine<V> {
    /// At the start of a mail.
    pub fn new(visitor: V) -> Machine<V> {
        Machine::with_header_block(limits::HEADER_BLOCK, visitor)
    }

    /// With another limit than [`limits::HEADER_BLOCK`], as fuzzers have it, who do not get that far.
    pub(crate) fn with_header_block(header_block: usize, visitor: V) -> Machine<V> {
        let mail = Layer {
            root: true,
            line_start: true,
            source: Source::Mail,
            ..Layer::default()
        };
        Machine {
            visitor,
            header_block,
            layers: vec![mail],
            path: Vec::new(),
            offset: 0,
            counted: false,
            charset: None,
            begun: 0,
            mails: 0,
        }
    }

    /// The visitor, for a look under way.
    pub fn visitor(&self) -> &V {
        &self.visitor
    }

    /// The visitor, to take from it what it has gathered so far.
    pub fn visitor_mut(&mut self) -> &mut V {
        &mut self.visitor
    }

    /// The next bytes of the mail.
    pub fn feed(&mut self, input: &[u8]) {
        for piece in input.chunks(limits::DECODE_STEP) {
            self.feed_layer(0, piece);
        }
    }

    /// The end of the mail: everything open ends. Gives the visitor back.
    pub fn finish(mut self) -> V {
        self.finish_layer(0);
        self.visitor
    }

    fn feed_layer(&mut self, level: usize, mut input: &[u8]) {
        // The layer is taken out while it works, so that it can call the visitor and the layer below it.
        let Some(mut layer) = self.layers.get_mut(level).map(mem::take) else {
            return;
        };
        while !input.is_empty() {
            let rest = self.step(level, &mut layer, input);
            if layer.outermost() {
                let taken = input.len().saturating_sub(rest.len());
                self.offset = self.offset.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            }
            self.read_again(level, &mut layer);
            input = rest;
        }
        if let Some(slot) = self.layers.get_mut(level) {
            *slot = layer;
        }
    }

    /// Reads what a header block turned out to hold beyond its own fields: it has been counted already. What is read may
    /// be such a block again, so there is one buffer, and a place in it that goes back.
    fn read_again(&mut self, level: usize, layer: &mut Layer) {
        if layer.again.is_empty() {
            return;
        }
        let counted = mem::replace(&mut self.counted, true);
        let mut bytes = mem::take(&mut layer.again);
        let mut position = 0_usize;
        while let Some(input) = bytes.get(position..).filter(|input| !input.is_empty()) {
            position = bytes.len().saturating_sub(self.step(level, layer, input).len());
            let (read, rest) = bytes.split_at_checked(position).unwrap_or((&bytes, &[]));
            if read.ends_with(&layer.again) {
                position = position.saturating_sub(layer.again.len());
                layer.again.clear();
            } else {
                layer.again.extend_from_slice(rest);
                bytes = mem::take(&mut layer.again);
                position = 0;
            }
        }
        layer.header_depth = 0;
        self.counted = counted;
    }

    /// Takes some of `input`; returns the rest.
    fn step<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        match layer.state {
            State::Header => self.header_bytes(level, layer, input),
            State::Body | State::Skip => self.content_bytes(level, layer, input),
        }
    }

    fn finish_layer(&mut self, level: usize) {
        let Some(mut layer) = self.layers.get_mut(level).map(mem::take) else {
            return;
        };
        // A header block that ends here can turn out to hold the beginning of a body, and that the beginning of a header.
        loop {
            let in_header = layer.state == State::Header;
            let line = mem::take(&mut layer.tail);
            let delimiter = if layer.line_start { layer.delimiter(&line) } else { None };
            if in_header {
                if delimiter.is_none() {
                    layer.dashes |= line.starts_with(b"--");
                    layer.keep_header(&line, self.header_block);
                }
                self.header_ends(level, &mut layer, b"");
            } else if delimiter.is_none() {
                layer.look_at_line(&line);
                self.content(level, &mut layer, &line);
            }
            if let Some((position, found)) = delimiter {
                self.delimited(level, &mut layer, position, found, &line);
            }
            self.read_again(level, &mut layer);
            if !in_header && layer.state != State::Header {
                break;
            }
        }
        self.report_near_miss(&mut layer);
        self.report_outside(&mut layer);
        self.report_survey(&mut layer);
        self.close_down_to(level, &mut layer, 0);
        self.layers.truncate(level);
    }

    // ---- header blocks ----

    /// Takes lines of a header block that are nothing else, or one line, or what there is of it.
    fn header_bytes<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        if layer.outermost() && !self.counted && layer.tail.is_empty() && layer.header.is_empty() {
            layer.header_offset = self.offset;
        }
        if !layer.line_start {
            // In the middle of a line too long to be kept whole.
            let (line, rest) = split_line(input);
            layer.keep_header(line, self.header_block);
            layer.line_start = line.ends_with(b"\n");
            return rest;
        }
        if layer.tail.is_empty() {
            let (lines, rest) = ordinary_lines(input);
            if !lines.is_empty() {
                layer.keep_header(lines, self.header_block);
                return rest;
            }
        }
        let (line, rest) = layer.whole_line(input);
        if let Some(line) = line {
            if line.ends_with(b"\n") {
                self.header_line(level, layer, &line);
            } else {
                layer.keep_header(&line, self.header_block);
                layer.line_start = false;
            }
            layer.recycle(line);
        }
        rest
    }

    fn header_line(&mut self, level: usize, layer: &mut Layer, line: &[u8]) {
        if matches!(line, b"\n" | b"\r\n") {
            self.header_ends(level, layer, line);
        } else if let Some((position, found)) = layer.delimiter(line) {
            let (inside, offset) = (!layer.header.is_empty(), layer.header_offset);
            // A part takes its number when its header ends.
            let depth = self.path.len().saturating_add(usize::from(!layer.root));
            self.header_ends(level, layer, b"");
            if inside {
                self.visitor.finding(Finding {
                    flag: Flag::BoundaryInsideHeaders,
                    path: self.path.get(..depth).unwrap_or(&self.path),
                    offset,
                    count: 1,
                });
            }
            self.delimited(level, layer, position, found, line);
        } else {
            layer.dashes |= line.starts_with(b"--");
            layer.keep_header(line, self.header_block);
        }
    }

    // ---- boundaries and ends ----

    /// A boundary line: what is inside its multipart ends, and a part begins or the last one is over. Where it ended a
    /// header block that holds more than fields, it comes again after that.
    fn delimited(&mut self, level: usize, layer: &mut Layer, position: usize, delimiter: Delimiter, line: &[u8]) {
        if !layer.again.is_empty() {
            layer.again.extend_from_slice(line);
            return;
        }
        layer.survey.boundary(mem::take(&mut layer.held).bytes(), line);
        self.report_near_miss(layer);
        self.report_outside(layer);
        self.report_survey(layer);
        self.close_down_to(level, layer, position.saturating_add(1));
        layer.survey.go_on(Rules::NOBODY, self.path.len());
        layer.line_start = true;
        layer.root = false;
        layer.watch = Watch::Nothing;
        layer.opening = None;
        layer.state = match delimiter {
            Delimiter::Part => State::Header,
            Delimiter::Close => State::Skip,
        };
        if let Some((multipart, offset)) = layer.multipart_mut(position) {
            if multipart.closed && delimiter == Delimiter::Part {
                self.find(Flag::PartAfterClose, offset);
            }
            multipart.closed |= delimiter == Delimiter::Close;
        }
    }

    /// Ends the open entities of a layer until `keep` are left, innermost first.
    fn close_down_to(&mut self, level: usize, layer: &mut Layer, keep: usize) {
        while layer.open.len() > keep {
            if layer.root {
                // A mail was announced and nothing of it has come: it is an empty one.
                self.header_ends(level, layer, b"");
            }
            let Some(mut open) = layer.open.pop() else { return };
            match &mut open.content {
                Content::Leaf(decoder) => {
                    layer.scratch.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    layer.survey.decoded(&layer.scratch);
                    self.visitor.body(&layer.scratch);
                    self.report(faults, open.offset);
                    self.find_all(Flag::NulInBody, open.offset, layer.survey.decoded_nul());
                }
                Content::Encoded(decoder, _) => {
                    layer.scratch.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    let below = level.saturating_add(1);
                    self.feed_layer(below, &layer.scratch);
                    self.finish_layer(below);
                    self.report(faults, open.offset);
                }
                Content::Cms(decoder, ..) => {
                    layer.scratch.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    let source = layer.source.below();
                    self.signed(level, &mut open, &layer.scratch, &mut layer.octets, source);
                    if let Content::Cms(_, signed) = &mut open.content {
                        self.signed_begins(level, signed, open.offset, source);
                    }
                    self.finish_layer(level.saturating_add(1));
                    self.report(faults, open.offset);
                    self.find(Flag::Smime, open.offset);
                    match open.content.outcome() {
                        Outcome::Read => {}
                        Outcome::Encrypted => self.find(Flag::Encrypted, open.offset),
                        Outcome::Unread => self.find(Flag::SmimeUnread, open.offset),
                    }
                }
                Content::Multipart(multipart) => match multipart {
                    Multipart { boundary, .. } if boundary.is_empty() => {} // said when it began
                    Multipart { parts: 0, .. } => self.find(Flag::MultipartNoPart, open.offset),
                    Multipart { closed: false, .. } => self.find(Flag::MultipartUnclosed, open.offset),
                    Multipart { .. } => {}
                },
                Content::Message => {}
            }
            if !matches!(open.content, Content::Encoded(_, Kind::Multipart)) {
                self.visitor.end();
                self.begun = self.begun.saturating_sub(1);
                self.mails = self
                    .mails
                    .saturating_sub(usize::from(open.content.kind() == Kind::Message));
            }
            if open.numbered {
                self.path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests;
