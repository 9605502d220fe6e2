//! Imports flytekit's ImageSpecs (YAML or Python) and Docker's bake files as a manifest, with notes on what could not be
//! carried over.
//!
//! `yaml`, `python` and `bake` read a source, `flytekit` maps the fields of an ImageSpec, and `kdl` writes the manifest.
//! Nothing is dropped silently: whatever is not understood, or means something else here, becomes a [`Note`], and `check`
//! accepts the rest.

mod bake;
mod flytekit;
#[cfg(test)]
mod fuzz;
mod guess;
mod imported;
mod input;
mod kdl;
mod names;
mod paths;
mod project;
mod python;
#[cfg(test)]
mod tests;
mod yaml;

pub use guess::{guess, looks_like};
pub use imported::{At, Imported, NewFile, NewImage, NewNode, Note};
pub use input::{ImportContext, Input, InputKind};
pub use paths::Paths;
pub use project::Project;

use crate::diagnostic::Diagnostic;

/// Imports a source, or returns all mistakes that keep it from being read as this kind.
pub fn import(
    input: &Input,
    kind: InputKind,
    context: &ImportContext<'_>,
) -> Result<Imported, Vec<Diagnostic>> {
    let text = &context.sources.get(input.id).text;
    if text.trim().is_empty() {
        let empty = Diagnostic::error("empty", format!("`{}` is empty", input.name));
        return Err(vec![empty.help("name a file that defines images")]);
    }
    match kind {
        InputKind::Yaml => yaml::import(input, text, context),
        InputKind::Bake => bake::import(input, text, context).map_err(|mistake| vec![*mistake]),
        InputKind::Python => python::import(input, context).map_err(|mistake| vec![*mistake]),
        InputKind::Specs => python::specs(input, text, context).map_err(|mistake| vec![*mistake]),
    }
}
