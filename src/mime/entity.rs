//! The machine: a mail's bytes, in any pieces, → entities, decoded bodies, ends (RFC 2045, RFC 2046).
//!
//! It never holds more than one header block and one line. What a boundary line looks like is decided at the start of a
//! line; everything else of a body goes through in pieces as large as they came. A multipart or message that is itself
//! transfer-encoded, which RFC 2045 forbids and hostile mail does, is decoded into a layer of its own (`layer.rs`).
//!
//! Always true, whatever the bytes: the same calls for every split of the input (pieces of `body` apart), `begin` and
//! `end` nest, memory is bounded, decoded bytes are at most as many as came in.

mod content;
mod findings;
mod record;

pub use record::fuzz;

use std::mem;

use memchr::memchr;

use super::anomaly::Flag;
use super::boundary::{Delimiter, first_within};
use super::declared::{Declared, Nature, Place};
use super::header::{Fields, end_of_fields, examine};
use super::layer::{Content, Layer, LineEnd, Multipart, NearMiss, Open, State, Watch};
use super::parameter::Parameterized;
use super::pkcs7::{self, Outcome};
use super::survey::Rules;
use super::transfer::{Decoder, Encoding};
use super::{Entity, Kind, Visitor};
use crate::limits;

/// Reads one mail. `feed` as its bytes come, then `finish`.
pub struct Machine<V> {
    visitor: V,
    layers: Vec<Layer>,
    /// IMAP part numbers from the root to the innermost entity.
    path: Vec<u32>,
    /// Bytes of the mail read so far.
    offset: u64,
    /// Whether the bytes under way have been read before, so that `offset` says nothing about them.
    counted: bool,
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
            counted: false,
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
            let rest = self.step(level, &mut layer, input);
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

