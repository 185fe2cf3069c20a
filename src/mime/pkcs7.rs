//! S/MIME objects (RFC 8551; CMS, RFC 5652): which entities they are in, and the content that a signed one encloses.
//!
//! An opaque signature hides a whole mail body from every reader that does not know CMS, and needs no key to be read:
//! the content lies in it as it is, in one OCTET STRING or, as BER allows, in many. [`Reader`] walks `ContentInfo`,
//! `SignedData`, `encapContentInfo`, `eContent`, and passes over everything else; it verifies nothing. `CompressedData`
//! (RFC 3274) has the same shape, its content is a zlib stream.

pub(super) mod content;
mod inflating;

use super::anomaly::Flag;
use super::cuts::cuts;
use super::file_name;
use super::parameter::Parameterized;
use super::tnef::is_filler;
use crate::limits;
use inflating::Inflating;

/// Whether an entity calls itself an S/MIME object, by type (RFC 8551, 3.2) or by the name that the RFC gives to it (3.9). A
/// signature that should stand beside its content can enclose one, too.
pub fn announced(content_type: &Parameterized, disposition: Option<&Parameterized>) -> bool {
    matches!(
        content_type.value.as_str(),
        "application/pkcs7-mime"
            | "application/x-pkcs7-mime"
            | "application/pkcs7-signature"
            | "application/x-pkcs7-signature"
    ) || file_name::names(content_type, disposition)
        .iter()
        .any(|name| stem(name).is_some())
}

/// What the object is called, without the extension that says what it is.
pub(super) fn bare_name(content_type: &Parameterized, disposition: Option<&Parameterized>) -> Option<String> {
    let names = file_name::names(content_type, disposition);
    names.iter().find_map(|name| stem(name)).map(str::to_owned)
}

/// What stands before the extension that makes a file an S/MIME object.
fn stem(name: &str) -> Option<&str> {
    // Not `p7c`, which the RFC names as well: certificates alone are no mail.
    let known = file_name::has_extension(name, &["p7m", "p7s", "p7z"]);
    name.rsplit_once('.').filter(|_| known).map(|(stem, _)| stem)
}

/// What an entity's own type says of signatures and encryption (RFC 1847, RFC 3156, RFC 8551).
pub fn protection(content_type: &Parameterized) -> Option<Flag> {
    let protocol = content_type.parameter("protocol").unwrap_or_default();
    match content_type.value.as_str() {
        "multipart/encrypted" | "application/pgp-encrypted" => Some(Flag::Encrypted),
        "multipart/signed"
            if [&b"application/pkcs7-signature"[..], b"application/x-pkcs7-signature"]
                .iter()
                .any(|smime| protocol.eq_ignore_ascii_case(smime)) =>
        {
            Some(Flag::Smime)
        }
        _ => None,
    }
}

/// What a CMS object turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its content, if it encloses any, has been given whole.
    Read,
    /// `EnvelopedData`, `EncryptedData` or `AuthEnvelopedData`: its content needs a key.
    Encrypted,
    /// Damaged, inflating to too much, or not CMS: some of the content, or none, has been given.
    Unread,
}

/// Walks one CMS object: `feed` in pieces, then `finish`.
pub struct Reader {
    state: State,
    /// Bytes read.
    position: u64,
    /// The tag and length under way.
    head: Vec<u8>,
    /// What the primitive value under way is for, and how much of it is to come.
    value: Role,
    left: u64,
    /// The object identifier under way.
    identifier: Vec<u8>,
    /// The constructed values under way, outermost first.
    open: Vec<Constructed>,
    /// The content has been given; signatures and certificates follow.
    given: bool,
    /// An element was longer than the one around it, or stood where content should; or something follows the object.
    odd: bool,
    /// Whether compressed content is inflated.
    may_inflate: bool,
    inflating: Option<Inflating>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// The object is over.
    Behind,
    /// It is damaged, or no CMS: what follows could be anything.
    Stopped,
    /// What follows is of no interest.
    Encrypted,
}

