//! Everything that can be wrong before a build, in one run: manifests, graph, names, files.
//!
//! Starts nothing and writes nothing. All stages are asked even after a mistake, so that one run tells all; recipes are made
//! only of a workspace without errors.

mod between;
mod lints;
mod names;
mod passwords;
mod paths;
mod state;
mod together;
mod told;

use std::path::Path;

use crate::diagnostic::{self, Diagnostic};
use crate::fingerprint::flytekit_ids;
use crate::graph::Graph;
use crate::lock;
use crate::manifest::{self, Overrides};
use crate::recipe::{self, Recipe};
use crate::workspace::{LOCK_FILE, Loaded, Workspace};

use told::Told;

pub(crate) use passwords::has_password;
pub use state::state;

/// A workspace with all that is wrong in it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The workspace; whole only when no diagnostic is an error.
    pub workspace: Workspace,
    /// Its graph; none when images are built on each other in a circle.
    pub graph: Option<Graph>,
    /// The images' recipes, in the order of the workspace; empty when a diagnostic is an error.
    pub recipes: Vec<Recipe>,
    /// All that is wrong or doubtful, in the order of the manifests.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether nothing can be built of it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads and checks the workspace of a root manifest. `env` answers for environment variables.
pub fn check(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Checked {
    loaded(manifest::load(manifest, overrides, env))
}

/// Checks a workspace that was read.
#[must_use]
pub fn loaded(mut loaded: Loaded) -> Checked {
    let allows = std::mem::take(&mut loaded.workspace.allows);
    let mut told = Told::new(loaded.diagnostics, allows);
    let mut workspace = loaded.workspace;
    between::check(&workspace.images, loaded.is_whole, &mut told);
    together::check(&workspace, &mut told);
    read_lock(&mut workspace, &mut told.list);
    lints::check(&mut workspace, &mut told);
    let Told {
        list: mut diagnostics,
        allows,
        ..
    } = told;
    workspace.allows = allows;
    let images = &workspace.images;
    let graph = Graph::new(images)
        .map_err(|cycles| {
            let circles = cycles.iter().map(|cycle| between::circle(cycle, images));
            diagnostics.extend(circles);
        })
        .ok();
    names::check(images, &mut diagnostics);
    diagnostics.extend(images.iter().flat_map(passwords::check));
    paths::Paths::new(&workspace).check(images, &mut diagnostics);
    let diagnostics = diagnostic::in_order(diagnostics);
    let usable = graph.is_some() && !diagnostics.iter().any(Diagnostic::is_error);
    let recipes = if usable {
        recipe::lower(&workspace, &flytekit_ids(&workspace.images))
    } else {
        Vec::new()
    };
    Checked {
        workspace,
        graph,
        recipes,
        diagnostics,
    }
}

/// Reads the lock file beside the root manifest, which may come, go and change like a manifest.
fn read_lock(workspace: &mut Workspace, diagnostics: &mut Vec<Diagnostic>) {
    if workspace.root.as_os_str().is_empty() {
        return;
    }
    match lock::read(&workspace.root, &mut workspace.sources) {
        Ok(lock) => workspace.lock = lock,
        Err(mistakes) => diagnostics.extend(mistakes),
    }
    workspace
        .looked
        .files
        .insert(workspace.root.join(LOCK_FILE));
}
