//! The list of backends. To add one, add a line here; nothing outside of its own module mentions its name.

use std::path::Path;
use std::sync::Arc;

use super::Backend;
use super::daemon::Daemon;
use super::docker::Docker;
use super::elsewhere::Elsewhere;
use super::embedded::{self, Embedded};
use super::envd::Envd;
use super::fake::{Fake, Wishes};
use crate::workspace::STATE_FOLDER;

/// All backends for the workspace in `root`, in order of precedence among those of equal priority; `elsewhere` is where images of
/// Docker's are built.
pub fn all(
    root: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    elsewhere: &Elsewhere,
) -> Vec<Arc<dyn Backend>> {
    let state = root.join(STATE_FOLDER);
    let images = embedded::place(&state, env);
    let daemon = Arc::new(Daemon::default().borrowing(images.clone()));
    vec![
        Arc::new(Docker::at(Arc::clone(&daemon), elsewhere)),
        Arc::new(Envd::new(Arc::clone(&daemon), &state, env)),
        Arc::new(Embedded::new(daemon, images)),
        Arc::new(Fake::new(Wishes::read(env, &state))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_may_name_every_backend() {
        let root = tempfile::tempdir().unwrap();
        for backend in all(root.path(), &|_| None, &Elsewhere::default()) {
            let name = backend.name();
            assert!(crate::manifest::takes("builder", name).is_ok(), "{name}");
        }
    }
}
