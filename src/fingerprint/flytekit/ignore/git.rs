//! Which untracked files git ignores.
//!
//! Runs git, nothing of the repository. The choices made: the user's and the machine's own git settings are left out, unlike
//! in flytekit, so that a laptop and a CI job get one tag; and where git cannot say what flytekit would be told, that is an
//! error rather than "nothing is ignored".

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::asking::Asker;
use crate::disk::system_words;
use crate::fingerprint::flytekit::Error;
use crate::fingerprint::flytekit::walk::place;
use crate::process::{Said, ask};

/// How long git may take: a folder of a million files takes seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// Settings that keep git from running anything, and from asking whose repository it is, which is then of no importance.
const SETTINGS: [&str; 3] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "safe.directory=*",
];

/// What points git, in a hook for example, at another repository or at more settings.
const FOREIGN: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];

/// The files below a folder that git ignores, relative to it, as git writes them: with quotes around odd names.
pub(super) fn ignored(root: &Path, folder: &Path) -> Result<HashSet<String>, Error> {
    if !is_in_repository(folder) {
        return Ok(HashSet::new());
    }
    let failed = |why: &str| Error::Git {
        folder: place(root, folder),
        why: why.to_owned(),
    };
    let said = ask(&mut command(folder), &Asker::silent().ask("git", LIMIT))
        .map_err(|error| failed(&system_words(&error)))?;
    if said.success {
        return Ok(said.out.lines().map(str::to_owned).collect());
    }
    if is_no_repository(&said) {
        return Ok(HashSet::new());
    }
    let line = said.err.lines().next().unwrap_or("it says no reason");
    Err(failed(line.trim_start_matches("fatal: ")))
}

/// Whether there is anything to ask git about; where there is not, git need not be installed.
fn is_in_repository(folder: &Path) -> bool {
    folder
        .ancestors()
        .any(|folder| folder.join(".git").symlink_metadata().is_ok())
}

/// A `.git` that git does not take for one, or a repository without files.
fn is_no_repository(said: &Said) -> bool {
    ["not a git repository", "must be run in a work tree"]
        .iter()
        .any(|words| said.err.contains(words))
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
        .args(["ls-files", "-io", "--exclude-standard"])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        // Where git looks for the user's ignore file whatever the settings say.
        .env("XDG_CONFIG_HOME", "/dev/null")
        .env("LC_ALL", "C");
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::flytekit::tests::git_init;

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
        git_init(at);
        write(at, ".gitignore", "*.log\n");
        for name in ["a.log", "é.log", "b.txt"] {
            write(at, name, "");
        }
        let found = sorted(ignored(at, at).unwrap());
        assert_eq!(found, ["\"\\303\\251.log\"", "a.log"]);
    }

    #[test]
    fn a_folder_called_git_is_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert_eq!(sorted(ignored(at, at).unwrap()), [""; 0]);
        std::fs::create_dir(at.join(".git")).unwrap();
        assert_eq!(sorted(ignored(at, at).unwrap()), [""; 0]);
    }

    #[test]
    fn nothing_of_the_repository_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        git_init(at);
        let config = at.join(".git/config");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text += &format!(
            "[core]\n\tfsmonitor = \"touch {}/ran; false\"\n",
            at.display()
        );
        std::fs::write(config, text).unwrap();
        ignored(at, at).unwrap();
        assert!(!at.join("ran").exists());
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
