//! Runs git on repositories that are not trusted.
//!
//! Git is run so that it executes nothing from the repository: no hooks, no file system monitor, no transport named in its
//! settings. User and system settings are ignored too, so that a laptop and a CI job get the same answer.

mod extract;
mod objects;
mod revision;
mod tree;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::asking::{Asker, Question};
use crate::disk::system_words;
use crate::process;

pub(crate) use extract::Extract;
pub use revision::Revision;
pub(crate) use revision::resolve;
pub(crate) use tree::Tree;

/// Time limit for git's answers to questions about commits and their files, from one part to the next.
const LIMIT: Duration = Duration::from_mins(2);

/// Settings that keep git from running other programs and from checking repository ownership, which does not matter then.
const SETTINGS: [&str; 4] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "safe.directory=*",
    "submodule.recurse=false",
];

/// Variables that take precedence over the repository's settings. They also keep git from fetching missing objects of partial
/// clones by running whatever program a remote's address names.
const VARIABLES: [(&str, &str); 9] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    // A commit's content is what its hash says, wherever it is read.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // Git looks for the user's ignore file here regardless of its settings.
    ("XDG_CONFIG_HOME", "/dev/null"),
    ("LC_ALL", "C"),
];

/// Variables, set in hooks for example, that point git to another repository or to more settings.
const FOREIGN: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];

/// Lists files of the repository that contains a directory, as git prints them. `None` if there is no repository.
pub(crate) fn files(
    folder: &Path,
    which: &[&str],
    limit: Duration,
) -> Result<Option<Vec<String>>, String> {
    if !is_in_repository(folder) {
        return Ok(None);
    }
    let mut command = command(folder);
    command.arg("ls-files").args(which);
    match answer(&mut command, &Asker::silent().ask("git", limit))? {
        Answer::Text(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Answer::NoRepository => Ok(None),
        Answer::Nothing => Err(reason("")),
    }
}

/// What git answers.
enum Answer {
    Text(String),
    /// It failed without a word: what was asked for is not there.
    Nothing,
    /// A `.git` that git does not recognize, or a bare repository.
    NoRepository,
}

/// Asks git a question about the repository that contains a directory. The answer comes without its last line end.
fn ask(folder: &Path, words: &[&str], asker: Asker<'_>) -> Result<Answer, String> {
    answer(command(folder).args(words), &asker.ask("git", LIMIT))
}

fn answer(command: &mut Command, question: &Question<'_>) -> Result<Answer, String> {
    let output = process::ask(command, question).map_err(|error| system_words(&error))?;
    let none = ["not a git repository", "must be run in a work tree"];
    if output.success {
        let text = output.out.strip_suffix('\n').unwrap_or(&output.out);
        Ok(Answer::Text(text.to_owned()))
    } else if none.iter().any(|words| output.err.contains(words)) {
        Ok(Answer::NoRepository)
    } else if output.err.trim().is_empty() {
        Ok(Answer::Nothing)
    } else {
        Err(reason(&output.err))
    }
}

/// The reason that git gives for a failure.
fn reason(err: &str) -> String {
    let line = err.lines().next().unwrap_or("it gave no reason");
    let line = line.trim_start_matches("fatal: ");
    line.trim_start_matches("error: ").trim().to_owned()
}

/// Whether the directory may be in a repository. If not, git need not be installed.
fn is_in_repository(folder: &Path) -> bool {
    folder
        .ancestors()
        .any(|folder| folder.join(".git").symlink_metadata().is_ok())
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.current_dir(folder).envs(VARIABLES);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// Creates a repository without any user settings.
#[cfg(test)]
pub(crate) fn init(folder: &Path) {
    tests::git(folder, &["init", "--quiet", "--template="]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// The output of a git command with no settings but the repository's.
    pub(super) fn git(folder: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=it", "-c", "user.email=it@example.com"])
            .args(words)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_DIR")
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_folder_called_git_is_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert_eq!(files(at, &[], LIMIT), Ok(None));
        std::fs::create_dir(at.join(".git")).unwrap();
        assert_eq!(files(at, &[], LIMIT), Ok(None));
    }

    #[test]
    fn a_monitor_that_the_repository_names_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        init(at);
        let monitor = format!("touch {}/ran; false", at.display());
        git(at, &["config", "core.fsmonitor", &monitor]);
        files(at, &["-io", "--exclude-standard"], LIMIT).unwrap();
        assert!(!at.join("ran").exists());
    }

    #[test]
    fn a_remote_that_the_repository_names_is_not_asked_for_what_is_missing() {
        // An incomplete index, of a missing tree, in a clone that fetches on demand: listing files would run whatever program
        // the remote's address names.
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        init(at);
        for name in ["here/a", "gone/b"] {
            std::fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
            std::fs::write(at.join(name), name).unwrap();
        }
        git(at, &["add", "."]);
        git(at, &["commit", "--quiet", "-m", "all"]);
        git(at, &["sparse-checkout", "init", "--cone", "--sparse-index"]);
        git(at, &["sparse-checkout", "set", "here"]);
        let tree = git(at, &["rev-parse", "HEAD:gone"]);
        std::fs::remove_file(at.join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
        let address = format!("ext::touch {}/ran", at.display());
        for (name, value) in [
            ("core.repositoryformatversion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.url", &address),
            ("remote.origin.promisor", "true"),
            ("protocol.ext.allow", "always"),
        ] {
            git(at, &["config", name, value]);
        }
        let _ = files(at, &["--cached", "--", "here"], LIMIT);
        assert!(!at.join("ran").exists());
    }
}
