//! Journal reports: the copies of other people's mail that a journaling mailbox receives.
//!
//! **Exchange** (MS-XJRNL, on-premises and Online) sends a mail of its own: a text part that lists the envelope
//! (`envelope.rs`), then the original as `message/rfc822`. Where journal report decryption is on, a rights-protected
//! original comes twice, the second time readable. What cannot be delivered goes, as an attachment of a bounce, to the
//! alternate journaling mailbox. **Google Workspace** sends the original itself with the envelope recipient in
//! `X-Gm-Original-To`.
//!
//! Anybody can write a mail that looks like a report, to have its visible part taken for packaging. So the original is
//! put on top only where there is nothing else to see but the report's text; the text stays in the event, and a line in
//! it that no report has is flagged. What a real report says wrong or twice comes from a hostile original (a line end in
//! its Subject is enough): that is flagged and unwrapped, or hostile mail could avoid the rules that look at the top.

mod envelope;

use std::mem;

use super::{Headers, Journal, JournalKind, JournalReport, Message, Part};
use crate::mime::anomaly::Flag;
use crate::mime::parameter::Parameterized;
use envelope::Envelope;
pub use envelope::fuzz;

/// The header field of every Exchange report; its value is empty.
const MARK: &str = "x-ms-journal-report";
/// What a rights-protected mail consists of: its content, encrypted.
const PROTECTED: &str = "application/x-microsoft-rpmsg-message";

/// Fills `journal` if `mail` is a journal report. With `unwrap`, the original inside it becomes the message, and the
/// report goes under `journal.report`. Tells `flag` of what can be read two ways.
pub(super) fn recognise(mut mail: Message, unwrap: bool, mut flag: impl FnMut(Flag)) -> Message {
    let Some(reading) = exchange(&mail).or_else(|| undelivered(&mail)) else {
        mail.journal = envelope::google(&mail.headers, &mut flag).map(Box::new);
        return mail;
    };
    reading.flags.into_iter().for_each(flag);
    mail.journal = reading.journal;
    match reading.original {
        Some(position) if unwrap => unwrapped(mail, position),
        _ => mail,
    }
}

/// What an Exchange report was read as.
struct Reading {
    /// Absent where only the mark says that it is one.
    journal: Option<Box<Journal>>,
    /// The part that carries the original, if there is no doubt about it.
    original: Option<usize>,
    flags: Vec<Flag>,
}

/// Reads `mail` as a report; `None` if it is none. Without the mark, which gateways may remove, only a perfect one is.
fn exchange(mail: &Message) -> Option<Reading> {
    let marked = mail.headers.first(MARK).is_some();
    let original = original(&mail.parts);
    if !marked && original.is_none() {
        return None; // nearly every mail: its text need not be read as an envelope
    }
    let envelope = mail.parts.first().and_then(envelope_of);
    let (mut envelope, original) = match (envelope, original) {
        (Some(envelope), Some(original)) => (envelope, original),
        (envelope, _) => return marked.then(|| ambiguous(envelope)),
    };
    let mut flags = mem::take(&mut envelope.flags);
    let named = envelope.message_id.as_deref().filter(|named| !named.is_empty());
    if named != message_id(original.message) {
        flags.push(Flag::JournalOtherMessageId);
    }
    let perfect = flags.is_empty() && envelope.is_complete();
    if !marked && !perfect {
        return None;
    }
    if exchange(original.message).is_some() {
        flags.push(Flag::JournalNested);
    }
    Some(Reading {
        original: Some(original.position),
        journal: Some(journal(envelope, original.decrypted)),
        flags,
    })
}

/// A mail that says it is a report, with an envelope or without, in a shape that no report has.
fn ambiguous(envelope: Option<Envelope>) -> Reading {
    let mut flags = vec![Flag::JournalAmbiguous];
    let journal = envelope.map(|mut envelope| {
        flags.append(&mut envelope.flags);
        journal(envelope, false)
    });
    Reading {
        journal,
        original: None,
        flags,
    }
}

/// A bounce that returns a report to the alternate journaling mailbox. It stays as it is: its own text is free, and so
/// could hide anything.
fn undelivered(mail: &Message) -> Option<Reading> {
    let mut mails = mail.parts.iter().filter_map(|part| part.message.as_deref());
    let (Some(report), None) = (mails.next(), mails.next()) else {
        return None;
    };
    if essence(&mail.headers) != "multipart/report" {
        return None;
    }
    let reading = exchange(report)?;
    Some(Reading {
        original: None,
        ..reading
    })
}

/// The part with the original, in a report of the documented shape.
struct Original<'m> {
    position: usize,
    message: &'m Message,
    /// Whether it is the readable copy of a protected original, which is the other part.
    decrypted: bool,
}

fn original(parts: &[Part]) -> Option<Original<'_>> {
    let (position, message, decrypted) = match parts {
        [_, only] => (1, only.message.as_deref()?, false),
        [_, one, other] => {
            let [one, other] = [one.message.as_deref()?, other.message.as_deref()?];
            if message_id(one).is_none() || message_id(one) != message_id(other) {
                return None;
            }
            match [one, other].map(is_protected) {
                [true, false] => (2, other, true),
                [false, true] => (1, one, true),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Original {
        position,
        message,
        decrypted,
    })
}

fn is_protected(message: &Message) -> bool {
    let mut parts = message.parts.iter().map(|part| &part.headers);
    // A mail of one part has the Content-Type in its own header.
    essence(&message.headers) == PROTECTED || parts.any(|headers| essence(headers) == PROTECTED)
}

fn envelope_of(part: &Part) -> Option<Envelope> {
    let text = part.body_text.as_deref()?;
    let plain = matches!(essence(&part.headers).as_str(), "text/plain" | "");
    // A file is no envelope: readers show it as an attachment.
    (plain && part.filename.is_none())
        .then(|| Envelope::read(text, part.truncated))
        .flatten()
}

/// Content-Type's type and subtype; empty where there is none.
fn essence(headers: &Headers) -> String {
    let value = headers.first("content-type");
    value.map_or_else(String::new, |value| Parameterized::parse(value.as_bytes()).value)
}

fn message_id(message: &Message) -> Option<&str> {
    let value = message.headers.first("message-id")?.trim();
    (!value.is_empty()).then_some(value)
}

fn journal(envelope: Envelope, decrypted: bool) -> Box<Journal> {
    Box::new(Journal {
        kind: JournalKind::Exchange,
        sender: envelope.sender,
        on_behalf_of: envelope.on_behalf_of,
        subject: envelope.subject,
        message_id: envelope.message_id,
        recipients: envelope.recipients,
        spam: None,
        phishy: None,
        decrypted,
        report: None,
    })
}

/// `report`, with the mail of the part at `position` on top.
fn unwrapped(mut report: Message, position: usize) -> Message {
    let original = report.parts.get_mut(position).and_then(|part| part.message.take());
    let (Some(original), Some(mut journal)) = (original, report.journal.take()) else {
        return report;
    };
    journal.report = Some(JournalReport {
        headers: report.headers,
        parts: report.parts,
    });
    Message {
        journal: Some(journal),
        ..*original
    }
}

#[cfg(test)]
mod tests;
