//! One ImageSpec on its way to an image.

use crate::import::imported::{At, NewNode, Note};
use crate::import::paths::Paths;
use crate::import::text::shown;

/// Said where the image cannot get the tag that flytekit gives it.
pub(super) const OTHER_TAG: &str = "so the tag differs from flytekit's";

/// An image that is being made of an ImageSpec.
pub(super) struct SpecImage<'a> {
    pub id: &'a str,
    pub paths: &'a Paths,
    /// The image's fields so far.
    pub nodes: Vec<NewNode>,
    pub notes: &'a mut Vec<Note>,
}

impl SpecImage<'_> {
    pub(super) fn note(&mut self, field: &str, at: At, message: impl Into<String>) {
        self.notes
            .push(Note::new(Some(self.id), field, at, message));
    }

    /// Notes that a field is left out.
    pub(super) fn skip(&mut self, field: &str, at: At, why: &str) {
        self.note(field, at, format!("`{field}` is left out: {why}"));
    }

    /// Notes that one value of a field is left out.
    pub(super) fn skip_value(&mut self, field: &str, value: &str, at: At, why: &str) {
        let value = shown(value);
        self.note(
            field,
            at,
            format!("`{field}` value `{value}` is left out: {why}"),
        );
    }
}
