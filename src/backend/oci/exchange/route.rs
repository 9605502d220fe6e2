//! What a path and a query of the protocol ask for. Pure. Paths are read from their end: repository names contain slashes.

use super::answer::{Code, Refusal};
use crate::backend::oci::name::{Digest, Repository};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Whether this is a registry.
    Root,
    /// A blob, by the text of its digest.
    Blob(Repository, String),
    /// Uploads in general.
    Uploads(Repository),
    /// One upload.
    Upload(Repository, String),
    /// A manifest, by tag or digest.
    Manifest(Repository, String),
    /// The list of tags.
    Tags(Repository),
}

/// What this path asks for, in a registry all of whose repositories begin with `word`.
pub(super) fn target(path: &str, word: &str) -> Result<Target, Refusal> {
    let path = decode(path);
    let rest = match path.strip_prefix("/v2") {
        Some("" | "/") => return Ok(Target::Root),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    let (name, what) = rest
        .and_then(split)
        .ok_or_else(|| Refusal::new(Code::NameUnknown, format!("`{path}` is not served")))?;
    let invalid = || {
        Refusal::new(
            Code::NameInvalid,
            format!("`{name}` is not a repository name"),
        )
    };
    let repository = Repository::read(name).ok_or_else(invalid)?;
    match name.split_once('/') {
        Some((first, _)) if first == word => Ok(what.of(repository)),
        _ => Err(Refusal::new(
            Code::NameUnknown,
            format!("repository `{name}` is not known"),
        )),
    }
}

/// What of a repository.
enum What<'a> {
    Blob(&'a str),
    Uploads,
    Upload(&'a str),
    Manifest(&'a str),
    Tags,
}

impl What<'_> {
    fn of(self, repository: Repository) -> Target {
        match self {
            Self::Blob(digest) => Target::Blob(repository, digest.to_owned()),
            Self::Uploads => Target::Uploads(repository),
            Self::Upload(id) => Target::Upload(repository, id.to_owned()),
            Self::Manifest(version) => Target::Manifest(repository, version.to_owned()),
            Self::Tags => Target::Tags(repository),
        }
    }
}

fn split(path: &str) -> Option<(&str, What<'_>)> {
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Some((name, What::Tags));
    }
    let bare = path.strip_suffix('/').unwrap_or(path);
    if let Some(name) = bare.strip_suffix("/blobs/uploads") {
        return Some((name, What::Uploads));
    }
    let (rest, last) = path.rsplit_once('/')?;
    let upload = rest.strip_suffix("/blobs/uploads");
    let blob = || rest.strip_suffix("/blobs");
    let manifest = || rest.strip_suffix("/manifests");
    upload
        .map(|name| (name, What::Upload(last)))
        .or_else(|| blob().map(|name| (name, What::Blob(last))))
        .or_else(|| manifest().map(|name| (name, What::Manifest(last))))
}

/// Reads a digest.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    let words = || format!("`{text}` is not a sha256 digest");
    Digest::read(text).ok_or_else(|| Refusal::new(Code::DigestInvalid, words()))
}

/// The value of a query's parameter.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&');
    let value = |pair: &str| match pair.split_once('=') {
        Some((key, value)) => (key == name).then(|| decode(value)),
        None => (pair == name).then(String::new),
    };
    pairs.find_map(value)
}

/// Undoes percent-encoding; what is not encoded right is left as it is, and then no name that is valid.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        let digits = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) => plain.push(decoded),
            None => plain.push(byte),
        }
        at += if digits.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<Target> {
        target(path, "w").ok()
    }

    fn name(text: &str) -> Repository {
        Repository::read(text).unwrap()
    }

    #[test]
    fn paths_are_taken_apart_from_their_end() {
        let digest = format!("sha256:{:064}", 0);
        let cases = [
            ("/v2".into(), Target::Root),
            ("/v2/".into(), Target::Root),
            ("/v2/w/a/tags/list".into(), Target::Tags(name("w/a"))),
            (
                "/v2/w/manifests/manifests/tags".into(),
                Target::Manifest(name("w/manifests"), "tags".into()),
            ),
            (
                format!("/v2/w/blobs/blobs/{}", digest.replace(':', "%3A")),
                Target::Blob(name("w/blobs"), digest),
            ),
            (
                "/v2/w/a/b/blobs/uploads/".into(),
                Target::Uploads(name("w/a/b")),
            ),
            ("/v2/w/a/blobs/uploads".into(), Target::Uploads(name("w/a"))),
            (
                "/v2/w/a/blobs/uploads/7".into(),
                Target::Upload(name("w/a"), "7".into()),
            ),
        ];
        for (path, expected) in cases {
            assert_eq!(read(&path), Some(expected), "{path}");
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
            assert_eq!(read(path), None, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Some("a=1&digest=sha256%3Aab%zz%&b&a=2");
        assert_eq!(parameter(query, "digest").as_deref(), Some("sha256:ab%zz%"));
        assert_eq!(parameter(query, "a").as_deref(), Some("1"));
        assert_eq!(parameter(query, "b").as_deref(), Some(""));
        assert_eq!(parameter(query, "c"), None);
        assert_eq!(parameter(None, "a"), None);
    }
}
