//! What git would wait for until its time is up: pipes where it reads files.
//!
//! Looked at beforehand, as git has no setting against it. What is put there afterwards costs no more than git's time.

use std::path::Path;

use super::super::error::Error;
use super::super::walk::place;
use crate::disk::FileKind;
use crate::disk::read::Refusal;
use crate::fingerprint::FilesError;

/// Where a repository says what it ignores.
const IGNORE_FILE: &str = ".gitignore";

/// What git reads of a repository to say what it ignores.
const OF_THE_REPOSITORY: [&str; 5] = [
    ".git",
    ".git/HEAD",
    ".git/config",
    ".git/index",
    ".git/info/exclude",
];

/// Refuses whatever git would read for this directory, which holds these files, and what is neither file nor directory.
pub(super) fn refuse(root: &Path, folder: &Path, files: &[String]) -> Result<(), Error> {
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
    use crate::git::init;

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
            init(at);
            std::fs::create_dir_all(at.join("d/e")).unwrap();
            let files = [".gitignore".to_owned(), "e/.gitignore".to_owned()];
            refuse(at, &at.join("d"), &files).unwrap();
            let pipe = at.join(name);
            let _ = std::fs::remove_file(&pipe);
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
            let error = refuse(at, &at.join("d"), &files).unwrap_err();
            let said = format!("`{name}` is a named pipe, not a file");
            assert_eq!(error.to_string(), said);
        }
    }
}
