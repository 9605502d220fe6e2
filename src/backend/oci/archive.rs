//! Archives and directories with images: what is in one, told by its content, and which image of several is meant. Pure
//! but for reading the stream.
//!
//! Formats: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>, and `docker save`'s, whose
//! `manifest.json` names files of the archive: <https://github.com/moby/docker-image-spec/blob/main/v1.2.md>.

#[cfg(test)]
mod fuzz;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek};

use serde::Deserialize;

use super::layer::{Compression, LayerError, Meter, inside, plain};
use super::manifest::Descriptor;
use super::name::Digest;
use super::reference::Reference;

/// The index of an OCI layout.
pub(in crate::backend) const INDEX_FILE: &str = "index.json";

/// `docker save`'s list of images.
pub(in crate::backend) const SAVED_FILE: &str = "manifest.json";

/// The file that marks an OCI layout.
const LAYOUT_FILE: &str = "oci-layout";

/// Far more entries than an archive of images has in practice.
pub(in crate::backend) const MOST: usize = 1_000_000;

/// How much of a compressed archive is read at most to tell quickly what it contains.
const BEGINNING: u64 = 32 << 20;

/// What a tar contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Content {
    /// Images, as an OCI layout or as `docker save` writes them.
    Images,
    /// The files of a root file system.
    RootFs,
}

/// Tells what a tar, possibly compressed, contains: reads as far as necessary.
pub(in crate::backend) fn content(
    from: impl Read,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Content, LayerError> {
    let meter = Meter::new(is_cancelled);
    let mut archive = meter.archive(plain(from)?);
    told(archive.entries()?, &meter)
}

/// Like [`content`] for a file, but without reading much: of a plain tar only the heads of its entries, of a compressed one not
/// more than its beginning. `None` if that does not tell, or if it cannot be read.
pub(in crate::backend) fn content_at_once(
    mut file: File,
    is_cancelled: &dyn Fn() -> bool,
) -> Option<Content> {
    let mut start = [0; 6];
    let read = file.read(&mut start).ok()?;
    file.rewind().ok()?;
    if Compression::of(&start[..read]) == Compression::None {
        let meter = Meter::new(is_cancelled);
        let mut archive = meter.archive(file);
        return told(archive.entries_with_seek().ok()?, &meter).ok();
    }
    let found = content(file.take(BEGINNING), is_cancelled);
    found.ok()
}

fn told(entries: tar::Entries<'_, impl Read>, meter: &Meter<'_>) -> Result<Content, LayerError> {
    for (count, entry) in entries.enumerate() {
        if count == MOST {
            return Ok(Content::RootFs);
        }
        let entry = meter.entry(entry?)?;
        let Some(path) = inside(&entry.path()?)? else {
            continue;
        };
        match path.as_str() {
            LAYOUT_FILE | SAVED_FILE => return Ok(Content::Images),
            path if !is_of_images(path) => return Ok(Content::RootFs),
            _ => {}
        }
    }
    Ok(Content::RootFs)
}

/// Whether an archive of images may have an entry with this path: blobs, layers and configs by their digests.
fn is_of_images(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    let hex = top.strip_prefix("sha256:").unwrap_or(top);
    let hex = hex.split('.').next().unwrap_or_default();
    matches!(top, "blobs" | "repositories" | INDEX_FILE)
        || (hex.len() == 64 && hex.bytes().all(|each| each.is_ascii_hexdigit()))
}

/// An image that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Listed {
    /// Its names; may be none.
    pub(in crate::backend) names: BTreeSet<String>,
    pub(in crate::backend) place: Listing,
}

/// Where the parts of an image are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) enum Listing {
    /// In the manifest or index with this digest.
    Manifest(Digest),
    /// In these files of the archive.
    Saved { config: String, layers: Vec<String> },
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The images of a layout's index.
pub(in crate::backend) fn of_index(text: &[u8]) -> Result<Vec<Listed>, String> {
    let index: Index = serde_json::from_slice(text).map_err(|error| unread(INDEX_FILE, &error))?;
    let mut images: Vec<Listed> = Vec::new();
    for named in index.manifests.iter().filter(|it| it.descriptor.is_image()) {
        let place = Listing::Manifest(named.descriptor.digest);
        let keys = [
            "io.containerd.image.name",
            "org.opencontainers.image.ref.name",
        ];
        let names = keys.iter().filter_map(|key| named.annotations.get(*key));
        let names = names.cloned();
        match images.iter_mut().find(|image| image.place == place) {
            Some(image) => image.names.extend(names),
            None => images.push(Listed {
                names: names.collect(),
                place,
            }),
        }
    }
    Ok(images)
}

/// The images of `docker save`'s list.
pub(in crate::backend) fn of_saved(text: &[u8]) -> Result<Vec<Listed>, String> {
    let saved: Vec<Saved> =
        serde_json::from_slice(text).map_err(|error| unread(SAVED_FILE, &error))?;
    let listed = saved.into_iter().map(|saved| Listed {
        names: saved.repo_tags.unwrap_or_default().into_iter().collect(),
        place: Listing::Saved {
            config: saved.config,
            layers: saved.layers,
        },
    });
    Ok(listed.collect())
}

fn unread(file: &str, error: &serde_json::Error) -> String {
    format!("its {file} cannot be read: {error}")
}

