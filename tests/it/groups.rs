//! Groups: selected wherever ids are, and the group `default`.

use crate::sandbox::Sandbox;

const MANIFEST: &str = r#"
workspace { include "docs" }
image "base" { base-image "debian:bookworm-slim" }
image "train" { base-image image="base"; }
image "serve-a" { base-image image="base"; }
image "serve-b" { base-image image="base"; }
group "services" { images "serve-*"; }
"#;

fn workspace() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", MANIFEST),
        (
            "docs/imgspec.kdl",
            "image \"docs\" { base-image \"debian:bookworm-slim\"; }\n",
        ),
    ])
}

/// A workspace with a group `default` too.
fn with_default() -> Sandbox {
    let sandbox = workspace();
    let default =
        "group \"default\" { images \"services\" \"docs\"; }\nallow \"unselected-image\"\n";
    sandbox.write("imgspec.kdl", &format!("{MANIFEST}{default}"));
    sandbox
}

/// The ids that `tag` lists for these arguments.
#[track_caller]
fn tagged(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["tag", "--format", "json"], arguments].concat();
    let tags = sandbox.run(&arguments).success().json();
    let tags = tags.as_array().unwrap().iter();
    tags.map(|tag| tag["image"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_group_is_selected_where_ids_are() {
    let sandbox = workspace();
    sandbox.build(&["services"]).success();
    assert_eq!(sandbox.built(), ["base", "serve-a", "serve-b"]);
    assert_eq!(tagged(&sandbox, &["services"]), ["serve-a", "serve-b"]);
    assert_eq!(
        tagged(&sandbox, &["+services"]),
        ["base", "serve-a", "serve-b"]
    );
    assert_eq!(
        tagged(&sandbox, &["*", "!services"]),
        ["base", "train", "docs"]
    );
    let plan = sandbox.plan(&["services"]);
    assert_eq!(plan, ["serve-a fresh", "serve-b fresh"]);
    let shown = sandbox.run(&["graph", "show", "services"]).success().stdout;
    assert!(
        shown.contains("serve-a") && !shown.contains("train"),
        "{shown}"
    );
    // One image is wanted: the message counts.
    sandbox
        .run(&["explain", "services"])
        .code(2)
        .says("`services` names 2 images");
    let page = sandbox.run(&["graph", "show", "--format", "json"]);
    let groups = &page.success().json()["groups"];
    assert_eq!(
        groups["services"],
        serde_json::json!(["serve-a", "serve-b"])
    );
    sandbox
        .run(&["tag", "servces"])
        .code(2)
        .says("did you mean `services`?");
}

#[test]
fn the_group_default_is_what_commands_without_ids_take() {
    let sandbox = with_default();
    let built = sandbox.build(&[]).success();
    built.says("selected 3 of 5 images: the group `default` (`'*'` selects all)\n");
    assert_eq!(sandbox.built(), ["base", "docs", "serve-a", "serve-b"]);
    assert_eq!(tagged(&sandbox, &[]), ["serve-a", "serve-b", "docs"]);
    // Exclusions apply to it; a glob is of the whole workspace.
    assert_eq!(tagged(&sandbox, &["!docs"]), ["serve-a", "serve-b"]);
    assert_eq!(tagged(&sandbox, &["*"]).len(), 5);
    assert_eq!(tagged(&sandbox, &["-f", "imgspec.kdl"]).len(), 3);
    // In a directory, its images are meant.
    assert_eq!(tagged(&sandbox, &["-C", "docs"]), ["docs"]);
}

#[test]
fn a_group_is_in_no_key() {
    let keys = |sandbox: &Sandbox| {
        let tags = sandbox.run(&["tag", "--format", "json", "*"]).success();
        tags.json().to_string()
    };
    assert_eq!(keys(&workspace()), keys(&with_default()));
}

#[test]
fn fmt_and_edits_leave_groups_as_they_are() {
    let sandbox = with_default();
    sandbox.run(&["set", "train", "workdir", "/app"]).success();
    sandbox.run(&["fmt"]).success();
    let text = sandbox.read("imgspec.kdl");
    assert!(
        text.contains("group \"services\" {") && text.contains("workdir"),
        "{text}"
    );
    assert_eq!(tagged(&sandbox, &[]), ["serve-a", "serve-b", "docs"]);
}

#[test]
fn the_lock_of_a_group_is_renewed() {
    let sandbox = workspace();
    // Nobody answers here; what matters is that the word is understood as the bases of its images.
    let ran = sandbox.run(&["lock", "--update", "services", "--builder", "fake"]);
    assert!(!ran.stderr.contains("no image matches"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("`services`"), "{}", ran.stderr);
}

#[test]
fn directories_and_both_sides_of_an_image_are_selected_from_wherever_one_is() {
    let sandbox = workspace();
    sandbox.write("docs/deep/x", "");
    assert_eq!(tagged(&sandbox, &["docs/"]), ["docs"]);
    assert_eq!(tagged(&sandbox, &["-C", "docs", "."]), ["docs"]);
    assert_eq!(
        tagged(&sandbox, &["-C", "docs/deep", "../..", "!../", "!serve-*"]),
        ["base", "train"]
    );
    assert_eq!(tagged(&sandbox, &["+train"]), ["base", "train"]);
    assert_eq!(
        tagged(&sandbox, &["base+", "!+train"]),
        ["serve-a", "serve-b"]
    );
    for (outside, said) in [
        ("docs/none/", "./docs/none"),
        ("../..", "../.."),
        ("/tmp", "/tmp"),
    ] {
        sandbox
            .run(&["tag", outside])
            .code(2)
            .says(&format!("no image matches `{said}`"));
    }
    sandbox
        .run(&["tag", "base..."])
        .code(2)
        .says("did you mean `base+`?");
    sandbox.write(
        "docs/imgspec.kdl",
        "image \"docs\" { base-image \"debian:bookworm-slim\"; }\ngroup \"written\" { images \".\" \"+train\"; }\n",
    );
    assert_eq!(tagged(&sandbox, &["written"]), ["base", "train", "docs"]);
}
