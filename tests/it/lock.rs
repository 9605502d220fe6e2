//! `imgspec lock` and what it pins, with a loopback registry and the fake builder.

mod packages;
mod registry;

use imgspec::{ImageSpec, Images, Request};
use registry::Registry;

use crate::sandbox::Sandbox;
use crate::watch::Watch;

pub(crate) const BOTH: &[&str] = &["linux/amd64", "linux/arm64"];

/// Two images on one registry base, and one on another base; returns the digests of the two bases.
pub(crate) fn stack() -> (Sandbox, Registry, [String; 2]) {
    let registry = Registry::new();
    let digests = [
        registry.tag("debian", "12", BOTH, "first"),
        registry.tag("tools", "1", BOTH, "tools"),
    ];
    let host = &registry.host;
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        &format!(
            "image \"os\" {{\n    base-image \"{host}/debian:12\"\n}}\nimage \"app\" {{\n    base-image image=\"os\"\n}}\n\
             image \"tool\" {{\n    base-image \"{host}/tools:1\"\n}}\n"
        ),
    )]);
    (sandbox, registry, digests)
}

pub(crate) fn lock(sandbox: &Sandbox, more: &[&str]) -> crate::sandbox::Ran {
    sandbox.run(&[&["lock", "--builder", "fake"], more].concat())
}

