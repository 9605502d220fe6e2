//! Images → the text of a manifest, as a person would write it.
//!
//! Decides what a whole manifest is made of; how names and values are written is [`write`]'s.

use std::fmt::Write as _;

use super::imported::{Imported, NewImage, Node};
use crate::diagnostic::{is_unseen, quoted};
use crate::manifest::write::{self, WIDTH, word};

/// Fields that move to `defaults` when all images agree on them.
const SHARED: &[&str] = &["registry", "builder", "platform"];

impl Imported {
    /// The manifest's text.
    #[must_use]
    pub fn manifest(&self) -> String {
        let mut writer = ManifestWriter::default();
        let (shared, images) = shared(self);
        if !shared.is_empty() {
            writer.block("defaults", &shared);
        }
        for image in &images {
            writer.image(image);
        }
        let mut head = format!("// From {}, by `imgspec import`.\n", comment(&self.title));
        if writer.has_braces {
            head +=
                "\n// For texts with two literal braces.\nvariable \"braces\" default=#\"{{\"#\n";
        }
        head + &writer.out
    }
}

/// The fields that all images agree on, and the images without them.
fn shared(imported: &Imported) -> (Vec<Node>, Vec<NewImage>) {
    let version = imported.flytekit.as_ref();
    let mut shared: Vec<Node> = version
        .map(|version| Node::new("flytekit", version))
        .into_iter()
        .collect();
    let mut images = imported.images.clone();
    if images.len() < 2 {
        return (shared, images);
    }
    for name in SHARED {
        let find = |image: &NewImage| image.fields.iter().find(|node| node.name == *name).cloned();
        let first = find(&images[0]);
        if first.is_some() && images.iter().all(|image| find(image) == first) {
            shared.extend(first);
            for image in &mut images {
                image.fields.retain(|node| node.name != *name);
            }
        }
    }
    (shared, images)
}

#[derive(Default)]
struct ManifestWriter {
    out: String,
    /// Whether a text refers to the variable `braces`.
    has_braces: bool,
}

impl ManifestWriter {
    fn image(&mut self, image: &NewImage) {
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
        let mut parts: Vec<String> = node.args.iter().map(|arg| self.text(arg, depth)).collect();
        parts.extend(self.props(node, depth));
        let mut lines = write::node(&node.name, &parts, depth, node.is_list);
        let last = lines.pop().unwrap_or_default();
        for line in &lines {
            self.line(depth, line, &[]);
        }
        self.line(depth, &last, &node.children);
    }

    fn line(&mut self, depth: usize, text: &str, children: &[Node]) {
        let indent = " ".repeat(depth * 4);
        if children.is_empty() {
            let _ = writeln!(self.out, "{indent}{text}");
            return;
        }
        let _ = writeln!(self.out, "{indent}{text} {{");
        for child in children {
            self.node(child, depth + 1);
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    /// Properties on one line where they fit, otherwise as children.
    fn map(&mut self, node: &Node, depth: usize) {
        let text = format!("{} {}", word(&node.name), self.props(node, depth).join(" "));
        // A property `reset` would remove what is inherited.
        let is_plain = node.props.iter().all(|(name, _)| name != "reset");
        if is_plain && !text.contains('\n') && depth * 4 + text.chars().count() <= WIDTH {
            return self.line(depth, &text, &[]);
        }
        let child = |(name, value): &(String, String)| Node::new(name, value);
        let children: Vec<Node> = node.props.iter().map(child).collect();
        self.line(depth, &word(&node.name), &children);
    }

    fn props(&mut self, node: &Node, depth: usize) -> Vec<String> {
        let props = node.props.iter();
        props
            .map(|(name, value)| format!("{}={}", word(name), self.text(value, depth)))
            .collect()
    }

    /// A KDL string in which `{{` is literal.
    fn text(&mut self, text: &str, depth: usize) -> String {
        if let Some(written) = write::text(text, depth) {
            return written;
        }
        self.has_braces = true;
        quoted(text).replace("{{", "{{ braces }}")
    }
}

/// Text that is safe after `//`.
fn comment(text: &str) -> String {
    let is_safe = |c: &char| !c.is_control() && !is_unseen(*c);
    text.chars().filter(is_safe).collect()
}
