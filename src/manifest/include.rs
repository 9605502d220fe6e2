//! `include "services/*"` → the manifests that it names.
//!
//! Knows nothing of what is in them. The choice made: a manifest is known by its real path, so links inside the workspace
//! lead to one manifest, and links out of it are found wherever they stand.

use std::path::{Path, PathBuf};

use crate::spec::WorkspacePath;
use crate::workspace::Looked;

/// The name of a manifest.
/// What a folder's manifest is called.
pub const FILE_NAME: &str = "imgspec.kdl";

/// Folders of globs deeper than this are not looked into.
const DEPTH_LIMIT: usize = 32;

/// Why an include names no manifests.
pub(super) enum Wrong {
    /// Nothing is there.
    Nothing {
        /// What was found instead, or what probably was meant.
        help: String,
    },
    /// It leads out of the workspace.
    Outside,
    /// A link on the way leads out of the workspace.
    Link(String),
    /// It cannot be a glob.
    Glob(String),
}

/// The manifests that a pattern names, said in `folder`, in the order of their paths.
pub(super) fn expand(
    root: &Path,
    folder: &WorkspacePath,
    pattern: &str,
    looked: &mut Looked,
) -> Result<Vec<WorkspacePath>, Wrong> {
    let whole = WorkspacePath::resolve(folder, pattern).ok_or(Wrong::Outside)?;
    let parts: Vec<&str> = whole.parts().collect();
    let globbed = pattern.contains(['*', '?', '[', '{']);
    let mut found = Vec::new();
    if !globbed {
        looked.files.insert(whole.under(root));
    }
    walk(root.to_owned(), &parts, 0, &mut found, looked)?;
    let mut manifests = Vec::new();
    for path in &found {
        looked.files.insert(file_of(path));
        manifests.extend(manifest(root, path, globbed)?);
    }
    manifests.sort();
    manifests.dedup();
    if manifests.is_empty() {
        return Err(Wrong::Nothing {
            help: nothing(root, &whole, globbed, &found),
        });
    }
    Ok(manifests)
}

/// All paths below `at` that the parts of a pattern match.
fn walk(
    at: PathBuf,
    parts: &[&str],
    depth: usize,
    found: &mut Vec<PathBuf>,
    looked: &mut Looked,
) -> Result<(), Wrong> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(at);
        return Ok(());
    };
    if !part.contains(['*', '?', '[', '{']) {
        let next = at.join(part);
        if next.symlink_metadata().is_ok() {
            walk(next, rest, depth, found, looked)?;
        }
        return Ok(());
    }
    let any_depth = *part == "**";
    if any_depth {
        walk(at.clone(), rest, depth, found, looked)?;
    }
    let glob = globset::Glob::new(part)
        .map_err(|error| Wrong::Glob(error.kind().to_string()))?
        .compile_matcher();
    looked.folders.insert(at.clone());
    for name in names(&at) {
        // Hidden folders hold caches and checkouts: they must be named.
        if name.starts_with('.') && !part.starts_with('.') {
            continue;
        }
        let next = at.join(&name);
        if any_depth {
            let folder = next.symlink_metadata().is_ok_and(|it| it.is_dir());
            if folder && depth < DEPTH_LIMIT {
                walk(next, parts, depth + 1, found, looked)?;
            }
        } else if glob.is_match(&name) {
            walk(next, rest, depth, found, looked)?;
        }
    }
    Ok(())
}

/// The names in a folder, sorted; none when it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The manifest at a path: the file itself, or that of the folder.
fn manifest(root: &Path, path: &Path, globbed: bool) -> Result<Option<WorkspacePath>, Wrong> {
    let file = file_of(path);
    let wanted = file
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("kdl"));
    if !wanted || (globbed && !file.exists()) {
        return Ok(None);
    }
    if !file.is_file() {
        return Ok(None);
    }
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
fn inside(root: &Path, file: &Path) -> Result<WorkspacePath, Wrong> {
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let real = file
        .canonicalize()
        .map_err(|_| Wrong::Link(shown.to_string()))?;
    let inside = real.strip_prefix(root).ok().and_then(Path::to_str);
    inside
        .and_then(|path| WorkspacePath::resolve(&WorkspacePath::default(), path))
        .ok_or_else(|| Wrong::Link(shown.to_string()))
}

fn nothing(root: &Path, whole: &WorkspacePath, globbed: bool, found: &[PathBuf]) -> String {
    if let Some(path) = found.first() {
        let shown = path.strip_prefix(root).unwrap_or(path).display();
        return if path.is_dir() {
            format!("there is no {FILE_NAME} in `{shown}`")
        } else {
            format!("`{shown}` is no .kdl file")
        };
    }
    let folder = whole.parent();
    if globbed {
        return format!(
            "a folder is included when it has an {FILE_NAME}, a file when it ends in .kdl"
        );
    }
    let siblings = names(&folder.under(root));
    let meant = crate::suggest::closest(
        whole.file_name().unwrap_or(""),
        siblings.iter().map(String::as_str),
    );
    match meant {
        Some(meant) => format!("there is no `{whole}`; did you mean `{meant}`?"),
        None => format!("there is no `{whole}`"),
    }
}
