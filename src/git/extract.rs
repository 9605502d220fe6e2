//! Writes files of a commit into a directory of our own, only those that are wanted.
//!
//! All directories and symlinks are there from the beginning, because they decide what a path means and where a walk goes;
//! files come when they are asked for. Nothing is written through a symlink, whatever the commit says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::Timespec;

use super::objects;
use super::tree::{Kind, Tree};
use crate::asking::Asker;
use crate::disk::dir::{Dir, Rooted, Terms};

/// The longest target of a symlink in bytes.
const LONGEST: u64 = 4096;

/// A directory with some of the files of a commit.
pub(crate) struct Extract<'a> {
    tree: &'a Tree,
    root: Dir,
    asker: Asker<'a>,
    /// What is in each directory, by its path.
    inside: BTreeMap<&'a str, Vec<&'a str>>,
    written: BTreeSet<&'a str>,
    /// Files whose content is not in the repository; each is written without content.
    pub(crate) missing: BTreeMap<&'a str, String>,
}

impl<'a> Extract<'a> {
    /// Prepares an empty directory, which nobody else may enter.
    pub(crate) fn new(tree: &'a Tree, at: &Path, asker: Asker<'a>) -> io::Result<Self> {
        let root = Rooted::new(at, "", Terms::default()).make()?;
        let mut inside: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, entry) in &tree.entries {
            inside.entry(parent(path)).or_default().push(path);
            if entry.kind == Kind::Module {
                inside.entry(path.as_str()).or_default();
            }
        }
        for folder in inside.keys() {
            root.make_all(folder)?;
        }
        let mut extract = Self {
            tree,
            root,
            asker,
            inside,
            written: BTreeSet::new(),
            missing: BTreeMap::new(),
        };
        let all = tree.entries.iter();
        let links = all.filter(|(_, entry)| entry.kind == Kind::Link);
        let links: Vec<&str> = links.map(|(path, _)| path.as_str()).collect();
        extract.write(links)?;
        Ok(extract)
    }

    /// The paths directly in a directory.
    pub(crate) fn inside(&self, folder: &str) -> impl Iterator<Item = &'a str> {
        self.inside.get(folder).into_iter().flatten().copied()
    }

    /// The file of this path that is not written yet, if there is one.
    pub(crate) fn wanting(&self, path: &str) -> Option<&'a str> {
        let (path, entry) = self.tree.entries.get_key_value(path)?;
        let is_wanting = entry.kind != Kind::Module && !self.written.contains(path.as_str());
        is_wanting.then_some(path.as_str())
    }

    /// Writes the files for which `is_wanted` returns true. Returns whether there were any that had not been written.
    pub(crate) fn all(&mut self, is_wanted: impl Fn(&str) -> bool) -> io::Result<bool> {
        let all = self.tree.entries.keys().filter(|path| is_wanted(path));
        let all: Vec<&str> = all.filter_map(|path| self.wanting(path)).collect();
        self.write(all)
    }

    /// Writes files that [`Self::wanting`] returned. Returns whether there were any.
    pub(crate) fn write(&mut self, paths: impl IntoIterator<Item = &'a str>) -> io::Result<bool> {
        // In the order of directories, so that each is opened once.
        let mut by_repository: BTreeMap<usize, BTreeSet<&'a str>> = BTreeMap::new();
        for path in paths {
            let repository = self.tree.entries[path].repository;
            by_repository.entry(repository).or_default().insert(path);
        }
        for (repository, paths) in &by_repository {
            let paths: Vec<&'a str> = paths.iter().copied().collect();
            let entries: Vec<_> = paths.iter().map(|path| &self.tree.entries[*path]).collect();
            let objects: Vec<&str> = entries.iter().map(|entry| entry.object.as_str()).collect();
            let mut last: Option<(&str, Dir)> = None;
            let mut missing = Vec::new();
            let folder = &self.tree.repositories[*repository];
            objects::each(folder, &objects, self.asker, &mut |at, content| {
                let path = paths[at];
                let dir = match last.take() {
                    Some((folder, dir)) if folder == parent(path) => dir,
                    _ => self.root.make_all(parent(path))?,
                };
                if content.is_none() {
                    missing.push(path);
                }
                put(&dir, name(path), entries[at].kind, content)?;
                last = Some((parent(path), dir));
                Ok(())
            })?;
            for path in missing {
                let why = format!("the content of `{path}` is not in this clone");
                self.missing.insert(path, why);
            }
            self.written.extend(paths);
        }
        Ok(!by_repository.is_empty())
    }
}

fn put(dir: &Dir, name: &str, kind: Kind, content: Option<&mut dyn Read>) -> io::Result<()> {
    let mut nothing = io::empty();
    let content: &mut dyn Read = match content {
        Some(content) => content,
        None => &mut nothing,
    };
    if kind == Kind::Link {
        let mut target = Vec::new();
        content.take(LONGEST).read_to_end(&mut target)?;
        // A target that is not text cannot be in an image, nor one that is empty anywhere.
        return match String::from_utf8(target) {
            Ok(target) if !target.is_empty() && !target.contains('\0') => {
                let time = Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                dir.link(name, &target, time)
            }
            _ => Ok(()),
        };
    }
    let mode = match kind {
        Kind::File { executable: true } => 0o700,
        _ => 0o600,
    };
    // A name is taken where case does not count, or by a commit that no git made.
    let Some(mut file) = dir.create(name, mode)? else {
        return Ok(());
    };
    io::copy(content, &mut file).map_err(|error| dir.unwritten(name, error))?;
    Ok(())
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
