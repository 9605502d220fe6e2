//! The dependency graph of images: order, bases, dependents, affected images, named groups, selection and cycles.
//!
//! An [`ImageId`] is the image's position in the manifest. It breaks ties everywhere, so that the same manifest always results
//! in the same order.

mod select;

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::spec::{ImageSpec, WorkspacePath};
use crate::workspace::Image;

pub use select::{DEFAULT_GROUP, UnknownSelection, located, plain};

/// The position of an image in the manifest, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub u32);

impl ImageId {
    /// The id as an index into a list with one entry per image.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why one image depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// The image is built on the other.
    Base,
    /// The image copies files from the other.
    Copy,
}

/// One edge of a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The image that depends on the other.
    pub from: ImageId,
    /// The image that is depended on.
    pub to: ImageId,
    /// The kind of dependency.
    pub kind: EdgeKind,
    /// The manifest field that creates the dependency.
    pub field: String,
}

/// A cycle: each hop's `to` is the next hop's `from`, and the last hop's `to` is the first one's `from`.
pub type Cycle = Vec<Hop>;

/// The images of a workspace. Edges go from an image to its dependencies.
#[derive(Debug, Clone)]
pub struct Graph {
    names: Vec<String>,
    /// The directory that declares each image.
    folders: Vec<WorkspacePath>,
    by_name: HashMap<String, ImageId>,
    edges: DiGraph<(), EdgeKind>,
    /// Dependencies and dependents of each image, precomputed because a run queries them for all images in each turn.
    bases: Vec<Vec<ImageId>>,
    dependents: Vec<Vec<ImageId>>,
    order: Vec<ImageId>,
    groups: BTreeMap<String, BTreeSet<ImageId>>,
}

impl Graph {
    /// Builds the graph of the images. Edges to unknown ids, which the manifest's check has reported, are ignored.
    ///
    /// If there are cycles, returns one for each strongly connected component, starting from its first image in manifest order.
    pub fn new(images: &[Image]) -> Result<Self, Vec<Cycle>> {
        let specs = specs(images);
        let hops = hops(&specs);
        let mut edges = DiGraph::with_capacity(specs.len(), hops.len());
        for _ in &specs {
            edges.add_node(());
        }
        for hop in &hops {
            let (from, to) = (node(hop.from), node(hop.to));
            let mut known = edges.edges_connecting(from, to);
            if !known.any(|edge| *edge.weight() == hop.kind) {
                edges.add_edge(from, to, hop.kind);
            }
        }
        let cycles = cycles(&edges, &hops);
        if !cycles.is_empty() {
            return Err(cycles);
        }
        Ok(Self::with_edges(images, edges))
    }

    /// The images without their dependencies, for questions that only concern their names.
    pub(crate) fn of_names(images: &[Image]) -> Self {
        let mut edges = DiGraph::new();
        for _ in images {
            edges.add_node(());
        }
        Self::with_edges(images, edges)
    }

    fn with_edges(images: &[Image], edges: DiGraph<(), EdgeKind>) -> Self {
        let order = order(&edges);
        let names: Vec<String> = images.iter().map(|image| image.id.clone()).collect();
        // Duplicate names are an error reported elsewhere; the first image gets the name.
        let mut by_name = HashMap::with_capacity(names.len());
        for (name, id) in names.iter().zip((0..).map(ImageId)) {
            by_name.entry(name.clone()).or_insert(id);
        }
        Self {
            by_name,
            bases: neighbours(&edges, Direction::Outgoing),
            dependents: neighbours(&edges, Direction::Incoming),
            names,
            folders: images.iter().map(|image| image.folder.clone()).collect(),
            edges,
            order,
            groups: BTreeMap::new(),
        }
    }

