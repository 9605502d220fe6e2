//! A registry on loopback that the program runs itself while a run needs it: what one backend built, another can build on.
//!
//! Knows no backend. It listens on a free port of 127.0.0.1 only; a random word begins the name of every repository, so that no
//! other user of the machine can put something under its names; a blob of the store exists in every repository, so that nothing
//! is sent twice. See `docs/design/exchange.md`.

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
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::name::{Repository, Version};
use super::store::{Links, Store, StoreError, Stored};
use crate::limits::Limits;
use call::{Served, Uploads, random_word};

/// The registry, until it is dropped; then nothing listens, and what was pushed has no name any more.
#[derive(Debug)]
pub struct Exchange {
    served: Arc<Served>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the exchange cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system failed.
    #[error("no registry can be opened on 127.0.0.1: {0}")]
    System(#[from] io::Error),
    /// A name that no registry allows.
    #[error("`{0}` cannot be a name in a registry")]
    Name(String),
}

impl Exchange {
    /// Opens the registry over this store.
    pub fn start(store: &Store, limits: &Limits) -> Result<Self, ExchangeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let served = Arc::new(Served {
            store: store.clone(),
            links: Links::new(store),
            host: listener.local_addr()?.to_string(),
            word: random_word()?,
            uploads: Uploads::default(),
            idle: limits.idle,
        });
        let (stop, stopped) = oneshot::channel();
        let thread = serve::start(listener, Arc::clone(&served), stopped)?;
        Ok(Self {
            served,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.served.host
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.served.store
    }

    /// The name of a repository for pushes and pulls: `127.0.0.1:PORT/WORD/NAME`.
    pub fn repository(&self, name: &str) -> Result<String, ExchangeError> {
        let own = self.own(name)?;
        Ok(format!("{}/{own}", self.host()))
    }

    /// The manifest that was pushed by this name, if any.
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

impl Drop for Exchange {
    fn drop(&mut self) {
        // Who is gone need not be told, and has nothing left to end.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
