//! Checks that the paths in images exist, have the right kind and are inside the workspace.

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Place};
use crate::disk::read::{Links, Root};
use crate::disk::{FileKind, system_words};
use crate::spec::{PathKind, WorkspacePath};
use crate::suggest::closest;
use crate::workspace::{Image, Workspace};

/// The result of examining a path.
#[derive(Clone)]
enum PathState {
    Kind(FileKind),
    Missing,
    Outside,
    Unreadable(String),
}

/// Examines paths in the workspace, each only once.
pub(super) struct Paths<'a> {
    root: &'a Path,
    known: BTreeMap<WorkspacePath, PathState>,
    /// The names in directories in which something is missing.
    listed: BTreeMap<WorkspacePath, Vec<String>>,
    looks: usize,
}

/// How many missing files get a suggestion: each is compared with all files of its directory.
const LOOKS: usize = 256;

impl<'a> Paths<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self {
            root: &workspace.root,
            known: BTreeMap::new(),
            listed: BTreeMap::new(),
            looks: 0,
        }
    }

    pub(super) fn check(&mut self, images: &[Image], diagnostics: &mut Vec<Diagnostic>) {
        for image in images {
            for (field, path, kind) in image.spec.paths() {
                if let Some(place) = image.places.get(&field) {
                    diagnostics.extend(self.wrong(path, kind, place));
                }
            }
        }
    }

    fn wrong(
        &mut self,
        path: &WorkspacePath,
        wanted: PathKind,
        place: &Place,
    ) -> Option<Diagnostic> {
        if !self.known.contains_key(path) {
            self.known.insert(path.clone(), look(self.root, path));
        }
        let found = &self.known[path];
        let mistake = |code, what: String| Diagnostic::error(code, format!("`{path}` {what}"));
        match found {
            PathState::Kind(FileKind::Directory) if wanted != PathKind::File => None,
            PathState::Kind(FileKind::File) if wanted != PathKind::Folder => None,
            PathState::Kind(kind) => Some(mistake("wrong-type", format!("is {kind}")).at(
                *place,
                match wanted {
                    PathKind::File => "expected a file",
                    PathKind::Folder => "expected a directory",
                    PathKind::Any => "expected a file or directory",
                },
            )),
            PathState::Outside => Some(
                mistake("outside", "is outside the workspace".into())
                    .at(*place, "a link on this path leads outside")
                    .help("images can use only files below the directory of the root manifest"),
            ),
            PathState::Unreadable(why) => {
                Some(mistake("unreadable", format!("cannot be read: {why}")).at(*place, ""))
            }
            PathState::Missing => Some(self.missing(path, place)),
        }
    }

    fn missing(&mut self, path: &WorkspacePath, place: &Place) -> Diagnostic {
        let mistake = Diagnostic::error("missing-file", format!("`{path}` does not exist"));
        if path.under(self.root).symlink_metadata().is_ok() {
            return mistake.at(*place, "a broken link");
        }
        let mistake = mistake.unfixed(place, self.meant(path), "no such file or directory");
        if path.file_name().unwrap_or("").contains(['*', '?']) {
            return mistake.help("globs are not expanded: copy the directory, and exclude unwanted files with a `.dockerignore`");
        }
        mistake.help("paths are relative to the directory of the manifest that contains them")
    }

    /// The name in the same directory that was probably meant.
    fn meant(&mut self, path: &WorkspacePath) -> Option<&str> {
        self.looks += 1;
        if self.looks > LOOKS {
            return None;
        }
        let folder = path.parent();
        if !self.listed.contains_key(&folder) {
            self.listed
                .insert(folder.clone(), names(self.root, &folder));
        }
        let names = self.listed[&folder].iter().map(String::as_str);
        closest(path.file_name().unwrap_or(""), names)
    }
}

fn look(root: &Path, path: &WorkspacePath) -> PathState {
    let real = match path.under(root).canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return PathState::Missing,
        Err(error) => return PathState::Unreadable(system_words(&error)),
    };
    if !real.starts_with(root) {
        return PathState::Outside;
    }
    match FileKind::at(&real) {
        Ok(kind) => PathState::Kind(kind),
        Err(error) => PathState::Unreadable(system_words(&error)),
    }
}

/// The names in a directory, sorted; none if it cannot be read.
fn names(root: &Path, folder: &WorkspacePath) -> Vec<String> {
    let listed = Root::open(root)
        .and_then(|root| root.list(Path::new(folder.as_str()), Links::Follow))
        .into_iter()
        .flatten();
    let mut names: Vec<String> = listed
        .filter_map(|listed| listed.name.into_string().ok())
        .collect();
    names.sort();
    names
}
