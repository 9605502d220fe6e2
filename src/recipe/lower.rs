//! The fields of one image, in order, as steps.
//!
//! The choice made: the spec is taken apart without `..`, so a new field does not compile until someone says here what it
//! does.

use std::collections::HashMap;

use super::{
    Conda, Config, ContextSource, CopySource, CopyStep, DockerfileRecipe, FileSet, Given, Helpers,
    Interpreter, Lock, LockTool, Pip, Recipe, SecretPlace, Step, StepSecret, Wishes, cuda_base,
};
use crate::spec::{
    self, Base, CopyFrom, DEFAULT_BASE, DEFAULT_PLATFORM, GivenPath, ImageSpec, NamedContext,
    OwnStep, SecretSource, SecretStep, SourceCopyMode, WorkspacePath,
};
use crate::workspace::Workspace;

/// Where files go that say no destination, in images that say no working folder: flytekit's.
const DEFAULT_FOLDER: &str = "/root";

/// The account that flytekit's images run as.
const FLYTEKIT_USER: &str = "flytekit";

/// The recipes of all images of a workspace, in its order.
///
/// An image without `user` whose nearest base in the workspace has one gets that one: its steps must run as root, and its
/// containers as the base's user. `ids` are flytekit's of the images that have `flytekit`, which their containers look for.
#[must_use]
pub fn lower(workspace: &Workspace, ids: &[Option<String>]) -> Vec<Recipe> {
    let specs: HashMap<&str, &ImageSpec> = workspace
        .images
        .iter()
        .map(|image| (image.id.as_str(), &image.spec))
        .collect();
    workspace
        .images
        .iter()
        .enumerate()
        .map(|(at, image)| {
            let mut recipe = lower_one(&image.spec, &image.folder);
            recipe.config.user = inherited_user(&specs, &image.spec);
            if let Some(Some(id)) = ids.get(at) {
                // Last, so that another id leaves all layers alone.
                let variable = ("_F_IMG_ID".to_owned(), id.clone());
                recipe.steps.push(Step::Env(vec![variable]));
            }
            recipe
        })
        .collect()
}

fn inherited_user(specs: &HashMap<&str, &ImageSpec>, spec: &ImageSpec) -> Option<String> {
    let mut spec = spec;
    // A chain longer than the workspace is a cycle: the graph reports it.
    for _ in 0..=specs.len() {
        if spec.user.is_some() {
            return spec.user.clone();
        }
        let own = spec.steps.iter().rev().find_map(|step| match step {
            OwnStep::User(user) => Some(user.clone()),
            _ => None,
        });
        if own.is_some() {
            return own;
        }
        if spec.flytekit.is_some() {
            return Some(FLYTEKIT_USER.to_owned());
        }
        let Some(Base::Image(base)) = &spec.base_image else {
            return None;
        };
        spec = specs.get(base.as_str())?;
    }
    None
}

/// One image on its way to a recipe.
struct Lowering<'a> {
    spec: &'a ImageSpec,
    folder: &'a WorkspacePath,
    steps: Vec<Step>,
    /// The manifest's names of the fields that the file sets come from, in order.
    set_fields: Vec<String>,
}

fn lower_one(spec: &ImageSpec, folder: &WorkspacePath) -> Recipe {
    let mut lowering = Lowering {
        spec,
        folder,
        steps: Vec::new(),
        set_fields: Vec::new(),
    };
    lowering.fields();
    lowering.own_steps();
    lowering.finish()
}

