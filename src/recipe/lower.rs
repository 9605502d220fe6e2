//! Converts the fields of an image into ordered steps.
//!
//! The steps are made in `packages` and `copies`, everything else in `build`. The spec is destructured without `..`, so that a
//! new field does not compile until it is handled here.

mod build;
mod copies;
mod lowering;
mod packages;

use std::collections::HashMap;

use super::build::Wishes;
use super::files::Own;
use super::model::{Recipe, Step};
use crate::spec::{Base, DEFAULT_PLATFORM, ImageSpec, OwnStep, WorkspacePath};
use crate::workspace::{Image, LOCK_FILE, Workspace};
pub(crate) use build::secrets;
use build::{base, helpers};
use lowering::{DEFAULT_DIRECTORY, FLYTEKIT_USER, Lowering, sorted};
pub(crate) use packages::asks_for;

/// Returns the recipes of all images of a workspace, in the workspace's order.
///
/// An image without `user` inherits that of its nearest base in the workspace: its steps run as root, its containers as the
/// base's user. `ids` are the ids by which flytekit finds images that have `flytekit`.
pub fn lower(workspace: &Workspace, ids: &[Option<String>]) -> Vec<Recipe> {
    let own = own_files(workspace);
    let users = users(&workspace.images);
    let images = workspace.images.iter().zip(users).enumerate();
    images
        .map(|(at, (image, user))| {
            let mut recipe = lower_one(&image.spec, &image.folder, &own);
            recipe.config.user = user.map(str::to_owned);
            if let Some(Some(id)) = ids.get(at) {
                // Last, so that a new id does not invalidate any layer.
                let variable = ("_F_IMG_ID".to_owned(), id.clone());
                recipe.steps.push(Step::Env(vec![variable]));
            }
            recipe
        })
        .collect()
}

/// The user of each image: its own, or else that of the nearest base that has one.
fn users(images: &[Image]) -> Vec<Option<&str>> {
    let places = images.iter().zip(0..);
    let places: HashMap<&str, usize> = places.map(|(it, at)| (it.id.as_str(), at)).collect();
    // Remembered for every image on the way, so that a long chain is not walked again from each of its images.
    let mut known: Vec<Option<Option<&str>>> = vec![None; images.len()];
    for start in 0..images.len() {
        let mut way = Vec::new();
        let mut next = Some(start);
        let mut user = None;
        // A longer walk means a cycle, which the graph reports.
        while let Some(at) = next.filter(|_| way.len() < images.len()) {
            if let Some(known) = known[at] {
                user = known;
                break;
            }
            way.push(at);
            let spec = &images[at].spec;
            user = own_user(spec);
            next = match &spec.base_image {
                Some(Base::Image(base)) if user.is_none() => places.get(base.as_str()).copied(),
                _ => None,
            };
        }
        for at in way {
            known[at] = Some(user);
        }
    }
    known.into_iter().map(Option::flatten).collect()
}

fn own_user(spec: &ImageSpec) -> Option<&str> {
    let said = spec.steps.iter().rev().find_map(|step| match step {
        OwnStep::User(user) => Some(user.as_str()),
        _ => None,
    });
    let flytekits = spec.flytekit.is_some().then_some(FLYTEKIT_USER);
    spec.user.as_deref().or(said).or(flytekits)
}

/// The workspace files that only imgspec reads.
fn own_files(workspace: &Workspace) -> Own {
    let lock = WorkspacePath::resolve(&WorkspacePath::ROOT, LOCK_FILE);
    let manifests = workspace.manifests.iter().cloned();
    Own::files(manifests.chain(lock).collect())
}

fn lower_one(spec: &ImageSpec, directory: &WorkspacePath, own: &Own) -> Recipe {
    let is_flytekits = spec.flytekit.is_some();
    let mut lowering = Lowering {
        spec,
        directory,
        own: if is_flytekits {
            Own::NOTHING
        } else {
            own.clone()
        },
        steps: Vec::new(),
        set_fields: Vec::new(),
    };
    lowering.fields();
    lowering.own_steps();
    lowering.finish()
}

