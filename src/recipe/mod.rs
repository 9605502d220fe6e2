//! `ImageSpec` → `Recipe`: the one place that knows in which order and how fields become steps.
//!
//! Pure; knows no builder. The order is flytekit's: apt, Python, env, packages, workdir, copies, commands, then what only
//! the image's config holds. The choice made: what changes least often comes first, so that an edited source file leaves
//! the package layers alone.

mod lower;

pub use lower::lower;

use crate::spec::{Base, WorkspacePath};

/// Version of the meaning of recipes: part of every key, raised when the same recipe would give another image.
pub const FORMAT: u32 = 1;

/// The image that `uv` is taken from while packages are installed; it leaves nothing in the result.
pub const UV_IMAGE: &str = "ghcr.io/astral-sh/uv:0.9";

/// Where uv's managed Python is installed; its programs are in `bin` below it.
pub const PYTHON_HOME: &str = "/opt/python";

/// An image as ordered, backend-neutral steps and a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Platforms to build for, at least one.
    pub platforms: Vec<String>,
    /// What it is built on.
    pub base: Base,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What the image says of itself.
    pub config: Config,
}

/// One thing that is done while an image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Debian packages are installed with their dependencies, without recommendations.
    Apt {
        /// Names, with `=version` where given.
        packages: Vec<String>,
    },
    /// uv's managed Python is installed under [`PYTHON_HOME`] and put first in `PATH`.
    Python {
        /// A version such as `3.12` or `3.12.4`.
        version: String,
    },
    /// Environment for all later steps and for the image; sorted by name.
    Env(Vec<(String, String)>),
    /// Python packages are installed with uv.
    Pip(Pip),
    /// The working folder of all later steps and of the image; made when absent.
    Workdir(String),
    /// Files are copied in.
    Copy(CopyStep),
    /// A command is run by `/bin/sh -c`.
    Run {
        /// The command, as the user wrote it.
        command: String,
    },
}

/// Python packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    /// The Python whose site receives them.
    pub interpreter: Interpreter,
    /// A requirements file, with what it includes.
    pub requirements: Option<FileSet>,
    /// Requirement specifiers.
    pub packages: Vec<String>,
    /// URL of the index that replaces the default one.
    pub index: Option<String>,
    /// URLs of further indexes.
    pub extra_indexes: Vec<String>,
    /// Further arguments, one word each.
    pub extra_args: Vec<String>,
}

/// Which Python receives the packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// The one that [`Step::Python`] installed.
    Managed,
    /// The one at this path.
    Exec(String),
    /// The first `python3` in the base's `PATH`.
    Base,
}

/// Files to copy in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    /// What is copied.
    pub from: CopySource,
    /// Where to, with Docker's meaning: a folder's content goes into it; a file becomes it, or goes into it when it ends
    /// in `/`. Relative to the working folder unless absolute.
    pub to: String,
    /// Owner, `user` or `user:group`; root when absent.
    pub owner: Option<String>,
}

/// What a copy copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// Files of the workspace.
    Files(FileSet),
    /// Files of another image of the workspace.
    Image {
        /// Id of the other image.
        image: String,
        /// Absolute path inside it.
        path: String,
    },
}

/// Files of the workspace that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSet {
    /// A file, or a folder with all that is in it after ignore rules.
    Tree {
        /// The file or folder.
        path: WorkspacePath,
        /// The folder whose `.dockerignore` applies.
        ignore: WorkspacePath,
    },
    /// A requirements file and the files that its `-r` and `-c` lines name, and theirs.
    Requirements {
        /// The first file.
        path: WorkspacePath,
    },
}

/// What the image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Arguments of the entrypoint; none leaves the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments; none leaves the base's.
    pub cmd: Option<Vec<String>>,
    /// User of containers; none leaves the base's. When given, steps run as root.
    pub user: Option<String>,
    /// Labels, sorted by name.
    pub labels: Vec<(String, String)>,
}

impl Recipe {
    /// The file sets that the steps read, in the order of the steps.
    pub fn file_sets(&self) -> impl Iterator<Item = &FileSet> {
        self.steps.iter().filter_map(|step| match step {
            Step::Pip(pip) => pip.requirements.as_ref(),
            Step::Copy(CopyStep {
                from: CopySource::Files(files),
                ..
            }) => Some(files),
            _ => None,
        })
    }

    /// The images of the workspace that it needs, by id: the base first, then those that it copies from.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let base = match &self.base {
            Base::Image(id) => Some(id.as_str()),
            Base::Registry(_) | Base::Scratch => None,
        };
        let copied = self.steps.iter().filter_map(|step| match step {
            Step::Copy(CopyStep {
                from: CopySource::Image { image, .. },
                ..
            }) => Some(image.as_str()),
            _ => None,
        });
        base.into_iter().chain(copied)
    }
}