    /// All images, in manifest order.
    pub fn ids(&self) -> impl Iterator<Item = ImageId> + use<> {
        (0..u32::try_from(self.names.len()).expect("fewer than 4 billion images")).map(ImageId)
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of an image.
    pub fn name(&self, id: ImageId) -> &str {
        &self.names[id.index()]
    }

    /// The image with this name.
    pub fn find(&self, name: &str) -> Option<ImageId> {
        self.by_name.get(name).copied()
    }

    /// All images, bases first; ties are in manifest order.
    pub fn order(&self) -> &[ImageId] {
        &self.order
    }

    /// The dependencies of an image and their kinds, in manifest order.
    pub fn needs(&self, id: ImageId) -> Vec<(ImageId, EdgeKind)> {
        let edges = self.edges.edges(node(id));
        let needs = edges.map(|edge| (image(edge.target()), *edge.weight()));
        let mut needs: Vec<_> = needs.collect();
        needs.sort_unstable();
        needs
    }

    /// The dependencies of an image, without duplicates, in manifest order.
    pub fn bases(&self, id: ImageId) -> &[ImageId] {
        &self.bases[id.index()]
    }

    /// The direct dependents of an image, without duplicates, in manifest order.
    pub fn dependents(&self, id: ImageId) -> &[ImageId] {
        &self.dependents[id.index()]
    }

    /// The given images and all that depend on them, directly or indirectly.
    pub fn affected(&self, from: &BTreeSet<ImageId>) -> BTreeSet<ImageId> {
        self.reach(from, Direction::Incoming)
    }

    /// The given images and all of their direct and indirect dependencies.
    pub fn with_bases(&self, from: &BTreeSet<ImageId>) -> BTreeSet<ImageId> {
        self.reach(from, Direction::Outgoing)
    }

    /// Names a group of images, so that selections can refer to it.
    pub(crate) fn add_group(&mut self, name: &str, members: BTreeSet<ImageId>) {
        self.groups.insert(name.to_owned(), members);
    }

    /// The groups, by name.
    pub fn groups(&self) -> &BTreeMap<String, BTreeSet<ImageId>> {
        &self.groups
    }

    fn reach(&self, from: &BTreeSet<ImageId>, direction: Direction) -> BTreeSet<ImageId> {
        let mut seen = from.clone();
        let mut queue: Vec<ImageId> = from.iter().copied().collect();
        while let Some(id) = queue.pop() {
            let neighbours = self.edges.neighbors_directed(node(id), direction);
            queue.extend(neighbours.map(image).filter(|next| seen.insert(*next)));
        }
        seen
    }
}

fn specs(images: &[Image]) -> Vec<(&str, &ImageSpec)> {
    let each = images.iter();
    each.map(|image| (image.id.as_str(), &*image.spec))
        .collect()
}

/// The neighbors of each image, without duplicates, in manifest order.
fn neighbours(edges: &DiGraph<(), EdgeKind>, direction: Direction) -> Vec<Vec<ImageId>> {
    let of = |at| {
        let set: BTreeSet<ImageId> = edges.neighbors_directed(at, direction).map(image).collect();
        set.into_iter().collect()
    };
    edges.node_indices().map(of).collect()
}

fn node(id: ImageId) -> NodeIndex {
    NodeIndex::new(id.index())
}

fn image(node: NodeIndex) -> ImageId {
    ImageId(u32::try_from(node.index()).expect("petgraph's default index is 32 bits"))
}

/// All dependencies between images, in manifest order.
fn hops(specs: &[(&str, &ImageSpec)]) -> Vec<Hop> {
    let ids = specs.iter().zip((0..).map(ImageId));
    let ids: BTreeMap<&str, ImageId> = ids.map(|((name, _), id)| (*name, id)).collect();
    let mut hops = Vec::new();
    for ((_, spec), from) in specs.iter().zip((0..).map(ImageId)) {
        for need in spec.needs() {
            let kind = if need.is_base {
                EdgeKind::Base
            } else {
                EdgeKind::Copy
            };
            hops.extend(ids.get(need.image).map(|to| Hop {
                from,
                to: *to,
                kind,
                field: need.field,
            }));
        }
    }
    hops
}

/// Kahn's algorithm, with the smallest ready id first. Petgraph's `toposort` orders independent nodes differently.
fn order(edges: &DiGraph<(), EdgeKind>) -> Vec<ImageId> {
    let needs = edges.node_indices().map(|at| edges.edges(at).count());
    let mut left: Vec<usize> = needs.collect();
    let ready = (0..left.len()).filter(|at| left[*at] == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = ready.map(Reverse).collect();
    let mut order = Vec::with_capacity(left.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(image(NodeIndex::new(at)));
        for edge in edges.edges_directed(NodeIndex::new(at), Direction::Incoming) {
            let dependent = edge.source().index();
            left[dependent] -= 1;
            if left[dependent] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    order
}

/// One cycle for each strongly connected component: the shortest through its first image.
fn cycles(edges: &DiGraph<(), EdgeKind>, hops: &[Hop]) -> Vec<Cycle> {
    // Not `tarjan_scc`: it recurses once per image, so a long chain of bases could overflow the stack.
    let mut found: Vec<Cycle> = kosaraju_scc(edges)
        .into_iter()
        .filter(|component| component.len() > 1 || edges.contains_edge(component[0], component[0]))
        .map(|component| {
            let inside: BTreeSet<ImageId> = component.into_iter().map(image).collect();
            let start = *inside.first().expect("a component has a node");
            shortest_cycle(start, &inside, hops)
        })
        .collect();
    found.sort_by_key(|cycle| cycle[0].from);
    found
}

/// The shortest path from `start` back to itself, by breadth-first search.
fn shortest_cycle(start: ImageId, inside: &BTreeSet<ImageId>, hops: &[Hop]) -> Cycle {
    let mut came_by: BTreeMap<ImageId, Hop> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for hop in hops
            .iter()
            .filter(|hop| hop.from == at && inside.contains(&hop.to))
        {
            if hop.to == start {
                let mut path = vec![hop.clone()];
                while path[0].from != start {
                    path.insert(0, came_by[&path[0].from].clone());
                }
                return path;
            }
            if let Entry::Vacant(new) = came_by.entry(hop.to) {
                new.insert(hop.clone());
                queue.push_back(hop.to);
            }
        }
    }
    unreachable!("BUG: a strongly connected component has a path from each node back to itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Base, Copy, CopyFrom, ImageSpec};
    use crate::workspace::Places;

    pub(super) fn images(text: &str) -> Vec<Image> {
        text.split_whitespace()
            .map(|word| {
                let (id, needs) = word.split_once(':').unwrap_or((word, ""));
                let mut spec = ImageSpec::default();
                for need in needs.split(',').filter(|need| !need.is_empty()) {
                    match need.strip_prefix('+') {
                        Some(copied) => spec.copy.push(Copy {
                            from: CopyFrom::Image {
                                image: copied.into(),
                                path: "/x".into(),
                            },
                            to: None,
                            owner: None,
                        }),
                        None => spec.base_image = Some(Base::Image(need.into())),
                    }
                }
                Image {
                    id: id.into(),
                    spec: Box::new(spec),
                    folder: crate::spec::WorkspacePath::default(),
                    places: Places::default(),
                    allows: Vec::new(),
                }
            })
            .collect()
    }

    pub(super) fn names(graph: &Graph, ids: impl IntoIterator<Item = ImageId>) -> String {
        ids.into_iter()
            .map(|id| graph.name(id))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn bases_come_first_and_ties_follow_the_manifest() {
        let graph = Graph::new(&images("app:py tools py:os,+tools os")).unwrap();
        assert_eq!(
            names(&graph, graph.order().iter().copied()),
            "tools os py app"
        );
    }

    #[test]
    fn a_change_affects_dependents_through_bases_and_copies() {
        let graph = Graph::new(&images("os tools py:os app:py,+tools other:os")).unwrap();
        let from = BTreeSet::from([graph.find("tools").unwrap()]);
        assert_eq!(names(&graph, graph.affected(&from)), "tools app");
    }

    #[test]
    fn all_cycles_are_found_each_from_its_first_image() {
        let cycles = Graph::new(&images("a:a b:c c:d d:b e ok:e")).unwrap_err();
        let shown: Vec<Vec<(u32, u32)>> = cycles
            .iter()
            .map(|cycle| cycle.iter().map(|hop| (hop.from.0, hop.to.0)).collect())
            .collect();
        assert_eq!(shown, [vec![(0, 0)], vec![(1, 2), (2, 3), (3, 1)]]);
    }
}
