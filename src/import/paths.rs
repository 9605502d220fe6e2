//! Converts paths of the source to paths of the manifest.
//!
//! `.` and `..` are resolved lexically, without following links, as both flytekit and manifests do.

use std::path::{Component, Path, PathBuf};

/// The two directories that paths are relative to.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The working directory of the other tool.
    pub(super) from: PathBuf,
    /// The manifest's directory.
    to: PathBuf,
}

enum Location {
    /// Below the manifest's directory, as a path relative to it.
    Inside(String),
    Outside(PathBuf),
    NotUtf8,
}

impl Paths {
    /// Source paths are relative to `from`, manifest paths to `to`. Both must be absolute.
    pub fn new(from: &Path, to: &Path) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| clean(path));
        Self {
            from: real(from),
            to: real(to),
        }
    }

    /// The same, with source paths relative to another directory.
    pub(super) fn starting_at(&self, from: &Path) -> Self {
        Self::new(&self.from.join(from), &self.to)
    }

    fn locate(&self, given: &str) -> Location {
        let path = clean(&self.from.join(given));
        let inside = path.strip_prefix(&self.to).map(Path::to_path_buf);
        // An absolute path may reach the same directory through a link.
        let inside = inside.or_else(|_| {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            real.strip_prefix(&self.to).map(Path::to_path_buf)
        });
        match inside {
            Err(_) => Location::Outside(path),
            Ok(inside) => match inside.to_str() {
                Some("") => Location::Inside(".".to_owned()),
                Some(inside) => Location::Inside(inside.to_owned()),
                None => Location::NotUtf8,
            },
        }
    }

    /// Converts a path that must be below the manifest's directory. The error completes a sentence, such as `is not valid UTF-8`.
    pub(super) fn inside(&self, given: &str) -> Result<String, &'static str> {
        match self.locate(given) {
            Location::Inside(path) => Ok(path),
            Location::Outside(_) => {
                Err("is outside the manifest's directory; `-o` can write the manifest further up")
            }
            Location::NotUtf8 => Err("is not valid UTF-8"),
        }
    }

    /// Converts a path that may be anywhere, such as that of a secret file.
    pub(super) fn anywhere(&self, given: &str) -> String {
        match self.locate(given) {
            _ if given.starts_with("~/") => given.to_owned(),
            Location::Inside(path) => path,
            Location::Outside(path) => path.to_string_lossy().into_owned(),
            Location::NotUtf8 => given.to_owned(),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.to.join(path).exists()
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.to.join(path).is_dir()
    }
}

/// Resolves `.` and `..` lexically.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_manifest_when_they_are_below_it() {
        let paths = Paths::new(Path::new("/nowhere/repo/a"), Path::new("/nowhere/repo"));
        for (given, expected) in [
            ("x.txt", "a/x.txt"),
            ("./b/../c", "a/c"),
            ("..", "."),
            ("../d/", "d"),
            ("/nowhere/repo/e", "e"),
        ] {
            assert_eq!(paths.inside(given).as_deref(), Ok(expected), "{given}");
        }
        for outside in ["../..", "/etc/x", "../../repo2/x"] {
            assert!(paths.inside(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn files_of_secrets_may_be_anywhere() {
        let paths = Paths::new(Path::new("/nowhere/repo/a"), Path::new("/nowhere/repo"));
        for (given, expected) in [
            ("x", "a/x"),
            ("../../x", "/nowhere/x"),
            ("~/.netrc", "~/.netrc"),
        ] {
            assert_eq!(paths.anywhere(given), expected);
        }
    }
}
