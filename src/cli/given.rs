//! Files to read that the user named, or standard input: read whole, as text.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::disk::FileKind;
use crate::disk::read::{self, Links, Refusal};

/// A file that was named, or `-` for standard input.
pub(super) struct Given {
    /// `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// Its name for messages.
    pub(super) shown: String,
}

/// Why a file could not be read, and what to do.
pub(super) struct Unread {
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Whether an argument stands for standard input.
pub(super) fn is_stdin(name: &Path) -> bool {
    name == Path::new("-")
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        Self::usage(unread.message, unread.help)
    }
}

impl Given {
    pub(super) fn stdin() -> Self {
        Self {
            path: None,
            shown: "standard input".to_owned(),
        }
    }

    pub(super) fn new(name: &Path, folder: &Path) -> Self {
        if is_stdin(name) {
            return Self::stdin();
        }
        Self {
            path: Some(folder.join(name)),
            shown: name.display().to_string(),
        }
    }

    /// Its text, of at most so many bytes.
    pub(super) fn read(&self, limit: u64) -> Result<String, Unread> {
        let unread = |why: &dyn std::fmt::Display, help| Unread {
            message: format!("`{}` cannot be read: {why}", self.shown),
            help,
        };
        let bytes = match &self.path {
            Some(path) => read::bytes(path, Links::Follow, limit),
            None => stdin(limit),
        };
        let bytes = bytes.map_err(|refusal| {
            let help = match refusal {
                Refusal::Kind(FileKind::Pipe) => "name a file, or `-` for standard input",
                Refusal::Kind(_) => "name a file",
                Refusal::TooLarge(_) => "no file of this kind is that large; is it the right one?",
                _ => "is the name right?",
            };
            unread(&refusal, help)
        })?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(unread(&"it is not UTF-8 text", "is it the right file?")),
        }
    }
}

/// Reads standard input, without a time limit: the user asked for it.
fn stdin(limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut bytes);
    read.map_err(Refusal::System)?;
    read::fits(bytes.len() as u64, limit)?;
    Ok(bytes)
}
