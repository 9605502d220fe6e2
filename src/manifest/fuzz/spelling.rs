//! Writes nodes as KDL, choosing randomly among the equivalent spellings.

use std::fmt::Write as _;

use super::model::{GenNode, Part, Value};
use crate::fuzz::Random;

/// Meaningless text that is allowed between nodes.
const NOISE: &[&str] = &[
    "\n",
    ";\n",
    "// a comment {{ x }} \"\n",
    "/* one /* two */ \" */\n",
    "/- gone \"x\" y=1 { z; }\n",
    "\r\n",
    "\u{2028}",
    "\t\n\n",
    "/-\n gone #true\n",
];

/// Meaningless text that is allowed between values.
const SPACES: &[&str] = &[
    " ",
    " ",
    " ",
    "  ",
    "\t",
    " /* x */ ",
    " \\\n    ",
    " \\ // why\n ",
    " /- \"gone\" ",
    " /-gone=#null ",
    "\u{a0}",
];

/// Writes nodes.
pub(super) fn spell(nodes: &[GenNode], random: &mut Random) -> String {
    let mut out = if random.chance(1, 16) {
        "\u{feff}".to_owned()
    } else {
        String::new()
    };
    Speller { random }.nodes(nodes, 0, &mut out);
    out
}

struct Speller<'a> {
    random: &'a mut Random,
}

impl Speller<'_> {
    fn nodes(&mut self, nodes: &[GenNode], depth: usize, out: &mut String) {
        for node in nodes {
            if self.random.chance(1, 12) {
                *out += self.random.pick::<&str>(NOISE);
            }
            self.node(node, depth, out);
            *out += if self.random.chance(1, 6) { ";" } else { "\n" };
        }
    }

    fn node(&mut self, node: &GenNode, depth: usize, out: &mut String) {
        *out += &self.word(&node.name);
        let mut parts: Vec<String> = node.props.iter().map(|prop| self.prop(prop)).collect();
        if node.reset {
            parts.push("reset=#true".to_owned());
        }
        // The order of arguments matters, but not how they are interleaved with properties.
        let mut args = node
            .args
            .iter()
            .map(|arg| self.value(arg))
            .collect::<Vec<_>>();
        while !parts.is_empty() || !args.is_empty() {
            let next = if parts.is_empty() || (!args.is_empty() && self.random.chance(3, 4)) {
                args.remove(0)
            } else {
                parts.remove(0)
            };
            *out += self.random.pick::<&str>(SPACES);
            *out += &next;
        }
        if !node.children.is_empty() || self.random.chance(1, 40) && takes_block(&node.name) {
            self.block(node, depth, out);
        }
    }

    fn block(&mut self, node: &GenNode, depth: usize, out: &mut String) {
        if self.random.chance(1, 30) {
            *out += " /-{ gone; } ";
        }
        *out += if self.random.chance(1, 4) {
            "{"
        } else {
            " {\n"
        };
        self.nodes(&node.children, depth + 1, out);
        *out += "}";
    }

    fn prop(&mut self, (name, value): &(String, Value)) -> String {
        let between = if self.random.chance(1, 12) { " " } else { "" };
        format!(
            "{}{between}={between}{}",
            self.word(name),
            self.value(value)
        )
    }

    /// The name of a node or property, in which no variables are substituted.
    fn word(&mut self, text: &str) -> String {
        if is_bare(text) && self.random.chance(7, 8) {
            return text.to_owned();
        }
        self.text(text)
    }

    fn value(&mut self, value: &Value) -> String {
        let plain: Option<String> = value.filled(&|_| None);
        match plain {
            Some(text) => self.text(&text),
            None => self.with_names(value),
        }
    }

    /// A string without variables, in any spelling that can represent it.
    fn text(&mut self, text: &str) -> String {
        if is_bare(text) && self.random.chance(1, 6) {
            return text.to_owned();
        }
        let raw = raw(text);
        let has_braces = text.contains("{{");
        if let Some(raw) = raw.filter(|_| has_braces || self.random.chance(1, 6)) {
            return raw;
        }
        if let Some(several) = self.several_lines(text, has_braces) {
            return several;
        }
        format!("\"{}\"", self.escaped(text))
    }

    fn with_names(&mut self, value: &Value) -> String {
        let parts: Vec<String> = value
            .0
            .iter()
            .map(|part| match part {
                Part::Text(text) => self.escaped(text),
                Part::Name(name) if self.random.chance(1, 2) => format!("{{{{{name}}}}}"),
                Part::Name(name) => format!("{{{{ {name}\t}}}}"),
            })
            .collect();
        format!("\"{}\"", parts.concat())
    }

    /// The contents of a quoted string.
    fn escaped(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut last_was_gap = false;
        for c in text.chars() {
            let is_white = c.is_whitespace();
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out += "\\n",
                '\r' => out += "\\r",
                '\t' => out += "\\t",
                '\u{8}' => out += "\\b",
                '\u{c}' => out += "\\f",
                ' ' if last_was_gap || self.random.chance(1, 30) => out += "\\s",
                c if c.is_control() || is_odd(c) || self.random.chance(1, 40) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
            last_was_gap = !is_white && self.random.chance(1, 60);
            if last_was_gap {
                // Skips the line break and all whitespace after it.
                out += "\\\n    ";
            }
        }
        if last_was_gap {
            // Ends the gap here, where no text follows that it could swallow.
            out += "\\   ";
        }
        out
    }

    /// A multi-line string, if the text can be written as one.
    fn several_lines(&mut self, text: &str, must: bool) -> Option<String> {
        let odd = |c: char| c != '\n' && (c.is_control() || is_odd(c));
        let is_blank = |line: &str| !line.is_empty() && line.trim().is_empty();
        if !(must || (text.contains('\n') && self.random.chance(1, 2)))
            || text.contains(odd)
            || text.split('\n').any(is_blank)
        {
            return None;
        }
        let indent = *self.random.pick(&["", "    ", "\t"]);
        let lines: String = text
            .split('\n')
            .map(|line| {
                if line.is_empty() {
                    "\n".to_owned()
                } else {
                    format!("{indent}{line}\n")
                }
            })
            .collect();
        if must || self.random.chance(1, 3) {
            let hashes = hashes(text, "\"\"\"");
            return Some(format!("{hashes}\"\"\"\n{lines}{indent}\"\"\"{hashes}"));
        }
        let body = lines.replace('\\', "\\\\").replace("\"\"\"", "\\\"\"\\\"");
        Some(format!("\"\"\"\n{body}{indent}\"\"\""))
    }
}

