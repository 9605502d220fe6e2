//! The `envd` program, and what a backend that builds with it works with.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::offer::{Offer, REGISTRY};
use super::once::Once;
use crate::backend::daemon::Daemon;
use crate::backend::oci::store;
use crate::backend::{BuildError, context};
use crate::disk::dir::Rooted;

/// The variable that names envd's context, as in flytekit.
pub const CONTEXT: &str = "FLYTE_ENVD_CONTEXT";

/// The remedy for a missing envd.
pub(super) const INSTALL: &str = "install it with `pip install envd`";

/// Builds with envd.
#[derive(Debug)]
pub struct Envd {
    pub(super) program: Option<PathBuf>,
    pub(super) daemon: Arc<Daemon>,
    pub(super) wanted: Option<String>,
    pub(super) homes: Rooted,
    pub(super) user_home: Option<PathBuf>,
    pub(super) offer: Offer,
    /// The digests by which registries have images of the local store.
    pub(super) published: Once<Option<String>>,
    pub(super) store: Rooted,
}

impl Envd {
    /// The `envd` of PATH, building with this Docker; `state` is a directory for what outlives a run if the user has none for
    /// caches. Nothing is started yet.
    pub fn new(daemon: Arc<Daemon>, state: &Path, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| env(name).filter(|value| !value.is_empty());
        let user_home = said("HOME").map(PathBuf::from);
        let caches = said("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| user_home.as_ref().map(|home| home.join(".cache")));
        let registry = said(REGISTRY);
        let own = |name: &str| match &caches {
            Some(caches) => Rooted::new(caches, "imgspec", store::cache()).join(name),
            None => context::ours(state).join(name),
        };
        let store = own("oci");
        Self {
            program: which::which("envd").ok(),
            wanted: said(CONTEXT),
            homes: own("envd"),
            user_home,
            offer: Offer::new(Arc::clone(&daemon), registry, store.clone()),
            published: Once::default(),
            store,
            daemon,
        }
    }

    /// A call of the program, without analytics.
    pub(super) fn program(&self) -> io::Result<Command> {
        let program = self.program.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.env("ENVD_ANALYTICS", "false").env("NO_COLOR", "1");
        Ok(command)
    }
}

pub(super) fn no_program() -> BuildError {
    BuildError::Failed(format!("there is no `envd` in PATH: {INSTALL}"))
}
