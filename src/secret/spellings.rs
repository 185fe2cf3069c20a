//! What a peer says, without our secrets: error pages and refusals quote the request, each in a spelling of its own. Text and
//! secrets are compared in one normal form, into which every spelling falls, also up to three one in another; and as they are.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

use super::Secret;
use crate::limits;

/// Base64 that is shorter may be anything.
const SHORTEST_BASE64: usize = 6;

/// Secrets that must not be repeated, however they are spelt.
#[derive(Debug, Clone)]
pub struct Spellings(Secret<Vec<Vec<u8>>>);

impl Spellings {
    /// Of each of `secrets`.
    pub fn of(secrets: impl Iterator<Item = impl AsRef<str>>) -> Spellings {
        let mut spellings = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref().as_bytes();
            spellings.push(secret.to_vec());
            // Whatever is around it in what was encoded: its first byte is the first, second or third of a group of three.
            for (before, uncertain) in [(0, 0), (1, 2), (2, 3)] {
                let whole = [vec![0; before].as_slice(), secret].concat();
                let certain = whole.len().saturating_mul(4) / 3;
                for encoded in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let encoded = encoded.get(uncertain..certain).unwrap_or_default();
                    if encoded.len() >= SHORTEST_BASE64 {
                        spellings.push(encoded.as_bytes().to_vec());
                    }
                }
            }
        }
        spellings.retain(|spelling| !normal(spelling).is_empty());
        Spellings(Secret::new(spellings))
    }

    /// `said` with `(secret)` in the place of each.
    pub fn hide(&self, said: &[u8]) -> String {
        let units = units(said);
        let text: Vec<u8> = units.iter().map(|unit| unit.0).collect();
        let mut secret = vec![false; said.len()];
        let mut fill = |place| {
            if let Some(place) = secret.get_mut::<Range<usize>>(place) {
                place.fill(true);
            }
        };
        let begins = |at: usize| units.get(at).map_or(said.len(), |unit| unit.1);
        for spelling in self.0.expose() {
            // What stands beside it can make an escape of its first or last characters.
            for found in memmem::find_iter(said, spelling) {
                fill(found..found.saturating_add(spelling.len()));
            }
            let spelling = normal(spelling);
            for found in memmem::find_iter(&text, &spelling) {
                fill(begins(found)..begins(found.saturating_add(spelling.len())));
            }
        }
        let mut told = Vec::new();
        let mut within = false;
        for (byte, secret) in said.iter().zip(secret) {
            match secret {
                false => told.push(*byte),
                true if !within => told.extend_from_slice(b"(secret)"),
                true => {}
            }
            within = secret;
        }
        String::from_utf8_lossy(&told).into_owned()
    }
}

/// `text` as it is compared.
pub fn normal(text: &[u8]) -> Vec<u8> {
    units(text).into_iter().map(|unit| unit.0).collect()
}

/// The bytes of the normal form, and where in `text` what stands for each begins.
fn units(text: &[u8]) -> Vec<(u8, usize)> {
    let mut units: Vec<(u8, usize)> = text.iter().copied().zip(0..).collect();
    for _ in 0..limits::SECRET_ESCAPES {
        let inner = once(&units);
        // Every escape is longer than what it stands for.
        let is_last = inner.len() == units.len();
        units = inner;
        if is_last {
            break;
        }
    }
    units
}

