//! Checks that a workspace's state directory is usable and has not been committed by mistake.
//!
//! Runs git, and is therefore not part of planning and building, which start no processes for this.

use std::path::Path;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::disk::dir::DirError;
use crate::git;
use crate::store::Store;
use crate::workspace::STATE_FOLDER;

/// Time limit for git to read its index.
const LIMIT: Duration = Duration::from_secs(10);

/// Errors and warnings about the state directory of the workspace with this root.
#[must_use]
pub fn state(root: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(unusable(root));
    if root.join(STATE_FOLDER).symlink_metadata().is_ok() {
        found.extend(committed(root));
    }
    found
}

fn unusable(root: &Path) -> Option<Diagnostic> {
    let error = Store::look(root).verify().err()?;
    let trouble = DirError::of(&error)?;
    let mistake = Diagnostic::error("state-folder", trouble.what());
    Some(match trouble.help() {
        Some(help) => mistake.help(help),
        None => mistake,
    })
}

fn committed(root: &Path) -> Option<Diagnostic> {
    let doubt = |message| Diagnostic::lint("state-committed", message);
    match git::files(root, &["--cached", "--", STATE_FOLDER], LIMIT) {
        Ok(files) => {
            files.filter(|files| !files.is_empty())?;
            let message = format!("the state directory `{STATE_FOLDER}` is committed to git");
            Some(doubt(message).help(format!(
                "its contents apply to one machine only; remove it from git: `git rm -r --cached {STATE_FOLDER}`"
            )))
        }
        Err(why) => Some(doubt(format!(
            "git cannot tell whether the state directory `{STATE_FOLDER}` is committed: {why}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_without_state_has_nothing_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        git::init(folder.path());
        assert_eq!(state(folder.path()), []);
        assert!(!folder.path().join(STATE_FOLDER).exists());
    }
}
