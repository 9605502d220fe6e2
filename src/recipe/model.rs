//! The data model of a recipe: an image as steps and configuration.

use std::time::Duration;

use super::build::{ContextSource, DockerfileRecipe, Helpers, SecretPlace, StepSecret, Wishes};
use super::files::FileSet;
use crate::spec::{Base, DEFAULT_PLATFORM, HealthTest, SecretStep};

/// An image as ordered, backend-neutral steps and configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Target platforms; never empty.
    pub platforms: Vec<String>,
    /// The image that the steps start from.
    pub base: Base,
    /// The files of a base that is in a file or directory.
    pub base_file: Option<FileSet>,
    /// The build steps, in order.
    pub steps: Vec<Step>,
    /// The image configuration that containers start with.
    pub config: Config,
    /// The helper images that supply installers.
    pub helpers: Helpers,
    /// Secrets used by the steps.
    pub secrets: Vec<StepSecret>,
    /// A user-supplied Dockerfile, which replaces the steps.
    pub dockerfile: Option<Box<DockerfileRecipe>>,
    /// Options for the builder; not part of the key.
    pub wishes: Wishes,
    /// The manifest fields that the file sets come from, in the order of [`Recipe::file_sets`]; for messages.
    pub set_fields: Vec<String>,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Installs Debian packages with their dependencies, without recommended packages.
    Apt {
        /// Package names, with `=version` where given.
        packages: Vec<String>,
    },
    /// Installs uv's managed Python in [`PYTHON_HOME`](super::PYTHON_HOME) and puts it first in `PATH`.
    Python {
        /// A version such as `3.12` or `3.12.4`.
        version: String,
    },
    /// Installs conda packages in [`CONDA_HOME`](super::CONDA_HOME) and puts them first in `PATH`.
    Conda(Box<Conda>),
    /// Creates an account unless it exists, and gives it ownership of its home directory and `/root`.
    Account {
        /// Account name.
        name: String,
    },
    /// Sets environment variables, sorted by name, for all later steps and for the image.
    Env(Vec<(String, String)>),
    /// Installs Python packages with uv.
    Pip(Box<Pip>),
    /// Installs the packages of a lock file with its tool in [`VENV_HOME`](super::VENV_HOME), which is put first in `PATH`.
    Lock(Box<Lock>),
    /// Sets the user of all later steps and of the image.
    User(String),
    /// Sets the working directory of all later steps and of the image; created if absent.
    Workdir(String),
    /// Copies files into the image.
    Copy(Box<CopyStep>),
    /// Runs a command with the shell of the [`Config`].
    Run {
        /// The command, as the user wrote it.
        command: String,
    },
}

/// Python packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    /// The Python that packages are installed for.
    pub interpreter: Interpreter,
    /// A requirements file along with the files that it includes.
    pub requirements: Option<FileSet>,
    /// Requirement specifiers.
    pub packages: Vec<String>,
    /// URL of the index that replaces the default index.
    pub index: Option<String>,
    /// URLs of additional indexes.
    pub extra_indexes: Vec<String>,
    /// Additional arguments, already split.
    pub extra_args: Vec<String>,
    /// Whether they are compiled to bytecode; `None` for what the builder usually does.
    pub bytecode: Option<bool>,
    /// Name and requirement of a package that is installed unless the requirements file names it. Used for flytekit.
    pub unless_named: Option<(String, String)>,
}

/// Conda packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conda {
    /// Version of Python to install with the packages.
    pub python: Option<String>,
    /// Packages in conda's syntax.
    pub packages: Vec<String>,
    /// Channels searched after conda-forge.
    pub channels: Vec<String>,
}

/// A lock file whose packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The tool that wrote it.
    pub tool: LockTool,
    /// The Python of the environment.
    pub interpreter: Interpreter,
    /// The lock file along with its project file.
    pub files: FileSet,
    /// URL of the index that replaces the default index.
    pub index: Option<String>,
    /// URLs of additional indexes.
    pub extra_indexes: Vec<String>,
    /// Additional arguments for the tool, already split.
    pub extra_args: Vec<String>,
    /// Whether they are compiled to bytecode; `None` for what the builder usually does.
    pub bytecode: Option<bool>,
}

/// A tool that writes lock files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockTool {
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
}

/// The Python interpreter that packages are installed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// The interpreter installed by [`Step::Python`].
    Managed,
    /// The interpreter at this path.
    Exec(String),
    /// The first `python3` in the base image's `PATH`.
    Base,
    /// The interpreter installed by [`Step::Conda`].
    Conda,
    /// The interpreter of the environment created by [`Step::Lock`].
    Venv,
}

/// A copy of files into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    /// The files.
    pub from: CopySource,
    /// The destination, with the semantics of a Dockerfile: the contents of a directory are copied into it; a file is copied
    /// to it, or into it if it ends in `/`. Relative paths start at the working directory.
    pub to: String,
    /// `user` or `user:group`. `None` means root or, for files from another image, their owner there.
    pub owner: Option<String>,
}

/// The source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// The workspace.
    Files(FileSet),
    /// Another image of the workspace.
    Image {
        /// Id of the other image.
        image: String,
        /// Absolute path in that image.
        path: String,
    },
}

