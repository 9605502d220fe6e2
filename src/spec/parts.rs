//! Bases and copies, as plain data with builder methods.

use super::path::{GivenPath, WorkspacePath};

/// The image that another image is built on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Another image of the workspace, by id: an edge of the graph.
    Image(String),
    /// An image from a registry or the local store, by reference.
    Registry(String),
    /// An image in a file or directory of the workspace: an OCI layout, an archive of images, or the tar of a root file
    /// system.
    File {
        /// The file or directory.
        file: GivenPath,
        /// Which of several images, by name.
        name: Option<String>,
    },
    /// A system made of Debian's packages, without a registry.
    Debian(Debian),
    /// An empty base.
    Scratch,
}

/// A system made of a Debian suite's packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Debian {
    /// The suite, such as `bookworm`.
    pub suite: String,
    /// The address of the archive, without a slash at its end; `None` for Debian's own.
    pub mirror: Option<String>,
    /// The time of a snapshot of the archive, such as `20250520T000000Z`; the mirror is then an archive of snapshots.
    pub snapshot: Option<String>,
    /// Which packages it has.
    pub variant: Variant,
}

impl Debian {
    /// A suite from Debian's own archive, with the packages of [`Variant::Minbase`].
    pub fn new(suite: impl Into<String>) -> Self {
        Self {
            suite: suite.into(),
            mirror: None,
            snapshot: None,
            variant: Variant::default(),
        }
    }
}

/// Which packages a Debian base has, each with what they depend on. The names are mmdebstrap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Variant {
    /// Those that are marked as essential.
    Essential,
    /// The essential ones, and apt.
    Apt,
    /// The essential ones, apt, and those of priority `required`.
    #[default]
    Minbase,
    /// Those, and the ones of priority `important`.
    Important,
}

impl Variant {
    /// Converts a name that the field's rule has already accepted.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "essential" => Self::Essential,
            "apt" => Self::Apt,
            "important" => Self::Important,
            _ => Self::Minbase,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Important => "important",
        }
    }
}

impl Base {
    /// The base that a reference names when it is not marked as an image of the workspace.
    pub(crate) fn outside(reference: impl Into<String>) -> Self {
        let reference = reference.into();
        match reference.as_str() {
            "scratch" => Self::Scratch,
            _ => Self::Registry(reference),
        }
    }
}

/// Which source files to copy into the image: flytekit's `CopyFileDetection`, without the mode that needs a running Python process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCopyMode {
    /// Copy every file.
    All,
    /// Copy nothing.
    None,
}

impl SourceCopyMode {
    /// Converts a name that the field's rule has already accepted.
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

/// One `copy` entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Copy {
    /// Where the files come from.
    pub from: CopyFrom,
    /// Destination; `None` means the same path below the working directory.
    pub to: Option<String>,
    /// Owner inside the image, `user` or `user:group`.
    pub owner: Option<String>,
}

/// The source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFrom {
    /// A file or directory of the workspace.
    Workspace {
        /// The file or directory.
        path: WorkspacePath,
        /// The path as written, relative to the manifest's directory; becomes the end of the default destination.
        given: String,
    },
    /// A file or directory from another image of the workspace: an edge of the graph.
    Image {
        /// Id of the other image.
        image: String,
        /// Absolute path inside that image.
        path: String,
    },
}

impl Copy {
    /// Copies a file or directory of the workspace; without [`Self::to`], to the same path below the working directory.
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

    /// Copies a file or directory, given by absolute path, from another image.
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

    /// Sets the destination.
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }

    /// Sets the owner inside the image: `user` or `user:group`.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }
}
