//! Recipe → Dockerfile, and what its numbered steps are in the user's words.
//!
//! Pure. The choices made: one stage; no `# syntax` line (it would be fetched from a registry); no value can become an
//! instruction (see [`super::quote`]); helper programs are mounted, so they leave nothing. See `docs/design/docker.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{install, quote};
use crate::fingerprint::{Files, Key};
use crate::recipe::{CopySource, CopyStep, Recipe, Step};
use crate::spec::Base;

/// All that a Dockerfile is made of.
pub(super) struct Source<'a> {
    pub(super) image: &'a str,
    pub(super) key: &'a Key,
    pub(super) recipe: &'a Recipe,
    /// The file sets, in the order of the steps; set `n` is in the context's folder `n`.
    pub(super) files: Vec<&'a Files>,
    /// What the images that the recipe needs are called for `FROM`, by id.
    pub(super) parents: &'a BTreeMap<String, String>,
    /// What they are called for people, by id.
    pub(super) names: BTreeMap<&'a str, &'a str>,
}

/// A Dockerfile and what it needs to be told when it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dockerfile {
    pub(super) text: String,
    /// Whether it needs the build argument [`quote::NEWLINE`].
    pub(super) newline: bool,
    /// `BuildKit`'s numbered steps, in the user's words.
    pub(super) steps: Vec<StepName>,
    /// Variables of the user's environment that its steps are given as secrets.
    pub(super) secrets: &'static [&'static str],
}

/// A step that `BuildKit` numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepName {
    /// What it does, in a line: `apt-packages: git curl`.
    pub(super) words: String,
    /// Whether it fetches things, so that it may fail for a passing reason.
    pub(super) fetches: bool,
}

/// Writes the Dockerfile.
pub(super) fn render(source: &Source<'_>) -> Dockerfile {
    let mut writer = Writer {
        source,
        lines: Vec::new(),
        steps: Vec::new(),
        sets: 0,
    };
    writer.base();
    for step in &source.recipe.steps {
        writer.step(step);
    }
    writer.config();
    let newline = values(source.recipe).any(quote::needs_newline);
    let mut text = format!(
        "# Written by imgspec for the image {}.\n",
        json(source.image)
    );
    if newline {
        let _ = writeln!(
            text,
            "# Needs the build argument {}, a line end.",
            quote::NEWLINE
        );
        // After FROM: an argument before it is not known after it.
        writer.lines.insert(1, format!("ARG {}", quote::NEWLINE));
    }
    for line in &writer.lines {
        text.push_str(&quote::fold(line));
        text.push('\n');
    }
    let python = |step: &Step| matches!(step, Step::Python { .. });
    Dockerfile {
        text,
        newline,
        steps: writer.steps,
        secrets: if source.recipe.steps.iter().any(python) {
            &install::PYTHON_SOURCES
        } else {
            &[]
        },
    }
}

/// All texts that become words of the Dockerfile.
fn values(recipe: &Recipe) -> impl Iterator<Item = &str> {
    let steps = recipe.steps.iter().flat_map(|step| match step {
        Step::Env(pairs) => pairs.iter().map(|(_, value)| value.as_str()).collect(),
        Step::Workdir(path) => vec![path.as_str()],
        _ => Vec::new(),
    });
    let labels = recipe.config.labels.iter();
    let labels = labels.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    steps.chain(labels).chain(recipe.config.user.as_deref())
}

struct Writer<'a> {
    source: &'a Source<'a>,
    lines: Vec<String>,
    steps: Vec<StepName>,
    sets: usize,
}

impl<'a> Writer<'a> {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn numbered(&mut self, words: String, fetches: bool) {
        self.steps.push(StepName { words, fetches });
    }

    fn base(&mut self) {
        let base = &self.source.recipe.base;
        self.line(format!("FROM {}", self.from()));
        // Nothing is fetched or numbered for `scratch`.
        if *base != Base::Scratch {
            self.numbered(format!("base-image: {}", self.base_name()), true);
        }
        if self.source.recipe.config.user.is_some() && !self.source.recipe.steps.is_empty() {
            self.line("USER 0");
        }
    }

    fn from(&self) -> &str {
        match &self.source.recipe.base {
            Base::Image(id) => self.parent(id),
            Base::Registry(reference) => reference,
            Base::Scratch => "scratch",
        }
    }

    fn parent<'s>(&'s self, id: &'s str) -> &'s str {
        self.source.parents.get(id).map_or(id, String::as_str)
    }

