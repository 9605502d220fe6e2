//! Outside images as pinned by the lock, by registry digest or by id in the local store; and resolution of what they
//! are now.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::Daemon;
use crate::asking::Asker;
use crate::backend::buildkit::passing;
use crate::backend::oci::registry;
use crate::backend::{
    BuildError, Existence, Job, Outsider, Resolved, StoreKind, Unresolved, Wanted,
};
use crate::recipe::repository;
use crate::workspace::{LOCK_FILE, Locked, LockedImage};

/// The names by digest of a job's locked registry images, by reference.
pub(crate) fn locked_digests<'a>(
    job: &Job<'a>,
) -> impl Iterator<Item = (String, String)> + use<'a> {
    job.outside.locks().filter_map(|(image, locked)| {
        let LockedImage::Digest(digest) = &locked.image else {
            return None;
        };
        let name = format!("{}@{digest}", repository(&image.name));
        Some((image.name.clone(), name))
    })
}

/// Explains a failure that the lock may have caused, and adds what to do.
pub(super) fn explained(error: BuildError, job: &Job<'_>) -> BuildError {
    let BuildError::Failed(why) = &error else {
        return error;
    };
    let is_gone = ["not found", "manifest unknown"]
        .iter()
        .any(|words| why.contains(words));
    let mut locks = job.outside.locks();
    let named = locks.find(|(_, locked)| why.contains(locked.image.text()));
    match named.filter(|_| is_gone) {
        None => error,
        Some((image, _)) => {
            let name = &image.name;
            BuildError::Failed(format!(
                "{why}: `{LOCK_FILE}` pins this digest for `{name}`; if its registry no longer has it, \
                 `imgspec lock --update {name}` locks what the tag points to now"
            ))
        }
    }
}

impl Daemon {
    /// The names for `FROM` of a job's locked images, by reference.
    pub(super) fn locked(
        &self,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        let mut called: BTreeMap<String, String> = locked_digests(job).collect();
        for (image, locked) in job.outside.locks() {
            match &locked.image {
                LockedImage::Id(id) => {
                    called.insert(image.name.clone(), self.by_id(&image.name, id, asker)?);
                }
                LockedImage::Digest(digest) => {
                    let held = self.held(digest, &job.recipe.platforms, asker)?;
                    called.extend(held.map(|name| (image.name.clone(), name)));
                }
            }
        }
        Ok(called)
    }

    /// Returns a private name of an image that containerd's store has under this digest. It knows images by their names
    /// alone, so `FROM name@digest` asks the registry, which may not answer, or may never have had the image.
    fn held(
        &self,
        digest: &str,
        platforms: &[String],
        asker: Asker<'_>,
    ) -> Result<Option<String>, BuildError> {
        let engine = self.engine(asker)?;
        let own = engine.info.platform.as_ref();
        // Of other platforms it may have only the names.
        let is_own = |platform: &String| own.is_some_and(|own| own.is(platform));
        if !engine.info.containerd_store || !platforms.iter().all(is_own) {
            return Ok(None);
        }
        if self.pins.lacks(digest) {
            return Ok(None);
        }
        let held = self.pin_of(digest, asker)?.ok();
        if held.is_none() {
            self.pins.note_absent(digest);
        }
        Ok(held)
    }

    /// Returns a private name of an image that only the local store has.
    pub(crate) fn by_id(
        &self,
        name: &str,
        id: &str,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        self.pin_of(id, asker)?.map_err(|why| {
            let why = why.trim();
            if passing::is_passing(why) {
                return BuildError::Transient(why.to_owned());
            }
            BuildError::Failed(format!(
                "`{LOCK_FILE}` pins `{name}` to the image {id} of a local store, which this store does not have: build \
                 `{name}` here and run `imgspec lock --update {name}`, or push it to a registry that everyone can reach"
            ))
        })
    }

    /// Resolves outside images: through their registries, or else through the local store.
    pub(crate) fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        let answers = registry::resolve(wanted, &self.registries(), asker);
        let each = wanted.iter().zip(answers);
        each.map(|(wanted, answer)| match answer {
            Err(why @ (Unresolved::Absent | Unresolved::Unknown(_))) => {
                self.resolve_here(*wanted, why, asker)
            }
            answer => answer,
        })
        .collect()
    }

    /// Resolves an image through the local store if its registry could not.
    fn resolve_here(
        &self,
        wanted: Outsider<'_>,
        why: Unresolved,
        asker: Asker<'_>,
    ) -> Result<Resolved, Unresolved> {
        let Ok(Some(image)) = self.image(wanted.reference, asker) else {
            return Err(why);
        };
        let missing: Vec<String> = wanted
            .platforms
            .iter()
            .filter(|platform| !image.platform.is(platform))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let there = vec![image.platform.to_string()];
            return Err(Unresolved::Foreign { missing, there });
        }
        // If the registry does not have the tag, the digest is of no use there either.
        let published = image.digest_in(repository(wanted.reference));
        let published = published.filter(|_| why != Unresolved::Absent);
        let text = published.unwrap_or(&image.id).to_owned();
        let each = wanted.platforms.iter();
        let platforms = each.map(|platform| (platform.clone(), text.clone()));
        Ok(Resolved {
            locked: Locked {
                platforms: platforms.collect(),
                image: match published {
                    Some(_) => LockedImage::Digest(text),
                    None => LockedImage::Id(text),
                },
            },
            instead: Some(why.to_string()),
        })
    }

    /// Finds images that are for other platforms than wanted. `BuildKit` uses such an image anyway, and the result
    /// claims to be for the wanted platform.
    pub(crate) fn foreign(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Option<Unresolved>> {
        // Evaluated only if an image is missing from the local store.
        let own = LazyCell::new(|| self.engine(asker).ok()?.info.platform.clone());
        let each = wanted.iter().flat_map(|one| {
            let platforms = one.platforms.iter();
            platforms.map(|platform| Wanted {
                reference: one.reference,
                place: StoreKind::Local,
                platforms: std::slice::from_ref(platform),
            })
        });
        let each: Vec<Wanted<'_>> = each.collect();
        let mut here = each.iter().zip(self.exists(&each, asker));
        let is_doubtful = |one: &Outsider<'_>| {
            let here: Vec<_> = here.by_ref().take(one.platforms.len()).collect();
            here.into_iter().any(|(wanted, found)| match found {
                Existence::Incomplete { .. } => true,
                // It will be fetched, so only platforms other than the daemon's own can fail to match.
                Existence::Absent => own
                    .as_ref()
                    .is_some_and(|own| !own.is(&wanted.platforms[0])),
                Existence::Present { .. } | Existence::Unknown { .. } => false,
            })
        };
        let is_asked: Vec<bool> = wanted.iter().map(is_doubtful).collect();
        let doubtful = wanted.iter().zip(&is_asked).filter(|(_, asked)| **asked);
        let doubtful: Vec<Outsider<'_>> = doubtful.map(|(wanted, _)| *wanted).collect();
        let mut answers = self.resolve(&doubtful, asker).into_iter();
        let answer = |is_asked: bool| {
            let why = is_asked.then(|| answers.next()).flatten()?.err()?;
            matches!(why, Unresolved::Foreign { .. }).then_some(why)
        };
        is_asked.into_iter().map(answer).collect()
    }
}
