//! One bake target on its way to an image, and where its Dockerfile and context are.
//!
//! A target with either of them outside the manifest's directory is left out: its image would be built from something else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostic::shown;
use crate::import::imported::{At, Imported, NewNode, Note};
use crate::import::paths::Paths;

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

    pub(super) fn skip(&mut self, field: &str, why: &str) {
        self.note(field, format!("`{field}` is left out: {why}"));
    }

    pub(super) fn check_exists(&mut self, field: &str, path: &str) {
        if !self.paths.exists(path) {
            let path = shown(path);
            self.note(field, format!("`{field}` names `{path}`, which does not exist; paths are relative to bake's working directory, which `-C` sets"));
        }
    }
}

/// The paths of a target that can be an image, relative to the manifest.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// The Dockerfile; none where the bake file contains its text.
    pub file: Option<String>,
    /// The build context.
    pub context: String,
}

/// Locates a target's Dockerfile and context; otherwise the field at fault, and its value with what is wrong with it.
pub(super) fn locate(target: &Value, paths: &Paths) -> Result<Located, (&'static str, String)> {
    let text = |name: &str| {
        let text = target.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let given = text("context").unwrap_or(".");
    let given = given.strip_prefix("cwd://").unwrap_or(given);
    let context = inside(given, paths).map_err(|why| ("context", why))?;
    if text("dockerfile-inline").is_some() {
        let file = None;
        return Ok(Located { file, context });
    }
    let file = text("dockerfile").unwrap_or("Dockerfile");
    // Relative to the context, unless bake is told otherwise.
    let is_relative = given != "." && !file.starts_with('/') && !is_remote(file);
    let path = if is_relative {
        inside(&format!("{given}/{file}"), paths)
    } else {
        inside(file, paths)
    };
    let file = Some(path.map_err(|why| ("dockerfile", why))?);
    Ok(Located { file, context })
}

/// Whether it is anything but a plain path.
fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("target:") || path == "-"
}

/// A path of the bake file as one of the manifest; otherwise the path with what is wrong with it.
pub(super) fn inside(given: &str, paths: &Paths) -> Result<String, String> {
    // Bake's name for its working directory.
    let given = given.strip_prefix("cwd://").unwrap_or(given);
    let found = if is_remote(given) {
        Err("is not on this machine")
    } else {
        paths.inside(given)
    };
    found.map_err(|why| format!("`{}` {why}", shown(given)))
}
