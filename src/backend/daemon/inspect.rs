//! Parses descriptions of local images from the daemon or from `docker image inspect`.
//!
//! Pure; the queries are made elsewhere. An image is matched by its own names, not by its position in the answer, and
//! is absent only if the daemon says so.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::engine::NoEngine;
use crate::backend::oci::name::Digest;
use crate::backend::platform::Platform;
use crate::backend::{Existence, Wanted, labels};
use crate::process::Output;

/// Maximum number of references per call: the system allows about two megabytes of arguments.
pub(super) const AT_ONCE: usize = 1000;

/// An image of the local store, as described by the daemon and by `docker image inspect`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LocalImage {
    pub(crate) id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    /// In bytes. Of any type, because an image is no less there if its size cannot be read.
    #[serde(default)]
    size: Value,
    /// Docker's `Config`: environment, labels, entrypoint and so on.
    #[serde(default)]
    pub(crate) config: Value,
    #[serde(flatten)]
    pub(crate) platform: Platform,
}

/// The existence of each of these references, in order, according to the output of `docker image inspect --format
/// '{{json .}}'`.
pub(super) fn read(
    whom: &str,
    wanted: &[Wanted<'_>],
    said: &Output,
) -> Result<Vec<Existence>, NoEngine> {
    let images: Vec<LocalImage> = said
        .out
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let by_name: BTreeMap<&str, &LocalImage> = images
        .iter()
        .flat_map(|image| {
            let names = image.repo_tags.iter().flatten();
            names.map(move |name| (familiar(name), image))
        })
        .collect();
    let is_word = |line: &&str| !line.trim().is_empty() && !line.starts_with("WARNING: ");
    let mut complaints = said.err.lines().filter(is_word);
    let complaint = complaints.find(|line| !says_absent(line));
    let is_told = complaint.is_none() && (said.success || says_absent(&said.err));
    let complaint = complaint.unwrap_or("`docker image inspect` failed");
    if !is_told && images.is_empty() {
        return Err(NoEngine::no_daemon(whom, complaint));
    }
    let each = wanted
        .iter()
        .map(|wanted| match by_name.get(familiar(wanted.reference)) {
            Some(image) => existence(image, wanted.platforms),
            None if is_told => Existence::Absent,
            None => unknown(complaint),
        });
    Ok(each.collect())
}

/// The existence of one reference, according to the answer of the daemon `whom` to `GET /images/{name}/json`. An answer
/// about another image counts as unknown.
pub(super) fn read_one(
    whom: &str,
    status: u16,
    body: &[u8],
    (reference, platforms): (&str, &[String]),
) -> Existence {
    let error = serde_json::from_slice::<ErrorResponse>(body).ok();
    let message = error.as_ref().map(|error| error.message.trim());
    match status {
        200 => match serde_json::from_slice::<LocalImage>(body) {
            Ok(image) if image.is_called(reference) => existence(&image, platforms),
            Ok(image) => unknown(&format!("{whom} answers for another image ({})", image.id)),
            Err(error) => unknown(&format!("the answer of {whom} cannot be parsed: {error}")),
        },
        404 if message.is_some_and(says_absent) => Existence::Absent,
        _ => {
            let message = message.map_or_else(String::new, |message| format!(": {message}"));
            unknown(&format!("{whom} answers with status {status}{message}"))
        }
    }
}

impl LocalImage {
    /// Parses an image; `None` if its id or platform is missing.
    pub(super) fn read(text: &str) -> Option<Self> {
        let image: Self = serde_json::from_str(text.trim()).ok()?;
        let Platform {
            os, architecture, ..
        } = &image.platform;
        let is_whole = ![&image.id, os, architecture]
            .iter()
            .any(|word| word.is_empty());
        is_whole.then_some(image)
    }

    /// The digests of its manifests in registries.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &str> {
        let names = self.repo_digests.iter().flatten();
        names.filter_map(|name| Some(name.split_once('@')?.1))
    }

    /// The digest that the image had in the registry of this repository. containerd's store reports one for every
    /// image.
    pub(crate) fn digest_in(&self, repository: &str) -> Option<&str> {
        let mut names = self.repo_digests.iter().flatten();
        names.find_map(|name| {
            let (known, digest) = name.split_once('@')?;
            (familiar(known) == familiar(repository)).then_some(digest)
        })
    }

    fn is_called(&self, reference: &str) -> bool {
        let mut names = self.repo_tags.iter().flatten();
        names.any(|name| familiar(name) == familiar(reference))
    }
}

#[derive(Deserialize)]
struct ErrorResponse {
    message: String,
}

fn unknown(why: &str) -> Existence {
    Existence::Unknown {
        why: why.trim().to_owned(),
    }
}

/// For a multi-platform image only one platform is described here; its key stands for the others.
fn existence(image: &LocalImage, platforms: &[String]) -> Existence {
    let wanted = match platforms {
        [only] => std::slice::from_ref(only),
        _ => &[],
    };
    let there = std::slice::from_ref(&image.platform);
    Existence::present(
        key(image),
        image.id.clone(),
        image.size.as_u64(),
        there,
        wanted,
    )
}

fn key(image: &LocalImage) -> Option<String> {
    let key = image.config["Labels"][labels::KEY].as_str();
    key.map(str::to_owned)
}

/// The digest in the last line of a push: `1.0: digest: sha256:… size: 527`.
pub(super) fn pushed(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(": digest: ")?;
    let digest = rest.split_whitespace().next()?;
    Digest::read(digest).map(|digest| digest.to_string())
}

