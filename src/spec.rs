//! What one image is asked to be: plain data, in the words of the manifest.
//!
//! Knows nothing of files, graphs or builders. The choice made: fields are exactly those that a user writes, after
//! inheritance and variables but before any default that another module owns (see [`crate::recipe`]).

mod build;
mod parts;
mod requirements;
mod with;

use std::fmt;

pub use build::{
    NamedContext, OwnDockerfile, OwnStep, PipSecretMount, Secret, SecretFile, SecretSource,
    SecretStep, SecretUse,
};
pub use parts::OutsidePath;
pub use requirements::RequirementsKind;

/// One image as its user describes it. The names are those of flytekit's `ImageSpec`, plus Docker's words where
/// flytekit has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageSpec {
    /// Repository name of the reference; the image's id when absent.
    pub name: Option<String>,
    /// Registry (and path) before the name, such as `ghcr.io/acme`; none for local images.
    pub registry: Option<String>,
    /// The backend that must build this image.
    pub builder: Option<String>,
    /// Platforms, such as `linux/amd64`; empty means [`DEFAULT_PLATFORM`].
    pub platform: Vec<String>,
    /// What the image is built on; none means [`DEFAULT_BASE`].
    pub base_image: Option<Base>,
    /// Debian packages.
    pub apt_packages: Vec<String>,
    /// Version of the Python that uv installs under `/opt/python`, such as `3.12`.
    pub python_version: Option<String>,
    /// Path inside the image of the Python that receives the packages.
    pub python_exec: Option<String>,
    /// Python requirement specifiers.
    pub packages: Vec<String>,
    /// Conda packages, from conda-forge and [`Self::conda_channels`].
    pub conda_packages: Vec<String>,
    /// Further conda channels, looked at after conda-forge.
    pub conda_channels: Vec<String>,
    /// A requirements file, lock file or project file of the workspace.
    pub requirements: Option<GivenPath>,
    /// URL of the package index that replaces the default one.
    pub pip_index: Option<String>,
    /// URLs of further package indexes.
    pub pip_extra_index_url: Vec<String>,
    /// Further arguments of the installer, split as a shell would.
    pub pip_extra_args: Option<String>,
    /// Files of this machine that the installer of Python packages is shown, and where.
    pub pip_secret_mounts: Vec<PipSecretMount>,
    /// Secrets that steps are given while they run.
    pub secrets: Vec<Secret>,
    /// CUDA version, such as `12.4`: the base is NVIDIA's.
    pub cuda: Option<String>,
    /// cuDNN version, such as `9`; only with [`Self::cuda`].
    pub cudnn: Option<String>,
    /// Environment of the image, in the order of the manifest.
    pub env: Vec<(String, String)>,
    /// The folder of the image's own source files.
    pub source_root: Option<GivenPath>,
    /// Which of the source files are copied in.
    pub source_copy_mode: Option<SourceCopyMode>,
    /// Files that are copied into the image, in order.
    pub copy: Vec<Copy>,
    /// Shell commands that are run in the image, in order.
    pub commands: Vec<String>,
    /// Arguments of the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments of the image.
    pub cmd: Option<Vec<String>>,
    /// User that containers of the image run as.
    pub user: Option<String>,
    /// Working folder of the image, absolute.
    pub workdir: Option<String>,
    /// Labels, in the order of the manifest.
    pub labels: Vec<(String, String)>,
    /// Format of the tag, with `{spec_hash}` for the key's tag.
    pub tag_format: Option<String>,
    /// Steps in the user's own order, after those of the fields.
    pub steps: Vec<OwnStep>,
    /// A Dockerfile of the user's own, which then is all there is to the image.
    pub dockerfile: Option<OwnDockerfile>,
    /// Python packages that flytekit installs when a container starts; only with [`Self::flytekit`].
    pub runtime_packages: Vec<String>,
    /// How the builder builds, by its own names.
    pub builder_options: Vec<(String, String)>,
    /// The helper images that builders take programs from: `uv-image`, `micromamba-image`.
    pub builder_config: Vec<(String, String)>,
    /// How the builder reaches registries: a file of envd's.
    pub registry_config: Option<GivenPath>,
    /// The version of flytekit whose image this is: its tag, its user, its environment.
    pub flytekit: Option<String>,
}

/// What an image needs of another one of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need<'a> {
    /// The manifest's name of the field that says it, such as `base-image` or `copy[2]`.
    pub field: String,
    /// The other image's id.
    pub image: &'a str,
    /// Whether it is built on it, rather than copying files out of it.
    pub is_base: bool,
}

/// What a path of a manifest should lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Either.
    Any,
}

