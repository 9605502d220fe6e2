//! Drawings as a tree of lines for people.
//!
//! An image is shown below its base; without a base in the drawing it is shown below the first image it copies from, or
//! as a root. Each image is drawn in full once and only referred to elsewhere, so that the output for a graph of many
//! diamonds is as long as its number of edges.

use std::collections::{BTreeMap, BTreeSet};

use super::drawing::{Drawing, Edge, Node, images, printable};
use crate::graph::EdgeKind;

/// The largest column to which references are aligned: one deep or long name must not push all others away.
const WIDEST: usize = 48;

pub(super) fn render(drawing: &Drawing) -> String {
    let outline = Outline::new(drawing);
    let mut lines: Vec<(String, String)> = Vec::new();
    // An explicit stack: a chain of thousands of images must not become thousands of nested calls.
    let mut stack: Vec<Branch<'_>> = Vec::new();
    for root in drawing.nodes.iter().rev() {
        if !outline.homes.contains_key(root.name.as_str()) {
            stack.push(Branch {
                node: root,
                head: String::new(),
                indent: String::new(),
                is_full: true,
                is_copy: false,
            });
        }
    }
    while let Some(branch) = stack.pop() {
        let name = format!("{}{}", branch.head, outline.name(&branch));
        lines.push((name, words(&branch)));
        if branch.is_full {
            stack.extend(outline.below(&branch).into_iter().rev());
        }
    }
    aligned(&lines)
}

fn aligned(lines: &[(String, String)]) -> String {
    let named = lines.iter().filter(|(_, words)| !words.is_empty());
    let widths = named.map(|(name, _)| name.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut out, (name, words)| {
        let line = format!("{name:width$}  {words}");
        out.push_str(line.trim_end());
        out.push('\n');
        out
    })
}

/// An image at a position in the tree.
struct Branch<'a> {
    node: &'a Node,
    /// Drawn before the image's name.
    head: String,
    /// Drawn before the heads of the images below it.
    indent: String,
    /// Whether the image is drawn in full here.
    is_full: bool,
    /// Whether the image only copies from the one above.
    is_copy: bool,
}

/// Where each image is drawn in full, and below which images it appears.
struct Outline<'a> {
    nodes: BTreeMap<&'a str, &'a Node>,
    /// Per image, the edge to the image below which it is drawn in full.
    homes: BTreeMap<&'a str, &'a Edge>,
    /// Per image, one edge from each dependent image.
    needed_by: BTreeMap<&'a str, Vec<&'a Edge>>,
}

impl<'a> Outline<'a> {
    fn new(drawing: &'a Drawing) -> Self {
        let nodes = drawing.nodes.iter();
        let mut outline = Self {
            nodes: nodes.map(|node| (node.name.as_str(), node)).collect(),
            homes: BTreeMap::new(),
            needed_by: BTreeMap::new(),
        };
        let mut seen = BTreeSet::new();
        // Bases first: an image that is both base and copied from counts as a base.
        let is = |kind| drawing.edges.iter().filter(move |edge| edge.kind == kind);
        for edge in is(EdgeKind::Base).chain(is(EdgeKind::Copy)) {
            outline.homes.entry(&edge.from).or_insert(edge);
            if seen.insert((edge.to.as_str(), edge.from.as_str())) {
                outline.needed_by.entry(&edge.to).or_default().push(edge);
            }
        }
        outline
    }

