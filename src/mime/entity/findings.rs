//! What the machine tells of what it found, and where.

use std::mem;

use super::Machine;
use crate::mime::anomaly::Flag;
use crate::mime::layer::{Content, Layer, Multipart, Open};
use crate::mime::transfer::Faults;
use crate::mime::{Finding, Visitor};

impl<V: Visitor> Machine<V> {
    /// Boundaries that can be taken for those of an enclosing multipart.
    pub(super) fn compare_boundaries(&mut self, layer: &Layer, inner: &Multipart, offset: u64) {
        let inner = inner.boundary.as_slice();
        for (_, outer) in layer
            .multiparts()
            .filter(|(_, outer)| !inner.is_empty() && !outer.boundary.is_empty())
        {
            if outer.boundary == inner {
                self.find(Flag::BoundaryReused, offset);
            } else if outer.boundary.starts_with(inner) || inner.starts_with(&outer.boundary) {
                self.find(Flag::BoundaryPrefix, offset);
            }
        }
    }

    /// Content ends: was a boundary in it that is none?
    pub(super) fn report_near_miss(&mut self, layer: &mut Layer) {
        if mem::take(&mut layer.near).found() {
            self.find(Flag::BoundaryNearMiss, layer.header_offset);
        }
    }

    /// What is in no part ends: was a part in it?
    pub(super) fn report_outside(&mut self, layer: &mut Layer) {
        let found = layer.outside.take().is_some_and(|outside| outside.finish());
        if let Some(Open {
            content: Content::Multipart(multipart),
            offset,
            ..
        }) = layer.open.last().filter(|_| found)
        {
            let preamble = multipart.parts == 0 && !multipart.closed;
            let flag = if preamble {
                Flag::PreamblePart
            } else {
                Flag::PartAfterClose
            };
            self.find(flag, *offset);
        }
    }

    /// Content or a header block ends: what was it made of?
    pub(super) fn report_survey(&mut self, layer: &mut Layer) {
        for (flag, seen) in layer.survey.finish() {
            if seen.count > 0 {
                self.visitor.finding(Finding {
                    flag,
                    path: self.path.get(..layer.survey.depth).unwrap_or(&self.path),
                    offset: seen.first,
                    count: seen.count,
                });
            }
        }
    }

    pub(super) fn report(&mut self, faults: Faults, offset: u64) {
        let escapes = faults.bad_escapes.saturating_add(u64::from(faults.mixed_case));
        for (count, flag) in [
            (faults.junk, Flag::Base64Junk),
            (faults.after_padding, Flag::Base64AfterPadding),
            (faults.bad_padding, Flag::Base64BadPadding),
            (u64::from(faults.truncated), Flag::Base64Truncated),
            (escapes, Flag::QuotedPrintableBadEscape),
        ] {
            self.find_all(flag, offset, count);
        }
    }

    pub(super) fn find(&mut self, flag: Flag, offset: u64) {
        self.find_all(flag, offset, 1);
    }

    /// As often as `count` says, if at all.
    pub(super) fn find_all(&mut self, flag: Flag, offset: u64, count: u64) {
        if count > 0 {
            self.visitor.finding(Finding {
                flag,
                path: &self.path,
                offset,
                count,
            });
        }
    }
}
