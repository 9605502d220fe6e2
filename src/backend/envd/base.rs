//! Makes the base of an image available to envd, which pulls it from a *registry* even if the daemon has it.
//!
//! A base of the workspace, or one that exists only in the local store, is offered under a name that can be pulled; one
//! that a registry has is referred to by the digest that the local store has. Its configuration is read from the local
//! store, into which the daemon fetches it if necessary.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::program::Envd;
use crate::asking::Asker;
use crate::backend::daemon::LocalImage;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry;
use crate::backend::{BuildError, Job, labels};
use crate::notes::Quiet;
use crate::recipe::{Recipe, repository};
use crate::spec::Base;
use crate::workspace::LockedImage;

/// A build in progress.
pub(super) struct Build<'a> {
    pub(super) envd: &'a Envd,
    pub(super) job: &'a Job<'a>,
    pub(super) asker: Asker<'a>,
}

/// A base that envd can pull, with its local description.
pub(super) struct KnownBase {
    /// Its name for envd.
    pub(super) name: String,
    /// Its name in messages, as in the manifest.
    pub(super) words: String,
    pub(super) reference: String,
    pub(super) image: LocalImage,
}

impl Build<'_> {
    pub(super) fn base(&self) -> Result<KnownBase, BuildError> {
        match &self.job.recipe.base {
            Base::Image(id) => {
                let (name, image) = self.pullable(id)?;
                let image = image.map_or_else(|| self.fetched(&name), Ok)?;
                Ok(KnownBase {
                    name,
                    words: id.to_owned(),
                    reference: self.job.bases[id].reference.clone(),
                    image,
                })
            }
            Base::Registry(reference) => {
                let (name, image) = self.registry_base(reference)?;
                Ok(KnownBase {
                    name,
                    words: reference.clone(),
                    reference: reference.clone(),
                    image,
                })
            }
            Base::File { .. } | Base::Debian(_) | Base::Scratch => {
                Err(BuildError::Failed("envd builds on images only".to_owned()))
            }
        }
    }

    /// Returns a name under which envd can pull a workspace image that this one needs, and the image if the local store
    /// has it.
    pub(super) fn pullable(&self, id: &str) -> Result<(String, Option<LocalImage>), BuildError> {
        let base = self.job.base(id)?;
        if let Some(name) = self.envd.daemon.lent(base, self.asker)? {
            return Ok((name, None));
        }
        let pin = self.envd.daemon.pinned(id, base, self.asker)?;
        let Some(image) = self.envd.daemon.image(&pin, self.asker)? else {
            // Only the registry has it; the pin is then its digest there.
            return Ok((pin, None));
        };
        let name = self.envd.offer.offer(&base.digest, id, self.asker)?;
        Ok((name, Some(image)))
    }

    fn registry_base(&self, reference: &str) -> Result<(String, LocalImage), BuildError> {
        let (daemon, asker) = (&self.envd.daemon, self.asker);
        match self.job.outside.image(reference) {
            Some(LockedImage::Digest(digest)) => {
                let name = format!("{}@{digest}", repository(reference));
                let image = match daemon.image(&name, asker)? {
                    Some(image) => image,
                    None => self.fetched(&name)?,
                };
                return Ok((name, image));
            }
            Some(LockedImage::Id(id)) => {
                let pin = daemon.by_id(reference, id, asker)?;
                let image = daemon.image(&pin, asker)?;
                let image = image.ok_or_else(|| gone(reference))?;
                let name = self.envd.offer.offer(&image.id, reference, asker)?;
                return Ok((name, image));
            }
            None => {}
        }
        let Some(image) = daemon.image(reference, asker)? else {
            return Ok((reference.to_owned(), self.fetched(reference)?));
        };
        // As with Docker, the local store takes precedence over registries.
        if let Some(digest) = self.published(reference, &image)
            && let Some(read) = Reference::read(reference)
        {
            return Ok((format!("{}@{digest}", read.repository), image));
        }
        let name = self.envd.offer.offer(&image.id, reference, self.asker)?;
        Ok((name, image))
    }

    /// Fetches an image that only a registry has, through the daemon, which explains failures best.
    fn fetched(&self, reference: &str) -> Result<LocalImage, BuildError> {
        let (daemon, asker) = (&self.envd.daemon, self.asker);
        let recipe = Recipe {
            platforms: self.job.recipe.platforms.clone(),
            base: Base::Registry(reference.to_owned()),
            ..Recipe::default()
        };
        let name = daemon.private_name();
        let fetch = Job {
            recipe: &recipe,
            reference: &name,
            files: &[],
            bases: BTreeMap::new(),
            ..self.job.clone()
        };
        asker.step(&format!("fetching {reference}"));
        let quiet = Quiet(asker.notes());
        daemon.build(&fetch, None, Asker::build(&quiet, asker.cancel()))?;
        let mut image = daemon
            .image(&name, asker)?
            .ok_or_else(|| BuildError::Failed(format!("docker did not store `{reference}`")))?;
        // The labels that this build adds do not belong to the base.
        if let Some(all) = image.config["Labels"].as_object_mut() {
            all.retain(|name, _| !labels::is_reserved(name) && name != labels::BASE);
        }
        Ok(image)
    }

    /// The digest under which the registry has exactly this image of the local store, if it does.
    fn published(&self, reference: &str, image: &LocalImage) -> Option<String> {
        image.digests().next()?;
        let question = format!("{reference} {}", image.id);
        let Ok(digest) = self.envd.published.get(&question, || {
            self.asker
                .step(&format!("querying the registry of {reference}"));
            let found = registry::digest(reference, &self.envd.daemon.registries());
            Ok::<_, Infallible>(found.filter(|digest| image.digests().any(|own| own == digest)))
        });
        digest
    }
}

fn gone(reference: &str) -> BuildError {
    BuildError::Failed(format!(
        "`{reference}` was removed from the local store in the meantime"
    ))
}
