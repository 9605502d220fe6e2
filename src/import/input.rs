//! What is imported, and what an import may use.

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
    /// flytekit's ImageSpec in a YAML file.
    Yaml,
    /// Docker's bake file, in any of its forms.
    Bake,
    /// A Python file with flytekit's ImageSpecs.
    Python,
}

/// A file to import.
#[derive(Debug, Clone)]
pub struct Input {
    /// None for standard input.
    pub path: Option<PathBuf>,
    /// What messages call it.
    pub name: String,
    /// Its text, in the context's sources.
    pub id: SourceId,
}

/// What an import may use.
pub struct ImportContext<'a> {
    /// Holds the text of the input.
    pub sources: &'a Sources,
    /// Where relative paths of the source start, and where the manifest will be.
    pub paths: Paths,
    /// The version of flytekit that the user asked for.
    pub flytekit: Option<String>,
    /// The interpreter for Python files.
    pub python: &'a Path,
    /// How long another program may run.
    pub limit: Duration,
    /// How long it may take to stop.
    pub limits: &'a Limits,
    /// Stops another program.
    pub cancel: &'a Cancel,
}

/// The word at a position, or one character; without a column the whole line.
pub(super) fn place(sources: &Sources, id: SourceId, at: At) -> Place {
    let text = &sources.get(id).text;
    let line = at.line.unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or("");
    let (offset, length) = match at.column {
        Some(column) => word(rest, column.max(1) - 1),
        None => (rest.len() - rest.trim_start().len(), rest.trim().len()),
    };
    Place {
        source: id,
        span: start + offset..start + offset + length,
    }
}

/// Offset and length of the word that begins after this many characters.
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
