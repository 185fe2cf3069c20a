//! The grammar of a value with parameters (RFC 2045, section 5.1), read leniently and from left to right.
//!
//! Time is linear: a comment or quoted string that never ends is looked for once, and nothing is looked at more than
//! three times.

use std::collections::BTreeSet;

use super::{Note, is_token};
use crate::limits;

/// Reads a value from left to right.
pub struct Reader<'a, 'n> {
    rest: &'a [u8],
    pub notes: &'n mut BTreeSet<Note>,
    /// Whether the last parameter's value began with a quote.
    pub quoted: bool,
    /// False once a `(` was found that never closes: from there on `(` is a character like others.
    comments_close: bool,
    /// The same for `"`.
    quotes_close: bool,
}

impl<'a, 'n> Reader<'a, 'n> {
    /// A reader of all of `value`, which notes what is odd.
    pub fn new(value: &'a [u8], notes: &'n mut BTreeSet<Note>) -> Reader<'a, 'n> {
        Reader {
            rest: value,
            notes,
            quoted: false,
            comments_close: true,
            quotes_close: true,
        }
    }

    /// What stands before the first parameter.
    pub fn media_value(&mut self) -> String {
        let mut value = String::new();
        let mut listed = false;
        loop {
            self.skip_blank();
            let before = self.rest;
            let word = self.take_while(|byte| !is_blank(byte) && !matches!(byte, b';' | b',' | b'(' | b'"' | b'='));
            let behind = self.rest;
            self.skip_blank();
            if self.rest.first() == Some(&b'=') {
                // `boundary=x` where the type should be; `multipart/mixed boundary=x`.
                self.rest = before;
                self.notes
                    .insert(if value.is_empty() { Note::Value } else { Note::Separator });
                break;
            }
            self.rest = behind;
            if value.is_empty() || value.ends_with('/') || word.starts_with(b"/") {
                // `text / plain` is two words.
                if !value.is_empty() && !word.is_empty() {
                    self.notes.insert(Note::Value);
                }
                value.extend(word.iter().map(|byte| match byte {
                    byte if byte.is_ascii() => char::from(byte.to_ascii_lowercase()),
                    _ => char::REPLACEMENT_CHARACTER,
                }));
            } else if !word.is_empty() && !listed {
                self.notes.insert(Note::Value);
            }
            match self.rest.split_first() {
                None => break,
                Some((b';', rest)) => {
                    self.rest = rest;
                    break;
                }
                Some((b',', rest)) => {
                    listed = true;
                    self.notes.insert(Note::List);
                    self.rest = rest;
                }
                Some((b'"', _)) => {
                    self.notes.insert(Note::Value);
                    let quoted = self.quoted_string();
                    if value.is_empty() {
                        value = String::from_utf8_lossy(&quoted).to_ascii_lowercase();
                    }
                }
                Some((b'(', rest)) if !self.comments_close => self.rest = rest,
                Some(_) => {}
            }
        }
        let names = || value.split('/');
        if names().count() > 2 || names().any(|name| name.is_empty() || !name.bytes().all(is_token)) {
            self.notes.insert(Note::Value);
        }
        value
    }

    /// The next parameter's name, as written, and value.
    pub fn next_parameter(&mut self) -> Option<(&'a [u8], Vec<u8>)> {
        loop {
            self.skip_blank();
            match self.rest.split_first() {
                None => return None,
                Some((b';', rest)) => self.rest = rest,
                Some((b',', rest)) => {
                    self.notes.insert(Note::Separator);
                    self.rest = rest;
                }
                Some(_) => {
                    let name =
                        self.take_while(|byte| !is_blank(byte) && !matches!(byte, b'=' | b';' | b',' | b'(' | b'"'));
                    let behind = self.rest;
                    self.skip_blank();
                    if let Some((b'=', rest)) = self.rest.split_first() {
                        let spaced = behind.first() != Some(&b'=') || rest.first().is_some_and(u8::is_ascii_whitespace);
                        if spaced {
                            self.notes.insert(Note::Separator);
                        }
                        self.rest = rest;
                        self.skip_blank();
                        return Some((name, self.parameter_value()));
                    }
                    self.notes.insert(Note::Unreadable);
                    match self.rest.split_first() {
                        Some((b'"', _)) => drop(self.quoted_string()),
                        Some((b'(', rest)) => self.rest = rest,
                        _ => {}
                    }
                }
            }
        }
    }

