//! Manifests, by tag and by digest, accepted only with everything that they refer to: what a client can get, it can pull.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::http::request::Parts;

use super::answer::{self, Answer, Code, Refusal};
use super::request::{Body, on_files};
use super::route;
use crate::backend::oci::manifest::{LARGEST, Manifest, NoManifest};
use crate::backend::oci::name::{Digest, Repository, Version};
use crate::backend::oci::store::{Links, Store, StoreError, Stored};

pub(super) async fn get(
    store: &Store,
    links: &Links,
    of: Repository,
    version: &str,
) -> Result<Answer, Refusal> {
    let words = format!("`{of}` has no manifest `{version}`");
    let unknown = || Refusal::new(Code::ManifestUnknown, words.as_str());
    let wanted = read(version)?.ok_or_else(unknown)?;
    let (store, links) = (store.clone(), links.clone());
    let find = move || match links.find(&of, &wanted)? {
        Some(found) => Ok(Some((store.read_whole(found.digest, LARGEST)?, found))),
        None => Ok::<_, StoreError>(None),
    };
    let (text, found) = on_files(find).await?.ok_or_else(unknown)?;
    let head = answer::head(StatusCode::OK)
        .header("Content-Type", found.media_type)
        .header("Docker-Content-Digest", found.digest.to_string())
        .header("ETag", format!("\"{}\"", found.digest))
        .header("Content-Length", text.len());
    Ok(answer::full(head, text.into()))
}

pub(super) async fn put(
    store: &Store,
    links: &Links,
    to: Repository,
    version: &str,
    head: &Parts,
    (body, idle): (&mut Body, Duration),
) -> Result<Answer, Refusal> {
    let no_tag = || Refusal::new(Code::ManifestInvalid, format!("`{version}` is not a tag"));
    let version = read(version)?.ok_or_else(no_tag)?;
    let said = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let length = said("content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: u64| length > LARGEST) {
        return Err(large());
    }
    let text = whole(body, idle).await?;
    let told = said("content-type").map(|told| told.split(';').next().unwrap_or(told).trim());
    let invalid = |error: NoManifest| Refusal::new(Code::ManifestInvalid, error.to_string());
    let manifest = Manifest::read(&text, told).map_err(invalid)?;
    let (store, links) = (store.clone(), links.clone());
    on_files(move || take(&store, &links, &to, &version, &text, manifest)).await
}

fn take(
    store: &Store,
    links: &Links,
    to: &Repository,
    version: &Version,
    text: &[u8],
    manifest: Manifest,
) -> Result<Answer, Refusal> {
    let found = Digest::of(text);
    match version {
        Version::Digest(wanted) if *wanted != found => {
            let wanted = *wanted;
            return Err(StoreError::Mismatch { wanted, found }.into());
        }
        _ => check(store, links, to, &manifest)?,
    }
    let digest = store.put(text, Some(found))?.digest;
    let media_type = manifest.media_type;
    let stored = Stored { digest, media_type };
    match version {
        Version::Tag(tag) => links.tag(to, tag, &stored)?,
        Version::Digest(_) => links.add(to, &stored)?,
    }
    Ok(answer::created(
        &format!("/v2/{to}/manifests/{digest}"),
        digest,
    ))
}

/// Whether all is there that a manifest refers to.
fn check(
    store: &Store,
    links: &Links,
    to: &Repository,
    manifest: &Manifest,
) -> Result<(), Refusal> {
    let missing = |digest: Digest| {
        let words = format!("`{digest}`, which the manifest refers to, is not there");
        Refusal::new(Code::ManifestBlobUnknown, words)
    };
    for one in manifest.blobs.iter().filter(|one| one.is_own()) {
        let size = store.size(one.digest)?.ok_or_else(|| missing(one.digest))?;
        if Some(size) != one.size {
            let promised = one.size.unwrap_or_default();
            let words = format!("`{}` has {size} bytes, not {promised}", one.digest);
            return Err(Refusal::new(Code::SizeInvalid, words));
        }
    }
    for one in &manifest.manifests {
        let version = Version::Digest(one.digest);
        links
            .find(to, &version)?
            .ok_or_else(|| missing(one.digest))?;
    }
    Ok(())
}

/// A tag or a digest; none if it can be neither.
fn read(version: &str) -> Result<Option<Version>, Refusal> {
    match Version::read(version) {
        None if version.contains(':') => route::digest(version).map(|_| None),
        version => Ok(version),
    }
}

fn large() -> Refusal {
    let words = format!("a manifest has at most {LARGEST} bytes");
    Refusal::new(Code::ManifestLarge, words)
}

async fn whole(body: &mut Body, idle: Duration) -> Result<Bytes, Refusal> {
    let Some(body) = body.take() else {
        return Ok(Bytes::new());
    };
    let most = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let broken = |why: &str| Refusal::new(Code::ManifestInvalid, why);
    match tokio::time::timeout(idle, Limited::new(body, most).collect()).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(large()),
        Ok(Err(error)) => Err(broken(&error.to_string())),
        Err(_) => Err(broken("nothing more came")),
    }
}
