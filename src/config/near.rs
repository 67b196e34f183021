//! Guesses what a misspelt word was meant to be.

/// The word of `known` that is at most two edits (insert, delete, replace, swap of neighbours) away
/// from `word`, the nearest first.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (edits(word, candidate), *candidate))
        .filter(|(edits, candidate)| *edits <= 2 && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, without case.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_ascii_lowercase().chars().collect();
    let b: Vec<char> = b.to_ascii_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, x) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or_default();
            let mut best = at(&above, column) + usize::from(x != y);
            best = best.min(at(&above, column + 1) + 1);
            best = best.min(at(&line, column) + 1);
            let swapped =
                row > 0 && column > 0 && a.get(row - 1) == Some(y) && b.get(column - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let known = ["listen", "upstream", "mode", "tls"];
        assert_eq!(nearest("lisetn", &known), Some("listen"));
        assert_eq!(nearest("upstrem", &known), Some("upstream"));
        assert_eq!(nearest("Mode", &known), Some("mode"));
        assert_eq!(nearest("release", &known), None);
        assert_eq!(nearest("x", &["ab"]), None);
    }
}
