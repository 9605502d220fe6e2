//! "Did you mean": the known word that is closest to an unknown one.
//!
//! Damerau-Levenshtein, with a distance that grows with the length, so that short words are not "corrected" into unrelated
//! ones.

/// The known word closest to `word`, if one is close enough to be meant; the first of equals.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    let folded = fold(word);
    let distance = |known: &str| strsim::damerau_levenshtein(&folded, &fold(known));
    let distances = known.into_iter().map(|known| (distance(known), known));
    let close = distances.filter(|(distance, _)| *distance <= limit);
    close
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Neither case nor `_` for `-` counts as a difference.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn typos_are_corrected_and_other_words_are_not() {
        let known = ["base-image", "packages", "env", "cmd"];
        assert_eq!(closest("base_image", known), Some("base-image"));
        assert_eq!(closest("pakcages", known), Some("packages"));
        assert_eq!(closest("evn", known), Some("env"));
        assert_eq!(closest("x", known), None);
        assert_eq!(closest("volumes", known), None);
    }
}
