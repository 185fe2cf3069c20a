//! What the protocol says, byte for byte: the first message, the data messages (msgpack) and the cloud's control messages.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::msgpack;
use crate::limits;
use crate::secret::Secret;

/// What a sensor says of itself in the first message of every connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// `identity.oid`.
    pub oid: String,
    /// `identity.installation_key`.
    pub installation_key: Secret<String>,
    /// Its name; empty is not sent.
    pub hostname: String,
    /// `email` for raw mail; anything else for our events.
    pub platform: String,
    /// The sensor's id in the cloud is made of `oid` and this.
    pub seed_key: String,
    /// `mapping`, sent as configured.
    pub mapping: Map<String, Value>,
    /// `mappings`, sent as configured unless empty.
    pub mappings: Vec<Value>,
    /// `indexing`, sent as configured unless empty.
    pub indexing: Vec<Value>,
    /// Whether every data message is one gzip member.
    pub compressed: bool,
}

impl Sensor {
    /// The first message. `instance` is a UUID: one for the life of the process, the same across reconnects.
    pub fn hello(&self, instance: &str) -> Vec<u8> {
        let mut hello = json!({
            "version": 2,
            "oid": self.oid,
            "iid": self.installation_key.expose(),
            "platform": self.platform,
            "architecture": "usp_adapter",
            "mapping": self.mapping,
            "sensor_seed_key": self.seed_key,
            "is_compressed": self.compressed,
            "data_format": "msgpack",
            "instance_id": instance,
        });
        if let Value::Object(fields) = &mut hello {
            if !self.hostname.is_empty() {
                fields.insert("host_name".to_owned(), Value::from(self.hostname.as_str()));
            }
            for (name, list) in [("mappings", &self.mappings), ("indexing", &self.indexing)] {
                if !list.is_empty() {
                    fields.insert(name.to_owned(), Value::from(list.clone()));
                }
            }
        }
        hello.to_string().into_bytes()
    }
}

/// A UUID of version 4 (RFC 9562, 5.4) from random bytes.
pub fn uuid(mut random: [u8; 16]) -> String {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut random;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    crate::event::EventId(random).to_string()
}

// A data message is a msgpack map: `x` the sequence, `a` that an acknowledgement is wanted, then the payload. Sequences are
// given out when it is sent, so it is kept as the number of its fields and what stands behind `a`.

/// Appends the payload of a raw mail: `t` and, where known, `s` (milliseconds since 1970). `t` is a msgpack string that
/// holds any bytes: that is how mail stays as it is.
pub fn push_mail(mail: &[u8], time: i64, output: &mut Vec<u8>) {
    let fields = output.len();
    output.push(0);
    output.extend_from_slice(b"\xa1t");
    msgpack::push_string_header(mail.len(), output);
    output.extend_from_slice(mail);
    finish_payload(fields, 1, time, output);
}

/// Appends the payload of an event: `j`, which must be an object, `e`, and `s` as for raw mail.
pub fn push_event(event: &Value, time: i64, output: &mut Vec<u8>) {
    let fields = output.len();
    output.push(0);
    output.extend_from_slice(b"\xa1j");
    msgpack::push(event, output);
    output.extend_from_slice(b"\xa1e\xa5email");
    finish_payload(fields, 2, time, output);
}

fn finish_payload(fields: usize, mut count: u8, time: i64, output: &mut Vec<u8>) {
    if let Ok(time) = u64::try_from(time)
        && time > 0
    {
        output.extend_from_slice(b"\xa1s\xcf");
        output.extend_from_slice(&time.to_be_bytes());
        count = count.saturating_add(1);
    }
    if let Some(place) = output.get_mut(fields) {
        *place = count;
    }
}

/// The beginning of the data message whose payload has `fields` fields: the map, `x` and `a`.
pub fn head(fields: u8, sequence: u64) -> Vec<u8> {
    let mut head = vec![0x80 | fields.saturating_add(2)];
    head.extend_from_slice(b"\xa1x\xcf");
    head.extend_from_slice(&sequence.to_be_bytes());
    head.extend_from_slice(b"\xa1a\xc3");
    head
}

/// What the cloud says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// `rd`: it takes data.
    Ready,
    /// `ack`: all messages up to this sequence are received and processed.
    Acknowledged(u64),
    /// `fl`: how many messages may be in flight.
    Window(u64),
    /// `bo`: nothing is to be sent for so long.
    BackOff(Duration),
    /// `re`: connect anew, then send again what is not acknowledged.
    Reconnect,
    /// `error`: its words, as they came.
    Error(String),
    /// Something that is not known; its verb, as it came.
    Unknown(String),
}

impl Control {
    /// Reads `{"v": …, "x": …, "dur": …, "win": …, "err": …}`. What cannot be read is unknown: there may be newer verbs.
    pub fn parse(text: &str) -> Control {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let words = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match value.get("v").and_then(Value::as_str) {
            Some("rd") => Control::Ready,
            Some("ack") => Control::Acknowledged(number("x")),
            Some("fl") => Control::Window(number("win")),
            Some("bo") => Control::BackOff(Duration::from_secs(number("dur")).min(limits::USP_BACK_OFF)),
            Some("re") => Control::Reconnect,
            Some("error") => Control::Error(words("err")),
            _ => Control::Unknown(words("v")),
        }
    }
}

