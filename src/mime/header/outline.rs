//! Where the fields of a header block are. Everybody asks for them: who declares content, who looks for fields that are
//! there twice, every visitor. So the lines are looked at once.

use memchr::memchr;

use super::{begins_again, decides, is_envelope, split_line, starts_with_white, unfold};
use crate::limits;
use crate::mime::encoded_word::{self, Notes};

/// The places of the fields of one block.
#[derive(Debug, Default)]
pub struct Outline {
    places: Vec<Place>,
    plain: bool,
    ordinary: bool,
    full: bool,
}

/// A block is no longer than `limits::HEADER_BLOCK`, but may have a field in every third byte.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    colon: u32,
    end: u32,
    folded: bool,
}

impl Outline {
    /// Of `block`: lines with their line ends. `crlf` is how lines of the mail end, decided by the first one that does: with
    /// CR LF or LF.
    pub fn new(block: &[u8], crlf: &mut Option<bool>) -> Outline {
        let line_ends = !has_bare_cr(block);
        let mut outline = Outline {
            places: Vec::with_capacity(block.len().div_ceil(FIELD)),
            plain: line_ends && is_plain(block),
            ordinary: line_ends,
            full: false,
        };
        let mut rest = block;
        if is_envelope(block) {
            (_, rest) = split_line(block);
        }
        let mut continuable = false;
        while !rest.is_empty() {
            let start = block.len().saturating_sub(rest.len());
            let (line, after) = split_line(rest);
            rest = after;
            let end = place(start.saturating_add(line.len()));
            let with_cr = line.ends_with(b"\r\n");
            let mixed = line.ends_with(b"\n") && *crlf.get_or_insert(with_cr) != with_cr;
            outline.ordinary &= !mixed && line.len() <= limits::LINE;
            if starts_with_white(line) {
                match outline.places.last_mut().filter(|_| continuable) {
                    Some(field) => {
                        field.end = end;
                        field.folded = true;
                        outline.ordinary &= !line.trim_ascii().is_empty();
                    }
                    None => outline.ordinary = false,
                }
                continue;
            }
            let colon = outline.colon(line);
            outline.full |= colon.is_some() && outline.places.len() >= limits::HEADER_FIELDS;
            continuable = colon.is_some() && !outline.full;
            if let Some(colon) = colon.filter(|_| continuable) {
                outline.places.push(Place {
                    start: place(start),
                    colon: place(start.saturating_add(colon)),
                    end,
                    folded: false,
                });
            }
        }
        outline
    }

    /// Where the name of the field ends that `line` begins.
    fn colon(&mut self, line: &[u8]) -> Option<usize> {
        let in_name = |byte: &u8| IN_NAME.get(usize::from(*byte)) == Some(&true);
        let end = line.iter().position(|byte| !in_name(byte)).unwrap_or(0);
        if let Some((name @ [_, ..], [b':', value @ ..])) = line.split_at_checked(end) {
            self.ordinary &= !(begins_again(name, value) && decides(name));
            return Some(end);
        }
        self.ordinary = false;
        memchr(b':', line).filter(|_| !is_envelope(line))
    }

    /// Whether every line is a field with a name as it should be, or continues one. Then the fields end where the block
    /// does, and [`examine`](super::examine) has nothing to tell: nearly every mail is spared two thorough looks.
    pub fn is_ordinary(&self) -> bool {
        self.ordinary
    }

    /// Whether there are more fields than the limit: the others are passed over.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The fields in `block`: the one that was outlined, or its beginning, cut before a line that continues nothing.
    pub fn fields<'b>(&'b self, block: &'b [u8]) -> Fields<'b> {
        let within = self.places.partition_point(|field| index(field.start) < block.len());
        Fields {
            block,
            places: self.places.get(..within).unwrap_or_default(),
            text: self.plain.then(|| str::from_utf8(block).ok()).flatten(),
        }
    }
}

/// The bytes of a field's name (RFC 5322, 2.2) that begin no comment.
static IN_NAME: [bool; 256] = in_name();

const fn in_name() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte: usize = b'!' as usize;
    while byte <= b'~' as usize {
        #[allow(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler; iterators are not const"
        )]
        {
            table[byte] = byte != b':' as usize && byte != b'(' as usize;
        }
        byte = byte.wrapping_add(1);
    }
    table
}

