//! JSON values as msgpack: lengths in their shortest form, numbers in eight bytes, as LimaCharlie's own client writes them.

use serde_json::Value;

/// Appends `value`.
pub fn push(value: &Value, output: &mut Vec<u8>) {
    match value {
        Value::Null => output.push(0xc0),
        Value::Bool(false) => output.push(0xc2),
        Value::Bool(true) => output.push(0xc3),
        Value::Number(number) => {
            let (form, bytes) = match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => (0xd3, number.to_be_bytes()),
                (None, Some(number)) => (0xcf, number.to_be_bytes()),
                (None, None) => (0xcb, number.as_f64().unwrap_or_default().to_be_bytes()),
            };
            output.push(form);
            output.extend_from_slice(&bytes);
        }
        Value::String(text) => {
            push_string_header(text.len(), output);
            output.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            push_count(items.len(), 0x90, 0xdc, output);
            for item in items {
                push(item, output);
            }
        }
        Value::Object(entries) => {
            push_count(entries.len(), 0x80, 0xde, output);
            for (key, value) in entries {
                push_string_header(key.len(), output);
                output.extend_from_slice(key.as_bytes());
                push(value, output);
            }
        }
    }
}

/// The header of a string of `length` bytes. The bytes may be any: this is how raw mail is sent.
pub fn push_string_header(length: usize, output: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=31), _) => output.push(0xa0 | length),
        (Ok(length), _) => output.extend_from_slice(&[0xd9, length]),
        (_, Ok(length)) => {
            output.push(0xda);
            output.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            output.push(0xdb);
            output.extend_from_slice(&in_four_bytes(length));
        }
    }
}

/// The header of a list or a map: up to 15 in the byte itself, then two bytes, then four.
fn push_count(count: usize, few: u8, many: u8, output: &mut Vec<u8>) {
    match (u8::try_from(count), u16::try_from(count)) {
        (Ok(count @ 0..=15), _) => output.push(few | count),
        (_, Ok(count)) => {
            output.push(many);
            output.extend_from_slice(&count.to_be_bytes());
        }
        _ => {
            output.push(many.saturating_add(1));
            output.extend_from_slice(&in_four_bytes(count));
        }
    }
}

/// Nothing as long as 4 GiB is ever held here.
fn in_four_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::push;

    fn msgpack(value: &Value) -> Vec<u8> {
        let mut output = Vec::new();
        push(value, &mut output);
        output
    }

    #[test]
    fn values_are_written_as_the_specification_has_them() {
        let value = json!([null, false, true, 1, -1, 1.5, "é", {"k": []}]);
        let expected = b"\x98\xc0\xc2\xc3\xd3\0\0\0\0\0\0\0\x01\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xcb\x3f\xf8\0\0\0\0\0\0\xa2\xc3\xa9\x81\xa1k\x90";
        assert_eq!(msgpack(&value), expected);
    }

    #[test]
    fn whole_numbers_have_eight_bytes_and_a_sign_where_that_is_enough() {
        for (number, bytes) in [
            (json!(0), "d30000000000000000"),
            (json!(-1), "d3ffffffffffffffff"),
            (json!(i64::MAX), "d37fffffffffffffff"),
            (json!(9_223_372_036_854_775_808_u64), "cf8000000000000000"),
            (json!(u64::MAX), "cfffffffffffffffff"),
        ] {
            assert_eq!(crate::event::encode::hexadecimal(&msgpack(&number)), bytes);
        }
    }

    #[test]
    fn lengths_take_their_shortest_form_at_each_border() {
        for (length, header) in [
            (31, &b"\xbf"[..]),
            (32, b"\xd9\x20"),
            (255, b"\xd9\xff"),
            (256, b"\xda\x01\x00"),
            (65_535, b"\xda\xff\xff"),
            (65_536, b"\xdb\0\x01\0\0"),
        ] {
            let text = msgpack(&json!("x".repeat(length)));
            assert_eq!((&text[..header.len()], text.len()), (header, header.len() + length));
        }
        for (count, list, map) in [
            (15, &b"\x9f"[..], &b"\x8f"[..]),
            (16, b"\xdc\0\x10", b"\xde\0\x10"),
            (65_535, b"\xdc\xff\xff", b"\xde\xff\xff"),
            (65_536, b"\xdd\0\x01\0\0", b"\xdf\0\x01\0\0"),
        ] {
            let items = msgpack(&Value::from(vec![Value::Null; count]));
            assert_eq!((&items[..list.len()], items.len()), (list, list.len() + count));
            let entries: serde_json::Map<String, Value> =
                (0..count).map(|key| (key.to_string(), Value::Null)).collect();
            assert!(msgpack(&Value::from(entries)).starts_with(map));
        }
    }
}
