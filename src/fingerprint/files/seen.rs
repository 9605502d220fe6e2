//! Detects whether files changed since they were read.
//!
//! Checks times before contents, so that it costs next to nothing if nothing changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::content::{self, Origin};
use super::error::FilesError;
use super::find;
use super::found::{Item, Kind, join};
use super::mark::Mark;
#[cfg(doc)]
use super::reader::FileReader;
use super::reading::{find_set, open};
use super::set::{Entry, EntryKind, Files, Seen};
use super::walk::Hands;
use crate::disk::read::Root;
use crate::recipe::FileSet;
use crate::spec::WorkspacePath;

impl Files {
    /// A directory outside of which nothing is sent, and the directory of the entries relative to it: the workspace
    /// root or, for files that were not read from disk, their own directory.
    pub(crate) fn home(&self) -> (&Path, &Path) {
        let root = self.seen.as_ref().map(|seen| seen.root.as_path());
        let inside = root.and_then(|root| Some((root, self.folder.strip_prefix(root).ok()?)));
        inside.unwrap_or((&self.folder, Path::new("")))
    }

    /// The paths that differ from an earlier reading of the set, relative to the workspace root: the first `most`, and
    /// the total count.
    pub fn differences(&self, before: &Self, most: usize) -> (Vec<String>, usize) {
        let list = |files: &Self| -> BTreeMap<String, EntryKind> {
            let path = |entry: &Entry| join(&files.place, &entry.path);
            let entries = files.entries.iter();
            entries
                .map(|entry| (path(entry), entry.kind.clone()))
                .collect()
        };
        let (old, new) = (list(before), list(self));
        let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed: Vec<&String> = all
            .into_iter()
            .filter(|path| old.get(*path) != new.get(*path))
            .collect();
        // A directory that was added or removed is represented by its entries.
        let holds = |path: &str, other: &&String| {
            other
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let told = changed
            .iter()
            .enumerate()
            .filter(|(at, path)| !changed.get(at + 1).is_some_and(|next| holds(path, next)));
        let told: Vec<String> = told.map(|(_, path)| (*path).clone()).collect();
        let count = told.len();
        (told.into_iter().take(most).collect(), count)
    }

    /// The first path that changed since the set was read (names, kinds, links, modes, contents), relative to the
    /// workspace root; `None` if nothing changed.
    ///
    /// Reads only files whose size, times or inode changed, and those written so shortly before they were read that
    /// their times prove nothing. Uses no other threads, so a worker of any pool may call it. Files that were not read
    /// from disk (in tests) never change, and after [`FileReader::stop`] no changes are reported.
    pub fn moved(&self) -> Option<String> {
        let seen = self.seen.as_ref()?;
        let first = self.first_that_moved(seen);
        first.filter(|_| !seen.stop.is_set())
    }

    fn first_that_moved(&self, seen: &Seen) -> Option<String> {
        let from = open(&seen.root, &seen.stop);
        let now = from.and_then(|from| Ok((seen.items(&from.root, self)?, from)));
        let (now, from) = match now {
            Ok(now) => now,
            Err(error) => return Some(error.path().to_owned()),
        };
        let mut now = now.into_iter();
        for (entry, mark) in self.entries.iter().zip(&seen.marks) {
            let Some(item) = now.next() else {
                return Some(join(&self.place, &entry.path));
            };
            if item.path != entry.path || !seen.is_same(&from, entry, mark.as_ref(), &item) {
                return Some(join(&self.place, item.path.as_str().min(&entry.path)));
            }
        }
        now.next().map(|item| join(&self.place, &item.path))
    }
}

impl Seen {
    /// The current entries of the set.
    fn items(&self, root: &Root, files: &Files) -> Result<Vec<Item>, FilesError> {
        match &self.set {
            FileSet::Tree { .. }
            | FileSet::Source { .. }
            | FileSet::File { .. }
            | FileSet::Whole { .. }
            | FileSet::Context { .. } => {
                find_set(root, &self.set, Hands::Caller).map(|found| found.items)
            }
            // If the contents are unchanged, they name the same files.
            FileSet::Requirements { .. } | FileSet::Project { .. } => files
                .entries
                .iter()
                .map(|entry| {
                    let place = join(&files.place, &entry.path);
                    let path = WorkspacePath::resolve(&WorkspacePath::default(), &place)
                        .ok_or(FilesError::Moved { path: place })?;
                    Ok(Item {
                        path: entry.path.clone(),
                        kind: Kind::File(find::resolve(root, &path, None)?.into()),
                    })
                })
                .collect(),
        }
    }

    fn is_same(&self, from: &Origin, entry: &Entry, mark: Option<&Mark>, now: &Item) -> bool {
        match (&entry.kind, &now.kind) {
            (EntryKind::Folder, Kind::Folder) => true,
            (EntryKind::Link { target }, Kind::Link(now)) => target == now,
            (file @ EntryKind::File { .. }, Kind::File(at)) => {
                let is_now = |mark: &Mark| match at.mark {
                    Some(now) => now == *mark,
                    None => mark.is_still(&from.root, &at.path),
                };
                let is_still = |mark: &Mark| !mark.is_racy(self.read) && is_now(mark);
                mark.is_some_and(is_still)
                    || content::hash(from, &at.path, u64::MAX)
                        .is_ok_and(|now| EntryKind::file(&now.mark, now.digest) == *file)
            }
            _ => false,
        }
    }
}
