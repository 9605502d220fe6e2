//! `graph export` for Docker's own tools: the real bake and the real make build what imgspec builds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::embedded::saved;
use crate::engine::engines;
use crate::sandbox::{Ran, Sandbox};
use crate::{copy_folder, docker, nonce, on, references};

/// An image with values that bake, make and shells would take for something else.
const ODD: &str = r#"
image "odd.one" {
    base-image image="os"
    env TEMPLATE="${HOME} %{ if } $(id) 'x' \"y\" \\" LINES="one\ntwo"
    labels "com.acme.odd"="${X}\n$(id)"
    commands "test \"$(cat /run/secrets/token)\" = secret && echo done > /etc/odd"
    secret "token" env="TOKEN"
}
image "own" {
    dockerfile "Own" context="libs" target="last" {
        args TEXT="two\nlines ${X} 'x'"
        contexts { base image="odd.one"; files path="docs" }
    }
}
"#;

const OWN: &str = "FROM base AS last
ARG TEXT
RUN printf %s \"$TEXT\" > /etc/text
COPY --from=files . /docs
FROM scratch
";

const CHOSEN: [&str; 3] = ["online", "own", "docs-site"];

/// The images in Docker, which then has them no more.
fn taken(sandbox: &Sandbox, engine: &str, names: &[&str]) -> BTreeMap<String, saved::Image> {
    let file = sandbox.path("saved.tar").display().to_string();
    docker(engine, &[&["save", "-o", &file], names].concat()).success();
    docker(engine, &[&["image", "rm", "--force"], names].concat()).success();
    saved::read(Path::new(&file))
}

#[test]
fn bake_and_make_build_the_same_images() {
    let (_, engine) = engines().swap_remove(0);
    let sandbox = on(&engine).env("TOKEN", "secret");
    let sandbox = sandbox.env("REGISTRY", &format!("localhost:5000/{}", nonce()));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monorepo");
    copy_folder(&example, &sandbox.root());
    sandbox.write(
        "imgspec.kdl",
        &format!("{}{ODD}", sandbox.read("imgspec.kdl")),
    );
    sandbox.write("Own", OWN);
    let all = references(&sandbox, &[]);
    let names = [
        "os",
        "python",
        "trainer",
        "model-churn",
        "online",
        "odd.one",
        "own",
        "docs-site",
    ];
    let names = names.map(|id| all[id].as_str());
    let head = ["graph", "build", "--builder", "docker"];
    sandbox.run(&[&head[..], &CHOSEN].concat()).success();
    let built = taken(&sandbox, &engine, &names);
    for (format, mut program) in [
        ("bake", Command::new("docker")),
        ("make", Command::new("make")),
    ] {
        let out = ["graph", "export", "--format", format, "-o", format];
        sandbox.run(&[&out[..], &CHOSEN].concat()).success();
        match format {
            // The steps that imgspec has run are in the daemon's cache.
            "bake" => program.args(["buildx", "bake", "--no-cache"]),
            _ => program.arg("-j2"),
        };
        program.current_dir(sandbox.path(format));
        program.env("DOCKER_HOST", &engine).env("TOKEN", "secret");
        Ran::of(&mut program).success();
        if format == "bake" {
            // Bases are targets that are not asked for, so bake makes no images of them.
            docker(&engine, &["image", "inspect", names[0]]).code(1);
            let asked: Vec<&str> = CHOSEN.iter().map(|id| all[*id].as_str()).collect();
            compare(&built, &taken(&sandbox, &engine, &asked), format);
        } else {
            compare(&built, &taken(&sandbox, &engine, &names), format);
        }
    }
}

#[test]
fn bake_and_make_of_no_image_build_nothing_and_do_not_fail() {
    let (_, engine) = engines().swap_remove(0);
    let sandbox = on(&engine);
    sandbox.write(
        "imgspec.kdl",
        "image \"a\" { base-image \"scratch\"; env A=\"1\" }\n",
    );
    for (format, program) in [
        ("bake", &["docker", "buildx", "bake"][..]),
        ("make", &["make"][..]),
    ] {
        let export = ["graph", "export", "--format", format, "-o", format];
        sandbox.run(&[&export[..], &["a", "!a"]].concat()).success();
        let mut build = Command::new(program[0]);
        build.args(&program[1..]).env("DOCKER_HOST", &engine);
        Ran::of(build.current_dir(sandbox.path(format))).success();
    }
}

/// All of these images are what imgspec has built.
fn compare(
    built: &BTreeMap<String, saved::Image>,
    made: &BTreeMap<String, saved::Image>,
    format: &str,
) {
    assert!(!made.is_empty());
    for (name, image) in made {
        let differences = saved::differences(&built[name], image);
        assert!(differences.is_empty(), "{format} {name}: {differences:#?}");
    }
}
