//! The `envd` command, and the state of the backend.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::offer::{Offer, REGISTRY};
use crate::backend::daemon::Daemon;
use crate::backend::once::Once;
use crate::backend::{BuildError, context};
use crate::disk::cache;
use crate::disk::dir::Rooted;

/// The variable that selects envd's context, as in flytekit.
pub const CONTEXT: &str = "FLYTE_ENVD_CONTEXT";

/// The remedy for a missing envd.
pub(super) const INSTALL: &str = "install it with `pip install envd`";

/// The backend that builds with envd.
#[derive(Debug)]
pub struct Envd {
    pub(super) program: Option<PathBuf>,
    pub(super) daemon: Arc<Daemon>,
    pub(super) wanted: Option<String>,
    pub(super) homes: Rooted,
    pub(super) user_home: Option<PathBuf>,
    pub(super) offer: Offer,
    /// The digests under which registries have images of the local store.
    pub(super) published: Once<Option<String>>,
    pub(super) store: Rooted,
}

impl Envd {
    /// Creates a backend for the `envd` in PATH and this Docker daemon; `state` is the directory for persistent files
    /// if the user has no cache directory. Starts nothing yet.
    pub fn new(daemon: Arc<Daemon>, state: &Path, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| env(name).filter(|value| !value.is_empty());
        let user_home = said("HOME").map(PathBuf::from);
        let caches = cache::folder(env);
        let registry = said(REGISTRY);
        let own = |name: &str| match &caches {
            Some(caches) => caches.join(name),
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

    /// The envd command, with analytics disabled.
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
