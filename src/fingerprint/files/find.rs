//! What is in a file set, without content: names, kinds, link targets, after ignore rules.
//!
//! Reads folders, not files. The choices made: links are taken as they are, so there are no loops; a folder that is left out
//! but holds something that is not comes back, as in a builder's context; the way down is a list, not the call stack, so no
//! depth of folders overflows it.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{FilesError, Said};
use super::trail;
use crate::disk::system_words;
use crate::fingerprint::ignore::{IGNORE_FILE, Rules, Verdict};
use crate::spec::WorkspacePath;
use crate::workspace::STATE_FOLDER;

/// A file set without content.
pub(super) struct Found {
    /// The folder that the items' paths are relative to, absolute.
    pub(super) folder: PathBuf,
    /// Whether the set is one file.
    pub(super) single: bool,
    /// What is in it, sorted by path.
    pub(super) items: Vec<Item>,
}

/// One thing in a file set.
#[derive(Clone)]
pub(super) struct Item {
    /// Path within the set.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
}

/// What an item is.
#[derive(Clone)]
pub(super) enum Kind {
    Folder,
    /// A file, and where it really is.
    File(PathBuf),
    Link(String),
}

/// Finds what is in a file or folder. The root is absolute and without links.
pub(super) fn find(
    root: &Path,
    path: &WorkspacePath,
    ignore: &WorkspacePath,
) -> Result<Found, FilesError> {
    let file = join(ignore.as_str(), IGNORE_FILE);
    find_by(root, path, ignore, file)
}

/// The same for the folder that a Dockerfile copies from: the ignore file that bears the Dockerfile's name goes before
/// the folder's own.
pub(super) fn find_context(
    root: &Path,
    path: &WorkspacePath,
    dockerfile: &WorkspacePath,
) -> Result<Found, FilesError> {
    let own = super::ignore_of(dockerfile);
    trail::looked_up(&own.under(root));
    let file = if own.under(root).is_file() {
        own.as_str().to_owned()
    } else {
        join(path.as_str(), IGNORE_FILE)
    };
    find_by(root, path, path, file)
}

/// Goes through a folder and all below it, but for git's own: where files may come and go.
pub(super) fn list_below(root: &Path, top: &Path) -> Result<(), FilesError> {
    let mut folders = vec![top.to_owned()];
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        next += 1;
        let place = place_of(root, &folder)?;
        trail::listed(&folder);
        let entries =
            std::fs::read_dir(&folder).map_err(|error| gone_or_refused(&place, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| refused(&place, &error))?;
            let name = entry.file_name();
            let is_own = name == ".git" || (folder == root && name == STATE_FOLDER);
            if !is_own && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// One file, whatever rules say.
pub(super) fn find_file(root: &Path, path: &WorkspacePath) -> Result<Found, FilesError> {
    let real = resolve(root, path, None)?;
    let kind = symlink_type(&real, path)?;
    single(root, path, real, kind)
}

fn find_by(
    root: &Path,
    path: &WorkspacePath,
    home: &WorkspacePath,
    ignore_file: String,
) -> Result<Found, FilesError> {
    let real = resolve(root, path, None)?;
    let walk = Walk {
        rules: read_rules(root, &ignore_file)?,
        home: home.as_str(),
        file: ignore_file,
    };
    let place = place_of(root, &real)?;
    let kind = symlink_type(&real, path)?;
    let mut refused = walk.refusal(path.as_str());
    if refused.is_none() && place != path.as_str() {
        refused = walk.refusal(&place);
    }
    if kind.is_dir() {
        let found = walk.folder(&real, &place)?;
        return match refused {
            Some(refused) if found.items.is_empty() => Err(refused),
            _ => Ok(found),
        };
    }
    match refused {
        Some(refused) => Err(refused),
        None => single(root, path, real, kind),
    }
}

/// Where a path of the workspace really is: links are followed if they stay in the workspace.
pub(super) fn resolve(
    root: &Path,
    path: &WorkspacePath,
    said: Option<&Said>,
) -> Result<PathBuf, FilesError> {
    trail::looked_up(&path.under(root));
    real(root, path, said)
}

/// The same for one that is known from the listing of its folder.
pub(super) fn real(
    root: &Path,
    path: &WorkspacePath,
    said: Option<&Said>,
) -> Result<PathBuf, FilesError> {
    let shown = path.to_string();
    let real = path.under(root).canonicalize().map_err(|error| {
        if matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ) {
            FilesError::Missing {
                path: shown.clone(),
                said: said.cloned(),
            }
        } else {
            refused(&shown, &error)
        }
    })?;
    match real.strip_prefix(root) {
        Err(_) => Err(FilesError::Outside {
            path: shown,
            said: said.cloned(),
        }),
        Ok(inside) if inside.starts_with(STATE_FOLDER) => Err(FilesError::State { path: shown }),
        Ok(_) => Ok(real),
    }
}

/// What the operating system's refusal means.
pub(super) fn refused(path: &str, error: &io::Error) -> FilesError {
    FilesError::Unreadable {
        path: path.to_owned(),
        why: system_words(error),
    }
}

/// A path below the root as text.
pub(super) fn place_of(root: &Path, at: &Path) -> Result<String, FilesError> {
    let inside = at.strip_prefix(root).unwrap_or(at);
    inside
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| FilesError::Name {
            path: inside.to_string_lossy().into_owned(),
        })
}

