//! Checks the shape of nodes independently of their meaning: properties, blocks and the number of arguments.

use std::collections::BTreeMap;

use super::node::{Node, Prop, Value};
use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::notes::Notes;
use crate::suggest::closest;

/// The property with this name, or the last one if there are several.
pub(in crate::manifest) fn prop<'a>(node: &'a Node, name: &str) -> Option<&'a Prop> {
    node.props.iter().rev().find(|prop| prop.name.text == name)
}

/// Reports properties other than `known`, and duplicates.
pub(in crate::manifest) fn only_props(node: &Node, known: &[&'static str], notes: &mut Notes) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for prop in &node.props {
        let name = prop.name.text.as_str();
        if let Some(before) = first.insert(name, &prop.name.place) {
            notes.tell_with(|| {
                let message = format!("the property `{name}` is given twice");
                Diagnostic::twice("duplicate-field", message, &prop.name.place, before)
            });
        }
        if !known.contains(&name) {
            notes.tell_with(|| unknown_prop(node, prop, known));
        }
    }
}

/// Property names in other tools, and their equivalents here.
const OTHERS: &[(&str, &str)] = &[
    ("dest", "to"),
    ("destination", "to"),
    ("dst", "to"),
    ("target", "to"),
    ("into", "to"),
    ("chown", "owner"),
    ("user", "owner"),
    ("from", "image"),
];

fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let other = OTHERS.iter().find(|(theirs, _)| *theirs == name);
    let other = other.and_then(|(_, ours)| known.iter().copied().find(|known| known == ours));
    other.or_else(|| closest(name, known.iter().copied()))
}

fn unknown_prop(node: &Node, prop: &Prop, known: &[&'static str]) -> Diagnostic {
    let (name, place) = (prop.name.text.as_str(), &prop.name.place);
    let message = format!("`{}` has no property `{name}`", node.name.text);
    let mistake = Diagnostic::error("unknown-property", message);
    let wanted: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    match meant(name, known) {
        Some(meant) => mistake
            .at(*place, format!("did you mean `{meant}`?"))
            .fix(*place, meant),
        None if matches!(known, [] | ["reset"]) => mistake.at(*place, "it takes no properties"),
        None => mistake
            .at(prop.place(), "")
            .help(format!("it takes {}", wanted.join(", "))),
    }
}

pub(in crate::manifest) fn no_block(node: &Node, notes: &mut Notes) {
    if let Some(place) = &node.block {
        let name = &node.name.text;
        notes.tell(
            Diagnostic::error("wrong-type", format!("`{name}` takes no block"))
                .at(*place, "opened here")
                .help(format!("write its values after it: `{name} \"…\"`")),
        );
    }
}

/// Checks that a node has only these properties and no block.
pub(in crate::manifest) fn bare(node: &Node, props: &[&'static str], notes: &mut Notes) {
    only_props(node, props, notes);
    no_block(node, notes);
}

/// Returns the first argument; reports further ones, with `too_many` as the message.
pub(in crate::manifest) fn one_argument<'a>(
    node: &'a Node,
    too_many: &str,
    notes: &mut Notes,
) -> Option<&'a Value> {
    if let Some(second) = node.args.get(1) {
        notes.tell(
            Diagnostic::error("too-many-arguments", too_many).at(second.place, "one too many"),
        );
    }
    node.args.first()
}

/// Reports an argument of a node that takes only a block. Returns whether there was one.
pub(in crate::manifest) fn block_only(
    node: &Node,
    code: &'static str,
    example: &str,
    notes: &mut Notes,
) -> bool {
    let Some(value) = node.args.first() else {
        return false;
    };
    let message = format!("`{}` takes a block", node.name.text);
    notes.tell(
        Diagnostic::error(code, message)
            .at(value.place, "")
            .help(format!("write `{example}`")),
    );
    true
}
