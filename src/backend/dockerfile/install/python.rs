//! Installs Python, Python packages and lock files with uv, which is mounted from its own image. Pure.

use super::run::{Run, cache};
use crate::backend::pinned;
use crate::recipe::{CONDA_HOME, Interpreter, Lock, LockTool, PYTHON_HOME, Pip, VENV_HOME};

const UV: &str = "/run/imgspec/uv";

const UV_CACHE: &str = "/run/imgspec/cache";

const REQUIREMENTS: &str = "/run/imgspec/requirements";

/// Variables that tell uv where to download Python. They do not become part of the image: a mirror provides the same
/// Python.
pub(crate) const PYTHON_SOURCES: [&str; 2] =
    ["UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"];

/// Puts the managed Python first in PATH, whatever PATH the base has.
pub(crate) const PYTHON_PATH: &str = "ENV PATH=\"/opt/python/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"";

/// Activates the lock file's environment.
pub(crate) const VENV_PATH: [&str; 2] = [
    "ENV VIRTUAL_ENV=\"/opt/venv\"",
    "ENV PATH=\"/opt/venv/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"",
];

/// Installs the Python version `$1`, and links its directories so that `/opt/python` is its prefix whatever its
/// version. Linking `bin` alone is not enough, because Python looks for its library next to the directory it was
/// started from.
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

/// Appends `$2` to the command that follows unless the file `$1` has a line for the package `$0`, which is flytekit's
/// own check.
const UNLESS_NAMED_SCRIPT: &str = "\
file=$1 package=$2
shift 2
grep -Eq \"^[[:space:]]*$0([^A-Za-z0-9_-]|$)\" \"$file\" || set -- \"$@\" \"$package\"
exec \"$@\"";

/// Installs a uv.lock into the environment. `$1` is the Python interpreter; `-` means the first one in PATH.
const UV_SCRIPT: &str = "\
set -e
python=$1
shift
[ \"$python\" != - ] || python=$(command -v python3) || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; }
export UV_PROJECT_ENVIRONMENT=/opt/venv UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1 UV_NO_SYSTEM_CONFIG=1
cd /run/imgspec/requirements
exec /run/imgspec/uv sync --python \"$python\" --no-dev --no-install-project --no-python-downloads --link-mode copy \"$@\"";

/// The same for a poetry.lock. Poetry itself is installed in uv's cache; it uses the active environment.
const POETRY_SCRIPT: &str = "\
set -e
python=$1
shift
[ \"$python\" != - ] || python=$(command -v python3) || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; }
export UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never
/run/imgspec/uv venv --quiet --python \"$python\" /opt/venv
export VIRTUAL_ENV=/opt/venv PATH=\"/opt/venv/bin:$PATH\" POETRY_CACHE_DIR=/run/imgspec/cache/poetry POETRY_NO_INTERACTION=1
cd /run/imgspec/requirements
exec /run/imgspec/uv tool run --python \"$python\" --from 'poetry>=1.8,<3' poetry install --no-root --only main \"$@\"";

pub(crate) fn python(version: &str, uv: &str, platform: &str) -> Run {
    let mut run = Run::script(PYTHON_SCRIPT, "python-version", [version]);
    run = with_uv(run, uv, platform);
    for name in PYTHON_SOURCES {
        run = run.mount(format!("type=secret,id={name},target=/run/imgspec/{name}"));
    }
    run
}

/// Installs the packages of these lines, which the lock has for a step, and nothing else.
pub(crate) fn locked(pip: &Pip, lines: &[String], uv: &str, platform: &str) -> Run {
    let mut arguments = installer(pip);
    arguments.extend(pip.extra_args.iter().cloned());
    let exactly = pinned::EXACTLY.map(str::to_owned).into_iter();
    // uv takes none of its options twice.
    arguments.extend(exactly.filter(|option| !pip.extra_args.contains(option)));
    arguments.push("--requirement=-".to_owned());
    with_uv(Run::new(pinned::feed(lines, arguments)), uv, platform)
}

/// uv for the interpreter and the indexes of a step.
fn installer(pip: &Pip) -> Vec<String> {
    let mut arguments = match interpreter(&pip.interpreter) {
        Some(python) => pip_command(&python, pip.bytecode),
        // uv's own search ignores virtual environments, but the base's PATH must decide.
        None => ["/bin/sh", "-c", BASE_PYTHON_SCRIPT]
            .map(str::to_owned)
            .into_iter()
            .chain(pip_command("python3", pip.bytecode))
            .collect(),
    };
    arguments.extend(index_options(pip.index.as_ref(), &pip.extra_indexes));
    arguments
}

/// Installs Python packages; `requirements` is the set's directory in the context and the file in it.
pub(crate) fn pip(pip: &Pip, requirements: Option<(usize, &str)>, uv: &str, platform: &str) -> Run {
    let mut arguments = installer(pip);
    if let Some((_, file)) = requirements {
        arguments.push(format!("--requirements={REQUIREMENTS}/{file}"));
    }
    arguments.extend(pip.extra_args.iter().cloned());
    if !pip.packages.is_empty() || pip.unless_named.is_some() {
        arguments.push("--".to_owned());
        arguments.extend(pip.packages.iter().cloned());
    }
    if let Some((name, package)) = &pip.unless_named {
        arguments = match requirements {
            None => {
                arguments.push(package.clone());
                arguments
            }
            Some((_, file)) => ["/bin/sh", "-c", UNLESS_NAMED_SCRIPT, name]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("{REQUIREMENTS}/{file}"), package.clone()])
                .chain(arguments)
                .collect(),
        };
    }
    let run = with_uv(Run::new(arguments), uv, platform);
    match requirements {
        Some((at, _)) => run.mount(format!("type=bind,source={at},target={REQUIREMENTS}")),
        None => run,
    }
}

