//! The fields of one image, in order, as steps.
//!
//! The choice made: the spec is taken apart without `..`, so a new field does not compile until someone says here what it
//! does.

use std::collections::HashMap;

use super::{Config, CopySource, CopyStep, FileSet, Interpreter, Pip, Recipe, Step};
use crate::spec::{self, Base, CopyFrom, DEFAULT_BASE, DEFAULT_PLATFORM, ImageSpec};
use crate::workspace::Workspace;

/// Where files go that say no destination, in images that say no working folder: flytekit's.
const DEFAULT_FOLDER: &str = "/root";

/// The recipes of all images of a workspace, in its order.
///
/// An image without `user` whose nearest base in the workspace has one gets that one: its steps must run as root, and its
/// containers as the base's user.
#[must_use]
pub fn lower(workspace: &Workspace) -> Vec<Recipe> {
    let specs: HashMap<&str, &ImageSpec> = workspace
        .images
        .iter()
        .map(|image| (image.id.as_str(), &image.spec))
        .collect();
    workspace
        .images
        .iter()
        .map(|image| {
            let mut recipe = lower_one(&image.spec, &image.folder);
            recipe.config.user = inherited_user(&specs, &image.spec);
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
        let Some(Base::Image(base)) = &spec.base_image else {
            return None;
        };
        spec = specs.get(base.as_str())?;
    }
    None
}

fn lower_one(spec: &ImageSpec, folder: &spec::WorkspacePath) -> Recipe {
    let ImageSpec {
        // What the image is called and who builds it: no part of what it is.
        name: _,
        registry: _,
        builder: _,
        tag_format: _,
        platform,
        base_image,
        apt_packages,
        python_version,
        python_exec,
        packages,
        requirements,
        pip_index,
        pip_extra_index_url,
        pip_extra_args,
        env,
        copy,
        commands,
        entrypoint,
        cmd,
        user,
        workdir,
        labels,
    } = spec;
    let mut steps = Vec::new();
    if !apt_packages.is_empty() {
        steps.push(Step::Apt {
            packages: apt_packages.clone(),
        });
    }
    if python_exec.is_none()
        && let Some(version) = python_version
    {
        steps.push(Step::Python {
            version: version.clone(),
        });
    }
    if !env.is_empty() {
        steps.push(Step::Env(sorted(env)));
    }
    if requirements.is_some() || !packages.is_empty() {
        steps.push(Step::Pip(Pip {
            interpreter: match (python_exec, python_version) {
                (Some(path), _) => Interpreter::Exec(path.clone()),
                (None, Some(_)) => Interpreter::Managed,
                (None, None) => Interpreter::Base,
            },
            requirements: requirements
                .clone()
                .map(|path| FileSet::Requirements { path }),
            packages: packages.clone(),
            index: pip_index.clone(),
            extra_indexes: pip_extra_index_url.clone(),
            extra_args: pip_extra_args.as_deref().map(words).unwrap_or_default(),
        }));
    }
    if let Some(workdir) = workdir {
        steps.push(Step::Workdir(workdir.clone()));
    }
    steps.extend(
        copy.iter()
            .map(|copy| Step::Copy(copy_step(copy, folder, workdir.as_deref()))),
    );
    steps.extend(commands.iter().map(|command| Step::Run {
        command: command.clone(),
    }));
    Recipe {
        platforms: if platform.is_empty() {
            vec![DEFAULT_PLATFORM.to_owned()]
        } else {
            platform.clone()
        },
        base: base_image
            .clone()
            .unwrap_or_else(|| Base::Registry(DEFAULT_BASE.to_owned())),
        steps,
        config: Config {
            entrypoint: entrypoint.clone(),
            cmd: cmd.clone(),
            user: user.clone(),
            labels: sorted(labels),
        },
    }
}

fn copy_step(copy: &spec::Copy, folder: &spec::WorkspacePath, workdir: Option<&str>) -> CopyStep {
    let below = |path: &str| {
        format!(
            "{}/{}",
            workdir.unwrap_or(DEFAULT_FOLDER).trim_end_matches('/'),
            path
        )
    };
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
    use crate::spec::{Copy, WorkspacePath};
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
        assert_eq!(lower(&workspace)[1].config.user.as_deref(), Some("app"));
    }
}
