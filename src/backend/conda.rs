//! How conda packages are installed, the same for every builder: by micromamba, which is lent from its own image. Pure.

use crate::recipe::Conda;

/// Where the program is while it runs.
pub(crate) const MICROMAMBA: &str = "/run/imgspec/micromamba";

/// Where its image's certificates are, for a base that has none.
pub(crate) const CERTIFICATES: &str = "/run/imgspec/ca.crt";

/// Where it keeps downloads.
pub(crate) const DOWNLOADS: &str = "/run/imgspec/conda";

/// The files that its image lends, and where they appear.
pub(crate) const LENT: [(&str, &str); 2] = [
    ("/usr/bin/micromamba", MICROMAMBA),
    ("/etc/ssl/certs/ca-certificates.crt", CERTIFICATES),
];

/// Installs its arguments into the environment `$0`, creating it if necessary. A base without certificates uses
/// micromamba's.
pub(crate) const SCRIPT: &str = "\
set -e
export MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda
[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt
action=create
[ ! -d \"$0/conda-meta\" ] || action=install
exec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"";

/// The channels in the order in which they are searched. conda-forge comes first, as in flytekit.
pub(crate) fn channels(conda: &Conda) -> impl Iterator<Item = &str> {
    let more = conda.channels.iter().map(String::as_str);
    ["conda-forge"].into_iter().chain(more)
}

/// The arguments of the script.
pub(crate) fn arguments(conda: &Conda) -> Vec<String> {
    let channels = channels(conda);
    let mut arguments: Vec<String> = channels
        .flat_map(|channel| ["--channel".to_owned(), channel.to_owned()])
        .collect();
    let python = conda
        .python
        .iter()
        .map(|version| format!("python={version}"));
    arguments.extend(python.chain(conda.packages.iter().cloned()));
    arguments
}
