//! What a header block declares of the content that follows it, and where it can be read in two ways.
//!
//! On conflict the first field and the first parameter count, as with most readers; the conflict is flagged.

use super::anomaly::Flag;
use super::encoded_word;
use super::file_name;
use super::header::{Field, Fields, unfold};
use super::parameter::{Note, Parameterized, is_token};
use super::pkcs7;
use super::survey::Data;
use super::transfer::Encoding;
use crate::limits;

/// The content fields of one header block.
#[derive(Debug)]
pub(super) struct Declared {
    /// Content-Type, or the default.
    pub(super) content_type: Parameterized,
    /// Content-Disposition.
    pub(super) disposition: Option<Parameterized>,
    /// Content-Transfer-Encoding, as far as it can be made out.
    pub(super) encoding: Encoding,
    /// What it allows the content to be made of.
    pub(super) data: Data,
    /// What the content is.
    pub(super) nature: Nature,
    /// Whether there is a Content-Type.
    pub(super) typed: bool,
    /// What was found, and where in the block the field is; in no order, some perhaps twice.
    pub(super) flags: Vec<(Flag, usize)>,
    /// Fields that are there again: each flag once.
    pub(super) repeated: Vec<Repeated>,
}

/// Fields that are there again.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) flag: Flag,
    /// Where in the block the first of them is.
    pub(super) at: usize,
    pub(super) count: u64,
}

/// What content is declared to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Leaf,
    Message,
    /// An S/MIME object.
    Cms,
    /// With its boundary; without one, its parts cannot be told apart.
    Multipart(Option<Vec<u8>>),
}

/// Where a header block stands decides what is its default type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A mail's own header, or a part of an ordinary multipart (RFC 2045, 5.2).
    Ordinary,
    /// A part of a multipart/digest (RFC 2046, 5.1.5).
    InDigest,
}

impl Declared {
    /// Reads `fields`. The 8-bit bytes of names are in `charset`, unless the fields name another.
    pub(super) fn read(fields: Fields<'_>, place: Place, charset: Option<&[u8]>) -> Declared {
        let mut flags = Vec::new();
        let mut unfolded = Vec::new();
        let mut repeated = Vec::new();
        let [content_type, disposition, encodings] = conflicts(fields, &mut repeated);
        let typed = content_type.is_some();
        let [type_at, disposition_at] = [content_type, disposition].map(|field| field.map_or(0, |field| field.at));
        let mut parse = |value: &[u8]| {
            // `Content-Type:: a/b`: the second colon is flagged with the header and read over here.
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b":").unwrap_or(value);
            Parameterized::parse(unfold(value, &mut unfolded))
        };
        let content_type = match content_type {
            Some(field) => parse(field.value),
            None if place == Place::InDigest => Parameterized::parse(b"message/rfc822"),
            None => Parameterized::parse(b"text/plain; charset=us-ascii"),
        };
        let disposition = disposition.map(|field| parse(field.value));
        for (value, at) in [(Some(&content_type), type_at), (disposition.as_ref(), disposition_at)] {
            let Some(value) = value else { continue };
            let noted = value.notes().iter().filter_map(|note| flag_of(note, value));
            let quoted = has_apostrophes(value).then_some(Flag::ParameterQuote);
            flags.extend(noted.chain(quoted).map(|flag| (flag, at)));
        }
        let protection = pkcs7::protection(&content_type);
        let malformed = (typed && !content_type.value.contains('/')).then_some(Flag::TypeMalformed);
        flags.extend(protection.into_iter().chain(malformed).map(|flag| (flag, type_at)));
        let charset = content_type.charset().or(charset);
        let names = [
            disposition.as_ref().and_then(|value| value.text("filename", charset)),
            content_type.text("name", charset),
        ];
        // Thunderbird asks Content-Disposition for `name` first where a mail is nothing but an attachment.
        let third = disposition.as_ref().and_then(|value| value.text("name", charset));
        let mut said = names.iter().flatten().chain(&third);
        if let Some(first) = said.next()
            && said.any(|other| other != first)
        {
            flags.push((Flag::ConflictFilename, disposition_at));
        }
        let find = |called: &[&str]| {
            let mut fields = fields.into_iter();
            fields.find(|field| called.iter().any(|name| field.is(name)) && !field.value.trim_ascii().is_empty())
        };
        // By these it knows what kind of file a part is, where there is no other name.
        if names.iter().all(Option::is_none)
            && let Some(field) = find(&["content-name", "x-sun-data-name"])
        {
            flags.push((Flag::ConflictFilename, field.at));
        }
        // What is there it opens instead of the part.
        if let Some(field) = find(&["x-mozilla-external-attachment-url"]) {
            flags.push((Flag::ExternalBody, field.at));
        }
        let (encoding, data) = encoding(encodings, fields, &mut flags);
        let nature = nature(&content_type, disposition.as_ref(), &mut |flag| {
            flags.push((flag, type_at));
        });
        let is_mail = || {
            let names = file_name::names(&content_type, disposition.as_ref());
            names.iter().any(|name| file_name::has_extension(name, &["eml"]))
        };
        match &nature {
            Nature::Multipart(_) if names.iter().any(Option::is_some) => flags.push((Flag::MultipartNamed, type_at)),
            // Thunderbird goes by the name where nothing else says more, and shows the mail. What is in base64 is only offered
            // to be opened, as any file is.
            Nature::Leaf
                if (is_of_no_type(&content_type.value) || !typed) && encoding != Encoding::Base64 && is_mail() =>
            {
                flags.push((Flag::MessageOther, type_at));
            }
            _ => {}
        }
        Declared {
            content_type,
            disposition,
            encoding,
            data,
            nature,
            typed,
            flags,
            repeated,
        }
    }

    /// Of bytes that no header describes, but perhaps a name, and how they begin: what can be read is text.
    pub(super) fn file(name: Option<&str>, beginning: &[u8]) -> Declared {
        let is_utf8 = str::from_utf8(beginning).map_or_else(|error| error.error_len().is_none(), |_| true);
        let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        let mut value = if is_utf8 && !beginning.iter().any(is_control) {
            b"text/plain".to_vec()
        } else {
            b"application/octet-stream".to_vec()
        };
        if let Some(name) = name {
            value.extend_from_slice(b"; name*=utf-8''");
            value.extend(name.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()));
        }
        let content_type = Parameterized::parse(&value);
        let nature = nature(&content_type, None, &mut |_| {});
        Declared {
            content_type,
            disposition: None,
            encoding: Encoding::Identity,
            data: Data::Binary,
            nature,
            typed: true,
            flags: Vec::new(),
            repeated: Vec::new(),
        }
    }
}

