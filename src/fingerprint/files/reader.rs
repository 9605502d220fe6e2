//! Reads the file sets of a workspace, each once for all images that use it.
//!
//! Files are hashed in parallel by a separate thread pool, so that a run's workers are not involved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use super::content::Stop;
use super::error::FilesError;
use super::index::{Index, Trust};
use super::known::Known;
use super::reading::read_set;
use super::set::Files;
use super::trail::{self, Trail};
use crate::recipe::FileSet;

/// Reads file sets, each once.
#[derive(Debug)]
pub struct FileReader {
    /// The workspace root: absolute and without symlinks.
    pub(crate) root: PathBuf,
    stop: Stop,
    pool: ThreadPool,
    index: Index,
    read: Mutex<BTreeMap<FileSet, Reading>>,
}

/// The result of reading a set, and the trail of it.
#[derive(Debug, Clone)]
struct Reading {
    files: Result<Arc<Files>, FilesError>,
    trail: Arc<Trail>,
}

impl FileReader {
    /// A reader for the workspace at this root that uses no index.
    pub fn new(root: &Path) -> Result<Self, FilesError> {
        Self::with(root, Index::none())
    }

    /// A reader for the workspace at this root that uses the index of file times.
    pub fn remembering(root: &Path, trust: Trust) -> Result<Self, FilesError> {
        let index = Index::open(&real_root(root)?, trust);
        Self::with(root, index)
    }

    fn with(root: &Path, index: Index) -> Result<Self, FilesError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|at| format!("hash-{at}"))
            .build()
            .map_err(|error| FilesError::Unreadable {
                path: ".".to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            root: real_root(root)?,
            stop: Stop::default(),
            pool,
            index,
            read: Mutex::default(),
        })
    }

    /// The files of a set as of its first reading.
    pub fn read(&self, set: &FileSet) -> Result<Arc<Files>, FilesError> {
        self.read_all(&[set]).swap_remove(0)
    }

    /// The files of several sets, in the given order; those not yet read are read in parallel.
    pub fn read_all(&self, sets: &[&FileSet]) -> Vec<Result<Arc<Files>, FilesError>> {
        let missing: Vec<&FileSet> = {
            let read = self.lock();
            let missing: BTreeSet<&FileSet> = sets
                .iter()
                .copied()
                .filter(|set| !read.contains_key(set))
                .collect();
            missing.into_iter().collect()
        };
        let known = self.index.known();
        // Two threads may read the same set concurrently. That is wasteful, but if one waited for the other inside the
        // pool, it could wait for itself.
        let found: Vec<_> = self.in_pool(|| {
            missing
                .par_iter()
                .map(|set| self.read_now(set, &known))
                .collect()
        });
        let mut read = self.lock();
        for (set, files) in missing.into_iter().zip(found) {
            read.entry(set.clone()).or_insert(files);
        }
        sets.iter().map(|set| read[*set].files.clone()).collect()
    }

    fn read_now(&self, set: &FileSet, known: &Known) -> Reading {
        let (files, trail) = trail::recorded(|| read_set(&self.root, &self.stop, set, known));
        Reading {
            files: files.map(Arc::new),
            trail: Arc::new(trail),
        }
    }

    /// The trail of a set; empty if it was not read.
    pub fn trail(&self, set: &FileSet) -> Arc<Trail> {
        let read = self.lock();
        read.get(set)
            .map(|it| Arc::clone(&it.trail))
            .unwrap_or_default()
    }

    /// Cancels all reading in progress, and all that is started later.
    pub fn stop(&self) {
        self.stop.set(true);
    }

    /// Reverts [`FileReader::stop`].
    pub fn go_on(&self) {
        self.stop.set(false);
    }

    /// Writes the index of file times if there is a state directory and enough is new. Failures are ignored: the next run
    /// reads the files.
    pub fn leave_index(&self) {
        let read = self.lock();
        let good = read.values().filter_map(|read| read.files.clone().ok());
        let files: Vec<Arc<Files>> = good.collect();
        drop(read);
        self.index.leave(&self.root, &files);
    }

    /// Forgets a set, so that it is read again when next requested.
    pub fn forget(&self, set: &FileSet) {
        self.lock().remove(set);
    }

    /// Forgets a set whose files changed although their times did not, and deletes the index: all files are read again.
    pub fn distrust(&self, set: &FileSet) {
        self.forget(set);
        self.index.discard();
    }

    /// Forgets all other sets.
    pub fn keep_only(&self, sets: &BTreeSet<&FileSet>) {
        self.lock().retain(|set, _| sets.contains(set));
    }

    /// Reads sets again. Their directories are listed again, but only files whose size, times or inode changed (or
    /// whose times prove nothing, see [`Files::moved`]) are hashed; the others retain their digests.
    pub fn read_again(&self, sets: &[&FileSet]) {
        let before: Vec<Option<Arc<Files>>> = {
            let read = self.lock();
            let good = |set: &&FileSet| read.get(*set).and_then(|read| read.files.clone().ok());
            sets.iter().map(good).collect()
        };
        let found: Vec<_> = self.in_pool(|| {
            sets.par_iter()
                .zip(&before)
                .map(|(set, before)| {
                    let known = Known::of(before.as_deref().into_iter(), |_, _, _| true);
                    self.read_now(set, &known)
                })
                .collect()
        });
        let mut read = self.lock();
        for (set, files) in sets.iter().zip(found) {
            read.insert((*set).clone(), files);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<FileSet, Reading>> {
        // No panic can leave the data inconsistent.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in the pool.
    pub(crate) fn in_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}

/// Reads a single file set.
pub fn read_files(root: &Path, set: &FileSet) -> Result<Files, FilesError> {
    read_set(&real_root(root)?, &Stop::default(), set, &Known::default())
}

fn real_root(root: &Path) -> Result<PathBuf, FilesError> {
    root.canonicalize()
        .map_err(|error| FilesError::refused(&root.display().to_string(), &error))
}
