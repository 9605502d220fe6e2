//! The process that a command of a script runs. Names are passed to scripts as arguments, never as shell text.

use crate::backend::envd::layout::{Layout, PYTHON_BIN, Task};
use crate::backend::envd::path;
use crate::backend::steps::{ACCOUNT_SCRIPT, join_path, main_file};
use crate::backend::{context, pinned};
use crate::fingerprint::{EntryKind, Files};
use crate::recipe::{Config, Interpreter, Pip, asks_for};

/// Installs its arguments, leaving no package lists behind.
const APT_SCRIPT: &str = "\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends -- \"$@\"
rm -rf /var/lib/apt/lists/*";

/// Installs Python packages with the Python `$1` and the arguments after `$2`, a directory to be removed afterwards.
/// Debian's Python often has no pip; then the pip of a temporary virtual environment installs into the same location.
/// With `-I`, copied files cannot influence the installer.
pub(super) const PIP_SCRIPT: &str = "\
set -e
python=$1 files=$2
shift 2
case $python in
*/*) ;;
*) python=$(command -v \"$python\") || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; } ;;
esac
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
cd /
if \"$python\" -I -m pip --version >/dev/null 2>&1; then
  \"$python\" -I -m pip install \"$@\"
elif \"$python\" -I -m venv /tmp/imgspec-pip >/dev/null 2>&1; then
  /tmp/imgspec-pip/bin/python -I -m pip --python \"$python\" install \"$@\"
else
  echo \"imgspec: $python has no pip\" >&2
  exit 1
fi
rm -rf /tmp/imgspec-pip
[ -z \"$files\" ] || rm -rf \"$files\"";

/// Sets the owner of files in the directory `$2` to `$1`; recursively for names after `-R`.
pub(super) const OWN_SCRIPT: &str = "\
set -e
owner=$1 deep=
cd \"$2\"
shift 2
for each in \"$@\"; do
  if [ \"$each\" = -R ]; then deep=-R; else chown -h $deep -- \"$owner\" \"$each\"; fi
done";

/// Moves `$2` to `$3` as Docker's COPY would: a directory's contents into a directory, a file to a path or into a
/// directory. Everything moved, and all directories created for it, get the owner `$1`; `chown` clears the setuid and
/// setgid bits, so they are restored. `$4` is the directory with everything taken.
pub(super) const PLACE_SCRIPT: &str = "\
set -e
owner=$1 from=$2 to=$3
if [ -h \"$from\" ]; then
  echo \"imgspec: ${from#\"$4\"} is a symbolic link in the other image, which envd does not follow\" >&2
  exit 1
fi
make() {
  [ -d \"$1\" ] && return
  make \"$(dirname \"$1\")\"
  mkdir \"$1\"
  chown \"$owner\" \"$1\"
}
find \"$from\" ! -type l \\( -perm -4000 -o -perm -2000 \\) -exec sh -c '
  for each in \"$@\"; do mode=$(stat -c %a \"$each\"); chown \"$0\" \"$each\"; chmod \"$mode\" \"$each\"; done' \"$owner\" {} +
find \"$from\" \\( -type l -o ! -perm -4000 ! -perm -2000 \\) -exec chown -h \"$owner\" {} +
if [ -d \"$from\" ]; then
  make \"$to\"
  for each in \"$from\"/* \"$from\"/.[!.]* \"$from\"/..?*; do
    if [ -e \"$each\" ] || [ -h \"$each\" ]; then cp -a \"$each\" \"$to/\"; fi
  done
else
  case $to in
  */) make \"$to\" ;;
  *) make \"$(dirname \"$to\")\" ;;
  esac
  [ -d \"$to\" ] || rm -f \"$to\"
  cp -a \"$from\" \"$to\"
fi
rm -rf \"$4\"";

pub(crate) struct ScriptInput<'a> {
    pub(crate) image: &'a str,
    pub(crate) layout: &'a Layout<'a>,
    pub(crate) files: Vec<&'a Files>,
    /// The names for envd of the images that files are taken from.
    pub(crate) images: Vec<&'a str>,
    /// The base's name for envd, and in messages.
    pub(crate) base: &'a str,
    pub(crate) base_words: &'a str,
    /// The base's working directory.
    pub(crate) folder: &'a str,
    pub(crate) config: &'a Config,
    /// The locked packages of the steps that have some.
    pub(crate) pinned: &'a [(&'a Pip, Vec<String>)],
}

/// Maximum size of a list of paths in bytes: a single argument is limited to 128 KiB.
pub(crate) const LONGEST_LIST: usize = 64 * 1024;

pub(super) fn requirements(set: usize) -> String {
    format!("imgspec-requirements-{set}")
}

/// The temporary directory for files from another image, before they are moved into place.
pub(super) fn stage(taken: usize) -> String {
    format!("/tmp/imgspec-taken-{taken}")
}

pub(super) fn arguments(task: &Task<'_>, source: &ScriptInput<'_>) -> Vec<String> {
    let script = |script: &str, name: &str, arguments: Vec<String>| {
        let head = ["/bin/sh", "-c", script, name].map(str::to_owned);
        [head.to_vec(), arguments].concat()
    };
    match task {
        Task::Run(_, command) => source.config.run(command),
        Task::Apt(_, packages) => script(APT_SCRIPT, "apt-packages", packages.to_vec()),
        Task::Account(_, name) => script(ACCOUNT_SCRIPT, "account", vec![(*name).to_owned()]),
        Task::Folder(_, path) => ["mkdir", "-p", "--", path].map(str::to_owned).to_vec(),
        Task::Pip(_, pip, set) => {
            let mut steps = source.pinned.iter();
            let lines = steps.find(|(locked, _)| std::ptr::eq(*locked, *pip));
            let lines = lines.map(|(_, lines)| lines.as_slice());
            let arguments = pip_arguments(pip, *set, lines.is_some(), source);
            let command = script(PIP_SCRIPT, "packages", arguments);
            lines.map_or(command.clone(), |lines| pinned::feed(lines, command))
        }
        Task::Place { taken, to, owner } => {
            let stage = stage(*taken);
            let path = &source.layout.taken[*taken].path;
            let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
            let from = format!("{stage}/{name}");
            let to = join_path(source.folder, to);
            script(
                PLACE_SCRIPT,
                "copy",
                vec![path::owner_word(owner), from, to, stage],
            )
        }
        Task::Own { set, to, owner } => {
            let to = join_path(source.folder, to);
            script(OWN_SCRIPT, "copy", owned(source.files[*set], &to, owner))
        }
    }
}

/// The arguments of [`PIP_SCRIPT`]; locked packages come from its standard input.
fn pip_arguments(
    pip: &Pip,
    set: Option<usize>,
    is_locked: bool,
    source: &ScriptInput<'_>,
) -> Vec<String> {
    let python = match &pip.interpreter {
        Interpreter::Exec(path) => path.clone(),
        Interpreter::Managed | Interpreter::Conda => format!("{PYTHON_BIN}/python"),
        Interpreter::Base | Interpreter::Venv => "python3".to_owned(),
    };
    let folder = set.map(|set| format!("/tmp/{}", requirements(set)));
    let mut all = vec![python, folder.clone().unwrap_or_default()];
    // pip compiles unless it is told not to.
    all.extend((pip.bytecode == Some(false)).then(|| "--no-compile".to_owned()));
    let index = pip.index.iter();
    all.extend(index.map(|index| format!("--index-url={index}")));
    let extra = pip.extra_indexes.iter();
    all.extend(extra.map(|index| format!("--extra-index-url={index}")));
    if is_locked {
        all.extend(pip.extra_args.iter().cloned());
        all.extend(pinned::EXACTLY.map(str::to_owned));
        all.push("--requirement=/dev/stdin".to_owned());
        return all;
    }
    if let (Some(folder), Some(set)) = (&folder, set) {
        let file = main_file(source.files[set]);
        all.push(format!("--requirement={folder}/{file}"));
    }
    all.extend(pip.extra_args.iter().cloned());
    let mut packages = pip.packages.clone();
    if let Some((name, package)) = &pip.unless_named
        && !set.is_some_and(|set| names(source.files[set], name))
    {
        packages.push(package.clone());
    }
    if !packages.is_empty() {
        all.push("--".to_owned());
        all.extend(packages);
    }
    all
}

/// Whether a requirements file has a line for a package, which is flytekit's own check.
fn names(files: &Files, package: &str) -> bool {
    let main = main_file(files);
    let entry = files.entries.iter().find(|entry| entry.path == main);
    // A file that has changed is noticed when it is staged.
    let text = entry.and_then(|entry| context::text_of(files, entry).ok());
    let text = text.unwrap_or_default();
    let mut lines = text.lines();
    lines.any(|line| asks_for(line.trim_start(), package))
}

/// Arguments of [`OWN_SCRIPT`]: the owner, the directory, and the names in it whose owner a copy sets.
pub(super) fn owned(files: &Files, to: &str, owner: &str) -> Vec<String> {
    let owner = path::owner_word(owner);
    if files.single {
        let (folder, name) = match to.rsplit_once('/') {
            Some((folder, "")) => (folder, main_file(files)),
            Some((folder, name)) => (folder, name),
            None => ("/", to),
        };
        let folder = if folder.is_empty() { "/" } else { folder };
        return vec![owner, folder.to_owned(), format!("./{name}")];
    }
    let mut all = vec![owner, to.to_owned()];
    if !path::is_everyones(to) {
        all.push(".".to_owned());
    }
    let inner = context::folders(files).into_iter();
    let others = files.entries.iter();
    let others = others.filter(|entry| !matches!(entry.kind, EntryKind::Folder));
    let paths: Vec<&str> = inner
        .chain(others.map(|entry| entry.path.as_str()))
        .collect();
    let size: usize = paths.iter().map(|path| path.len() + 4).sum();
    if size < LONGEST_LIST {
        all.extend(paths.into_iter().map(|path| format!("./{path}")));
    } else {
        all.push("-R".to_owned());
        all.extend(tops(files).into_iter().map(|path| format!("./{path}")));
    }
    all
}

/// The names directly below the directory of a set.
pub(super) fn tops(files: &Files) -> Vec<&str> {
    let mut tops: Vec<&str> = files
        .entries
        .iter()
        .filter_map(|entry| entry.path.split('/').next())
        .collect();
    tops.sort_unstable();
    tops.dedup();
    tops
}
