//! KDL text → Workspace; all mistakes of all files at once, with their places.
//!
//! Reads manifests and nothing else; knows neither graph nor builders. One file of this module a question: `syntax` reads
//! the text, `include` finds further files, `scope` fills variables in, `decode` makes fields of nodes (their table is
//! `fields`, their rules `rules`), `layer` and `templates` inherit, `image` and `matrix` make the images, `between` looks at
//! what images say of each other. The choice made: every stage goes on after a mistake with what it understood.

mod between;
mod declare;
mod decode;
mod decode_build;
mod decode_files;
mod decode_secrets;
mod decode_values;
mod fields;
mod file;
mod image;
mod include;
mod includes;
mod layer;
mod matrix;
mod notes;
mod overrides;
mod rules;
mod rules_packages;
mod scope;
mod specs;
mod syntax;
mod templates;
#[cfg(test)]
#[allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read, not timed"
)]
mod tests;
mod transcript;
pub(crate) mod write;

use std::path::{Path, PathBuf};

pub(crate) use fields::{Field, Kind, find as field, meant};
pub use include::FILE_NAME;
pub use overrides::Overrides;
pub(crate) use syntax::{Data, Node, SIZE_LIMIT, Token, TokenKind, Value, parse, same, tokens};

use crate::diagnostic::Diagnostic;
use crate::reference::Refused;
use crate::workspace::{Image, Workspace};

/// What [`load`] found.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The workspace; whole only when no diagnostic is an error. Its sources are always there, so that diagnostics can be
    /// drawn.
    pub workspace: Workspace,
    /// All that is wrong or doubtful, in the order of the manifests.
    pub diagnostics: Vec<Diagnostic>,
}

/// Whether a field takes a value (of a map: a name), by the rule that its nodes are checked with.
///
/// # Errors
/// When it does not; a field that is not known takes anything.
pub(crate) fn takes(field: &str, value: &str) -> Result<(), Refused> {
    rules::any(value)?;
    fields::find(field).map_or(Ok(()), |field| (field.rule)(value))
}

/// The nearest `imgspec.kdl` in `from` or above it.
#[must_use]
pub fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|manifest| manifest.is_file())
}

/// The nearest thing that is called `imgspec.kdl` and is no file.
#[must_use]
pub fn find_other(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|path| path.exists() && !path.is_file())
}

/// Reads a root manifest and all that it includes. `env` answers for environment variables.
pub fn load(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    file::Loader::new(overrides, env).load(manifest)
}

/// The same, as if a file of the workspace, by its path in it, had another text.
pub(crate) fn load_instead(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    instead: (&str, &str),
) -> Loaded {
    let mut loader = file::Loader::new(overrides, env);
    loader.instead = Some(instead);
    loader.load(manifest)
}

/// Reads the images of a program as if manifests in `root` said them, by the same rules. `root` is canonical; the images'
/// places are made here, in texts that say what the specs say. Which builders there are is not judged.
#[must_use]
pub fn adopt(root: PathBuf, images: &[Image]) -> Loaded {
    file::Loader::new(&Overrides::default(), &|_| None).adopt(root, images)
}
