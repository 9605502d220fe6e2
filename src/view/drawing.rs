//! The model of a drawing: images, what they need, and the state that a plan assigns them.
//!
//! Nodes are in manifest order and edges in the order of the dependent images, so that every format is deterministic
//! without sorting.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::size::size;
use crate::graph::{EdgeKind, Graph, ImageId};
use crate::run::history::ImageState;

/// The model of a drawing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Drawing {
    /// The images, in manifest order.
    #[serde(rename = "images")]
    pub nodes: Vec<Node>,
    /// The edges, in the order of the dependent images.
    pub edges: Vec<Edge>,
    /// The chain of images that takes longest, if times are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_path: Option<CriticalPath>,
    /// The groups with drawn images, and the ids of those.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
}

/// One image, or the images of one directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// The image's id, or the directory.
    #[serde(rename = "image")]
    pub name: String,
    /// Ids of the drawn images that it needs, as base or to copy from; without duplicates.
    pub bases: Vec<String>,
    /// `registry/name:tag`; empty for a directory.
    pub reference: String,
    /// The directory that declares it, from the workspace root; `.` is the root.
    pub folder: String,
    /// How many images of a directory it stands for; `None` for a single image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// `None` in a drawing of the graph alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// A remark on the state, such as the first reason for a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many seconds the last build took, if times are drawn and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How many bytes the last build's result takes, if times are drawn and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// What a drawing says of an image beside its id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// `registry/name:tag`.
    pub reference: String,
    /// The directory that declares it, from the workspace root; `.` is the root.
    pub folder: String,
}

/// The chain of images that decides how long a build of all takes at least.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriticalPath {
    /// Ids, bases first.
    pub images: Vec<String>,
    /// The sum of their seconds.
    pub seconds: f64,
}

/// What a plan or a run says about an image; of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is up to date.
    Fresh,
    /// It was pushed.
    Pushed,
    /// It was built.
    Built,
    /// Its build was cancelled.
    Cancelled,
    /// It was not started, because an image that it needs failed.
    Skipped,
    /// It is where it must be, and will get further names.
    Tag,
    /// It is built and will be pushed.
    Push,
    /// It will be built.
    Build,
    /// It has to be built, and has not started.
    Waiting,
    /// It is being built.
    Running,
    /// Its build failed.
    Failed,
}

impl State {
    /// All states, in the order of a legend.
    pub(super) const ALL: [Self; 11] = [
        Self::Fresh,
        Self::Pushed,
        Self::Built,
        Self::Cancelled,
        Self::Skipped,
        Self::Tag,
        Self::Push,
        Self::Build,
        Self::Waiting,
        Self::Running,
        Self::Failed,
    ];

    /// The colors of boxes on a light ground, in the same order.
    pub(super) const LIGHT: [&'static str; 11] = [
        "#e3f4e5", "#cdeeea", "#c8edcc", "#e9ebee", "#efe6ee", "#e6e6fb", "#dfeafd", "#fff0c2",
        "#f5f0e0", "#cfe3ff", "#fbdcdf",
    ];

    /// The colors of boxes on a dark ground, in the same order.
    pub(super) const DARK: [&'static str; 11] = [
        "#12351d", "#0c4140", "#14451f", "#30363d", "#3a2c3d", "#26264f", "#112d4e", "#4a3a05",
        "#38331f", "#143c69", "#561c22",
    ];

    /// `fresh`, `build`, `running` …
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Pushed => "pushed",
            Self::Built => "built",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Tag => "tag",
            Self::Push => "push",
            Self::Build => "build",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }

    /// The color of a box on a light ground.
    pub(super) const fn color(self) -> &'static str {
        Self::LIGHT[self as usize]
    }
}

