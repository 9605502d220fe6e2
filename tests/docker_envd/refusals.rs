//! Specs that envd cannot build, and their error messages.

use crate::bench::{Bench, nonce, on_each_engine};

fn image(bench: &Bench, fields: &str) {
    let manifest = format!("image \"app\" {{\n    builder \"envd\"\n{fields}\n}}\n");
    bench.sandbox.write("imgspec.kdl", &manifest);
}

#[test]
fn a_field_that_envd_has_not_is_refused_before_anything_starts() {
    on_each_engine(|bench| {
        image(
            bench,
            "    base-image \"debian:bookworm-slim\"\n    platform \"linux/amd64\" \"linux/arm64\"",
        );
        bench
            .build(&[])
            .code(2)
            .says("image `app`: the `envd` builder does not support `platform`")
            .says("builders that can: `docker`");
    });
}

#[test]
fn a_context_that_is_not_there_is_named() {
    on_each_engine(|bench| {
        image(
            bench,
            "    base-image \"debian:bookworm-slim\"\n    commands \"true\"",
        );
        bench
            .build(&["--envd-context", "nowhere"])
            .code(2)
            .says("envd has no context `nowhere`: there are none");
        bench
            .sandbox
            .run(&["doctor", "--envd-context", "nowhere"])
            .says("envd has no context `nowhere`");
    });
}

#[test]
fn a_daemon_that_is_not_there_is_a_matter_of_dockers() {
    on_each_engine(|bench| {
        image(
            bench,
            "    base-image \"debian:bookworm-slim\"\n    commands \"true\"",
        );
        let mut command = bench.sandbox.command(&["graph", "build"]);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        crate::sandbox::Ran::of(&mut command)
            .code(2)
            .says("envd builds with Docker, and ");
    });
}

#[test]
fn without_envd_there_is_a_word_on_how_to_get_it() {
    on_each_engine(|bench| {
        image(
            bench,
            "    base-image \"debian:bookworm-slim\"\n    commands \"true\"",
        );
        let folder = tempfile::tempdir().unwrap();
        let docker = which("docker");
        std::os::unix::fs::symlink(docker, folder.path().join("docker")).unwrap();
        let mut command = bench.sandbox.command(&["graph", "build"]);
        command.env("PATH", folder.path());
        crate::sandbox::Ran::of(&mut command)
            .code(2)
            .says("there is no `envd` in PATH")
            .says("pip install envd");
    });
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join(program));
    folders.find(|path| path.is_file()).expect("it is in PATH")
}

#[test]
fn a_base_that_is_nowhere_leaves_nothing() {
    on_each_engine(|bench| {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").unwrap();
        let base = format!("{registry}/nothing-{}:1", nonce());
        image(
            bench,
            &format!("    base-image \"{base}\"\n    commands \"true\""),
        );
        bench
            .build(&["--attempts", "1"])
            .code(1)
            .says("app: failed")
            .says("not found");
        assert_eq!(bench.names(&bench.reference("app")), [""; 0]);
    });
}

#[test]
fn a_command_that_fails_is_named_and_leaves_nothing() {
    on_each_engine(|bench| {
        image(
            bench,
            &format!(
                "    base-image \"debian:bookworm-slim\"\n    commands \"echo {}\" \"echo oops >&2; exit 7\"",
                nonce()
            ),
        );
        bench
            .build(&[])
            .code(1)
            .says("`commands: echo oops >&2; exit 7` failed with exit code 7")
            .says("oops");
        assert_eq!(bench.names(&bench.reference("app")), [""; 0]);
    });
}

#[test]
fn python_without_an_installer_is_told_from_python_without_the_package() {
    on_each_engine(|bench| {
        image(
            bench,
            "    base-image \"debian:bookworm-slim\"\n    packages \"six\"",
        );
        bench
            .build(&[])
            .code(1)
            .says("add `python3-venv` to `apt-packages`");
    });
}

#[test]
fn the_plan_and_the_doctor_say_who_builds_what_and_why() {
    on_each_engine(|bench| {
        let manifest = format!(
            "image \"a\" {{\n  base-image \"debian:bookworm-slim\"\n  commands \"echo {}\"\n}}\nimage \"b\" {{\n  builder \"envd\"\n  base-image image=\"a\"\n  commands \"true\"\n}}\n",
            nonce()
        );
        bench.sandbox.write("imgspec.kdl", &manifest);
        bench
            .sandbox
            .run(&["graph", "plan"])
            .success()
            .says("with docker: the default")
            .says("with envd: the manifest names it");
        let plan = bench
            .sandbox
            .run(&["graph", "plan", "--format", "json"])
            .success();
        assert_eq!(plan.json()["images"][1]["builder"], "envd");
        let doctor = bench
            .sandbox
            .run(&["doctor"])
            .success()
            .says("envd         1.3.6");
        for line in [
            "builds a (the default)\n",
            "builds b (the manifest names it)\n",
        ] {
            assert!(doctor.stdout.contains(line), "{}", doctor.stdout);
        }
    });
}

#[test]
fn a_registry_for_bases_that_does_not_answer_is_named() {
    on_each_engine(|bench| {
        let manifest = format!(
            "image \"base\" {{\n  builder \"docker\"\n  base-image \"debian:bookworm-slim\"\n  labels nonce=\"{}\"\n}}\nimage \"app\" {{\n  builder \"envd\"\n  base-image image=\"base\"\n  commands \"true\"\n}}\n",
            nonce()
        );
        bench.sandbox.write("imgspec.kdl", &manifest);
        let mut command = bench
            .sandbox
            .command(&["graph", "build", "--attempts", "1"]);
        command.env("IMGSPEC_ENVD_REGISTRY", "127.0.0.1:1/team");
        crate::sandbox::Ran::of(&mut command)
            .code(1)
            .says("`base` cannot be made available to envd: ")
            .says("IMGSPEC_ENVD_REGISTRY names `127.0.0.1:1/team` as the registry to use")
            .says("built 1, failed 1 (app)");
        bench.note();
        assert_eq!(bench.names(&bench.reference("app")), [""; 0]);
        assert_eq!(bench.names("127.0.0.1:1/"), [""; 0]);
    });
}
