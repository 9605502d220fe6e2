//! Checks images that should be compatible with flytekit for what flytekit would build differently.

use std::collections::HashMap;

use super::clash::Clashes;
use crate::spec::{Base, ImageSpec, RequirementsKind};

/// How deep flytekit images may be built on each other: the id of each is hashed from the specs of all its bases.
const DEPTH_LIMIT: usize = 32;

/// All images by their ids.
pub(super) type Specs<'a> = HashMap<&'a str, &'a ImageSpec>;

pub(super) fn flytekit(spec: &ImageSpec, specs: &Specs<'_>, clashes: &mut Clashes<'_>) {
    if spec.flytekit.is_none() {
        if !spec.runtime_packages.is_empty() {
            clashes.error(
                "runtime-packages",
                "`runtime-packages` needs `flytekit`",
                "flytekit installs them when a task starts",
                "add `flytekit \"1.16.31\"`, or install them in the image: `packages`",
            );
        }
        only_with(spec, clashes);
        return;
    }
    let is_unsure = spec.source_copy_mode.is_none() && spec.source_files.is_empty();
    if spec.source_root.is_some() && is_unsure {
        clashes.error("source-root",
                "flytekit would copy the loaded modules, which only the workflow's process knows",
                "which files?", "set `source-copy-mode \"all\"` here and `CopyFileDetection.ALL` in the workflow; or `\"none\"` and `NO_COPY`");
    }
    base(spec, specs, clashes);
    let kind = spec.requirements.as_ref();
    let kind = kind.map(|given| given.path.requirements_kind());
    if let Some(RequirementsKind::Project | RequirementsKind::Pylock) = kind {
        clashes.error(
            "requirements",
            "flytekit does not support project files",
            "it would read this as a list of requirements",
            "use a `.txt`, `uv.lock` or `poetry.lock`",
        );
    }
    ignored(spec, clashes);
}

/// Reports fields that mean something to flytekit only.
fn only_with(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    for (field, is_set) in [
        ("flytekit-id", spec.flytekit_id.is_some()),
        ("flytekit-python", spec.flytekit_python.is_some()),
    ] {
        if is_set {
            clashes.error(
                field,
                format!("`{field}` needs `flytekit`"),
                "only flytekit's images have it",
                "add `flytekit \"1.16.31\"`, or remove it",
            );
        }
    }
}

fn base(spec: &ImageSpec, specs: &Specs<'_>, clashes: &mut Clashes<'_>) {
    if let Some(Base::File { .. }) = &spec.base_image {
        clashes.error(
            "base-image",
            "flytekit knows no bases in files",
            "its tag could not name this base",
            "push the base to a registry, and name it there",
        );
    }
    if let Some(Base::Debian(_)) = &spec.base_image {
        clashes.error(
            "base-image",
            "flytekit knows no bases made of Debian's packages",
            "its tag could not name this base",
            "push the base to a registry, and name it there",
        );
    }
    let Some((id, base)) = base_of(spec, specs) else {
        return;
    };
    if base.flytekit.is_none() {
        clashes.error(
            "base-image",
            format!("flytekit cannot refer to the base `{id}`"),
            "its tag is not one of flytekit's",
            format!("add `flytekit` to `{id}` too, or set it in `defaults`"),
        );
    }
    let below = |spec: &&ImageSpec| base_of(spec, specs).map(|(_, base)| base);
    let depth = std::iter::successors(Some(base), below).take(DEPTH_LIMIT + 1);
    // Reported once per chain: for the first image that is too deep.
    if depth.count() == DEPTH_LIMIT {
        clashes.error(
            "base-image",
            format!("flytekit images are built on each other more than {DEPTH_LIMIT} deep"),
            "one base too many",
            "flytekit hashes all bases of an image into its id: build on one that is further down",
        );
    }
}

/// The image of the workspace that an image is built on.
fn base_of<'a>(spec: &ImageSpec, specs: &Specs<'a>) -> Option<(&'a str, &'a ImageSpec)> {
    match &spec.base_image {
        Some(Base::Image(id)) => specs
            .get_key_value(id.as_str())
            .map(|(id, spec)| (*id, *spec)),
        _ => None,
    }
}

/// Reports fields that only the envd builder supports.
fn ignored(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    for (field, is_set, counts) in [
        (
            "registry-config",
            spec.registry_config.is_some(),
            "it affects only flytekit's id",
        ),
        (
            "builder-options",
            !spec.builder_options.is_empty(),
            "they affect only the tag",
        ),
    ] {
        if is_set && spec.builder.as_deref() != Some("envd") {
            clashes.no_effect(
                field,
                format!("flytekit's Docker builder ignores `{field}`"),
                counts,
                None,
            );
        }
    }
}
