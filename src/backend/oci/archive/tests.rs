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
fn what_is_no_archive_of_an_image_is_refused() {
    refused(b"", "it has neither `index.json` nor `manifest.json`");
    refused(&[0; 1024], "it has neither");
    refused(&[b'x'; 1024], "no tar archive");
    refused(b"short", "the archive breaks");
    refused(b"\x1f\x8b broken", "the archive breaks");
    refused(
        &Made::new().file("index.json", "[]").bytes(),
        "`index.json` of the archive",
    );
    refused(
        &Made::new().file("manifest.json", "{").bytes(),
        "`manifest.json` of the archive",
    );
    refused(
        &Made::new().file("manifest.json", "[]").bytes(),
        "0 images instead of one",
    );
    let config = config(&[]);
    let (one, two) = (manifest(&config, &[]), manifest(b"", &[]));
    let both = Made::new().file("index.json", index(&[(&one, ""), (&two, "")]));
    refused(&both.bytes(), "2 images instead of one");
}

#[test]
fn an_archive_that_breaks_off_anywhere_is_refused() {
    let archive = classic().bytes();
    for length in (1..archive.len() - 1024).step_by(97) {
        let (_folder, store) = fresh();
        assert!(import(&store, &archive[..length]).is_err(), "{length}");
    }
}

#[test]
fn paths_do_not_lead_out() {
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        refused(
            &Made::new().file(path, "x").bytes(),
            "the path leads out of the archive",
        );
    }
    for (link, kind) in [
        ("../../x", EntryType::Symlink),
        ("/etc/passwd", EntryType::Symlink),
        ("../x", EntryType::Link),
    ] {
        let made = Made::new().entry(kind, "a/b", link, b"");
        refused(&made.bytes(), "the link leads out of the archive");
    }
}

#[test]
fn links_that_lead_nowhere_are_refused() {
    let list = |layer: &str| {
        let text = json!([{ "Config": "c", "Layers": [layer] }]);
        Made::new()
            .file("c", config(&[b"x"]))
            .file("manifest.json", text.to_string())
    };
    refused(&list("gone").bytes(), "the archive lacks `gone`");
    refused(&list("../c").bytes(), "the archive lacks `../c`");
    refused(
        &list("a").link("a", "b").link("b", "a").bytes(),
        "the links lead nowhere",
    );
    refused(&list("a").link("a", "b").bytes(), "the archive lacks `a`");
}

#[test]
fn what_does_not_fit_its_digest_is_refused() {
    let name = Digest::of(b"promised").hex();
    let wrong = Made::new().file(&format!("blobs/sha256/{name}"), "else");
    refused(&wrong.bytes(), "was promised, but");
    let wrong = Made::new().file(&format!("{name}.json"), "else");
    refused(&wrong.bytes(), "was promised, but");
    let wrong = Made::new().file("blobs/sha256/..x", "else");
    refused(&wrong.bytes(), "the name is no digest");
    let list = |layers: &[&str]| {
        let text = json!([{ "Config": "c", "Layers": layers }]);
        Made::new()
            .file("c", config(&[b"promised"]))
            .file("l", "else")
            .file("manifest.json", text.to_string())
    };
    refused(&list(&["l"]).bytes(), "`l` of the archive: it is `sha256:");
    refused(&list(&["l", "l"]).bytes(), "it has 1 layers, not 2");
    let config = config(&[]);
    let text = manifest(&config, &[]);
    let text = String::from_utf8(text)
        .unwrap()
        .replace(&format!("\"size\":{}", config.len()), "\"size\":1");
    let made = Made::new().blob(&config).blob(&text);
    let made = made.file("index.json", index(&[(text.as_bytes(), "")]));
    refused(&made.bytes(), "bytes, not 1");
}

#[test]
fn no_more_is_taken_than_is_allowed() {
    let (_folder, store) = fresh();
    let archive = Made::new().file("a", [0; 10]).file("b", [0; 10]).bytes();
    let limited = |entries, bytes| {
        let limits = Limits { entries, bytes };
        import_archive(&store, archive.as_slice(), limits)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(limited(1, 99), "the archive has more than 1 entries");
    assert_eq!(limited(9, 19), "the archive has more than 19 bytes");
    let claims = |kind: EntryType, size: u64| {
        let mut header = Header::new_gnu();
        header.set_path("index.json").unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    refused(
        &claims(EntryType::GNULongName, 1 << 40),
        "a path in it is too long",
    );
    refused(
        &claims(EntryType::XHeader, 1 << 40),
        "a path in it is too long",
    );
    refused(&claims(EntryType::Regular, 1 << 39), "it is too large");
    refused(&claims(EntryType::Regular, 1 << 50), "more than");
    refused(&claims(EntryType::GNUSparse, 1 << 20), "a sparse file");
    refused(&claims(EntryType::Directory, 1 << 39), "it has neither");
}

#[test]
fn an_index_in_an_index_in_an_index_ends() {
    let config = config(&[]);
    let mut inner = manifest(&config, &[]);
    let mut made = Made::new().blob(&config);
    for _ in 0..20 {
        made = made.blob(&inner);
        inner = index(&[(&inner, "")]);
    }
    refused(&made.file("index.json", &inner).bytes(), "it is too deep");
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
