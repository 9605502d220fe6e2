//! Names that bake, make and build servers accept for images and groups.

use std::collections::BTreeSet;

use super::node::Node;
use crate::graph::{Graph, ImageId};

/// Names with a meaning of their own: bake's group that is built by default, and a Makefile's first target.
const TAKEN: [&str; 2] = ["default", "all"];

/// The images as nodes, in this order, which must have bases first.
pub fn named(graph: &Graph, images: &[ImageId]) -> Vec<Node> {
    let ids: Vec<&str> = images.iter().map(|id| graph.name(*id)).collect();
    let mut taken = TAKEN.map(str::to_owned).into();
    let names = names(&ids, &mut taken);
    let position = |base: &ImageId| images.iter().position(|image| image == base);
    let node = |(id, name): (&ImageId, String)| Node {
        image: graph.name(*id).to_owned(),
        name,
        needs: graph.bases(*id).iter().filter_map(position).collect(),
    };
    images.iter().zip(names).map(node).collect()
}

/// Names of ASCII letters, digits, `_` and `-`, beginning with a letter or `_`, all different and none of those taken.
pub(super) fn names(ids: &[&str], taken: &mut BTreeSet<String>) -> Vec<String> {
    // Who has a good name keeps it, whichever others become equal to it.
    let plain: Vec<String> = ids.iter().map(|id| plain(id)).collect();
    let is_kept = |at: usize| plain[at] == ids[at] && !taken.contains(ids[at]);
    let kept: Vec<bool> = (0..ids.len()).map(is_kept).collect();
    taken.extend(
        ids.iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(id, _)| (*id).to_owned()),
    );
    let mut name = |(plain, kept): (&String, &bool)| {
        if *kept {
            return plain.clone();
        }
        let numbered = (2_usize..).map(|number| format!("{plain}-{number}"));
        let mut candidates = std::iter::once(plain.clone()).chain(numbered);
        let free = candidates.find(|name| !taken.contains(name));
        let name = free.unwrap_or_default();
        taken.insert(name.clone());
        name
    };
    plain.iter().zip(&kept).map(&mut name).collect()
}

fn plain(id: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = id.chars().map(|c| if good(c) { c } else { '-' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name
    } else {
        format!("_{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_accepted_everywhere_and_differ() {
        let ids = ["web", "a/b", "a.b", "a-b", "1st", "default", "é"];
        let mut taken = TAKEN.map(str::to_owned).into();
        let expected = ["web", "a-b-2", "a-b-3", "a-b", "_1st", "default-2", "_-"];
        assert_eq!(names(&ids, &mut taken), expected);
        assert_eq!(names(&["web", "x"], &mut taken), ["web-2", "x"]);
    }
}
