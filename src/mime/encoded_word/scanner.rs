//! Where the encoded words of a value are (RFC 2047, section 2), leniently.
//!
//! Each search goes on where the one before ended, so that a megabyte of `=?utf-8?Q?` is read once.

use memchr::{memchr, memmem};

use crate::limits;

/// Finds words, from left to right.
pub struct Scanner<'a> {
    value: &'a [u8],
    /// The first word head that is not before the place last asked for; `None` when there is no more.
    head: Option<Head<'a>>,
    /// The same for `?=`.
    close: Option<usize>,
}

/// `=?charset?Q?`
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub start: usize,
    pub charset: &'a [u8],
    pub encoding: WordEncoding,
    text: usize,
}

/// RFC 2047, section 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WordEncoding {
    B,
    Q,
}

/// `=?charset?Q?text?=`
pub struct Word<'a> {
    pub head: Head<'a>,
    pub text: &'a [u8],
    pub end: usize,
    /// Whether `?=` ends it.
    pub closed: bool,
}

impl<'a> Scanner<'a> {
    pub fn new(value: &'a [u8]) -> Scanner<'a> {
        Scanner {
            value,
            head: head_after(value, 0),
            close: find_after(value, b"?=", 0),
        }
    }

    /// The first word that begins at `from` or later. Calls must go forward.
    pub fn word_after(&mut self, from: usize) -> Option<Word<'a>> {
        let head = self.head_from(from)?;
        let close = self.close_from(head.text);
        let next = self.head_from(head.text).map(|next| next.start);
        if let Some(close) = close
            && next.is_none_or(|next| close < next)
        {
            return Some(Word {
                head,
                text: self.value.get(head.text..close).unwrap_or_default(),
                end: close.saturating_add(2),
                closed: true,
            });
        }
        // Cut off: a field that was truncated, or a word that began before this one was closed. White space ends it.
        let rest = self
            .value
            .get(head.text..next.unwrap_or(self.value.len()))
            .unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        Some(Word {
            head,
            text: text.strip_suffix(b"?").unwrap_or(text),
            end: head.text.saturating_add(length),
            closed: false,
        })
    }

    fn head_from(&mut self, from: usize) -> Option<Head<'a>> {
        if self.head.is_some_and(|head| head.start < from) {
            self.head = head_after(self.value, from);
        }
        self.head
    }

    fn close_from(&mut self, from: usize) -> Option<usize> {
        if self.close.is_some_and(|close| close < from) {
            self.close = find_after(self.value, b"?=", from);
        }
        self.close
    }
}

fn find_after(value: &[u8], what: &[u8], from: usize) -> Option<usize> {
    memmem::find(value.get(from..)?, what)?.checked_add(from)
}

fn head_after(value: &[u8], mut from: usize) -> Option<Head<'_>> {
    loop {
        let start = find_after(value, b"=?", from)?;
        if let Some(head) = head_at(value, start) {
            return Some(head);
        }
        from = start.saturating_add(2);
    }
}

/// What stands between `=?`, behind which `rest` begins, and the next `?`, if a charset's label may be as long.
pub fn label(rest: &[u8]) -> Option<&[u8]> {
    let label = rest.get(..limits::CHARSET_LABEL).unwrap_or(rest);
    label.get(..memchr(b'?', label)?)
}

fn head_at(value: &[u8], start: usize) -> Option<Head<'_>> {
    let rest = value.get(start.checked_add(2)?..)?;
    let charset = label(rest)?;
    // A label has no `=`: where it has one, `=?` is text and a word may begin later.
    if charset.iter().any(|byte| *byte == b'=' || byte.is_ascii_control()) {
        return None;
    }
    let [b'?', letter, b'?', ..] = rest.get(charset.len()..)? else {
        return None;
    };
    let encoding = match letter {
        b'b' | b'B' => WordEncoding::B,
        b'q' | b'Q' => WordEncoding::Q,
        _ => return None,
    };
    Some(Head {
        start,
        charset,
        encoding,
        text: start.checked_add(charset.len())?.checked_add(5)?,
    })
}
