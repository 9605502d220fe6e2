//! A value of an ImageSpec, independent of the source language.
//!
//! A scalar other than a string keeps its source text along with Python's interpretation: `3.10` means `3.10` to its author,
//! but `3.1` in YAML 1.1, and ImageSpecs do state Python versions like this.

use crate::import::imported::At;

/// The [`Scalar::kind`] of `true` and `false`.
pub(in crate::import) const BOOLEAN: &str = "a boolean";

#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct SpecValue {
    pub data: SpecData,
    pub at: At,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) enum SpecData {
    Null,
    Text(String),
    Scalar(Scalar),
    List(Vec<SpecValue>),
    Map(Vec<(SpecValue, SpecValue)>),
    /// Another ImageSpec of the same source, by index.
    Spec(usize),
}

/// A scalar other than a string: a number, a boolean, a date or a Python object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::import) struct Scalar {
    /// Kind for messages, such as `a number`.
    pub kind: String,
    /// The source text.
    pub written: String,
    /// The result of Python's `str`.
    pub python: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct SpecField {
    pub name: String,
    pub at: At,
    pub value: SpecValue,
}

impl SpecValue {
    /// Kind for messages, such as `a list`.
    pub(in crate::import) fn kind(&self) -> &str {
        match &self.data {
            SpecData::Null => "null",
            SpecData::Text(_) => "a string",
            SpecData::Scalar(scalar) => &scalar.kind,
            SpecData::List(_) => "a list",
            SpecData::Map(_) => "a mapping",
            SpecData::Spec(_) => "an ImageSpec",
        }
    }

    pub(in crate::import) fn written(&self) -> Option<&str> {
        match &self.data {
            SpecData::Text(text) => Some(text),
            SpecData::Scalar(scalar) => Some(&scalar.written),
            _ => None,
        }
    }
}

pub(in crate::import) fn fields(pairs: Vec<(SpecValue, SpecValue)>) -> Vec<SpecField> {
    let pairs = pairs.into_iter();
    let field = |(key, value): (SpecValue, SpecValue)| SpecField {
        name: key.written().unwrap_or_default().to_owned(),
        at: key.at,
        value,
    };
    pairs.map(field).collect()
}
