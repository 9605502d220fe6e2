//! Builders: the trait [`Backend`] and its data.
//!
//! A backend handles one recipe and one job at a time; the graph, keys, records and retries belong to its callers.
//! Everything that differs between builders is behind this trait.

mod answers;
mod buildkit;
mod cleaning;
mod conda;
mod context;
pub mod daemon;
mod details;
pub mod docker;
mod dockerfile;
pub mod elsewhere;
pub mod embedded;
pub mod envd;
mod error;
pub mod fake;
mod label_names;
mod labels;
pub(crate) mod leaving;
pub mod oci;
mod once;
pub mod packages;
mod pinned;
mod platform;
mod questions;
mod runtime;
mod sandbox;
pub mod secret;
mod steps;
pub mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use answers::{Existence, Resolved, Unresolved};
pub use cleaning::{CleanUp, Cleaned};
pub use context::{stage, verify};
pub use details::{ConfigDetails, Details, LayerDetails};
pub use error::BuildError;
pub(crate) use oci::registry::{Attempt, Claim, ClaimError, Keeping, Memo, Place, Recall, Seen};
pub use oci::registry::{Claimant, Memory};
pub use questions::{Outsider, StoreKind, Unplaced, Wanted};

pub(crate) use crate::asking::waiting;
pub use crate::cancel::Cancel;
pub use crate::notes::Notes;

use crate::asking::Asker;
use crate::fingerprint::{Files, Key, Outside};
use crate::recipe::{Recipe, Wishes};
use crate::workspace::LockedDeb;

/// A builder of images.
pub trait Backend: Send + Sync {
    /// The name used by `builder` and `--builder`.
    fn name(&self) -> &str;

    /// The priority of the backend; the highest wins where nothing else decides.
    fn priority(&self) -> u8;

    /// Whether what it builds with is there, as far as can be told at once, without a process: if not, another backend
    /// builds the images that name none.
    fn is_there(&self) -> bool {
        true
    }

    /// Whether it can build on this machine, for `doctor`; may start a process.
    fn availability(&self, asker: Asker<'_>) -> Availability;

    /// What else `doctor` says of it where it can build; may start a process.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Removes what killed runs left in its store, and what `wish` says, except what a run may still need.
    ///
    /// # Errors
    ///
    /// Fails with a description if the store could not be queried, or is in use.
    fn clean(&self, wish: &CleanUp, asker: Asker<'_>) -> Result<Cleaned, String> {
        let _ = (wish, asker);
        Ok(Cleaned::default())
    }

    /// The parts of this recipe that it cannot carry out; pure.
    fn check(&self, recipe: &Recipe) -> Vec<Unsupported>;

    /// What it cannot use of a recipe's files, as far as a look at them tells.
    fn check_files(&self, _: &Recipe, _: &[Arc<Files>]) -> Vec<Unsupported> {
        Vec::new()
    }

    /// The parts of a recipe that it could carry out, but not on this machine; may start a process, so it is asked only about images
    /// that are to be built.
    fn forbidden(&self, _: &Recipe) -> Vec<Unsupported> {
        Vec::new()
    }

    /// Writes what a build would send: the Dockerfile and the context.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or written, or if it changed since it was hashed.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError>;

    /// The name of the rendered file that contains the build instructions.
    fn script(&self) -> &'static str {
        "Dockerfile"
    }

    /// Whether each of these references exists, in the same order, queried all at once; unknown if there is no answer
    /// in time.
    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence>;

