//! [`EmailEvent`] → one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    Anomaly, EmailEvent, EventId, Hashes, Headers, Journal, JournalKind, JournalRecipient, Message, Origin, Part,
    RecipientKind, Routing,
};

/// Appends the event as one JSON object, without a line end.
pub fn encode(event: &EmailEvent, output: &mut Vec<u8>) {
    output.extend_from_slice(b"{\"routing\":");
    routing(&event.routing, output);
    output.extend_from_slice(b",\"event\":");
    message(&event.message, output);
    output.push(b'}');
}

fn routing(routing: &Routing, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.text("event_type", "email");
    object.number("event_time", routing.event_time);
    object.text("event_id", &routing.event_id.to_string());
    object.text("hostname", &routing.hostname);
    object.text("oid", &routing.oid);
    match &routing.origin {
        Origin::Mailbox {
            mailbox,
            uid_validity,
            uid,
        } => {
            object.text("mailbox", mailbox);
            object.number("uidvalidity", *uid_validity);
            object.number("uid", *uid);
        }
        Origin::File { source } => object.text("source", source),
    }
    object.hexadecimal("sha256", &routing.sha256);
    object.close();
}

fn message(message: &Message, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.value("headers", |output| headers(&message.headers, output));
    object.value("parts", |output| list(&message.parts, output, part));
    if let Some(journal) = &message.journal {
        object.value("journal", |output| self::journal(journal, output));
    }
    if !message.anomalies.is_empty() {
        object.value("anomalies", |output| list(&message.anomalies, output, anomaly));
    }
    object.close();
}

fn headers(headers: &Headers, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    let mut fields = headers.by_name().peekable();
    while let Some((name, value)) = fields.next() {
        object.value(name, |output| {
            output.push(b'[');
            string(value, output);
            while let Some((_, value)) = fields.next_if(|(next, _)| *next == name) {
                output.push(b',');
                string(value, output);
            }
            output.push(b']');
        });
    }
    object.close();
}

fn part(part: &Part, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.value("headers", |output| headers(&part.headers, output));
    if let Some(text) = &part.body_text {
        object.text("body_text", text);
    }
    if let Some(hashes) = &part.hashes {
        object.value("hashes", |output| self::hashes(hashes, output));
    }
    if let Some(filename) = &part.filename {
        object.text("filename", filename);
    }
    if let Some(raw) = &part.filename_raw {
        object.text("filename_raw", raw);
    }
    if let Some(size) = part.size {
        object.number("size", size);
    }
    if let Some(content) = &part.content {
        object.value("content", |output| base64(content, output));
    }
    if let Some(hashes) = part.hashes.as_ref().filter(|_| part.artifact) {
        object.hexadecimal("artifact", &hashes.sha256);
    }
    if part.truncated {
        object.value("truncated", |output| output.extend_from_slice(b"true"));
    }
    if let Some(inner) = &part.message {
        object.value("message", |output| message(inner, output));
    }
    object.close();
}

fn hashes(hashes: &Hashes, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.hexadecimal("md5", &hashes.md5);
    object.hexadecimal("sha1", &hashes.sha1);
    object.hexadecimal("sha256", &hashes.sha256);
    object.close();
}

fn anomaly(anomaly: &Anomaly, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.text("flag", &anomaly.flag);
    object.text("severity", anomaly.severity);
    object.text("part", &anomaly.part);
    object.number("offset", anomaly.offset);
    object.number("count", anomaly.count);
    object.close();
}

fn journal(journal: &Journal, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    let kind = match journal.kind {
        JournalKind::Exchange => "exchange",
        JournalKind::Google => "google",
    };
    object.text("kind", kind);
    let fields = [
        ("sender", &journal.sender),
        ("on_behalf_of", &journal.on_behalf_of),
        ("subject", &journal.subject),
        ("message_id", &journal.message_id),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            object.text(name, value);
        }
    }
    object.value("recipients", |output| list(&journal.recipients, output, recipient));
    for (name, verdict) in [("spam", journal.spam), ("phishy", journal.phishy)] {
        if let Some(verdict) = verdict {
            object.value(name, |output| output.extend_from_slice(verdict.to_string().as_bytes()));
        }
    }
    if journal.decrypted {
        object.value("decrypted", |output| output.extend_from_slice(b"true"));
    }
    if let Some(report) = &journal.report {
        object.value("report", |output| {
            let mut object = Object::open(output);
            object.value("headers", |output| headers(&report.headers, output));
            object.value("parts", |output| list(&report.parts, output, part));
            object.close();
        });
    }
    object.close();
}

fn recipient(recipient: &JournalRecipient, output: &mut Vec<u8>) {
    let mut object = Object::open(output);
    object.text("address", &recipient.address);
    let kind = match recipient.kind {
        RecipientKind::To => "to",
        RecipientKind::Cc => "cc",
        RecipientKind::Bcc => "bcc",
        RecipientKind::Recipient => "recipient",
    };
    object.text("kind", kind);
    for (name, from) in [("expanded", &recipient.expanded), ("forwarded", &recipient.forwarded)] {
        if !from.is_empty() {
            object.value(name, |output| list(from, output, |value, output| string(value, output)));
        }
    }
    object.close();
}