fn key(sandbox: &Sandbox, image: &str) -> String {
    let explained = sandbox
        .run(&["explain", image, "--format", "json"])
        .success()
        .json();
    explained["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_moved_tag_changes_nothing_until_the_lock_is_updated() {
    let (sandbox, registry, [first, _]) = stack();
    lock(&sandbox, &[])
        .success()
        .says("imgspec.lock: 2 images locked, written");
    assert!(sandbox.read("imgspec.lock").contains(&first));
    sandbox.build(&[]).success();
    let before = [key(&sandbox, "app"), key(&sandbox, "tool")];
    let second = registry.tag("debian", "12", BOTH, "second");
    assert!(
        sandbox
            .plan(&[])
            .iter()
            .all(|line| line.ends_with(" fresh"))
    );
    let host = &registry.host;
    sandbox
        .run(&["graph", "plan", "--builder", "fake", "--refresh-bases"])
        .success()
        .says(&format!("`{host}/debian:12` moved: {first} -> {second}; `imgspec lock --update {host}/debian:12` locks the new one"))
        .says("1 base as locked");
    lock(&sandbox, &["--update"])
        .success()
        .says(&format!("moved   {host}/debian:12 {first} -> {second}"));
    let plan = sandbox.plan(&[]);
    let changed = format!("os build input-changed:locked {host}/debian:12 for linux/amd64");
    assert_eq!(
        plan,
        [changed.as_str(), "app build base-rebuilt:os", "tool fresh"]
    );
    assert_ne!(key(&sandbox, "app"), before[0]);
    assert_eq!(key(&sandbox, "tool"), before[1]);
}

#[test]
fn refresh_bases_and_floating_bases_are_in_the_json() {
    let (sandbox, registry, [first, tools]) = stack();
    let host = registry.host.clone();
    let plan = |more: &[&str]| {
        let head = ["graph", "plan", "--builder", "fake", "--format", "json"];
        sandbox.run(&[&head, more].concat()).success().json()
    };
    let names = [format!("{host}/debian:12"), format!("{host}/tools:1")];
    assert_eq!(plan(&[])["floating"], serde_json::json!(names));
    assert_eq!(plan(&["tool"])["floating"], serde_json::json!([names[1]]));
    lock(&sandbox, &[]).success();
    let second = registry.tag("debian", "12", BOTH, "second");
    let found = plan(&["--refresh-bases"]);
    assert_eq!(found["floating"], serde_json::json!([]));
    assert_eq!(
        found["bases"],
        serde_json::json!([
            {"base": names[0], "locked": first, "now": second, "moved": true, "why": null},
            {"base": names[1], "locked": tools, "now": tools, "moved": false, "why": null},
        ])
    );
}

#[test]
fn without_a_lock_keys_are_as_they_were_and_the_plan_counts_what_floats() {
    let (sandbox, registry, _) = stack();
    let before = key(&sandbox, "os");
    let plan = ["graph", "plan", "--builder", "fake"];
    sandbox
        .run(&plan)
        .success()
        .says("2 outside images float; `imgspec lock` pins them");
    sandbox
        .run(&[&plan[..], &["tool"]].concat())
        .success()
        .says("1 outside image floats; `imgspec lock` pins it");
    assert_eq!(registry.asked(), 0);
    lock(&sandbox, &[]).success();
    assert_ne!(key(&sandbox, "os"), before);
    assert!(!sandbox.run(&plan).success().stdout.contains("float"));
    // An empty lock pins nothing.
    sandbox.write("imgspec.lock", "version 1\n");
    assert_eq!(key(&sandbox, "os"), before);
    std::fs::remove_file(sandbox.path("imgspec.lock")).unwrap();
    assert_eq!(key(&sandbox, "os"), before);
    sandbox
        .run(&[&plan[..], &["--refresh-bases"]].concat())
        .success()
        .says("is not locked, so it cannot have moved")
        .says("0 bases as locked");
}

#[test]
fn explain_shows_the_digest() {
    let (sandbox, registry, _) = stack();
    lock(&sandbox, &[]).success();
    let text = sandbox.read("imgspec.lock");
    let platform = text
        .lines()
        .find(|line| line.contains("linux/amd64"))
        .unwrap();
    let digest = platform.rsplit('"').nth(1).unwrap();
    let name = format!("locked {}/debian:12 for linux/amd64", registry.host);
    let ran = sandbox.run(&["explain", "os"]).success();
    let line = ran.stdout.lines().find(|line| line.contains(&name));
    assert!(
        line.is_some_and(|line| line.ends_with(digest)),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_is_locked_is_not_asked_for_again() {
    let (sandbox, registry, [first, _]) = stack();
    lock(&sandbox, &[]).success();
    registry.tag("debian", "12", BOTH, "second");
    let asked = registry.asked();
    lock(&sandbox, &[])
        .success()
        .says("imgspec.lock: 2 images locked, unchanged");
    assert_eq!(registry.asked(), asked);
    // One base is new, one is removed: the third is retained.
    let manifest = sandbox.read("imgspec.kdl").replace("tools:1", "more:1");
    sandbox.write("imgspec.kdl", &manifest);
    registry.tag_one("more", "1", "linux/amd64", "more");
    let host = &registry.host;
    lock(&sandbox, &[])
        .success()
        .says(&format!("dropped {host}/tools:1: no image uses it"))
        .says(&format!("locked  {host}/more:1 sha256:"));
    assert!(sandbox.read("imgspec.lock").contains(&first));
}

#[test]
fn update_takes_bases_and_images_that_are_made_of_them() {
    let (sandbox, registry, [first, tools]) = stack();
    let host = registry.host.clone();
    lock(&sandbox, &[]).success();
    let second = registry.tag("debian", "12", BOTH, "second");
    let other = registry.tag("tools", "1", BOTH, "other");
    lock(&sandbox, &["--update", "tool"]).success();
    let text = sandbox.read("imgspec.lock");
    assert!(text.contains(&first) && text.contains(&other) && !text.contains(&tools));
    // `app` depends on it through `os`.
    lock(&sandbox, &["--update", "app"]).success();
    assert!(sandbox.read("imgspec.lock").contains(&second));
    let third = registry.tag("debian", "12", BOTH, "third");
    lock(&sandbox, &["--update", &format!("{host}/debian:12")]).success();
    assert!(sandbox.read("imgspec.lock").contains(&third));
    lock(&sandbox, &["--update", "tol"])
        .code(2)
        .says("did you mean `tool`?");
    lock(&sandbox, &["--update", &format!("{host}/debian:13")])
        .code(2)
        .says(&format!("did you mean `{host}/debian:12`?"));
}

#[test]
fn an_index_that_changed_for_other_platforms_builds_nothing() {
    let (sandbox, registry, [first, _]) = stack();
    lock(&sandbox, &[]).success();
    sandbox.build(&[]).success();
    // The same manifest for amd64 in a different index.
    let second = registry.tag("debian", "12", &["linux/amd64"], "first");
    assert_ne!(first, second);
    sandbox
        .run(&["graph", "plan", "--builder", "fake", "--refresh-bases"])
        .success()
        .says("2 bases as locked");
    lock(&sandbox, &["--update"]).success();
    assert!(sandbox.read("imgspec.lock").contains(&second));
    assert!(
        sandbox
            .plan(&[])
            .iter()
            .all(|line| line.ends_with(" fresh"))
    );
}

#[test]
fn a_further_platform_is_taken_from_the_very_image_that_is_locked() {
    let (sandbox, registry, [first, _]) = stack();
    lock(&sandbox, &[]).success();
    let before = sandbox.read("imgspec.lock");
    registry.tag("debian", "12", BOTH, "second");
    let manifest = sandbox.read("imgspec.kdl").replace(
        "image \"os\" {",
        "image \"os\" {\n    platform \"linux/amd64\" \"linux/arm64\"",
    );
    sandbox.write("imgspec.kdl", &manifest);
    let host = &registry.host;
    sandbox
        .build(&["--locked"])
        .code(2)
        .says(&format!(
            "`imgspec.lock` does not pin `{host}/debian:12` (of os)"
        ))
        .says("run `imgspec lock`");
    lock(&sandbox, &[])
        .success()
        .says("(linux/amd64, linux/arm64)");
    let after = sandbox.read("imgspec.lock");
    assert!(after.contains(&first) && before.lines().all(|line| after.contains(line)));
    sandbox.build(&["--locked"]).success();
}

#[test]
fn a_base_that_is_not_for_the_platform_is_told_where_it_is_named() {
    let (sandbox, registry, _) = stack();
    registry.tag_one("tools", "1", "linux/amd64", "one");
    let manifest = sandbox.read("imgspec.kdl").replace(
        "image \"tool\" {",
        "image \"tool\" {\n    platform \"linux/arm64\"",
    );
    sandbox.write("imgspec.kdl", &manifest);
    lock(&sandbox, &[])
        .code(2)
        .says("cannot be locked: it is not available for linux/arm64, only for linux/amd64")
        .says("imgspec.kdl:9")
        .says("build for a platform that it supports");
    assert!(!sandbox.path("imgspec.lock").exists());
    // Locked for one platform, the same image is now requested for another.
    sandbox.write(
        "imgspec.kdl",
        &manifest.replace("linux/arm64", "linux/amd64"),
    );
    lock(&sandbox, &[]).success();
    sandbox.write("imgspec.kdl", &manifest);
    lock(&sandbox, &[]).code(2).says(&format!(
        "`imgspec lock --update {}/tools:1`",
        registry.host
    ));
}

#[test]
fn locked_builds_need_every_base_and_no_network() {
    let (sandbox, registry, _) = stack();
    sandbox.build(&["--locked"]).code(2).says("does not pin");
    assert_eq!(sandbox.built(), Vec::<String>::new());
    lock(&sandbox, &[]).success();
    registry.fail();
    sandbox.build(&["--locked"]).success();
    assert_eq!(sandbox.built(), ["app", "os", "tool"]);
    // Only requested images and their bases count.
    let text = sandbox.read("imgspec.kdl").replace("tools:1", "tools:2");
    sandbox.write("imgspec.kdl", &text);
    sandbox.build(&["--locked", "app"]).success();
    sandbox
        .build(&["--locked", "tool"])
        .code(2)
        .says("/tools:2` (of tool)");
    sandbox
        .run(&["graph", "plan", "--builder", "fake", "--locked"])
        .code(2);
}

#[test]
fn what_names_its_digest_does_not_float() {
    let (sandbox, registry, [first, _]) = stack();
    let host = &registry.host;
    sandbox.write(
        "imgspec.kdl",
        &format!("image \"os\" {{\n    base-image \"{host}/debian@{first}\"\n}}\n"),
    );
    sandbox.build(&["--locked"]).success();
    let ran = sandbox
        .run(&["graph", "plan", "--builder", "fake"])
        .success();
    assert!(!ran.stdout.contains("float"), "{}", ran.stdout);
    lock(&sandbox, &[]).success().says("0 images locked");
    assert_eq!(registry.asked(), 0);
}

#[test]
fn check_says_what_is_missing_and_what_is_there_in_vain() {
    let (sandbox, registry, _) = stack();
    let host = &registry.host;
    lock(&sandbox, &["--check"])
        .code(1)
        .says(&format!("{host}/debian:12 is not locked (of os)"));
    lock(&sandbox, &[]).success();
    lock(&sandbox, &["--check"]).success();
    let text = sandbox.read("imgspec.kdl").replace("tools:1", "tools:2");
    sandbox.write("imgspec.kdl", &text);
    let asked = registry.asked();
    let ran = lock(&sandbox, &["--check"]).code(1);
    assert_eq!(
        ran.stdout,
        format!(
            "{host}/tools:2 is not locked (of tool)\n{host}/tools:1 is locked, but no image uses it\n"
        )
    );
    assert_eq!(registry.asked(), asked);
}

#[test]
fn images_that_a_dockerfile_names_are_locked_and_an_edited_from_floats() {
    let (sandbox, registry, [first, tools]) = stack();
    let host = &registry.host;
    let manifest = |args: &str| {
        format!(
            "image \"own\" {{\n    dockerfile \"Dockerfile\" {{\n        args {args}\n    }}\n}}\n"
        )
    };
    sandbox.write("imgspec.kdl", &manifest("NAME=\"tools\""));
    let dockerfile = format!(
        "ARG NAME\nFROM {host}/debian:12 AS one\nFROM {host}/${{NAME}}:1\nCOPY --from=one /a /a\n"
    );
    sandbox.write("Dockerfile", &dockerfile);
    let before = key(&sandbox, "own");
    lock(&sandbox, &[]).success();
    let text = sandbox.read("imgspec.lock");
    assert!(text.contains(&first) && text.contains(&tools));
    assert_ne!(key(&sandbox, "own"), before);
    sandbox.build(&["--locked"]).success();
    sandbox.write("Dockerfile", &dockerfile.replace("debian:12", "debian:13"));
    sandbox
        .build(&["--locked"])
        .code(2)
        .says("/debian:13` (of own)");
    // An image known only during the build cannot be locked, and is never guessed.
    sandbox.write(
        "Dockerfile",
        &dockerfile.replace("ARG NAME", "ARG NAME TAG"),
    );
    sandbox.write(
        "Dockerfile",
        &dockerfile.replace("debian:12", "debian:$TAG"),
    );
    lock(&sandbox, &[])
        .success()
        .says("is resolved only during the build");
    sandbox
        .build(&["--locked"])
        .code(2)
        .says("debian:$TAG` (of own)")
        .says("set its build arguments");
    lock(&sandbox, &["--check"])
        .code(1)
        .says("debian:$TAG cannot be locked (of own)");
}

#[test]
fn a_watch_builds_what_another_lock_makes_stale() {
    let (sandbox, registry, _) = stack();
    let sandbox = sandbox.env("IMGSPEC_FAKE_SECONDS", "0.01");
    lock(&sandbox, &[]).success();
    let mut watch = Watch::settled(&sandbox, &[]);
    registry.tag("debian", "12", BOTH, "second");
    lock(&sandbox, &["--update"]).success();
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.files()),
        (
            vec!["app".to_owned(), "os".to_owned()],
            vec!["imgspec.lock".to_owned()]
        )
    );
    // A damaged lock is reported, and its last valid version stays in effect.
    let good = sandbox.read("imgspec.lock");
    sandbox.write("imgspec.lock", "version 1\nbase");
    watch.until("manifests-broken");
    sandbox.write("imgspec.lock", &good);
    watch.until("manifests-mended");
    watch.stop();
}

#[test]
fn a_program_s_images_stand_on_what_is_locked_beside_them() {
    let (sandbox, registry, _) = stack();
    let base = format!("{}/debian:12", registry.host);
    let mut images = Images::new(sandbox.root());
    images.add("os", ImageSpec::new("os").with_base(base.as_str()));
    let refused = images
        .plan(&Request::all().locked())
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains(&format!("does not pin `{base}` (of os)")),
        "{refused}"
    );
    let before = images.tag("os").unwrap();
    lock(&sandbox, &[]).success();
    assert!(images.plan(&Request::all().locked()).is_ok());
    assert_ne!(images.tag("os").unwrap(), before);
    assert!(key(&sandbox, "os").starts_with(&images.tag("os").unwrap()));
}

