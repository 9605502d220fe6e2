//! How images of the local store become pullable: by a push to a registry, the user's or our own.
//!
//! The choices made: the exchange, a registry that this program itself is, is opened when the first base needs it and closed with the
//! backend; it is the daemon that sends the layers, so whatever keeps its images keeps its ways. A base is named by what it
//! is, so that it is sent once, whoever builds on it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::docker::Docker;
use crate::backend::oci::exchange::Exchange;
use crate::backend::oci::store::Store;
use crate::backend::{Artifact, BuildError, Cancel, Notes};

/// The variable that names a registry which images are pushed to so that envd can pull them: `host`, or `host/folder`.
pub const REGISTRY: &str = "IMGSPEC_ENVD_REGISTRY";

/// What bases are called there.
const REPOSITORY: &str = "imgspec-base";

/// Makes images of the local store pullable.
pub trait Offer: Send + Sync + fmt::Debug {
    /// A reference by which both envd and what builds for it can pull this image.
    ///
    /// # Errors
    /// When it cannot be made pullable.
    fn offer(
        &self,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError>;
}

/// Offers by pushing to a registry.
pub(super) struct Pushing {
    docker: Arc<Docker>,
    to: To,
    /// What was pushed, by digest: who builds on the same base waits for the one push and takes its name.
    pushed: Mutex<BTreeMap<String, Arc<Mutex<Option<String>>>>>,
}

enum To {
    /// One of the user's.
    Registry(String),
    /// Ours, over the store in this folder; not open before it is needed.
    Exchange(PathBuf, Mutex<Option<Exchange>>),
}

impl fmt::Debug for Pushing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            To::Registry(registry) => write!(formatter, "Pushing to {registry}"),
            To::Exchange(folder, _) => write!(formatter, "Exchange at {}", folder.display()),
        }
    }
}

impl Pushing {
    /// To this registry, or else to the exchange over the store in this folder.
    pub(super) fn new(docker: Arc<Docker>, registry: Option<String>, store: PathBuf) -> Self {
        let to = match registry {
            Some(registry) => To::Registry(registry),
            None => To::Exchange(store, Mutex::default()),
        };
        Self {
            docker,
            to,
            pushed: Mutex::default(),
        }
    }

    fn repository(&self) -> Result<String, BuildError> {
        let (folder, exchange) = match &self.to {
            To::Registry(registry) => return Ok(format!("{registry}/{REPOSITORY}")),
            To::Exchange(folder, exchange) => (folder, exchange),
        };
        let failed = |error: &dyn fmt::Display| {
            BuildError::Failed(format!(
                "envd takes bases from registries only, and the one on this machine cannot be opened: {error}"
            ))
        };
        let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if exchange.is_none() {
            let store = Store::open(folder).map_err(|error| failed(&error))?;
            *exchange = Some(Exchange::start(&store).map_err(|error| failed(&error))?);
        }
        let open = exchange.as_ref().expect("it was opened above");
        open.repository(REPOSITORY).map_err(|error| failed(&error))
    }

    /// What to do where the daemon cannot reach the exchange.
    fn explain(&self, error: BuildError) -> BuildError {
        match (error, &self.to) {
            (BuildError::Failed(why) | BuildError::Transient(why), To::Exchange(..)) => {
                BuildError::Failed(format!(
                    "{why}: envd takes bases from registries only, and the Docker daemon has to reach one on this machine's 127.0.0.1; \
                 where it runs elsewhere, name a registry that both reach in {REGISTRY}"
                ))
            }
            (error, _) => error,
        }
    }
}

impl Offer for Pushing {
    fn offer(
        &self,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError> {
        let known = {
            let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pushed.entry(artifact.digest.clone()).or_default())
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = &*known {
            return Ok(name.clone());
        }
        let name = self.push(artifact, notes, cancel)?;
        *known = Some(name.clone());
        Ok(name)
    }
}

impl Pushing {
    fn push(
        &self,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError> {
        let digest = artifact.digest.trim_start_matches("sha256:");
        let tag = digest.get(..32).unwrap_or(digest);
        let name = format!("{}:{tag}", self.repository()?);
        self.docker.name(&artifact.digest, &name)?;
        let pushed = Artifact {
            reference: name.clone(),
            ..artifact.clone()
        };
        let done = self.docker.push_from(&pushed, notes, cancel);
        self.docker.forget(&name);
        done.map_err(|error| self.explain(error)).map(|()| name)
    }
}
