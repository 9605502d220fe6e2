//! Where files lie: a path as the source gives it → the path that the manifest gives.
//!
//! Pure text but for asking whether a path is there. The choice made: paths are cleaned by their words, links not followed,
//! as both flytekit and a manifest read them.

use std::path::{Component, Path, PathBuf};

/// The folders that paths are relative to.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the other tool runs: its relative paths begin here.
    from: PathBuf,
    /// The folder of the manifest.
    to: PathBuf,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lies {
    /// Below the manifest's folder, by this path.
    Inside(String),
    /// Elsewhere on this machine.
    Outside(PathBuf),
    /// Its name is no text.
    Unnamed,
}

impl Places {
    /// Paths relative to `from`, said in a manifest of the folder `to`; both absolute.
    #[must_use]
    pub fn new(from: &Path, to: &Path) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| clean(path));
        Self {
            from: real(from),
            to: real(to),
        }
    }

    /// Where the other tool runs.
    pub(super) fn origin(&self) -> &Path {
        &self.from
    }

    /// Where a given path leads.
    pub(super) fn of(&self, given: &str) -> Lies {
        let path = clean(&self.from.join(given));
        let inside = path.strip_prefix(&self.to).map(Path::to_path_buf);
        // An absolute path may say the same folder by another way.
        let inside = inside.or_else(|_| {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            real.strip_prefix(&self.to).map(Path::to_path_buf)
        });
        match inside {
            Err(_) => Lies::Outside(path),
            Ok(inside) => match inside.to_str() {
                Some("") => Lies::Inside(".".to_owned()),
                Some(inside) => Lies::Inside(inside.to_owned()),
                None => Lies::Unnamed,
            },
        }
    }

    /// Whether there is something at a path of the manifest.
    pub(super) fn has(&self, path: &str) -> bool {
        self.to.join(path).exists()
    }

    /// Whether a path of the manifest is a folder.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.to.join(path).is_dir()
    }
}

/// The path without `.` and `..`.
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
    fn paths_are_said_from_the_manifest_when_they_are_below_it() {
        let places = Places::new(Path::new("/nowhere/repo/a"), Path::new("/nowhere/repo"));
        for (given, said) in [
            ("x.txt", "a/x.txt"),
            ("./b/../c", "a/c"),
            ("..", "."),
            ("../d/", "d"),
            ("/nowhere/repo/e", "e"),
        ] {
            assert_eq!(places.of(given), Lies::Inside(said.into()), "{given}");
        }
        for outside in ["../..", "/etc/x", "../../repo2/x"] {
            assert!(matches!(places.of(outside), Lies::Outside(_)), "{outside}");
        }
    }
}
