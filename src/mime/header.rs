//! Header blocks (RFC 5322, 2.2): fields ([`Outline`]), folding ([`unfold`]), and what is odd in them.

mod outline;

use memchr::{memchr, memchr_iter};

use super::anomaly::Flag;
use crate::limits;

pub use outline::{Field, FieldIterator, Fields, Outline};

/// The lines that `input` begins with and that can only be lines of a header block: whole, neither blank nor the
/// beginning of a boundary line. And the rest of `input`.
pub(super) fn ordinary_lines(input: &[u8]) -> (&[u8], &[u8]) {
    let mut end: usize = 0;
    for line_end in memchr_iter(b'\n', input) {
        if matches!(input.get(end), Some(b'\r' | b'\n' | b'-')) {
            break;
        }
        end = line_end.saturating_add(1);
    }
    input.split_at_checked(end).unwrap_or((&[], input))
}

/// Where the fields of `block` end: before the first line that is no field, if no field follows it either. Such a line is
/// the beginning of a body whose blank line is missing; one that stands between fields is passed over.
pub fn end_of_fields(block: &[u8]) -> usize {
    let mut rest = block;
    let mut junk: Option<usize> = None;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let at = block.len().saturating_sub(rest.len());
        let continues = starts_with_white(line) && junk.is_none();
        if continues || memchr(b':', line).is_some() || (at == 0 && is_envelope(line)) {
            junk = None;
        } else if let Some(junk) = junk {
            return junk;
        } else {
            junk = Some(at);
        }
        rest = after;
    }
    junk.unwrap_or(block.len())
}

/// Where the first field called `name` (in lower case) ends: what stands before and behind it is not looked at.
pub fn end_of_field(block: &[u8], name: &str) -> Option<usize> {
    let named = |line: &[u8]| {
        let colon = memchr(b':', line).and_then(|colon| line.get(..colon));
        colon.is_some_and(|found| found.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()))
    };
    let (mut rest, mut found) = (block, false);
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if !starts_with_white(line) {
            if found {
                break;
            }
            found = named(line);
        }
        rest = after;
    }
    found.then(|| block.len().saturating_sub(rest.len()))
}

/// Tells what two readers may read differently in the lines of `block`, with the offset of the line. `crlf` is how lines
/// of the mail end, decided by the first one that does: with CR LF or LF.
pub fn examine(block: &[u8], crlf: &mut Option<bool>, report: &mut dyn FnMut(Flag, usize)) {
    let mut rest = block;
    let mut field_before = false;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let at = block.len().saturating_sub(rest.len());
        rest = after;
        let ended = line.strip_suffix(b"\n");
        let line = ended.unwrap_or(line);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let with_cr = text.len() < line.len();
        let exported = at == 0 && is_envelope(text); // by programs that have line ends of their own
        if !exported && ended.is_some() && *crlf.get_or_insert(with_cr) != with_cr {
            report(Flag::MixedLineEnds, at.saturating_add(text.len()));
        }
        if !exported && text.len() > limits::LINE {
            report(Flag::LongLine, at);
        }
        if memchr(b'\r', text).is_some() {
            report(Flag::HeaderBareCr, at);
        }
        if starts_with_white(text) {
            if !field_before {
                report(Flag::HeaderFoldFirst, at);
            }
            if text.trim_ascii().is_empty() {
                report(Flag::HeaderFoldBlank, at);
            }
            continue;
        }
        if exported {
            continue;
        }
        field_before = true;
        match memchr(b':', text).and_then(|colon| text.split_at_checked(colon)) {
            Some((name, value)) => examine_field(name, value.get(1..).unwrap_or_default(), at, report),
            None => report(Flag::HeaderNoColon, at),
        }
    }
}

fn examine_field(name: &[u8], value: &[u8], at: usize, report: &mut dyn FnMut(Flag, usize)) {
    let bare = name.trim_ascii_end();
    if bare.len() < name.len() {
        report(Flag::HeaderSpaceBeforeColon, at);
    }
    if memchr(b'(', bare).is_some() {
        if decides(bare) {
            report(Flag::HeaderCommentInName, at);
        }
    } else if bare.contains(&b' ') {
        report(Flag::HeaderNoColon, at); // a sentence with a colon in it
    }
    if bare.iter().any(|byte| !byte.is_ascii_graphic() && *byte != b' ') {
        report(Flag::HeaderControlInName, at);
    }
    if bare.is_empty() || (begins_again(bare, value) && decides(bare)) {
        report(Flag::HeaderEmptyOrDoubleName, at);
    }
}

/// Whether behind the colon of a field comes another one, or its name once more.
fn begins_again(name: &[u8], value: &[u8]) -> bool {
    let spaced = value.first().is_some_and(u8::is_ascii_whitespace);
    let value = value.trim_ascii_start();
    let again = value
        .split_at_checked(name.len())
        .is_some_and(|(start, rest)| rest.starts_with(b":") && start.eq_ignore_ascii_case(name));
    // `Subject: :-)` is text; `Subject::x` and `Content-Type: : a/b` are not.
    again || value.starts_with(b":") && !(spaced && name.eq_ignore_ascii_case(b"subject"))
}

/// Whether a field of such a name decides what a mail's content is, or what it seems to be. `X-Message-Flag: : smile` and
/// `X-Copyright(C)` are ordinary.
fn decides(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [
        b"content-",
        b"mime-version",
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
    ];
    let letters: Vec<u8> = name
        .iter()
        .filter(|byte| byte.is_ascii_graphic())
        .map(u8::to_ascii_lowercase)
        .collect();
    NAMES.iter().any(|name| letters.starts_with(name))
}

