//! Files in a leaf's content that MIME does not describe, told to a visitor beside the content itself.

use super::anomaly::Flag;
use super::apple_file::AppleFile;
use super::declared::is_shown;
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
    /// The path of the last multipart/encrypted that is in no other: all below is.
    encrypted: Option<Vec<u32>>,
}

enum Search {
    Text(Box<Scanner>),
    Tnef(Box<tnef::Reader>),
    AppleFile(AppleFile),
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
            encrypted: None,
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
            (Some(Search::AppleFile(file)), Some(content)) => {
                if let Some(has_data) = file.feed(content) {
                    self.search = None;
                    if has_data {
                        found(Enclosed::Finding(Flag::EmbeddedEncoding));
                    }
                }
            }
            (Some(Search::AppleFile(_)) | None, _) => {}
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
        let media_type = entity.content_type.value.as_str();
        let mut armored = self
            .encrypted
            .as_ref()
            .is_some_and(|path| entity.path.starts_with(path));
        if !armored && media_type == "multipart/encrypted" {
            self.encrypted = Some(entity.path.to_vec());
            armored = true;
        }
        self.search = if entity.kind != Kind::Leaf {
            None
        } else if tnef::announced(entity.content_type, entity.disposition) {
            // A name alone makes no `winmail.dat` of it for everyone.
            let shown = is_shown(media_type).then_some(Flag::EmbeddedEncoding);
            for flag in [Some(Flag::Tnef), shown].into_iter().flatten() {
                self.visitor.finding(Finding {
                    flag,
                    path: entity.path,
                    offset: entity.offset,
                    count: 1,
                });
            }
            Some(Search::Tnef(Box::default()))
        } else if entity.is_text() || armored {
            let typed = !entity.root || entity.fields.into_iter().any(|field| field.is("content-type"));
            let scanner = if typed { Scanner::default() } else { Scanner::untyped() };
            Some(Search::Text(Box::new(scanner)))
        } else if media_type == "application/applefile" {
            Some(Search::AppleFile(AppleFile::default()))
        } else {
            None
        };
        self.mail = (entity.kind == Kind::Leaf).then(|| Mail::of(media_type)).flatten();
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

    fn flags(mail: &[u8]) -> Vec<Flag> {
        let read = |piece: usize| {
            let mut machine = Machine::new(Extractor::new(Flags::default()));
            mail.chunks(piece).for_each(|piece| machine.feed(piece));
            machine.finish().into_visitor().0
        };
        let whole = read(mail.len());
        assert_eq!(read(1), whole);
        whole
    }

    #[test]
    fn a_first_line_and_text_are_a_file_only_where_nothing_says_what_the_content_is() {
        let text = "\r\nbegin 644 name\r\nis how such a file begins.\r\n";
        for (header, expected) in [
            ("From: a@b\r\n", &[Flag::EmbeddedEncoding][..]),
            ("Content-Type: text/plain\r\n", &[]),
            (
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
                &[Flag::MultipartUnclosed],
            ),
            (
                "Content-Type: message/rfc822\r\n\r\nFrom: a@b\r\n",
                &[Flag::EmbeddedEncoding],
            ),
        ] {
            assert_eq!(flags(format!("{header}{text}").as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn text_that_only_its_name_calls_something_else_is_shown_by_some_readers() {
        for (header, expected) in [
            ("Content-Disposition: inline; filename=winmail.dat", true),
            ("Content-Type: text/html; name=winmail.dat", true),
            ("Content-Type: application/octet-stream; name=winmail.dat", false),
            ("Content-Type: application/ms-tnef", false),
            ("Content-Disposition: inline; filename=a.p7s", true),
            ("Content-Type: text/plain; name=a.p7m", true),
            ("Content-Type: image/png; name=a.p7m", true),
            ("Content-Type: x/y; name=a.p7m", false),
            ("Content-Type: application/octet-stream; name=a.p7m", false),
        ] {
            let found = flags(format!("{header}\r\n\r\nx").as_bytes());
            assert_eq!(found.contains(&Flag::EmbeddedEncoding), expected, "{header} {found:?}");
        }
    }

    #[test]
    fn an_apple_file_is_flagged_if_it_has_a_data_fork() {
        for (id, expected) in [(1, vec![Flag::EmbeddedEncoding]), (2, vec![])] {
            let header = b"Content-Type: application/applefile\r\nContent-Transfer-Encoding: binary\r\n\r\n";
            let file = [&b"\0\x05\x16\0\0\x02\0\0"[..], &[0; 16], &[0, 1, 0, 0, 0, id], &[0; 8]].concat();
            assert_eq!(flags(&[&header[..], &file].concat()), expected, "{id}");
        }
    }

    #[test]
    fn what_is_not_encrypted_in_a_multipart_for_it_is_flagged() {
        let mail = |packets: &str| {
            format!(
                "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n\
                 Version: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n\
                 {packets}\r\n--b--\r\n"
            )
        };
        assert!(flags(mail("y0NiCGV2aWw").as_bytes()).contains(&Flag::EmbeddedEncoding));
        assert!(!flags(mail("0ukBCGV2aWw").as_bytes()).contains(&Flag::EmbeddedEncoding));
        // Another one in it ends nothing.
        let inner = "--b\r\nContent-Type: multipart/encrypted; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b\r\nContent-Type: application/o";
        let nested = mail("y0NiCGV2aWw").replace("--b\r\nContent-Type: application/o", inner);
        assert!(flags(nested.as_bytes()).contains(&Flag::EmbeddedEncoding));
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
            ("message/global-headers", "A: 1\n \nxyz\n\nq\n", false),
            ("message/global-headers", "A: 1\r\rxyz\n\nq\n", false),
            ("message/external-body", fields, false),
        ] {
            let mail = format!("Content-Type: {media_type}\r\n\r\n{content}");
            let flags = flags(mail.as_bytes());
            let found = flags.iter().filter(|flag| **flag == Flag::MessageOther);
            assert_eq!(found.count(), usize::from(expected), "{media_type} {flags:?}");
        }
    }
}
