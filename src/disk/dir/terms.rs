//! What directories of ours are kept for, and how.

use std::path::{Path, PathBuf};

use rustix::fs::Mode;

/// For the words of errors, and for directories that are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// What is kept, as in "imgspec keeps its state".
    pub(crate) keeps: &'static str,
    /// What else can be done than to remove what is in the way: ", or …".
    pub(crate) or: &'static str,
    /// Whether nobody else may look inside.
    pub(crate) is_private: bool,
    /// What is left out in front of paths that are shown.
    pub(crate) hidden: Option<PathBuf>,
}

impl Terms {
    pub(super) fn mode(&self) -> Mode {
        if self.is_private {
            Mode::RWXU
        } else {
            Mode::RWXU | Mode::RWXG | Mode::RWXO
        }
    }

    pub(super) fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        let hidden = self.hidden.as_ref();
        hidden
            .and_then(|hidden| path.strip_prefix(hidden).ok())
            .filter(|shown| !shown.as_os_str().is_empty())
            .unwrap_or(path)
    }
}
