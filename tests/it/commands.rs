//! The other commands: their output, where it goes, and their exit codes.

use std::io::Read;
use std::process::Stdio;

use crate::sandbox::{Ran, Sandbox, is_there};

const TWO: &str = r#"
image "base" { base-image "debian:bookworm-slim"; registry "registry.example.com/team" }
image "app" {
    base-image image="base"
    copy "src" to="/app"
    env GREETING="hello"
    entrypoint "python3" "/app/main.py"
}
"#;

pub(crate) fn two() -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", TWO), ("src/main.py", "print('hello')\n")])
}

#[test]
fn the_nearest_manifest_upwards_is_found_and_c_and_f_override_it() {
    let sandbox = two();
    sandbox.write("deep/er/x", "");
    sandbox
        .run(&["-C", "deep/er", "tag", "app"])
        .success()
        .says("app:");
    sandbox.write("other.kdl", "image \"other\" { base-image \"scratch\" }");
    sandbox
        .run(&["-f", "other.kdl", "tag", "--format", "json"])
        .success()
        .says("\"other\"");
    sandbox
        .run(&["-C", "nowhere", "check"])
        .code(2)
        .says("is not a directory");
    Sandbox::new()
        .run(&["check"])
        .code(2)
        .says("there is no `imgspec.kdl`")
        .says("imgspec init");
    let odd = Sandbox::new();
    odd.write("imgspec.kdl/file", "");
    odd.run(&["check"])
        .code(2)
        .says("imgspec.kdl` cannot be read: it is a directory, not a file");
}

#[test]
fn tags_have_their_documented_shape() {
    let sandbox = two();
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let first = tags[0].as_object().unwrap();
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["image", "key", "platforms", "reference", "tag"]
    );
    let key = tags[0]["key"].as_str().unwrap();
    assert_eq!(key.len(), 64);
    assert_eq!(tags[0]["tag"], key[..32]);
    assert_eq!(
        tags[0]["reference"],
        format!("registry.example.com/team/base:{}", &key[..32])
    );
    assert_eq!(tags[0]["platforms"], serde_json::json!(["linux/amd64"]));
    let alone = sandbox.run(&["tag", "app"]).success();
    assert_eq!(alone.stdout.trim(), tags[1]["reference"]);
}

#[test]
fn the_graph_has_its_documented_shape() {
    let shown = two()
        .run(&["graph", "show", "--format", "json"])
        .success()
        .json();
    assert_eq!(shown["images"][1]["bases"], serde_json::json!(["base"]));
    assert_eq!(
        shown["edges"],
        serde_json::json!([{"from": "app", "to": "base", "kind": "base"}])
    );
    assert!(
        shown["images"][0]["reference"]
            .as_str()
            .unwrap()
            .starts_with("registry.example.com/team/base:")
    );
}

#[test]
fn every_drawing_names_every_image() {
    for format in ["tree", "dot", "mermaid"] {
        two()
            .run(&["graph", "show", "--format", format])
            .success()
            .says("base")
            .says("app");
    }
}

#[test]
fn check_finds_all_mistakes_at_once_and_exits_2() {
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        "image \"a\" { packges \"x\" }\nimage \"b\" { base-image image=\"aa\" }\n",
    )]);
    let ran = sandbox.run(&["check", "--format", "json"]).code(2);
    let found = ran.json();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    for one in found {
        let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "code", "column", "file", "help", "label", "line", "message", "severity"
            ]
        );
        assert_eq!(one["file"], "imgspec.kdl");
    }
    assert_eq!(
        (&found[0]["line"], &found[1]["line"]),
        (&1.into(), &2.into())
    );
    sandbox
        .run(&["check"])
        .code(2)
        .says("did you mean `packages`?")
        .says("2 errors");
    sandbox.build(&[]).code(2);
}

#[test]
fn check_is_content_with_what_is_right() {
    two()
        .run(&["check"])
        .success()
        .says("2 images checked: no problems found");
    let ran = two().run(&["check", "--format", "json"]).success();
    assert_eq!(ran.json(), serde_json::json!([]));
}

