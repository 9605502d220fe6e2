//! Conda packages, by micromamba out of its own image. Pure.

use super::run::{Run, cache};
use crate::recipe::{CONDA_HOME, Conda};

/// Where downloads are kept.
const PACKAGES: &str = "/run/imgspec/conda";

/// Puts conda's programs first in PATH, whatever PATH the base has.
pub(crate) const CONDA_PATH: &str = "ENV PATH=\"/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"";

/// Installs its arguments into the environment `$0`, which it makes first. A base without certificates is lent
/// micromamba's.
const CONDA_SCRIPT: &str = "\
set -e
export MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda
[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt
action=create
[ ! -d \"$0/conda-meta\" ] || action=install
exec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"";

/// Conda packages. conda-forge comes first: flytekit's order.
pub(crate) fn conda(conda: &Conda, image: &str, platform: &str) -> Run {
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
        .mount(cache(PACKAGES, &format!("conda-{platform}"), "private"))
}
