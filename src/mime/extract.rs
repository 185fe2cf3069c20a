//! Files in a leaf's content that MIME does not describe, told to a visitor beside the content itself.

use super::anomaly::Flag;
use super::embedded::{Enclosed, Scanner};
use super::opening::{Behind, Opening};
use super::tnef;
use super::{Entity, Finding, Kind, Visitor};

/// A visitor that searches what goes by on its way to another one.
pub struct Extractor<V> {
    visitor: V,
    search: Option<Search>,
    /// Whether it is a mail to readers that go by other rules.
    mail: Option<Mail>,
    /// Of the leaf under way.
    path: Vec<u32>,
    offset: u64,
}

enum Search {
    Text(Box<Scanner>),
    Tnef(Box<tnef::Reader>),
}

/// Content that is no mail, though some readers take whatever is called a message for one.
enum Mail {
    /// It may begin with the fields of a part.
    Fields(Opening),
    /// Headers alone, as bounces have them (RFC 6522, 4; RFC 6533, 4), describe content that is not there. It may be.
    Behind(Behind),
    /// It is one to them.
    Found,
}

impl Mail {
    fn of(media_type: &str) -> Option<Mail> {
        match media_type {
            "message/rfc822-headers" | "message/global-headers" | "text/rfc822-headers" => {
                Some(Mail::Behind(Behind::default()))
            }
            // Fragments have flags of their own.
            "message/partial" | "message/external-body" => None,
            other => other.starts_with("message/").then(|| Mail::Fields(Opening::default())),
        }
    }

    /// The content goes on; nothing if it is no mail to anybody.
    fn feed(self, content: &[u8]) -> Option<Mail> {
        match self {
            Mail::Fields(mut opening) => match opening.feed(content) {
                Some(is_header) => is_header.then_some(Mail::Found),
                None => Some(Mail::Fields(opening)),
            },
            Mail::Behind(mut behind) => Some(if behind.feed(content) {
                Mail::Found
            } else {
                Mail::Behind(behind)
            }),
            Mail::Found => Some(Mail::Found),
        }
    }
}

impl<V: Visitor> Extractor<V> {
    /// Tells `visitor` everything, and what it finds by [`Visitor::enclosed`].
    pub fn new(visitor: V) -> Extractor<V> {
        Extractor {
            visitor,
            search: None,
            mail: None,
            path: Vec::new(),
            offset: 0,
        }
    }

    /// The visitor, for a look under way.
    pub fn visitor(&self) -> &V {
        &self.visitor
    }

    /// The visitor, to take from it what it has gathered so far.
    pub fn visitor_mut(&mut self) -> &mut V {
        &mut self.visitor
    }

    /// Gives the visitor back.
    pub fn into_visitor(self) -> V {
        self.visitor
    }

    /// Takes the search along the next bytes, or to the end of the content.
    fn search(&mut self, content: Option<&[u8]>) {
        let (path, offset, visitor) = (self.path.as_slice(), self.offset, &mut self.visitor);
        let mut found = |found: Enclosed<'_>| match found {
            Enclosed::Finding(flag) => visitor.finding(Finding {
                flag,
                path,
                offset,
                count: 1,
            }),
            found => visitor.enclosed(found),
        };
        match (&mut self.search, content) {
            (Some(Search::Text(scanner)), Some(content)) => scanner.feed(content, &mut found),
            (Some(Search::Text(scanner)), None) => scanner.finish(&mut found),
            (Some(Search::Tnef(reader)), Some(content)) => reader.feed(content, &mut found),
            (Some(Search::Tnef(reader)), None) => reader.finish(&mut found),
            (None, _) => {}
        }
        match content {
            Some(content) => self.mail = self.mail.take().and_then(|mail| mail.feed(content)),
            // At the end, so that its place among the findings is the same for every split.
            None if matches!(self.mail, Some(Mail::Found)) => found(Enclosed::Finding(Flag::MessageOther)),
            None => {}
        }
    }
}

impl<V: Visitor> Visitor for Extractor<V> {
    fn begin(&mut self, entity: &Entity<'_>) {
        self.visitor.begin(entity);
        self.search = if entity.kind != Kind::Leaf {
            None
        } else if tnef::announced(entity.content_type, entity.disposition) {
            self.visitor.finding(Finding {
                flag: Flag::Tnef,
                path: entity.path,
                offset: entity.offset,
                count: 1,
            });
            Some(Search::Tnef(Box::default()))
        } else if entity.is_text() {
            Some(Search::Text(Box::default()))
        } else {
            None
        };
        self.mail = (entity.kind == Kind::Leaf)
            .then(|| Mail::of(&entity.content_type.value))
            .flatten();
        self.path.clear();
        self.path.extend(entity.path);
        self.offset = entity.offset;
    }

    fn body(&mut self, decoded: &[u8]) {
        self.visitor.body(decoded);
        self.search(Some(decoded));
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.visitor.cms(depth, decoded);
    }

    fn end(&mut self) {
        self.search(None);
        (self.search, self.mail) = (None, None);
        self.visitor.end();
    }

    fn finding(&mut self, finding: Finding<'_>) {
        self.visitor.finding(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::Extractor;
    use crate::mime::anomaly::Flag;
    use crate::mime::entity::Machine;
    use crate::mime::{Entity, Finding, Visitor};

    #[derive(Default)]
    struct Flags(Vec<Flag>);
    impl Visitor for Flags {
        fn begin(&mut self, _: &Entity<'_>) {}
        fn body(&mut self, _: &[u8]) {}
        fn end(&mut self) {}
        fn finding(&mut self, finding: Finding<'_>) {
            self.0.push(finding.flag);
        }
    }

    #[test]
    fn a_message_that_is_no_mail_is_flagged_where_it_begins_like_one() {
        let fields = "Received: x\r\nContent-Type: text/html\r\n\r\n<b>";
        for (media_type, content, expected) in [
            ("message/x-mail", fields, true),
            ("message/delivery-status", fields, true),
            (
                "message/delivery-status",
                "Reporting-MTA: dns; a\r\n\r\nAction: failed\r\n",
                false,
            ),
            (
                "message/disposition-notification",
                "Final-Recipient: rfc822; a\r\n",
                false,
            ),
            (
                "message/feedback-report",
                "Feedback-Type: abuse\r\nVersion: 1\r\n",
                false,
            ),
            ("message/global-headers", fields, true),
            ("message/rfc822-headers", "Content-Type: a/b\n \n\n x", true),
            ("text/rfc822-headers", "\r\nContent-Type: a/b\r\n\r\nx", true),
            ("text/rfc822-headers", "\r\nA: 1\r\n\r\nx", false),
            ("text/rfc822-headers", "A: 1\r\nContent-Type: a/b\r\n\r\n \r\n", false),
            ("message/global-headers", "Content-Type: a/b\r\rx", true),
            ("message/external-body", fields, false),
        ] {
            let mail = format!("Content-Type: {media_type}\r\n\r\n{content}");
            for piece in [1, mail.len()] {
                let mut machine = Machine::new(Extractor::new(Flags::default()));
                mail.as_bytes().chunks(piece).for_each(|piece| machine.feed(piece));
                let flags = machine.finish().into_visitor().0;
                let found = flags.iter().filter(|flag| **flag == Flag::MessageOther);
                assert_eq!(found.count(), usize::from(expected), "{media_type} {flags:?}");
            }
        }
    }
}
