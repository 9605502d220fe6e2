//! Images of the embedded builder's store: what the daemon builds on, and what is brought into its own store.

use super::Daemon;
use crate::asking::Asker;
use crate::backend::oci::lend::BUILDER;
use crate::backend::oci::name::Digest;
use crate::backend::{Artifact, BuildError};
use crate::disk::dir::Dir;
use crate::notes::Quiet;

/// Where images of the daemon are, in words.
pub(crate) const DOCKER: &str = "Docker";

impl Daemon {
    /// A name under which the daemon can pull an image that another builder's store has; `None` for its own images.
    pub(crate) fn lent(
        &self,
        image: &Artifact,
        asker: Asker<'_>,
    ) -> Result<Option<String>, BuildError> {
        match &self.lender {
            Some(lender) if image.backend == BUILDER => {
                lender.lend(image, &self.registries(), asker).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Pulls an image by the digest in `name`, which says all about it, and gives it its reference.
    pub(in crate::backend) fn pull_as(
        &self,
        name: &str,
        image: &Artifact,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        self.ready(asker)?;
        self.pull(name, None, asker)?;
        self.name(name, &image.reference, asker)
    }

    /// Makes an OCI layout of an image that the daemon or another builder's store has; returns its digest.
    pub(super) fn laid_out(
        &self,
        image: &Artifact,
        to: &Dir,
        asker: Asker<'_>,
    ) -> Result<Digest, BuildError> {
        let Some(lender) = &self.lender else {
            let what = &image.reference;
            let why = format!(
                "`{what}` cannot be made available to another builder: there is no store for that"
            );
            return Err(BuildError::Failed(why));
        };
        let own = self
            .lent(image, asker)?
            .and_then(|_| Digest::read(&image.digest));
        let digest = match own {
            Some(digest) => digest,
            None => self.laid.get(&image.digest, || {
                asker.step(&format!(
                    "making {} available to another builder",
                    image.reference
                ));
                let quiet = Quiet(asker.notes());
                let asker = Asker::build(&quiet, asker.cancel());
                lender.take(&image.digest, asker, |name| {
                    self.name(&image.digest, name, asker)?;
                    let pushed = self.push_name(name, asker);
                    self.forget(name);
                    pushed
                })
            })?,
        };
        lender.lay_out(digest, to, asker)?;
        Ok(digest)
    }

    /// Explains a failure to pull a lent image.
    pub(crate) fn explain_lent(&self, error: BuildError) -> BuildError {
        match &self.lender {
            Some(lender) => lender.unreached(error),
            None => error,
        }
    }

    /// Brings an image of another builder's store into the daemon's, under its reference; if Docker does not answer, into
    /// Podman's. Returns which of them has it.
    pub(crate) fn load(
        &self,
        image: &Artifact,
        asker: Asker<'_>,
    ) -> Result<&'static str, BuildError> {
        let Err(error) = self.ready(asker) else {
            return self.pull_into_docker(image, asker).map(|()| DOCKER);
        };
        match self.pull_into_podman(image, asker) {
            None => Err(error),
            Some(Ok(())) => Ok("Podman"),
            Some(Err(BuildError::Cancelled)) => Err(BuildError::Cancelled),
            Some(Err(other)) => {
                Err(error.reworded(|why| format!("{why}; nor into Podman: {other}")))
            }
        }
    }

    fn pull_into_docker(&self, image: &Artifact, asker: Asker<'_>) -> Result<(), BuildError> {
        let Some(name) = self.lent(image, asker)? else {
            return Ok(());
        };
        self.pull(&name, None, asker)
            .map_err(|error| self.explain_lent(error))?;
        let named = self.name(&name, &image.reference, asker);
        self.forget(&name);
        named
    }
}
