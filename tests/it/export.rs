//! `graph export`: what bake, make and build servers read. That Docker builds the same from it is tested with an engine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::affected::repository::repository;
use crate::sandbox::{Ran, Sandbox};
use crate::yaml::document;

/// Values that mean something to bake, to make and to shells.
const TRICKY: &str = r#"
image "lib.a" { base-image "debian:bookworm-slim"; copy "data"; }
image "lib-a" {
    base-image image="lib.a"
    env TEMPLATE="${HOME} %{ if } $(id) 'x' \"y\""
    commands "cat /run/secrets/token"
    secret "token" env="TOKEN"
    secret "netrc" file="~/.net,rc"
    builder-options network="none" add-host="db:10.0.0.1"
}
image "own" {
    dockerfile "Dockerfile" context="data" target="last" {
        args TEXT="two\nlines ${X} $$(id) 'x'"
        contexts { base image="lib-a"; files path="data"; other "docker.io/library/busybox:1.36" }
    }
}
group "default" { images "own"; }
group "lib.all" { images "lib*"; }
"#;

fn tricky() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", TRICKY),
        ("data/file", "content"),
        (
            "Dockerfile",
            "FROM base AS first\nFROM first AS last\nCOPY --from=files . /\n",
        ),
    ])
}

/// It used to be the manifest's group `default`, if any of its images was written.
#[test]
fn a_bake_file_builds_by_default_what_was_asked_for() {
    let sandbox = tricky();
    let words = [
        "graph", "export", "--format", "bake", "-o", "out", "own", "lib.a",
    ];
    sandbox.run(&words).success();
    let file: Value = serde_json::from_str(&sandbox.read("out/docker-bake.json")).unwrap();
    assert_eq!(
        file["group"]["default"]["targets"],
        json!(["lib-a-2", "own"])
    );
}

#[test]
fn a_bake_file_has_all_that_the_builds_need() {
    let sandbox = tricky();
    let ran = sandbox.run(&["graph", "export", "--format", "bake", "-o", "out"]);
    ran.success()
        .says("wrote 3 images to out; to build them: cd out && docker buildx bake");
    let file: Value = serde_json::from_str(&sandbox.read("out/docker-bake.json")).unwrap();
    let references = sandbox
        .run(&["tag", "--format", "json", "*"])
        .success()
        .json();
    let reference = |image: &str| {
        let tags = references.as_array().unwrap().iter();
        let tag = tags.clone().find(|tag| tag["image"] == image).unwrap();
        tag["reference"].as_str().unwrap().to_owned()
    };
    let expected = json!({
        "group": {
            "default": { "targets": ["own"] },
            "lib-all": { "targets": ["lib-a-2", "lib-a"] },
        },
        "variable": { "HOME": {} },
        "target": {
            "lib-a-2": {
                "context": "lib-a-2/context",
                "dockerfile": "../Dockerfile",
                "platforms": ["linux/amd64"],
                "tags": [reference("lib.a")],
            },
            "lib-a": {
                "context": "lib-a/context",
                "dockerfile": "../Dockerfile",
                "platforms": ["linux/amd64"],
                "tags": [reference("lib-a")],
                "contexts": { reference("lib.a"): "target:lib-a-2" },
                "secret": ["id=token,env=TOKEN", "id=netrc,\"src=${HOME}/.net,rc\""],
                "network": "none",
                "extra-hosts": { "db": "10.0.0.1" },
            },
            "own": {
                "context": "own/context",
                "dockerfile": "../Dockerfile",
                "platforms": ["linux/amd64"],
                "tags": [reference("own")],
                "target": "last",
                "args": { "TEXT": "two\nlines $${X} $$(id) 'x'" },
                "contexts": {
                    reference("lib-a"): "target:lib-a",
                    "base": "target:lib-a",
                    "files": file["target"]["own"]["contexts"]["files"],
                    "other": "docker-image://docker.io/library/busybox:1.36",
                },
                "labels": file["target"]["own"]["labels"],
            },
        },
    });
    assert_eq!(file, expected);
    let labels = &file["target"]["own"]["labels"];
    assert_eq!(labels["dev.imgspec.image"], "own");
    let files = file["target"]["own"]["contexts"]["files"].as_str().unwrap();
    assert_eq!(sandbox.read(&format!("out/{files}/file")), "content");
    let dockerfile = sandbox.read("out/lib-a/Dockerfile");
    assert!(
        dockerfile.contains(&format!("FROM {}", reference("lib.a"))),
        "{dockerfile}"
    );
}

