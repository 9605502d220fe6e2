//! How a manifest writes names, values and nodes: the one writer, of the importer and of edits.
//!
//! Written by hand instead of by the `kdl` crate's printer, which leaves some control characters as they are and knows nothing
//! of `{{ }}`.

use std::fmt::Write as _;

use crate::diagnostic::{is_unseen, quoted};

/// The longest line that is made of short values.
pub(crate) const WIDTH: usize = 100;

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

/// Where a field usually stands among the others.
pub(crate) fn rank(field: &str) -> usize {
    let at = ORDER.iter().position(|name| *name == field);
    at.unwrap_or(ORDER.len())
}

/// A node without a block, of values and named values that are written already: one text for each node that it takes, since a
/// long list goes on under its name again, and what is one value goes on behind a `\`.
pub(crate) fn node_lines(name: &str, parts: &[String], depth: usize, is_list: bool) -> Vec<String> {
    let lines = lines(parts, depth * 4 + name.len());
    let name = word(name);
    if is_list && !lines.is_empty() {
        return lines.iter().map(|line| format!("{name} {line}")).collect();
    }
    let indent = format!(" \\\n{}", " ".repeat(depth * 4 + 4));
    let said = format!("{name} {}", lines.join(&indent));
    vec![said.trim_end().to_owned()]
}

/// A text as a value that means just this text, `{{` too; over several lines where it has some. None where no value can: where
/// it has braces and characters that cannot stand in a raw string.
pub(crate) fn text(text: &str, depth: usize) -> Option<String> {
    let several = several_lines(text, depth).filter(|_| !text.contains("{{"));
    several.or_else(|| in_line(text))
}

/// The same in one line.
pub(crate) fn in_line(text: &str) -> Option<String> {
    if text.contains("{{") {
        raw(text)
    } else {
        Some(quoted(text))
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

pub(crate) fn word(name: &str) -> String {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(name, "true" | "false" | "null" | "inf" | "nan");
    if fine { name.to_owned() } else { quoted(name) }
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

/// One KDL node of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct NewNode {
    /// Such as `packages`.
    pub name: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its properties, in order.
    pub props: Vec<(String, String)>,
    /// The nodes in its block.
    pub children: Vec<NewNode>,
    /// Whether the arguments may be spread over several nodes of the same name.
    pub is_list: bool,
    /// Whether the properties may be written as children instead.
    pub is_map: bool,
}

impl NewNode {
    /// A node with one argument.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self::words(name, vec![value.into()])
    }

    /// A node whose arguments belong together, such as an entrypoint.
    pub fn words(name: &str, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            args,
            ..Self::default()
        }
    }

    /// A node that may be repeated, such as `packages`.
    pub fn list(name: &str, args: Vec<String>) -> Self {
        Self {
            is_list: true,
            ..Self::words(name, args)
        }
    }

    /// A node of names with values, such as `env`.
    pub fn map(name: &str, props: Vec<(String, String)>) -> Self {
        Self {
            props,
            is_map: true,
            ..Self::words(name, Vec::new())
        }
    }

    /// Adds a property.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.props.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<&String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// A text in quotes on one line, at any depth; `{{` in it means something.
pub(crate) fn quoted_at(text: &str, _: usize) -> String {
    quoted(text)
}

/// Writes nodes, each text by a function of it and of the depth of its node.
pub(crate) struct NodeWriter<F> {
    pub out: String,
    text: F,
}

impl<F: FnMut(&str, usize) -> String> NodeWriter<F> {
    pub(crate) fn new(text: F) -> Self {
        Self {
            out: String::new(),
            text,
        }
    }

    pub(crate) fn node(&mut self, node: &NewNode, depth: usize) {
        if node.is_map {
            return self.map(node, depth);
        }
        let mut parts: Vec<String> = node
            .args
            .iter()
            .map(|arg| (self.text)(arg, depth))
            .collect();
        parts.extend(self.props(node, depth));
        let mut lines = node_lines(&node.name, &parts, depth, node.is_list);
        let last = lines.pop().unwrap_or_default();
        for line in &lines {
            self.line(depth, line, &[]);
        }
        self.line(depth, &last, &node.children);
    }

    fn line(&mut self, depth: usize, text: &str, children: &[NewNode]) {
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
    fn map(&mut self, node: &NewNode, depth: usize) {
        let text = format!("{} {}", word(&node.name), self.props(node, depth).join(" "));
        // A property `reset` would remove what is inherited.
        let is_plain = node.props.iter().all(|(name, _)| name != "reset");
        if is_plain && !text.contains('\n') && depth * 4 + text.chars().count() <= WIDTH {
            return self.line(depth, &text, &[]);
        }
        let child = |(name, value): &(String, String)| NewNode::new(name, value);
        let children: Vec<NewNode> = node.props.iter().map(child).collect();
        self.line(depth, &word(&node.name), &children);
    }

    fn props(&mut self, node: &NewNode, depth: usize) -> Vec<String> {
        let props = node.props.iter();
        props
            .map(|(name, value)| format!("{}={}", word(name), (self.text)(value, depth)))
            .collect()
    }
}
