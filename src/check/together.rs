//! Fields of one image that do not go together, or that mean nothing without another one.
//!
//! Looks at no files but the project file that a lock file needs. Each rule is a function of one spec that names the field
//! to change.

mod clash;
mod flytekit;
mod locks;
mod secrets;

use self::clash::{Clash, told};
use crate::diagnostic::Diagnostic;
use crate::recipe::cuda_base;
use crate::spec::{ImageSpec, SourceCopyMode, fields};
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
            flytekit::flytekit(spec, &workspace.images, &mut clashes);
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
