//! What a command asks for, the values that an image itself says of a field, and what becomes of each.

use super::target::Target;
use crate::manifest::{Data, Node, Value};

/// What is to be said of one field of one image.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The image's id.
    pub image: String,
    /// The field, as manifests call it.
    pub field: String,
    /// What becomes of its values.
    pub change: Change,
}

/// What becomes of the values of a field; those of a map are `NAME=VALUE`.
#[derive(Debug, Clone)]
pub enum Change {
    /// These are there, beside the others; a package by its name.
    Add(Vec<String>),
    /// These are there no more; of a map, names will do, and of packages too.
    Remove(Vec<String>),
    /// These are all that the image says; of a map, the entries of these names.
    Set(Vec<String>),
}

/// A value that is said, with its name where it has one.
pub(super) type Said = (Option<String>, String);

/// Where in a node a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Argument(usize),
    Property(usize),
    Child(usize),
}

pub(super) struct Item {
    /// Which of the image's nodes of the field.
    pub node: usize,
    pub part: Part,
    pub key: Option<String>,
    pub text: String,
    /// Whether names in braces are filled in, so that it means something else than it says.
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
    /// Whether it is this very value, and goes on being so.
    pub(super) fn is(&self, text: &str) -> bool {
        match &self.fate {
            Fate::Stays => !self.is_filled && self.text == text,
            Fate::Goes => false,
            Fate::Becomes(new) => new == text,
        }
    }

    /// What it says in the end.
    pub(super) fn said(&self) -> Option<&str> {
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

/// All that the image itself says of the field.
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

/// Whether a node drops what was inherited: then it means something without values too.
pub(super) fn is_reset(node: &Node) -> bool {
    node.props
        .iter()
        .any(|prop| prop.name.text == "reset" && prop.value.data == Data::Bool(true))
}
