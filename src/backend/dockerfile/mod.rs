//! Converts a recipe to a Dockerfile, and names its numbered steps.
//!
//! Pure. There is one stage and no `# syntax` line (which would be fetched from a registry), no value can become an
//! instruction (see [`quote`]), and helper commands are mounted, so that they leave nothing behind. See
//! `docs/design/docker.md`.

mod called;
mod described;
mod install;
pub(crate) mod quote;
pub(crate) mod stage;

use std::fmt::Write as _;

use crate::backend::steps::{StepName, base_name, cache_scope, main_file, one_line, shown};
use crate::backend::{BuildError, Job, context, labels, pinned};
use crate::fingerprint::Files;
use crate::recipe::{
    ContextSource, CopySource, CopyStep, DockerfileRecipe, Healthcheck, Recipe, Step, familiar,
    time_words,
};
use crate::spec::{Base, HealthTest, SecretStep};
pub(crate) use called::Called;
pub use described::Described;

/// A Dockerfile, with everything that its build needs besides the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dockerfile {
    pub(crate) text: String,
    /// Further inputs of a user's own Dockerfile; `None` for a generated one.
    pub(crate) own: Option<Own>,
    /// Whether it needs the build argument [`quote::NEWLINE`].
    pub(crate) newline: bool,
    /// Names of `BuildKit`'s numbered steps, in terms of the manifest.
    pub(crate) steps: Vec<StepName>,
    /// Variables of the user's environment that its steps receive as secrets.
    pub(crate) secrets: &'static [&'static str],
}

/// The further inputs of a user's own Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Own {
    pub(crate) target: Option<String>,
    pub(crate) args: Vec<(String, String)>,
    pub(crate) labels: Vec<(String, String)>,
    /// Named contexts that are images, with the images' names for `FROM`.
    pub(crate) images: Vec<(String, String)>,
    /// Named contexts that are directories, with the indices of their file sets.
    pub(crate) folders: Vec<(String, usize)>,
}

/// Returns the Dockerfile of a job: the user's own, or a generated one.
pub(crate) fn of_job(job: &Job<'_>, called: &Called) -> Result<Dockerfile, BuildError> {
    if let Some(own) = &job.recipe.dockerfile {
        let text = context::text_of(&job.files[0], &job.files[0].entries[0])?;
        return Ok(self::own(job, called, own, text));
    }
    let rendered = render(job, called)?;
    match quote::too_long(&rendered.text) {
        None => Ok(rendered),
        Some(length) => Err(BuildError::Failed(format!(
            "its Dockerfile would have a line of {length} bytes that cannot be split, but BuildKit accepts at most 65,535: \
             a value is too long"
        ))),
    }
}

fn render(job: &Job<'_>, called: &Called) -> Result<Dockerfile, BuildError> {
    let mut writer = Writer {
        job,
        called,
        pinned: pinned::of_job(job)?.into_iter(),
        lines: Vec::new(),
        steps: Vec::new(),
        sets: 0,
    };
    writer.base();
    for step in &job.recipe.steps {
        writer.step(step);
    }
    writer.config();
    let newline = values(job.recipe).any(quote::needs_newline);
    let image = serde_json::Value::from(job.image);
    let mut text = format!("# Written by imgspec for the image {image}.\n");
    if newline {
        let name = quote::NEWLINE;
        let _ = writeln!(text, "# Needs the build argument {name}, a newline.");
        // After FROM, because an argument declared before it is not visible after it.
        writer.lines.insert(1, format!("ARG {name}"));
    }
    for line in &writer.lines {
        text.push_str(&quote::fold(line));
        text.push('\n');
    }
    let mut steps = job.recipe.steps.iter();
    let has_python = steps.any(|step| matches!(step, Step::Python { .. }));
    Ok(Dockerfile {
        text,
        own: None,
        newline,
        steps: writer.steps,
        secrets: if has_python {
            &install::PYTHON_SOURCES
        } else {
            &[]
        },
    })
}

