//! Converts a layout to `build.envd` (version 1 of its syntax), the files beside it, and the names of its steps.
//!
//! The text is pure; only [`stage`] touches files. Each command is one `run`, so that it has its own layer and its own
//! line of progress; a directory is staged under its final name, because envd copies directories, not their contents;
//! requirements files are passed through the image's `/tmp`, whatever their size.

mod task;

use super::layout::{Command, PYTHON_PATH, Task};
use super::quote;
use crate::backend::steps::{self, StepName, join_path};
use crate::backend::{BuildError, Job, context};
use crate::disk::dir::Dir;
use crate::fingerprint::Files;
use crate::recipe::{CopySource, Step};
pub(super) use task::{LONGEST_LIST, ScriptInput};
use task::{arguments, requirements, tops};

pub(super) const FILE: &str = "build.envd";

const SETS: &str = "files";

/// A rendered `build.envd`, with the files it needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) text: String,
    /// The copied file sets: each one's path beside the script, and its index.
    pub(super) places: Vec<(String, usize)>,
    pub(super) steps: Steps,
}

/// The steps of a build, named in terms of the manifest, in envd's order, and where each kind begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) names: Vec<StepName>,
    pub(super) apt: Option<usize>,
    pub(super) python: Option<usize>,
    pub(super) conda: Option<usize>,
    /// The steps of copies, by path beside the script.
    pub(super) copies: Vec<(String, usize)>,
    /// Index of the first command.
    pub(super) commands: usize,
}

impl Steps {
    fn add(&mut self, words: String, fetches: bool) -> usize {
        self.names.push(StepName { words, fetches });
        self.names.len() - 1
    }
}

pub(super) fn render(source: &ScriptInput<'_>) -> Script {
    let mut writer = Writer {
        source,
        lines: Vec::new(),
        places: Vec::new(),
        steps: Steps::default(),
    };
    writer.whole();
    writer.packages();
    writer.copies();
    writer.taken();
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
    source: &'a ScriptInput<'a>,
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
        if let Some(arguments) = &source.config.entrypoint {
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
        if layout.conda.is_some() || layout.python.is_some() {
            // Otherwise Python would come from Anaconda's own channel.
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
            let channels: Vec<&str> = ["conda-forge"]
                .into_iter()
                .chain(conda.channels.iter().copied())
                .collect();
            let [names, channels] = [&conda.names, &channels]
                .map(|words| quote::list(words.iter().map(|word| quote::word(word))));
            self.line(format!(
                "install.conda_packages(name={names}, channel={channels})"
            ));
        }
    }

    fn copies(&mut self) {
        for command in &self.source.layout.commands {
            if let Task::Pip(_, _, Some(set)) = command.task {
                // The name is the same in every build, and unique to this set.
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
            let to = join_path(self.source.folder, &copy.to);
            let words = format!(
                "copy: {} to {}",
                steps::shown(files),
                step_target(copy.step)
            );
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

    fn taken(&mut self) {
        for (at, taken) in self.source.layout.taken.iter().enumerate() {
            let [from, to, image] = [
                &taken.path,
                &format!("{}/", task::stage(at)),
                self.source.images[at],
            ]
            .map(quote::string);
            self.line(format!(
                "io.copy(source={from}, target={to}, image={image})"
            ));
            let words = format!("copy: {}:{}", taken.image, taken.path);
            let step = self.steps.add(words, true);
            let shown = taken.path.trim_start_matches('/').to_owned();
            self.steps.copies.push((shown, step));
        }
    }

    /// The copies for one file set, as sources and targets: envd copies a directory into a directory, under its own
    /// name.
    fn parts(&mut self, set: usize, files: &Files, to: &str) -> Vec<(String, String)> {
        let place = format!("{SETS}/{set}");
        if files.single {
            self.places.push((place.clone(), set));
            let name = steps::main_file(files);
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

    /// A command as one line of bash. It begins with its number, which appears in the progress; then it leaves and
    /// removes the directory that envd starts commands in, which the image should not contain.
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

/// The target of a copy, as in the manifest.
fn step_target(step: &Step) -> &str {
    match step {
        Step::Copy(copy) if matches!(copy.from, CopySource::Files(_)) => &copy.to,
        _ => "",
    }
}

/// A one-line description of a command, and whether it downloads anything.
fn words(task: &Task<'_>, source: &ScriptInput<'_>) -> (String, bool) {
    match task {
        Task::Run(_, command) => (format!("commands: {}", steps::one_line(command)), false),
        Task::Apt(step, _) | Task::Pip(step, ..) => (step.words(), true),
        Task::Account(step, _) | Task::Folder(step, _) => (step.words(), false),
        Task::Place { taken, to, .. } => {
            let taken = &source.layout.taken[*taken];
            (
                format!("copy: {}:{} to {to}", taken.image, taken.path),
                false,
            )
        }
        Task::Own { set, owner, .. } => {
            let shown = steps::shown(source.files[*set]);
            (format!("copy: chown {shown} to {owner}"), false)
        }
    }
}

pub(super) fn stage(job: &Job<'_>, script: &Script, to: &Dir) -> Result<(), BuildError> {
    for (place, set) in &script.places {
        let (above, name) = place.rsplit_once('/').unwrap_or(("", place));
        let above = to.make_all(above).map_err(context::unwritten)?;
        context::stage_in(&job.files[*set], &context::empty(&above, name)?)?;
    }
    to.write(FILE, script.text.as_bytes())
        .map_err(context::unwritten)
}

#[cfg(test)]
mod tests;