#[test]
fn explain_lists_inputs_and_then_what_differs() {
    let sandbox = two();
    sandbox
        .run(&["explain", "app"])
        .success()
        .says("env.GREETING")
        .says("src/main.py")
        .says("never built");
    sandbox.build(&[]).success();
    sandbox
        .run(&["explain", "app"])
        .success()
        .says("nothing differs");
    sandbox.write("src/main.py", "print('bye')\n");
    sandbox.write("imgspec.kdl", &TWO.replace("hello", "bye"));
    let ran = sandbox
        .run(&["explain", "app", "--format", "json"])
        .success();
    let changes = ran.json()["changes"].clone();
    let names: Vec<&str> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{changes:#}");
    assert!(
        names.contains(&"env.GREETING") && names.contains(&"copy[0]:src/main.py"),
        "{names:?}"
    );
    sandbox
        .run(&["explain", "app"])
        .success()
        .says("since the last build:")
        .says("hello -> bye");
    sandbox
        .run(&["explain", "nothing"])
        .code(2)
        .says("no image matches");
}

#[test]
fn explain_of_a_dockerfile_shows_it_its_contexts_and_its_bases() {
    let manifest = "image \"base\" { base-image \"debian:bookworm-slim\" }\n\
        image \"own\" {\n  dockerfile \"Dockerfile\" {\n    args V=\"1\"\n    contexts {\n      up image=\"base\"\n      alp \"alpine:3.22\"\n    }\n  }\n}\n";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", manifest),
        (
            "Dockerfile",
            "FROM golang:1.23 AS made\nFROM up\nCOPY --from=made /x /x\n",
        ),
    ]);
    let ran = sandbox.run(&["explain", "own"]).success();
    for shown in [
        "dockerfile:Dockerfile ",
        "dockerfile.args.V ",
        "dockerfile.contexts.alp ",
        "dockerfile.contexts.up key base ",
        "\nimages from outside:\n",
        "\n  golang:1.23  floating: ",
        "\n  alpine:3.22  floating: ",
    ] {
        assert!(ran.stdout.contains(shown), "{shown}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("scratch"), "{}", ran.stdout);
    let json = sandbox
        .run(&["explain", "own", "--format", "json"])
        .success()
        .json();
    let outside: Vec<&str> = json["outside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(outside, ["alpine:3.22", "golang:1.23"]);
}

#[test]
fn render_shows_what_would_be_sent() {
    let sandbox = two();
    sandbox
        .run(&["render", "app", "--builder", "docker"])
        .success()
        .says("ENTRYPOINT [\"python3\"");
    sandbox
        .run(&["render", "app", "--builder", "docker", "-o", "out"])
        .success();
    let dockerfile = sandbox.read("out/Dockerfile");
    assert!(!dockerfile.contains("syntax="), "{dockerfile}");
    assert!(sandbox.read("out/context/0/main.py").contains("hello"));
    sandbox
        .run(&["render", "app", "--builder", "docker", "-o", "out"])
        .code(2)
        .says("is not empty");
}

#[test]
fn init_writes_a_manifest_that_check_accepts() {
    for (files, expected) in [
        (&[][..], "// packages"),
        (
            &[
                ("requirements.txt", "six\n"),
                ("src/a.py", ""),
                ("pyproject.toml", ""),
            ],
            "requirements \"requirements.txt\"",
        ),
        (
            &[
                ("uv.lock", ""),
                ("requirements.txt", "six\n"),
                ("pyproject.toml", ""),
            ],
            "requirements \"uv.lock\"",
        ),
        (
            &[("uv.lock", ""), ("requirements.txt", "six\n")],
            "requirements \"requirements.txt\"",
        ),
        (
            &[("poetry.lock", ""), ("pyproject.toml", "")],
            "requirements \"poetry.lock\"",
        ),
        (&[("pyproject.toml", "")], "requirements \"pyproject.toml\""),
        (
            &[
                ("Dockerfile", "FROM python:3.12\n"),
                ("requirements.txt", ""),
            ],
            "dockerfile \"Dockerfile\"",
        ),
        (
            &[("requirements.txt", ""), (".python-version", "3.13\n")],
            "python-version \"3.13\"",
        ),
        (&[("requirements.txt", "")], "apt-packages \"python3\""),
        (
            &[
                ("Dockerfile", "FROM a:1\n"),
                ("uv.lock", ""),
                ("pyproject.toml", ""),
            ],
            "//     requirements \"uv.lock\"",
        ),
    ] {
        let sandbox = Sandbox::with(files);
        sandbox.run(&["init"]).success().says("wrote");
        sandbox.run(&["check"]).success();
        let written = sandbox.read("imgspec.kdl");
        assert!(written.contains(expected), "{written}");
        sandbox.run(&["init"]).code(2).says("already exists");
        sandbox.run(&["init", "--force"]).success();
    }
}

#[test]
fn clean_removes_what_is_left_behind_and_keeps_what_is_known() {
    let sandbox = two();
    sandbox.build(&[]).success();
    sandbox.write("imgspec.kdl", "image \"base\" { base-image \"debian:bookworm-slim\"; registry \"registry.example.com/team\" }\n");
    sandbox
        .run(&["clean"])
        .success()
        .says("removed 1 input list, 2 logs, 1 record");
    assert!(!is_there(&sandbox.path(".imgspec/logs/app.log")));
    assert_eq!(sandbox.plan(&[]), ["base fresh"]);
    sandbox.run(&["clean", "--all"]).success().says("1 record");
    sandbox.run(&["clean"]).success().says("nothing to remove");
}

/// A run without any Docker: neither its command nor a daemon.
fn without_docker(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(arguments);
    command.env("PATH", "/nowhere");
    Ran::of(&mut command)
}

#[test]
fn doctor_says_what_is_missing_and_what_to_do() {
    let sandbox = two();
    let ran = without_docker(&sandbox, &["doctor"]).success();
    let ran = ran.says("there is no `docker` in PATH").says("help: ");
    let words = "builds base, app (the default does not answer)";
    let (before, after) = ran.stdout.split_once("\noci  ready\n").unwrap();
    assert!(before.contains("\ndocker  missing\n"), "{before}");
    assert!(after.contains(words), "{after}");
    let images = sandbox.read("imgspec.kdl");
    let docker = images.replace("image \"app\" {", "image \"app\" {\n    builder \"docker\"");
    sandbox.write("imgspec.kdl", &docker);
    without_docker(&sandbox, &["doctor"])
        .code(1)
        .says("`docker` is not ready, so it cannot build `app` here yet.");
}

#[test]
fn without_a_builder_a_build_says_so_and_begins_nothing() {
    let sandbox = two();
    without_docker(&sandbox, &["graph", "build", "--builder", "docker"])
        .code(2)
        .says("`docker` cannot build here");
    assert!(!is_there(&sandbox.path(".imgspec/logs")));
}

#[test]
fn completions_and_the_manual_come_from_the_program() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        sandbox
            .run(&["completions", shell])
            .success()
            .says("imgspec");
    }
    sandbox.run(&["man"]).success().says(".TH imgspec");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = two();
    let mut child = sandbox
        .command(&["explain", "app"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn usage_mistakes_exit_2() {
    let sandbox = two();
    sandbox.run(&["graph", "biuld"]).code(2).says("build");
    sandbox.run(&["--set", "nonsense", "check"]).code(2);
    sandbox.run(&["--var", "nonsense", "check"]).code(2);
    sandbox.run(&["graph", "build", "-j", "0"]).code(2);
    sandbox.build(&["--builder", "dokcer"]).code(2);
}

#[test]
fn a_command_of_graph_without_graph_is_suggested_with_it() {
    for name in ["build", "plan", "show"] {
        Sandbox::new()
            .run(&[name, "app"])
            .code(2)
            .says(&format!("'graph {name}'"));
    }
}

#[test]
fn set_overrides_a_field() {
    let sandbox = two();
    let plain = sandbox.run(&["tag", "app"]).success().stdout;
    let set = sandbox
        .run(&["--set", "app.workdir=/app", "tag", "app"])
        .success()
        .stdout;
    assert_ne!(plain, set);
}

#[test]
fn the_root_manifest_and_every_example_check() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut manifests = vec![root.join("imgspec.kdl")];
    manifests.extend(
        std::fs::read_dir(root.join("examples"))
            .expect("examples")
            .map(|entry| entry.expect("an entry").path())
            // `ci` is for the repository of any workspace.
            .filter(|path| path.is_dir() && !path.ends_with("ci"))
            .map(|folder| folder.join("imgspec.kdl")),
    );
    assert!(manifests.len() > 4);
    for manifest in manifests {
        Sandbox::new()
            .run(&["-f", manifest.to_str().expect("text"), "check"])
            .success();
    }
}