/// Image configuration that containers start with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Entrypoint; `None` keeps the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Default command; `None` keeps the base's.
    pub cmd: Option<Vec<String>>,
    /// User of containers; `None` keeps the base's. If set, steps still run as root.
    pub user: Option<String>,
    /// Labels, sorted by name.
    pub labels: Vec<(String, String)>,
    /// Ports in Docker's notation with their protocols, such as `8000-8010/tcp`, sorted; added to the base's.
    pub expose: Vec<String>,
    /// Mount points of volumes, sorted; added to the base's.
    pub volumes: Vec<String>,
    /// How containers are checked; `None` keeps the base's.
    pub healthcheck: Option<Healthcheck>,
    /// The signal that asks containers to stop; `None` keeps the base's.
    pub stop_signal: Option<String>,
    /// What runs command lines: those of this image's steps, of its health check, and of Dockerfiles built on it. `None` keeps
    /// the base's for the latter two.
    pub shell: Option<Vec<String>>,
    /// How layers are compressed, if not in the usual way.
    pub compression: Option<String>,
}

/// How containers are checked: what is not set is the container engine's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// What is run.
    pub test: HealthTest,
    /// The time between two checks.
    pub interval: Option<Duration>,
    /// The time after which a check counts as failed.
    pub timeout: Option<Duration>,
    /// The time that a container has to start.
    pub start_period: Option<Duration>,
    /// The time between two checks while a container starts.
    pub start_interval: Option<Duration>,
    /// How many checks must fail in a row.
    pub retries: Option<u32>,
}

impl Config {
    /// The arguments that run a command of the user.
    pub fn run(&self, command: &str) -> Vec<String> {
        let usual = || ["/bin/sh", "-c"].map(str::to_owned).to_vec();
        let mut words = self.shell.clone().unwrap_or_else(usual);
        words.push(command.to_owned());
        words
    }
}

/// A time in Go's notation, which a Dockerfile and a manifest have, in the largest unit that leaves no rest.
pub(crate) fn time_words(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let whole = units
        .into_iter()
        .find(|(_, size)| nanoseconds.is_multiple_of(*size));
    let (unit, size) = whole.unwrap_or(("ns", 1));
    format!("{}{unit}", nanoseconds / size)
}

impl Healthcheck {
    /// The times, by the names that they have in a manifest.
    pub(crate) fn times(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let all = [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("start-period", self.start_period),
            ("start-interval", self.start_interval),
        ];
        all.into_iter()
            .filter_map(|(name, time)| Some((name, time?)))
    }
}

impl Default for Recipe {
    /// An empty image for the default platform.
    fn default() -> Self {
        Self {
            platforms: vec![DEFAULT_PLATFORM.to_owned()],
            base: Base::Scratch,
            base_file: None,
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
    /// A one-line summary: the manifest field and its values.
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
    /// The file sets of the steps, in order; then the Dockerfile, its context and its named contexts; then the base's.
    pub fn file_sets(&self) -> impl Iterator<Item = &FileSet> {
        let steps = self.steps.iter().filter_map(|step| match step {
            Step::Pip(pip) => pip.requirements.as_ref(),
            Step::Lock(lock) => Some(&lock.files),
            Step::Copy(copy) => match &copy.from {
                CopySource::Files(files) => Some(files),
                CopySource::Image { .. } => None,
            },
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
        steps.chain(own).chain(&self.base_file)
    }

    /// The steps that install Python packages which the manifest lists, each with the index of its file set, if it has one.
    pub fn pips(&self) -> impl Iterator<Item = (&Pip, Option<usize>)> {
        let mut sets = 0;
        self.steps.iter().filter_map(move |step| {
            let at = sets;
            match step {
                Step::Pip(pip) => {
                    sets += usize::from(pip.requirements.is_some());
                    return Some((pip.as_ref(), pip.requirements.as_ref().map(|_| at)));
                }
                Step::Lock(_) => sets += 1,
                Step::Copy(copy) => {
                    sets += usize::from(matches!(copy.from, CopySource::Files(_)));
                }
                _ => {}
            }
            None
        })
    }

    /// Ids of the workspace images that the recipe depends on: the base, then the sources of copies, then the Dockerfile's
    /// contexts.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let base = match &self.base {
            Base::Image(id) => Some(id.as_str()),
            Base::Registry(_) | Base::File { .. } | Base::Debian(_) | Base::Scratch => None,
        };
        let copied = self.steps.iter().filter_map(|step| match step {
            Step::Copy(copy) => match &copy.from {
                CopySource::Image { image, .. } => Some(image.as_str()),
                CopySource::Files(_) => None,
            },
            _ => None,
        });
        let contexts = self.dockerfile.iter().flat_map(|own| &own.contexts);
        let named = contexts.filter_map(|(_, context)| match context {
            ContextSource::Image(id) => Some(id.as_str()),
            _ => None,
        });
        base.into_iter().chain(copied).chain(named)
    }

    /// The secrets of one kind of step, by id, and where the step finds them.
    pub fn secrets_of(&self, step: SecretStep) -> impl Iterator<Item = (&str, &SecretPlace)> {
        self.secrets.iter().flat_map(move |secret| {
            let uses = secret.uses.iter().filter(move |given| given.step == step);
            uses.map(|given| (secret.id.as_str(), &given.place))
        })
    }
}
