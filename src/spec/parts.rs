//! What an image is built on and what is copied into it. Plain data, with methods for programs that make it.

use super::path::{GivenPath, WorkspacePath};

/// What an image is built on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Another image of the workspace, by id: an edge of the graph.
    Image(String),
    /// An image of a registry (or of the local store), by reference.
    Registry(String),
    /// Nothing.
    Scratch,
}

impl Base {
    /// An image that is named without saying that it is of the workspace.
    pub(crate) fn outside(reference: impl Into<String>) -> Self {
        let reference = reference.into();
        match reference.as_str() {
            "scratch" => Self::Scratch,
            _ => Self::Registry(reference),
        }
    }
}

/// Which source files are copied into the image: flytekit's `CopyFileDetection`, less what only a running Python knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCopyMode {
    /// All of them.
    All,
    /// None.
    None,
}

impl SourceCopyMode {
    /// The mode of this name, which is one that the rule of the field takes.
    pub(crate) fn named(name: &str) -> Self {
        if name == "none" {
            Self::None
        } else {
            Self::All
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }
}

/// One `copy` of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Copy {
    /// Where the files come from.
    pub from: CopyFrom,
    /// Where they go; none means the same path below the working directory.
    pub to: Option<String>,
    /// Owner inside the image, `user` or `user:group`.
    pub owner: Option<String>,
}

/// Where copied files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFrom {
    /// A file or directory of the workspace.
    Workspace {
        /// The file or directory.
        path: WorkspacePath,
        /// The path as the manifest gives it, relative to the manifest's directory; the default destination's tail.
        given: String,
    },
    /// A file or directory out of another image of the workspace: an edge of the graph.
    Image {
        /// Id of the other image.
        image: String,
        /// Absolute path inside it.
        path: String,
    },
}

impl Copy {
    /// A file or directory of the workspace; without [`Self::to`] it goes to the same path below the working directory.
    ///
    /// ```
    /// use imgspec::{ImageSpec, spec::Copy};
    ///
    /// let spec = ImageSpec::new("train").with_copy_of(Copy::new("src").to("/app/src").owner("app"));
    /// assert_eq!(spec.copy[0].owner.as_deref(), Some("app"));
    /// ```
    pub fn new(path: impl Into<String>) -> Self {
        let GivenPath { path, given } = GivenPath::new(path);
        Self::of(CopyFrom::Workspace { path, given })
    }

    /// A file or directory, by absolute path, out of another image.
    pub fn from_image(id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::of(CopyFrom::Image {
            image: id.into(),
            path: path.into(),
        })
    }

    fn of(from: CopyFrom) -> Self {
        Self {
            from,
            to: None,
            owner: None,
        }
    }

    /// Says where it goes.
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }

    /// Says whose it is inside the image: `user` or `user:group`.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }
}
