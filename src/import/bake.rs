//! Docker's bake file → images with their Dockerfiles.
//!
//! Knows bake's printed form, the JSON of `docker buildx bake --print`; a file that is in that form is read as it is, any
//! other through `buildx`. The choice made: every target is imported, not only those of a group, since imgspec builds what is
//! asked for anyway.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::bake_fields::Target;
use super::bake_source::{Located, Obstacle, locate};
use super::buildx::{self, Printed};
use super::names::{self, Ids};
use super::places::Places;
use super::{At, Image, Imported, Node, Note, Source, Surroundings, Wrong, shown};
use crate::diagnostic::Diagnostic;
use crate::manifest;
use crate::spec::rules::check_name;

pub(super) fn import(
    source: &Source,
    text: &str,
    around: &Surroundings<'_>,
) -> Result<Imported, Wrong> {
    let direct = printed_form(text).map(|plan| Printed {
        plan,
        groups: None,
        is_whole: true,
    });
    let printed = direct.map_or_else(|| ask(source, around), Ok)?;
    let targets = printed.plan.get("target").and_then(Value::as_object);
    let Some(targets) = targets.filter(|targets| !targets.is_empty()) else {
        let message = format!("`{}` has no target", source.shown);
        return Err(Diagnostic::error("no-image", message)
            .help("a bake file has a `target` for each image")
            .into());
    };
    let mut imported = images(targets, around);
    if imported.images.is_empty() {
        let message = format!("no target of `{}` can be imported", source.shown);
        let mistake = Diagnostic::error("no-image", message);
        let told = imported.notes.into_iter().take(10);
        return Err(told
            .fold(mistake, |mistake, note| mistake.help(note.message))
            .into());
    }
    imported.title.clone_from(&source.shown);
    general(&mut imported.notes, &printed, text);
    Ok(imported)
}

/// What `buildx` makes of a file in any other form.
fn ask(source: &Source, around: &Surroundings<'_>) -> Result<Printed, Wrong> {
    let Some(path) = &source.path else {
        let message = "on standard input a bake file must be in its printed form";
        let mistake = Diagnostic::error("bake", message);
        return Err(mistake
            .help("pipe `docker buildx bake --print` into this")
            .into());
    };
    buildx::print(path, around.places.origin(), around)
}

/// The JSON of `--print`: targets with everything worked out.
fn printed_form(text: &str) -> Option<Value> {
    let plan: Value = serde_json::from_str(text).ok()?;
    let top = plan.as_object()?;
    let targets = top.get("target")?.as_object()?;
    let is_worked_out = top
        .keys()
        .all(|key| matches!(key.as_str(), "group" | "target"))
        && targets.values().all(|target| {
            let Some(target) = target.as_object() else {
                return false;
            };
            !target.contains_key("inherits") && !target.contains_key("matrix")
        })
        && !text.contains("${")
        && !text.contains("%{");
    is_worked_out.then_some(plan)
}

/// What is to be said of the file as a whole.
fn general(notes: &mut Vec<Note>, printed: &Printed, text: &str) {
    let mut say = |field: &str, message: &str| {
        notes.push(Note {
            image: None,
            field: Some(field.to_owned()),
            message: message.to_owned(),
            at: At::default(),
        });
    };
    if !printed.is_whole {
        say(
            "target",
            "this Docker's bake cannot list all targets: only those of the group `default` are here",
        );
    }
    for (name, targets) in groups(printed) {
        let (name, targets) = (shown(&name), shown(&targets));
        let message = format!(
            "group `{name}` ({targets}): name its images, or a glob, after `imgspec graph build`"
        );
        say("group", &message);
    }
    let mut lines = text.lines().map(str::trim_start);
    if lines.any(|line| line.starts_with("variable")) || text.contains("\"variable\"") {
        say(
            "variable",
            "variables are worked out: what they are now stands in the manifest; `variable` declares one",
        );
    }
}

/// The groups, each with the names in it.
fn groups(printed: &Printed) -> BTreeMap<String, String> {
    if let Some(groups) = &printed.groups {
        return groups.clone();
    }
    let groups = printed.plan.get("group").and_then(Value::as_object);
    let group = |(name, group): (&String, &Value)| {
        let targets = group.get("targets").and_then(Value::as_array);
        let targets = targets.into_iter().flatten().filter_map(Value::as_str);
        (name.clone(), targets.collect::<Vec<_>>().join(", "))
    };
    groups.into_iter().flatten().map(group).collect()
}

