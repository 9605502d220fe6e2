//! The grammar of manifests: files of declarations and images, and fields according to the field table.

use super::model::{GenNode, Part, Value, World};
use super::pools::Pools;
use crate::fuzz::Random;
use crate::spec::fields::FieldKind;

/// Files that exist in the workspace, and in its `sub` directory too.
pub(super) const FILES: &[&str] = &[
    "requirements.txt",
    "project/uv.lock",
    "project/poetry.lock",
    "project/pyproject.toml",
    "project/pylock.toml",
    "Dockerfile",
    "envd.json",
    "src/a.py",
    "src/b/c [d]*?.txt",
    "odd $A 'it''s' \"q\".txt",
    "é/run.sh",
];

/// Directories of these files.
pub(super) const FOLDERS: &[&str] = &["src", "src/b", "project", "é", "."];

/// A world under construction.
pub(super) struct Grammar<'a> {
    pub(super) random: &'a mut Random,
    /// Images that may be referred to: earlier ones only, so that there are no cycles.
    pub(super) ids: Vec<String>,
    templates: Vec<String>,
    /// Declarations of variables, with their values.
    variables: Vec<GenNode>,
    world: World,
}

impl<'a> Grammar<'a> {
    pub(super) fn new(random: &'a mut Random) -> Self {
        Self {
            random,
            ids: Vec::new(),
            templates: Vec::new(),
            variables: Vec::new(),
            world: World::default(),
        }
    }

    /// A world without deliberate mistakes.
    pub(super) fn world(mut self, pools: &Pools) -> World {
        let mut root = self.file(pools, false);
        if self.random.chance(1, 6) {
            let pattern =
                *self
                    .random
                    .pick(&["sub", "s*", "sub/imgspec.kdl", "**/imgspec.kdl", "{sub,x}"]);
            root.push(GenNode::new("workspace").child(GenNode::new("include").arg(pattern)));
            self.world.sub = self.file(pools, true);
        }
        self.shuffle(&mut root);
        // The variables of both files are declared in the root manifest, where the other one can see them.
        let mut all = std::mem::take(&mut self.variables);
        all.extend(root);
        self.world.root = all;
        self.world.sets = self.sets(pools);
        self.world
    }

    fn file(&mut self, pools: &Pools, is_sub: bool) -> Vec<GenNode> {
        let mut nodes = Vec::new();
        if self.random.chance(1, 6) {
            let fields = self.fields(pools, 2);
            nodes.push(GenNode {
                children: fields,
                ..GenNode::new("defaults")
            });
        }
        for _ in 0..self.random.few(0, 2) {
            nodes.push(self.template(pools, is_sub));
        }
        for _ in 0..self.random.few(1, 4) {
            let image = self.image(pools, is_sub);
            nodes.push(image);
        }
        nodes
    }

    fn template(&mut self, pools: &Pools, is_sub: bool) -> GenNode {
        let name = format!(
            "t{}{}",
            self.templates.len(),
            if is_sub { "-sub" } else { "" }
        );
        let mut node = GenNode::new("template").arg(name.as_str());
        node.children = self.fields(pools, 3);
        self.extend(&mut node);
        self.templates.push(name);
        node
    }

    /// Makes a node extend some of the templates generated so far.
    fn extend(&mut self, node: &mut GenNode) {
        if self.templates.is_empty() || !self.random.chance(1, 3) {
            return;
        }
        let one = self.random.pick(&self.templates).clone();
        if self.random.chance(1, 2) {
            node.props.push(("extends".to_owned(), one.as_str().into()));
        } else {
            let other = self.random.pick(&self.templates).clone();
            let extends = GenNode::new("extends")
                .arg(one.as_str())
                .arg(other.as_str());
            node.children.push(extends);
        }
    }

    fn image(&mut self, pools: &Pools, is_sub: bool) -> GenNode {
        let id = format!("i{}{}", self.ids.len(), if is_sub { "-sub" } else { "" });
        let mut node = GenNode::new("image").arg(id.as_str());
        node.children = self.fields(pools, 7);
        self.extend(&mut node);
        let is_several = self.random.chance(1, 8);
        if is_several {
            self.matrix(&mut node, &id);
        }
        let mut children = std::mem::take(&mut node.children);
        self.shuffle(&mut children);
        node.children = children;
        if !is_several {
            self.ids.push(id);
        }
        node
    }