/// The image with this name, or the only one.
pub(in crate::backend) fn choose(images: &[Listed], name: Option<&str>) -> Result<Listing, String> {
    let is_it = |image: &&Listed| name.is_none_or(|name| image.is_called(name));
    let found: Vec<&Listed> = images.iter().filter(is_it).collect();
    let all = |images: &[&Listed]| {
        let shown = images.iter().map(|image| format!("`{}`", image.shown()));
        shown.collect::<Vec<_>>().join(", ")
    };
    match (found.as_slice(), name) {
        ([one], _) => Ok(one.place.clone()),
        ([], None) => Err("it has no image".to_owned()),
        ([], Some(name)) => {
            let all = all(&images.iter().collect::<Vec<_>>());
            Err(format!("it has no image `{name}`, only {all}"))
        }
        (several, None) => Err(format!(
            "it has {} images: {}; choose one with `ref=`",
            several.len(),
            all(several)
        )),
        (several, Some(name)) => Err(format!(
            "`{name}` may be each of {}; write the whole name",
            all(several)
        )),
    }
}

impl Listed {
    fn is_called(&self, name: &str) -> bool {
        let wanted = Reference::read(name);
        let is_it =
            |own: &String| own == name || wanted.as_ref().is_some_and(|wanted| wanted.is_also(own));
        let by_digest = match &self.place {
            Listing::Manifest(digest) => digest.to_string() == name,
            Listing::Saved { .. } => false,
        };
        by_digest || self.names.iter().any(is_it)
    }

    /// Its longest name: a whole one rather than a bare tag.
    fn shown(&self) -> String {
        let names = self.names.iter();
        let longest = names.min_by_key(|name| (Reverse(name.len()), *name));
        match (longest, &self.place) {
            (Some(name), _) => name.clone(),
            (None, Listing::Manifest(digest)) => digest.to_string(),
            (None, Listing::Saved { config, .. }) => config.clone(),
        }
    }
}

/// The path of a blob in a layout.
pub(in crate::backend) fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The digest that the path of a blob promises.
pub(in crate::backend) fn promised(path: &str) -> Option<Digest> {
    let hex = path.strip_prefix("blobs/sha256/")?;
    Digest::read(&format!("sha256:{hex}"))
}

/// Where a link of an archive leads; `None` if it leads out.
pub(in crate::backend) fn linked(from: &str, target: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Reads a small text to its end.
pub(in crate::backend) fn text(from: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(largest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(paths: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for path in paths {
            let mut head = tar::Header::new_ustar();
            head.set_size(1);
            head.set_mode(0o644);
            builder.append_data(&mut head, path, &b"x"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn told(paths: &[&str]) -> Content {
        content(tar(paths).as_slice(), &|| false).unwrap()
    }

    #[test]
    fn what_a_tar_contains_is_told_by_its_paths() {
        let hex = "0".repeat(64);
        let (blob, json) = (format!("blobs/sha256/{hex}"), format!("{hex}.json"));
        assert_eq!(told(&[&blob, "index.json", "oci-layout"]), Content::Images);
        let layer = format!("{hex}/layer.tar");
        assert_eq!(told(&[&json, &layer, "manifest.json"]), Content::Images);
        assert_eq!(told(&["bin/sh", "manifest.json"]), Content::RootFs);
        assert_eq!(told(&["etc/passwd"]), Content::RootFs);
        assert_eq!(told(&[]), Content::RootFs);
        assert!(content(&b"\xfd7zXZ\0rest"[..], &|| false).is_err());
        assert!(matches!(
            content(tar(&["a"]).as_slice(), &|| true),
            Err(LayerError::Cancelled)
        ));
    }

    #[test]
    fn an_image_is_chosen_by_name() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let index = format!(
            r#"{{"manifests":[
                {{"digest":"{one}","size":1,"annotations":{{"io.containerd.image.name":"docker.io/library/a:1","org.opencontainers.image.ref.name":"1"}}}},
                {{"digest":"{one}","size":1,"annotations":{{"io.containerd.image.name":"docker.io/library/a:2"}}}},
                {{"digest":"{two}","size":1,"annotations":{{"org.opencontainers.image.ref.name":"b"}}}},
                {{"digest":"{two}","size":1,"platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#
        );
        let images = of_index(index.as_bytes()).unwrap();
        assert_eq!(images.len(), 2);
        let chosen = |name: &str| choose(&images, Some(name));
        for name in ["a:1", "a:2", "docker.io/library/a:1", "1"] {
            assert_eq!(chosen(name), Ok(Listing::Manifest(one)), "{name}");
        }
        assert_eq!(chosen("b"), Ok(Listing::Manifest(two)));
        assert_eq!(chosen(&two.to_string()), Ok(Listing::Manifest(two)));
        assert_eq!(
            chosen("c").unwrap_err(),
            "it has no image `c`, only `docker.io/library/a:1`, `b`"
        );
        assert!(choose(&images, None).unwrap_err().contains("2 images"));
        assert_eq!(choose(&images[..1], None), Ok(Listing::Manifest(one)));
        assert_eq!(choose(&[], None).unwrap_err(), "it has no image");
    }

    #[test]
    fn lists_of_docker_save_are_read_or_refused() {
        let images =
            of_saved(br#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]},{"Config":"d.json","RepoTags":null,"Layers":[]}]"#).unwrap();
        let place = choose(&images, Some("a:1")).unwrap();
        assert_eq!(
            place,
            Listing::Saved {
                config: "c.json".into(),
                layers: vec!["l/layer.tar".into()]
            }
        );
        assert!(
            choose(&images, None)
                .unwrap_err()
                .contains("`a:1`, `d.json`")
        );
        for bad in ["{}", "[{}]", "x"] {
            assert!(of_saved(bad.as_bytes()).is_err() && of_index(bad.as_bytes()).is_err());
        }
    }

    #[test]
    fn links_stay_in_the_archive() {
        assert_eq!(
            linked("a/layer.tar", "../b/layer.tar").unwrap(),
            "b/layer.tar"
        );
        assert_eq!(linked("a/layer.tar", "./x").unwrap(), "a/x");
        assert_eq!(linked("a", "../b"), None);
        assert_eq!(linked("a", "/etc/passwd"), None);
    }
}
