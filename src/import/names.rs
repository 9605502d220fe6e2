//! Ids for imported images, derived from names that other tools allow, and the order of images.
//!
//! Ids consist of lower-case letters, digits and `-`, so that they are valid repository names too. Duplicates get a number.

use std::collections::BTreeSet;

use crate::spec::rules::check_name;

const MAX_LENGTH: usize = 60;

pub(super) fn slug(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    let slug: String = slug.chars().take(MAX_LENGTH).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "image" } else { slug }.to_owned()
}

/// A name if it is valid as both an id and a repository name, otherwise an id derived from it.
pub(super) fn id(name: &str) -> String {
    let is_usable = name.len() <= 100
        && check_name(name).is_ok()
        && !name.contains('/')
        && !name.contains("..");
    if is_usable {
        name.to_owned()
    } else {
        slug(name)
    }
}

#[derive(Debug, Default)]
pub(super) struct Ids(BTreeSet<String>);

impl Ids {
    /// Returns the id itself or, if taken, the next free one with a number appended.
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

/// Sorts images so that those they need come before them; a cycle is broken where it is entered.
pub(super) fn bases_first<T: Copy + Ord, N: IntoIterator<Item = T>>(
    images: impl IntoIterator<Item = T>,
    needs: impl Fn(T) -> N,
) -> Vec<T> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for image in images {
        let mut stack = vec![(image, false)];
        while let Some((image, is_done)) = stack.pop() {
            if is_done {
                order.push(image);
            } else if seen.insert(image) {
                stack.push((image, true));
                stack.extend(needs(image).into_iter().map(|need| (need, false)));
            }
        }
    }
    order
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
        assert_eq!(slug(&"a".repeat(200)).len(), MAX_LENGTH);
    }

    #[test]
    fn no_two_are_alike() {
        let mut ids = Ids::default();
        let given = ["a", "a", "a-2", "a"].map(|id| ids.fresh(id));
        assert_eq!(given, ["a", "a-2", "a-2-2", "a-3"]);
    }
}
