//! Expands `include "services/*"` to the manifests that it matches.
//!
//! Manifests are identified by their resolved paths, so that links inside the workspace lead to a single manifest, and links
//! that leave it are always detected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::disk::read::{Links, Root};
use crate::disk::{FileKind, system_words};
use crate::spec::WorkspacePath;
use crate::suggest::closest;
use crate::workspace::Looked;

/// The name of a directory's manifest.
pub const FILE_NAME: &str = "imgspec.kdl";

/// The maximum depth to which `**` descends.
const DEPTH_LIMIT: usize = 32;

/// The characters that make a path component a glob.
pub(super) const WILD: [char; 4] = ['*', '?', '[', '{'];

/// Why an include matches no manifest.
pub(super) enum NoMatch {
    /// There is nothing at this path.
    Nothing {
        /// What was found instead, or what was probably meant.
        help: String,
    },
    /// The path leaves the workspace.
    Outside,
    /// A link along the path leaves the workspace.
    Link(String),
    /// A broken link.
    Dangling(String),
    /// An invalid glob.
    Glob(String),
}

/// The manifests that match a pattern relative to `folder`, sorted by path.
pub(super) fn expand(
    root: &Path,
    folder: &WorkspacePath,
    pattern: &str,
    looked: &mut Looked,
) -> Result<Vec<WorkspacePath>, NoMatch> {
    let whole = WorkspacePath::resolve(folder, pattern).ok_or(NoMatch::Outside)?;
    let globbed = pattern.contains(WILD);
    if !globbed {
        looked.files.insert(whole.under(root));
    }
    let found = Walk::along(root, &whole, None, looked)?;
    let mut manifests = Vec::new();
    for path in &found {
        looked.files.insert(file_of(path));
        manifests.extend(manifest(root, path)?);
    }
    manifests.sort();
    manifests.dedup();
    if manifests.is_empty() {
        return Err(NoMatch::Nothing {
            help: nothing(root, &whole, globbed, &found),
        });
    }
    Ok(manifests)
}

/// Whether a pattern relative to `folder` matches a manifest, found without listing directories. May miss a match through a link.
pub(super) fn names(
    root: &Path,
    folder: &WorkspacePath,
    pattern: &str,
    wanted: &WorkspacePath,
) -> bool {
    let Some(whole) = WorkspacePath::resolve(folder, pattern) else {
        return false;
    };
    let path = wanted.under(root);
    let found = Walk::along(root, &whole, Some(&path), &mut Looked::default());
    let mut found = found.into_iter().flatten();
    found.any(|path| matches!(manifest(root, &path), Ok(Some(found)) if found == *wanted))
}

/// A walk through directories along the components of a pattern.
struct Walk<'a> {
    root: &'a Path,
    /// The only path to look for, if set.
    wanted: Option<&'a Path>,
    /// The number of components left at the first glob; up to there, the user has named every directory.
    named: usize,
    /// Visited directories, by resolved path and number of components left. Otherwise links and multiple `**` would lead to
    /// the same places again and again.
    seen: BTreeSet<(PathBuf, usize)>,
    found: Vec<PathBuf>,
    looked: &'a mut Looked,
}

impl<'a> Walk<'a> {
    /// The paths that match a pattern.
    fn along(
        root: &'a Path,
        pattern: &WorkspacePath,
        wanted: Option<&'a Path>,
        looked: &'a mut Looked,
    ) -> Result<Vec<PathBuf>, NoMatch> {
        let mut parts: Vec<&str> = pattern.parts().collect();
        parts.dedup_by(|next, before| *next == "**" && *before == "**");
        let mut walk = Self {
            root,
            wanted,
            named: parts.len() - parts.iter().take_while(|it| !it.contains(WILD)).count(),
            seen: BTreeSet::new(),
            found: Vec::new(),
            looked,
        };
        walk.step(root.to_owned(), &parts, 0)?;
        Ok(walk.found)
    }

    /// The candidate names in a directory, sorted.
    fn names(&self, folder: &Path) -> Vec<String> {
        let Some(wanted) = self.wanted else {
            return listed(self.root, folder);
        };
        let next = wanted.strip_prefix(folder).ok();
        let next = next.and_then(|path| path.components().next()?.as_os_str().to_str());
        next.map(str::to_owned).into_iter().collect()
    }

