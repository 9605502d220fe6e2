//! Images that leave through their registry: what builders have in common that keep no images for this machine to ask about or to
//! build on.
//!
//! Such an image exists where its registry has it, others are built on it by its digest there, and it is pushed by its
//! build. What the builder reports is not believed until the registry has confirmed it.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::daemon::{locked_digests, not_for};
use super::dockerfile::Called;
use super::oci::name::Digest;
use super::oci::reference::Reference;
use super::oci::registry::{self, Access};
use super::{
    Artifact, BuildError, Existence, Job, Outsider, StoreKind, Unresolved, Wanted, labels,
};
use crate::asking::Asker;
use crate::fingerprint::Outside;
use crate::workspace::{LOCK_FILE, LockedImage};

/// Images whose only store is their registry.
#[derive(Debug)]
pub(super) struct Leaving {
    access: Access,
    /// The names by digest of images that their registries are known to have.
    confirmed: Mutex<BTreeSet<String>>,
}

impl Leaving {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            confirmed: Mutex::default(),
        }
    }

    /// The existence of each of these references, in order, whichever place it is asked about; each is asked about once. One
    /// without a registry exists nowhere.
    pub(super) fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        let in_registry = wanted
            .iter()
            .filter(|wanted| wanted.place == StoreKind::Registry);
        let in_registry: BTreeSet<&str> = in_registry.map(|wanted| wanted.reference).collect();
        let has_registry = |wanted: &Wanted<'_>| {
            let read = || Reference::read(wanted.reference);
            in_registry.contains(wanted.reference) || read().is_some_and(|read| read.has_host)
        };
        let mut at: BTreeMap<(&str, &[String]), usize> = BTreeMap::new();
        let mut questions: Vec<Wanted<'_>> = Vec::new();
        for wanted in wanted.iter().filter(|wanted| has_registry(wanted)) {
            at.entry((wanted.reference, wanted.platforms))
                .or_insert_with(|| {
                    questions.push(wanted.clone());
                    questions.len() - 1
                });
        }
        let answers = registry::exists(&questions, labels::KEY, &self.access, asker);
        let answer = |wanted: &Wanted<'_>| {
            let at = at.get(&(wanted.reference, wanted.platforms));
            at.map_or(Existence::Absent, |at| answers[*at].clone())
        };
        wanted.iter().map(answer).collect()
    }

    /// Why a build on each of these outside images could not target its platforms, according to their registries.
    pub(super) fn foreign(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Option<Unresolved>> {
        let answers = registry::resolve(wanted, &self.access, asker);
        let foreign = |why: &Unresolved| matches!(why, Unresolved::Foreign { .. });
        let answers = answers.into_iter();
        answers.map(|answer| answer.err().filter(foreign)).collect()
    }

    /// Gives an image that its registry has the further name that the job has.
    pub(super) fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let (own, name) = (artifact.reference.as_str(), job.reference);
        let image = (Some(artifact.digest.as_str()), job.key);
        let given = registry::retag((own, name), image, &self.access, asker.cancel());
        if given.map_err(|error| error.of_image(name))? {
            return Ok(());
        }
        Err(BuildError::Failed(format!(
            "`{name}` cannot be made of `{own}` in the registry: it no longer has this image, or does not mount layers of other \
             repositories, and this machine does not have them"
        )))
    }

    /// Checks that the registry has what a builder says it has pushed: the image of this job, for its platforms.
    pub(super) fn confirm(
        &self,
        job: &Job<'_>,
        digest: &str,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let name = by_digest(job.reference, digest).ok_or_else(|| {
            BuildError::Failed(format!(
                "the builder reports `{digest}`, which is no digest"
            ))
        })?;
        if self.confirmed.lock().contains(&name) {
            return Ok(());
        }
        asker.step("asking the registry for the image");
        let wanted = Wanted {
            reference: &name,
            place: StoreKind::Registry,
            platforms: &job.recipe.platforms,
        };
        let found = registry::exists(&[wanted], labels::KEY, &self.access, asker);
        match found.into_iter().next() {
            Some(found) if found.has(job.key) => {
                self.confirmed.lock().insert(name);
                Ok(())
            }
            Some(Existence::Present { .. }) => Err(BuildError::Failed(format!(
                "the registry has another image as `{name}`, which the builder says it has pushed"
            ))),
            Some(Existence::Incomplete { missing }) => Err(not_for(&missing)),
            Some(Existence::Absent) => Err(BuildError::Failed(format!(
                "the builder says it has pushed `{name}`, but the registry does not have it: both must mean the same registry \
                 by this name"
            ))),
            Some(Existence::Unknown { why }) => Err(BuildError::Transient(format!(
                "it is built, but could not be found as `{name}`: {why}"
            ))),
            None => Err(BuildError::Failed(format!("nobody knows `{name}`"))),
        }
    }
}

/// The names for `FROM` of the images that a job uses: those of the workspace by their digests in their registries, those
/// of the lock by theirs.
pub(super) fn called(job: &Job<'_>) -> Result<Called, BuildError> {
    if let Some((image, id)) = ids(job.outside).next() {
        return Err(BuildError::Failed(local_only(image, id)));
    }
    let parent = |id: &str| {
        let name = pinned(job.base(id)?).ok_or_else(|| {
            BuildError::Failed(format!(
                "`{id}`, which it is built on, has no digest in a registry"
            ))
        })?;
        Ok((id.to_owned(), name))
    };
    Ok(Called {
        parents: job
            .recipe
            .images()
            .map(parent)
            .collect::<Result<_, BuildError>>()?,
        locked: locked_digests(job).collect(),
    })
}

/// The name of exactly this image in its registry; `None` if it has no digest.
pub(super) fn pinned(image: &Artifact) -> Option<String> {
    by_digest(&image.reference, &image.digest)
}

fn by_digest(reference: &str, digest: &str) -> Option<String> {
    let digest = Digest::read(digest)?;
    let repository = Reference::read(reference)?.repository;
    Some(format!("{repository}@{digest}"))
}

/// The images that are locked to ids of a local store, with these.
pub(crate) fn ids(outside: &Outside) -> impl Iterator<Item = (&str, &str)> {
    outside
        .locks()
        .filter_map(|(image, locked)| match &locked.image {
            LockedImage::Id(id) => Some((image.name.as_str(), id.as_str())),
            LockedImage::Digest(_) => None,
        })
}

/// Why an image that is locked to an id of a local store cannot be used.
pub(crate) fn local_only(image: &str, id: &str) -> String {
    format!(
        "`{LOCK_FILE}` pins `{image}` to the image {id} of a local store, which no builder elsewhere can reach: push it to a registry, and run \
         `imgspec lock --update {image}`"
    )
}