    /// Adds a matrix to an image. No other image refers to those it creates.
    fn matrix(&mut self, node: &mut GenNode, id: &str) {
        let mut axes = GenNode::new("matrix");
        let mut parts = vec![Part::Text(format!("{id}-m"))];
        for axis in ["os", "python"].iter().take(self.random.few(1, 2)) {
            let values: Vec<Value> = ["1", "2x", "3.1"]
                .iter()
                .take(self.random.few(1, 3))
                .map(|&it| it.into())
                .collect();
            parts.extend([Part::Text(".".to_owned()), Part::Name((*axis).to_owned())]);
            axes.children.push(GenNode {
                args: values,
                ..GenNode::new(axis)
            });
            let held = Value(vec![
                Part::Text("x-".to_owned()),
                Part::Name((*axis).to_owned()),
            ]);
            if !node
                .children
                .iter()
                .any(|it| matches!(it.name.as_str(), "labels" | "dockerfile"))
            {
                let labels = GenNode {
                    props: vec![("axis".to_owned(), held)],
                    ..GenNode::new("labels")
                };
                node.children.push(labels);
            }
        }
        node.args = vec![Value(parts)];
        node.children.push(axes);
    }

    /// Some compatible fields, each set once except for lists.
    fn fields(&mut self, pools: &Pools, most: usize) -> Vec<GenNode> {
        let mut nodes: Vec<GenNode> = Vec::new();
        for field in pools.together(self.random, most) {
            let mut node = match pools.good(field, self.random) {
                Some(node) if self.random.chance(1, 2) => node.clone(),
                _ => self.field(field),
            };
            if self.random.chance(1, 12) {
                node.reset = true;
            } else if self.random.chance(1, 60) {
                node = GenNode {
                    reset: true,
                    ..GenNode::new(field.name)
                };
            }
            self.with_variables(&mut node);
            if !field.kind.is_single() && self.random.chance(1, 6) {
                let again = self.field(field);
                nodes.push(again);
            }
            nodes.push(node);
        }
        nodes
    }

    /// Replaces parts of values with variables that have the same value.
    fn with_variables(&mut self, node: &mut GenNode) {
        for value in node
            .args
            .iter_mut()
            .chain(node.props.iter_mut().map(|(_, value)| value))
        {
            if let [Part::Text(text)] = value.0.as_slice()
                && !text.contains(['{', '}'])
                && self.random.chance(1, 12)
            {
                let text = text.clone();
                *value = self.variable(&text);
            }
        }
    }

    /// Replaces a part of the text with a variable.
    fn variable(&mut self, text: &str) -> Value {
        let at = |random: &mut Random| text.floor_char_boundary(random.below(text.len() + 1));
        let (one, other) = (at(self.random), at(self.random));
        let (start, end) = (one.min(other), one.max(other));
        let name = format!("v{}", self.variables.len());
        let inside = text[start..end].to_owned();
        let mut node = GenNode::new("variable").arg(name.as_str());
        match self.random.below(4) {
            0 => {
                node.props.push(("default".to_owned(), "not this".into()));
                self.world.vars.push((name.clone(), inside));
            }
            1 => {
                let variable = format!("FUZZ_{name}");
                node.props
                    .push(("env".to_owned(), variable.as_str().into()));
                self.world.env.push((variable, inside));
            }
            _ => node
                .props
                .push(("default".to_owned(), inside.as_str().into())),
        }
        self.variables.push(node);
        let part = |text: &str| Part::Text(text.to_owned());
        Value(vec![
            part(&text[..start]),
            Part::Name(name),
            part(&text[end..]),
        ])
    }

    /// `--set` flags for existing images.
    fn sets(&mut self, pools: &Pools) -> Vec<(String, String, String)> {
        let mut sets = Vec::new();
        for field in pools.together(self.random, 1) {
            let is_simple = matches!(
                field.kind,
                FieldKind::Text(_)
                    | FieldKind::Flag(_)
                    | FieldKind::CopyMode
                    | FieldKind::List(_)
                    | FieldKind::Ports(_)
                    | FieldKind::Path(_)
            );
            let node = pools.good(field, self.random).filter(|_| is_simple);
            let value = node
                .and_then(|node| node.args.first())
                .and_then(|value| value.filled(&|_| None));
            if let (Some(value), true, false) =
                (value, self.random.chance(1, 6), self.ids.is_empty())
            {
                let id = (*self.random.pick(&["i0", "i0*", "*"])).to_owned();
                sets.push((id, field.name.to_owned(), value));
            }
        }
        sets
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.random.below(at + 1));
        }
    }
}
