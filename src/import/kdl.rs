//! Images → the text of a manifest, as somebody would have written it.
//!
//! Knows what a whole manifest is made of; how values are written, [`write`] knows.

use std::fmt::Write as _;

use super::{Image, Imported};
use crate::manifest::write::{self, WIDTH, is_unseen, quoted, word};

/// Fields that go to `defaults` when all images say the same.
const SHARED: &[&str] = &["registry", "builder", "platform"];

/// One node of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its values.
    pub args: Vec<String>,
    /// Its named values.
    pub props: Vec<(String, String)>,
    /// What stands in its block.
    pub children: Vec<Node>,
    /// Whether its values may be told apart into several nodes of the same name.
    pub is_list: bool,
    /// Whether its named values may as well stand in its block.
    pub is_map: bool,
}

impl Node {
    /// A node with one value.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self::words(name, vec![value.into()])
    }

    /// A node whose values are one.
    #[must_use]
    pub fn words(name: &str, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            args,
            ..Self::default()
        }
    }

    /// A node that may be repeated.
    #[must_use]
    pub fn list(name: &str, args: Vec<String>) -> Self {
        Self {
            is_list: true,
            ..Self::words(name, args)
        }
    }

    /// A node with named values.
    #[must_use]
    pub fn map(name: &str, props: Vec<(String, String)>) -> Self {
        Self {
            props,
            is_map: true,
            ..Self::words(name, Vec::new())
        }
    }

    /// Adds a named value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.props.push((name.to_owned(), value.into()));
        self
    }
}

/// The whole manifest.
pub(super) fn manifest(imported: &Imported) -> String {
    let mut writer = Writer::default();
    let (shared, images) = shared(imported);
    if !shared.is_empty() {
        writer.block("defaults", &shared);
    }
    for image in &images {
        writer.image(image);
    }
    let mut head = String::new();
    let _ = writeln!(
        head,
        "// From {}, by `imgspec import`.",
        comment(&imported.title)
    );
    if writer.has_braces {
        head += "\n// For texts in which two braces stand as they are.\nvariable \"braces\" default=#\"{{\"#\n";
    }
    head + &writer.out
}

/// What all images say alike, and the images without it.
fn shared(imported: &Imported) -> (Vec<Node>, Vec<Image>) {
    let mut shared: Vec<Node> = Vec::new();
    shared.extend(
        imported
            .flytekit
            .as_ref()
            .map(|version| Node::new("flytekit", version)),
    );
    let mut images = imported.images.clone();
    if images.len() > 1 {
        for name in SHARED {
            let said = |image: &Image| image.fields.iter().find(|node| node.name == *name).cloned();
            let first = said(&images[0]);
            if let Some(node) = first
                .clone()
                .filter(|_| images.iter().all(|image| said(image) == first))
            {
                shared.push(node);
                for image in &mut images {
                    image.fields.retain(|node| node.name != *name);
                }
            }
        }
    }
    (shared, images)
}

#[derive(Default)]
struct Writer {
    out: String,
    has_braces: bool,
}

impl Writer {
    fn image(&mut self, image: &Image) {
        if let Some(words) = &image.comment {
            let _ = write!(self.out, "\n// {}", comment(words));
        }
        let mut fields = image.fields.clone();
        fields.sort_by_key(|node| write::rank(&node.name));
        let head = format!("image {}", self.text(&image.id, 0));
        self.block(&head, &fields);
    }

    fn block(&mut self, head: &str, nodes: &[Node]) {
        let _ = writeln!(self.out, "\n{head} {{");
        for node in nodes {
            self.node(node, 1);
        }
        self.out += "}\n";
    }

    fn node(&mut self, node: &Node, depth: usize) {
        if node.is_map {
            return self.map(node, depth);
        }
        let args: Vec<String> = node.args.iter().map(|arg| self.text(arg, depth)).collect();
        let props = node.props.iter();
        let props =
            props.map(|(name, value)| format!("{}={}", word(name), self.text(value, depth)));
        let parts: Vec<String> = args.into_iter().chain(props.collect::<Vec<_>>()).collect();
        let lines = write::node(&node.name, &parts, depth, node.is_list);
        let (last, before) = lines.split_last().expect("a node has a line");
        for line in before {
            self.line(depth, line, &[]);
        }
        self.line(depth, last, &node.children);
    }

    fn line(&mut self, depth: usize, said: &str, children: &[Node]) {
        let indent = " ".repeat(depth * 4);
        if children.is_empty() {
            let _ = writeln!(self.out, "{indent}{said}");
            return;
        }
        let _ = writeln!(self.out, "{indent}{said} {{");
        for child in children {
            self.node(child, depth + 1);
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    /// Named values: in a line where they fit, else each in its own.
    fn map(&mut self, node: &Node, depth: usize) {
        // An entry of this name would be taken for the removal of what was inherited.
        let is_plain = node.props.iter().all(|(name, _)| name != "reset");
        let parts: Vec<String> = node
            .props
            .iter()
            .map(|(name, value)| format!("{}={}", word(name), self.text(value, depth)))
            .collect();
        let said = format!("{} {}", word(&node.name), parts.join(" "));
        if is_plain && !said.contains('\n') && depth * 4 + said.chars().count() <= WIDTH {
            return self.line(depth, &said, &[]);
        }
        let children: Vec<Node> = node
            .props
            .iter()
            .map(|(name, value)| Node::new(name, value))
            .collect();
        self.line(depth, &word(&node.name), &children);
    }

    /// A text as KDL writes it, so that `{{` means nothing in it.
    fn text(&mut self, text: &str, depth: usize) -> String {
        if let Some(written) = write::text(text, depth) {
            return written;
        }
        self.has_braces = true;
        quoted(text).replace("{{", "{{ braces }}")
    }
}

/// Words that may stand behind `//`.
fn comment(words: &str) -> String {
    let fine = |c: char| !c.is_control() && !is_unseen(c);
    words.chars().filter(|c| fine(*c)).collect()
}
