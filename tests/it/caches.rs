//! `cache-from` and `cache-to`: what is said of them before anything is built, and what other tools are given.

use serde_json::Value;

use crate::sandbox::Sandbox;

fn check(image: &str) -> String {
    let manifest = format!("image \"a\" {{\n    {image}\n}}\n");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "f\n")]);
    sandbox.run(&["check"]).stderr
}

#[test]
fn caches_that_are_none_are_refused() {
    for (image, words) in [
        ("cache-to \"auto\"", "`cache-to \"auto\"` needs `registry`"),
        (
            "registry \"r.io\"; cache-from \"type=registry,ref=r.io/a:c,mode=max\"",
            "cache-from \"r.io/a:c\"",
        ),
        (
            "cache-from \"type=gha\"",
            "other kinds of caches than those in registries are not supported",
        ),
        ("cache-to \"R.io/A b\"", "`R.io/A b`"),
        (
            &format!("cache-to \"r.io/a@sha256:{}\"", "0".repeat(64)),
            "a cache has a tag, not a digest",
        ),
        ("cache-to \"\"", "cannot be empty"),
        (
            "builder \"oci\"; base-image \"scratch\"; cache-to \"r.io/a:c\"",
            "`cache-to`",
        ),
        ("builder \"envd\"; cache-from \"r.io/a:c\"", "`cache-from`"),
    ] {
        let said = check(image);
        assert!(said.contains("error"), "{image}: {said}");
        assert!(said.contains(words), "{image}: {said}");
    }
    let fine = "builder \"docker\"; registry \"r.io\"; base-image \"scratch\"; copy \"f\"; cache-to \"auto\"; cache-from \"r.io/x:c\"";
    assert_eq!(check(fine), "1 image checked: no problems found\n");
}

#[test]
fn a_cache_is_no_part_of_the_key() {
    let tag = |cache: &str| {
        let manifest = format!(
            "image \"a\" {{ registry \"r.io\"; base-image \"scratch\"; copy \"f\" to=\"/f\"; {cache} }}\n"
        );
        let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "f\n")]);
        sandbox.run(&["tag"]).success().stdout
    };
    assert_eq!(tag(""), tag("cache-to \"auto\"; cache-from \"r.io/b:c\""));
}

#[test]
fn bake_is_given_the_caches_and_gives_them_back() {
    let manifest = r#"
image "a" {
    builder "docker"
    registry "r.io/team"
    base-image "scratch"
    copy "f" to="/f"
    cache-from "r.io/team/a:main"
    cache-to "auto"
}
"#;
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "f\n")]);
    sandbox
        .run(&["graph", "export", "--format", "bake", "-o", "bake"])
        .success();
    let bake: Value = serde_json::from_str(&sandbox.read("bake/docker-bake.json")).unwrap();
    let target = &bake["target"]["a"];
    let own = "type=registry,ref=r.io/team/a:buildcache-a";
    assert_eq!(
        target["cache-from"],
        serde_json::json!(["type=registry,ref=r.io/team/a:main", own])
    );
    assert_eq!(
        target["cache-to"],
        serde_json::json!([format!("{own},mode=max")])
    );
}
