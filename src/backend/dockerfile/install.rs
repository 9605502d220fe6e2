//! Instructions that run commands: installation of Debian packages, conda packages, Python and its packages, and the
//! user's commands.
//!
//! Pure. Downloads are stored in cache mounts whose sharing never makes one image wait for another (buildkit#1662);
//! helper commands are mounted from their own images.

mod python;
mod run;

pub(super) use python::{PYTHON_PATH, PYTHON_SOURCES, VENV_PATH, lock, locked, pip, python};

use crate::backend::conda;
use crate::backend::steps::{ACCOUNT_SCRIPT, APT_CACHES, apt_script};
use crate::recipe::{CONDA_HOME, Conda, Config};
pub(super) use run::Run;
use run::cache;

/// Installs Debian packages. `scope` separates downloads that must not be shared: those of different distributions and
/// platforms.
pub(super) fn apt(packages: &[String], scope: &str) -> Run {
    let run = Run::script(&apt_script(&[]), "apt-packages", packages);
    // `private`: a build that finds the cache in use gets another one instead of waiting.
    APT_CACHES.iter().fold(run, |run, (target, name)| {
        run.mount(cache(target, &format!("{name}-{scope}"), "private"))
    })
}

pub(super) fn account(name: &str) -> Run {
    Run::script(ACCOUNT_SCRIPT, "account", [name])
}

pub(super) fn command(command: &str, config: &Config) -> Run {
    Run::new(config.run(command))
}

/// Puts conda's commands first in PATH, whatever PATH the base has.
pub(super) const CONDA_PATH: &str = "ENV PATH=\"/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"";

/// Installs conda packages.
pub(super) fn conda(conda: &Conda, image: &str, platform: &str) -> Run {
    let run = Run::script(conda::SCRIPT, CONDA_HOME, conda::arguments(conda));
    let run = conda::LENT.iter().fold(run, |run, (source, target)| {
        run.mount(format!(
            "type=bind,from={image},source={source},target={target}"
        ))
    });
    run.mount(cache(
        conda::DOWNLOADS,
        &format!("conda-{platform}"),
        "private",
    ))
}
