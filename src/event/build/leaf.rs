//! One part under way: its hashes, size, text and content, as its bytes come.

use super::anomalies::Anomalies;
use super::bounds::Budget;
use super::filename::FileName;
use super::hashes::Hasher;
use crate::event::{Headers, Part};
use crate::mime::anomaly::Flag;
use crate::mime::charset::{Charset, TextDecoder};

pub(super) struct Leaf {
    part: Part,
    path: Vec<u32>,
    /// Of the part's header, in the mail.
    offset: u64,
    size: u64,
    hasher: Hasher,
    /// Of text parts.
    decoder: Option<TextDecoder>,
    /// Whether there was more text than there is room for.
    text_cut: bool,
    /// Whether it has `size` even if nothing was cut.
    attachment: bool,
    /// Whether readers show it as what the mail says.
    is_body: bool,
}

impl Leaf {
    pub(super) fn new(
        headers: Headers,
        path: &[u32],
        offset: u64,
        decoder: Option<TextDecoder>,
        attachment: bool,
        budget: &Budget,
    ) -> Leaf {
        let included = attachment && budget.includes_attachments();
        let body_text = decoder.is_some().then(String::new);
        Leaf {
            part: Part {
                headers,
                body_text,
                content: included.then(Vec::new),
                ..Part::default()
            },
            path: path.to_vec(),
            offset,
            size: 0,
            hasher: Hasher::default(),
            decoder,
            text_cut: false,
            attachment,
            is_body: !attachment,
        }
    }

    /// It is what the mail says, though it has what attachments have.
    pub(super) fn set_body(&mut self) {
        self.is_body = true;
    }

    pub(super) fn set_name(&mut self, name: FileName) {
        self.part.filename = name.filename;
        self.part.filename_raw = name.filename_raw;
    }

    pub(super) fn path(&self) -> &[u32] {
        &self.path
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Its bytes will not be `content`.
    pub(super) fn give_up_content(&mut self) {
        self.part.content = None;
    }

    pub(super) fn body(&mut self, decoded: &[u8], budget: &Budget) {
        self.hasher.update(decoded);
        self.size = self
            .size
            .saturating_add(u64::try_from(decoded.len()).unwrap_or(u64::MAX));
        self.text(budget, |decoder, text| decoder.feed(decoded, text));
        if let Some(content) = &mut self.part.content {
            if budget.allows_content(self.size) {
                content.extend_from_slice(decoded);
            } else {
                self.give_up_content();
            }
        }
    }

    /// What is beyond the room is decoded as well, or `replacement_chars` would depend on how the mail came in pieces.
    fn text(&mut self, budget: &Budget, decode: impl FnOnce(&mut TextDecoder, &mut String)) {
        let (Some(decoder), Some(text)) = (&mut self.decoder, &mut self.part.body_text) else {
            return;
        };
        let before = text.len();
        decode(decoder, text);
        if self.text_cut {
            text.truncate(before);
        }
        let room = budget.text(self.is_body);
        if text.len() > room {
            cut(text, room);
            self.text_cut = true;
        }
    }

    pub(super) fn finish(mut self, budget: &mut Budget, anomalies: &mut Anomalies) -> Part {
        self.text(budget, TextDecoder::finish);
        for flag in self.decoder.iter().flat_map(flags_of_text) {
            anomalies.add(flag, &self.path, self.offset);
        }
        if self.text_cut {
            let flag = if self.is_body { Flag::LimitBody } else { Flag::LimitText };
            anomalies.add(flag, &self.path, self.offset);
        }
        // What it encloses has ended before it, and has taken its share.
        if !budget.allows_content(self.size) {
            self.give_up_content();
        }
        let (text, content) = (self.part.body_text.as_deref(), self.part.content.as_deref());
        budget.take(text, self.is_body, content);
        let included = self.attachment && budget.includes_attachments();
        self.part.hashes = Some(self.hasher.finish());
        self.part.truncated = self.text_cut || (included && self.part.content.is_none());
        self.part.size = (self.attachment || self.part.truncated).then_some(self.size);
        self.part
    }
}

/// What is to be said of a text's charset.
pub(super) fn flag_of_charset(decoder: &TextDecoder) -> Option<Flag> {
    match decoder.charset() {
        _ if !decoder.known() => Some(Flag::CharsetUnknown),
        Charset::Ebcdic => Some(Flag::CharsetEbcdic),
        charset => charset.is_stateful().then_some(Flag::CharsetStateful),
    }
}

/// What is to be said of a text at its end.
pub(super) fn flags_of_text(decoder: &TextDecoder) -> impl Iterator<Item = Flag> + use<> {
    let replaced = decoder.replaced().then_some(Flag::ReplacementCharacters);
    let doubtful = decoder.doubtful().then_some(Flag::CharsetByteOrder);
    replaced.into_iter().chain(doubtful)
}

/// Shortens `text` to at most `room` bytes, on a character.
pub(super) fn cut(text: &mut String, room: usize) {
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
}