impl std::fmt::Display for EventId {
    /// As a UUID.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(36);
        for (position, digit) in hexadecimal(&self.0).chars().enumerate() {
            if matches!(position, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(digit);
        }
        formatter.write_str(&text)
    }
}

/// A JSON object being written.
struct Object<'o> {
    output: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    fn open(output: &'o mut Vec<u8>) -> Object<'o> {
        output.push(b'{');
        Object { output, first: true }
    }

    fn value(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.first {
            self.output.push(b',');
        }
        self.first = false;
        string(key, self.output);
        self.output.push(b':');
        write(self.output);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.value(key, |output| string(value, output));
    }

    fn hexadecimal(&mut self, key: &str, bytes: &[u8]) {
        self.value(key, |output| {
            output.push(b'"');
            output.reserve(bytes.len().saturating_mul(2));
            output.extend(bytes.iter().flat_map(|byte| digits(*byte)));
            output.push(b'"');
        });
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        self.value(key, |output| output.extend_from_slice(value.to_string().as_bytes()));
    }

    fn close(self) {
        self.output.push(b'}');
    }
}

fn list<T>(items: &[T], output: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    output.push(b'[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            output.push(b',');
        }
        write(item, output);
    }
    output.push(b']');
}

/// Escapes as `serde_json` does, but looks at eight bytes at a time: most of an event is text.
fn string(text: &str, output: &mut Vec<u8>) {
    output.reserve(text.len().saturating_add(2));
    output.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(position) = first_escaped(rest) {
        let (plain, after) = rest.split_at_checked(position).unwrap_or((rest, &[]));
        output.extend_from_slice(plain);
        rest = match after.split_first() {
            Some((byte, rest)) => {
                escape(*byte, output);
                rest
            }
            None => &[],
        };
    }
    output.extend_from_slice(rest);
    output.push(b'"');
}

/// Where the first byte is that JSON wants escaped (RFC 8259, section 7): a control character, `"` or `\`.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let escaped = escaped_bytes(u64::from_le_bytes(*word));
        if escaped != 0 {
            let within = usize::try_from(escaped.trailing_zeros() / 8).unwrap_or(0);
            return Some(position.saturating_mul(8).saturating_add(within));
        }
    }
    let within = rest.iter().position(|byte| matches!(byte, ..b' ' | b'"' | b'\\'))?;
    Some(words.as_flattened().len().saturating_add(within))
}

/// The high bit of a byte of the result is set where that byte of `word` is to be escaped. Only the lowest such bit can be
/// trusted: a subtraction may borrow from the bytes above.
fn escaped_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES.wrapping_mul(u64::from(limit))) & !word;
    let is = |byte: u8| below(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & HIGH
}

fn escape(byte: u8, output: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            output.extend_from_slice(b"\\u00");
            output.extend_from_slice(hexadecimal(&[byte]).as_bytes());
            return;
        }
    };
    output.extend_from_slice(&[b'\\', short]);
}

fn base64(bytes: &[u8], output: &mut Vec<u8>) {
    output.push(b'"');
    // In steps of whole groups, so that the text is never in memory twice.
    for step in bytes.chunks(3 * 4096) {
        output.extend_from_slice(STANDARD.encode(step).as_bytes());
    }
    output.push(b'"');
}

/// As hashes are written everywhere: lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    text.extend(bytes.iter().flat_map(|byte| digits(*byte)).map(char::from));
    text
}

fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0x0f].map(|value| {
        if value < 10 {
            b'0' | value
        } else {
            (b'a' - 10).wrapping_add(value)
        }
    })
}

/// Fuzz entry: another reader of JSON finds every string and every byte again.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let part = Part {
        headers: Headers::from_iter([(text.as_str(), text.as_str()), (&text, "")]),
        body_text: Some(text.clone()),
        filename: Some(text.clone()),
        content: Some(data.to_vec()),
        ..Part::default()
    };
    let mut line = Vec::new();
    self::part(&part, &mut line);
    assert!(line.iter().all(|byte| *byte >= b' '), "one line");
    let expected = serde_json::json!({
        "headers": {text.to_ascii_lowercase(): [text, ""]},
        "body_text": text,
        "filename": text,
        "content": STANDARD.encode(data),
    });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&line).ok(), Some(expected));
}

#[cfg(test)]
mod tests {
    use super::{encode, string};
    use crate::event::{
        Anomaly, EmailEvent, EventId, Hashes, Headers, Journal, JournalKind, JournalRecipient, JournalReport, Message,
        Origin, Part, RecipientKind, Routing,
    };

