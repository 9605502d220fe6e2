//! The files of a workspace as a commit has them, without checking it out: their names, modes and objects.
//!
//! Submodules are followed into their own repositories as far as they are checked out; where they are not, both sides of
//! a comparison have an empty directory.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Answer, LIMIT, ask, command, reason};
use crate::asking::Asker;
use crate::disk::system_words;
use crate::process::Reading;

/// How deep submodules may lie in each other.
const DEPTH: usize = 8;

/// The longest entry in bytes: a path of the longest kind that systems know, and what stands before it.
const LONGEST: u64 = 64 * 1024;

/// The files of one commit, by path from the workspace root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(super) entries: BTreeMap<String, Entry>,
    /// The repositories that the objects are in.
    pub(super) repositories: Vec<PathBuf>,
    /// Submodules whose content is not here, with the reason.
    pub(crate) missing: BTreeMap<String, String>,
}

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Name of the object with its content.
    pub(super) object: String,
    /// Index of the repository that has the object.
    pub(super) repository: usize,
}

/// What git keeps at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        executable: bool,
    },
    Link,
    /// The root of a submodule: a directory.
    Module,
}

/// A line of `git ls-tree`.
struct Listed {
    mode: String,
    object: String,
    path: String,
}

impl Tree {
    /// The files that a commit has in the directory of a workspace; `None` if it does not have that directory.
    pub(crate) fn read(
        folder: &Path,
        commit: &str,
        asker: Asker<'_>,
    ) -> Result<Option<Self>, String> {
        let text = |words: &[&str]| match ask(folder, words, asker)? {
            Answer::Text(text) => Ok(text),
            Answer::Nothing | Answer::NoRepository => Err(reason("")),
        };
        let prefix = text(&["rev-parse", "--show-prefix"])?;
        let object = match prefix.trim_end_matches('/') {
            "" => commit.to_owned(),
            prefix => {
                // An error if a clone lacks the directory, and no line if the commit does.
                let line = text(&["ls-tree", "-d", "--full-tree", commit, prefix])?;
                match line.split_whitespace().nth(2) {
                    Some(object) => object.to_owned(),
                    None => return Ok(None),
                }
            }
        };
        let mut tree = Self::default();
        tree.add(folder, "", &object, asker, 0)?;
        Ok(Some(tree))
    }

    /// Whether there is a file of this name.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        self.entries
            .get(path)
            .is_some_and(|entry| entry.kind != Kind::Module)
    }

    fn add(
        &mut self,
        root: &Path,
        place: &str,
        object: &str,
        asker: Asker<'_>,
        depth: usize,
    ) -> Result<(), String> {
        let folder = if place.is_empty() {
            root.to_owned()
        } else {
            root.join(place)
        };
        let listed = list(&folder, object, asker)?;
        let repository = self.repositories.len();
        self.repositories.push(folder);
        for Listed { mode, object, path } in listed {
            let path = match place {
                "" => path,
                place => format!("{place}/{path}"),
            };
            let kind = match mode.as_str() {
                "120000" => Kind::Link,
                "160000" => Kind::Module,
                mode => Kind::File {
                    executable: mode == "100755",
                },
            };
            if kind == Kind::Module {
                self.module(root, &path, &object, asker, depth);
            }
            let entry = Entry {
                kind,
                object,
                repository,
            };
            self.entries.insert(path, entry);
        }
        Ok(())
    }

    /// Adds the files of a submodule, whose commit is recorded by the repository around it.
    fn module(&mut self, root: &Path, path: &str, commit: &str, asker: Asker<'_>, depth: usize) {
        let folder = root.join(path);
        if folder.join(".git").symlink_metadata().is_err() {
            return;
        }
        // A link could lead to a repository of somebody else.
        let is_plain = folder.canonicalize().is_ok_and(|real| real == folder);
        let added = if is_plain && depth < DEPTH {
            self.add(root, path, commit, asker, depth + 1)
        } else {
            Err("it is not where it was".to_owned())
        };
        if let Err(why) = added {
            let short = commit.get(..12).unwrap_or(commit);
            let why = format!("commit {short} of the submodule `{path}` is not here: {why}");
            self.missing.insert(path.to_owned(), why);
        }
    }
}

fn list(folder: &Path, object: &str, asker: Asker<'_>) -> Result<Vec<Listed>, String> {
    let question = asker.ask("git", LIMIT);
    let mut command = command(folder);
    command.args(["ls-tree", "-r", "-z", "--full-tree", object]);
    let mut listed = Vec::new();
    let read = Reading::start(&mut command, Stdio::null(), &question).and_then(|mut output| {
        loop {
            let mut line = Vec::new();
            output.by_ref().take(LONGEST).read_until(0, &mut line)?;
            if line.pop_if(|last| *last == 0).is_none() {
                return output.end();
            }
            listed.extend(entry(&line));
        }
    });
    match read {
        Ok((true, _)) => Ok(listed),
        Ok((false, complaint)) => Err(reason(&complaint)),
        Err(error) => Err(system_words(&error)),
    }
}

/// Reads a line of `git ls-tree -z`. Paths that git does not check out, and those that cannot be in an image because they
/// are not UTF-8, are left out.
fn entry(line: &[u8]) -> Option<Listed> {
    let line = std::str::from_utf8(line).ok()?;
    let (about, path) = line.split_once('\t')?;
    let mut about = about.split(' ');
    let (mode, _, object) = (about.next()?, about.next()?, about.next()?);
    let is_odd = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
    if path.split('/').any(is_odd) {
        return None;
    }
    Some(Listed {
        mode: mode.to_owned(),
        object: object.to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_git_does_not_check_out_are_left_out() {
        let read = |text: &str| entry(text.as_bytes()).map(|it| it.path);
        let line = |path: &str| format!("100644 blob e69de29b\t{path}");
        assert_eq!(read(&line("a b/\"c\"\n")).as_deref(), Some("a b/\"c\"\n"));
        for path in ["", "..", "a/../b", "./a", "/a", "a//b", "x/.GIT/config"] {
            assert_eq!(read(&line(path)), None, "{path}");
        }
        assert!(entry(b"100644 blob e69de29b\ta\xff").is_none());
        assert!(entry(b"100644").is_none());
    }
}