/// Whether a text with two braces can be written so that they are literal.
pub(super) fn is_spellable(text: &str) -> bool {
    let is_blank = |line: &str| !line.is_empty() && line.trim().is_empty();
    let is_odd = |c: char| c != '\n' && (c.is_control() || is_odd(c));
    !text.contains("{{") || (!text.contains(is_odd) && !text.split('\n').any(is_blank))
}

/// Whether the node may have an empty block.
fn takes_block(name: &str) -> bool {
    matches!(name, "image" | "template" | "defaults" | "workspace")
}

/// Characters that this grammar always escapes: line separators and marks.
fn is_odd(c: char) -> bool {
    let is_end = matches!(c, '\u{85}' | '\u{b}' | '\u{2028}' | '\u{2029}');
    is_end
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a string can be written without quotes.
fn is_bare(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_keyword = matches!(text, "true" | "false" | "null" | "inf" | "-inf" | "nan");
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_word) && !is_keyword
}

/// A raw single-line string, if the text can be written as one.
fn raw(text: &str) -> Option<String> {
    if text.contains(|c: char| c.is_control() || is_odd(c)) || text.starts_with("\"\"") {
        return None;
    }
    let hashes = hashes(text, "\"");
    Some(format!("{hashes}\"{text}\"{hashes}"))
}

/// Enough `#` that the closing quotes followed by them do not occur in the text.
fn hashes(text: &str, quotes: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("{quotes}{hashes}")) {
        hashes.push('#');
    }
    hashes
}
