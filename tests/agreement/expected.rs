//! A tree of parts with their places in the mail, as several projects expect it.

use std::ops::Range;

use mailtap::mime::Kind;
use mailtap::mime::transfer::{Decoder, Encoding};

use crate::reading::{Node, read};
use crate::set::Set;

/// One part of theirs.
#[derive(Debug, Default)]
pub struct Expected {
    pub media_type: String,
    /// Where its header begins in the mail, and where its content is, still encoded.
    pub place: Option<(u64, Range<usize>)>,
    /// What they take for its name, where they say.
    pub file_name: Option<String>,
    pub children: Vec<Expected>,
}

impl Expected {
    pub fn shape(&self) -> String {
        let children: Vec<String> = self.children.iter().map(Expected::shape).collect();
        let composite = self.media_type.starts_with("multipart/") || self.media_type == "message/rfc822";
        if composite || !children.is_empty() {
            format!("{}({})", self.media_type, children.join(", "))
        } else {
            self.media_type.clone()
        }
    }

    fn all(&self) -> Vec<&Expected> {
        let inner = self.children.iter().flat_map(Expected::all);
        std::iter::once(self).chain(inner).collect()
    }

    /// Holds it against our reading of `mail`, and gives that. Where the trees differ, a HIGH flag must say so.
    pub fn compare(&self, set: &mut Set, file: &str, mail: &[u8]) -> Node {
        let reading = read(mail);
        set.flags(file, &reading.flags);
        let flagged = reading.is_flagged_high();
        let ours = reading.root;
        if !set.ask(file, "structure", &self.shape(), &ours.shape()) {
            assert!(
                flagged,
                "{file}: two readings and no flag: {} {}",
                self.shape(),
                ours.shape()
            );
            return ours;
        }
        for (theirs, ours) in self.all().into_iter().zip(ours.all()) {
            let number = if ours.path.is_empty() { "0" } else { &ours.path };
            if let Some((offset, content)) = &theirs.place {
                set.ask(file, &format!("{number} offset"), offset, &ours.offset);
                if matches!(ours.kind, Kind::Leaf | Kind::Cms) {
                    let content = mail.get(content.clone()).unwrap_or_default();
                    let decoded = decoded(ours, content);
                    set.ask(file, &format!("{number} content"), &decoded, &ours.content);
                }
            }
            if let Some(name) = &theirs.file_name {
                let ours = ours.file_name.clone().unwrap_or_default();
                set.ask(file, &format!("{number} name"), name, &ours);
            }
        }
        ours
    }
}

/// The bytes that they give as a part's content, decoded as its header says.
fn decoded(node: &Node, content: &[u8]) -> Vec<u8> {
    let declared = node.values("content-transfer-encoding");
    let declared = declared.first().copied().unwrap_or_default();
    let encoding = Encoding::parse(declared.as_bytes()).unwrap_or(Encoding::Identity);
    let mut decoder = Decoder::new(encoding);
    let mut output = Vec::new();
    decoder.feed(content, &mut output);
    decoder.finish(&mut output);
    output
}
