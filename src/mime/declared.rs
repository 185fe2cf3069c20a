//! What a header block declares of the content that follows it, and where it can be read in two ways.
//!
//! On conflict the first field and the first parameter count, as with most readers; the conflict is flagged.

use super::anomaly::Flag;
use super::encoded_word;
use super::header::{Fields, unfold};
use super::parameter::{Note, Parameterized};
use super::pkcs7;
use super::survey::Data;
use super::transfer::Encoding;

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
    /// What was found; in no order, some perhaps twice.
    pub(super) flags: Vec<Flag>,
    /// Fields that are there again, and where in the block.
    pub(super) repeated: Vec<(Flag, usize)>,
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
        let mut parse = |value: &[u8]| {
            // `Content-Type:: a/b`: the second colon is flagged with the header and read over here.
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b":").unwrap_or(value);
            Parameterized::parse(unfold(value, &mut unfolded))
        };
        let content_type = match content_type {
            Some(value) => parse(value),
            None if place == Place::InDigest => Parameterized::parse(b"message/rfc822"),
            None => Parameterized::parse(b"text/plain; charset=us-ascii"),
        };
        let disposition = disposition.map(parse);
        for parameterized in std::iter::once(&content_type).chain(&disposition) {
            flags.extend(
                parameterized
                    .notes()
                    .iter()
                    .filter_map(|note| flag_of(note, parameterized)),
            );
        }
        flags.extend(pkcs7::protection(&content_type));
        if std::iter::once(&content_type).chain(&disposition).any(has_apostrophes) {
            flags.push(Flag::ParameterQuote);
        }
        if typed && !content_type.value.contains('/') {
            flags.push(Flag::TypeMalformed);
        }
        let charset = content_type.charset().or(charset);
        let names = [
            disposition.as_ref().and_then(|value| value.text("filename", charset)),
            content_type.text("name", charset),
        ];
        if let [Some(filename), Some(name)] = names
            && filename != name
        {
            flags.push(Flag::ConflictFilename);
        }
        let (encoding, data) = encoding(encodings, fields, &mut flags);
        let nature = nature(&content_type, disposition.as_ref(), &mut flags);
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
        Note::StatefulCharset => Flag::CharsetStateful,
        Note::Raw8Bit => Flag::RawEightBitHeader,
        Note::Repeated(_) => return None,
        Note::Conflict(name) => match name.as_str() {
            "boundary" => Flag::ConflictBoundary,
            "charset" => Flag::ConflictCharset,
            "name" => Flag::ConflictName,
            "filename" => Flag::ConflictFilename,
            _ => Flag::ConflictParameter,
        },
        Note::Limit => Flag::LimitHeader,
    })
}

/// The first Content-Type, Content-Disposition and Content-Transfer-Encoding; and those that are there again of these and
/// of the fields that RFC 5322, section 3.6 allows once. It is a conflict where people or programs go by the field and the
/// values differ.
fn conflicts<'b>(fields: Fields<'b>, repeated: &mut Vec<(Flag, usize)>) -> [Option<&'b [u8]>; 3] {
    const ONCE: [(&str, Flag); 14] = [
        ("content-type", Flag::ConflictContentType),
        ("content-disposition", Flag::ConflictDisposition),
        ("content-transfer-encoding", Flag::ConflictTransferEncoding),
        ("from", Flag::ConflictFrom),
        ("subject", Flag::ConflictSubject),
        ("date", Flag::ConflictDate),
        ("to", Flag::ConflictTo),
        ("message-id", Flag::ConflictMessageId),
        ("sender", Flag::HeaderRepeated),
        ("reply-to", Flag::HeaderRepeated),
        ("cc", Flag::HeaderRepeated),
        ("bcc", Flag::HeaderRepeated),
        ("in-reply-to", Flag::HeaderRepeated),
        ("references", Flag::HeaderRepeated),
    ];
    let mut first: [Option<&[u8]>; 14] = [None; 14];
    for field in fields {
        let named = ONCE.iter().zip(&mut first).find(|((name, _), _)| field.is(name));
        match named {
            None => {}
            Some((_, first @ None)) => *first = Some(field.value),
            Some((_, Some(first))) if first.trim_ascii() == field.value.trim_ascii() => {
                repeated.push((Flag::HeaderRepeated, field.at));
            }
            Some(((_, flag), _)) => repeated.push((*flag, field.at)),
        }
    }
    let [content_type, disposition, encoding, ..] = first;
    [content_type, disposition, encoding]
}

