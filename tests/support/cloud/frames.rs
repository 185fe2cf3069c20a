//! The server's side of a WebSocket and of the data messages in it, read strictly and on its own: what the product reads
//! and writes is not used here.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths and numbers are those of the wire"
)]

use serde_json::{Map, Value};

/// One message of the client's.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// A server's frame; `last` false for a piece of a message.
pub fn frame(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// Takes one whole frame off `stream`: opcode, whether it is the last of its message, payload. The error is what the client
/// did wrong.
pub fn take_frame(stream: &mut Vec<u8>) -> Result<Option<(u8, bool, Vec<u8>)>, String> {
    let [first, second, rest @ ..] = stream.as_slice() else {
        return Ok(None);
    };
    let (length, header) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length) as usize, 10),
            None => return Ok(None),
        },
        length => (usize::from(length), 2),
    };
    if second & 0x80 == 0 || first & 0x70 != 0 {
        return Err(format!("a frame that begins with {first:02x} {second:02x}"));
    }
    let whole = header + 4 + length;
    if stream.len() < whole {
        return Ok(None);
    }
    let mask: [u8; 4] = stream[header..header + 4].try_into().unwrap();
    let (opcode, last) = (first & 0x0f, first & 0x80 != 0);
    let mut payload: Vec<u8> = stream.drain(..whole).skip(header + 4).collect();
    for four in payload.chunks_mut(4) {
        for (byte, mask) in four.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    Ok(Some((opcode, last, payload)))
}

/// A data message: its sequence, whether it asks for an acknowledgement, and what it carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    pub sequence: u64,
    pub wants_acknowledgement: bool,
    pub payload: Payload,
    pub time: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// `t`: a mail.
    Mail(Vec<u8>),
    /// `j`, with `e`: `email`.
    Event(Value),
}

impl Data {
    pub fn read(bytes: &[u8]) -> Result<Data, String> {
        let mut rest = bytes;
        let count = take(&mut rest, 1)?[0];
        if count & 0xf0 != 0x80 {
            return Err(format!("not a small map: {count:02x}"));
        }
        let mut fields: Vec<(String, Item)> = Vec::new();
        for _ in 0..count & 0x0f {
            let Item::Text(key) = item(&mut rest)? else {
                return Err("a key that is no text".to_owned());
            };
            fields.push((String::from_utf8_lossy(&key).into_owned(), item(&mut rest)?));
        }
        if !rest.is_empty() {
            return Err("bytes behind the map".to_owned());
        }
        let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
        let order = ["x", "a", "t", "j", "e", "s"];
        if !order.iter().filter(|key| keys.contains(key)).eq(keys.iter()) {
            return Err(format!("keys {keys:?}"));
        }
        let mut field = |key: &str| {
            let at = fields.iter().position(|(name, _)| name == key)?;
            Some(fields.swap_remove(at).1)
        };
        let payload = match (field("t"), field("j"), field("e")) {
            (Some(Item::Text(mail)), None, None) if !mail.is_empty() => Payload::Mail(mail),
            (None, Some(Item::Json(event)), Some(Item::Text(kind))) if kind == b"email" => Payload::Event(event),
            other => return Err(format!("a payload of {other:?}")),
        };
        let number = |item: Option<Item>| match item {
            Some(Item::Json(value)) => value.as_u64(),
            _ => None,
        };
        Ok(Data {
            sequence: number(field("x")).ok_or("no sequence")?,
            wants_acknowledgement: field("a") == Some(Item::Json(Value::Bool(true))),
            payload,
            time: number(field("s")),
        })
    }
}

/// A msgpack value; text apart, because it may be no UTF-8.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(Vec<u8>),
    Json(Value),
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let (taken, left) = rest.split_at_checked(count).ok_or("cut short")?;
    *rest = left;
    Ok(taken)
}

fn number(rest: &mut &[u8], bytes: usize) -> Result<u64, String> {
    Ok(take(rest, bytes)?
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn item(rest: &mut &[u8]) -> Result<Item, String> {
    let head = take(rest, 1)?[0];
    let json = |value| Ok(Item::Json(value));
    let length = match head {
        0xd9 => number(rest, 1)?,
        0xda | 0xdc | 0xde => number(rest, 2)?,
        0xdb | 0xdd | 0xdf => number(rest, 4)?,
        0xa0..=0xbf => u64::from(head & 0x1f),
        _ => u64::from(head & 0x0f),
    } as usize;
    match head {
        0x00..=0x7f => json(Value::from(head)),
        0xc0 => json(Value::Null),
        0xc2 | 0xc3 => json(Value::Bool(head == 0xc3)),
        0xcb => json(Value::from(f64::from_bits(number(rest, 8)?))),
        0xcc => json(Value::from(number(rest, 1)?)),
        0xcd => json(Value::from(number(rest, 2)?)),
        0xce => json(Value::from(number(rest, 4)?)),
        0xcf => json(Value::from(number(rest, 8)?)),
        0xd3 => json(Value::from(number(rest, 8)? as i64)),
        0xa0..=0xbf | 0xd9..=0xdb => Ok(Item::Text(take(rest, length)?.to_vec())),
        0x90..=0x9f | 0xdc | 0xdd => {
            let items: Result<Vec<Value>, String> = (0..length).map(|_| value(rest)).collect();
            json(Value::from(items?))
        }
        0x80..=0x8f | 0xde | 0xdf => {
            let mut map = Map::new();
            for _ in 0..length {
                let Value::String(key) = value(rest)? else {
                    return Err("a key that is no text".to_owned());
                };
                map.insert(key, value(rest)?);
            }
            json(Value::from(map))
        }
        _ => Err(format!("msgpack {head:02x}")),
    }
}

fn value(rest: &mut &[u8]) -> Result<Value, String> {
    match item(rest)? {
        Item::Json(value) => Ok(value),
        Item::Text(text) => String::from_utf8(text)
            .map(Value::from)
            .map_err(|error| error.to_string()),
    }
}
