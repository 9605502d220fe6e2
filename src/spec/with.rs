//! Builder methods for image specs: one per field, taking and returning the spec by value so that calls chain.
//!
//! Nothing is checked here; [`crate::images::Images`] applies the manifest's rules. Semantics match flytekit's: lists are appended to,
//! map entries are set, single values are replaced, and a clone is independent of its original.

use super::ImageSpec;
use super::build::{OwnDockerfile, OwnStep, PipSecretMount, Secret, SecretFile, put, put_secret};
use super::health::Healthcheck;
use super::parts::{Base, Copy, Debian, SourceCopyMode};
use super::path::GivenPath;

/// Methods that set a string.
macro_rules! texts {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, value: impl Into<String>) -> Self {
            self.$field = Some(value.into());
            self
        }
    )*};
}

/// Methods that append to a list.
macro_rules! lists {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            self.$field.extend(values.into_iter().map(Into::into));
            self
        }
    )*};
}

/// Methods that set a map entry, replacing an earlier value.
macro_rules! names {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            put(&mut self.$field, (name.into(), value.into()), |(name, _)| name);
            self
        }
    )*};
}

/// Methods that set a workspace path.
macro_rules! paths {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(mut self, path: impl Into<String>) -> Self {
            self.$field = Some(GivenPath::new(path));
            self
        }
    )*};
}

/// Builder methods, one per field. They check nothing: [`Images`](crate::Images) reports all mistakes of all its images at once,
/// by the manifest's rules.
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
/// assert!(base.packages.is_empty(), "the original is unchanged");
/// ```
impl ImageSpec {
    /// Creates a spec with this repository name.
    pub fn new(name: impl Into<String>) -> Self {
        Self::default().with_name(name)
    }

    texts! {
        /// Sets the repository name.
        with_name: name;
        /// Sets the registry and optional path prefix, such as `ghcr.io/acme`.
        with_registry: registry;
        /// Sets the backend that must build the image, by its registered kind.
        with_builder: builder;
        /// Installs this version of Python, such as `3.12`.
        with_python_version: python_version;
        /// Sets the Python interpreter inside the image that packages are installed for.
        with_python_exec: python_exec;
        /// Replaces the default package index.
        with_pip_index: pip_index;
        /// Sets additional arguments for the package installer, split as a shell would.
        with_pip_extra_args: pip_extra_args;
        /// Uses NVIDIA's image with this CUDA version as the base.
        with_cuda: cuda;
        /// Adds this version of cuDNN.
        with_cudnn: cudnn;
        /// Sets the user that containers run as.
        with_user: user;
        /// Sets the working directory, which must be absolute.
        with_workdir: workdir;
        /// Sets the format of the tag; `{spec_hash}` stands for the tag derived from the image's key.
        with_tag_format: tag_format;
        /// Sets the signal that asks containers to stop, such as `SIGINT`.
        with_stop_signal: stop_signal;
        /// Sets how layers are compressed: `gzip`, `gzip-single` or `zstd`.
        with_compression: compression;
        /// Makes the image compatible with this version of flytekit: sets its tag, user and environment.
        with_flytekit: flytekit;
        /// Sets flytekit's id of the spec, if it is not the one that imgspec computes.
        with_flytekit_id: flytekit_id;
        /// Installs this version of Python, which flytekit's tag does not include.
        with_flytekit_python: flytekit_python;
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
        /// Adds package index URLs.
        with_pip_extra_index_urls: pip_extra_index_url;
        /// Adds shell commands.
        with_commands: commands;
        /// Adds ports that containers listen on, such as `8080`, `53/udp` or `8000-8010`.
        with_expose: expose;
        /// Adds mount points of volumes.
        with_volumes: volume;
        /// Adds further names: tags of the image's own repository, or whole references.
        with_also_tags: also_tag;
        /// Adds caches of build steps to read: references in registries, or `auto` for the one in the image's repository.
        with_cache_from: cache_from;
        /// Adds caches of build steps to write and to read.
        with_cache_to: cache_to;
        /// Copies only these files of the source root.
        with_source_files: source_files;
        /// Adds packages that flytekit installs when a container starts.
        with_runtime_packages: runtime_packages;
    }

