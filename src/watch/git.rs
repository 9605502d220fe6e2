//! Detects git operations that are moving files.
//!
//! Checks for git's own lock and state files and starts no process. The repository is located once, at the start: a
//! watch started outside a repository gains nothing from one that is created later.

use std::path::{Path, PathBuf};

use crate::disk::limits;
use crate::disk::read::{self, Links};

/// Entries of the git directory that exist while files are being moved.
const SIGNS: [(&str, &str); 5] = [
    ("index.lock", "git is running"),
    ("rebase-merge", "git is in the middle of a rebase"),
    ("rebase-apply", "git is in the middle of a rebase"),
    ("MERGE_HEAD", "git is in the middle of a merge"),
    ("CHERRY_PICK_HEAD", "git is in the middle of a cherry-pick"),
];

#[derive(Debug, Clone)]
pub(super) struct Git(Option<PathBuf>);

impl Git {
    /// The repository of `root`: the nearest ancestor directory that has one.
    pub(super) fn find(root: &Path) -> Self {
        Self(
            root.ancestors()
                .find_map(|folder| folder_of(&folder.join(".git"))),
        )
    }

    pub(super) fn busy(&self) -> Option<&'static str> {
        let folder = self.0.as_ref()?;
        let sign = |(name, _): &&(&str, &str)| folder.join(name).symlink_metadata().is_ok();
        SIGNS.iter().find(sign).map(|(_, words)| *words)
    }
}

/// In a worktree or submodule, `.git` is a file that contains the path of the directory.
fn folder_of(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let bytes = read::bytes(git, Links::Follow, limits::GIT_FILE).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let folder = text.strip_prefix("gitdir:")?.trim();
    let folder = git.parent()?.join(folder);
    folder.is_dir().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in compose#13136 and skaffold#4647.
    #[test]
    fn a_lock_a_rebase_and_a_merge_are_seen_in_repositories_and_worktrees() {
        let folder = tempfile::tempdir().unwrap();
        let (main, tree) = (
            folder.path().join("main"),
            folder.path().join("tree/services"),
        );
        let state = main.join(".git/worktrees/tree");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::create_dir_all(&tree).unwrap();
        let link = format!("gitdir: {}\n", state.display());
        std::fs::write(folder.path().join("tree/.git"), link).unwrap();
        for (root, state) in [(&main, main.join(".git")), (&tree, state)] {
            let git = Git::find(root);
            assert_eq!(git.busy(), None);
            for (name, words) in SIGNS {
                std::fs::write(state.join(name), "").unwrap();
                assert_eq!(git.busy(), Some(words));
                std::fs::remove_file(state.join(name)).unwrap();
            }
        }
    }

    #[test]
    fn no_repository_is_never_busy() {
        assert_eq!(Git(None).busy(), None);
    }
}
