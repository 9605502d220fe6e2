//! Gives an image that a registry has a further name there. Nothing is sent but manifests: blobs are mounted.

use std::sync::Arc;

use super::client::Client;
use super::login::Access;
use super::transfer::Transfer;
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::TransferError;
use crate::cancel::Cancel;

/// Gives the image that is named `from` the name `to`. Returns whether that is possible: not if the names are of different
/// registries, or if the registry does not mount blobs of one repository in the other.
pub(in crate::backend) fn retag(
    (from, to): (&str, &str),
    access: &Access,
    cancel: &Cancel,
) -> Result<bool, TransferError> {
    let (Some(from), Some(to)) = (Reference::read(from), Reference::read(to)) else {
        return Ok(false);
    };
    if from.host != to.host {
        return Ok(false);
    }
    let client = Arc::new(Client::carrier(access));
    let source = Transfer::by(Arc::clone(&client), &from, cancel);
    let target = Transfer::by(client, &to, cancel);
    let (_, bytes) = source.manifest(&from.tag)?;
    let manifest = read(&bytes)?;
    if from.path != to.path {
        for one in &manifest.manifests {
            let name = one.digest.to_string();
            let (_, bytes) = source.manifest(&name)?;
            let image = read(&bytes)?;
            if !mount(&image.blobs, &from.path, &target)? {
                return Ok(false);
            }
            target.put_manifest(&name, &image.media_type, &bytes)?;
        }
        if !mount(&manifest.blobs, &from.path, &target)? {
            return Ok(false);
        }
    }
    target.put_manifest(&to.tag, &manifest.media_type, &bytes)?;
    Ok(true)
}

fn read(bytes: &[u8]) -> Result<Manifest, TransferError> {
    Manifest::read(bytes, None)
        .map_err(|error| TransferError::Final(format!("a manifest of the registry: {error}")))
}

fn mount(blobs: &[Descriptor], from: &str, to: &Transfer<'_>) -> Result<bool, TransferError> {
    for blob in blobs {
        if !to.mount(blob.digest, from)? {
            return Ok(false);
        }
    }
    Ok(true)
}
