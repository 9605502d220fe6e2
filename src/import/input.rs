//! The input of an import and its environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::imported::At;
use super::paths::Paths;
use crate::backend::Cancel;
use crate::diagnostic::{Place, SourceId, Sources};
use crate::limits::Limits;

/// The language of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A YAML file with one of flytekit's ImageSpecs.
    Yaml,
    /// A bake file of Docker, in any of its forms.
    Bake,
    /// A Python file with flytekit's ImageSpecs.
    Python,
    /// JSON that the package `imgspec.flytekit` makes of ImageSpecs.
    Specs,
}

/// A source to import.
#[derive(Debug, Clone)]
pub struct Input {
    /// Path of the file; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Name for messages.
    pub name: String,
    /// The source's text in [`ImportContext::sources`].
    pub id: SourceId,
}

/// The environment of an import.
pub struct ImportContext<'a> {
    /// Contains the text of the input.
    pub sources: &'a Sources,
    /// The directories that source paths and manifest paths are relative to.
    pub paths: Paths,
    /// Version of flytekit that the user requested.
    pub flytekit: Option<String>,
    /// The interpreter that runs Python files.
    pub python: &'a Path,
    /// Time limit for external commands.
    pub limit: Duration,
    /// Limits on how long a command may take to stop.
    pub limits: &'a Limits,
    /// Cancels a running command.
    pub cancel: &'a Cancel,
}

/// The source span of the word at a position, or of one character; without a column, of the whole line.
pub(super) fn place(sources: &Sources, id: SourceId, at: At) -> Place {
    let text = &sources.get(id).text;
    let line = at.line.unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or("");
    let (offset, length) = match at.column {
        Some(column) => word(rest, column.max(1) - 1),
        None => (rest.len() - rest.trim_start().len(), rest.trim().len()),
    };
    Place::new(id, start + offset..start + offset + length)
}

/// Byte offset and length of the word that starts after `column` characters.
fn word(line: &str, column: usize) -> (usize, usize) {
    let offset = line.char_indices().nth(column);
    let offset = offset.map_or(line.len(), |(offset, _)| offset);
    let here = &line[offset..];
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let length = here.len() - here.trim_start_matches(is_word).len();
    (
        offset,
        length.max(here.chars().next().map_or(0, char::len_utf8)),
    )
}