#[test]
fn force_says_that_the_same_tag_may_get_another_content() {
    let (sandbox, _registry, _) = stack();
    let words = "already built under the same key: `os`; a forced build may put other content under the same tag";
    let ran = sandbox.build(&["--force", "os"]).success();
    assert!(!ran.stderr.contains(words), "{}", ran.stderr);
    sandbox.build(&["--force", "os"]).success().says(words);
    let plan = ["graph", "plan", "--builder", "fake", "--force", "os"];
    sandbox
        .run(&plan)
        .success()
        .says(words)
        .says("forced, although it exists");
    let json = sandbox
        .run(&[&plan[..], &["--format", "json"]].concat())
        .success()
        .json();
    assert_eq!(
        json["images"][0]["reasons"],
        serde_json::json!([{"kind": "forced", "exists": true}])
    );
}

#[test]
fn metadata_has_the_digest_that_was_pushed() {
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        "image \"a\" {\n    registry \"r.test/x\"\n}\nimage \"b\"\n",
    )]);
    let pushed = |more: &[&str]| {
        sandbox
            .build(&[&["--metadata-file", "out.json"], more].concat())
            .success();
        let metadata: serde_json::Value = serde_json::from_str(&sandbox.read("out.json")).unwrap();
        ["a", "b"].map(|image| metadata[image]["pushed"].as_str().map(str::to_owned))
    };
    assert_eq!(pushed(&[]), [None, None]);
    let [a, b] = pushed(&["--push"]);
    assert!(
        a.as_ref()
            .is_some_and(|a| a.starts_with("r.test/x/a@sha256:"))
            && b.is_none(),
        "{a:?}"
    );
    assert_eq!(pushed(&["--push"]), [a, None]);
}

