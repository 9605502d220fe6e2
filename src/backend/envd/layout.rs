//! Converts a recipe to the parts of a `build.envd`, in envd's order.
//!
//! Pure. envd treats `build.envd` as a record, not as a sequence: whatever the order of its statements, it installs
//! Debian packages, then its own Python, then copies, then runs commands. Whatever precedes all copies and commands is
//! left to envd; everything later, and Python packages always, become commands, which keep their order. Steps that
//! would still happen too early are rejected. See `docs/design/envd.md`.

use super::path::{is_system, overlap, owner_numbers};
use super::quote;
use crate::backend::steps::join_path;
use crate::backend::{DEBIAN, Unsupported};
use crate::recipe::{Conda, CopySource, CopyStep, FileSet, Interpreter, Pip, Recipe, Step};
use crate::spec::{Base, RequirementsKind};

/// The directory of envd's own Python.
pub(super) const PYTHON_BIN: &str = "/opt/conda/envs/envd/bin";

/// What envd prepends to PATH along with its own Python.
pub(super) const PYTHON_PATH: &str = "/opt/conda/envs/envd/bin:/opt/conda/bin";

/// The parts of a recipe, as envd orders them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout<'a> {
    /// Debian packages that are installed first.
    pub(super) apt: Vec<&'a str>,
    pub(super) python: Option<&'a str>,
    pub(super) conda: Option<Packages<'a>>,
    /// Variables that envd's own steps need.
    pub(super) environment: Vec<(String, String)>,
    /// User and group of all copied files.
    pub(super) owner: (u32, u32),
    /// Files that are copied before anything runs.
    pub(super) copies: Vec<Copy<'a>>,
    /// Files from other images of the workspace, also copied before anything runs; commands move them into place.
    pub(super) taken: Vec<Taken<'a>>,
    pub(super) commands: Vec<Command<'a>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packages<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) channels: Vec<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copy<'a> {
    /// Index of the job's file set.
    pub(super) set: usize,
    /// The target, relative to the base's working directory unless absolute.
    pub(super) to: String,
    pub(super) step: &'a Step,
}

/// A file or directory of another image of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<'a> {
    pub(super) image: &'a str,
    /// The absolute path, normalized.
    pub(super) path: String,
}

/// A command with the state in which it runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// All variables set by the steps before it.
    pub(super) variables: Vec<(String, String)>,
    pub(super) own_python: bool,
    /// The working directory; `None` for that of the base.
    pub(super) folder: Option<String>,
    pub(super) task: Task<'a>,
}

/// What a command does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task<'a> {
    /// A command of the user's.
    Run(&'a Step, &'a str),
    /// Debian packages that are not installed first.
    Apt(&'a Step, &'a [String]),
    /// Python packages, with the file set of their requirements.
    Pip(&'a Step, &'a Pip, Option<usize>),
    Account(&'a Step, &'a str),
    Folder(&'a Step, String),
    /// Sets the owner of files taken from another image, and moves them into place.
    Place {
        taken: usize,
        to: String,
        owner: &'a str,
    },
    /// Sets the owner of copied files.
    Own {
        set: usize,
        to: String,
        owner: &'a str,
    },
}

/// Converts a recipe to envd's order, and lists what envd cannot do.
pub(super) fn lay_out(recipe: &Recipe) -> (Layout<'_>, Vec<Unsupported>) {
    let mut layer = Layer {
        recipe,
        layout: Layout::default(),
        unsupported: Vec::new(),
        variables: Vec::new(),
        folder: None,
        sets: 0,
        user: None,
    };
    layer.whole();
    layer.layout.owner = layer.common_owner();
    for step in &recipe.steps {
        layer.step(step);
    }
    (layer.layout, layer.unsupported)
}

/// The state while a recipe is laid out.
struct Layer<'a> {
    recipe: &'a Recipe,
    layout: Layout<'a>,
    unsupported: Vec<Unsupported>,
    /// Variables set so far. They are set for each command separately: envd would set them for all steps, including
    /// earlier ones, and in a different order in each build, which would make its cache unreliable.
    variables: Vec<(String, String)>,
    folder: Option<String>,
    sets: usize,
    user: Option<&'a str>,
}

impl<'a> Layer<'a> {
    fn refuse(&mut self, field: &str, why: impl Into<String>) {
        let field = field.to_owned();
        let why = why.into();
        let unsupported = Unsupported { field, why };
        if !self.unsupported.contains(&unsupported) {
            self.unsupported.push(unsupported);
        }
    }

