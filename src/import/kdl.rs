//! Images → the text of a manifest, as a person would write it.
//!
//! Written by hand: the kdl crate's printer leaves some control characters as they are, puts lists of any length on one line
//! and knows nothing of `{{ }}`.

use std::fmt::Write as _;

use super::imported::{Imported, NewImage, Node};

/// The longest line that is made of short values.
const WIDTH: usize = 100;

/// The usual order of fields.
const ORDER: &[&str] = &[
    "flytekit",
    "registry",
    "name",
    "tag-format",
    "builder",
    "builder-options",
    "builder-config",
    "registry-config",
    "platform",
    "dockerfile",
    "base-image",
    "cuda",
    "cudnn",
    "apt-packages",
    "python-version",
    "python-exec",
    "conda-channels",
    "conda-packages",
    "requirements",
    "packages",
    "pip-index",
    "pip-extra-index-url",
    "pip-extra-args",
    "pip-secret-mounts",
    "runtime-packages",
    "secret",
    "env",
    "source-root",
    "source-copy-mode",
    "copy",
    "commands",
    "user",
    "workdir",
    "entrypoint",
    "cmd",
    "labels",
];

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
        let rank = |node: &Node| ORDER.iter().position(|name| *name == node.name);
        fields.sort_by_key(|node| rank(node).unwrap_or(ORDER.len()));
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
        let name = word(&node.name);
        let lines = lines(&parts, depth * 4 + node.name.len());
        if node.is_list && !lines.is_empty() {
            for line in &lines {
                self.line(depth, &format!("{name} {line}"), &[]);
            }
            return;
        }
        let indent = format!(" \\\n{}", " ".repeat(depth * 4 + 4));
        let text = format!("{name} {}", lines.join(&indent));
        self.line(depth, text.trim_end(), &node.children);
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
        if !text.contains("{{") {
            return several_lines(text, depth).unwrap_or_else(|| quoted(text));
        }
        if let Some(raw) = raw(text) {
            return raw;
        }
        self.has_braces = true;
        quoted(text).replace("{{", "{{ braces }}")
    }
}

/// The parts put into lines that are not too long.
fn lines(parts: &[String], indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let fits = |line: &String| {
            let length = indent + line.chars().count() + part.chars().count() + 2;
            length <= WIDTH && !part.contains('\n') && !line.contains('\n')
        };
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) => *line += &format!(" {part}"),
            None => lines.push(part.clone()),
        }
    }
    lines
}

/// A name of a node or property.
fn word(name: &str) -> String {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(name, "true" | "false" | "null" | "inf" | "nan");
    if fine { name.to_owned() } else { quoted(name) }
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c.is_control() || is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Characters that a manifest cannot hold as they are, or whose reader would not see them.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A raw text, where all of it can stand in one.
fn raw(text: &str) -> Option<String> {
    if text.starts_with("\"\"") || text.chars().any(|c| c.is_control() || is_unseen(c)) {
        return None;
    }
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    Some(format!("{hashes}\"{text}\"{hashes}"))
}

/// A text over several lines, where all of it can stand in one.
fn several_lines(text: &str, depth: usize) -> Option<String> {
    let odd = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_unseen(c);
    let is_blank = |line: &str| !line.is_empty() && line.trim().is_empty();
    if !text.trim_end_matches('\n').contains('\n')
        || text.chars().any(odd)
        || text.split('\n').any(is_blank)
    {
        return None;
    }
    let indent = " ".repeat(depth * 4 + 4);
    let body = text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    let line = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("{indent}{line}\n")
        }
    };
    Some(format!(
        "\"\"\"\n{}{indent}\"\"\"",
        body.split('\n').map(line).collect::<String>()
    ))
}

/// Text that is safe after `//`.
fn comment(text: &str) -> String {
    let is_safe = |c: &char| !c.is_control() && !is_unseen(*c);
    text.chars().filter(is_safe).collect()
}