/// One escape less of each.
fn once(outer: &[(u8, usize)]) -> Vec<(u8, usize)> {
    let text: Vec<u8> = outer.iter().map(|unit| unit.0).collect();
    let mut inner = Vec::new();
    let mut left = outer;
    while let Some(((bytes, count), length)) = text.get(text.len().saturating_sub(left.len())..).and_then(unescaped)
        && let Some((_, at)) = left.first()
    {
        inner.extend(bytes.into_iter().take(count).map(|byte| (byte, *at)));
        left = left.get(length..).unwrap_or_default();
    }
    // JSON, perhaps in JSON: a backslash is only ever an escape, or escaped itself.
    let mut units = Vec::new();
    let mut rest = inner.as_slice();
    while let Some((&(byte, at), behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            units.push((plain(byte), at));
            continue;
        }
        let Some((&(escaped, _), behind)) = without_backslashes(rest).split_first() else {
            break;
        };
        rest = behind;
        match (escaped, utf_16(rest).filter(|_| escaped == b'u')) {
            (_, Some((character, behind))) => {
                let (bytes, count) = utf_8(character);
                let bytes = bytes.into_iter().take(count).filter(|byte| *byte != b'\\');
                units.extend(bytes.map(|byte| (plain(byte), at)));
                rest = behind;
            }
            (b'n' | b'r' | b't', _) => units.push((b' ', at)),
            _ => units.push((plain(escaped), at)),
        }
    }
    units
}

fn without_backslashes(mut text: &[(u8, usize)]) -> &[(u8, usize)] {
    while let Some(((b'\\', _), behind)) = text.split_first() {
        text = behind;
    }
    text
}

/// RFC 8259 section 7: the character behind `\u`, of two such escapes where it takes a surrogate pair, and what follows.
fn utf_16(text: &[(u8, usize)]) -> Option<(char, &[(u8, usize)])> {
    let code = |text: &[(u8, usize)]| {
        let digits: Vec<u8> = text.get(..4)?.iter().map(|unit| unit.0).collect();
        number(&digits, 16).and_then(|code| u16::try_from(code).ok())
    };
    let (first, behind) = (code(text)?, text.get(4..)?);
    if let Ok(character) = char::try_from(u32::from(first)) {
        return Some((character, behind));
    }
    let ((b'u', _), second) = without_backslashes(behind).split_first()? else {
        return None;
    };
    let character = char::decode_utf16([first, code(second)?]).next()?.ok()?;
    Some((character, second.get(4..)?))
}

/// White space is one in forms and another in our log.
fn plain(byte: u8) -> u8 {
    match byte {
        b'+' | b'\t' | b'\n' | b'\r' => b' ',
        byte => byte,
    }
}

/// What `text` begins with, in UTF-8, and how many bytes it takes: RFC 3986 section 2.1, and what HTML escapes.
fn unescaped(text: &[u8]) -> Option<(([u8; 4], usize), usize)> {
    const NAMES: [(&[u8], char); 7] = [
        (b"amp;", '&'),
        (b"lt;", '<'),
        (b"gt;", '>'),
        (b"quot;", '"'),
        (b"apos;", '\''),
        (b"sol;", '/'),
        (b"plus;", '+'),
    ];
    let (&first, rest) = text.split_first()?;
    let escape = match first {
        b'%' => rest
            .get(..2)
            .and_then(|digits| u8::try_from(number(digits, 16)?).ok())
            .map(|byte| (alone(byte), 3)),
        b'&' => {
            let named = NAMES.iter().find(|(name, _)| rest.starts_with(name));
            let numbered = || {
                let digits = rest.strip_prefix(b"#")?;
                let digits = digits.get(..digits.iter().take(9).position(|byte| *byte == b';')?)?;
                let code = match digits.split_first() {
                    Some((b'x' | b'X', digits)) => number(digits, 16),
                    _ => number(digits, 10),
                };
                Some((utf_8(char::from_u32(code?)?), digits.len().saturating_add(3)))
            };
            named
                .map(|(name, character)| (utf_8(*character), name.len().saturating_add(1)))
                .or_else(numbered)
        }
        _ => None,
    };
    Some(escape.unwrap_or((alone(first), 1)))
}

fn alone(byte: u8) -> ([u8; 4], usize) {
    ([byte, 0, 0, 0], 1)
}

fn utf_8(character: char) -> ([u8; 4], usize) {
    let mut bytes = [0; 4];
    let count = character.encode_utf8(&mut bytes).len();
    (bytes, count)
}

