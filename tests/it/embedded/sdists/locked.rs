//! Packages that have only sources in the lock: by the hash of the sources, whose wheel is made by the build; or left out by name, if
//! only their build shows what they need.

use super::super::packages::index::{Index, wheel_with};
use super::super::taken::{entries, layers};
use super::super::{digest, store};
use super::{BACKEND, own, sandbox, sdist, tells, value, with_uv};
use crate::sandbox::Sandbox;

/// Sources that say what they need, with a backend of their own, which `more` changes.
fn described(name: &str, version: &str, needs: &str, more: &str) -> Vec<u8> {
    let backend = BACKEND
        .replace("@NAME@", name)
        .replace("@VERSION@", version);
    let metadata = format!("Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n{needs}");
    let project =
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['in']\n";
    let files = [
        ("PKG-INFO", metadata.as_str()),
        ("pyproject.toml", project),
        ("in/backend.py", &format!("{backend}{more}")),
    ];
    sdist(name, version, &files)
}

/// The nodes of packages in the lock.
fn locked(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.read("imgspec.lock");
    let nodes = text.lines().map(str::trim);
    let nodes = nodes.filter(|line| line.starts_with("wheel ") || line.starts_with("sdist "));
    let words = nodes.map(|line| line.split('"').map(str::trim).collect::<Vec<_>>());
    words
        .map(|words| format!("{} {} {}", words[0], words[5], words[7]))
        .collect()
}

/// Builds what is locked, on a machine that has nothing yet.
fn built_from_nothing(sandbox: &Sandbox) -> String {
    let _ = std::fs::remove_dir_all(store(sandbox));
    let _ = std::fs::remove_dir_all(sandbox.path(".imgspec"));
    digest(sandbox, &["--locked"])
}

#[test]
fn sources_are_locked_by_their_hash_and_built_when_the_image_is() {
    let index = Index::new();
    let sources = described("foo", "1.0", "Requires-Dist: bar\n", &tells(&index, "/ran"));
    let hash = index.offer("foo-1.0.tar.gz", &sources);
    let needed = wheel_with("bar", "1.5", "value = 'bar'\n");
    let bar = index.offer("bar-1.5-py3-none-any.whl", &needed);
    let Some(sandbox) = with_uv(sandbox(&index, "foo\n")) else {
        return;
    };
    sandbox
        .run(&["lock"])
        .success()
        .says("added   bar 1.5 (app)")
        .says("added   foo 1.0 (app)")
        .says("0 images and 2 packages locked, written");
    let all = [
        format!("wheel bar-1.5-py3-none-any.whl sha256:{bar}"),
        format!("sdist foo-1.0.tar.gz sha256:{hash}"),
    ];
    assert_eq!(locked(&sandbox), all);
    sandbox.run(&["lock", "--check"]).success();
    let asked = index.asked();
    assert!(!asked.iter().any(|path| path == "/ran"), "{asked:?}");

    // Whatever the index has later: nobody asks it.
    index.also_offer("foo-2.0.tar.gz", &described("foo", "2.0", "", "1/0"));
    let first = built_from_nothing(&sandbox);
    let mut asked = index.asked();
    asked.sort();
    asked.dedup();
    let files = [
        "/files/bar-1.5-py3-none-any.whl",
        "/files/foo-1.0.tar.gz",
        "/ran",
    ];
    assert_eq!(asked, files);
    assert_eq!(value(&sandbox), "'plain'");
    let layers = layers(&sandbox);
    let all: Vec<String> = layers[1..]
        .iter()
        .flat_map(|layer| entries(&sandbox, layer))
        .collect();
    let has = |name: &str| all.iter().any(|entry| entry.contains(name));
    assert!(has("/foo-1.0.dist-info/") && has("/bar-1.5.dist-info/"));
    assert_eq!(built_from_nothing(&sandbox), first);
    sandbox.run(&["lock"]).success().says("unchanged");
    sandbox
        .run(&["lock", "--update", "foo"])
        .success()
        .says("updated foo 1.0 -> 2.0 (app)");
}

#[test]
fn other_sources_under_a_locked_name_are_refused() {
    let index = Index::new();
    index.offer("foo-1.0.tar.gz", &described("foo", "1.0", "", ""));
    let Some(sandbox) = with_uv(sandbox(&index, "foo\n")) else {
        return;
    };
    sandbox.run(&["lock"]).success();
    let _ = std::fs::remove_dir_all(store(&sandbox));
    let other = described("foo", "1.0", "", &tells(&index, "/ran"));
    index.set("/files/foo-1.0.tar.gz", 200, "application/gzip", &other);
    index.asked();
    let ran = sandbox
        .run(&["graph", "build", "--locked", "--attempts", "1"])
        .code(1);
    assert!(
        ran.stderr.contains("foo-1.0.tar.gz") && ran.stderr.contains("sha256"),
        "{}",
        ran.stderr
    );
    let asked = index.asked();
    assert!(!asked.iter().any(|path| path == "/ran"), "{asked:?}");
}

#[test]
fn sources_that_leave_open_what_they_need_are_left_out_by_name() {
    let index = Index::new();
    let sources = own("foo", "1.0", "", &tells(&index, "/ran"));
    let hash = index.offer("foo-1.0.tar.gz", &sources);
    let other = wheel_with("bar", "1.5", "value = 'bar'\n");
    index.offer("bar-1.5-py3-none-any.whl", &other);
    let Some(sandbox) = with_uv(sandbox(&index, "foo\n")) else {
        return;
    };
    let manifest = sandbox.read("imgspec.kdl");
    let second = manifest.replace("\"app\"", "\"other\"");
    let second = second.replace("\"all.txt\"", "\"other.txt\"");
    sandbox.write("imgspec.kdl", &format!("{manifest}{second}"));
    sandbox.write("other.txt", "bar\n");
    sandbox
        .run(&["lock"])
        .success()
        .says(
            "image `app`: its packages are not locked: foo 1.0 has no wheel that fits, and only building its sources \
             (`foo-1.0.tar.gz`) shows what it needs; with a version that has a wheel, or with a requirements file that has hashes, \
             they are pinned",
        )
        .says("added   bar 1.5 (other)");
    let asked = index.asked();
    assert!(!asked.iter().any(|path| path == "/ran"), "{asked:?}");
    sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says("`imgspec.lock` does not pin the packages of `app`");
    sandbox
        .run(&["graph", "build", "--locked", "other"])
        .success();
    // As it was told.
    sandbox.write("all.txt", &format!("foo==1.0 --hash=sha256:{hash}\n"));
    sandbox.run(&["graph", "build", "--locked"]).success();
}

#[test]
fn who_wants_wheels_alone_has_no_sources_in_the_lock() {
    let index = Index::new();
    index.offer("foo-1.0.tar.gz", &described("foo", "1.0", "", ""));
    let Some(sandbox) = with_uv(sandbox(&index, "foo\n")) else {
        return;
    };
    let manifest = sandbox.read("imgspec.kdl");
    let none = "    pip-extra-args \"--no-build\"\n}";
    sandbox.write("imgspec.kdl", &manifest.replace('}', none));
    sandbox
        .run(&["lock"])
        .code(2)
        .says("the packages of `app` cannot be locked for linux/amd64")
        .says("foo");
    assert!(!sandbox.path("imgspec.lock").exists());
}
