//! Docker and envd in one graph: what one built, the other builds on; and the same spec by both is the same image.
//!
//! Needs the `envd` program (`IMGSPEC_TEST_ENVD`, its folder; `none` where `tests/run` could not get one and says so).

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "engine/mod.rs"]
mod engine;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use engine::engines;
use sandbox::{Ran, Sandbox};

/// What one test leaves behind must not be taken for the other's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A sandbox that talks to this engine and has envd, or none where there is no envd.
fn on(engine: &str) -> Option<Sandbox> {
    let envd = std::env::var("IMGSPEC_TEST_ENVD").expect("tests/run says where envd is");
    if envd == "none" {
        return None;
    }
    let folder = Path::new(&envd).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.display());
    Some(Sandbox::new().env("DOCKER_HOST", engine).env("PATH", &path))
}

fn docker(engine: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("docker");
    Ran::of(command.args(arguments).env("DOCKER_HOST", engine))
}

fn nonce() -> String {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:x}-{:x}", std::process::id(), clock.unwrap().as_nanos())
}

fn references(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let word = |tag: &serde_json::Value, name: &str| tag[name].as_str().unwrap().to_owned();
    let tags = tags.as_array().unwrap().iter();
    tags.map(|tag| (word(tag, "image"), word(tag, "reference")))
        .collect()
}

fn printed(engine: &str, reference: &str, command: &str) -> String {
    let arguments = [
        "run",
        "--rm",
        "--entrypoint",
        "/bin/sh",
        reference,
        "-c",
        command,
    ];
    docker(engine, &arguments)
        .success()
        .stdout
        .trim()
        .to_owned()
}

/// The images of all events of a kind, sorted.
fn named(ran: &Ran, kind: &str) -> Vec<String> {
    let lines = ran.stderr.lines();
    let events = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut images: Vec<String> = events
        .filter(|event| event["event"] == kind)
        .map(|event| event["image"].as_str().unwrap().to_owned())
        .collect();
    images.sort();
    images
}

const EXAMPLE: &str = include_str!("../examples/mixed/imgspec.kdl");

#[test]
fn a_graph_of_six_crosses_between_the_builders_both_ways() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (store, engine) in engines() {
        let Some(sandbox) = on(&engine) else { return };
        let nonce = nonce();
        sandbox.write(
            "imgspec.kdl",
            &format!("defaults {{ labels nonce=\"{nonce}\" }}\n{EXAMPLE}"),
        );
        sandbox.write("src/main.sh", "echo one\n");
        let build = || sandbox.run(&["graph", "build", "--progress", "json"]);
        let all = [
            "app",
            "notebook",
            "notebook-server",
            "os",
            "report",
            "tools",
        ];
        let ran = build().success();
        assert_eq!(named(&ran, "image-built"), all, "{store}");
        let names = references(&sandbox);
        let report = docker(&engine, &["run", "--rm", &names["report"]]).success();
        assert_eq!(
            report.stdout, "echo one\nmade by envd for search\n",
            "{store}"
        );
        let served = docker(&engine, &["run", "--rm", &names["notebook-server"]]).success();
        assert_eq!(served.stdout, "a notebook\n", "{store}");
        assert_eq!(named(&build().success(), "image-fresh").len(), 6, "{store}");
        sandbox.write("src/main.sh", "echo two\n");
        let edited = build().success();
        assert_eq!(named(&edited, "image-built"), ["app", "report"], "{store}");
        let names = references(&sandbox);
        let report = docker(&engine, &["run", "--rm", &names["report"]]).success();
        assert_eq!(
            report.stdout, "echo two\nmade by envd for search\n",
            "{store}"
        );
        // Nothing is left of the way between the two.
        let left = docker(&engine, &["image", "ls", "--format", "{{.Repository}}"]).success();
        assert!(
            !left.stdout.contains("imgspec-base"),
            "{store}: {}",
            left.stdout
        );
        assert!(
            !left.stdout.contains("imgspec-pin"),
            "{store}: {}",
            left.stdout
        );
    }
}

/// An image that others take files out of.
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
    commands "echo $GREETING > /srv/greeting" "id -u > /srv/who; pwd > /srv/where"
    entrypoint "/srv/run.sh" "a b"
"#;

/// What of an image must be the same, whoever built it.
const QUESTIONS: &[&str] = &[
    "cat /srv/greeting /srv/who; cat /srv/data/one /srv/data/sub/two",
    "stat -c '%n %a %u:%g' /srv/data /srv/data/one /srv/data/sub /srv/data/sub/two /srv/run.sh",
    "cd /srv; find taken new bin two old found -exec stat -c '%n %a %u:%g %F %s %N' {} + | sort",
    "dpkg-query -W -f '${Package} ${Version}\n' file",
    "python3 -c 'import iniconfig, importlib.metadata as m; print(m.version(\"iniconfig\"), iniconfig.__file__)'",
    "echo \"$GREETING|$EMPTY|$TEAM\"",
    "readlink /srv/data/link",
];

#[test]
fn the_same_spec_is_the_same_image_by_docker_and_by_envd() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (store, engine) in engines() {
        let Some(sandbox) = on(&engine) else { return };
        let nonce = nonce();
        let image = |builder: &str| {
            format!(
                "image \"{builder}\" {{ name \"imgspec-same-{nonce}-{builder}\"; builder \"{builder}\"; labels nonce=\"{nonce}\"\n{SPEC} }}\n"
            )
        };
        sandbox.write(
            "imgspec.kdl",
            &(TOOLS.replace("NONCE", &nonce) + &image("docker") + &image("envd")),
        );
        sandbox.write("data/one", "1\n");
        sandbox.write("data/sub/two", "2\n");
        std::os::unix::fs::symlink("one", sandbox.path("data/link")).unwrap();
        sandbox.write("run.sh", "#!/bin/sh\necho \"$@\"\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(sandbox.path("run.sh"), mode).unwrap();
        sandbox.run(&["graph", "build"]).success();
        let names = references(&sandbox);
        for question in QUESTIONS {
            let [docker, envd] =
                ["docker", "envd"].map(|builder| printed(&engine, &names[builder], question));
            assert_eq!(docker, envd, "{store}: {question}");
        }
        for template in [
            "{{json .Config.Entrypoint}}",
            "{{.Os}}/{{.Architecture}}",
            "{{.Config.User}}",
            "{{.Config.WorkingDir}}",
            "{{.Config.Labels.nonce}}",
        ] {
            let [one, other] = ["docker", "envd"].map(|builder| {
                let arguments = ["image", "inspect", "--format", template, &names[builder]];
                docker(&engine, &arguments).success().stdout
            });
            assert_eq!(one, other, "{store}: {template}");
        }
        for name in ["docker", "envd"].map(|builder| &names[builder]) {
            let said = docker(&engine, &["run", "--rm", name]).success().stdout;
            assert_eq!(said, "a b\n", "{store}");
        }
    }
}
