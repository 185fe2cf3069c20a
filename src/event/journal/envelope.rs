//! What a report says of the envelope: the text part of an Exchange report, line by line, and Google's header fields.
//!
//! MS-XJRNL 2.1: `Sender: a@x`, `On-Behalf-Of: b@x`, `Subject: …`, `Message-ID: <…>`, `Label: …`, `Mailbox: …`,
//! `SentUtc: …`, `ReceivedUtc: …`, and a line for each recipient: `To: a@x`, `Cc:`, `Bcc:`, or `Recipient:` where the
//! server could not verify how it was addressed; `To: a@x, Expanded: list@x` for a member of a list, `To: a@x,
//! Forwarded: b@x` where b's mailbox forwards to a.

use crate::event::{Headers, Journal, JournalKind, JournalRecipient, RecipientKind};
use crate::limits;
use crate::mime::anomaly::Flag;

/// Documented fields that the event does not repeat: they can be read in the report's text.
const NOT_REPEATED: &[&str] = &["label", "mailbox", "sentutc", "receivedutc"];

/// The envelope as the text part has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) sender: Option<String>,
    pub(super) on_behalf_of: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) recipients: Vec<JournalRecipient>,
    pub(super) flags: Vec<Flag>,
}

impl Envelope {
    /// Reads `text`, which may be cut at its end; `None` without a sender or a Message-Id, which every report has.
    pub(super) fn read(text: &str, cut: bool) -> Option<Envelope> {
        let mut envelope = Envelope::default();
        let mut field = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if cut && lines.peek().is_none() {
                envelope.flags.push(Flag::LimitRecipients); // half an address is another address
            } else if line.starts_with([' ', '\t']) && !field.is_empty() {
                field.push(' ');
                field.push_str(line.trim());
            } else {
                envelope.field(field.trim());
                field.clear();
                field.push_str(line.trim());
            }
        }
        envelope.field(field.trim());
        (envelope.sender.is_some() && envelope.message_id.is_some()).then_some(envelope)
    }

    /// Whether everything is there that Exchange writes.
    pub(super) fn is_complete(&self) -> bool {
        self.subject.is_some() && !self.recipients.is_empty()
    }

    fn field(&mut self, field: &str) {
        if field.is_empty() {
            return;
        }
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let value = value.trim();
        let understood = match name.to_ascii_lowercase().as_str() {
            "sender" => first(&mut self.sender, path(value)) && is_path(value),
            "on-behalf-of" => first(&mut self.on_behalf_of, path(value)) && is_path(value),
            "subject" => first(&mut self.subject, value),
            "message-id" => first(&mut self.message_id, value),
            "to" => self.recipients(RecipientKind::To, value),
            "cc" => self.recipients(RecipientKind::Cc, value),
            "bcc" => self.recipients(RecipientKind::Bcc, value),
            "recipient" => self.recipients(RecipientKind::Recipient, value),
            name if NOT_REPEATED.contains(&name) => true,
            name if is_field_name(name)
                && field
                    .get(name.len()..)
                    .is_some_and(|rest| rest == ":" || rest.starts_with(": ")) =>
            {
                self.flags.push(Flag::JournalUnknownField);
                true
            }
            _ => false,
        };
        if !understood {
            self.flags.push(Flag::JournalOtherLine);
        }
    }

    /// Adds the recipients of one line, of which there should be one; false if something in it is none.
    fn recipients(&mut self, kind: RecipientKind, value: &str) -> bool {
        let before = self.recipients.len();
        let mut understood = true;
        for piece in pieces(value) {
            let (redirection, address) = redirection(piece);
            understood &= is_path(address);
            let address = path(address);
            if address.is_empty() {
                understood = false;
                continue;
            }
            let full = self.recipients.len() >= limits::JOURNAL_RECIPIENTS;
            let here = self.recipients.get_mut(before..).and_then(<[_]>::last_mut);
            match (redirection, here) {
                (Some(Redirection::Expanded), Some(recipient)) => recipient.expanded.push(address.to_owned()),
                (Some(Redirection::Forwarded), Some(recipient)) => recipient.forwarded.push(address.to_owned()),
                _ if full => self.flags.push(Flag::LimitRecipients),
                (from_nobody, _) => {
                    understood &= from_nobody.is_none();
                    self.recipients.push(JournalRecipient {
                        address: address.to_owned(),
                        kind,
                        expanded: Vec::new(),
                        forwarded: Vec::new(),
                    });
                }
            }
        }
        understood
    }
}

