//! Reads untrusted files up to a size limit, without blocking on pipes or reading devices.
//!
//! Files are opened without blocking, and the kind is checked on the handle, so that nothing can be swapped in between.
//! Files in a workspace are accessed through [`Root`], which no symlink leads out of.

mod root;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{FileKind, system_words};
pub(crate) use root::{Listing, Root};

/// Whether symlinks are followed: by [`open`], as the last component of the path; by [`Root`], if they stay inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is {0}, not a file")]
    Kind(FileKind),
    #[error("it is a broken link")]
    Dangling,
    /// A symlink leads out of the [`Root`].
    #[error("it lies behind a link that leads outside")]
    Outside,
    /// The size limit, in bytes.
    #[error("it is larger than {}", size_words(*.0))]
    TooLarge(u64),
    #[error("{}", system_words(.0))]
    System(io::Error),
}

impl Refusal {
    /// Whether the path does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::System(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }

    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::System(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Interprets an error of the system; `at` returns the kind of the entry at the path itself.
    fn new(error: Errno, links: Links, at: impl Fn() -> Option<FileKind>) -> Self {
        match error {
            Errno::LOOP if links == Links::Refuse => Self::Kind(FileKind::Link),
            Errno::XDEV => Self::Outside,
            Errno::NOENT if at() == Some(FileKind::Link) => Self::Dangling,
            // Kinds that cannot be opened: a socket, or a device that does not exist.
            Errno::NXIO | Errno::NODEV => {
                at().map_or_else(|| Self::System(error.into()), Self::Kind)
            }
            _ => Self::System(error.into()),
        }
    }
}

/// Flags for opening files: do not block, and do not acquire a controlling terminal.
const FILE: OFlags = OFlags::NONBLOCK
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

pub(crate) fn open(path: &Path, links: Links) -> Result<(File, Metadata), Refusal> {
    let flags = match links {
        Links::Follow => FILE,
        Links::Refuse => FILE | OFlags::NOFOLLOW,
    };
    let kind = || Some((&path.symlink_metadata().ok()?).into());
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(handle) => regular(File::from(handle)),
        Err(error) => Err(Refusal::new(error, links, kind)),
    }
}

/// Reads a regular file, which may not exceed the limit.
pub(crate) fn bytes(path: &Path, links: Links, limit: u64) -> Result<Vec<u8>, Refusal> {
    let (file, meta) = open(path, links)?;
    limited(&file, &meta, limit)
}

fn regular(file: File) -> Result<(File, Metadata), Refusal> {
    let meta = file.metadata().map_err(Refusal::System)?;
    match FileKind::from(&meta) {
        FileKind::File => Ok((file, meta)),
        other => Err(Refusal::Kind(other)),
    }
}

/// Reads an open file, which may not exceed the limit.
pub(crate) fn limited(file: &File, meta: &Metadata, limit: u64) -> Result<Vec<u8>, Refusal> {
    fits(meta.len(), limit)?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default() + 1);
    // A file may grow while it is read, and files in /proc report a size of 0.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Refusal::System)?;
    fits(bytes.len() as u64, limit)?;
    Ok(bytes)
}

pub(crate) fn fits(size: u64, limit: u64) -> Result<(), Refusal> {
    if size > limit {
        Err(Refusal::TooLarge(limit))
    } else {
        Ok(())
    }
}

/// A size limit for display: "16 MiB".
pub(crate) fn size_words(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn why(path: &Path, links: Links) -> String {
        bytes(path, links, 4).unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "1234").unwrap();
        std::fs::write(at("large"), "12345").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), fifo, 0o600.into(), 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(bytes(&at("file"), Links::Refuse, 4).unwrap(), b"1234");
        assert_eq!(bytes(&at("link"), Links::Follow, 4).unwrap(), b"1234");
        assert_eq!(
            why(&at("link"), Links::Refuse),
            "it is a symbolic link, not a file"
        );
        assert_eq!(
            why(&at("pipe"), Links::Follow),
            "it is a named pipe, not a file"
        );
        assert_eq!(
            why(&at("socket"), Links::Follow),
            "it is a socket, not a file"
        );
        assert_eq!(
            why(&at("zero"), Links::Follow),
            "it is a device, not a file"
        );
        assert_eq!(
            why(folder.path(), Links::Follow),
            "it is a directory, not a file"
        );
        assert_eq!(
            why(&at("large"), Links::Follow),
            "it is larger than 4 bytes"
        );
        assert_eq!(why(&at("dangling"), Links::Follow), "it is a broken link");
        assert!(
            bytes(&at("none"), Links::Follow, 4)
                .unwrap_err()
                .is_absent()
        );
        assert!(
            bytes(&at("file/x"), Links::Follow, 4)
                .unwrap_err()
                .is_absent()
        );
        // Files in /proc report a size of 0.
        assert_eq!(
            why(Path::new("/proc/self/maps"), Links::Follow),
            "it is larger than 4 bytes"
        );
    }
}
