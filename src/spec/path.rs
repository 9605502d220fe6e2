//! Workspace paths, both normalized and as written in manifests.

use std::borrow::Borrow;
use std::fmt;

/// A normalized path inside the workspace: relative to its root, `/`-separated, without `.` or `..`. The root is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkspacePath(String);

impl WorkspacePath {
    /// The workspace root.
    pub const ROOT: Self = Self(String::new());

    /// Resolves `given` relative to `folder`. Returns `None` if it is absolute or leaves the workspace.
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
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components of the path, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The parent directory; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or("", |(head, _)| head)
                .to_owned(),
        )
    }

    /// Whether this path is `folder` itself or lies below it.
    pub fn is_at_or_below(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(&folder.0);
        rest.is_some_and(|rest| folder.0.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }

    /// The last component; `None` for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.parts().last()
    }

    /// The file system path, given the workspace root.
    pub fn under(&self, root: &std::path::Path) -> std::path::PathBuf {
        if self.0.is_empty() {
            root.to_owned()
        } else {
            root.join(&self.0)
        }
    }
}

/// Allows sets and maps keyed by paths to be looked up by `&str`.
impl Borrow<str> for WorkspacePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// The error for a path that is absolute or leaves the directory of the images.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a path in the workspace")]
pub struct OutsidePath {
    /// The path as given.
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

/// A workspace path along with its original spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct GivenPath {
    /// The normalized path.
    pub path: WorkspacePath,
    /// The path as written, relative to the manifest's directory.
    pub given: String,
}

impl GivenPath {
    /// A path relative to the directory of the images. If it leaves that directory, the images' check reports it.
    pub fn new(path: impl Into<String>) -> Self {
        let given = path.into();
        Self {
            path: WorkspacePath::resolve(&WorkspacePath::ROOT, &given).unwrap_or_default(),
            given,
        }
    }
}

/// What a path in a manifest must point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathKind {
    /// A file.
    File,
    /// A directory.
    Folder,
    /// Either.
    Any,
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
