//! Lends images of the embedded builder's store to builders that can only pull: by the exchange, under names with digests,
//! so that only layers that the other builder lacks are sent.

use std::collections::BTreeSet;
use std::fmt;

use parking_lot::Mutex;

use super::exchange::{Exchange, ExchangeError};
use super::known::known;
use super::manifest::{self, Manifest};
use super::name::Digest;
use super::origin::Supply;
use super::reference::Reference;
use super::registry::{Access, TransferError};
use super::store::Store;
use crate::asking::Asker;
use crate::backend::{Artifact, BuildError, context};
use crate::disk::dir::{Dir, Rooted};
use crate::limits::Limits;

/// The builder whose images are in a store of its own: a layout on disk rather than a daemon's.
pub(in crate::backend) const BUILDER: &str = "oci";

const REPOSITORY: &str = "imgspec-image";

/// Where blobs are in a store, and in an OCI layout.
const BLOBS: &str = "blobs/sha256";

fn untaken(why: impl fmt::Display) -> BuildError {
    BuildError::Failed(format!(
        "it cannot be made available to another builder: {why}"
    ))
}

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
        let of = Reference::read(&image.reference).filter(|of| of.has_host);
        let offered = self.opened(asker, |open| {
            let store = open.store().clone();
            // It was found in its registry, where others can pull it too.
            if let Some(of) = &of
                && known(&store, digest).is_none()
            {
                return Ok((format!("{}@{digest}", of.repository), None));
            }
            Ok((open.offer(REPOSITORY, digest)?, Some(store)))
        });
        let (name, store) = offered.map_err(|error| failed(&error))?;
        let Some(store) = store else {
            return Ok(name);
        };
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

    /// Does something with the exchange, which is started when that is first wanted.
    fn opened<T>(
        &self,
        asker: Asker<'_>,
        work: impl FnOnce(&Exchange) -> Result<T, ExchangeError>,
    ) -> Result<T, ExchangeError> {
        let mut exchange = self.exchange.lock();
        if exchange.is_none() {
            let mut waiting = asker.waiting("waiting for another run that is deleting blobs");
            let store = Store::open_at(&self.place, &mut waiting)?;
            *exchange = Some(Exchange::start(&store, &self.limits)?);
        }
        work(exchange.as_ref().expect("it was opened above"))
    }

    /// Takes an image, which its own store knows by this digest, into the store: `push` pushes it under the name that it is
    /// given, and returns its digest there.
    pub(in crate::backend) fn take(
        &self,
        own: &str,
        asker: Asker<'_>,
        push: impl FnOnce(&str) -> Result<Option<String>, BuildError>,
    ) -> Result<Digest, BuildError> {
        let repository = self.opened(asker, |open| open.repository(REPOSITORY));
        let hex = own.trim_start_matches("sha256:");
        let tag = hex.get(..32).unwrap_or(hex);
        let name = format!("{}:{tag}", repository.map_err(untaken)?);
        let digest = push(&name)?;
        let digest = digest.and_then(|digest| Digest::read(&digest));
        digest.ok_or_else(|| untaken("no digest was reported"))
    }

    /// Makes an OCI layout of an image of the store: links to its blobs, and to no others.
    pub(in crate::backend) fn lay_out(
        &self,
        digest: Digest,
        to: &Dir,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let store = self.opened(asker, |open| Ok(open.store().clone()));
        let store = store.map_err(untaken)?;
        let own = store.folder().join(BLOBS);
        let links = to.make_all(BLOBS).map_err(context::unwritten)?;
        let mut left = vec![digest];
        let mut known = BTreeSet::new();
        while let Some(digest) = left.pop() {
            let bytes = store
                .read_whole(digest, manifest::LARGEST)
                .map_err(untaken)?;
            let read = Manifest::read(&bytes, None).map_err(untaken)?;
            left.extend(read.manifests.iter().map(|one| one.digest));
            known.extend(read.blobs.iter().map(|blob| blob.digest));
            known.insert(digest);
        }
        for digest in known {
            let blob = own.join(digest.hex());
            let time = rustix::fs::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            links
                .link(&digest.hex(), &blob.to_string_lossy(), time)
                .map_err(context::unwritten)?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cache;

    #[test]
    fn an_image_whose_config_never_came_is_lent_by_its_registry() {
        let folder = tempfile::tempdir().unwrap();
        let place = cache::below(&folder.path().join("images"));
        let store = Store::open(&folder.path().join("images")).unwrap();
        let config = Digest::of(b"{}");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{config}","size":2}},"layers":[]}}"#
        );
        let digest = store.put(manifest.as_bytes(), None).unwrap().digest;
        let image = Artifact {
            backend: BUILDER.to_owned(),
            reference: "registry.example/team/base:1".to_owned(),
            digest: digest.to_string(),
            size: None,
        };
        let lender = Lender::new(place, Limits::default());
        let lent = || lender.lend(&image, &Access::default(), Asker::silent());
        let there = format!("registry.example/team/base@{digest}");
        assert_eq!(lent().unwrap(), there);
        store.put(&b"{}"[..], None).unwrap();
        let here = lent().unwrap();
        assert!(here.ends_with(&format!("/{REPOSITORY}@{digest}")), "{here}");
    }
}
