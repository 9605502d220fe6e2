//! Copies out of other images, without any daemon.

use std::io::Read;

use serde_json::Value;
use tar::EntryType as Kind;

use crate::sandbox::Sandbox;

/// A root file system with what copies have to keep: modes, owners, links of both kinds, and an attribute.
fn root_fs(more: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let head = |kind, mode, size: usize| {
        let mut head = tar::Header::new_ustar();
        head.set_entry_type(kind);
        head.set_mode(mode);
        head.set_uid(7);
        head.set_gid(8);
        head.set_size(size as u64);
        if matches!(kind, Kind::Char | Kind::Block) {
            head.set_device_major(1).unwrap();
            head.set_device_minor(3).unwrap();
        }
        head
    };
    let mut add = |kind, path: &str, mode, target: &str, content: &str| {
        let mut head = head(kind, mode, content.len());
        if target.is_empty() {
            builder
                .append_data(&mut head, path, content.as_bytes())
                .unwrap();
        } else {
            builder.append_link(&mut head, path, target).unwrap();
        }
    };
    add(Kind::Directory, "opt/", 0o750, "", "");
    // Not sorted: layers of others are in any order.
    add(Kind::Regular, "opt/z", 0o4755, "", "content of z");
    add(Kind::Link, "opt/a", 0o4755, "opt/z", "");
    add(Kind::Symlink, "opt/link", 0o777, "z", "");
    add(Kind::Symlink, "way", 0o777, "/opt", "");
    add(Kind::Regular, "other", 0o600, "", "other");
    add(Kind::Fifo, "dev/pipe", 0o600, "", "");
    add(Kind::Char, "dev/null", 0o666, "", "");
    add(Kind::Block, "dev/disk", 0o660, "", "");
    add(Kind::Link, "dev/same", 0o666, "dev/null", "");
    add(Kind::Regular, "more", 0o600, "", more);
    builder
        .append_pax_extensions([("SCHILY.xattr.security.capability", &b"\x01\x00\x00\x02"[..])])
        .unwrap();
    let mut head = head(Kind::Regular, 0o755, 4);
    builder
        .append_data(&mut head, "opt/ping", &b"ping"[..])
        .unwrap();
    builder.into_inner().unwrap()
}

fn sandbox(copies: &str) -> Sandbox {
    let manifest = format!(
        "defaults {{ builder \"oci\"; }}\nimage \"from\" {{ base-image file=\"base.tar\"; }}\n\
         image \"app\" {{\n    base-image \"scratch\"\n{copies}}}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    std::fs::write(sandbox.path("base.tar"), root_fs("")).unwrap();
    sandbox
}

/// Builds `app`; returns the blobs of its layers.
pub(super) fn layers(sandbox: &Sandbox) -> Vec<String> {
    sandbox
        .run(&["graph", "build", "app", "--output", "oci:out"])
        .success();
    crate::layout::is_layout(&sandbox.path("out"));
    let blob = |digest: &Value| {
        digest
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:")
            .to_owned()
    };
    let read = |path: &str| serde_json::from_str::<Value>(&sandbox.read(path)).unwrap();
    let index = read("out/index.json");
    let manifest = read(&format!(
        "out/blobs/sha256/{}",
        blob(&index["manifests"][0]["digest"])
    ));
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| blob(&layer["digest"])).collect()
}

/// The entries of a layer, as `path kind mode owner content-or-target`.
pub(super) fn entries(sandbox: &Sandbox, layer: &str) -> Vec<String> {
    let file = std::fs::File::open(sandbox.path("out/blobs/sha256").join(layer)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(file));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let head = entry.header();
        let head = head.clone();
        let (kind, mode) = (head.entry_type(), head.mode().unwrap());
        let (uid, gid) = (head.uid().unwrap(), head.gid().unwrap());
        let target = entry
            .link_name()
            .unwrap()
            .map(|target| target.display().to_string());
        let path = entry.path().unwrap().display().to_string();
        let xattrs = entry.pax_extensions().unwrap().into_iter().flatten();
        let xattrs: Vec<String> = xattrs
            .map(|xattr| xattr.unwrap().key().unwrap().to_owned())
            .collect();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let text = match (head.device_major(), head.device_minor()) {
            (Ok(Some(major)), Ok(Some(minor))) if matches!(kind, Kind::Char | Kind::Block) => {
                format!("{major}:{minor}")
            }
            _ => target.unwrap_or(text),
        };
        format!(
            "{path} {kind:?} {mode:o} {uid}:{gid} {text} {}",
            xattrs.join(",")
        )
        .trim_end()
        .to_owned()
    });
    entries.collect()
}

#[test]
fn copies_keep_what_files_are() {
    let sandbox = sandbox(
        "    copy image=\"from\" \"/way\" to=\"/new/dir\"\n    copy image=\"from\" \"/opt/link\" to=\"/one/\" owner=\"1:2\"\n",
    );
    let layers = layers(&sandbox);
    assert_eq!(
        entries(&sandbox, &layers[0]),
        [
            "new/ Directory 755 0:0",
            "new/dir/ Directory 755 0:0",
            "new/dir/a Regular 4755 7:8 content of z",
            "new/dir/link Symlink 777 7:8 z",
            "new/dir/ping Regular 755 7:8 ping SCHILY.xattr.security.capability",
            "new/dir/z Link 4755 7:8 new/dir/a",
        ]
    );
    assert_eq!(
        entries(&sandbox, &layers[1]),
        [
            "one/ Directory 755 1:2",
            "one/link Regular 4755 1:2 content of z"
        ]
    );
}

#[test]
fn devices_and_pipes_are_carried_through() {
    let sandbox = sandbox("    copy image=\"from\" \"/dev\" to=\"/dev\"\n");
    let layers = layers(&sandbox);
    assert_eq!(
        entries(&sandbox, &layers[0]),
        [
            "dev/ Directory 755 0:0",
            "dev/disk Block 660 7:8 1:3",
            "dev/null Char 666 7:8 1:3",
            "dev/pipe Fifo 600 7:8",
            "dev/same Link 666 7:8 dev/null",
        ]
    );
}

#[test]
fn equal_copies_are_equal_layers() {
    let copy = "    copy image=\"from\" \"/opt\" to=\"/x\"\n";
    let sandbox = sandbox(copy);
    let before = layers(&sandbox);
    // Another base with the same files below `/opt`.
    std::fs::write(sandbox.path("base.tar"), root_fs("more")).unwrap();
    assert_eq!(layers(&sandbox), before);
    let again = sandbox.run(&["graph", "build"]).success();
    assert!(again.stderr.contains("2 images fresh"), "{}", again.stderr);
}

#[test]
fn what_cannot_be_copied_is_told() {
    for (path, words) in [
        (
            "/nowhere",
            "`from` cannot be copied from: there is no `/nowhere` in the image",
        ),
        ("/other/x", "`/other` is not a directory"),
    ] {
        let sandbox = sandbox(&format!("    copy image=\"from\" \"{path}\" to=\"/x\"\n"));
        let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
        assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
        assert!(ran.stderr.contains("imgspec.kdl:5"), "{}", ran.stderr);
    }
}
