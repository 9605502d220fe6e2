//! A drawing with one box for each directory instead of one for each image: what is still readable at a thousand images.

use std::collections::{BTreeMap, BTreeSet};

use super::drawing::{Drawing, Edge, Node, State};
use crate::graph::EdgeKind;

impl Drawing {
    /// The directories that declare the images, in the order of their first images. A directory needs another if one of its
    /// images needs one of the other's; so, unlike images, two directories may need each other.
    #[must_use]
    pub fn by_folder(&self) -> Self {
        let folder_of: BTreeMap<&str, &str> = self
            .nodes
            .iter()
            .map(|node| (node.name.as_str(), node.folder.as_str()))
            .collect();
        let mut members: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        let mut order = Vec::new();
        for node in &self.nodes {
            let nodes = members.entry(&node.folder).or_default();
            if nodes.is_empty() {
                order.push(node.folder.as_str());
            }
            nodes.push(node);
        }
        // By folder, what it needs: a base rather than a copy, if both.
        let mut needs: BTreeMap<&str, BTreeMap<&str, EdgeKind>> = BTreeMap::new();
        for edge in &self.edges {
            let (from, to) = (folder_of[edge.from.as_str()], folder_of[edge.to.as_str()]);
            if from != to {
                let kind = needs.entry(from).or_default().entry(to);
                let kind = kind.or_insert(edge.kind);
                *kind = edge.kind.min(*kind);
            }
        }
        let mut drawing = Self::default();
        for name in order {
            let needs = needs.remove(name).unwrap_or_default();
            let bases = needs.keys().map(|to| (*to).to_owned()).collect();
            drawing.nodes.push(folder(name, bases, &members[name]));
            drawing
                .edges
                .extend(needs.into_iter().map(|(to, kind)| Edge {
                    from: name.to_owned(),
                    to: to.to_owned(),
                    kind,
                }));
        }
        drawing
    }

    /// How many directories declare the images.
    pub fn folders(&self) -> usize {
        let folders = self.nodes.iter().map(|node| node.folder.as_str());
        folders.collect::<BTreeSet<_>>().len()
    }
}

fn folder(name: &str, bases: Vec<String>, members: &[&Node]) -> Node {
    let seconds: Vec<f64> = members.iter().filter_map(|node| node.seconds).collect();
    Node {
        name: name.to_owned(),
        bases,
        reference: String::new(),
        folder: name.to_owned(),
        images: Some(members.len()),
        state: members.iter().filter_map(|node| node.state).max(),
        note: counts(members),
        seconds: (!seconds.is_empty()).then(|| seconds.iter().sum()),
        // Images share layers, so a sum would say too much.
        size: None,
    }
}

/// `3 build, 9 fresh`; `None` without states.
fn counts(members: &[&Node]) -> Option<String> {
    let count = |state| {
        let nodes = members.iter().filter(|node| node.state == Some(state));
        (nodes.count(), state)
    };
    let counts = State::ALL.into_iter().rev().map(count);
    let counts: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {}", state.word()))
        .collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::view::drawing::State;
    use crate::view::drawing::tests::drawing;

    #[test]
    fn images_become_their_directories() {
        let mut drawing = drawing("os py:os app:py,+os web:app tool:web,+py");
        for (at, folder) in ["base", "base", "apps", "apps", "base"].iter().enumerate() {
            drawing.nodes[at].folder = (*folder).to_owned();
            drawing.nodes[at].seconds = Some(1.5);
        }
        drawing.nodes[2].state = Some(State::Build);
        drawing.nodes[3].state = Some(State::Fresh);
        let folders = drawing.by_folder();
        let names: Vec<_> = folders
            .nodes
            .iter()
            .map(|node| (node.name.as_str(), node.images))
            .collect();
        assert_eq!(names, [("base", Some(3)), ("apps", Some(2))]);
        let edges: Vec<_> = folders
            .edges
            .iter()
            .map(|edge| (edge.from.as_str(), edge.to.as_str()))
            .collect();
        assert_eq!(edges, [("base", "apps"), ("apps", "base")]);
        assert_eq!(folders.nodes[1].state, Some(State::Build));
        assert_eq!(folders.nodes[1].note.as_deref(), Some("1 build, 1 fresh"));
        assert_eq!(folders.nodes[0].seconds, Some(4.5));
        assert_eq!(folders.nodes[0].note, None);
    }
}