impl Lowering<'_> {
    /// The steps of the fields, in flytekit's order.
    fn fields(&mut self) {
        let ImageSpec {
            // What the image is called and who builds it: no part of what it is.
            name: _,
            registry: _,
            builder: _,
            tag_format: _,
            // See `finish`.
            platform: _,
            base_image: _,
            cuda: _,
            cudnn: _,
            entrypoint: _,
            cmd: _,
            user: _,
            labels: _,
            secrets: _,
            pip_secret_mounts: _,
            dockerfile: _,
            builder_options: _,
            builder_config: _,
            registry_config: _,
            flytekit: _,
            // See `own_steps`.
            steps: _,
            // See `conda`, `python_packages`, `sources`.
            conda_channels: _,
            pip_index: _,
            pip_extra_index_url: _,
            pip_extra_args: _,
            python_exec: _,
            source_copy_mode: _,
            runtime_packages: _,
            apt_packages,
            conda_packages,
            python_version,
            packages,
            requirements,
            env,
            source_root,
            copy,
            commands,
            workdir,
        } = self.spec;
        if !apt_packages.is_empty() {
            self.steps.push(Step::Apt {
                packages: apt_packages.clone(),
            });
        }
        if self.is_flytekit() {
            let name = FLYTEKIT_USER.to_owned();
            self.steps.push(Step::Account { name });
        }
        if !conda_packages.is_empty() {
            self.conda(conda_packages);
        } else if let (Some(version), None) = (python_version, &self.spec.python_exec) {
            let version = version.clone();
            self.steps.push(Step::Python { version });
        }
        self.environment(env);
        self.python_packages("requirements", requirements.as_ref(), packages, true);
        self.steps.extend(workdir.clone().map(Step::Workdir));
        self.sources(source_root.as_ref());
        for (at, copy) in copy.iter().enumerate() {
            self.copy(copy, format!("copy[{at}]"));
        }
        let run = |command: &String| Step::Run {
            command: command.clone(),
        };
        self.steps.extend(commands.iter().map(run));
    }

    fn is_flytekit(&self) -> bool {
        self.spec.flytekit.is_some()
    }

    fn conda(&mut self, packages: &[String]) {
        let is_first = !self.steps.iter().any(|step| matches!(step, Step::Conda(_)));
        let python = self.spec.python_version.clone();
        self.steps.push(Step::Conda(Conda {
            python: python.filter(|_| is_first && self.spec.python_exec.is_none()),
            packages: packages.to_vec(),
            channels: self.spec.conda_channels.clone(),
        }));
    }

    fn environment(&mut self, env: &[(String, String)]) {
        let mut pairs = env.to_vec();
        if self.is_flytekit() {
            // The user's own go before.
            let known = [
                ("PYTHONPATH", "/root".to_owned()),
                ("FLYTE_SDK_RICH_TRACEBACKS", "0".to_owned()),
                ("_F_RUNTIME_PACKAGES", self.spec.runtime_packages.join(" ")),
            ];
            for (name, value) in known {
                if !value.is_empty() && !pairs.iter().any(|(known, _)| known == name) {
                    pairs.push((name.to_owned(), value));
                }
            }
        }
        if !pairs.is_empty() {
            self.steps.push(Step::Env(sorted(&pairs)));
        }
    }

    /// The Python that packages go into, as far as the steps so far have brought one.
    fn interpreter(&self) -> Interpreter {
        if self.steps.iter().any(|step| matches!(step, Step::Lock(_))) {
            return Interpreter::Venv;
        }
        if let Some(path) = &self.spec.python_exec {
            return Interpreter::Exec(path.clone());
        }
        let conda = |step: &Step| matches!(step, Step::Conda(conda) if conda.python.is_some());
        if self.steps.iter().any(conda) {
            Interpreter::Conda
        } else if self.spec.python_version.is_some() {
            Interpreter::Managed
        } else {
            Interpreter::Base
        }
    }

    fn python_packages(
        &mut self,
        field: &str,
        requirements: Option<&GivenPath>,
        packages: &[String],
        with_flytekit: bool,
    ) {
        let file = requirements.map(|given| given.path.clone());
        let tool = file.as_ref().and_then(lock_tool);
        let version = self.spec.flytekit.as_ref().filter(|_| with_flytekit);
        let names_flytekit = packages.iter().any(|package| names(package, "flytekit"));
        let unless_named = version
            .filter(|_| tool.is_none() && !names_flytekit)
            .map(|version| ("flytekit".to_owned(), format!("flytekit=={version}")));
        if file.is_none() && packages.is_empty() && unless_named.is_none() {
            return;
        }
        let interpreter = self.interpreter();
        let index = self.spec.pip_index.clone();
        let extra_indexes = self.spec.pip_extra_index_url.clone();
        let extra_args = self.extra_args(tool);
        self.set_fields
            .extend(file.iter().map(|_| field.to_owned()));
        self.steps.push(match (tool, file) {
            (Some(tool), Some(path)) => Step::Lock(Lock {
                tool,
                interpreter,
                files: FileSet::Project { path },
                index,
                extra_indexes,
                extra_args,
            }),
            (_, file) => Step::Pip(Pip {
                interpreter,
                requirements: file.map(requirements_set),
                packages: packages.to_vec(),
                index,
                extra_indexes,
                extra_args,
                unless_named,
            }),
        });
    }

    /// Further arguments, if they are meant for this tool: they are those of the one that installs `requirements`.
    fn extra_args(&self, tool: Option<LockTool>) -> Vec<String> {
        let said = self.spec.requirements.as_ref();
        let meant = said.and_then(|given| lock_tool(&given.path));
        let args = self.spec.pip_extra_args.as_deref();
        args.filter(|_| meant == tool)
            .map(words)
            .unwrap_or_default()
    }

    /// The image's own sources, whose folder goes where flytekit looks for it.
    fn sources(&mut self, root: Option<&GivenPath>) {
        let (Some(root), Some(SourceCopyMode::All)) = (root, self.copy_mode()) else {
            return;
        };
        let path = root.path.clone();
        let files = if self.is_flytekit() {
            FileSet::Source { path }
        } else {
            let ignore = self.folder.clone();
            FileSet::Tree { path, ignore }
        };
        self.set_fields.push("source-root".to_owned());
        self.steps.push(Step::Copy(CopyStep {
            from: CopySource::Files(files),
            to: self.home().to_owned(),
            owner: self.owner(None),
        }));
    }

    fn copy_mode(&self) -> Option<SourceCopyMode> {
        let unsaid = self.spec.source_root.as_ref().map(|_| SourceCopyMode::All);
        self.spec.source_copy_mode.or(unsaid)
    }

    fn copy(&mut self, copy: &spec::Copy, field: String) {
        let mut step = copy_step(copy, self.folder, self.home());
        step.owner = self.owner(step.owner);
        if matches!(step.from, CopySource::Files(_)) {
            self.set_fields.push(field);
        }
        self.steps.push(Step::Copy(step));
    }

    /// Where files go that say no destination.
    fn home(&self) -> &str {
        let workdir = self.spec.workdir.as_deref();
        workdir
            .filter(|_| !self.is_flytekit())
            .unwrap_or(DEFAULT_FOLDER)
    }

    fn owner(&self, said: Option<String>) -> Option<String> {
        said.or_else(|| self.is_flytekit().then(|| FLYTEKIT_USER.to_owned()))
    }

    /// The steps in the user's own order.
    fn own_steps(&mut self) {
        for (at, step) in self.spec.steps.iter().enumerate() {
            let field = format!("steps[{at}]");
            match step {
                OwnStep::Apt(packages) => self.steps.push(Step::Apt {
                    packages: packages.clone(),
                }),
                OwnStep::Conda(packages) => self.conda(packages),
                OwnStep::Pip {
                    packages,
                    requirements,
                } => self.python_packages(&field, requirements.as_ref(), packages, false),
                OwnStep::Copy(copy) => self.copy(copy, field),
                OwnStep::Run(command) => self.steps.push(Step::Run {
                    command: command.clone(),
                }),
                OwnStep::Env(pairs) => self.steps.push(Step::Env(sorted(pairs))),
                OwnStep::User(user) => self.steps.push(Step::User(user.clone())),
                OwnStep::Workdir(path) => self.steps.push(Step::Workdir(path.clone())),
            }
        }
    }

    fn finish(mut self) -> Recipe {
        let spec = self.spec;
        if self.is_flytekit() && spec.workdir.is_none() {
            self.steps.push(Step::Workdir(DEFAULT_FOLDER.to_owned()));
        }
        let dockerfile = self.dockerfile();
        Recipe {
            platforms: if spec.platform.is_empty() {
                vec![DEFAULT_PLATFORM.to_owned()]
            } else {
                spec.platform.clone()
            },
            base: base(spec),
            steps: self.steps,
            config: Config {
                entrypoint: spec.entrypoint.clone(),
                cmd: spec.cmd.clone(),
                user: spec.user.clone(),
                labels: sorted(&spec.labels),
            },
            helpers: helpers(spec),
            secrets: secrets(spec),
            dockerfile,
            wishes: Wishes {
                options: sorted(&spec.builder_options),
                registry_config: spec.registry_config.as_ref().map(|it| it.path.clone()),
                is_lenient: spec.flytekit.is_some(),
            },
            set_fields: self.set_fields,
        }
    }

    fn dockerfile(&mut self) -> Option<DockerfileRecipe> {
        let own = self.spec.dockerfile.as_ref()?;
        self.set_fields.push("dockerfile".to_owned());
        self.set_fields.push("dockerfile.context".to_owned());
        let mut named = own.contexts.clone();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let mut contexts = Vec::new();
        for (name, context) in named {
            let source = match context {
                NamedContext::Image(id) => ContextSource::Image(id),
                NamedContext::Registry(reference) => ContextSource::Registry(reference),
                NamedContext::Folder(path) => {
                    self.set_fields.push(format!("dockerfile.contexts.{name}"));
                    let ignore = path.clone();
                    ContextSource::Files(FileSet::Tree { path, ignore })
                }
            };
            contexts.push((name, source));
        }
        Some(DockerfileRecipe {
            file: FileSet::File {
                path: own.path.clone(),
            },
            context: FileSet::Context {
                path: own.context.clone(),
                dockerfile: own.path.clone(),
            },
            target: own.target.clone(),
            args: sorted(&own.args),
            contexts,
        })
    }
}

