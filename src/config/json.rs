//! JSON, one document after the other. The tree is read here, because numbers must stay the text they were written as
//! and a key set twice must be seen; strings and numbers are checked and decoded by `serde_json`.

use serde_json::Number;

use super::node::{Content, Entry, Finding, Node, Place, refuse_repeated_keys};
use crate::limits;

/// The documents of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Finding> {
    let mut reader = Reader {
        rest: text,
        place: Place { line: 1, column: 1 },
    };
    let mut documents = Vec::new();
    loop {
        reader.skip_blank();
        if reader.rest.is_empty() {
            return Ok(documents);
        }
        documents.push(reader.value(0)?);
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// Where `rest` begins.
    place: Place,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Finding> {
        let place = Some(self.place);
        let content = match self.rest.as_bytes().first() {
            Some(b'{' | b'[') if depth >= limits::CONFIGURATION_DEPTH => {
                return Err(self.fault(&format!("nested deeper than {}", limits::CONFIGURATION_DEPTH)));
            }
            Some(b'{') => self.mapping(depth)?,
            Some(b'[') => self.sequence(depth)?,
            Some(b'"') => return self.string().map(|text| Node::scalar(text, false, place)),
            Some(_) => return self.word(place),
            None => return Err(self.fault("a value is missing")),
        };
        Ok(Node::new(content, place))
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, Finding> {
        let mut entries = Vec::new();
        self.items('{', '}', |reader| {
            let place = Some(reader.place);
            if !reader.rest.starts_with('"') {
                return Err(reader.fault("expected a key in quotes"));
            }
            let key = reader.string()?;
            reader.skip_blank();
            reader.expect(':')?;
            reader.skip_blank();
            let value = reader.value(depth.saturating_add(1))?;
            entries.push(Entry { key, place, value });
            Ok(())
        })?;
        refuse_repeated_keys(&entries)?;
        Ok(Content::Mapping(entries))
    }

    fn sequence(&mut self, depth: usize) -> Result<Content, Finding> {
        let mut items = Vec::new();
        self.items('[', ']', |reader| {
            items.push(reader.value(depth.saturating_add(1))?);
            Ok(())
        })?;
        Ok(Content::Sequence(items))
    }

    /// What stands between `open` and `close`, separated by commas.
    fn items(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), Finding>,
    ) -> Result<(), Finding> {
        self.expect(open)?;
        self.skip_blank();
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_blank();
            if self.take(close) {
                return Ok(());
            }
            if !self.take(',') {
                return Err(self.fault(&format!("expected `,` or `{close}`")));
            }
            self.skip_blank();
        }
    }

    fn string(&mut self) -> Result<String, Finding> {
        let start = self.rest;
        let mut escaped = false;
        let end = start
            .bytes()
            .enumerate()
            .skip(1)
            .find(|(_, byte)| {
                let ends = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                ends
            })
            .map(|(at, _)| at.saturating_add(1));
        let Some((token, _)) = end.and_then(|end| start.split_at_checked(end)) else {
            return Err(self.fault("this text has no closing quote"));
        };
        let text = serde_json::from_str(token)
            .map_err(|_| self.fault("a line break, control character or unknown escape in a text"))?;
        self.advance(token.len());
        Ok(text)
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self, place: Option<Place>) -> Result<Node, Finding> {
        let end = self
            .rest
            .find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '+' | '-' | '.'))
            .unwrap_or(self.rest.len());
        let (word, _) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        let known = matches!(word, "true" | "false" | "null") || serde_json::from_str::<Number>(word).is_ok();
        if !known {
            return Err(self.fault("expected a value; text needs double quotes"));
        }
        self.advance(end);
        Ok(match word {
            "null" => Node::new(Content::Null, place),
            word => Node::scalar(word.to_owned(), true, place),
        })
    }

    fn skip_blank(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.advance(self.rest.len().saturating_sub(rest.len()));
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest.starts_with(character);
        if found {
            self.advance(character.len_utf8());
        }
        found
    }

    fn expect(&mut self, character: char) -> Result<(), Finding> {
        if self.take(character) {
            Ok(())
        } else {
            Err(self.fault(&format!("expected `{character}`")))
        }
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        for character in passed.chars() {
            if character == '\n' {
                self.place.line = self.place.line.saturating_add(1);
                self.place.column = 1;
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.rest = rest;
    }

    fn fault(&self, message: &str) -> Finding {
        Finding::at(self.place, message)
    }
}
