//! How much of one mail its event holds.

use super::Settings;
use crate::limits;

/// The limits of one event. A fuzzer shrinks them: what happens at a limit is beyond its reach otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) header_block: usize,
    pub(super) parts: usize,
    pub(super) headers: usize,
    pub(super) body_text: usize,
    pub(super) event_text: usize,
    pub(super) event_content: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            header_block: limits::HEADER_BLOCK,
            parts: limits::PARTS,
            headers: limits::EVENT_HEADERS,
            body_text: limits::BODY_TEXT,
            event_text: limits::EVENT_TEXT,
            event_content: limits::EVENT_CONTENT,
        }
    }
}

/// What the parts of one mail may still take, together. A part takes its share when it ends: until then, which of two that
/// come at the same time (a file and what is enclosed in it) had which bytes first depends on how the mail came in pieces.
pub(super) struct Budget {
    /// The largest `content` of one part, in bytes; `None` where attachments are not included.
    largest_content: Option<u64>,
    body_text: usize,
    text: usize,
    /// Of `text`, what parts that are no body may take: attachments in front must not leave a body none.
    attached_text: usize,
    contents: usize,
}

impl Budget {
    pub(super) fn new(settings: &Settings, bounds: &Bounds) -> Budget {
        Budget {
            largest_content: settings.include_attachments.then(|| settings.largest()),
            body_text: bounds.body_text,
            text: bounds.event_text,
            attached_text: bounds.event_text / 2,
            contents: bounds.event_content,
        }
    }

    pub(super) fn includes_attachments(&self) -> bool {
        self.largest_content.is_some()
    }

    /// Whether there is room for `content` of so many bytes.
    pub(super) fn allows_content(&self, size: u64) -> bool {
        let left = u64::try_from(self.contents).unwrap_or(u64::MAX);
        self.largest_content.is_some_and(|largest| size <= largest.min(left))
    }

    /// Bytes of `body_text` that there is room for in one part, which is a body or not.
    pub(super) fn text(&self, body: bool) -> usize {
        let left = if body {
            self.text
        } else {
            self.text.min(self.attached_text)
        };
        self.body_text.min(left)
    }

    /// The same of a body, beside others that may take so many.
    pub(super) fn text_beside(&self, others: usize) -> usize {
        self.body_text.min(self.text.saturating_sub(others))
    }

    /// A part is over.
    pub(super) fn take(&mut self, text: Option<&str>, body: bool, content: Option<&[u8]>) {
        let length = text.map_or(0, str::len);
        self.text = self.text.saturating_sub(length);
        if !body {
            self.attached_text = self.attached_text.saturating_sub(length);
        }
        self.contents = self.contents.saturating_sub(content.map_or(0, <[u8]>::len));
    }
}
