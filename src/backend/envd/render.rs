//! Layout → `build.envd` (version 1 of its syntax), the files beside it, and what its parts are in the user's words.
//!
//! The text is pure; only [`stage`] touches files. The choices made: one `run` a command, so that each is a layer and a
//! line of progress of its own; a folder is staged under the name that it gets, because envd copies folders, not what is in
//! them; requirements files travel through `/tmp` of the image, whatever their size.

use std::fs;
use std::path::Path;

use super::layout::{self, Command, Layout, PYTHON_BIN, PYTHON_PATH, Task};
use super::quote;
use crate::backend::docker::{self, StepName};
use crate::backend::{BuildError, Job, context};
use crate::fingerprint::{EntryKind, Files};
use crate::recipe::{CopySource, CopyStep, Interpreter, Pip, Step};

/// The file that envd reads.
pub(super) const FILE: &str = "build.envd";

/// Where the file sets are, beside it.
const SETS: &str = "files";

/// Makes the account `$1`; Docker's own script.
use docker::ACCOUNT_SCRIPT;

/// Installs its arguments, leaving no lists behind.
const APT_SCRIPT: &str = "\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends -- \"$@\"
rm -rf /var/lib/apt/lists/*";

/// Installs Python packages with the Python `$1` and the arguments after `$2`, a folder to be removed. Debian's Python has
/// often no pip: one out of a passing virtual environment then installs into the same place. `-I`: nothing that was copied may change the installer.
const PIP_SCRIPT: &str = "\
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

/// Gives what follows the folder `$2` the owner `$1`; after `-R`, with all that is in it.
const OWN_SCRIPT: &str = "\
set -e
owner=$1 deep=
cd \"$2\"
shift 2
for each in \"$@\"; do
  if [ \"$each\" = -R ]; then deep=-R; else chown -h $deep -- \"$owner\" \"$each\"; fi
done";

/// More paths than fit here are not named one by one: a system's argument has at most 128 KiB.
const LONGEST_LIST: usize = 64 * 1024;

/// What there is to know of a build besides its recipe.
pub(super) struct Source<'a> {
    pub(super) image: &'a str,
    pub(super) layout: &'a Layout<'a>,
    pub(super) files: Vec<&'a Files>,
    /// What the base is called, for envd and for people.
    pub(super) base: &'a str,
    pub(super) base_words: &'a str,
    /// The base's working folder.
    pub(super) folder: &'a str,
    pub(super) entrypoint: Option<&'a [String]>,
}

/// A `build.envd` and what its parts do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) text: String,
    /// What is copied where: the place beside the script and the file set.
    pub(super) places: Vec<(String, usize)>,
    pub(super) steps: Steps,
}

/// The parts of a build in the user's words, in envd's order, and where each kind begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) names: Vec<StepName>,
    pub(super) apt: Option<usize>,
    pub(super) python: Option<usize>,
    pub(super) conda: Option<usize>,
    /// By the place beside the script.
    pub(super) copies: Vec<(String, usize)>,
    /// The first command.
    pub(super) commands: usize,
}

impl Steps {
    fn add(&mut self, words: String, fetches: bool) -> usize {
        self.names.push(StepName { words, fetches });
        self.names.len() - 1
    }
}

/// Writes the script.
pub(super) fn render(source: &Source<'_>) -> Script {
    let mut writer = Writer {
        source,
        lines: Vec::new(),
        places: Vec::new(),
        steps: Steps::default(),
    };
    writer.whole();
    writer.packages();
    writer.copies();
    writer.commands();
    let mut text = format!(
        "# syntax=v1\n# Written by imgspec for the image {}.\n\n\ndef build():\n",
        quote::string(source.image)
    );
    for line in &writer.lines {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    Script {
        text,
        places: writer.places,
        steps: writer.steps,
    }
}

struct Writer<'a> {
    source: &'a Source<'a>,
    lines: Vec<String>,
    places: Vec<(String, usize)>,
    steps: Steps,
}

impl Writer<'_> {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn whole(&mut self) {
        let source = self.source;
        let (user, group) = source.layout.owner;
        self.steps
            .add(format!("base-image: {}", source.base_words), true);
        self.line(format!(
            "base(image={}, dev=False)",
            quote::string(source.base)
        ));
        self.line(format!("config.owner(uid={user}, gid={group})"));
        if !source.layout.environment.is_empty() {
            let map = quote::map(&source.layout.environment);
            self.line(format!("runtime.environ(env={map})"));
        }
        if let Some(arguments) = source.entrypoint {
            self.line(format!(
                "config.entrypoint(args={})",
                quote::list(arguments)
            ));
        }
    }

    fn packages(&mut self) {
        let layout = self.source.layout;
        if !layout.apt.is_empty() {
            let words = format!("apt-packages: {}", layout.apt.join(" "));
            self.steps.apt = Some(self.steps.add(words, true));
            let names = quote::list(&layout.apt);
            self.line(format!("install.apt_packages(name={names})"));
        }
        if layout.conda.is_some() {
            self.line("install.conda(use_mamba=True)");
        }
        if let Some(version) = layout.python {
            let words = format!("python-version: {version}");
            self.steps.python = Some(self.steps.add(words, true));
            self.line(format!(
                "install.python(version={})",
                quote::string(version)
            ));
        }
        if let Some(conda) = &layout.conda {
            let words = format!("conda-packages: {}", conda.names.join(" "));
            self.steps.conda = Some(self.steps.add(words, true));
            let [names, channels] = [&conda.names, &conda.channels]
                .map(|words| quote::list(words.iter().map(|word| quote::word(word))));
            self.line(format!(
                "install.conda_packages(name={names}, channel={channels})"
            ));
        }
    }

    fn copies(&mut self) {
        for command in &self.source.layout.commands {
            if let Task::Pip(_, _, Some(set)) = command.task {
                // The name is the same in every build, and no other set's.
                let place = format!("{SETS}/{}", requirements(set));
                self.line(format!(
                    "io.copy(source={}, target=\"/tmp/\")",
                    quote::string(&place)
                ));
                self.places.push((place, set));
            }
        }
        for copy in &self.source.layout.copies {
            let files = self.source.files[copy.set];
            let to = layout::join(self.source.folder, &copy.to);
            let words = format!("copy: {} to {}", shown(files), step_target(copy.step));
            let at = self.steps.add(words, false);
            for (from, target) in self.parts(copy.set, files, &to) {
                self.line(format!(
                    "io.copy(source={}, target={})",
                    quote::string(&from),
                    quote::string(&target)
                ));
                self.steps.copies.push((from, at));
            }
        }
    }

    /// What is copied where for one file set: envd puts a folder into a folder, under its own name.
    fn parts(&mut self, set: usize, files: &Files, to: &str) -> Vec<(String, String)> {
        let place = format!("{SETS}/{set}");
        if files.single {
            self.places.push((place.clone(), set));
            let name = docker::main_file(files);
            return vec![(format!("{place}/{name}"), to.to_owned())];
        }
        let to = to.trim_end_matches('/');
        let Some((above, name)) = to.rsplit_once('/') else {
            self.places.push((place.clone(), set));
            let tops = tops(files).into_iter();
            return tops
                .map(|top| (format!("{place}/{top}"), "/".to_owned()))
                .collect();
        };
        let place = format!("{place}/{name}");
        self.places.push((place.clone(), set));
        vec![(place, format!("{above}/"))]
    }

    fn commands(&mut self) {
        self.steps.commands = self.steps.names.len();
        for (at, command) in self.source.layout.commands.iter().enumerate() {
            let (words, fetches) = words(&command.task, self.source);
            self.steps.add(words, fetches);
            let line = quote::inside(&self.command(at, command));
            self.line(format!("run(commands={})", quote::list([line])));
        }
    }

    /// One line of bash. It begins with its number, which the progress shows; then the folder that envd starts
    /// commands in is left and removed, because nobody asked for it.
    fn command(&self, at: usize, command: &Command<'_>) -> String {
        let folder = command.folder.as_deref().unwrap_or(self.source.folder);
        let mut line = format!(": {at}; ");
        if folder != "/" {
            line.push_str(&format!("mkdir -p {}; ", quote::bash(folder)));
        }
        line.push_str(&format!("cd {}; ", quote::bash(folder)));
        let own = quote::bash(&format!("/home/envd/{}", self.source.image));
        line.push_str(&format!("rmdir {own} /home/envd 2>/dev/null || :; "));
        for (name, value) in &command.variables {
            line.push_str(&format!("export {name}={}; ", quote::bash(value)));
        }
        if command.own_python {
            line.push_str(&format!("export PATH={PYTHON_PATH}:\"$PATH\"; "));
        }
        line.push_str("exec");
        for argument in arguments(&command.task, self.source) {
            line.push(' ');
            line.push_str(&quote::bash(&argument));
        }
        line
    }
}

/// What a requirements file's folder is called.
fn requirements(set: usize) -> String {
    format!("imgspec-requirements-{set}")
}

/// The program of a command, with its arguments.
fn arguments(task: &Task<'_>, source: &Source<'_>) -> Vec<String> {
    let script =
        |script: &str, name: &str| ["/bin/sh", "-c", script, name].map(str::to_owned).to_vec();
    match task {
        Task::Run(_, command) => ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
        Task::Apt(_, packages) => {
            let mut all = script(APT_SCRIPT, "apt-packages");
            all.extend(packages.iter().cloned());
            all
        }
        Task::Account(_, name) => {
            let mut all = script(ACCOUNT_SCRIPT, "account");
            all.push((*name).to_owned());
            all
        }
        Task::Folder(_, path) => ["mkdir", "-p", "--", path].map(str::to_owned).to_vec(),
        Task::Pip(_, pip, set) => {
            let mut all = script(PIP_SCRIPT, "packages");
            all.extend(pip_arguments(pip, *set, source));
            all
        }
        Task::Own { set, to, owner } => {
            let mut all = script(OWN_SCRIPT, "copy");
            all.extend(owned(
                source.files[*set],
                &layout::join(source.folder, to),
                owner,
            ));
            all
        }
    }
}

fn pip_arguments(pip: &Pip, set: Option<usize>, source: &Source<'_>) -> Vec<String> {
    let python = match &pip.interpreter {
        Interpreter::Exec(path) => path.clone(),
        Interpreter::Managed | Interpreter::Conda => format!("{PYTHON_BIN}/python"),
        Interpreter::Base | Interpreter::Venv => "python3".to_owned(),
    };
    let folder = set.map(|set| format!("/tmp/{}", requirements(set)));
    let mut all = vec![python, folder.clone().unwrap_or_default()];
    let index = pip.index.iter();
    all.extend(index.map(|index| format!("--index-url={index}")));
    let extra = pip.extra_indexes.iter();
    all.extend(extra.map(|index| format!("--extra-index-url={index}")));
    if let (Some(folder), Some(set)) = (&folder, set) {
        let file = docker::main_file(source.files[set]);
        all.push(format!("--requirement={folder}/{file}"));
    }
    all.extend(pip.extra_args.iter().cloned());
    all.push("--".to_owned());
    all.extend(pip.packages.iter().cloned());
    if let Some((name, package)) = &pip.unless_named
        && !set.is_some_and(|set| names(source.files[set], name))
    {
        all.push(package.clone());
    }
    if all.last().is_some_and(|last| last == "--") {
        all.pop();
    }
    all
}

/// Whether a requirements file has a line for a package: flytekit's own question.
fn names(files: &Files, package: &str) -> bool {
    let main = docker::main_file(files);
    let entry = files.entries.iter().find(|entry| entry.path == main);
    // A file that moved is noticed when it is staged.
    let text = entry.and_then(|entry| context::text_of(files, entry).ok());
    text.unwrap_or_default().lines().any(|line| {
        let rest = line.trim_start().strip_prefix(package);
        rest.is_some_and(|rest| {
            !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "_-".contains(next))
        })
    })
}

/// The folder and the names in it that a copy's owner is for.
fn owned(files: &Files, to: &str, owner: &str) -> Vec<String> {
    // With a name alone, its own group.
    let owner = if owner.contains(':') {
        owner.to_owned()
    } else if owner.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{owner}:{owner}")
    } else {
        format!("{owner}:")
    };
    if files.single {
        let (folder, name) = match to.rsplit_once('/') {
            Some((folder, "")) => (folder, docker::main_file(files)),
            Some((folder, name)) => (folder, name),
            None => ("/", to),
        };
        let folder = if folder.is_empty() { "/" } else { folder };
        return vec![owner, folder.to_owned(), format!("./{name}")];
    }
    let mut all = vec![owner, to.to_owned()];
    if !is_everyones(to) {
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

/// Folders that every base has, and that a copy into them does not make its own.
fn is_everyones(folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    matches!(
        folder,
        "" | "/home" | "/mnt" | "/opt" | "/root" | "/run" | "/srv" | "/tmp"
    ) || layout::is_system(folder)
}

/// The names right below the folder of a set.
fn tops(files: &Files) -> Vec<&str> {
    let mut tops: Vec<&str> = files
        .entries
        .iter()
        .filter_map(|entry| entry.path.split('/').next())
        .collect();
    tops.sort_unstable();
    tops.dedup();
    tops
}

fn shown(files: &Files) -> String {
    let name = if files.single {
        docker::main_file(files)
    } else {
        ""
    };
    let parts: Vec<&str> = [files.place.as_str(), name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

/// Where a copy goes, as the user said it.
fn step_target(step: &Step) -> &str {
    match step {
        Step::Copy(CopyStep {
            from: CopySource::Files(_),
            to,
            ..
        }) => to,
        _ => "",
    }
}

/// What a command does, in a line, and whether it fetches things.
fn words(task: &Task<'_>, source: &Source<'_>) -> (String, bool) {
    match task {
        Task::Run(_, command) => (format!("commands: {}", one_line(command)), false),
        Task::Apt(step, _) | Task::Pip(step, ..) => (step.words(), true),
        Task::Account(step, _) | Task::Folder(step, _) => (step.words(), false),
        Task::Own { set, owner, .. } => {
            let shown = shown(source.files[*set]);
            (format!("copy: {shown} is {owner}'s"), false)
        }
    }
}

/// A command as one line, for people.
fn one_line(text: &str) -> String {
    const ENOUGH: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= ENOUGH {
        return words;
    }
    words.chars().take(ENOUGH - 1).chain(['…']).collect()
}

/// Puts the script and the files beside it into a folder.
///
/// # Errors
/// When a file cannot be read or written, or changed since it was hashed.
pub(super) fn stage(job: &Job<'_>, script: &Script, to: &Path) -> Result<(), BuildError> {
    context::empty(to)?;
    for (place, set) in &script.places {
        let place = to.join(place);
        let above = place
            .parent()
            .expect("a place is below the script's folder");
        fs::create_dir_all(above).map_err(|error| context::unwritable(above, &error))?;
        context::stage(&job.files[*set], &place)?;
    }
    let path = to.join(FILE);
    fs::write(&path, &script.text).map_err(|error| context::unwritable(&path, &error))
}

#[cfg(test)]
mod tests;
