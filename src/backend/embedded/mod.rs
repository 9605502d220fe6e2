//! The embedded builder: assembles images itself, without a daemon, as layers in a store of its own.
//!
//! Steps that do not run anything become layers that do not depend on what is below them, so each is made once. See
//! `docs/design/embedded.md`.

mod account;
mod address;
mod base;
mod build;
mod capture;
mod check;
mod clean;
mod commands;
mod common;
mod config;
mod contents;
mod copy;
mod debian;
mod execute;
mod export;
mod fetch;
mod files;
mod foreign;
mod found;
#[cfg(test)]
mod fuzz;
mod helper;
mod inspect;
mod logins;
mod made;
mod owner;
mod packages;
mod pins;
mod publish;
mod pull;
mod python;
mod render;
mod sdists;
mod sealed;
mod taken;
#[cfg(test)]
mod tests;
mod trees;
mod web;
mod xattrs;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::daemon::Daemon;
use super::oci::name::Digest;
use super::oci::origin::Supply;
use super::oci::registry::{self, Access, TransferError};
use super::oci::store::Store;
use super::packages::{Found as FoundPackages, NotFound, Requested, RequestedDebs};
use super::{
    Artifact, Availability, Backend, BuildError, Cancel, Claimant, CleanUp, Cleaned, Details,
    Existence, Export, Job, Memory, Notes, Outsider, Resolved, StoreKind, Subject, Unresolved,
    Unsupported, Wanted, context, labels, waiting,
};
use crate::asking::Asker;
use crate::disk::cache;
use crate::disk::dir::Rooted;
use crate::recipe::{Recipe, familiar};
use crate::workspace::LockedDeb;
use base::{Source, told};
use common::{ImageNote, NAME, failed};
use found::Found;

/// How often a push makes again what it finds damaged.
const REPAIRS: usize = 8;

/// The embedded builder.
#[derive(Debug)]
pub struct Embedded {
    daemon: Arc<Daemon>,
    access: Access,
    place: Rooted,
    /// Open as long as something needs it.
    store: Mutex<Option<Store>>,
}

/// The directory of the store: in the user's cache, or without one in `state`.
pub(super) fn place(state: &Path, env: &dyn Fn(&str) -> Option<String>) -> Rooted {
    let own = cache::folder(env).unwrap_or_else(|| context::ours(state));
    own.join("images")
}

impl Embedded {
    /// A builder whose store is in this directory. Opens nothing yet. The daemon is only for images that are wanted there.
    pub(super) fn new(daemon: Arc<Daemon>, place: Rooted) -> Self {
        super::sandbox::expect_in(place.path());
        Self {
            access: daemon.registries(),
            daemon,
            place,
            store: Mutex::default(),
        }
    }

    fn store(&self, cancel: &Cancel) -> Result<Store, BuildError> {
        let mut store = self.store.lock();
        if let Some(store) = &*store {
            return Ok(store.clone());
        }
        let opened = Store::open_at(&self.place, &mut waiting(cancel, || {})).map_err(failed)?;
        *store = Some(opened.clone());
        Ok(opened)
    }

    fn source<'a>(
        &'a self,
        store: &'a Store,
        notes: &'a dyn Notes,
        cancel: &'a Cancel,
    ) -> Source<'a> {
        Source {
            store,
            access: &self.access,
            cancel,
            notes,
        }
    }

    /// What the store has under this reference. A store that does not exist has nothing.
    fn find(&self, wanted: &Wanted<'_>) -> Result<Existence, BuildError> {
        if self.place.open().map_err(failed)?.is_none() {
            return Ok(Existence::Absent);
        }
        let store = self.store(&Cancel::default())?;
        let Some(note) = store
            .note(&ImageNote::name(wanted.reference))
            .map_err(failed)?
        else {
            return Ok(Existence::Absent);
        };
        let Ok(note) = serde_json::from_slice::<ImageNote>(&note) else {
            return Ok(Existence::Absent);
        };
        let Some(digest) = Digest::read(&note.digest) else {
            return Ok(Existence::Absent);
        };
        let mut found = Found::default();
        if note.reference != wanted.reference || !found.look(&store, digest) {
            return Ok(Existence::Absent);
        }
        let key = Some(note.key);
        Ok(Existence::present(
            key,
            note.digest,
            Some(found.size),
            &found.platforms,
            wanted.platforms,
        ))
    }
}