/// The beginning of the cloud's words, printable.
pub fn shown(words: &str) -> String {
    let begin: String = words.chars().take(limits::HTTP_EXCERPT).collect();
    begin.escape_debug().to_string()
}

/// Whatever the cloud says, its words are shown printable and short, and nobody waits longer than the limit.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    match Control::parse(&String::from_utf8_lossy(data)) {
        Control::BackOff(duration) => assert!(duration <= limits::USP_BACK_OFF),
        Control::Error(words) | Control::Unknown(words) => {
            let words = shown(&words);
            assert!(!words.contains(|character: char| character.is_control()));
            // `\u{10ffff}` is the longest escape.
            assert!(words.chars().count() <= limits::HTTP_EXCERPT.saturating_mul(10));
        }
        Control::Ready | Control::Acknowledged(_) | Control::Window(_) | Control::Reconnect => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Control, Sensor, head, msgpack, push_event, push_mail, uuid};
    use crate::limits;
    use crate::sink::limacharlie::tests::sensor;

    fn hexadecimal(bytes: &[u8]) -> String {
        crate::event::encode::hexadecimal(bytes)
    }

    fn message(sequence: u64, push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut payload = Vec::new();
        push(&mut payload);
        let (fields, rest) = payload.split_first().unwrap();
        hexadecimal(&[&head(*fields, sequence), rest].concat())
    }

    /// Without `a`, which the original leaves away where it wants no acknowledgement; we always want one.
    fn unacknowledged(message: &str) -> String {
        let count = u8::from_str_radix(&message[..2], 16).unwrap() - 1;
        format!("{count:02x}{}", message[2..].replacen("a161c3", "", 1))
    }

    /// The bytes that LimaCharlie's own client writes for the same messages.
    #[test]
    fn messages_are_the_original_clients_to_the_byte() {
        assert_eq!(
            message(1, |output| push_mail(b"hi\xff\xfe", 1_700_000_000_000, output)),
            "84a178cf0000000000000001a161c3a174a46869fffea173cf0000018bcfe56800"
        );
        assert_eq!(
            unacknowledged(&message(2, |output| output.push(0))),
            "81a178cf0000000000000002"
        );
        assert_eq!(
            unacknowledged(&message(4, |output| push_event(&json!({"a": 1}), 0, output))),
            "83a178cf0000000000000004a16a81a161d30000000000000001a165a5656d61696c"
        );
        let binary = |output: &mut Vec<u8>| {
            output.extend_from_slice(b"\x01\xa1b");
            msgpack::push_string_header(2, output);
            output.extend_from_slice(b"ab");
        };
        assert_eq!(
            unacknowledged(&message(5, binary)),
            "82a178cf0000000000000005a162a26162"
        );
        // A time before 1970 is no time.
        assert_eq!(
            message(2, |output| push_mail(b"x", -1, output)),
            "83a178cf0000000000000002a161c3a174a178"
        );
    }

    #[test]
    fn the_first_message_has_every_key_and_leaves_empty_ones_away() {
        let sensor = sensor();
        let hello: Value = serde_json::from_slice(&sensor.hello("i")).unwrap();
        let mut expected = json!({"version": 2, "oid": "o", "iid": "the-key", "platform": "email", "architecture": "usp_adapter",
            "mapping": {}, "sensor_seed_key": "s", "is_compressed": false, "data_format": "msgpack", "instance_id": "i"});
        assert_eq!(hello, expected);
        let full = Sensor {
            hostname: "h".into(),
            mappings: vec![json!({"event_type_path": "e"})],
            indexing: vec![json!({"path": "p"})],
            compressed: true,
            ..sensor
        };
        expected["host_name"] = "h".into();
        expected["mappings"] = json!([{"event_type_path": "e"}]);
        expected["indexing"] = json!([{"path": "p"}]);
        expected["is_compressed"] = true.into();
        let hello: Value = serde_json::from_slice(&full.hello("i")).unwrap();
        assert_eq!(hello, expected);
        assert!(!format!("{full:?}").contains("the-key"), "the key is a secret");
    }

    #[test]
    fn an_instance_is_a_uuid_of_version_4() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn every_verb_is_read_and_what_is_none_is_unknown() {
        for (text, control) in [
            (r#"{"v":"rd"}"#, Control::Ready),
            (
                r#"{"v":"ack","x":18446744073709551615}"#,
                Control::Acknowledged(u64::MAX),
            ),
            (r#"{"v":"fl","win":100,"dur":0,"err":""}"#, Control::Window(100)),
            (r#"{"v":"fl"}"#, Control::Window(0)),
            (r#"{"v":"bo","dur":5}"#, Control::BackOff(Duration::from_secs(5))),
            (
                r#"{"v":"bo","dur":1000000000000}"#,
                Control::BackOff(limits::USP_BACK_OFF),
            ),
            (r#"{"v":"re"}"#, Control::Reconnect),
            (r#"{"v":"error","err":"bad\nkey"}"#, Control::Error("bad\nkey".into())),
            (r#"{"v":"new"}"#, Control::Unknown("new".into())),
            (r#"{"v":7}"#, Control::Unknown(String::new())),
            ("[]", Control::Unknown(String::new())),
            ("not json", Control::Unknown(String::new())),
        ] {
            assert_eq!(Control::parse(text), control, "{text}");
        }
    }
}
