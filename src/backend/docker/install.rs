//! The instructions that install things: Debian packages, Python, Python packages.
//!
//! Pure. The choices made: downloads are kept in cache mounts whose sharing never makes one image wait for another (buildkit#1662);
//! uv is mounted out of its own image; package names reach programs as arguments, never as text of a shell.

use std::fmt::Write as _;

use super::quote;
use crate::recipe::{Interpreter, PYTHON_HOME, Pip, UV_IMAGE};

/// Where uv is mounted.
const UV: &str = "/run/imgspec/uv";

/// Where uv's cache is mounted.
const UV_CACHE: &str = "/run/imgspec/cache";

/// Where requirements files are mounted.
const REQUIREMENTS: &str = "/run/imgspec/requirements";

/// Variables that say where uv finds Python. They are no part of the image: a mirror gives the same Python.
pub(super) const PYTHON_SOURCES: [&str; 2] =
    ["UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"];

/// Puts the managed Python first in PATH, whatever PATH the base has.
pub(super) const PYTHON_PATH: &str = "ENV PATH=\"/opt/python/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"";

/// Installs its arguments. Debian's own images delete every download after use (`docker-clean`): that rule is cleared for
/// this one run, by a file in the cache, so that no file of the image is touched.
const APT_SCRIPT: &str = "\
set -e
export DEBIAN_FRONTEND=noninteractive
config=/var/cache/apt/imgspec.conf
printf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";' > $config
apt-get -c $config update
apt-get -c $config install --yes --no-install-recommends -- \"$@\"";

/// Installs the Python that `$1` names, and links its folders so that `/opt/python` is its prefix whatever its version: a
/// linked `bin` alone would not do, because Python looks for its library beside the folder that it was started from.
const PYTHON_SCRIPT: &str = "\
set -e
for name in UV_PYTHON_INSTALL_MIRROR UV_PYTHON_DOWNLOADS_JSON_URL; do
  if [ -s /run/imgspec/$name ]; then
    value=$(cat /run/imgspec/$name)
    export $name=\"$value\"
  fi
done
uv=/run/imgspec/uv
export UV_PYTHON_INSTALL_DIR=/opt/python UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1
$uv python install --no-bin -- \"$1\"
python=$($uv python find --no-project --managed-python -- \"$1\")
rm -rf /opt/python/.lock /opt/python/.temp /opt/python/.gitignore
home=$(readlink -f \"${python%/bin/*}\")
for each in \"$home\"/*; do ln -sfn \"$each\" /opt/python/; done
/opt/python/bin/python3 --version";

/// Replaces the `python3` after `--python` by the first one in PATH. `$0` is uv.
const BASE_PYTHON_SCRIPT: &str = "\
python=$(command -v python3) || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; }
shift 4
exec \"$0\" pip install --python \"$python\" \"$@\"";

/// Debian packages. `scope` tells apart what must not share downloads: distributions and platforms.
pub(super) fn apt(packages: &[String], scope: &str) -> String {
    // `private`: who finds the cache in use gets another one, and does not wait.
    let cache = |target: &str, id: &str| {
        format!("--mount=type=cache,target={target},id=imgspec-{id}-{scope},sharing=private")
    };
    let arguments = ["/bin/sh", "-c", APT_SCRIPT, "apt-packages"];
    let arguments = arguments
        .into_iter()
        .chain(packages.iter().map(String::as_str));
    format!(
        "RUN {} {} {}",
        cache("/var/cache/apt", "apt"),
        // Not /var/lib/apt: which packages were asked for belongs to the image.
        cache("/var/lib/apt/lists", "apt-lists"),
        quote::exec(arguments)
    )
}

/// uv's managed Python.
pub(super) fn python(version: &str, platform: &str) -> String {
    let secrets = PYTHON_SOURCES
        .map(|name| format!("--mount=type=secret,id={name},target=/run/imgspec/{name}"))
        .join(" ");
    format!(
        "RUN {} {secrets} {}",
        uv_mounts(platform),
        quote::exec(["/bin/sh", "-c", PYTHON_SCRIPT, "python-version", version])
    )
}

/// Python packages; `requirements` is the context's folder and the file in it.
pub(super) fn pip(pip: &Pip, requirements: Option<(usize, &str)>, platform: &str) -> String {
    let mut arguments = match &pip.interpreter {
        Interpreter::Managed => pip_command(&format!("{PYTHON_HOME}/bin/python3")),
        Interpreter::Exec(path) => pip_command(path),
        // uv's own search passes virtual environments by; the base's PATH is the word that counts.
        Interpreter::Base => ["/bin/sh", "-c", BASE_PYTHON_SCRIPT]
            .map(str::to_owned)
            .into_iter()
            .chain(pip_command("python3"))
            .collect(),
    };
    let mut option = |name: &str, value: &str| arguments.push(format!("{name}={value}"));
    if let Some(index) = &pip.index {
        option("--default-index", index);
    }
    for index in &pip.extra_indexes {
        option("--index", index);
    }
    let mut mounts = uv_mounts(platform);
    if let Some((at, file)) = requirements {
        option("--requirements", &format!("{REQUIREMENTS}/{file}"));
        let _ = write!(
            mounts,
            " --mount=type=bind,source={at},target={REQUIREMENTS}"
        );
    }
    arguments.extend(pip.extra_args.iter().cloned());
    if !pip.packages.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend(pip.packages.iter().cloned());
    }
    format!("RUN {mounts} {}", quote::exec(arguments))
}

fn pip_command(python: &str) -> Vec<String> {
    [
        UV,
        "pip",
        "install",
        "--python",
        python,
        "--break-system-packages",
        "--no-python-downloads",
        "--no-config",
        "--no-progress",
        "--compile-bytecode",
        "--link-mode=copy",
        "--cache-dir",
        UV_CACHE,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What a pip step does, in a line.
pub(super) fn pip_words(pip: &Pip) -> String {
    let file = pip.requirements.as_ref().map(|set| match set {
        crate::recipe::FileSet::Requirements { path }
        | crate::recipe::FileSet::Tree { path, .. } => format!("requirements: {path}"),
    });
    let packages =
        (!pip.packages.is_empty()).then(|| format!("packages: {}", pip.packages.join(" ")));
    let both: Vec<String> = file.into_iter().chain(packages).collect();
    both.join(", ")
}

fn uv_mounts(platform: &str) -> String {
    // uv's cache is made to be shared.
    format!(
        "--mount=type=bind,from={UV_IMAGE},source=/uv,target={UV} \
         --mount=type=cache,target={UV_CACHE},id=imgspec-uv-{platform},sharing=shared"
    )
}
