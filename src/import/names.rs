//! What imported images are called: ids made of names that other tools allow.
//!
//! Pure text. The choice made: small letters, digits and `-`, so that an id can be a name in a registry as it is; a number
//! behind what is there already.

use std::collections::BTreeSet;

/// The longest id that is made.
const LONGEST: usize = 60;

/// A name as an id.
pub(super) fn slug(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric();
    let words = name
        .split(|c: char| !kept(c))
        .filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    let slug: String = slug.chars().take(LONGEST).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "image" } else { slug }.to_owned()
}

/// Ids that are taken.
#[derive(Debug, Default)]
pub(super) struct Ids(BTreeSet<String>);

impl Ids {
    /// Takes this id, or if it is taken the next free one.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut id = wanted.to_owned();
        let mut number = 2;
        while !self.0.insert(id.clone()) {
            id = format!("{wanted}-{number}");
            number += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_any_name() {
        for (name, id) in [
            ("GPU_IMAGE", "gpu-image"),
            ("__x__", "x"),
            ("a..b c/d", "a-b-c-d"),
            ("über", "ber"),
            ("日本", "image"),
            ("", "image"),
        ] {
            assert_eq!(slug(name), id);
        }
        assert_eq!(slug(&"a".repeat(200)).len(), LONGEST);
    }

    #[test]
    fn no_two_are_alike() {
        let mut ids = Ids::default();
        let given = ["a", "a", "a-2", "a"].map(|id| ids.fresh(id));
        assert_eq!(given, ["a", "a-2", "a-2-2", "a-3"]);
    }
}
