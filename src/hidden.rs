//! Characters that a reader does not see, or sees elsewhere than they stand: what servers, mails and files say never reaches
//! a terminal or a log with them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Control characters (C0, DEL, C1), line separators, what turns the direction of text (Unicode's `Bidi_Control`), and what
/// takes no room: a name may be written twice and look the same.
pub fn is_hidden(character: char) -> bool {
    // The common case, in one comparison.
    !matches!(character, ' '..='~')
        && (character.is_control()
            || matches!(
                character,
                '\u{ad}'
                    | '\u{34f}'
                    | '\u{61c}'
                    | '\u{115f}'..='\u{1160}'
                    | '\u{180e}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{3164}'
                    | '\u{feff}'
                    | '\u{ffa0}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}'
            ))
}

/// `text` with them as `\u{…}`: one line, whatever it holds.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |character, out| {
        let _ = write!(out, "{}", character.escape_unicode());
    })
}

/// JSON, with those that stand in its strings as `\u…` (RFC 8259 section 7): it means the same. The control characters between
/// its values, if it is indented, stay.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    replaced(json, |character, out| {
        if matches!(character, '\n' | '\t' | '\r') {
            out.push(character);
            return;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn replaced(text: &str, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().saturating_add(16));
    for character in text.chars() {
        if is_hidden(character) {
            write(character, &mut out);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{escaped, escaped_json, is_hidden};

    #[test]
    fn whatever_steers_a_terminal_or_is_not_seen_is_hidden_and_what_people_write_is_not() {
        let of_terminals = ['\u{1b}', '\n', '\r', '\u{7f}', '\u{85}', '\u{9b}'];
        let of_direction = ['\u{61c}', '\u{200e}', '\u{202e}', '\u{2066}', '\u{2069}'];
        let of_no_width = ['\u{ad}', '\u{200b}', '\u{2060}', '\u{2064}', '\u{feff}', '\u{e0041}'];
        for hidden in of_terminals.iter().chain(&of_direction).chain(&of_no_width) {
            assert!(is_hidden(*hidden), "{hidden:?}");
        }
        assert!(!"a~ é中…\u{a0}✓\u{1f600}".contains(is_hidden));
    }

    #[test]
    fn text_stays_one_line_and_is_not_copied_without_need() {
        assert_eq!(escaped("a\n\u{1b}[2J\u{202e}b"), "a\\u{a}\\u{1b}[2J\\u{202e}b");
        assert!(matches!(escaped("as it is"), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same_whatever_is_in_its_strings() {
        let every: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let value = json!({ every.clone(): [every] });
        let text = value.to_string();
        let written = escaped_json(&text);
        assert!(!written.contains(is_hidden));
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        let indented = "{\n\t\"a\": \"\u{9b}\"\n}";
        assert_eq!(escaped_json(indented), "{\n\t\"a\": \"\\u009b\"\n}");
    }
}