/// All targets as images, bases first.
fn images(targets: &Map<String, Value>, around: &Surroundings<'_>) -> Imported {
    let mut imported = Imported::default();
    let mut ids = Ids::default();
    let located: BTreeMap<&str, Result<Located, Obstacle>> = targets
        .iter()
        .map(|(name, target)| (name.as_str(), locate(target, &around.places)))
        .collect();
    let names = located.iter().filter(|(_, found)| found.is_ok());
    let by_target: BTreeMap<&str, String> = names
        .map(|(name, _)| (*name, ids.fresh(&id(name))))
        .collect();
    for name in in_order(targets) {
        match &located[name] {
            Ok(located) => {
                image(
                    &mut imported,
                    &by_target,
                    name,
                    &targets[name],
                    located,
                    &around.places,
                );
            }
            Err((field, why)) => imported.notes.push(Note {
                image: Some(name.to_owned()),
                field: Some((*field).to_owned()),
                message: format!("{why}: the target is left out"),
                at: At::default(),
            }),
        }
    }
    apart(&mut imported);
    imported
}

fn image(
    imported: &mut Imported,
    ids: &BTreeMap<&str, String>,
    name: &str,
    target: &Value,
    located: &Located,
    places: &Places,
) {
    let mut one = Target {
        id: &ids[name],
        ids,
        places,
        fields: Vec::new(),
        notes: &mut imported.notes,
        files: &mut imported.files,
    };
    one.read(target, located);
    let fields = one.fields;
    let description = target.get("description").and_then(Value::as_str);
    let comment = description.filter(|words| !words.is_empty());
    imported.images.push(Image {
        id: ids[name].clone(),
        comment: comment.map(str::to_owned),
        fields,
    });
}

/// The target's name where it can be an id and a name, else one made of it.
fn id(name: &str) -> String {
    if name.len() <= 100 && check_name(name).is_ok() && !name.contains('/') && !name.contains("..")
    {
        name.to_owned()
    } else {
        names::slug(name)
    }
}

/// The targets, those that others need before them.
fn in_order(targets: &Map<String, Value>) -> Vec<&str> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in targets.keys() {
        let mut way = vec![(name.as_str(), false)];
        while let Some((name, is_done)) = way.pop() {
            if is_done {
                order.push(name);
            } else if seen.insert(name) {
                way.push((name, true));
                let needs = needs(&targets[name]).filter_map(|need| targets.get_key_value(need));
                way.extend(needs.map(|(need, _)| (need.as_str(), false)));
            }
        }
    }
    order
}

/// The targets that a target's contexts name.
fn needs(target: &Value) -> impl Iterator<Item = &str> {
    let contexts = target.get("contexts").and_then(Value::as_object);
    let values = contexts
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| value.as_str());
    values.filter_map(|value| value.strip_prefix("target:"))
}

/// Gives images of one repository different tags, as they had: two of one name and tag format would be one image.
fn apart(imported: &mut Imported) {
    let said = |image: &Image, name: &str| {
        let node = image.fields.iter().find(|node| node.name == name);
        node.and_then(|node| node.args.first().cloned())
    };
    let repository = |image: &Image| {
        let name = said(image, "name").unwrap_or_else(|| image.id.clone());
        (said(image, "registry"), name)
    };
    let mut count: BTreeMap<_, usize> = BTreeMap::new();
    imported
        .images
        .iter()
        .for_each(|image| *count.entry(repository(image)).or_default() += 1);
    let mut formats = BTreeSet::new();
    for image in &mut imported.images {
        let repository = repository(image);
        if count[&repository] < 2 {
            continue;
        }
        let format = format!("{{spec_hash}}-{}", image.id);
        let fits = manifest::takes("tag-format", &format).is_ok()
            && formats.insert((repository, format.clone()));
        if fits {
            image.fields.push(Node::new("tag-format", &format));
        }
        imported.notes.push(Note {
            image: Some(image.id.clone()),
            field: Some("tags".to_owned()),
            message: format!(
                "other targets have the same name: told apart by the tag format `{format}`"
            ),
            at: At::default(),
        });
    }
}
