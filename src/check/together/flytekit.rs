//! Checks images that should be compatible with flytekit for what flytekit would build differently.

use super::clash::Clashes;
use crate::spec::{Base, ImageSpec, RequirementsKind};
use crate::workspace::Image;

pub(super) fn flytekit(spec: &ImageSpec, images: &[Image], clashes: &mut Clashes<'_>) {
    if spec.flytekit.is_none() {
        if !spec.runtime_packages.is_empty() {
            clashes.error(
                "runtime-packages",
                "`runtime-packages` needs `flytekit`",
                "flytekit installs them when a task starts",
                "add `flytekit \"1.16.31\"`, or install them in the image: `packages`",
            );
        }
        return;
    }
    if spec.source_root.is_some() && spec.source_copy_mode.is_none() {
        clashes.error("source-root",
                "flytekit would copy the loaded modules, which only the workflow's process knows",
                "which files?", "set `source-copy-mode \"all\"` here and `CopyFileDetection.ALL` in the workflow; or `\"none\"` and `NO_COPY`");
    }
    if let Some(Base::Image(id)) = &spec.base_image
        && let Some(base) = images.iter().find(|image| image.id == *id)
        && base.spec.flytekit.is_none()
    {
        clashes.error(
            "base-image",
            format!("flytekit cannot refer to the base `{id}`"),
            "its tag is not one of flytekit's",
            format!("add `flytekit` to `{id}` too, or set it in `defaults`"),
        );
    }
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