/// What the image is built on. An image of a Dockerfile says that itself.
fn base(spec: &ImageSpec) -> Base {
    if spec.dockerfile.is_some() {
        return Base::Scratch;
    }
    let own = spec.base_image.as_ref();
    // What does not go together is told by `check`, before recipes are made.
    let cuda = spec.cuda.as_deref();
    let cuda = cuda.and_then(|cuda| cuda_base(cuda, spec.cudnn.as_deref(), own).ok());
    cuda.map(Base::Registry)
        .or_else(|| own.cloned())
        .unwrap_or_else(|| Base::Registry(DEFAULT_BASE.to_owned()))
}

fn helpers(spec: &ImageSpec) -> Helpers {
    let said = |name: &str| {
        let mut known = spec.builder_config.iter();
        known
            .find(|(known, _)| known == name)
            .map(|(_, image)| image.clone())
    };
    let usual = Helpers::default();
    Helpers {
        uv: said("uv-image").unwrap_or(usual.uv),
        micromamba: said("micromamba-image").unwrap_or(usual.micromamba),
    }
}

/// Where a secret is that nobody says a place for.
fn usual_place(id: &str) -> SecretPlace {
    SecretPlace::File(format!("/run/secrets/{id}"))
}

/// The secrets of an image, with the places that nobody wrote.
pub(crate) fn secrets(spec: &ImageSpec) -> Vec<StepSecret> {
    let declared = spec.secrets.iter().map(|secret| {
        let mut uses: Vec<Given> = secret
            .uses
            .iter()
            .flat_map(|given| {
                let step = given.step;
                let env = given.env.clone().map(SecretPlace::Env);
                let mount = given.mount.clone().map(SecretPlace::File);
                let both: Vec<SecretPlace> = env.into_iter().chain(mount).collect();
                let places = if both.is_empty() {
                    vec![usual_place(&secret.id)]
                } else {
                    both
                };
                places.into_iter().map(move |place| Given { step, place })
            })
            .collect();
        if uses.is_empty() {
            let place = usual_place(&secret.id);
            let all = SecretStep::ALL.into_iter();
            uses.extend(all.map(|step| Given {
                step,
                place: place.clone(),
            }));
        }
        uses.sort();
        uses.dedup();
        StepSecret {
            id: secret.id.clone(),
            source: secret.source.clone(),
            uses,
        }
    });
    let mounts = spec.pip_secret_mounts.iter().enumerate();
    let mounts = mounts.map(|(at, mount)| StepSecret {
        id: format!("pip-secret-mounts-{at}"),
        source: SecretSource::File(mount.source.clone()),
        uses: vec![Given {
            step: SecretStep::Pip,
            place: SecretPlace::File(mount.target.clone()),
        }],
    });
    let mut secrets: Vec<StepSecret> = declared.chain(mounts).collect();
    secrets.sort_by(|a, b| a.id.cmp(&b.id));
    secrets
}

