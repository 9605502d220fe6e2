//! Reads a text that the user names: a file, or standard input.

use std::io::Read;
use std::path::Path;

use super::failure::Failure;
use crate::disk::FileKind;
use crate::disk::read::{self, Links, Refusal};

/// The name of standard input in messages.
pub(super) const STDIN: &str = "standard input";

/// Whether an argument stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a text of at most `limit` bytes; from standard input if there is no path. `shown` names it in messages.
pub(super) fn read(path: Option<&Path>, shown: &str, limit: u64) -> Result<String, Failure> {
    let unreadable = |why: &dyn std::fmt::Display, help: &str| {
        Failure::usage(format!("`{shown}` cannot be read: {why}"), help)
    };
    let bytes = match path {
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
        unreadable(&refusal, help)
    })?;
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(unreadable(&"it is not UTF-8 text", "is it the right file?")),
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
