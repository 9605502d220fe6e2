//! Imports a YAML file with one ImageSpec.

mod reader;
mod scalar;

use std::path::Path;

use super::flytekit::{self, Converter, Runtime, SpecData, SpecValue};
use super::guess::looks_like;
use super::imported::Imported;
use super::input::{ImportContext, Input};
use super::names;
use crate::diagnostic::{Diagnostic, shown};
use crate::suggest::near_words;
use reader::{Marks, YamlReader};

pub(super) fn import(
    input: &Input,
    text: &str,
    context: &ImportContext<'_>,
) -> Result<Imported, Vec<Diagnostic>> {
    let marks = Marks {
        sources: context.sources,
        id: input.id,
    };
    let pairs = spec(input, text, marks)?;
    let mut converter = Converter::new(&context.paths);
    let stem = input.path.as_deref().and_then(Path::file_stem);
    let stem = stem.map_or("image".into(), |stem| stem.to_string_lossy());
    let id = converter.ids.fresh(&names::slug(&stem));
    converter.image(&id, flytekit::fields(pairs), &Runtime::default(), None);
    let version = context.flytekit.as_deref();
    Ok(Imported {
        title: input.name.clone(),
        flytekit: Some(version.unwrap_or(flytekit::DEFAULT_VERSION).to_owned()),
        images: converter.images,
        groups: Vec::new(),
        files: Vec::new(),
        notes: converter.notes,
    })
}

/// Reads the entries of the ImageSpec; all keys are known fields.
fn spec(
    input: &Input,
    text: &str,
    marks: Marks<'_>,
) -> Result<Vec<(SpecValue, SpecValue)>, Vec<Diagnostic>> {
    let value = YamlReader::new(text, marks).document();
    let value = value.map_err(|mistake| vec![*mistake])?;
    let at = value.at;
    let SpecData::Map(pairs) = value.data else {
        let message = format!("`{}` contains {}, not a mapping", input.name, value.kind());
        let mistake = marks.at(Diagnostic::error("wrong-type", message), at, "");
        return Err(vec![mistake.help(
            "an ImageSpec file is a mapping of fields, such as `packages: [numpy]`",
        )]);
    };
    let is_field =
        |key: &SpecValue| flytekit::field_names().any(|name| key.written() == Some(name));
    if !pairs.iter().any(|(key, _)| is_field(key))
        && let Some((what, instead)) = looks_like(input.path.as_deref(), text)
    {
        let message = format!(
            "`{}` has no field of flytekit's ImageSpec: it looks like {what}",
            input.name
        );
        let mistake = marks.at(Diagnostic::error("wrong-type", message), at, "");
        return Err(vec![mistake.help(instead)]);
    }
    let mut mistakes = Vec::new();
    check_keys(&pairs, marks, &mut mistakes);
    if mistakes.is_empty() {
        Ok(pairs)
    } else {
        Err(mistakes)
    }
}

/// Reports each key that is not a field, including those of a nested `base_image`.
fn check_keys(pairs: &[(SpecValue, SpecValue)], marks: Marks<'_>, mistakes: &mut Vec<Diagnostic>) {
    for (key, value) in pairs {
        let name = key.written().unwrap_or("");
        if name == "base_image"
            && let SpecData::Map(pairs) = &value.data
        {
            check_keys(pairs, marks, mistakes);
        } else if !flytekit::field_names().any(|known| known == name) {
            let message = match &key.data {
                SpecData::Text(_) => {
                    format!("unknown field `{}` of flytekit's ImageSpec", shown(name))
                }
                _ => format!("{} cannot be the name of a field", key.kind()),
            };
            let mistake = Diagnostic::error("unknown-field", message);
            mistakes.push(if let Some(meant) = flytekit::meant(name) {
                marks.at(mistake, key.at, &format!("did you mean `{meant}`?"))
            } else {
                let all = "flytekit's documentation of ImageSpec lists all fields";
                marks
                    .at(mistake, key.at, "")
                    .help(near_words(name, flytekit::field_names(), all))
            });
        }
    }
}