/// The tool of a lock file, by its name.
fn lock_tool(path: &WorkspacePath) -> Option<LockTool> {
    match path.file_name() {
        Some("uv.lock") => Some(LockTool::Uv),
        Some("poetry.lock") => Some(LockTool::Poetry),
        _ => None,
    }
}

/// What the installer reads besides a file: files of requirements include others, projects do not.
fn requirements_set(path: WorkspacePath) -> FileSet {
    let name = path.file_name().unwrap_or_default();
    let is_lock = name == "pylock.toml" || (name.starts_with("pylock.") && name.ends_with(".toml"));
    if is_lock || name == "pyproject.toml" {
        FileSet::Project { path }
    } else {
        FileSet::Requirements { path }
    }
}

/// Whether a requirement is of this package, by flytekit's reading: the word that it begins with.
fn names(requirement: &str, package: &str) -> bool {
    let end = requirement
        .find(|each: char| !(each.is_alphanumeric() || each == '_' || each == '-'))
        .unwrap_or(requirement.len());
    &requirement[..end] == package
}

fn copy_step(copy: &spec::Copy, folder: &WorkspacePath, home: &str) -> CopyStep {
    let below = |path: &str| format!("{}/{path}", home.trim_end_matches('/'));
    match &copy.from {
        CopyFrom::Workspace { path, given } => CopyStep {
            from: CopySource::Files(FileSet::Tree {
                path: path.clone(),
                ignore: folder.clone(),
            }),
            to: copy
                .to
                .clone()
                .unwrap_or_else(|| below(&default_tail(given))),
            owner: copy.owner.clone(),
        },
        CopyFrom::Image { image, path } => CopyStep {
            from: CopySource::Image {
                image: image.clone(),
                path: path.clone(),
            },
            to: copy.to.clone().unwrap_or_else(|| path.clone()),
            owner: copy.owner.clone(),
        },
    }
}

