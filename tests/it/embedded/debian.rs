//! Debian packages in the lock: an archive on the loopback interface moves on, and a locked image stays as it was.
//!
//! The base has a shell of this machine, and scripts in place of dpkg and apt.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::commands::{PROGRAMS, base_of};
use super::packages::index::Index;
use super::taken::{entries, layers};
use super::{digest, store};
use crate::sandbox::Sandbox;

/// Configures everything.
const DPKG: &str = "#!/bin/sh
[ \"$1\" != --print-architecture ] || echo amd64
[ \"$1\" = --configure ] || exit 0
while IFS= read -r line; do
  [ \"$line\" != 'Status: install ok unpacked' ] || line='Status: install ok installed'
  printf '%s\\n' \"$line\"
done < /var/lib/dpkg/status > /var/lib/dpkg/status-new
mv /var/lib/dpkg/status-new /var/lib/dpkg/status
";

/// Notes what it is asked for, and what there is of it.
const APT: &str = "#!/bin/sh
echo \"$@\" > /asked-of-apt
cat /run/imgspec-packages/* > /given-to-apt
";

/// Notes what it is asked for.
const MARK: &str = "#!/bin/sh
echo \"$@\" > /marked
";

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn tar(path: &str, text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut head = tar::Header::new_ustar();
    head.set_size(text.len() as u64);
    head.set_mode(0o644);
    head.set_uid(0);
    head.set_gid(0);
    head.set_mtime(0);
    builder
        .append_data(&mut head, path, text.as_bytes())
        .unwrap();
    builder.into_inner().unwrap()
}

/// A package with one file, and its stanza.
fn deb(name: &str, version: &str, more: &str) -> (Vec<u8>, String) {
    let stanza = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a\n{more}"
    );
    let parts = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar("control", &stanza)),
        (
            "data.tar",
            tar(
                &format!("usr/share/{name}/version"),
                &format!("{version}\n"),
            ),
        ),
    ];
    let mut bytes = b"!<arch>\n".to_vec();
    for (part, content) in parts {
        let size = content.len();
        bytes.extend(
            format!(
                "{part:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
                0, 0, 0, "100644"
            )
            .bytes(),
        );
        bytes.extend(&content);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    (bytes, stanza)
}

/// An archive with these packages, each as name, version and more of its stanza. What it had before stays in its pool.
pub(super) fn offer(index: &Index, head: &str, packages: &[(&str, &str, &str)]) {
    let mut list = String::new();
    for (name, version, more) in packages {
        let (bytes, stanza) = deb(name, version, more);
        let file = format!("pool/{name}_{version}_all.deb");
        index.set(&format!("/debian/{file}"), 200, "application/x-deb", &bytes);
        let (size, hash) = (bytes.len(), sha256(&bytes));
        list += &format!("{stanza}Filename: {file}\nSize: {size}\nSHA256: {hash}\n\n");
    }
    let path = "main/binary-amd64/Packages";
    let (size, hash) = (list.len(), sha256(list.as_bytes()));
    let release = format!("Suite: stable\nCodename: fine\n{head}SHA256:\n {hash} {size} {path}\n");
    let all = [("InRelease", release), (path, list)];
    for (path, text) in all {
        let path = format!("/debian/dists/stable/{path}");
        index.set(&path, 200, "text/plain", text.as_bytes());
    }
}

const FIRST: [(&str, &str, &str); 4] = [
    ("tool", "1", "Depends: lib (>= 1)\n"),
    ("lib", "1", ""),
    ("extra", "1", "Depends: lib\n"),
    ("more", "1", "Depends: tool, data\n"),
];

/// The same when the archive moved on; `data` is new.
const LATER: [(&str, &str, &str); 5] = [
    ("tool", "2", "Depends: lib (>= 2)\n"),
    ("lib", "2", ""),
    ("extra", "2", "Depends: lib\n"),
    ("more", "2", "Depends: tool, data\n"),
    ("data", "1", ""),
];

/// A workspace whose base has these options of its source and this status of dpkg.
fn on(index: &Index, options: &str, status: &str, images: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", images)]);
    let base = base_on(index, options, status, &[]);
    std::fs::write(sandbox.path("root.tar"), base).unwrap();
    sandbox
}

/// Such a base, with more files, as path, mode and text.
pub(super) fn base_on(
    index: &Index,
    options: &str,
    status: &str,
    more: &[(&str, u32, &str)],
) -> Vec<u8> {
    let sources = format!(
        "deb [trusted=yes{options}] http://{}/debian stable main\n",
        index.host
    );
    let files = [
        ("usr/bin/dpkg", 0o755, DPKG),
        ("usr/bin/apt-get", 0o755, APT),
        ("usr/bin/apt-mark", 0o755, MARK),
        ("etc/apt/sources.list", 0o644, sources.as_str()),
        ("var/lib/dpkg/status", 0o644, status),
        ("var/cache/apt/nothing", 0o644, ""),
        ("usr/sbin/policy-rc.d", 0o755, "#!/bin/sh\nexit 101\n"),
    ];
    base_of(&PROGRAMS, &[&files[..], more].concat())
}

const APP: &str = "image \"app\" {\n    builder \"oci\"\n    base-image file=\"root.tar\"\n    apt-packages \"tool\"\n}\n";

fn archive() -> (Index, Sandbox) {
    let index = Index::new();
    offer(&index, "", &FIRST);
    let sandbox = on(&index, "", "", APP);
    (index, sandbox)
}

fn lock(sandbox: &Sandbox, more: &[&str]) -> crate::sandbox::Ran {
    sandbox.run(&[&["lock"], more].concat())
}

fn forget(sandbox: &Sandbox) {
    std::fs::remove_dir_all(store(sandbox)).unwrap();
    let _ = std::fs::remove_dir_all(sandbox.path(".imgspec"));
}

/// Names and versions in the lock, in its order.
fn locked(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.read("imgspec.lock");
    let debs = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("deb "));
    let words = debs.map(|line| line.split('"').collect::<Vec<_>>());
    words
        .map(|words| format!("{} {}", words[1], words[3]))
        .collect()
}

/// The locked line of a package.
fn line(sandbox: &Sandbox, name: &str) -> String {
    let text = sandbox.read("imgspec.lock");
    let start = format!("deb \"{name}\"");
    let mut lines = text.lines();
    let line = lines.find(|line| line.trim().starts_with(&start));
    format!("{}\n", line.unwrap())
}

fn refused(sandbox: &Sandbox, words: &[&str]) {
    let flags = ["graph", "build", "--locked", "--attempts", "1"];
    let ran = sandbox.run(&flags).code(1);
    for words in words {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

#[test]
fn a_locked_image_is_the_same_when_the_archive_has_moved_on() {
    let (index, sandbox) = archive();
    sandbox.run(&["graph", "build", "--locked"]).code(2);
    lock(&sandbox, &["--check"]).code(1);
    lock(&sandbox, &[])
        .success()
        .says("added   2 Debian packages (app)")
        .says("imgspec.lock: 0 images and 2 packages locked, written");
    lock(&sandbox, &["--check"]).success();
    assert_eq!(locked(&sandbox), ["lib 1", "tool 1"]);
    let text = sandbox.read("imgspec.lock");
    assert!(text.contains("\nversion 3\n"), "{text}");
    std::fs::remove_file(sandbox.path("imgspec.lock")).unwrap();
    lock(&sandbox, &[]).success();
    assert_eq!(sandbox.read("imgspec.lock"), text);
    let first = digest(&sandbox, &["--locked"]);
    offer(&index, "", &LATER);
    forget(&sandbox);
    index.asked();
    assert_eq!(digest(&sandbox, &["--locked"]), first);
    let mut asked = index.asked();
    asked.sort();
    assert_eq!(
        asked,
        ["/debian/pool/lib_1_all.deb", "/debian/pool/tool_1_all.deb"]
    );
    lock(&sandbox, &[]).success().says("unchanged");
    lock(&sandbox, &["--update", "lib"])
        .success()
        .says("updated lib 1 -> 2 (app)")
        .says("updated tool 1 -> 2 (app)");
    sandbox.run(&["graph", "plan"]).success();
    let explained = sandbox.run(&["explain", "app"]).success();
    assert!(
        explained
            .stdout
            .contains("locked lib for linux/amd64 (apt-packages)"),
        "{}",
        explained.stdout
    );
    assert_ne!(digest(&sandbox, &["--locked"]), first);
    // Without a lock, it is what the archive has, by the same way: the same layers.
    let updated = layers(&sandbox);
    std::fs::remove_file(sandbox.path("imgspec.lock")).unwrap();
    std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    forget(&sandbox);
    assert_eq!(layers(&sandbox), updated);
}

#[test]
fn an_archive_that_lost_a_locked_package_is_told_with_what_to_do() {
    let (index, sandbox) = archive();
    lock(&sandbox, &[]).success();
    index.remove("/debian/pool/lib_1_all.deb");
    refused(
        &sandbox,
        &[
            "`lib_1_all.deb` is not found; `imgspec.lock` has this package for `app`",
            "`imgspec lock --update app` takes what there is now",
            "imgspec.kdl:4",
        ],
    );
}

#[test]
fn other_packages_in_the_manifest_are_not_what_is_locked() {
    let (_index, sandbox) = archive();
    lock(&sandbox, &[]).success();
    sandbox.write(
        "imgspec.kdl",
        &APP.replace("\"tool\"", "\"tool\" \"extra\""),
    );
    sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says("image `app`: its packages in `imgspec.lock` are out of date")
        .says("the packages of `app`");
    lock(&sandbox, &["--check"]).code(1);
    lock(&sandbox, &[]).success().says("added   extra 1 (app)");
    digest(&sandbox, &["--locked"]);
    sandbox.write("imgspec.kdl", &APP.replace("tool", "tol"));
    lock(&sandbox, &[])
        .code(2)
        .says("the packages of `app` cannot be locked for linux/amd64: unknown Debian package `tol`; did you mean `tool`?")
        .says("imgspec.kdl:4");
}

#[test]
fn what_is_kept_keeps_its_version_where_the_archive_still_has_it() {
    let (index, sandbox) = archive();
    lock(&sandbox, &[]).success();
    let both: Vec<_> = FIRST.into_iter().chain(LATER).collect();
    offer(&index, "", &both);
    sandbox.write(
        "imgspec.kdl",
        &APP.replace("\"tool\"", "\"tool\" \"extra\""),
    );
    lock(&sandbox, &[]).success();
    assert_eq!(locked(&sandbox), ["extra 2", "lib 1", "tool 1"]);
    lock(&sandbox, &["--update", "app"]).success();
    assert_eq!(locked(&sandbox), ["extra 2", "lib 2", "tool 2"]);
}

#[test]
fn a_lock_that_lies_is_refused() {
    let (_index, sandbox) = archive();
    lock(&sandbox, &[]).success();
    let good = sandbox.read("imgspec.lock");
    let (lib, tool) = (line(&sandbox, "lib"), line(&sandbox, "tool"));
    let part = |line: &str, at: usize| line.split('"').nth(at).unwrap().to_owned();
    // Another file under the name.
    let other = [7, 9].iter().fold(tool.clone(), |text, at| {
        text.replace(&part(&tool, *at), &part(&lib, *at))
    });
    sandbox.write(
        "imgspec.lock",
        &good.replace(
            &tool,
            &other.replace(
                tool.split("size=").nth(1).unwrap(),
                lib.split("size=").nth(1).unwrap(),
            ),
        ),
    );
    refused(
        &sandbox,
        &["package `tool`: it is `lib 1 all`, which `imgspec.lock` does not say"],
    );
    // Another hash than that of the file.
    let wrong = tool.replace(&part(&tool, 7), &format!("sha256:{}", "0".repeat(64)));
    sandbox.write("imgspec.lock", &good.replace(&tool, &wrong));
    refused(&sandbox, &["`tool_1_all.deb`", &"0".repeat(64)]);
    // Less than what is needed.
    sandbox.write("imgspec.lock", &good.replace(&lib, ""));
    refused(
        &sandbox,
        &[
            "its Debian packages in `imgspec.lock` do not fit what it is built on",
            "package `tool` needs `lib (>= 1)`",
        ],
    );
}

#[test]
fn images_on_locked_images_are_resolved_on_what_is_locked() {
    let (index, sandbox) = archive();
    offer(&index, "", &LATER);
    let child = "image \"child\" {\n    builder \"oci\"\n    base-image image=\"app\"\n    apt-packages \"more\"\n}\n";
    sandbox.write("imgspec.kdl", &format!("{APP}{child}"));
    lock(&sandbox, &[]).success();
    assert_eq!(locked(&sandbox), ["lib 2", "tool 2", "data 1", "more 2"]);
    let first = digest(&sandbox, &["--locked"]);
    forget(&sandbox);
    assert_eq!(digest(&sandbox, &["--locked"]), first);
    // A list is stale if one below it is another.
    let text = sandbox.read("imgspec.lock");
    let below = line(&sandbox, "lib");
    sandbox.write(
        "imgspec.lock",
        &text.replace(&below, &below.replace(" size=", " requested=#true size=")),
    );
    digest(&sandbox, &["--locked"]);
    let hash = below.split('"').nth(7).unwrap();
    sandbox.write(
        "imgspec.lock",
        &text.replace(hash, &format!("sha256:{}", "0".repeat(64))),
    );
    sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says("image `child`: its packages in `imgspec.lock` are out of date");
}

#[test]
fn what_only_apt_can_install_it_gets_as_files_and_nothing_else() {
    let index = Index::new();
    offer(&index, "", &FIRST);
    let old = "Package: lib\nStatus: install ok installed\nVersion: 0.5\nArchitecture: all\n\n";
    let sandbox = on(&index, "", old, APP);
    lock(&sandbox, &[]).success();
    assert_eq!(locked(&sandbox), ["lib 1", "tool 1"]);
    offer(&index, "", &LATER);
    index.asked();
    let ran = sandbox.run(&["graph", "build", "--locked"]).success();
    assert!(ran.stderr.contains("built 1"), "{}", ran.stderr);
    let mut asked = index.asked();
    asked.sort();
    assert_eq!(
        asked,
        ["/debian/pool/lib_1_all.deb", "/debian/pool/tool_1_all.deb"]
    );
    let layers = layers(&sandbox);
    let changed = entries(&sandbox, layers.last().unwrap());
    let names: Vec<&str> = changed
        .iter()
        .filter_map(|entry| {
            entry
                .split_whitespace()
                .find(|word| word.contains("apt") || word.contains("marked"))
        })
        .collect();
    assert_eq!(
        names,
        ["asked-of-apt", "given-to-apt", "marked"],
        "{changed:?}"
    );
    let file = std::fs::File::open(
        sandbox
            .path("out/blobs/sha256")
            .join(layers.last().unwrap()),
    )
    .unwrap();
    let mut texts = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::MultiGzDecoder::new(file))
        .entries()
        .unwrap()
    {
        let mut entry = entry.unwrap();
        let (path, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        texts.insert(path, bytes);
    }
    let text = |path: &str| String::from_utf8_lossy(&texts[path]).into_owned();
    assert!(
        text("asked-of-apt")
            .ends_with("-- /run/imgspec-packages/lib_all.deb /run/imgspec-packages/tool_all.deb\n"),
        "{}",
        text("asked-of-apt")
    );
    assert_eq!(text("marked"), "auto lib\n");
    let given = [
        deb("lib", "1", "").0,
        deb("tool", "1", "Depends: lib (>= 1)\n").0,
    ]
    .concat();
    assert_eq!(texts["given-to-apt"], given);
}

#[test]
fn an_expired_archive_counts_only_where_the_source_says_so() {
    let index = Index::new();
    offer(
        &index,
        "Valid-Until: Sat, 11 Jul 2020 10:16:37 UTC\n",
        &FIRST,
    );
    let sandbox = on(&index, "", "", APP);
    lock(&sandbox, &[])
        .code(2)
        .says("it held until 2020-07-11T10:16:37Z")
        .says("a snapshot needs `check-valid-until=no` in its sources");
    let sandbox = on(&index, " check-valid-until=no", "", APP);
    lock(&sandbox, &[]).success();
    digest(&sandbox, &["--locked"]);
}

#[test]
fn builders_that_install_what_the_archive_has_are_told() {
    let (_index, sandbox) = archive();
    sandbox.write(
        "imgspec.kdl",
        "image \"app\" {\n    base-image \"scratch\"\n    apt-packages \"tool\"\n}\n",
    );
    lock(&sandbox, &["--builder", "fake"])
        .success()
        .says("the Debian packages of `app` are not locked: only the builder `oci` installs what is locked");
}
