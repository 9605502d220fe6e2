//! Directories owned by imgspec, accessed by handle: entries are opened relative to it, one component at a time, and
//! never through a symlink.
//!
//! A checkout may contain symlinks where imgspec stores its state, and any process may create one there at any moment;
//! a path would follow them. The alternative was `cap-std`, which follows symlinks that stay inside, but here none are
//! wanted at all.

mod error;
mod exchange;
mod fresh;
mod lent;
mod lock;
mod remove;
mod rooted;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::read;
use super::times;
use super::{Entry, FileKind};
pub(crate) use error::{DirError, Terms};
use error::{Doing, Why};
pub(crate) use fresh::{Fresh, TEMPORARY, unused};
pub(crate) use lock::Share;
pub(crate) use rooted::Rooted;

/// Flags for opening any file or directory: do not follow symlinks, do not block on a pipe, do not acquire a terminal.
const SAFELY: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Maximum number of retries if another process keeps undoing an operation.
const TRIES: usize = 100;

/// An open directory of imgspec's own. Clones share the handle.
#[derive(Debug, Clone)]
pub(crate) struct Dir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: OwnedFd,
    path: PathBuf,
    terms: Arc<Terms>,
}

impl Dir {
    fn new(handle: OwnedFd, path: PathBuf, terms: Arc<Terms>) -> Self {
        Self(Arc::new(Inner {
            handle,
            path,
            terms,
        }))
    }

    /// Its path when it was opened. A symlink created since may redirect this path, so it is only for messages, and for
    /// external programs that need a path.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Opens a subdirectory; `None` if it does not exist.
    pub(crate) fn open(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Self>> {
        let name = name.as_ref();
        match self.open_at(name, DIRECTORY, Mode::empty()) {
            Ok(handle) => {
                self.verify_owner(name, &handle)?;
                let path = self.0.path.join(name);
                Ok(Some(Self::new(handle, path, Arc::clone(&self.0.terms))))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.refused(name, error, FileKind::Directory, Doing::Reading)),
        }
    }

    /// Nobody else may own a private directory: who does can exchange what is in it.
    fn verify_owner(&self, name: &OsStr, handle: &OwnedFd) -> io::Result<()> {
        if !self.0.terms.is_private {
            return Ok(());
        }
        let stat =
            rustix::fs::fstat(handle).map_err(|error| self.trouble(name, Doing::Reading, error))?;
        if stat.st_uid == rustix::process::geteuid().as_raw() {
            Ok(())
        } else {
            Err(self.entry_error(name, Why::Foreign))
        }
    }

    /// Opens a directory below it; `None` if a component does not exist.
    pub(crate) fn open_all(&self, path: impl AsRef<Path>) -> io::Result<Option<Self>> {
        let mut at = self.clone();
        for step in path.as_ref() {
            match at.open(step)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Opens a subdirectory, creating it if needed.
    pub(crate) fn make(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        for _ in 0..TRIES {
            if let Some(found) = self.open(name)? {
                return Ok(found);
            }
            match rustix::fs::mkdirat(&self.0.handle, single(name)?, self.0.terms.mode()) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(self.trouble(name, Doing::Writing, error)),
            }
        }
        Err(self.trouble(name, Doing::Writing, Errno::NOENT))
    }

    /// Opens a directory below it, creating missing components.
    pub(crate) fn make_all(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut at = self.clone();
        for step in path.as_ref() {
            at = at.make(step)?;
        }
        Ok(at)
    }

    /// Opens a regular file for reading; `None` if it does not exist.
    pub(crate) fn file(&self, name: impl AsRef<OsStr>) -> io::Result<Option<(File, Metadata)>> {
        let name = name.as_ref();
        match self.open_at(name, OFlags::RDONLY, Mode::empty()) {
            Ok(handle) => self.regular(name, handle, Doing::Reading).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.refused(name, error, FileKind::File, Doing::Reading)),
        }
    }

    /// Reads a regular file, which may not exceed the limit; `None` if it does not exist.
    pub(crate) fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let name = name.as_ref();
        let Some((file, meta)) = self.file(name)? else {
            return Ok(None);
        };
        let bytes = read::limited(&file, &meta, limit);
        let refused = |refusal| self.entry_error(name, Why::Unread(refusal));
        bytes.map(Some).map_err(refused)
    }

