//! Which Python a step installs packages for, followed through the images of the workspace without building any. Pure.

use std::fmt;

use super::chain::{chain, debian_lists};
use super::files::FileSet;
use super::model::{Interpreter, Recipe, Step};
use crate::spec::Base;
use crate::workspace::DebianField;

/// The Python of a step, and the outside image that everything stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonOf<'a> {
    /// Where the Python comes from.
    pub source: PythonSource<'a>,
    /// The image of a registry that is lowest in the chain of bases, which has the C library.
    pub outside: Option<&'a str>,
    /// The file or directory that is lowest instead.
    pub file: Option<BaseFile<'a>>,
    /// The Debian packages that bring it, or that bring the C library where nothing from outside does: the images and their
    /// fields, the lowest first.
    pub debian: Vec<(&'a str, DebianField)>,
}

/// A base in files of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseFile<'a> {
    /// The files.
    pub files: &'a FileSet,
    /// Which of several images, by name.
    pub name: Option<&'a str>,
}

/// Where a Python comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonSource<'a> {
    /// uv's managed Python of this version.
    Managed(&'a str),
    /// conda's Python, of this version if one is given.
    Conda(Option<&'a str>),
    /// The first `python3` in the `PATH` of the outside image.
    Outside,
    /// This path, in the outside image or in what is built on it.
    Exec(&'a str),
    /// The `python3` of the Debian packages that this image installs.
    Debian(&'a str),
    /// Something that this image runs or brings: which Python that is shows only in the built image.
    Built(&'a str),
    /// There is no image that could have one.
    Nothing,
}

impl fmt::Display for PythonOf<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            PythonSource::Managed(version) => write!(to, "managed {version}")?,
            PythonSource::Conda(None) => write!(to, "conda")?,
            PythonSource::Conda(Some(version)) => write!(to, "conda {version}")?,
            PythonSource::Outside => write!(to, "of the outside image")?,
            PythonSource::Exec(path) => write!(to, "at {path}")?,
            PythonSource::Debian(image) => write!(to, "of Debian's packages in {image}")?,
            PythonSource::Built(image) => write!(to, "built in {image}")?,
            PythonSource::Nothing => write!(to, "none")?,
        }
        match (self.outside, &self.file) {
            (Some(outside), _) => write!(to, " on {outside}"),
            (None, Some(BaseFile { files, name })) => {
                write!(to, " on the file {}", files.path())?;
                name.map_or(Ok(()), |name| write!(to, " ({name})"))
            }
            (None, None) => Ok(()),
        }
    }
}

impl<'a> PythonOf<'a> {
    /// Finds the Python that a step of the image `id` uses; `find` has the recipes of the workspace by id.
    pub fn find(
        id: &'a str,
        recipe: &'a Recipe,
        interpreter: &'a Interpreter,
        find: &dyn Fn(&str) -> Option<&'a Recipe>,
    ) -> Self {
        let chain = chain(id, recipe, find);
        let outside = chain.last().and_then(|(_, lowest)| match &lowest.base {
            Base::Registry(reference) if lowest.dockerfile.is_none() => Some(reference.as_str()),
            _ => None,
        });
        let file = chain.last().and_then(|(_, lowest)| match &lowest.base {
            Base::File { name, .. } if lowest.dockerfile.is_none() => Some(BaseFile {
                files: lowest.base_file.as_ref()?,
                name: name.as_deref(),
            }),
            _ => None,
        });
        let is_outside = outside.is_some() || file.is_some();
        let source = source(&chain, interpreter, is_outside);
        let mut debian = Vec::new();
        if matches!(source, PythonSource::Debian(_)) || !is_outside {
            let lists = chain.iter().rev();
            let lists = lists.flat_map(|(id, recipe)| debian_lists(id, recipe));
            debian.extend(lists.map(|(image, field, _)| (image, field)));
        }
        Self {
            source,
            outside,
            file,
            debian,
        }
    }
}

fn source<'a>(
    chain: &[(&'a str, &'a Recipe)],
    interpreter: &'a Interpreter,
    is_outside: bool,
) -> PythonSource<'a> {
    let Some((_, recipe)) = chain.first() else {
        return PythonSource::Nothing;
    };
    match interpreter {
        Interpreter::Exec(path) => PythonSource::Exec(path),
        Interpreter::Managed => managed(recipe),
        Interpreter::Conda => conda(recipe),
        Interpreter::Venv => {
            let lock = recipe.steps.iter().find_map(|step| match step {
                Step::Lock(lock) => Some(&lock.interpreter),
                _ => None,
            });
            // An environment is not made of another one.
            match lock.filter(|inner| **inner != Interpreter::Venv) {
                Some(inner) => source(chain, inner, is_outside),
                None => PythonSource::Nothing,
            }
        }
        Interpreter::Base => first_in_path(chain, is_outside),
    }
}

fn managed(recipe: &Recipe) -> PythonSource<'_> {
    let version = recipe.steps.iter().find_map(|step| match step {
        Step::Python { version } => Some(version.as_str()),
        _ => None,
    });
    version.map_or(PythonSource::Nothing, PythonSource::Managed)
}

fn conda(recipe: &Recipe) -> PythonSource<'_> {
    let version = recipe.steps.iter().find_map(|step| match step {
        Step::Conda(conda) => conda.python.as_deref(),
        _ => None,
    });
    PythonSource::Conda(version)
}

