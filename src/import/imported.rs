//! The result of an import: images as manifest nodes, files to write beside the manifest, and notes.

pub use crate::manifest::write::NewNode;

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Name of the source, for the manifest's leading comment.
    pub title: String,
    /// Version of flytekit that the images are compatible with; `None` for bake files.
    pub flytekit: Option<String>,
    /// The images, bases first.
    pub images: Vec<NewImage>,
    /// Groups of them.
    pub groups: Vec<NewGroup>,
    /// Files that the manifest refers to and that must be created.
    pub files: Vec<NewFile>,
    /// Notes on what was left out or changed.
    pub notes: Vec<Note>,
}

/// An `image` node to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImage {
    /// Id, unique in the manifest.
    pub id: String,
    /// Comment to write above the node.
    pub comment: Option<String>,
    /// Fields in any order; the writer sorts them.
    pub fields: Vec<NewNode>,
}

/// A `group` node to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewGroup {
    /// Name, unique among groups and ids.
    pub name: String,
    /// Ids of images and names of groups.
    pub members: Vec<String>,
}

/// A file to write beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewFile {
    /// Path relative to the manifest.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// A note on something that was left out or changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Id of the image; `None` if the note concerns the whole file.
    pub image: Option<String>,
    /// The field, under its name in the source.
    pub field: Option<String>,
    /// One sentence, starting in lower case and without a full stop.
    pub message: String,
    /// Position in the source, where known.
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

/// A position in the source; line and column count from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct At {
    /// Line; `None` if unknown.
    pub line: Option<usize>,
    /// Column in characters; `None` if only the line is known.
    pub column: Option<usize>,
}

impl At {
    /// The position of a whole line, where known.
    pub(super) fn line(line: Option<usize>) -> Self {
        Self { line, column: None }
    }
}
