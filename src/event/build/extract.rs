//! Files enclosed in a leaf's content, as parts of their own behind it.

use std::mem;

use super::anomalies::Anomalies;
use super::bounds::Budget;
use super::filename::FileName;
use super::leaf::{Leaf, cut, flag_of_charset, flags_of_text};
use crate::event::{Headers, Part};
use crate::mime::anomaly::Flag;
use crate::mime::charset::TextDecoder;
use crate::mime::embedded::{Body, Enclosed};
use crate::mime::encoded_word;

/// The files of one leaf.
#[derive(Default)]
pub(super) struct Files {
    whole: Vec<Part>,
    under_way: Option<Leaf>,
    /// What the file under way says, if it is a body whose charset is told behind it.
    undecoded: Option<Undecoded>,
    /// The same of files that are whole.
    waiting: Vec<Undecoded>,
}

/// The beginning of a body whose charset is not known yet.
struct Undecoded {
    media_type: &'static str,
    bytes: Vec<u8>,
    /// Whether there was more than there is room for.
    cut: bool,
    /// Its place among the files.
    position: usize,
}

impl Files {
    /// Takes what was found in `leaf`. There is `room` for so many parts; `charset` is for raw 8-bit names.
    pub(super) fn take(
        &mut self,
        found: Enclosed<'_>,
        leaf: &Leaf,
        room: usize,
        charset: Option<&[u8]>,
        budget: &mut Budget,
        anomalies: &mut Anomalies,
    ) {
        let (path, offset) = (leaf.path(), leaf.offset());
        match found {
            Enclosed::Begin(_) if self.whole.len() >= room => anomalies.add(Flag::LimitParts, &[], offset),
            Enclosed::Begin(body) => {
                let (headers, decoder) = body_headers(body);
                let mut file = Leaf::new(headers, path, offset, decoder, true, budget);
                if let Body::Text { media_type, charset } = body {
                    file.set_body();
                    self.undecoded = charset.is_none().then(|| Undecoded {
                        media_type,
                        bytes: Vec::new(),
                        cut: false,
                        position: self.whole.len(),
                    });
                }
                self.under_way = Some(file);
            }
            Enclosed::Name(name) => {
                if let Some(file) = &mut self.under_way {
                    let mut text = String::new();
                    encoded_word::decode_with_controls(name, charset, &mut text);
                    let name = FileName::of(text);
                    if name.cut {
                        anomalies.add(Flag::LimitHeader, path, offset);
                    }
                    if name.bidi {
                        anomalies.add(Flag::BidiControl, path, offset);
                    }
                    file.set_name(name);
                }
            }
            Enclosed::Data(bytes) => {
                if let Some(file) = &mut self.under_way {
                    file.body(bytes, budget);
                }
                if let Some(undecoded) = &mut self.undecoded {
                    let others: usize = self.waiting.iter().map(|other| other.bytes.len()).sum();
                    // In UTF-16, text takes twice the room.
                    undecoded.add(bytes, budget.text_beside(others).saturating_mul(2));
                }
            }
            Enclosed::End => {
                if let Some(file) = self.under_way.take() {
                    self.whole.push(file.finish(budget, anomalies));
                }
                self.waiting.extend(self.undecoded.take());
            }
            Enclosed::Charset { media_type, charset } => {
                for body in self.waiting.extract_if(.., |body| body.media_type == media_type) {
                    let Some(part) = self.whole.get_mut(body.position) else {
                        continue;
                    };
                    for flag in body.decode(charset, part, budget) {
                        anomalies.add(flag, path, offset);
                    }
                }
            }
            Enclosed::Finding(_) => {}
        }
    }

    /// The leaf has ended: its files, in order.
    pub(super) fn finish(&mut self) -> Vec<Part> {
        mem::take(&mut self.whole)
    }
}

/// A file has no header fields; a body has the one that says what it is.
fn body_headers(body: Body<'_>) -> (Headers, Option<TextDecoder>) {
    match body {
        Body::File => (Headers::default(), None),
        Body::Text { media_type, charset } => (
            Headers::from_iter([("content-type", media_type)]),
            charset.map(|charset| TextDecoder::new(Some(charset.as_bytes()))),
        ),
    }
}

impl Undecoded {
    /// The body goes on; bytes are kept while there are at most `most`.
    fn add(&mut self, bytes: &[u8], most: usize) {
        let room = most.saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
        self.cut |= bytes.len() > room;
    }

    /// Gives `part` its text; what is to be said of that.
    fn decode(self, charset: &str, part: &mut Part, budget: &mut Budget) -> Vec<Flag> {
        let mut decoder = TextDecoder::new(Some(charset.as_bytes()));
        let mut text = String::new();
        decoder.feed(&self.bytes, &mut text);
        if !self.cut {
            decoder.finish(&mut text);
        }
        let too_long = self.cut || text.len() > budget.text(true);
        if too_long {
            cut(&mut text, budget.text(true));
        }
        budget.take(Some(&text), true, None);
        part.body_text = Some(text);
        part.truncated |= too_long;
        let said = flag_of_charset(&decoder).into_iter().chain(flags_of_text(&decoder));
        said.chain(too_long.then_some(Flag::LimitBody)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Anomalies, Budget, Files};
    use crate::event::build::Settings;
    use crate::event::build::bounds::Bounds;
    use crate::event::build::leaf::Leaf;
    use crate::event::{Headers, Part};
    use crate::limits;
    use crate::mime::embedded::{Body, Enclosed};

    /// The texts of the bodies of a TNEF stream, in UTF-8, and the flags.
    fn bodies(bodies: &[&[u8]]) -> (Vec<Part>, Vec<String>) {
        let mut budget = Budget::new(&Settings::default(), &Bounds::default());
        let mut anomalies = Anomalies::default();
        let leaf = Leaf::new(Headers::default(), &[1], 0, None, true, &budget);
        let mut files = Files::default();
        let mut take = |found| files.take(found, &leaf, 9, None, &mut budget, &mut anomalies);
        let media_type = "text/html";
        for body in bodies {
            take(Enclosed::Begin(Body::Text {
                media_type,
                charset: None,
            }));
            body.chunks(1000).for_each(|piece| take(Enclosed::Data(piece)));
            take(Enclosed::End);
        }
        take(Enclosed::Charset {
            media_type,
            charset: "utf-8",
        });
        let flags = anomalies.list().into_iter().map(|anomaly| anomaly.flag).collect();
        (files.finish(), flags)
    }

    #[test]
    fn bodies_that_wait_for_their_charset_leave_each_other_room() {
        let body = vec![b'x'; limits::BODY_TEXT];
        let (parts, flags) = bodies(&[&body, &body]);
        let lengths = parts.iter().map(|part| part.body_text.as_ref().unwrap().len());
        assert!(lengths.eq([limits::BODY_TEXT; 2]));
        assert_eq!(flags, Vec::<String>::new());
    }

    #[test]
    fn a_body_that_is_cut_within_a_character_is_cut_and_nothing_else() {
        let body = "a".to_owned() + &"\u{e9}".repeat(limits::BODY_TEXT * 2);
        let (parts, flags) = bodies(&[body.as_bytes()]);
        let text = parts[0].body_text.as_deref().unwrap();
        assert!(body.starts_with(text) && text.len() + 2 > limits::BODY_TEXT);
        assert_eq!(flags, ["limit_body"]);
    }
}
