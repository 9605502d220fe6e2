//! Records what a file set was read from, found or not, like a compiler's dependency file.
//!
//! Every lookup of a path and every listing of a directory is reported here. A set is read by a single thread, so
//! recordings are thread-local.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// More symlinks than this in one path count as a cycle.
const LINKS: usize = 40;

thread_local! {
    /// The recordings in progress, nested: a thread that waits for part of one may start another.
    static OPEN: RefCell<Vec<Trail>> = const { RefCell::new(Vec::new()) };
}

/// Everything that a file set was read from, as absolute paths. Only changes there can change the set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// Paths that were looked up, as named.
    pub paths: BTreeSet<PathBuf>,
    /// Directories that were listed.
    pub listed: BTreeSet<PathBuf>,
}

impl Trail {
    /// Adds another trail to this one.
    pub fn add(&mut self, other: &Self) {
        self.paths.extend(other.paths.iter().cloned());
        self.listed.extend(other.listed.iter().cloned());
    }
}

/// Runs `read` and returns what it was read from.
pub(super) fn recorded<T>(read: impl FnOnce() -> T) -> (T, Trail) {
    OPEN.with_borrow_mut(|open| open.push(Trail::default()));
    let result = read();
    let trail = OPEN.with_borrow_mut(Vec::pop);
    (result, trail.unwrap_or_default())
}

/// Records the lookup of a path, whether or not it exists.
pub(in crate::fingerprint) fn looked_up(path: &Path) {
    note(|trail| trail.paths.insert(path.to_owned()));
}

/// Records the listing of a directory.
pub(in crate::fingerprint) fn listed(folder: &Path) {
    note(|trail| trail.listed.insert(folder.to_owned()));
}

fn note(add: impl FnOnce(&mut Trail) -> bool) {
    // Outside a recording, as in comparisons and builds, this does nothing.
    OPEN.with_borrow_mut(|open| open.last_mut().map(add));
}

/// Each directory in which a component of `path` is looked up, with that component, following symlinks, as far as the
/// path exists and is inside the root. For a missing component, this ends with the directory in which it would be
/// created.
pub(crate) fn way(root: &Path, path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut way = Vec::new();
    let Ok(inside) = path.strip_prefix(root) else {
        return way;
    };
    let mut at = root.to_owned();
    let mut ahead: Vec<OsString> = parts(inside);
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == OsStr::new("..") {
            at.pop();
            continue;
        }
        if at.starts_with(root) {
            way.push((at.clone(), part.clone()));
        }
        let next = at.join(&part);
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                ahead.extend(parts(&target));
            }
            Ok(_) => break,
            Err(_) if next.symlink_metadata().is_err() => break,
            Err(_) => at = next,
        }
    }
    way
}

/// The components of a path, in reverse order.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fingerprint::FileReader;
    use crate::recipe::{FileSet, Own};
    use crate::spec::WorkspacePath;

    fn at(path: &str) -> WorkspacePath {
        WorkspacePath::resolve(&WorkspacePath::default(), path).unwrap()
    }

    /// The trail of reading a set below a directory with these files: paths, and directories.
    fn trail(files: &[&str], links: &[(&str, &str)], set: &FileSet) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in files {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), file).unwrap();
        }
        for (link, target) in links {
            symlink(target, root.join(link)).unwrap();
        }
        let reader = FileReader::new(&root).unwrap();
        let _ = reader.read(set);
        let trail = reader.trail(set);
        let names = |paths: &BTreeSet<PathBuf>| -> Vec<String> {
            let inside = paths.iter().map(|path| path.strip_prefix(&root).unwrap());
            inside.map(|path| path.display().to_string()).collect()
        };
        (names(&trail.paths), names(&trail.listed))
    }

    #[test]
    fn what_is_missing_is_said_to_have_been_looked_up() {
        let set = FileSet::Project {
            path: at("poetry.lock"),
        };
        let (paths, listed) = trail(&["poetry.lock"], &[], &set);
        assert_eq!(paths, ["poetry.lock", "pyproject.toml"]);
        assert_eq!(listed, [""; 0]);
    }

    #[test]
    fn ignore_files_that_might_be_there_are_looked_up_and_what_they_leave_out_is_not_listed() {
        let set = FileSet::Context {
            path: at("app"),
            dockerfile: at("app/Dockerfile"),
            own: Own::NOTHING,
        };
        let (paths, listed) = trail(&["app/Dockerfile", "app/src/x", "other/y"], &[], &set);
        assert_eq!(
            paths,
            ["app", "app/.dockerignore", "app/Dockerfile.dockerignore"]
        );
        assert_eq!(listed, ["app", "app/src"]);
    }

    #[test]
    fn a_tree_is_said_with_its_folders_and_what_leads_out_as_far_as_it_goes() {
        let set = FileSet::Tree {
            path: at("app"),
            ignore: at(""),
            own: Own::NOTHING,
        };
        let files = ["app/a/x", "app/b/x", ".imgspec/x"];
        let (paths, listed) = trail(&files, &[], &set);
        assert_eq!(paths, [".dockerignore", "app"]);
        assert_eq!(listed, ["app", "app/a", "app/b"]);
        let (paths, listed) = trail(&[".dockerignore"], &[("app", "/")], &set);
        assert_eq!(paths, [".dockerignore", "app"]);
        assert_eq!(listed, [""; 0]);
    }

    #[test]
    fn of_a_source_root_the_targets_of_links_are_looked_up() {
        let set = FileSet::Source {
            path: at("src"),
            only: Vec::new(),
        };
        let links = [("src/link.py", "../lib/real.py")];
        let (paths, listed) = trail(&["src/x.py", "lib/real.py"], &links, &set);
        assert_eq!(paths, ["src", "src/.dockerignore", "src/link.py"]);
        assert_eq!(listed, ["src"]);
    }

    #[test]
    fn the_way_to_a_path_goes_through_all_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("releases/one")).unwrap();
        symlink("releases/one", root.join("current")).unwrap();
        let names = |path: &str| -> Vec<String> {
            let way = way(&root, &root.join(path)).into_iter();
            way.map(|(_, name)| name.into_string().unwrap()).collect()
        };
        assert_eq!(names("current/x/y"), ["current", "releases", "one", "x"]);
    }
}
