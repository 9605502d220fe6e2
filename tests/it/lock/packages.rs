//! Python packages in the lock: what is written, kept, updated and left out, with the fake builder's resolver.

use super::registry::Registry;
use super::{BOTH, key, lock};
use crate::sandbox::Sandbox;
use crate::watch::Watch;

/// An image with two packages, and one without any.
fn installing() -> (Sandbox, Registry) {
    let registry = Registry::new();
    registry.tag("python", "3.12", BOTH, "first");
    registry.tag("uv", "0.9", BOTH, "uv");
    let host = &registry.host;
    let manifest = format!(
        "image \"app\" {{\n    base-image \"{host}/python:3.12\"\n    packages \"six\" \"numpy\"\n    builder-config uv-image=\"{host}/uv:0.9\"\n}}\n\
         image \"plain\" {{\n    base-image \"{host}/python:3.12\"\n}}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    let sandbox = sandbox.env("IMGSPEC_FAKE_SECONDS", "0.01");
    let versions = "six:1.16.0,numpy:2.2.5,click:8.0";
    (sandbox.env("IMGSPEC_FAKE_VERSIONS", versions), registry)
}

/// The same, when the index has newer versions.
fn later(sandbox: Sandbox) -> Sandbox {
    let versions = "six:1.17.0,numpy:2.2.6,click:8.1";
    sandbox.env("IMGSPEC_FAKE_VERSIONS", versions)
}

fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let manifest = sandbox.read("imgspec.kdl");
    assert!(manifest.contains(from), "{manifest}");
    sandbox.write("imgspec.kdl", &manifest.replace(from, to));
}

/// Names and versions in the lock, in its order.
fn locked(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.read("imgspec.lock");
    let wheels = text.lines();
    let wheels = wheels.filter_map(|line| line.trim().strip_prefix("wheel "));
    let words = wheels.map(|line| line.split('"').collect::<Vec<_>>());
    words
        .map(|words| format!("{} {}", words[1], words[3]))
        .collect()
}

const STALE: &str =
    "image `app`: its packages in `imgspec.lock` are out of date, so they are not used";

#[test]
fn packages_are_kept_until_they_are_updated() {
    let (sandbox, _registry) = installing();
    let open = key(&sandbox, "app");
    lock(&sandbox, &[])
        .success()
        .says("added   numpy 2.2.5 (app)")
        .says("added   six 1.16.0 (app)")
        .says("2 images and 2 packages locked, written");
    lock(&sandbox, &["--check"]).success();
    let before = [key(&sandbox, "app"), key(&sandbox, "plain")];
    assert_ne!(before[0], open);
    let sandbox = later(sandbox);
    lock(&sandbox, &[])
        .success()
        .says("2 images and 2 packages locked, unchanged");
    lock(&sandbox, &["--update", "numpy"])
        .success()
        .says("updated numpy 2.2.5 -> 2.2.6 (app)");
    assert_eq!(locked(&sandbox), ["numpy 2.2.6", "six 1.16.0"]);
    assert_ne!(key(&sandbox, "app"), before[0]);
    assert_eq!(key(&sandbox, "plain"), before[1]);
    lock(&sandbox, &["--update", "app"])
        .success()
        .says("updated six 1.16.0 -> 1.17.0 (app)");
    lock(&sandbox, &["--update", "nunpy"])
        .code(2)
        .says("did you mean `numpy`?");
}

#[test]
fn a_further_package_moves_no_other_and_one_less_is_removed() {
    let (sandbox, _registry) = installing();
    lock(&sandbox, &[]).success();
    let sandbox = later(sandbox);
    edit(&sandbox, "\"six\" \"numpy\"", "\"six\" \"click\"");
    lock(&sandbox, &["--check"])
        .code(1)
        .says("the packages of app are not locked, or were locked for other requirements");
    lock(&sandbox, &[])
        .success()
        .says("added   click 8.1 (app)")
        .says("removed numpy 2.2.5 (app)");
    assert_eq!(locked(&sandbox), ["click 8.1", "six 1.16.0"]);
    edit(&sandbox, "    packages \"six\" \"click\"\n", "");
    lock(&sandbox, &["--check"])
        .code(1)
        .says("packages of app are locked, but it installs none that need it");
    lock(&sandbox, &[]).success();
    let text = sandbox.read("imgspec.lock");
    assert!(
        text.contains("version 1\n") && !text.contains("packages"),
        "{text}"
    );
}

#[test]
fn a_further_platform_gets_the_versions_of_the_others() {
    let (sandbox, _registry) = installing();
    lock(&sandbox, &[]).success();
    let sandbox = later(sandbox);
    edit(
        &sandbox,
        "image \"app\" {",
        "image \"app\" {\n    platform \"linux/amd64\" \"linux/arm64\"",
    );
    sandbox.run(&["check"]).success().says(STALE);
    lock(&sandbox, &[]).success();
    assert_eq!(
        locked(&sandbox),
        ["numpy 2.2.5", "six 1.16.0", "numpy 2.2.5", "six 1.16.0"]
    );
}

