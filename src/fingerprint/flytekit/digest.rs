//! flytekit's digests of files in a directory of the workspace.
//!
//! Links out of the workspace and named pipes are errors, where flytekit would read them or hang. What flytekit leaves
//! out of a digest (names of copied directories, boundaries between a path and the next content, file modes) is left
//! out here too, so different trees may have the same digest.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest as _, Md5};
use rustix::io::Errno;
use sha1::Sha1;

use super::error::Error;
use super::ignore::Ignore;
use super::spec::{CopyMode, Digests};
use super::value::Value;
use super::walk::{Order, Walk, place};
use super::words::strip_bytes;

use crate::disk::read::{Links, Refusal, Root};
use crate::disk::{FileKind, limits};
use crate::fingerprint::FilesError;
use crate::workspace::STATE_FOLDER;

/// The directory that paths in a spec are relative to. In flytekit this is the directory it runs in.
#[derive(Debug, Clone)]
pub struct Folder {
    root: Arc<Root>,
    /// Relative to the root, without links.
    at: PathBuf,
    order: Order,
}

impl Folder {
    /// A directory inside the workspace with this root.
    pub fn new(root: &Path, folder: &Path, order: Order) -> Result<Self, Error> {
        let shown = folder.display().to_string();
        let refused = |refusal| FilesError::named(&shown, None, refusal);
        let real = root.canonicalize().map_err(Refusal::System);
        let root = real.and_then(|real| Root::open(&real)).map_err(refused)?;
        let at = root.real(folder).map_err(refused)?;
        let root = Arc::new(root);
        Ok(Self { root, at, order })
    }

    /// The files of a source root that are not ignored, sorted and relative to it.
    ///
    /// flytekit's ignore rules see the paths below a relative source root with that root as a prefix, so that most
    /// rules do not match there. Pass an absolute source root, as flytekit's command line does, to make rules match.
    pub fn source_files(&self, source_root: &str) -> Result<Vec<String>, Error> {
        let top = self.folder(source_root)?;
        let walk = Walk {
            root: &self.root,
            order: Order::Sorted,
            without_git: true,
        };
        let mut files = walk.files(&top)?;
        let ignore = Ignore::read(&self.root, &top, &files)?;
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

    /// The md5 of files of a source root: for each, its content followed by its path without separators.
    pub fn source_digest(&self, source_root: &str, files: &[String]) -> Result<String, Error> {
        let top = self.folder(source_root)?;
        let mut md5 = Md5::new();
        for path in files {
            let at = top.join(path);
            let moved = || FilesError::Moved {
                path: place(self.root.path(), &at),
            };
            let real = self.leaf(&at)?.ok_or_else(moved)?;
            self.add(&mut md5, &real, path)?;
        }
        Ok(hex::encode(md5.finalize()))
    }

    /// The md5 of files and directories in the given order. Missing ones are skipped: the build will fail on them.
    pub fn copy_digest(&self, items: &[String]) -> Result<String, Error> {
        let mut md5 = Md5::new();
        for item in items {
            let Some(real) = self.resolve(item)? else {
                continue;
            };
            if self.is_folder(&real) {
                self.add_tree(&mut md5, &real)?;
            } else if self.leaf(&real)?.is_some() {
                self.add(&mut md5, &real, item.rsplit('/').next().unwrap_or_default())?;
            }
        }
        Ok(hex::encode(md5.finalize()))
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
        let opened = self.root.file(real, Links::Refuse);
        let (mut file, _) = opened.map_err(|refusal| self.refused(real, refusal))?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => md5.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refused(real, Refusal::System(error))),
            }
        }
        md5.update(path.replace('/', ""));
        Ok(())
    }

    /// The file at a path, with links resolved; `None` for what flytekit skips: missing files and sockets.
    fn leaf(&self, at: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(real) = self.real(at)? else {
            return Ok(None);
        };
        match self.root.kind(&real) {
            Some(FileKind::Socket) => Ok(None),
            Some(FileKind::File) => Ok(Some(real)),
            None => {
                let path = place(self.root.path(), at);
                Err(FilesError::Moved { path }.into())
            }
            Some(kind) => Err(FilesError::special(place(self.root.path(), at), kind).into()),
        }
    }

    fn is_folder(&self, real: &Path) -> bool {
        self.root.kind(real) == Some(FileKind::Directory)
    }

    fn refused(&self, real: &Path, refusal: Refusal) -> Error {
        FilesError::found(&place(self.root.path(), real), refusal).into()
    }

    fn folder(&self, path: &str) -> Result<PathBuf, Error> {
        let real = self.resolve(path)?.ok_or_else(|| missing(path))?;
        if self.is_folder(&real) {
            return Ok(real);
        }
        Err(FilesError::Unreadable {
            path: path.to_owned(),
            why: "it is not a directory".to_owned(),
        }
        .into())
    }

    /// Resolves a path of the spec; `None` if nothing exists there.
    fn resolve(&self, path: &str) -> Result<Option<PathBuf>, Error> {
        self.real(&self.at.join(path))
    }

    fn real(&self, at: &Path) -> Result<Option<PathBuf>, Error> {
        let shown = || place(self.root.path(), at);
        match self.root.real(at) {
            Ok(real) if real.starts_with(STATE_FOLDER) => {
                Err(FilesError::State { path: shown() }.into())
            }
            Ok(real) => Ok(Some(real)),
            Err(refusal) if leads_nowhere(&refusal) => Ok(None),
            Err(refusal) => Err(FilesError::named(&shown(), None, refusal).into()),
        }
    }
}

impl Digests for Folder {
    fn requirements(&self, path: &str) -> Result<String, Error> {
        let real = self.resolve(path)?.ok_or_else(|| missing(path))?;
        let bytes = self.root.bytes(&real, Links::Refuse, limits::LOCK);
        let bytes = bytes.map_err(|refusal| self.refused(&real, refusal))?;
        Ok(hex::encode(Sha1::digest(strip_bytes(&bytes))))
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
        if let Value::Text(path) = copy {
            // flytekit takes a string to be a directory.
            let folder = self.resolve(path)?.filter(|real| self.is_folder(real));
            let items = folder.iter().map(|_| path.clone());
            return self.copy_digest(&items.collect::<Vec<_>>());
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

/// Whether Python's `os.path.exists` would return false.
fn leads_nowhere(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Dangling => true,
        Refusal::System(error) => {
            refusal.is_absent() || Errno::from_io_error(error) == Some(Errno::LOOP)
        }
        _ => false,
    }
}

fn missing(path: &str) -> Error {
    FilesError::Missing {
        path: path.to_owned(),
        said: None,
    }
    .into()
}