impl Lowering<'_> {
    /// Adds the steps of the fields, in flytekit's order.
    fn fields(&mut self) {
        let ImageSpec {
            // Reference and builder, which are not part of the image.
            name: _,
            registry: _,
            builder: _,
            tag_format: _,
            also_tag: _,
            // See `finish`.
            platform: _,
            base_image: _,
            cuda: _,
            cudnn: _,
            entrypoint: _,
            cmd: _,
            user: _,
            labels: _,
            expose: _,
            volume: _,
            healthcheck: _,
            stop_signal: _,
            shell: _,
            compression: _,
            cache_from: _,
            cache_to: _,
            attest: _,
            secrets: _,
            pip_secret_mounts: _,
            dockerfile: _,
            builder_options: _,
            builder_config: _,
            registry_config: _,
            flytekit: _,
            flytekit_id: _,
            flytekit_python: _,
            python_version: _,
            // See `own_steps`.
            steps: _,
            // See `conda`, `python_packages`, `sources`.
            conda_channels: _,
            pip_index: _,
            pip_extra_index_url: _,
            pip_extra_args: _,
            python_bytecode: _,
            python_exec: _,
            source_copy_mode: _,
            source_files: _,
            runtime_packages: _,
            apt_packages,
            conda_packages,
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
        } else if let (Some(version), None) = (self.spec.python(), &self.spec.python_exec) {
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
        let commands = commands.iter().cloned();
        self.steps
            .extend(commands.map(|command| Step::Run { command }));
    }

    fn own_steps(&mut self) {
        for (at, step) in self.spec.steps.iter().enumerate() {
            let field = format!("steps[{at}]");
            match step {
                OwnStep::Apt(packages) => {
                    let packages = packages.clone();
                    self.steps.push(Step::Apt { packages });
                }
                OwnStep::Conda(packages) => self.conda(packages),
                OwnStep::Pip {
                    packages,
                    requirements,
                } => self.python_packages(&field, requirements.as_ref(), packages, false),
                OwnStep::Copy(copy) => self.copy(copy, field),
                OwnStep::Run(command) => {
                    let command = command.clone();
                    self.steps.push(Step::Run { command });
                }
                OwnStep::Env(pairs) => self.steps.push(Step::Env(sorted(pairs))),
                OwnStep::User(user) => self.steps.push(Step::User(user.clone())),
                OwnStep::Workdir(path) => self.steps.push(Step::Workdir(path.clone())),
            }
        }
    }

    fn finish(mut self) -> Recipe {
        let spec = self.spec;
        if self.is_flytekit() && spec.workdir.is_none() {
            self.steps.push(Step::Workdir(DEFAULT_DIRECTORY.to_owned()));
        }
        let dockerfile = self.dockerfile();
        let base = base(spec);
        let base_file = self.base_file(&base);
        // Half of the capacity that a growing list ends up with is unused, which adds up over 10,000 images.
        self.steps.shrink_to_fit();
        self.set_fields.shrink_to_fit();
        Recipe {
            platforms: if spec.platform.is_empty() {
                vec![DEFAULT_PLATFORM.to_owned()]
            } else {
                spec.platform.clone()
            },
            base,
            base_file,
            steps: self.steps,
            config: build::config(spec),
            helpers: helpers(spec),
            secrets: secrets(spec),
            dockerfile,
            wishes: Wishes {
                options: sorted(&spec.builder_options),
                cache_from: spec.cache_from.clone(),
                cache_to: spec.cache_to.clone(),
                attest: spec.attest.clone(),
                registry_config: spec.registry_config.as_ref().map(|it| it.path.clone()),
                is_lenient: spec.flytekit.is_some(),
            },
            set_fields: self.set_fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Copy, CopyFrom};
    use crate::workspace::Places;

    fn image(id: &str, spec: ImageSpec) -> Image {
        Image {
            id: id.into(),
            spec: Box::new(spec),
            folder: WorkspacePath::default(),
            places: Places::default(),
            allows: Vec::new(),
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
        let recipe = lower_one(&spec, &WorkspacePath::default(), &Own::NOTHING);
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
