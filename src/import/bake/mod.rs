//! Imports Docker's bake files as images with Dockerfiles.
//!
//! Reads the JSON that `docker buildx bake --print` prints, and runs `buildx` to convert any other form into it. All targets
//! are imported, not only those of one group, and the groups with them.

mod buildx;
mod dockerfile;
mod fields;
mod groups;
mod target;
mod values;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::imported::{At, Imported, NewImage, NewNode, Note};
use super::input::{ImportContext, Input};
use super::names::{self, Ids};
use super::paths::Paths;
use crate::diagnostic::Diagnostic;
use crate::manifest;
use buildx::Printed;
use groups::Listed;
use target::BakeTarget;

pub(super) fn import(
    input: &Input,
    text: &str,
    context: &ImportContext<'_>,
) -> Result<Imported, Box<Diagnostic>> {
    let direct = printed_form(text).map(|plan| Printed {
        plan,
        groups: None,
        is_complete: true,
    });
    let printed = direct.map_or_else(|| ask(input, context), Ok)?;
    let targets = printed.plan.get("target").and_then(Value::as_object);
    let Some(targets) = targets.filter(|targets| !targets.is_empty()) else {
        let message = format!("`{}` defines no target", input.name);
        let mistake = Diagnostic::error("no-image", message);
        let mistake = mistake.help("a bake file has a `target` for each image");
        return Err(mistake.into());
    };
    let mut imported = images(targets, &groups::read(&printed), &context.paths);
    if imported.images.is_empty() {
        let message = format!("no target of `{}` can be imported", input.name);
        let mut mistake = Diagnostic::error("no-image", message);
        for note in imported.notes.iter().take(10) {
            let target = note.image.as_deref().unwrap_or_default();
            mistake = mistake.help(format!("{target}: {}", note.message));
        }
        return Err(mistake.into());
    }
    imported.title.clone_from(&input.name);
    general_notes(&mut imported.notes, &printed, text);
    Ok(imported)
}

fn ask(input: &Input, context: &ImportContext<'_>) -> Result<Printed, Box<Diagnostic>> {
    let Some(path) = &input.path else {
        let message = "on standard input, only the output of `docker buildx bake --print` is read";
        let mistake = Diagnostic::error("bake", message);
        let help = "pipe it: `docker buildx bake --print | imgspec import -`";
        return Err(mistake.help(help).into());
    };
    buildx::print(path, context)
}

/// Parses the fully evaluated JSON that `--print` produces; `None` for other forms.
fn printed_form(text: &str) -> Option<Value> {
    let plan: Value = serde_json::from_str(text).ok()?;
    let top = plan.as_object()?;
    let is_evaluated = |target: &Value| {
        let target = target.as_object();
        target.is_some_and(|it| !it.contains_key("inherits") && !it.contains_key("matrix"))
    };
    let is_printed = top.get("target")?.as_object()?.values().all(is_evaluated)
        && top.keys().all(|key| key == "group" || key == "target")
        && !text.contains("${")
        && !text.contains("%{");
    is_printed.then_some(plan)
}

fn general_notes(notes: &mut Vec<Note>, printed: &Printed, text: &str) {
    let mut note = |field: &str, message: String| {
        notes.push(Note::new(None, field, At::default(), message));
    };
    if !printed.is_complete {
        let message = "this version of buildx cannot list targets: only those of the group `default` are imported";
        note("target", message.to_owned());
    }
    let mut lines = text.lines().map(str::trim_start);
    if lines.any(|line| line.starts_with("variable")) || text.contains("\"variable\"") {
        let message =
            "variables are replaced by their current values; declare a `variable` to keep one";
        note("variable", message.to_owned());
    }
}

fn images(targets: &Map<String, Value>, groups: &Listed, paths: &Paths) -> Imported {
    let mut imported = Imported::default();
    let located: BTreeMap<&str, _> = targets
        .iter()
        .map(|(name, target)| (name.as_str(), target::locate(target, paths)))
        .collect();
    let mut taken = Ids::default();
    let ids: BTreeMap<&str, String> = located
        .iter()
        .filter(|(_, located)| located.is_ok())
        .map(|(name, _)| (*name, taken.fresh(&names::id(name))))
        .collect();
    let known = |name: &str| targets.get_key_value(name).map(|(name, _)| name.as_str());
    let order = names::bases_first(targets.keys().map(String::as_str), |name: &str| {
        needs(&targets[name]).filter_map(known).collect::<Vec<_>>()
    });
    for name in order {
        let target = &targets[name];
        match &located[name] {
            Ok(located) => {
                let mut image = BakeTarget {
                    id: &ids[name],
                    ids: &ids,
                    paths,
                    nodes: Vec::new(),
                    imported: &mut imported,
                };
                image.dockerfile(target, located);
                image.fields(target);
                let fields = image.nodes;
                let description = target.get("description").and_then(Value::as_str);
                let comment = description.filter(|words| !words.is_empty());
                imported.images.push(NewImage {
                    id: ids[name].clone(),
                    comment: comment.map(str::to_owned),
                    fields,
                });
            }
            Err((field, why)) => {
                let message = format!("the target is left out: its `{field}` {why}");
                let note = Note::new(Some(name), field, At::default(), message);
                imported.notes.push(note);
            }
        }
    }
    separate_tags(&mut imported);
    groups::import(groups, &ids, &mut taken, &mut imported);
    imported
}

fn needs(target: &Value) -> impl Iterator<Item = &str> {
    let contexts = target.get("contexts").and_then(Value::as_object);
    let contexts = contexts.into_iter().flatten();
    contexts.filter_map(|(_, value)| value.as_str()?.strip_prefix("target:"))
}

/// Sets a distinct tag format on each image that shares its repository with another.
fn separate_tags(imported: &mut Imported) {
    let find = |image: &NewImage, name: &str| {
        let node = image.fields.iter().find(|node| node.name == name);
        node.and_then(|node| node.args.first().cloned())
    };
    let repository = |image: &NewImage| {
        let name = find(image, "name").unwrap_or_else(|| image.id.clone());
        (find(image, "registry"), name)
    };
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for image in &imported.images {
        *counts.entry(repository(image)).or_default() += 1;
    }
    for image in &mut imported.images {
        if counts[&repository(image)] < 2 {
            continue;
        }
        let format = format!("{{spec_hash}}-{}", image.id);
        let what = if manifest::takes("tag-format", &format).is_ok() {
            image.fields.push(NewNode::new("tag-format", &format));
            format!("`tag-format` is set to `{format}`")
        } else {
            "set a `tag-format`".to_owned()
        };
        let message = format!("other targets have the same name: {what} to keep them apart");
        let note = Note::new(Some(&image.id), "tags", At::default(), message);
        imported.notes.push(note);
    }
}
