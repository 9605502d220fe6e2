//! What an import yields: images as manifest nodes, files to write beside the manifest, notes.

pub use crate::manifest::write::NewNode;

/// The outcome of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The source's name, for the first comment of the manifest.
    pub title: String,
    /// The version of flytekit whose images these are; none for bake files.
    pub flytekit: Option<String>,
    /// The images, bases first.
    pub images: Vec<NewImage>,
    /// Files that the manifest refers to and that do not exist yet.
    pub files: Vec<NewFile>,
    /// What was left out or changed.
    pub notes: Vec<Note>,
}

/// An `image` node to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImage {
    /// Unique in the manifest.
    pub id: String,
    /// Written above the node.
    pub comment: Option<String>,
    /// In any order: the writer has one of its own.
    pub fields: Vec<NewNode>,
}

/// A file to be written beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewFile {
    /// Relative to the manifest.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// Something that was left out or changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Id of the image; none when it is about the whole file.
    pub image: Option<String>,
    /// The field, as the source calls it.
    pub field: Option<String>,
    /// One sentence in lower case, without a full stop.
    pub message: String,
    /// Its place in the source, where known.
    #[serde(flatten)]
    pub at: At,
}

impl Note {
    pub(super) fn new(
        image: Option<&str>,
        field: &str,
        at: At,
        message: impl Into<String>,
    ) -> Self {
        Self {
            image: image.map(str::to_owned),
            field: Some(field.to_owned()),
            message: message.into(),
            at,
        }
    }
}

/// A position in the source, both from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct At {
    /// None when unknown.
    pub line: Option<usize>,
    /// In characters; none when only the line is known.
    pub column: Option<usize>,
}

impl At {
    /// A whole line, where known.
    pub(super) fn line(line: Option<usize>) -> Self {
        Self { line, column: None }
    }
}