#[test]
fn a_dockerfile_that_builds_for_another_platform_than_is_asked_for_is_refused() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "image \"own\" {\n    platform \"linux/arm64\"\n    dockerfile \"Dockerfile\"\n}\n",
        ),
        ("Dockerfile", "FROM --platform=linux/amd64 debian:12\n"),
    ]);
    sandbox.build(&[]).code(2).says(
        "the Dockerfile of `own` builds for linux/amd64 regardless of what is requested (`FROM --platform`), but `platform` is linux/arm64",
    );
    assert_eq!(sandbox.built(), Vec::<String>::new());
    sandbox.write("Dockerfile", "FROM --platform=$TARGETPLATFORM debian:12\n");
    sandbox.build(&[]).success();
}

#[test]
fn helper_images_are_locked_where_steps_use_them() {
    let (sandbox, registry, _) = stack();
    let host = &registry.host;
    registry.tag("uv", "0.9", BOTH, "uv");
    sandbox.write(
        "imgspec.kdl",
        &format!(
            "image \"py\" {{\n    base-image \"{host}/debian:12\"\n    python-version \"3.12\"\n    builder-config uv-image=\"{host}/uv:0.9\"\n}}\n"
        ),
    );
    lock(&sandbox, &[]).success().says("2 images locked");
    sandbox
        .run(&["render", "py", "--builder", "docker", "-o", "out"])
        .success();
    let dockerfile = sandbox.read("out/Dockerfile");
    assert!(
        dockerfile.contains(&format!("FROM {host}/debian@sha256:")),
        "{dockerfile}"
    );
    assert!(
        dockerfile.contains(&format!("from={host}/uv@sha256:")),
        "{dockerfile}"
    );
}

#[test]
fn a_base_that_is_locked_is_no_doubtful_one() {
    let registry = Registry::new();
    registry.tag("debian", "latest", BOTH, "first");
    let manifest = format!(
        "image \"os\" {{\n    base-image \"{}/debian\"\n}}\n",
        registry.host
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    sandbox
        .run(&["check", "--deny", "floating-base"])
        .code(2)
        .says("has no fixed tag")
        .says("`imgspec lock`");
    lock(&sandbox, &[]).success();
    sandbox
        .run(&["check", "--deny", "floating-base"])
        .success()
        .says("no problems found");
}