#[derive(Debug)]
struct Constructed {
    role: Role,
    /// Where it ends; `None` for the indefinite form, which ends with a mark (X.690, 8.1.3.6).
    end: Option<u64>,
    children: usize,
}

/// What an element is, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The input, not an element.
    Input,
    ContentInfo,
    ContentType,
    /// The `[0]` around `SignedData`.
    Content,
    SignedData,
    EncapsulatedContentInfo,
    EncapsulatedContentType,
    /// The `[0]` around the content, the content, and pieces of it.
    Octets,
    Passed,
}

/// The beginning of the identifiers in RFC 5652 (pkcs-7) and in RFC 3274 and RFC 5083 (id-smime-ct).
const PKCS_7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
const SMIME_CONTENT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1];
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
const EXPLICIT_0: u8 = 0xa0;

impl Reader {
    /// At the start of an object. What is compressed inside of what was compressed is not inflated again, or every level
    /// would multiply what the one before it gave.
    pub fn new(may_inflate: bool) -> Reader {
        let input = Constructed {
            role: Role::Input,
            end: None,
            children: 0,
        };
        Reader {
            state: State::Reading,
            position: 0,
            head: Vec::new(),
            value: Role::Passed,
            left: 0,
            identifier: Vec::new(),
            open: vec![input],
            given: false,
            odd: false,
            may_inflate,
            inflating: None,
        }
    }

    /// Whether its content is compressed.
    pub fn inflates(&self) -> bool {
        self.inflating.is_some()
    }

