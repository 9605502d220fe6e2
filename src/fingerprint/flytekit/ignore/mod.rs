//! What flytekit leaves out of a source root: what git ignores, what `.dockerignore` excludes according to docker-py,
//! and a few standard names.
//!
//! Reproduces flytekit's three rules including their bugs, because tags depend on them: paths that git quotes are not
//! recognized, and `.dockerignore` follows docker-py's rules rather than Docker's.

mod docker;
mod git;

use std::collections::HashSet;
use std::path::Path;

use super::error::Error;
use super::walk::place;
use crate::disk::read::Root;
use crate::fingerprint::FilesError;
use crate::fingerprint::files::find::ignore_bytes;
use crate::fingerprint::ignore::IGNORE_FILE;
use docker::Matcher;

pub(super) struct Ignore {
    git: HashSet<String>,
    docker: Matcher,
}

impl Ignore {
    /// Reads the rules of a directory. `folder` is relative to the root and free of links; `files` are its contents.
    pub(super) fn read(root: &Root, folder: &Path, files: &[String]) -> Result<Self, Error> {
        let at = root.at(folder);
        Ok(Self {
            git: git::ignored(root.path(), &at, files)?,
            docker: read_docker(root, folder)?,
        })
    }

    pub(super) fn holds(&self, path: &str) -> bool {
        self.git.contains(normal(path).as_ref()) || self.docker.matches(path) || is_standard(path)
    }
}

fn read_docker(root: &Root, folder: &Path) -> Result<Matcher, Error> {
    let file = place(root.path(), &folder.join(IGNORE_FILE));
    let Some(bytes) = ignore_bytes(root, &file)? else {
        return Ok(Matcher::default());
    };
    let text = String::from_utf8(bytes).map_err(|_| FilesError::Text { path: file.clone() })?;
    Matcher::read(&text).map_err(|bad| Error::BadPattern {
        file,
        text: bad.text,
        why: bad.why,
    })
}

/// flytekit's `*.pyc`, `.cache`, `.cache/*`, `__pycache__/*` and `**/__pycache__/*`, with Python's stars, which also
/// match `/`.
fn is_standard(path: &str) -> bool {
    path.as_bytes().ends_with(b".pyc")
        || path == ".cache"
        || path.starts_with(".cache/")
        || path.starts_with("__pycache__/")
        || path.contains("/__pycache__/")
}

/// A path as Python's `Path` prints it: without `.` and empty components.
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
