//! A value of an ImageSpec, whatever language it was written in.
//!
//! The choice made: what is no text keeps what was written beside what Python makes of it, because `3.10` means `3.10` to
//! whoever wrote it and `3.1` to YAML 1.1 (flyteorg/flytekit specs name Python versions so).

use crate::import::At;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct Value {
    pub data: Data,
    pub at: At,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) enum Data {
    Null,
    Text(String),
    /// No text, where one is wanted.
    Other(Other),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Another ImageSpec of the same source, by number.
    Spec(usize),
}

/// A number, a truth value, a date, an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::import) struct Other {
    /// `a number`.
    pub kind: String,
    /// What stands in the source.
    pub written: String,
    /// What Python's `str` makes of it.
    pub python: String,
}

/// One field of an ImageSpec.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct Field {
    pub name: String,
    pub at: At,
    pub value: Value,
}

impl Value {
    /// What it is, for a sentence.
    pub(in crate::import) fn kind(&self) -> &str {
        match &self.data {
            Data::Null => "nothing",
            Data::Text(_) => "a text",
            Data::Other(other) => &other.kind,
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
            Data::Spec(_) => "an ImageSpec",
        }
    }

    /// A scalar as it was written.
    pub(in crate::import) fn written(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Other(other) => Some(&other.written),
            _ => None,
        }
    }
}
