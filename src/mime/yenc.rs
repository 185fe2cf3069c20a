//! yEnc (its author's specification, version 1.3): bytes plus 42, a few of them escaped, between `=ybegin` and `=yend`.
//! Usenet's encoding; in mail it hides a file from every reader that does not know it.

use memchr::memchr3;

use crate::limits;

/// Reads a first line, `=ybegin line=128 size=123 name=file`: gives the name, which runs to the end of the line.
pub fn first_line(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"=ybegin ")?;
    let after = |keyword: &[u8]| {
        let position = memchr::memmem::find(rest, keyword)?;
        rest.get(position.saturating_add(keyword.len())..)
    };
    let name = after(b"name=").map(<[u8]>::trim_ascii);
    match (name, after(b"line="), after(b"size=")) {
        (None, None, None) => None,
        (name, ..) => Some(name.unwrap_or_default()),
    }
}

/// Decodes what is between the first line and the last one.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// A line that begins with `=y`, without these two.
    keyword: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    Data,
    Escape,
    /// After `=` at the start of a line.
    EscapeOrKeyword,
    Keyword,
}

/// A line that begins with `=y`.
#[derive(Debug, PartialEq, Eq)]
pub enum Keyword {
    /// `=yend`: the file ends.
    End,
    /// `=ybegin`: so it does, and another one begins; its name.
    Begin(Vec<u8>),
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder {
            state: State::LineStart,
            keyword: Vec::new(),
        }
    }
}

impl Decoder {
    /// Appends what `input` decodes to, up to a line that ends the file; gives what was not read, which may begin with the
    /// LF of that line's end.
    pub fn feed<'i>(&mut self, mut input: &'i [u8], output: &mut Vec<u8>) -> (Option<Keyword>, &'i [u8]) {
        while let Some((first, rest)) = input.split_first() {
            input = rest;
            match (self.state, *first) {
                // CR alone ends a line, too, for some readers; neither it nor LF is ever data.
                (State::Keyword, b'\r' | b'\n') => {
                    self.state = State::LineStart;
                    if let Some(keyword) = self.keyword() {
                        return (Some(keyword), input);
                    }
                }
                (State::Keyword, byte) => {
                    if self.keyword.len() < limits::EMBEDDED_LINE {
                        self.keyword.push(byte);
                    }
                }
                (State::EscapeOrKeyword, b'y') => {
                    self.keyword.clear();
                    self.state = State::Keyword;
                }
                (_, b'\r' | b'\n') => self.state = State::LineStart,
                (State::Escape | State::EscapeOrKeyword, byte) => {
                    output.push(byte.wrapping_sub(64).wrapping_sub(42));
                    self.state = State::Data;
                }
                (State::LineStart, b'=') => self.state = State::EscapeOrKeyword,
                (State::Data, b'=') => self.state = State::Escape,
                (State::LineStart | State::Data, byte) => {
                    output.push(byte.wrapping_sub(42));
                    self.state = State::Data;
                    let end = memchr3(b'=', b'\r', b'\n', input).unwrap_or(input.len());
                    let (run, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
                    output.extend(run.iter().map(|byte| byte.wrapping_sub(42)));
                    input = rest;
                }
            }
        }
        (None, input)
    }

    /// What the finished line means; `=ypart` and unknown ones mean nothing here.
    fn keyword(&self) -> Option<Keyword> {
        let line = [b"=y", self.keyword.as_slice()].concat();
        if self.keyword.starts_with(b"end") {
            return Some(Keyword::End);
        }
        first_line(&line).map(|name| Keyword::Begin(name.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Keyword, first_line};

    #[test]
    fn first_lines_and_what_only_looks_like_one() {
        for (line, expected) in [
            ("=ybegin line=128 size=584 name=a b.txt ", Some("a b.txt")),
            (
                "=ybegin part=1 line=128 size=19338 name=joystick.jpg",
                Some("joystick.jpg"),
            ),
            ("=ybegin size=5", Some("")),
            ("=ybegin ", None),
            ("=ybegin of what", None),
            ("=ybeginline=128", None),
            ("ybegin line=128", None),
        ] {
            assert_eq!(first_line(line.as_bytes()), expected.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn escapes_lines_and_the_end_wherever_it_is_cut() {
        for (end, left) in [("\r\n", "\n"), ("\n", ""), ("\r", "")] {
            let lines = [
                &b"\x8b\x8c=J"[..],
                b"=Jz=",
                b"=ypart begin=1 end=5",
                b"=j",
                b"=yend size=5",
                b"after",
            ];
            escapes_and_the_end(&lines.join(end.as_bytes()), left);
        }
    }

    fn escapes_and_the_end(input: &[u8], left: &str) {
        for split in 0..=input.len() {
            let (head, tail) = input.split_at(split);
            let mut decoder = Decoder::default();
            let mut output = Vec::new();
            let (first, rest) = decoder.feed(head, &mut output);
            let (keyword, rest) = if first.is_some() {
                (first, [rest, tail].concat())
            } else {
                let (keyword, rest) = decoder.feed(tail, &mut output);
                (keyword, rest.to_vec())
            };
            assert_eq!(keyword, Some(Keyword::End), "{split}");
            assert_eq!(
                (output.as_slice(), rest.escape_ascii().to_string()),
                (&b"ab\xe0\xe0P\0"[..], format!("{}after", left.escape_default())),
                "{split}"
            );
        }
    }

    #[test]
    fn another_beginning_ends_the_file() {
        let mut output = Vec::new();
        let (keyword, rest) = Decoder::default().feed(b"\x8b\n=ybegin line=1 name=two\n\x8c", &mut output);
        assert_eq!(keyword, Some(Keyword::Begin(b"two".to_vec())));
        assert_eq!((output.as_slice(), rest), (&b"a"[..], &b"\x8c"[..]));
    }
}
