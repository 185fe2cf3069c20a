//! What a [`Machine`](super::entity::Machine) has open: layers of undecoded lines, and in each the entities begun.

use std::borrow::Cow;
use std::mem;

use memchr::memmem::Finder;

use super::Kind;
use super::boundary::{Delimiter, innermost};
use super::embedded::{Enclosed, Scanner};
use super::header::split_line;
use super::pkcs7;
use super::survey::Survey;
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
    /// What it holds beyond its fields: read again, as what follows them.
    pub(super) again: Vec<u8>,
    /// Where that block begins in the mail; in an encoded layer, where the encoded entity's header begins.
    pub(super) header_offset: u64,
    /// Where the line begins that is being looked at whole.
    pub(super) line_offset: u64,
    /// Whether the layer is the mail itself and counts its bytes.
    pub(super) outermost: bool,
    /// Whether the header under way is a mail's own (not a body part's).
    pub(super) root: bool,
    /// The part number of the entity whose header is under way, where no multipart gives it: in an S/MIME object, 1.
    pub(super) number: Option<u32>,
    /// What the next line may turn out to be.
    pub(super) watch: Watch,
    /// Of a body part with an empty header: its first bytes, until they tell whether the header stands behind the blank
    /// line.
    pub(super) beginning: Option<Vec<u8>>,
    /// The search for the innermost boundary where it does not belong.
    pub(super) near: NearMiss,
    /// What its bytes are made of.
    pub(super) survey: Survey,
    /// The search in what stands before the first part or behind the last.
    pub(super) outside: Option<Box<Outside>>,
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

/// Why the next line is read whole even if it cannot be a boundary line.
#[derive(Default, Clone, PartialEq, Eq)]
pub(super) enum Watch {
    #[default]
    Nothing,
    /// A multipart in which no part has begun: the line before was `--` and this, which is not its boundary. If a header
    /// field follows, it is what the parts are divided by.
    Guess(Vec<u8>),
    /// A multipart under a transfer encoding: is its content really encoded?
    FirstOfEncoded,
    /// A mail without Content-Type: does it begin like a multipart?
    FirstOfUntyped,
    /// It began with a line of `--`; the next one decides.
    SecondOfUntyped,
}

/// Looks for `--boundary` in content, across pieces.
#[derive(Default)]
pub(super) struct NearMiss {
    found: bool,
    carry: Vec<u8>,
}

impl NearMiss {
    /// Content goes on with `bytes`; `mark` is `--boundary`.
    fn look(&mut self, mark: &Finder<'_>, bytes: &[u8]) {
        let keep = mark.needle().len().saturating_sub(1);
        if self.found || keep <= 1 {
            return; // without a boundary, there is no line of it
        }
        self.carry.extend_from_slice(bytes.get(..keep).unwrap_or(bytes));
        self.found = mark.find(&self.carry).is_some() || mark.find(bytes).is_some();
        if bytes.len() >= keep {
            self.carry.clear();
            self.carry
                .extend_from_slice(bytes.get(bytes.len().saturating_sub(keep)..).unwrap_or_default());
        } else {
            let excess = self.carry.len().saturating_sub(keep);
            self.carry.drain(..excess);
        }
    }

    /// Whether the boundary was in it: asked at the end, so that the answer's place among the findings is the same for
    /// every split.
    pub(super) fn found(&self) -> bool {
        self.found
    }

    /// A line has ended: no boundary goes across.
    pub(super) fn line_end(&mut self) {
        self.carry.clear();
    }
}

/// Looks for a part in what is in none: a reader that takes another boundary, or none, sees it.
pub(super) struct Outside {
    scanner: Scanner,
    found: bool,
}

impl Default for Outside {
    fn default() -> Outside {
        Outside {
            scanner: Scanner::outside(),
            found: false,
        }
    }
}

impl Outside {
    /// The text goes on with `bytes`.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let found = &mut self.found;
        self.scanner
            .feed(bytes, &mut |item| *found |= matches!(item, Enclosed::Finding(_)));
    }

    /// The text is over: whether there was something in it.
    pub(super) fn finish(mut self) -> bool {
        let found = &mut self.found;
        self.scanner
            .finish(&mut |item| *found |= matches!(item, Enclosed::Finding(_)));
        self.found
    }
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
    Multipart(Multipart),
    /// A multipart or message under a transfer encoding; its content is the next layer. For a multipart, that layer's
    /// first entity *is* this one, and tells the visitor of its end.
    Encoded(Decoder, Kind),
    /// An S/MIME object, begun when so many entities were open; the entity in it, once there is some of it, is the next
    /// layer.
    Cms(Decoder, pkcs7::Reader, usize),
}

/// A multipart that has begun.
pub(super) struct Multipart {
    /// As declared; empty where none is, and then matches nothing.
    pub(super) boundary: Vec<u8>,
    /// Finds `--boundary` where it does not belong.
    mark: Box<Finder<'static>>,
    /// As guessed, when no part was found by the declared one.
    pub(super) guessed: Option<Vec<u8>>,
    /// Whether it is a digest, whose parts are mails by default.
    pub(super) digest: bool,
    /// Parts so far.
    pub(super) parts: u32,
    /// Whether its closing boundary has been seen.
    pub(super) closed: bool,
    /// Its transfer encoding, until the first line tells whether it is applied.
    pub(super) decoder: Option<Decoder>,
}

