//! The state of converting one bake target, and the location of its Dockerfile and context.
//!
//! A target whose Dockerfile or context is outside the manifest's directory is left out, because its image would be built from
//! something else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostic::shown;
use crate::import::imported::{At, Imported, NewNode, Note};
use crate::import::paths::Paths;

pub(super) struct BakeTarget<'a> {
    /// The image's id.
    pub id: &'a str,
    /// The ids of all imported images, by target name.
    pub ids: &'a BTreeMap<&'a str, String>,
    pub paths: &'a Paths,
    /// The image's fields so far.
    pub nodes: Vec<NewNode>,
    /// Receives notes and files.
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

/// A target's paths, relative to the manifest.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// The Dockerfile; `None` if it is inline.
    pub file: Option<String>,
    /// The build context.
    pub context: String,
}

/// Locates a target's Dockerfile and context. The error is the offending field and a description of the problem.
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
    // Relative to the context, except in the cases below.
    let is_relative = given != "." && !file.starts_with('/') && !is_remote(file);
    let path = if is_relative {
        inside(&format!("{given}/{file}"), paths)
    } else {
        inside(file, paths)
    };
    let file = Some(path.map_err(|why| ("dockerfile", why))?);
    Ok(Located { file, context })
}

/// Whether this is anything but a plain path.
fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("target:") || path == "-"
}

/// Converts a path of the bake file to one relative to the manifest. The error describes the problem.
pub(super) fn inside(given: &str, paths: &Paths) -> Result<String, String> {
    // Bake's prefix for its working directory.
    let given = given.strip_prefix("cwd://").unwrap_or(given);
    let found = if is_remote(given) {
        Err("is not on this machine")
    } else {
        paths.inside(given)
    };
    found.map_err(|why| format!("`{}` {why}", shown(given)))
}
