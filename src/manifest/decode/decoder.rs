//! The basis for decoding any field: values checked against rules, paths, and nodes with exactly one argument.

use super::scope::Scope;
use crate::diagnostic::Spanned;
use crate::manifest::notes::Notes;
use crate::manifest::syntax::{Node, Value, one_argument, prop};
use crate::spec::WorkspacePath;
use crate::spec::rules::{self, PartRule, ValueRule};

/// Decodes the fields of one node.
pub(in crate::manifest) struct Decoder<'a> {
    pub notes: &'a mut Notes,
    pub scope: &'a Scope<'a>,
    /// The directory that paths are relative to.
    pub folder: &'a WorkspacePath,
    /// `an image`, `a template` or `defaults`.
    pub owner: &'static str,
    /// Nodes other than fields that are allowed here; they are decoded elsewhere.
    pub besides: &'static [&'static str],
    /// Accepts any builder name, because another component validates it.
    pub takes_any_builder: bool,
}

impl Decoder<'_> {
    /// A value that satisfies a rule; `None` if an error was reported.
    pub(super) fn checked(
        &mut self,
        what: &str,
        rule: ValueRule,
        value: &Value,
    ) -> Option<Spanned> {
        let text = self.scope.text(value, what, self.notes)?;
        self.notes.accept(rules::check(what, rule, &text))?;
        Some(text)
    }

    /// All arguments, checked against a rule; `None` if one of them is invalid.
    pub(super) fn all_checked(
        &mut self,
        what: &str,
        rule: ValueRule,
        node: &Node,
    ) -> Option<Vec<Spanned>> {
        let texts: Vec<Option<Spanned>> = node
            .args
            .iter()
            .map(|value| self.checked(what, rule, value))
            .collect();
        texts.into_iter().collect()
    }

    /// The property for a part, if present; the outer `None` means that an error was reported.
    #[expect(
        clippy::option_option,
        reason = "an error was reported, there is none, or this one"
    )]
    pub(super) fn optional(&mut self, node: &Node, part: PartRule) -> Option<Option<Spanned>> {
        match prop(node, part.name) {
            None => Some(None),
            Some(prop) => self.checked(part.name, part.rule, &prop.value).map(Some),
        }
    }

    pub(super) fn inside(&mut self, text: &Spanned) -> Option<WorkspacePath> {
        self.notes.accept(rules::inside(self.folder, text))
    }

    /// The single argument of a node; `example` is a valid argument for the error message.
    pub(super) fn only_arg(
        &mut self,
        what: &str,
        rule: ValueRule,
        node: &Node,
        example: &str,
    ) -> Option<Spanned> {
        let value = one_argument(node, &format!("`{what}` takes one value"), self.notes);
        if value.is_none() {
            self.missing(node, example);
        }
        self.checked(what, rule, value?)
    }

    pub(super) fn missing(&mut self, node: &Node, example: &str) {
        let name = &node.name.text;
        self.notes
            .tell(rules::empty_step(name, &node.name.place).help(format!(
                "write `{name} {example}`, or `{name} reset=#true` to discard inherited values"
            )));
    }
}
