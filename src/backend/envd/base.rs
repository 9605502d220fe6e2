//! Makes the base of an image known to envd, which asks the *registry* for it even when the daemon has it.
//!
//! A base of the workspace, or one that exists only in the local store, is offered under a name that can be pulled; one that a
//! registry has is named by the digest that the local store has. Its configuration is read from the local store, into which the
//! daemon fetches it first.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::program::Envd;
use super::progress::Quiet;
use crate::asking::Asker;
use crate::backend::daemon::LocalImage;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry;
use crate::backend::{BuildError, Job, Notes, labels};
use crate::cancel::Cancel;
use crate::recipe::Recipe;
use crate::spec::Base;

/// A base that a build can use.
pub(super) struct Known {
    /// Its name for envd.
    pub(super) name: String,
    /// Its name in messages: as the manifest has it.
    pub(super) words: String,
    /// What it is called.
    pub(super) reference: String,
    /// The image, with its configuration.
    pub(super) image: LocalImage,
}

impl Envd {
    /// The base of a job, known to the daemon and to envd.
    pub(super) fn base(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Known, BuildError> {
        match &job.recipe.base {
            Base::Image(id) => self.workspace_base(job, id, notes, cancel),
            Base::Registry(reference) => self.registry_base(job, reference, notes, cancel),
            Base::Scratch => Err(BuildError::Failed("envd builds on images only".to_owned())),
        }
    }

    fn workspace_base(
        &self,
        job: &Job<'_>,
        id: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Known, BuildError> {
        let (name, image) = self.pullable(job, id, notes, cancel)?;
        let image = match image {
            Some(image) => image,
            None => self.fetched(job, &name, notes, cancel)?,
        };
        Ok(Known {
            name,
            words: id.to_owned(),
            reference: job.bases[id].reference.clone(),
            image,
        })
    }

    /// A name by which envd can pull an image of the workspace that this one needs, and the image if the
    /// local store has it.
    pub(super) fn pullable(
        &self,
        job: &Job<'_>,
        id: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(String, Option<LocalImage>), BuildError> {
        let base = job.base(id)?;
        let asker = Asker::build(notes, cancel);
        let pin = self.daemon.pinned(id, base, asker)?;
        let Some(image) = self.daemon.image(&pin, asker)? else {
            // Only its registry has it; then the pin is its digest there.
            return Ok((pin, None));
        };
        let name = self.offer.offer(&base.digest, id, notes, cancel)?;
        Ok((name, Some(image)))
    }

    fn registry_base(
        &self,
        job: &Job<'_>,
        reference: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Known, BuildError> {
        let known = |name: String, image: LocalImage| Known {
            name,
            words: reference.to_owned(),
            reference: reference.to_owned(),
            image,
        };
        let asker = Asker::build(notes, cancel);
        let Some(image) = self.daemon.image(reference, asker)? else {
            let image = self.fetched(job, reference, notes, cancel)?;
            return Ok(known(reference.to_owned(), image));
        };
        // As with Docker, the local store takes precedence over registries.
        if let Some(digest) = self.published(reference, &image, notes)
            && let Some(read) = Reference::read(reference)
        {
            return Ok(known(format!("{}@{digest}", read.repository()), image));
        }
        let name = self.offer.offer(&image.id, reference, notes, cancel)?;
        Ok(known(name, image))
    }

    /// An image that only a registry has, fetched by the daemon, which best explains a failure.
    fn fetched(
        &self,
        job: &Job<'_>,
        reference: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<LocalImage, BuildError> {
        let recipe = Recipe {
            platforms: job.recipe.platforms.clone(),
            base: Base::Registry(reference.to_owned()),
            ..Recipe::default()
        };
        let name = self.daemon.private_name();
        let fetch = Job {
            recipe: &recipe,
            reference: &name,
            files: &[],
            bases: BTreeMap::new(),
            ..job.clone()
        };
        notes.step(0, 0, &format!("fetching {reference}"));
        self.daemon.build(&fetch, None, &Quiet(notes), cancel)?;
        let mut image = self
            .daemon
            .image(&name, Asker::build(notes, cancel))?
            .ok_or_else(|| BuildError::Failed(format!("docker did not keep `{reference}`")))?;
        // The labels of our build are not the base's.
        if let Some(all) = image.config["Labels"].as_object_mut() {
            all.retain(|name, _| !labels::is_reserved(name) && name != labels::BASE);
        }
        Ok(image)
    }

    /// The digest by which the registry of a reference has exactly this image of the local store.
    fn published(&self, reference: &str, image: &LocalImage, notes: &dyn Notes) -> Option<String> {
        image.digests().next()?;
        let question = format!("{reference} {}", image.id);
        let answer = self.published.get(&question, || {
            notes.step(0, 0, &format!("asking the registry of {reference}"));
            let found = registry::digest(reference, &self.daemon.registries());
            Ok::<_, Infallible>(found.filter(|digest| image.digests().any(|own| own == digest)))
        });
        let Ok(digest) = answer;
        digest
    }
}
