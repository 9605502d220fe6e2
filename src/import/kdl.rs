//! Images → the text of a manifest, as somebody would have written it.
//!
//! Knows how KDL 2 writes texts and in which order a manifest says things; knows no field's meaning. The choice made: written
//! by hand, without the kdl crate's printer, which leaves some control characters as they are, writes lists of any length in
//! one line and knows nothing of `{{ }}`.

use std::fmt::Write as _;

use super::{Image, Imported};

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
        let args: Vec<String> = node.args.iter().map(|arg| self.text(arg, depth)).collect();
        let props = node.props.iter();
        let props =
            props.map(|(name, value)| format!("{}={}", word(name), self.text(value, depth)));
        let parts: Vec<String> = args.into_iter().chain(props.collect::<Vec<_>>()).collect();
        let lines = lines(&parts, depth * 4 + node.name.len());
        // A list's further lines repeat its name; what is one value goes on behind a `\`.
        if node.is_list && !lines.is_empty() {
            for line in &lines {
                self.line(depth, &format!("{} {line}", word(&node.name)), &[]);
            }
            return;
        }
        let indent = format!(" \\\n{}", " ".repeat(depth * 4 + 4));
        let said = [vec![word(&node.name)], vec![lines.join(&indent)]].concat();
        let said = said.join(" ");
        self.line(depth, said.trim_end(), &node.children);
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

/// Words that may stand behind `//`.
fn comment(words: &str) -> String {
    let fine = |c: char| !c.is_control() && !is_unseen(c);
    words.chars().filter(|c| fine(*c)).collect()
}
