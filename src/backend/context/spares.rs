//! Files of contexts that are done with, to be written over by the next ones instead of being removed and made anew.
//!
//! Knows nothing of file sets. The choice made: ext4 passes over every inode that was freed in the last minutes whenever it
//! makes a file, so a run that removes each context pays for all before it (1 ms a file after 50,000, measured in
//! `docs/design/context.md`); a spare has its inode already. Only small files are kept, only so many, only as long as this
//! lives, and nobody depends on one being there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

/// So many files are kept.
const MOST: usize = 4096;

/// A larger file is not kept: together they take at most 64 MiB.
const LARGEST: u64 = 16 * 1024;

/// Files to write over. Removes what is left when it is dropped.
#[derive(Debug, Default)]
pub(in crate::backend) struct Spares(Mutex<Heap>);

#[derive(Debug, Default)]
struct Heap {
    /// Former contexts, by number, with the files in them that are left.
    trees: BTreeMap<usize, Tree>,
    files: usize,
    next: usize,
}

#[derive(Debug)]
struct Tree {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Spares {
    /// Takes the folder of a context away that nobody reads any more; its small files serve the next ones.
    pub(in crate::backend) fn keep(&self, context: &Path) {
        let (number, room) = {
            let mut heap = self.lock();
            heap.next += 1;
            (heap.next, MOST - heap.files.min(MOST))
        };
        let folder = numbered(context, number);
        if room == 0 || fs::rename(context, &folder).is_err() {
            // What remained would be a copy of the user's files.
            let _ = fs::remove_dir_all(context);
            return;
        }
        let files = sift(&folder, room);
        let mut heap = self.lock();
        heap.files += files.len();
        heap.trees.insert(number, Tree { folder, files });
        let empty = heap.take_empty();
        drop(heap);
        for folder in empty {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// A spare under this new name, open for writing and as long as it was; none when there is none, or none that can be
    /// had: then the file has to be made.
    pub(super) fn take(&self, target: &Path) -> Option<(File, fs::Metadata)> {
        let spare = self.lock().pop()?;
        // Another's file is never written over: neither one that has the name already nor one with a second name.
        renameat_with(CWD, &spare, CWD, target, RenameFlags::NOREPLACE).ok()?;
        let open = OpenOptions::new()
            .write(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed())
            .open(target);
        let found = open.and_then(|file| file.metadata().map(|meta| (file, meta)));
        match found {
            Ok((file, meta)) if meta.is_file() && meta.nlink() == 1 => Some((file, meta)),
            _ => {
                let _ = fs::remove_file(target);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heap> {
        // Nothing is left half-done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for tree in std::mem::take(&mut self.lock().trees).into_values() {
            let _ = fs::remove_dir_all(tree.folder);
        }
    }
}

impl Heap {
    /// Of the youngest tree, whose inodes are most likely still in memory.
    fn pop(&mut self) -> Option<PathBuf> {
        let mut trees = self.trees.values_mut().rev();
        let spare = trees.find_map(|tree| tree.files.pop())?;
        self.files -= 1;
        Some(spare)
    }

    fn take_empty(&mut self) -> Vec<PathBuf> {
        let empty = self.trees.extract_if(.., |_, tree| tree.files.is_empty());
        empty.map(|(_, tree)| tree.folder).collect()
    }
}

/// The name of a context that is done with: it begins with the context's, so who cleans up knows whose it was.
fn numbered(context: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(context.file_name().unwrap_or_default());
    name.push(format!("~{number}"));
    context.with_file_name(name)
}

/// The files below a folder that are worth keeping, at most so many; the other files are removed.
fn sift(folder: &Path, room: usize) -> Vec<PathBuf> {
    let (mut ahead, mut kept) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = ahead.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                ahead.push(entry.path());
            } else if meta.is_file() && kept.len() < room && (1..=LARGEST).contains(&meta.len()) {
                kept.push(entry.path());
            } else {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A context with these files, kept.
    fn kept(root: &Path, files: &[(&str, usize)]) -> Spares {
        let spares = Spares::default();
        let context = root.join("app~1");
        for (name, size) in files {
            let path = context.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; *size]).unwrap();
        }
        spares.keep(&context);
        assert!(!context.exists());
        spares
    }

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn small_files_are_kept_and_the_others_removed() {
        let root = tempfile::tempdir().unwrap();
        let large = usize::try_from(LARGEST).unwrap() + 1;
        let spares = kept(root.path(), &[("a/b/x", 5), ("empty", 0), ("large", large)]);
        let (file, meta) = spares.take(&root.path().join("taken")).unwrap();
        assert_eq!(meta.len(), 5);
        drop(file);
        assert!(spares.take(&root.path().join("second")).is_none());
        // The folders of a tree without files go with the next one.
        spares.keep(&root.path().join("not there"));
        fs::create_dir(root.path().join("app~1")).unwrap();
        spares.keep(&root.path().join("app~1"));
        assert_eq!(names(root.path()), ["taken"]);
    }

    #[test]
    fn nobody_elses_file_is_written_over() {
        let root = tempfile::tempdir().unwrap();
        let spares = kept(root.path(), &[("x", 5), ("y", 5)]);
        fs::write(root.path().join("theirs"), "theirs").unwrap();
        assert!(spares.take(&root.path().join("theirs")).is_none());
        assert_eq!(fs::read(root.path().join("theirs")).unwrap(), b"theirs");
        // Somebody gave our file a second name.
        let folder = root.path().join("app~1~1");
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            fs::hard_link(entry.path(), root.path().join(entry.file_name())).unwrap();
        }
        assert!(spares.take(&root.path().join("new")).is_none());
        assert_eq!(names(root.path()), ["app~1~1", "theirs", "x", "y"]);
    }

    #[test]
    fn what_was_removed_meanwhile_is_not_missed_and_nothing_stays() {
        let root = tempfile::tempdir().unwrap();
        let spares = kept(root.path(), &[("x", 5)]);
        fs::remove_dir_all(root.path().join("app~1~1")).unwrap();
        assert!(spares.take(&root.path().join("new")).is_none());
        drop(spares);
        let spares = kept(root.path(), &[("x", 5)]);
        assert_eq!(names(root.path()), ["app~1~1"]);
        drop(spares);
        assert_eq!(names(root.path()), [""; 0]);
    }
}
