//! One bake target on its way to an image.

use std::collections::BTreeMap;

use crate::import::imported::{At, Imported, NewNode, Note};
use crate::import::paths::Paths;
use crate::import::text::shown;

/// A target that becomes an image.
pub(super) struct BakeTarget<'a> {
    /// The image's id.
    pub id: &'a str,
    /// The ids of all images that are imported, by target.
    pub ids: &'a BTreeMap<&'a str, String>,
    pub paths: &'a Paths,
    /// The image's fields so far.
    pub nodes: Vec<NewNode>,
    /// Takes notes and files.
    pub imported: &'a mut Imported,
}

impl BakeTarget<'_> {
    pub(super) fn note(&mut self, field: &str, message: impl Into<String>) {
        let note = Note::new(Some(self.id), field, At::default(), message);
        self.imported.notes.push(note);
    }

    /// Notes that a field is left out.
    pub(super) fn skip(&mut self, field: &str, why: &str) {
        self.note(field, format!("`{field}` is left out: {why}"));
    }

    /// Notes a path that does not exist.
    pub(super) fn check_exists(&mut self, field: &str, path: &str) {
        if !self.paths.exists(path) {
            let path = shown(path);
            self.note(field, format!("`{field}` names `{path}`, which does not exist; paths are relative to bake's working directory, which `-C` sets"));
        }
    }
}
