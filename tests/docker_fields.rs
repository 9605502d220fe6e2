//! Every field, in an image that is really built: the image has what the field says.
//!
//! `tests/run` starts the engines and sets their addresses. Conda packages are only rendered (no channel is reliable
//! enough); the managed Python has its own test (`docker_backend`, with a server that provides one).

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "engine/mod.rs"]
mod engine;
#[path = "docker_fields/flytekit.rs"]
mod flytekit;
#[path = "docker_fields/index.rs"]
mod index;
#[path = "docker_fields/platforms.rs"]
mod platforms;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;
#[path = "docker_fields/secrets.rs"]
mod secrets;
#[path = "engine/waiting.rs"]
mod waiting;

use std::collections::BTreeMap;
use std::process::Command;

use engine::{by_turns, engines};
use sandbox::{Ran, Sandbox};

fn on(engine: &str) -> Sandbox {
    Sandbox::new().env("DOCKER_HOST", engine)
}

fn docker(engine: &str, arguments: &[&str]) -> Ran {
    let call = || {
        let mut command = Command::new("docker");
        Ran::of(command.args(arguments).env("DOCKER_HOST", engine))
    };
    waiting::heard(arguments, call, Ran::is_silent)
}

/// A word that no other test and no earlier run uses, so that every key is new.
fn nonce() -> String {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:x}-{:x}", std::process::id(), clock.unwrap().as_nanos())
}

/// References by image, from `tag`.
fn references(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let word = |tag: &serde_json::Value, name: &str| tag[name].as_str().unwrap().to_owned();
    let tags = tags.as_array().unwrap().iter();
    tags.map(|tag| (word(tag, "image"), word(tag, "reference")))
        .collect()
}

fn remove(engine: &str, references: &BTreeMap<String, String>) {
    let names: Vec<&str> = references.values().map(String::as_str).collect();
    let _ = docker(
        engine,
        &[&["image", "rm", "--force"], names.as_slice()].concat(),
    );
}

/// The output of a command in a container of an image.
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
    let ran = docker(engine, &arguments).success();
    ran.stdout.trim().to_owned()
}

/// A property of an image, from the engine by a template.
fn told(engine: &str, reference: &str, template: &str) -> String {
    let arguments = ["image", "inspect", "--format", template, reference];
    docker(engine, &arguments)
        .success()
        .stdout
        .trim()
        .to_owned()
}

/// An image's nodes, with a command to run in it and the expected output.
const IN_THE_IMAGE: &[(&str, &str, &str, &str)] = &[
    (
        "base-image",
        "base-image \"busybox:1.36\"",
        "busybox | head -n 1 | cut -c -7",
        "BusyBox",
    ),
    (
        "base-of-workspace",
        "base-image image=\"env\"",
        "echo \"$GREETING\"",
        "hello  you",
    ),
    (
        "env",
        "base-image \"busybox:1.36\"; env GREETING=\"hello  you\"",
        "echo \"$GREETING\"",
        "hello  you",
    ),
    (
        "commands",
        "base-image \"busybox:1.36\"; commands \"echo one > /said\" \"echo two >> /said\"",
        "cat /said",
        "one\ntwo",
    ),
    (
        "copy",
        "base-image \"busybox:1.36\"; copy \"data/a.txt\" to=\"/in/b.txt\" owner=\"7:8\"",
        "cat /in/b.txt; stat -c %u:%g /in/b.txt",
        "from a\n7:8",
    ),
    (
        "copy-image",
        "base-image \"busybox:1.36\"; copy image=\"commands\" \"/said\" to=\"/heard\"",
        "cat /heard",
        "one\ntwo",
    ),
    (
        "source-root",
        "base-image \"busybox:1.36\"; source-root \"data\"; source-copy-mode \"all\"",
        "cat /root/a.txt /root/sub/c.txt",
        "from a\nfrom c",
    ),
    (
        "source-root-with-workdir",
        "base-image \"busybox:1.36\"; source-root \"data\"; workdir \"/srv\"",
        "pwd; cat a.txt",
        "/srv\nfrom a",
    ),
    (
        "source-copy-mode",
        "base-image \"busybox:1.36\"; source-root \"data\"; source-copy-mode \"none\"",
        "ls /root/a.txt 2>/dev/null || echo nothing",
        "nothing",
    ),
    (
        "user",
        "base-image \"busybox:1.36\"; user \"1000:7\"; commands \"id -u > /who\"",
        "cat /who; id -u; id -g",
        "0\n1000\n7",
    ),
    (
        "steps",
        "base-image \"busybox:1.36\"; env A=\"1\"; steps { run \"echo $A > /first\"; env A=\"2\"; workdir \"/w\"; copy \"data/a.txt\" to=\"a\"; \
         run \"cat a > /copied\"; user \"1000\"; run \"id -u > /tmp/who; echo $A >> /tmp/who; pwd >> /tmp/who\" }",
        "cat /first /copied /tmp/who; id -u",
        "1\nfrom a\n1000\n2\n/w\n1000",
    ),
    (
        "cuda",
        "cuda \"12.6\"; cudnn \"9\"; commands \"true\"",
        "cat /etc/debian_version | cut -c -2",
        "12",
    ),
    (
        "requirements",
        "python-exec \"/usr/bin/python3\"; requirements \"py/requirements.txt\"",
        "python3 -c 'import iniconfig; print(iniconfig.__name__)'",
        "iniconfig",
    ),
    (
        "requirements-project",
        "requirements \"py/pyproject.toml\"",
        "python3 -c 'import iniconfig; print(iniconfig.__name__)'",
        "iniconfig",
    ),
    (
        "packages",
        "packages \"iniconfig==2.0.0\"; pip-extra-args \"--no-deps\"",
        "python3 -c 'import importlib.metadata as m; print(m.version(\"iniconfig\"))'",
        "2.0.0",
    ),
    (
        "builder-config",
        "packages \"iniconfig==2.0.0\"; builder-config uv-image=\"imgspec-test-uv:1\"",
        "python3 -c 'import iniconfig; print(iniconfig.__name__)'",
        "iniconfig",
    ),
    (
        "builder-options",
        "base-image \"busybox:1.36\"; builder-options add-host=\"somewhere:10.1.2.3\" shm-size=\"32m\"; \
         commands \"grep somewhere /etc/hosts | cut -f 1 > /told; df -k /dev/shm | tail -n 1 | awk '{print $2}' >> /told\"",
        "cat /told",
        "10.1.2.3\n32768",
    ),
    (
        "dockerfile",
        "dockerfile \"own/Dockerfile\" context=\"own\" target=\"wanted\" { args WORD=\"said\"; contexts { base image=\"env\"; more path=\"data\" } }",
        "cat /word /more/a.txt; echo \"$GREETING\"; ls /own",
        "said\nfrom a\nhello  you\nDockerfile\nDockerfile.dockerignore\nkept",
    ),
];

