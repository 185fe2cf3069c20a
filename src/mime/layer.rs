//! What a [`Machine`](super::entity::Machine) has open: layers of undecoded lines, and in each the entities begun.

use std::borrow::Cow;
use std::mem;

use super::Kind;
use super::boundary::{Delimiter, delimiter, innermost};
use super::embedded::{Enclosed, Scanner};
use super::header::split_line;
use super::near_miss::{self, NearMiss};
use super::opening::Opening;
use super::parameter::is_token;
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
    /// Whether a line of it begins with `--`.
    pub(super) dashes: bool,
    /// What it holds beyond its fields: read again, as what follows them.
    pub(super) again: Vec<u8>,
    /// How many multiparts of what is being read again have their parts in their header block.
    pub(super) header_depth: usize,
    /// Where that block begins in the mail; in an encoded layer, where the encoded entity's header begins.
    pub(super) header_offset: u64,
    /// Where the line begins that is being looked at whole.
    pub(super) line_offset: u64,
    pub(super) source: Source,
    /// Whether the header under way is a mail's own (not a body part's).
    pub(super) root: bool,
    /// The part number of the entity whose header is under way, where no multipart gives it: in an S/MIME object, 1.
    pub(super) number: Option<u32>,
    /// What the next line may turn out to be.
    pub(super) watch: Watch,
    /// Of an entity with an empty header: whether a header stands behind the blank line.
    pub(super) opening: Option<Opening>,
    /// The search for boundaries where they do not belong.
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

/// Where the bytes of a layer come from.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It is the mail itself and counts its bytes.
    Mail,
    /// From the layer above.
    #[default]
    Decoded,
    /// They, or those of a layer above, were compressed in an S/MIME object.
    Inflated,
}

impl Source {
    /// Of the layer that is decoded from one with this source.
    pub(super) fn below(self) -> Source {
        match self {
            Source::Mail | Source::Decoded => Source::Decoded,
            Source::Inflated => Source::Inflated,
        }
    }
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
    /// An S/MIME object; what it encloses, once there is some of it, is the next layer.
    Cms(Decoder, Box<Signed>),
}

/// An S/MIME object that has begun.
pub(super) struct Signed {
    pub(super) reader: pkcs7::Reader,
    /// How many entities were open when it began.
    pub(super) depth: usize,
    /// What its content is called, if that is a file.
    pub(super) name: Option<String>,
    /// The first octets of the content, until they tell what it is.
    pub(super) beginning: Option<Vec<u8>>,
}

/// A multipart that has begun.
pub(super) struct Multipart {
    /// As declared; empty where none is, and then matches nothing.
    pub(super) boundary: Vec<u8>,
    /// Whether it is looked for where it does not belong.
    sought: bool,
    /// Where it ends for readers that take no more of a boundary without quotes.
    short: Option<usize>,
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
    pub(super) fn new(boundary: Vec<u8>, quoted: bool, digest: bool, decoder: Option<Decoder>) -> Multipart {
        let sought = near_miss::is_sought(&boundary);
        let special = || boundary.iter().position(|byte| !is_token(*byte));
        Multipart {
            sought,
            short: (sought && !quoted).then(special).flatten(),
            boundary,
            guessed: None,
            digest,
            parts: 0,
            closed: false,
            decoder,
        }
    }

    /// Whether a line is its own to readers that compare otherwise: PHP's mailparse in any letter case and whatever stands
    /// behind, c-client up to where a boundary without quotes ends.
    fn is_taken_for(&self, line: &[u8]) -> bool {
        let any_case = |line: &[u8]| {
            let beginning = line.get(..self.boundary.len());
            self.sought && beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(&self.boundary))
        };
        // Of a longer line, what is here depends on how the mail came in pieces.
        let end = self.short.filter(|_| line.len() <= limits::BOUNDARY_LINE);
        let short = end.and_then(|end| self.boundary.get(..end));
        line.strip_prefix(b"--").is_some_and(any_case) || short.is_some_and(|short| delimiter(line, short).is_some())
    }

    fn boundaries(&self) -> impl Iterator<Item = &[u8]> {
        let declared = Some(self.boundary.as_slice()).filter(|boundary| !boundary.is_empty());
        declared.into_iter().chain(self.guessed.as_deref())
    }
}

impl Content {
    /// What an S/MIME object turned out to be; anything else is read.
    pub(super) fn outcome(&self) -> pkcs7::Outcome {
        match self {
            Content::Cms(_, signed) => signed.reader.finish(),
            _ => pkcs7::Outcome::Read,
        }
    }

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
    pub(super) fn of_message(header_offset: u64, source: Source) -> Layer {
        Layer {
            line_start: true,
            root: true,
            source,
            header_offset,
            ..Layer::default()
        }
    }

    /// The layer that a transfer-encoded multipart decodes into.
    pub(super) fn of_multipart(multipart: Multipart, header_offset: u64, source: Source) -> Layer {
        let open = Open {
            content: Content::Multipart(multipart),
            offset: header_offset,
            numbered: false,
        };
        Layer {
            line_start: true,
            open: vec![open],
            state: State::Skip,
            source,
            header_offset,
            ..Layer::default()
        }
    }

    /// The layer of what an S/MIME object encloses.
    pub(super) fn enclosed(header_offset: u64, source: Source) -> Layer {
        Layer {
            line_start: true,
            source,
            number: Some(1),
            header_offset,
            ..Layer::default()
        }
    }

    /// The multiparts that are open, by their position in `open`, outermost first.
    pub(super) fn multiparts(&self) -> impl DoubleEndedIterator<Item = (usize, &Multipart)> + Clone {
        self.open
            .iter()
            .enumerate()
            .filter_map(|(position, open)| match &open.content {
                Content::Multipart(multipart) => Some((position, multipart)),
                _ => None,
            })
    }

    /// Goes through content up to the end of the first line whose successor begins with `--`, and gives the place of its
    /// LF. On the way, looks for boundaries of all open multiparts where they do not belong.
    pub(super) fn next_dashes(&mut self, content: &[u8]) -> Option<usize> {
        let mut near = mem::take(&mut self.near);
        let sought = self.multiparts().filter(|(_, multipart)| multipart.sought);
        let found = near.look(&sought.map(|(_, multipart)| multipart.boundary.as_slice()), content);
        self.near = near;
        found
    }

    /// The same in a line that is no boundary line, whole or as far as it was read.
    pub(super) fn look_at_line(&mut self, line: &[u8]) {
        self.near.line_end();
        if self.multiparts().any(|(_, multipart)| multipart.is_taken_for(line)) {
            self.near.note();
        }
        self.next_dashes(line);
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

    /// Whether the layer is the mail itself.
    pub(super) fn outermost(&self) -> bool {
        self.source == Source::Mail
    }

    /// Whether a boundary line could end what is being read.
    pub(super) fn bounded(&self) -> bool {
        self.multiparts().next().is_some()
    }

    /// Adds to the header block; one byte over the limit is kept to tell that there was more.
    pub(super) fn keep_header(&mut self, line: &[u8], limit: usize) {
        let room = limit.saturating_add(1).saturating_sub(self.header.len());
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
