//! Fields of one image that do not go together, or that mean nothing without another one.
//!
//! Looks at no files but the project file that a lock file needs. The choice made: each rule is a function of one spec that
//! names the field to change, so that a rule is found by what it says.

mod secrets;

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::recipe::cuda_base;
use crate::spec::{Base, GivenPath, ImageSpec, OwnStep, SourceCopyMode};
use crate::workspace::{Image, Workspace};

/// A field that is wrong beside the others, and why.
struct Clash {
    field: String,
    message: String,
    label: String,
    help: Option<String>,
    is_error: bool,
}

impl Clash {
    fn new(field: impl Into<String>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            label: label.into(),
            help: None,
            is_error: true,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn warning(mut self) -> Self {
        self.is_error = false;
        self
    }
}

/// All that does not go together in the images of a workspace.
pub(super) fn check(workspace: &Workspace, diagnostics: &mut Vec<Diagnostic>) {
    for image in &workspace.images {
        let spec = &image.spec;
        let mut clashes = Vec::new();
        secrets::secrets(spec, &mut clashes);
        if spec.dockerfile.is_some() {
            dockerfile(image, &mut clashes);
        } else {
            cuda(spec, &mut clashes);
            conda(spec, &mut clashes);
            locks(spec, &workspace.root, &mut clashes);
            sources(spec, &mut clashes);
            flytekit(spec, &workspace.images, &mut clashes);
        }
        diagnostics.extend(clashes.into_iter().map(|clash| told(image, clash)));
    }
}

fn told(image: &Image, clash: Clash) -> Diagnostic {
    let message = format!("image `{}`: {}", image.id, clash.message);
    let mut diagnostic = if clash.is_error {
        Diagnostic::error("together", message)
    } else {
        Diagnostic::warning("together", message)
    };
    if let Some(place) = image.places.get(&clash.field) {
        diagnostic = diagnostic.at(place.clone(), clash.label);
    }
    match clash.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn cuda(spec: &ImageSpec, clashes: &mut Vec<Clash>) {
    let Some(cuda) = &spec.cuda else {
        if spec.cudnn.is_some() {
            clashes.push(
                Clash::new("cudnn", "`cudnn` needs `cuda`", "of which CUDA?")
                    .help("say the version of CUDA too: `cuda \"12.6\"`"),
            );
        }
        return;
    };
    if let Err(mismatch) = cuda_base(cuda, spec.cudnn.as_deref(), spec.base_image.as_ref()) {
        let message = match mismatch.field {
            "cuda" => format!("there is no image of CUDA {cuda}"),
            field => format!("`{field}` does not go with CUDA {cuda}"),
        };
        // What to do follows a colon.
        let (why, help) = match mismatch.why.split_once(": ") {
            Some((why, help)) => (why, Some(help)),
            None => (mismatch.why.as_str(), None),
        };
        let clash = Clash::new(mismatch.field, message, why);
        clashes.push(match help {
            Some(help) => clash.help(help),
            None => clash,
        });
    }
    let has_python = spec.python_version.is_some()
        || spec.python_exec.is_some()
        || installs_conda_packages(spec);
    if installs_python_packages(spec) && !has_python {
        clashes.push(
            Clash::new(
                "cuda",
                "NVIDIA's images have no Python",
                "packages need one",
            )
            .help("say which: `python-version \"3.12\"`"),
        );
    }
}

fn installs_python_packages(spec: &ImageSpec) -> bool {
    let pip = |step: &OwnStep| matches!(step, OwnStep::Pip { .. });
    !spec.packages.is_empty()
        || spec.requirements.is_some()
        || spec.flytekit.is_some()
        || spec.steps.iter().any(pip)
}

fn installs_conda_packages(spec: &ImageSpec) -> bool {
    let conda = |step: &OwnStep| matches!(step, OwnStep::Conda(_));
    !spec.conda_packages.is_empty() || spec.steps.iter().any(conda)
}

fn conda(spec: &ImageSpec, clashes: &mut Vec<Clash>) {
    let has_packages = installs_conda_packages(spec);
    if has_packages && spec.python_exec.is_some() {
        clashes.push(
            Clash::new(
                "python-exec",
                "`python-exec` does not go with conda packages",
                "conda brings a Python of its own",
            )
            .help("leave one of the two out; `python-version` says which Python conda installs"),
        );
    }
    if !spec.conda_channels.is_empty() && !has_packages {
        clashes.push(
            Clash::new(
                "conda-channels",
                "`conda-channels` means nothing without `conda-packages`",
                "nothing is taken from here",
            )
            .warning(),
        );
    }
}

/// A lock file, by the name that its tool gives it.
fn lock(given: &GivenPath) -> Option<&str> {
    let name = given.path.file_name()?;
    let is_pylock = name.starts_with("pylock.") && name.ends_with(".toml");
    (is_pylock || matches!(name, "uv.lock" | "poetry.lock")).then_some(name)
}

fn locks(spec: &ImageSpec, root: &Path, clashes: &mut Vec<Clash>) {
    let own = spec
        .steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match step {
            OwnStep::Pip {
                packages,
                requirements: Some(given),
            } => Some((format!("steps[{at}]"), given, packages)),
            _ => None,
        });
    let field = spec.requirements.iter();
    let field = field.map(|given| ("requirements".to_owned(), given, &spec.packages));
    for (field, given, packages) in field.chain(own) {
        let Some(name) = lock(given) else { continue };
        if !packages.is_empty() {
            let add = match name {
                "uv.lock" => "uv add",
                "poetry.lock" => "poetry add",
                _ => "uv export -o pylock.toml",
            };
            let at = if field == "requirements" {
                "packages"
            } else {
                &field
            };
            clashes.push(
                Clash::new(
                    at,
                    format!("packages do not go with `{name}`"),
                    "the lock file says all that is installed",
                )
                .help(format!(
                    "add them to the project and lock it again: `{add}`"
                )),
            );
        }
        let has_indexes = spec.pip_index.is_some() || !spec.pip_extra_index_url.is_empty();
        if name == "poetry.lock" && has_indexes {
            let index = if spec.pip_index.is_some() {
                "pip-index"
            } else {
                "pip-extra-index-url"
            };
            clashes.push(
                Clash::new(
                    index,
                    format!("poetry does not hear of `{index}`"),
                    "it takes packages from the sources of its project",
                )
                .help("name it in the `pyproject.toml`: `[[tool.poetry.source]]`")
                .warning(),
            );
        }
        let project = given.path.parent().under(root).join("pyproject.toml");
        if !name.starts_with("pylock.") && given.path.under(root).is_file() && !project.is_file() {
            clashes.push(
                Clash::new(
                    field,
                    format!("`{name}` needs its `pyproject.toml`"),
                    "there is none in the same folder",
                )
                .help("a lock file says nothing without the project that it belongs to"),
            );
        }
    }
}

fn sources(spec: &ImageSpec, clashes: &mut Vec<Clash>) {
    let all = Some(SourceCopyMode::All);
    if spec.source_root.is_none() && spec.source_copy_mode == all {
        clashes.push(
            Clash::new(
                "source-copy-mode",
                "`source-copy-mode` needs `source-root`",
                "all of what?",
            )
            .help("name the folder: `source-root \"src\"`"),
        );
    }
}

/// A Dockerfile says everything itself.
fn dockerfile(image: &Image, clashes: &mut Vec<Clash>) {
    const BESIDE: &[&str] = &[
        "base-image",
        "apt-packages",
        "python-version",
        "python-exec",
        "packages",
        "conda-packages",
        "conda-channels",
        "requirements",
        "pip-index",
        "pip-extra-index-url",
        "pip-extra-args",
        "pip-secret-mounts",
        "env",
        "copy",
        "commands",
        "entrypoint",
        "cmd",
        "user",
        "workdir",
        "cuda",
        "cudnn",
        "source-root",
        "source-copy-mode",
        "steps",
        "flytekit",
        "runtime-packages",
        "builder-config",
    ];
    for field in BESIDE.iter().filter(|field| image.places.has(field)) {
        clashes.push(
            Clash::new(
                *field,
                format!("`{field}` does not go with `dockerfile`"),
                "the Dockerfile says it",
            )
            .help("write it into the Dockerfile, or drop what was inherited with `reset=#true`"),
        );
    }
}

fn flytekit(spec: &ImageSpec, images: &[Image], clashes: &mut Vec<Clash>) {
    if spec.flytekit.is_none() {
        if !spec.runtime_packages.is_empty() {
            clashes.push(
                Clash::new(
                    "runtime-packages",
                    "`runtime-packages` needs `flytekit`",
                    "flytekit installs them when a task starts",
                )
                .help("say `flytekit \"1.16.31\"`, or install them now: `packages`"),
            );
        }
        return;
    }
    if spec.source_root.is_some() && spec.source_copy_mode.is_none() {
        clashes.push(
            Clash::new(
                "source-root",
                "flytekit would copy the modules that are loaded, which only the workflow's process knows",
                "which files?",
            )
            .help("say `source-copy-mode \"all\"` here and `CopyFileDetection.ALL` in the workflow; or `\"none\"` and `NO_COPY`"),
        );
    }
    if let Some(Base::Image(id)) = &spec.base_image
        && let Some(base) = images.iter().find(|image| image.id == *id)
        && base.spec.flytekit.is_none()
    {
        clashes.push(
            Clash::new(
                "base-image",
                format!("flytekit cannot name the base `{id}`"),
                "its tag is not one of flytekit's",
            )
            .help(format!(
                "give `{id}` a `flytekit` too, or say it in `defaults`"
            )),
        );
    }
    if let Some(given) = &spec.requirements
        && given
            .path
            .file_name()
            .is_some_and(|name| name.ends_with(".toml"))
    {
        clashes.push(
            Clash::new(
                "requirements",
                "flytekit reads no project files",
                "it would take this for a list of requirements",
            )
            .help("name a `.txt`, `uv.lock` or `poetry.lock`"),
        );
    }
    for (field, is_said, counts) in [
        (
            "registry-config",
            spec.registry_config.is_some(),
            "it counts for flytekit's id only",
        ),
        (
            "builder-options",
            !spec.builder_options.is_empty(),
            "they count for the tag only",
        ),
    ] {
        if is_said && spec.builder.as_deref() != Some("envd") {
            clashes.push(
                Clash::new(
                    field,
                    format!("flytekit's Docker builder ignores `{field}`"),
                    counts,
                )
                .warning(),
            );
        }
    }
}
