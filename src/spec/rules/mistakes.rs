//! What is told of values that break a rule; whoever knows the place of a value asks here.

use std::collections::BTreeMap;

use super::refused::{Refused, ValueRule};
use super::values::{any, id};
use crate::diagnostic::{Diagnostic, Place, Spanned, quoted, shown};
use crate::spec::WorkspacePath;

/// A value that breaks a rule, as it is told; boxed, for results to stay small.
pub(crate) type Mistake = Box<Diagnostic>;

/// Holds the value of `what` to a rule.
pub(crate) fn check(what: &str, rule: ValueRule, value: &Spanned) -> Result<(), Mistake> {
    any(&value.text)
        .and_then(|()| rule(&value.text))
        .map_err(|refused| {
            if value.text.is_empty() {
                let mistake = invalid(format!("`{what}` cannot be empty"));
                return mistake.at(value.place.clone(), "").into();
            }
            let message = format!("`{what}` cannot be `{}`", shown(&value.text));
            refused_as(message, value, refused)
        })
}

/// Holds a name to a rule; `what` is what has it, such as `a context`.
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
    let mistake = invalid(message).at(text.place.clone(), refused.why);
    Box::new(match refused.fix {
        Some(fix) if text.plain => mistake.fix(text.place.clone(), quoted(&fix)),
        Some(fix) => mistake.help(format!("it should probably be `{}`", shown(&fix))),
        None => mistake,
    })
}

/// Holds the name of an entry of a map to a rule.
pub(crate) fn check_entry(map: &str, rule: ValueRule, name: &Spanned) -> Result<(), Mistake> {
    rule(&name.text).map_err(|refused| {
        let message = format!("`{map}` cannot have an entry `{}`", shown(&name.text));
        invalid(message).at(name.place.clone(), refused.why).into()
    })
}

/// Holds the id of an image to its rule.
pub(crate) fn check_id(image: &Spanned) -> Result<(), Mistake> {
    check_called("an image", id, image)
}

/// Images that a workspace may have.
const IMAGE_LIMIT: usize = 10_000;

/// Holds the id of one more image to those that are taken already.
pub(crate) fn check_id_once(id: &Spanned, taken: &BTreeMap<String, Place>) -> Result<(), Mistake> {
    let Some(before) = taken.get(&id.text) else {
        if taken.len() < IMAGE_LIMIT {
            return Ok(());
        }
        let message = format!("the workspace has more than {IMAGE_LIMIT} images");
        let mistake = Diagnostic::error("too-large", message);
        return Err(mistake.at(id.place.clone(), "one too many").into());
    };
    let message = format!("image `{}` is declared twice", shown(&id.text));
    let mistake = Diagnostic::error("duplicate-image", message);
    Err(Box::new(if *before == id.place {
        mistake
            .at(
                id.place.clone(),
                "two combinations of the matrix have this id",
            )
            .help("put something between the axes in the id")
    } else {
        mistake
            .at(id.place.clone(), "again here")
            .with(before.clone(), "first declared here")
    }))
}

/// What may be given once: each that is given again is a mistake, told by `message` of it.
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

/// The entries of a map, secrets, contexts: each name is given once.
pub(crate) fn check_names_once<'t>(
    field: &str,
    names: impl IntoIterator<Item = &'t Spanned>,
) -> Vec<Diagnostic> {
    check_once(names, |name| format!("`{field}` gives `{name}` twice"))
}

/// Platforms, each of which is built once.
pub(crate) fn check_platforms_once(platforms: &[Spanned]) -> Vec<Diagnostic> {
    check_once(platforms, |platform| format!("`{platform}` is given twice"))
}

/// The path of the workspace that a path means in a directory.
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
        .at(path.place.clone(), why)
        .help("an image is made only of files below the directory of the root manifest")
        .into())
}

/// A step without any value; `place` is that of its name.
pub(crate) fn empty_step(step: &str, place: &Place) -> Diagnostic {
    Diagnostic::missing(format!("`{step}` needs a value"), place)
}
