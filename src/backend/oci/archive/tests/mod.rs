//! Archives as they are met, and made up ones.

mod hostile;

use std::io::Write;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::*;
use crate::backend::oci::manifest::{INDEX, MANIFEST, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{Store, Stored};

fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("oci")).unwrap();
    (folder, store)
}

/// An archive that is being made up.
struct Made(Builder<Vec<u8>>);

impl Made {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, kind: EntryType, path: &str, link: &str, body: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        header.set_cksum();
        self.0.append(&header, body).unwrap();
        self
    }

    fn file(self, path: &str, body: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, path, "", body.as_ref())
    }

    fn blob(self, body: impl AsRef<[u8]>) -> Self {
        let path = format!("blobs/sha256/{}", Digest::of(body.as_ref()).hex());
        self.file(&path, body)
    }

    fn link(self, path: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, path, to, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn import(store: &Store, archive: &[u8]) -> Result<Stored, ArchiveError> {
    import_archive(store, archive, Limits::default())
}

#[track_caller]
fn refused(archive: &[u8], words: &str) {
    let (_folder, store) = fresh();
    let error = import(&store, archive).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diffs: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let text = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diffs } });
    text.to_string().into_bytes()
}

fn piece(kind: &str, body: &[u8]) -> serde_json::Value {
    json!({ "mediaType": kind, "digest": Digest::of(body), "size": body.len() })
}

fn manifest(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let layers: Vec<_> = layers.iter().map(|layer| piece("l", layer)).collect();
    let text = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": piece("c", config), "layers": layers });
    text.to_string().into_bytes()
}

fn index(images: &[(&[u8], &str)]) -> Vec<u8> {
    let each = images.iter().map(|(image, platform)| {
        let kind = Manifest::read(image, None).unwrap().media_type;
        let mut piece = piece(&kind, image);
        if let Some((os, architecture)) = platform.split_once('/') {
            piece["platform"] = json!({ "os": os, "architecture": architecture });
        }
        piece
    });
    let each: Vec<_> = each.collect();
    let text = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": each });
    text.to_string().into_bytes()
}

/// As `docker save` wrote before engine 25: one layer is a link to another.
fn classic() -> Made {
    let config = config(&[b"layer", b"layer"]);
    let name = format!("{}.json", Digest::of(&config).hex());
    let list =
        json!([{ "Config": name, "RepoTags": ["a:1"], "Layers": ["1/layer.tar", "2/layer.tar"] }]);
    Made::new()
        .entry(EntryType::Directory, "1/", "", b"")
        .file("1/VERSION", "1.0")
        .file("1/json", "{}")
        .file("1/layer.tar", "layer")
        .link("2/layer.tar", "../1/layer.tar")
        .file(&name, &config)
        .file("manifest.json", list.to_string())
        .file("repositories", "{}")
}

#[test]
fn the_image_of_a_docker_archive_gets_a_manifest() {
    let (_folder, store) = fresh();
    let image = import(&store, &classic().bytes()).unwrap();
    assert_eq!(image.media_type, MANIFEST);
    let text = store.read_whole(image.digest, 1 << 20).unwrap();
    let manifest = Manifest::read(&text, None).unwrap();
    let layers: Vec<Digest> = manifest.layers().iter().map(|one| one.digest).collect();
    assert_eq!(layers, [Digest::of(b"layer"); 2]);
    assert_eq!(
        manifest.layers()[0].media_type,
        "application/vnd.oci.image.layer.v1.tar"
    );
    let again = import(&fresh().1, &classic().bytes()).unwrap();
    assert_eq!(again, image);
}

#[test]
fn the_image_of_a_layout_keeps_its_digest() {
    let (_folder, store) = fresh();
    let config = config(&[b"layer"]);
    let image = manifest(&config, &[b"layer"]);
    // Two names, one image.
    let list = index(&[(&image, ""), (&image, "")]);
    let archive = Made::new()
        .file("oci-layout", "{}")
        .file("./index.json", &list)
        .blob(&image)
        .blob("layer")
        .blob(&config)
        .bytes();
    let found = import(&store, &archive).unwrap();
    assert_eq!(found.digest, Digest::of(&image));
}

#[test]
fn a_packed_archive_is_unpacked() {
    let (_folder, store) = fresh();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&classic().bytes()).unwrap();
    import(&store, &packed.finish().unwrap()).unwrap();
}

