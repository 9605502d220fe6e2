//! How an image is built in the user's own words: secrets, steps, a Dockerfile. Plain data.

use super::{Copy, GivenPath, WorkspacePath};

/// A file of this machine for the installer of Python packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipSecretMount {
    /// The file.
    pub source: SecretFile,
    /// Absolute path in the build.
    pub target: String,
}

/// A value that steps may see and nothing may keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is called; the only thing of it that counts for the key, with where steps find it.
    pub id: String,
    /// Where its value is.
    pub source: SecretSource,
    /// The steps that get it, and how; none means every step that runs something, as a file.
    pub uses: Vec<SecretUse>,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of imgspec's own environment.
    Env(String),
    /// A file.
    File(SecretFile),
}

/// A file of this machine, inside the workspace or not: its content goes nowhere but into the steps that ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The folder of the manifest that says it.
    pub folder: WorkspacePath,
    /// The path as the manifest gives it: relative to that folder, absolute, or below `~/`.
    pub given: String,
}

/// How a kind of step gets a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// Which steps.
    pub step: SecretStep,
    /// A variable that holds its value, for that step alone.
    pub env: Option<String>,
    /// Absolute path of a file that holds it, for that step alone.
    pub mount: Option<String>,
}

/// A kind of step that can be given secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretStep {
    /// Debian packages.
    Apt,
    /// Conda packages.
    Conda,
    /// Python packages, lock files too.
    Pip,
    /// Commands.
    Run,
}

impl SecretStep {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Apt, Self::Conda, Self::Pip, Self::Run];

    /// The field that makes such steps.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Apt => "apt-packages",
            Self::Conda => "conda-packages",
            Self::Pip => "packages",
            Self::Run => "commands",
        }
    }
}

/// One step of `steps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnStep {
    /// Debian packages.
    Apt(Vec<String>),
    /// Conda packages.
    Conda(Vec<String>),
    /// Python packages, and a requirements file.
    Pip {
        /// Requirement specifiers.
        packages: Vec<String>,
        /// A requirements file, `pylock.toml` or `pyproject.toml`.
        requirements: Option<GivenPath>,
    },
    /// Files are copied in.
    Copy(Copy),
    /// A command is run.
    Run(String),
    /// Environment for later steps and the image.
    Env(Vec<(String, String)>),
    /// User of later steps and of the image.
    User(String),
    /// Working folder of later steps and of the image.
    Workdir(String),
}

/// A Dockerfile of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDockerfile {
    /// The file.
    pub path: WorkspacePath,
    /// The folder that it copies from.
    pub context: WorkspacePath,
    /// The stage to build; none means the last.
    pub target: Option<String>,
    /// Build arguments.
    pub args: Vec<(String, String)>,
    /// What names in `FROM` and `COPY --from` stand for.
    pub contexts: Vec<(String, NamedContext)>,
}

/// What a name of a Dockerfile stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// Another image of the workspace: an edge of the graph.
    Image(String),
    /// An image of a registry.
    Registry(String),
    /// A folder of the workspace.
    Folder(WorkspacePath),
}
