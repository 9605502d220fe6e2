//! How a program says what an image is asked to be: one method a field, by value, in a chain.
//!
//! Nothing is checked here: [`crate::images::Images`] applies the rules of a manifest. The semantics are flytekit's: lists grow, names get a value, single values are replaced, a clone leaves the original as it was.

use super::ImageSpec;
use super::build::{OwnDockerfile, OwnStep, PipSecretMount, Secret, SecretFile, put, put_secret};
use super::parts::{Base, Copy, SourceCopyMode};
use super::path::GivenPath;

/// Methods that set one text.
macro_rules! texts {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, value: impl Into<String>) -> Self {
            self.$field = Some(value.into());
            self
        }
    )*};
}

/// Methods that add to a list.
macro_rules! lists {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            self.$field.extend(values.into_iter().map(Into::into));
            self
        }
    )*};
}

/// Methods that give one name a value; a name that has one gets the new one.
macro_rules! names {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            put(&mut self.$field, (name.into(), value.into()), |(name, _)| name);
            self
        }
    )*};
}

/// Methods that set a path of the workspace.
macro_rules! paths {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, path: impl Into<String>) -> Self {
            self.$field = Some(GivenPath::new(path));
            self
        }
    )*};
}

/// One method a field. Nothing is checked here: an [`Images`](crate::Images) tells all mistakes of all its images at once,
/// by the rules of the manifest.
///
/// ```
/// use imgspec::ImageSpec;
///
/// let base = ImageSpec::new("train")
///     .with_base("debian:bookworm-slim")
///     .with_apt_packages(["git", "libgomp1"])
///     .with_env("PYTHONUNBUFFERED", "1");
/// let cpu = base.clone().with_packages(["torch==2.5.1"]);
/// let gpu = base.clone().with_cuda("12.4").with_python_version("3.12");
///
/// assert_eq!(cpu.apt_packages, gpu.apt_packages);
/// assert!(base.packages.is_empty(), "the original is as it was");
/// ```
impl ImageSpec {
    /// An image that is called so in its registry.
    pub fn new(name: impl Into<String>) -> Self {
        Self::default().with_name(name)
    }

    texts! {
        /// Calls the image so in its registry.
        with_name: name;
        /// Names the registry (and path) before the name, such as `ghcr.io/acme`.
        with_registry: registry;
        /// Names the backend that must build it, by the kind under which it is registered.
        with_builder: builder;
        /// Wants a Python of this version, such as `3.12`.
        with_python_version: python_version;
        /// Names the Python inside the image that gets the packages.
        with_python_exec: python_exec;
        /// Replaces the default package index.
        with_pip_index: pip_index;
        /// Gives the installer of Python packages further arguments, split as a shell would.
        with_pip_extra_args: pip_extra_args;
        /// Takes NVIDIA's image with this CUDA as the base.
        with_cuda: cuda;
        /// Wants this cuDNN too.
        with_cudnn: cudnn;
        /// Sets the user that containers run as.
        with_user: user;
        /// Sets the working directory, absolute.
        with_workdir: workdir;
        /// Sets the format of the tag, with `{spec_hash}` for that of the key.
        with_tag_format: tag_format;
        /// Makes it an image of this version of flytekit: its tag, its user, its environment.
        with_flytekit: flytekit;
    }

    lists! {
        /// Adds platforms, such as `linux/arm64`.
        with_platforms: platform;
        /// Adds Debian packages.
        with_apt_packages: apt_packages;
        /// Adds Python requirement specifiers.
        with_packages: packages;
        /// Adds conda packages.
        with_conda_packages: conda_packages;
        /// Adds conda channels.
        with_conda_channels: conda_channels;
        /// Adds package indexes.
        with_pip_extra_index_urls: pip_extra_index_url;
        /// Adds shell commands.
        with_commands: commands;
        /// Adds packages that flytekit installs when a container starts.
        with_runtime_packages: runtime_packages;
    }

    names! {
        /// Sets a variable of the image's environment.
        with_env: env;
        /// Sets a label.
        with_label: labels;
        /// Sets an option of the builder.
        with_builder_option: builder_options;
        /// Sets a helper image: `uv-image`, `micromamba-image`.
        with_builder_config: builder_config;
    }

