//! What is in a file set, without content: names, kinds, link targets, after ignore rules.
//!
//! Determines where a set is and which rules apply; `walk` lists the directories.

use std::path::{Path, PathBuf};

use super::error::{FilesError, Mention};
use super::found::{Found, Item, Kind, join};
use super::trail;
use super::walk::{Hands, Walk};
use crate::disk::read::{Links, Refusal, Root};
use crate::disk::{FileKind, limits};
use crate::fingerprint::ignore::{IGNORE_FILE, Rules};
use crate::recipe::Own;
use crate::spec::WorkspacePath;
use crate::workspace::STATE_FOLDER;

/// Finds the entries of a file or directory.
pub(super) fn find(
    root: &Root,
    path: &WorkspacePath,
    ignore: &WorkspacePath,
    own: &Own,
    hands: Hands,
) -> Result<Found, FilesError> {
    let file = join(ignore.as_str(), IGNORE_FILE);
    let rules = read_rules(root, &file)?.unwrap_or_default();
    let home = ignore.as_str();
    find_by(
        path,
        &Walk {
            root,
            rules,
            home,
            file,
            own,
            hands,
        },
    )
}

/// The same for the context of a Dockerfile: an ignore file named after the Dockerfile takes precedence over that of
/// the directory.
pub(super) fn find_context(
    root: &Root,
    path: &WorkspacePath,
    dockerfile: &WorkspacePath,
    own: &Own,
    hands: Hands,
) -> Result<Found, FilesError> {
    let file = ignore_of(dockerfile).to_string();
    let Some(rules) = read_rules(root, &file)? else {
        return find(root, path, path, own, hands);
    };
    let home = path.as_str();
    find_by(
        path,
        &Walk {
            root,
            rules,
            home,
            file,
            own,
            hands,
        },
    )
}

/// Finds a file, or everything in a directory.
pub(super) fn find_whole(
    root: &Root,
    path: &WorkspacePath,
    hands: Hands,
) -> Result<Found, FilesError> {
    let walk = Walk {
        root,
        rules: Rules::default(),
        home: "",
        file: String::new(),
        own: &Own::NOTHING,
        hands,
    };
    find_by(path, &walk)
}

/// The ignore file named after a Dockerfile.
fn ignore_of(dockerfile: &WorkspacePath) -> WorkspacePath {
    let path = format!("{dockerfile}{IGNORE_FILE}");
    WorkspacePath::resolve(&WorkspacePath::ROOT, &path).unwrap_or_default()
}

/// Lists a directory and everything below it, except git's own, so that all places where files may be created or
/// removed are recorded. `top` is relative to the root.
pub(super) fn list_below(root: &Root, top: &Path) -> Result<(), FilesError> {
    let mut folders = vec![top.to_owned()];
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        next += 1;
        let place = place_of(&folder)?;
        trail::listed(&root.at(&folder));
        let listed = root.list(&folder, Links::Refuse);
        for entry in listed.map_err(|refusal| FilesError::found(place, refusal))? {
            let is_root = folder.as_os_str().is_empty();
            let is_own = entry.name == ".git" || (is_root && entry.name == STATE_FOLDER);
            if !is_own && entry.kind == FileKind::Directory {
                folders.push(folder.join(entry.name));
            }
        }
    }
    Ok(())
}

/// Finds a single file, regardless of ignore rules.
pub(super) fn find_file(root: &Root, path: &WorkspacePath) -> Result<Found, FilesError> {
    let real = resolve(root, path, None)?;
    let kind = kind_of(root, &real, path)?;
    single(root, path, real, kind)
}

fn find_by(path: &WorkspacePath, walk: &Walk<'_>) -> Result<Found, FilesError> {
    let root = walk.root;
    let real = resolve(root, path, None)?;
    let place = place_of(&real)?;
    let kind = kind_of(root, &real, path)?;
    let mut refused = walk.refusal(path.as_str());
    if refused.is_none() && place != path.as_str() {
        refused = walk.refusal(place);
    }
    if kind == FileKind::Directory {
        let found = walk.folder(place)?;
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

/// Resolves a workspace path, following symlinks that stay in the workspace. The result is relative to the root.
pub(super) fn resolve(
    root: &Root,
    path: &WorkspacePath,
    mention: Option<&Mention>,
) -> Result<PathBuf, FilesError> {
    trail::looked_up(&path.under(root.path()));
    real(root, path, mention)
}

/// The same for a path that is known from listing its directory.
pub(super) fn real(
    root: &Root,
    path: &WorkspacePath,
    mention: Option<&Mention>,
) -> Result<PathBuf, FilesError> {
    let real = root.real(Path::new(path.as_str()));
    let shown = path.to_string();
    let real = real.map_err(|refusal| FilesError::named(&shown, mention, refusal))?;
    if real.starts_with(STATE_FOLDER) {
        return Err(FilesError::State { path: shown });
    }
    Ok(real)
}

/// Converts a path relative to the root to text.
pub(super) fn place_of(inside: &Path) -> Result<&str, FilesError> {
    inside.to_str().ok_or_else(|| FilesError::Name {
        path: inside.to_string_lossy().into_owned(),
    })
}

fn kind_of(root: &Root, real: &Path, path: &WorkspacePath) -> Result<FileKind, FilesError> {
    root.kind(real).ok_or_else(|| FilesError::Moved {
        path: path.to_string(),
    })
}

/// A set that is a single file retains the name in the manifest, symlink or not.
fn single(
    root: &Root,
    path: &WorkspacePath,
    real: PathBuf,
    kind: FileKind,
) -> Result<Found, FilesError> {
    if kind != FileKind::File {
        let refusal = Refusal::Kind(kind);
        return Err(FilesError::named(&path.to_string(), None, refusal));
    }
    Ok(Found {
        folder: path.parent().under(root.path()),
        single: true,
        items: vec![Item {
            path: path.file_name().unwrap_or_default().to_owned(),
            kind: Kind::File(real.into()),
        }],
    })
}

/// The bytes of an ignore file; `None` if it does not exist.
pub(in crate::fingerprint) fn ignore_bytes(
    root: &Root,
    file: &str,
) -> Result<Option<Vec<u8>>, FilesError> {
    trail::looked_up(&root.at(file));
    match root.bytes(Path::new(file), Links::Follow, limits::IGNORE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(refusal) if refusal.is_absent() => Ok(None),
        Err(refusal) => Err(FilesError::named(file, None, refusal)),
    }
}

fn read_rules(root: &Root, file: &str) -> Result<Option<Rules>, FilesError> {
    let Some(bytes) = ignore_bytes(root, file)? else {
        return Ok(None);
    };
    // A pattern that is not UTF-8 could only match names that are rejected anyway.
    let rules = Rules::read(&String::from_utf8_lossy(&bytes));
    rules.map(Some).map_err(|bad| FilesError::BadRule {
        said: Mention {
            file: file.to_owned(),
            line: bad.line,
        },
        text: bad.text,
        why: bad.why,
    })
}
