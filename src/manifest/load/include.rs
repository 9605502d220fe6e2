//! Errors in `include`.

use super::glob::NoMatch;
use crate::diagnostic::{Diagnostic, Place, Spanned, shown};
use crate::manifest::syntax::Node;
use crate::spec::WorkspacePath;
use crate::suggest::closest;

/// Reports a node of `workspace` other than `include`.
pub(super) fn not_an_include(node: &Node) -> Diagnostic {
    let (name, place) = (&node.name.text, &node.name.place);
    let message = format!("unknown field `{name}` in the workspace");
    let mistake = Diagnostic::error("unknown-field", message);
    mistake.unknown(
        place,
        closest(name, ["include"]),
        "a workspace has only `include`",
    )
}

pub(super) fn wrong_include(text: &Spanned, why: NoMatch) -> Diagnostic {
    let (pattern, place) = (shown(&text.text), text.place);
    let below = "a workspace is the directory of its root manifest and everything below it";
    let leaves = || format!("`{pattern}` leaves the workspace");
    let (code, message, label, help) = match why {
        NoMatch::Nothing { help } => {
            let message = format!("`{pattern}` includes nothing");
            ("nothing-included", message, String::new(), help)
        }
        NoMatch::Outside => ("outside", leaves(), String::new(), below.into()),
        NoMatch::Link(path) => {
            let label = format!("`{path}` is behind a link that leads outside");
            ("outside", leaves(), label, below.into())
        }
        NoMatch::Dangling(path) => {
            let message = format!("`{path}` is a broken link");
            let help = "fix or remove the link".into();
            ("unreadable", message, "included here".into(), help)
        }
        NoMatch::Glob(why) => {
            let message = format!("`{pattern}` is not a glob");
            return Diagnostic::error("invalid-value", message).at(place, why);
        }
    };
    Diagnostic::error(code, message).at(place, label).help(help)
}

/// Reports an include cycle. `places` are the places where each file of the cycle but the first is included.
pub(super) fn include_circle(
    text: &Spanned,
    way: &[WorkspacePath],
    places: Vec<Option<Place>>,
) -> Diagnostic {
    let first = &way[0];
    let place = text.place;
    if way.len() == 1 {
        return Diagnostic::error("cycle", format!("`{first}` includes itself")).at(place, "");
    }
    let names: Vec<String> = way
        .iter()
        .chain([first])
        .map(|path| format!("`{path}`"))
        .collect();
    let message = format!(
        "files include each other in a cycle: {}",
        names.join(" -> ")
    );
    let mistake = Diagnostic::error("cycle", message).at(place, "this closes the cycle");
    places
        .into_iter()
        .zip(&names[1..])
        .filter_map(|(place, name)| Some((place?, name)))
        .fold(mistake, |mistake, (place, name)| {
            mistake.with(place, format!("{name} is included here"))
        })
}

pub(super) fn included_twice(
    text: &Spanned,
    path: &WorkspacePath,
    before: Option<Place>,
) -> Diagnostic {
    let mistake = Diagnostic::error("included-twice", format!("`{path}` is included twice"))
        .at(text.place, "again here")
        .help("include it from one place, so that its defaults are clear");
    match before {
        Some(before) => mistake.with(before, "first included here"),
        None => mistake,
    }
}