/// Gives an image of the store the reference of its job.
fn named(job: &Job<'_>, digest: Digest, store: &Store) -> Result<Artifact, BuildError> {
    let note = ImageNote {
        reference: job.reference.to_owned(),
        key: job.key.to_string(),
        digest: digest.to_string(),
    };
    let text = serde_json::to_vec(&note).expect("texts are JSON");
    store
        .keep_note(&ImageNote::name(job.reference), &text)
        .map_err(failed)?;
    let mut found = Found::default();
    let size = found.look(store, digest).then_some(found.size);
    Ok(job.artifact(NAME, digest.to_string(), size))
}

impl Backend for Embedded {
    fn name(&self) -> &str {
        NAME
    }

    /// Below Docker's: it builds what names no builder where Docker does not answer.
    fn priority(&self) -> u8 {
        5
    }

    fn availability(&self, _: Asker<'_>) -> Availability {
        Availability::Ready {
            versions: Vec::new(),
            remarks: vec![
                "builds without a daemon: copies, Python and its wheels, commands".to_owned(),
            ],
        }
    }

    fn remarks(&self) -> Vec<String> {
        vec![super::sandbox::remark()]
    }

    fn clean(&self, wish: &CleanUp, _: Asker<'_>) -> Result<Cleaned, String> {
        let cleaned = clean::clean(&self.place, wish).map_err(|error| error.to_string())?;
        Ok(cleaned.unwrap_or(Cleaned {
            is_busy: true,
            ..Cleaned::default()
        }))
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        check::check(recipe)
    }