fn symlink_type(real: &Path, path: &WorkspacePath) -> Result<FileType, FilesError> {
    std::fs::symlink_metadata(real)
        .map(|meta| meta.file_type())
        .map_err(|_| FilesError::Moved {
            path: path.to_string(),
        })
}

/// A set that is one file keeps the name that the manifest gives it, link or not.
fn single(
    root: &Path,
    path: &WorkspacePath,
    real: PathBuf,
    kind: FileType,
) -> Result<Found, FilesError> {
    if !kind.is_file() {
        return Err(special(path.to_string(), kind));
    }
    Ok(Found {
        folder: path.parent().under(root),
        single: true,
        items: vec![Item {
            path: path.file_name().unwrap_or_default().to_owned(),
            kind: Kind::File(real),
        }],
    })
}

fn special(path: String, kind: FileType) -> FilesError {
    let kind = if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else {
        "device"
    };
    FilesError::Special { path, kind }
}

fn read_rules(root: &Path, file: &str) -> Result<Rules, FilesError> {
    trail::looked_up(&root.join(file));
    let bytes = match std::fs::read(root.join(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rules::default()),
        Err(error) => return Err(refused(file, &error)),
        Ok(bytes) => bytes,
    };
    // A pattern that is not UTF-8 could only match names that are refused anyway.
    Rules::read(&String::from_utf8_lossy(&bytes)).map_err(|bad| FilesError::BadRule {
        said: Said {
            file: file.to_owned(),
            line: bad.line,
        },
        text: bad.text,
        why: bad.why,
    })
}

/// A folder yet to be read.
struct Ahead {
    at: PathBuf,
    /// From the workspace root.
    place: String,
    /// From the set's folder, with a `/` at the end unless empty.
    within: String,
    verdict: Option<Rc<Verdict>>,
}

struct Walk<'a> {
    rules: Rules,
    /// The folder that the rules are about, from the workspace root.
    home: &'a str,
    /// The file of the rules, from the workspace root.
    file: String,
}

