//! The one way to files: what others put on the disk is read ([`read`]), what is ours is kept by handle ([`dir`]).
//!
//! A checkout is hostile: a name in it may be a link to a user's home, a pipe that nobody writes to, or a device without end.
//! So a kind is judged on the opened handle, never on a path, and nothing here blocks in `open`. Knows nothing of imgspec's
//! own words; each caller says which image or field the file is for.

use std::fmt::{self, Write as _};
use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

pub(crate) mod dir;
pub(crate) mod limits;
pub(crate) mod read;

/// What a name on the disk stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    Directory,
    /// A symbolic link that was not to be followed.
    Link,
    Pipe,
    Socket,
    /// A block or character device.
    Device,
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo() {
            Self::Pipe
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }
}

impl From<rustix::fs::FileType> for FileKind {
    fn from(kind: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType;
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
    /// What a path leads to, links followed. It says nothing of what is there when the path is opened.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        path.metadata().map(|meta| meta.file_type().into())
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

/// A name of a stranger as it is told: on one line, with nothing in it that a terminal would obey or not show.
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

/// Characters that show text in another order than it has, or not at all.
pub(crate) fn reorders(char: char) -> bool {
    matches!(
        char,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}'
    )
}

/// The operating system's words for an error, without its number: "permission denied".
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