/// Returns a user's own Dockerfile with the other inputs of its build; the text is not interpreted.
fn own(job: &Job<'_>, called: &Called, recipe: &DockerfileRecipe, text: String) -> Dockerfile {
    // The Dockerfile and its context are the first two sets.
    let mut set = 1;
    let mut own = Own {
        target: recipe.target.clone(),
        args: recipe.args.clone(),
        labels: labels::of(job),
        ..Own::default()
    };
    for (name, context) in &recipe.contexts {
        let image = match context {
            ContextSource::Image(id) => called.parents.get(id).map_or(id.as_str(), String::as_str),
            ContextSource::Registry(reference) => called.outside(reference),
            ContextSource::Files(_) => {
                set += 1;
                own.folders.push((name.clone(), set));
                continue;
            }
        };
        own.images.push((name.clone(), image.to_owned()));
    }
    // Images that the Dockerfile itself names are replaced through contexts of that name, unless the manifest redefines
    // the name.
    for (name, image) in &called.locked {
        let is_said = |(said, _): &(String, ContextSource)| familiar(said) == *name;
        if !recipe.contexts.iter().any(is_said) {
            own.images.push((name.clone(), image.clone()));
        }
    }
    Dockerfile {
        text,
        own: Some(own),
        ..Dockerfile::default()
    }
}

/// All texts that become words of the Dockerfile.
fn values(recipe: &Recipe) -> impl Iterator<Item = &str> {
    let steps = recipe.steps.iter().flat_map(|step| match step {
        Step::Env(pairs) => pairs.iter().map(|(_, value)| value.as_str()).collect(),
        Step::Workdir(text) | Step::User(text) => vec![text.as_str()],
        _ => Vec::new(),
    });
    let labels = recipe.config.labels.iter();
    let labels = labels.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    steps.chain(labels).chain(recipe.config.user.as_deref())
}

