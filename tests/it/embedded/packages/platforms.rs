//! Images for two platforms: each gets the wheels that are for it, without emulation.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;

use super::index::{Index, wheel_with};
use super::{LIBC, root_with};
use crate::embedded::sdists::with_uv;
use crate::sandbox::Sandbox;

const MACHINES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// Offers a package with a wheel for each platform; returns their hashes.
fn offer(index: &Index) -> Vec<String> {
    let each = MACHINES.map(|(_, machine)| {
        let file = format!("nat-1.0-cp311-cp311-manylinux_2_17_{machine}.whl");
        let bytes = wheel_with("nat", "1.0", &format!("machine = '{machine}'\n"));
        index.also_offer(&file, &bytes)
    });
    each.to_vec()
}

fn workspace(index: &Index, packages: &str) -> Sandbox {
    with_base(index, packages, "file=\"root.tar\"")
}

fn with_base(index: &Index, packages: &str, base: &str) -> Sandbox {
    let host = &index.host;
    let manifest = format!(
        "defaults {{\n    builder \"oci\"\n    platform \"linux/amd64\" \"linux/arm64\"\n}}\n\
         image \"app\" {{\n    base-image {base}\n    {packages}\n    pip-index \"http://{host}/simple\"\n}}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    let both = root_with(&[("lib/aarch64-linux-gnu/libc.so.6", LIBC)]);
    std::fs::write(sandbox.path("root.tar"), both).unwrap();
    sandbox
}

/// By architecture, what the installed module says, and the digests of the layers.
fn built(sandbox: &Sandbox, flags: &[&str]) -> BTreeMap<String, (String, Vec<String>)> {
    let flags = [&["graph", "build", "--output", "oci:out"], flags].concat();
    sandbox.run(&flags).success();
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
        std::fs::read(sandbox.path("out/blobs/sha256").join(digest)).unwrap()
    };
    let json = |digest: &Value| serde_json::from_slice::<Value>(&blob(digest)).unwrap();
    let top: Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let index = json(&top["manifests"][0]["digest"]);
    let mut all = BTreeMap::new();
    for one in index["manifests"].as_array().unwrap() {
        let manifest = json(&one["digest"]);
        let config = json(&manifest["config"]["digest"]);
        let architecture = one["platform"]["architecture"].as_str().unwrap();
        assert_eq!(config["architecture"], architecture);
        let mut text = String::new();
        let mut layers = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            layers.push(layer["digest"].as_str().unwrap().to_owned());
            let bytes = blob(&layer["digest"]);
            let plain = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            for entry in tar::Archive::new(plain).entries().unwrap() {
                let mut entry = entry.unwrap();
                if entry.path().unwrap().ends_with("nat.py") {
                    entry.read_to_string(&mut text).unwrap();
                }
            }
        }
        all.insert(architecture.to_owned(), (text, layers));
    }
    all
}

#[track_caller]
fn assert_each_has_its_own(built: &BTreeMap<String, (String, Vec<String>)>) {
    assert_eq!(built.len(), 2);
    for (architecture, machine) in MACHINES {
        assert_eq!(built[architecture].0, format!("machine = '{machine}'\n"));
    }
    let (one, other) = (&built["amd64"].1, &built["arm64"].1);
    assert_eq!((one.len(), other.len()), (2, 2));
    // The same base, and different wheels.
    assert_eq!(one[0], other[0]);
    assert_ne!(one[1], other[1]);
}

#[test]
fn each_platform_gets_its_wheels() {
    let index = Index::new();
    let hashes = offer(&index);
    let sandbox = workspace(&index, "requirements \"all.txt\"");
    let [one, other] = hashes.as_slice() else {
        panic!("{hashes:?}");
    };
    let pins = format!("nat==1.0 --hash=sha256:{one} --hash=sha256:{other}\n");
    sandbox.write("all.txt", &pins);
    assert_each_has_its_own(&built(&sandbox, &[]));
    // One of which a platform has no wheel.
    sandbox.write("all.txt", &format!("nat==1.0 --hash=sha256:{one}\n"));
    let ran = sandbox.run(&["graph", "build"]).code(1);
    let words = "nat 1.0 has no wheel for cp311-cp311-manylinux_2_36_aarch64";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

/// Locks, and builds what is locked.
#[track_caller]
fn is_locked_for_each(sandbox: &Sandbox, hashes: &[String]) {
    sandbox
        .run(&["lock"])
        .success()
        .says("added   nat 1.0 (app)");
    let lock = sandbox.read("imgspec.lock");
    for (hash, (architecture, _)) in hashes.iter().zip(MACHINES) {
        assert!(lock.contains(hash), "{lock}");
        assert!(
            lock.contains(&format!("\"linux/{architecture}\"")),
            "{lock}"
        );
    }
    assert!(lock.contains("python 3.11, glibc 2.36"), "{lock}");
    sandbox.run(&["lock", "--check"]).success();
    assert_each_has_its_own(&built(sandbox, &["--locked", "app"]));
}

#[test]
fn the_lock_has_the_wheels_of_each_platform_on_a_base_from_a_file() {
    let index = Index::new();
    let hashes = offer(&index);
    let Some(sandbox) = with_uv(workspace(&index, "packages \"nat\"")) else {
        return;
    };
    is_locked_for_each(&sandbox, &hashes);
    // Another file: the packages may be for another Python now.
    let more = root_with(&[("etc/motd", "new")]);
    std::fs::write(sandbox.path("root.tar"), more).unwrap();
    sandbox
        .run(&["lock", "--check"])
        .code(1)
        .says("the packages of app are not locked, or were locked for other requirements");
}

/// The images in between are in no registry and not built yet: only the files below them count.
#[test]
fn the_lock_has_the_wheels_of_each_platform_on_images_of_the_workspace() {
    let index = Index::new();
    let hashes = offer(&index);
    let Some(sandbox) = with_uv(with_base(&index, "packages \"nat\"", "image=\"middle\"")) else {
        return;
    };
    let app = sandbox.read("imgspec.kdl");
    let below = "image \"os\" {\n    base-image file=\"root.tar\"\n    env A=\"1\"\n}\n\
                 image \"middle\" {\n    base-image image=\"os\"\n    labels b=\"2\"\n}\n";
    sandbox.write("imgspec.kdl", &format!("{app}{below}"));
    is_locked_for_each(&sandbox, &hashes);
}
