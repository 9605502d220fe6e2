//! Systems of Debian's packages, made with no registry, and packages on them: they run in Docker, and are whole for dpkg and apt.

use std::path::PathBuf;

use crate::engine::{engines, wants_all};
use crate::sandbox::Sandbox;
use crate::{docker, on};

const IMAGES: &str = r#"
defaults { builder "oci" }
image "base" { base-image debian="bookworm"; }
image "tool" {
    base-image image="base"
    apt-packages "less" "ca-certificates"
    commands "less --version"
}
image "python" {
    base-image image="tool"
    apt-packages "python3"
    packages "tabulate==0.9.0"
    python-bytecode #true
}
"#;

/// Says what is not whole, then uses apt.
const SCRIPT: &str = "set -e
dpkg --audit
dpkg --verify
[ -z \"$(dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -v '^ii')\" ]
[ ! -e /usr/sbin/policy-rc.d ]
apt-get -qq update >&2
apt-get -qq install --yes --no-install-recommends file >&2
file --brief /bin";

#[test]
fn a_system_of_packages_is_whole_and_the_same_again() {
    let mut digests = Vec::new();
    let mut lock = None;
    let cache = tempfile::tempdir().unwrap();
    for (_, engine) in engines() {
        let mut sandbox = on(&engine);
        if !wants_all() {
            // Otherwise each makes everything, which takes minutes.
            sandbox = sandbox.env("IMGSPEC_CACHE", cache.path().to_str().unwrap());
        }
        sandbox.write("imgspec.kdl", IMAGES);
        let lock = lock.get_or_insert_with(|| {
            sandbox.run(&["lock"]).success();
            sandbox.read("imgspec.lock")
        });
        // The Python that `tabulate` is for is one of the locked packages.
        assert!(lock.contains("tabulate-0.9.0-py3-none-any.whl"), "{lock}");
        sandbox.write("imgspec.lock", lock);
        sandbox
            .run(&["graph", "build", "--locked", "--load"])
            .success();
        let tag = |id: &str| sandbox.run(&["tag", id]).success().stdout.trim().to_owned();
        for id in ["base", "tool"] {
            let run = [
                "run",
                "--rm",
                "--network",
                "host",
                &tag(id),
                "sh",
                "-c",
                SCRIPT,
            ];
            let ran = docker(&engine, &run).success();
            assert_eq!(ran.stdout, "symbolic link to usr/bin\n", "{id}");
        }
        let script = "apt-mark showauto | tr '\\n' ' '; test -s /etc/ssl/certs/ca-certificates.crt";
        let ran = docker(&engine, &["run", "--rm", &tag("tool"), "sh", "-c", script]);
        assert_eq!(ran.success().stdout, "libssl3 openssl ");
        // What is compiled is taken as it is, whatever the times of the sources.
        let script = "import tabulate; print(open(tabulate.__cached__, 'rb').read()[4])";
        let run = ["run", "--rm", &tag("python"), "python3", "-c", script];
        assert_eq!(docker(&engine, &run).success().stdout, "1\n");
        sandbox
            .run(&["graph", "build", "--output", "oci:out"])
            .success();
        digests.push(sandbox.read("out/index.json"));
    }
    assert_eq!(digests[0], digests[1]);
}

/// Overrides of owners are for dpkg to follow, so apt installs on such a base.
const BY_APT: &str = r#"
defaults { builder "oci" }
image "base" { base-image debian="bookworm" variant="apt"; }
image "own" {
    base-image image="base"
    commands "dpkg-statoverride --add root root 0750 /usr/bin/less"
}
image "tool" {
    base-image image="own"
    apt-packages "less" "ca-certificates"
    commands "less --version"
}
"#;

fn store(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("../home/.cache/imgspec/images")
}

/// Builds, and returns what was said and the digests.
fn built(sandbox: &Sandbox) -> (String, String) {
    // The longest part has a time limit of its own.
    sandbox.run(&["graph", "build", "base"]).success();
    let flags = [
        "--progress",
        "json",
        "graph",
        "build",
        "--load",
        "--output",
        "oci:out",
    ];
    let said = sandbox.run(&flags).success().stderr;
    (said, sandbox.read("out/index.json"))
}

#[test]
fn what_only_apt_knows_is_installed_by_apt_whose_downloads_are_kept() {
    let (_, engine) = engines().swap_remove(0);
    let sandbox = on(&engine);
    sandbox.write("imgspec.kdl", BY_APT);
    let (said, first) = built(&sandbox);
    let words = "apt installs the packages: the base has overrides of owners and modes";
    assert!(said.contains(words), "{said}");
    assert!(said.contains("Unpacking less "), "{said}");
    assert!(said.contains(" Packages ["), "{said}");
    let tool = sandbox.run(&["tag", "tool"]).success().stdout;
    let shown = |script: &str| {
        let run = ["run", "--rm", "--network", "host", tool.trim()];
        let ran = docker(&engine, &[&run[..], &["sh", "-c", script]].concat());
        ran.success().stdout
    };
    // Neither lists nor packages are in the image, and everything about them is.
    let left = "find /var/lib/apt/lists /var/cache/apt -type f; stat -c %a /usr/bin/less; apt-mark showauto | tr '\\n' ' '";
    assert_eq!(shown(left), "750\nlibssl3 openssl ");
    assert_eq!(shown(SCRIPT), "symbolic link to usr/bin\n");
    // With nothing but the downloads of before, the packages are not fetched again.
    for part in ["blobs", "notes", "trees"] {
        std::fs::remove_dir_all(store(&sandbox).join(part)).unwrap();
    }
    let (said, again) = built(&sandbox);
    assert!(said.contains(words), "{said}");
    assert!(said.contains("Need to get 0 B/"), "{said}");
    // Of the archive at most its head is fetched again, if the mirror does not say that it is the same.
    assert!(!said.contains(" Packages ["), "{said}");
    assert_eq!(first, again);
    let caches = || store(&sandbox).join("caches").read_dir().unwrap().count();
    assert_eq!(caches(), 4);
    sandbox.run(&["clean", "--max-size", "1B"]).success();
    assert_eq!(caches(), 0);
}
