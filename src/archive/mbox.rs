//! mbox files (RFC 4155 and its relatives): mails one after the other, each behind a `From ` line.

use std::ops::ControlFlow;

use super::{Piece, Take};

const FROM: &[u8] = b"From ";

/// How many bytes show whether a file is an mbox.
pub(super) const FROM_LENGTH: u64 = 5;

/// Whether a file that begins so is an mbox.
pub(super) fn is_mbox(beginning: &[u8]) -> bool {
    beginning.starts_with(FROM)
}

/// Takes an mbox in chunks cut anywhere and tells its mails.
///
/// A `From ` line that follows an empty line (or begins the file) separates; both lines belong to no mail. `>From ` was
/// written for `From ` and `>>From ` for `>From ` (mboxrd): one `>` is taken away. Line ends stay as they are.
/// Content-Length (mboxcl) is not looked at: it comes from the mail's sender as often as from the mailbox's writer.
pub(super) struct Splitter<'a> {
    source: &'a str,
    mails: u64,
    state: State,
    /// The line before, when it was empty: told only if no separator follows.
    empty_line: &'static [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a line, behind `matched` bytes of `From ` and, when `quoted`, a `>` before them.
    LineStart { quoted: bool, matched: usize },
    /// Behind a CR at the beginning of a line: an empty line if LF follows.
    EmptyLineCr,
    /// Inside a line of a mail.
    Line,
    /// Inside a `From ` line.
    Separator,
}

const LINE_START: State = State::LineStart {
    quoted: false,
    matched: 0,
};

impl<'a> Splitter<'a> {
    /// Mails will be called `source:1`, `source:2`, …
    pub fn new(source: &'a str) -> Splitter<'a> {
        Splitter {
            source,
            mails: 0,
            state: LINE_START,
            empty_line: b"",
        }
    }

    /// The next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8], take: Take<'_>) -> ControlFlow<()> {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::LineStart { quoted, matched } => match self.line_start(*first, quoted, matched, take)? {
                    Consumed::Yes => rest,
                    Consumed::No => bytes,
                },
                State::EmptyLineCr if *first == b'\n' => {
                    self.end_empty_line(b"\r\n", take)?;
                    rest
                }
                State::EmptyLineCr => {
                    self.content(b"\r", take)?;
                    bytes
                }
                State::Line | State::Separator => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at.saturating_add(1));
                    let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                    if self.state == State::Line {
                        take(Piece::Bytes(line))?;
                    }
                    if line.ends_with(b"\n") {
                        self.state = LINE_START;
                    }
                    rest
                }
            };
        }
        ControlFlow::Continue(())
    }

    /// The end of the file. An empty line at its end is the last separator's.
    pub fn finish(mut self, take: Take<'_>) -> ControlFlow<()> {
        match self.state {
            // Before the other beginnings of a line: here nothing is held back but the empty line, which is dropped.
            LINE_START | State::Line | State::Separator => {}
            State::LineStart { quoted, matched } => self.held_back(quoted, matched, take)?,
            State::EmptyLineCr => self.content(b"\r", take)?,
        }
        take(Piece::End)
    }

    fn line_start(&mut self, byte: u8, quoted: bool, matched: usize, take: Take<'_>) -> ControlFlow<(), Consumed> {
        match byte {
            b'\n' if !quoted && matched == 0 => self.end_empty_line(b"\n", take)?,
            b'\r' if !quoted && matched == 0 => self.state = State::EmptyLineCr,
            b'>' if matched == 0 => {
                // Of a row of `>` the last is held back: which one is taken away makes no difference.
                if quoted {
                    self.content(b">", take)?;
                }
                self.state = State::LineStart { quoted: true, matched };
            }
            byte if FROM.get(matched) == Some(&byte) => {
                let matched = matched.saturating_add(1);
                self.state = State::LineStart { quoted, matched };
                if matched == FROM.len() {
                    self.separator_or_content(quoted, take)?;
                }
            }
            _ => {
                self.held_back(quoted, matched, take)?;
                return ControlFlow::Continue(Consumed::No);
            }
        }
        ControlFlow::Continue(Consumed::Yes)
    }

    /// `From ` stands at the beginning of a line.
    fn separator_or_content(&mut self, quoted: bool, take: Take<'_>) -> ControlFlow<()> {
        if quoted || (self.mails != 0 && self.empty_line.is_empty()) {
            return self.content(FROM, take);
        }
        if self.mails != 0 {
            take(Piece::End)?;
        }
        self.mails = self.mails.saturating_add(1);
        self.empty_line = b"";
        self.state = State::Separator;
        take(Piece::Begin(&format!("{}:{}", self.source, self.mails)))
    }

    fn end_empty_line(&mut self, line: &'static [u8], take: Take<'_>) -> ControlFlow<()> {
        self.content(b"", take)?;
        self.empty_line = line;
        self.state = LINE_START;
        ControlFlow::Continue(())
    }

    /// What was held back while it could have become `From `.
    fn held_back(&mut self, quoted: bool, matched: usize, take: Take<'_>) -> ControlFlow<()> {
        if quoted {
            self.content(b">", take)?;
        }
        self.content(FROM.get(..matched).unwrap_or_default(), take)
    }

    /// Bytes of the mail, and before them the empty line that turned out to be its own.
    fn content(&mut self, bytes: &[u8], take: Take<'_>) -> ControlFlow<()> {
        for bytes in [std::mem::take(&mut self.empty_line), bytes] {
            if !bytes.is_empty() {
                take(Piece::Bytes(bytes))?;
            }
        }
        self.state = State::Line;
        ControlFlow::Continue(())
    }
}

enum Consumed {
    Yes,
    No,
}