    /// What outside images currently are, in the same order: according to their registries, or else to the local store.
    fn resolve(&self, wanted: &[Outsider<'_>], _: Asker<'_>) -> Vec<Result<Resolved, Unresolved>> {
        let why = format!("`{}` cannot look it up", self.name());
        vec![Err(Unresolved::Unknown(why)); wanted.len()]
    }

    /// Whether it resolves the Python packages of images that this backend builds.
    fn resolves_packages_of(&self, _: &dyn Backend) -> bool {
        false
    }

    /// The Python packages that these steps would install now, in the same order.
    fn packages(
        &self,
        wanted: &[packages::Requested<'_>],
        _: Asker<'_>,
    ) -> Vec<Result<packages::Found, packages::NotFound>> {
        let why = format!("`{}` does not resolve packages", self.name());
        vec![Err(packages::NotFound::Unknowable(why)); wanted.len()]
    }

    /// Whether it installs the Debian packages that the lock has, and finds out which those are.
    fn locks_debian(&self) -> bool {
        false
    }

    /// The Debian packages that would be installed now, in the same order.
    fn debian(
        &self,
        wanted: &[packages::RequestedDebs<'_>],
        _: Asker<'_>,
    ) -> Vec<Result<Vec<LockedDeb>, packages::NotFound>> {
        let why = format!("`{}` does not lock Debian packages", self.name());
        vec![Err(packages::NotFound::Unknowable(why)); wanted.len()]
    }

    /// Why a build on each of these outside images could not target its platforms, in the same order; `None` if it
    /// could, or if that is not known in advance.
    fn foreign(&self, wanted: &[Outsider<'_>], _: Asker<'_>) -> Vec<Option<Unresolved>> {
        vec![None; wanted.len()]
    }

    /// Whether it builds a recipe with this helper image of the recipe, such as uv's.
    fn uses_helper(&self, recipe: &Recipe, name: &str) -> bool {
        let _ = (recipe, name);
        true
    }

    /// Whether its images are in a store that no other builder reads.
    fn is_store_own(&self) -> bool {
        false
    }

    /// Whether it can build on images of such a store nevertheless.
    fn borrows(&self) -> bool {
        false
    }

    /// Whether its images go to their registries as they are built, and nowhere else.
    fn leaves(&self) -> bool {
        false
    }

    /// The nodes on which it would build these images, in the same order, as far as that can be known in advance; `None` if there are
    /// not several. Bases come before what is built on them.
    fn nodes(&self, images: &[Unplaced<'_>], _: Asker<'_>) -> Vec<Option<String>> {
        vec![None; images.len()]
    }

    /// Makes claims on its images in their registries, for one run, so that runs on other machines leave them to this one; `None` if
    /// its images are in no registry of that kind.
    fn claimant(&self) -> Option<Claimant> {
        None
    }

    /// Whether it can bring its images into the local Docker or Podman.
    fn loads(&self) -> bool {
        false
    }

    /// Brings an image that it has built into the local Docker or, if that does not answer, into Podman, where its reference
    /// then names it. Returns which of them has it.
    ///
    /// # Errors
    ///
    /// Fails if it cannot do that, or if neither answers.
    fn load(&self, _: &Artifact, _: Asker<'_>) -> Result<&'static str, BuildError> {
        let why = format!("the builder `{}` has no images for Docker", self.name());
        Err(BuildError::Failed(why))
    }

    /// Whether it can write its images to files.
    fn exports(&self) -> bool {
        false
    }

    /// Writes images that it has built.
    ///
    /// # Errors
    ///
    /// Fails if it cannot do that, if an image is not whole, if it cannot be written, or if it is cancelled.
    fn export(&self, _: &[Artifact], _: Export<'_>, _: &Cancel) -> Result<(), BuildError> {
        let why = format!(
            "the builder `{}` does not write images to files",
            self.name()
        );
        Err(BuildError::Failed(why))
    }

    /// What an image consists of, for this platform, or the first one that it has; `None` if it cannot tell.
    fn inspect(
        &self,
        _: Subject<'_>,
        _: Option<&str>,
        _: &Cancel,
    ) -> Option<Result<Details, BuildError>> {
        None
    }

    /// Adds what its store knows of an image's layers: their sizes unpacked.
    fn measure(&self, _: &mut Details) {}

    /// Builds one image. The reference names the result only once this returns.
    ///
    /// # Errors
    ///
    /// Fails if the build fails or is cancelled, or if its files changed; the reference then names nothing new.
    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError>;

    /// Gives an image that it has built a further name, the job's reference: in its own store, or in the registry of that name, where the
    /// image is by then under its own reference.
    ///
    /// # Errors
    ///
    /// Fails if that is not possible, or if the store or the registry refuses.
    fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        place: StoreKind,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let _ = (job, artifact, place, notes, cancel);
        let why = format!("the builder `{}` gives images one name only", self.name());
        Err(BuildError::Failed(why))
    }

    /// Pushes the image that the reference names in the local store to its registry. Returns the digest under which the
    /// registry stored it; `None` if the registry did not report one.
    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError>;

    /// Brings an image that its registry has into the backend's own store, under the job's reference; `digest` is the image's in the
    /// registry.
    ///
    /// # Errors
    ///
    /// Fails if it cannot do that, or if the image is not the one with the job's key.
    fn pull(
        &self,
        job: &Job<'_>,
        digest: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let _ = (job, digest, notes, cancel);
        let why = format!("the builder `{}` does not pull images", self.name());
        Err(BuildError::Failed(why))
    }

    /// What the registries of its images remember of builds; `None` if nothing is kept there.
    fn memory(&self) -> Option<Memory> {
        None
    }
}

/// To be called first in `main` by every program that builds with the builder `oci`: makes this process the one from which sandboxes are
/// forked, in which commands of images run, if it was started as that, and then does not return. Other programs need `imgspec` in `PATH`
/// for that.
pub fn serve_sandbox() {
    sandbox::serve();
}

/// Ends the process from which sandboxes are forked, if there is one, and waits for its end. Without this it ends a moment after this
/// process.
pub fn end_sandboxes() {
    sandbox::end();
}

/// An image to look into.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// One that the backend has built.
    Built(&'a Artifact),
    /// One of a registry, by reference.
    Registry(&'a str),
}

/// Where images are written.
pub enum Export<'a> {
    /// A directory, as an OCI layout.
    Layout(&'a Path),
    /// A stream, as an archive that `docker load` takes.
    Archive(&'a mut dyn std::io::Write),
}

/// Whether a backend can build on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can build.
    Ready {
        /// Its components and their versions, such as `("docker", "28.2.2")`.
        versions: Vec<(String, String)>,
        /// Useful details, such as the image store or a slow fallback.
        remarks: Vec<String>,
    },
    /// It cannot build.
    Missing {
        /// The reason.
        why: String,
        /// How to fix it.
        mend: String,
    },
}

/// A field that a backend cannot honor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The field's name in the manifest, such as `platform`.
    pub field: String,
    /// The reason.
    pub why: String,
}

/// Everything that a backend needs to build one image.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The image's id.
    pub image: &'a str,
    /// The steps and configuration of the image.
    pub recipe: &'a Recipe,
    /// The image's key, for its label.
    pub key: &'a Key,
    /// The reference of the result.
    pub reference: &'a str,
    /// The recipe's hashed file sets, in the order of [`Recipe::file_sets`]: exactly these contents must be sent.
    pub files: &'a [Arc<Files>],
    /// The artifacts of the workspace images that the recipe needs, by image id.
    pub bases: BTreeMap<String, Artifact>,
    /// The registry images that the recipe uses, with their pinned content.
    pub outside: &'a Outside,
    /// Whether every step must run again, regardless of the backend's cache.
    pub no_cache: bool,
    /// Whether this run builds other images on the result.
    pub is_base: bool,
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// The scratch directory for this image's contexts; its user empties it.
    pub scratch: PathBuf,
}

impl Job<'_> {
    /// The artifact of a workspace image that the recipe needs.
    fn base(&self, id: &str) -> Result<&Artifact, BuildError> {
        self.bases.get(id).ok_or_else(|| {
            BuildError::Failed(format!("`{}` needs `{id}`, which is not built", self.image))
        })
    }

    /// The artifact of this job's build.
    fn artifact(&self, backend: &str, digest: String, size: Option<u64>) -> Artifact {
        Artifact {
            backend: backend.to_owned(),
            reference: self.reference.to_owned(),
            digest,
            size,
        }
    }
}

/// Why an image that was pulled is of no use.
const OTHER_IMAGE: &str =
    "its tag in the registry now names an image with another key; somebody moved it a moment ago";

/// The fields for caches in registries, refused by a builder that has none.
fn refused_caches(wishes: &Wishes, why: &str) -> Vec<Unsupported> {
    let fields = [
        ("cache-from", &wishes.cache_from),
        ("cache-to", &wishes.cache_to),
    ];
    let set = fields.into_iter().filter(|(_, caches)| !caches.is_empty());
    set.map(|(field, _)| Unsupported {
        field: field.to_owned(),
        why: why.to_owned(),
    })
    .collect()
}

/// Why a builder does not honor `compression`.
const COMPRESSION: &str = "how layers are compressed is the daemon's choice";

/// Why a builder does not honor `base-image debian=`.
const DEBIAN: &str = "systems of Debian's packages are made by the builder `oci`: declare an image with `builder \"oci\"` and this base, and name it with `base-image image=`";

/// A built image, with what its backend needs to find it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Artifact {
    /// The name of the backend that built it.
    pub backend: String,
    /// The reference, `registry/name:tag`.
    pub reference: String,
    /// The image id or manifest digest, `sha256:…`.
    pub digest: String,
    /// How many bytes it takes in the backend's store, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}
