//! What carries recipes out: the trait [`Backend`] and its data.
//!
//! A backend knows one recipe and one job at a time; the graph, keys, records and retries belong to its callers. Everything
//! that differs between backends is behind this trait.

mod buildkit;
mod context;
pub mod daemon;
pub mod docker;
mod dockerfile;
pub mod envd;
pub mod fake;
mod labels;
pub mod oci;
mod platform;
pub mod secret;
mod steps;
pub mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use context::{stage, verify};

pub(crate) use crate::asking::waiting;
pub use crate::cancel::Cancel;
pub use crate::notes::Notes;

use crate::asking::Asker;
use crate::fingerprint::{Files, Key, Outside};
use crate::recipe::Recipe;
use crate::workspace::Locked;

/// A builder of images.
pub trait Backend: Send + Sync {
    /// The name that `builder` and `--builder` give it.
    fn name(&self) -> &str;

    /// The highest wins where nothing else decides.
    fn priority(&self) -> u8;

    /// Whether it can build on this machine, for `doctor`; may start a process.
    fn availability(&self, asker: Asker<'_>) -> Availability;

    /// Removes what killed runs left in its store, but nothing that a run may still need; returns how many items.
    fn clean(&self, _: Asker<'_>) -> Result<usize, String> {
        Ok(0)
    }

    /// The parts of this recipe that it cannot carry out; pure.
    fn check(&self, recipe: &Recipe) -> Vec<Unsupported>;

    /// Writes what a build would send: the Dockerfile and the context.
    ///
    /// # Errors
    /// When a file cannot be read or written, or changed since it was hashed.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError>;

    /// The name of the file among them that says what is done.
    fn script(&self) -> &'static str {
        "Dockerfile"
    }

    /// Which of these references exist, in the same order; all are asked for at once. Without an answer in time, unknown.
    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence>;

    /// What outside images are now, in the same order: as their registries say, else as the local store has them.
    fn resolve(&self, wanted: &[Outsider<'_>], _: Asker<'_>) -> Vec<Result<Resolved, Unresolved>> {
        let why = format!("`{}` does not know how to look for it", self.name());
        vec![Err(Unresolved::Unknown(why)); wanted.len()]
    }

    /// Why a build on these outside images could not be for their platforms, in the same order; none where that is possible,
    /// or not known before.
    fn foreign(&self, wanted: &[Outsider<'_>], _: Asker<'_>) -> Vec<Option<Unresolved>> {
        vec![None; wanted.len()]
    }

    /// Builds one image. The reference names the result only once this returns it.
    ///
    /// # Errors
    /// When the build fails, is cancelled, or its files changed; nothing then has the reference.
    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError>;

    /// Sends what the reference names in the local store to its registry, and returns the digest by which that has it; none
    /// when it did not say.
    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError>;
}

/// Whether a backend can build here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready {
        /// Its components and their versions: `("docker", "28.2.2")`.
        versions: Vec<(String, String)>,
        /// What is worth knowing: which image store, a slow fallback.
        remarks: Vec<String>,
    },
    /// It cannot.
    Missing {
        /// Why, in words.
        why: String,
        /// What to do.
        mend: String,
    },
}

/// A field that a backend cannot honour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The manifest's name of the field, such as `platform`.
    pub field: String,
    /// Why, in words.
    pub why: String,
}

/// An image to look for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// `registry/name:tag`.
    pub reference: &'a str,
    /// Where it must be.
    pub place: StoreKind,
    /// The platforms that it must be for.
    pub platforms: &'a [String],
}

/// An outside image whose content is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Outsider<'a> {
    /// By tag, or by digest: `name@sha256:…`.
    pub reference: &'a str,
    /// The platforms that it must be for.
    pub platforms: &'a [String],
}

/// What an outside image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The image, with the manifests of the platforms that were asked for.
    pub locked: Locked,
    /// Why not its registry said so, but the local store; none when the registry did.
    pub instead: Option<String>,
}

/// Why nobody can say what an outside image is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It is there, but not for these platforms.
    #[error("it is not for {}, only for {}", .missing.join(" and "), .there.join(", "))]
    Foreign {
        /// The platforms that it is not for.
        missing: Vec<String>,
        /// Those that it is for.
        there: Vec<String>,
    },
    /// Its registry does not have it.
    #[error("its registry does not have it")]
    Absent,
    /// There was no answer.
    #[error("{0}")]
    Unknown(String),
}

