//! A directory whose files are read by handle, so that no symlink leads out of it, not even one that is created in the
//! middle of a path while it is opened.
//!
//! Paths without symlinks are opened in one system call (`openat2`), which costs no more than a plain open; if that is
//! not available, they are opened component by component. Only paths with symlinks are resolved first, and the result
//! is then opened in the same way.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::{FILE, FileKind, Links, Refusal, limited, regular};
use crate::disk::{Entry, entries, times};

/// Access that is sufficient to open entries of a directory.
#[cfg(target_os = "linux")]
const REACH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const REACH: OFlags = OFlags::CLOEXEC;

/// The names in a directory, and a handle to stat them through.
pub(crate) struct Listing {
    directory: Dir,
    pub(crate) entries: Vec<Entry>,
}

impl Listing {
    /// Stats a name in the directory without following symlinks.
    pub(crate) fn stat(&self, name: &OsStr) -> Option<Stat> {
        let directory = self.directory.fd().ok()?;
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

/// A directory outside of which nothing is read.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    handle: OwnedFd,
}

impl Root {
    /// Opens the directory itself; its path may contain symlinks.
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        let handle = openat(CWD, path, REACH | OFlags::DIRECTORY, Mode::empty());
        Ok(Self {
            path: path.to_owned(),
            handle: handle.map_err(system)?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Converts a path inside it to an absolute path.
    pub(crate) fn at(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        if inside.as_os_str().is_empty() {
            self.path.clone()
        } else {
            self.path.join(inside)
        }
    }

    pub(crate) fn file(&self, inside: &Path, links: Links) -> Result<(File, Metadata), Refusal> {
        regular(File::from(self.reach(inside, links, FILE)?))
    }

    /// Reads a regular file inside it, which may not exceed the limit.
    pub(crate) fn bytes(
        &self,
        inside: &Path,
        links: Links,
        limit: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let (file, meta) = self.file(inside, links)?;
        limited(&file, &meta, limit)
    }

    /// The entries of a directory inside it, unsorted.
    pub(crate) fn list(&self, inside: &Path, links: Links) -> Result<Vec<Entry>, Refusal> {
        Ok(self.listing(inside, links)?.entries)
    }

    /// Like [`Root::list`], but the result can also stat the names.
    pub(crate) fn listing(&self, inside: &Path, links: Links) -> Result<Listing, Refusal> {
        let handle = self.reach(inside, links, FILE | OFlags::DIRECTORY)?;
        let mut directory = Dir::new(handle).map_err(system)?;
        Ok(Listing {
            entries: entries(&mut directory).map_err(system)?,
            directory,
        })
    }

    /// The device of the directory that contains a path, if file times there reliably show every change; see [`times`].
    pub(crate) fn reliable_device(&self, inside: &Path) -> Option<u64> {
        let folder = inside.parent().unwrap_or(Path::new(""));
        let folder = self.reach(folder, Links::Refuse, REACH | OFlags::DIRECTORY);
        let folder = File::from(folder.ok()?);
        let device = folder.metadata().ok()?.dev();
        times::are_reliable(&folder).then_some(device)
    }

    /// The target of a symlink inside it.
    pub(crate) fn link(&self, inside: &Path) -> Result<PathBuf, Refusal> {
        let folder = inside.parent().unwrap_or(Path::new(""));
        let handle = self.reach(folder, Links::Refuse, REACH | OFlags::DIRECTORY)?;
        let name = inside.file_name().unwrap_or_default();
        let target = match readlinkat(&handle, name, Vec::new()) {
            Err(Errno::INVAL) => return Err(Refusal::Kind(FileKind::File)),
            target => target.map_err(system)?,
        };
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Resolves the symlinks of a path inside it. The result is relative to it.
    pub(crate) fn real(&self, inside: &Path) -> Result<PathBuf, Refusal> {
        let top = self.path.canonicalize().map_err(Refusal::System)?;
        let real = top.join(inside).canonicalize();
        let real = real.map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) => Refusal::new(errno, Links::Follow, || self.kind(inside)),
            None => Refusal::System(error),
        })?;
        let real = real.strip_prefix(&top).map_err(|_| Refusal::Outside)?;
        Ok(real.to_owned())
    }

    /// The metadata of a path inside it, without opening it. Symlinks in its parent directories are followed, wherever
    /// they lead, so it may only be compared with the metadata of an open file.
    pub(crate) fn stat(&self, inside: &Path) -> Option<Metadata> {
        self.path.join(inside).symlink_metadata().ok()
    }

    /// The kind of the entry at a path; the caveat of [`Self::stat`] applies.
    pub(crate) fn kind(&self, inside: &Path) -> Option<FileKind> {
        Some((&self.stat(inside)?).into())
    }

