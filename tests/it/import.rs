//! `import`: converts files of other tools to a manifest, using the user's own programs where needed.
//!
//! flytekit is a fake next to this file, `docker` a script; the real ones are tested where they are available.

mod bake;
mod python;

use std::io::Write;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::sandbox::{Ran, Sandbox, is_there};

/// Standard output followed by standard error, without machine-dependent parts.
fn said(ran: &Ran) -> String {
    let all = format!("{}\n{}", ran.stdout, ran.stderr);
    let lines = all.lines().map(|line| match line.find(" with /") {
        Some(at) if line.starts_with("running ") => format!(
            "{} with PYTHON to find the ImageSpecs it creates",
            &line[..at]
        ),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The output of a run that fails.
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox
        .run(&[&["import", "--python", "python3", "-q"], arguments].concat())
        .code(2);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

#[test]
fn a_yaml_file_becomes_a_manifest_that_check_takes() {
    let text = "registry: ghcr.io/acme\nname: docs\npython_version: 3.10\npackages: [sklearn]\nenv: {DEBUG: \"True\"}\n";
    let sandbox = Sandbox::with(&[("docs.yaml", text)]);
    assert_snapshot!(said(&sandbox.run(&["import", "docs.yaml"]).success()), @r#"
    // From docs.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "docs" {
        registry "ghcr.io/acme"
        name "docs"
        python-version "3.10"
        packages "sklearn"
        env DEBUG="True"
    }

    note: docs: `python_version` is a number, read as `3.1`: taken as the string `3.10`, so the tag differs from flytekit's; quote it in the source
      --> docs.yaml:3:17
    1 image, 1 note; `-o imgspec.kdl` writes it to a file
    "#);
    assert!(!is_there(&sandbox.path("imgspec.kdl")));
}

#[test]
fn the_output_is_a_file_that_nothing_is_lost_for() {
    let sandbox = Sandbox::with(&[
        ("docs.yaml", "packages: [six]\n"),
        ("there.kdl", "mine"),
        ("folder/x", ""),
    ]);
    let ran = sandbox
        .run(&["import", "docs.yaml", "-o", "imgspec.kdl"])
        .success();
    assert_eq!(ran.stdout, "");
    ran.says("wrote ")
        .says("imgspec.kdl: 1 image, 1 note")
        .says("next: `imgspec check`");
    assert!(sandbox.read("imgspec.kdl").contains("packages \"six\""));
    let ran = sandbox.run(&["import", "docs.yaml", "-o", "-"]).success();
    assert!(ran.stdout.contains("packages \"six\""));
    assert!(!is_there(&sandbox.path("-")));
    for (output, why) in [
        ("there.kdl", "already exists"),
        ("folder", "is a directory"),
        ("none/x.kdl", "there is no directory"),
    ] {
        sandbox
            .run(&["import", "docs.yaml", "-o", output])
            .code(2)
            .says(why);
    }
    assert_eq!(sandbox.read("there.kdl"), "mine");
    sandbox
        .run(&["import", "docs.yaml", "-o", "there.kdl", "--force", "-q"])
        .success();
    assert!(sandbox.read("there.kdl").starts_with("// From docs.yaml"));
}

#[test]
fn paths_are_said_from_the_manifest() {
    let text = "python_version: '3.12'\nrequirements: services/r.txt\ncopy: [services/src, top.txt]\nsource_root: services\nsource_copy_mode: CopyFileDetection.ALL\n";
    let sandbox = Sandbox::with(&[
        ("x.yaml", text),
        ("services/r.txt", ""),
        ("services/src/a", ""),
        ("top.txt", ""),
    ]);
    sandbox
        .run(&["import", "x.yaml", "-o", "services/imgspec.kdl"])
        .success()
        .says("outside the manifest's directory");
    assert_snapshot!(sandbox.read("services/imgspec.kdl"), @r#"
    // From x.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "flytekit"
        python-version "3.12"
        requirements "r.txt"
        source-root "."
        source-copy-mode "all"
        copy "src" to="/root/services/src"
    }
    "#);
}

#[test]
fn notes_have_their_documented_shape() {
    let sandbox = Sandbox::with(&[
        ("x.yaml", "python_version: 3.10\n"),
        (
            "bake.json",
            r#"{"target": {"a": {"dockerfile-inline": "FROM scratch"}}}"#,
        ),
    ]);
    let json = sandbox
        .run(&["import", "x.yaml", "--format", "json"])
        .success()
        .json();
    assert!(
        json["manifest"]
            .as_str()
            .unwrap()
            .contains("python-version \"3.10\"")
    );
    let note = json["notes"][0].as_object().unwrap();
    let names: Vec<&String> = note.keys().collect();
    assert_eq!(names, ["column", "field", "image", "line", "message"]);
    assert_eq!(
        (
            &note["field"],
            &note["image"],
            &note["line"],
            &note["column"]
        ),
        (&"python_version".into(), &"x".into(), &1.into(), &17.into())
    );
    let json = sandbox
        .run(&["import", "bake.json", "--format", "json"])
        .success()
        .json();
    assert_eq!(
        json["files"],
        serde_json::json!([{"path": "a.Dockerfile", "text": "FROM scratch"}])
    );
}

#[test]
fn what_cannot_be_read_is_said_and_exits_2() {
    let sandbox = Sandbox::with(&[
        ("list.yaml", "- a\n"),
        ("empty.yaml", ""),
        ("folder/x", ""),
        ("strange", "hello\n"),
        ("x.json", "{]"),
    ]);
    std::fs::write(sandbox.path("binary.yaml"), [0u8, 159, 146, 150]).unwrap();
    std::fs::write(sandbox.path("large.yaml"), "a: b\n".repeat(2 << 20)).unwrap();
    let mut told = String::new();
    for file in [
        "list.yaml",
        "empty.yaml",
        "folder",
        "strange",
        "binary.yaml",
        "large.yaml",
        "none.yaml",
    ] {
        told += &refused(&sandbox, &[file]);
    }
    assert_snapshot!(told, @"
    error[wrong-type]: `list.yaml` contains a list, not a mapping
     --> list.yaml:1:1
      |
    1 | - a
      | ^
      |
      = help: an ImageSpec file is a mapping of fields, such as `packages: [numpy]`

    1 error
    error[empty]: `empty.yaml` is empty
     |
     = help: name a file that defines images

    1 error
    error[usage]: `folder` cannot be read: it is a directory, not a file
     |
     = help: name a file

    1 error
    error[usage]: `strange` contains neither flytekit ImageSpecs nor a bake file
     |
     = help: if it does, name its kind with `--from yaml`, `--from bake` or `--from python`

    1 error
    error[usage]: `binary.yaml` cannot be read: it is not UTF-8 text
     |
     = help: is it the right file?

    1 error
    error[usage]: `large.yaml` cannot be read: it is larger than 4 MiB
     |
     = help: no file of this kind is that large; is it the right one?

    1 error
    error[usage]: `none.yaml` cannot be read: no such file or directory
     |
     = help: is the name right?

    1 error
    ");
}

#[test]
fn standard_input_is_read_too() {
    let sandbox = Sandbox::new();
    let feed = |text: &str, more: &[&str]| {
        let mut child = sandbox
            .command(&[&["import", "-"], more].concat())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = feed("packages: [six]\n", &[]);
    assert!(code == Some(0) && out.contains("image \"image\""), "{out}");
    let (code, out, _) = feed(
        r#"{"target": {"a": {"dockerfile-inline": "FROM scratch"}}}"#,
        &[],
    );
    assert!(
        code == Some(0) && out.contains("dockerfile \"a.Dockerfile\""),
        "{out}"
    );
    let (code, _, err) = feed("target \"a\" {}\n", &[]);
    assert!(
        code == Some(2) && err.contains("docker buildx bake --print | imgspec import -"),
        "{err}"
    );
    let (code, _, err) = feed("x = 1\n", &["--from", "python"]);
    assert!(
        code == Some(2) && err.contains("cannot be read from standard input"),
        "{err}"
    );
}
