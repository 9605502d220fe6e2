//! The state of lowering one image to a recipe.

use crate::recipe::files::Own;
use crate::recipe::model::Step;
use crate::spec::{ImageSpec, WorkspacePath};

/// flytekit's directory for files without a destination, in images without a working directory.
pub(super) const DEFAULT_DIRECTORY: &str = "/root";

/// The user account in flytekit's images.
pub(super) const FLYTEKIT_USER: &str = "flytekit";

pub(super) struct Lowering<'a> {
    pub spec: &'a ImageSpec,
    /// The manifest's directory, whose `.dockerignore` applies.
    pub directory: &'a WorkspacePath,
    /// Files that are excluded from file sets by default.
    pub own: Own,
    pub steps: Vec<Step>,
    /// The manifest fields that the file sets come from, in order.
    pub set_fields: Vec<String>,
}

impl Lowering<'_> {
    pub(super) fn is_flytekit(&self) -> bool {
        self.spec.flytekit.is_some()
    }
}

pub(super) fn sorted(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut pairs = pairs.to_vec();
    pairs.sort();
    pairs
}