    fn forbidden(&self, recipe: &Recipe) -> Vec<Unsupported> {
        commands::forbidden(recipe)
    }

    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        render::render(job, &context::theirs(to)?)
    }

    fn script(&self) -> &'static str {
        render::SCRIPT
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        let is_remote = |wanted: &&Wanted<'_>| wanted.place == StoreKind::Registry;
        let remote: Vec<Wanted<'_>> = wanted.iter().filter(is_remote).cloned().collect();
        let mut remote = registry::exists(&remote, labels::KEY, &self.access, asker).into_iter();
        let each = wanted.iter().map(|wanted| match wanted.place {
            StoreKind::Registry => remote.next().unwrap_or(Existence::Absent),
            StoreKind::Local => self
                .find(wanted)
                .unwrap_or_else(|error| Existence::Unknown {
                    why: error.to_string(),
                }),
        });
        each.collect()
    }

    fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        registry::resolve(wanted, &self.access, asker)
    }

    fn resolves_packages_of(&self, _: &dyn Backend) -> bool {
        true
    }

    fn packages(
        &self,
        wanted: &[Requested<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<FoundPackages, NotFound>> {
        let cancel = asker.cancel();
        match self.store(cancel) {
            Ok(store) => pins::find(wanted, &self.source(&store, asker.notes(), cancel)),
            Err(error) => {
                let error = NotFound::Failed(error.to_string());
                vec![Err(error); wanted.len()]
            }
        }
    }

    fn locks_debian(&self) -> bool {
        true
    }

    fn debian(
        &self,
        wanted: &[RequestedDebs<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Vec<LockedDeb>, NotFound>> {
        let cancel = asker.cancel();
        match self.store(cancel) {
            Ok(store) => debian::pins::find(wanted, &self.source(&store, asker.notes(), cancel)),
            Err(error) => vec![Err(NotFound::Failed(error.to_string())); wanted.len()],
        }
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let store = self.store(cancel)?;
        let source = self.source(&store, notes, cancel);
        named(job, build::build(job, &source)?, &store)
    }

    fn is_store_own(&self) -> bool {
        true
    }

    fn uses_helper(&self, recipe: &Recipe, name: &str) -> bool {
        recipe.uses_micromamba() && familiar(&recipe.helpers.micromamba) == name
    }

    fn inspect(
        &self,
        subject: Subject<'_>,
        platform: Option<&str>,
        cancel: &Cancel,
    ) -> Option<Result<Details, BuildError>> {
        Some(match subject {
            Subject::Registry(reference) => {
                inspect::of_registry(reference, platform, &self.access, cancel)
            }
            Subject::Built(image) => self.store(cancel).and_then(|store| {
                let digest = Digest::read(&image.digest);
                let digest = digest.ok_or_else(|| failed("it has no digest"))?;
                inspect::of_store(&store, digest, platform)
            }),
        })
    }

    fn measure(&self, details: &mut Details) {
        // Without a store nothing is known.
        if let Ok(store) = self.store(&Cancel::default()) {
            inspect::measure(&store, details);
        }
    }

    fn claimant(&self) -> Option<Claimant> {
        Some(Claimant::new(&self.access))
    }

    fn loads(&self) -> bool {
        true
    }

    fn load(&self, image: &Artifact, asker: Asker<'_>) -> Result<&'static str, BuildError> {
        self.daemon.load(image, asker)
    }

    fn exports(&self) -> bool {
        true
    }

    fn export(
        &self,
        images: &[Artifact],
        to: Export<'_>,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let store = self.store(cancel)?;
        let supply = Supply {
            store: &store,
            access: &self.access,
            asker: Asker::silent().or(cancel),
        };
        for image in images {
            let digest = Digest::read(&image.digest);
            let digest =
                digest.ok_or_else(|| failed(format!("`{}` is no digest", image.digest)))?;
            supply
                .whole(digest)
                .map_err(|error| told(error, &image.reference))?;
        }
        export::write(&store, images, to, cancel)
    }

    fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        place: StoreKind,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        if place == StoreKind::Registry {
            let names = (artifact.reference.as_str(), job.reference);
            let image = (Some(artifact.digest.as_str()), job.key);
            let given = registry::retag(names, image, &self.access, cancel);
            if given.map_err(|error| told(error, job.reference))? {
                return Ok(());
            }
            return self.push(job, artifact, notes, cancel).map(drop);
        }
        let digest = Digest::read(&artifact.digest)
            .ok_or_else(|| failed(format!("`{}` is no digest", artifact.digest)))?;
        named(job, digest, &self.store(cancel)?).map(drop)
    }

    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError> {
        let store = self.store(cancel)?;
        let source = self.source(&store, notes, cancel);
        let digest = Digest::read(&artifact.digest)
            .ok_or_else(|| failed(format!("`{}` is no digest", artifact.digest)))?;
        let mut pushed = publish::push(job, digest, &source);
        for _ in 0..REPAIRS {
            // What was found damaged on the way is gone, and is made again.
            let lost = matches!(pushed, Err(TransferError::Lost(_)));
            if !lost || build::build(job, &source)? != digest {
                break;
            }
            pushed = publish::push(job, digest, &source);
        }
        pushed
            .map(|()| Some(artifact.digest.clone()))
            .map_err(|error| told(error, job.reference))
    }

    fn pull(
        &self,
        job: &Job<'_>,
        digest: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let store = self.store(cancel)?;
        let digest = Digest::read(digest);
        let digest = digest.ok_or_else(|| failed("the registry reports no digest"))?;
        pull::pull(job, digest, &self.source(&store, notes, cancel))?;
        named(job, digest, &store)
    }

    fn memory(&self) -> Option<Memory> {
        self.daemon.memory()
    }
}
