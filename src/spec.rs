//! What one image is asked to be: plain data, in the words of the manifest.
//!
//! Knows nothing of files, graphs or builders. The choice made: fields are exactly those that a user writes, after
//! inheritance and variables but before any default that another module owns (see [`crate::recipe`]).

use std::fmt;

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
    /// A requirements file of the workspace.
    pub requirements: Option<WorkspacePath>,
    /// URL of the package index that replaces the default one.
    pub pip_index: Option<String>,
    /// URLs of further package indexes.
    pub pip_extra_index_url: Vec<String>,
    /// Further arguments of the installer, split as a shell would.
    pub pip_extra_args: Option<String>,
    /// Environment of the image, in the order of the manifest.
    pub env: Vec<(String, String)>,
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
