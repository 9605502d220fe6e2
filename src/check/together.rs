//! Fields of one image that do not go together, or that mean nothing without another one.
//!
//! Looks at no files but the project file that a lock file needs. Each rule is a function of one spec that names the field
//! to change.

mod clash;
mod flytekit;
mod locks;
mod secrets;

use self::clash::Clashes;
use super::told::Told;
use crate::recipe::cuda_base;
use crate::spec::{ImageSpec, SourceCopyMode, fields};
use crate::workspace::Workspace;

/// All that does not go together in the images of a workspace.
pub(super) fn check(workspace: &Workspace, told: &mut Told) {
    for image in &workspace.images {
        let spec = &image.spec;
        let mut clashes = Clashes { image, told };
        secrets::secrets(spec, &mut clashes);
        if spec.dockerfile.is_some() {
            dockerfile(&mut clashes);
        } else {
            cuda(spec, &mut clashes);
            conda(spec, &mut clashes);
            locks::locks(spec, &workspace.root, &mut clashes);
            sources(spec, &mut clashes);
            flytekit::flytekit(spec, &workspace.images, &mut clashes);
        }
    }
}

fn cuda(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let Some(cuda) = &spec.cuda else {
        if spec.cudnn.is_some() {
            clashes.error(
                "cudnn",
                "`cudnn` needs `cuda`",
                "for which CUDA?",
                "say the version of CUDA too: `cuda \"12.6\"`",
            );
        }
        return;
    };
    if let Err(mismatch) = cuda_base(cuda, spec.cudnn.as_deref(), spec.base_image.as_ref()) {
        let message = match mismatch.field {
            "cuda" => format!("there is no image of CUDA {cuda}"),
            field => format!("`{field}` does not go with CUDA {cuda}"),
        };
        let clash = clashes.at(mismatch.field, message, mismatch.why);
        clashes.told.error(match mismatch.help {
            Some(help) => clash.help(help),
            None => clash,
        });
    }
    let has_python = spec.python_version.is_some()
        || spec.python_exec.is_some()
        || spec.installs_conda_packages();
    if spec.installs_python_packages() && !has_python {
        clashes.error(
            "cuda",
            "NVIDIA's images have no Python",
            "packages need one",
            "say which: `python-version \"3.12\"`",
        );
    }
}

fn conda(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let has_packages = spec.installs_conda_packages();
    if has_packages && spec.python_exec.is_some() {
        clashes.error(
            "python-exec",
            "`python-exec` does not go with conda packages",
            "conda brings a Python of its own",
            "leave one of the two out; `python-version` says which Python conda installs",
        );
    }
    if !spec.conda_channels.is_empty() && !has_packages {
        clashes.no_effect(
            "conda-channels",
            "`conda-channels` has no effect without `conda-packages`",
            "nothing is installed from here",
            None,
        );
    }
}

fn sources(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let all = Some(SourceCopyMode::All);
    if spec.source_root.is_none() && spec.source_copy_mode == all {
        clashes.error(
            "source-copy-mode",
            "`source-copy-mode` needs `source-root`",
            "all of what?",
            "name the directory: `source-root \"src\"`",
        );
    }
}

/// A Dockerfile says everything itself, but for what the image is called, where it goes and who builds it.
fn dockerfile(clashes: &mut Clashes<'_>) {
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
    let places = &clashes.image.places;
    for field in fields::names().filter(|field| places.has(field) && !BESIDE.contains(field)) {
        clashes.error(
            field,
            format!("`{field}` does not go with `dockerfile`"),
            "the Dockerfile says it",
            "write it into the Dockerfile, or drop what was inherited with `reset=#true`",
        );
    }
}
