//! Lets dpkg configure packages that were unpacked here, in the sandbox, and says what of that does not belong in an image.

use std::path::Path;

use super::database::has_to_run;
use super::settings::HOME;
use crate::backend::BuildError;
use crate::backend::embedded::common::failed;
use crate::backend::embedded::execute::{Program, Tools};
use crate::backend::oci::layer::Index;
use crate::backend::sandbox::Network;
use crate::disk::cache;

/// Logs, caches and copies that differ from run to run, as mmdebstrap leaves them out: `docs/design/debian.md` lists them.
pub(super) const LEFT_OUT: [&str; 19] = [
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/machine-id",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "var/cache/apt",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/passwords.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/ldconfig",
    "var/lib/apt/lists",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/status-old",
    "var/log/alternatives.log",
    "var/log/apt",
    "var/log/dpkg.log",
];

/// The variable that names the packages whose scripts run before.
const SCRIPTS: &str = "IMGSPEC_SCRIPTS";

/// The largest script, in bytes.
const LARGEST: u64 = 4 << 20;

/// What comes first, because scripts of others need accounts.
const FIRST: &str = "base-passwd";

/// Runs the scripts that come before unpacking, then dpkg. No service starts: `policy-rc.d` forbids it, as in Debian's images.
const SCRIPT: &str = "\
set -e
scripts=$IMGSPEC_SCRIPTS
unset IMGSPEC_SCRIPTS
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod 755 $policy
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
architecture=$(dpkg --print-architecture)
for package in $scripts; do
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=${package%%:*} DPKG_MAINTSCRIPT_ARCH=$architecture \\
  DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg \\
    \"/var/lib/dpkg/info/$package.preinst\" install
done
dpkg --configure --pending --force-unsafe-io
if [ -n \"$(dpkg --audit)\" ]; then dpkg --audit; exit 1; fi";

/// The arguments of the program that configures packages.
pub(super) fn argv() -> [String; 4] {
    ["/bin/sh", "-c", SCRIPT, "dpkg"].map(str::to_owned)
}

/// The variables that keep scripts from asking anybody.
pub(super) fn env() -> Vec<(String, String)> {
    let all = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// The program that configures packages; it needs the network only where other packages than those of a new base do.
pub(super) fn program<'a>(
    words: &'a str,
    argv: &'a [String],
    env: &'a [(String, String)],
    network: Network,
) -> Program<'a> {
    Program {
        words,
        argv,
        env,
        user: "",
        network,
        left_out: &LEFT_OUT,
        tools: Tools::default(),
    }
}

/// The variable with the packages whose scripts have to run before, read from the layer of unpacked packages: its list, and
/// the directory with its files.
pub(super) fn scripts(index: &Index, tree: &Path) -> Result<(String, String), BuildError> {
    let info = format!("{HOME}/info");
    let open = || {
        cache::below(tree)
            .open()?
            .map_or(Ok(None), |dir| dir.lent()?.open_all(&info))
    };
    let dir = open().map_err(failed)?;
    let mut packages = Vec::new();
    for node in index.nodes.iter() {
        let name = node
            .path
            .strip_prefix(&info)
            .map(|name| name.trim_start_matches('/'));
        let (Some(name), Some(dir)) = (name, &dir) else {
            continue;
        };
        let Some(package) = name.strip_suffix(".preinst") else {
            continue;
        };
        let text = dir.read(name, LARGEST).map_err(failed)?.unwrap_or_default();
        if has_to_run(&String::from_utf8_lossy(&text)) {
            packages.push(package);
        }
    }
    packages.sort_by_key(|package| *package != FIRST);
    Ok((SCRIPTS.to_owned(), packages.join(" ")))
}