/// What mail programs write where they know no type.
pub(super) fn is_of_no_type(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/octet-stream" | "application/x-unknown-content-type"
    )
}

/// `name='a.txt'`: quotes for some readers, part of the value by RFC 2045.
fn has_apostrophes(value: &Parameterized) -> bool {
    value
        .names()
        .filter_map(|name| value.parameter(name))
        .any(|value| matches!(value, [b'\'', .., b'\'']))
}

fn flag_of(note: &Note, value: &Parameterized) -> Option<Flag> {
    Some(match note {
        Note::Value => Flag::TypeMalformed,
        Note::List => Flag::TypeList,
        Note::Comment => Flag::ValueComment,
        Note::Quote => Flag::ParameterQuote,
        Note::Separator => Flag::ParameterSeparator,
        Note::Unreadable => Flag::ParameterUnreadable,
        // Every mail program writes file names so, and every reader knows it.
        Note::Rfc2047 => {
            let elsewhere = |name: &str| !matches!(name, "name" | "filename");
            let encoded = |name: &str| {
                value
                    .parameter(name)
                    .is_some_and(|bytes| memchr::memmem::find(bytes, b"=?").is_some())
            };
            let hidden = value.value.contains("=?") || value.names().any(|name| elsewhere(name) && encoded(name));
            return hidden.then_some(Flag::ParameterEncodedWord);
        }
        Note::Rfc2231 => Flag::ParameterExtended,
        Note::ControlInName => Flag::ControlInFileName,
        Note::StatefulCharset => Flag::CharsetStateful,
        Note::Ebcdic => Flag::CharsetEbcdic,
        Note::ByteOrder => Flag::CharsetByteOrder,
        Note::Raw8Bit => Flag::RawEightBitHeader,
        // The boundary is flagged where a line has what is left of it.
        Note::Repeated(_) | Note::UnquotedBoundary => return None,
        Note::Conflict(name) => match name.as_str() {
            "boundary" => Flag::ConflictBoundary,
            "charset" => Flag::ConflictCharset,
            "name" => Flag::ConflictName,
            "filename" => Flag::ConflictFilename,
            "start" => Flag::ConflictStart,
            _ => Flag::ConflictParameter,
        },
        Note::Limit => Flag::LimitHeader,
    })
}

