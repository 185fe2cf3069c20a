//! One part under way: its hashes, size, text and content, as its bytes come.

use super::anomalies::Anomalies;
use super::filename::FileName;
use super::hashes::Hasher;
use crate::event::{Headers, Part};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::charset::TextDecoder;

/// What the parts of one mail may still take, together.
pub(super) struct Budget {
    /// The largest `content` of one part, in bytes; `None` where attachments are not included.
    pub(super) largest_content: Option<u64>,
    text: usize,
    contents: usize,
}

impl Budget {
    pub(super) fn new(largest_content: Option<u64>) -> Budget {
        Budget {
            largest_content,
            text: limits::EVENT_TEXT,
            contents: limits::EVENT_CONTENT,
        }
    }
}

pub(super) struct Leaf {
    part: Part,
    path: Vec<u32>,
    size: u64,
    hasher: Hasher,
    /// Of text parts.
    decoder: Option<TextDecoder>,
    /// Whether it has `size` even if nothing was cut, and `content` where that is wanted.
    attachment: bool,
}

impl Leaf {
    pub(super) fn new(
        headers: Headers,
        path: &[u32],
        decoder: Option<TextDecoder>,
        attachment: bool,
        budget: &Budget,
    ) -> Leaf {
        let content = (attachment && budget.largest_content.is_some()).then(Vec::new);
        let body_text = decoder.is_some().then(String::new);
        Leaf {
            part: Part {
                headers,
                body_text,
                content,
                ..Part::default()
            },
            path: path.to_vec(),
            size: 0,
            hasher: Hasher::default(),
            decoder,
            attachment,
        }
    }

    pub(super) fn set_name(&mut self, name: FileName) {
        self.part.filename = name.filename;
        self.part.filename_raw = name.filename_raw;
    }

    pub(super) fn path(&self) -> &[u32] {
        &self.path
    }

    pub(super) fn body(&mut self, decoded: &[u8], budget: &mut Budget, anomalies: &mut Anomalies) {
        self.hasher.update(decoded);
        self.size = self
            .size
            .saturating_add(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
        self.text(decoded, budget, anomalies);
        if let Some(content) = &mut self.part.content {
            let within = budget.largest_content.is_some_and(|largest| self.size <= largest);
            if within && let Some(left) = budget.contents.checked_sub(decoded.len()) {
                budget.contents = left;
                content.extend_from_slice(decoded);
            } else {
                budget.contents = budget.contents.saturating_add(content.len());
                self.part.content = None;
                self.part.truncated = true;
            }
        }
    }

    fn text(&mut self, bytes: &[u8], budget: &mut Budget, anomalies: &mut Anomalies) {
        let (Some(decoder), Some(text)) = (&mut self.decoder, &mut self.part.body_text) else {
            return;
        };
        if self.part.truncated {
            return;
        }
        let before = text.len();
        decoder.feed(bytes, text);
        let room = limits::BODY_TEXT.min(before.saturating_add(budget.text));
        if text.len() > room {
            cut(text, room);
            self.part.truncated = true;
            anomalies.add(Flag::LimitText, &self.path, 0);
        }
        budget.text = budget.text.saturating_sub(text.len().saturating_sub(before));
    }

    pub(super) fn finish(mut self, budget: &mut Budget, anomalies: &mut Anomalies) -> Part {
        if let (Some(decoder), Some(text)) = (&mut self.decoder, &mut self.part.body_text) {
            if !self.part.truncated {
                let before = text.len();
                decoder.finish(text);
                budget.text = budget.text.saturating_sub(text.len().saturating_sub(before));
            }
            if decoder.replaced() {
                anomalies.add(Flag::ReplacementCharacters, &self.path, 0);
            }
        }
        self.part.hashes = Some(self.hasher.finish());
        self.part.size = (self.attachment || self.part.truncated).then_some(self.size);
        self.part
    }
}

/// Shortens `text` to at most `room` bytes, on a character.
fn cut(text: &mut String, room: usize) {
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
}
