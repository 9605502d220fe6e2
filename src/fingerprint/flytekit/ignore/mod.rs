//! What flytekit leaves out of a source root: what git ignores, what `.dockerignore` says to docker-py, and a few names.
//!
//! Knows no digest. The choice made: flytekit's three rules with their faults, as the tag depends on them: paths that git puts
//! in quotes are not recognised, and `.dockerignore` is read by docker-py's rules, not by Docker's.

mod docker;
mod git;

use std::collections::HashSet;
use std::path::Path;

use super::Error;
use super::walk::{place, unreadable};
use crate::fingerprint::FilesError;
use crate::fingerprint::files::trail;
use crate::fingerprint::ignore::IGNORE_FILE;
use docker::Matcher;

/// What is left out of one source root.
pub(super) struct Ignore {
    git: HashSet<String>,
    docker: Matcher,
}

impl Ignore {
    /// Reads the rules of a folder, which is absolute and without links, as the workspace root is.
    pub(super) fn read(root: &Path, folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            git: git::ignored(root, folder)?,
            docker: read_docker(root, folder)?,
        })
    }

    /// Whether a file is left out.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.git.contains(normal(path).as_ref()) || self.docker.matches(path) || is_standard(path)
    }
}

fn read_docker(root: &Path, folder: &Path) -> Result<Matcher, Error> {
    let at = folder.join(IGNORE_FILE);
    trail::looked_up(&at);
    if !at.is_file() {
        return Ok(Matcher::default());
    }
    let refused = |error: &std::io::Error| unreadable(root, &at, error);
    let file = place(root, &at);
    let real = at.canonicalize().map_err(|error| refused(&error))?;
    if !real.starts_with(root) {
        let path = file;
        return Err(FilesError::Outside { path, said: None }.into());
    }
    let bytes = std::fs::read(real).map_err(|error| refused(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| FilesError::Text { path: file.clone() })?;
    Matcher::read(&text).map_err(|bad| Error::BadPattern {
        file,
        text: bad.text,
        why: bad.why,
    })
}

/// flytekit's `*.pyc`, `.cache`, `.cache/*`, `__pycache__/*` and `**/__pycache__/*`, whose stars are Python's: they match `/` too.
fn is_standard(path: &str) -> bool {
    path.as_bytes().ends_with(b".pyc")
        || path == ".cache"
        || path.starts_with(".cache/")
        || path.starts_with("__pycache__/")
        || path.contains("/__pycache__/")
}

/// A path as Python's `Path` writes it: without `.` and empty parts.
fn normal(path: &str) -> std::borrow::Cow<'_, str> {
    let is_odd = |part: &str| part.is_empty() || part == ".";
    if !path.split('/').any(is_odd) {
        return path.into();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !is_odd(part)).collect();
    parts.join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::flytekit::Value;
    use crate::fingerprint::flytekit::tests::{golden, rows};

    #[test]
    fn the_standard_names_are_flytekit_s() {
        let table = golden();
        let rows = rows(table.at("tables").at("ignore").at("standard"));
        assert_eq!(rows.len(), 8);
        for row in rows {
            let path = row.text("path");
            assert_eq!(Value::Bool(is_standard(path)), *row.at("ignored"), "{path}");
        }
    }

    #[test]
    fn a_path_is_written_as_python_writes_it() {
        assert_eq!(normal("./a//b"), "a/b");
        assert_eq!(normal("../a"), "../a");
        assert_eq!(normal("a/.b"), "a/.b");
    }
}