/// The first Content-Type, Content-Disposition and Content-Transfer-Encoding; and those that are there again of these and
/// of the fields that RFC 5322, section 3.6 allows once. It is a conflict where people or programs go by the field and the
/// values differ.
fn conflicts<'b>(fields: Fields<'b>, repeated: &mut Vec<Repeated>) -> [Option<Field<'b>>; 3] {
    let mut first: [Option<Field<'_>>; 14] = [None; 14];
    for field in fields {
        let Some((position, flag)) = once(field.name) else {
            continue;
        };
        let Some(first) = first.get_mut(position) else {
            continue;
        };
        let Some(first) = first else {
            *first = Some(field);
            continue;
        };
        let same = first.value.trim_ascii() == field.value.trim_ascii();
        let flag = if same { Flag::HeaderRepeated } else { flag };
        match repeated.iter_mut().find(|known| known.flag == flag) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => repeated.push(Repeated {
                flag,
                at: field.at,
                count: 1,
            }),
        }
    }
    let [content_type, disposition, encoding, ..] = first;
    [content_type, disposition, encoding]
}

/// The number of a field that is there once, and what it is if it is there again with another value.
fn once(name: &[u8]) -> Option<(usize, Flag)> {
    let (known, position, flag) = match (name.len(), name.first()?.to_ascii_lowercase()) {
        (12, b'c') => ("content-type", 0, Flag::ConflictContentType),
        (19, b'c') => ("content-disposition", 1, Flag::ConflictDisposition),
        (25, b'c') => ("content-transfer-encoding", 2, Flag::ConflictTransferEncoding),
        (4, b'f') => ("from", 3, Flag::ConflictFrom),
        (7, b's') => ("subject", 4, Flag::ConflictSubject),
        (4, b'd') => ("date", 5, Flag::ConflictDate),
        (2, b't') => ("to", 6, Flag::ConflictTo),
        (10, b'm') => ("message-id", 7, Flag::ConflictMessageId),
        (6, b's') => ("sender", 8, Flag::HeaderRepeated),
        (8, b'r') => ("reply-to", 9, Flag::HeaderRepeated),
        (2, b'c') => ("cc", 10, Flag::HeaderRepeated),
        (3, b'b') => ("bcc", 11, Flag::HeaderRepeated),
        (11, b'i') => ("in-reply-to", 12, Flag::HeaderRepeated),
        (10, b'r') => ("references", 13, Flag::HeaderRepeated),
        _ => return None,
    };
    name.eq_ignore_ascii_case(known.as_bytes()).then_some((position, flag))
}

/// The first Content-Transfer-Encoding that is one; else the first from which one can be made out. `first` is the first
/// field, which in ordinary mail is the only one.
fn encoding(first: Option<Field<'_>>, fields: Fields<'_>, flags: &mut Vec<(Flag, usize)>) -> (Encoding, Data) {
    let Some(first) = first else {
        return (Encoding::Identity, Data::SevenBit);
    };
    let said = |field: &Field<'_>| !field.value.trim_ascii().is_empty();
    let others = || {
        let named = fields.into_iter().filter(|field| field.is("content-transfer-encoding"));
        named.filter(said)
    };
    let is_one = |field: &Field<'_>| Encoding::parse(field.value).is_some();
    let exact = Some(first)
        .filter(said)
        .filter(is_one)
        .or_else(|| others().find(is_one));
    if let Some((encoding, field)) = exact.and_then(|field| Some((Encoding::parse(field.value)?, field))) {
        if matches!(encoding, Encoding::Uuencode | Encoding::Yenc) {
            flags.push((Flag::EmbeddedEncoding, field.at));
        }
        return (encoding, Data::of(encoding, field.value));
    }
    let Some(Field { value, at, .. }) = others().next() else {
        return (Encoding::Identity, Data::SevenBit);
    };
    flags.push((Flag::TransferUnknown, at));
    if value.contains(&b'(') {
        flags.push((Flag::ValueComment, at));
    }
    if value.trim_ascii().contains(&b'\n') {
        flags.push((Flag::TransferSplit, at));
    }
    let mut unfolded = Vec::new();
    let mut text = String::new();
    encoded_word::decode(unfold(value, &mut unfolded), None, &mut text);
    if text.to_ascii_lowercase().contains("binhex") {
        flags.push((Flag::EmbeddedEncoding, at));
    }
    (Encoding::make_out(&text), Data::EightBit)
}

