//! Boundary lines (RFC 2046, 5.1.1).

use memchr::{memchr, memmem};

use crate::limits;

/// What a line is to one boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `--boundary`: a part begins.
    Part,
    /// `--boundary--`: the last part is over.
    Close,
}

/// Whether `line` (with or without its line end) delimits parts of `boundary`. After the delimiter only white space
/// may follow (RFC 2046 calls it transport padding).
pub fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    if is_white(rest) {
        return Some(Delimiter::Part);
    }
    rest.strip_prefix(b"--")
        .filter(|rest| is_white(rest))
        .map(|_| Delimiter::Close)
}

/// The open boundary that `line` belongs to, among `open` (outermost first): the longest that matches, because one
/// boundary may be the beginning of another (`x` and `x--`); the innermost where two are equal.
pub fn innermost<'b>(line: &[u8], open: impl Iterator<Item = (usize, &'b [u8])>) -> Option<(usize, Delimiter)> {
    let mut best: Option<(usize, usize, Delimiter)> = None;
    for (position, boundary) in open {
        if let Some(found) = delimiter(line, boundary)
            && best.is_none_or(|(_, length, _)| boundary.len() >= length)
        {
            best = Some((position, boundary.len(), found));
        }
    }
    best.map(|(position, _, found)| (position, found))
}

/// Where the first of `lines` begins that delimits parts of `boundary`.
pub fn first_line_of(boundary: &[u8], lines: &[u8]) -> Option<usize> {
    let others = memmem::find_iter(lines, b"\n--").map(|position| position.saturating_add(1));
    std::iter::once(0).chain(others).find(|start| {
        let line = lines.get(*start..).unwrap_or_default();
        let end = memchr(b'\n', line).unwrap_or(line.len());
        let line = line.get(..end).unwrap_or(line);
        line.len() < limits::BOUNDARY_LINE && delimiter(line, boundary).is_some()
    })
}

fn is_white(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::{Delimiter, delimiter, first_line_of, innermost};

    #[test]
    fn only_white_space_may_follow_a_delimiter() {
        for (line, expected) in [
            (&b"--b\r\n"[..], Some(Delimiter::Part)),
            (b"--b", Some(Delimiter::Part)),
            (b"--b \t\r\n", Some(Delimiter::Part)),
            (b"--b--\n", Some(Delimiter::Close)),
            (b"--b-- \r\n", Some(Delimiter::Close)),
            (b"--bX\r\n", None),
            (b"--b--X\r\n", None),
            (b"--b-\r\n", None),
            (b"-b\r\n", None),
            (b" --b\r\n", None),
            (b"--", None),
            (b"", None),
        ] {
            assert_eq!(delimiter(line, b"b"), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_boundary_that_begins_another_does_not_steal_its_lines() {
        let open = [&b"x"[..], b"x--", b"y", b"x"];
        let find = |line: &[u8]| innermost(line, open.iter().copied().enumerate());
        assert_eq!(find(b"--x--\r\n"), Some((1, Delimiter::Part)));
        assert_eq!(find(b"--x----\r\n"), Some((1, Delimiter::Close)));
        assert_eq!(find(b"--x\r\n"), Some((3, Delimiter::Part)));
        assert_eq!(find(b"--z\r\n"), None);
    }

    #[test]
    fn a_boundary_line_among_others_is_found_where_it_begins() {
        for (lines, expected) in [
            (&b"A: 1\r\n--b\r\nB: 2\r\n"[..], Some(6)),
            (b"A: 1\n--bX\n--b--", Some(10)),
            (b"A: --b\n --b\n--bX\n", None),
            (b"--b\n", Some(0)),
            (b"", None),
        ] {
            assert_eq!(first_line_of(b"b", lines), expected, "{}", lines.escape_ascii());
        }
    }
}
