//! Parses paths of the protocol. Pure. Paths are parsed from the end, because repository names contain slashes.

use percent_encoding::percent_decode_str;

use super::answer::{Code, ErrorResponse};
use crate::backend::oci::name::{Digest, Repository};

/// The requested part of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A blob, by the text of its digest.
    Blob(String),
    /// The collection of uploads.
    Uploads,
    Upload(String),
    /// A manifest, by tag or digest.
    Manifest(String),
    Tags,
}

/// Parses a path, for a registry whose repositories all begin with `word`; `None` for the root of the registry.
pub(super) fn target(
    path: &str,
    word: &str,
) -> Result<Option<(Repository, Target)>, ErrorResponse> {
    // Invalid encoding is left unchanged, and then fails as an invalid name.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let rest = match path.strip_prefix("/v2") {
        Some("" | "/") => return Ok(None),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    let unknown = |what: String| ErrorResponse::new(Code::NAME_UNKNOWN, what);
    let (name, target) = rest
        .and_then(split)
        .ok_or_else(|| unknown(format!("`{path}` is not served")))?;
    let invalid = || {
        let words = format!("`{name}` is not a repository name");
        ErrorResponse::new(Code::NAME_INVALID, words)
    };
    let repository = Repository::read(name).ok_or_else(invalid)?;
    match name.split_once('/') {
        Some((first, _)) if first == word => Ok(Some((repository, target))),
        _ => Err(unknown(format!("repository `{name}` is not known"))),
    }
}

fn split(path: &str) -> Option<(&str, Target)> {
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Some((name, Target::Tags));
    }
    let bare = path.strip_suffix('/').unwrap_or(path);
    if let Some(name) = bare.strip_suffix("/blobs/uploads") {
        return Some((name, Target::Uploads));
    }
    let (rest, last) = path.rsplit_once('/')?;
    let last = || last.to_owned();
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return Some((name, Target::Upload(last())));
    }
    if let Some(name) = rest.strip_suffix("/blobs") {
        return Some((name, Target::Blob(last())));
    }
    let name = rest.strip_suffix("/manifests")?;
    Some((name, Target::Manifest(last())))
}

pub(super) fn digest(text: &str) -> Result<Digest, ErrorResponse> {
    let words = || format!("`{text}` is not a sha256 digest");
    Digest::read(text).ok_or_else(|| ErrorResponse::new(Code::DIGEST_INVALID, words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Option<(Repository, Target)>, ()> {
        target(path, "w").map_err(drop)
    }

    fn name(text: &str) -> Repository {
        Repository::read(text).unwrap()
    }

    #[test]
    fn paths_are_taken_apart_from_their_end() {
        let digest = format!("sha256:{:064}", 0);
        let cases = [
            ("/v2".into(), None),
            ("/v2/".into(), None),
            (
                "/v2/w/a/tags/list".into(),
                Some((name("w/a"), Target::Tags)),
            ),
            (
                "/v2/w/manifests/manifests/tags".into(),
                Some((name("w/manifests"), Target::Manifest("tags".into()))),
            ),
            (
                format!("/v2/w/blobs/blobs/{}", digest.replace(':', "%3A")),
                Some((name("w/blobs"), Target::Blob(digest))),
            ),
            (
                "/v2/w/a/b/blobs/uploads/".into(),
                Some((name("w/a/b"), Target::Uploads)),
            ),
            (
                "/v2/w/a/blobs/uploads".into(),
                Some((name("w/a"), Target::Uploads)),
            ),
            (
                "/v2/w/a/blobs/uploads/7".into(),
                Some((name("w/a"), Target::Upload("7".into()))),
            ),
        ];
        for (path, expected) in cases {
            assert_eq!(read(&path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_served() {
        let paths = [
            "",
            "/",
            "/v1/",
            "/v2/w",
            "/v2/_catalog",
            "/v2/w/tags/list",
            "/v2/x/a/tags/list",
            "/v2/w/A/tags/list",
            "/v2/w/../tags/list",
            "/v2/w/%2e%2e/tags/list",
            "/v2/w/a/referrers/sha256:0",
            "/v2/w//tags/list",
            "/v2/w/%/tags/list",
        ];
        for path in paths {
            assert_eq!(read(path), Err(()), "{path}");
        }
    }
}
