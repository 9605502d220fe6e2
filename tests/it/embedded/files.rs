//! Bases from files, without any daemon: every form gives the same layers, and hostile ones are refused in words.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::layout::is_layout;
use crate::sandbox::Sandbox;

/// Files by their paths.
type Blobs = Vec<(String, Vec<u8>)>;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A tar of these files; a target after `>` makes a symbolic link.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut head = tar::Header::new_ustar();
        head.set_mode(0o640);
        head.set_uid(7);
        head.set_gid(8);
        if let Some((path, target)) = path.split_once('>') {
            head.set_entry_type(tar::EntryType::Symlink);
            head.set_size(0);
            builder.append_link(&mut head, path, target).unwrap();
            continue;
        }
        // Written by hand, so that paths may lead anywhere.
        head.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        head.set_size(content.len() as u64);
        head.set_cksum();
        builder.append(&head, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A manifest of one image on this base.
fn on(base: &str) -> String {
    format!("image \"app\" {{ builder \"oci\"; base-image {base}; env A=\"1\"; }}\n")
}

fn sandbox(base: &str) -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", &on(base))])
}

fn put(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    std::fs::write(sandbox.path(path), bytes).unwrap();
}

/// Builds the image, and reads its config from the layout it is written to.
fn config(sandbox: &Sandbox) -> Value {
    sandbox
        .run(&["graph", "build", "--output", "oci:out"])
        .success();
    is_layout(&sandbox.path("out"));
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
        let bytes = std::fs::read(sandbox.path("out/blobs/sha256").join(digest)).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let index: Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let manifest = blob(&index["manifests"][0]["digest"]);
    blob(&manifest["config"]["digest"])
}

fn refused(sandbox: &Sandbox, words: &str) {
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
}

