//! Decodes string fields: single values, lists and maps.

use super::decoder::Decoder;
use super::known::OF_FIELD;
use crate::diagnostic::{Diagnostic, Place, Spanned, quoted, shown};
use crate::manifest::syntax::{Data, Node, Value, bare, no_block, only_props};
use crate::spec::fields::Field;
use crate::spec::rules::{ValueRule, any, check_entry, check_platforms_once};

const VALUE: &str = "\"…\"";

impl Decoder<'_> {
    pub(super) fn one(&mut self, field: &Field, node: &Node) -> Option<Spanned> {
        bare(node, OF_FIELD, self.notes);
        let is_open = self.takes_any_builder && field.name == "builder";
        let rule = if is_open { any } else { field.rule };
        self.only_arg(field.name, rule, node, VALUE)
    }

    /// `#true` or `#false`; as a string too, so that a variable can decide.
    pub(super) fn flag(&mut self, field: &Field, node: &Node) -> Option<(bool, Place)> {
        let name = field.name;
        match node.args.as_slice() {
            [value] if let Data::Bool(flag) = value.data => {
                bare(node, OF_FIELD, self.notes);
                return Some((flag, value.place));
            }
            [value] if matches!(value.data, Data::Number(_)) => {
                let message = format!("`{name}` takes `#true` or `#false`, not a number");
                self.notes
                    .tell(Diagnostic::error("wrong-type", message).at(value.place, ""));
                return None;
            }
            _ => {}
        }
        let text = self.one(field, node)?;
        Some((text.text == "true", text.place))
    }

    /// Any number of arguments; an empty entrypoint clears that of the base.
    pub(super) fn words(&mut self, field: &Field, node: &Node) -> Option<Vec<Spanned>> {
        bare(node, OF_FIELD, self.notes);
        self.all_checked(field.name, field.rule, node)
    }

    pub(super) fn platforms(&mut self, field: &Field, node: &Node) -> Option<Vec<Spanned>> {
        bare(node, OF_FIELD, self.notes);
        if node.args.is_empty() {
            self.missing(node, VALUE);
            return None;
        }
        let platforms = self.all_checked(field.name, field.rule, node)?;
        self.notes.tell_all(check_platforms_once(&platforms));
        Some(platforms)
    }

    pub(super) fn list(&mut self, field: &Field, node: &Node) -> Option<Vec<Spanned>> {
        bare(node, OF_FIELD, self.notes);
        if node.args.is_empty() && node.block.is_none() {
            self.missing(node, VALUE);
        }
        self.all_checked(field.name, field.rule, node)
    }

    /// Names and values, written as properties or as children.
    pub(super) fn map(
        &mut self,
        map: &str,
        rule: ValueRule,
        value_rule: ValueRule,
        node: &Node,
    ) -> Vec<(Spanned, Spanned)> {
        let mut pairs: Vec<(&Spanned, &Value)> = Vec::new();
        let props = node.props.iter().filter(|prop| prop.name.text != "reset");
        pairs.extend(props.map(|prop| (&prop.name, &prop.value)));
        for child in &node.children {
            only_props(child, &[], self.notes);
            no_block(child, self.notes);
            match child.args.as_slice() {
                [value] => pairs.push((&child.name, value)),
                args => {
                    let place = args.get(1).map_or(&child.name.place, |value| &value.place);
                    let message = format!("`{}` takes one value", shown(&child.name.text));
                    self.notes
                        .tell(Diagnostic::error("missing-argument", message).at(*place, ""));
                }
            }
        }
        for value in &node.args {
            self.not_a_pair(map, rule, value);
        }
        if node.args.is_empty() && node.props.is_empty() && node.children.is_empty() {
            self.missing(node, "NAME=\"value\"");
        }
        let pairs = pairs.into_iter();
        pairs
            .filter_map(|(name, value)| {
                self.notes.accept(check_entry(map, rule, name))?;
                let value = self.checked(&name.text, value_rule, value)?;
                Some((name.clone(), value))
            })
            .collect()
    }

    /// Reports a value without a name, such as `env "A=b"` in the style of other tools.
    fn not_a_pair(&mut self, map: &str, rule: ValueRule, value: &Value) {
        let message = format!("`{map}` takes names with values");
        let mistake = Diagnostic::error("wrong-type", message).at(value.place, "");
        let pair = match &value.data {
            Data::Text { text, .. } => text.split_once('='),
            _ => None,
        };
        self.notes
            .tell(match pair.filter(|(name, _)| rule(name).is_ok()) {
                Some((name, text)) => mistake.fix(value.place, format!("{name}={}", quoted(text))),
                None => mistake.help(format!("write `{map} NAME=\"value\"`")),
            });
    }
}
