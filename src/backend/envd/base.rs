//! Makes the image that another is built on known to envd: envd asks the *registry* for a base, even when the daemon has it.
//!
//! The choices made: a base of the workspace, and one that is only in the local store, are offered under a name that can be pulled; one
//! that a registry has is named by just the digest that the local store has. What the base says of itself is read from the
//! local store, into which the daemon fetches it first.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::Envd;
use super::progress::Quiet;
use crate::asking::Asker;
use crate::backend::docker::Image;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry;
use crate::backend::{Artifact, BuildError, Cancel, Job, Notes};
use crate::recipe::Recipe;
use crate::spec::Base;

/// A base as a build needs it.
pub(super) struct Known {
    /// What it is called for envd.
    pub(super) name: String,
    /// What it is called for people: as the manifest says it.
    pub(super) words: String,
    /// What it is called.
    pub(super) reference: String,
    /// What it says of itself.
    pub(super) image: Image,
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

    /// A name by which envd can have an image of the workspace that this one needs, and what the image says of itself if the
    /// local store has it.
    pub(super) fn pullable(
        &self,
        job: &Job<'_>,
        id: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(String, Option<Image>), BuildError> {
        let base = job.bases.get(id).ok_or_else(|| {
            BuildError::Failed(format!("`{}` needs `{id}`, which is not built", job.image))
        })?;
        let asker = Asker::build(notes, cancel);
        let pin = self.docker.pinned(id, base, asker)?;
        let Some(image) = self.docker.image(&pin, asker)? else {
            // Only its registry has it, where the pin is its digest.
            return Ok((pin, None));
        };
        let name = self.offer.offer(base, id, notes, cancel)?;
        Ok((name, Some(image)))
    }

    fn registry_base(
        &self,
        job: &Job<'_>,
        reference: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Known, BuildError> {
        let known = |name: String, image: Image| Known {
            name,
            words: reference.to_owned(),
            reference: reference.to_owned(),
            image,
        };
        let asker = Asker::build(notes, cancel);
        let Some(image) = self.docker.image(reference, asker)? else {
            let image = self.fetched(job, reference, notes, cancel)?;
            return Ok(known(reference.to_owned(), image));
        };
        // As with Docker, what the local store has goes before what a registry has.
        if let Some(digest) = self.published(reference, &image, notes)
            && let Some(read) = Reference::read(reference)
        {
            return Ok(known(format!("{}@{digest}", read.repository()), image));
        }
        let artifact = Artifact {
            backend: "docker".to_owned(),
            reference: reference.to_owned(),
            digest: image.id.clone(),
        };
        let name = self.offer.offer(&artifact, reference, notes, cancel)?;
        Ok(known(name, image))
    }

    /// An image that only a registry has, fetched by the daemon, which says best why it cannot.
    fn fetched(
        &self,
        job: &Job<'_>,
        reference: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Image, BuildError> {
        let recipe = Recipe {
            platforms: job.recipe.platforms.clone(),
            base: Base::Registry(reference.to_owned()),
            ..Recipe::default()
        };
        let name = self.docker.private_name();
        let fetch = Job {
            recipe: &recipe,
            reference: &name,
            files: &[],
            bases: BTreeMap::new(),
            ..job.clone()
        };
        notes.step(0, 0, &format!("fetching {reference}"));
        self.docker.build_in(&fetch, None, &Quiet(notes), cancel)?;
        let mut image = self
            .docker
            .image(&name, Asker::build(notes, cancel))?
            .ok_or_else(|| BuildError::Failed(format!("docker did not keep `{reference}`")))?;
        // Ours are not the base's.
        if let Some(labels) = image.config["Labels"].as_object_mut() {
            labels.retain(|name, _| !name.starts_with("dev.imgspec."));
            labels.remove("org.opencontainers.image.base.name");
        }
        Ok(image)
    }

    /// The digest by which the registry of a reference has just this image of the local store.
    fn published(&self, reference: &str, image: &Image, notes: &dyn Notes) -> Option<String> {
        if image.digests.is_empty() {
            return None;
        }
        let question = format!("{reference} {}", image.id);
        let answer = self.published.get(&question, || {
            notes.step(0, 0, &format!("asking the registry of {reference}"));
            let found = registry::digest(reference, &self.docker.registries());
            Ok::<_, Infallible>(found.filter(|digest| image.digests.contains(digest)))
        });
        let Ok(digest) = answer;
        digest
    }
}
