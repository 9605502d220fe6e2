//! `imgspec lsp`, as editors use it: through the client library of VS Code, provided by `tests/run`. What no library would send
//! is sent by hand.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::{fed, provided};
use crate::sandbox::{Ran, Sandbox};

const ROOT: &str = r#"workspace { include "services" }
variable "registry" default="ghcr.io/acme"
variable "pass" env="DB_PASSWORD"
variable "odd" env="ODD"
defaults {
    registry "{{ registry }}"
}
template "service" {
    user "1000"
}
image "base" {
    base-image "debian:bookworm-slim"
    apt-packages "git"
    env A="{{ pass }}{{ odd }}"
    secret "odd" env="ODD" { commands; }
    commands "true"
}
image "py{{ python }}" {
    matrix { python "3.11" "3.12"; }
    allow "no-ignore-file"
    base-image image="base"
    copy "." to="/x"
    labels v="{{ python }}"
}
group "all" { images "base" "py*" "app" "!app"; }
"#;

const INNER: &str = r#"image "app" extends="service" {
    base-image image="base"
    copy image="base" "/etc/hostname" to="/h"
    name "{{ registry }}-app"
}
image "legacy" {
    dockerfile "Dockerfile" {
        contexts { ground image="base"; }
    }
}
"#;

/// Runs a script with an editor, and returns what it found; `None` if there is no client library here.
#[track_caller]
fn edit(sandbox: &Sandbox, script: &str, part: &str) -> Option<Value> {
    provided("IMGSPEC_TEST_EDITOR")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/lsp")
        .join(script);
    let environment = sandbox.command(&[]);
    let environment = environment.get_envs();
    let environment = environment.filter_map(|(name, value)| {
        let value = value?.to_str()?.to_owned();
        Some((name.to_str()?.to_owned(), value))
    });
    let input = json!({
        "program": env!("CARGO_BIN_EXE_imgspec"),
        "folder": sandbox.root().canonicalize().unwrap(),
        "environment": environment.collect::<std::collections::BTreeMap<_, _>>(),
        "part": part,
    });
    let said = fed(Command::new("node").arg(script), &input.to_string());
    let found = said.unwrap_or_else(|why| panic!("the script failed:\n{why}"));
    Some(serde_json::from_str(&found).unwrap())
}

fn pretty(found: &Value) -> String {
    serde_json::to_string_pretty(found).unwrap()
}

fn simple() -> Sandbox {
    let root = "workspace { include \"services\" }\nimage \"base\" {\n    base-image \"debian:bookworm-slim\"\n    apt-packages \"git\"\n}\n";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", root),
        (
            "services/imgspec.kdl",
            "image \"app\" {\n    base-image image=\"base\"\n}\n",
        ),
    ]);
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox
}

fn rich() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", ROOT),
        ("services/imgspec.kdl", INNER),
        ("services/Dockerfile", "FROM ground\n"),
        ("services/src/main.py", ""),
    ])
    .env("DB_PASSWORD", "hunter2-from-env")
    .env("ODD", "odd-value-of-a-secret")
}

#[test]
fn errors_are_shown_while_typing() {
    let sandbox = simple();
    let Some(found) = edit(&sandbox, "errors.mjs", "") else {
        return;
    };
    let wanted = json!({
        "clean": [],
        "typo": {
            "code": "unknown-field",
            "message": "unknown field `apt-pakages` in an image: did you mean `apt-packages`?",
            "range": "3:4-15",
            "severity": 1,
            "source": "imgspec"
        },
        "fix": {
            "title": "replace with `apt-packages`",
            "kind": "quickfix",
            "isPreferred": true,
            "mended": true
        },
        "others": [],
        "broken": {
            "message": "unknown base image `base`: no image of this workspace has this id\nhelp: a registry image is named without `image=`: `base-image \"base\"`",
            "range": "1:21-27"
        },
        "twice": [
            "imgspec.kdl:1:6-14 first declared here"
        ],
        "lint": {
            "severity": 2,
            "title": "allow `floating-base` in image `base`",
            "allowed": "    allow \"floating-base\""
        },
        "outside": [
            "unknown-image"
        ],
        "empty": "nothing of `empty` is copied: no files in it\nhelp: check its contents, and what the ignore file excludes",
        "registered": [
            "workspace/didChangeWatchedFiles"
        ],
        "code": 0
    });
    assert_eq!(pretty(&found), pretty(&wanted));
}

