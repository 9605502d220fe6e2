//! Imports the ImageSpecs of a Python file, or those that a running Python hands over.
//!
//! Images are named after the variables that hold them, the tasks that use them, or the images built on them.

mod run;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value as Json;

use super::flytekit::{self, Converter, Runtime, Scalar, SpecData, SpecField, SpecValue};
use super::imported::{At, Imported, Note};
use super::input::{ImportContext, Input};
use super::names;
use super::paths::Paths;
use crate::diagnostic::{Diagnostic, shown};
use crate::manifest;

/// The output of `_collect.py`, or what `imgspec.flytekit` writes.
#[derive(Debug, Deserialize)]
struct Collected {
    specs: Vec<CollectedSpec>,
    #[serde(default)]
    flytekit: String,
    /// Whether the file imports flyte 2.
    #[serde(default)]
    newer: bool,
    /// The working directory of the Python that hands over its specs.
    directory: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct CollectedSpec {
    /// Variables that hold the spec.
    names: Vec<String>,
    /// Tasks that use the spec.
    used_by: Vec<String>,
    /// Index of the spec that this one is built on.
    base: Option<usize>,
    line: Option<usize>,
    /// Whether `force_push()` was called.
    force: bool,
    #[serde(flatten)]
    runtime: Runtime,
    fields: serde_json::Map<String, Json>,
}

pub(super) fn import(
    input: &Input,
    context: &ImportContext<'_>,
) -> Result<Imported, Box<Diagnostic>> {
    let result = run::collect(input, context)?;
    let collected: Collected = serde_json::from_value(result).map_err(|error| {
        let message = format!("unexpected result of importing `{}`: {error}", input.name);
        Diagnostic::error("python", message)
    })?;
    if collected.specs.is_empty() {
        let message = format!("`{}` defines no ImageSpec", input.name);
        let help = if collected.newer {
            "it uses flyte 2, whose `flyte.Image` is not supported"
        } else {
            "only variables of the file and the images of its tasks and workflows are searched"
        };
        return Err(Diagnostic::error("no-image", message).help(help).into());
    }
    Ok(images(input, &collected, &context.paths, context))
}

/// Imports specs that a running Python has collected itself: it runs nothing.
pub(super) fn specs(
    input: &Input,
    text: &str,
    context: &ImportContext<'_>,
) -> Result<Imported, Box<Diagnostic>> {
    let collected: Collected = serde_json::from_str(text).map_err(|error| {
        let message = format!("`{}` has no ImageSpecs as JSON: {error}", input.name);
        let help = "`imgspec.flytekit`, the package for Python, writes them; both must have the same version";
        Diagnostic::error("specs", message).help(help)
    })?;
    if collected.specs.is_empty() {
        let message = format!("`{}` has no ImageSpec", input.name);
        return Err(Diagnostic::error("no-image", message).into());
    }
    let from = collected.directory.as_deref();
    let paths = from.map_or_else(
        || context.paths.clone(),
        |from| context.paths.starting_at(from),
    );
    Ok(images(input, &collected, &paths, context))
}

fn images(
    input: &Input,
    collected: &Collected,
    paths: &Paths,
    context: &ImportContext<'_>,
) -> Imported {
    let specs = &collected.specs;
    let mut converter = Converter::new(paths);
    for number in 0..specs.len() {
        let id = names::slug(&wanted_name(specs, number));
        let id = converter.ids.fresh(&id);
        converter.specs.push(id);
    }
    let base = |number: usize| specs[number].base.filter(|base| *base < specs.len());
    for number in names::bases_first(0..specs.len(), base) {
        let spec = &specs[number];
        let id = converter.specs[number].clone();
        let at = At::line(spec.line);
        converter.image(&id, fields(spec, at), &spec.runtime, comment(spec));
        if spec.force {
            let message = "`force_push` is left out: use `imgspec graph build --force` to build what exists already";
            let note = Note::new(Some(&id), "force_push", at, message);
            converter.notes.push(note);
        }
    }
    let mut notes = converter.notes;
    Imported {
        title: input.name.clone(),
        flytekit: Some(version(collected, context, &mut notes)),
        images: converter.images,
        groups: Vec::new(),
        files: Vec::new(),
        notes,
    }
}

/// The requested version of flytekit, or else the installed one.
fn version(collected: &Collected, context: &ImportContext<'_>, notes: &mut Vec<Note>) -> String {
    if let Some(version) = &context.flytekit {
        return version.clone();
    }
    let version = &collected.flytekit;
    let is_release = version.split('.').count() == 3
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_release && manifest::takes("flytekit", version).is_ok() {
        return version.clone();
    }
    let (version, default) = (shown(version), flytekit::DEFAULT_VERSION);
    let message = format!(
        "this Python has flytekit `{version}`, whose tags are unknown: taken as `{default}`; `--flytekit` names another"
    );
    notes.push(Note::new(None, "flytekit", At::default(), message));
    default.to_owned()
}

fn wanted_name(specs: &[CollectedSpec], number: usize) -> String {
    let own = |spec: &CollectedSpec| {
        let task = spec.used_by.first();
        let task = task.map(|task| task.rsplit('.').next().unwrap_or(task));
        spec.names
            .first()
            .map(String::as_str)
            .or(task)
            .map(str::to_owned)
    };
    if let Some(name) = own(&specs[number]) {
        return name;
    }
    let mut others = (0..specs.len()).filter(|other| *other != number);
    let child = others.find(|other| specs[*other].base == Some(number));
    child.map_or("image".to_owned(), |child| {
        let name = own(&specs[child]).unwrap_or_else(|| "image".to_owned());
        format!("{name}-base")
    })
}

fn comment(spec: &CollectedSpec) -> Option<String> {
    let tasks: Vec<&str> = spec.used_by.iter().take(5).map(String::as_str).collect();
    let more = if spec.used_by.len() > 5 { ", …" } else { "" };
    (!tasks.is_empty()).then(|| format!("Used by {}{more}.", tasks.join(", ")))
}

/// The fields of a spec, without flytekit's default platform.
fn fields(spec: &CollectedSpec, at: At) -> Vec<SpecField> {
    let field = |name: &str, value: SpecValue| SpecField {
        name: name.to_owned(),
        at,
        value,
    };
    let own = spec.fields.iter().filter(|(name, json)| {
        let is_default = *name == "platform" && **json == "linux/amd64";
        let is_base = *name == "base_image" && spec.base.is_some();
        !(is_default || is_base)
    });
    let base = spec.base.map(|number| {
        let data = SpecData::Spec(number);
        field("base_image", SpecValue { data, at })
    });
    own.map(|(name, json)| field(name, value(json, at)))
        .chain(base)
        .collect()
}

/// Decodes a value as encoded by `_collect.py`.
fn value(json: &Json, at: At) -> SpecValue {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let data = match json {
        Json::String(text) => SpecData::Text(text.clone()),
        Json::Array(values) => SpecData::List(values.iter().map(|it| value(it, at)).collect()),
        Json::Object(_) => {
            if let Some(pairs) = json.get("map").and_then(Json::as_array) {
                let pair = |pair: &Json| Some((value(pair.get(0)?, at), value(pair.get(1)?, at)));
                SpecData::Map(pairs.iter().filter_map(pair).collect())
            } else if let Some(kind) = text("other") {
                let written = text("text").unwrap_or_default().to_owned();
                SpecData::Scalar(Scalar {
                    kind: kind.to_owned(),
                    python: written.clone(),
                    written,
                })
            } else {
                let number = json.get("spec").and_then(Json::as_u64);
                let number = number.and_then(|number| usize::try_from(number).ok());
                number.map_or(SpecData::Null, SpecData::Spec)
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => SpecData::Null,
    };
    SpecValue { data, at }
}