impl Multipart {
    /// Before its first part.
    pub(super) fn new(boundary: Vec<u8>, digest: bool, decoder: Option<Decoder>) -> Multipart {
        let mark = Finder::new(&[b"--", boundary.as_slice()].concat()).into_owned();
        Multipart {
            boundary,
            mark: Box::new(mark),
            guessed: None,
            digest,
            parts: 0,
            closed: false,
            decoder,
        }
    }

    fn boundaries(&self) -> impl Iterator<Item = &[u8]> {
        let declared = Some(self.boundary.as_slice()).filter(|boundary| !boundary.is_empty());
        declared.into_iter().chain(self.guessed.as_deref())
    }
}

impl Content {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Content::Leaf(_) => Kind::Leaf,
            Content::Message => Kind::Message,
            Content::Multipart(_) => Kind::Multipart,
            Content::Encoded(_, kind) => *kind,
            Content::Cms(..) => Kind::Cms,
        }
    }
}

impl Layer {
    /// The layer that a transfer-encoded mail decodes into.
    pub(super) fn of_message(header_offset: u64) -> Layer {
        Layer {
            line_start: true,
            root: true,
            header_offset,
            ..Layer::default()
        }
    }

    /// The layer that a transfer-encoded multipart decodes into.
    pub(super) fn of_multipart(multipart: Multipart, header_offset: u64) -> Layer {
        let open = Open {
            content: Content::Multipart(multipart),
            offset: header_offset,
            numbered: false,
        };
        Layer {
            line_start: true,
            open: vec![open],
            state: State::Skip,
            header_offset,
            ..Layer::default()
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

    /// The multiparts that are open, by their position in `open`, outermost first.
    pub(super) fn multiparts(&self) -> impl DoubleEndedIterator<Item = (usize, &Multipart)> {
        self.open
            .iter()
            .enumerate()
            .filter_map(|(position, open)| match &open.content {
                Content::Multipart(multipart) => Some((position, multipart)),
                _ => None,
            })
    }

    /// Looks for the innermost boundary in content: `x--boundary`, ` --boundary`, `--boundaryX`.
    pub(super) fn look_for_boundary(&mut self, bytes: &[u8]) {
        let mut near = mem::take(&mut self.near);
        if let Some((_, innermost)) = self.multiparts().next_back() {
            near.look(&innermost.mark, bytes);
        }
        self.near = near;
    }

    /// The multipart at `position`.
    pub(super) fn multipart_mut(&mut self, position: usize) -> Option<(&mut Multipart, u64)> {
        match self.open.get_mut(position) {
            Some(Open {
                content: Content::Multipart(multipart),
                offset,
                ..
            }) => Some((multipart, *offset)),
            _ => None,
        }
    }

    /// The multipart, by its position in `open`, that `line` delimits.
    pub(super) fn delimiter(&self, line: &[u8]) -> Option<(usize, Delimiter)> {
        if !line.starts_with(b"--") || line.len() > limits::BOUNDARY_LINE {
            return None;
        }
        let boundaries = self
            .multiparts()
            .flat_map(|(position, multipart)| multipart.boundaries().map(move |boundary| (position, boundary)));
        innermost(line, boundaries)
    }

    /// Whether what is being read stands between the header of a multipart and its first part, and no boundary has been
    /// guessed for it.
    pub(super) fn before_first_part(&self) -> bool {
        let innermost = self.multiparts().next_back();
        innermost.is_some_and(|(_, multipart)| multipart.parts == 0 && multipart.guessed.is_none())
    }

    /// Whether a boundary line could end what is being read.
    pub(super) fn bounded(&self) -> bool {
        self.multiparts().next().is_some()
    }

    /// Adds to the header block; one byte over the limit is kept to tell that there was more.
    pub(super) fn keep_header(&mut self, line: &[u8]) {
        let room = limits::HEADER_BLOCK.saturating_add(1).saturating_sub(self.header.len());
        self.header.extend_from_slice(line.get(..room).unwrap_or(line));
    }

    /// The line that `input` begins with or ends, if its end is there, or its beginning if it is too long to be a boundary
    /// line; and the rest of `input`.
    pub(super) fn whole_line<'i>(&mut self, input: &'i [u8]) -> (Option<Cow<'i, [u8]>>, &'i [u8]) {
        let (line, rest) = split_line(input);
        let ends = line.ends_with(b"\n");
        if ends && self.tail.is_empty() {
            return (Some(Cow::Borrowed(line)), rest);
        }
        self.tail.extend_from_slice(line);
        let given = ends || self.tail.len() > limits::BOUNDARY_LINE;
        (given.then(|| Cow::Owned(mem::take(&mut self.tail))), rest)
    }

    /// Gives the buffer of a finished line back.
    pub(super) fn recycle(&mut self, line: Cow<'_, [u8]>) {
        if let Cow::Owned(mut buffer) = line {
            buffer.clear();
            self.tail = buffer;
        }
    }
}
