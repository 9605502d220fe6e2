//! Pushes: the daemon sends what it has, and its words are the verdict.

use super::engine::NoEngine;
use super::{Daemon, broken_off};
use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::buildkit::failure;
use crate::backend::oci::reference::Reference;
use crate::process::{self, Stream};

impl Daemon {
    pub(crate) fn push(&self, reference: &str, asker: Asker<'_>) -> Result<(), BuildError> {
        if self.program.is_none() {
            return Err(NoEngine::no_program().into());
        }
        let (notes, cancel) = (asker.notes(), asker.cancel());
        asker.step("pushing");
        // What failed is said on standard error; the two streams arrive in any order.
        let mut last = String::new();
        let registry = Reference::read(reference).map(|read| read.host);
        let mut command = self
            .docker()
            .map_err(|error| broken_off("docker", &error))?;
        process::keep_all(command.args(["image", "push", "--", reference]));
        let exit = self
            .run(
                &mut command,
                cancel,
                &|| registry.as_slice(),
                |stream, line| {
                    notes.log(line);
                    let is_telling = stream == Stream::Err || last.is_empty();
                    if is_telling && !line.trim().is_empty() {
                        line.clone_into(&mut last);
                    }
                },
            )
            .map_err(|error| broken_off("docker", &error))?;
        if exit.status.success() {
            Ok(())
        } else if exit.stopped {
            Err(BuildError::Cancelled)
        } else {
            Err(failure::push(reference, &last))
        }
    }
}
