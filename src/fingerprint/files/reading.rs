//! Reads one file set: finds and hashes its files, and remembers what is needed to detect changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;

use super::content::{self, Origin, ReadError, Stop, unread};
use super::error::{FilesError, Mention};
use super::find;
use super::found::{Found, Item, Kind, join};
use super::known::Known;
use super::mark::{Mark, since_1970};
use super::set::{Entry, EntryKind, Files, Seen, Work, digest_of};
use super::walk::Hands;
use super::{requirements, trail};
use crate::disk::limits;
use crate::disk::read::Root;
use crate::fingerprint::flytekit::{Error, Folder, Order};
use crate::recipe::FileSet;
use crate::spec::{RequirementsKind, WorkspacePath};

/// Reads a set, except for files that are `known`. Retries once if something changed: an editor saves in an instant, a
/// branch switch does not.
pub(super) fn read_set(
    root: &Path,
    stop: &Stop,
    set: &FileSet,
    known: &Known,
) -> Result<Files, FilesError> {
    match read_once(root, stop, set, known) {
        Err(FilesError::Moved { .. }) => read_once(root, stop, set, known),
        result => result,
    }
}

/// Opens the workspace root for one reading of a set: a handle that stays open would keep a disk from being unmounted.
pub(super) fn open(root: &Path, stop: &Stop) -> Result<Origin, FilesError> {
    let root = Root::open(root).map_err(|refusal| FilesError::named(".", None, refusal))?;
    let stop = stop.clone();
    Ok(Origin { root, stop })
}