impl ImageSpec {
    /// The images of the workspace that it needs, in the order of the fields.
    #[must_use]
    pub fn needs(&self) -> Vec<Need<'_>> {
        let mut needs = Vec::new();
        let mut need = |field: String, image, is_base| {
            needs.push(Need {
                field,
                image,
                is_base,
            });
        };
        if let Some(Base::Image(id)) = &self.base_image {
            need("base-image".to_owned(), id.as_str(), true);
        }
        for (field, copy) in self.copies() {
            if let CopyFrom::Image { image, .. } = &copy.from {
                need(field, image, false);
            }
        }
        for (name, context) in self.dockerfile.iter().flat_map(|own| &own.contexts) {
            if let NamedContext::Image(id) = context {
                need(format!("dockerfile.contexts.{name}"), id, true);
            }
        }
        needs
    }

    /// The files and folders of the workspace that it reads, with the manifest's names of the fields that name them.
    #[must_use]
    pub fn paths(&self) -> Vec<(String, &WorkspacePath, PathKind)> {
        let mut paths = Vec::new();
        let mut file = |field: String, path, kind| paths.push((field, path, kind));
        if let Some(requirements) = &self.requirements {
            file(
                "requirements".to_owned(),
                &requirements.path,
                PathKind::File,
            );
        }
        if let Some(config) = &self.registry_config {
            file("registry-config".to_owned(), &config.path, PathKind::File);
        }
        if let Some(root) = &self.source_root {
            file("source-root".to_owned(), &root.path, PathKind::Folder);
        }
        for (at, step) in self.steps.iter().enumerate() {
            if let OwnStep::Pip {
                requirements: Some(requirements),
                ..
            } = step
            {
                file(format!("steps[{at}]"), &requirements.path, PathKind::File);
            }
        }
        for (field, copy) in self.copies() {
            if let CopyFrom::Workspace { path, .. } = &copy.from {
                file(field, path, PathKind::Any);
            }
        }
        if let Some(own) = &self.dockerfile {
            file("dockerfile".to_owned(), &own.path, PathKind::File);
            file(
                "dockerfile.context".to_owned(),
                &own.context,
                PathKind::Folder,
            );
            for (name, context) in &own.contexts {
                if let NamedContext::Folder(path) = context {
                    file(
                        format!("dockerfile.contexts.{name}"),
                        path,
                        PathKind::Folder,
                    );
                }
            }
        }
        paths
    }

    /// All copies: of `copy`, then of `steps`.
    fn copies(&self) -> impl Iterator<Item = (String, &Copy)> {
        let own = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                OwnStep::Copy(copy) => Some((format!("steps[{at}]"), copy)),
                _ => None,
            });
        let copy = self.copy.iter().enumerate();
        copy.map(|(at, copy)| (format!("copy[{at}]"), copy))
            .chain(own)
    }
}

/// A path as the manifest gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenPath {
    /// The file or folder.
    pub path: WorkspacePath,
    /// The path as the manifest gives it, relative to the manifest's folder.
    pub given: String,
}

/// Which source files are copied into the image: flytekit's `CopyFileDetection`, less what only a running Python knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCopyMode {
    /// All of them.
    All,
    /// None.
    None,
}

/// The platform of images that name none: fixed, so that every machine computes the same key.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// The base of images that name none: flytekit's.
pub const DEFAULT_BASE: &str = "debian:bookworm-slim";

/// What an image is built on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Another image of the workspace, by id: an edge of the graph.
    Image(String),
    /// An image of a registry (or of the local store), by reference.
    Registry(String),
    /// Nothing.
    Scratch,
}

/// One `copy` of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where the files come from.
    pub from: CopyFrom,
    /// Where they go; none means the same path below the working folder.
    pub to: Option<String>,
    /// Owner inside the image, `user` or `user:group`.
    pub owner: Option<String>,
}

/// Where copied files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFrom {
    /// A file or folder of the workspace.
    Workspace {
        /// The file or folder.
        path: WorkspacePath,
        /// The path as the manifest gives it, relative to the manifest's folder; the default destination's tail.
        given: String,
    },
    /// A file or folder out of another image of the workspace: an edge of the graph.
    Image {
        /// Id of the other image.
        image: String,
        /// Absolute path inside it.
        path: String,
    },
}

/// A path inside the workspace: relative to its root, `/` between parts, no `.` or `..` parts; the root itself is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkspacePath(String);

impl WorkspacePath {
    /// The root of the workspace.
    pub const ROOT: Self = Self(String::new());

    /// Returns the path that `given` names when it is said in `folder`, or `None` when it is absolute or leaves the workspace.
    #[must_use]
    pub fn resolve(folder: &Self, given: &str) -> Option<Self> {
        if given.starts_with('/') {
            return None;
        }
        let mut parts: Vec<&str> = folder.parts().collect();
        for part in given.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        Some(Self(parts.join("/")))
    }

    /// The path as text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the path, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The folder that holds this path; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or("", |(head, _)| head)
                .to_owned(),
        )
    }

    /// The last part; none for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.parts().last()
    }

    /// The path on disk below `root`.
    #[must_use]
    pub fn under(&self, root: &std::path::Path) -> std::path::PathBuf {
        if self.0.is_empty() {
            root.to_owned()
        } else {
            root.join(&self.0)
        }
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::WorkspacePath;

    #[test]
    fn paths_are_cleaned_and_stay_inside() {
        let root = WorkspacePath::default();
        let services = WorkspacePath::resolve(&root, "services/./train/").unwrap();
        assert_eq!(services.as_str(), "services/train");
        assert_eq!(
            WorkspacePath::resolve(&services, "../lib//x")
                .unwrap()
                .as_str(),
            "services/lib/x"
        );
        assert_eq!(WorkspacePath::resolve(&services, "../..").unwrap(), root);
        assert_eq!(WorkspacePath::resolve(&services, "../../.."), None);
        assert_eq!(WorkspacePath::resolve(&services, "/etc"), None);
    }

    #[test]
    fn parents_end_at_the_root() {
        let path = WorkspacePath::resolve(&WorkspacePath::default(), "a/b").unwrap();
        assert_eq!(path.parent().as_str(), "a");
        assert_eq!(path.parent().parent().as_str(), "");
        assert_eq!(path.file_name(), Some("b"));
    }
}
