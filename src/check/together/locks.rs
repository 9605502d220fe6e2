//! Checks lock files against the other fields of an image.
//!
//! The only file it looks for is the project file that a lock file needs.

use std::path::Path;

use super::clash::Clashes;
use crate::disk::FileKind;
use crate::spec::{GivenPath, ImageSpec, OwnStep, RequirementsKind, WorkspacePath};

/// A lock file that an image installs from.
struct Lock<'a> {
    /// Manifest name of the field.
    field: String,
    given: &'a GivenPath,
    kind: RequirementsKind,
    /// Packages listed along with the lock file.
    packages: &'a [String],
}

impl<'a> Lock<'a> {
    fn new(field: String, given: &'a GivenPath, packages: &'a [String]) -> Self {
        Self {
            field,
            given,
            kind: given.path.requirements_kind(),
            packages,
        }
    }

    fn name(&self) -> &str {
        self.given.path.file_name().unwrap_or_default()
    }
}

fn locks_of(spec: &ImageSpec) -> Vec<Lock<'_>> {
    let field = spec.requirements.iter();
    let field = field.map(|given| Lock::new("requirements".to_owned(), given, &spec.packages));
    let steps = spec.steps.iter().enumerate();
    let own = steps.filter_map(|(at, step)| match step {
        OwnStep::Pip {
            packages,
            requirements: Some(given),
        } => Some(Lock::new(format!("steps[{at}]"), given, packages)),
        _ => None,
    });
    field
        .chain(own)
        .filter(|lock| lock.kind.is_lock())
        .collect()
}

pub(super) fn locks(spec: &ImageSpec, root: &Path, clashes: &mut Clashes<'_>) {
    for lock in locks_of(spec) {
        if !lock.packages.is_empty() {
            beside_lock(&lock, clashes);
        }
        if lock.kind == RequirementsKind::PoetryLock {
            unheard_index(spec, clashes);
        }
        let path = &lock.given.path;
        if !lock.kind.needs_project() || !path.under(root).is_file() {
            continue;
        }
        let folder = path.parent();
        let Some(project) = WorkspacePath::resolve(&folder, "pyproject.toml") else {
            continue;
        };
        let why = match FileKind::at(&project.under(root)) {
            Ok(FileKind::File) => continue,
            Ok(kind) => format!("`{project}` is {kind}"),
            Err(_) if project.under(root).is_symlink() => {
                format!("`{project}` is a broken link")
            }
            Err(_) => "there is none in the same directory".to_owned(),
        };
        let needs = format!("`{}` needs its `pyproject.toml`", lock.name());
        clashes.error(
            &lock.field,
            needs,
            why,
            "a lock file is useless without the project that it belongs to",
        );
    }
}

fn beside_lock(lock: &Lock<'_>, clashes: &mut Clashes<'_>) {
    let add = match lock.kind {
        RequirementsKind::UvLock => "uv add",
        RequirementsKind::PoetryLock => "poetry add",
        _ => "uv export -o pylock.toml",
    };
    let at = match lock.field.as_str() {
        "requirements" => "packages",
        field => field,
    };
    clashes.error(
        at,
        format!("packages cannot be combined with `{}`", lock.name()),
        "the lock file lists everything that is installed",
        format!("add them to the project and lock it again: `{add}`"),
    );
}

fn unheard_index(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let index = if spec.pip_index.is_some() {
        "pip-index"
    } else if spec.pip_extra_index_url.is_empty() {
        return;
    } else {
        "pip-extra-index-url"
    };
    let message = format!("poetry ignores `{index}`");
    let why = "it uses the package sources of its project";
    let help = "add it to the `pyproject.toml`: `[[tool.poetry.source]]`";
    clashes.no_effect(index, message, why, Some(help));
}