    fn below(&self, branch: &Branch<'a>) -> Vec<Branch<'a>> {
        let edges = self.needed_by.get(branch.node.name.as_str());
        let count = edges.map_or(0, Vec::len);
        let edges = edges.into_iter().flatten().enumerate();
        edges
            .filter_map(|(at, edge)| {
                let (fork, rest) = if at + 1 == count {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                Some(Branch {
                    node: self.nodes.get(edge.from.as_str())?,
                    head: format!("{}{fork}", branch.indent),
                    indent: format!("{}{rest}", branch.indent),
                    is_full: std::ptr::eq(self.homes[edge.from.as_str()], *edge),
                    is_copy: edge.kind == EdgeKind::Copy,
                })
            })
            .collect()
    }

    /// Formats the name as `train`, `train (copies from it)`, or with a reference to where the image is drawn in full.
    fn name(&self, branch: &Branch<'a>) -> String {
        let name = &branch.node.name;
        match (branch.is_full, branch.is_copy) {
            (true, false) => name.clone(),
            (true, true) => format!("{name} (copies from it)"),
            (false, is_copy) => {
                let how = if is_copy { "copies from it; " } else { "" };
                format!(
                    "{name} ({how}shown under `{}`)",
                    self.homes[name.as_str()].to
                )
            }
        }
    }
}

/// Formats `build  r/train:0a1b  note`; empty where the image is only referred to.
fn words(branch: &Branch<'_>) -> String {
    if !branch.is_full {
        return String::new();
    }
    let node = branch.node;
    let mut words = Vec::new();
    words.extend(node.state.map(|state| format!("{:6}", state.word())));
    words.extend(node.images.map(images));
    words.extend(Some(printable(&node.reference)).filter(|text| !text.is_empty()));
    words.extend(node.cost());
    words.extend(node.note.as_deref().map(printable));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::view::drawing::State;
    use crate::view::drawing::tests::{diamond, drawing};

    #[test]
    fn dependents_stand_below_their_base() {
        insta::assert_snapshot!(render(&drawing("os py:os train:py serve:py docs:os apart")), @r#"
        os           r:5000/os:0a1b
        ├─ py        r:5000/py:0a1b
        │  ├─ train  r:5000/train:0a1b
        │  └─ serve  r:5000/serve:0a1b
        └─ docs      r:5000/docs:0a1b
        apart        r:5000/apart:0a1b
        "#);
    }

    #[test]
    fn a_diamond_stands_in_full_once_below_its_base() {
        insta::assert_snapshot!(render(&diamond()), @r#"
        os         r:5000/os:0a1b
        ├─ tools   r:5000/tools:0a1b
        │  └─ app (copies from it; shown under `py`)
        └─ py      r:5000/py:0a1b
           └─ app  r:5000/app:0a1b
        docs       r:5000/docs:0a1b
        "#);
    }

    #[test]
    fn an_image_without_a_base_here_stands_below_what_it_copies_from() {
        insta::assert_snapshot!(render(&drawing("a b site:+a,+b")), @r#"
        a                         r:5000/a:0a1b
        └─ site (copies from it)  r:5000/site:0a1b
        b                         r:5000/b:0a1b
        └─ site (copies from it; shown under `a`)
        "#);
    }

    #[test]
    fn a_plan_shows_its_states() {
        let mut drawing = diamond();
        for node in &mut drawing.nodes {
            node.state = Some(State::Fresh);
        }
        let app = &mut drawing.nodes[3];
        app.state = Some(State::Build);
        app.note = Some("`src/app.py` changed".into());
        insta::assert_snapshot!(render(&drawing), @r#"
        os         fresh   r:5000/os:0a1b
        ├─ tools   fresh   r:5000/tools:0a1b
        │  └─ app (copies from it; shown under `py`)
        └─ py      fresh   r:5000/py:0a1b
           └─ app  build   r:5000/app:0a1b  `src/app.py` changed
        docs       fresh   r:5000/docs:0a1b
        "#);
    }

    #[test]
    fn an_image_that_is_base_and_copied_from_is_shown_once() {
        let text = render(&drawing("py app:py,+py"));
        assert_eq!(text, "py      r:5000/py:0a1b\n└─ app  r:5000/app:0a1b\n");
    }

    #[test]
    fn a_reference_cannot_break_a_line() {
        let mut drawing = drawing("a");
        drawing.nodes[0].reference = "x\n\u{1b}[2Jy".into();
        assert_eq!(render(&drawing), "a  x  [2Jy\n");
    }

    #[test]
    fn a_chain_of_two_thousand_images_is_drawn() {
        let chain: Vec<String> = (0..2000)
            .map(|at| match at {
                0 => "i0".into(),
                at => format!("i{at}:i{}", at - 1),
            })
            .collect();
        assert_eq!(render(&drawing(&chain.join(" "))).lines().count(), 2000);
    }

    #[test]
    fn a_ladder_of_diamonds_is_as_long_as_its_edges() {
        let ladder: Vec<String> = (1..40)
            .map(|at| format!("a{at}:b{p} b{at}:b{p},+a{p}", p = at - 1))
            .collect();
        let text = render(&drawing(&format!("a0 b0 {}", ladder.join(" "))));
        assert_eq!(text.lines().count(), 2 + 39 * 3);
    }
}