    /// Reads bytes that have been counted already.
    fn read(&mut self, level: usize, layer: &mut Layer, mut input: &[u8]) {
        let counted = mem::replace(&mut self.counted, true);
        while !input.is_empty() {
            input = self.step(level, layer, input);
        }
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
                    layer.keep_header(&line);
                }
                self.header_ends(level, &mut layer, b"");
            } else if delimiter.is_none() {
                self.content(level, &mut layer, &line);
            }
            if let Some((position, found)) = delimiter {
                self.delimited(level, &mut layer, position, found, &line);
            }
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

    /// Takes one line of a header block, or what there is of it.
    fn header_bytes<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        if layer.outermost && !self.counted && layer.tail.is_empty() && layer.header.is_empty() {
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
            self.header_ends(level, layer, line);
        } else if let Some((position, found)) = layer.delimiter(line) {
            if !layer.header.is_empty() {
                self.find(Flag::BoundaryInsideHeaders, layer.header_offset);
            }
            self.header_ends(level, layer, b"");
            self.delimited(level, layer, position, found, line);
        } else {
            layer.keep_header(line);
        }
    }

    /// The header block is complete, ended by the line `blank` if there was one: an entity begins. If it is a mail, so
    /// does that mail's own header.
    fn header_ends(&mut self, level: usize, layer: &mut Layer, blank: &[u8]) {
        let mut block = mem::take(&mut layer.header);
        let root = mem::replace(&mut layer.root, false);
        let offset = layer.header_offset;
        if block.len() > limits::HEADER_BLOCK {
            block.truncate(limits::HEADER_BLOCK);
            self.find(Flag::LimitHeader, offset);
        }
        // A line that is no field, and no field behind it: the body has begun without a blank line.
        let mut body = block.split_off(end_of_fields(&block));
        let place = match layer.open.last() {
            Some(Open {
                content: Content::Multipart(Multipart { digest: true, .. }),
                ..
            }) => Place::InDigest,
            _ => Place::Ordinary,
        };
        let numbered = self.number(layer);
        let mut declared = Declared::read(Fields::new(&block), place);
        // The boundary that a header declares, in a line of that header: its parts have begun without a blank line.
        if let Nature::Multipart(Some(boundary)) = &declared.nature
            && !boundary.is_empty()
            && let Some(at) = first_within(&block, boundary)
        {
            let before = Declared::read(Fields::new(block.get(..at).unwrap_or_default()), place);
            if before.nature == declared.nature {
                self.find(Flag::BoundaryInsideHeaders, offset);
                body.splice(..0, block.drain(at..));
                declared = before;
            }
        }
        let fields = Fields::new(&block);
        examine(&block, &mut |flag, at| {
            self.find(flag, offset.saturating_add(u64::try_from(at).unwrap_or(0)));
        });
        let still = !layer.outermost || self.counted;
        layer.survey.begin(Rules::HEADER, self.path.len(), offset, still);
        layer.survey.feed(&block);
        if body.is_empty() {
            layer.survey.feed(blank);
        }
        self.report_survey(layer);
        for flag in &declared.flags {
            self.find(*flag, offset);
        }
        for (flag, at) in &declared.repeated {
            self.find(*flag, offset.saturating_add(u64::try_from(*at).unwrap_or(0)));
        }
        if !body.is_empty() {
            self.find(Flag::HeaderNoSeparator, offset);
        }
        let empty = block.is_empty() && body.is_empty() && !blank.is_empty();
        self.begin(level, layer, root, numbered, fields, declared);
        layer.beginning = empty.then(Vec::new).filter(|_| !root);
        block.clear();
        layer.header = block;
        if !body.is_empty() {
            body.extend_from_slice(blank);
            self.read(level, layer, &body);
        }
    }

    /// An entity begins, and what it is decides how its content is read.
    fn begin(
        &mut self,
        level: usize,
        layer: &mut Layer,
        root: bool,
        numbered: bool,
        fields: Fields<'_>,
        declared: Declared,
    ) {
        let offset = layer.header_offset;
        let Declared {
            content_type,
            disposition,
            encoding,
            data,
            nature,
            typed,
            ..
        } = declared;
        let content = self.content_of(level, nature, &content_type, encoding, offset);
        let kind = content.kind();
        // A mail's own single body is part 1 of that mail (RFC 3501, 6.4.5).
        let lone = root && matches!(kind, Kind::Leaf | Kind::Cms);
        if lone {
            self.path.push(1);
        }
        let (path, disposition) = (self.path.as_slice(), disposition.as_ref());
        let entity = Entity {
            kind,
            root,
            path,
            fields,
            content_type: &content_type,
            disposition,
            offset,
        };
        self.visitor.begin(&entity);
        let rules = match content {
            Content::Message | Content::Multipart(Multipart { .. }) => Rules::NOBODY,
            Content::Leaf(_) | Content::Encoded(..) | Content::Cms(..) => data.rules(&content_type, encoding),
        };
        layer.survey.go_on(rules, self.path.len());
        layer.line_start = true;
        layer.held = LineEnd::None;
        layer.near = NearMiss::default();
        layer.watch = Watch::Nothing;
        layer.state = match &content {
            Content::Message => {
                layer.root = true;
                State::Header
            }
            Content::Multipart(multipart) => {
                self.compare_boundaries(layer, multipart, offset);
                if multipart.decoder.is_some() {
                    layer.watch = Watch::FirstOfEncoded;
                }
                State::Skip
            }
            Content::Encoded(..) => {
                self.layers.push(Layer::of_message(offset));
                State::Body
            }
            Content::Cms(..) => State::Body,
            Content::Leaf(_) => {
                if root && !typed {
                    layer.watch = Watch::FirstOfUntyped;
                }
                State::Body
            }
        };
        let undivided = matches!(&content, Content::Multipart(multipart) if multipart.boundary.is_empty());
        self.begun = self.begun.saturating_add(1);
        self.mails = self.mails.saturating_add(usize::from(kind == Kind::Message));
        layer.open.push(Open {
            content,
            offset,
            numbered: numbered || lone,
        });
        if undivided {
            self.begin_undivided(
                layer,
                if root { Fields::new(b"") } else { fields },
                &content_type,
                encoding,
            );
        }
    }

    /// A multipart without a boundary: until its parts are told apart by guessing, its content is one leaf.
    fn begin_undivided(
        &mut self,
        layer: &mut Layer,
        fields: Fields<'_>,
        content_type: &Parameterized,
        encoding: Encoding,
    ) {
        let path = self.path.as_slice();
        self.visitor.begin(&Entity {
            kind: Kind::Leaf,
            root: false,
            path,
            fields,
            content_type,
            disposition: None,
            offset: layer.header_offset,
        });
        self.begun = self.begun.saturating_add(1);
        layer.open.push(Open {
            content: Content::Leaf(Decoder::new(encoding)),
            offset: layer.header_offset,
            numbered: false,
        });
        layer.state = State::Body;
    }

    /// A part of a multipart, and the entity in an S/MIME object, takes its number.
    fn number(&mut self, layer: &mut Layer) -> bool {
        if let Some(number) = layer.number.take() {
            self.path.push(number);
            return true;
        }
        let Some(Open {
            content: Content::Multipart(multipart),
            ..
        }) = layer.open.last_mut()
        else {
            return false;
        };
        multipart.parts = multipart.parts.saturating_add(1);
        self.path.push(multipart.parts);
        true
    }

    fn content_of(
        &mut self,
        level: usize,
        nature: Nature,
        content_type: &Parameterized,
        encoding: Encoding,
        offset: u64,
    ) -> Content {
        if nature == Nature::Leaf {
            return Content::Leaf(Decoder::new(encoding));
        }
        let encoded = encoding != Encoding::Identity && nature != Nature::Cms;
        if encoded {
            self.find(Flag::EncodedComposite, offset);
        }
        let layered = encoded || nature == Nature::Cms;
        let too_deep = self.begun >= limits::DEPTH
            || (layered && level.saturating_add(1) >= limits::ENCODED_DEPTH)
            || (nature == Nature::Message && self.mails >= limits::MAIL_DEPTH);
        if too_deep {
            self.find(Flag::LimitDepth, offset);
            return Content::Leaf(Decoder::new(encoding));
        }
        let decoder = encoded.then(|| Decoder::new(encoding));
        match (nature, decoder) {
            (Nature::Multipart(boundary), decoder) => {
                let digest = content_type.value == "multipart/digest";
                let boundary = boundary.unwrap_or_default();
                // Without a boundary there is nothing to find in what it decodes to.
                let decoder = decoder.filter(|_| !boundary.is_empty());
                Content::Multipart(Multipart::new(boundary, digest, decoder))
            }
            (Nature::Cms, _) => Content::Cms(Decoder::new(encoding), pkcs7::Reader::default(), self.begun),
            (_, Some(decoder)) => Content::Encoded(decoder, Kind::Message),
            (_, None) => Content::Message,
        }
    }

    /// A boundary line: what is inside its multipart ends, and a part begins or the last one is over.
    fn delimited(&mut self, level: usize, layer: &mut Layer, position: usize, delimiter: Delimiter, line: &[u8]) {
        layer.survey.boundary(mem::take(&mut layer.held).bytes(), line);
        self.report_near_miss(layer);
        self.report_outside(layer);
        self.report_survey(layer);
        self.close_down_to(level, layer, position.saturating_add(1));
        layer.survey.go_on(Rules::NOBODY, self.path.len());
        layer.line_start = true;
        layer.root = false;
        layer.watch = Watch::Nothing;
        layer.beginning = None;
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
                Content::Cms(decoder, reader, depth) => {
                    layer.scratch.clear();
                    layer.octets.clear();
                    let faults = decoder.finish(&mut layer.scratch);
                    self.visitor.cms(*depth, &layer.scratch);
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
