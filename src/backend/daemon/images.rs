//! The images of the local store, and their names, including private ones.

use super::Daemon;
use super::engine::NoEngine;
use super::inspect::{self, LocalImage};
use super::pins::{self, Pins};
use crate::asking::Asker;
use crate::backend::buildkit::passing;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry;
use crate::backend::{Artifact, BuildError, Job, StoreKind};
use crate::cancel::Cancel;
use crate::process::{Output, Stream};

const REMOVERS: usize = 8;

impl Daemon {
    pub(crate) fn ready(&self, asker: Asker<'_>) -> Result<(), BuildError> {
        self.engine(asker).map(drop).map_err(BuildError::from)
    }

    /// Returns a new private name for an image; it is removed at the end of the run.
    pub(crate) fn private_name(&self) -> String {
        self.pins.next()
    }

    /// Looks up an image of the local store by name or id; `None` if it does not exist.
    pub(crate) fn image(
        &self,
        name: &str,
        asker: Asker<'_>,
    ) -> Result<Option<LocalImage>, BuildError> {
        let head = ["image", "inspect", "--format", "{{json .}}", "--", name];
        let said = self.told(&head, asker)?;
        if said.success {
            return LocalImage::read(&said.out).map(Some).ok_or_else(|| {
                BuildError::Failed(format!("docker's answer for `{name}` cannot be parsed"))
            });
        }
        let why = said.err.trim();
        if why.to_lowercase().contains("no such image") {
            return Ok(None);
        }
        Err(BuildError::Transient(why.to_owned()))
    }

    /// Returns a name of exactly this image: a private one, or one by digest if only a registry has it.
    pub(crate) fn pinned(
        &self,
        id: &str,
        base: &Artifact,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        let why = match self.pin_of(&base.digest, asker)? {
            Ok(name) => return Ok(name),
            Err(why) => why,
        };
        let why = why.trim();
        if passing::is_passing(why) {
            return Err(BuildError::Transient(why.to_owned()));
        }
        match Reference::read(&base.reference) {
            Some(reference) if reference.has_host => {
                Ok(format!("{}@{}", reference.repository, base.digest))
            }
            _ => Err(BuildError::Failed(format!(
                "`{id}`, which it is built on, is no longer in the local store: {why}"
            ))),
        }
    }

    /// Whether a build failed for want of a blob of a base that is better named as its registry does, which is done from now on.
    /// Pulling leaves out layers that containerd's store has unpacked already, out of other blobs; under a private name nobody
    /// has the missing ones.
    pub(super) fn unpins(&self, error: &BuildError, job: &Job<'_>) -> bool {
        let lacking = format!("/{}/blobs/", pins::REPOSITORY);
        if !error.to_string().contains(&lacking) {
            return false;
        }
        let mut is_new = false;
        for base in job.bases.values() {
            let Some(of) = Reference::read(&base.reference).filter(|of| of.has_host) else {
                continue;
            };
            let name = format!("{}@{}", of.repository, base.digest);
            let there = registry::digest(&base.reference, &self.registries());
            if there.as_ref() == Some(&base.digest)
                && self.pins.of(&base.digest) != Some(name.clone())
            {
                self.pins.note(&base.digest, &name);
                is_new = true;
            }
        }
        is_new
    }

    /// Returns the private name of an image, creating one if necessary; the inner error is the daemon's reason for
    /// refusing.
    pub(super) fn pin_of(
        &self,
        digest: &str,
        asker: Asker<'_>,
    ) -> Result<Result<String, String>, BuildError> {
        if let Some(name) = self.pins.of(digest) {
            return Ok(Ok(name));
        }
        let name = self.pins.next();
        let said = self.told(&["image", "tag", digest, &name], asker)?;
        if said.success {
            self.pins.note(digest, &name);
            return Ok(Ok(name));
        }
        Ok(Err(said.err))
    }

    /// Records a private name as the one by which others are built on its image.
    pub(crate) fn pin(&self, image: &LocalImage, name: &str) {
        self.pins.note(&image.id, name);
    }

    pub(crate) fn name(&self, image: &str, name: &str, asker: Asker<'_>) -> Result<(), BuildError> {
        let said = self.told(&["image", "tag", image, name], asker)?;
        if said.success {
            return Ok(());
        }
        let why = said.err.trim().to_owned();
        let is_transient = passing::is_passing(&why);
        Err(BuildError::of(why, is_transient))
    }

    /// Gives an image of the local store, or of a registry, the further name that the job has.
    pub(crate) fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        place: StoreKind,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let name = job.reference;
        if place == StoreKind::Registry {
            let names = (artifact.reference.as_str(), name);
            // The classic store calls an image by its config, which registries fail to read as a manifest.
            let is_manifest = self.engine(asker)?.info.containerd_store;
            let digest = Some(artifact.digest.as_str()).filter(|_| is_manifest);
            let given =
                registry::retag(names, (digest, job.key), &self.registries(), asker.cancel());
            if given.map_err(|error| error.of_image(name))? {
                return Ok(());
            }
        }
        self.name(&artifact.digest, name, asker)?;
        if place == StoreKind::Registry {
            self.push(job, name, &artifact.digest, asker)?;
        }
        Ok(())
    }

    /// Removes a name; the image stays if it has another.
    pub(crate) fn forget(&self, name: &str) {
        self.remove_names(&[name]);
    }

    pub(super) fn remove_names(&self, names: &[&str]) {
        // A single call removes names one by one. When an image loses its last name, containerd's store runs a garbage
        // collection, but only one for all concurrent removals.
        let share = names.len().div_ceil(REMOVERS).clamp(1, inspect::AT_ONCE);
        std::thread::scope(|scope| {
            for some in names.chunks(share) {
                scope.spawn(move || {
                    let head = ["image", "rm"];
                    let arguments: Vec<&str> = head.iter().chain(some).copied().collect();
                    // A name that cannot be removed costs only a line in `docker images`.
                    let _ = self.listen(&arguments, &Cancel::default(), |_, _| {});
                });
            }
        });
    }

    /// Removes the private names that killed runs left behind; returns their number.
    pub(crate) fn clean_pins(&self, asker: Asker<'_>) -> Result<usize, String> {
        self.clean_names(Pins::is_left, asker)
    }

    /// Removes all names in the local store for which `is_left` holds; returns their number.
    pub(crate) fn clean_names(
        &self,
        is_left: impl Fn(&str) -> bool,
        asker: Asker<'_>,
    ) -> Result<usize, String> {
        if self.program.is_none() {
            return Ok(0);
        }
        // Listing thousands of images takes long, so first check that the daemon is alive.
        self.lives(asker)?;
        let list = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
        let (mut left, mut complaint) = (Vec::new(), String::new());
        let exit = self.listen(&list, asker.cancel(), |stream, line| match stream {
            Stream::Out if is_left(line) => left.push(line.to_owned()),
            Stream::Out => {}
            Stream::Err => line.clone_into(&mut complaint),
        });
        if !exit.map_err(|error| error.to_string())?.status.success() {
            return Err(complaint);
        }
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        self.remove_names(&left);
        Ok(left.len())
    }

    /// Runs a short `docker` command for a build.
    pub(super) fn told(&self, arguments: &[&str], asker: Asker<'_>) -> Result<Output, BuildError> {
        if self.program.is_none() {
            return Err(NoEngine::no_program().into());
        }
        self.ask(arguments, asker).map_err(|error| {
            if asker.is_cancelled() {
                return BuildError::Cancelled;
            }
            NoEngine::unreached(&self.whom(), &error).into()
        })
    }
}