/// Whether a message such as "Error response from daemon: No such image: x:1", in the wording of any version, reports
/// that an image is absent.
fn says_absent(text: &str) -> bool {
    let text = text.to_lowercase();
    let words = ["no such image", "no such object", "image not known"];
    words.iter().any(|word| text.contains(word))
}

/// A reference in Docker's short form.
fn familiar(reference: &str) -> &str {
    let short = reference
        .strip_prefix("docker.io/")
        .or_else(|| reference.strip_prefix("index.docker.io/"))
        .unwrap_or(reference);
    short.strip_prefix("library/").unwrap_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_as_docker_tells_it() {
        let found = LocalImage::read(
            r#"{"Id":"sha256:1","Os":"linux","Architecture":"arm","Variant":"v7","Config":{"Cmd":["sh"]}}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.platform.to_string(), "linux/arm/v7");
        assert_eq!(found.config["Cmd"][0], "sh");
        assert_eq!(LocalImage::read("{}"), None);
        assert_eq!(LocalImage::read("not JSON"), None);
    }

    fn said(success: bool, out: &str, err: &str) -> Output {
        Output {
            success,
            out: out.into(),
            err: err.into(),
        }
    }

    fn read(references: &[&str], said: &Output) -> Result<Vec<Existence>, NoEngine> {
        let wanted = references.iter().map(|reference| Wanted {
            reference,
            place: crate::backend::StoreKind::Local,
            platforms: &[],
        });
        super::read("it", &wanted.collect::<Vec<_>>(), said)
    }

    #[test]
    fn an_image_of_another_platform_is_not_the_one() {
        let body = br#"{"Id":"sha256:1","RepoTags":["a:1"],"Os":"linux","Architecture":"amd64","Config":{}}"#;
        let found = |platforms: &[&str]| {
            let platforms: Vec<String> = platforms.iter().map(|&each| each.to_owned()).collect();
            read_one("it", 200, body, ("a:1", &platforms))
        };
        assert!(matches!(found(&["linux/amd64"]), Existence::Present { .. }));
        assert_eq!(
            found(&["linux/arm64"]),
            Existence::Incomplete {
                missing: vec!["linux/arm64".into()]
            }
        );
        let both = found(&["linux/amd64", "linux/arm64"]);
        assert!(matches!(both, Existence::Present { .. }));
    }

    #[test]
    fn the_digest_of_a_push_is_read_from_what_docker_says() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let line = format!("1.0: digest: {digest} size: 527");
        assert_eq!(pushed(&line), Some(digest));
        assert_eq!(pushed("1.0: digest: sha256:12 size: 527"), None);
        assert_eq!(pushed("a1b2c3: Pushed"), None);
    }

    #[test]
    fn one_answer_tells_of_all_in_order() {
        let out = "{\"Id\":\"sha256:1\",\"RepoTags\":[\"a:1\",\"a:2\"],\"Config\":{\"Labels\":{\"dev.imgspec.key\":\"k\"}}}\n\
                   {\"Id\":\"sha256:2\",\"RepoTags\":[\"ghcr.io/x/b:1\"],\"Config\":{\"Labels\":null}}\n";
        let err = "Error response from daemon: No such image: gone:1\n";
        let wanted = ["ghcr.io/x/b:1", "gone:1", "docker.io/library/a:2"];
        let found = read(&wanted, &said(false, out, err)).unwrap();
        let present = |key: Option<&str>, digest: &str| Existence::Present {
            key: key.map(str::to_owned),
            digest: digest.into(),
            size: None,
        };
        assert_eq!(
            found,
            [
                present(None, "sha256:2"),
                Existence::Absent,
                present(Some("k"), "sha256:1")
            ]
        );
    }

    #[test]
    fn only_the_daemons_word_is_absence() {
        let read_one = |status, body: &str| read_one("it", status, body.as_bytes(), ("a:1", &[]));
        let body = r#"{"Id":"sha256:1","RepoTags":["b:1","a:1"],"Config":{"Labels":{"dev.imgspec.key":"k"}}}"#;
        assert_eq!(
            read_one(200, body),
            Existence::Present {
                key: Some("k".into()),
                digest: "sha256:1".into(),
                size: None,
            }
        );
        let absent = r#"{"message":"No such image: a:1"}"#;
        assert_eq!(read_one(404, absent), Existence::Absent);
        for (status, body) in [
            (200, "<html>"),
            (200, "{}"),
            (200, &body.replace("a:1", "c:1")),
            (200, &body.replace("RepoTags", "Tags")),
            (403, ""),
            (404, "<html>no such image</html>"),
            (404, r#"{"message":"page not found"}"#),
            (500, "{}"),
            (500, absent),
            (502, "x"),
        ] {
            let found = read_one(status, body);
            assert!(
                matches!(found, Existence::Unknown { .. }),
                "{status} {body}"
            );
        }
    }

    /// flytekit#3251
    #[test]
    fn a_daemon_that_does_not_answer_says_nothing_of_existence() {
        let err =
            "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n";
        let why = |err: &str| read(&["a:1"], &said(false, "", err)).unwrap_err().why;
        assert_eq!(why(err), "it does not answer: nothing is listening there");
        assert!(why("").ends_with("`docker image inspect` failed"));
        // Docker's warnings about its configuration do not come from the daemon.
        let warned = "WARNING: Error loading config file: x\nError response from daemon: No such image: a:1\n";
        let found = read(&["a:1"], &said(false, "", warned)).unwrap();
        assert_eq!(found, [Existence::Absent]);
    }
}