    names! {
        /// Sets an environment variable of the image.
        with_env: env;
        /// Sets a label.
        with_label: labels;
        /// Asks for an attestation, `provenance` (`min` or `max`) or `sbom` (`default`, or the image of a scanner).
        with_attestation: attest;
        /// Sets an option of the builder.
        with_builder_option: builder_options;
        /// Sets a helper image, `uv-image` or `micromamba-image`.
        with_builder_config: builder_config;
    }

    paths! {
        /// Installs the packages listed in a requirements, lock or project file of the workspace.
        with_requirements: requirements;
        /// Sets the directory of the image's own source files.
        with_source_root: source_root;
        /// Sets the configuration file that tells the builder how to reach registries.
        with_registry_config: registry_config;
    }

    /// Adds a platform.
    pub fn with_platform(self, platform: impl Into<String>) -> Self {
        self.with_platforms([platform])
    }

    /// Sets environment variables of the image.
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

    /// Builds on an image from a registry or the local store, or on the empty base `scratch`.
    pub fn with_base(mut self, reference: impl Into<String>) -> Self {
        self.base_image = Some(Base::outside(reference));
        self
    }

    /// Builds on another image of the same [`Images`](crate::Images), by id.
    pub fn with_base_image(mut self, id: impl Into<String>) -> Self {
        self.base_image = Some(Base::Image(id.into()));
        self
    }

    /// Builds on an image in a file or directory of the workspace.
    pub fn with_base_file(mut self, path: impl Into<String>) -> Self {
        let (file, name) = (GivenPath::new(path), None);
        self.base_image = Some(Base::File { file, name });
        self
    }

    /// Builds on a system made of a Debian suite's packages, such as `bookworm`.
    pub fn with_base_debian(mut self, suite: impl Into<String>) -> Self {
        self.base_image = Some(Base::Debian(Debian::new(suite)));
        self
    }

    /// Copies a file or directory of the workspace into the image.
    pub fn with_copy(self, path: impl Into<String>, to: impl Into<String>) -> Self {
        self.with_copy_of(Copy::new(path).to(to))
    }

    /// Copies a file or directory from another image of the same [`Images`](crate::Images).
    pub fn with_copy_from_image(
        self,
        id: impl Into<String>,
        path: impl Into<String>,
        to: impl Into<String>,
    ) -> Self {
        self.with_copy_of(Copy::from_image(id, path).to(to))
    }

    /// Adds a copy with full control over its options.
    pub fn with_copy_of(mut self, copy: Copy) -> Self {
        self.copy.push(copy);
        self
    }

    /// Sets which source files are copied in.
    pub fn with_source_copy_mode(mut self, mode: SourceCopyMode) -> Self {
        self.source_copy_mode = Some(mode);
        self
    }

    /// Sets whether Python packages are compiled to bytecode.
    pub fn with_python_bytecode(mut self, compile: bool) -> Self {
        self.python_bytecode = Some(compile);
        self
    }

    /// Sets the entrypoint; an empty one clears the base's.
    pub fn with_entrypoint<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.entrypoint = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the default command; an empty one clears the base's.
    pub fn with_cmd<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.cmd = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets what runs command lines: commands are appended to these words.
    pub fn with_shell<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.shell = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how running containers are checked.
    pub fn with_healthcheck(mut self, check: Healthcheck) -> Self {
        self.healthcheck = Some(check);
        self
    }

    /// Mounts a local file at an absolute path while Python packages are installed.
    pub fn with_pip_secret_mount(mut self, file: impl Into<String>, to: impl Into<String>) -> Self {
        self.pip_secret_mounts.push(PipSecretMount {
            source: SecretFile::new(file),
            target: to.into(),
        });
        self
    }

    /// Adds a secret, replacing one with the same id.
    pub fn with_secret(mut self, secret: Secret) -> Self {
        put_secret(&mut self.secrets, secret);
        self
    }

    /// Appends user-defined steps, which run after those of the other fields.
    pub fn with_steps(mut self, steps: impl IntoIterator<Item = OwnStep>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Builds a user-supplied Dockerfile, which then defines the whole image.
    pub fn with_dockerfile(mut self, dockerfile: OwnDockerfile) -> Self {
        self.dockerfile = Some(Box::new(dockerfile));
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
