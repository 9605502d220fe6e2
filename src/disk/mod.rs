//! Safe file access: reading untrusted files ([`read`]), and managing imgspec's own by handle ([`dir`]).
//!
//! A checkout may be hostile: a name in it may be a symlink to a user's home, a pipe that nobody writes to, or an
//! endless device. So kinds are checked on open handles, never on paths, and opening never blocks. This module knows
//! nothing about images and fields; callers add these to error messages.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

pub(crate) mod cache;
pub(crate) mod dir;
pub(crate) mod limits;
pub(crate) mod read;
mod times;

/// The kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    Directory,
    /// A symbolic link, if it is not to be followed.
    Link,
    Pipe,
    Socket,
    /// A block or character device.
    Device,
}

impl From<&Metadata> for FileKind {
    fn from(meta: &Metadata) -> Self {
        // The type is narrower on macOS.
        #[allow(clippy::useless_conversion, reason = "it is none on Linux")]
        FileType::from_raw_mode(meta.mode().try_into().unwrap_or_default()).into()
    }
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            _ => Self::Device,
        }
    }
}

impl FileKind {
    /// The kind of what a path leads to, following symlinks. It may have changed by the time the path is opened.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        path.metadata().map(|meta| Self::from(&meta))
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    /// Its kind, without following symlinks.
    pub(crate) kind: FileKind,
}

fn entries(directory: &mut rustix::fs::Dir) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    while let Some(entry) = directory.read() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not return the type.
            FileType::Unknown => {
                match rustix::fs::statat(directory.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    // Removed in the meantime.
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error),
                }
            }
            known => known,
        };
        entries.push(Entry {
            name: OsStr::from_bytes(name.to_bytes()).to_owned(),
            kind: kind.into(),
        });
    }
    Ok(entries)
}

/// Displays an untrusted name on one line, escaping everything that a terminal would interpret or hide.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| {
            if char.is_control() || reorders(char) {
                char.escape_default()
                    .try_for_each(|char| f.write_char(char))
            } else {
                f.write_char(char)
            }
        })
    }
}

/// Whether a character changes the displayed order of text, or is invisible.
pub(crate) fn reorders(char: char) -> bool {
    matches!(
        char,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}'
    )
}

/// The operating system's message for an error, without its number: "permission denied".
pub(crate) fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_quoted_without_numbers() {
        let error = io::Error::from_raw_os_error(13);
        assert_eq!(system_words(&error), "permission denied");
    }

    #[test]
    fn names_are_told_on_one_line_and_without_tricks() {
        let name = "a\nb\u{1b}[31m\u{202e}é";
        assert_eq!(Shown(name).to_string(), r"a\nb\u{1b}[31m\u{202e}é");
    }
}