/// An image's nodes, with a template and the expected value from the engine.
const IN_THE_CONFIG: &[(&str, &str, &str, &str)] = &[
    (
        "entrypoint",
        "base-image \"busybox:1.36\"; entrypoint \"echo\" \"a b\"",
        "{{json .Config.Entrypoint}}",
        "[\"echo\",\"a b\"]",
    ),
    (
        "cmd",
        "base-image \"busybox:1.36\"; cmd \"x\" \"$y\"",
        "{{json .Config.Cmd}}",
        "[\"x\",\"$y\"]",
    ),
    (
        "labels",
        "base-image \"busybox:1.36\"; labels team=\"ml 1\"",
        "{{.Config.Labels.team}}",
        "ml 1",
    ),
    (
        "platform",
        "base-image \"scratch\"; platform \"linux/arm64\"; cmd \"x\"",
        "{{.Os}}/{{.Architecture}}",
        "linux/arm64",
    ),
    (
        "scratch",
        "base-image \"scratch\"; cmd \"x\"",
        "{{len .RootFS.Layers}}",
        "0",
    ),
    (
        "builder",
        "builder \"docker\"; base-image \"busybox:1.36\"; cmd \"b\"",
        "{{json .Config.Cmd}}",
        "[\"b\"]",
    ),
    (
        "own-labels",
        "dockerfile \"own/Dockerfile\" context=\"own\" { contexts { base image=\"env\"; more path=\"data\" } }; labels team=\"ml\"",
        "{{.Config.Labels.team}}",
        "ml",
    ),
];

fn write_files(sandbox: &Sandbox) {
    let files = [
        ("data/a.txt", "from a\n"),
        ("data/sub/c.txt", "from c\n"),
        ("py/requirements.txt", "-r more.txt\n"),
        ("py/more.txt", "iniconfig==2.0.0\n"),
        (
            "py/pyproject.toml",
            "[project]\nname = \"probe\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"iniconfig==2.0.0\"]\n",
        ),
        (
            "own/Dockerfile",
            "FROM base AS wanted\nARG WORD=none\nRUN echo $WORD > /word\nCOPY --from=more / /more\nCOPY . /own\nFROM wanted\nRUN echo last > /last\n",
        ),
        ("own/.dockerignore", "kept\n"),
        ("own/Dockerfile.dockerignore", "dropped\n"),
        ("own/kept", ""),
        ("own/dropped", ""),
    ];
    for (path, text) in files {
        sandbox.write(path, text);
    }
}

#[test]
fn every_field_has_its_effect_in_the_image() {
    for (store, engine) in by_turns() {
        let sandbox = on(&engine);
        write_files(&sandbox);
        let nonce = nonce();
        let all = IN_THE_IMAGE.iter().chain(IN_THE_CONFIG);
        let images = all.clone().map(|(id, nodes, ..)| {
            let label = if nodes.contains("labels") {
                ""
            } else {
                "labels nonce=\"x\";"
            };
            format!(
                "image \"{id}\" {{ name \"imgspec-field-{nonce}-{id}\"; {} {nodes} }}\n",
                label.replace('x', &nonce)
            )
        });
        sandbox.write("imgspec.kdl", &images.collect::<String>());
        // Names that exist only locally: nothing is downloaded from NVIDIA, and no other uv.
        let cuda = "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04";
        docker(&engine, &["tag", "debian:bookworm-slim", cuda]).success();
        docker(
            &engine,
            &["tag", "ghcr.io/astral-sh/uv:0.9", "imgspec-test-uv:1"],
        )
        .success();
        sandbox.run(&["graph", "build"]).success();
        let references = references(&sandbox);
        for (id, _, command, expected) in IN_THE_IMAGE {
            assert_eq!(
                printed(&engine, &references[*id], command),
                *expected,
                "{store}: {id}"
            );
        }
        for (id, _, template, expected) in IN_THE_CONFIG {
            assert_eq!(
                told(&engine, &references[*id], template),
                *expected,
                "{store}: {id}"
            );
        }
        let again = sandbox.run(&["graph", "build"]).success();
        let count = IN_THE_IMAGE.len() + IN_THE_CONFIG.len();
        assert!(
            again.stderr.contains(&format!("fresh {count} in")),
            "{store}: {}",
            again.stderr
        );
        remove(&engine, &references);
        let _ = docker(&engine, &["image", "rm", cuda, "imgspec-test-uv:1"]);
    }
}
