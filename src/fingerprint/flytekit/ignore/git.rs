//! Which untracked files git ignores.
//!
//! Unlike flytekit, this disregards the user's and the machine's git configuration, so that a laptop and a CI job
//! compute the same tag. If git fails, that is an error rather than "nothing is ignored".

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::disk::FileKind;
use crate::disk::read::Refusal;
use crate::fingerprint::FilesError;
use crate::fingerprint::flytekit::error::Error;
use crate::fingerprint::flytekit::walk::place;
use crate::git;

/// Time limit for git; a directory with a million files takes seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// The untracked files in `folder` that git ignores, relative to it and as git prints them: unusual names are quoted.
pub(super) fn ignored(
    root: &Path,
    folder: &Path,
    files: &[String],
) -> Result<HashSet<String>, Error> {
    refuse_pipes(root, folder, files)?;
    let files = git::files(folder, &["-io", "--exclude-standard"], LIMIT);
    let files = files.map_err(|why| Error::Git {
        folder: place(root, folder),
        why,
    })?;
    Ok(files.unwrap_or_default().into_iter().collect())
}

/// The file in which a repository lists what it ignores.
const IGNORE_FILE: &str = ".gitignore";

/// Other files of a repository that git reads to determine what it ignores.
const OF_THE_REPOSITORY: [&str; 5] = [
    ".git",
    ".git/HEAD",
    ".git/config",
    ".git/index",
    ".git/info/exclude",
];

/// Rejects files that git would read for this directory if they are neither file nor directory: git has no option
/// against waiting for a named pipe and would hang until its time limit. `files` are the contents of the directory. For
/// a pipe created after this check, the time limit still applies.
fn refuse_pipes(root: &Path, folder: &Path, files: &[String]) -> Result<(), Error> {
    let is_repository = |at: &&Path| at.join(".git").symlink_metadata().is_ok();
    let Some(repository) = folder.ancestors().find(is_repository) else {
        return Ok(());
    };
    let is_rules = |file: &&String| file.rsplit('/').next() == Some(IGNORE_FILE);
    let inside = files.iter().filter(is_rules).map(|file| folder.join(file));
    let above = folder.ancestors().skip(1);
    let above = above.take_while(|at| at.starts_with(repository));
    let above = above.map(|at| at.join(IGNORE_FILE));
    let own = OF_THE_REPOSITORY.iter().map(|name| repository.join(name));
    for file in inside.chain(above).chain(own) {
        match FileKind::at(&file) {
            Ok(FileKind::File | FileKind::Directory) | Err(_) => {}
            Ok(kind) => {
                let file = place(root, &file);
                return Err(FilesError::named(&file, None, Refusal::Kind(kind)).into());
            }
        }
    }
    Ok(())
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
        let found = sorted(ignored(at, at, &[]).unwrap());
        assert_eq!(found, ["\"\\303\\251.log\"", "a.log"]);
    }

    #[test]
    fn a_broken_repository_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, ".git", "nonsense");
        let error = ignored(at, at, &[]).unwrap_err();
        assert!(
            error.to_string().contains("invalid gitfile format"),
            "{error}"
        );
    }

    #[test]
    fn git_is_not_left_waiting_for_a_pipe() {
        for name in [
            ".gitignore",
            "d/.gitignore",
            "d/e/.gitignore",
            ".git/config",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            git::init(at);
            std::fs::create_dir_all(at.join("d/e")).unwrap();
            let files = [".gitignore".to_owned(), "e/.gitignore".to_owned()];
            refuse_pipes(at, &at.join("d"), &files).unwrap();
            let pipe = at.join(name);
            let _ = std::fs::remove_file(&pipe);
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
            let error = refuse_pipes(at, &at.join("d"), &files).unwrap_err();
            let said = format!("`{name}` is a named pipe, not a file");
            assert_eq!(error.to_string(), said);
        }
    }
}