    /// Appends the content octets in `input`: at most its length; of what is compressed, [`limits::INFLATE_RATIO`] times
    /// as much as has come of the object.
    pub fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while self.state == State::Reading
            && let Some((first, rest)) = input.split_first()
        {
            if self.left > 0 {
                input = self.value(input, output);
            } else {
                self.head.push(*first);
                self.advance(1);
                input = rest;
                match Head::parse(&self.head) {
                    None => continue,
                    Some(Ok(head)) => self.element(head),
                    Some(Err(Malformed)) => self.state = State::Stopped,
                }
                self.head.clear();
            }
            self.close();
        }
        // Another object would be hidden there. Zeros fill up, line ends are left behind.
        self.odd |= self.state == State::Behind && !input.iter().copied().all(is_filler);
    }

    /// The end of the object. Damage behind the content is the business of who verifies it.
    pub fn finish(&self) -> Outcome {
        let inflated = self.inflating.as_ref().is_none_or(|inflating| inflating.ended);
        match self.state {
            State::Encrypted => Outcome::Encrypted,
            _ if self.given && inflated && !self.odd => Outcome::Read,
            _ => Outcome::Unread,
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.position = self.position.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Takes what there is of a primitive value.
    fn value<'i>(&mut self, input: &'i [u8], output: &mut Vec<u8>) -> &'i [u8] {
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at_checked(here).unwrap_or((input, &[]));
        match self.value {
            Role::Octets if self.inflating.is_some() => self.inflate(bytes, output),
            Role::Octets => output.extend_from_slice(bytes),
            Role::ContentType | Role::EncapsulatedContentType => {
                let room = limits::CMS_IDENTIFIER.saturating_sub(self.identifier.len());
                self.identifier.extend(bytes.iter().take(room));
            }
            _ => {}
        }
        self.advance(bytes.len());
        self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.left == 0 && self.value == Role::ContentType {
            self.content_type();
        }
        rest
    }

    /// Octets of compressed content. The stream is fed in steps of fixed size, the last one of a string whatever it has:
    /// where damage is noticed, and how much came before, depends on how an inflater is fed, and must not on the split.
    fn inflate(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        let (mut at, mut left, mut rest) = (self.position, self.left, bytes);
        while let Some(inflating) = self.inflating.as_mut().filter(|_| !rest.is_empty()) {
            let room = limits::INFLATE_STEP.saturating_sub(inflating.step.len());
            let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            inflating.step.extend_from_slice(piece);
            let taken = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            (at, left, rest) = (at.saturating_add(taken), left.saturating_sub(taken), behind);
            let whole = left == 0 || inflating.step.len() == limits::INFLATE_STEP;
            if whole && !inflating.inflate(at.saturating_mul(limits::INFLATE_RATIO), output) {
                self.state = State::Stopped;
                return;
            }
        }
    }

    /// The object's own type is known: only what is signed, compressed or plain is walked on.
    fn content_type(&mut self) {
        let pkcs_7 = self.identifier.strip_prefix(PKCS_7);
        let smime = self.identifier.strip_prefix(SMIME_CONTENT);
        match (pkcs_7, smime) {
            (Some([1 | 2]), _) => {}
            (_, Some([9])) if self.may_inflate => {
                self.inflating = Some(Inflating::default());
            }
            (Some([3 | 6]), _) | (_, Some([23])) => self.state = State::Encrypted,
            _ => self.state = State::Stopped,
        }
    }

    /// An element begins.
    fn element(&mut self, Head { tag, length }: Head) {
        let Some(around) = self.open.last_mut() else { return };
        if (tag, length) == (0, Some(0)) && around.end.is_none() && around.role != Role::Input {
            let role = around.role;
            self.open.pop();
            self.ends(role);
            return;
        }
        let (within, child) = (around.role, around.children);
        around.children = child.saturating_add(1);
        let around_end = around.end;
        let role = self.role(within, child, tag);
        let end = length.map(|length| self.position.checked_add(length));
        match (role, end) {
            // Without its first elements, or longer than anything, it is not CMS.
            (Role::Passed, _) if matches!(within, Role::Input | Role::ContentInfo) && child == 0 => {
                self.state = State::Stopped;
            }
            (_, Some(None)) => self.state = State::Stopped,
            (_, end) => {
                let end = end.flatten();
                self.odd |= !self.given && end > around_end && around_end.is_some();
                // Something else than the content stands where the content should.
                let for_content = match within {
                    Role::ContentInfo | Role::EncapsulatedContentInfo => child == 1,
                    _ => within == Role::Octets,
                };
                self.odd |= !self.given && role == Role::Passed && for_content;
                self.begins(role, tag, length, end);
            }
        }
    }

    fn begins(&mut self, role: Role, tag: u8, length: Option<u64>, end: Option<u64>) {
        let walked = tag & CONSTRUCTED != 0 && (role != Role::Passed || end.is_none());
        if !walked {
            self.value = role;
            self.left = length.unwrap_or_default();
            if matches!(role, Role::ContentType | Role::EncapsulatedContentType) {
                self.identifier.clear();
            }
        } else if self.open.len() > limits::CMS_NESTING {
            self.state = State::Stopped;
        } else {
            self.open.push(Constructed { role, end, children: 0 });
        }
    }

    /// RFC 5652, sections 3 and 5.1 and 5.2, and RFC 3274, section 1.1, by position.
    fn role(&self, within: Role, child: usize, tag: u8) -> Role {
        match (within, child, tag) {
            (Role::Input, 0, SEQUENCE) => Role::ContentInfo,
            (Role::ContentInfo, 0, OBJECT_IDENTIFIER) => Role::ContentType,
            (Role::ContentInfo | Role::EncapsulatedContentInfo, 1, EXPLICIT_0) if self.is_data() => Role::Octets,
            (Role::ContentInfo, 1, EXPLICIT_0) => Role::Content,
            (Role::Content, 0, SEQUENCE) => Role::SignedData,
            (Role::SignedData, 2, SEQUENCE) => Role::EncapsulatedContentInfo,
            (Role::EncapsulatedContentInfo, 0, OBJECT_IDENTIFIER) => Role::EncapsulatedContentType,
            (Role::Octets, _, OCTET_STRING) => Role::Octets,
            (Role::Octets, _, tag) if tag == OCTET_STRING | CONSTRUCTED => Role::Octets,
            _ => Role::Passed,
        }
    }

    /// Whether the last identifier is `id-data`: what S/MIME encloses (RFC 8551, 2.4.1).
    fn is_data(&self) -> bool {
        self.identifier.strip_prefix(PKCS_7) == Some(&[1])
    }

    /// Ends the constructed values whose length is used up.
    fn close(&mut self) {
        while self.left == 0
            && self.head.is_empty()
            && let Some(Constructed {
                role, end: Some(end), ..
            }) = self.open.last()
            && *end <= self.position
        {
            let role = *role;
            self.open.pop();
            self.ends(role);
        }
    }

    /// A constructed value has ended. Signatures and certificates behind the content are passed over. An object other than
    /// plain data that ends without `encapContentInfo` has hidden it where nobody looks.
    fn ends(&mut self, role: Role) {
        if self.state != State::Reading || !matches!(role, Role::EncapsulatedContentInfo | Role::ContentInfo) {
            return;
        }
        self.given |= self.is_data();
        if !self.given {
            self.state = State::Stopped;
        } else if role == Role::ContentInfo {
            self.state = State::Behind;
        } else if let Some(Constructed { end: Some(end), .. }) = self.open.get(1) {
            self.left = end.saturating_sub(self.position);
            self.value = Role::Passed;
            self.open.truncate(2);
        }
    }
}