/// About the length of a field, to make room.
const FIELD: usize = 64;

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// These two do not stop at the first, so that the compiler makes them look at many bytes at once.
fn has_bare_cr(block: &[u8]) -> bool {
    let pairs = block.iter().zip(block.get(1..).unwrap_or_default());
    let bare = pairs.fold(0, |found, pair| found | u8::from(*pair.0 == b'\r' && *pair.1 != b'\n'));
    bare != 0 || block.ends_with(b"\r")
}

/// Whether there is nothing but ASCII that shows, white space and line ends, and no beginning of an encoded word.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch keeps the compiler from looking at many bytes at once"
)]
fn is_plain(block: &[u8]) -> bool {
    let odd = |byte: u8| (byte > b'~') | ((byte < b' ') & (byte != b'\t') & (byte != b'\r') & (byte != b'\n'));
    let pairs = block.iter().zip(block.get(1..).unwrap_or_default());
    let found = pairs.fold(false, |found, pair| {
        found | odd(*pair.0) | ((*pair.0 == b'=') & (*pair.1 == b'?'))
    });
    !found && !block.last().is_some_and(|last| odd(*last))
}

/// The fields of one header block, in order. Lines that are no field and continue none are passed over.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'b> {
    block: &'b [u8],
    places: &'b [Place],
    /// The block, where it is plain.
    text: Option<&'b str>,
}

impl<'b> Fields<'b> {
    /// No field.
    pub const NONE: Fields<'static> = Fields {
        block: b"",
        places: &[],
        text: None,
    };

    /// The value of the first field called `name` (in lower case), as written.
    pub fn first(self, name: &str) -> Option<&'b [u8]> {
        self.into_iter().find(|field| field.is(name)).map(|field| field.value)
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.places.len()
    }

    /// Bytes of the block, line ends included: more than all names and values have.
    pub fn bytes(self) -> usize {
        self.block.len()
    }
}

impl<'b> IntoIterator for Fields<'b> {
    type Item = Field<'b>;
    type IntoIter = FieldIterator<'b>;

    fn into_iter(self) -> FieldIterator<'b> {
        FieldIterator {
            block: self.block,
            places: self.places.iter(),
            text: self.text,
        }
    }
}

/// One header field, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'b> {
    /// Where it begins in the block.
    pub at: usize,
    /// Before the colon, without white space behind it.
    pub name: &'b [u8],
    /// After the colon: folded lines, still with their line ends.
    pub value: &'b [u8],
    folded: bool,
    /// The value, where the block is plain: what is to be done about it is to unfold it.
    text: Option<&'b str>,
}

impl Field<'_> {
    /// Whether the name is `name` (in lower case).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Appends the value's text: unfolded, then as [`encoded_word::decode`] reads it. `unfolded` is reused from field to
    /// field.
    pub fn text(&self, part_charset: Option<&[u8]>, unfolded: &mut Vec<u8>, output: &mut String) -> Notes {
        match self.text {
            None => return encoded_word::decode(unfold(self.value, unfolded), part_charset, output),
            Some(text) if !self.folded => output.push_str(text.trim_ascii()),
            Some(text) => {
                let start = output.len();
                let mut rest = text;
                while !rest.is_empty() {
                    let end = memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |end| end.saturating_add(1));
                    let (line, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    rest = after;
                    let line = line.trim_ascii();
                    if !line.is_empty() {
                        if output.len() > start {
                            output.push(' ');
                        }
                        output.push_str(line);
                    }
                }
            }
        }
        Notes::default()
    }
}

/// Yields [`Field`]s.
#[derive(Debug, Clone)]
pub struct FieldIterator<'b> {
    block: &'b [u8],
    places: std::slice::Iter<'b, Place>,
    text: Option<&'b str>,
}

impl<'b> Iterator for FieldIterator<'b> {
    type Item = Field<'b>;