/// The words with which a script calls `docker`.
fn called(sandbox: &Sandbox, image: &str) -> Vec<String> {
    sandbox.write("docker", "#!/bin/sh\nprintf '%s\\0' \"$@\"\n");
    let docker = sandbox.path("docker");
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut script = Command::new("sh");
    script.arg(format!("out/{image}/build.sh")).arg("--load");
    script
        .current_dir(sandbox.root())
        .env("DOCKER", docker)
        .env("HOME", "/home/me");
    let ran = Ran::of(&mut script).success();
    ran.stdout
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}

#[test]
fn scripts_pass_every_value_as_it_is() {
    let sandbox = tricky();
    let ran = sandbox.run(&["graph", "export", "--format", "make", "-o", "out"]);
    ran.success().says("cd out && make");
    let reference = |image: &str| {
        sandbox
            .run(&["tag", image])
            .success()
            .stdout
            .trim()
            .to_owned()
    };
    let words = called(&sandbox, "lib-a");
    let expected = [
        "build",
        "--tag",
        &reference("lib-a"),
        "--secret",
        "id=token,env=TOKEN",
        "--secret",
        "id=netrc,\"src=/home/me/.net,rc\"",
        "--load",
        "--platform",
        "linux/amd64",
        "--add-host=db:10.0.0.1",
        "--network=none",
        "--file",
        "./Dockerfile",
        "./context",
    ];
    assert_eq!(words, expected);
    let words = called(&sandbox, "own");
    assert!(
        words.contains(&"TEXT=two\nlines ${X} $$(id) 'x'".to_owned()),
        "{words:#?}"
    );
    assert!(
        words.contains(&format!("base=docker-image://{}", reference("lib-a"))),
        "{words:#?}"
    );
    let makefile = sandbox.read("out/Makefile");
    for line in [
        "IMAGES = lib-a-2 lib-a own",
        "all: own",
        "lib-a: lib-a-2",
        "own: lib-a",
    ] {
        assert!(
            makefile.lines().any(|each| each == line),
            "{line}\n{makefile}"
        );
    }
}

const DIAMOND: &str = r#"
defaults { registry "localhost:5000/acme"; }
image "base" { base-image "debian:bookworm-slim"; }
image "services" { base-image image="base"; }
image "web" { base-image image="base"; copy image="services" "/etc/hostname" to="/tmp/x"; }
"#;

/// Runs the commands of jobs, each of which must build its own image and nothing else.
fn run_jobs(sandbox: &Sandbox, jobs: &[(String, Vec<String>)]) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_imgspec"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    for (image, commands) in jobs {
        for command in commands {
            let own = sandbox.command(&[]);
            let mut run = Command::new("sh");
            run.args(["-c", command])
                .current_dir(sandbox.root())
                .env_clear();
            run.envs(
                own.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            run.env("PATH", &path);
            Ran::of(&mut run).success();
        }
        assert_eq!(sandbox.built(), [image.as_str()]);
        assert_eq!(sandbox.read("set-up"), "done\n");
        std::fs::remove_file(sandbox.path("set-up")).unwrap();
    }
}

/// The strings of the lines that begin with this, as YAML reads them.
fn strings(text: &str, start: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(start));
    lines
        .filter_map(|string| serde_json::from_str(string).ok())
        .collect()
}

#[test]
fn the_jobs_of_pipelines_build_one_image_each() {
    for (format, job, command) in [
        ("github-actions", "    name: ", "      - run: "),
        ("gitlab", "", "    - "),
    ] {
        let sandbox = Sandbox::with(&[("imgspec.kdl", DIAMOND)]);
        std::fs::create_dir(sandbox.path(".git")).unwrap();
        let setup = ["--setup", "echo \"done\" > set-up"];
        let ran = sandbox.run(
            &[
                &[
                    "graph",
                    "export",
                    "--builder",
                    "fake",
                    "--format",
                    format,
                    "web",
                ],
                &setup[..],
            ]
            .concat(),
        );
        let text = ran.success().stdout;
        // A job's name begins its part of the text.
        let mut jobs: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            if let Some(name) = strings(line.trim_end_matches(':'), job).first() {
                let image = name.strip_prefix("build:").unwrap_or(name);
                jobs.push((image.to_owned(), Vec::new()));
            }
            if let (Some(found), Some((_, commands))) =
                (strings(line, command).first(), jobs.last_mut())
            {
                commands.push(found.clone());
            }
        }
        let names: Vec<&str> = jobs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["base", "services", "web"], "{text}");
        run_jobs(&sandbox, &jobs);
        let needs: BTreeMap<&str, &str> = [
            ("github-actions", "needs: [base, services]"),
            ("gitlab", "needs: [\"build:base\", \"build:services\"]"),
        ]
        .into();
        assert!(text.contains(needs[format]), "{text}");
    }
}

