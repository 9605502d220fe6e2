//! Named groups of images, as the manifests write them.

use crate::diagnostic::Spanned;

/// One group of the workspace.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, with its place; unique among groups and images once the workspace is checked.
    pub(crate) name: Spanned,
    /// What it consists of: selectors as on the command line, which may name other groups.
    pub(crate) members: Vec<Spanned>,
    /// Whether all members could be read.
    pub(crate) is_whole: bool,
}