/// Installs a lock file; `at` is the set's directory in the context.
pub(crate) fn lock(lock: &Lock, at: usize, uv: &str, platform: &str) -> Run {
    let python = interpreter(&lock.interpreter).unwrap_or_else(|| "-".to_owned());
    let (script, name, compile) = match lock.tool {
        LockTool::Uv => (UV_SCRIPT, "uv.lock", "--compile-bytecode"),
        LockTool::Poetry => (POETRY_SCRIPT, "poetry.lock", "--compile"),
    };
    let mut arguments = vec![python];
    if compiles(lock.bytecode) {
        arguments.push(compile.to_owned());
    }
    if lock.tool == LockTool::Uv {
        // uv takes only one of them, and once.
        let is_own = |option: &String| ["--locked", "--frozen"].contains(&option.as_str());
        if !lock.extra_args.iter().any(is_own) {
            arguments.push("--locked".to_owned());
        }
        arguments.extend(index_options(lock.index.as_ref(), &lock.extra_indexes));
    }
    arguments.extend(lock.extra_args.iter().cloned());
    // The tools may write next to the lock file; such files are discarded.
    with_uv(Run::script(script, name, arguments), uv, platform)
        .mount(format!("type=bind,source={at},target={REQUIREMENTS},rw"))
}

/// The path of an interpreter; `None` for the first one in the base's PATH.
fn interpreter(interpreter: &Interpreter) -> Option<String> {
    match interpreter {
        Interpreter::Managed => Some(format!("{PYTHON_HOME}/bin/python3")),
        Interpreter::Conda => Some(format!("{CONDA_HOME}/bin/python")),
        Interpreter::Venv => Some(format!("{VENV_HOME}/bin/python3")),
        Interpreter::Exec(path) => Some(path.clone()),
        Interpreter::Base => None,
    }
}

fn index_options(index: Option<&String>, extra: &[String]) -> Vec<String> {
    let index = index.map(|index| format!("--default-index={index}"));
    let extra = extra.iter().map(|index| format!("--index={index}"));
    index.into_iter().chain(extra).collect()
}

fn pip_command(python: &str, bytecode: Option<bool>) -> Vec<String> {
    let compiles = compiles(bytecode).then_some("--compile-bytecode");
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
    ]
    .into_iter()
    .chain(compiles)
    .chain(["--link-mode=copy", "--cache-dir", UV_CACHE])
    .map(str::to_owned)
    .collect()
}

/// As flytekit's images do, unless the manifest says otherwise: the first start of a container is faster.
fn compiles(bytecode: Option<bool>) -> bool {
    bytecode.unwrap_or(true)
}

fn with_uv(run: Run, image: &str, platform: &str) -> Run {
    // uv's cache is designed to be shared. Its lock is among the temporary files, and would stay there.
    run.apart()
        .mount(format!("type=bind,from={image},source=/uv,target={UV}"))
        .mount(cache(UV_CACHE, &format!("uv-{platform}"), "shared"))
}
