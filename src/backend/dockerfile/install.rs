//! The instructions that run things: Debian packages, conda's, Python and its packages, commands.
//!
//! Pure. Downloads are kept in cache mounts whose sharing never makes one image wait for another (buildkit#1662); helper programs
//! are mounted out of their own images.

mod conda;
mod python;
mod run;

pub(super) use conda::{CONDA_PATH, conda};
pub(super) use python::{PYTHON_PATH, PYTHON_SOURCES, VENV_PATH, lock, pip, python};

use crate::backend::steps::ACCOUNT_SCRIPT;
pub(super) use run::Run;
use run::cache;

/// Installs its arguments. Debian's own images delete every download after use (`docker-clean`): that rule is cleared for
/// this one run, by a file in the cache, so that no file of the image is touched.
const APT_SCRIPT: &str = "\
set -e
export DEBIAN_FRONTEND=noninteractive
config=/var/cache/apt/imgspec.conf
printf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";' > $config
apt-get -c $config update
apt-get -c $config install --yes --no-install-recommends -- \"$@\"";

/// Debian packages. `scope` tells apart what must not share downloads: distributions and platforms.
pub(super) fn apt(packages: &[String], scope: &str) -> Run {
    // `private`: a build that finds the cache in use gets another one instead of waiting.
    Run::script(APT_SCRIPT, "apt-packages", packages)
        .mount(cache("/var/cache/apt", &format!("apt-{scope}"), "private"))
        // Not /var/lib/apt: which packages were asked for belongs to the image.
        .mount(cache(
            "/var/lib/apt/lists",
            &format!("apt-lists-{scope}"),
            "private",
        ))
}

/// An account.
pub(super) fn account(name: &str) -> Run {
    Run::script(ACCOUNT_SCRIPT, "account", [name])
}

/// A command of the user's.
pub(super) fn command(command: &str) -> Run {
    Run::new(["/bin/sh", "-c", command])
}
