//! Which untracked files git ignores.
//!
//! The user's and the machine's own git settings are left out, unlike in flytekit, so that a laptop and a CI job get one tag; and
//! where git cannot say what flytekit would be told, that is an error rather than "nothing is ignored".

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::fingerprint::flytekit::error::Error;
use crate::fingerprint::flytekit::walk::place;
use crate::git;

/// How long git may take: a directory of a million files takes seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// The files below a directory that git ignores, relative to it, as git writes them: with quotes around odd names.
pub(super) fn ignored(root: &Path, folder: &Path) -> Result<HashSet<String>, Error> {
    let files = git::files(folder, &["-io", "--exclude-standard"], LIMIT);
    let files = files.map_err(|why| Error::Git {
        folder: place(root, folder),
        why,
    })?;
    Ok(files.unwrap_or_default().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn sorted(found: HashSet<String>) -> Vec<String> {
        let mut found: Vec<String> = found.into_iter().collect();
        found.sort();
        found
    }

    #[test]
    fn git_s_ignored_files_are_told_as_git_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        git::init(at);
        write(at, ".gitignore", "*.log\n");
        for name in ["a.log", "é.log", "b.txt"] {
            write(at, name, "");
        }
        let found = sorted(ignored(at, at).unwrap());
        assert_eq!(found, ["\"\\303\\251.log\"", "a.log"]);
    }

    #[test]
    fn a_broken_repository_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, ".git", "nonsense");
        let error = ignored(at, at).unwrap_err();
        assert!(
            error.to_string().contains("invalid gitfile format"),
            "{error}"
        );
    }
}
