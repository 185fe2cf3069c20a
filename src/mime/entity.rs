//! The machine: a mail's bytes, in any pieces, → entities, decoded bodies, ends (RFC 2045, RFC 2046).
//!
//! It never holds more than one header block and one line. What a boundary line looks like is decided at the start of a
//! line; everything else of a body goes through in pieces as large as they came. A multipart or message that is itself
//! transfer-encoded, which RFC 2045 forbids and hostile mail does, is decoded into a layer of its own (`layer.rs`).
//!
//! Always true, whatever the bytes: the same calls for every split of the input (pieces of `body` apart), `begin` and
//! `end` nest, memory is bounded, decoded bytes are at most as many as came in.

mod record;

pub use record::fuzz;

use std::mem;

use memchr::{memchr, memmem};

use super::anomaly::Flag;
use super::boundary::Delimiter;
use super::header::Fields;
use super::layer::{Content, Layer, LineEnd, Open, State};
use super::parameter::Parameterized;
use super::pkcs7::{self, Outcome};
use super::transfer::{Decoder, Encoding, Faults};
use super::{Entity, Finding, Kind, Visitor};
use crate::limits;

/// Reads one mail. `feed` as its bytes come, then `finish`.
pub struct Machine<V> {
    visitor: V,
    layers: Vec<Layer>,
    /// IMAP part numbers from the root to the innermost entity.
    path: Vec<u32>,
    /// Bytes of the mail read so far.
    offset: u64,
    /// Entities that have begun and not ended, in all layers.
    begun: usize,
    /// How many of them are mails in a part.
    mails: usize,
}

impl<V: Visitor> Machine<V> {
    /// At the start of a mail.
    pub fn new(visitor: V) -> Machine<V> {
        let mail = Layer {
            root: true,
            line_start: true,
            outermost: true,
            ..Layer::default()
        };
        Machine {
            visitor,
            layers: vec![mail],
            path: Vec::new(),
            offset: 0,
            begun: 0,
            mails: 0,
        }
    }