    fn whole(&mut self) {
        let recipe = self.recipe;
        if recipe.dockerfile.is_some() {
            self.refuse("dockerfile", "envd does not support Dockerfiles");
            return;
        }
        if recipe.base == Base::Scratch {
            self.refuse("base-image", "envd builds on images only, not on `scratch`");
        }
        if let Base::Debian(_) = recipe.base {
            self.refuse("base-image", DEBIAN);
        }
        if recipe.base_file.is_some() {
            self.refuse(
                "base-image",
                "envd builds on images of registries only, not on one in a file",
            );
        }
        if recipe.platforms.len() > 1 {
            self.refuse("platform", "envd builds for a single platform only");
        }
        for secret in &recipe.secrets {
            let field = if secret.id.starts_with("pip-secret-mounts-") {
                "pip-secret-mounts"
            } else {
                "secret"
            };
            self.refuse(field, "envd cannot provide secrets to steps");
        }
        if !recipe.wishes.is_lenient {
            for (name, _) in &recipe.wishes.options {
                self.refuse("builder-options", format!("envd has no option `{name}`"));
            }
        }
        for (name, _) in &recipe.config.labels {
            if name.starts_with("dev.imgspec.") {
                self.refuse("labels", format!("`{name}` is reserved for imgspec"));
            }
        }
    }

    /// The owner that envd sets for everything it copies: that of all workspace files, if they have the same one and it
    /// is numeric.
    fn common_owner(&self) -> (u32, u32) {
        let mut owners = self.recipe.steps.iter().filter_map(|step| match step {
            Step::Copy(copy) if matches!(copy.from, CopySource::Files(_)) => {
                Some(owner_numbers(copy.owner.as_deref()))
            }
            _ => None,
        });
        let first = owners.next().flatten();
        let agreed = first.filter(|first| owners.all(|owner| owner.as_ref() == Some(first)));
        agreed.unwrap_or((0, 0))
    }

    fn step(&mut self, step: &'a Step) {
        match step {
            Step::Apt { packages } if self.is_envds(packages) => {
                self.own_step();
                let names = packages.iter().map(String::as_str);
                self.layout.apt.extend(names);
            }
            Step::Apt { packages } => self.command(Task::Apt(step, packages)),
            Step::Python { version } => self.python(version, "python-version"),
            Step::Conda(conda) => self.conda(conda),
            Step::Account { name } => self.command(Task::Account(step, name)),
            Step::Env(pairs) => self.environment(pairs),
            Step::Pip(pip) => self.pip(step, pip),
            Step::Lock(_) => {
                self.next_set();
                self.refuse("requirements", "envd does not support lock files");
            }
            Step::User(user) => self.user = Some(user),
            Step::Workdir(path) => {
                let path = self.absolute(path);
                self.command(Task::Folder(step, path.clone()));
                self.folder = Some(path);
            }
            Step::Copy(copy) => self.copy(step, copy),
            Step::Run { command } => self.command(Task::Run(step, command)),
        }
    }

    /// Whether envd can install these packages itself: before everything else, and with names that are safe in the
    /// shell command that envd builds from them.
    fn is_envds(&self, packages: &[String]) -> bool {
        self.is_first()
            && self.layout.python.is_none()
            && packages.iter().all(|name| quote::is_plain(name))
    }

    /// Whether nothing has been copied or run except the creation of accounts, which no installer depends on.
    fn is_first(&self) -> bool {
        let mut commands = self.layout.commands.iter();
        self.layout.copies.is_empty()
            && commands.all(|command| matches!(command.task, Task::Account(..)))
    }

    fn next_set(&mut self) -> usize {
        self.sets += 1;
        self.sets - 1
    }

    fn command(&mut self, task: Task<'a>) {
        if let Some(user) = self.user.filter(|user| !is_root(user)) {
            self.refuse(
                "steps",
                format!("envd runs everything as root: nothing can follow `user \"{user}\"`"),
            );
        }
        self.layout.commands.push(Command {
            variables: self.variables.clone(),
            own_python: self.layout.python.is_some() || self.layout.conda.is_some(),
            folder: self.folder.clone(),
            task,
        });
    }

    fn python(&mut self, version: &'a str, field: &str) {
        if !self.is_first() {
            self.refuse(
                field,
                "envd installs its Python before it copies or runs anything",
            );
        }
        self.own_step();
        self.layout.python = Some(version);
    }

