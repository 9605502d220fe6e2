//! Specs that a program may not declare: the same as in manifests, with the same error messages.

use imgspec::backend::StoreKind;
use imgspec::run::Push;
use imgspec::spec::{NamedContext, OwnDockerfile, Secret};
use imgspec::{BackendRegistry, ImageSpec, Images, Request};

use super::{no_images, three_files};

/// The errors for these images.
fn refused(add: impl FnOnce(&mut Images)) -> String {
    let sandbox = three_files();
    let mut images = no_images(&sandbox);
    add(&mut images);
    let refused = images.plan(&Request::all()).err().unwrap();
    assert!(!sandbox.path(".imgspec").exists());
    refused.to_string()
}

#[test]
fn all_mistakes_of_all_images_are_told_at_once_with_what_the_specs_say() {
    let told = refused(|images| {
        images
            .add(
                "train",
                ImageSpec::new("Team/Train")
                    .with_base_image("bsae")
                    .with_packages(["numpy", "-e ."])
                    .with_copy("../secrets", "/s")
                    .with_copy("a.tx", "/a"),
            )
            .add("base", ImageSpec::default().with_builder("fakr"));
    });
    insta::assert_snapshot!(told, @r#"
    error[invalid-value]: `name` cannot be `Team/Train`
     --> ImageSpec train:2:10
      |
    2 |     name "Team/Train"
      |          ^^^^^^^^^^^^ Docker allows only lower-case letters
      |
    help: write it like this
      |
    2 -     name "Team/Train"
    2 +     name "team/train"
      |

    error[unknown-image]: unknown base image `bsae`
     --> ImageSpec train:3:22
      |
    3 |     base-image image="bsae"
      |                      ^^^^^^ did you mean `base`?
      |
    help: write it like this
      |
    3 -     base-image image="bsae"
    3 +     base-image image="base"
      |

    error[invalid-value]: `packages` cannot be `-e .`
     --> ImageSpec train:4:22
      |
    4 |     packages "numpy" "-e ."
      |                      ^^^^^^ options belong in `pip-extra-args`, requirements files in `requirements`

    error[outside]: `../secrets` is not a path in the workspace
     --> ImageSpec train:5:10
      |
    5 |     copy "../secrets" to="/s"
      |          ^^^^^^^^^^^^ this leads out of the workspace
      |
      = help: images can use only files below the directory of the root manifest

    error[missing-file]: `a.tx` does not exist
     --> ImageSpec train:6:10
      |
    6 |     copy "a.tx" to="/a"
      |          ^^^^^^ did you mean `a.txt`?
      |
      = help: paths are relative to the directory of the manifest that contains them

    error[unknown-builder]: image `base`: unknown builder `fakr`
     --> ImageSpec base:2:13
      |
    2 |     builder "fakr"
      |             ^^^^^^
      |
      = help: did you mean `fake`?

    6 errors
    "#);
}

#[test]
fn values_cannot_become_anything_else() {
    let hostile = vec![
        ImageSpec::default().with_base("debian\nRUN id"),
        ImageSpec::default().with_user("root\nRUN id"),
        ImageSpec::default().with_env("A=1 B", "x"),
        ImageSpec::default().with_apt_packages(["--allow-unauthenticated"]),
        ImageSpec::default().with_packages(["x; rm -rf /\n"]),
        ImageSpec::default().with_commands(["a\0b"]),
        ImageSpec::default().with_label("dev.imgspec.key", "x"),
        ImageSpec::default().with_registry("ghcr.io/a b"),
        ImageSpec::default().with_platform("amd64"),
        ImageSpec::default().with_workdir("app"),
        ImageSpec::default().with_tag_format("{oops}"),
        ImageSpec::default().with_pip_index("https://user:password@index.example/simple"),
        ImageSpec::default().with_requirements("/etc/passwd"),
        ImageSpec::default().with_secret(Secret::of_env("a,b", "X")),
        ImageSpec::default().with_secret(Secret::of_env("a", "X Y")),
        ImageSpec::default().with_copy_from_image("nobody", "/x", "/y"),
        ImageSpec::default().with_cudnn("9"),
        ImageSpec::default().with_dockerfile(
            OwnDockerfile::new("a.txt", ".")
                .unwrap()
                .with_context("a b", NamedContext::Registry("x".into())),
        ),
    ];
    for spec in hostile {
        let said = format!("{spec:?}");
        let told = refused(|images| {
            images.add("it", spec);
        });
        assert!(told.contains("error["), "{said}: {told}");
    }
    assert!(OwnDockerfile::new("../Dockerfile", ".").is_err());
}

#[test]
fn a_circle_is_shown_hop_by_hop() {
    let told = refused(|images| {
        images
            .add("a", ImageSpec::default().with_base_image("b"))
            .add(
                "b",
                ImageSpec::default().with_copy_from_image("a", "/x", "/x"),
            );
    });
    insta::assert_snapshot!(told, @r#"
    error[cycle]: images depend on each other in a cycle: `a` -> `b` -> `a`
     --> ImageSpec a:2:22
      |
    2 |     base-image image="b"
      |                      ^^^ `a` is built on `b`
      |
     ::: ImageSpec b:2:21
      |
    2 |     copy "/x" image="a" to="/x"
      |                     --- `b` copies from `a`
      |
      = help: one of them must be built on something else

    1 error
    "#);
}

#[test]
fn two_images_of_one_id_or_one_reference_are_refused() {
    let told = refused(|images| {
        images
            .add("a", ImageSpec::default())
            .add("a", ImageSpec::default());
    });
    assert!(told.contains("image `a` is declared twice"), "{told}");
    let told = refused(|images| {
        images
            .add("a", ImageSpec::new("x"))
            .add("b", ImageSpec::new("x"));
    });
    assert!(
        told.contains("images `a` and `b` are both called `x`"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_asked_is_said_in_words() {
    let sandbox = three_files();
    let mut images = no_images(&sandbox);
    images.add("train", ImageSpec::default());
    let say = |refused: Option<imgspec::session::Refusal>| refused.unwrap().to_string();
    assert_eq!(
        say(images.tag("trian").err()),
        "unknown image `trian`: did you mean `train`?"
    );
    assert_eq!(
        say(images.exists("train", StoreKind::Registry).err()),
        "image `train` has no registry: give it one: `with_registry`"
    );
    assert_eq!(
        say(images.plan(&Request::all().push(Push::Each)).err()),
        "none of the images has a registry to push to: give them a registry, or do not push"
    );
    let plan = images.plan(&Request::of(["trian"]));
    assert_eq!(
        say(plan.err()),
        "no image matches `trian`: did you mean `train`?"
    );
    let plan = images.plan(&Request::of(["x*"]));
    assert_eq!(say(plan.err()), "no image matches `x*`: images: train");
    let secret = Secret::of_env("token", "NO_SUCH_VARIABLE_OF_ANYBODY");
    let spec = ImageSpec::default()
        .with_commands(["true"])
        .with_secret(secret);
    images.add("secret", spec);
    let told = say(images.build(&Request::all(), |_| ()).err());
    assert!(told.contains("NO_SUCH_VARIABLE_OF_ANYBODY"), "{told}");
    assert!(!sandbox.path(".imgspec").exists());
    let empty = Images::with_backends(sandbox.root(), BackendRegistry::new());
    assert_eq!(
        say(empty.open().err()),
        "no builder is registered: register one, or take `BackendRegistry::usual`"
    );
    let told = say(Images::new(sandbox.path("gone")).open().err());
    assert!(told.contains("cannot be read"), "{told}");
    let told = say(Images::new(sandbox.path("a.txt")).open().err());
    assert!(told.contains("is not a directory"), "{told}");
}
