//! Turns broken rules into diagnostics, for callers that know where a value was written.

use std::collections::BTreeMap;

use super::refused::{Refused, ValueRule};
use super::values::{any, builder_instance, id};
use crate::diagnostic::{Diagnostic, Place, Spanned, quoted, shown};
use crate::spec::WorkspacePath;

/// The diagnostic for a value that breaks a rule; boxed to keep results small.
pub(crate) type Mistake = Box<Diagnostic>;

/// Checks the value of `what` against a rule.
pub(crate) fn check(what: &str, rule: ValueRule, value: &Spanned) -> Result<(), Mistake> {
    any(&value.text)
        .and_then(|()| rule(&value.text))
        .map_err(|refused| {
            if value.text.is_empty() {
                let mistake = invalid(format!("`{what}` cannot be empty"));
                return mistake.at(value.place, "").into();
            }
            let message = format!("`{what}` cannot be `{}`", shown(&value.text));
            refused_as(message, value, refused)
        })
}

/// Checks a name against a rule; `what` is the thing named, such as `a context`.
pub(crate) fn check_called(what: &str, rule: ValueRule, name: &Spanned) -> Result<(), Mistake> {
    rule(&name.text).map_err(|refused| {
        let message = format!("{what} cannot be called `{}`", shown(&name.text));
        refused_as(message, name, refused)
    })
}

fn invalid(message: String) -> Diagnostic {
    Diagnostic::error("invalid-value", message)
}

fn refused_as(message: String, text: &Spanned, refused: Refused) -> Mistake {
    let mistake = invalid(message).at(text.place, refused.why);
    Box::new(match refused.fix {
        Some(fix) if text.plain => mistake.fix(text.place, quoted(&fix)),
        Some(fix) => mistake.help(format!("it should probably be `{}`", shown(&fix))),
        None => mistake,
    })
}

/// Checks the name of a map entry against a rule.
pub(crate) fn check_entry(map: &str, rule: ValueRule, name: &Spanned) -> Result<(), Mistake> {
    rule(&name.text).map_err(|refused| {
        let message = format!("`{map}` cannot have an entry `{}`", shown(&name.text));
        invalid(message).at(name.place, refused.why).into()
    })
}

/// Checks an image id against its rule.
pub(crate) fn check_id(image: &Spanned) -> Result<(), Mistake> {
    check_called("an image", id, image)
}

/// Checks the name of a group, which is used where ids are.
pub(crate) fn check_group(name: &Spanned) -> Result<(), Mistake> {
    check_called("a group", id, name)
}

/// Checks the name of a builder of buildx.
pub(crate) fn check_instance(name: &Spanned) -> Result<(), Mistake> {
    check_called("a builder of buildx", builder_instance, name)
}

/// The maximum number of images in a workspace.
const IMAGE_LIMIT: usize = 10_000;

/// Checks that an image id is not taken and that the workspace has room for another image.
pub(crate) fn check_id_once(id: &Spanned, taken: &BTreeMap<String, Place>) -> Result<(), Mistake> {
    let Some(before) = taken.get(&id.text) else {
        if taken.len() < IMAGE_LIMIT {
            return Ok(());
        }
        let message = format!("the workspace has more than {IMAGE_LIMIT} images");
        let mistake = Diagnostic::error("too-large", message);
        return Err(mistake.at(id.place, "one too many").into());
    };
    let message = format!("image `{}` is declared twice", shown(&id.text));
    let mistake = Diagnostic::error("duplicate-image", message);
    Err(Box::new(if *before == id.place {
        mistake
            .at(id.place, "two combinations of the matrix have this id")
            .help("separate the axes in the id with some text")
    } else {
        mistake
            .at(id.place, "again here")
            .with(*before, "first declared here")
    }))
}

/// Reports every repeated item; `message` makes the error message from the item's text.
pub(crate) fn check_once<'t>(
    given: impl IntoIterator<Item = &'t Spanned>,
    message: impl Fn(&str) -> String,
) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    let again = given.into_iter().filter_map(|it| {
        let before = first.insert(&it.text, &it.place)?;
        let message = message(&shown(&it.text));
        Some(Diagnostic::twice(
            "duplicate-field",
            message,
            &it.place,
            before,
        ))
    });
    again.collect()
}

/// Checks that names of map entries, secrets or contexts are unique.
pub(crate) fn check_names_once<'t>(
    field: &str,
    names: impl IntoIterator<Item = &'t Spanned>,
) -> Vec<Diagnostic> {
    check_once(names, |name| format!("`{field}` has `{name}` twice"))
}

/// Checks that no platform is listed twice.
pub(crate) fn check_platforms_once(platforms: &[Spanned]) -> Vec<Diagnostic> {
    check_once(platforms, |platform| {
        format!("`{platform}` is listed twice")
    })
}

/// Resolves a path written in `folder` to a workspace path.
pub(crate) fn inside(folder: &WorkspacePath, path: &Spanned) -> Result<WorkspacePath, Mistake> {
    let why = if path.text.is_empty() {
        "a path cannot be empty; the directory of this file is `.`"
    } else if path.text.starts_with('/') {
        "paths are relative to the directory of this file"
    } else if let Some(path) = WorkspacePath::resolve(folder, &path.text) {
        return Ok(path);
    } else {
        "this leads out of the workspace"
    };
    let message = format!("`{}` is not a path in the workspace", shown(&path.text));
    Err(Diagnostic::error("outside", message)
        .at(path.place, why)
        .help("images can use only files below the directory of the root manifest")
        .into())
}

/// The diagnostic for a step without a value; `place` is that of the step's name.
pub(crate) fn empty_step(step: &str, place: &Place) -> Diagnostic {
    Diagnostic::missing(format!("`{step}` needs a value"), place)
}
