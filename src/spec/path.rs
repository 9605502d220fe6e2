//! Paths of the workspace, as they are and as manifests give them.

use std::borrow::Borrow;
use std::fmt;

/// A path inside the workspace: relative to its root, `/` between parts, no `.` or `..` parts; the root itself is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkspacePath(String);

impl WorkspacePath {
    /// The root of the workspace.
    pub const ROOT: Self = Self(String::new());

    /// Returns the path that `given` names when it is said in `folder`, or `None` when it is absolute or leaves the workspace.
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

    /// The parts of the path, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The directory that holds this path; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or("", |(head, _)| head)
                .to_owned(),
        )
    }

    /// Whether it is this directory, or in it at any depth.
    pub fn is_at_or_below(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(&folder.0);
        rest.is_some_and(|rest| folder.0.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }

    /// The last part; none for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.parts().last()
    }

    /// The path on disk below `root`.
    pub fn under(&self, root: &std::path::Path) -> std::path::PathBuf {
        if self.0.is_empty() {
            root.to_owned()
        } else {
            root.join(&self.0)
        }
    }
}

/// Paths are found in sets and maps by their text.
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

/// A path leads out of the directory of the images, or is absolute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a path in the workspace")]
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

/// A path as the manifest gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenPath {
    /// The file or directory.
    pub path: WorkspacePath,
    /// The path as the manifest gives it, relative to the manifest's directory.
    pub given: String,
}

impl GivenPath {
    /// A path, relative to the directory of the images. One that leads out of it is refused when the images are checked.
    pub fn new(path: impl Into<String>) -> Self {
        let given = path.into();
        Self {
            path: WorkspacePath::resolve(&WorkspacePath::ROOT, &given).unwrap_or_default(),
            given,
        }
    }
}

/// What a path of a manifest should lead to.
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
