//! Content between header blocks: as large pieces as they come, and the lines that could be boundaries one by one.

use std::borrow::Cow;
use std::mem;

use super::Machine;
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::boundary::Delimiter;
use crate::mime::layer::{Content, Layer, LineEnd, Open, Signed, Source, State, Watch};
use crate::mime::pkcs7::content::{Nature, nature};
use crate::mime::transfer::Decoder;
use crate::mime::{Kind, Visitor};

impl<V: Visitor> Machine<V> {
    /// Takes content up to the next line that could be a boundary, or that line.
    pub(super) fn content_bytes<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        if layer.outermost() && !self.counted {
            layer.survey.first_byte_at(self.offset);
        }
        if layer.watch == Watch::Nothing && !layer.bounded() {
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
        if let Some(position) = layer.next_dashes(input) {
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

    /// At the start of a line: is it a boundary line? Only if it begins with `--`, and then the whole line decides. It is
    /// read whole, too, when it is watched.
    fn line_start<'i>(&mut self, level: usize, layer: &mut Layer, input: &'i [u8]) -> &'i [u8] {
        let mut beginning = layer.tail.iter().chain(input).take(2);
        if layer.watch == Watch::Nothing && beginning.any(|byte| *byte != b'-') {
            layer.line_start = false;
            let tail = mem::take(&mut layer.tail);
            self.content(level, layer, &tail);
            layer.recycle(Cow::Owned(tail));
            return input;
        }
        if layer.outermost() && !self.counted && layer.tail.is_empty() {
            layer.line_offset = self.offset;
        }
        let (line, rest) = layer.whole_line(input);
        if let Some(line) = line {
            self.whole_line(level, layer, &line);
            layer.recycle(line);
        }
        rest
    }

