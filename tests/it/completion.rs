//! Shell completions.

use crate::commands::two;
use crate::sandbox::{Ran, Sandbox};

/// The shell's completions for the last of these words.
fn completed(sandbox: &Sandbox, shell: &str, words: &[&str]) -> Vec<String> {
    let mut command = sandbox.command(&["--", "imgspec"]);
    let last = words.len().to_string();
    command.args(words).env("IMGSPEC_COMPLETE", shell);
    command
        .env("_CLAP_COMPLETE_INDEX", last)
        .env("_CLAP_IFS", "\n");
    let ran = Ran::of(&mut command).success();
    assert_eq!(ran.stderr, "");
    let words = ran
        .stdout
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default());
    words
        .map(|word| word.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn shells_complete_images_and_fields_from_the_manifest() {
    let sandbox = two();
    let manifest = sandbox.read("imgspec.kdl")
        + "template \"service\" { env A=\"1\"; }\ngroup \"apps\" { images \"app\"; }\n";
    sandbox.write("imgspec.kdl", &manifest);
    sandbox.write("deep/x", "");
    sandbox.write(
        "other/imgspec.kdl",
        "image \"over-there\" { base-image \"a:1\" }",
    );
    for shell in ["bash", "zsh", "fish"] {
        let completed = |words: &[&str]| completed(&sandbox, shell, words);
        assert_eq!(
            completed(&["graph", "build", "a"]),
            ["app", "apps"],
            "{shell}"
        );
        assert_eq!(completed(&["set", "a"]), ["app"]);
        assert_eq!(completed(&["tag", "+b"]), ["+base"]);
        assert_eq!(completed(&["explain", ""])[..2], ["base", "app"]);
        assert_eq!(completed(&["-C", "deep", "explain", "b"]), ["base"]);
        assert_eq!(completed(&["-C", "other", "explain", "o"]), ["over-there"]);
        assert_eq!(
            completed(&["-f", "other/imgspec.kdl", "explain", "o"]),
            ["over-there"]
        );
        assert_eq!(completed(&["set", "app", "python-v"]), ["python-version"]);
        assert_eq!(completed(&["add", "--template", ""])[..1], ["service"]);
        assert_eq!(
            completed(&["set", "--template", "service", "python-v"]),
            ["python-version"]
        );
        assert_eq!(completed(&["add", "s"]), [""; 0]);
        assert_eq!(completed(&["check", "--set", "ap"]), ["app."]);
        assert_eq!(completed(&["check", "--set", "app.wor"]), ["app.workdir="]);
        assert_eq!(completed(&["explain", "nothing-like-it"]), [""; 0]);
    }
    // A manifest with errors offers its valid parts, and prints nothing.
    sandbox.write("imgspec.kdl", "image \"app\" {\n  oops 1\n}\n");
    completed(&sandbox, "bash", &["explain", ""]);
    sandbox.write("imgspec.kdl", "}{");
    assert_eq!(completed(&sandbox, "bash", &["explain", "a"]), [""; 0]);
}