#[test]
fn of_an_index_what_is_there_is_taken() {
    let config = config(&[]);
    let one = manifest(&config, &[]);
    let two = manifest(b"two", &[]);
    let gone = manifest(&config, &[b"gone"]);
    let about = manifest(b"about", &[]);
    let archive = |images: &[(&[u8], &str)]| {
        let list = index(images);
        Made::new()
            .blob(&one)
            .blob(&two)
            .blob("two")
            .blob(&config)
            .blob(&about)
            .blob("about")
            .blob(&list)
            .file("index.json", index(&[(&list, "")]))
            .bytes()
    };
    let (_folder, store) = fresh();
    let found = |images: &[(&[u8], &str)]| import(&store, &archive(images)).unwrap();
    let all: [(&[u8], &str); 2] = [(&one, "linux/amd64"), (&two, "linux/arm64")];
    assert_eq!(found(&all).digest, Digest::of(&index(&all)));
    // Another platform that is not in the archive, and an attestation.
    let one_there = [all[0], (&gone, "linux/s390x"), (&about, "unknown/unknown")];
    assert_eq!(found(&one_there).digest, Digest::of(&one));
    let two_there = found(&[all[0], (&gone, "linux/s390x"), all[1]]);
    let text = store.read_whole(two_there.digest, 1 << 20).unwrap();
    assert_eq!(Manifest::read(&text, None).unwrap().manifests.len(), 2);
    let nothing = import(&store, &archive(&[(&gone, "linux/amd64")])).unwrap_err();
    assert_eq!(nothing.to_string(), "the archive lacks a part of its image");
}

#[test]
fn long_names_and_sizes_are_read_as_others_write_them() {
    let (_folder, store) = fresh();
    let config = config(&[b"layer"]);
    let layer = format!("{}/layer.tar", "long".repeat(40));
    let mut made = Made::new();
    made = made.entry(
        EntryType::GNULongName,
        "././@LongLink",
        "",
        layer.as_bytes(),
    );
    made = made.file("short", "layer");
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length = rest.len() + 2;
        format!("{length}{rest}")
    };
    made = made.entry(
        EntryType::XHeader,
        "pax",
        "",
        record("path", "config.json").as_bytes(),
    );
    made = made.file("other", &config);
    made = made.entry(EntryType::XGlobalHeader, "pax", "", b"whatever");
    let list = json!([{ "Config": "config.json", "Layers": [layer] }]);
    let archive = made.file("manifest.json", list.to_string()).bytes();
    import(&store, &archive).unwrap();
}

#[test]
fn what_is_exported_is_imported_as_the_same() {
    let (_folder, store) = fresh();
    let config = config(&[b"layer"]);
    let (one, two) = (
        manifest(&config, &[b"layer"]),
        manifest(b"two", &[b"layer"]),
    );
    let list = index(&[(&one, "linux/amd64"), (&two, "linux/arm64")]);
    for blob in [&config[..], b"layer", b"two", &one, &two, &list] {
        store.put(blob, None).unwrap();
    }
    for (text, media_type) in [(&one, MANIFEST), (&list, INDEX)] {
        let image = Stored {
            digest: Digest::of(text),
            media_type: media_type.into(),
        };
        let write = || {
            let mut archive = Vec::new();
            export_archive(&store, &image, &["r.io/a:1", "b"], None, &mut archive).unwrap();
            archive
        };
        let archive = write();
        assert_eq!(archive, write());
        assert_eq!(import(&fresh().1, &archive).unwrap(), image);
    }
}

#[test]
fn an_export_names_the_platform_that_is_asked_for() {
    let (_folder, store) = fresh();
    let (one, two) = (manifest(b"one", &[]), manifest(b"two", &[]));
    let list = index(&[(&one, "linux/amd64"), (&two, "linux/arm64")]);
    for blob in [&b"one"[..], b"two", &one, &two, &list] {
        store.put(blob, None).unwrap();
    }
    let image = Stored {
        digest: Digest::of(&list),
        media_type: INDEX.into(),
    };
    let export = |platform| {
        let mut archive = Vec::new();
        export_archive(&store, &image, &["a:1"], Some(platform), &mut archive).map(|()| archive)
    };
    let archive = String::from_utf8_lossy(&export("linux/arm64").unwrap()).into_owned();
    let config = format!(r#""Config":"blobs/sha256/{}""#, Digest::of(b"two").hex());
    assert!(archive.contains(&config) && archive.contains("docker.io/library/a:1"));
    let error = export("linux/s390x").unwrap_err().to_string();
    assert!(
        error.ends_with("it has no image for linux/s390x"),
        "{error}"
    );
}

#[test]
fn what_is_damaged_or_gone_is_not_exported() {
    let (_folder, store) = fresh();
    let text = manifest(b"config", &[]);
    let digest = store.put(text.as_slice(), None).unwrap().digest;
    let image = Stored {
        digest,
        media_type: MANIFEST.into(),
    };
    let export = || export_archive(&store, &image, &[], None, std::io::sink());
    assert!(
        export()
            .unwrap_err()
            .to_string()
            .contains("is not in the store")
    );
    let config = store.put(&b"config"[..], None).unwrap().digest;
    export().unwrap();
    let path = store.folder().join("blobs/sha256").join(config.hex());
    std::fs::write(path, "confid").unwrap();
    assert!(export().unwrap_err().to_string().contains("damaged"));
    let none = export_archive(&store, &image, &["r.io/"], None, std::io::sink());
    assert!(none.unwrap_err().to_string().contains("no reference"));
}
