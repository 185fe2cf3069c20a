//! Header blocks (RFC 5322, 2.2): fields, folding.

use memchr::memchr;

/// The fields of one header block, in order. Lines that are no field and continue none are passed over.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'b> {
    block: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Over `block`: lines with their line ends.
    pub fn new(block: &'b [u8]) -> Fields<'b> {
        Fields { block }
    }

    /// The values of the first fields with these names (in lower case), as written.
    pub fn first<const N: usize>(self, names: [&str; N]) -> [Option<&'b [u8]>; N] {
        let mut values = [None; N];
        for field in self {
            for (name, value) in names.iter().zip(&mut values) {
                if value.is_none() && field.is(name) {
                    *value = Some(field.value);
                }
            }
        }
        values
    }
}

impl<'b> IntoIterator for Fields<'b> {
    type Item = Field<'b>;
    type IntoIter = FieldIterator<'b>;

    fn into_iter(self) -> FieldIterator<'b> {
        FieldIterator { rest: self.block }
    }
}

/// One header field, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'b> {
    /// Before the colon, without white space behind it.
    pub name: &'b [u8],
    /// After the colon: folded lines, still with their line ends.
    pub value: &'b [u8],
}

impl Field<'_> {
    /// Whether the name is `name` (in lower case).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Yields [`Field`]s.
#[derive(Debug, Clone)]
pub struct FieldIterator<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for FieldIterator<'b> {
    type Item = Field<'b>;

    fn next(&mut self) -> Option<Field<'b>> {
        loop {
            let (line, after) = split_line(self.rest)?;
            if starts_with_white(line) {
                self.rest = after; // a continuation of nothing
                continue;
            }
            let Some((name, _)) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
                self.rest = after; // no colon: not a field
                continue;
            };
            let mut end = line.len();
            let mut rest = after;
            while let Some((line, after)) = split_line(rest).filter(|(line, _)| starts_with_white(line)) {
                end = end.saturating_add(line.len());
                rest = after;
            }
            let value = self.rest.get(name.len().saturating_add(1)..end).unwrap_or_default();
            self.rest = rest;
            return Some(Field {
                name: name.trim_ascii_end(),
                value,
            });
        }
    }
}

/// Unfolds a field value (RFC 5322, 2.2.3) into `unfolded`, replacing what it holds: each line end with the white space
/// around it becomes ONE space, as LimaCharlie's events have it; white space at both ends goes.
pub fn unfold(value: &[u8], unfolded: &mut Vec<u8>) {
    unfolded.clear();
    for line in value.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line);
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |position| position.saturating_add(1));
    bytes.split_at_checked(end)
}

fn starts_with_white(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::{Fields, unfold};

    fn unfolded(value: &[u8]) -> String {
        let mut out = b"old".to_vec();
        unfold(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_come_in_order_with_their_continuations() {
        let block = b"Subject: a\r\n b\r\nX : 1\nno field here\r\n\tlost\r\nEmpty:\r\nLast: z";
        let fields: Vec<_> = Fields::new(block)
            .into_iter()
            .map(|field| (field.name.to_vec(), unfolded(field.value)))
            .collect();
        let expected = [("Subject", "a b"), ("X", "1"), ("Empty", ""), ("Last", "z")];
        assert_eq!(
            fields,
            expected.map(|(name, value)| (name.as_bytes().to_vec(), value.to_owned()))
        );
        assert_eq!(Fields::new(block).first(["x", "absent"]), [Some(&b" 1\n"[..]), None]);
        assert_eq!(
            Fields::new(b"A: 1\nA: 2\n").first(["a"]),
            [Some(&b" 1\n"[..])],
            "the first one counts"
        );
    }

    #[test]
    fn folding_becomes_one_space_whatever_white_space_there_was() {
        assert_eq!(unfolded(b" a\r\n\t\t b  c \r\n \r\n d\r\n"), "a b  c d");
        assert_eq!(unfolded(b"\r\n a"), "a");
        assert_eq!(unfolded(b"   "), "");
    }

    #[test]
    fn a_continuation_of_nothing_is_passed_over() {
        assert_eq!(Fields::new(b" lost\r\nA: 1\r\n").into_iter().count(), 1);
    }
}
