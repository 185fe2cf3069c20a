//! What a peer says, without our secrets: error pages and refusals quote the request, each in a spelling of its own. Text and
//! secrets are compared in one normal form, into which every spelling falls, also several one in another.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

use super::Secret;

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
            spellings.push(normal(secret));
            // Whatever is around it in what was encoded: its first byte is the first, second or third of a group of three.
            for (before, uncertain) in [(0, 0), (1, 2), (2, 3)] {
                let whole = [vec![0; before].as_slice(), secret].concat();
                let certain = whole.len().saturating_mul(4) / 3;
                for encoded in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let encoded = encoded.get(uncertain..certain).unwrap_or_default();
                    if encoded.len() >= SHORTEST_BASE64 {
                        spellings.push(normal(encoded.as_bytes()));
                    }
                }
            }
        }
        spellings.retain(|spelling| !spelling.is_empty());
        Spellings(Secret::new(spellings))
    }

    /// `said` with `(secret)` in the place of each.
    pub fn hide(&self, said: &[u8]) -> String {
        let units = units(said);
        let text: Vec<u8> = units.iter().map(|unit| unit.0).collect();
        let mut secret = vec![false; said.len()];
        for spelling in self.0.expose() {
            for found in memmem::find_iter(&text, spelling) {
                let begins = |at: usize| units.get(at).map_or(said.len(), |unit| unit.1);
                let place = begins(found)..begins(found.saturating_add(spelling.len()));
                if let Some(place) = secret.get_mut(place) {
                    place.fill(true);
                }
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
    let mut inner = Vec::new();
    let mut at = 0;
    while let Some((byte, length)) = text.get(at..).and_then(unescaped) {
        inner.push((byte, at));
        at = at.saturating_add(length);
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
        while let Some(((b'\\', _), behind)) = rest.split_first() {
            rest = behind;
        }
        let Some((&(escaped, _), behind)) = rest.split_first() else {
            break;
        };
        rest = behind;
        let digits: Vec<u8> = rest.iter().take(4).map(|unit| unit.0).collect();
        match (escaped, number(&digits, 16).filter(|_| digits.len() == 4)) {
            (b'u', Some(character)) => {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).bytes().filter(|byte| *byte != b'\\');
                units.extend(bytes.map(|byte| (plain(byte), at)));
                rest = rest.get(4..).unwrap_or_default();
            }
            (b'n' | b'r' | b't', _) => units.push((b' ', at)),
            _ => units.push((plain(escaped), at)),
        }
    }
    units
}

/// White space is one in forms and another in our log.
fn plain(byte: u8) -> u8 {
    match byte {
        b'+' | b'\t' | b'\n' | b'\r' => b' ',
        byte => byte,
    }
}

/// The first byte of `text`, and how many it takes: RFC 3986 section 2.1, and what HTML escapes.
fn unescaped(text: &[u8]) -> Option<(u8, usize)> {
    const NAMES: [(&[u8], u8); 5] = [
        (b"amp;", b'&'),
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
    ];
    let (&first, rest) = text.split_first()?;
    let escape = match first {
        b'%' => rest.get(..2).and_then(|digits| byte(digits, 16)).map(|byte| (byte, 3)),
        b'&' => {
            let named = NAMES.iter().find(|(name, _)| rest.starts_with(name));
            let numbered = || {
                let digits = rest.strip_prefix(b"#")?;
                let digits = digits.get(..digits.iter().take(5).position(|byte| *byte == b';')?)?;
                let byte = match digits.split_first() {
                    Some((b'x' | b'X', digits)) => byte(digits, 16),
                    _ => byte(digits, 10),
                };
                Some((byte?, digits.len().saturating_add(3)))
            };
            named
                .map(|(name, byte)| (*byte, name.len().saturating_add(1)))
                .or_else(numbered)
        }
        _ => None,
    };
    Some(escape.unwrap_or((first, 1)))
}

fn byte(digits: &[u8], radix: u32) -> Option<u8> {
    number(digits, radix).and_then(|character| u8::try_from(u32::from(character)).ok())
}

/// Digits alone: `from_str_radix` would take a sign.
fn number(digits: &[u8], radix: u32) -> Option<char> {
    let text = str::from_utf8(digits).ok()?;
    let digits = text.chars().all(|digit| digit.is_digit(radix));
    char::from_u32(u32::from_str_radix(text, radix).ok().filter(|_| digits)?)
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
    fn what_is_no_secret_stays_as_it_was_written() {
        let spellings = Spellings::of(["", "\\", "k", "ab"].into_iter());
        for said in ["", r#"a%2 \u00 %"&#; &amp \"#, "a+b%41%4A é&#300;", r"C:\new\u12"] {
            assert_eq!(spellings.hide(said.as_bytes()), said);
        }
        assert_eq!(spellings.hide(b"a k b abab"), "a (secret) b (secret)");
        assert_eq!(spellings.hide(b"\xffk\xc3"), "\u{fffd}(secret)\u{fffd}");
    }
}
