//! Locked packages where only apt knows how to install them, such as upgrades of what the base has: apt gets their files, and
//! no archive from which it could take others.

use std::io;

use super::Package;
use super::configure;
use super::files::get;
use crate::backend::BuildError;
use crate::backend::embedded::base::{Image, Source};
use crate::backend::embedded::commands::Commands;
use crate::backend::embedded::common::{failed, stored};
use crate::backend::embedded::execute::{Lent, Program, Tools};
use crate::backend::embedded::made::{Made, Once};
use crate::backend::oci::store::Scratch;
use crate::backend::sandbox::{Mount, Network};
use crate::workspace::LockedDeb;

/// The settings with which apt runs in the sandbox: it has no other users there if this machine has none for it.
pub(super) const APT: &str = "APT::Sandbox::User \"root\";";

/// Where the files are while apt runs.
const PLACE: &str = "/run/imgspec-packages";

/// Names the packages that nobody asked for.
const AUTOMATIC: &str = "IMGSPEC_AUTOMATIC";

/// Installs its arguments with no archive to ask, and notes which of them nobody asked for.
const SCRIPT: &str = "\
set -e
export DEBIAN_FRONTEND=noninteractive
automatic=$IMGSPEC_AUTOMATIC
unset IMGSPEC_AUTOMATIC
config=/var/cache/apt/imgspec.conf
printf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'Dir::Etc::SourceList \"/dev/null\";' \
  'Dir::Etc::SourceParts \"/dev/null\";' \"$0\" > $config
apt-get -c $config install --yes --no-install-recommends --allow-downgrades -- \"$@\"
[ -z \"$automatic\" ] || apt-mark auto $automatic > /dev/null";

/// The layer of these packages on an image.
pub(super) fn install(
    commands: &Commands<'_>,
    debs: &[LockedDeb],
    image: &Image,
    words: &str,
) -> Result<Made, BuildError> {
    let source = commands.source;
    let names = debs.iter().map(|deb| format!("{PLACE}/{}", name(deb)));
    let head = ["/bin/sh", "-c", SCRIPT, APT].map(str::to_owned);
    let argv: Vec<String> = head.into_iter().chain(names).collect();
    let automatic = debs.iter().filter(|deb| !deb.is_requested);
    let automatic: Vec<&str> = automatic.map(|deb| deb.name.as_str()).collect();
    let env = [(AUTOMATIC.to_owned(), automatic.join(" "))];
    let program = Program {
        words,
        argv: &argv,
        env: &env,
        user: "",
        network: Network::Host,
        left_out: &configure::LEFT_OUT,
        tools: Tools::default(),
    };
    let hashes: Vec<String> = debs.iter().map(|deb| deb.sha256.clone()).collect();
    let key = program.key(image, commands.platform, &hashes)?;
    let once = Once {
        source,
        encoding: commands.encoding,
        use_known: !commands.job.no_cache,
    };
    once.get(&key.finish(commands.encoding), words, || {
        let packages = get(debs, commands.job.image, source)?;
        let scratch = files(debs, &packages, source)?;
        let mount = Mount::ReadOnly {
            source: scratch.dir().path().to_owned(),
            target: PLACE.to_owned(),
        };
        let lent = Lent {
            mounts: vec![mount],
            ..Lent::default()
        };
        program.run(image, commands.encoding, lent, source)
    })
}

/// The packages as files that apt recognizes, which are removed afterwards.
fn files(
    debs: &[LockedDeb],
    packages: &[Package],
    source: &Source<'_>,
) -> Result<Scratch, BuildError> {
    let scratch = source.store.scratch().map_err(failed)?;
    for (deb, package) in debs.iter().zip(packages) {
        let (mut from, _) = source.store.read(package.sha256).map_err(stored)?;
        let mut to = scratch.dir().anew(name(deb)).map_err(failed)?;
        io::copy(&mut from, &mut to).map_err(failed)?;
    }
    Ok(scratch)
}

/// The name of a package's file: neither name nor architecture has a `/`.
fn name(deb: &LockedDeb) -> String {
    format!("{}_{}.deb", deb.name, deb.architecture)
}
