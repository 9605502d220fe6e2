//! Lists the files below a directory in the manner of Python's `os.walk`.
//!
//! Links to directories are not followed. A directory that cannot be listed is an error, where Python skips it
//! silently. imgspec's own state directory is skipped.

use std::path::Path;

use super::error::Error;
use crate::disk::read::{Links, Root};
use crate::disk::{Entry, FileKind};
use crate::fingerprint::FilesError;
use crate::workspace::STATE_FOLDER;

/// The order in which directories named by `copy` are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the file system lists them: what flytekit does, with a result that may differ between machines.
    AsListed,
    /// By name: the same on every machine, and the same as flytekit's if no directory contains two others.
    Sorted,
}

pub(super) struct Walk<'a> {
    pub(super) root: &'a Root,
    /// Order in which directories are entered; the files within one are always sorted.
    pub(super) order: Order,
    /// Skip directories named `.git`.
    pub(super) without_git: bool,
}

/// The files and the subdirectories of one directory.
#[derive(Default)]
struct Names {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Walk<'_> {
    /// The files below a directory, relative to it, in walk order: first those of the directory itself. `top` is
    /// relative to the root and free of links. Includes links to files, wherever they lead, and special files.
    pub(super) fn files(&self, top: &Path) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(within) = ahead.pop() {
            let listed = self.list(&top.join(&within))?;
            let path = |name: &String| format!("{within}{name}");
            found.extend(listed.files.iter().map(path));
            // Last in, first out.
            let below = listed.folders.iter().rev();
            ahead.extend(below.map(|name| path(name) + "/"));
        }
        Ok(found)
    }

    fn list(&self, folder: &Path) -> Result<Names, Error> {
        let mut listed = Names::default();
        let entries = self.root.list(folder, Links::Refuse);
        for entry in entries
            .map_err(|refusal| FilesError::found(&place(self.root.path(), folder), refusal))?
        {
            let leads_to_folder = || self.root.at(folder).join(&entry.name).is_dir();
            let (is_folder, is_folder_link) = match entry.kind {
                FileKind::Directory => (true, false),
                FileKind::Link => (false, leads_to_folder()),
                _ => (false, false),
            };
            let name = self.name_of(folder, entry)?;
            if is_folder && !self.is_left_out(folder, &name) {
                listed.folders.push(name);
            } else if !is_folder && !is_folder_link {
                listed.files.push(name);
            }
        }
        listed.files.sort_unstable();
        if self.order == Order::Sorted {
            listed.folders.sort_unstable();
        }
        Ok(listed)
    }

    fn is_left_out(&self, folder: &Path, name: &str) -> bool {
        let is_root = folder.as_os_str().is_empty();
        (self.without_git && name == ".git") || (is_root && name == STATE_FOLDER)
    }

    fn name_of(&self, folder: &Path, entry: Entry) -> Result<String, Error> {
        let unreadable = |name| FilesError::Name {
            path: place(self.root.path(), &folder.join(name)),
        };
        Ok(entry.name.into_string().map_err(unreadable)?)
    }
}

/// A path for display, relative to the root.
pub(super) fn place(root: &Path, at: &Path) -> String {
    let inside = at.strip_prefix(root).unwrap_or(at);
    if inside.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        inside.to_string_lossy().into_owned()
    }
}