#[test]
fn words_are_explained_and_found() {
    let sandbox = rich();
    let Some(found) = edit(&sandbox, "words.mjs", "") else {
        return;
    };
    let said = found.to_string();
    assert!(
        !said.contains("hunter2") && !said.contains("odd-value"),
        "{said}"
    );
    let mut found = found;
    let hover = found["hover"].take();
    assert_eq!(pretty(&found), include_str!("lsp/words.json").trim_end());
    let told = |word: &str| hover[word].as_str().unwrap_or("nothing").to_owned();
    assert!(told("field").starts_with("**apt-packages** (list): Debian packages\n\n```kdl\n"));
    assert!(
        told("node").starts_with("**template**: declares fields for images to inherit\n\n```kdl\n")
    );
    assert!(told("image").contains("**image** `base`, `imgspec.kdl:11:7`"));
    assert!(told("image").contains("on `debian:bookworm-slim`, from a registry"));
    assert!(
        told("image").contains("reference `ghcr.io/acme/base:")
            && told("image").ends_with("not built here yet")
    );
    assert!(told("matrix").contains("`py3.11`") && told("matrix").contains("`py3.12`"));
    assert!(told("lint").starts_with("**lint** `no-ignore-file`: "));
    let rest = [
        "variable", "secret", "hidden", "template", "group", "base", "nothing",
    ]
    .map(told);
    let wanted = [
        "**variable** `registry` = `ghcr.io/acme`\n\nits default\n\nused in 2 places",
        "**variable** `pass`\n\nfrom the environment variable `DB_PASSWORD`; not shown, because it may be a secret\n\nused in 1 place",
        "**variable** `odd`\n\nfrom the environment variable `ODD`; not shown, because it may be a secret\n\nused in 1 place",
        "**template** `service`\n\nused in 1 place",
        "**group** `all`: 3 images\n\n`base`, `py3.11`, `py3.12`",
        "`debian:bookworm-slim`, an image of a registry\n\nnot pinned: `imgspec lock` does",
        "nothing",
    ];
    assert_eq!(rest, wanted);
}

#[test]
fn the_state_of_an_image_is_that_of_its_record() {
    let sandbox = simple();
    let told = |sandbox: &Sandbox| {
        let found = edit(sandbox, "words.mjs", "state")?;
        let text = found["app"].as_str().unwrap().to_owned();
        Some(text.split("\n\n").skip(3).collect::<Vec<_>>().join("\n\n"))
    };
    if provided("IMGSPEC_TEST_EDITOR").is_none() {
        return;
    }
    assert_eq!(told(&sandbox).unwrap(), "not built here yet");
    sandbox.build(&[]).success();
    let fresh = told(&sandbox).unwrap();
    assert!(
        fresh.starts_with("**fresh**: nothing differs from the last build\\\nbuilt 2"),
        "{fresh}"
    );
    let changed = sandbox
        .read("imgspec.kdl")
        .replace("\"git\"", "\"git\" \"curl\"");
    sandbox.write("imgspec.kdl", &changed);
    let stale = told(&sandbox).unwrap();
    assert!(
        stale.starts_with("**stale**, since the last build:\n* its base `base` changed\n"),
        "{stale}"
    );
}

#[test]
fn words_are_completed_renamed_and_formatted() {
    let sandbox = rich();
    let Some(found) = edit(&sandbox, "writing.mjs", "") else {
        return;
    };
    assert_eq!(pretty(&found), include_str!("lsp/writing.json").trim_end());
}

#[test]
fn requests_are_answered_in_their_time() {
    let Some(found) = edit(&simple(), "life.mjs", "order") else {
        return;
    };
    let wanted = json!({
        "early": {
            "code": -32002,
            "message": "the first request has to be `initialize`"
        },
        "twice": -32600,
        "unknown": {
            "code": -32601,
            "message": "there is no method `imgspec/unknown`"
        },
        "wrong": -32602,
        "closed": null,
        "late": -32600,
        "encoding": "utf-16",
        "name": "imgspec",
        "codes": [
            0,
            1,
            1
        ]
    });
    assert_eq!(pretty(&found), pretty(&wanted));
}

#[test]
fn places_are_counted_as_the_client_counts() {
    let Some(found) = edit(&simple(), "life.mjs", "encodings") else {
        return;
    };
    assert_eq!(found, json!({"utf-8": 25, "utf-16": 22, "utf-32": 21}));
}

#[test]
fn places_that_do_not_exist_are_no_trouble() {
    let Some(found) = edit(&simple(), "life.mjs", "out_of_range") else {
        return;
    };
    let wanted = json!({"answers": 9, "other": null, "canceled": true, "code": 0});
    assert_eq!(found, wanted);
}

#[test]
fn the_last_of_many_edits_counts() {
    let Some(found) = edit(&simple(), "life.mjs", "fast") else {
        return;
    };
    let wanted = json!({"found": ["unknown-image"], "soon": true, "code": 0});
    assert_eq!(found, wanted);
}