/// The first `python3` in `PATH`: what the nearest image of the chain puts there, or else the outside image's.
fn first_in_path<'a>(chain: &[(&'a str, &'a Recipe)], is_outside: bool) -> PythonSource<'a> {
    for (at, (id, recipe)) in chain.iter().enumerate() {
        if recipe.dockerfile.is_some() {
            return PythonSource::Built(id);
        }
        for step in recipe.steps.iter().rev() {
            match step {
                // Of an image's own lock, only what comes after it is installed into its environment.
                Step::Lock(lock) if at > 0 => {
                    return source(&chain[at..], &lock.interpreter, is_outside);
                }
                Step::Python { version } => return PythonSource::Managed(version),
                Step::Conda(conda) if conda.python.is_some() => {
                    return PythonSource::Conda(conda.python.as_deref());
                }
                Step::Apt { packages } if packages.iter().any(|it| it.starts_with("python3")) => {
                    return PythonSource::Debian(id);
                }
                _ => {}
            }
        }
    }
    if is_outside {
        PythonSource::Outside
    } else {
        PythonSource::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Conda, DockerfileRecipe};
    use crate::spec::{Debian, WorkspacePath};

    fn on(base: Base, steps: Vec<Step>) -> Recipe {
        Recipe {
            base,
            steps,
            ..Recipe::default()
        }
    }

    fn registry(steps: Vec<Step>) -> Recipe {
        on(Base::Registry("debian:12".into()), steps)
    }

    fn python(version: &str) -> Step {
        Step::Python {
            version: version.into(),
        }
    }

    /// The Python of an image that stands on `os`.
    fn told(os: &Recipe, own: Vec<Step>, interpreter: &Interpreter) -> String {
        let app = on(Base::Image("os".into()), own);
        let find = |id: &str| (id == "os").then_some(os);
        PythonOf::find("app", &app, interpreter, &find).to_string()
    }

    #[test]
    fn the_nearest_python_of_the_chain_counts() {
        let plain = registry(Vec::new());
        let base = |os: &Recipe| told(os, Vec::new(), &Interpreter::Base);
        assert_eq!(base(&plain), "of the outside image on debian:12");
        assert_eq!(
            base(&registry(vec![python("3.12")])),
            "managed 3.12 on debian:12"
        );
        let conda = Step::Conda(Box::new(Conda {
            python: Some("3.11".into()),
            packages: Vec::new(),
            channels: Vec::new(),
        }));
        assert_eq!(base(&registry(vec![conda])), "conda 3.11 on debian:12");
        assert_eq!(base(&on(Base::Scratch, Vec::new())), "none");
        let own = vec![python("3.13")];
        let old = registry(vec![python("3.9")]);
        assert_eq!(
            told(&old, own, &Interpreter::Managed),
            "managed 3.13 on debian:12"
        );
        let exec = Interpreter::Exec("/usr/bin/python3.11".into());
        assert_eq!(
            told(&plain, Vec::new(), &exec),
            "at /usr/bin/python3.11 on debian:12"
        );
    }

    #[test]
    fn debian_packages_count_where_they_bring_the_python_or_the_c_library() {
        let apt = |name: &str| Step::Apt {
            packages: vec![name.into()],
        };
        let lists = |os: &Recipe, own: Vec<Step>, interpreter: &Interpreter| {
            let app = on(Base::Image("os".into()), own);
            let find = |id: &str| (id == "os").then_some(os);
            let python = PythonOf::find("app", &app, interpreter, &find);
            let lists = python.debian.iter();
            let lists = lists.map(|(image, field)| format!("{image} {}", field.name()));
            lists.collect::<Vec<_>>()
        };
        let system = |steps| on(Base::Debian(Debian::new("bookworm")), steps);
        let base = &Interpreter::Base;
        assert_eq!(
            lists(&system(vec![apt("python3")]), vec![apt("git")], base),
            ["os base-image", "os apt-packages", "app apt-packages"]
        );
        assert_eq!(
            lists(
                &system(Vec::new()),
                vec![python("3.12")],
                &Interpreter::Managed
            ),
            ["os base-image"]
        );
        assert_eq!(
            lists(&registry(vec![apt("python3")]), Vec::new(), base),
            ["os apt-packages"]
        );
        assert_eq!(
            lists(&registry(vec![apt("git")]), Vec::new(), base),
            [""; 0]
        );
    }

    #[test]
    fn a_python_of_packages_or_of_a_build_is_not_that_of_the_base() {
        let apt = |name: &str| Step::Apt {
            packages: vec![name.into()],
        };
        let base = |os: &Recipe, own: Vec<Step>| told(os, own, &Interpreter::Base);
        assert_eq!(
            base(&registry(vec![apt("python3-minimal")]), Vec::new()),
            "of Debian's packages in os on debian:12"
        );
        assert_eq!(
            base(&registry(Vec::new()), vec![apt("python3")]),
            "of Debian's packages in app on debian:12"
        );
        assert_eq!(
            base(&registry(vec![apt("git")]), Vec::new()),
            "of the outside image on debian:12"
        );
        let file = FileSet::File {
            path: WorkspacePath::resolve(&WorkspacePath::ROOT, "Dockerfile").unwrap(),
        };
        let own = Recipe {
            dockerfile: Some(Box::new(DockerfileRecipe {
                context: file.clone(),
                file,
                target: None,
                args: Vec::new(),
                contexts: Vec::new(),
            })),
            ..registry(Vec::new())
        };
        assert_eq!(base(&own, Vec::new()), "built in os");
    }
}
