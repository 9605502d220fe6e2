//! File sets as they are on disk: what is in them, with digests.
//!
//! Reads files, writes none; knows no recipe. The choices made: a set is read once for all images that use it; files are
//! hashed in parallel by threads of their own, so a run's workers are never among them; what was read can later be asked
//! cheaply whether it is still so. Measured in `docs/design/key.md`.

mod content;
mod error;
mod find;
mod requirements;
pub(crate) mod trail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::ThreadPool;
use rayon::prelude::*;

pub use error::{FilesError, Said};
pub use trail::Trail;

use super::flytekit::{Error, Folder, Order};
use super::{Entry, EntryKind, Files};
use crate::recipe::FileSet;
use crate::spec::WorkspacePath;
use content::{Content, Mark, Trouble};
use find::{Found, Item, Kind};

/// Reads file sets, each once.
#[derive(Debug)]
pub struct FileReader {
    root: PathBuf,
    pool: ThreadPool,
    read: Mutex<BTreeMap<FileSet, Reading>>,
}

/// What came of reading a set, and what it was read from.
#[derive(Debug, Clone)]
struct Reading {
    files: Result<Arc<Files>, FilesError>,
    trail: Arc<Trail>,
}

impl FileReader {
    /// A reader of the files of the workspace at this root.
    ///
    /// # Errors
    /// When the root is not there, or no thread can be started.
    pub fn new(root: &Path) -> Result<Self, FilesError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|at| format!("hash-{at}"))
            .build()
            .map_err(|error| FilesError::Unreadable {
                path: ".".to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            root: real_root(root)?,
            pool,
            read: Mutex::default(),
        })
    }

    /// The workspace root, absolute and without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files of a set, as they were when it was first asked for.
    ///
    /// # Errors
    /// See [`FilesError`]; remembered like a success.
    pub fn read(&self, set: &FileSet) -> Result<Arc<Files>, FilesError> {
        self.read_all(&[set]).swap_remove(0)
    }

    /// The files of several sets, in the order given; those not yet read are read in parallel.
    pub fn read_all(&self, sets: &[&FileSet]) -> Vec<Result<Arc<Files>, FilesError>> {
        let missing: Vec<&FileSet> = {
            let read = self.lock();
            let missing: std::collections::BTreeSet<&FileSet> = sets
                .iter()
                .copied()
                .filter(|set| !read.contains_key(set))
                .collect();
            missing.into_iter().collect()
        };
        // Two threads may read the same set at once: that is waste, whereas one waiting for the other inside the pool
        // could wait for itself.
        let found: Vec<_> = self.in_pool(|| {
            missing
                .par_iter()
                .map(|set| Reading::of(&self.root, set, None))
                .collect()
        });
        let mut read = self.lock();
        for (set, files) in missing.into_iter().zip(found) {
            read.entry(set.clone()).or_insert(files);
        }
        sets.iter().map(|set| read[*set].files.clone()).collect()
    }

    /// What a set was read from; nothing if it was not read.
    #[must_use]
    pub fn trail(&self, set: &FileSet) -> Arc<Trail> {
        let read = self.lock();
        read.get(set)
            .map(|it| Arc::clone(&it.trail))
            .unwrap_or_default()
    }

    /// Forgets a set, so that it is read again when next asked for.
    pub fn forget(&self, set: &FileSet) {
        self.lock().remove(set);
    }

    /// Forgets all sets but these.
    pub fn keep_only(&self, sets: &std::collections::BTreeSet<&FileSet>) {
        self.lock().retain(|set, _| sets.contains(set));
    }

    /// Reads sets again. What is in them is listed anew, but only files whose size, times or inode changed (or whose times
    /// prove nothing, see [`Files::moved`]) are hashed; the others keep their digests.
    pub fn read_again(&self, sets: &[&FileSet]) {
        let before: Vec<Option<Arc<Files>>> = {
            let read = self.lock();
            let good = |set: &&FileSet| read.get(*set).and_then(|read| read.files.clone().ok());
            sets.iter().map(good).collect()
        };
        let found: Vec<_> = self.in_pool(|| {
            sets.par_iter()
                .zip(&before)
                .map(|(set, before)| Reading::of(&self.root, set, before.as_deref()))
                .collect()
        });
        let mut read = self.lock();
        for (set, files) in sets.iter().zip(found) {
            read.insert((*set).clone(), files);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<FileSet, Reading>> {
        // Nothing is left half-done under the lock.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs in the pool. A worker of another pool that waits for one takes up other work meanwhile (a whole build), so it
    /// waits through a thread that has none.
    fn in_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let foreign =
            rayon::current_thread_index().is_some() && self.pool.current_thread_index().is_none();
        if !foreign {
            return self.pool.install(work);
        }
        std::thread::scope(|scope| {
            scope
                .spawn(|| self.pool.install(work))
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Reading {
    fn of(root: &Path, set: &FileSet, before: Option<&Files>) -> Self {
        let (files, trail) = trail::recorded(|| read_set(root, set, before));
        Self {
            files: files.map(Arc::new),
            trail: Arc::new(trail),
        }
    }
}

/// Reads one file set.
///
/// # Errors
/// See [`FilesError`].
pub fn read_files(root: &Path, set: &FileSet) -> Result<Files, FilesError> {
    read_set(&real_root(root)?, set, None)
}

fn real_root(root: &Path) -> Result<PathBuf, FilesError> {
    root.canonicalize()
        .map_err(|error| find::refused(&root.display().to_string(), &error))
}

/// Reads a set, once more if something moved: an editor saves in an instant, a branch switch does not.
fn read_set(root: &Path, set: &FileSet, before: Option<&Files>) -> Result<Files, FilesError> {
    match read_once(root, set, before) {
        Err(FilesError::Moved { .. }) => read_once(root, set, before),
        result => result,
    }
}

fn read_once(root: &Path, set: &FileSet, before: Option<&Files>) -> Result<Files, FilesError> {
    let read = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    let (mut files, marks) = match set {
        FileSet::Requirements { path } => read_requirements(root, path)?,
        FileSet::Project { path } => read_project(root, path)?,
        FileSet::Tree { .. }
        | FileSet::Source { .. }
        | FileSet::File { .. }
        | FileSet::Context { .. } => read_found(find_set(root, set)?, set.path(), before)?,
    };
    files.linked = matches!(set, FileSet::Source { .. });
    files.digest = super::key::digest_of(&files);
    files.seen = Some(Arc::new(Seen {
        root: root.to_owned(),
        set: set.clone(),
        read,
        marks,
    }));
    Ok(files)
}

/// Files, and the mark of each entry.
type Marked = (Files, Vec<Option<Mark>>);

/// The ignore file that bears a Dockerfile's name.
fn ignore_of(dockerfile: &WorkspacePath) -> WorkspacePath {
    let path = format!("{dockerfile}{}", super::ignore::IGNORE_FILE);
    WorkspacePath::resolve(&WorkspacePath::ROOT, &path).unwrap_or_default()
}

/// A lock file or project file, and the project file that the tool needs beside the lock.
fn project_files(path: &WorkspacePath) -> Vec<WorkspacePath> {
    let kind = path.requirements_kind();
    let project = kind
        .needs_project()
        .then(|| WorkspacePath::resolve(&path.parent(), "pyproject.toml"));
    let mut files = vec![path.clone()];
    files.extend(project.flatten());
    files.sort();
    files
}

fn find_set(root: &Path, set: &FileSet) -> Result<Found, FilesError> {
    match set {
        FileSet::Tree { path, ignore } => find::find(root, path, ignore),
        FileSet::Source { path } => sources(root, path),
        FileSet::Context { path, dockerfile } => find::find_context(root, path, dockerfile),
        FileSet::File { path } | FileSet::Requirements { path } | FileSet::Project { path } => {
            find::find_file(root, path)
        }
    }
}

/// The files of a source root by flytekit's rules: no folders, and what links lead to.
fn sources(root: &Path, path: &WorkspacePath) -> Result<Found, FilesError> {
    let folder = find::resolve(root, path, None)?;
    let there = Folder::new(root, &folder, Order::Sorted)
        // An absolute root is one whose ignore rules hold.
        .and_then(|reader| reader.source_files(&folder.to_string_lossy()));
    let files = there.map_err(|error| match error {
        Error::Files(error) => error,
        error => FilesError::Tag {
            folder: path.to_string(),
            why: error.to_string(),
            help: error.help(),
        },
    })?;
    let mut items = Vec::with_capacity(files.len());
    for file in files {
        let within = WorkspacePath::resolve(path, &file).unwrap_or_default();
        items.push(Item {
            kind: Kind::File(followed(root, &folder, &file, &within)?),
            path: file,
        });
    }
    find::list_below(root, &folder)?;
    Ok(Found {
        folder,
        single: false,
        items,
    })
}

/// Where a source file really is: what links lead to lies elsewhere, and is looked up there.
fn followed(
    root: &Path,
    folder: &Path,
    file: &str,
    within: &WorkspacePath,
) -> Result<PathBuf, FilesError> {
    let real = find::real(root, within, None)?;
    if real != folder.join(file) {
        trail::looked_up(&within.under(root));
    }
    Ok(real)
}

fn read_project(root: &Path, main: &WorkspacePath) -> Result<Marked, FilesError> {
    let folder = main.parent();
    let mut entries = Vec::new();
    let mut marks = Vec::new();
    for path in project_files(main) {
        let said = (path != *main).then(|| Said {
            file: main.to_string(),
            line: 1,
        });
        let real = find::resolve(root, &path, said.as_ref())?;
        let content = content::hash(&real).map_err(|trouble| troubled(path.as_str(), &trouble))?;
        marks.push(Some(content.mark));
        entries.push(Entry {
            path: path.file_name().unwrap_or_default().to_owned(),
            kind: file_entry(&content),
        });
    }
    let files = Files {
        folder: folder.under(root),
        place: folder.as_str().to_owned(),
        main: main.file_name().map(str::to_owned),
        entries,
        ..Files::default()
    };
    Ok((files, marks))
}

fn read_found(
    found: Found,
    path: &WorkspacePath,
    before: Option<&Files>,
) -> Result<Marked, FilesError> {
    let place = if found.single {
        path.parent().as_str().to_owned()
    } else {
        path.as_str().to_owned()
    };
    let measured: Vec<Result<(Entry, Option<Mark>), FilesError>> = found
        .items
        .par_iter()
        .map(|item| match before.and_then(|before| before.known(item)) {
            Some(known) => Ok(known),
            None => measure(item, &place),
        })
        .collect();
    // The first in path order fails the set, whichever thread was first.
    let (entries, marks) = measured
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    let files = Files {
        folder: found.folder,
        place,
        single: found.single,
        entries,
        ..Files::default()
    };
    Ok((files, marks))
}

fn measure(item: &Item, place: &str) -> Result<(Entry, Option<Mark>), FilesError> {
    let (kind, mark) = match &item.kind {
        Kind::Folder => (EntryKind::Folder, None),
        Kind::Link(target) => {
            let target = target.clone();
            (EntryKind::Link { target }, None)
        }
        Kind::File(at) => {
            let content = content::hash(at)
                .map_err(|trouble| troubled(&find::join(place, &item.path), &trouble))?;
            (file_entry(&content), Some(content.mark))
        }
    };
    let path = item.path.clone();
    Ok((Entry { path, kind }, mark))
}

fn file_entry(content: &Content) -> EntryKind {
    EntryKind::File {
        executable: content.executable,
        size: content.size,
        digest: content.digest,
    }
}

fn troubled(path: &str, trouble: &Trouble) -> FilesError {
    match trouble {
        Trouble::Moved => FilesError::Moved {
            path: path.to_owned(),
        },
        Trouble::Refused(error) => find::refused(path, error),
    }
}

fn read_requirements(root: &Path, main: &WorkspacePath) -> Result<Marked, FilesError> {
    let read = requirements::read(root, main)?;
    let common = requirements::common_folder(&read);
    let within = |path: &WorkspacePath| {
        let path = path.as_str();
        path.strip_prefix(common.as_str())
            .map_or(path, |path| path.trim_start_matches('/'))
            .to_owned()
    };
    let entries = read
        .iter()
        .map(|file| Entry {
            path: within(&file.path),
            kind: file_entry(&file.content),
        })
        .collect();
    let marks = read.iter().map(|file| Some(file.content.mark)).collect();
    let files = Files {
        folder: common.under(root),
        place: common.as_str().to_owned(),
        single: false,
        main: Some(within(main)),
        entries,
        ..Files::default()
    };
    Ok((files, marks))
}

/// How a set was read, to see later whether it would be read the same.
#[derive(Debug)]
pub(super) struct Seen {
    root: PathBuf,
    set: FileSet,
    /// Seconds since 1970 when the reading began.
    read: i64,
    /// One for each entry; none for what is no file.
    marks: Vec<Option<Mark>>,
}

impl Files {
    /// The first paths, from the workspace root, that differ from what they were in an earlier reading of the set, and how
    /// many there are.
    #[must_use]
    pub fn differences(&self, before: &Self, most: usize) -> (Vec<String>, usize) {
        let list = |files: &Self| -> BTreeMap<String, EntryKind> {
            let path = |entry: &Entry| find::join(&files.place, &entry.path);
            let entries = files.entries.iter();
            entries
                .map(|entry| (path(entry), entry.kind.clone()))
                .collect()
        };
        let (old, new) = (list(before), list(self));
        let all: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed: Vec<&String> = all
            .into_iter()
            .filter(|path| old.get(*path) != new.get(*path))
            .collect();
        // A folder that came or went is told by what came or went in it.
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

    /// The entry and mark of a file that is still as it was read, by its times alone; none for all else.
    fn known(&self, item: &Item) -> Option<(Entry, Option<Mark>)> {
        let Kind::File(file) = &item.kind else {
            return None;
        };
        let seen = self.seen.as_ref()?;
        let at = self
            .entries
            .binary_search_by(|entry| entry.path.cmp(&item.path))
            .ok()?;
        let mark = seen.marks[at].filter(|mark| !mark.is_racy(seen.read))?;
        let is_same = Mark::now(file).is_ok_and(|now| now == mark);
        is_same.then(|| (self.entries[at].clone(), Some(mark)))
    }

    /// Whether everything still is as it was read: names, kinds, links, modes and contents. See [`Files::moved`].
    #[must_use]
    pub fn unchanged(&self) -> bool {
        self.moved().is_none()
    }

    /// The first thing that is not as it was read, from the workspace root; none if all is.
    ///
    /// Only files whose size, times or inode changed are read again, and those written so shortly before they were read
    /// that their times prove nothing. Takes no other thread, so a worker of any pool may ask. Files that were not read from
    /// disk (in tests) are always as they were.
    #[must_use]
    pub fn moved(&self) -> Option<String> {
        let seen = self.seen.as_ref()?;
        let now = match seen.items(self) {
            Ok(found) => found,
            Err(error) => return Some(error.path().to_owned()),
        };
        let mut now = now.into_iter();
        for (entry, mark) in self.entries.iter().zip(&seen.marks) {
            let Some(item) = now.next() else {
                return Some(find::join(&self.place, &entry.path));
            };
            if item.path != entry.path || !seen.is_same(entry, mark.as_ref(), &item) {
                return Some(find::join(&self.place, item.path.as_str().min(&entry.path)));
            }
        }
        now.next().map(|item| find::join(&self.place, &item.path))
    }
}

impl Seen {
    /// What is in the set now.
    fn items(&self, files: &Files) -> Result<Vec<Item>, FilesError> {
        match &self.set {
            FileSet::Tree { .. }
            | FileSet::Source { .. }
            | FileSet::File { .. }
            | FileSet::Context { .. } => {
                find_set(&self.root, &self.set).map(|Found { items, .. }| items)
            }
            // The same contents name the same files.
            FileSet::Requirements { .. } | FileSet::Project { .. } => files
                .entries
                .iter()
                .map(|entry| {
                    let place = find::join(&files.place, &entry.path);
                    let path = WorkspacePath::resolve(&WorkspacePath::default(), &place)
                        .ok_or(FilesError::Moved { path: place })?;
                    Ok(Item {
                        path: entry.path.clone(),
                        kind: Kind::File(find::resolve(&self.root, &path, None)?),
                    })
                })
                .collect(),
        }
    }

    fn is_same(&self, entry: &Entry, mark: Option<&Mark>, now: &Item) -> bool {
        match (&entry.kind, &now.kind) {
            (EntryKind::Folder, Kind::Folder) => true,
            (EntryKind::Link { target }, Kind::Link(now)) => target == now,
            (file @ EntryKind::File { .. }, Kind::File(at)) => {
                let untouched = mark.is_some_and(|mark| {
                    !mark.is_racy(self.read) && Mark::now(at).is_ok_and(|now| now == *mark)
                });
                untouched || content::hash(at).is_ok_and(|now| file_entry(&now) == *file)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