/// A layer, its diff id, and a config with it.
fn image() -> (Vec<u8>, String, Vec<u8>) {
    let layer = tar(&[("etc/passwd", b"root:x:0:0::/:\n"), ("data", b"data")]);
    let diff_id = format!("sha256:{}", sha256(&layer));
    let config = json!({ "os": "linux", "architecture": "amd64", "config": { "Env": ["B=2"], "WorkingDir": "/srv" },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
    (layer, diff_id, serde_json::to_vec(&config).unwrap())
}

/// The files of an OCI layout of this image, which has these names.
fn layout(names: &[&str], layer: &[u8]) -> Blobs {
    let (_, _, config) = image();
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", sha256(bytes)), bytes.to_vec());
    let described = |media_type: &str, bytes: &[u8]| {
        let digest = format!("sha256:{}", sha256(bytes));
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let manifest = json!({ "schemaVersion": 2,
        "config": described("application/vnd.oci.image.config.v1+json", &config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", layer)] });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let listed = names.iter().map(|name| {
        let mut listed = described("application/vnd.oci.image.manifest.v1+json", &manifest);
        listed["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        listed
    });
    let index = json!({ "schemaVersion": 2, "manifests": listed.collect::<Vec<_>>() });
    vec![
        blob(layer),
        blob(&config),
        blob(&manifest),
        ("index.json".to_owned(), serde_json::to_vec(&index).unwrap()),
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
    ]
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    tar(&files)
}

fn unpack(files: &[(String, Vec<u8>)], to: &Path) {
    for (path, bytes) in files {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The archive that an old `docker save` writes: the layer of the second image is a link to that of the first.
fn saved(layer: &[u8]) -> Vec<u8> {
    let (_, _, config) = image();
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let (json, first, second) = (
        format!("{}.json", sha256(&config)),
        format!("{one}/layer.tar"),
        format!("{two}/layer.tar"),
    );
    let list = json!([
        { "Config": json, "RepoTags": ["a:1"], "Layers": [first] },
        { "Config": json, "RepoTags": ["b:1", "b:2"], "Layers": [second] },
    ]);
    let link = format!("{second}>../{first}");
    tar(&[
        (&json, &config),
        (&link, b""),
        (&first, layer),
        ("manifest.json", &serde_json::to_vec(&list).unwrap()),
        ("repositories", b"{}"),
    ])
}

#[test]
fn every_form_of_an_image_gives_its_layers_and_config() {
    let (layer, diff_id, _) = image();
    let check = |sandbox: &Sandbox, what: &str| {
        let config = config(sandbox);
        assert_eq!(config["rootfs"]["diff_ids"], json!([diff_id]), "{what}");
        assert_eq!(config["config"]["Env"], json!(["B=2", "A=1"]), "{what}");
        assert_eq!(config["config"]["WorkingDir"], "/srv", "{what}");
        let plan = sandbox.run(&["graph", "plan"]).success().stdout;
        assert!(plan.contains("1 fresh"), "{what}: {plan}");
    };
    for (what, layer) in [
        ("plain", layer.clone()),
        ("gzip", gzip(&layer)),
        ("zstd", zstd::encode_all(layer.as_slice(), 1).unwrap()),
    ] {
        let files = layout(&["app:1"], &layer);
        let folder = sandbox("file=\"base\"");
        unpack(&files, &folder.path("base"));
        folder.write("base/.dockerignore", "*\n");
        check(&folder, what);
        for (form, bytes) in [
            ("tar", archive(&files)),
            ("tar.gz", gzip(&archive(&files))),
            (
                "tar.zst",
                zstd::encode_all(archive(&files).as_slice(), 1).unwrap(),
            ),
        ] {
            // Told by content: the name says something else.
            let file = sandbox("file=\"base.txt\" ref=\"app:1\"");
            put(&file, "base.txt", &bytes);
            check(&file, &format!("{what} in {form}"));
        }
    }
    for name in ["a:1", "docker.io/library/b:2"] {
        let file = sandbox(&format!("file=\"base.tar\" ref=\"{name}\""));
        put(&file, "base.tar", &saved(&layer));
        check(&file, name);
    }
}

#[test]
fn a_root_file_system_is_one_layer() {
    let (layer, diff_id, _) = image();
    for (what, bytes) in [
        ("plain", layer.clone()),
        ("gzip", gzip(&layer)),
        ("zstd", zstd::encode_all(layer.as_slice(), 1).unwrap()),
    ] {
        let sandbox = sandbox("file=\"rootfs\"");
        put(&sandbox, "rootfs", &bytes);
        let config = config(&sandbox);
        assert_eq!(config["rootfs"]["diff_ids"], json!([diff_id]), "{what}");
        assert_eq!(config["architecture"], "amd64");
        let made = config["history"][0]["created_by"].as_str().unwrap();
        assert_eq!(made, "base-image: file");
    }
}

#[test]
fn where_a_file_is_does_not_become_part_of_the_image() {
    let (layer, ..) = image();
    let built = |sandbox: &Sandbox| {
        let build = ["graph", "build", "--metadata-file", "metadata.json"];
        sandbox.run(&build).success();
        let metadata: Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
        metadata["app"]["digest"].to_string()
    };
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().to_str().unwrap();
    let in_folder = |folder: &str| {
        let sandbox = sandbox(&format!("file=\"{folder}/base.tar\""));
        std::fs::create_dir(sandbox.path(folder)).unwrap();
        put(&sandbox, &format!("{folder}/base.tar"), &layer);
        sandbox
    };
    let alone = built(&in_folder("one"));
    for folder in ["one", "two"] {
        assert_eq!(built(&in_folder(folder)), alone, "{folder}");
        let sharing = in_folder(folder).env("IMGSPEC_CACHE", cache);
        assert_eq!(built(&sharing), alone, "{folder} in a store of both");
    }
}

#[test]
fn what_images_own_files_say_is_used_for_their_children() {
    let sandbox = sandbox("file=\"base.tar\"");
    let (layer, ..) = image();
    put(&sandbox, "base.tar", &archive(&layout(&["x"], &layer)));
    sandbox.write("src/a", "a\n");
    let more = "image \"child\" { builder \"oci\"; base-image image=\"app\"; copy \"src\" to=\"a\" owner=\"root\"; }\n";
    sandbox.write("imgspec.kdl", &format!("{}{more}", on("file=\"base.tar\"")));
    sandbox.run(&["graph", "build"]).success();
    let before = sandbox.run(&["tag", "app"]).success().stdout;
    put(&sandbox, "base.tar", &layer);
    assert_ne!(sandbox.run(&["tag", "app"]).success().stdout, before);
    let explained = sandbox.run(&["explain", "app"]).success().stdout;
    assert!(explained.contains("base-image:base.tar"), "{explained}");
}

#[test]
fn archives_that_are_not_what_they_say_are_refused() {
    let (layer, ..) = image();
    let good = layout(&["one:1", "two:1"], &layer);
    let with = |change: &dyn Fn(&mut Blobs)| {
        let mut files = good.clone();
        change(&mut files);
        let sandbox = sandbox("file=\"base.tar\"");
        put(&sandbox, "base.tar", &archive(&files));
        sandbox
    };
    let other = tar(&[("data", b"other")]);
    refused(&with(&|files| files[0].1.clone_from(&other)), "instead of");
    refused(&with(&|files| drop(files.remove(0))), "is missing");
    refused(&with(&|files| drop(files.remove(2))), "is missing");
    refused(
        &with(&|files| files[2].1 = b"{}".to_vec()),
        "has another content",
    );
    refused(
        &with(&|files| files[3].1 = b"[]".to_vec()),
        "index.json cannot be read",
    );
    refused(&with(&|files| files[0].1.truncate(700)), "its layer");
    let two = |tail: &str| {
        let (layer, ..) = image();
        let sandbox = sandbox(&format!("file=\"base.tar\"{tail}"));
        put(&sandbox, "base.tar", &saved(&layer));
        sandbox
    };
    refused(
        &two(""),
        "it has 2 images: `a:1`, `b:1`; choose one with `ref=`",
    );
    refused(&two(" ref=\"c\""), "it has no image `c`, only `a:1`, `b:1`");
}

#[test]
fn strange_files_are_refused() {
    let refuse = |bytes: &[u8], words: &str| {
        let sandbox = sandbox("file=\"base.tar\"");
        put(&sandbox, "base.tar", bytes);
        refused(&sandbox, words);
    };
    refuse(&tar(&[("../../etc/x", b"x")]), "leads out of the image");
    refuse(&tar(&[("a/.wh.b", b"")]), "would be a removal");
    refuse(b"\xfd7zXZ\0and so on", "compressed with xz");
    refuse(&[b'x'; 2000], "it cannot be read");
    refuse(&gzip(&tar(&[("a", &[0; 9000])]))[..40], "it cannot be read");
    let json = format!("{}.json", "0".repeat(64));
    refuse(
        &tar(&[(&json, b"{}"), ("manifest.json", b"[]")]),
        "it has no image",
    );
    let link = format!("{}/layer.tar>../../../etc/passwd", "0".repeat(64));
    refuse(
        &tar(&[(&link, b""), ("manifest.json", b"[]")]),
        "leads out of the image",
    );

    let sandbox = sandbox("file=\"base.tar\" ref=\"x\"");
    put(&sandbox, "base.tar", &tar(&[("bin/sh", b"x")]));
    refused(&sandbox, "`ref` names nothing");
    let empty = Sandbox::with(&[("imgspec.kdl", &on("file=\"base\"")), ("base/x", "x")]);
    refused(
        &empty,
        "there is neither `index.json` nor `manifest.json` in it",
    );
}

#[test]
fn mistakes_in_the_manifest_are_told_with_their_places() {
    let check = |base: &str, words: &str| {
        let sandbox = sandbox(base);
        sandbox.write("base.tar", "");
        let ran = sandbox.run(&["check"]).code(2);
        assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    };
    check("file=\"none.tar\"", "`none.tar` does not exist");
    check("file=\"../x.tar\"", "outside");
    check("file=\"/x.tar\"", "workspace");
    check("\"debian:12\" ref=\"x\"", "`ref` needs `file`");
    check("file=\"base.tar\" image=\"app\"", "an image has one base");
    for (builder, words) in [
        ("envd", "the `envd` builder does not support `base-image`"),
        (
            "docker",
            "the `docker` builder does not support `base-image`",
        ),
    ] {
        let sandbox = sandbox("file=\"base.tar\" ref=\"x\"");
        let manifest = sandbox.read("imgspec.kdl").replace("oci", builder);
        sandbox.write("imgspec.kdl", &manifest);
        sandbox.write("base.tar", "");
        let ran = sandbox.run(&["check"]).code(2);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_base_in_a_file_is_edited_rendered_and_shown() {
    let sandbox = sandbox("\"scratch\"");
    let (layer, ..) = image();
    put(&sandbox, "base.tar", &layer);
    sandbox
        .run(&["set", "app", "base-image", "file=base.tar"])
        .success();
    let manifest = sandbox.read("imgspec.kdl");
    assert!(
        manifest.contains("base-image file=\"base.tar\"")
            || manifest.contains("base-image file=base.tar"),
        "{manifest}"
    );
    let rendered = sandbox.run(&["render", "app"]).success().json();
    assert_eq!(rendered["base"], "base.tar");
    let docker = sandbox.read("imgspec.kdl").replace("oci", "docker");
    sandbox.write("imgspec.kdl", &docker);
    let dockerfile = sandbox.run(&["render", "app"]).success().stdout;
    assert!(
        dockerfile.contains("FROM scratch\nADD [\"0/base.tar\",\"/\"]"),
        "{dockerfile}"
    );
}

#[test]
fn an_archive_of_images_is_no_base_for_docker_and_check_says_so() {
    let (layer, ..) = image();
    let images = archive(&layout(&["a:1"], &layer));
    let manifest = "image \"app\" { builder \"docker\"; base-image file=\"base.tar\"; }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    for bytes in [
        images.clone(),
        gzip(&images),
        zstd::encode_all(images.as_slice(), 1).unwrap(),
    ] {
        put(&sandbox, "base.tar", &bytes);
        let told = sandbox.run(&["check"]).code(2).stderr;
        let words = "image `app`: the `docker` builder does not support `base-image`: `base.tar` cannot be used as a base: \
                     it contains images, not a root file system";
        let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let words: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&words), "{told}");
    }
    put(&sandbox, "base.tar", &layer);
    sandbox.run(&["check"]).success();
    // What cannot be read is left to the build.
    put(&sandbox, "base.tar", b"no tar");
    sandbox.run(&["check"]).success();
    std::fs::remove_file(sandbox.path("base.tar")).unwrap();
    unpack(&layout(&["a:1"], &layer), &sandbox.path("base.tar"));
    let told = sandbox.run(&["check"]).code(2).stderr;
    assert!(told.contains("not on a directory"), "{told}");
}
