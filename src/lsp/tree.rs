//! Where in the tree of nodes a place is.

use crate::manifest::{Node, Value};

/// A node with those around it.
pub(super) struct Found<'n> {
    /// From the outermost to the node itself.
    pub(super) way: Vec<&'n Node>,
    /// Whether the place is in the node's name.
    pub(super) is_name: bool,
    /// The argument or the value of a property that it is in.
    pub(super) value: Option<&'n Value>,
}

impl Found<'_> {
    /// The names of the nodes.
    pub(super) fn names(&self) -> Vec<&str> {
        let way = self.way.iter();
        way.map(|node| node.name.text.as_str()).collect()
    }
}

/// The innermost node whose name or values are at an offset.
pub(super) fn at(nodes: &[Node], offset: usize) -> Option<Found<'_>> {
    nodes.iter().find_map(|node| {
        let inner = at(&node.children, offset);
        let found = inner.or_else(|| {
            let head = node.head();
            (head.start() <= offset && offset <= head.end()).then(|| of(node, offset))
        });
        let mut found = found?;
        found.way.insert(0, node);
        Some(found)
    })
}

/// What of a node is at an offset; its way is empty so far.
fn of(node: &Node, offset: usize) -> Found<'_> {
    let is_in = |value: &&Value| value.place.start() <= offset && offset <= value.place.end();
    let props = node.props.iter().map(|prop| &prop.value);
    Found {
        way: Vec::new(),
        is_name: offset <= node.name.place.end(),
        value: node.args.iter().chain(props).find(is_in),
    }
}

/// Where a node ends: its last value, or the closing brace of its block, which is looked for after what is in it.
pub(super) fn end(node: &Node, text: &str) -> usize {
    let head = node.head().end();
    let Some(open) = node.block else {
        return head;
    };
    let inner = node.children.last().map(|child| end(child, text));
    let from = inner.unwrap_or(open.end()).max(open.end());
    let rest = text.get(from..).unwrap_or_default();
    // A brace in a comment is the worst that can come between, which would only make the range shorter.
    rest.find('}').map_or(head.max(from), |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;
    use crate::manifest::parse;

    const TEXT: &str = "image \"a\" {\n  steps {\n    copy \"x\" to=\"/y\"\n  }\n}\nimage \"b\"\n";

    #[test]
    fn the_innermost_node_is_found() {
        let (nodes, _) = parse(TEXT, Sources::default().add("imgspec.kdl", TEXT));
        let names = |word: &str| {
            let found = at(&nodes, TEXT.find(word).unwrap()).unwrap();
            let names: Vec<String> = found.names().into_iter().map(str::to_owned).collect();
            (names.join(" "), found.is_name, found.value.is_some())
        };
        assert_eq!(names("copy"), ("image steps copy".to_owned(), true, false));
        assert_eq!(names("/y"), ("image steps copy".to_owned(), false, true));
        assert_eq!(names("\"a\""), ("image".to_owned(), false, true));
        assert!(at(&nodes, TEXT.find('}').unwrap()).is_none());
        assert_eq!(end(&nodes[0], TEXT), TEXT.rfind('}').unwrap() + 1);
        assert_eq!(end(&nodes[1], TEXT), TEXT.len() - 1);
    }
}