    /// Creates a new file for writing. An existing entry with this name is removed first, so that no other hard link is
    /// written to.
    pub(crate) fn anew(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = name.as_ref();
        for _ in 0..TRIES {
            match self.create(name, 0o666)? {
                Some(file) => return Ok(file),
                None => self.remove_file(name)?,
            }
        }
        Err(self.trouble(name, Doing::Writing, Errno::EXIST))
    }

    /// Creates a new file with this mode for writing; `None` if the name is taken.
    pub(crate) fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Option<File>> {
        let name = name.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        match self.open_at(name, flags, mode_of(mode)) {
            Ok(handle) => Ok(Some(File::from(handle))),
            Err(Errno::EXIST) => Ok(None),
            Err(error) => Err(self.trouble(name, Doing::Writing, error)),
        }
    }

    /// Opens a file for appending, creating it if needed. Fails if the file has another hard link.
    pub(crate) fn append(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = name.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        let handle = self
            .open_at(name, flags, mode_of(0o666))
            .map_err(|error| self.refused(name, error, FileKind::File, Doing::Writing))?;
        let (file, meta) = self.regular(name, handle, Doing::Writing)?;
        if meta.nlink() > 1 {
            return Err(self.entry_error(name, Why::Shared));
        }
        Ok(file)
    }

