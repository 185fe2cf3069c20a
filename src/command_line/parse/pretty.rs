//! JSON for people: the same bytes with line ends and indentation between them, so that nothing is read or written anew.

/// Appends `compact`, a JSON text without white space between its tokens.
pub(super) fn pretty(compact: &[u8], output: &mut Vec<u8>) {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut bytes = compact.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            output.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                output.push(byte);
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    output.push(end);
                } else {
                    depth = depth.saturating_add(1);
                    new_line(depth, output);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, output);
                output.push(byte);
            }
            b',' => {
                output.push(byte);
                new_line(depth, output);
            }
            b':' => output.extend_from_slice(b": "),
            byte => {
                output.push(byte);
                in_string = byte == b'"';
            }
        }
    }
}

fn new_line(depth: usize, output: &mut Vec<u8>) {
    output.push(b'\n');
    output.extend(std::iter::repeat_n(b' ', depth.saturating_mul(2)));
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn the_value_is_the_same_and_strings_are_untouched() {
        let compact = r#"{"a":[1,{"b":"x,y:[{\"}\\"},[],{}],"c":{"d":true}}"#;
        let mut output = Vec::new();
        pretty(compact.as_bytes(), &mut output);
        let text = String::from_utf8(output).unwrap();
        let expected = r#"{
  "a": [
    1,
    {
      "b": "x,y:[{\"}\\"
    },
    [],
    {}
  ],
  "c": {
    "d": true
  }
}"#;
        assert_eq!(text, expected);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&text), value(compact));
    }
}
