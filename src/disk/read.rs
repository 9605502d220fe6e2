//! Reads files that others wrote, whole, up to a limit: never waits for a pipe, never reads a device.
//!
//! The handle is opened without blocking and its kind is asked of it, so nothing can be swapped between question and answer.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{FileKind, system_words};

/// Whether a link in the last place of a path is followed; links above it always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is no regular file.
    Kind(FileKind),
    /// It has more bytes than the limit.
    TooLarge(
        /// The limit in bytes.
        u64,
    ),
    /// The operating system's answer.
    System(io::Error),
}

impl Refusal {
    /// Whether there is nothing at the path.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::System(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "it is {kind}, not a file"),
            Self::TooLarge(limit) => write!(f, "it is larger than {}", size_words(*limit)),
            Self::System(error) => f.write_str(&system_words(error)),
        }
    }
}

/// Opens a regular file for reading.
///
/// # Errors
/// When it is something else, or cannot be opened.
pub(crate) fn open(path: &Path, links: Links) -> Result<(File, Metadata), Refusal> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|error| special(path, error))?;
    let meta = file.metadata().map_err(Refusal::System)?;
    match FileKind::from(meta.file_type()) {
        FileKind::File => Ok((file, meta)),
        other => Err(Refusal::Kind(other)),
    }
}

/// The bytes of a regular file, if they are no more than the limit.
///
/// # Errors
/// When it is something else, is larger, or cannot be read.
pub(crate) fn bytes(path: &Path, links: Links, limit: u64) -> Result<Vec<u8>, Refusal> {
    let (file, meta) = open(path, links)?;
    limited(file, &meta, limit)
}

/// The bytes of an open file, if they are no more than the limit.
pub(super) fn limited(file: File, meta: &Metadata, limit: u64) -> Result<Vec<u8>, Refusal> {
    if meta.len() > limit {
        return Err(Refusal::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default() + 1);
    // A file may grow while it is read, and those of /proc tell no size at all.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Refusal::System)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge(limit));
    }
    Ok(bytes)
}

/// What cannot be opened at all by its kind: a link that is not followed, a socket.
fn special(path: &Path, error: io::Error) -> Refusal {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::NXIO) => {}
        _ => return Refusal::System(error),
    }
    match path.symlink_metadata().map(|meta| meta.file_type().into()) {
        Ok(FileKind::File | FileKind::Directory) | Err(_) => Refusal::System(error),
        Ok(kind) => Refusal::Kind(kind),
    }
}

fn size_words(bytes: u64) -> String {
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
        // Files of /proc say that they have no bytes.
        assert_eq!(
            why(Path::new("/proc/self/maps"), Links::Follow),
            "it is larger than 4 bytes"
        );
    }
}