fn read_once(path: &Path, stop: &Stop, set: &FileSet, known: &Known) -> Result<Files, FilesError> {
    let from = &open(path, stop)?;
    let read = since_1970(SystemTime::now()).as_secs().cast_signed();
    let mut work = Work::default();
    let (mut files, marks) = match set {
        FileSet::Requirements { path } => read_requirements(&from.root, path)?,
        FileSet::Project { path } => read_project(from, path)?,
        FileSet::Tree { .. }
        | FileSet::Source { .. }
        | FileSet::File { .. }
        | FileSet::Whole { .. }
        | FileSet::Context { .. } => {
            let found = find_set(&from.root, set, Hands::Pool)?;
            let (files, measured) = read_found(from, found, set, known)?;
            work = Work::of(&measured, read);
            let each = measured.into_iter().map(|one| (one.entry, one.mark));
            let (entries, marks) = each.unzip();
            (Files { entries, ..files }, marks)
        }
    };
    files.linked = matches!(set, FileSet::Source { .. });
    files.digest = digest_of(&files);
    files.seen = Some(Arc::new(Seen {
        root: path.to_owned(),
        stop: stop.clone(),
        set: set.clone(),
        read,
        work,
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

pub(super) fn find_set(root: &Root, set: &FileSet, hands: Hands) -> Result<Found, FilesError> {
    match set {
        FileSet::Tree { path, ignore, own } => find::find(root, path, ignore, own, hands),
        FileSet::Source { path, only } => sources(root, path, only),
        FileSet::Context {
            path,
            dockerfile,
            own,
        } => find::find_context(root, path, dockerfile, own, hands),
        FileSet::Whole { path } => find::find_whole(root, path, hands),
        FileSet::File { path } | FileSet::Requirements { path } | FileSet::Project { path } => {
            find::find_file(root, path)
        }
    }
}

/// The files of a source root by flytekit's rules: no directories, and the targets of symlinks; or only these of them.
fn sources(root: &Root, path: &WorkspacePath, only: &[String]) -> Result<Found, FilesError> {
    let folder = find::resolve(root, path, None)?;
    let whole = root.at(&folder);
    let there = || {
        let reader = Folder::new(root.path(), &whole, Order::Sorted)?;
        // flytekit's ignore rules only work with an absolute root.
        reader.source_files(&whole.to_string_lossy())
    };
    let files = if only.is_empty() {
        there()
    } else {
        // Modules that were loaded twice are in the list, and in flytekit's tag, twice.
        let named: BTreeSet<String> = only.iter().cloned().collect();
        Ok(named.into_iter().collect())
    };
    let files = files.map_err(|error| match error {
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
            kind: Kind::File(followed(root, &folder.join(&file), &within)?.into()),
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
        let mention = (path != *main).then(|| Mention {
            file: main.to_string(),
            line: 1,
        });
        let real = find::resolve(&from.root, &path, mention.as_ref())?;
        let limit = if path.requirements_kind() == RequirementsKind::Project {
            limits::PROJECT
        } else {
            limits::LOCK
        };
        let content = content::hash(from, &real, limit)
            .map_err(|trouble| unread(path.as_str(), mention.as_ref(), trouble))?;
        marks.push(Some(content.mark));
        entries.push(Entry {
            path: path.file_name().unwrap_or_default().to_owned(),
            kind: EntryKind::file(&content.mark, content.digest),
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

/// An entry and how it was obtained.
struct Measured {
    entry: Entry,
    mark: Option<Mark>,
    /// Whether the content was read.
    is_read: bool,
}

impl Work {
    fn of(measured: &[Measured], read: i64) -> Self {
        let marks = measured
            .iter()
            .filter(|one| one.is_read)
            .filter_map(|one| one.mark);
        let lasting = marks.filter(|mark| !mark.is_racy(read));
        lasting.fold(Self::default(), |work, mark| Self {
            files: work.files + 1,
            bytes: work.bytes.saturating_add(mark.size()),
        })
    }
}

/// The entries of a set, and its [`Files`] without them.
fn read_found(
    from: &Origin,
    found: Found,
    set: &FileSet,
    known: &Known,
) -> Result<(Files, Vec<Measured>), FilesError> {
    let path = set.path();
    let place = if found.single {
        path.parent().as_str().to_owned()
    } else {
        path.as_str().to_owned()
    };
    let limit = limit_of(set);
    let items = found.items.into_par_iter();
    let measured: Vec<Result<Measured, FilesError>> = items
        .map(|item| measure(from, item, &place, limit, known))
        .collect();
    // The first failure in path order fails the set, whichever thread was first.
    let measured = measured.into_iter().collect::<Result<_, _>>()?;
    let files = Files {
        folder: found.folder,
        place,
        single: found.single,
        ..Files::default()
    };
    Ok((files, measured))
}

/// The size limit for files of a set. Only files that are later read into memory have one: those that are copied are
/// streamed.
fn limit_of(set: &FileSet) -> u64 {
    match set {
        FileSet::File { .. } => limits::DOCKERFILE,
        FileSet::Requirements { .. } => limits::REQUIREMENTS,
        FileSet::Project { .. } => limits::LOCK,
        FileSet::Tree { .. }
        | FileSet::Source { .. }
        | FileSet::Whole { .. }
        | FileSet::Context { .. } => u64::MAX,
    }
}

fn measure(
    from: &Origin,
    item: Item,
    place: &str,
    limit: u64,
    known: &Known,
) -> Result<Measured, FilesError> {
    let Item { path, kind } = item;
    let mut is_read = false;
    let (kind, mark) = match kind {
        Kind::Folder => (EntryKind::Folder, None),
        Kind::Link(target) => (EntryKind::Link { target }, None),
        Kind::File(at) => {
            let stat = || from.root.stat(&at.path).as_ref().map(Mark::new);
            let mark = at.mark.or_else(stat).filter(|mark| mark.size() <= limit);
            let known = mark.and_then(|mark| Some((mark, known.digest(&mark)?)));
            is_read = known.is_none();
            let read = || read_file(from, &at.path, || join(place, &path), limit);
            let (mark, digest) = known.map_or_else(read, Ok)?;
            (EntryKind::file(&mark, digest), Some(mark))
        }
    };
    Ok(Measured {
        entry: Entry { path, kind },
        mark,
        is_read,
    })
}

fn read_file(
    from: &Origin,
    at: &Path,
    shown: impl FnOnce() -> String,
    limit: u64,
) -> Result<(Mark, [u8; 32]), FilesError> {
    match content::hash(from, at, limit) {
        Ok(content) => Ok((content.mark, content.digest)),
        Err(ReadError::Changed) => Err(FilesError::Moved { path: shown() }),
        Err(ReadError::Refused(refusal)) => Err(FilesError::found(&shown(), refusal)),
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
            kind: EntryKind::file(&file.content.mark, file.content.digest),
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
