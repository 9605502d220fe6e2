//! How a program says the parts of an image that are more than a text: copies, secrets, a Dockerfile of its own.
//!
//! Pure. The choice made: a path that is not kept as it was given must lead into the workspace from the start, so its maker
//! can fail; everything else is checked with the rest of the image.

use super::with::put;
use super::{
    Copy, CopyFrom, GivenPath, NamedContext, OwnDockerfile, OwnStep, Secret, SecretFile,
    SecretSource, SecretStep, SecretUse, WorkspacePath,
};

/// A path leads out of the folder of the images, or is absolute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no path of the workspace")]
pub struct OutsidePath {
    /// The path.
    pub given: String,
}

impl TryFrom<&str> for WorkspacePath {
    type Error = OutsidePath;

    fn try_from(given: &str) -> Result<Self, OutsidePath> {
        let outside = || OutsidePath {
            given: given.to_owned(),
        };
        Self::resolve(&Self::ROOT, given).ok_or_else(outside)
    }
}

impl Copy {
    /// A file or folder of the workspace; without [`Self::to`] it goes to the same path below the working folder.
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

    /// A file or folder, by absolute path, out of another image.
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
    #[must_use]
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.to = Some(path.into());
        self
    }

    /// Says whose it is inside the image: `user` or `user:group`.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }
}

impl SecretFile {
    /// A file of this machine: relative to the folder of the images, absolute, or below `~/`.
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
    #[must_use]
    pub fn as_env(mut self, step: SecretStep, name: impl Into<String>) -> Self {
        self.uses.push(SecretUse {
            step,
            env: Some(name.into()),
            mount: None,
        });
        self
    }

    /// Gives it to a kind of step as a file.
    #[must_use]
    pub fn as_file(mut self, step: SecretStep, path: impl Into<String>) -> Self {
        self.uses.push(SecretUse {
            step,
            env: None,
            mount: Some(path.into()),
        });
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
    /// A Dockerfile, and the folder that it copies from; both from the folder of the images.
    ///
    /// # Errors
    /// When a path leads out of that folder.
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
    #[must_use]
    pub fn with_target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets a build argument.
    #[must_use]
    pub fn with_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        put(&mut self.args, name.into(), value.into());
        self
    }

    /// Says what a name in `FROM` or `COPY --from` stands for.
    #[must_use]
    pub fn with_context(mut self, name: impl Into<String>, context: NamedContext) -> Self {
        let name = name.into();
        match self.contexts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = context,
            None => self.contexts.push((name, context)),
        }
        self
    }
}