#[test]
fn where_nothing_is_affected_there_is_one_job_that_says_so() {
    let sandbox = repository(&[("imgspec.kdl", DIAMOND)]);
    let export = |format: &str, more: &[&str]| {
        let words = ["graph", "export", "--affected=HEAD", "--format", format];
        sandbox.run(&[&words, more].concat()).success()
    };
    for (format, script) in [
        ("github-actions", "/jobs/nothing/steps/0/run"),
        ("gitlab", "/nothing/script/0"),
    ] {
        // What installs imgspec, and what logs in, is for jobs that build.
        let text = export(format, &["--setup", "exit 1"]).stdout;
        let pipeline = document(&text);
        let jobs = pipeline.get("jobs").unwrap_or(&pipeline);
        assert_eq!(jobs.as_object().unwrap().len(), 1, "{text}");
        let script = pipeline.pointer(script).and_then(Value::as_str);
        let script = script.unwrap_or_else(|| panic!("{text}"));
        let ran = Ran::of(Command::new("sh").args(["-c", script])).success();
        assert_eq!(ran.stdout, "no image is to be built\n");
        assert!(!text.contains("imgspec has to be in the PATH"), "{text}");
    }
    // The line that the condition of the example's workflow knows.
    let plan = ["graph", "plan", "--affected=HEAD", "--builder", "fake"];
    let matrix = sandbox.run(&[&plan[..], &["--format", "github-matrix"]].concat());
    assert_eq!(matrix.success().stdout, "{\"include\":[]}\n");
    // What the real ones do with these is tested with an engine.
    export("bake", &["-o", "bake"]).says("wrote 0 images to bake");
    let file: Value = serde_json::from_str(&sandbox.read("bake/docker-bake.json")).unwrap();
    assert_eq!(file, json!({ "group": { "default": { "targets": [] } } }));
    export("make", &["-o", "make"]).says("wrote 0 images to make");
    assert!(sandbox.read("make/Makefile").contains("\nall: \n"));
}

#[test]
fn jobs_of_a_workspace_below_its_repository_go_there() {
    let sandbox = Sandbox::with(&[("images/imgspec.kdl", DIAMOND)]);
    std::fs::create_dir(sandbox.path(".git")).unwrap();
    let ran = sandbox.run(&[
        "-C", "images", "graph", "export", "--format", "gitlab", "base", "-o", "ci.yml",
    ]);
    ran.success();
    let text = sandbox.read("images/ci.yml");
    assert!(
        text.contains("imgspec -C images graph build --push -- base"),
        "{text}"
    );
    assert!(text.contains("has to be in the PATH"), "{text}");
}

#[test]
fn what_cannot_be_written_is_told_and_nothing_is_overwritten() {
    let debian = "image \"root\" { builder \"oci\"; base-image debian=\"bookworm\"; }\nimage \"top\" { base-image image=\"root\"; }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", debian), ("full/file", "")]);
    let export =
        |more: &[&str]| sandbox.run(&[&["graph", "export", "--format", "bake"], more].concat());
    export(&["-o", "out"])
        .code(2)
        .says("Docker cannot build all of these images")
        .says("`root`: `base-image`");
    assert!(!sandbox.path("out").exists());
    export(&["-o", "full"])
        .code(2)
        .says("`")
        .says("is not empty");
    export(&[]).code(2).says("name a new one with `-o DIR`");
    export(&["-o", "out", "--setup", "true"])
        .code(2)
        .says("`--setup true` has no job");
    sandbox
        .run(&["graph", "export", "-o", "out"])
        .code(2)
        .says("--format <FORMAT>");
    export(&["-o", "out", "nobody"])
        .code(2)
        .says("no image matches `nobody`");
}
