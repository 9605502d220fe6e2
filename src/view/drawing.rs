//! The model of a drawing: images, what they need, and the state that a plan assigns them.
//!
//! Nodes are in manifest order and edges in the order of the dependent images, so that every format is deterministic
//! without sorting.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::graph::{EdgeKind, Graph, ImageId};

/// The model of a drawing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Drawing {
    /// The images, in manifest order.
    #[serde(rename = "images")]
    pub nodes: Vec<Node>,
    /// The edges, in the order of the dependent images.
    pub edges: Vec<Edge>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The image's id.
    #[serde(rename = "image")]
    pub name: String,
    /// Ids of the drawn images that it needs, as base or to copy from; without duplicates.
    pub bases: Vec<String>,
    /// `registry/name:tag`.
    pub reference: String,
    /// `None` in a drawing of the graph alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// A remark on the state, such as the first reason for a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The state of an image according to a plan or a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is up to date.
    Fresh,
    /// It will be built.
    Build,
    /// Its build failed.
    Failed,
}

impl State {
    /// Returns `fresh`, `build` or `failed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Build => "build",
            Self::Failed => "failed",
        }
    }

    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Fresh => "#e8f5e9",
            Self::Build => "#fff3cd",
            Self::Failed => "#f8d7da",
        }
    }
}

/// A dependency of one image on another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Id of the dependent image.
    pub from: String,
    /// Id of the image it depends on.
    pub to: String,
    /// Whether `to` is a base or copied from.
    pub kind: EdgeKind,
}

impl Drawing {
    /// Draws the images in `only`; `reference` returns the reference of each.
    pub fn new(
        graph: &Graph,
        only: &BTreeSet<ImageId>,
        mut reference: impl FnMut(ImageId) -> String,
    ) -> Self {
        let name = |id: ImageId| graph.name(id).to_owned();
        let node = |id: &ImageId| {
            let bases = graph.bases(*id).iter().copied();
            let bases = bases.filter(|base| only.contains(base));
            Node {
                name: name(*id),
                bases: bases.map(name).collect(),
                reference: reference(*id),
                state: None,
                note: None,
            }
        };
        let nodes = only.iter().map(node).collect();
        let edges = only
            .iter()
            .flat_map(|id| graph.needs(*id).into_iter().map(move |need| (*id, need)))
            .filter(|(_, (to, _))| only.contains(to))
            .map(|(from, (to, kind))| Edge {
                from: name(from),
                to: name(to),
                kind,
            })
            .collect();
        Self { nodes, edges }
    }
}

impl Node {
    /// The lines of a box: id, reference, note.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = [&self.name, &self.reference].into_iter();
        lines.chain(&self.note).map(String::as_str)
    }
}

/// Replaces control characters, which could break a line or act on a terminal: references may contain anything.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Parses a drawing: `app:py,+tools` is an image `app` on `py` that copies from `tools`. An image must follow those
    /// it needs.
    pub(in crate::view) fn drawing(text: &str) -> Drawing {
        let mut drawing = Drawing::default();
        for word in text.split_whitespace() {
            let (name, needs) = word.split_once(':').unwrap_or((word, ""));
            let mut bases = Vec::new();
            for need in needs.split(',').filter(|need| !need.is_empty()) {
                let (to, kind) = match need.strip_prefix('+') {
                    Some(to) => (to, EdgeKind::Copy),
                    None => (need, EdgeKind::Base),
                };
                bases.push(to.to_owned());
                drawing.edges.push(Edge {
                    from: name.to_owned(),
                    to: to.to_owned(),
                    kind,
                });
            }
            bases.dedup();
            drawing.nodes.push(Node {
                name: name.to_owned(),
                bases,
                reference: format!("r:5000/{name}:0a1b"),
                state: None,
                note: None,
            });
        }
        drawing
    }

    /// A diamond, and one image without edges.
    pub(in crate::view) fn diamond() -> Drawing {
        drawing("os tools:os py:os app:py,+tools docs")
    }

    fn graph() -> Graph {
        use crate::spec::{Base, ImageSpec, WorkspacePath};
        use crate::workspace::{Image, Places};
        let images: Vec<Image> = [("os", None), ("py", Some("os")), ("app", Some("py"))]
            .into_iter()
            .map(|(id, base)| Image {
                id: id.into(),
                spec: ImageSpec {
                    base_image: base.map(|base| Base::Image(base.into())),
                    ..ImageSpec::default()
                },
                folder: WorkspacePath::default(),
                places: Places::default(),
                allows: Vec::new(),
            })
            .collect();
        Graph::new(&images).unwrap()
    }

    #[test]
    fn a_graph_is_drawn_in_manifest_order() {
        let graph = graph();
        let drawing = Drawing::new(&graph, &graph.ids().collect(), |id| {
            format!("r:5000/{}:0a1b", graph.name(id))
        });
        assert_eq!(drawing, super::tests::drawing("os py:os app:py"));
    }

    #[test]
    fn a_selection_leaves_no_edge_to_what_is_not_drawn() {
        let graph = graph();
        let only = graph.select(BTreeSet::new(), &["os", "app"]).unwrap();
        let drawing = Drawing::new(&graph, &only, |_| String::new());
        assert_eq!(drawing.edges, []);
        assert!(drawing.nodes.iter().all(|node| node.bases.is_empty()));
    }
}
