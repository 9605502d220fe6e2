//! An image as steps and a config: plain data.

use super::build::{ContextSource, DockerfileRecipe, Helpers, SecretPlace, StepSecret, Wishes};
use super::files::FileSet;
use crate::spec::{Base, DEFAULT_PLATFORM, SecretStep};

/// An image as ordered, backend-neutral steps and a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// At least one.
    pub platforms: Vec<String>,
    /// The image that the steps start from.
    pub base: Base,
    /// In order.
    pub steps: Vec<Step>,
    /// What containers get from it.
    pub config: Config,
    /// The images that helper programs are taken from.
    pub helpers: Helpers,
    /// The secrets of steps.
    pub secrets: Vec<StepSecret>,
    /// The user's own Dockerfile, instead of steps.
    pub dockerfile: Option<DockerfileRecipe>,
    /// Options of the builder: not part of the key.
    pub wishes: Wishes,
    /// The manifest's fields that the file sets come from, in the order of [`Recipe::file_sets`]; for messages.
    pub set_fields: Vec<String>,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Debian packages are installed with their dependencies, without recommendations.
    Apt {
        /// Names, with `=version` where given.
        packages: Vec<String>,
    },
    /// uv's managed Python is installed in [`PYTHON_HOME`](super::PYTHON_HOME) and put first in `PATH`.
    Python {
        /// A version such as `3.12` or `3.12.4`.
        version: String,
    },
    /// Conda packages are installed in [`CONDA_HOME`](super::CONDA_HOME) and put first in `PATH`.
    Conda(Conda),
    /// An account is created unless it exists, and owns its home and `/root`.
    Account {
        /// Its name.
        name: String,
    },
    /// Environment for all later steps and for the image; sorted by name.
    Env(Vec<(String, String)>),
    /// Python packages are installed with uv.
    Pip(Pip),
    /// Packages of a lock file are installed with its tool in [`VENV_HOME`](super::VENV_HOME), which is put first in `PATH`.
    Lock(Lock),
    /// The user of all later steps and of the image.
    User(String),
    /// The working directory of all later steps and of the image; created when absent.
    Workdir(String),
    /// Files are copied in.
    Copy(CopyStep),
    /// A command runs in `/bin/sh -c`.
    Run {
        /// The command, as the user wrote it.
        command: String,
    },
}

/// Python packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    /// The Python that they are installed for.
    pub interpreter: Interpreter,
    /// A requirements file with the files that it includes.
    pub requirements: Option<FileSet>,
    /// Requirement specifiers.
    pub packages: Vec<String>,
    /// URL of the index that replaces the default one.
    pub index: Option<String>,
    /// URLs of additional indexes.
    pub extra_indexes: Vec<String>,
    /// Additional arguments, one word each.
    pub extra_args: Vec<String>,
    /// The name and requirement of a package that is installed unless the requirements file names it: flytekit.
    pub unless_named: Option<(String, String)>,
}

/// Conda packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conda {
    /// The version of a Python to install with them.
    pub python: Option<String>,
    /// In conda's syntax.
    pub packages: Vec<String>,
    /// Channels after conda-forge.
    pub channels: Vec<String>,
}

/// A lock file to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The tool that wrote it.
    pub tool: LockTool,
    /// The Python of the environment.
    pub interpreter: Interpreter,
    /// The lock file with its project file.
    pub files: FileSet,
    /// URL of the index that replaces the default one.
    pub index: Option<String>,
    /// URLs of additional indexes.
    pub extra_indexes: Vec<String>,
    /// Additional arguments of the tool, one word each.
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

/// The Python that packages are installed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// The one of [`Step::Python`].
    Managed,
    /// The one at a path.
    Exec(String),
    /// The first `python3` in the base's `PATH`.
    Base,
    /// The one of [`Step::Conda`].
    Conda,
    /// The one of [`Step::Lock`].
    Venv,
}

/// Files to copy in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    /// The files.
    pub from: CopySource,
    /// The target, as in a Dockerfile: a directory's content goes into it; a file becomes it, or goes into it when it ends
    /// in `/`. Relative to the working directory unless absolute.
    pub to: String,
    /// `user` or `user:group`; by default root, or for files of another image their owner there.
    pub owner: Option<String>,
}

/// Where copied files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// The workspace.
    Files(FileSet),
    /// Another image of the workspace.
    Image {
        /// Its id.
        image: String,
        /// An absolute path in it.
        path: String,
    },
}

/// What containers get from an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// None keeps the base's.
    pub entrypoint: Option<Vec<String>>,
    /// None keeps the base's.
    pub cmd: Option<Vec<String>>,
    /// None keeps the base's; when given, steps run as root.
    pub user: Option<String>,
    /// Sorted by name.
    pub labels: Vec<(String, String)>,
}

impl Default for Recipe {
    /// An empty image for the default platform.
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
    /// One line: the manifest's field and its values.
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
                let packages = pip.packages.iter().chain(flytekit).map(String::as_str);
                let packages = packages.collect::<Vec<_>>().join(" ");
                let packages = (!packages.is_empty()).then(|| format!("packages: {packages}"));
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
    /// The file sets of the steps, in order; then the Dockerfile, its context and its named contexts.
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
            let contexts = own.contexts.iter();
            let contexts = contexts.filter_map(|(_, context)| match context {
                ContextSource::Files(files) => Some(files),
                _ => None,
            });
            [&own.file, &own.context].into_iter().chain(contexts)
        });
        steps.chain(own)
    }

    /// Ids of the images of the workspace that it needs: the base, then those that it copies from or that its Dockerfile
    /// names.
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
        let contexts = self.dockerfile.iter().flat_map(|own| &own.contexts);
        let named = contexts.filter_map(|(_, context)| match context {
            ContextSource::Image(id) => Some(id.as_str()),
            _ => None,
        });
        base.into_iter().chain(copied).chain(named)
    }

    /// The secrets of a kind of step: each id, and where the step finds it.
    pub fn secrets_of(&self, step: SecretStep) -> impl Iterator<Item = (&str, &SecretPlace)> {
        self.secrets.iter().flat_map(move |secret| {
            let uses = secret.uses.iter().filter(move |given| given.step == step);
            uses.map(|given| (secret.id.as_str(), &given.place))
        })
    }
}