/// The given path without parts that lead nowhere: `./a/../b` is `b`, and `../common` is `common`.
fn default_tail(given: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in given.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Splits as a shell does; quoting was checked by the manifest.
fn words(text: &str) -> Vec<String> {
    shlex::split(text).unwrap_or_else(|| vec![text.to_owned()])
}

fn sorted(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut pairs = pairs.to_vec();
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Copy;
    use crate::workspace::{Image, Places};

    fn image(id: &str, spec: ImageSpec) -> Image {
        Image {
            id: id.into(),
            spec,
            folder: WorkspacePath::default(),
            places: Places::default(),
        }
    }

    #[test]
    fn fields_become_steps_in_flytekits_order() {
        let spec = ImageSpec {
            commands: vec!["true".into()],
            copy: vec![Copy {
                from: CopyFrom::Workspace {
                    path: WorkspacePath::resolve(&WorkspacePath::default(), "src").unwrap(),
                    given: "./src".into(),
                },
                to: None,
                owner: None,
            }],
            packages: vec!["numpy".into()],
            env: vec![("B".into(), "2".into()), ("A".into(), "1".into())],
            python_version: Some("3.12".into()),
            apt_packages: vec!["git".into()],
            workdir: Some("/app".into()),
            ..ImageSpec::default()
        };
        let recipe = lower_one(&spec, &WorkspacePath::default());
        let kinds: Vec<&str> = recipe
            .steps
            .iter()
            .map(|step| match step {
                Step::Apt { .. } => "apt",
                Step::Python { .. } => "python",
                Step::Env(_) => "env",
                Step::Pip(_) => "pip",
                Step::Workdir(_) => "workdir",
                Step::Copy(_) => "copy",
                Step::Run { .. } => "run",
                _ => "other",
            })
            .collect();
        assert_eq!(
            kinds,
            ["apt", "python", "env", "pip", "workdir", "copy", "run"]
        );
        let Step::Copy(copy) = &recipe.steps[5] else {
            panic!("not a copy")
        };
        assert_eq!(copy.to, "/app/src");
        assert_eq!(recipe.platforms, ["linux/amd64"]);
        assert_eq!(recipe.base, Base::Registry("debian:bookworm-slim".into()));
    }

    #[test]
    fn the_user_of_the_nearest_base_is_kept() {
        let base = ImageSpec {
            user: Some("app".into()),
            ..ImageSpec::default()
        };
        let child = ImageSpec {
            base_image: Some(Base::Image("base".into())),
            ..ImageSpec::default()
        };
        let workspace = Workspace {
            images: vec![image("base", base), image("child", child)],
            ..Workspace::default()
        };
        assert_eq!(
            lower(&workspace, &[])[1].config.user.as_deref(),
            Some("app")
        );
    }
}
