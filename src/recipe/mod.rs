//! `ImageSpec` → `Recipe`: the one place that knows in which order and how fields become steps.
//!
//! Pure; knows no builder. The order is flytekit's: apt, Python or conda, env, packages, workdir, sources, copies, commands,
//! the user's own steps, then what only the image's config holds. The choice made: what changes least often comes first, so
//! that an edited source file leaves the package layers alone.

mod build;
mod cuda;
mod files;
mod lower;

pub use build::{ContextSource, DockerfileRecipe, Given, Helpers, SecretPlace, StepSecret, Wishes};
pub use cuda::{Mismatch, cuda_base};
pub use files::FileSet;
pub(crate) use lower::asks_for;
pub use lower::lower;
pub(crate) use lower::secrets;

use crate::spec::{Base, DEFAULT_PLATFORM, SecretStep};

/// Version of the meaning of recipes: part of every key, raised when the same recipe would give another image.
pub const FORMAT: u32 = 1;

/// The image that `uv` is taken from while packages are installed; it leaves nothing in the result.
pub const UV_IMAGE: &str = "ghcr.io/astral-sh/uv:0.9";

/// The image that micromamba is taken from while conda packages are installed; it leaves nothing in the result.
pub const MICROMAMBA_IMAGE: &str = "mambaorg/micromamba:2.3.2-debian12-slim";

/// Where conda packages are installed; its programs are in `bin` below it. The path is flytekit's.
pub const CONDA_HOME: &str = "/opt/micromamba/envs/runtime";

/// The virtual environment that a lock file's tool fills; its programs are in `bin` below it.
pub const VENV_HOME: &str = "/opt/venv";

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
    /// The images that helper programs are taken from.
    pub helpers: Helpers,
    /// What steps are given while they run.
    pub secrets: Vec<StepSecret>,
    /// A Dockerfile of the user's own, instead of steps.
    pub dockerfile: Option<DockerfileRecipe>,
    /// How the builder is asked to build: no part of what the image is.
    pub wishes: Wishes,
    /// The manifest's names of the fields that the file sets come from, in the order of [`Recipe::file_sets`]: for people.
    pub set_fields: Vec<String>,
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
    /// Conda packages are installed under [`CONDA_HOME`] and put first in `PATH`.
    Conda(Conda),
    /// An account is made if there is none of the name, and gets its home and `/root`.
    Account {
        /// Its name.
        name: String,
    },
    /// Environment for all later steps and for the image; sorted by name.
    Env(Vec<(String, String)>),
    /// Python packages are installed with uv.
    Pip(Pip),
    /// A lock file's packages are installed with its tool into [`VENV_HOME`], which is put first in `PATH`.
    Lock(Lock),
    /// The user of all later steps and of the image.
    User(String),
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
    /// A package that is installed with the others unless the requirements file names it: flytekit.
    pub unless_named: Option<(String, String)>,
}

/// Conda packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conda {
    /// The version of the Python that is installed with them.
    pub python: Option<String>,
    /// Packages, as conda writes them.
    pub packages: Vec<String>,
    /// Channels besides conda-forge, which comes first.
    pub channels: Vec<String>,
}

/// A lock file to install from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Whose it is.
    pub tool: LockTool,
    /// The Python that the environment is made of.
    pub interpreter: Interpreter,
    /// The lock file and its project file.
    pub files: FileSet,
    /// URL of the index that replaces the default one.
    pub index: Option<String>,
    /// URLs of further indexes.
    pub extra_indexes: Vec<String>,
    /// Further arguments of the tool, one word each.
    pub extra_args: Vec<String>,
}

/// A tool that writes lock files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockTool {
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
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
    /// The one among conda's packages.
    Conda,
    /// The one of the environment that [`Step::Lock`] made.
    Venv,
}

/// Files to copy in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    /// What is copied.
    pub from: CopySource,
    /// Where to, with Docker's meaning: a folder's content goes into it; a file becomes it, or goes into it when it ends
    /// in `/`. Relative to the working folder unless absolute.
    pub to: String,
    /// Owner, `user` or `user:group`; when absent root, or for files of another image whose they are there.
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

impl Default for Recipe {
    /// Nothing at all, for the platform of images that name none.
    fn default() -> Self {
        Self {
            platforms: vec![DEFAULT_PLATFORM.to_owned()],
            base: Base::Scratch,
            steps: Vec::new(),
            config: Config::default(),
            helpers: Helpers::default(),
            secrets: Vec::new(),
            dockerfile: None,
            wishes: Wishes::default(),
            set_fields: Vec::new(),
        }
    }
}

impl Step {
    /// What it does, in a line: the manifest's field and its values.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Apt { packages } => format!("apt-packages: {}", packages.join(" ")),
            Self::Python { version } => format!("python-version: {version}"),
            Self::Conda(conda) => format!("conda-packages: {}", conda.packages.join(" ")),
            Self::Account { name } => format!("account: {name}"),
            Self::Env(_) => "env".to_owned(),
            Self::Pip(pip) => {
                let file = pip.requirements.as_ref();
                let file = file.map(|set| format!("requirements: {}", set.path()));
                let flytekit = pip.unless_named.iter().map(|(_, package)| package);
                let packages: Vec<&str> = pip
                    .packages
                    .iter()
                    .chain(flytekit)
                    .map(String::as_str)
                    .collect();
                let packages =
                    (!packages.is_empty()).then(|| format!("packages: {}", packages.join(" ")));
                let both: Vec<String> = file.into_iter().chain(packages).collect();
                both.join(", ")
            }
            Self::Lock(lock) => format!("requirements: {}", lock.files.path()),
            Self::User(user) => format!("user: {user}"),
            Self::Workdir(path) => format!("workdir: {path}"),
            Self::Copy(copy) => format!("copy to {}", copy.to),
            Self::Run { command } => format!("commands: {command}"),
        }
    }
}

impl Recipe {
    /// The file sets that the steps read, in the order of the steps; then the Dockerfile, its context, and those that its
    /// names stand for.
    pub fn file_sets(&self) -> impl Iterator<Item = &FileSet> {
        let steps = self.steps.iter().filter_map(|step| match step {
            Step::Pip(pip) => pip.requirements.as_ref(),
            Step::Lock(lock) => Some(&lock.files),
            Step::Copy(CopyStep {
                from: CopySource::Files(files),
                ..
            }) => Some(files),
            _ => None,
        });
        let own = self.dockerfile.iter().flat_map(|own| {
            let named = own
                .contexts
                .iter()
                .filter_map(|(_, context)| match context {
                    ContextSource::Files(files) => Some(files),
                    _ => None,
                });
            [&own.file, &own.context].into_iter().chain(named)
        });
        steps.chain(own)
    }

    /// The images of the workspace that it needs, by id: the base first, then those that it copies from or that its
    /// Dockerfile names.
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
        let named = self.dockerfile.iter().flat_map(|own| {
            own.contexts
                .iter()
                .filter_map(|(_, context)| match context {
                    ContextSource::Image(id) => Some(id.as_str()),
                    _ => None,
                })
        });
        base.into_iter().chain(copied).chain(named)
    }

    /// How steps of a kind get secrets: the secret's id and where they find it.
    pub fn secrets_of(&self, step: SecretStep) -> impl Iterator<Item = (&str, &SecretPlace)> {
        self.secrets.iter().flat_map(move |secret| {
            let uses = secret.uses.iter().filter(move |given| given.step == step);
            uses.map(|given| (secret.id.as_str(), &given.place))
        })
    }
}
