//! Files enclosed in a leaf's content, as parts of their own behind it.

use std::mem;

use super::anomalies::Anomalies;
use super::bounds::Budget;
use super::filename::FileName;
use super::leaf::Leaf;
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
                let text = decoder.is_some();
                let mut file = Leaf::new(headers, path, offset, decoder, true, budget);
                if text {
                    file.set_body();
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
            }
            Enclosed::End => {
                if let Some(file) = self.under_way.take() {
                    self.whole.push(file.finish(budget, anomalies));
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
            Some(TextDecoder::new(Some(charset.as_bytes()))),
        ),
    }
}
