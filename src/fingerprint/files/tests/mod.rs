//! Tests file sets on a real disk.

mod changes;
mod index;
mod own;
mod trees;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::{self, Stop};
use super::*;
use crate::recipe::{FileSet, Own};
use crate::spec::WorkspacePath;

struct Tree(tempfile::TempDir);

impl Tree {
    /// Creates files that contain their own names; a name ending in `/` is a directory.
    fn new(names: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for name in names {
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir_all(tree.at(folder)).unwrap(),
                None => tree.write(name, name),
            }
        }
        tree
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let at = self.at(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    fn read(&self, path: &str) -> Result<Files, FilesError> {
        self.read_with(path, "")
    }

    /// Reads a tree with the ignore rules of a directory.
    fn read_with(&self, path: &str, ignore: &str) -> Result<Files, FilesError> {
        let (path, ignore, own) = (at(path), at(ignore), Own::NOTHING);
        read_files(self.0.path(), &FileSet::Tree { path, ignore, own })
    }

    fn requirements(&self, path: &str) -> Result<Files, FilesError> {
        read_files(self.0.path(), &FileSet::Requirements { path: at(path) })
    }

    fn paths(&self, path: &str) -> Vec<String> {
        paths(&self.read(path).unwrap())
    }
}

fn at(path: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), path).unwrap()
}

fn paths(files: &Files) -> Vec<String> {
    files
        .entries
        .iter()
        .map(|entry| entry.path.clone())
        .collect()
}
