//! What was probably meant by a word that is not known.

use crate::limits;

/// The candidate nearest to `word` by insertions, deletions, changes and swaps of neighbours, when it is near enough
/// to be a slip: one in three letters, at least one.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.strip_suffix('…').unwrap_or(word);
    if word.len() > limits::CONFIG_WORD {
        return None;
    }
    let allowed = word.chars().count().div_euclid(3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_ascii_lowercase(), candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// As much of an unknown word as an error may repeat: its name-like beginning. Behind a forgotten space or a colon
/// without one (`{password:hunter2}`) the rest of a "key" can be a password.
pub(crate) fn shown(word: &str) -> String {
    let is_name =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '[' | ']');
    let mut name: String = word.chars().take_while(is_name).take(limits::CONFIG_WORD).collect();
    if name.len() < word.len() {
        name.push('…');
    }
    name
}

/// Optimal string alignment distance, row by row.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_from = None;
    for (row, from_letter) in from.chars().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut previous_to = None;
        for (column, to_letter) in to.iter().copied().enumerate() {
            let cell = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX);
            let next = column.saturating_add(1);
            let changed = cell(&last, column).saturating_add(usize::from(from_letter != to_letter));
            let deleted = cell(&last, next).saturating_add(1);
            let inserted = cell(&current, column).saturating_add(1);
            let mut best = changed.min(deleted).min(inserted);
            if previous_from == Some(to_letter) && previous_to == Some(from_letter) {
                best = best.min(cell(&before_last, column.saturating_sub(1)).saturating_add(1));
            }
            current.push(best);
            previous_to = Some(to_letter);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_from = Some(from_letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest, shown};

    #[test]
    fn what_may_be_a_password_behind_a_name_is_not_repeated() {
        assert_eq!(
            shown("client_options.mappings[0].x-y"),
            "client_options.mappings[0].x-y"
        );
        for word in ["password:hunter2", "password hunter2", "password\"hunter2", "password…"] {
            assert_eq!(shown(word), "password…");
        }
        assert_eq!(nearest(&shown("pasword:hunter2"), ["password"]), Some("password"));
        assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(shown(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
        assert_eq!((shown("").as_str(), shown("é").as_str()), ("", "…"));
    }

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["server", "username", "password", "from_zero", "oid"];
        assert_eq!(nearest("sever", keys), Some("server"));
        assert_eq!(nearest("Server", keys), Some("server"));
        assert_eq!(nearest("sevrer", keys), Some("server"));
        assert_eq!(nearest("user_name", keys), Some("username"));
        assert_eq!(nearest("passwd", keys), Some("password"));
        assert_eq!(nearest("odi", keys), Some("oid"));
        assert_eq!(nearest("port", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest(&"s".repeat(65), keys), None);
    }

    #[test]
    fn a_swap_of_neighbours_counts_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
