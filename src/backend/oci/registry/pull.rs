//! Pulls an image from the first place that has it: mirrors, then its registry.

use std::sync::atomic::{AtomicBool, Ordering};

use super::login::Access;
use super::transfer::Transfer;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::store::Store;
use crate::backend::oci::web::TransferError;
use crate::cancel::Cancel;

/// The places of an image, in order. At least one: its registry, the last.
pub(in crate::backend) struct Pull<'a>(Vec<Place<'a>>);

struct Place<'a> {
    transfer: Transfer<'a>,
    /// Whether it gave no answer: it is not asked for every blob again.
    is_dead: AtomicBool,
}

impl<'a> Pull<'a> {
    /// The places of this image; `is_pinned` if it is pulled by digest.
    pub(in crate::backend) fn new(
        of: &Reference,
        is_pinned: bool,
        access: &Access,
        cancel: &'a Cancel,
    ) -> Result<Self, TransferError> {
        let place = |transfer| Place {
            transfer,
            is_dead: AtomicBool::new(false),
        };
        let own = Transfer::new(of, access, cancel);
        let mut sources = own.sources(is_pinned)?;
        let last = sources.pop();
        let mirrors = sources.iter().map(|mirror| {
            let mirror = Transfer::new(mirror, access, cancel);
            place(mirror.asked_once())
        });
        let mut places: Vec<Place<'_>> = mirrors.collect();
        places.push(place(match last {
            Some(moved) if moved != *of => Transfer::new(&moved, access, cancel),
            _ => own,
        }));
        Ok(Self(places))
    }

    /// A manifest or an index, by tag or digest, with its digest.
    pub(in crate::backend) fn manifest(
        &self,
        name: &str,
    ) -> Result<(Digest, Vec<u8>), TransferError> {
        self.first(|place| place.manifest(name))
    }

    /// Fetches a blob of this size, if that is known, into the store.
    pub(in crate::backend) fn fetch(
        &self,
        blob: (Digest, Option<u64>),
        to: &Store,
    ) -> Result<(), TransferError> {
        self.first(|place| place.fetch(blob, to))
    }

    /// The first answer. If there is none, the last place decides what that means, and the reasons of all are told.
    fn first<T>(
        &self,
        ask: impl Fn(&Transfer<'_>) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let (last, mirrors) = self.0.split_last().expect("an image has a registry");
        let mut before = Vec::new();
        for mirror in mirrors {
            if mirror.is_dead.load(Ordering::Relaxed) {
                continue;
            }
            match ask(&mirror.transfer) {
                Ok(found) => return Ok(found),
                Err(
                    error @ (TransferError::Cancelled
                    | TransferError::Lost(_)
                    | TransferError::Store(_)),
                ) => {
                    return Err(error);
                }
                Err(TransferError::Absent) => {
                    let host = mirror.transfer.host();
                    before.push(format!("mirror `{host}` does not have it"));
                }
                Err(TransferError::Passing(why) | TransferError::Final(why)) => {
                    mirror.is_dead.store(true, Ordering::Relaxed);
                    before.push(format!("mirror: {why}"));
                }
            }
        }
        ask(&last.transfer).map_err(|error| {
            let mut told = |why: String| {
                before.push(why);
                before.join("; ")
            };
            match error {
                TransferError::Passing(why) => TransferError::Passing(told(why)),
                TransferError::Final(why) => TransferError::Final(told(why)),
                other => other,
            }
        })
    }
}
