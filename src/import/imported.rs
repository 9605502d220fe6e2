//! What an import yields: images as manifest nodes, files to write beside the manifest, notes. Plain data.

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
    pub fields: Vec<Node>,
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

/// One KDL node of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Such as `packages`.
    pub name: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its properties, in order.
    pub props: Vec<(String, String)>,
    /// The nodes in its block.
    pub children: Vec<Node>,
    /// Whether the arguments may be spread over several nodes of the same name.
    pub is_list: bool,
    /// Whether the properties may be written as children instead.
    pub is_map: bool,
}

impl Node {
    /// A node with one argument.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self::words(name, vec![value.into()])
    }

    /// A node whose arguments belong together, such as an entrypoint.
    #[must_use]
    pub fn words(name: &str, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            args,
            ..Self::default()
        }
    }

    /// A node that may be repeated, such as `packages`.
    #[must_use]
    pub fn list(name: &str, args: Vec<String>) -> Self {
        Self {
            is_list: true,
            ..Self::words(name, args)
        }
    }

    /// A node of names with values, such as `env`.
    #[must_use]
    pub fn map(name: &str, props: Vec<(String, String)>) -> Self {
        Self {
            props,
            is_map: true,
            ..Self::words(name, Vec::new())
        }
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.props.push((name.to_owned(), value.into()));
        self
    }
}
