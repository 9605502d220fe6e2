//! The tree that a text is read into, every part with its place.

use crate::diagnostic::{Place, Spanned};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub name: Spanned,
    pub args: Vec<Value>,
    /// In order, repeated ones too.
    pub props: Vec<Prop>,
    /// The nodes between its braces.
    pub children: Vec<Node>,
    /// The opening brace, if it has one.
    pub block: Option<Place>,
}

/// One `name=value`.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    pub name: Spanned,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub data: Data,
    /// With quotes.
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Text {
        /// Escapes are resolved.
        text: String,
        /// Whether it was quoted but not raw, so that `{{ }}` means something in it.
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

    /// Has every text in it mean just itself: nothing is filled in.
    pub(in crate::manifest) fn say_literally(&mut self) {
        let props = self.props.iter_mut().map(|prop| &mut prop.value);
        for value in self.args.iter_mut().chain(props) {
            if let Data::Text { quoted, .. } = &mut value.data {
                *quoted = false;
            }
        }
        self.children.iter_mut().for_each(Self::say_literally);
    }

    /// From the name to the last argument or property, without the block.
    pub(crate) fn head(&self) -> Place {
        let ends = self.args.iter().map(|value| value.place.span.end);
        let prop_ends = self.props.iter().map(|prop| prop.value.place.span.end);
        let end = ends.chain(prop_ends).max().unwrap_or(0);
        Place {
            source: self.name.place.source,
            span: self.name.place.span.start..end.max(self.name.place.span.end),
        }
    }
}

impl Prop {
    /// From the name to the end of the value.
    pub(crate) fn place(&self) -> Place {
        Place {
            source: self.name.place.source,
            span: self.name.place.span.start..self.value.place.span.end,
        }
    }
}
