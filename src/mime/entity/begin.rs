//! Where a header block ends, an entity begins: what its fields declare decides how its content is read.

use std::mem;

use super::Machine;
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::boundary::first_line_of;
use crate::mime::declared::{Declared, Nature, Place};
use crate::mime::header::{Fields, Outline, end_of_field, end_of_fields, examine};
use crate::mime::layer::{Content, Layer, LineEnd, Multipart, Open, Signed, Source, State, Watch};
use crate::mime::near_miss::NearMiss;
use crate::mime::opening::Opening;
use crate::mime::parameter::{Note, Parameterized};
use crate::mime::pkcs7;
use crate::mime::survey::Rules;
use crate::mime::transfer::{Decoder, Encoding};
use crate::mime::{Entity, Kind, Visitor};

impl<V: Visitor> Machine<V> {
    /// The header block is complete, ended by the line `blank` if there was one: an entity begins. If it is a mail, so
    /// does that mail's own header.
    pub(super) fn header_ends(&mut self, level: usize, layer: &mut Layer, blank: &[u8]) {
        let mut block = mem::take(&mut layer.header);
        let root = mem::replace(&mut layer.root, false);
        let offset = layer.header_offset;
        let cut = block.len() > self.header_block;
        block.truncate(self.header_block);
        let place = match layer.open.last() {
            Some(Open {
                content: Content::Multipart(Multipart { digest: true, .. }),
                ..
            }) => Place::InDigest,
            _ => Place::Ordinary,
        };
        let dashes = mem::take(&mut layer.dashes);
        let within = dashes.then(|| parts_within(&block, place)).flatten();
        let too_deep = within.is_some() && layer.header_depth >= limits::HEADER_DEPTH;
        let within = within.filter(|_| !too_deep);
        layer.header_depth = layer.header_depth.saturating_add(usize::from(within.is_some()));
        let lines = block.get(..within.unwrap_or(block.len())).unwrap_or_default();
        let outline = Outline::new(lines, layer.survey.crlf());
        // A line that is no field, and no field behind it: the body has begun without a blank line.
        let end = if outline.is_ordinary() {
            lines.len()
        } else {
            end_of_fields(lines)
        };
        let body = block.split_off(end);
        let numbered = self.number(layer);
        if cut {
            self.find(Flag::LimitHeader, offset);
        }
        if within.is_some() {
            self.find(Flag::BoundaryInsideHeaders, offset);
        }
        if too_deep {
            self.find(Flag::LimitDepth, offset);
        }
        if outline.is_full() {
            self.find(Flag::LimitHeader, offset);
        }
        let fields = outline.fields(&block);
        let declared = Declared::read(fields, place, self.charset.as_deref());
        if let Some(charset) = declared.content_type.charset() {
            self.charset = Some(charset.to_vec());
        }
        // What was encoded has one offset for all of it.
        let still = !layer.outermost() || self.counted;
        let offset_of = |at: usize| {
            let moved = if still { 0 } else { u64::try_from(at).unwrap_or(0) };
            offset.saturating_add(moved)
        };
        if !outline.is_ordinary() {
            examine(&block, layer.survey.crlf(), &mut |flag, at| {
                self.find(flag, offset_of(at));
            });
        }
        layer
            .survey
            .begin(Rules::HEADER, self.path.len(), offset_of(block.len()), still);
        if body.is_empty() {
            layer.survey.feed(blank);
        }
        self.report_survey(layer);
        for (flag, at) in &declared.flags {
            self.find(*flag, offset_of(*at));
        }
        for repeated in &declared.repeated {
            self.find_all(repeated.flag, offset_of(repeated.at), repeated.count);
        }
        if !body.is_empty() {
            self.find(Flag::HeaderNoSeparator, offset_of(block.len()));
        }
        let empty = block.is_empty() && body.is_empty() && !blank.is_empty();
        self.begin(level, layer, root, numbered, fields, declared);
        layer.opening = empty.then(Opening::default);
        block.clear();
        layer.header = block;
        if !body.is_empty() {
            layer.again = body;
            layer.again.extend_from_slice(blank);
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
        let content = self.content_of(level, layer, nature, &content_type, disposition.as_ref(), encoding);
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
            verbatim: layer.outermost() && !self.counted,
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
                self.layers.push(Layer::of_message(offset, layer.source.below()));
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
            self.begin_undivided(layer, if root { Fields::NONE } else { fields }, &content_type, encoding);
        }
    }

    /// What an S/MIME object encloses is a file: it becomes the only entity of its layer.
    pub(super) fn begin_file(&mut self, level: usize, layer: &mut Layer, name: Option<&str>, beginning: &[u8]) {
        let numbered = self.number(layer);
        layer
            .survey
            .begin(Rules::default(), self.path.len(), layer.header_offset, true);
        self.begin(
            level,
            layer,
            false,
            numbered,
            Fields::NONE,
            Declared::file(name, beginning),
        );
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
            verbatim: layer.outermost() && !self.counted,
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
        layer: &Layer,
        nature: Nature,
        content_type: &Parameterized,
        disposition: Option<&Parameterized>,
        encoding: Encoding,
    ) -> Content {
        let offset = layer.header_offset;
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
                let quoted = !content_type.notes().contains(&Note::UnquotedBoundary);
                Content::Multipart(Multipart::new(boundary, quoted, digest, decoder))
            }
            (Nature::Cms, _) => {
                let signed = Signed {
                    reader: pkcs7::Reader::new(layer.source != Source::Inflated),
                    depth: self.begun,
                    name: pkcs7::bare_name(content_type, disposition),
                    beginning: Some(Vec::new()),
                };
                Content::Cms(Decoder::new(encoding), Box::new(signed))
            }
            (_, Some(decoder)) => Content::Encoded(decoder, Kind::Message),
            (_, None) => Content::Message,
        }
    }
}

/// Where in a header block the first line is that divides parts by the boundary which that block declares: they have begun
/// without a blank line. Nothing behind it is looked at, for that may be the same again.
fn parts_within(block: &[u8], place: Place) -> Option<usize> {
    let (declaring, behind) = block.split_at_checked(end_of_field(block, "content-type")?)?;
    let outline = Outline::new(declaring, &mut None);
    match Declared::read(outline.fields(declaring), place, None).nature {
        Nature::Multipart(Some(boundary)) => Some(declaring.len().saturating_add(first_line_of(&boundary, behind)?)),
        _ => None,
    }
}
