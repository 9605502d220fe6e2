//! Checks for fields that cannot be combined, or that have no effect without another.
//!
//! The only file it looks for is the project file that a lock file needs. Each rule is a function of one spec and names the
//! field to change.

mod clash;
mod flytekit;
mod locks;
mod secrets;

use self::clash::Clashes;
use super::findings::Findings;
use crate::diagnostic::shown;
use crate::recipe::cuda_base;
use crate::spec::rules::{check_reference, has_registry};
use crate::spec::{ImageSpec, OWN_CACHE, SourceCopyMode, fields};
use crate::workspace::Workspace;

/// Reports invalid combinations of fields in the images of a workspace.
pub(super) fn check(workspace: &Workspace, findings: &mut Findings) {
    let images = workspace.images.iter();
    let specs = images
        .map(|image| (image.id.as_str(), &*image.spec))
        .collect();
    for image in &workspace.images {
        let spec = &image.spec;
        let mut clashes = Clashes { image, findings };
        secrets::secrets(spec, &mut clashes);
        caches(spec, &mut clashes);
        names(spec, &mut clashes);
        attestations(spec, &mut clashes);
        if spec.dockerfile.is_some() {
            dockerfile(&mut clashes);
        } else {
            cuda(spec, &mut clashes);
            conda(spec, &mut clashes);
            locks::locks(spec, &workspace.root, &mut clashes);
            sources(spec, &mut clashes);
            flytekit::flytekit(spec, &specs, &mut clashes);
        }
    }
}

/// The image's own cache is in its repository.
fn caches(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    for (field, caches) in [
        ("cache-from", &spec.cache_from),
        ("cache-to", &spec.cache_to),
    ] {
        if spec.registry.is_none() && caches.iter().any(|cache| cache == OWN_CACHE) {
            clashes.error(
                field,
                format!("`{field} \"{OWN_CACHE}\"` needs `registry`"),
                "this means a cache in the image's repository, which is in no registry",
                "set the `registry`, or write the reference of a cache",
            );
        }
    }
}

/// A name in a registry is pushed with the image, which then has to be pushed itself.
fn names(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    if spec.registry.is_some() {
        return;
    }
    for (at, name) in spec.also_tag.iter().enumerate() {
        if has_registry(name) {
            clashes.error(
                format!("also-tag[{at}]"),
                "a further name in a registry needs `registry`",
                "the image itself is in no registry, so nothing would be pushed there",
                "set the `registry`, or give it a tag: `also-tag \"latest\"`",
            );
        }
    }
}

/// What the details of an attestation mean depends on its kind.
fn attestations(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    for (kind, details) in &spec.attest {
        let label = match (kind.as_str(), details.as_str()) {
            ("provenance", "min" | "max") | ("sbom", "default") => continue,
            ("provenance", _) => "it is `min` or `max`",
            _ if check_reference(details).is_ok() => continue,
            _ => "it is `default`, or the image of a scanner",
        };
        clashes.error(
            format!("attest.{kind}"),
            format!("`{kind}` cannot be `{}`", shown(details)),
            label,
            "write `attest provenance=\"max\" sbom=\"default\"`",
        );
    }
}

fn cuda(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let Some(cuda) = &spec.cuda else {
        if spec.cudnn.is_some() {
            clashes.error(
                "cudnn",
                "`cudnn` needs `cuda`",
                "for which CUDA?",
                "add the CUDA version: `cuda \"12.6\"`",
            );
        }
        return;
    };
    if let Err(mismatch) = cuda_base(cuda, spec.cudnn.as_deref(), spec.base_image.as_ref()) {
        let message = match mismatch.field {
            "cuda" => format!("there is no image of CUDA {cuda}"),
            field => format!("`{field}` cannot be combined with CUDA {cuda}"),
        };
        let clash = clashes.at(mismatch.field, message, mismatch.why);
        clashes.findings.error(match mismatch.help {
            Some(help) => clash.help(help),
            None => clash,
        });
    }
    let has_python =
        spec.python().is_some() || spec.python_exec.is_some() || spec.installs_conda_packages();
    if spec.installs_python_packages() && !has_python {
        clashes.error(
            "cuda",
            "NVIDIA's images have no Python",
            "packages need one",
            "choose one: `python-version \"3.12\"`",
        );
    }
}

fn conda(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let has_packages = spec.installs_conda_packages();
    if has_packages && spec.python_exec.is_some() {
        clashes.error(
            "python-exec",
            "`python-exec` cannot be combined with conda packages",
            "conda installs its own Python",
            "remove one of the two; `python-version` sets which Python conda installs",
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
            "there is no directory to copy from",
            "name the directory: `source-root \"src\"`",
        );
    }
    if spec.source_files.is_empty() {
        return;
    }
    if spec.source_root.is_none() {
        clashes.error(
            "source-files",
            "`source-files` needs `source-root`",
            "there is no directory to copy from",
            "name the directory: `source-root \"src\"`",
        );
    } else if spec.source_copy_mode.is_some() {
        clashes.error(
            "source-files",
            "`source-files` cannot be combined with `source-copy-mode`",
            "one says which files, the other all or none",
            "remove one of the two",
        );
    }
}

/// A Dockerfile determines everything except the image's name, destination and builder.
fn dockerfile(clashes: &mut Clashes<'_>) {
    const BESIDE: [&str; 14] = [
        "name",
        "registry",
        "builder",
        "platform",
        "labels",
        "tag-format",
        "also-tag",
        "secret",
        "dockerfile",
        "registry-config",
        "builder-options",
        "cache-from",
        "cache-to",
        "attest",
    ];
    let places = &clashes.image.places;
    for field in fields::names().filter(|field| places.has(field) && !BESIDE.contains(field)) {
        clashes.error(
            field,
            format!("`{field}` cannot be combined with `dockerfile`"),
            "the Dockerfile determines this",
            "move it into the Dockerfile, or discard the inherited values with `reset=#true`",
        );
    }
}
