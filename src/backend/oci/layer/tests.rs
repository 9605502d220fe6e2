use std::io::Read;

use ::tar::EntryType;
use proptest::collection::vec;
use proptest::prelude::*;

use super::write::Layer;
use super::*;
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Store;

fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(&folder.path().join("oci")).unwrap(), folder)
}

fn entry<'a>(path: &'a str, kind: EntryKind<'a>) -> Entry<'a> {
    Entry {
        path,
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
    }
}

fn file<'a>(path: &'a str, content: &[u8]) -> Entry<'a> {
    let size = content.len() as u64;
    Entry {
        mode: 0o644,
        ..entry(path, EntryKind::File { size })
    }
}

/// A layer of these files and links.
fn layer(store: &Store, files: &[(&str, &[u8])]) -> Layer {
    let mut writer = LayerWriter::new(store, Encoding::Gzip).unwrap();
    writer.entry(&entry("app", EntryKind::Folder)).unwrap();
    for (path, content) in files {
        writer.entry(&file(path, content)).unwrap();
        writer.content(content).unwrap();
    }
    let link = EntryKind::Link { target: "x/y" };
    writer.entry(&entry("app/link", link)).unwrap();
    writer.finish().unwrap()
}

fn plain(store: &Store, layer: &Layer) -> Vec<u8> {
    let (blob, _) = store.read(layer.blob.digest).unwrap();
    let mut plain = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(blob);
    decoder.read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn what_is_written_is_read_back() {
    let (store, _folder) = store();
    let long = format!("app/{}", "n".repeat(300));
    let layer = layer(
        &store,
        &[("app/a.txt", b"hello"), ("app/empty", b""), (&long, b"x")],
    );
    let plain = plain(&store, &layer);
    assert_eq!(Digest::of(&plain), layer.contents.diff_id);
    assert_eq!(plain.len() % 512, 0);
    let mut archive = ::tar::Archive::new(plain.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        found.push((entry.path().unwrap().display().to_string(), text));
    }
    let expected = [
        ("app/", ""),
        ("app/a.txt", "hello"),
        ("app/empty", ""),
        (&long, "x"),
        ("app/link", ""),
    ];
    let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(found, expected);
    let (blob, _) = store.read(layer.blob.digest).unwrap();
    assert_eq!(read(blob, &|| false).unwrap(), layer.contents);
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let big: Vec<u8> = (0..40_000_000_u32).map(|at| (at / 7 % 251) as u8).collect();
    let digest = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let (store, _folder) = store();
            layer(&store, &[("app/big", &big)]).blob.digest
        })
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_file_is_as_long_as_its_head_says() {
    let (store, _folder) = store();
    let mut writer = LayerWriter::new(&store, Encoding::Gzip).unwrap();
    writer.entry(&file("a", b"12345")).unwrap();
    assert!(writer.content(b"123456").is_err());
}

