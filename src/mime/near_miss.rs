//! Boundaries in lines that are no boundary lines: `x--boundary`, ` --boundary`, `--boundaryX`, after a bare CR, before a
//! vertical tab. Some readers take them for one, and whatever stands behind is a part to them.
//!
//! Content is searched for `--` in any case, because a boundary line may follow; where that does not begin a line, what
//! stands behind it is compared with every open boundary.

use memchr::{memchr, memmem, memrchr};

use crate::limits;

/// Searches content, across pieces.
#[derive(Default)]
pub(super) struct NearMiss {
    found: bool,
    /// The end of what has come of the line, where a boundary may have begun in it.
    carry: Vec<u8>,
}

/// Bytes of a boundary, and the dashes before it, that may be in one piece while the last one is in the next.
const CARRY: usize = limits::NEAR_MISS.saturating_add(1);

impl NearMiss {
    /// Content goes on with `bytes`; `open` are the boundaries. Ends at the first `--` that begins a line, and gives the
    /// place of the LF before it.
    pub(super) fn look<'b>(&mut self, open: &(impl Iterator<Item = &'b [u8]> + Clone), bytes: &[u8]) -> Option<usize> {
        if !self.carry.is_empty() {
            let line = bytes.get(..CARRY).unwrap_or(bytes);
            let line = memchr(b'\n', line).and_then(|end| line.get(..end)).unwrap_or(line);
            self.carry.extend_from_slice(line);
            self.found = self.found || has_boundary(&self.carry, open);
        }
        let mut position = 0_usize;
        while let Some(rest) = bytes.get(position..)
            && let Some(at) = memmem::find(rest, b"--")
        {
            let dashes = rest.get(at..).unwrap_or_default();
            let at = position.saturating_add(at);
            if let Some(before) = at.checked_sub(1)
                && bytes.get(before) == Some(&b'\n')
            {
                self.carry.clear();
                return Some(before);
            }
            self.found = self.found || begins_with_boundary(dashes, open);
            position = at.saturating_add(run(dashes));
        }
        self.keep(bytes);
        None
    }

    /// A line is taken for a boundary's by readers that compare otherwise.
    pub(super) fn note(&mut self) {
        self.found = true;
    }

    /// Whether a boundary was in it: asked at the end, so that the answer's place among the findings is the same for
    /// every split.
    pub(super) fn found(&self) -> bool {
        self.found
    }

    /// A line has ended: no boundary goes across.
    pub(super) fn line_end(&mut self) {
        self.carry.clear();
    }

    /// The end of the line so far, if a boundary may have begun in it.
    fn keep(&mut self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(CARRY)..).unwrap_or_default();
        let line = memrchr(b'\n', last).and_then(|end| last.get(end.saturating_add(1)..));
        if self.carry.is_empty() || line.is_some() || last.len() == CARRY {
            self.carry.clear();
            self.carry.extend_from_slice(line.unwrap_or(last));
        } else {
            let excess = self.carry.len().saturating_sub(CARRY);
            self.carry.drain(..excess);
        }
        if memchr(b'-', &self.carry).is_none() {
            self.carry.clear();
        }
    }
}

/// Whether a boundary is looked for: a longer one, and one with control characters in it, is flagged for what it is.
pub(super) fn is_sought(boundary: &[u8]) -> bool {
    (1..=limits::NEAR_MISS).contains(&boundary.len()) && !boundary.iter().any(u8::is_ascii_control)
}

fn has_boundary<'b>(line: &[u8], open: &(impl Iterator<Item = &'b [u8]> + Clone)) -> bool {
    let mut rest = line;
    while let Some(dashes) = memmem::find(rest, b"--").and_then(|at| rest.get(at..)) {
        if begins_with_boundary(dashes, open) {
            return true;
        }
        rest = dashes.get(run(dashes)..).unwrap_or_default();
    }
    false
}

/// Whether the dashes that `bytes` begin with, or the last of them, and what follows them are `--boundary`: one look for
/// all dashes in a row, so that a ruler of them costs no more than two.
fn begins_with_boundary<'b>(bytes: &[u8], open: &(impl Iterator<Item = &'b [u8]> + Clone)) -> bool {
    let (dashes, rest) = bytes.split_at_checked(run(bytes)).unwrap_or((bytes, &[]));
    open.clone().any(|boundary| {
        let (own, name) = boundary.split_at_checked(run(boundary)).unwrap_or((boundary, &[]));
        own.len().saturating_add(2) <= dashes.len() && rest.starts_with(name)
    })
}

/// How many dashes `bytes` begin with.
fn run(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'-').count()
}

#[cfg(test)]
mod tests {
    use super::{CARRY, NearMiss, is_sought};
    use crate::limits;

    fn found(open: &[&[u8]], content: &[u8], piece: usize) -> bool {
        let mut near = NearMiss::default();
        for piece in content.chunks(piece) {
            assert_eq!(near.look(&open.iter().copied(), piece), None);
            assert!(near.carry.len() <= CARRY);
        }
        near.found()
    }

    #[test]
    fn a_boundary_anywhere_in_a_line_is_found_in_every_split() {
        let longest = vec![b'x'; limits::NEAR_MISS];
        let open = [&b"a"[..], b"--b-c", b"d--d--e", b"-----", &longest];
        let long = [b"x--".as_slice(), &longest].concat();
        for (content, expected) in [
            (&b"x--a"[..], true),
            (b" --aX", true),
            (b"x----b-c", true),
            (b"x----------b-c", true),
            (b"x---b-c", false),
            (b"x--d--d--d--e", true),
            (b"x--d--d--d--d", false),
            (b"x-------", true),
            (b"x------", false),
            (b"x-a -- a --\r--\xc3a", false),
            (&long, true),
            (&long[..long.len() - 1], false),
        ] {
            for piece in 1..=content.len() {
                assert_eq!(
                    found(&open, content, piece),
                    expected,
                    "{} in pieces of {piece}",
                    content.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn dashes_that_begin_a_line_are_given_and_nothing_behind_them_is_looked_at() {
        let mut near = NearMiss::default();
        let open = [&b"a"[..]];
        assert_eq!(near.look(&open.into_iter(), b"text - --\r\n--a"), Some(10));
        assert!(!near.found());
        assert_eq!(near.look(&open.into_iter(), b"--\n-a\n"), None);
        assert_eq!(near.look(&open.into_iter(), b"-"), None);
        near.line_end();
        assert_eq!(near.look(&open.into_iter(), b"-a"), None);
        assert!(!near.found(), "no boundary goes across lines");
    }

    #[test]
    fn only_what_could_be_a_boundary_by_the_rules_is_sought() {
        for (boundary, expected) in [
            (vec![b'x'; limits::NEAR_MISS], true),
            (vec![b'x'; limits::NEAR_MISS + 1], false),
            (b"a b".to_vec(), true),
            (b"a\rb".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_sought(&boundary), expected, "{}", boundary.escape_ascii());
        }
    }
}
