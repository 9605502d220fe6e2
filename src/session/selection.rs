//! What a selection is: the arguments of a command, and the directory that it is started in.

use crate::spec::WorkspacePath;

/// The images that a command is to work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ids, groups, globs, directories from the root, `base+`, `+train`, `!x`. If empty or only exclusions, they apply to the default selection.
    pub words: Vec<String>,
    /// The directory whose images, including those of its subdirectories, are the default selection; if it has none, the nearest
    /// above it that has some. At the root it is the group `default`, if there is one.
    pub below: WorkspacePath,
    /// Whether the default selection is empty if that directory has no images, rather than that of one above it.
    pub stays: bool,
}

/// What a selection without arguments takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// All images of the workspace.
    All,
    /// The group `default`.
    Group,
    /// The images declared in a directory or below it.
    Folder(WorkspacePath),
}

impl Selection {
    /// Selects by arguments, in the whole workspace.
    pub fn of(words: &[String]) -> Self {
        Self {
            words: words.to_vec(),
            below: WorkspacePath::ROOT,
            stays: false,
        }
    }

    /// Whether the selection starts from the default selection.
    pub fn is_default(&self) -> bool {
        self.words.iter().all(|word| word.starts_with('!'))
    }
}