/// Whether a field of such a name makes what follows a part (RFC 2045, section 4; RFC 2183).
pub(super) fn describes_content(name: &[u8]) -> bool {
    [
        &b"content-type"[..],
        b"content-transfer-encoding",
        b"content-disposition",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}

/// `From sender date`, the first line of a mail in an mbox file, which some exporters leave in. `From : sender` is a field.
fn is_envelope(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line);
    let sender = line.strip_prefix(b"From ").map(<[u8]>::trim_ascii_start);
    sender.is_some_and(|sender| !sender.starts_with(b":"))
}

/// Unfolds a field value (RFC 5322, 2.2.3): each line end with the white space around it becomes ONE space, as
/// LimaCharlie's events have it; white space at both ends goes. `unfolded` is for a value of several lines.
pub fn unfold<'v>(value: &'v [u8], unfolded: &'v mut Vec<u8>) -> &'v [u8] {
    let mut rest = value.trim_ascii();
    if memchr(b'\n', rest).is_none() {
        return rest;
    }
    unfolded.clear();
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line);
    }
    unfolded
}

/// The line that `bytes` begin with, its end included, and what is behind it.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |position| position.saturating_add(1));
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

fn starts_with_white(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::{end_of_field, end_of_fields, examine, unfold};

    fn unfolded(value: &[u8]) -> String {
        let mut out = b"old".to_vec();
        String::from_utf8(unfold(value, &mut out).to_vec()).unwrap()
    }

    #[test]
    fn folding_becomes_one_space_whatever_white_space_there_was() {
        assert_eq!(unfolded(b" a\r\n\t\t b  c \r\n \r\n d\r\n"), "a b  c d");
        assert_eq!(unfolded(b"\r\n a"), "a");
        assert_eq!(unfolded(b"   "), "");
    }

    #[test]
    fn a_field_ends_with_its_last_continuation() {
        for (block, end) in [
            (&b"A: 1\nb : 2\n c\nC: 3\n"[..], Some(14)),
            (b"B: 1\n 2", Some(7)),
            (b"B: 1\nB: 2\n", Some(5)),
            (b" b: 1\n", None),
            (b"A: b: 1\nbb: 2\nb\n", None),
            (b"", None),
        ] {
            assert_eq!(end_of_field(block, "b"), end, "{}", block.escape_ascii());
        }
    }

    #[test]
    fn the_first_of_two_lines_that_are_no_fields_ends_the_header() {
        for (block, body) in [
            (&b"A: 1\nB: 2\n"[..], &b""[..]),
            (b"A: 1\njunk\nB: 2\n", b""),
            (b"A: 1\nQUJD\nREVG\n", b"QUJD\nREVG\n"),
            (b"A: 1\nlast\n", b"last\n"),
            (b"A: 1\n folded\n", b""),
            (b"A: 1\njunk\n folded junk\n", b"junk\n folded junk\n"),
            (b"A: 1\njunk\n B: 2\nC: 3\n", b""),
            (b"From x@y Mon\nA: 1\n", b""),
            (b"From :x\nA: 1\n", b""),
            (b"no header\nat all\n", b"no header\nat all\n"),
            (b"", b""),
        ] {
            assert_eq!(
                block[end_of_fields(block)..].escape_ascii().to_string(),
                body.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn what_readers_disagree_on_in_a_header_is_named_with_its_line() {
        let findings = |block: &[u8]| {
            let mut findings = Vec::new();
            examine(block, &mut None, &mut |flag, at| findings.push((flag.name(), at)));
            findings
        };
        assert_eq!(
            findings(b"From x Mon 10:20\nSubject: :-)\r\n b\r\nX-A:\r\nX-B: : smile\r\nX-C(C): 1\r\n"),
            []
        );
        for (block, expected) in [
            (&b"A: 1\njunk\n"[..], ("hdr_no_colon", 5)),
            (b"A: 1\ntwo words: 2\n", ("hdr_no_colon", 5)),
            (b"Content-Type : a/b\n", ("hdr_space_before_colon", 0)),
            (b"From  : a@b.example\n", ("hdr_space_before_colon", 0)),
            (b"\0Content-Type: a/b\n", ("hdr_ctl_in_name", 0)),
            (b"Content-Type(x): a/b\n", ("hdr_comment_in_name", 0)),
            (b": a/b\n", ("hdr_empty_or_double_name", 0)),
            (b"Subject::a\n", ("hdr_empty_or_double_name", 0)),
            (b"Content-Type: : a/b\n", ("hdr_empty_or_double_name", 0)),
            (b"Content-Type:: a/b\n", ("hdr_empty_or_double_name", 0)),
            (
                b"A: 1\nContent-Type:content-type: a/b\n",
                ("hdr_empty_or_double_name", 5),
            ),
            (b"A: x\rB: y\r\n", ("hdr_bare_cr", 0)),
            (b"A: x\r\r\n", ("hdr_bare_cr", 0)),
            (b" lost\nA: 1\n", ("hdr_fold_first", 0)),
            (b"A: 1\r\n \t\r\n", ("hdr_fold_blank", 6)),
            (b"A: 1\r\nB: 2\nC: 3\r\n", ("mixed_eol", 10)),
            (b"A: 1\nB: 2\r\nC: 3", ("mixed_eol", 9)),
        ] {
            assert_eq!(findings(block), [expected], "{}", block.escape_ascii());
        }
    }
}
