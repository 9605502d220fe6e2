//! Instructions that run commands: installation of Debian packages, conda packages, Python and its packages, and the
//! user's commands.
//!
//! Pure. Downloads are stored in cache mounts whose sharing never makes one image wait for another (buildkit#1662);
//! helper commands are mounted from their own images.

mod python;
mod run;

pub(super) use python::{PYTHON_PATH, PYTHON_SOURCES, VENV_PATH, lock, locked, pip, python};

use crate::backend::steps::{ACCOUNT_SCRIPT, apt_script};
use crate::recipe::{CONDA_HOME, Conda};
pub(super) use run::Run;
use run::cache;

/// Installs Debian packages. `scope` separates downloads that must not be shared: those of different distributions and
/// platforms.
pub(super) fn apt(packages: &[String], scope: &str) -> Run {
    // `private`: a build that finds the cache in use gets another one instead of waiting.
    Run::script(&apt_script(&[]), "apt-packages", packages)
        .mount(cache("/var/cache/apt", &format!("apt-{scope}"), "private"))
        // Not all of /var/lib/apt: the record of which packages were requested belongs in the image.
        .mount(cache(
            "/var/lib/apt/lists",
            &format!("apt-lists-{scope}"),
            "private",
        ))
}

pub(super) fn account(name: &str) -> Run {
    Run::script(ACCOUNT_SCRIPT, "account", [name])
}

pub(super) fn command(command: &str) -> Run {
    Run::new(["/bin/sh", "-c", command])
}

/// Puts conda's commands first in PATH, whatever PATH the base has.
pub(super) const CONDA_PATH: &str = "ENV PATH=\"/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"";

/// Installs its arguments into the environment `$0`, creating it if necessary. A base without certificates uses
/// micromamba's.
const CONDA_SCRIPT: &str = "\
set -e
export MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda
[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt
action=create
[ ! -d \"$0/conda-meta\" ] || action=install
exec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"";

/// Installs conda packages. conda-forge comes first, as in flytekit.
pub(super) fn conda(conda: &Conda, image: &str, platform: &str) -> Run {
    let channels = ["conda-forge"]
        .into_iter()
        .chain(conda.channels.iter().map(String::as_str));
    let mut arguments: Vec<String> = channels
        .flat_map(|channel| ["--channel".to_owned(), channel.to_owned()])
        .collect();
    let python = conda
        .python
        .iter()
        .map(|version| format!("python={version}"));
    arguments.extend(python.chain(conda.packages.iter().cloned()));
    let bind = |source: &str, target: &str| {
        format!("type=bind,from={image},source={source},target=/run/imgspec/{target}")
    };
    Run::script(CONDA_SCRIPT, CONDA_HOME, arguments)
        .mount(bind("/usr/bin/micromamba", "micromamba"))
        .mount(bind("/etc/ssl/certs/ca-certificates.crt", "ca.crt"))
        .mount(cache(
            "/run/imgspec/conda",
            &format!("conda-{platform}"),
            "private",
        ))
}