#[test]
fn what_was_locked_for_something_else_is_told_and_not_used() {
    let (sandbox, registry) = installing();
    let open = key(&sandbox, "app");
    lock(&sandbox, &[]).success();
    sandbox.build(&["--locked"]).success();
    edit(&sandbox, "\"six\" \"numpy\"", "\"six>=1\" \"numpy\"");
    for command in [
        &["check"] as &[&str],
        &["graph", "plan", "--builder", "fake"],
    ] {
        sandbox
            .run(command)
            .success()
            .says(STALE)
            .says("imgspec.kdl:3");
    }
    sandbox
        .run(&["graph", "plan", "--builder", "fake"])
        .says("the packages of 1 image float; `imgspec lock` pins them");
    sandbox
        .build(&["--locked"])
        .code(2)
        .says("`imgspec.lock` does not pin the packages of `app`")
        .says("run `imgspec lock`");
    sandbox.build(&["--locked", "plain"]).success();
    sandbox.build(&["app"]).success().says(STALE);
    edit(&sandbox, "\"six>=1\" \"numpy\"", "\"six\" \"numpy\"");
    sandbox.build(&["--locked"]).success();
    assert_ne!(key(&sandbox, "app"), open);
    // A base that moved in the lock alone, as after a merge.
    registry.tag("python", "3.12", BOTH, "second");
    let before = sandbox.read("imgspec.lock");
    lock(
        &sandbox,
        &["--update", &format!("{}/python:3.12", registry.host)],
    )
    .success();
    let after = sandbox.read("imgspec.lock");
    sandbox.build(&["--locked"]).success();
    let (bases, _) = after.split_once("\npackages").unwrap();
    let (_, packages) = before.split_once("\npackages").unwrap();
    sandbox.write("imgspec.lock", &format!("{bases}\npackages{packages}"));
    sandbox.build(&["--locked"]).code(2).says(STALE);
}

#[test]
fn a_base_that_moves_moves_no_packages_as_long_as_its_python_stays() {
    let (sandbox, registry) = installing();
    lock(&sandbox, &[]).success();
    let sandbox = later(sandbox);
    registry.tag("python", "3.12", BOTH, "second");
    let base = format!("{}/python:3.12", registry.host);
    let ran = lock(&sandbox, &["--update", &base]).success();
    assert!(!ran.stderr.contains("updated"), "{}", ran.stderr);
    assert_eq!(locked(&sandbox), ["numpy 2.2.5", "six 1.16.0"]);
    lock(&sandbox, &["--check"]).success();
}

#[test]
fn explain_and_plan_name_the_package_that_changed() {
    let (sandbox, _registry) = installing();
    lock(&sandbox, &[]).success();
    sandbox.build(&[]).success();
    let sandbox = later(sandbox);
    lock(&sandbox, &["--update", "numpy"]).success();
    let plan = sandbox.plan(&[]);
    assert_eq!(
        plan,
        [
            "app build input-changed:locked numpy for linux/amd64",
            "plain fresh"
        ]
    );
    sandbox
        .run(&["explain", "app"])
        .success()
        .says("locked numpy for linux/amd64 changed: 2.2.5 sha256:")
        .says(" -> 2.2.6 sha256:");
}

#[test]
fn what_needs_no_lock_gets_none_and_what_no_lock_can_have_is_told() {
    let (sandbox, registry) = installing();
    let host = &registry.host;
    sandbox.write(
        "hashed.txt",
        &format!("six==1.17.0 --hash=sha256:{}\n", "1".repeat(64)),
    );
    sandbox.write(
        "imgspec.kdl",
        &format!(
            "defaults {{\n    builder-config uv-image=\"{host}/uv:0.9\"\n}}\n\
             image \"hashed\" {{\n    base-image \"{host}/python:3.12\"\n    requirements \"hashed.txt\"\n}}\n\
             image \"os\" {{\n    base-image \"{host}/python:3.12\"\n    apt-packages \"python3\"\n}}\n\
             image \"app\" {{\n    base-image image=\"os\"\n    packages \"six\"\n}}\n"
        ),
    );
    let ran = lock(&sandbox, &[])
        .success()
        .says("image `app`: its packages are not locked: which Python `os` has shows only when it is built")
        .says("2 images locked, written");
    assert!(!ran.stderr.contains("`hashed`"), "{}", ran.stderr);
    sandbox.build(&["--locked", "hashed"]).success();
    sandbox
        .build(&["--locked", "app"])
        .code(2)
        .says("does not pin the packages of `app`");
    sandbox.write("hashed.txt", "six==1.17.0\n");
    sandbox.build(&["--locked", "hashed"]).code(2);
}

#[test]
fn packages_are_in_the_json_of_a_plan() {
    let (sandbox, _registry) = installing();
    let floating = || {
        let plan = ["graph", "plan", "--builder", "fake", "--format", "json"];
        sandbox.run(&plan).success().json()["floating_packages"].clone()
    };
    assert_eq!(floating(), serde_json::json!(["app"]));
    lock(&sandbox, &[]).success();
    assert_eq!(floating(), serde_json::json!([]));
}

#[test]
fn the_builders_install_what_is_locked() {
    let (sandbox, _registry) = installing();
    lock(&sandbox, &[]).success();
    for (builder, file) in [("docker", "Dockerfile"), ("envd", "build.envd")] {
        let out = format!("out-{builder}");
        sandbox
            .run(&["render", "app", "--builder", builder, "-o", &out])
            .success();
        let text = sandbox.read(&format!("{out}/{file}"));
        assert!(
            text.contains("numpy==2.2.5 --hash=sha256:")
                && text.contains("six==1.16.0 --hash=sha256:")
                && text.contains("--require-hashes"),
            "{text}"
        );
    }
}

#[test]
fn a_watch_builds_what_other_packages_make_stale() {
    let (sandbox, _registry) = installing();
    lock(&sandbox, &[]).success();
    let sandbox = later(sandbox);
    let mut watch = Watch::settled(&sandbox, &[]);
    lock(&sandbox, &["--update", "numpy"]).success();
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app"]);
    assert_eq!(wave.files(), ["imgspec.lock"]);
    watch.stop();
}
