//! Rules for the parts of structured values, by the names that the parts have in a manifest.

use super::packages::{
    apt_package, conda_package, mirror, requirement, requirements_file, snapshot, suite, variant,
};
use super::refused::ValueRule;
use super::runtime::{health_retries, health_time};
use super::values::{
    absolute, any, command, env_name, line, mount_point, stage_name, user, variable,
};

/// The rule for one part of a structured value, such as `to` of a copy or `target` of a Dockerfile.
#[derive(Clone, Copy)]
pub(crate) struct PartRule {
    pub name: &'static str,
    pub rule: ValueRule,
}

const fn part(name: &'static str, rule: ValueRule) -> PartRule {
    PartRule { name, rule }
}

/// The id of a workspace image, in a base, a copy or a context.
pub(crate) const IMAGE_ID: PartRule = part("image", any);
/// The file or directory of a base, and the name of the image in it.
pub(crate) const BASE_FILE: PartRule = part("file", any);
pub(crate) const BASE_REF: PartRule = part("ref", line);
/// The suite of a Debian base, the address of its archive, the time of its snapshot, and which packages it has.
pub(crate) const BASE_DEBIAN: PartRule = part("debian", suite);
pub(crate) const BASE_MIRROR: PartRule = part("mirror", mirror);
pub(crate) const BASE_SNAPSHOT: PartRule = part("snapshot", snapshot);
pub(crate) const BASE_VARIANT: PartRule = part("variant", variant);
pub(crate) const COPY_TO: PartRule = part("to", line);
pub(crate) const COPY_OWNER: PartRule = part("owner", user);
pub(crate) const STEP_APT: PartRule = part("apt", apt_package);
pub(crate) const STEP_CONDA: PartRule = part("conda", conda_package);
pub(crate) const STEP_PIP: PartRule = part("pip", requirement);
pub(crate) const STEP_RUN: PartRule = part("run", command);
/// Applies to the names.
pub(crate) const STEP_ENV: PartRule = part("env", env_name);
pub(crate) const STEP_USER: PartRule = part("user", user);
pub(crate) const STEP_WORKDIR: PartRule = part("workdir", absolute);
pub(crate) const PIP_REQUIREMENTS: PartRule = part("requirements", requirements_file);
pub(crate) const PIP_MOUNT_TO: PartRule = part("to", mount_point);
pub(crate) const SECRET_ENV: PartRule = part("env", variable);
pub(crate) const SECRET_FILE: PartRule = part("file", line);
pub(crate) const USE_ENV: PartRule = part("env", variable);
pub(crate) const USE_MOUNT: PartRule = part("mount", mount_point);
pub(crate) const DOCKERFILE_CONTEXT: PartRule = part("context", any);
pub(crate) const DOCKERFILE_TARGET: PartRule = part("target", stage_name);
/// Build arguments; applies to the names.
pub(crate) const DOCKERFILE_ARGS: PartRule = part("args", variable);
/// The times of a health check.
pub(crate) const HEALTH_TIMES: [PartRule; 4] = [
    part("interval", health_time),
    part("timeout", health_time),
    part("start-period", health_time),
    part("start-interval", health_time),
];
pub(crate) const HEALTH_RETRIES: PartRule = part("retries", health_retries);
pub(crate) const CONTEXT_PATH: PartRule = part("path", any);
