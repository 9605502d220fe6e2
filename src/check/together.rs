//! Fields of one image that do not go together, or that mean nothing without another one.
//!
//! Looks at no files but the project file that a lock file needs. Each rule is a function of one spec that names the field
//! to change.

mod clash;
mod locks;
mod secrets;

use self::clash::{Clash, told};
use crate::diagnostic::Diagnostic;
use crate::recipe::cuda_base;
use crate::spec::{Base, ImageSpec, RequirementsKind, SourceCopyMode, fields};
use crate::workspace::{Image, Workspace};

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
            locks::locks(spec, &workspace.root, &mut clashes);
            sources(spec, &mut clashes);
            flytekit(spec, &workspace.images, &mut clashes);
        }
        diagnostics.extend(clashes.into_iter().map(|clash| told(image, clash)));
    }
}

fn cuda(spec: &ImageSpec, clashes: &mut Vec<Clash>) {
    let Some(cuda) = &spec.cuda else {
        if spec.cudnn.is_some() {
            clashes.push(
                Clash::new("cudnn", "`cudnn` needs `cuda`", "for which CUDA?")
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
        let clash = Clash::new(mismatch.field, message, mismatch.why);
        clashes.push(match mismatch.help {
            Some(help) => clash.help(help),
            None => clash,
        });
    }
    let has_python = spec.python_version.is_some()
        || spec.python_exec.is_some()
        || spec.installs_conda_packages();
    if spec.installs_python_packages() && !has_python {
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

fn conda(spec: &ImageSpec, clashes: &mut Vec<Clash>) {
    let has_packages = spec.installs_conda_packages();
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
                "`conda-channels` has no effect without `conda-packages`",
                "nothing is installed from here",
            )
            .warning(),
        );
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
            .help("name the directory: `source-root \"src\"`"),
        );
    }
}

/// A Dockerfile says everything itself, but for what the image is called, where it goes and who builds it.
fn dockerfile(image: &Image, clashes: &mut Vec<Clash>) {
    const BESIDE: [&str; 10] = [
        "name",
        "registry",
        "builder",
        "platform",
        "labels",
        "tag-format",
        "secret",
        "dockerfile",
        "registry-config",
        "builder-options",
    ];
    for field in fields::names().filter(|field| image.places.has(field) && !BESIDE.contains(field))
    {
        clashes.push(
            Clash::new(
                field,
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
    let kind = spec.requirements.as_ref();
    let kind = kind.map(|given| given.path.requirements_kind());
    if let Some(RequirementsKind::Project | RequirementsKind::Pylock) = kind {
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