impl From<ImageState> for State {
    fn from(state: ImageState) -> Self {
        match state {
            ImageState::Fresh => Self::Fresh,
            ImageState::Pushed => Self::Pushed,
            ImageState::Built => Self::Built,
            ImageState::Cancelled => Self::Cancelled,
            ImageState::Skipped => Self::Skipped,
            ImageState::Waiting => Self::Waiting,
            ImageState::Running => Self::Running,
            ImageState::Failed => Self::Failed,
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
    /// Draws these images of a graph; `label` returns the reference and the directory of an image.
    pub fn new(
        graph: &Graph,
        only: &BTreeSet<ImageId>,
        mut label: impl FnMut(ImageId) -> Label,
    ) -> Self {
        let name = |id: ImageId| graph.name(id).to_owned();
        let node = |id: &ImageId| {
            let bases = graph.bases(*id).iter().copied();
            let bases = bases.filter(|base| only.contains(base));
            let Label { reference, folder } = label(*id);
            Node {
                name: name(*id),
                bases: bases.map(name).collect(),
                reference,
                folder,
                images: None,
                state: None,
                note: None,
                seconds: None,
                size: None,
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
        let groups = graph.groups().iter().map(|(group, members)| {
            let drawn = members.intersection(only);
            (group.clone(), drawn.map(|id| name(*id)).collect())
        });
        Self {
            nodes,
            edges,
            critical_path: None,
            groups: groups
                .filter(|(_, drawn): &(_, Vec<_>)| !drawn.is_empty())
                .collect(),
        }
    }

    /// The edges as places in the list of images: the one that needs, and the one that is needed.
    pub(super) fn indices(&self) -> Vec<(usize, usize)> {
        let names = self.nodes.iter().enumerate();
        let at: HashMap<&str, usize> = names.map(|(at, node)| (node.name.as_str(), at)).collect();
        let edges = self.edges.iter();
        edges
            .map(|edge| (at[edge.from.as_str()], at[edge.to.as_str()]))
            .collect()
    }

    /// Whether an edge is part of the critical path.
    pub(super) fn is_critical(&self, edge: &Edge) -> bool {
        let path = self.critical_path.as_ref().map(|path| &path.images);
        path.is_some_and(|path| {
            let mut steps = path.windows(2);
            steps.any(|step| step[0] == edge.to && step[1] == edge.from)
        })
    }
}

impl Node {
    /// What a box or its tooltip says: the id, the reference, how many images, the note, the time, the size.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.name.clone()];
        lines.extend(Some(self.reference.clone()).filter(|reference| !reference.is_empty()));
        lines.extend(self.images.map(images));
        lines.extend(self.note.clone());
        lines.extend(self.cost());
        lines
    }

    /// The time of its last build, and the size of its result.
    pub(super) fn cost(&self) -> impl Iterator<Item = String> {
        let seconds = self.seconds.map(|seconds| format!("{seconds:.1} s"));
        seconds.into_iter().chain(self.size.map(size))
    }
}

/// `1 image`, `2 images`.
pub(super) fn images(count: usize) -> String {
    match count {
        1 => "1 image".to_owned(),
        count => format!("{count} images"),
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
                folder: ".".to_owned(),
                images: None,
                state: None,
                note: None,
                seconds: None,
                size: None,
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
                spec: Box::new(ImageSpec {
                    base_image: base.map(|base| Base::Image(base.into())),
                    ..ImageSpec::default()
                }),
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
        let drawing = Drawing::new(&graph, &graph.ids().collect(), |id| Label {
            reference: format!("r:5000/{}:0a1b", graph.name(id)),
            folder: ".".to_owned(),
        });
        assert_eq!(drawing, super::tests::drawing("os py:os app:py"));
    }

    #[test]
    fn a_selection_leaves_no_edge_to_what_is_not_drawn() {
        let graph = graph();
        let only = graph.select(BTreeSet::new(), &["os", "app"]).unwrap();
        let drawing = Drawing::new(&graph, &only, |_| Label::default());
        assert_eq!(drawing.edges, []);
        assert!(drawing.nodes.iter().all(|node| node.bases.is_empty()));
    }
}
