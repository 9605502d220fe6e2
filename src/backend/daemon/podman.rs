//! Images brought into Podman, where Docker does not answer.
//!
//! By its command, not by the socket of its service: few machines run that, and the command needs none. It pulls from the
//! exchange, as Docker does, so only layers that it lacks are sent.

use std::process::Command;

use super::engine::last_line;
use super::{Daemon, broken_off};
use crate::asking::Asker;
use crate::backend::{Artifact, BuildError};
use crate::process::{self, Patience, Stream};

impl Daemon {
    /// Brings an image of another builder's store into Podman's, under its reference; `None` if there is no Podman.
    pub(super) fn pull_into_podman(
        &self,
        image: &Artifact,
        asker: Asker<'_>,
    ) -> Option<Result<(), BuildError>> {
        which::which("podman").ok()?;
        Some(self.lent(image, asker).and_then(|lent| {
            match lent {
                // A name with a digest; once the image has another name, Podman drops it.
                Some(name) => self
                    .podman(&["pull", "--quiet", "--tls-verify=false", &name], asker)
                    .and_then(|()| self.podman(&["tag", &name, &image.reference], asker)),
                None => Ok(()),
            }
        }))
    }

    /// Runs `podman`, for as long as it takes: what it waits for is this process.
    fn podman(&self, arguments: &[&str], asker: Asker<'_>) -> Result<(), BuildError> {
        let patience = Patience {
            limits: &self.limits,
            cancel: asker.cancel(),
            hope: None,
        };
        let mut errors = String::new();
        let mut command = Command::new("podman");
        let exit = process::run(command.args(arguments), patience, |stream, line| {
            if stream == Stream::Err {
                errors = format!("{errors}{line}\n");
            }
        });
        let exit = exit.map_err(|error| broken_off("podman", &error))?;
        if exit.stopped {
            return Err(BuildError::Cancelled);
        }
        if !exit.status.success() {
            let why = last_line(&errors, "it reports nothing");
            let what = arguments[0];
            return Err(BuildError::Failed(format!("`podman {what}`: {why}")));
        }
        Ok(())
    }
}
