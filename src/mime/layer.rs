//! What a [`Machine`](super::entity::Machine) has open: layers of undecoded lines, and in each the entities begun.

use super::Kind;
use super::boundary::{Delimiter, innermost};
use super::parameter::Parameterized;
use super::pkcs7;
use super::transfer::Decoder;
use crate::limits;

/// One run of undecoded lines: the mail itself, or what a transfer-encoded multipart or message decodes to.
#[derive(Default)]
pub(super) struct Layer {
    /// The open entities of this layer, outermost first.
    pub(super) open: Vec<Open>,
    pub(super) state: State,
    /// The beginning of a line whose end has not come yet.
    pub(super) tail: Vec<u8>,
    /// In a body: the next byte starts a line. In a header: the line under way has not been given up as too long.
    pub(super) line_start: bool,
    /// The line end last seen in a body: it belongs to the boundary line if one follows (RFC 2046, 5.1.1).
    pub(super) held: LineEnd,
    /// The header block under way.
    pub(super) header: Vec<u8>,
    /// Where that block begins in the mail; in an encoded layer, where the encoded entity's header begins.
    pub(super) header_offset: u64,
    /// Whether the layer is the mail itself and counts its bytes.
    pub(super) outermost: bool,
    /// Whether the header under way is a mail's own (not a body part's).
    pub(super) root: bool,
    /// The part number of the entity whose header is under way, where no multipart gives it: in an S/MIME object, 1.
    pub(super) number: Option<u32>,
    /// Reused for decoded bytes.
    pub(super) scratch: Vec<u8>,
    /// Reused for the content of an S/MIME object.
    pub(super) octets: Vec<u8>,
}

/// What the bytes of a layer are at the moment.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Lines of a header block.
    #[default]
    Header,
    /// The content of the innermost entity.
    Body,
    /// Before the first part or after the last one: nobody's.
    Skip,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    #[default]
    None,
    /// CR at the end of a piece: the next byte tells what it is.
    Cr,
    Lf,
    CrLf,
}

impl LineEnd {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::None => b"",
            LineEnd::Cr => b"\r",
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
        }
    }
}

/// An entity that has begun and not ended.
pub(super) struct Open {
    pub(super) content: Content,
    /// Where its header begins in the mail.
    pub(super) offset: u64,
    /// Whether it put its number on the path.
    pub(super) numbered: bool,
}

pub(super) enum Content {
    Leaf(Decoder),
    Message,
    Multipart {
        boundary: Vec<u8>,
        digest: bool,
        parts: u32,
    },
    /// A multipart or message under a transfer encoding; its content is the next layer. For a multipart, that layer's
    /// first entity *is* this one, and tells the visitor of its end.
    Encoded(Decoder, Kind),
    /// An S/MIME object; the entity in it, once there is some of it, is the next layer.
    Cms(Decoder, pkcs7::Reader),
}

impl Content {
    /// A multipart before its first part; `None` without a boundary.
    pub(super) fn multipart(content_type: &Parameterized) -> Option<Content> {
        let boundary = content_type
            .parameter("boundary")
            .filter(|boundary| !boundary.is_empty())?;
        let digest = content_type.value == "multipart/digest";
        Some(Content::Multipart {
            boundary: boundary.to_vec(),
            digest,
            parts: 0,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Content::Leaf(_) => Kind::Leaf,
            Content::Message => Kind::Message,
            Content::Multipart { .. } => Kind::Multipart,
            Content::Encoded(_, kind) => *kind,
            Content::Cms(..) => Kind::Cms,
        }
    }
}

impl Layer {
    /// The layer that a transfer-encoded multipart or message decodes into.
    pub(super) fn inside(kind: Kind, content_type: &Parameterized, header_offset: u64) -> Layer {
        let layer = Layer {
            line_start: true,
            header_offset,
            ..Layer::default()
        };
        match Content::multipart(content_type).filter(|_| kind == Kind::Multipart) {
            Some(content) => {
                let open = vec![Open {
                    content,
                    offset: header_offset,
                    numbered: false,
                }];
                Layer {
                    open,
                    state: State::Skip,
                    ..layer
                }
            }
            None => Layer { root: true, ..layer },
        }
    }

    /// The layer of the entity in an S/MIME object.
    pub(super) fn enclosed(header_offset: u64) -> Layer {
        Layer {
            line_start: true,
            number: Some(1),
            header_offset,
            ..Layer::default()
        }
    }

    /// The multipart, by its position in `open`, that `line` delimits.
    pub(super) fn delimiter(&self, line: &[u8]) -> Option<(usize, Delimiter)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let boundaries = self
            .open
            .iter()
            .enumerate()
            .filter_map(|(position, open)| match &open.content {
                Content::Multipart { boundary, .. } => Some((position, boundary.as_slice())),
                _ => None,
            });
        innermost(line, boundaries)
    }

    /// Whether a boundary line could end what is being read.
    pub(super) fn bounded(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(open.content, Content::Multipart { .. }))
    }

    /// Adds to the header block; one byte over the limit is kept to tell that there was more.
    pub(super) fn keep_header(&mut self, line: &[u8]) {
        let room = limits::HEADER_BLOCK.saturating_add(1).saturating_sub(self.header.len());
        self.header.extend_from_slice(line.get(..room).unwrap_or(line));
    }

    /// Gives the buffer of a finished line back.
    pub(super) fn recycle_tail(&mut self, mut line: Vec<u8>) {
        line.clear();
        self.tail = line;
    }
}