    fn step(&mut self, at: PathBuf, parts: &[&str], depth: usize) -> Result<(), NoMatch> {
        let Some((part, rest)) = parts.split_first() else {
            self.found.push(at);
            return Ok(());
        };
        if !part.contains(WILD) {
            let next = at.join(part);
            if next.symlink_metadata().is_ok() {
                self.step(next, rest, depth)?;
            }
            return Ok(());
        }
        let Ok(real) = at.canonicalize() else {
            return Ok(());
        };
        if !real.starts_with(self.root) {
            // A glob is not meant to match what is outside the workspace.
            return if parts.len() == self.named && depth == 0 {
                Err(NoMatch::Link(shown(self.root, &at)))
            } else {
                Ok(())
            };
        }
        if !self.seen.insert((real, parts.len())) {
            return Ok(());
        }
        if *part == "**" {
            self.any_depth(&at, parts, depth)
        } else {
            self.matching(&at, part, rest, depth)
        }
    }

    /// Matches `**`: the directory itself and everything below it, except hidden directories and links.
    fn any_depth(&mut self, at: &Path, parts: &[&str], depth: usize) -> Result<(), NoMatch> {
        self.step(at.to_owned(), &parts[1..], depth)?;
        self.looked.folders.insert(at.to_owned());
        for name in self.names(at).iter().filter(|it| !it.starts_with('.')) {
            let next = at.join(name);
            let folder = next.symlink_metadata().is_ok_and(|it| it.is_dir());
            if folder && depth < DEPTH_LIMIT {
                self.step(next, parts, depth + 1)?;
            }
        }
        Ok(())
    }

    fn matching(
        &mut self,
        at: &Path,
        part: &str,
        rest: &[&str],
        depth: usize,
    ) -> Result<(), NoMatch> {
        let glob = globset::Glob::new(part)
            .map_err(|error| NoMatch::Glob(error.kind().to_string()))?
            .compile_matcher();
        self.looked.folders.insert(at.to_owned());
        for name in self.names(at) {
            // Hidden directories contain caches and checkouts, so they must be named explicitly.
            let hidden = name.starts_with('.') && !part.starts_with('.');
            if !hidden && glob.is_match(&name) {
                self.step(at.join(name), rest, depth)?;
            }
        }
        Ok(())
    }
}

/// The names in a directory, sorted; empty if it cannot be read or is outside the workspace.
fn listed(root: &Path, folder: &Path) -> Vec<String> {
    let inside = folder.strip_prefix(root).unwrap_or(folder);
    let listed = Root::open(root).and_then(|root| root.list(inside, Links::Follow));
    let listed = listed.into_iter().flatten();
    let mut names: Vec<String> = listed
        .filter_map(|listed| listed.name.into_string().ok())
        .collect();
    names.sort();
    names
}

/// The manifest at a path: the file itself, or the one in that directory.
fn manifest(root: &Path, path: &Path) -> Result<Option<WorkspacePath>, NoMatch> {
    let file = file_of(path);
    let wanted = file
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("kdl"));
    if !wanted || file.symlink_metadata().is_err() {
        return Ok(None);
    }
    if !file.exists() {
        return Err(NoMatch::Dangling(shown(root, &file)));
    }
    // Anything but a file is reported on reading.
    inside(root, &file).map(Some)
}

/// The path of the manifest that a path refers to, whether or not it exists.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    }
}

/// The resolved path of a file, relative to the workspace.
fn inside(root: &Path, file: &Path) -> Result<WorkspacePath, NoMatch> {
    let outside = || NoMatch::Link(shown(root, file));
    let real = file.canonicalize().map_err(|_| outside())?;
    let inside = real.strip_prefix(root).ok().and_then(Path::to_str);
    inside
        .and_then(|path| WorkspacePath::resolve(&WorkspacePath::default(), path))
        .ok_or_else(outside)
}

/// A path for messages.
fn shown(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.display().to_string()
}

fn nothing(root: &Path, whole: &WorkspacePath, globbed: bool, found: &[PathBuf]) -> String {
    if let Some(path) = found.first() {
        let shown = shown(root, path);
        return match FileKind::at(path) {
            Ok(FileKind::Directory) => format!("there is no {FILE_NAME} in `{shown}`"),
            Ok(_) => format!("`{shown}` is not a .kdl file"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("`{shown}` is a broken link")
            }
            Err(error) => format!("`{shown}` cannot be read: {}", system_words(&error)),
        };
    }
    let folder = whole.parent();
    if globbed {
        return format!(
            "a directory is included if it contains an {FILE_NAME}, a file if its name ends in .kdl"
        );
    }
    let siblings = listed(root, &folder.under(root));
    let meant = closest(
        whole.file_name().unwrap_or(""),
        siblings.iter().map(String::as_str),
    );
    match meant {
        Some(meant) => format!("there is no `{whole}`; did you mean `{meant}`?"),
        None => format!("there is no `{whole}`"),
    }
}
