//! flytekit's digests of files, read from a folder of the workspace.
//!
//! Reads files, writes none. The choices made: no link is followed out of the workspace and no pipe waited for (both are
//! errors, where flytekit would read or hang); whatever flytekit leaves out of a digest (names of copied folders, where one
//! path ends and the next content begins, file modes) is left out here too, so two different trees may have one digest.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use rustix::fs::OFlags;
use sha1::Sha1;

use super::ignore::Ignore;
use super::walk::{Walk, place, unreadable};
use super::words::strip_bytes;
use super::{CopyMode, Digests, Error, Value};
use crate::fingerprint::FilesError;
use crate::workspace::STATE_FOLDER;

/// In which order the folders that `copy` names are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the file system lists them: what flytekit does, with an answer that another machine may not give.
    AsListed,
    /// By name: the same on every machine, and flytekit's where no folder holds two others.
    Sorted,
}

/// A folder of a workspace that a spec's paths are relative to, as flytekit's are to the folder it runs in.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    at: PathBuf,
    order: Order,
}

impl Folder {
    /// A folder in the workspace with this root.
    ///
    /// # Errors
    /// When either is not there, or the folder is outside.
    pub fn new(root: &Path, folder: &Path, order: Order) -> Result<Self, Error> {
        let real = |path: &Path| {
            path.canonicalize()
                .map_err(|error| unreadable(root, path, &error))
        };
        let (root, at) = (real(root)?, real(folder)?);
        if !at.starts_with(&root) {
            let path = folder.display().to_string();
            return Err(FilesError::Outside { path, said: None }.into());
        }
        Ok(Self { root, at, order })
    }