/// What the header of a mail says that Google Workspace copied to another mailbox (the routing options that add
/// `X-Gm-Original-To`, the envelope recipient, and `X-Gm-Spam` and `X-Gm-Phishy`, the verdicts of its filter, to the copy). The
/// sender is the final delivery's: Return-Path, RFC 5321, 4.4.
pub(super) fn google(headers: &Headers, mut flag: impl FnMut(Flag)) -> Option<Journal> {
    let mut envelope = Envelope::default();
    headers.first("x-gm-original-to")?;
    for recipients in headers.all("x-gm-original-to") {
        if !envelope.recipients(RecipientKind::Recipient, recipients) {
            flag(Flag::JournalOtherLine);
        }
    }
    let [spam, phishy] = ["x-gm-spam", "x-gm-phishy"].map(|name| verdict(headers.all(name), &mut flag));
    envelope.flags.into_iter().for_each(flag);
    Some(Journal {
        kind: JournalKind::Google,
        sender: headers.first("return-path").map(|sender| path(sender).to_owned()),
        on_behalf_of: None,
        subject: None,
        message_id: headers.first("message-id").map(str::to_owned),
        recipients: envelope.recipients,
        spam,
        phishy,
        decrypted: false,
        report: None,
    })
}

/// `1` or `0`. A sender who writes such a field does not turn Google's: of two the worse one counts, and they are flagged.
fn verdict<'v>(values: impl Iterator<Item = &'v str>, flag: &mut impl FnMut(Flag)) -> Option<bool> {
    let mut verdict: Option<bool> = None;
    for value in values {
        let said = match value.trim() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        };
        if said.is_none() || verdict.is_some() {
            flag(Flag::JournalOtherLine);
        }
        verdict = verdict.max(said);
    }
    verdict
}

/// Keeps the first value; false for a further one.
fn first(slot: &mut Option<String>, value: &str) -> bool {
    let free = slot.is_none();
    slot.get_or_insert_with(|| value.to_owned());
    free
}

enum Redirection {
    Expanded,
    Forwarded,
}

/// `Expanded: list@x` and `Forwarded: a@x` behind a recipient.
fn redirection(piece: &str) -> (Option<Redirection>, &str) {
    match piece.split_once(':') {
        Some((name, address)) if name.trim().eq_ignore_ascii_case("expanded") => (Some(Redirection::Expanded), address),
        Some((name, address)) if name.trim().eq_ignore_ascii_case("forwarded") => {
            (Some(Redirection::Forwarded), address)
        }
        _ => (None, piece),
    }
}

/// The value at its commas, but for those in quoted local parts.
fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    value.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
}

/// An address without its angle brackets (RFC 5321, 4.1.2: `Path`).
fn path(value: &str) -> &str {
    let value = value.trim();
    let inner = value.strip_prefix('<').and_then(|value| value.strip_suffix('>'));
    inner.map_or(value, str::trim)
}

/// Whether `value` is an address and nothing else: SMTP's, the null sender `<>`, or an Exchange name (`/o=…`).
fn is_path(value: &str) -> bool {
    let path = path(value);
    if path.contains(['<', '>']) || !path.matches('"').count().is_multiple_of(2) {
        return false;
    }
    let smtp = path.rsplit_once('@').is_some_and(|(local, domain)| {
        let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
        let plain = !local.contains(|character: char| character == ':' || character.is_whitespace());
        (quoted || plain) && !domain.is_empty() && !domain.contains(char::is_whitespace)
    });
    smtp || path.starts_with('/') || value.trim() == "<>"
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Fuzz entry, over a report's text: bounded, blind to the kind of line ends, and what was understood reads the same
/// when it is written down as the documentation has it.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(envelope) = Envelope::read(&text, false) else {
        return;
    };
    assert!(envelope.recipients.len() <= limits::JOURNAL_RECIPIENTS);
    let addresses = |recipient: &JournalRecipient| {
        let from = recipient.expanded.iter().chain(&recipient.forwarded);
        from.map(String::len)
            .sum::<usize>()
            .saturating_add(recipient.address.len())
    };
    assert!(envelope.recipients.iter().map(addresses).sum::<usize>() <= text.len());
    if !text.contains('\r') {
        let other = Envelope::read(&text.replace('\n', "\r\n"), false);
        assert_eq!(other.as_ref(), Some(&envelope));
    }
    if envelope.flags.is_empty() {
        let again = Envelope::read(&written(&envelope), false);
        assert_eq!(again.as_ref(), Some(&envelope));
    }
}

/// The envelope as Exchange writes it.
fn written(envelope: &Envelope) -> String {
    let or_null = |path: &String| if path.is_empty() { "<>".to_owned() } else { path.clone() };
    let fields = [
        ("Sender", envelope.sender.as_ref().map(or_null)),
        ("On-Behalf-Of", envelope.on_behalf_of.as_ref().map(or_null)),
        ("Subject", envelope.subject.clone()),
        ("Message-ID", envelope.message_id.clone()),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value?)));
    let recipients = envelope.recipients.iter().map(|recipient| {
        let kind = match recipient.kind {
            RecipientKind::To => "To",
            RecipientKind::Cc => "Cc",
            RecipientKind::Bcc => "Bcc",
            RecipientKind::Recipient => "Recipient",
        };
        let expanded = recipient.expanded.iter().map(|list| format!(", Expanded: {list}"));
        let forwarded = recipient.forwarded.iter().map(|from| format!(", Forwarded: {from}"));
        let redirections: String = expanded.chain(forwarded).collect();
        format!("{kind}: {}{redirections}\r\n", recipient.address)
    });
    fields.chain(recipients).collect()
}