impl Walk<'_> {
    fn folder(&self, at: &Path, place: &str) -> Result<Found, FilesError> {
        let verdict = self
            .below_home(place)
            .and_then(|path| self.rules.judge_whole(path));
        let mut items = Vec::new();
        let mut ahead = vec![Ahead {
            at: at.to_owned(),
            place: place.to_owned(),
            within: String::new(),
            verdict: verdict.map(Rc::new),
        }];
        while let Some(next) = ahead.pop() {
            let hidden = is_excluded(next.verdict.as_deref());
            let mut inside = 0;
            trail::listed(&next.at);
            match std::fs::read_dir(&next.at) {
                // What is left out need not be readable.
                Err(error) if hidden && error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(gone_or_refused(&next.place, &error)),
                Ok(entries) => {
                    for entry in entries {
                        let entry = entry.map_err(|error| refused(&next.place, &error))?;
                        inside += usize::from(self.entry(&entry, &next, &mut items, &mut ahead)?);
                    }
                }
            }
            if hidden && inside > 0 {
                items.extend(ancestors(&next.within));
            }
        }
        items.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        items.dedup_by(|a, b| a.path == b.path);
        Ok(Found {
            folder: at.to_owned(),
            single: false,
            items,
        })
    }

    /// Takes one entry of a folder up; whether it is in the set.
    fn entry(
        &self,
        entry: &std::fs::DirEntry,
        folder: &Ahead,
        items: &mut Vec<Item>,
        ahead: &mut Vec<Ahead>,
    ) -> Result<bool, FilesError> {
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        let place = join(&folder.place, &lossy);
        if place == STATE_FOLDER {
            return Ok(false);
        }
        let verdict = self
            .below_home(&place)
            .map(|path| self.rules.judge(path, folder.verdict.as_deref()));
        let excluded = is_excluded(verdict.as_ref());
        let kind = entry
            .file_type()
            .map_err(|error| gone_or_refused(&place, &error))?;
        if excluded && !(kind.is_dir() && self.may_hold_more(&place)) {
            return Ok(false);
        }
        if name.to_str().is_none() {
            return Err(FilesError::Name { path: place });
        }
        let path = format!("{}{lossy}", folder.within);
        if kind.is_dir() {
            ahead.push(Ahead {
                at: entry.path(),
                within: format!("{path}/"),
                place,
                verdict: verdict.map(Rc::new),
            });
            if !excluded {
                items.push(Item {
                    path,
                    kind: Kind::Folder,
                });
            }
            return Ok(!excluded);
        }
        let kind = leaf(entry, kind, place)?;
        items.push(Item { path, kind });
        Ok(true)
    }

    fn may_hold_more(&self, place: &str) -> bool {
        self.below_home(place)
            .is_none_or(|path| !self.rules.may_prune(path))
    }

    /// The path as the rules see it; none if they do not.
    fn below_home<'p>(&self, place: &'p str) -> Option<&'p str> {
        if self.rules.is_empty() || place.is_empty() {
            None
        } else if self.home.is_empty() {
            Some(place)
        } else {
            place.strip_prefix(self.home)?.strip_prefix('/')
        }
    }

    /// The error that says which rule leaves the set itself out.
    fn refusal(&self, place: &str) -> Option<FilesError> {
        let verdict = self.rules.judge_whole(self.below_home(place)?)?;
        let rule = self.rules.cause(&verdict)?;
        Some(FilesError::Excluded {
            path: place.to_owned(),
            rule: rule.text.clone(),
            said: Said {
                file: self.file.clone(),
                line: rule.line,
            },
        })
    }
}

fn is_excluded(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(Verdict::excluded)
}

fn leaf(entry: &std::fs::DirEntry, kind: FileType, place: String) -> Result<Kind, FilesError> {
    if kind.is_file() {
        return Ok(Kind::File(entry.path()));
    }
    if !kind.is_symlink() {
        return Err(special(place, kind));
    }
    let target =
        std::fs::read_link(entry.path()).map_err(|error| gone_or_refused(&place, &error))?;
    target
        .into_os_string()
        .into_string()
        .map(Kind::Link)
        .map_err(|_| FilesError::Name { path: place })
}

/// The folders that lead to `within`, itself included.
fn ancestors(within: &str) -> impl Iterator<Item = Item> {
    within.match_indices('/').map(|(end, _)| Item {
        path: within[..end].to_owned(),
        kind: Kind::Folder,
    })
}

fn gone_or_refused(place: &str, error: &io::Error) -> FilesError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            FilesError::Moved {
                path: place.to_owned(),
            }
        }
        _ => refused(place, error),
    }
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