    fn conda(&mut self, conda: &'a Conda) {
        if !self.is_first() {
            self.refuse(
                "conda-packages",
                "envd installs conda's packages before it copies or runs anything",
            );
        }
        if let Some(version) = &conda.python {
            self.python(version, "python-version");
        }
        self.own_step();
        let packages = self.layout.conda.get_or_insert_default();
        packages
            .names
            .extend(conda.packages.iter().map(String::as_str));
        for channel in &conda.channels {
            if !packages.channels.contains(&channel.as_str()) {
                packages.channels.push(channel);
            }
        }
    }

    fn environment(&mut self, pairs: &[(String, String)]) {
        for (name, value) in pairs {
            set(&mut self.variables, name, value);
        }
    }

    /// Records one of envd's own steps, which then needs the variables set so far.
    fn own_step(&mut self) {
        self.layout.environment.clone_from(&self.variables);
    }

    fn pip(&mut self, step: &'a Step, pip: &'a Pip) {
        let set = pip.requirements.as_ref().map(|_| self.next_set());
        if let Some(FileSet::Project { path }) = &pip.requirements
            && path.requirements_kind() != RequirementsKind::List
        {
            let why = format!("envd uses pip, which cannot install from `{path}`");
            self.refuse("requirements", why);
        }
        if pip.interpreter == Interpreter::Venv {
            return;
        }
        self.command(Task::Pip(step, pip, set));
    }

    fn copy(&mut self, step: &'a Step, copy: &'a CopyStep) {
        if let CopySource::Image { image, path } = &copy.from {
            return self.take(image, path, copy);
        }
        let set = self.next_set();
        let to = if copy.to.starts_with('/') || self.folder.is_some() {
            self.absolute(&copy.to)
        } else {
            copy.to.clone()
        };
        if let Some(why) = self.too_early(&to) {
            self.refuse("copy", why);
        }
        self.layout.copies.push(Copy {
            set,
            to: to.clone(),
            step,
        });
        let owner = copy.owner.as_deref();
        if owner_numbers(owner) != Some(self.layout.owner) {
            let owner = owner.unwrap_or("0:0");
            self.command(Task::Own { set, to, owner });
        }
    }

    /// Takes files from another image. envd copies a directory under its own name into the target directory, and
    /// whether a path is a directory cannot be determined in advance; so the copy goes to an empty place, and a command
    /// moves it.
    fn take(&mut self, image: &'a str, path: &str, copy: &'a CopyStep) {
        let Some(owner) = copy.owner.as_deref() else {
            let why = format!(
                "envd does not preserve the owners of files from another image: set the owner of `{path}`, such as `owner=\"root\"`"
            );
            return self.refuse("copy", why);
        };
        let path = join_path("/", path.trim_end_matches('/'));
        if path == "/" {
            return self.refuse("copy", "envd cannot copy a whole image");
        }
        let to = if self.folder.is_some() {
            self.absolute(&copy.to)
        } else {
            copy.to.clone()
        };
        let taken = self.layout.taken.len();
        self.layout.taken.push(Taken { image, path });
        self.command(Task::Place { taken, to, owner });
    }

    /// Why a copy to this path would happen before something that it must follow; `None` if it would not.
    fn too_early(&self, to: &str) -> Option<String> {
        let earlier = |wanted: fn(&Task<'_>) -> bool| {
            let mut commands = self.layout.commands.iter();
            commands.any(|command| wanted(&command.task))
        };
        if earlier(|task| matches!(task, Task::Run(..) | Task::Apt(..))) {
            return Some(format!(
                "envd copies files before it runs anything, so `{to}` would be copied too early"
            ));
        }
        let over = self
            .layout
            .commands
            .iter()
            .find_map(|command| match &command.task {
                Task::Place {
                    taken, to: place, ..
                } if overlap(place, to) => Some(*taken),
                _ => None,
            });
        if let Some(taken) = over {
            let Taken { image, path } = &self.layout.taken[taken];
            return Some(format!(
                "envd copies files of the workspace first: move the copy to `{to}` before the one from `{image}` (`{path}`)"
            ));
        }
        let installs = earlier(|task| matches!(task, Task::Pip(..) | Task::Account(..)));
        let is_root = to.trim_end_matches('/').is_empty();
        (installs && (is_root || is_system(to))).then(|| {
            format!(
                "envd copies files before Python packages are installed, which `{to}` could change"
            )
        })
    }

    fn absolute(&self, path: &str) -> String {
        join_path(self.folder.as_deref().unwrap_or("/"), path)
    }
}

/// Sets a variable, keeping its position if it is already set.
pub(super) fn set(variables: &mut Vec<(String, String)>, name: &str, value: &str) {
    match variables.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => variables.push((name.to_owned(), value.to_owned())),
    }
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("root" | "0"))
}

#[cfg(test)]
mod tests;
