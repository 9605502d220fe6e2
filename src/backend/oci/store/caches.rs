//! Directories in which programs keep downloads from one run to the next. One program at a time has such a directory.
//!
//! What is in one is the doing of programs, so nothing here follows a link of it or believes a mode or an owner. It lies in a
//! directory of ours, which no program sees: none can move it, or put a link in its place.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::SystemTime;

use super::blobs::Store;
use super::error::StoreError;
use super::left::{self, LOCKED};
use crate::disk::FileKind;
use crate::disk::dir::Dir;
use crate::disk::dir::Share;

/// The directory that programs see, in that of a cache.
const FILES: &str = "files";

/// The file that tells by its time when a cache was last used.
const MARK: &str = "used";

/// A cache for one program, until it is dropped.
#[derive(Debug)]
pub(in crate::backend) struct Cache {
    files: PathBuf,
    _held: File,
}

impl Cache {
    /// The directory for the program.
    pub(in crate::backend) fn files(&self) -> &PathBuf {
        &self.files
    }
}

/// A cache in the store, or a program that helps, for removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct CacheUsage {
    pub(in crate::backend) name: String,
    pub(in crate::backend) size: u64,
    pub(in crate::backend) used: SystemTime,
    pub(in crate::backend) is_tool: bool,
}

impl Store {
    /// The cache of this name, empty if there is none; `None` if `waiting`, which is called repeatedly while another program
    /// has it, breaks.
    pub(in crate::backend) fn cache(
        &self,
        name: &str,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Cache>, StoreError> {
        let caches = &self.0.caches;
        let lock = format!("{name}{LOCKED}");
        let Some(held) = caches.lock(&lock, Share::Nobody, waiting)? else {
            return Ok(None);
        };
        let own = caches.make(name)?;
        own.replace_soon(MARK, b"")?;
        let own = own.lent()?;
        if own.kind(FILES)? != Some(FileKind::Directory) {
            own.remove_file(FILES)?;
            own.make(FILES)?;
        }
        // Root of a system is one who can do this whoever the owner is; as others, the sandbox does it.
        own.unlock(FILES.as_ref());
        if let Ok(Some(files)) = own.open(FILES) {
            let _ = files.set_mode(0o755);
        }
        Ok(Some(Cache {
            files: own.path().join(FILES),
            _held: held,
        }))
    }
}

/// All caches in this directory.
pub(super) fn list(caches: &Dir) -> io::Result<Vec<CacheUsage>> {
    let mut found = Vec::new();
    for entry in caches.entries()? {
        let Some(name) = entry.name.to_str() else {
            continue;
        };
        if entry.kind != FileKind::Directory {
            continue;
        }
        let Some(own) = caches.open(name)? else {
            continue;
        };
        let used = own.file(MARK)?.and_then(|(_, meta)| meta.modified().ok());
        found.push(CacheUsage {
            name: name.to_owned(),
            size: own.lent()?.bytes(FILES),
            used: used.unwrap_or(SystemTime::UNIX_EPOCH),
            is_tool: false,
        });
    }
    Ok(found)
}

/// Removes a cache of a store that nobody is using.
pub(super) fn remove(caches: &Dir, name: &str) -> io::Result<()> {
    left::remove(&caches.lent()?, name)?;
    caches.remove_file(format!("{name}{LOCKED}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::Path;

    use super::*;
    use crate::backend::oci::store::Sweep;
    use crate::disk::cache::below;

    fn store(folder: &Path) -> Store {
        Store::open(&folder.join("store")).unwrap()
    }

    fn cache(store: &Store) -> Result<Option<Cache>, StoreError> {
        store.cache("apt", &mut || ControlFlow::Break(()))
    }

    #[test]
    fn one_program_at_a_time_has_a_cache_and_the_next_one_finds_what_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let first = cache(&store).unwrap().unwrap();
        fs::write(first.files().join("a"), "kept").unwrap();
        assert!(cache(&store).unwrap().is_none());
        let other = store.cache("other", &mut || ControlFlow::Break(()));
        assert!(other.unwrap().is_some());
        drop(first);
        let next = cache(&store).unwrap().unwrap();
        assert_eq!(fs::read(next.files().join("a")).unwrap(), b"kept");
    }

    #[test]
    fn what_a_program_did_to_a_cache_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("mine"), "mine").unwrap();
        let files = cache(&store).unwrap().unwrap().files().clone();
        // A link or a file in its place, as far as anybody could put one there.
        fs::remove_dir(&files).unwrap();
        symlink(&outside, &files).unwrap();
        let again = cache(&store).unwrap().unwrap();
        assert_eq!(again.files(), &files);
        assert!(files.symlink_metadata().unwrap().is_dir());
        drop(again);
        fs::remove_dir(&files).unwrap();
        fs::write(&files, "x").unwrap();
        drop(cache(&store).unwrap().unwrap());
        assert!(files.symlink_metadata().unwrap().is_dir());
        // Closed, given to somebody else, and full of links.
        symlink(&outside, files.join("link")).unwrap();
        fs::create_dir(files.join("closed")).unwrap();
        symlink("/", files.join("closed/root")).unwrap();
        fs::set_permissions(files.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&files, Some(4242), Some(4242)).unwrap();
            chown(files.join("closed"), Some(4242), Some(4242)).unwrap();
        }
        fs::set_permissions(&files, PermissionsExt::from_mode(0o000)).unwrap();
        drop(cache(&store).unwrap().unwrap());
        let mode = files.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        drop(store);
        let place = below(&folder.path().join("store"));
        let sweep = Sweep::begin(&place).unwrap().unwrap();
        let [usage] = sweep.caches().unwrap().try_into().unwrap();
        sweep.remove_cache(&usage).unwrap();
        assert!(sweep.caches().unwrap().is_empty());
        assert_eq!(fs::read(outside.join("mine")).unwrap(), b"mine");
        let caches = folder.path().join("store/caches");
        assert_eq!(fs::read_dir(caches).unwrap().count(), 0);
    }

    #[test]
    fn a_link_in_place_of_the_directory_of_caches_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        symlink("/", folder.path().join("store/caches/apt")).unwrap();
        let error = cache(&store).unwrap_err().to_string();
        assert!(
            error.contains("is a symbolic link, not a directory"),
            "{error}"
        );
    }
}