/// Where an artifact can be.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// The backend's own store on this machine (or its daemon's).
    Local,
    /// The registry that the reference names.
    Registry,
}

impl Existence {
    /// Present if it is for all platforms, incomplete otherwise.
    fn present(
        key: Option<String>,
        digest: String,
        there: &[platform::Platform],
        wanted: &[String],
    ) -> Self {
        let missing = platform::missing(there, wanted);
        if missing.is_empty() {
            return Self::Present { key, digest };
        }
        let missing = missing.into_iter().map(str::to_owned).collect();
        Self::Incomplete { missing }
    }
}

/// Whether a reference exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    /// It is there.
    Present {
        /// The image's `dev.imgspec.key` label.
        key: Option<String>,
        /// Image id or manifest digest.
        digest: String,
    },
    /// It is there, but not for all platforms.
    Incomplete {
        /// The platforms that it is not for.
        missing: Vec<String>,
    },
    /// It does not exist.
    Absent,
    /// There was no answer; never read as "present".
    Unknown {
        /// Why, in words.
        why: String,
    },
}

/// Everything that a backend needs to build one image.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The image's id.
    pub image: &'a str,
    /// What to do.
    pub recipe: &'a Recipe,
    /// The image's key, for its label.
    pub key: &'a Key,
    /// What the result is called.
    pub reference: &'a str,
    /// The digests of the recipe's file sets, in the order of [`Recipe::file_sets`]: what is sent must be just this.
    pub files: &'a [Arc<Files>],
    /// The images that the recipe needs, by id.
    pub bases: BTreeMap<String, Artifact>,
    /// The images of registries that it is made of, and what they are to be.
    pub outside: &'a Outside,
    /// Whether every step must run again, whatever the backend has cached.
    pub no_cache: bool,
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// A directory for this image's contexts; emptied by whoever uses it.
    pub scratch: PathBuf,
}

impl Job<'_> {
    /// An image that the recipe needs, which was built before.
    fn base(&self, id: &str) -> Result<&Artifact, BuildError> {
        self.bases.get(id).ok_or_else(|| {
            BuildError::Failed(format!("`{}` needs `{id}`, which is not built", self.image))
        })
    }

    /// What a backend made of it.
    fn artifact(&self, backend: &str, digest: String) -> Artifact {
        Artifact {
            backend: backend.to_owned(),
            reference: self.reference.to_owned(),
            digest,
        }
    }
}

/// A built image, as its backend can find it again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Artifact {
    /// The backend that made it.
    pub backend: String,
    /// `registry/name:tag`.
    pub reference: String,
    /// Image id or manifest digest, `sha256:…`.
    pub digest: String,
}

/// Why a build has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The recipe cannot be carried out: a command failed, a package does not exist. Another try would not help.
    #[error("{0}")]
    Failed(String),
    /// A transient failure of the network, the registry or the daemon. Worth another try.
    #[error("{0}")]
    Transient(String),
    /// A step failed that a field of the manifest asked for.
    #[error("{error}")]
    Step {
        /// The field, as the image's places name it: `base-image`, `commands[1]`.
        field: String,
        /// What went wrong.
        error: Box<BuildError>,
    },
    /// A file is not what was hashed.
    #[error("`{path}` changed while it was being read")]
    Moved {
        /// The file, relative to the workspace root.
        path: String,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Cancelled,
}

impl BuildError {
    /// Whether another try may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) => true,
            Self::Step { error, .. } => error.is_transient(),
            Self::Failed(_) | Self::Moved { .. } | Self::Cancelled => false,
        }
    }

    /// The field of the manifest that asked for what failed, where that is known.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Step { field, .. } => Some(field),
            _ => None,
        }
    }

    /// The same error in other words.
    pub(crate) fn reworded(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(words(why)),
            Self::Transient(why) => Self::Transient(words(why)),
            Self::Step { field, error } => Self::Step {
                field,
                error: Box::new(error.reworded(words)),
            },
            error => error,
        }
    }

    /// A failure that may be transient.
    pub(crate) fn of(why: String, is_transient: bool) -> Self {
        if is_transient {
            Self::Transient(why)
        } else {
            Self::Failed(why)
        }
    }
}
