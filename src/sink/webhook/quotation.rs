//! What a receiver says, as a log line may repeat it: error pages like to quote the path they did not find, and the
//! headers that they did not like.

use crate::limits;
use crate::secret::{Spellings, normal};

/// Pieces that are shorter are words of the language, not secrets.
const SHORTEST: usize = 6;

/// What must not be repeated.
#[derive(Debug, Clone)]
pub(super) struct Quotation(Spellings);

impl Quotation {
    /// `whole` is left out wherever it stands; of the `composed`, also their pieces.
    pub fn without<'a>(whole: impl Iterator<Item = &'a str>, composed: impl Iterator<Item = &'a str>) -> Quotation {
        let mut pieces = Vec::new();
        for text in composed {
            // Servers quote a path as they understood it, too.
            let decoded = String::from_utf8_lossy(&normal(text.as_bytes())).into_owned();
            for text in [text, &decoded] {
                let all = text.split(separates).chain([text]);
                pieces.extend(all.filter(|piece| piece.len() >= SHORTEST).map(str::to_owned));
            }
        }
        Quotation(Spellings::of(whole.map(str::to_owned).chain(pieces)))
    }

    /// The beginning of `said`, printable and short.
    pub fn of(&self, said: &[u8]) -> String {
        let text = self.0.hide(said);
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

/// Between the pieces of a path, a query and the usual header values.
fn separates(character: char) -> bool {
    matches!(character, '/' | '?' | '&' | '=' | ' ' | ',' | ';' | ':' | '"')
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
            r#"{"path":"\/hooks\/canary\u002d1%2bx\/a","basic":"Y2FuYXJ5LTI="}"#,
        ] {
            let quoted = quotation.of(said.as_bytes());
            assert!(!quoted.contains("canary") && quoted.contains("(secret)"), "{quoted}");
        }
        assert_eq!(quotation.of(b"a k b"), "a (secret) b");
        assert_eq!(quotation.of(b"not found"), "not found");
    }
}
