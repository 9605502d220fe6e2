//! Manifests, by tag and by digest, and the list of a repository's tags. A manifest is accepted only if everything it
//! refers to exists: whatever a client can see, it can pull.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};

use super::answer::{self, Code, ErrorResponse};
use super::call::{Call, Served, on_files};
use super::route;
use crate::backend::oci::manifest::{LARGEST, Manifest, ManifestError};
use crate::backend::oci::name::{Digest, Repository, Tag, Version};
use crate::backend::oci::store::{StoreError, Stored};
use crate::loopback::Answer;

pub(super) async fn get(
    call: &Call<'_>,
    of: Repository,
    version: &str,
) -> Result<Answer, ErrorResponse> {
    let words = format!("`{of}` has no manifest `{version}`");
    let unknown = || ErrorResponse::new(Code::MANIFEST_UNKNOWN, words.as_str());
    let wanted = read(version)?.ok_or_else(unknown)?;
    let served = Arc::clone(call.served);
    let find = move || match served.links.find(&of, &wanted)? {
        Some(found) => Ok(Some((
            served.store.read_whole(found.digest, LARGEST)?,
            found,
        ))),
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
    call: &mut Call<'_>,
    to: Repository,
    version: &str,
) -> Result<Answer, ErrorResponse> {
    let no_tag = || ErrorResponse::new(Code::MANIFEST_INVALID, format!("`{version}` is not a tag"));
    let version = read(version)?.ok_or_else(no_tag)?;
    let length = call
        .header("content-length")
        .and_then(|length| length.parse().ok());
    if length.is_some_and(|length: u64| length > LARGEST) {
        return Err(large());
    }
    let text = whole(call.body.take(), call.served.idle).await?;
    let media_type = call.header("content-type");
    let media_type = media_type.map(|it| it.split(';').next().unwrap_or(it).trim());
    let invalid =
        |error: ManifestError| ErrorResponse::new(Code::MANIFEST_INVALID, error.to_string());
    let manifest = Manifest::read(&text, media_type).map_err(invalid)?;
    let served = Arc::clone(call.served);
    on_files(move || take(&served, &to, &version, &text, manifest)).await
}

fn take(
    served: &Served,
    to: &Repository,
    version: &Version,
    text: &[u8],
    manifest: Manifest,
) -> Result<Answer, ErrorResponse> {
    let digest = Digest::of(text);
    if let Version::Digest(wanted) = *version
        && wanted != digest
    {
        let found = digest;
        return Err(StoreError::Mismatch { wanted, found }.into());
    }
    check(served, to, &manifest)?;
    served.store.put(text, Some(digest))?;
    let media_type = manifest.media_type;
    let stored = Stored { digest, media_type };
    match version {
        Version::Tag(tag) => served.links.tag(to, tag, &stored)?,
        Version::Digest(_) => served.links.add(to, &stored)?,
    }
    let location = format!("/v2/{to}/manifests/{digest}");
    Ok(answer::created(&location, digest))
}

/// Checks that everything a manifest refers to exists.
fn check(served: &Served, to: &Repository, manifest: &Manifest) -> Result<(), ErrorResponse> {
    let missing = |digest: Digest| {
        let words = format!("`{digest}`, which the manifest refers to, does not exist");
        ErrorResponse::new(Code::PART_UNKNOWN, words)
    };
    for one in manifest.blobs.iter().filter(|one| one.is_own()) {
        let size = served.store.size(one.digest)?;
        let size = size.ok_or_else(|| missing(one.digest))?;
        if Some(size) != one.size {
            let promised = one.size.unwrap_or_default();
            let words = format!("`{}` has {size} bytes, not {promised}", one.digest);
            return Err(ErrorResponse::new(Code::SIZE_INVALID, words));
        }
    }
    for one in &manifest.manifests {
        let found = served.links.find(to, &Version::Digest(one.digest))?;
        found.ok_or_else(|| missing(one.digest))?;
    }
    Ok(())
}

/// Parses a tag or a digest; `None` if it can be neither.
fn read(version: &str) -> Result<Option<Version>, ErrorResponse> {
    match Version::read(version) {
        None if version.contains(':') => route::digest(version).map(|_| None),
        version => Ok(version),
    }
}

fn large() -> ErrorResponse {
    let words = format!("a manifest has at most {LARGEST} bytes");
    ErrorResponse::new(Code::MANIFEST_LARGE, words)
}

async fn whole(body: Option<Incoming>, idle: Duration) -> Result<Bytes, ErrorResponse> {
    let Some(body) = body else {
        return Ok(Bytes::new());
    };
    let most = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let broken = |why: &str| ErrorResponse::new(Code::MANIFEST_INVALID, why);
    match tokio::time::timeout(idle, Limited::new(body, most).collect()).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(large()),
        Ok(Err(error)) => Err(broken(&error.to_string())),
        Err(_) => Err(broken("the client stopped sending")),
    }
}

/// The tags of a repository, all at once or in pages.
pub(super) fn tags(call: &Call<'_>, of: &Repository) -> Result<Answer, ErrorResponse> {
    let most = call.parameter("n").map(|text| text.parse::<usize>());
    let no_number = |_| ErrorResponse::new(Code::UNSUPPORTED, "`n` is not a number");
    let most = most.transpose().map_err(no_number)?;
    let words = || format!("repository `{of}` is not known");
    let tags = call.served.links.tags(of);
    let tags = tags.ok_or_else(|| ErrorResponse::new(Code::NAME_UNKNOWN, words()))?;
    let (page, has_more) = page(&tags, most, call.parameter("last").as_deref());
    let text = serde_json::json!({ "name": of.as_str(), "tags": page });
    let mut head = answer::head(StatusCode::OK).header("Content-Type", "application/json");
    if let (true, Some(last), Some(most)) = (has_more, page.last(), most) {
        let link = format!("</v2/{of}/tags/list?n={most}&last={last}>; rel=\"next\"");
        head = head.header("Link", link);
    }
    Ok(answer::full(head, text.to_string().into()))
}

/// At most `most` tags after `last`, and whether there are more.
fn page<'a>(tags: &'a [Tag], most: Option<usize>, last: Option<&str>) -> (Vec<&'a str>, bool) {
    let names = tags.iter().map(Tag::as_str);
    let rest: Vec<&str> = names
        .filter(|name| last.is_none_or(|last| *name > last))
        .collect();
    let shown = most.map_or(rest.len(), |most| most.min(rest.len()));
    (rest[..shown].to_vec(), shown < rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let tags = ["A", "a", "b"].map(|tag| Tag::read(tag).unwrap());
        let all = vec!["A", "a", "b"];
        assert_eq!(page(&tags, None, None), (all.clone(), false));
        assert_eq!(page(&tags, Some(9), None), (all, false));
        assert_eq!(page(&tags, Some(2), None), (vec!["A", "a"], true));
        assert_eq!(page(&tags, Some(2), Some("a")), (vec!["b"], false));
        assert_eq!(page(&tags, Some(0), None), (vec![], true));
        assert_eq!(page(&tags, None, Some("x")), (vec![], false));
    }
}
