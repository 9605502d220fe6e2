//! What people have – flytekit's ImageSpecs as YAML or in Python, Docker's bake files – → a manifest, and what could not be
//! carried over.
//!
//! Reads the one file it is given; writes nothing and prints nothing. One file of this module a question: `yaml`, `python` and
//! `bake` read a source, `flytekit` knows what an ImageSpec's fields become, `places` where files lie, `names` what images
//! are called, `kdl` how a manifest is written. The choice made: what is not understood, or means something else here, is
//! never dropped in silence: it is a [`Note`] that says so, and `check` takes what is left.

mod bake;
mod flytekit;
#[cfg(test)]
mod fuzz;
mod guess;
mod kdl;
mod names;
mod places;
mod python;
#[cfg(test)]
mod tests;
mod yaml;

use std::path::Path;
use std::time::Duration;

pub use guess::guess;
pub use kdl::Node;
pub use places::Places;

use crate::backend::Cancel;
use crate::diagnostic::{Diagnostic, Place, SourceId, Sources};
use crate::limits::Limits;

/// The flytekit whose images these are, when nobody says and none is installed.
pub const FLYTEKIT: &str = "1.16.31";

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// flytekit's ImageSpec in a YAML file.
    Yaml,
    /// Docker's bake file, in any of its forms.
    Bake,
    /// A Python file with flytekit's ImageSpecs.
    Python,
}

/// A file to import.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path; none for standard input.
    pub path: Option<std::path::PathBuf>,
    /// What it is called in words and places.
    pub shown: String,
    /// Its text, which stands in the sources.
    pub id: SourceId,
}

/// What surrounds an import.
pub struct Surroundings<'a> {
    /// All texts.
    pub sources: &'a Sources,
    /// Where files lie: seen from the source, and from the manifest.
    pub places: Places,
    /// The flytekit that the user names.
    pub flytekit: Option<String>,
    /// The Python that a Python file is run by.
    pub python: &'a Path,
    /// How long another program may take.
    pub limit: Duration,
    /// How long it may take to stop.
    pub limits: &'a Limits,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// What an import found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Where it is from.
    pub title: String,
    /// The version of flytekit whose images these are.
    pub flytekit: Option<String>,
    /// The images, bases first.
    pub images: Vec<Image>,
    /// Files that the manifest needs beside it.
    pub files: Vec<NewFile>,
    /// What could not be carried over, or not as it was.
    pub notes: Vec<Note>,
}

/// One image of the manifest to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// A word on where it is from.
    pub comment: Option<String>,
    /// Its fields.
    pub fields: Vec<Node>,
}

/// A file that the manifest names and that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewFile {
    /// Its path, relative to the manifest.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Something that was not carried over, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The image; none when it is about the whole file.
    pub image: Option<String>,
    /// The field as the source calls it.
    pub field: Option<String>,
    /// What became of it, in words.
    pub message: String,
    /// Line and column in the source, from 1, where known.
    #[serde(flatten)]
    pub at: At,
}

/// A line and column of the source, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct At {
    /// The line.
    pub line: Option<usize>,
    /// The column.
    pub column: Option<usize>,
}

/// Why a source cannot be read.
type Wrong = Box<Diagnostic>;

/// Imports a source.
///
/// # Errors
/// With all that is wrong when it cannot be read as what it should be.
pub fn import(
    source: &Source,
    kind: Kind,
    around: &Surroundings<'_>,
) -> Result<Imported, Vec<Diagnostic>> {
    let text = &around.sources.get(source.id).text;
    if text.trim().is_empty() {
        let empty = Diagnostic::error("empty", format!("`{}` is empty", source.shown));
        return Err(vec![empty.help("name a file that has images in it")]);
    }
    match kind {
        Kind::Yaml => yaml::import(source, text, around),
        Kind::Bake => bake::import(source, text, around).map_err(|wrong| vec![*wrong]),
        Kind::Python => python::import(source, around).map_err(|wrong| vec![*wrong]),
    }
}

impl Imported {
    /// The manifest's text.
    #[must_use]
    pub fn manifest(&self) -> String {
        kdl::manifest(self)
    }
}

impl At {
    fn new(line: usize, column: usize) -> Self {
        Self {
            line: Some(line),
            column: Some(column),
        }
    }
}

/// The place of a line and column: the word that stands there, or one character; without a column the line.
fn place(sources: &Sources, id: SourceId, at: At) -> Place {
    let text = &sources.get(id).text;
    let line = at.line.unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or("");
    let (offset, wide) = match at.column {
        Some(column) => word(rest, column.max(1) - 1),
        None => (rest.len() - rest.trim_start().len(), rest.trim().len()),
    };
    Place {
        source: id,
        span: start + offset..start + offset + wide,
    }
}

/// Where the word begins that stands behind so many characters of a line, and how long it is.
fn word(line: &str, column: usize) -> (usize, usize) {
    let offset = line.char_indices().nth(column);
    let offset = offset.map_or(line.len(), |(offset, _)| offset);
    let here = &line[offset..];
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let word = here.len() - here.trim_start_matches(is_word).len();
    (
        offset,
        word.max(here.chars().next().map_or(0, char::len_utf8)),
    )
}

/// A value as it is shown in a sentence: short, and without characters that would break it.
fn shown(value: &str) -> String {
    let mut out = String::new();
    for (count, c) in value.chars().enumerate() {
        if count == 80 {
            return out + "…";
        }
        if c.is_control() || kdl::is_unseen(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