struct Writer<'a> {
    job: &'a Job<'a>,
    called: &'a Called,
    /// The locked packages of the steps ahead that install some.
    pinned: std::vec::IntoIter<Option<Vec<String>>>,
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
        let (from, name) = self.base_names();
        let (from, name) = (format!("FROM {from}"), format!("base-image: {name}"));
        self.line(from);
        let recipe = self.job.recipe;
        if recipe.base_file.is_some() {
            // The base's files are the last set; `ADD` unpacks them.
            let at = self.job.files.len() - 1;
            let (source, to) = copied(at, &self.job.files[at], "/");
            self.numbered(name, false);
            self.line(format!("ADD {}", quote::copy(&source, &to)));
        } else if recipe.base != Base::Scratch {
            // `scratch` is neither fetched nor numbered.
            self.numbered(name, true);
        }
        if recipe.config.user.is_some() && !recipe.steps.is_empty() {
            self.line("USER 0");
        }
    }

    /// The base's name in `FROM`, and in messages.
    fn base_names(&self) -> (&str, &str) {
        let base = &self.job.recipe.base;
        let from = match base {
            Base::Image(id) => self.parent(id),
            Base::Registry(reference) => self.called.outside(reference),
            // A backend that renders Dockerfiles refuses a base of Debian's packages.
            Base::File { .. } | Base::Debian(_) | Base::Scratch => "scratch",
        };
        (from, base_name(base))
    }

    fn parent<'s>(&'s self, id: &'s str) -> &'s str {
        self.called.parents.get(id).map_or(id, String::as_str)
    }

    fn step(&mut self, step: &Step) {
        let recipe = self.job.recipe;
        let (uv, platforms) = (self.called.outside(&recipe.helpers.uv), self.platforms());
        match step {
            Step::Apt { packages } => {
                let run = install::apt(packages, &cache_scope(&platforms, &recipe.base));
                self.run(step, run, Some(SecretStep::Apt));
            }
            Step::Python { version } => {
                self.run(step, install::python(version, uv, &platforms), None);
                self.line(install::PYTHON_PATH);
            }
            Step::Conda(conda) => {
                let micromamba = self.called.outside(&recipe.helpers.micromamba);
                let run = install::conda(conda, micromamba, &platforms);
                self.run(step, run, Some(SecretStep::Conda));
                self.line(install::CONDA_PATH);
            }
            Step::Account { name } => self.run(step, install::account(name), None),
            Step::Env(pairs) => {
                for (name, value) in pairs {
                    self.line(format!("ENV {name}={}", quote::word(value)));
                }
            }
            Step::Pip(pip) => {
                let set = pip.requirements.as_ref().map(|_| self.next_set());
                let requirements = set.map(|(at, files)| (at, main_file(files)));
                let run = match self.pinned.next().flatten() {
                    Some(lines) => install::locked(pip, &lines, uv, &platforms),
                    None => install::pip(pip, requirements, uv, &platforms),
                };
                self.run(step, run, Some(SecretStep::Pip));
            }
            Step::Lock(lock) => {
                let (at, _) = self.next_set();
                let run = install::lock(lock, at, uv, &platforms);
                self.run(step, run, Some(SecretStep::Pip));
                for line in install::VENV_PATH {
                    self.line(line);
                }
            }
            Step::User(user) => self.line(format!("USER {}", quote::word(user))),
            Step::Workdir(path) => {
                self.numbered(step.words(), false);
                self.line(format!("WORKDIR {}", quote::word(path)));
            }
            Step::Copy(copy) => self.copy(copy),
            Step::Run { command } => {
                self.numbered(format!("commands: {}", one_line(command)), false);
                let run = install::command(command, &recipe.config).given(recipe, SecretStep::Run);
                self.line(run.line());
            }
        }
    }

    /// Adds a step that installs something.
    fn run(&mut self, step: &Step, run: install::Run, secrets: Option<SecretStep>) {
        let fetches = !matches!(step, Step::Account { .. });
        self.numbered(step.words(), fetches);
        let run = match secrets {
            Some(kind) => run.given(self.job.recipe, kind),
            None => run,
        };
        self.line(run.line());
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
        let config = &self.job.recipe.config;
        if let Some(arguments) = &config.entrypoint {
            self.line(format!("ENTRYPOINT {}", quote::exec(arguments)));
        }
        if let Some(arguments) = &config.cmd {
            self.line(format!("CMD {}", quote::exec(arguments)));
        }
        if let Some(user) = &config.user {
            self.line(format!("USER {}", quote::word(user)));
        }
        self.runtime();
        for (name, value) in labels::of(self.job) {
            let (name, value) = (quote::word(&name), quote::word(&value));
            self.line(format!("LABEL {name}={value}"));
        }
    }

    /// Ports, volumes and the like; what is written unquoted has passed rules that leave nothing to quote.
    fn runtime(&mut self) {
        let config = &self.job.recipe.config;
        if !config.expose.is_empty() {
            self.line(format!("EXPOSE {}", config.expose.join(" ")));
        }
        if !config.volumes.is_empty() {
            self.line(format!("VOLUME {}", quote::paths(&config.volumes)));
        }
        if let Some(signal) = &config.stop_signal {
            self.line(format!("STOPSIGNAL {signal}"));
        }
        if let Some(shell) = &config.shell {
            self.line(format!("SHELL {}", quote::exec(shell)));
        }
        if let Some(check) = &config.healthcheck {
            self.line(healthcheck(check));
        }
    }

    fn next_set(&mut self) -> (usize, &'a Files) {
        let at = self.sets;
        self.sets += 1;
        (at, &self.job.files[at])
    }

    fn platforms(&self) -> String {
        self.job.recipe.platforms.join("-").replace('/', "-")
    }
}

fn healthcheck(check: &Healthcheck) -> String {
    let mut line = "HEALTHCHECK".to_owned();
    for (name, time) in check.times() {
        let _ = write!(line, " --{name}={}", time_words(time));
    }
    if let Some(retries) = check.retries {
        let _ = write!(line, " --retries={retries}");
    }
    match &check.test {
        HealthTest::Off => line + " NONE",
        HealthTest::CommandLine(text) => format!("{line} CMD {text}"),
        HealthTest::Program(words) => format!("{line} CMD {}", quote::exec(words)),
    }
}

/// An alternative name in the context for a single file whose own would be taken for a pattern: `BuildKit` cannot
/// escape patterns in files that it fetches from the client.
pub(crate) fn stand_in(files: &Files) -> Option<&'static str> {
    let odd = |name: &str| name.contains(['*', '?', '[', '\\']);
    (files.single && odd(main_file(files))).then_some("file")
}

/// The source in the context, and the target, of a copied file set.
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

#[cfg(test)]
mod tests;
