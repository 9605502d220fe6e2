//! Archives that lie: each is an error, and none takes more than it is allowed.

use serde_json::json;
use tar::{EntryType, Header};

use super::{Made, classic, config, fresh, import, index, manifest, refused};
use crate::backend::oci::archive::{Limits, import_archive};
use crate::backend::oci::name::Digest;

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
