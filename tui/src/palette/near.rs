//! The word that a mistyped one was meant to be.

/// The known word that begins as this one does, else the one that the fewest changed letters make of it; `None` when that
/// were more than half of them.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let begun = known.clone().find(|candidate| word.chars().count() > 1 && candidate.starts_with(word));
    let closest = || {
        let distances = known.map(|candidate| (distance(word, candidate), candidate));
        distances.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| distance * 2 <= word.chars().count())
    };
    begun.or_else(|| closest().map(|(_, candidate)| candidate))
}

/// Letters to insert, to remove or to replace (Levenshtein). Costs the product of the lengths.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, counterpart) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *counterpart);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_none() {
        let known = ["slow", "fault", "restart", "load", "traces", "resilience"];
        let nearest = |word| nearest(word, known.into_iter());
        assert_eq!(nearest("restrat"), Some("restart"));
        assert_eq!(nearest("lod"), Some("load"));
        assert_eq!(nearest("resi"), Some("resilience"));
        assert_eq!(nearest("traecs"), Some("traces"));
        assert_eq!((nearest("foo"), nearest(""), nearest("x")), (None, None, None));
    }

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "abc")), (3, 3, 0));
    }
}
