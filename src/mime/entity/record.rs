//! The fuzz function of the machine, and the visitor that it compares readings with.

use std::collections::BTreeMap;
use std::mem;

use super::Machine;
use crate::limits;
use crate::mime::cuts::cuts;
use crate::mime::pkcs7::most_inflated;
use crate::mime::{Entity, Finding, Kind, Visitor};

/// What a visitor was told, bodies joined: two readings of one mail are the same if this is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) calls: Vec<String>,
    body: Vec<u8>,
    cms: BTreeMap<usize, Vec<u8>>,
    /// What has begun and not ended, and how many entities have begun in it.
    open: Vec<(Kind, usize)>,
    /// Whether an S/MIME object has begun: what it was compressed to may be less than what comes of it.
    signed: bool,
    decoded: usize,
}

impl Visitor for Record {
    fn begin(&mut self, entity: &Entity<'_>) {
        if let Some((_, inner)) = self.open.last_mut() {
            *inner = inner.saturating_add(1);
        }
        self.open.push((entity.kind, 0));
        self.signed |= entity.kind == Kind::Cms;
        let Entity {
            kind,
            root,
            path,
            content_type,
            ..
        } = entity;
        let fields: Vec<String> = entity
            .fields
            .into_iter()
            .map(|field| field.name.escape_ascii().to_string())
            .collect();
        self.calls.push(format!(
            "begin {kind:?} root={root} {path:?} {:?} {fields:?}",
            content_type.value
        ));
    }

    fn body(&mut self, decoded: &[u8]) {
        self.decoded = self.decoded.saturating_add(decoded.len());
        self.body.extend_from_slice(decoded);
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.cms.entry(depth).or_default().extend_from_slice(decoded);
    }

    fn end(&mut self) {
        let ended = self.open.pop();
        assert!(ended.is_some(), "an entity ended that had not begun");
        assert!(
            !matches!(ended, Some((Kind::Message, inner)) if inner != 1),
            "a mail has one root"
        );
        let body = mem::take(&mut self.body);
        self.calls.push(format!("end {}", body.escape_ascii()));
    }

    fn finding(&mut self, finding: Finding<'_>) {
        self.calls.push(format!("{finding:?}"));
    }
}

/// The same calls for every split; nested; no more bytes out than in, unless they were compressed; no more calls than the bytes
/// give reason for. The last byte chooses how long a header may be.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let header_block = match data.last() {
        Some(choice @ 200..) => usize::from(*choice).saturating_sub(190),
        _ => limits::HEADER_BLOCK,
    };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut machine = Machine::with_header_block(header_block, Record::default());
        for piece in pieces {
            machine.feed(piece);
        }
        machine.finish()
    };
    let whole = read(&mut std::iter::once(data));
    assert!(whole.open.is_empty());
    let read_at_most = if whole.signed {
        most_inflated(data.len())
    } else {
        data.len()
    };
    assert!(whole.decoded <= read_at_most);
    // A line of a few bytes can have several flags, an inner boundary one for each that is open.
    let most_calls = read_at_most.saturating_mul(4).saturating_add(100);
    assert!(whole.calls.len() <= most_calls, "{} calls", whole.calls.len());
    for pieces in cuts(data) {
        assert_eq!(whole, read(&mut pieces.iter().copied()), "{} pieces", pieces.len());
    }
}