/// The first Content-Transfer-Encoding that is one; else the first from which one can be made out. `first` is the first
/// field, which in ordinary mail is the only one.
fn encoding(first: Option<&[u8]>, fields: Fields<'_>, flags: &mut Vec<Flag>) -> (Encoding, Data) {
    let Some(first) = first else {
        return (Encoding::Identity, Data::SevenBit);
    };
    let said = |value: &&[u8]| !value.trim_ascii().is_empty();
    let others = || {
        let named = fields.into_iter().filter(|field| field.is("content-transfer-encoding"));
        named.map(|field| field.value).filter(said)
    };
    let parse = |value| Some((Encoding::parse(value)?, value));
    let exact = Some(first).filter(said).and_then(parse);
    if let Some((encoding, value)) = exact.or_else(|| others().find_map(parse)) {
        if matches!(encoding, Encoding::Uuencode | Encoding::Yenc) {
            flags.push(Flag::EmbeddedEncoding);
        }
        return (encoding, Data::of(encoding, value));
    }
    let Some(value) = others().next() else {
        return (Encoding::Identity, Data::SevenBit);
    };
    flags.push(Flag::TransferUnknown);
    if value.contains(&b'(') {
        flags.push(Flag::ValueComment);
    }
    if value.trim_ascii().contains(&b'\n') {
        flags.push(Flag::TransferSplit);
    }
    let mut unfolded = Vec::new();
    let mut text = String::new();
    encoded_word::decode(unfold(value, &mut unfolded), None, &mut text);
    if text.to_ascii_lowercase().contains("binhex") {
        flags.push(Flag::EmbeddedEncoding);
    }
    (Encoding::make_out(&text), Data::EightBit)
}

fn nature(content_type: &Parameterized, disposition: Option<&Parameterized>, flags: &mut Vec<Flag>) -> Nature {
    let value = content_type.value.as_str();
    let boundary = content_type
        .parameter("boundary")
        .filter(|boundary| !boundary.is_empty());
    if value.starts_with("multipart/") {
        match boundary {
            Some(boundary) if is_odd(boundary) => flags.push(Flag::BoundaryOdd),
            Some(_) => {}
            None => flags.push(Flag::MultipartNoBoundary),
        }
        return Nature::Multipart(boundary.map(<[u8]>::to_vec));
    }
    match value {
        "message/rfc822" | "message/global" => return Nature::Message,
        "message/partial" => flags.push(Flag::MessagePartial),
        "message/external-body" => flags.push(Flag::ExternalBody),
        "application/mac-binhex40" | "application/mac-binhex" => flags.push(Flag::EmbeddedEncoding),
        _ => {}
    }
    if pkcs7::announced(content_type, disposition) {
        return Nature::Cms;
    }
    let Some(boundary) = boundary else { return Nature::Leaf };
    flags.push(Flag::BoundaryElsewhere);
    if is_known(value) {
        Nature::Leaf
    } else {
        // `ultipart/mixed; boundary=b`: whoever wrote a boundary meant parts.
        Nature::Multipart(Some(boundary.to_vec()))
    }
}