    /// The entries of the directory, sorted by name.
    pub(crate) fn entries(&self) -> io::Result<Vec<Entry>> {
        let listed = rustix::fs::Dir::read_from(&self.0.handle)
            .and_then(|mut directory| super::entries(&mut directory));
        let mut entries = listed.map_err(|error| self.own(Doing::Reading, error))?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Whether file times on this file system reliably show every change; see [`times`].
    pub(crate) fn has_reliable_times(&self) -> bool {
        times::are_reliable(&self.0.handle)
    }

    /// The kind of an entry, without following symlinks; `None` if it does not exist.
    pub(crate) fn kind(&self, name: impl AsRef<OsStr>) -> io::Result<Option<FileKind>> {
        let name = name.as_ref();
        match self.stat(name) {
            Ok(stat) => Ok(Some(kind_of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.trouble(name, Doing::Reading, error)),
        }
    }

    /// Checks that a name is unused or belongs to a regular file.
    pub(crate) fn verify_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        match self.kind(name)? {
            None | Some(FileKind::File) => Ok(()),
            Some(is) => Err(self.entry_error(name, Why::NoFile(is))),
        }
    }

    /// Renames a file, replacing any file with the new name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let moved = rustix::fs::renameat(
            &self.0.handle,
            single(from.as_ref())?,
            &self.0.handle,
            single(to.as_ref())?,
        );
        moved.map_err(|error| self.refused(to.as_ref(), error, FileKind::File, Doing::Writing))
    }

    pub(crate) fn link(&self, name: &str, text: &str, time: Timespec) -> io::Result<()> {
        let made = rustix::fs::symlinkat(text, &self.0.handle, single(name.as_ref())?);
        let times = both(time);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        made.and_then(|()| rustix::fs::utimensat(&self.0.handle, name, &times, flags))
            .map_err(|error| self.trouble(name.as_ref(), Doing::Writing, error))
    }

    /// Sets its permissions, regardless of the umask.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        rustix::fs::fchmod(&self.0.handle, mode_of(mode))
            .map_err(|error| self.own(Doing::Writing, error))
    }

    pub(crate) fn set_time(&self, time: Timespec) -> io::Result<()> {
        rustix::fs::futimens(&self.0.handle, &both(time))
            .map_err(|error| self.own(Doing::Writing, error))
    }

    /// Sets its time to now.
    pub(crate) fn set_used(&self) -> io::Result<()> {
        self.set_time(Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        })
    }

    /// The time that [`Self::set_used`] set, unless something was made or removed in it since.
    pub(crate) fn used(&self) -> io::Result<SystemTime> {
        let own = self.0.handle.try_clone().map(File::from);
        let used = own.and_then(|own| own.metadata()?.modified());
        used.map_err(|error| self.unread(".", error))
    }

    /// The error for a file that could not be written, under its final name.
    pub(crate) fn unwritten(&self, name: impl AsRef<OsStr>, error: io::Error) -> io::Error {
        if DirError::of(&error).is_some() {
            return error;
        }
        self.entry_error(name.as_ref(), Why::System(Doing::Writing, error))
    }

    /// The error for a file that could not be read.
    pub(crate) fn unread(&self, name: impl AsRef<OsStr>, error: io::Error) -> io::Error {
        self.entry_error(name.as_ref(), Why::System(Doing::Reading, error))
    }

    fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let name = single(name)?;
        loop {
            match rustix::fs::openat(&self.0.handle, name, flags | SAFELY, mode) {
                Err(Errno::INTR) => {}
                opened => return opened,
            }
        }
    }

    fn stat(&self, name: &OsStr) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.0.handle, single(name)?, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn regular(&self, name: &OsStr, handle: OwnedFd, doing: Doing) -> io::Result<(File, Metadata)> {
        let file = File::from(handle);
        let meta = file.metadata();
        let meta = meta.map_err(|error| self.entry_error(name, Why::System(doing, error)))?;
        match FileKind::from(&meta) {
            FileKind::File => Ok((file, meta)),
            is => Err(self.entry_error(name, Why::NoFile(is))),
        }
    }

    /// The error for an entry that could not be opened: its kind, if that is the cause.
    fn refused(&self, name: &OsStr, error: Errno, wanted: FileKind, doing: Doing) -> io::Error {
        let is_by_kind = matches!(
            error,
            Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::MLINK
        );
        let is = self.stat(name).ok().map(|stat| kind_of(&stat));
        match is.filter(|is| is_by_kind && *is != wanted) {
            Some(is) if wanted == FileKind::Directory => {
                self.entry_error(name, Why::NoDirectory(is))
            }
            Some(is) => self.entry_error(name, Why::NoFile(is)),
            None => self.trouble(name, doing, error),
        }
    }

    fn trouble(&self, name: &OsStr, doing: Doing, error: Errno) -> io::Error {
        self.entry_error(name, Why::System(doing, error.into()))
    }

    fn own(&self, doing: Doing, error: Errno) -> io::Error {
        let why = Why::System(doing, error.into());
        DirError::new(&self.0.path, &self.0.terms, why).into()
    }

    fn entry_error(&self, name: &OsStr, why: Why) -> io::Error {
        DirError::new(&self.0.path.join(name), &self.0.terms, why).into()
    }
}

/// Rejects names that are not a single path component, or lead upward.
fn single(name: &OsStr) -> Result<&OsStr, Errno> {
    let mut steps = Path::new(name).components();
    match (steps.next(), steps.next()) {
        (Some(Component::Normal(step)), None) if step == name => Ok(name),
        _ => Err(Errno::INVAL),
    }
}

fn kind_of(stat: &Stat) -> FileKind {
    FileType::from_raw_mode(stat.st_mode).into()
}

fn mode_of(mode: u32) -> Mode {
    // The type is narrower on macOS.
    #[allow(clippy::useless_conversion, reason = "it is none on macOS")]
    Mode::from_raw_mode(mode.try_into().unwrap_or_default())
}

fn both(time: Timespec) -> Timestamps {
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

#[cfg(test)]
mod tests;
