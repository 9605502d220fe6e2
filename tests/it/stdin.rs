//! A manifest from standard input: no file is written for it, and its paths start at the working directory.

use crate::sandbox::{Sandbox, is_there};

const MANIFEST: &str = r#"
image "base" { packages "six" }
image "app" { base-image image="base"; copy "src" }
"#;

#[test]
fn a_manifest_from_standard_input_is_planned_built_and_fresh() {
    let sandbox = Sandbox::with(&[("src/a.py", "1"), ("below/src/a.py", "2")]);
    let plan = ["-f", "-", "graph", "plan", "--builder", "fake"];
    sandbox
        .fed(MANIFEST, &plan)
        .success()
        .says("base  build  never built");
    assert!(!is_there(&sandbox.path(".imgspec")));
    let build = ["-f", "-", "graph", "build", "--builder", "fake"];
    sandbox.fed(MANIFEST, &build).success().says("built 2 in");
    sandbox.fed(MANIFEST, &build).success().says("fresh 2 in");
    assert!(!is_there(&sandbox.path("-")));
    // The same as from a file.
    let tags = ["tag", "--format", "json"];
    let piped = sandbox.fed(MANIFEST, &[&["-f", "-"], &tags[..]].concat());
    let piped = piped.success().json();
    sandbox.write("imgspec.kdl", MANIFEST);
    assert_eq!(piped, sandbox.run(&tags).success().json());
    let elsewhere = sandbox.fed(MANIFEST, &[&["-C", "below", "-f", "-"], &tags[..]].concat());
    let elsewhere = elsewhere.success().json();
    assert_eq!(elsewhere[0], piped[0]);
    assert_ne!(elsewhere[1]["key"], piped[1]["key"], "another directory");
}

#[test]
fn mistakes_in_it_have_their_lines() {
    let sandbox = Sandbox::new();
    for command in [&["check"][..], &["graph", "build"], &["explain", "a"]] {
        sandbox
            .fed(
                "\nimage \"a\" { pakages \"six\" }\n",
                &[&["-f", "-"], command].concat(),
            )
            .code(2)
            .says("error[unknown-field]")
            .says("--> -:2:13");
    }
    sandbox
        .fed("image \"a\" { copy \"nowhere\" }\n", &["-f", "-", "check"])
        .code(2)
        .says("nowhere");
    sandbox
        .fed("", &["-f", "-", "check"])
        .code(2)
        .says("no image is declared");
    sandbox
        .fed("image \"a\" { packages \"six\" }\n", &["-f", "-", "check"])
        .success()
        .says("1 image checked");
    let large = "// a comment\n".repeat(2 << 20);
    sandbox
        .fed(&large, &["-f", "-", "check"])
        .code(2)
        .says("standard input");
}

#[test]
fn what_needs_a_file_says_so() {
    let sandbox = Sandbox::new();
    for command in [&["add", "a", "packages", "six"][..], &["fmt"], &["watch"]] {
        sandbox
            .fed(MANIFEST, &[&["-f", "-"], command].concat())
            .code(2)
            .says("this command needs a manifest that is a file")
            .says("name one after `-f`");
    }
}

#[test]
fn a_text_from_standard_input_is_formatted_to_standard_output() {
    let sandbox = Sandbox::new();
    let text = "image   \"a\"  {\npackages \"six\" // a comment\n}\n";
    let good = "image \"a\" {\n    packages \"six\" // a comment\n}\n";
    let formatted = sandbox.fed(text, &["fmt", "-"]).success();
    assert_eq!(
        (formatted.stdout.as_str(), formatted.stderr.as_str()),
        (good, "")
    );
    let looked = sandbox.fed(text, &["fmt", "--check", "-"]).code(1);
    assert_eq!(looked.stdout, "-\n");
    let looked = sandbox.fed(good, &["fmt", "--check", "-"]).success();
    assert_eq!(looked.stdout, "");
    let wrong = sandbox.fed("image \"a\" {\n", &["fmt", "-"]).code(2);
    assert_eq!(wrong.stdout, "");
    wrong.says("--> -:1:");
    sandbox
        .fed(text, &["fmt", "-", "a.kdl"])
        .code(2)
        .says("standard input is formatted alone");
}