/// Longer than the 70 characters of RFC 2046, or like a closing line, or with what readers treat differently although the
/// RFC allows it within quotes. Not for what a program puts into every mail: parentheses (Sun's server), spaces (nmh).
fn is_odd(boundary: &[u8]) -> bool {
    let odd = |byte: &u8| {
        (!byte.is_ascii_graphic() && *byte != b' ') || matches!(byte, b';' | b'"' | b'\\' | b',' | b'(' | b')')
    };
    let ordinary = boundary
        .strip_prefix(b"Boundary_(ID_")
        .and_then(|rest| rest.strip_suffix(b")"));
    boundary.len() > 70
        || ordinary.unwrap_or(boundary).iter().any(odd)
        || [boundary.first(), boundary.last()].contains(&Some(&b' '))
        || boundary.ends_with(b"--")
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
mod tests {
    use super::{Declared, Nature, Place};
    use crate::mime::header::Fields;
    use crate::mime::transfer::Encoding;

    fn read(block: &str) -> (Declared, Vec<&'static str>) {
        let declared = Declared::read(Fields::new(block.as_bytes()), Place::Ordinary, None);
        let repeated = declared.repeated.iter().map(|(flag, _)| flag);
        let mut flags: Vec<_> = declared.flags.iter().chain(repeated).map(|flag| flag.name()).collect();
        flags.sort_unstable();
        flags.dedup();
        (declared, flags)
    }

    #[test]
    fn ordinary_headers_raise_nothing() {
        for block in [
            "",
            "Content-Type: text/plain; charset=\"utf-8\"; format=flowed\n",
            "Content-Type: multipart/mixed;\r\n\tboundary=\"----=_NextPart_000_01\"\r\n",
            "Content-Type: application/pdf; name=\"=?utf-8?Q?a?=\"\nContent-Disposition: attachment;\n filename=\"=?utf-8?Q?a?=\"\nContent-Transfer-Encoding: BASE64\n",
            "Content-Type: multipart/mixed; boundary=\"Boundary_(ID_KtnWPrc+/)\"\n",
            "Content-Type: multipart/mixed; boundary=\"----- =_aaaaaaaaaa0\"\n",
            "From: a@b\nTo: x\nSubject: y\nReceived: a\nReceived: b\n",
        ] {
            assert_eq!(read(block).1, Vec::<&str>::new(), "{block}");
        }
    }

    #[test]
    fn what_can_be_read_two_ways_is_flagged() {
        for (block, expected) in [
            (
                "Content-Type: text/plain\nContent-Type: text/html\n",
                "conflict_header:content-type",
            ),
            ("Subject: a\nSubject: b\n", "conflict_header:subject"),
            (
                "Content-Type: multipart/mixed; boundary=a; boundary=b\n",
                "conflict_param:boundary",
            ),
            ("Content-Type: multipart/mixed\n", "multipart_no_boundary"),
            ("Content-Type: text\n", "ct_malformed"),
            ("Content-Type: text/plain; boundary=b\n", "boundary_elsewhere"),
            ("Content-Type: multi(c)part/mixed; boundary=b\n", "value_comment"),
            ("Content-Type: multipart/mixed; boundary=\"a;b\"\n", "boundary_odd"),
            (
                "Content-Type: multipart/mixed; boundary==?utf-8?Q?b?=\n",
                "param_rfc2047",
            ),
            (
                "Content-Type: a/b; name=x\nContent-Disposition: attachment; filename=y\n",
                "conflict_param:filename",
            ),
            ("Content-Transfer-Encoding: x-base64\n", "cte_unknown"),
            ("Content-Transfer-Encoding: bas\r\n e64\n", "cte_split"),
            ("Content-Transfer-Encoding: x-uuencode\n", "embedded_encoding"),
            ("Content-Transfer-Encoding: x-yenc\n", "embedded_encoding"),
            ("Content-Transfer-Encoding: mac-BinHex40\n", "embedded_encoding"),
            ("Content-Type: application/mac-binhex40\n", "embedded_encoding"),
            ("Content-Transfer-Encoding: bas(x)e64\n", "value_comment"),
            ("Content-Type: multipart/mixed; boundary=\"b--\"\n", "boundary_odd"),
            ("Content-Type: multipart/mixed; boundary=\"b,c\"\n", "boundary_odd"),
            ("Content-Type: multipart/mixed; boundary=\"b(c\"\n", "boundary_odd"),
            ("Content-Type: multipart/mixed; boundary=\" b\"\n", "boundary_odd"),
            ("Content-Disposition: attachment; filename='a.txt'\n", "param_quote"),
            (
                "Content-Disposition: attachment; filename*1=b; filename*0=a\n",
                "param_rfc2231",
            ),
            ("Content-Type: message/partial; id=1\n", "message_partial"),
            ("Content-Type: message/external-body; access-type=x\n", "external_body"),
        ] {
            assert!(read(block).1.contains(&expected), "{block}: {:?}", read(block).1);
        }
    }

    #[test]
    fn a_field_that_may_be_there_once_is_flagged_each_time_it_comes_again() {
        let block = "Cc: a\nFrom: a@b\nCC: b\nFrom: a@b\nX: 1\ncc: c\nFrom: c@d\n";
        let (declared, _) = read(block);
        let repeated: Vec<_> = declared.repeated.iter().map(|(flag, at)| (flag.name(), *at)).collect();
        assert_eq!(
            repeated,
            [
                ("dup_header", 16),
                ("dup_header", 22),
                ("dup_header", 37),
                ("conflict_header:from", 43)
            ]
        );
        for name in [
            "Date",
            "Sender",
            "Reply-To",
            "Bcc",
            "In-Reply-To",
            "References",
            "Subject",
        ] {
            assert_eq!(read(&format!("{name}: a\n{name}:  a\n")).1, ["dup_header"], "{name}");
        }
    }

    #[test]
    fn names_in_two_forms_are_compared_in_their_charset() {
        let koi8 = |disposition: &[u8], charset: Option<&[u8]>| {
            let name = b"Content-Type: a/b; name=\"=?koi8-r?B?xsHKzA==?=\"\nContent-Disposition: attachment; ";
            let block = [&name[..], disposition, b"\n"].concat();
            let declared = Declared::read(Fields::new(&block), Place::Ordinary, charset);
            declared
                .flags
                .iter()
                .any(|flag| flag.name() == "conflict_param:filename")
        };
        assert!(!koi8(b"filename=\xc6\xc1\xca\xcc", Some(b"koi8-r")));
        assert!(koi8(b"filename=\xc6\xc1\xca\xcd", Some(b"koi8-r")));
        assert!(koi8(b"filename=\xc6\xc1\xca\xcc", None));
        assert!(!koi8(
            b"filename=\xc6\xc1\xca\xcc; filename*=koi8-r''%C6%C1%CA%CC",
            None
        ));
    }

    #[test]
    fn a_misspelt_multipart_is_still_read_as_one() {
        for value in [
            "ultipart/mixed",
            "x-multipart/mixed",
            "boundary=b; x/y",
            ": multipart/mixed",
            "multi\\part/mixed",
        ] {
            let (declared, _) = read(&format!("Content-Type: {value}; boundary=b\n"));
            assert_eq!(declared.nature, Nature::Multipart(Some(b"b".to_vec())), "{value}");
        }
        assert_eq!(read("Content-Type: text/plain; boundary=b\n").0.nature, Nature::Leaf);
    }

    #[test]
    fn the_first_transfer_encoding_that_is_one_counts() {
        for (block, expected) in [
            (
                "Content-Transfer-Encoding: \nContent-Transfer-Encoding: base64\n",
                Encoding::Base64,
            ),
            (
                "Content-Transfer-Encoding: quoted-printable\nContent-Transfer-Encoding: base64\n",
                Encoding::QuotedPrintable,
            ),
            (
                "Content-Transfer-Encoding: junk\nContent-Transfer-Encoding: base64\n",
                Encoding::Base64,
            ),
            ("Content-Transfer-Encoding: \"base64\"\n", Encoding::Base64),
            ("Content-Transfer-Encoding: base64 (comment)\n", Encoding::Base64),
            ("Content-Transfer-Encoding: bas\n e64\n", Encoding::Base64),
            ("Content-Transfer-Encoding: =?utf-8?B?YmFzZTY0?=\n", Encoding::Base64),
            ("Content-Transfer-Encoding: x-qp\n", Encoding::QuotedPrintable),
            ("Content-Transfer-Encoding: quoted\n", Encoding::QuotedPrintable),
            ("Content-Transfer-Encoding: 8-bit\n", Encoding::Identity),
        ] {
            assert_eq!(read(block).0.encoding, expected, "{block}");
        }
    }
}
