//! `include "services/*"` → the manifests that it names.
//!
//! A manifest is known by its real path, so that links inside the workspace lead to one manifest, and links out of it are
//! found wherever they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::disk::read::{Links, Root};
use crate::disk::{FileKind, system_words};
use crate::spec::WorkspacePath;
use crate::suggest::closest;
use crate::workspace::Looked;

/// The name of the manifest of a directory.
pub const FILE_NAME: &str = "imgspec.kdl";

/// Directories of globs deeper than this are not looked into.
const DEPTH_LIMIT: usize = 32;

/// What makes a part of a path a glob.
pub(super) const WILD: [char; 4] = ['*', '?', '[', '{'];

/// Why an include names no manifests.
pub(super) enum NoMatch {
    /// Nothing is there.
    Nothing {
        /// What was found instead, or what probably was meant.
        help: String,
    },
    /// It leads out of the workspace.
    Outside,
    /// A link on the way leads out of the workspace.
    Link(String),
    /// A link leads nowhere.
    Dangling(String),
    /// It cannot be a glob.
    Glob(String),
}

/// The manifests that a pattern names, said in `folder`, in the order of their paths.
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

/// Whether a pattern, said in `folder`, names a manifest; no directory is listed. Past a link it may, and this does not see it.
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

/// A walk through directories along the parts of a pattern.
struct Walk<'a> {
    root: &'a Path,
    /// The only path that is looked for, if it is one.
    wanted: Option<&'a Path>,
    /// How many parts are left at the first glob: up to there the user has named every directory.
    named: usize,
    /// Directories in which a part was looked for already, by real path and by how many parts were left: links and several `**`
    /// would otherwise lead to the same places again and again.
    seen: BTreeSet<(PathBuf, usize)>,
    found: Vec<PathBuf>,
    looked: &'a mut Looked,
}

impl<'a> Walk<'a> {
    /// What a pattern leads to.
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

    /// The names in a directory that may lead on, sorted.
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
            // What a glob meets on its way out of the workspace is not meant.
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

    /// `**`: the directory itself and all below it, but for hidden ones and links.
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
            // Hidden directories hold caches and checkouts: they must be named.
            let hidden = name.starts_with('.') && !part.starts_with('.');
            if !hidden && glob.is_match(&name) {
                self.step(at.join(name), rest, depth)?;
            }
        }
        Ok(())
    }
}

/// The names in a directory, sorted; none when it cannot be read or lies outside.
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

/// The manifest at a path: the file itself, or that of the directory.
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
    // What is no file is told when it is read.
    inside(root, &file).map(Some)
}

/// The manifest that a path means, there or not.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    }
}

/// The real path of a file, as one of the workspace.
fn inside(root: &Path, file: &Path) -> Result<WorkspacePath, NoMatch> {
    let outside = || NoMatch::Link(shown(root, file));
    let real = file.canonicalize().map_err(|_| outside())?;
    let inside = real.strip_prefix(root).ok().and_then(Path::to_str);
    inside
        .and_then(|path| WorkspacePath::resolve(&WorkspacePath::default(), path))
        .ok_or_else(outside)
}

/// A path as it is told.
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
                format!("`{shown}` is a link that leads nowhere")
            }
            Err(error) => format!("`{shown}` cannot be read: {}", system_words(&error)),
        };
    }
    let folder = whole.parent();
    if globbed {
        return format!(
            "a directory is included when it has an {FILE_NAME}, a file when it ends in .kdl"
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
