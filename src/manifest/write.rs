//! Writes names, values and nodes of manifests, for imports and edits.
//!
//! Does not use the `kdl` crate's printer, which leaves some control characters unescaped and does not know about `{{ }}`.

use std::fmt::Write as _;

use crate::diagnostic::{is_unseen, quoted};

/// The maximum width of lines that contain several short values.
pub(crate) const WIDTH: usize = 100;

const ORDER: &[&str] = &[
    "flytekit",
    "flytekit-id",
    "flytekit-python",
    "registry",
    "name",
    "tag-format",
    "also-tag",
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
    "python-bytecode",
    "pip-secret-mounts",
    "runtime-packages",
    "secret",
    "env",
    "source-root",
    "source-copy-mode",
    "source-files",
    "copy",
    "shell",
    "commands",
    "user",
    "workdir",
    "entrypoint",
    "cmd",
    "expose",
    "volume",
    "healthcheck",
    "stop-signal",
    "labels",
    "compression",
    "cache-from",
    "cache-to",
    "attest",
];

/// The usual position of a field among the others.
pub(crate) fn rank(field: &str) -> usize {
    let at = ORDER.iter().position(|name| *name == field);
    at.unwrap_or(ORDER.len())
}

/// Formats a node without a block from values that are already formatted. A long list continues in further nodes of the same
/// name, any other node after a `\`; returns one text per node.
pub(crate) fn node_lines(name: &str, parts: &[String], depth: usize, is_list: bool) -> Vec<String> {
    let lines = lines(parts, depth * 4 + name.len());
    let name = word(name);
    if is_list && !lines.is_empty() {
        return lines.iter().map(|line| format!("{name} {line}")).collect();
    }
    let indent = format!(" \\\n{}", " ".repeat(depth * 4 + 4));
    let node = format!("{name} {}", lines.join(&indent));
    vec![node.trim_end().to_owned()]
}

/// Formats a string as a value with exactly this meaning, including any `{{`, on several lines if it has line breaks. `None`
/// if that is impossible: the string has braces and characters that a raw string cannot contain.
pub(crate) fn text(text: &str, depth: usize) -> Option<String> {
    let several = several_lines(text, depth).filter(|_| !text.contains("{{"));
    several.or_else(|| in_line(text))
}

/// Like [`text`], but on one line.
pub(crate) fn in_line(text: &str) -> Option<String> {
    if text.contains("{{") {
        raw(text)
    } else {
        Some(quoted(text))
    }
}

/// Distributes the parts over lines of limited width.
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

/// A raw string, if the text can be written as one.
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

/// A multi-line string, if the text can be written as one.
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

/// A KDL node to be written to a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct NewNode {
    /// Name of the node, such as `packages`.
    pub name: String,
    /// The arguments.
    pub args: Vec<String>,
    /// The properties, in order.
    pub props: Vec<(String, String)>,
    /// The nodes in the block.
    pub children: Vec<NewNode>,
    /// Whether the arguments may be split over several nodes of the same name.
    pub is_list: bool,
    /// Whether the properties may be written as children instead.
    pub is_map: bool,
}

impl NewNode {
    /// Creates a node with one argument.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self::words(name, vec![value.into()])
    }

    /// Creates a node whose arguments must stay together, such as an entrypoint.
    pub fn words(name: &str, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            args,
            ..Self::default()
        }
    }

    /// Creates a node that may be repeated, such as `packages`.
    pub fn list(name: &str, args: Vec<String>) -> Self {
        Self {
            is_list: true,
            ..Self::words(name, args)
        }
    }

    /// Creates a node of names and values, such as `env`.
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

/// Formats a quoted string on one line, regardless of depth; `{{` keeps its special meaning.
pub(crate) fn quoted_at(text: &str, _: usize) -> String {
    quoted(text)
}

/// Writes nodes, formatting each string with a function of the string and its node's depth.
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

    /// Writes properties on one line if they fit, otherwise as children.
    fn map(&mut self, node: &NewNode, depth: usize) {
        let text = format!("{} {}", word(&node.name), self.props(node, depth).join(" "));
        // A property named `reset` would discard inherited values.
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