/// Digits alone: `from_str_radix` would take a sign.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = str::from_utf8(digits).ok()?;
    let digits = text.chars().all(|digit| digit.is_digit(radix));
    u32::from_str_radix(text, radix).ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::Spellings;
    use crate::oauth::form;

    const SECRET: &str = r#"a"b\c/d&e+f g~é<'h="#;

    #[test]
    fn a_secret_is_left_out_however_it_is_spelt() {
        let spellings = Spellings::of([SECRET].into_iter());
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let by_form = String::from_utf8(form(&[("x", SECRET)]).expose().clone()).unwrap();
        let by_form = by_form.strip_prefix("x=").unwrap();
        let percent = by_form.replace('+', "%20").replace("%7E", "~");
        let in_unicode = SECRET.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        let in_unicode = in_unicode.collect::<Vec<_>>().concat();
        let html = SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
        for said in [
            SECRET.to_owned(),
            by_form.to_owned(),
            by_form.to_ascii_lowercase(),
            percent.clone(),
            json(SECRET).trim_matches('"').to_owned(),
            json(SECRET).trim_matches('"').replace('/', r"\/"),
            json(&json(SECRET)).trim_matches(['"', '\\']).to_owned(),
            json(SECRET)
                .trim_matches('"')
                .replace('&', r"\u0026")
                .replace('<', r"\u003c"),
            in_unicode,
            json(&html.replace('\'', "&#x27;")).trim_matches('"').to_owned(),
        ] {
            assert_eq!(spellings.hide(format!("<{said}>").as_bytes()), "<(secret)>", "{said}");
        }
        for whole in ["", "u:", "me:", "you:"].map(|before| format!("{before}{SECRET}&x")) {
            for said in [BASE64_STANDARD.encode(&whole), BASE64_URL_SAFE.encode(&whole)] {
                let told = spellings.hide(said.as_bytes());
                let (before, behind) = told.split_once("(secret)").unwrap();
                assert!(before.len() < 9 && behind.len() < 8, "{told}");
            }
        }
    }

    #[test]
    fn what_stands_beside_a_secret_makes_no_escape_of_it() {
        for (secret, said, told) in [
            (
                "token12345canary",
                r"DOMAIN\token12345canary refused",
                r"DOMAIN\(secret) refused",
            ),
            ("fecanarysecret", "at%fecanarysecret", "at%(secret)"),
            ("canarysec%4", "canarysec%41", "(secret)1"),
        ] {
            assert_eq!(Spellings::of([secret].into_iter()).hide(said.as_bytes()), told);
        }
    }

    #[test]
    fn an_escape_may_be_escaped_in_turn_and_stand_for_any_character() {
        for (secret, said) in [
            ("can/ary-sec", "can%252Fary-sec"),
            ("can/ary-sec", "can%25252Fary-sec"),
            ("can%41ary-sec", "can%2541ary-sec"),
            ("can&ary<sec", r"can\u0026amp;ary\u0026lt;sec"),
            ("can\u{1f600}ary", r"can\ud83d\ude00ary"),
            ("can\u{1f600}ary", r"can\\uD83D\\uDE00ary"),
            ("can\u{1f600}ary", "can&#x1F600;ary"),
            ("can\u{e9}\u{20ac}ary", "can&#233;&#8364;ary"),
            ("can/ary+sec", "can&sol;ary&plus;sec"),
        ] {
            let told = Spellings::of([secret].into_iter()).hide(format!("<{said}>").as_bytes());
            assert_eq!(told, "<(secret)>", "{said}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_was_written() {
        let spellings = Spellings::of(["", "\\", "k", "ab"].into_iter());
        for said in [
            "",
            r#"a%2 \u00 %"&#; &amp \"#,
            r"\ud83d \ud83dx\ude00 \ud83d\u0041",
            "a+b%41%4A é&#300;",
            r"C:\new\u12",
        ] {
            assert_eq!(spellings.hide(said.as_bytes()), said);
        }
        assert_eq!(spellings.hide(b"a k b abab"), "a (secret) b (secret)");
        assert_eq!(spellings.hide(b"\xffk\xc3"), "\u{fffd}(secret)\u{fffd}");
    }
}