    /// A line that may be a boundary or is watched for what it may be instead.
    fn whole_line(&mut self, level: usize, layer: &mut Layer, line: &[u8]) {
        if let Some((position, delimiter)) = layer.delimiter(line) {
            self.delimited(level, layer, position, delimiter, line);
            return;
        }
        let watch = mem::take(&mut layer.watch);
        // How much of a longer line is here depends on how the mail came in pieces: only its beginning may count.
        let whole = line.len() <= limits::BOUNDARY_LINE;
        let blank = whole && line.trim_ascii().is_empty();
        match watch {
            Watch::Guess(boundary) if begins_like_field(line) => return self.guess(level, layer, boundary, line),
            Watch::FirstOfEncoded | Watch::FirstOfUntyped if blank => layer.watch = watch,
            Watch::FirstOfEncoded => self.first_of_encoded(layer, line),
            Watch::FirstOfUntyped if whole && line.starts_with(b"--") => layer.watch = Watch::SecondOfUntyped,
            Watch::SecondOfUntyped if begins_like_field(line) => self.find(Flag::MimeWithoutType, layer.header_offset),
            _ => {}
        }
        if whole && layer.watch == Watch::Nothing && layer.before_first_part() {
            let candidate = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end).unwrap_or_default();
            if (1..=limits::GUESSED_BOUNDARY).contains(&candidate.len()) {
                layer.watch = Watch::Guess(candidate.to_vec());
            }
        }
        layer.look_at_line(line);
        if line.ends_with(b"\n") {
            let position = line.len().saturating_sub(1);
            self.up_to_line_end(level, layer, line, position);
        } else {
            layer.line_start = false;
            self.content(level, layer, line);
        }
    }

    /// A header field behind `--something` in a multipart without parts: that is what divides it.
    fn guess(&mut self, level: usize, layer: &mut Layer, boundary: Vec<u8>, line: &[u8]) {
        let Some(position) = layer.multiparts().next_back().map(|(position, _)| position) else {
            return;
        };
        if let Some((multipart, offset)) = layer.multipart_mut(position) {
            multipart.guessed = Some(boundary);
            self.find(Flag::BoundaryGuessed, offset);
        }
        self.delimited(level, layer, position, Delimiter::Part, b"");
        if layer.outermost() {
            layer.header_offset = layer.line_offset;
        }
        layer.again.extend_from_slice(line);
    }

    /// Many programs put a transfer encoding on a multipart without applying it; few apply it. The first line tells: does
    /// it decode to a boundary line?
    fn first_of_encoded(&mut self, layer: &mut Layer, line: &[u8]) {
        let Some(Open {
            content: Content::Multipart(multipart),
            offset,
            ..
        }) = layer.open.last_mut()
        else {
            return;
        };
        let Some(decoder) = multipart.decoder.take() else {
            return;
        };
        let applied = match decoder {
            Decoder::Base64(_) => line.starts_with(b"LS0"),
            _ => line.starts_with(b"=2D") || line.starts_with(b"-=2D"),
        };
        if !applied {
            return;
        }
        let offset = *offset;
        let Some(Open {
            content: Content::Multipart(multipart),
            numbered,
            ..
        }) = layer.open.pop()
        else {
            return;
        };
        self.layers
            .push(Layer::of_multipart(multipart, offset, layer.source.below()));
        layer.open.push(Open {
            content: Content::Encoded(decoder, Kind::Multipart),
            offset,
            numbered,
        });
        layer.state = State::Body;
    }

    /// Content of the innermost entity, after the line end that was held back.
    pub(super) fn content(&mut self, level: usize, layer: &mut Layer, bytes: &[u8]) {
        let held = mem::take(&mut layer.held);
        if held != LineEnd::None {
            layer.near.line_end();
            layer.survey.feed(held.bytes());
        }
        layer.survey.feed(bytes);
        self.look_for_header(layer, held.bytes());
        self.look_for_header(layer, bytes);
        if layer.state == State::Skip {
            let outside = layer.outside.get_or_insert_default();
            outside.feed(held.bytes());
            outside.feed(bytes);
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
                    layer.survey.decoded(&layer.scratch);
                    self.visitor.body(&layer.scratch);
                }
                Content::Encoded(decoder, _) => {
                    layer.scratch.clear();
                    decoder.feed(bytes, &mut layer.scratch);
                    self.feed_layer(level.saturating_add(1), &layer.scratch);
                }
                Content::Cms(decoder, ..) => {
                    layer.scratch.clear();
                    decoder.feed(bytes, &mut layer.scratch);
                    let source = layer.source.below();
                    self.signed(level, open, &layer.scratch, &mut layer.octets, source);
                }
                Content::Multipart(_) | Content::Message => {}
            }
        }
    }

    /// Decoded bytes of an S/MIME object, and the octets in them that it encloses.
    pub(super) fn signed(
        &mut self,
        level: usize,
        open: &mut Open,
        decoded: &[u8],
        octets: &mut Vec<u8>,
        source: Source,
    ) {
        let Content::Cms(_, signed) = &mut open.content else {
            return;
        };
        self.visitor.cms(signed.depth, decoded);
        let step = if signed.reader.inflates() {
            limits::INFLATE_STEP
        } else {
            limits::DECODE_STEP
        };
        for piece in decoded.chunks(step) {
            octets.clear();
            signed.reader.feed(piece, octets);
            if let Some(beginning) = &mut signed.beginning {
                beginning.extend_from_slice(octets);
                if beginning.len() >= limits::SIGNED_BEGINNING {
                    self.signed_begins(level, signed, open.offset, source);
                }
            } else if !octets.is_empty() {
                self.feed_layer(level.saturating_add(1), octets);
            }
        }
    }

    /// The first octets that an S/MIME object encloses are there: they begin the layer of an entity, or of a file.
    pub(super) fn signed_begins(&mut self, level: usize, signed: &mut Signed, offset: u64, source: Source) {
        let Some(beginning) = signed.beginning.take().filter(|beginning| !beginning.is_empty()) else {
            return;
        };
        let below = level.saturating_add(1);
        let source = if signed.reader.inflates() {
            Source::Inflated
        } else {
            source
        };
        let looked_at = beginning.get(..limits::SIGNED_BEGINNING).unwrap_or(&beginning);
        let (nature, ambiguous) = nature(signed.name.as_deref(), looked_at);
        if ambiguous {
            self.find(Flag::SmimeAmbiguous, offset);
        }
        let mut layer = Layer::enclosed(offset, source);
        if nature == Nature::File {
            self.begin_file(below, &mut layer, signed.name.as_deref(), looked_at);
        }
        self.layers.push(layer);
        self.feed_layer(below, &beginning);
    }

    /// Some readers pass over blank lines before a header; then what looks like a body is one.
    fn look_for_header(&mut self, layer: &mut Layer, bytes: &[u8]) {
        let Some(opening) = &mut layer.opening else { return };
        let Some(is_header) = opening.feed(bytes) else { return };
        layer.opening = None;
        if is_header {
            self.find(Flag::HeaderAfterBlank, layer.header_offset);
        }
    }
}

/// How the fields begin that say what content is.
const FIELD: &[u8] = b"content-";

fn begins_like_field(line: &[u8]) -> bool {
    line.get(..FIELD.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(FIELD))
}
