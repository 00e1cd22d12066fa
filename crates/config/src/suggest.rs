//! "Did you mean …?"
//!
//! Owns the distance between two words and the choice of the nearest. The reader asks for unknown
//! keys and names. Never suggests something far off.

/// The longest word that anybody mistypes; comparing costs its length times the other's.
const LONGEST: usize = 100;

/// Returns the candidate a word was probably meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters may differ: beyond that a suggestion is noise.
    let limit = (word.chars().count() / 3).max(1);
    let comparable = |candidate: &&str| candidate.len().max(word.len()) <= LONGEST;
    candidates
        .into_iter()
        .filter(comparable)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Counts the letters to add, drop or change, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        let mut next = vec![before];
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(a != *b);
            before = changed.min(*above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distance_counts_single_letter_edits() {
        let cases =
            [("", "", 0), ("", "abc", 3), ("paymnt", "payment", 1), ("kitten", "sitting", 3)];
        for (left, right, expected) in cases {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("paymnt", ["cart", "payment"]), Some("payment"));
        assert_eq!(nearest("Timeout", ["timeout"]), Some("timeout"));
        assert_eq!(nearest("zzz", ["cart", "payment"]), None);
    }
}