    /// The visitor, for a look under way.
    pub fn visitor(&self) -> &V {
        &self.visitor
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
            let rest = match layer.state {
                State::Header => self.header_bytes(level, &mut layer, input),
                State::Body | State::Skip => self.content_bytes(level, &mut layer, input),
            };
            if layer.outermost {
                let taken = input.len().saturating_sub(rest.len());
                self.offset = self.offset.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            }
            input = rest;
        }
        if let Some(slot) = self.layers.get_mut(level) {
            *slot = layer;
        }
    }

    fn finish_layer(&mut self, level: usize) {
        let Some(mut layer) = self.layers.get_mut(level).map(mem::take) else {
            return;
        };
        let line = mem::take(&mut layer.tail);
        let delimiter = if layer.line_start { layer.delimiter(&line) } else { None };
        if layer.state == State::Header {
            if delimiter.is_none() {
                layer.keep_header(&line);
            }
            self.header_ends(level, &mut layer);
        } else if delimiter.is_none() {
            self.content(level, &mut layer, &line);
        }
        if let Some((position, found)) = delimiter {
            self.delimited(level, &mut layer, position, found);
            if layer.state == State::Header {
                self.header_ends(level, &mut layer); // a delimiter at the very end opens an empty part
            }
        }
        self.close_down_to(level, &mut layer, 0);
        self.layers.truncate(level);
    }

    // ---- header blocks ----

    /// Takes one line of a header block, or what there is of it.
    fn header_bytes<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        if layer.outermost && layer.tail.is_empty() && layer.header.is_empty() {
            layer.header_offset = self.offset;
        }
        let end = memchr(b'\n', input).map(|position| position.saturating_add(1));
        let (line, rest) = input
            .split_at_checked(end.unwrap_or(input.len()))
            .unwrap_or((input, &[]));
        if !layer.line_start {
            // In the middle of a line too long to be kept whole.
            layer.keep_header(line);
            layer.line_start = end.is_some();
            return rest;
        }
        if end.is_none() || !layer.tail.is_empty() {
            layer.tail.extend_from_slice(line);
            if end.is_none() {
                if layer.tail.len() > limits::BOUNDARY_LINE {
                    let tail = mem::take(&mut layer.tail);
                    layer.keep_header(&tail);
                    layer.line_start = false;
                }
                return rest;
            }
            let line = mem::take(&mut layer.tail);
            self.header_line(level, layer, &line);
            layer.recycle_tail(line);
        } else {
            self.header_line(level, layer, line);
        }
        rest
    }

    fn header_line(&mut self, level: usize, layer: &mut Layer, line: &[u8]) {
        if matches!(line, b"\n" | b"\r\n") {
            self.header_ends(level, layer);
        } else if let Some((position, found)) = layer.delimiter(line) {
            if !layer.header.is_empty() {
                self.find(Flag::BoundaryInsideHeaders, layer.header_offset);
            }
            self.header_ends(level, layer);
            self.delimited(level, layer, position, found);
        } else {
            layer.keep_header(line);
        }
    }

    /// The header block is complete: an entity begins. If it is a mail, so does that mail's own header.
    fn header_ends(&mut self, level: usize, layer: &mut Layer) {
        let mut block = mem::take(&mut layer.header);
        let root = mem::replace(&mut layer.root, false);
        if block.len() > limits::HEADER_BLOCK {
            block.truncate(limits::HEADER_BLOCK);
            self.find(Flag::LimitHeader, layer.header_offset);
        }
        let digest = matches!(
            layer.open.last(),
            Some(Open {
                content: Content::Multipart { digest: true, .. },
                ..
            })
        );
        let numbered = self.number(layer);
        let fields = Fields::new(&block);
        let [content_type, disposition, encoding] =
            fields.first(["content-type", "content-disposition", "content-transfer-encoding"]);
        let content_type = match content_type {
            Some(value) => Parameterized::parse(value),
            None if digest && !root => Parameterized::parse(b"message/rfc822"), // RFC 2046, 5.1.5
            None => Parameterized::parse(b"text/plain; charset=us-ascii"),      // RFC 2045, 5.2
        };
        let disposition = disposition.map(Parameterized::parse);
        let encoding = self.encoding(encoding, layer.header_offset);
        let content = self.content_of(
            level,
            &content_type,
            disposition.as_ref(),
            encoding,
            layer.header_offset,
        );
        let kind = content.kind();
        // A mail's own single body is part 1 of that mail (RFC 3501, 6.4.5).
        let lone = root && matches!(kind, Kind::Leaf | Kind::Cms);
        if lone {
            self.path.push(1);
        }
        self.visitor.begin(&Entity {
            kind,
            root,
            path: &self.path,
            fields,
            content_type: &content_type,
            disposition: disposition.as_ref(),
            offset: layer.header_offset,
        });
        if let Some(flag) = pkcs7::protection(&content_type) {
            self.find(flag, layer.header_offset);
        }
        block.clear();
        layer.header = block;
        layer.line_start = true;
        layer.held = LineEnd::None;
        layer.state = match content {
            Content::Message => {
                layer.root = true;
                State::Header
            }
            Content::Multipart { .. } => State::Skip,
            Content::Leaf(_) | Content::Encoded(..) | Content::Cms(..) => State::Body,
        };
        if let Content::Encoded(..) = content {
            self.find(Flag::EncodedComposite, layer.header_offset);
            self.layers
                .push(Layer::inside(kind, &content_type, layer.header_offset));
        }
        self.begun = self.begun.saturating_add(1);
        self.mails = self.mails.saturating_add(usize::from(kind == Kind::Message));
        layer.open.push(Open {
            content,
            offset: layer.header_offset,
            numbered: numbered || lone,
        });
    }

    /// A part of a multipart, and the entity in an S/MIME object, takes its number.
    fn number(&mut self, layer: &mut Layer) -> bool {
        if let Some(number) = layer.number.take() {
            self.path.push(number);
            return true;
        }
        let Some(Open {
            content: Content::Multipart { parts, .. },
            ..
        }) = layer.open.last_mut()
        else {
            return false;
        };
        *parts = parts.saturating_add(1);
        self.path.push(*parts);
        true
    }

    fn encoding(&mut self, value: Option<&[u8]>, offset: u64) -> Encoding {
        let Some(value) = value else { return Encoding::Identity };
        Encoding::parse(value).unwrap_or_else(|| {
            self.find(Flag::TransferUnknown, offset);
            Encoding::Identity
        })
    }

    fn content_of(
        &mut self,
        level: usize,
        content_type: &Parameterized,
        disposition: Option<&Parameterized>,
        encoding: Encoding,
        offset: u64,
    ) -> Content {
        let leaf = || Content::Leaf(Decoder::new(encoding));
        let kind = if content_type.value.starts_with("multipart/") {
            Kind::Multipart
        } else if matches!(&*content_type.value, "message/rfc822" | "message/global") {
            Kind::Message
        } else if pkcs7::announced(content_type, disposition) {
            Kind::Cms
        } else {
            return leaf();
        };
        let content = match kind {
            Kind::Multipart => Content::multipart(content_type),
            Kind::Cms => Some(Content::Cms(Decoder::new(encoding), pkcs7::Reader::default())),
            _ => Some(Content::Message),
        };
        let Some(content) = content else {
            self.find(Flag::MultipartNoBoundary, offset);
            return leaf();
        };
        let encoded = kind == Kind::Cms || encoding != Encoding::Identity;
        let too_deep = self.begun >= limits::DEPTH
            || (encoded && level.saturating_add(1) >= limits::ENCODED_DEPTH)
            || (kind == Kind::Message && self.mails >= limits::MAIL_DEPTH);
        if too_deep {
            self.find(Flag::LimitDepth, offset);
            return leaf();
        }
        if encoded && kind != Kind::Cms {
            Content::Encoded(Decoder::new(encoding), kind)
        } else {
            content
        }
    }

    // ---- content ----

    /// Takes content up to the next line that could be a boundary, or that line.
    fn content_bytes<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        if !layer.bounded() {
            self.content(level, layer, input);
            return &[];
        }
        if layer.held == LineEnd::Cr {
            if let Some((b'\n', rest)) = input.split_first() {
                layer.held = LineEnd::CrLf;
                layer.line_start = true;
                return rest;
            }
            self.content(level, layer, b"");
        }
        if layer.line_start {
            return self.line_start(level, layer, input);
        }
        if let Some(position) = memmem::find(input, b"\n--") {
            return self.up_to_line_end(level, layer, input, position);
        }
        match input {
            [.., b'\n'] => self.up_to_line_end(level, layer, input, input.len().saturating_sub(1)),
            [.., b'\n', b'-'] => self.up_to_line_end(level, layer, input, input.len().saturating_sub(2)),
            [before @ .., b'\r'] => {
                self.content(level, layer, before);
                layer.held = LineEnd::Cr;
                &[]
            }
            _ => {
                self.content(level, layer, input);
                &[]
            }
        }
    }

    /// Passes on what is before the LF at `position` and holds the line end back.
    fn up_to_line_end<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8], position: usize) -> &'i [u8] {
        let (before, rest) = input.split_at_checked(position).unwrap_or((input, &[]));
        let (before, held) = match before {
            [before @ .., b'\r'] => (before, LineEnd::CrLf),
            _ => (before, LineEnd::Lf),
        };
        self.content(level, layer, before);
        layer.held = held;
        layer.line_start = true;
        rest.split_first().map_or(&[], |(_, rest)| rest)
    }

    /// At the start of a line: is it a boundary line? Only if it begins with `--`, and then the whole line decides.
    fn line_start<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        let mut beginning = layer.tail.iter().chain(input).take(2);
        if beginning.any(|byte| *byte != b'-') {
            layer.line_start = false;
            let tail = mem::take(&mut layer.tail);
            self.content(level, layer, &tail);
            layer.recycle_tail(tail);
            return input;
        }
        let end = memchr(b'\n', input).map(|position| position.saturating_add(1));
        let (line, rest) = input
            .split_at_checked(end.unwrap_or(input.len()))
            .unwrap_or((input, &[]));
        if end.is_none() || !layer.tail.is_empty() {
            layer.tail.extend_from_slice(line);
            if end.is_none() && layer.tail.len() <= limits::BOUNDARY_LINE {
                return rest;
            }
            let line = mem::take(&mut layer.tail);
            self.possible_delimiter(level, layer, &line);
            layer.recycle_tail(line);
        } else {
            self.possible_delimiter(level, layer, line);
        }
        rest
    }

    fn possible_delimiter(&mut self, level: usize, layer: &mut Layer, line: &[u8]) {
        let found = if line.len() > limits::BOUNDARY_LINE {
            None
        } else {
            layer.delimiter(line)
        };
        if let Some((position, delimiter)) = found {
            self.delimited(level, layer, position, delimiter);
            return;
        }
        layer.line_start = false;
        if line.ends_with(b"\n") {
            let position = line.len().saturating_sub(1);
            self.up_to_line_end(level, layer, line, position);
        } else {
            self.content(level, layer, line);
        }
    }

    /// A boundary line: what is inside its multipart ends, and a part begins or the last one is over.
    fn delimited(&mut self, level: usize, layer: &mut Layer, position: usize, delimiter: Delimiter) {
        layer.held = LineEnd::None;
        self.close_down_to(level, layer, position.saturating_add(1));
        layer.line_start = true;
        layer.root = false;
        layer.state = match delimiter {
            Delimiter::Part => State::Header,
            Delimiter::Close => State::Skip,
        };
    }

    /// Ends the open entities of a layer until `keep` are left, innermost first.
    fn close_down_to(&mut self, level: usize, layer: &mut Layer, keep: usize) {
        while layer.open.len() > keep {
            let Some(mut open) = layer.open.pop() else { return };
            match &mut open.content {
                Content::Leaf(decoder) => {
                    layer.scratch.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    self.visitor.body(&layer.scratch);
                    self.report(faults, open.offset);
                }
                Content::Encoded(decoder, _) => {
                    layer.scratch.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    let below = level.saturating_add(1);
                    self.feed_layer(below, &layer.scratch);
                    self.finish_layer(below);
                    self.report(faults, open.offset);
                }
                Content::Cms(decoder, reader) => {
                    layer.scratch.clear();
                    layer.octets.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    self.visitor.cms(&layer.scratch);
                    reader.feed(&layer.scratch, &mut layer.octets);
                    self.enclosed(level, &layer.octets, open.offset);
                    self.finish_layer(level.saturating_add(1));
                    self.report(faults, open.offset);
                    self.find(Flag::Smime, open.offset);
                    match reader.finish() {
                        Outcome::Read => {}
                        Outcome::Encrypted => self.find(Flag::Encrypted, open.offset),
                        Outcome::Unread => self.find(Flag::SmimeUnread, open.offset),
                    }
                }
                Content::Multipart { parts: 0, .. } => self.find(Flag::MultipartNoPart, open.offset),
                Content::Multipart { .. } | Content::Message => {}
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

    /// Content of the innermost entity, after the line end that was held back.
    fn content(&mut self, level: usize, layer: &mut Layer, bytes: &[u8]) {
        let held = mem::take(&mut layer.held);
        if layer.state == State::Skip {
            return;
        }
        for bytes in [held.bytes(), bytes] {
            let Some(open) = layer.open.last_mut().filter(|_| !bytes.is_empty()) else {
                continue;
            };
            match &mut open.content {
                Content::Leaf(Decoder::Identity) => self.visitor.body(bytes),
                Content::Leaf(decoder) => {
                    layer.scratch.clear();
                    decoder.feed(bytes, &mut layer.scratch);
                    self.visitor.body(&layer.scratch);
                }
                Content::Encoded(decoder, _) => {
                    layer.scratch.clear();
                    decoder.feed(bytes, &mut layer.scratch);
                    self.feed_layer(level.saturating_add(1), &layer.scratch);
                }
                Content::Cms(decoder, reader) => {
                    layer.scratch.clear();
                    layer.octets.clear();
                    decoder.feed(bytes, &mut layer.scratch);
                    self.visitor.cms(&layer.scratch);
                    reader.feed(&layer.scratch, &mut layer.octets);
                    let offset = open.offset;
                    self.enclosed(level, &layer.octets, offset);
                }
                Content::Multipart { .. } | Content::Message => {}
            }
        }
    }

    /// Octets that an S/MIME object encloses: the first ones begin the layer of their entity.
    fn enclosed(&mut self, level: usize, octets: &[u8], offset: u64) {
        if octets.is_empty() {
            return;
        }
        let below = level.saturating_add(1);
        if self.layers.len() == below {
            self.layers.push(Layer::enclosed(offset));
        }
        self.feed_layer(below, octets);
    }

    // ---- findings ----

    fn report(&mut self, faults: Faults, offset: u64) {
        for (seen, flag) in [
            (faults.junk > 0, Flag::Base64Junk),
            (faults.after_padding > 0, Flag::Base64AfterPadding),
            (faults.truncated, Flag::Base64Truncated),
            (faults.bad_escapes > 0, Flag::QuotedPrintableBadEscape),
        ] {
            if seen {
                self.find(flag, offset);
            }
        }
    }

    fn find(&mut self, flag: Flag, offset: u64) {
        self.visitor.finding(Finding {
            flag,
            path: &self.path,
            offset,
        });
    }
}

#[cfg(test)]
mod tests;
