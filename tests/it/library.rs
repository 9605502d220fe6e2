//! The library compared to the command line: the same images however they are declared, and the same guarantees.

mod guarantees;
mod refused;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imgspec::backend::StoreKind;
use imgspec::backend::fake::{Fake, Wishes};
use imgspec::backend::{Backend, Existence};
use imgspec::plan::Action;
use imgspec::spec::{Copy, Secret, SecretStep};
use imgspec::{BackendRegistry, Event, ImageSpec, Images, Request};

use crate::sandbox::Sandbox;

/// The fake backend that the command line would use in this directory.
fn fake(root: &Path, time: Duration) -> Arc<dyn Backend> {
    Arc::new(Fake::new(Wishes {
        time,
        folder: root.join(".imgspec/fake"),
        ..Wishes::default()
    }))
}

fn slow_images(sandbox: &Sandbox, time: Duration) -> Images {
    let mut backends = BackendRegistry::new();
    backends.register("fake", fake(&sandbox.root(), time), 1);
    Images::with_backends(sandbox.root(), backends)
}

fn no_images(sandbox: &Sandbox) -> Images {
    slow_images(sandbox, Duration::ZERO)
}

/// Builds, and returns the ids of the built images, sorted.
fn built(images: &Images, request: &Request) -> Vec<String> {
    let mut built = Vec::new();
    let done = images.build(request, |event| {
        if let Event::ImageBuilt { image, .. } = event {
            built.push(image.clone());
        }
    });
    assert!(done.unwrap().is_done());
    built.sort();
    built
}

const MANIFEST: &str = r##"
image "base" {
    registry "ghcr.io/acme"
    base-image "debian:bookworm-slim"
    apt-packages "git" "libgomp1"
    env A="1" B="{{ mustache }}"
}
variable "mustache" default=#"{{ b }}"#
image "train" {
    name "team/train"
    base-image image="base"
    python-version "3.12"
    requirements "requirements.txt"
    packages "torch==2.5.1"
    secret "token" env="TOKEN" { packages env="PASSWORD" }
    copy "src" to="/app/src" owner="app"
    copy image="base" "/etc/motd" to="/motd"
    commands "echo \"{{ mustache }}\"\necho 2"
    entrypoint "python" "-m" "train"
    workdir "/app"
    labels team="ml"
    tag-format "{spec_hash}-cpu"
}
image "flyte" {
    flytekit "1.16.31"
    python-version "3.12"
    packages "pandas"
    registry "localhost:5000"
}
"##;

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", MANIFEST),
        ("requirements.txt", "numpy\n"),
        ("src/a.py", "print(1)\n"),
        ("src/skip.log", "x"),
        (".dockerignore", "*.log\n"),
    ])
}

/// The equivalent manifest.
fn images(sandbox: &Sandbox) -> Images {
    let mut images = no_images(sandbox);
    let base = ImageSpec::default()
        .with_registry("ghcr.io/acme")
        .with_base("debian:bookworm-slim")
        .with_apt_packages(["git", "libgomp1"])
        .with_envs([("A", "1"), ("B", "{{ b }}")]);
    let train = ImageSpec::new("team/train")
        .with_base_image("base")
        .with_python_version("3.12")
        .with_requirements("requirements.txt")
        .with_packages(["torch==2.5.1"])
        .with_secret(Secret::of_env("token", "TOKEN").as_env(SecretStep::Pip, "PASSWORD"))
        .with_copy_of(Copy::new("src").to("/app/src").owner("app"))
        .with_copy_from_image("base", "/etc/motd", "/motd")
        .with_commands(["echo \"{{ b }}\"\necho 2"])
        .with_entrypoint(["python", "-m", "train"])
        .with_workdir("/app")
        .with_label("team", "ml")
        .with_tag_format("{spec_hash}-cpu");
    let flyte = ImageSpec::default()
        .with_flytekit("1.16.31")
        .with_python_version("3.12")
        .with_packages(["pandas"])
        .with_registry("localhost:5000");
    images
        .add("base", base)
        .add("train", train)
        .add("flyte", flyte);
    images
}

#[test]
fn a_spec_has_the_key_and_the_reference_that_its_manifest_has() {
    let sandbox = sandbox();
    let said = sandbox.run(&["tag", "--format", "json"]).success().json();
    let images = images(&sandbox);
    for (at, id) in ["base", "train", "flyte"].into_iter().enumerate() {
        assert_eq!(said[at]["image"], id);
        assert_eq!(said[at]["key"], images.key(id).unwrap().to_string());
        assert_eq!(said[at]["reference"], images.reference(id).unwrap());
        assert_eq!(said[at]["tag"], images.tag(id).unwrap());
    }
}

