//! `graph build` does what `graph plan` shows.

use crate::sandbox::Sandbox;

const DIAMOND: &str = r#"
image "os" { base-image "debian:bookworm-slim"; apt-packages "git" }
image "left" { base-image image="os"; copy "left" to="/left" }
image "right" { base-image image="os"; copy "right" to="/right" }
image "top" {
    base-image image="left"
    copy image="right" "/right" to="/right"
    commands "true"
}
image "apart" { base-image "debian:bookworm-slim" }
"#;

fn diamond() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", DIAMOND),
        ("left/a.py", "1"),
        ("right/b.py", "2"),
        ("right/sub/c.py", "3"),
    ])
}

#[test]
fn everything_is_built_once_and_then_nothing() {
    let sandbox = diamond();
    assert_eq!(sandbox.plan(&[])[0], "os build never-built");
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["apart", "left", "os", "right", "top"]);
    assert_eq!(
        sandbox.plan(&[]),
        [
            "os fresh",
            "left fresh",
            "right fresh",
            "top fresh",
            "apart fresh"
        ]
    );
    sandbox.build(&[]).success();
    assert!(sandbox.built().is_empty());
}

#[test]
fn an_edit_builds_the_image_and_its_dependents_and_the_plan_names_the_file() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.built();
    sandbox.write("right/sub/c.py", "4");
    let plan = sandbox.plan(&[]);
    assert_eq!(plan[2], "right build input-changed:copy[0]:right/sub/c.py");
    assert_eq!(plan[3], "top build base-rebuilt:right");
    assert_eq!(
        (plan[0].as_str(), plan[1].as_str(), plan[4].as_str()),
        ("os fresh", "left fresh", "apart fresh")
    );
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["right", "top"]);
}

#[test]
fn a_touch_or_a_change_and_its_revert_builds_nothing() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.built();
    sandbox.write("left/a.py", "other");
    sandbox.write("left/a.py", "1");
    let file = std::fs::File::options()
        .append(true)
        .open(sandbox.path("right/b.py"))
        .unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert!(
        sandbox
            .plan(&[])
            .iter()
            .all(|line| line.ends_with(" fresh"))
    );
}

#[test]
fn going_back_to_what_was_built_before_builds_nothing() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.write("left/a.py", "branch");
    sandbox.build(&[]).success();
    sandbox.built();
    sandbox.write("left/a.py", "1");
    assert!(
        sandbox
            .plan(&[])
            .iter()
            .all(|line| line.ends_with(" fresh")),
        "{:?}",
        sandbox.plan(&[])
    );
}

#[test]
fn a_changed_field_is_named_with_both_values() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.write("imgspec.kdl", &DIAMOND.replace("\"git\"", "\"curl\""));
    let ran = sandbox
        .run(&["graph", "plan", "--builder", "fake", "--format", "json"])
        .success();
    let os = &ran.json()["images"][0];
    assert_eq!(
        os["reasons"][0],
        serde_json::json!({"kind": "input-changed", "input": "apt-packages[0]", "from": "git", "to": "curl"})
    );
    assert_eq!(os["bases"], serde_json::json!([]));
}

#[test]
fn a_base_that_nobody_needs_is_not_built() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.built();
    std::fs::remove_dir_all(sandbox.path(".imgspec/fake/local")).unwrap();
    sandbox.build(&["apart"]).success();
    assert_eq!(sandbox.built(), ["apart"]);
    // `left` is gone and needs `os`, which is gone too; `right` and `top` are not requested.
    sandbox.build(&["left"]).success();
    assert_eq!(sandbox.built(), ["left", "os"]);
}

#[test]
fn a_missing_artifact_is_built_again() {
    let sandbox = diamond();
    sandbox.build(&[]).success();
    sandbox.built();
    let store = sandbox.path(".imgspec/fake/local");
    let left = std::fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("left"))
        .unwrap();
    std::fs::remove_file(left).unwrap();
    let plan = sandbox.plan(&[]);
    assert_eq!(plan[1], "left build artifact-gone:local store");
    assert_eq!(plan[3], "top build base-rebuilt:left");
    assert_eq!(plan[2], "right fresh");
}

#[test]
fn force_builds_what_was_asked_for_and_no_bases_refuses_stale_bases() {
    let sandbox = diamond();
    sandbox
        .build(&["--no-bases", "left"])
        .code(2)
        .says("these bases are not fresh")
        .says("os");
    sandbox.build(&[]).success();
    sandbox.built();
    sandbox.build(&["--force", "top"]).success();
    assert_eq!(sandbox.built(), ["top"]);
    assert_eq!(
        sandbox.plan(&["--force", "left"]),
        ["os fresh", "left build forced"]
    );
    sandbox.build(&["--no-bases", "--force", "left"]).success();
}

#[test]
fn a_base_that_was_rebuilt_without_its_dependents_makes_them_stale() {
    // buildx#1112: parent and child were built on different parents. The digest that a child was built on is recorded.
    let sandbox = diamond();
    sandbox.build(&[]).success();
    // Another build of the same key with a different digest, as with an unpinned package.
    for entry in std::fs::read_dir(sandbox.path(".imgspec/fake/local")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("os+") {
            let text = std::fs::read_to_string(&path).unwrap();
            let image: serde_json::Value = serde_json::from_str(&text).unwrap();
            std::fs::write(
                &path,
                text.replace(image["digest"].as_str().unwrap(), "sha256:other"),
            )
            .unwrap();
        }
    }
    assert_eq!(
        sandbox.plan(&[]),
        [
            "os fresh",
            "left build base-rebuilt:os",
            "right build base-rebuilt:os",
            "top build base-rebuilt:left,base-rebuilt:right",
            "apart fresh"
        ]
    );
}

#[test]
fn what_cannot_be_asked_is_never_taken_for_there() {
    // flyte-sdk: a failed check was taken as "it exists".
    let sandbox = diamond();
    sandbox.build(&[]).success();
    for entry in std::fs::read_dir(sandbox.path(".imgspec/fake/local")).unwrap() {
        std::fs::write(entry.unwrap().path(), "torn").unwrap();
    }
    assert!(sandbox.plan(&["apart"])[0].starts_with("apart build unknown:"));
    assert_eq!(
        sandbox.plan(&["--when-unknown", "assume", "apart"]),
        ["apart fresh"]
    );
    sandbox
        .build(&["--when-unknown", "fail", "apart"])
        .code(2)
        .says("could not determine whether `apart` exists");
}

#[test]
fn a_selection_that_matches_nothing_is_an_error_with_a_suggestion() {
    diamond()
        .build(&["rihgt"])
        .code(2)
        .says("no image matches `rihgt`")
        .says("did you mean `right`?");
}

#[test]
fn the_dry_run_of_a_build_is_the_plan() {
    let sandbox = diamond();
    let plan = sandbox
        .run(&["graph", "plan", "--builder", "fake"])
        .success();
    let dry = sandbox.build(&["--dry-run"]).success();
    assert_eq!(plan.stdout, dry.stdout);
    assert!(sandbox.built().is_empty());
}
