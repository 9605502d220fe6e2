//! Finds the root manifest for a directory: the outermost manifest whose includes lead to the nearest one.
//!
//! This is how cargo and uv do it. If there is no manifest above the nearest one, nothing is read. Of those above, only
//! variables and includes matter: each pattern is first matched against the nearest manifest alone, and directories are listed
//! only where another manifest might include it indirectly.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::INCLUDE_LIMIT;
use super::glob::{FILE_NAME, NoMatch, expand, names};
use super::loader::{File, Instead, Loader};
use crate::diagnostic::{Diagnostic, Sources, Spanned};
use crate::disk::Shown;
use crate::manifest::decode::{NO_NAMES, Scope};
use crate::manifest::inherit::Overrides;
use crate::spec::WorkspacePath;

/// The root manifest of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Path of the root manifest.
    pub manifest: PathBuf,
    /// Path of the nearest manifest, which may be the same.
    pub nearest: PathBuf,
    /// Manifests above that do not belong to this workspace, the outermost first.
    pub apart: Vec<Apart>,
}

/// A manifest above a workspace that does not belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Apart {
    /// It does not include the nearest manifest.
    NotIncluding(PathBuf),
    /// It belongs to another user, whose defaults and commands must not silently affect this workspace.
    Stranger(PathBuf),
}

/// Why the root manifest cannot be determined.
#[derive(Debug)]
pub struct Unsure {
    /// The errors in the manifest above.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of that manifest.
    pub sources: Sources,
}

/// Finds the root manifest of a directory; `None` if there is no manifest in it or above. Links in the path of the directory
/// are resolved first.
///
/// # Errors
/// Fails if a manifest above cannot be read well enough to tell whether it includes the nearest one.
pub fn find(
    from: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Root>, Box<Unsure>> {
    find_instead(from, overrides, env, &Instead::new())
}

/// Like [`find`], but with other texts for some files, which need not exist.
pub(crate) fn find_instead(
    from: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    instead: &Instead,
) -> Result<Option<Root>, Box<Unsure>> {
    let from = from.canonicalize().unwrap_or_else(|_| from.to_owned());
    let mut ahead = from.ancestors().map(|folder| folder.join(FILE_NAME));
    let Some(nearest) = ahead.find(|path| path.is_file() || instead.contains_key(path)) else {
        return Ok(None);
    };
    let above: Vec<PathBuf> = ahead.filter(|path| may_be_manifest(path)).collect();
    let mut apart = Vec::new();
    for manifest in above.into_iter().rev() {
        if is_strangers(&manifest, &nearest) {
            apart.push(Apart::Stranger(manifest));
            continue;
        }
        let mut loader = Loader::new(overrides, env);
        loader.instead = Some(instead);
        if loader.leads(&manifest, &nearest)? {
            return Ok(Some(Root {
                manifest,
                nearest,
                apart,
            }));
        }
        apart.push(Apart::NotIncluding(manifest));
    }
    Ok(Some(Root {
        manifest: nearest.clone(),
        nearest,
        apart,
    }))
}

/// Whether a path is a file, or cannot be ruled out to be one, such as a broken link.
fn may_be_manifest(path: &Path) -> bool {
    path.symlink_metadata().is_ok() && path.metadata().map_or(true, |meta| meta.is_file())
}

/// Whether a manifest above belongs to somebody other than this user, root and the owner of the nearest manifest. Anybody can
/// create files in directories such as /tmp.
fn is_strangers(manifest: &Path, nearest: &Path) -> bool {
    let owner = |path: &Path| path.symlink_metadata().as_ref().map(Metadata::uid).ok();
    let trusted = [
        Some(0),
        Some(rustix::process::geteuid().as_raw()),
        owner(nearest),
    ];
    !trusted.contains(&owner(manifest))
}

impl Loader<'_> {
    /// Whether the includes of one manifest lead to another.
    fn leads(mut self, manifest: &Path, nearest: &Path) -> Result<bool, Box<Unsure>> {
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        folder.clone_into(&mut self.root);
        let real = nearest.canonicalize().ok();
        let inside = real.as_deref().and_then(|it| it.strip_prefix(folder).ok());
        let inside = inside.and_then(Path::to_str);
        let Some(goal) = inside.and_then(|it| WorkspacePath::resolve(&WorkspacePath::ROOT, it))
        else {
            return Ok(false);
        };
        let path = WorkspacePath::resolve(&WorkspacePath::ROOT, FILE_NAME).unwrap_or_default();
        let mut seen = BTreeSet::from([path.clone()]);
        if self.leads_from(&path, &NO_NAMES, &goal, &mut seen, 0) {
            return Ok(true);
        }
        if self.notes.incomplete {
            return Err(Box::new(self.unsure(manifest, nearest)));
        }
        Ok(false)
    }

    fn leads_from(
        &mut self,
        path: &WorkspacePath,
        outer: &Scope<'_>,
        goal: &WorkspacePath,
        seen: &mut BTreeSet<WorkspacePath>,
        depth: usize,
    ) -> bool {
        let Some(nodes) = self.nodes(path, None) else {
            self.notes.incomplete = true;
            return false;
        };
        let file = File {
            folder: path.parent(),
            nodes: &nodes,
            plain_ids: BTreeSet::new(),
            allows: Vec::new(),
        };
        let scope = self.scope(&file, outer);
        let patterns = self.patterns(&file, &scope);
        let root = self.root.clone();
        let mut each = patterns.iter();
        if each.any(|pattern| names(&root, &file.folder, &pattern.text, goal)) {
            return true;
        }
        let mut next = Vec::new();
        for pattern in patterns {
            match expand(&root, &file.folder, &pattern.text, &mut self.looked) {
                Ok(found) => next.extend(found),
                Err(NoMatch::Glob(_)) => self.notes.incomplete = true,
                Err(_) => {}
            }
        }
        // A link along the path may hide that a pattern matches it.
        next.contains(goal)
            || next.into_iter().any(|next| {
                depth < INCLUDE_LIMIT
                    && seen.insert(next.clone())
                    && self.leads_from(&next, &scope, goal, seen, depth + 1)
            })
    }

    /// The include patterns of a file.
    fn patterns(&mut self, file: &File<'_>, scope: &Scope<'_>) -> Vec<Spanned> {
        let includes = file.named("workspace").flat_map(|node| &node.children);
        let includes = includes.filter(|child| child.name.text == "include");
        let mut patterns = Vec::new();
        for value in includes.flat_map(|child| &child.args) {
            let text = scope.text(value, "include", &mut self.notes);
            self.notes.incomplete |= text.is_none();
            patterns.extend(text);
        }
        patterns
    }

    fn unsure(self, manifest: &Path, nearest: &Path) -> Unsure {
        let shown = |path: &Path| Shown(&path.to_string_lossy()).to_string();
        let (manifest, nearest) = (shown(manifest), shown(nearest));
        let (sources, mut diagnostics) = self.notes.finish();
        // That advice is only useful for a manifest that the user named.
        let unreadable = diagnostics.iter_mut().filter(|it| it.code == "unreadable");
        unreadable.for_each(|mistake| mistake.help.clear());
        let message = format!("cannot tell whether `{manifest}` includes `{nearest}`");
        diagnostics.push(
            Diagnostic::error("unsure-root", message)
                .help("fix the manifest above, which may be the root manifest")
                .help("or choose the root: `--root DIR`, or `-f FILE`"),
        );
        Unsure {
            diagnostics,
            sources,
        }
    }
}
