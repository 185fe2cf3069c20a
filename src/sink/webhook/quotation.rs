//! What a receiver says, as a log line may repeat it: error pages like to quote the path they did not find, and the
//! headers that they did not like.

use crate::limits;
use crate::secret::Secret;

/// Pieces that are shorter are words of the language, not secrets.
const SHORTEST: usize = 6;

/// What must not be repeated.
#[derive(Debug, Clone)]
pub(super) struct Quotation(Secret<Vec<String>>);

impl Quotation {
    /// `whole` is left out wherever it stands; of the `composed`, also their pieces.
    pub fn without<'a>(whole: impl Iterator<Item = &'a str>, composed: impl Iterator<Item = &'a str>) -> Quotation {
        let mut secrets: Vec<String> = whole.filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        for text in composed {
            let decoded = percent_decoded(text);
            let pieces = [text, &decoded].map(|text| text.split(separates).chain([text]));
            secrets.extend(
                pieces
                    .into_iter()
                    .flatten()
                    .filter(|piece| piece.len() >= SHORTEST)
                    .map(str::to_owned),
            );
        }
        // The longest first, so that no piece of one is left when another is a part of it.
        secrets.sort_unstable_by(|first, second| (second.len(), second).cmp(&(first.len(), first)));
        secrets.dedup();
        Quotation(Secret::new(secrets))
    }

    /// The beginning of `said`, printable and short.
    pub fn of(&self, said: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(said).into_owned();
        for secret in self.0.expose() {
            text = text.replace(secret, "(secret)");
        }
        let mut excerpt = String::new();
        for character in text.trim().chars() {
            let escaped = character.escape_debug();
            if excerpt.len().saturating_add(escaped.clone().map(char::len_utf8).sum()) > limits::HTTP_EXCERPT {
                excerpt.push('…');
                break;
            }
            excerpt.extend(escaped);
        }
        excerpt
    }
}

/// Between the pieces of a path, a query and the usual header values. Base64 holds some of them: PHP's JSON writes `\/`.
fn separates(character: char) -> bool {
    matches!(character, '/' | '?' | '&' | '=' | ' ' | ',' | ';' | ':' | '"')
}

/// RFC 3986 section 2.1. Servers quote the path as they understood it.
fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|digit| char::from(digit).to_digit(16));
        let escaped = match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        if escaped.is_some() {
            bytes = ahead;
        }
        decoded.push(escaped.unwrap_or(byte));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::Quotation;

    #[test]
    fn pieces_are_left_out_however_they_are_quoted() {
        let composed = ["/hooks/canary-1%2Bx/a?token=canary-2", "Bearer canary-3/canary-4=="];
        let quotation = Quotation::without(["k"].into_iter(), composed.into_iter());
        for said in [
            "Cannot POST /hooks/canary-1%2Bx/a?token=canary-2",
            "Cannot POST /hooks/canary-1+x/a",
            r#"{"authorization":"Bearer canary-3\/canary-4=="}"#,
            "canary-4 canary-3 canary-2",
        ] {
            let quoted = quotation.of(said.as_bytes());
            assert!(!quoted.contains("canary") && quoted.contains("(secret)"), "{quoted}");
        }
        assert_eq!(quotation.of(b"a k b"), "a (secret) b");
        assert_eq!(quotation.of(b"not found"), "not found");
    }

    #[test]
    fn what_is_not_an_escape_stays_as_it_is() {
        for (text, expected) in [
            ("%41%4a", "AJ"),
            ("%", "%"),
            ("%4", "%4"),
            ("%4g%41", "%4gA"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(super::percent_decoded(text), expected);
        }
    }
}
