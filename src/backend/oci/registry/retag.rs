//! Gives an image that a registry has a further name there. Nothing is sent but manifests: blobs are mounted.

use std::sync::Arc;

use super::client::{Client, LookupError};
use super::login::Access;
use super::transfer::Transfer;
use crate::backend::label_names::KEY;
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::TransferError;
use crate::cancel::Cancel;
use crate::fingerprint::Key;

/// Gives the image that is named `from`, with this digest or, if it has none of that, with this key, the name `to`. Returns whether that is possible: not if the names are
/// of different registries, if the registry no longer has the image, or if it does not mount blobs of one repository in the other.
pub(in crate::backend) fn retag(
    (from, to): (&str, &str),
    (digest, key): (Option<&str>, &Key),
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
    let target = Transfer::by(Arc::clone(&client), &to, cancel);
    let Some(bytes) = meant(&client, &source, &from, (digest, key))? else {
        return Ok(false);
    };
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

/// The manifest of the image that is meant; `None` if the registry does not have it. The tag may be another image's by now.
fn meant(
    client: &Client,
    source: &Transfer<'_>,
    from: &Reference,
    (digest, key): (Option<&str>, &Key),
) -> Result<Option<Vec<u8>>, TransferError> {
    let found = |name: &str| match source.manifest(name) {
        Ok((_, bytes)) => Ok(Some(bytes)),
        Err(TransferError::Absent) => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(digest) = digest.filter(|digest| Digest::read(digest).is_some())
        && let Some(bytes) = found(digest)?
    {
        return Ok(Some(bytes));
    }
    match client.inquiry(from).image(KEY) {
        Ok(image) if image.label.as_deref().is_some_and(|label| key.is(label)) => {
            found(&image.digest)
        }
        Ok(_) | Err(LookupError::Absent) => Ok(None),
        Err(LookupError::Unknown(why)) => Err(TransferError::Passing(why)),
    }
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
