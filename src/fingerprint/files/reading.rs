//! Reads one file set: finds and hashes its files, and remembers what is needed to detect changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::content::{self, Content, Mark, Origin, ReadError, Stop, unread};
use super::error::{FilesError, Mention};
use super::find::{self, Found, Item, Kind};
use super::set::{Entry, EntryKind, Files, Seen, digest_of};
use super::{requirements, trail};
use crate::disk::limits;
use crate::disk::read::Root;
use crate::fingerprint::flytekit::{Error, Folder, Order};
use crate::recipe::FileSet;
use crate::spec::{RequirementsKind, WorkspacePath};

/// Reads a set, once more if something moved: an editor saves in an instant, a branch switch does not.
pub(super) fn read_set(
    root: &Path,
    stop: &Stop,
    set: &FileSet,
    before: Option<&Files>,
) -> Result<Files, FilesError> {
    match read_once(root, stop, set, before) {
        Err(FilesError::Moved { .. }) => read_once(root, stop, set, before),
        result => result,
    }
}

/// Opens the workspace root for one reading of a set: a handle that stays open would keep a disk from being unmounted.
pub(super) fn open(root: &Path, stop: &Stop) -> Result<Origin, FilesError> {
    let root = Root::open(root).map_err(|refusal| FilesError::named(".", None, refusal))?;
    let stop = stop.clone();
    Ok(Origin { root, stop })
}

fn read_once(
    path: &Path,
    stop: &Stop,
    set: &FileSet,
    before: Option<&Files>,
) -> Result<Files, FilesError> {
    let from = &open(path, stop)?;
    let read = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    let (mut files, marks) = match set {
        FileSet::Requirements { path } => read_requirements(&from.root, path)?,
        FileSet::Project { path } => read_project(from, path)?,
        FileSet::Tree { .. }
        | FileSet::Source { .. }
        | FileSet::File { .. }
        | FileSet::Context { .. } => read_found(from, find_set(&from.root, set)?, set, before)?,
    };
    files.linked = matches!(set, FileSet::Source { .. });
    files.digest = digest_of(&files);
    files.seen = Some(Arc::new(Seen {
        root: path.to_owned(),
        stop: stop.clone(),
        set: set.clone(),
        read,
        marks,
    }));
    Ok(files)
}

/// A lock file or project file, and the project file that must accompany a lock file.
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

/// Files, and the mark of each entry.
type Marked = (Files, Vec<Option<Mark>>);

pub(super) fn find_set(root: &Root, set: &FileSet) -> Result<Found, FilesError> {
    match set {
        FileSet::Tree { path, ignore, own } => find::find(root, path, ignore, own),
        FileSet::Source { path } => sources(root, path),
        FileSet::Context {
            path,
            dockerfile,
            own,
        } => find::find_context(root, path, dockerfile, own),
        FileSet::File { path } | FileSet::Requirements { path } | FileSet::Project { path } => {
            find::find_file(root, path)
        }
    }
}

/// The files of a source root by flytekit's rules: no directories, and the targets of symlinks.
fn sources(root: &Root, path: &WorkspacePath) -> Result<Found, FilesError> {
    let folder = find::resolve(root, path, None)?;
    let whole = root.at(&folder);
    let there = Folder::new(root.path(), &whole, Order::Sorted)
        // flytekit's ignore rules only work with an absolute root.
        .and_then(|reader| reader.source_files(&whole.to_string_lossy()));
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
            kind: Kind::File(followed(root, &folder.join(&file), &within)?),
            path: file,
        });
    }
    find::list_below(root, &folder)?;
    Ok(Found {
        folder: whole,
        single: false,
        items,
    })
}

/// Resolves a listed source file. The target of a symlink is elsewhere, so its lookup is recorded.
fn followed(root: &Root, listed: &Path, within: &WorkspacePath) -> Result<PathBuf, FilesError> {
    let real = find::real(root, within, None)?;
    if real != listed {
        trail::looked_up(&within.under(root.path()));
    }
    Ok(real)
}

fn read_project(from: &Origin, main: &WorkspacePath) -> Result<Marked, FilesError> {
    let folder = main.parent();
    let mut entries = Vec::new();
    let mut marks = Vec::new();
    for path in project_files(main) {
        let said = (path != *main).then(|| Mention {
            file: main.to_string(),
            line: 1,
        });
        let real = find::resolve(&from.root, &path, said.as_ref())?;
        let limit = if path.requirements_kind() == RequirementsKind::Project {
            limits::PROJECT
        } else {
            limits::LOCK
        };
        let content = content::hash(from, &real, limit)
            .map_err(|trouble| unread(path.as_str(), said.as_ref(), trouble))?;
        marks.push(Some(content.mark));
        entries.push(Entry {
            path: path.file_name().unwrap_or_default().to_owned(),
            kind: file_entry(&content),
        });
    }
    let files = Files {
        folder: folder.under(from.root.path()),
        place: folder.as_str().to_owned(),
        main: main.file_name().map(str::to_owned),
        entries,
        ..Files::default()
    };
    Ok((files, marks))
}

fn read_found(
    from: &Origin,
    found: Found,
    set: &FileSet,
    before: Option<&Files>,
) -> Result<Marked, FilesError> {
    let path = set.path();
    let place = if found.single {
        path.parent().as_str().to_owned()
    } else {
        path.as_str().to_owned()
    };
    let limit = limit_of(set);
    let measured: Vec<Result<(Entry, Option<Mark>), FilesError>> = found
        .items
        .par_iter()
        .map(
            |item| match before.and_then(|before| before.known(&from.root, item)) {
                Some(known) => Ok(known),
                None => measure(from, item, &place, limit),
            },
        )
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

/// The size limit for files of a set. Only files that are later read into memory have one: those that are copied are
/// streamed.
fn limit_of(set: &FileSet) -> u64 {
    match set {
        FileSet::File { .. } => limits::DOCKERFILE,
        FileSet::Requirements { .. } => limits::REQUIREMENTS,
        FileSet::Project { .. } => limits::LOCK,
        FileSet::Tree { .. } | FileSet::Source { .. } | FileSet::Context { .. } => u64::MAX,
    }
}

fn measure(
    from: &Origin,
    item: &Item,
    place: &str,
    limit: u64,
) -> Result<(Entry, Option<Mark>), FilesError> {
    let (kind, mark) = match &item.kind {
        Kind::Folder => (EntryKind::Folder, None),
        Kind::Link(target) => {
            let target = target.clone();
            (EntryKind::Link { target }, None)
        }
        Kind::File(at) => {
            let path = || find::join(place, &item.path);
            let content = content::hash(from, at, limit).map_err(|trouble| match trouble {
                ReadError::Changed => FilesError::Moved { path: path() },
                ReadError::Refused(refusal) => FilesError::found(&path(), refusal),
            })?;
            (file_entry(&content), Some(content.mark))
        }
    };
    let path = item.path.clone();
    Ok((Entry { path, kind }, mark))
}

pub(super) fn file_entry(content: &Content) -> EntryKind {
    EntryKind::File {
        executable: content.executable,
        size: content.size,
        digest: content.digest,
    }
}

fn read_requirements(root: &Root, main: &WorkspacePath) -> Result<Marked, FilesError> {
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
        folder: common.under(root.path()),
        place: common.as_str().to_owned(),
        single: false,
        main: Some(within(main)),
        entries,
        ..Files::default()
    };
    Ok((files, marks))
}
