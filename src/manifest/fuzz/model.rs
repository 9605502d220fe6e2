//! Manifests as trees of nodes with known values, independent of their spelling.

/// A string that may contain references to names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Value(pub(super) Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// A variable or a matrix axis.
    Name(String),
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GenNode {
    pub(super) name: String,
    pub(super) args: Vec<Value>,
    pub(super) props: Vec<(String, Value)>,
    pub(super) reset: bool,
    pub(super) children: Vec<GenNode>,
}

/// Manifests along with command-line overrides and environment variables.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) root: Vec<GenNode>,
    /// The nodes of `sub/imgspec.kdl`.
    pub(super) sub: Vec<GenNode>,
    pub(super) vars: Vec<(String, String)>,
    pub(super) env: Vec<(String, String)>,
    pub(super) sets: Vec<(String, String, String)>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }
}

impl Value {
    /// Substitutes names; `None` if one has no value.
    pub(super) fn filled(&self, meaning: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let part = |part: &Part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Name(name) => meaning(name),
        };
        self.0.iter().map(part).collect()
    }
}

impl GenNode {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn arg(mut self, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        self
    }

    pub(super) fn prop(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.props.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn child(mut self, child: GenNode) -> Self {
        self.children.push(child);
        self
    }

    /// The value of a property.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let mut props = self.props.iter();
        props
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    fn count(&self) -> usize {
        1 + self.children.iter().map(GenNode::count).sum::<usize>()
    }
}

/// The number of nodes, descendants included.
fn count(nodes: &[GenNode]) -> usize {
    nodes.iter().map(GenNode::count).sum()
}

/// The nodes without those in a range of indexes, counted in document order.
fn without(nodes: &[GenNode], gone: &std::ops::Range<usize>, at: &mut usize) -> Vec<GenNode> {
    let mut kept = Vec::new();
    for node in nodes {
        let is_gone = gone.contains(at);
        *at += 1;
        let children = without(&node.children, gone, at);
        if !is_gone {
            let node = node.clone();
            kept.push(GenNode { children, ..node });
        }
    }
    kept
}

impl World {
    /// The same world without some of its nodes; `None` if that would remove nothing.
    pub(super) fn without(&self, part: usize, of: usize) -> Option<Self> {
        let (root, sub) = (count(&self.root), count(&self.sub));
        let all = root + sub + self.sets.len();
        let gone = all * part / of..all * (part + 1) / of;
        if gone.is_empty() {
            return None;
        }
        let mut at = 0;
        let mut smaller = self.clone();
        smaller.root = without(&self.root, &gone, &mut at);
        smaller.sub = without(&self.sub, &gone, &mut at);
        let sets = self.sets.iter().enumerate();
        let sets = sets.filter(|(each, _)| !gone.contains(&(each + root + sub)));
        smaller.sets = sets.map(|(_, set)| set.clone()).collect();
        Some(smaller)
    }
}