#[test]
fn strange_layers_are_indexed_or_refused() {
    let build = |path: &str, kind: EntryType, target: &str| {
        let mut header = ::tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_link_name_literal(target).unwrap();
        header.set_size(0);
        header.set_mode(0o4755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend([0; 1024]);
        read(bytes.as_slice(), &|| false).map(|read| read.index.nodes.to_vec())
    };
    let one = |path, kind, target| build(path, kind, target).unwrap().pop().unwrap();
    assert_eq!(&*one("./usr/", EntryType::Directory, "").path, "usr");
    assert_eq!(one("usr/su", EntryType::Regular, "").mode, 0o4755);
    assert_eq!(
        one("/lib", EntryType::Symlink, "usr/lib").kind,
        NodeKind::Link("usr/lib".into())
    );
    assert_eq!(
        one("a", EntryType::Link, "./b/c").kind,
        NodeKind::HardLink("b/c".into())
    );
    assert_eq!(&*one("d/.wh.x", EntryType::Regular, "").path, "d/x");
    assert_eq!(
        one("d/.wh..wh..opq", EntryType::Regular, "").kind,
        NodeKind::Opaque
    );
    assert_eq!(one("dev/null", EntryType::Char, "").kind, NodeKind::Special);
    assert!(build("./", EntryType::Directory, "").unwrap().is_empty());
    assert!(build("../x", EntryType::Regular, "").is_err());
    assert!(build("a/../../x", EntryType::Regular, "").is_err());
    assert!(build("a", EntryType::Link, "../b").is_err());
    for whiteout in ["d/.wh.", "d/.wh..", ".wh..."] {
        assert!(build(whiteout, EntryType::Regular, "").is_err());
    }
    assert!(read(&[0x1f, 0x8b, 8, 0][..], &|| false).is_err());
    assert!(
        read(
            &b"no tar at all, and long enough to be taken for one"[..],
            &|| false
        )
        .is_err()
    );
    assert!(matches!(read(&b""[..], &|| false), Ok(read) if read.index.nodes.is_empty()));
    assert!(matches!(
        read(&b""[..], &|| true),
        Err(LayerError::Cancelled)
    ));
}

#[test]
fn removals_are_read_back_as_such() {
    let (store, _folder) = store();
    let mut writer = LayerWriter::new(&store, Encoding::Gzip).unwrap();
    for path in ["top", "a/deep", "a/deeper"] {
        let gone = entry(path, EntryKind::Whiteout);
        writer.entry(&Entry { mode: 0, ..gone }).unwrap();
    }
    let written = writer.finish().unwrap();
    let (blob, _) = store.read(written.blob.digest).unwrap();
    assert_eq!(read(blob, &|| false).unwrap(), written.contents);
    let nodes = &written.contents.index.nodes;
    let all = nodes.iter().map(|node| (&*node.path, &node.kind));
    let gone = NodeKind::Whiteout;
    let all: Vec<(&str, &NodeKind)> = all.collect();
    assert_eq!(
        all,
        [("top", &gone), ("a/deep", &gone), ("a/deeper", &gone)]
    );
}

#[test]
fn names_that_would_remove_something_are_refused_whoever_has_them() {
    let (store, _folder) = store();
    let refused = |path: &str, kind: EntryKind<'_>| {
        let mut writer = LayerWriter::new(&store, Encoding::Gzip).unwrap();
        let refused = writer.entry(&entry(path, kind));
        refused.unwrap_err().to_string()
    };
    let file = EntryKind::File { size: 0 };
    let link = EntryKind::Link { target: "x" };
    assert_eq!(
        refused("bin/.wh.sh", file),
        "in a layer, `/bin/.wh.sh` would be a removal, of `/bin/sh`; rename it or leave it out"
    );
    assert_eq!(
        refused("a/b/.wh..wh..opq", file),
        "in a layer, `/a/b/.wh..wh..opq` would be a removal, of everything in `/a/b/`; rename it or leave it out"
    );
    for (path, kind) in [
        (".wh.a", EntryKind::Folder),
        (".wh.a/b", file),
        (".wh..wh..opq", file),
        ("a/.wh.", link),
        ("a/.wh..", EntryKind::HardLink { target: "x" }),
        ("a/.wh.b", EntryKind::Whiteout),
    ] {
        let why = refused(path, kind);
        assert!(why.contains("would be a removal"), "{why}");
    }
    let mut writer = LayerWriter::new(&store, Encoding::Gzip).unwrap();
    for path in ["a.wh.b", "a/.wha", "a/.wh"] {
        writer.entry(&entry(path, file)).unwrap();
    }
}

/// What a tar with an empty file or a directory at this path says, read back.
fn named(path: &str, kind: EntryKind<'_>) -> Result<String, String> {
    let (store, _folder) = store();
    let mut writer = LayerWriter::new(&store, Encoding::Gzip).unwrap();
    let written = writer.entry(&entry(path, kind));
    written.map_err(|error| error.to_string())?;
    let plain = plain(&store, &writer.finish().unwrap());
    let mut archive = ::tar::Archive::new(plain.as_slice());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    Ok(String::from_utf8(entry.path_bytes().into_owned()).unwrap())
}

#[test]
fn long_names_in_any_script_are_kept() {
    let file = EntryKind::File { size: 0 };
    let (kana, dots) = ("長".repeat(40), "ü".repeat(60));
    for path in [
        format!("データ/{kana}.txt"),
        kana.clone(),
        format!("a/{kana}"),
        format!("{kana}/{kana}/.{dots}."),
        format!("{dots}.{dots}.{dots}/{kana}"),
    ] {
        assert_eq!(named(&path, file).as_ref(), Ok(&path));
        let folder = named(&path, EntryKind::Folder);
        assert_eq!(folder, Ok(format!("{path}/")));
    }
    for path in ["a/../b", "../b", "a\0b", "/a"] {
        let path = format!("{path}/{kana}");
        assert!(named(&path, file).is_err(), "{path:?}");
    }
}

proptest! {
    /// Without line ends, at which the library that reads it here splits records.
    #[test]
    fn every_path_is_read_back(parts in vec("[^/\0\n]{1,8}|[.a]{1,3}|[\\PC&&[^/]]{1,200}", 1..6)) {
        let is_name = |part: &&String| !matches!(part.as_str(), "." | "..") && !part.starts_with(".wh.");
        let parts: Vec<&str> = parts.iter().filter(is_name).map(String::as_str).collect();
        prop_assume!(!parts.is_empty());
        let path = parts.join("/");
        let read = named(&path, EntryKind::File { size: 0 });
        prop_assert_eq!(read, Ok(path));
    }
}