fn nature(content_type: &Parameterized, disposition: Option<&Parameterized>, found: &mut dyn FnMut(Flag)) -> Nature {
    let value = content_type.value.as_str();
    let boundary = content_type
        .parameter("boundary")
        .filter(|boundary| !boundary.is_empty());
    if value.starts_with("multipart/") {
        let unquoted = content_type.notes().contains(&Note::UnquotedBoundary);
        // For readers that take no more of it, nothing is left.
        let begins_special = |boundary: &[u8]| unquoted && !boundary.first().is_some_and(|byte| is_token(*byte));
        match boundary {
            Some(boundary) if is_odd(boundary) || begins_special(boundary) => found(Flag::BoundaryOdd),
            Some(_) => {}
            None => found(Flag::MultipartNoBoundary),
        }
        // No line that could have it is a boundary line.
        let boundary = boundary.filter(|boundary| boundary.len().saturating_add(2) <= limits::BOUNDARY_LINE);
        return Nature::Multipart(boundary.map(<[u8]>::to_vec));
    }
    match value {
        // `message/news` (RFC 5537, 4.2) is obsolete, but for readers that know it still a mail.
        // What `message/rfc2822` says is clear, though nobody registered it.
        "message/rfc822" | "message/global" | "message/news" | "message/rfc2822" => return Nature::Message,
        "message/partial" => found(Flag::MessagePartial),
        "message/external-body" => found(Flag::ExternalBody),
        "application/mac-binhex40" | "application/mac-binhex" => found(Flag::EmbeddedEncoding),
        _ => {}
    }
    if pkcs7::announced(content_type, disposition) {
        if is_shown(value) {
            found(Flag::EmbeddedEncoding);
        }
        return Nature::Cms;
    }
    let Some(boundary) = boundary else { return Nature::Leaf };
    found(Flag::BoundaryElsewhere);
    if is_known(value) || boundary.len().saturating_add(2) > limits::BOUNDARY_LINE {
        Nature::Leaf
    } else {
        // `ultipart/mixed; boundary=b`: whoever wrote a boundary meant parts.
        Nature::Multipart(Some(boundary.to_vec()))
    }
}

/// Longer than the 70 characters of RFC 2046, or like a closing line, or with what readers treat differently although the
/// RFC allows it within quotes. Not for what a program puts into every mail where that hurts no reader: parentheses of Sun's
/// server, the space of Domino's (`=_mixed 00622C9F86258443_=`). nmh's spaces are flagged, for some readers end there.
fn is_odd(boundary: &[u8]) -> bool {
    let odd = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b';' | b'"' | b'\\' | b',' | b'(' | b')');
    let sun = boundary
        .strip_prefix(b"Boundary_(ID_")
        .and_then(|rest| rest.strip_suffix(b")"));
    let domino: [&[u8]; 3] = [b"=_alternative ", b"=_mixed ", b"=_related "];
    let domino = domino
        .iter()
        .find_map(|start| boundary.strip_prefix(*start)?.strip_suffix(b"_="));
    let ordinary = sun.or(domino.filter(|id| id.iter().all(u8::is_ascii_hexdigit)));
    boundary.len() > 70 || ordinary.unwrap_or(boundary).iter().any(odd) || boundary.ends_with(b"--")
}

/// Whether a reader that goes by the type shows content of it. If its name says something else, another reader unpacks it.
pub(super) fn is_shown(media_type: &str) -> bool {
    !media_type.starts_with("application/") && (is_known(media_type) || media_type.is_empty())
}

/// A top-level media type (IANA's registry).
fn is_known(media_type: &str) -> bool {
    let top = media_type.split('/').next().unwrap_or_default();
    matches!(
        top,
        "text" | "application" | "image" | "audio" | "video" | "message" | "font" | "model" | "chemical"
    )
}

#[cfg(test)]
mod tests;
