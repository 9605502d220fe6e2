//! Edits as requested, the values that an image itself gives a field, and what happens to each.

use super::holder::Holder;
use super::target::Target;
use crate::manifest::{Data, Node, Value};

/// A change of one field of an image or a template.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Whose field it is.
    pub of: Holder,
    /// Manifest name of the field.
    pub field: String,
    /// The change of the field's values.
    pub change: Change,
}

/// A change of a field's values. Values of maps have the form `NAME=VALUE`.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds values. A package replaces another version of itself.
    Add(Vec<String>),
    /// Removes values; entries of maps and packages can be given by name.
    Remove(Vec<String>),
    /// Sets its own values; of a map, only the named entries.
    Set(Vec<String>),
}

/// A value, with its name if it is the entry of a map.
pub(super) type Entry = (Option<String>, String);

/// The position of a value in a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Argument(usize),
    Property(usize),
    Child(usize),
}

pub(super) struct Item {
    /// Index among its nodes of the field.
    pub node: usize,
    pub part: Part,
    pub key: Option<String>,
    pub text: String,
    /// Whether the text has placeholders in braces, so that its meaning differs from its spelling.
    is_filled: bool,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    Goes,
    Becomes(String),
}

impl Item {
    /// Whether the value will be exactly `text` after the edit.
    pub(super) fn is(&self, text: &str) -> bool {
        match &self.fate {
            Fate::Stays => !self.is_filled && self.text == text,
            Fate::Goes => false,
            Fate::Becomes(new) => new == text,
        }
    }

    /// The text after the edit; `None` if the value is removed.
    pub(super) fn text_after(&self) -> Option<&str> {
        match &self.fate {
            Fate::Stays => Some(&self.text),
            Fate::Goes => None,
            Fate::Becomes(new) => Some(new),
        }
    }

    pub(super) fn shown(&self) -> String {
        let key = self
            .key
            .as_ref()
            .map_or(String::new(), |key| format!("{key}="));
        key + &self.text
    }
}

/// All values that the image or template itself gives the field.
pub(super) fn items(target: &Target<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for (node, own) in target.own().into_iter().enumerate() {
        let mut item = |part, key: Option<&str>, value: Option<&Value>| {
            let braces = |text: &str| text.contains("{{");
            let data = value.map(|value| &value.data);
            items.push(Item {
                node,
                part,
                key: key.map(str::to_owned),
                text: value.map_or_else(String::new, |value| target.value(value)),
                is_filled: matches!(data, Some(Data::Text { text, quoted: true }) if braces(text)),
                fate: Fate::Stays,
            });
        };
        for (at, value) in own.args.iter().enumerate() {
            item(Part::Argument(at), None, Some(value));
        }
        let props = own.props.iter().enumerate();
        for (at, prop) in props.filter(|(_, prop)| prop.name.text != "reset") {
            item(Part::Property(at), Some(&prop.name.text), Some(&prop.value));
        }
        for (at, child) in own.children.iter().enumerate() {
            item(Part::Child(at), Some(&child.name.text), child.args.first());
        }
    }
    items
}

/// Whether a node discards inherited values, and is therefore meaningful even without values of its own.
pub(super) fn is_reset(node: &Node) -> bool {
    node.props
        .iter()
        .any(|prop| prop.name.text == "reset" && prop.value.data == Data::Bool(true))
}
