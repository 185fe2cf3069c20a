//! Mail (RFC 5322, MIME: RFC 2045–2049) → parts, streaming, for hostile input. No input is refused.
//!
//! Read [`entity`] first: the machine that takes bytes in any pieces and tells a [`Visitor`] what they mean. Around it:
//! [`boundary`] recognises delimiter lines, [`header`] splits a header block into fields, [`parameter`] and
//! [`encoded_word`] read what fields say, [`transfer`] undoes transfer encodings, [`charset`] turns bytes into text.
//!
//! [`pkcs7`] finds the entity in a signed S/MIME object; an [`extract::Extractor`] between machine and visitor finds files
//! in content: [`embedded`] those written into text ([`uuencode`], [`yenc`]), [`tnef`] those in `winmail.dat`.
//!
//! ```
//! use mailtap::mime::{Entity, Finding, Visitor, entity::Machine};
//!
//! #[derive(Default)]
//! struct Sizes(Vec<usize>);
//! impl Visitor for Sizes {
//!     fn begin(&mut self, _: &Entity<'_>) { self.0.push(0) }
//!     fn body(&mut self, decoded: &[u8]) { if let Some(size) = self.0.last_mut() { *size += decoded.len() } }
//!     fn end(&mut self) {}
//!     fn finding(&mut self, _: Finding<'_>) {}
//! }
//! let mut machine = Machine::new(Sizes::default());
//! machine.feed(b"Subject: hi\r\nContent-Transfer-Enc");
//! machine.feed(b"oding: base64\r\n\r\naGVsbG8=");
//! assert_eq!(machine.finish().0, [5]);
//! ```

pub mod anomaly;
mod apple_file;
mod armor;
pub mod boundary;
pub mod charset;
pub mod compressed_rtf;
pub(crate) mod cuts;
pub mod date;
mod declared;
pub mod embedded;
pub mod encoded_word;
pub mod entity;
pub mod extract;
pub(crate) mod file_name;
pub mod header;
mod layer;
mod near_miss;
mod opening;
pub mod parameter;
pub mod pkcs7;
mod sextet;
mod survey;
pub mod tnef;
pub mod transfer;
pub mod uuencode;
pub mod yenc;

use anomaly::Flag;
use embedded::Enclosed;
use header::{Field, Fields};
use parameter::Parameterized;

/// Is told what a mail consists of, in the order of its bytes. Calls nest: every `begin` has its `end`.
pub trait Visitor {
    /// A header block has been read; the entity's content follows.
    fn begin(&mut self, entity: &Entity<'_>);
    /// Decoded content of the leaf that began last, in pieces of any size.
    fn body(&mut self, decoded: &[u8]);
    /// Decoded content of a [`Kind::Cms`] that has not ended, in pieces of any size: the one that began when `depth`
    /// entities were open. The calls of the entity that it encloses come in between.
    fn cms(&mut self, _depth: usize, _decoded: &[u8]) {}
    /// A file, or a piece of it, in the content of the leaf that began last, between its `body` calls: only from an
    /// [`extract::Extractor`].
    fn enclosed(&mut self, _found: Enclosed<'_>) {}
    /// The entity that began last and has not ended is over.
    fn end(&mut self);
    /// Something could be read two ways, or was cut.
    fn finding(&mut self, finding: Finding<'_>);
}

/// Nobody listens.
impl Visitor for () {
    fn begin(&mut self, _: &Entity<'_>) {}
    fn body(&mut self, _: &[u8]) {}
    fn end(&mut self) {}
    fn finding(&mut self, _: Finding<'_>) {}
}

/// A listener that may be missing.
impl<V: Visitor> Visitor for Option<V> {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some(visitor) = self {
            visitor.begin(entity);
        }
    }
    fn body(&mut self, decoded: &[u8]) {
        if let Some(visitor) = self {
            visitor.body(decoded);
        }
    }
    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        if let Some(visitor) = self {
            visitor.cms(depth, decoded);
        }
    }
    fn enclosed(&mut self, found: Enclosed<'_>) {
        if let Some(visitor) = self {
            visitor.enclosed(found);
        }
    }
    fn end(&mut self) {
        if let Some(visitor) = self {
            visitor.end();
        }
    }
    fn finding(&mut self, finding: Finding<'_>) {
        if let Some(visitor) = self {
            visitor.finding(finding);
        }
    }
}

/// Two listeners to one reading of the mail.
impl<A: Visitor, B: Visitor> Visitor for (A, B) {
    fn begin(&mut self, entity: &Entity<'_>) {
        self.0.begin(entity);
        self.1.begin(entity);
    }
    fn body(&mut self, decoded: &[u8]) {
        self.0.body(decoded);
        self.1.body(decoded);
    }
    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.0.cms(depth, decoded);
        self.1.cms(depth, decoded);
    }
    fn enclosed(&mut self, found: Enclosed<'_>) {
        self.0.enclosed(found);
        self.1.enclosed(found);
    }
    fn end(&mut self) {
        self.0.end();
        self.1.end();
    }
    fn finding(&mut self, finding: Finding<'_>) {
        self.0.finding(finding);
        self.1.finding(finding);
    }
}

/// One entity (RFC 2045, 2.4): a header block and what it says of the content.
#[derive(Debug)]
pub struct Entity<'e> {
    /// What its content is.
    pub kind: Kind,
    /// Whether it is a mail's own top level, as opposed to a body part.
    pub root: bool,
    /// Where it stands in the tree, as IMAP numbers parts (RFC 3501, 6.4.5); empty for the outermost multipart.
    pub path: &'e [u32],
    /// Its header fields.
    pub fields: Fields<'e>,
    /// Content-Type, the default where absent.
    pub content_type: &'e Parameterized,
    /// Content-Disposition, where present.
    pub disposition: Option<&'e Parameterized>,
    /// Where its header begins in the mail; for what was encoded, where the outermost encoded entity's header does.
    pub offset: u64,
    /// Whether its header stands in the mail as it is, so that a place in it is one in the mail.
    pub verbatim: bool,
}

impl Entity<'_> {
    /// Where one of its fields begins in the mail.
    pub fn offset_of(&self, field: &Field<'_>) -> u64 {
        let at = if self.verbatim { field.at } else { 0 };
        self.offset.saturating_add(u64::try_from(at).unwrap_or_default())
    }