#[test]
fn big_manifests_are_checked_too() {
    let Some(found) = edit(&simple(), "life.mjs", "big") else {
        return;
    };
    let wanted = json!({"found": ["unknown base image `nobody`: no image of this workspace has this id\nhelp: a registry image is named without `image=`: `base-image \"nobody\"`"], "code": 0});
    assert_eq!(found, wanted);
}

#[test]
fn several_workspaces_are_served_at_once() {
    let sandbox = Sandbox::with(&[
        ("one/imgspec.kdl", "image \"a\" { nonsense-one; }\n"),
        ("two/imgspec.kdl", "image \"a\" { nonsense-two; }\n"),
        ("loose.kdl", "anything { at \"all\"; }\n"),
    ]);
    std::fs::create_dir(sandbox.path("one/new")).unwrap();
    let Some(found) = edit(&sandbox, "life.mjs", "workspaces") else {
        return;
    };
    let wanted = json!({
        "one": "unknown field `nonsense-one` in an image: no field has this name\nhelp: docs/manifest.md lists all fields",
        "two": "unknown field `nonsense-two` in an image: no field has this name\nhelp: docs/manifest.md lists all fields",
        "fresh": "unknown field `oops` in an image: no field has this name\nhelp: docs/manifest.md lists all fields",
        "loose": false,
        "code": 0
    });
    assert_eq!(pretty(&found), pretty(&wanted));
}

#[test]
fn a_server_ends_with_its_client() {
    let Some(found) = edit(&simple(), "life.mjs", "parent") else {
        return;
    };
    assert_eq!(found, json!({"code": 1}));
}

/// What the server says to these bytes, and its end.
fn said_to(sandbox: &Sandbox, bytes: &[u8]) -> Ran {
    let mut command = sandbox.command(&["lsp"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_owned();
    // A server that ends early closes its input.
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes).ok());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    feeder.join().unwrap();
    let mut ran = Ran {
        code: child.wait().unwrap().code(),
        stdout: String::new(),
        stderr: String::new(),
    };
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut ran.stdout)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut ran.stderr)
        .unwrap();
    ran
}

fn framed(body: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

fn request(id: u32, method: &str, params: &Value) -> String {
    framed(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string())
}

#[test]
fn what_is_not_the_protocol_ends_the_server_with_a_message() {
    let sandbox = simple();
    for (bytes, why) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "this is not the language server protocol",
        ),
        (
            b"\xff\xfe\xfd\n",
            "this is not the language server protocol",
        ),
        (
            b"Content-Length: 18446744073709551615\r\n\r\n{}",
            "more than 64 MiB",
        ),
        (
            b"Content-Length: 100\r\n\r\n{}",
            "the input ends within a message",
        ),
    ] {
        let ran = said_to(&sandbox, bytes).code(2).says(why);
        assert_eq!(ran.stdout, "");
    }
    let ran = said_to(&sandbox, b"").code(1);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn messages_that_make_no_sense_are_refused_one_by_one() {
    let sandbox = simple();
    let mut bytes = Vec::new();
    for body in ["{oops", "[]", "{\"id\": 1}", "\"x\"", &"[".repeat(10_000)] {
        bytes.extend(framed(body).into_bytes());
    }
    bytes.extend(b"Content-Length: 2\r\n\r\n\xff\xfe");
    let hostile = json!({
        "processId": -5,
        "rootUri": "file:///proc/self/../..//\u{0}",
        "capabilities": [],
        "workspaceFolders": [{"uri": "file://remote/x", "name": "x"}, 1],
    });
    bytes.extend(request(7, "initialize", &hostile).into_bytes());
    let open = json!({"textDocument": {"uri": "file:///dev/zero", "languageId": "kdl", "version": 1, "text": "image \"a\""}});
    bytes.extend(
        framed(
            &json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": open})
                .to_string(),
        )
        .into_bytes(),
    );
    bytes.extend(request(8, "workspace/symbol", &json!({"query": ""})).into_bytes());
    bytes.extend(request(9, "shutdown", &Value::Null).into_bytes());
    bytes.extend(framed("{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}").into_bytes());
    let ran = said_to(&sandbox, &bytes).success();
    assert_eq!(
        ran.stdout.matches("\"id\":null").count(),
        6,
        "{}",
        ran.stdout
    );
    for id in [7, 8, 9] {
        assert!(
            ran.stdout.contains(&format!("\"id\":{id}")),
            "{id}: {}",
            ran.stdout
        );
    }
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_single_run_cannot_be_overridden_for_an_editor() {
    simple()
        .run(&["lsp", "--set", "app.user=root"])
        .code(2)
        .says("`--set` applies to a single run");
}