    fn base_name(&self) -> &str {
        match &self.source.recipe.base {
            Base::Image(id) => id,
            Base::Registry(reference) => reference,
            Base::Scratch => "scratch",
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Apt { packages } => {
                self.numbered(format!("apt-packages: {}", packages.join(" ")), true);
                let line = install::apt(packages, &self.cache_scope());
                self.line(line);
            }
            Step::Python { version } => {
                self.numbered(format!("python-version: {version}"), true);
                let line = install::python(version, &self.platforms());
                self.line(line);
                self.line(install::PYTHON_PATH);
            }
            Step::Env(pairs) => {
                for (name, value) in pairs {
                    self.line(format!("ENV {name}={}", quote::word(value)));
                }
            }
            Step::Pip(pip) => {
                let set = pip.requirements.as_ref().map(|_| self.next_set());
                let requirements = set.map(|(at, files)| (at, main_file(files)));
                self.numbered(install::pip_words(pip), true);
                let line = install::pip(pip, requirements, &self.platforms());
                self.line(line);
            }
            Step::Workdir(path) => {
                self.numbered(format!("workdir: {path}"), false);
                self.line(format!("WORKDIR {}", quote::word(path)));
            }
            Step::Copy(copy) => self.copy(copy),
            Step::Run { command } => {
                self.numbered(format!("commands: {}", one_line(command)), false);
                let line = format!("RUN {}", quote::exec(["/bin/sh", "-c", command]));
                self.line(line);
            }
        }
    }

    fn copy(&mut self, copy: &CopyStep) {
        let (flag, source, to, shown) = match &copy.from {
            CopySource::Files(_) => {
                let (at, files) = self.next_set();
                let (source, to) = copied(at, files, &copy.to);
                (String::new(), source, to, shown(files))
            }
            CopySource::Image { image, path } => {
                let flag = format!("--from={} ", self.parent(image));
                let shown = format!("{image}:{path}");
                (flag, path.clone(), copy.to.clone(), shown)
            }
        };
        let owner = copy.owner.as_ref();
        let owner = owner.map_or(String::new(), |owner| format!("--chown={owner} "));
        self.numbered(format!("copy: {shown} to {}", copy.to), false);
        self.line(format!("COPY {flag}{owner}{}", quote::copy(&source, &to)));
    }

    fn config(&mut self) {
        let config = &self.source.recipe.config;
        if let Some(arguments) = &config.entrypoint {
            self.line(format!("ENTRYPOINT {}", quote::exec(arguments)));
        }
        if let Some(arguments) = &config.cmd {
            self.line(format!("CMD {}", quote::exec(arguments)));
        }
        if let Some(user) = &config.user {
            self.line(format!("USER {}", quote::word(user)));
        }
        // The same labels for the same key: no time, no version of ours.
        for (name, value) in self.own_labels() {
            self.line(format!(
                "LABEL {}={}",
                quote::word(name),
                quote::word(&value)
            ));
        }
        for (name, value) in &config.labels {
            if !super::is_reserved(name) {
                self.line(format!(
                    "LABEL {}={}",
                    quote::word(name),
                    quote::word(value)
                ));
            }
        }
    }

    fn own_labels(&self) -> Vec<(&'static str, String)> {
        let base = match &self.source.recipe.base {
            Base::Image(id) => self.source.names.get(id.as_str()).copied(),
            Base::Registry(reference) => Some(reference.as_str()),
            Base::Scratch => None,
        };
        let mut labels = vec![
            (super::KEY_LABEL, self.source.key.to_string()),
            (super::IMAGE_LABEL, self.source.image.to_owned()),
        ];
        labels.extend(base.map(|base| ("org.opencontainers.image.base.name", base.to_owned())));
        labels
    }

    fn next_set(&mut self) -> (usize, &'a Files) {
        let at = self.sets;
        self.sets += 1;
        (at, self.source.files[at])
    }

    fn platforms(&self) -> String {
        self.source.recipe.platforms.join("-").replace('/', "-")
    }

    /// What caches of the distribution's packages are shared by: images of one base and platform.
    fn cache_scope(&self) -> String {
        let base: String = self
            .base_name()
            .chars()
            .map(|each| {
                if each.is_ascii_alphanumeric() {
                    each
                } else {
                    '-'
                }
            })
            .collect();
        format!("{}-{base}", self.platforms())
    }
}

/// What a single file is called in the context when its own name would be taken for a pattern: `BuildKit` cannot be told
/// otherwise of files that it fetches from the client.
pub(super) fn stand_in(files: &Files) -> Option<&'static str> {
    let odd = |name: &str| name.contains(['*', '?', '[', '\\']);
    (files.single && odd(main_file(files))).then_some("file")
}

/// The source in the context and the target of a copied file set.
fn copied(at: usize, files: &Files, to: &str) -> (String, String) {
    if !files.single {
        return (at.to_string(), to.to_owned());
    }
    let name = main_file(files);
    match stand_in(files) {
        None => (format!("{at}/{name}"), to.to_owned()),
        Some(other) if to.ends_with('/') => (format!("{at}/{other}"), format!("{to}{name}")),
        Some(other) => (format!("{at}/{other}"), to.to_owned()),
    }
}

/// A copied file set in words.
fn shown(files: &Files) -> String {
    let path = if files.single {
        join(&files.place, main_file(files))
    } else {
        files.place.clone()
    };
    if path.is_empty() {
        ".".to_owned()
    } else {
        path
    }
}

/// The file of a set that is not a folder: the only one, or the one that names the others.
pub(super) fn main_file(files: &Files) -> &str {
    let only = || files.entries.first().map(|entry| entry.path.as_str());
    files.main.as_deref().or_else(only).unwrap_or_default()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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

#[cfg(test)]
mod tests;
