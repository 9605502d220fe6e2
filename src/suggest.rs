//! "Did you mean": the known word closest to an unknown one.
//!
//! The permitted Damerau-Levenshtein distance grows with the length of the word, so that short words are not
//! "corrected" into unrelated ones.

/// Returns the known word closest to `word`, if one is close enough to be meant; the first among equals.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    let folded = fold(word);
    let length = folded.chars().count();
    let is_of_length = |known: &&str| known.chars().count().abs_diff(length) <= limit;
    let distance = |known: &str| strsim::damerau_levenshtein(&folded, &fold(known));
    let known = known.into_iter().filter(is_of_length);
    let distances = known.map(|known| (distance(known), known));
    let close = distances.filter(|(distance, _)| *distance <= limit);
    close
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Returns a few known words that resemble `word`, best match first, for when none is clearly meant.
fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const ALIKE: f64 = 0.7;
    const ENOUGH: usize = 4;
    let folded = fold(word);
    if folded.chars().count() < 3 {
        return Vec::new();
    }
    let likeness = |known: &str| {
        let is_part = known.contains(&folded) || folded.contains(known);
        let alike = strsim::jaro_winkler(&folded, &fold(known));
        if is_part { 1.0 + alike } else { alike }
    };
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|known| (likeness(known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.truncate(ENOUGH);
    near.into_iter().map(|(_, known)| known).collect()
}

/// Formats the known words similar to an unknown name for a message; `all` says where the full list is.
pub fn near_words<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, all: &str) -> String {
    let near: Vec<String> = near(word, known)
        .iter()
        .map(|near| format!("`{near}`"))
        .collect();
    if near.is_empty() {
        return all.to_owned();
    }
    format!("similar names: {}; {all}", near.join(", "))
}

/// Normalizes a word so that neither case nor `_` versus `-` counts as a difference.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::{closest, near};

    #[test]
    fn a_few_words_are_near_and_none_is_when_nothing_looks_like_it() {
        let known = [
            "pip-index",
            "pip-extra-args",
            "packages",
            "env",
            "cmd",
            "user",
        ];
        assert_eq!(near("index", known), ["pip-index"]);
        assert_eq!(near("pip-args", known), ["pip-extra-args"]);
        assert_eq!(near("zzz", known), [""; 0]);
        assert_eq!(near("p", known), [""; 0]);
    }

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