    fn next(&mut self) -> Option<Field<'b>> {
        let field = self.places.next()?;
        let [start, colon, end] = [field.start, field.colon, field.end].map(index);
        let value = colon.saturating_add(1)..end;
        Some(Field {
            at: start,
            name: self.block.get(start..colon)?.trim_ascii_end(),
            value: self.block.get(value.clone())?,
            folded: field.folded,
            text: self.text.and_then(|text| text.get(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{end_of_fields, examine};
    use super::Outline;
    use crate::limits;
    use crate::mime::encoded_word::{self, Notes};
    use crate::mime::header::unfold;

    fn text(value: &[u8]) -> (String, Notes) {
        let (mut unfolded, mut text) = (b"old".to_vec(), String::new());
        let notes = encoded_word::decode(unfold(value, &mut unfolded), None, &mut text);
        (text, notes)
    }

    #[test]
    fn fields_come_in_order_with_their_continuations() {
        let block = b"Subject: a\r\n b\r\nX : 1\nno field here\r\n\tlost\r\nEmpty:\r\nLast: z";
        let outline = Outline::new(block, &mut None);
        let fields = outline.fields(block);
        let found: Vec<_> = fields
            .into_iter()
            .map(|field| (field.name, text(field.value).0))
            .collect();
        let expected = [("Subject", "a b"), ("X", "1"), ("Empty", ""), ("Last", "z")];
        assert_eq!(found, expected.map(|(name, value)| (name.as_bytes(), value.to_owned())));
        assert_eq!((fields.count(), fields.bytes()), (4, block.len()));
        assert_eq!(fields.first("x"), Some(&b" 1\n"[..]));
        assert_eq!(fields.first("absent"), None);
        let twice = b"A: 1\nA: 2\n";
        let outline = Outline::new(twice, &mut None);
        assert_eq!(
            outline.fields(twice).first("a"),
            Some(&b" 1\n"[..]),
            "the first one counts"
        );
        assert_eq!(outline.fields(&twice[..5]).count(), 1, "of the beginning");
    }

    /// What the block is made of here shows every way to go through the lines.
    fn blocks() -> impl Iterator<Item = Vec<u8>> {
        let pieces: [&[u8]; 9] = [b"A", b":", b" ", b"\n", b"\r\n", b"\r", b"(", b"\0", b"From "];
        (0..9_usize.pow(6)).map(move |number| {
            let digits = (0..6).map(|place| number / 9_usize.pow(place) % 9);
            digits.map(|digit| pieces[digit]).collect::<Vec<_>>().concat()
        })
    }

    #[test]
    fn a_block_that_looks_ordinary_has_nothing_to_report() {
        let is_ordinary = |block: &[u8], crlf: Option<bool>| Outline::new(block, &mut { crlf }).is_ordinary();
        let mut ordinary = 0;
        for block in blocks().filter(|block| is_ordinary(block, None)) {
            ordinary += 1;
            assert_eq!(end_of_fields(&block), block.len(), "{}", block.escape_ascii());
            examine(&block, &mut None, &mut |flag, _| {
                panic!("{}: {}", block.escape_ascii(), flag.name())
            });
        }
        assert!(ordinary > 1000, "{ordinary}");
        assert!(is_ordinary(b"Subject: a\r\n b\r\nX-A:\r\nX-B: : smile\r\nDate:x", None));
        assert!(!is_ordinary(b"A: b\n", Some(true)) && !is_ordinary(b"A: b\r\n", Some(false)));
    }

    #[test]
    fn fields_at_the_limit_and_beyond() {
        for count in [limits::HEADER_FIELDS, limits::HEADER_FIELDS + 1] {
            let block = b"A:\n b\n".repeat(count);
            let outline = Outline::new(&block, &mut None);
            assert_eq!(outline.is_full(), count > limits::HEADER_FIELDS);
            assert_eq!(outline.fields(&block).count(), limits::HEADER_FIELDS);
            let last = outline.fields(&block).into_iter().last().unwrap();
            assert_eq!(last.value, b"\n b\n", "without what continues the next one");
        }
    }

    #[test]
    fn a_value_has_the_same_text_by_the_short_way() {
        let values: [&[u8]; 8] = [
            b"=?utf-8?Q?=41?=",
            b"=\n ?",
            b"a\r\n\r\n b",
            b"\xe9",
            b"a\0",
            b"~ ",
            b"\t",
            b"=",
        ];
        let values = values.into_iter().map(<[u8]>::to_vec).chain(blocks().step_by(97));
        for value in values {
            let block = [b"X: ", value.as_slice(), b"\n"].concat();
            let outline = Outline::new(&block, &mut None);
            for field in outline.fields(&block) {
                let mut short = String::new();
                let notes = field.text(None, &mut b"old".to_vec(), &mut short);
                assert_eq!((short, notes), text(field.value), "{}", block.escape_ascii());
            }
        }
    }

    #[test]
    fn a_continuation_of_nothing_is_passed_over() {
        let block = b" lost\r\nA: 1\r\nno field\r\n lost\r\n";
        let outline = Outline::new(block, &mut None);
        assert_eq!(
            outline
                .fields(block)
                .into_iter()
                .map(|field| field.value)
                .collect::<Vec<_>>(),
            [b" 1\r\n"]
        );
    }
}