    paths! {
        /// Installs what a requirements file, lock file or project file of the workspace says.
        with_requirements: requirements;
        /// Names the directory of the image's own source files.
        with_source_root: source_root;
        /// Names a file that says how the builder reaches registries.
        with_registry_config: registry_config;
    }

    /// Adds a platform.
    pub fn with_platform(self, platform: impl Into<String>) -> Self {
        self.with_platforms([platform])
    }

    /// Sets variables of the image's environment.
    pub fn with_envs<N: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        pairs.fold(self, |spec, (name, value)| spec.with_env(name, value))
    }

    /// Sets labels.
    pub fn with_labels<N: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        pairs.fold(self, |spec, (name, value)| spec.with_label(name, value))
    }

    /// Builds it on an image of a registry (or of the local store), or on nothing: `scratch`.
    pub fn with_base(mut self, reference: impl Into<String>) -> Self {
        self.base_image = Some(Base::outside(reference));
        self
    }

    /// Builds it on another image of the same [`Images`](crate::Images), by id.
    pub fn with_base_image(mut self, id: impl Into<String>) -> Self {
        self.base_image = Some(Base::Image(id.into()));
        self
    }

    /// Copies a file or directory of the workspace into the image.
    pub fn with_copy(self, path: impl Into<String>, to: impl Into<String>) -> Self {
        self.with_copy_of(Copy::new(path).to(to))
    }

    /// Copies a file or directory out of another image of the same [`Images`](crate::Images).
    pub fn with_copy_from_image(
        self,
        id: impl Into<String>,
        path: impl Into<String>,
        to: impl Into<String>,
    ) -> Self {
        self.with_copy_of(Copy::from_image(id, path).to(to))
    }

    /// Copies something into the image.
    pub fn with_copy_of(mut self, copy: Copy) -> Self {
        self.copy.push(copy);
        self
    }

    /// Says which of the source files are copied in.
    pub fn with_source_copy_mode(mut self, mode: SourceCopyMode) -> Self {
        self.source_copy_mode = Some(mode);
        self
    }

    /// Sets the entrypoint; nothing takes that of the base away.
    pub fn with_entrypoint<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.entrypoint = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the default arguments; nothing takes those of the base away.
    pub fn with_cmd<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.cmd = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Shows a file of this machine to the installer of Python packages, at an absolute path.
    pub fn with_pip_secret_mount(mut self, file: impl Into<String>, to: impl Into<String>) -> Self {
        self.pip_secret_mounts.push(PipSecretMount {
            source: SecretFile::new(file),
            target: to.into(),
        });
        self
    }

    /// Gives a secret to steps; one of the same id is replaced.
    pub fn with_secret(mut self, secret: Secret) -> Self {
        put_secret(&mut self.secrets, secret);
        self
    }

    /// Adds steps in an order of their own, after those of the fields.
    pub fn with_steps(mut self, steps: impl IntoIterator<Item = OwnStep>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Builds a Dockerfile of the user's own, which then is all there is to the image.
    pub fn with_dockerfile(mut self, dockerfile: OwnDockerfile) -> Self {
        self.dockerfile = Some(dockerfile);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::CopyFrom;
    use super::*;

    #[test]
    fn lists_grow_names_are_replaced_and_clones_are_their_own() {
        let first = ImageSpec::new("a")
            .with_packages(["numpy"])
            .with_env("A", "1");
        let second = first
            .clone()
            .with_packages(vec!["torch".to_owned()])
            .with_envs([("A", "2"), ("B", "3")])
            .with_name("b");
        assert_eq!(first.packages, ["numpy"]);
        assert_eq!(second.packages, ["numpy", "torch"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(second.env, [pair("A", "2"), pair("B", "3")]);
        assert_eq!(second.name.as_deref(), Some("b"));
    }

    #[test]
    fn a_copied_path_is_cleaned_and_kept_as_given() {
        let spec = ImageSpec::default().with_copy("./src/", "/app");
        let CopyFrom::Workspace { path, given } = &spec.copy[0].from else {
            panic!("a path of the workspace");
        };
        assert_eq!((path.as_str(), given.as_str()), ("src", "./src/"));
    }
}
