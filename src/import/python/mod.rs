//! A Python file with flytekit's ImageSpecs → images.
//!
//! Knows what `collect.py` writes down, not how it is run. The choice made: images are called by the variables that hold
//! them, those without one by the task that uses them, and a base of another by that other.

mod run;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::diagnostic::Diagnostic;
use crate::import::flytekit::Converter;
use crate::import::flytekit::value::{Data, Field, Other, Value};
use crate::import::{At, FLYTEKIT, Imported, Note, Source, Surroundings, Wrong, names};
use crate::manifest;

/// What `collect.py` writes down.
#[derive(Debug, Deserialize)]
struct Found {
    specs: Vec<Spec>,
    #[serde(default)]
    flytekit: String,
    #[serde(default)]
    newer: bool,
}

/// One ImageSpec.
#[derive(Debug, Deserialize)]
struct Spec {
    names: Vec<String>,
    used_by: Vec<String>,
    base: Option<usize>,
    line: Option<usize>,
    force: bool,
    fields: serde_json::Map<String, Json>,
}

pub(in crate::import) fn import(
    source: &Source,
    around: &Surroundings<'_>,
) -> Result<Imported, Wrong> {
    let result = run::collect(source, around)?;
    let found: Found = serde_json::from_value(result).map_err(|error| {
        Diagnostic::error(
            "python",
            format!(
                "what Python found in `{}` cannot be read: {error}",
                source.shown
            ),
        )
    })?;
    if found.specs.is_empty() {
        return Err(nothing(source, found.newer).into());
    }
    Ok(images(source, &found, around))
}

fn nothing(source: &Source, newer: bool) -> Diagnostic {
    let mistake = Diagnostic::error("no-image", format!("`{}` makes no ImageSpec", source.shown));
    mistake.help(if newer {
        "it uses flyte 2, whose `flyte.Image` is not understood"
    } else {
        "variables of the file and the images of its tasks and workflows were looked at"
    })
}

fn images(source: &Source, found: &Found, around: &Surroundings<'_>) -> Imported {
    let mut converter = Converter::new(&around.places, Vec::new());
    let wanted: Vec<String> = (0..found.specs.len())
        .map(|number| wanted(&found.specs, number))
        .collect();
    let ids = wanted
        .iter()
        .map(|name| converter.ids.fresh(&names::slug(name)));
    let ids: Vec<String> = ids.collect();
    converter.specs.clone_from(&ids);
    for number in bases_first(&found.specs) {
        let spec = &found.specs[number];
        let at = At {
            line: spec.line,
            column: None,
        };
        converter.image(&ids[number], fields(spec, at), comment(spec));
        if spec.force {
            converter.notes.push(Note {
                image: Some(ids[number].clone()),
                field: Some("force_push".to_owned()),
                message: "`force_push` is no field: `imgspec graph build --force` builds what is there already".to_owned(),
                at,
            });
        }
    }
    let mut notes = converter.notes;
    let flytekit = version(found, around, &mut notes);
    Imported {
        title: source.shown.clone(),
        flytekit: Some(flytekit),
        images: converter.images,
        files: Vec::new(),
        notes,
    }
}

/// The version of the profile: the user's, else the one that was found there.
fn version(found: &Found, around: &Surroundings<'_>, notes: &mut Vec<Note>) -> String {
    if let Some(version) = &around.flytekit {
        return version.clone();
    }
    let is_whole = found.flytekit.split('.').count() == 3
        && found
            .flytekit
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_whole && manifest::takes("flytekit", &found.flytekit).is_ok() {
        return found.flytekit.clone();
    }
    notes.push(Note {
        image: None,
        field: Some("flytekit".to_owned()),
        message: format!("this Python has flytekit `{}`, whose tags are not known: `{FLYTEKIT}` is taken; `--flytekit` names another", crate::import::shown(&found.flytekit)),
        at: At::default(),
    });
    FLYTEKIT.to_owned()
}

/// What an image would like to be called.
fn wanted(specs: &[Spec], number: usize) -> String {
    let spec = &specs[number];
    if let Some(name) = spec.names.first() {
        return name.clone();
    }
    if let Some(task) = spec.used_by.first() {
        return task.rsplit('.').next().unwrap_or(task).to_owned();
    }
    // A base is taken up right before the first that is built on it; those have smaller numbers that lead on.
    let above =
        (0..specs.len()).find(|above| specs[*above].base == Some(number) && *above != number);
    above.map_or("image".to_owned(), |above| {
        let name = if specs[above].names.is_empty() && specs[above].used_by.is_empty() {
            "image".to_owned()
        } else {
            wanted(specs, above)
        };
        format!("{name}-base")
    })
}

/// The numbers of the specs, each behind its base.
fn bases_first(specs: &[Spec]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    for number in 0..specs.len() {
        let mut way = Vec::new();
        let mut next = Some(number);
        while let Some(at) =
            next.filter(|at| *at < specs.len() && !order.contains(at) && !way.contains(at))
        {
            way.push(at);
            next = specs[at].base;
        }
        order.extend(way.into_iter().rev());
    }
    order
}

fn comment(spec: &Spec) -> Option<String> {
    let tasks: Vec<&str> = spec.used_by.iter().take(5).map(String::as_str).collect();
    let more = if spec.used_by.len() > 5 { ", …" } else { "" };
    (!tasks.is_empty()).then(|| format!("Used by {}{more}.", tasks.join(", ")))
}

/// The fields, less what flytekit fills in itself.
fn fields(spec: &Spec, at: At) -> Vec<Field> {
    let mut fields: Vec<Field> = spec
        .fields
        .iter()
        .filter(|(name, value)| !(*name == "platform" && *value == "linux/amd64"))
        .map(|(name, json)| Field {
            name: name.clone(),
            at,
            value: value(json, at),
        })
        .collect();
    if let Some(number) = spec.base {
        fields.retain(|field| field.name != "base_image");
        fields.push(Field {
            name: "base_image".to_owned(),
            at,
            value: Value {
                data: Data::Spec(number),
                at,
            },
        });
    }
    fields
}

fn value(json: &Json, at: At) -> Value {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let data = match json {
        Json::String(text) => Data::Text(text.clone()),
        Json::Array(values) => Data::List(values.iter().map(|it| value(it, at)).collect()),
        Json::Object(_) => {
            if let Some(pairs) = json.get("map").and_then(Json::as_array) {
                let pair = |pair: &Json| Some((value(pair.get(0)?, at), value(pair.get(1)?, at)));
                Data::Map(pairs.iter().filter_map(pair).collect())
            } else if let Some(kind) = text("other") {
                let written = text("text").unwrap_or_default().to_owned();
                Data::Other(Other {
                    kind: kind.to_owned(),
                    python: written.clone(),
                    written,
                })
            } else {
                let number = json.get("spec").and_then(Json::as_u64);
                let number = number.and_then(|number| usize::try_from(number).ok());
                number.map_or(Data::Null, Data::Spec)
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Data::Null,
    };
    Value { data, at }
}
