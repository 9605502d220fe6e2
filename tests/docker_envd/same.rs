//! Builds the same spec with both builders and compares files and configuration of the images.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, nonce, on_each_engine};

/// An image that others copy files from.
const TOOLS: &str = r#"
image "tools" {
    name "imgspec-tools-NONCE"
    labels nonce="NONCE"
    base-image "debian:bookworm-slim"
    commands "mkdir -p /from/sub/empty; echo a > /from/a; echo b > '/from/sub/.b c'; echo c > /from/..c; ln -s a /from/l; ln -s nowhere /from/dangling"
    commands "chown 1000:1001 /from/a; chmod 2750 /from/sub; echo one > /one; chown 5:6 /one; chmod 4755 /one; chmod 1777 /from/sub/empty"
}
"#;

const SPEC: &str = r#"
    base-image "debian:bookworm-slim"
    apt-packages "file" "python3-venv"
    packages "iniconfig==2.0.0"
    env GREETING="hello \"you\" $HOME" EMPTY=""
    copy "data" to="/srv/data"
    copy "run.sh" to="/srv/run.sh"
    copy image="tools" "/from" to="/srv/taken" owner="7:8"
    copy image="tools" "/from/" to="/srv/new/deep/" owner="daemon"
    copy image="tools" "/one" to="/srv/bin/" owner="0"
    copy image="tools" "/one" to="/srv/two" owner="7"
    steps {
        run "mkdir -m 700 -p /srv/old && mkdir -m 711 /srv/old/sub && touch /srv/old/sub/kept"
        copy image="tools" "/from" to="/srv/old" owner="9:9"
        run "find /srv/old > /srv/found"
    }
    commands "echo $GREETING > /srv/greeting" "umask 077; mkdir /srv/private; ln -s ../etc /srv/etc" "id -u > /srv/who; pwd > /srv/where"
    entrypoint "/srv/run.sh" "a b"
"#;

/// All files of a container with all metadata except times.
const LIST: &str = r"find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o \
    \( -type f -printf '%p\t%y %m %U:%G %s ' -exec sha256sum {} \; -o -printf '%p\t%y %m %U:%G %l\n' \)";

/// Allowed differences, as prefixes or suffixes of paths: see `docs/manifest.md`.
const DIFFERENT: &[(&str, &str)] = &[
    ("/etc/host", "a container's own"),
    ("/var/log/", "times"),
    ("/var/cache/ldconfig/aux-cache", "times"),
    (".pyc", "times"),
    (".dist-info/INSTALLER", "uv, or pip"),
    (".dist-info/RECORD", "uv, or pip"),
    (
        "/var/lib/apt/extended_states",
        "envd keeps apt's directory in a cache",
    ),
];

fn write(bench: &Bench) {
    let nonce = nonce();
    let image = |builder: &str| {
        format!(
            "image \"{builder}\" {{ name \"imgspec-same-{nonce}-{builder}\"; builder \"{builder}\"; labels nonce=\"{nonce}\"\n{SPEC} }}\n"
        )
    };
    let tools = TOOLS.replace("NONCE", &nonce);
    let sandbox = &bench.sandbox;
    sandbox.write("imgspec.kdl", &(tools + &image("docker") + &image("envd")));
    sandbox.write("data/one", "1\n");
    sandbox.write("data/sub/two", "2\n");
    std::os::unix::fs::symlink("one", sandbox.path("data/link")).unwrap();
    sandbox.write("run.sh", "#!/bin/sh\necho \"$@\"\n");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("run.sh"), executable).unwrap();
}

/// Metadata by path.
fn files(bench: &Bench, image: &str) -> BTreeMap<String, String> {
    let list = bench.shell(image, LIST);
    let line = |line: &str| {
        let (path, rest) = line.split_once('\t').unwrap();
        (path.to_owned(), rest.to_owned())
    };
    list.lines().map(line).collect()
}

#[test]
fn the_same_spec_is_the_same_image_by_docker_and_by_envd() {
    on_each_engine(|bench| {
        write(bench);
        bench.build(&[]).success();
        let [docker, envd] = ["docker", "envd"].map(|builder| files(bench, builder));
        assert!(docker.len() > 1000, "{docker:?}");
        assert!(docker.contains_key("/srv/taken/sub/.b c"), "{docker:?}");
        let paths: BTreeSet<&String> = docker.keys().chain(envd.keys()).collect();
        let mut seen = BTreeSet::new();
        for path in paths {
            let (one, other) = (docker.get(path), envd.get(path));
            let mut allowed = DIFFERENT.iter();
            let allowed = allowed.find(|(part, _)| path.starts_with(part) || path.ends_with(part));
            match allowed {
                Some((part, _)) if one != other => drop(seen.insert(part)),
                Some(_) => {}
                None => assert_eq!(one, other, "{path}: docker's, envd's"),
            }
        }
        assert_eq!(seen.len(), DIFFERENT.len(), "no longer different: {seen:?}");

        let words = ["docker", "envd"].map(|builder| {
            let mut config = bench.inspect(builder)["Config"].clone();
            assert_eq!(config["Labels"]["dev.imgspec.image"], builder);
            config["Labels"]["dev.imgspec.image"].take();
            assert_eq!(bench.said(builder), "a b\n");
            config
        });
        assert_eq!(words[0], words[1]);
    });
}
