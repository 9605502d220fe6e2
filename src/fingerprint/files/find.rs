//! What is in a file set, without content: names, kinds, link targets, after ignore rules.
//!
//! Reads directories, not files. Links are taken as they are, so there are no loops; a directory that is left out
//! but holds something that is not comes back, as in a builder's context; the way down is a list, not the call stack, so no
//! depth of directories overflows it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{FilesError, Mention};
use super::trail;
use crate::disk::read::{Links, Refusal, Root};
use crate::disk::{self, FileKind, limits};
use crate::fingerprint::ignore::{IGNORE_FILE, Rules, Verdict};
use crate::recipe::Own;
use crate::spec::WorkspacePath;
use crate::workspace::STATE_FOLDER;

/// A file set without content.
pub(super) struct Found {
    /// The directory that the items' paths are relative to, absolute.
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
    /// A file, and where it really is: from the workspace root, without links.
    File(PathBuf),
    Link(String),
}

/// Finds what is in a file or directory.
pub(super) fn find(
    root: &Root,
    path: &WorkspacePath,
    ignore: &WorkspacePath,
    own: &Own,
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
) -> Result<Found, FilesError> {
    let file = ignore_of(dockerfile).to_string();
    let Some(rules) = read_rules(root, &file)? else {
        return find(root, path, path, own);
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
        },
    )
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
    said: Option<&Mention>,
) -> Result<PathBuf, FilesError> {
    trail::looked_up(&path.under(root.path()));
    real(root, path, said)
}

/// The same for a path that is known from listing its directory.
pub(super) fn real(
    root: &Root,
    path: &WorkspacePath,
    said: Option<&Mention>,
) -> Result<PathBuf, FilesError> {
    let real = root.real(Path::new(path.as_str()));
    let shown = path.to_string();
    let real = real.map_err(|refusal| FilesError::named(&shown, said, refusal))?;
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
            kind: Kind::File(real),
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

/// A directory yet to be read.
struct Ahead {
    /// From the workspace root.
    place: String,
    /// From the set's directory, with a `/` at the end unless empty.
    within: String,
    verdict: Option<Rc<Verdict>>,
    /// Whether it is left out unasked.
    is_own: bool,
}

struct Walk<'a> {
    root: &'a Root,
    rules: Rules,
    /// The directory that the rules are about, from the workspace root.
    home: &'a str,
    /// The file of the rules, from the workspace root.
    file: String,
    own: &'a Own,
}

impl Walk<'_> {
    fn folder(&self, place: &str) -> Result<Found, FilesError> {
        let verdict = self
            .below_home(place)
            .and_then(|path| self.rules.judge_whole(path));
        let mut items = Vec::new();
        let mut ahead = vec![Ahead {
            place: place.to_owned(),
            within: String::new(),
            verdict: verdict.map(Rc::new),
            // What a manifest names is asked for.
            is_own: false,
        }];
        while let Some(next) = ahead.pop() {
            let hidden = next.is_own || is_excluded(next.verdict.as_deref());
            let mut inside = 0;
            trail::listed(&self.root.at(&next.place));
            match self.root.list(Path::new(&next.place), Links::Refuse) {
                // What is left out need not be readable.
                Err(refusal) if hidden && refusal.is_denied() => {}
                Err(refusal) => return Err(FilesError::found(&next.place, refusal)),
                Ok(listed) => {
                    for entry in listed {
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
            folder: self.root.at(place),
            single: false,
            items,
        })
    }

    /// Takes one entry of a directory up; whether it is in the set.
    fn entry(
        &self,
        entry: &disk::Entry,
        folder: &Ahead,
        items: &mut Vec<Item>,
        ahead: &mut Vec<Ahead>,
    ) -> Result<bool, FilesError> {
        let lossy = entry.name.to_string_lossy();
        let place = join(&folder.place, &lossy);
        if place == STATE_FOLDER {
            return Ok(false);
        }
        let verdict = self
            .below_home(&place)
            .map(|path| self.rules.judge(path, folder.verdict.as_deref()));
        let is_own = (folder.is_own || self.own.has(&place)) && !self.is_asked_for(&place);
        let excluded = is_own || is_excluded(verdict.as_ref());
        let is_folder = entry.kind == FileKind::Directory;
        if excluded && !(is_folder && self.may_hold_more(&place)) {
            return Ok(false);
        }
        if entry.name.to_str().is_none() {
            return Err(FilesError::Name { path: place });
        }
        let path = format!("{}{lossy}", folder.within);
        if is_folder {
            ahead.push(Ahead {
                within: format!("{path}/"),
                place,
                verdict: verdict.map(Rc::new),
                is_own,
            });
            if !excluded {
                items.push(Item {
                    path,
                    kind: Kind::Folder,
                });
            }
            return Ok(!excluded);
        }
        let kind = self.leaf(entry.kind, place)?;
        items.push(Item { path, kind });
        Ok(true)
    }

    fn leaf(&self, kind: FileKind, place: String) -> Result<Kind, FilesError> {
        match kind {
            FileKind::File => Ok(Kind::File(PathBuf::from(place))),
            FileKind::Link => {
                let target = self.root.link(Path::new(&place));
                let target = target.map_err(|refusal| FilesError::found(&place, refusal))?;
                let target = target.into_os_string().into_string();
                target
                    .map(Kind::Link)
                    .map_err(|_| FilesError::Name { path: place })
            }
            kind => Err(FilesError::special(place, kind)),
        }
    }

    /// Whether something in a directory that is left out may be in.
    fn may_hold_more(&self, place: &str) -> bool {
        self.below_home(place)
            .is_some_and(|path| !self.rules.may_prune(path))
    }

    fn is_asked_for(&self, place: &str) -> bool {
        self.below_home(place)
            .is_some_and(|path| self.rules.asks_for(path))
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
            said: Mention {
                file: self.file.clone(),
                line: rule.line,
            },
        })
    }
}

fn is_excluded(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(Verdict::excluded)
}

/// The directories that lead to `within`, itself included.
fn ancestors(within: &str) -> impl Iterator<Item = Item> {
    within.match_indices('/').map(|(end, _)| Item {
        path: within[..end].to_owned(),
        kind: Kind::Folder,
    })
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