    fn parameter_value(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        self.quoted = self.rest.first() == Some(&b'"');
        if self.quoted {
            value = self.quoted_string();
            let after = self.take_while(|byte| !is_blank(byte) && !matches!(byte, b';' | b',' | b'"'));
            if !after.is_empty() {
                self.notes.insert(Note::Quote);
                if value.is_empty() {
                    value = after.to_vec();
                }
            }
        } else {
            self.unquoted(&mut value);
        }
        self.skip_blank();
        if !matches!(self.rest.first(), None | Some(b';')) {
            self.notes.insert(Note::Separator);
        }
        value
    }

    /// An unquoted value: up to `;`, or to white space where another parameter or a comment follows it. Other spaces
    /// belong to it, as in `filename=annual report.pdf`.
    fn unquoted(&mut self, value: &mut Vec<u8>) {
        let mut comment_may_follow = true;
        loop {
            let word = self.take_while(|byte| !is_blank(byte) && byte != b';');
            value.extend_from_slice(word);
            if word.iter().any(|byte| b"()\"\\,".contains(byte)) {
                self.notes.insert(Note::Quote);
            }
            let behind = self.rest;
            if comment_may_follow {
                self.skip_blank();
            } else {
                self.take_while(is_blank);
            }
            if self.rest.first().is_none_or(|byte| *byte == b';') {
                return;
            }
            if self.parameter_follows() {
                // `charset=utf-8, boundary=x`: the semicolon is missing, or it is a comma.
                if value.last() == Some(&b',') {
                    value.pop();
                }
                return;
            }
            // Text. A comment that was skipped is part of it, and so are all others: they are not looked at twice.
            comment_may_follow &= behind.trim_ascii_start().len() == self.rest.len();
            self.rest = behind;
            self.notes.insert(Note::Quote);
            value.extend_from_slice(self.take_while(is_blank));
        }
    }

    /// Whether `name=` comes next.
    fn parameter_follows(&self) -> bool {
        let name = self
            .rest
            .iter()
            .take(limits::PARAMETER_NAME)
            .take_while(|byte| is_token(**byte))
            .count();
        name > 0 && self.rest.get(name..).unwrap_or_default().trim_ascii_start().first() == Some(&b'=')
    }

    /// Reads a quoted string whose `"` comes next.
    fn quoted_string(&mut self) -> Vec<u8> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let mut value = Vec::new();
        if self.quotes_close {
            // Nearly all of them have nothing to undo.
            let plain = inside.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let (text, mut rest) = inside.split_at_checked(plain.unwrap_or(0)).unwrap_or((&[], inside));
            value.extend_from_slice(text);
            while let Some((byte, after)) = rest.split_first() {
                rest = after;
                match byte {
                    b'"' => {
                        self.rest = rest;
                        return value;
                    }
                    b'\\' => {
                        if let Some((escaped @ (b'"' | b'\\'), after)) = rest.split_first() {
                            value.push(*escaped);
                            rest = after;
                        } else {
                            // RFC 822 would drop it. But `"C:\temp\x.exe"` is a path more often than a quoted `t` and `x`.
                            self.notes.insert(Note::Quote);
                            value.push(b'\\');
                        }
                    }
                    byte => value.push(*byte),
                }
            }
            self.quotes_close = false;
        }
        // It never ends. What follows a semicolon is more likely another parameter than part of the text.
        self.notes.insert(Note::Quote);
        self.rest = inside;
        self.take_while(|byte| byte != b';').trim_ascii_end().to_vec()
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.notes.insert(Note::Comment);
            let Some(rest) = self.comments_close.then(|| comment_end(self.rest)).flatten() else {
                self.comments_close = false;
                return;
            };
            self.rest = rest;
        }
    }

    fn take_while(&mut self, mut condition: impl FnMut(u8) -> bool) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| !condition(*byte))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

/// What follows the comment (RFC 822, section 3.4.3: nested, with escapes) that `text` begins with.
fn comment_end(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            b'\\' => rest = rest.get(1..).unwrap_or_default(),
            _ => {}
        }
        if depth == 0 {
            return Some(rest);
        }
    }
    None
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}
