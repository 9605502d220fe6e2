//! How an image is built in the user's own words: secrets, steps, a Dockerfile. Plain data, with methods for programs that
//! make it.
//!
//! A Dockerfile's paths are not kept as they were given, so making one can fail; all else is checked with the rest of the image.

use super::parts::Copy;
use super::path::{GivenPath, OutsidePath, WorkspacePath};

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
#[must_use]
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
    /// The directory of the manifest that says it.
    pub folder: WorkspacePath,
    /// The path as the manifest gives it: relative to that directory, absolute, or below `~/`.
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
    /// Working directory of later steps and of the image.
    Workdir(String),
}

/// A Dockerfile of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OwnDockerfile {
    /// The file.
    pub path: WorkspacePath,
    /// The directory that it copies from.
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
    /// A directory of the workspace.
    Folder(WorkspacePath),
}

impl SecretFile {
    /// A file of this machine: relative to the directory of the images, absolute, or below `~/`.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            folder: WorkspacePath::ROOT,
            given: path.into(),
        }
    }
}

impl Secret {
    /// A secret whose value is in a variable of the program's own environment.
    ///
    /// ```
    /// use imgspec::{ImageSpec, spec::{Secret, SecretStep}};
    ///
    /// let token = Secret::of_env("token", "INDEX_TOKEN").as_env(SecretStep::Pip, "UV_INDEX_PASSWORD");
    /// let spec = ImageSpec::new("train").with_packages(["ours"]).with_secret(token);
    /// assert_eq!(spec.secrets[0].id, "token");
    /// ```
    pub fn of_env(id: impl Into<String>, variable: impl Into<String>) -> Self {
        Self::of(id, SecretSource::Env(variable.into()))
    }

    /// A secret whose value is in a file of this machine.
    pub fn of_file(id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::of(id, SecretSource::File(SecretFile::new(path)))
    }

    fn of(id: impl Into<String>, source: SecretSource) -> Self {
        Self {
            id: id.into(),
            source,
            uses: Vec::new(),
        }
    }

    /// Gives it to a kind of step as a variable.
    pub fn as_env(self, step: SecretStep, name: impl Into<String>) -> Self {
        self.used(step, Some(name.into()), None)
    }

    /// Gives it to a kind of step as a file.
    pub fn as_file(self, step: SecretStep, path: impl Into<String>) -> Self {
        self.used(step, None, Some(path.into()))
    }

    fn used(mut self, step: SecretStep, env: Option<String>, mount: Option<String>) -> Self {
        self.uses.push(SecretUse { step, env, mount });
        self
    }
}

impl OwnStep {
    /// A command that is run.
    pub fn run(command: impl Into<String>) -> Self {
        Self::Run(command.into())
    }

    /// Debian packages.
    pub fn apt<T: Into<String>>(packages: impl IntoIterator<Item = T>) -> Self {
        Self::Apt(packages.into_iter().map(Into::into).collect())
    }

    /// Python packages.
    pub fn pip<T: Into<String>>(packages: impl IntoIterator<Item = T>) -> Self {
        Self::Pip {
            packages: packages.into_iter().map(Into::into).collect(),
            requirements: None,
        }
    }
}

impl OwnDockerfile {
    /// A Dockerfile, and the directory that it copies from; both from the directory of the images.
    ///
    /// # Errors
    /// When a path leads out of that directory.
    ///
    /// ```
    /// use imgspec::{ImageSpec, spec::{NamedContext, OwnDockerfile}};
    ///
    /// let own = OwnDockerfile::new("Dockerfile", ".")?
    ///     .with_target("runtime")
    ///     .with_arg("VERSION", "1.4")
    ///     .with_context("base", NamedContext::Image("ml-base".into()));
    /// let spec = ImageSpec::new("serve").with_dockerfile(own);
    /// # Ok::<(), imgspec::spec::OutsidePath>(())
    /// ```
    pub fn new(path: &str, context: &str) -> Result<Self, OutsidePath> {
        Ok(Self {
            path: path.try_into()?,
            context: context.try_into()?,
            target: None,
            args: Vec::new(),
            contexts: Vec::new(),
        })
    }

    /// Names the stage to build.
    pub fn with_target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets a build argument.
    pub fn with_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        put(&mut self.args, (name.into(), value.into()), |(name, _)| {
            name
        });
        self
    }

    /// Says what a name in `FROM` or `COPY --from` stands for.
    pub fn with_context(mut self, name: impl Into<String>, context: NamedContext) -> Self {
        put(&mut self.contexts, (name.into(), context), |(name, _)| name);
        self
    }
}

/// Adds something to a list; what has the same key there is replaced.
pub(super) fn put<T, K: PartialEq + ?Sized>(list: &mut Vec<T>, new: T, key: impl Fn(&T) -> &K) {
    match list.iter_mut().find(|known| key(known) == key(&new)) {
        Some(known) => *known = new,
        None => list.push(new),
    }
}

/// Adds a secret; one of the same id is replaced.
pub(crate) fn put_secret(secrets: &mut Vec<Secret>, secret: Secret) {
    put(secrets, secret, |secret| &secret.id);
}
