//! Lends images of the embedded builder's store to builders that can only pull: by the exchange, under names with digests,
//! so that only layers that the other builder lacks are sent.

use std::fmt;

use parking_lot::Mutex;

use super::exchange::Exchange;
use super::name::Digest;
use super::origin::Supply;
use super::reference::Reference;
use super::registry::{Access, TransferError};
use super::store::Store;
use crate::asking::Asker;
use crate::backend::{Artifact, BuildError};
use crate::disk::dir::Rooted;
use crate::limits::Limits;

/// The builder whose images are in a store of its own: a layout on disk rather than a daemon's.
pub(in crate::backend) const BUILDER: &str = "oci";

const REPOSITORY: &str = "imgspec-image";

/// A store whose images can be pulled while this exists. The registry is started when the first image is lent.
#[derive(Debug)]
pub(in crate::backend) struct Lender {
    place: Rooted,
    limits: Limits,
    exchange: Mutex<Option<Exchange>>,
}

impl Lender {
    /// Lends images of the store in this directory.
    pub(in crate::backend) fn new(place: Rooted, limits: Limits) -> Self {
        Self {
            place,
            limits,
            exchange: Mutex::default(),
        }
    }

    /// A name under which a builder on this machine can pull exactly this image.
    pub(in crate::backend) fn lend(
        &self,
        image: &Artifact,
        access: &Access,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        let failed = |error: &dyn fmt::Display| {
            let what = &image.reference;
            BuildError::Failed(format!("`{what}` cannot be made available: {error}"))
        };
        let digest = Digest::read(&image.digest).ok_or_else(|| failed(&"it has no digest"))?;
        let mut exchange = self.exchange.lock();
        if exchange.is_none() {
            let mut waiting = asker.waiting("waiting for another run that is deleting blobs");
            let store =
                Store::open_at(&self.place, &mut waiting).map_err(|error| failed(&error))?;
            let started = Exchange::start(&store, &self.limits);
            *exchange = Some(started.map_err(|error| failed(&error))?);
        }
        let open = exchange.as_ref().expect("it was opened above");
        let of = Reference::read(&image.reference).filter(|of| of.has_host);
        if let (Some(of), Ok(None)) = (of, open.store().size(digest)) {
            // It was found in its registry, where others can pull it too.
            return Ok(format!("{}@{digest}", of.repository));
        }
        let name = open.offer(REPOSITORY, digest);
        let name = name.map_err(|error| failed(&error))?;
        let store = open.store().clone();
        drop(exchange);
        let supply = Supply {
            store: &store,
            access,
            asker,
        };
        match supply.whole(digest) {
            Ok(()) => Ok(name),
            Err(TransferError::Cancelled) => Err(BuildError::Cancelled),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Explains a failure whose cause is a daemon that does not run on this machine.
    pub(in crate::backend) fn unreached(&self, error: BuildError) -> BuildError {
        let exchange = self.exchange.lock();
        let Some(host) = exchange.as_ref().map(Exchange::host) else {
            return error;
        };
        error.reworded(|why| {
            let is_refused = why.contains("dial tcp") || why.contains("connection refused");
            if why.contains(host) && is_refused {
                format!(
                    "{why}: images of the builder `{BUILDER}` are served at {host} on this machine, which the Docker daemon cannot \
                     reach; push them to a registry, and name them there"
                )
            } else {
                why
            }
        })
    }
}
