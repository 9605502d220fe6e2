//! The text of an excerpt as it grows, with the places in it and what is wrong with what is written.

use crate::diagnostic::{Diagnostic, Place, SourceId, Spanned, quoted};
use crate::spec::WorkspacePath;
use crate::spec::rules::{self, Mistake, PartRule, ValueRule};
use crate::workspace::Places;

/// What is written so far.
pub(in crate::images) struct Excerpt {
    pub text: String,
    pub places: Places,
    pub mistakes: Vec<Diagnostic>,
    source: SourceId,
    depth: usize,
}

impl Excerpt {
    pub(super) fn new(source: SourceId) -> Self {
        Self {
            text: String::new(),
            places: Places::default(),
            mistakes: Vec::new(),
            source,
            depth: 0,
        }
    }

    pub(super) fn put(&mut self, said: &str) -> Place {
        let start = self.text.len();
        self.text += said;
        Place {
            source: self.source,
            span: start..self.text.len(),
        }
    }

    pub(super) fn word(&mut self, text: &str) -> Spanned {
        let place = match rules::declared_name(text) {
            Ok(()) => self.put(text),
            Err(_) => self.put(&quoted(text)),
        };
        Spanned::plain(text, place)
    }

    /// The name of a node, on a line of its own.
    pub(super) fn name(&mut self, name: &str) -> Spanned {
        self.text += &"    ".repeat(self.depth);
        self.word(name)
    }

    pub(super) fn value(&mut self, text: &str) -> Spanned {
        self.text += " ";
        let place = self.put(&quoted(text));
        Spanned::plain(text, place)
    }

    pub(super) fn named_value(&mut self, name: &str, value: &str) -> (Spanned, Spanned) {
        self.text += " ";
        let name = self.word(name);
        self.text += "=";
        let place = self.put(&quoted(value));
        (name, Spanned::plain(value, place))
    }

    pub(super) fn end(&mut self) {
        self.text += "\n";
    }

    pub(super) fn block(&mut self, inside: impl FnOnce(&mut Self)) {
        self.text += " {\n";
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.text += &"    ".repeat(self.depth);
        self.text += "}\n";
    }

    pub(super) fn hold<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(*mistake)).ok()
    }

    /// An argument, held to a rule.
    pub(super) fn arg(&mut self, what: &str, rule: ValueRule, text: &str) -> Spanned {
        let text = self.value(text);
        self.hold(rules::check(what, rule, &text));
        text
    }

    /// A property, held to a rule.
    pub(super) fn prop(&mut self, part: PartRule, text: &str) -> Place {
        let (_, text) = self.named_value(part.name, text);
        self.hold(rules::check(part.name, part.rule, &text));
        text.place
    }

    pub(super) fn optional(&mut self, part: PartRule, text: Option<&String>) {
        if let Some(text) = text {
            self.prop(part, text);
        }
    }

    pub(super) fn inside(&mut self, path: &Spanned) {
        self.hold(rules::inside(&WorkspacePath::ROOT, path));
    }

    /// What follows the name of a map.
    pub(super) fn pairs(
        &mut self,
        map: &str,
        rule: ValueRule,
        value_rule: ValueRule,
        pairs: &[(String, String)],
    ) -> Vec<(Spanned, Spanned)> {
        let mut written = Vec::new();
        // As a property that name would drop what was inherited.
        if pairs.iter().any(|(name, _)| name == "reset") {
            self.block(|it| {
                for (name, value) in pairs {
                    written.push((it.name(name), it.value(value)));
                    it.end();
                }
            });
        } else {
            let pairs = pairs.iter();
            written.extend(pairs.map(|(name, value)| self.named_value(name, value)));
            self.end();
        }
        for (name, value) in &written {
            let checked = rules::check_entry(map, rule, name);
            self.hold(checked.and_then(|()| rules::check(&name.text, value_rule, value)));
        }
        written
    }

    /// Writes values by their number; keeps those without a mistake.
    pub(super) fn sound<T>(
        &mut self,
        values: &mut Vec<T>,
        mut write: impl FnMut(&mut Self, usize, &T),
    ) {
        let mut sound = Vec::new();
        for value in std::mem::take(values) {
            let told = self.mistakes.len();
            write(self, sound.len(), &value);
            if self.mistakes.len() == told {
                sound.push(value);
            }
        }
        *values = sound;
    }
}
