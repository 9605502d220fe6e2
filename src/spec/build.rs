//! User-defined parts of a build: secrets, steps and Dockerfiles, as plain data with builder methods.
//!
//! [`OwnDockerfile`] stores resolved paths only, so its constructor can fail; everything else is checked with the rest of the image.

use super::parts::Copy;
use super::path::{GivenPath, OutsidePath, WorkspacePath};

/// A local file mounted while Python packages are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipSecretMount {
    /// The local file.
    pub source: SecretFile,
    /// Absolute path of the mount during the build.
    pub target: String,
}

/// A value that build steps may read and that never ends up in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Secret {
    /// The secret's name. Of the secret itself only this counts for the key, together with where steps find it.
    pub id: String,
    /// Where the value comes from.
    pub source: SecretSource,
    /// The steps that receive it, and how. Empty means every step that runs something, as a file.
    pub uses: Vec<SecretUse>,
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the imgspec process.
    Env(String),
    /// A local file.
    File(SecretFile),
}

/// A local file, inside the workspace or not. Its content is passed only to the steps that use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The directory of the manifest that names the file.
    pub folder: WorkspacePath,
    /// The path as written: relative to that directory, absolute, or below `~/`.
    pub given: String,
}

/// How one kind of step receives a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// The kind of step.
    pub step: SecretStep,
    /// Environment variable that holds the value, for these steps only.
    pub env: Option<String>,
    /// Absolute path of a file that holds the value, for these steps only.
    pub mount: Option<String>,
}

/// A kind of step that can receive secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretStep {
    /// Installs Debian packages.
    Apt,
    /// Installs conda packages.
    Conda,
    /// Installs Python packages, from lock files too.
    Pip,
    /// Runs shell commands.
    Run,
}

impl SecretStep {
    /// Every kind of step.
    pub const ALL: [Self; 4] = [Self::Apt, Self::Conda, Self::Pip, Self::Run];

    /// The manifest field that creates these steps.
    pub fn field(self) -> &'static str {
        match self {
            Self::Apt => "apt-packages",
            Self::Conda => "conda-packages",
            Self::Pip => "packages",
            Self::Run => "commands",
        }
    }
}

/// One step of the `steps` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnStep {
    /// Installs Debian packages.
    Apt(Vec<String>),
    /// Installs conda packages.
    Conda(Vec<String>),
    /// Installs Python packages and the contents of a requirements file.
    Pip {
        /// Requirement specifiers.
        packages: Vec<String>,
        /// A requirements file, `pylock.toml` or `pyproject.toml`.
        requirements: Option<GivenPath>,
    },
    /// Copies files into the image.
    Copy(Copy),
    /// Runs a shell command.
    Run(String),
    /// Sets environment variables for later steps and for the image.
    Env(Vec<(String, String)>),
    /// Sets the user for later steps and for the image.
    User(String),
    /// Sets the working directory for later steps and for the image.
    Workdir(String),
}

/// A user-supplied Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OwnDockerfile {
    /// The Dockerfile.
    pub path: WorkspacePath,
    /// The build context: the directory that `COPY` reads from.
    pub context: WorkspacePath,
    /// The stage to build; none means the last.
    pub target: Option<String>,
    /// Build arguments, as names and values.
    pub args: Vec<(String, String)>,
    /// Named contexts: what names in `FROM` and `COPY --from` refer to.
    pub contexts: Vec<(String, NamedContext)>,
}

/// What a named context refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// Another image of the workspace: an edge of the graph.
    Image(String),
    /// An image from a registry.
    Registry(String),
    /// A directory of the workspace.
    Folder(WorkspacePath),
}

impl SecretFile {
    /// A local file: relative to the directory of the images, absolute, or below `~/`.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            folder: WorkspacePath::ROOT,
            given: path.into(),
        }
    }
}

impl Secret {
    /// A secret read from an environment variable of the current process.
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

    /// A secret read from a local file.
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

    /// Passes the secret to one kind of step as an environment variable.
    pub fn as_env(self, step: SecretStep, name: impl Into<String>) -> Self {
        self.used(step, Some(name.into()), None)
    }

    /// Passes the secret to one kind of step as a file.
    pub fn as_file(self, step: SecretStep, path: impl Into<String>) -> Self {
        self.used(step, None, Some(path.into()))
    }

    fn used(mut self, step: SecretStep, env: Option<String>, mount: Option<String>) -> Self {
        self.uses.push(SecretUse { step, env, mount });
        self
    }
}

impl OwnStep {
    /// A step that runs a shell command.
    pub fn run(command: impl Into<String>) -> Self {
        Self::Run(command.into())
    }

    /// A step that installs Debian packages.
    pub fn apt<T: Into<String>>(packages: impl IntoIterator<Item = T>) -> Self {
        Self::Apt(packages.into_iter().map(Into::into).collect())
    }

    /// A step that installs Python packages.
    pub fn pip<T: Into<String>>(packages: impl IntoIterator<Item = T>) -> Self {
        Self::Pip {
            packages: packages.into_iter().map(Into::into).collect(),
            requirements: None,
        }
    }
}

impl OwnDockerfile {
    /// A Dockerfile and its build context; both paths are relative to the directory of the images.
    ///
    /// # Errors
    /// Fails if a path is absolute or leaves that directory.
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

    /// Selects the stage to build.
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

    /// Sets what a name in `FROM` or `COPY --from` refers to.
    pub fn with_context(mut self, name: impl Into<String>, context: NamedContext) -> Self {
        put(&mut self.contexts, (name.into(), context), |(name, _)| name);
        self
    }
}

/// Adds an item to a list, replacing the item with the same key if there is one.
pub(super) fn put<T, K: PartialEq + ?Sized>(list: &mut Vec<T>, new: T, key: impl Fn(&T) -> &K) {
    match list.iter_mut().find(|known| key(known) == key(&new)) {
        Some(known) => *known = new,
        None => list.push(new),
    }
}

/// Adds a secret, replacing one with the same id.
pub(crate) fn put_secret(secrets: &mut Vec<Secret>, secret: Secret) {
    put(secrets, secret, |secret| &secret.id);
}