    fn reach(&self, inside: &Path, links: Links, flags: OFlags) -> Result<OwnedFd, Refusal> {
        let refused = |error| Refusal::new(error, Links::Refuse, || self.kind(inside));
        match without_links(self.handle.as_fd(), inside, flags) {
            Ok(handle) => Ok(handle),
            Err(Errno::LOOP | Errno::NOTDIR) if links == Links::Follow => {
                let real = self.real(inside)?;
                without_links(self.handle.as_fd(), &real, flags).map_err(refused)
            }
            Err(error) => Err(refused(error)),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn system(error: Errno) -> Refusal {
    Refusal::System(error.into())
}

/// Opens a path that has neither symlinks nor `..`.
fn without_links(from: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(from, path, flags, Mode::empty(), resolve) {
            // An old kernel, or a sandbox that blocks the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            result => return result,
        }
    }
    part_by_part(from, path, flags)
}

/// The same with one call per component.
fn part_by_part(from: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut parts = path.components().peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let name = match part {
            Component::Normal(name) => name.as_bytes(),
            Component::CurDir => b".",
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Errno::XDEV);
            }
        };
        let flags = match parts.peek() {
            Some(_) => REACH | OFlags::DIRECTORY,
            None => flags,
        };
        let above = at.as_ref().map_or(from, AsFd::as_fd);
        let next = openat(above, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        at = Some(next);
    }
    at.ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// `in/a/file`, symlinks to it, and `canary` next to `in`.
    fn tree() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(at.join("in/a")).unwrap();
        std::fs::write(at.join("canary"), "canary").unwrap();
        std::fs::write(at.join("in/a/file"), "text").unwrap();
        let links = [
            ("a/file", "in/link"),
            ("a", "in/b"),
            ("../canary", "in/up"),
            ("..", "in/out"),
            ("nowhere", "in/dangling"),
        ];
        for (target, link) in links {
            symlink(target, at.join(link)).unwrap();
        }
        symlink(at.join("in/a/file"), at.join("in/absolute")).unwrap();
        let root = Root::open(&at.join("in")).unwrap();
        (folder, root)
    }

    #[test]
    fn links_are_followed_as_long_as_they_stay_inside() {
        let (_folder, root) = tree();
        let read = |path: &str, links| {
            let read = root.bytes(Path::new(path), links, 10);
            read.map_err(|refusal| refusal.to_string())
        };
        for path in ["a/file", "link", "b/file", "absolute"] {
            assert_eq!(read(path, Links::Follow).unwrap(), b"text", "{path}");
        }
        for path in ["link", "b/file", "absolute", "up", "out/canary"] {
            let why = read(path, Links::Refuse).unwrap_err();
            assert_eq!(why, "it is a symbolic link, not a file", "{path}");
        }
        for path in ["up", "out/canary", "out/in/a/../../canary"] {
            let why = read(path, Links::Follow).unwrap_err();
            assert_eq!(why, "it lies behind a link that leads outside", "{path}");
        }
        let why = read("dangling", Links::Follow).unwrap_err();
        assert_eq!(why, "it is a broken link");
        for path in ["../canary", "/etc/passwd"] {
            let why = read(path, Links::Refuse).unwrap_err();
            assert_eq!(why, "it lies behind a link that leads outside", "{path}");
        }
        let absent = root.bytes(Path::new("a/none"), Links::Follow, 10);
        assert!(absent.unwrap_err().is_absent());
    }

    #[test]
    fn names_and_targets_are_read_by_handle_too() {
        let (_folder, root) = tree();
        let names = |path: &str, links| {
            let listed = root.list(Path::new(path), links).ok()?;
            let mut names: Vec<_> = listed.into_iter().map(|entry| entry.name).collect();
            names.sort();
            Some(names)
        };
        assert_eq!(names("b", Links::Follow).unwrap(), ["file"]);
        assert_eq!(names("b", Links::Refuse), None);
        assert_eq!(names("out", Links::Follow), None);
        assert_eq!(names("", Links::Refuse).unwrap().len(), 7);
        assert_eq!(root.link(Path::new("link")).unwrap(), Path::new("a/file"));
        assert!(root.link(Path::new("out/in/link")).is_err());
    }

    #[test]
    fn a_kernel_without_the_call_is_asked_part_by_part() {
        let (_folder, root) = tree();
        let open = |path: &str| part_by_part(root.handle.as_fd(), Path::new(path), FILE);
        assert!(open("a/file").is_ok() && open(".").is_ok());
        for path in ["link", "b/file", "up", "out/canary", "../canary", "/etc"] {
            assert!(open(path).is_err(), "{path}");
        }
    }
}