#[test]
fn what_the_program_built_is_fresh_for_the_library_and_the_other_way_round() {
    let sandbox = sandbox().env("TOKEN", "x");
    let images = images(&sandbox);
    sandbox.build(&["base"]).success();
    let plan = images.plan(&Request::all()).unwrap();
    assert_eq!(plan.builds(), ["train", "flyte"]);
    let flyte = Request::of(["flyte"]);
    assert_eq!(built(&images, &flyte), ["flyte"]);
    let plan = sandbox
        .run(&["graph", "plan", "--builder", "fake", "flyte"])
        .success();
    plan.says("fresh");
    assert!(images.plan(&flyte).unwrap().is_fresh());
}

/// `base` ← `left`, `right`; `left` copies a file.
fn three(mut images: Images) -> Images {
    let on_base = ImageSpec::default().with_base_image("base");
    images
        .add("left", on_base.clone().with_copy("a.txt", "/a.txt"))
        .add("right", on_base)
        .add("base", ImageSpec::default().with_copy("b.txt", "/b.txt"));
    images
}

fn three_files() -> Sandbox {
    Sandbox::with(&[("a.txt", "a"), ("b.txt", "b")])
}

#[test]
fn only_what_changed_is_built_and_bases_come_first() {
    let sandbox = three_files();
    let images = three(no_images(&sandbox));
    let mut order = Vec::new();
    let done = images.build(&Request::all(), |event| {
        if let Event::ImageBuilt { image, .. } = event {
            order.push(image.clone());
        }
    });
    let done = done.unwrap();
    assert_eq!(order[0], "base");
    assert_eq!(done.images.len(), 3);
    let left = done.image("left").unwrap();
    assert_eq!(left.artifact.reference, images.reference("left").unwrap());
    assert_eq!(left.key, images.key("left").unwrap());
    assert!(built(&images, &Request::all()).is_empty());
    sandbox.write("a.txt", "other");
    assert_eq!(built(&images, &Request::all()), ["left"]);
    sandbox.write("b.txt", "other");
    assert_eq!(built(&images, &Request::of(["left"])), ["base", "left"]);
    assert_eq!(built(&images, &Request::all()), ["right"]);
    assert_eq!(built(&images, &Request::of(["left"]).force()), ["left"]);
}

#[test]
fn a_plan_says_why_and_does_just_that() {
    let sandbox = three_files();
    let mut images = three(no_images(&sandbox));
    built(&images, &Request::all());
    let left = images.get_mut("left").unwrap();
    *left = left.clone().with_env("A", "1");
    let plan = images.plan(&Request::all()).unwrap();
    let changed: Vec<_> = plan
        .images()
        .filter(|image| image.action == Action::Build)
        .map(|image| (image.id, image.asked, image.reasons[0].to_string()))
        .collect();
    assert_eq!(changed, [("left", true, "env.A is new: 1".to_owned())]);
}

#[test]
fn an_image_exists_when_it_is_there_with_its_key() {
    let sandbox = three_files();
    let mut images = no_images(&sandbox);
    let spec = ImageSpec::new("x").with_tag_format("latest-{spec_hash}");
    images.add("x", spec.with_registry("localhost:5000"));
    let is_there = |images: &Images, place| {
        matches!(
            images.exists("x", place).unwrap(),
            Existence::Present { key: Some(key), .. } if key == images.key("x").unwrap().to_string()
        )
    };
    assert!(!is_there(&images, StoreKind::Local));
    built(&images, &Request::all());
    assert!(is_there(&images, StoreKind::Local));
    assert!(!is_there(&images, StoreKind::Registry));
    let pushed = Request::all().push(imgspec::run::Push::Each);
    assert!(built(&images, &pushed).is_empty());
    assert!(is_there(&images, StoreKind::Registry));
}

#[test]
fn nothing_asked_for_is_nothing_done() {
    let sandbox = three_files();
    let images = three(no_images(&sandbox));
    assert!(built(&images, &Request::of([] as [&str; 0])).is_empty());
    assert!(built(&no_images(&sandbox), &Request::all()).is_empty());
}

#[test]
fn the_ignore_file_is_that_of_the_folder_that_is_named() {
    let sandbox = Sandbox::with(&[
        ("a/src/x", "x"),
        ("a/src/y.log", "y"),
        ("a/.dockerignore", "**/*.log\n"),
    ]);
    let mut images = no_images(&sandbox);
    let spec = ImageSpec::default().with_copy("a/src", "/src");
    images.add("all", spec.clone());
    images.add_in("a".try_into().unwrap(), "some", spec);
    let before = (images.key("all").unwrap(), images.key("some").unwrap());
    assert_ne!(before.0, before.1);
    sandbox.write("a/src/y.log", "other");
    assert_ne!(images.key("all").unwrap(), before.0);
    assert_eq!(images.key("some").unwrap(), before.1);
}