    /// Where its first field called `name` (in lower case) begins in the mail; its header, if it has none.
    pub fn offset_of_first(&self, name: &str) -> u64 {
        let field = self.fields.into_iter().find(|field| field.is(name));
        field.map_or(self.offset, |field| self.offset_of(&field))
    }

    /// Whether its content is read as text: also what no one knows a use for but some readers (Thunderbird, Python) show as
    /// text, and a file of no type whose name says that it is.
    pub fn is_text(&self) -> bool {
        match self.content_type.value.as_str() {
            "" | "application/pgp" | "application/x-pgp-message" => true,
            other if declared::is_of_no_type(other) => {
                let names = file_name::names(self.content_type, self.disposition);
                names
                    .iter()
                    .any(|name| file_name::has_extension(name, &["txt", "htm", "html"]))
            }
            other => other.starts_with("text/") || other.starts_with("message/"),
        }
    }

    /// Whether Content-Disposition says that it is an attachment.
    pub fn is_attached(&self) -> bool {
        self.disposition
            .is_some_and(|disposition| disposition.value == "attachment")
    }

    /// Whether its type is text or about a mail, as no ordinary file's is.
    pub fn is_of_the_mail(&self) -> bool {
        let essence = self.content_type.value.as_str();
        essence.is_empty() || essence.starts_with("text/") || essence.starts_with("message/")
    }

    /// Where its header is, as IMAP numbers it: the header of a mail belongs to the mail, not to its only body.
    pub fn header_path(&self) -> &[u32] {
        match self.path {
            [mail @ .., _] if self.root && matches!(self.kind, Kind::Leaf | Kind::Cms) => mail,
            path => path,
        }
    }
}

/// What an entity's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Content: `body` follows.
    Leaf,
    /// Body parts: entities follow.
    Multipart,
    /// A mail: one entity follows, its root.
    Message,
    /// An S/MIME object (RFC 8551): content for [`Visitor::cms`]; if it is signed, not encrypted, the entity in it follows.
    Cms,
}

/// A [`Flag`] is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding<'f> {
    /// What was seen.
    pub flag: Flag,
    /// In which part; empty for the outermost header.
    pub path: &'f [u32],
    /// Byte offset in the mail.
    pub offset: u64,
    /// How often it is there, from that offset on in this part's header or content.
    pub count: u64,
}
