//! What is drawn: images, what they need, and what a plan says about them.
//!
//! Data only. The choice made: nodes are in manifest order and edges in the order of the images that need, so every format
//! is deterministic without sorting.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::graph::{EdgeKind, Graph, ImageId};

/// Images and who needs whom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Drawing {
    /// The images, in manifest order.
    #[serde(rename = "images")]
    pub nodes: Vec<Node>,
    /// What they need of one another.
    pub edges: Vec<Edge>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its id.
    #[serde(rename = "image")]
    pub name: String,
    /// The drawn images that it needs, each once: as base or to copy from.
    pub bases: Vec<String>,
    /// `registry/name:tag`.
    pub reference: String,
    /// What a plan or a run says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// A word on that state, such as the first reason for a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a plan or a run says about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It needs nothing.
    Fresh,
    /// It will be built.
    Build,
    /// It could not be built.
    Failed,
}

impl State {
    /// The state in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Build => "build",
            Self::Failed => "failed",
        }
    }
}

/// One image needs another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The image that needs.
    pub from: String,
    /// The image that it needs.
    pub to: String,
    /// How: as base, or to copy files out of it.
    pub kind: EdgeKind,
}

impl Drawing {
    /// Draws these images of a graph; `reference` knows what they are called.
    #[must_use]
    pub fn new(
        graph: &Graph,
        only: &BTreeSet<ImageId>,
        mut reference: impl FnMut(ImageId) -> String,
    ) -> Self {
        let name = |id: ImageId| graph.name(id).to_owned();
        let nodes = only
            .iter()
            .map(|id| Node {
                name: name(*id),
                bases: graph
                    .bases(*id)
                    .iter()
                    .filter(|base| only.contains(base))
                    .map(|base| name(*base))
                    .collect(),
                reference: reference(*id),
                state: None,
                note: None,
            })
            .collect();
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

    /// The image of this name, to say its state.
    pub fn node_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name == name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `app:py,+tools` is an image `app` on `py` that copies from `tools`; needs come first.
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

    /// A diamond with an image apart.
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
        let only = graph.select(&["os", "app"]).unwrap();
        let drawing = Drawing::new(&graph, &only, |_| String::new());
        assert_eq!(drawing.edges, []);
        assert!(drawing.nodes.iter().all(|node| node.bases.is_empty()));
    }
}
