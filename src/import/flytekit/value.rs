//! A value of an ImageSpec, whatever language it was written in.
//!
//! A scalar that is not a string keeps its source text beside what Python makes of it: to its author `3.10` means `3.10`, to
//! YAML 1.1 it is `3.1` (ImageSpecs do state Python versions like this).

use crate::import::imported::At;

/// What [`Scalar::kind`] says of `true` and `false`.
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
    /// Another ImageSpec of the same source, by number.
    Spec(usize),
}

/// A scalar that is not a string: a number, a boolean, a date, a Python object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::import) struct Scalar {
    /// For messages, such as `a number`.
    pub kind: String,
    /// The source text.
    pub written: String,
    /// Python's `str` of it.
    pub python: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct SpecField {
    pub name: String,
    pub at: At,
    pub value: SpecValue,
}

impl SpecValue {
    /// For messages, such as `a list`.
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
