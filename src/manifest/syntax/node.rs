//! The syntax tree, with the place of every part.

use crate::diagnostic::{Place, Spanned};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub name: Spanned,
    pub args: Vec<Value>,
    /// In order of appearance, including duplicates.
    pub props: Vec<Prop>,
    /// The nodes in its block.
    pub children: Vec<Node>,
    /// The opening brace, if there is a block.
    pub block: Option<Place>,
}

/// A `name=value`.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    pub name: Spanned,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub data: Data,
    /// Place of the value, including quotes.
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Text {
        /// The text with escapes resolved.
        text: String,
        /// Whether it is a quoted, non-raw string, in which `{{ }}` has a meaning.
        quoted: bool,
    },
    /// A number, as written.
    Number(String),
    Bool(bool),
    Null,
}

impl Node {
    pub(in crate::manifest) fn named(name: Spanned) -> Self {
        Self {
            name,
            args: Vec::new(),
            props: Vec::new(),
            children: Vec::new(),
            block: None,
        }
    }

    /// Turns off the substitution of variables in all texts of the node.
    pub(in crate::manifest) fn say_literally(&mut self) {
        let props = self.props.iter_mut().map(|prop| &mut prop.value);
        for value in self.args.iter_mut().chain(props) {
            if let Data::Text { quoted, .. } = &mut value.data {
                *quoted = false;
            }
        }
        self.children.iter_mut().for_each(Self::say_literally);
    }

    /// The place from the name to the last argument or property, excluding the block.
    pub(crate) fn head(&self) -> Place {
        let ends = self.args.iter().map(|value| value.place.end());
        let prop_ends = self.props.iter().map(|prop| prop.value.place.end());
        let end = ends.chain(prop_ends).max().unwrap_or(0);
        Place::new(
            self.name.place.source,
            self.name.place.start()..end.max(self.name.place.end()),
        )
    }
}

impl Prop {
    /// The place from the name to the end of the value.
    pub(crate) fn place(&self) -> Place {
        Place::new(
            self.name.place.source,
            self.name.place.start()..self.value.place.end(),
        )
    }
}
