//! A registry on the loopback interface that runs inside this process while a run needs it, so that one backend can
//! build on what another built.
//!
//! Independent of any backend. It listens only on a free port of 127.0.0.1. Every repository name begins with a random
//! word, so that no other user of the machine can push under its names, and every blob of the store exists in every
//! repository, so that nothing is sent twice. See `docs/design/exchange.md`.

mod answer;
mod blobs;
mod call;
#[cfg(test)]
mod fuzz;
mod manifests;
mod range;
mod route;
mod serve;
#[cfg(test)]
mod tests;
mod uploads;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use super::manifest::{self, Manifest, ManifestError};
use super::name::{Digest, Repository, Version};
use super::store::{Links, Store, StoreError, Stored};
use crate::limits::Limits;
use crate::loopback::{Loopback, random_word};
use call::{Served, Uploads};

/// A running registry. When it is dropped, it stops listening, and everything pushed loses its name.
#[derive(Debug)]
pub struct Exchange {
    served: Arc<Served>,
    _server: Loopback,
}

/// An error of the exchange.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An error of the operating system.
    #[error("cannot start a registry on 127.0.0.1: {0}")]
    System(#[from] io::Error),
    /// A manifest of the store that is none.
    #[error("a manifest of the store: {0}")]
    Manifest(#[from] ManifestError),
    /// A name that is invalid in a registry.
    #[error("`{0}` is not a valid name in a registry")]
    Name(String),
}

impl Exchange {
    /// Starts the registry with this store.
    pub fn start(store: &Store, limits: &Limits) -> Result<Self, ExchangeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let served = Arc::new(Served {
            store: store.clone(),
            links: Links::new(store),
            host: listener.local_addr()?.to_string(),
            word: random_word()?,
            uploads: Uploads::default(),
            idle: limits.idle,
        });
        let running = serve::start(listener, &served)?;
        Ok(Self {
            served,
            _server: running,
        })
    }

    /// The address it listens on, `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.served.host
    }

    /// The store that holds the blobs.
    pub fn store(&self) -> &Store {
        &self.served.store
    }

    /// The name of a repository for pushes and pulls: `127.0.0.1:PORT/WORD/NAME`.
    pub fn repository(&self, name: &str) -> Result<String, ExchangeError> {
        let own = self.own(name)?;
        Ok(format!("{}/{own}", self.host()))
    }

    /// Names an image of the store, by the digest of its manifest or index; returns the name for pulls.
    pub(in crate::backend) fn offer(
        &self,
        name: &str,
        digest: Digest,
    ) -> Result<String, ExchangeError> {
        let own = self.own(name)?;
        let manifest = self.add(&own, digest)?;
        for one in manifest.manifests {
            self.add(&own, one.digest)?;
        }
        Ok(format!("{}/{own}@{digest}", self.host()))
    }

    fn add(&self, to: &Repository, digest: Digest) -> Result<Manifest, ExchangeError> {
        let text = self.store().read_whole(digest, manifest::LARGEST)?;
        let manifest = Manifest::read(&text, None)?;
        let media_type = manifest.media_type.clone();
        self.served.links.add(to, &Stored { digest, media_type })?;
        Ok(manifest)
    }

    /// The manifest pushed to the repository `name` under this tag or digest, if any.
    pub fn find(&self, name: &str, version: &str) -> Result<Option<Stored>, ExchangeError> {
        let own = self.own(name)?;
        let no_name = || ExchangeError::Name(version.to_owned());
        let version = Version::read(version).ok_or_else(no_name)?;
        Ok(self.served.links.find(&own, &version)?)
    }

    fn own(&self, name: &str) -> Result<Repository, ExchangeError> {
        let own = Repository::read(&format!("{}/{name}", self.served.word));
        own.ok_or_else(|| ExchangeError::Name(name.to_owned()))
    }
}