    #[test]
    fn strings_are_escaped_as_json_wants_them_wherever_the_escapes_stand() {
        let characters: Vec<char> = ('\0'..='\u{FF}').chain(['\u{2028}', '\u{1F469}']).collect();
        for character in &characters {
            for before in (0..20).chain([31, 32, 33, 70]) {
                for after in [0, 1, 7, 8, 9] {
                    for other in ['x', '\u{80}', '"'] {
                        let [before, after] = [before, after].map(|length| other.to_string().repeat(length));
                        let text = format!("{before}{character}{character}{after}");
                        let mut output = Vec::new();
                        string(&text, &mut output);
                        assert_eq!(output, serde_json::to_vec(&text).unwrap(), "{text:?}");
                    }
                }
            }
        }
    }

    fn anomaly(flag: &str, severity: &'static str, part: &str) -> Anomaly {
        Anomaly {
            flag: flag.into(),
            severity,
            part: part.into(),
            offset: 3,
            count: 4,
        }
    }

    #[test]
    fn every_key_is_where_the_contract_says() {
        let inner = Message {
            headers: Headers::from_iter([("subject", "in")]),
            anomalies: vec![anomaly("g", "info", "2")],
            ..Message::default()
        };
        let part = Part {
            headers: Headers::from_iter([("content-type", "text/plain"), ("content-type", "a\"b")]),
            body_text: Some("line\r\n\u{2028}é".into()),
            hashes: Some(Hashes {
                md5: [1; 16],
                sha1: [2; 20],
                sha256: [0xab; 32],
            }),
            filename: Some("x.txt".into()),
            filename_raw: Some("../x.txt".into()),
            size: Some(7),
            content: Some(b"hello".to_vec()),
            artifact: true,
            truncated: true,
            message: Some(Box::new(inner)),
        };
        let recipient = |kind, expanded: &[&str], forwarded: &[&str]| JournalRecipient {
            address: "a@x".into(),
            kind,
            expanded: expanded.iter().map(|&list| list.into()).collect(),
            forwarded: forwarded.iter().map(|&from| from.into()).collect(),
        };
        let journal = Journal {
            kind: JournalKind::Exchange,
            sender: Some(String::new()),
            on_behalf_of: Some("b@x".into()),
            subject: Some("s".into()),
            message_id: Some("<1@x>".into()),
            recipients: vec![
                recipient(RecipientKind::To, &["l@x"], &[]),
                recipient(RecipientKind::Cc, &[], &["f@x", "g@x"]),
                recipient(RecipientKind::Bcc, &[], &[]),
                recipient(RecipientKind::Recipient, &[], &[]),
            ],
            spam: Some(true),
            phishy: Some(false),
            decrypted: true,
            report: Some(JournalReport {
                headers: Headers::from_iter([("to", "journal")]),
                parts: vec![Part::default()],
            }),
        };
        let event = EmailEvent {
            routing: Routing {
                event_time: -1,
                event_id: EventId([0x12; 16]),
                hostname: "h".into(),
                oid: "o".into(),
                origin: Origin::Mailbox {
                    mailbox: "INBOX".into(),
                    uid_validity: 5,
                    uid: 6,
                },
                sha256: [0; 32],
            },
            message: Message {
                headers: Headers::default(),
                parts: vec![part, Part::default()],
                anomalies: vec![anomaly("f", "high", "1.2")],
                journal: Some(Box::new(journal)),
            },
        };
        let mut line = Vec::new();
        encode(&event, &mut line);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let expected = serde_json::json!({
            "routing": {"event_type": "email", "event_time": -1, "event_id": "12121212-1212-1212-1212-121212121212",
                "hostname": "h", "oid": "o", "mailbox": "INBOX", "uidvalidity": 5, "uid": 6, "sha256": "00".repeat(32)},
            "event": {"headers": {}, "parts": [
                {"headers": {"content-type": ["text/plain", "a\"b"]}, "body_text": "line\r\n\u{2028}é",
                 "hashes": {"md5": "01".repeat(16), "sha1": "02".repeat(20), "sha256": "ab".repeat(32)},
                 "filename": "x.txt", "filename_raw": "../x.txt", "size": 7, "content": "aGVsbG8=", "artifact": "ab".repeat(32), "truncated": true,
                 "message": {"headers": {"subject": ["in"]}, "parts": [],
                    "anomalies": [{"flag": "g", "severity": "info", "part": "2", "offset": 3, "count": 4}]}},
                {"headers": {}}],
             "journal": {"kind": "exchange", "sender": "", "on_behalf_of": "b@x", "subject": "s", "message_id": "<1@x>",
                "recipients": [
                    {"address": "a@x", "kind": "to", "expanded": ["l@x"]},
                    {"address": "a@x", "kind": "cc", "forwarded": ["f@x", "g@x"]},
                    {"address": "a@x", "kind": "bcc"},
                    {"address": "a@x", "kind": "recipient"}],
                "spam": true, "phishy": false, "decrypted": true,
                "report": {"headers": {"to": ["journal"]}, "parts": [{"headers": {}}]}},
             "anomalies": [{"flag": "f", "severity": "high", "part": "1.2", "offset": 3, "count": 4}]}
        });
        assert_eq!(value, expected);
    }
}
