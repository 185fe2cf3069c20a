//! What is told of a mail that cannot be read without harm: its header as it stands, its size and its hash. As little code as
//! possible looks at it, and none of what reads other mail.

use sha2::{Digest as _, Sha256};

use super::build::{Arrival, Settings, routing};
use super::encode::encode;
use super::raw::Collected;
use super::{Anomaly, EmailEvent, Message, Origin, Part};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::cuts::cuts;

/// One mail on its way to its stub: fed as it arrives, then finished.
#[derive(Default)]
pub struct Stub {
    begin: Vec<u8>,
    size: u64,
    sha256: Sha256,
}

impl Stub {
    /// The next bytes.
    pub fn feed(&mut self, input: &[u8]) {
        self.sha256.update(input);
        self.size = self.size.saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        let room = limits::STUB_HEADER.saturating_sub(self.begin.len());
        self.begin.extend(input.iter().take(room));
    }

    /// The end of the mail.
    pub fn finish(self, settings: &Settings, arrival: Arrival) -> Collected {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        let fields = fields(&self.begin);
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let time = arrival.internal_date.unwrap_or(arrival.now);
        let routing = routing(settings, arrival, sha256, time);
        let flag = Flag::LimitAttempts;
        let message = Message {
            headers: fields.collect(),
            parts: vec![Part {
                size: Some(self.size),
                truncated: true,
                ..Part::default()
            }],
            anomalies: vec![Anomaly {
                flag: flag.name().to_owned(),
                severity: flag.severity().name(),
                part: String::new(),
                offset: 0,
                count: 1,
            }],
            journal: None,
        };
        Collected {
            event: EmailEvent { routing, message },
            raw: None,
            attachments: None,
        }
    }
}

/// Whole lines up to the first empty one; those that are no field are left out.
fn fields(begin: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in begin.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if text.is_empty() {
            break;
        }
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((name, value)) = text.split_once(':')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    fields
}

/// The same stub for every split, whatever the bytes; bounded. Half of the time the mail stands at the end of a header that is
/// as long as is looked at.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let before = match data.last() {
        Some(choice) if choice & 1 == 1 => {
            let length = limits::STUB_HEADER.saturating_sub(usize::from(*choice));
            [b"a:".as_slice(), &vec![b'x'; length.saturating_sub(3)], b"\n"].concat()
        }
        _ => Vec::new(),
    };
    let finish = |pieces: &[&[u8]]| {
        let mut stub = Stub::default();
        stub.feed(&before);
        for piece in pieces {
            stub.feed(piece);
        }
        let arrival = Arrival {
            origin: Origin::File { source: String::new() },
            account: String::new(),
            internal_date: None,
            now: 0,
        };
        stub.finish(&Settings::default(), arrival).event
    };
    let whole = finish(&[data]);
    for pieces in cuts(data) {
        assert_eq!(whole, finish(&pieces), "{} pieces", pieces.len());
    }
    let size = before.len().saturating_add(data.len());
    let size_said = whole.message.parts.first().and_then(|part| part.size);
    assert_eq!(size_said, u64::try_from(size).ok());
    let mut line = Vec::new();
    encode(&whole, &mut line);
    // A byte becomes three of UTF-8, or an escape of six; a field of three, `a:` and its line end, a list.
    let most = size.min(limits::STUB_HEADER).saturating_mul(6).saturating_add(1024);
    assert!(line.len() <= most && !line.contains(&b'\n'));
    assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
}

#[cfg(test)]
mod tests {
    use super::{Stub, fields};
    use crate::event::build::{Arrival, EventBuilder, Settings};
    use crate::event::{Headers, Origin};
    use crate::limits;

    fn arrival() -> Arrival {
        Arrival {
            origin: Origin::Mailbox {
                mailbox: "INBOX".to_owned(),
                uid_validity: 1,
                uid: 7,
            },
            account: "u@h:993".to_owned(),
            internal_date: Some(5),
            now: 6,
        }
    }

    #[test]
    fn a_stub_has_the_id_and_the_hash_of_its_mail_however_it_is_cut() {
        let mail = b"From: a@x\r\nSubject: one\r\n two\r\nno field\r\nX-8: \xff\r\n\r\nBody: no\r\n";
        let settings = Settings::default();
        let mut builder = EventBuilder::new(&settings);
        builder.feed(mail);
        let whole = builder.finish(&settings, arrival());
        for cut in 0..=mail.len() {
            let mut stub = Stub::default();
            stub.feed(&mail[..cut]);
            stub.feed(&mail[cut..]);
            let event = stub.finish(&settings, arrival()).event;
            assert_eq!(event.routing, whole.routing);
            let expected = Headers::from_iter([("from", "a@x"), ("subject", "one two"), ("x-8", "\u{fffd}")]);
            assert_eq!(event.message.headers, expected);
            assert_eq!(event.message.anomalies[0].flag, "limit_attempts");
            assert_eq!(event.message.parts[0].size, Some(mail.len() as u64));
        }
    }

    #[test]
    fn a_header_of_the_limit_is_read_and_what_is_beyond_is_not() {
        for (length, read) in [
            (limits::STUB_HEADER - 1, 1),
            (limits::STUB_HEADER, 1),
            (limits::STUB_HEADER + 1, 0),
        ] {
            let line = format!("a:{}\n", "x".repeat(length - 3));
            let mut stub = Stub::default();
            stub.feed(line.as_bytes());
            stub.feed(b"b: c\n\n");
            assert_eq!(fields(&stub.begin).len(), read, "{length}");
        }
    }
}