    /// The sha1 of a requirements or lock file without the white space at its ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn requirements_digest(&self, path: &str) -> Result<String, Error> {
        let real = self.resolve(path)?.ok_or_else(|| missing(path))?;
        let mut bytes = Vec::new();
        self.open(&real)?
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&self.root, &real, &error))?;
        Ok(hex(&Sha1::digest(strip_bytes(&bytes))))
    }

    /// The files of a source root that nothing ignores, relative to it and sorted.
    ///
    /// flytekit's ignore rules see the paths of a source root that is given relative with that root before them, so that
    /// most rules do not hold there. For rules that hold, give an absolute one, as flytekit's command line does.
    ///
    /// # Errors
    /// When a folder or the ignore rules cannot be read.
    pub fn source_files(&self, source_root: &str) -> Result<Vec<String>, Error> {
        let top = self.folder(source_root)?;
        let ignore = Ignore::read(&self.root, &top)?;
        let walk = Walk {
            root: &self.root,
            order: Order::Sorted,
            without_git: true,
        };
        let mut files = walk.files(&top)?;
        files.retain(|path| !ignore.holds(&as_seen(source_root, path)));
        let mut there = Vec::with_capacity(files.len());
        for path in files {
            if self.leaf(&top.join(&path))?.is_some() {
                there.push(path);
            }
        }
        there.sort_unstable();
        Ok(there)
    }

    /// The md5 of files of a source root: of each its content, then its path without separators.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn source_digest(&self, source_root: &str, files: &[String]) -> Result<String, Error> {
        let top = self.folder(source_root)?;
        let mut md5 = Md5::new();
        for path in files {
            let at = top.join(path);
            let moved = || FilesError::Moved {
                path: place(&self.root, &at),
            };
            let real = self.leaf(&at)?.ok_or_else(moved)?;
            self.add(&mut md5, &real, path)?;
        }
        Ok(hex(&md5.finalize()))
    }

    /// The md5 of files and folders in the order given. What is missing counts as nothing: the build fails on it.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn copy_digest(&self, items: &[String]) -> Result<String, Error> {
        let mut md5 = Md5::new();
        for item in items {
            match self.resolve(item)? {
                Some(real) if real.is_dir() => self.add_tree(&mut md5, &real)?,
                Some(real) => {
                    let name = item.rsplit('/').next().unwrap_or_default();
                    if self.leaf(&real)?.is_some() {
                        self.add(&mut md5, &real, name)?;
                    }
                }
                None => {}
            }
        }
        Ok(hex(&md5.finalize()))
    }

    /// The md5 of one folder, which is what flytekit takes a `copy` that is a text for.
    fn tree_digest(&self, folder: &str) -> Result<String, Error> {
        let mut md5 = Md5::new();
        if let Some(real) = self.resolve(folder)?.filter(|real| real.is_dir()) {
            self.add_tree(&mut md5, &real)?;
        }
        Ok(hex(&md5.finalize()))
    }

    fn add_tree(&self, md5: &mut Md5, top: &Path) -> Result<(), Error> {
        let walk = Walk {
            root: &self.root,
            order: self.order,
            without_git: false,
        };
        for path in walk.files(top)? {
            if let Some(real) = self.leaf(&top.join(&path))? {
                self.add(md5, &real, &path)?;
            }
        }
        Ok(())
    }

    fn add(&self, md5: &mut Md5, real: &Path, path: &str) -> Result<(), Error> {
        let mut file = self.open(real)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => md5.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.root, real, &error)),
            }
        }
        md5.update(path.replace('/', ""));
        Ok(())
    }

    /// A file that is where its path says, or where the links that the path is lead; none for what flytekit passes over,
    /// which is what is not there, and sockets.
    fn leaf(&self, at: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(real) = self.real(at)? else {
            return Ok(None);
        };
        let kind = real
            .symlink_metadata()
            .map_err(|error| unreadable(&self.root, &real, &error))?
            .file_type();
        if kind.is_socket() {
            return Ok(None);
        }
        if kind.is_file() {
            return Ok(Some(real));
        }
        Err(special(place(&self.root, at), kind.is_fifo()))
    }

    /// Opens a file that is no link any more, without waiting for a pipe that was put in its place.
    fn open(&self, real: &Path) -> Result<File, Error> {
        let refused = |error: io::Error| unreadable(&self.root, real, &error);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(real)
            .map_err(refused)?;
        if file.metadata().map_err(refused)?.is_file() {
            return Ok(file);
        }
        let path = place(&self.root, real);
        Err(FilesError::Unreadable {
            path,
            why: "it is no file".to_owned(),
        }
        .into())
    }

    fn folder(&self, path: &str) -> Result<PathBuf, Error> {
        let real = self.resolve(path)?.ok_or_else(|| missing(path))?;
        if real.is_dir() {
            return Ok(real);
        }
        Err(FilesError::Unreadable {
            path: path.to_owned(),
            why: "it is no folder".to_owned(),
        }
        .into())
    }

    /// Where a path of the spec leads; none if nothing is there.
    fn resolve(&self, path: &str) -> Result<Option<PathBuf>, Error> {
        self.real(&self.at.join(path))
    }

    fn real(&self, at: &Path) -> Result<Option<PathBuf>, Error> {
        let shown = || place(&self.root, at);
        match at.canonicalize() {
            Ok(real) => match real.strip_prefix(&self.root) {
                Err(_) => Err(FilesError::Outside {
                    path: shown(),
                    said: None,
                }
                .into()),
                Ok(inside) if inside.starts_with(STATE_FOLDER) => {
                    Err(FilesError::State { path: shown() }.into())
                }
                Ok(_) => Ok(Some(real)),
            },
            Err(error) if leads_nowhere(&error) => Ok(None),
            Err(error) => Err(unreadable(&self.root, at, &error)),
        }
    }
}

impl Digests for Folder {
    fn requirements(&self, path: &str) -> Result<String, Error> {
        self.requirements_digest(path)
    }

    fn source(&self, source_root: &str, mode: &CopyMode) -> Result<String, Error> {
        match mode {
            CopyMode::LoadedModules => Err(Error::LoadedModules),
            CopyMode::All | CopyMode::NoCopy | CopyMode::Other(_) => {
                self.source_digest(source_root, &self.source_files(source_root)?)
            }
        }
    }

    fn copy(&self, copy: &Value) -> Result<String, Error> {
        if let Value::Text(folder) = copy {
            return self.tree_digest(folder);
        }
        let items = copy.as_texts().ok_or_else(|| Error::NotList {
            field: "copy".to_owned(),
        })?;
        self.copy_digest(&items)
    }
}

/// A path below the source root as flytekit's ignore rules see it.
fn as_seen(source_root: &str, path: &str) -> String {
    if source_root.starts_with('/') {
        path.to_owned()
    } else if source_root.ends_with('/') {
        format!("{source_root}{path}")
    } else {
        format!("{source_root}/{path}")
    }
}

/// Python's `os.path.exists` says no.
fn leads_nowhere(error: &io::Error) -> bool {
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_loop
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}

fn missing(path: &str) -> Error {
    FilesError::Missing {
        path: path.to_owned(),
        said: None,
    }
    .into()
}

fn special(path: String, is_pipe: bool) -> Error {
    let kind = if is_pipe { "named pipe" } else { "device" };
    FilesError::Special { path, kind }.into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}