/// Tag and length of an element.
struct Head {
    /// The identifier octet; the number of a tag over 30 is not kept.
    tag: u8,
    /// `None` is the indefinite form.
    length: Option<u64>,
}

struct Malformed;

impl Head {
    /// `None`: more bytes are needed (X.690, 8.1.2 and 8.1.3).
    fn parse(bytes: &[u8]) -> Option<Result<Head, Malformed>> {
        let (tag, mut rest) = bytes.split_first()?;
        if tag & 0x1f == 0x1f {
            let last = rest.iter().position(|byte| byte & 0x80 == 0);
            let Some(last) = last else {
                return (rest.len() > limits::CMS_TAG).then_some(Err(Malformed));
            };
            rest = rest.get(last.saturating_add(1)..).unwrap_or_default();
        }
        let (first, rest) = rest.split_first()?;
        let length = match first {
            0x80 if tag & CONSTRUCTED == 0 => return Some(Err(Malformed)),
            0x80 => None,
            short if short & 0x80 == 0 => Some(u64::from(*short)),
            long => {
                let octets = usize::from(long & 0x7f);
                if octets > size_of::<u64>() {
                    return Some(Err(Malformed));
                }
                let octets = rest.get(..octets)?;
                let length = octets
                    .iter()
                    .fold(0_u64, |length, octet| length.wrapping_shl(8) | u64::from(*octet));
                Some(length)
            }
        };
        Some(Ok(Head { tag: *tag, length }))
    }
}

/// What so many bytes may become, S/MIME objects that are compressed among them.
pub(super) fn most_inflated(bytes: usize) -> usize {
    let ratio = usize::try_from(limits::INFLATE_RATIO).unwrap_or(usize::MAX);
    let steps = bytes.saturating_add(limits::INFLATE_STEP);
    steps.saturating_mul(ratio).saturating_add(1)
}

/// The same octets for every split, never more than went in, unless they were compressed.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let mut reader = Reader::new(true);
        let mut output = Vec::new();
        for piece in pieces {
            reader.feed(piece, &mut output);
        }
        (output, reader.finish(), reader.inflates())
    };
    let whole = read(&[data]);
    assert!(whole.0.len() <= if whole.2 { most_inflated(data.len()) } else { data.len() });
    for pieces in cuts(data) {
        assert_eq!(whole, read(&pieces), "{} pieces", pieces.len());
    }
}

#[cfg(test)]
mod tests;
