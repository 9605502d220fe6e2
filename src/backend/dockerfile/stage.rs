//! Writes a Dockerfile and its context as files, for commands that send them and for people to read.

use super::{Dockerfile, stand_in};
use crate::backend::steps::main_file;
use crate::backend::{BuildError, Job, context};
use crate::disk::dir::Dir;

pub(crate) const DOCKERFILE: &str = "Dockerfile";

pub(crate) const CONTEXT: &str = "context";

/// The ignore file that takes precedence over the context's own.
pub(crate) const IGNORE: &str = "Dockerfile.dockerignore";

/// Content of the ignore file: ignore rules were applied during hashing and must not be applied again.
pub(crate) const NO_RULES: &str = "# imgspec has already applied the ignore rules\n";

pub(crate) fn stage(job: &Job<'_>, dockerfile: &Dockerfile, to: &Dir) -> Result<(), BuildError> {
    let context = context::empty(to, CONTEXT)?;
    if let Some(own) = &dockerfile.own {
        context::stage_in(&job.files[1], &context)?;
        for (name, set) in &own.folders {
            context::stage_in(&job.files[*set], &context::empty(to, named_context(name))?)?;
        }
    } else {
        for (at, files) in job.files.iter().enumerate() {
            let set = context::empty(&context, at.to_string())?;
            context::stage_in(files, &set)?;
            if let Some(name) = stand_in(files) {
                set.rename(main_file(files), name)
                    .map_err(context::unwritten)?;
            }
        }
    }
    [(DOCKERFILE, dockerfile.text.as_str()), (IGNORE, NO_RULES)]
        .iter()
        .try_for_each(|(name, text)| to.write(name, text.as_bytes()))
        .map_err(context::unwritten)
}

/// The directory for the named context of a Dockerfile.
pub(crate) fn named_context(name: &str) -> String {
    let digest = blake3::hash(name.as_bytes()).to_hex();
    format!("context-{}", &digest[..16])
}
