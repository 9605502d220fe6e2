//! Reports in one run everything that can be wrong before a build: manifests, graph, names and files.
//!
//! Starts and writes nothing. All stages run even after an error, so that all problems are reported together; recipes are made
//! only for a workspace without errors.

mod between;
mod findings;
mod groups;
mod lints;
mod names;
mod passwords;
mod paths;
mod state;
mod together;

use std::path::Path;

use crate::diagnostic::{self, Diagnostic};
use crate::fingerprint::flytekit_ids;
use crate::graph::Graph;
use crate::lock;
use crate::manifest::{self, Overrides};
use crate::recipe::{self, Recipe};
use crate::workspace::{LOCK_FILE, Loaded, Workspace};

use findings::Findings;

pub(crate) use lints::looks_secret;
pub(crate) use passwords::has_password;
pub use state::state;

/// A workspace with everything that is wrong in it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The workspace; complete only if no diagnostic is an error.
    pub workspace: Workspace,
    /// The dependency graph; `None` if it has cycles.
    pub graph: Option<Graph>,
    /// The images' recipes, in the workspace's order; empty if a diagnostic is an error.
    pub recipes: Vec<Recipe>,
    /// Errors and warnings, in the order of the manifests.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether errors prevent a build.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Loads and checks the workspace of a root manifest. `env` looks up environment variables.
pub fn check(
    manifest: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> Checked {
    loaded(manifest::load(manifest, overrides, env))
}

/// Checks a workspace that has been loaded.
#[must_use]
pub fn loaded(mut loaded: Loaded) -> Checked {
    let allows = std::mem::take(&mut loaded.workspace.allows);
    let mut findings = Findings::new(loaded.diagnostics, allows);
    let mut workspace = loaded.workspace;
    between::check(&workspace.images, loaded.is_whole, &mut findings);
    together::check(&workspace, &mut findings);
    read_lock(&mut workspace, &mut findings.list);
    lints::check(&mut workspace, &mut findings);
    let graph = Graph::new(&workspace.images).map_err(|cycles| {
        for cycle in &cycles {
            findings.error(between::circle(cycle, &workspace.images));
        }
    });
    let graph = groups::check(&workspace, graph.ok(), loaded.is_whole, &mut findings);
    let Findings {
        list: mut diagnostics,
        allows,
        ..
    } = findings;
    workspace.allows = allows;
    let images = &workspace.images;
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

/// Reads the lock file beside the root manifest, and registers it so that changes to it are noticed.
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
