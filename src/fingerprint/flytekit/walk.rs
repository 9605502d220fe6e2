//! Lists the files below a folder as Python's `os.walk` does.
//!
//! Reads folders, not files. The choices made: links to folders are not entered, and what cannot be listed is an error, where
//! Python passes over it in silence; this program's own state is not there.

use std::fs::DirEntry;
use std::io;
use std::path::Path;

use super::{Error, Order};
use crate::disk::system_words;
use crate::fingerprint::FilesError;
use crate::workspace::STATE_FOLDER;

/// What a walk is to do.
pub(super) struct Walk<'a> {
    /// The workspace root, absolute and without links.
    pub(super) root: &'a Path,
    /// In which order folders are entered; the files of one folder are sorted.
    pub(super) order: Order,
    /// Whether folders called `.git` are left out.
    pub(super) without_git: bool,
}

/// The files and the folders of one folder, by name.
#[derive(Default)]
struct Listed {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Walk<'_> {
    /// The files below a folder (absolute, without links), relative to it, in the order of the walk: first those of the
    /// folder itself. Links to files are among them, wherever they lead, and so is what is neither file nor folder.
    pub(super) fn files(&self, top: &Path) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(within) = ahead.pop() {
            let listed = self.list(&top.join(&within))?;
            let path = |name: &String| format!("{within}{name}");
            found.extend(listed.files.iter().map(path));
            // The last in is the first out.
            let below = listed.folders.iter().rev();
            ahead.extend(below.map(|name| path(name) + "/"));
        }
        Ok(found)
    }

    fn list(&self, folder: &Path) -> Result<Listed, Error> {
        let refused = |error: &io::Error| unreadable(self.root, folder, error);
        let mut listed = Listed::default();
        for entry in std::fs::read_dir(folder).map_err(|error| refused(&error))? {
            let entry = entry.map_err(|error| refused(&error))?;
            let name = self.name_of(&entry)?;
            match kind_of(&entry).map_err(|error| refused(&error))? {
                Kind::File => listed.files.push(name),
                Kind::Folder if !self.is_left_out(folder, &name) => listed.folders.push(name),
                Kind::Folder | Kind::FolderLink => {}
            }
        }
        listed.files.sort_unstable();
        if self.order == Order::Sorted {
            listed.folders.sort_unstable();
        }
        Ok(listed)
    }

    fn is_left_out(&self, folder: &Path, name: &str) -> bool {
        (self.without_git && name == ".git") || (name == STATE_FOLDER && folder == self.root)
    }

    fn name_of(&self, entry: &DirEntry) -> Result<String, Error> {
        let unreadable = |_| FilesError::Name {
            path: place(self.root, &entry.path()),
        };
        Ok(entry.file_name().into_string().map_err(unreadable)?)
    }
}

enum Kind {
    File,
    Folder,
    FolderLink,
}

fn kind_of(entry: &DirEntry) -> io::Result<Kind> {
    let kind = entry.file_type()?;
    Ok(if kind.is_dir() {
        Kind::Folder
    } else if kind.is_symlink() && entry.path().is_dir() {
        Kind::FolderLink
    } else {
        Kind::File
    })
}

/// A path below the root, for people.
pub(super) fn place(root: &Path, at: &Path) -> String {
    match at.strip_prefix(root) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => at.to_string_lossy().into_owned(),
    }
}

/// What the operating system's refusal means.
pub(super) fn unreadable(root: &Path, at: &Path, error: &io::Error) -> Error {
    let path = place(root, at);
    Error::Files(match error.kind() {
        // It was there a moment ago.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FilesError::Moved { path },
        _ => FilesError::Unreadable {
            path,
            why: system_words(error),
        },
    })
}
