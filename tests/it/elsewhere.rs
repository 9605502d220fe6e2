//! Where images of the builder `docker` are built: what flags, variables, the manifest and buildx say, and what is refused.
//!
//! buildx is played by a script that writes down how it is called; real builders are in `tests/docker/instance.rs`.

use std::os::unix::fs::PermissionsExt;

use crate::registry::Registry;
use crate::sandbox::Sandbox;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const DOCKER: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/calls"
case "$1 $2" in
"buildx version") echo "github.com/docker/buildx v0.29.1 0a1b2c" ;;
"buildx inspect")
    [ ! -e "$HOME/hang" ] || exec sleep 600
    cat "$HOME/inspect" ;;
"buildx build")
    [ ! -e "$HOME/silent" ] || . "$HOME/silent"
    while [ $# -gt 0 ]; do
        [ "$1" != --metadata-file ] || file=$2
        shift
    done
    echo '{"containerimage.digest":"DIGEST"}' > "$file" ;;
*) exit 1 ;;
esac
"#;

const NODES: &str = "\
Name:          far
Driver:        kubernetes
Last Activity: 2026-01-02 03:04:05 +0000 UTC

Nodes:
Name:                  far0
Endpoint:              kubernetes:///far?deployment=far0
Driver Options:        namespace=\"ci\"
Status:                running
BuildKit version:      v0.26.0
Platforms:             linux/amd64, linux/arm64
Labels:
 org.mobyproject.buildkit.worker.executor: oci

Name:     far1
Endpoint: kubernetes:///far?deployment=far1
Error:    no pods
";

/// A workspace where buildx has the builders `far` and `near`, and no Docker answers.
fn sandbox(manifest: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    sandbox.write("../bin/docker", &DOCKER.replace("DIGEST", DIGEST));
    let program = sandbox.path("../bin/docker");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.write("../home/inspect", NODES);
    builder(&sandbox, "far", "kubernetes", "kubernetes:///far");
    builder(
        &sandbox,
        "near",
        "docker-container",
        "unix:///var/run/docker.sock",
    );
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    sandbox
        .env("PATH", &path)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
}

fn builder(sandbox: &Sandbox, name: &str, driver: &str, endpoint: &str) {
    let text = format!(
        r#"{{"Name":"{name}","Driver":"{driver}","Nodes":[{{"Name":"{name}0","Endpoint":"{endpoint}"}}],"Dynamic":false}}"#
    );
    sandbox.write(&format!("../home/.docker/buildx/instances/{name}"), &text);
}

/// How `docker` was called since the last time.
fn calls(sandbox: &Sandbox) -> String {
    let file = sandbox.path("../home/calls");
    let said = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(file);
    said
}

const ONE: &str = "image \"a\" { builder \"docker\"; base-image \"scratch\"; copy \"imgspec.kdl\" to=\"/f\"; registry \"REGISTRY/team\" }\n";

fn one(registry: &Registry) -> String {
    ONE.replace("REGISTRY", &registry.host)
}

#[test]
fn what_is_said_about_where_to_build_is_read_strictly() {
    let sandbox = sandbox(&one(&Registry::new()));
    let refused = |arguments: &[&str], words: &str| {
        for command in [
            &["graph", "build"][..],
            &["graph", "plan"],
            &["watch"],
            &["doctor"],
        ] {
            sandbox
                .run_soon(&[command, arguments].concat())
                .code(2)
                .says(words);
        }
        assert_eq!(calls(&sandbox), "");
    };
    refused(
        &["--builder-instance", "far", "--buildkit", "tcp://a:1"],
        "`--builder-instance` and `--buildkit` both say where to build",
    );
    refused(
        &["--builder-instance", "a b"],
        "which is not a builder of buildx",
    );
    refused(
        &["--buildkit", "a:1"],
        "`--buildkit` is `a:1`, which is not the address of a BuildKit",
    );
    refused(
        &["--buildkit-ca", "ca.pem"],
        "certificates are given, but no `--buildkit`",
    );
    refused(
        &["--buildkit", "tcp://a:1", "--buildkit-key", "key.pem"],
        "a key of the client for BuildKit, but no certificate",
    );
    sandbox
        .run_soon(&["graph", "build", "--buildkit", "tcp://a:1"])
        .code(2)
        .says("add `--push`");
    sandbox
        .run_soon(&[
            "graph",
            "build",
            "--buildkit",
            "tcp://a:1",
            "--push=all-or-nothing",
        ])
        .code(2)
        .says("use `--push`");
}

#[test]
fn a_builder_that_is_not_there_is_refused_with_the_one_that_was_meant() {
    let sandbox = sandbox(&one(&Registry::new()));
    let build = |name: &str| sandbox.run_soon(&["graph", "build", "--builder-instance", name]);
    build("fat")
        .code(2)
        .says("buildx has no builder `fat`, which `--builder-instance` names")
        .says("did you mean `far`?");
    build("elsewhere")
        .code(2)
        .says("there are default, far, near");
    assert_eq!(calls(&sandbox), "");
    let sandbox = sandbox.env("IMGSPEC_BUILDER_INSTANCE", "naer");
    sandbox
        .run_soon(&["graph", "build"])
        .code(2)
        .says("which `IMGSPEC_BUILDER_INSTANCE` names")
        .says("did you mean `near`?");
}

#[test]
fn a_flag_a_variable_the_manifest_and_buildx_are_asked_in_this_order() {
    let registry = Registry::new();
    let sandbox = sandbox(&one(&registry));
    let names = |sandbox: &Sandbox, flag: &[&str]| -> String {
        let ran = sandbox.run_soon(&[&["doctor"], flag].concat());
        let lines = ran.stdout.lines();
        let line =
            lines.filter_map(|line| line.trim().strip_prefix("builds run in buildx's builder "));
        line.collect()
    };
    assert_eq!(names(&sandbox, &[]), "");
    // For another daemon.
    let current = |key: &str| format!(r#"{{"Key":"{key}","Name":"far","Global":false}}"#);
    sandbox.write(
        "../home/.docker/buildx/current",
        &current("unix:///other.sock"),
    );
    assert_eq!(names(&sandbox, &[]), "");
    sandbox.write(
        "../home/.docker/buildx/current",
        &current("unix:///nowhere/docker.sock"),
    );
    let used = "`far` (kubernetes), which `docker buildx use` names";
    assert_eq!(names(&sandbox, &[]), used);
    // The default of this daemon, by the start of the digest of its address.
    sandbox.write(
        "../home/.docker/buildx/current",
        r#"{"Key":"x","Name":"","Global":false}"#,
    );
    sandbox.write(
        "../home/.docker/buildx/defaults/0fa0eea8aac313e54855",
        "far",
    );
    assert_eq!(names(&sandbox, &[]), used);
    let sandbox = sandbox.env("BUILDX_BUILDER", "near");
    assert_eq!(
        names(&sandbox, &[]),
        "`near` (docker-container), which `BUILDX_BUILDER` names"
    );
    sandbox.write(
        "imgspec.kdl",
        &format!("builder-instance \"far\"\n{}", one(&registry)),
    );
    assert_eq!(
        names(&sandbox, &[]),
        "`far` (kubernetes), which `builder-instance` in the manifest names"
    );
    let sandbox = sandbox.env("IMGSPEC_BUILDER_INSTANCE", "near");
    assert_eq!(
        names(&sandbox, &[]),
        "`near` (docker-container), which `IMGSPEC_BUILDER_INSTANCE` names"
    );
    let far = names(&sandbox, &["--builder-instance", "far"]);
    assert_eq!(far, "`far` (kubernetes), which `--builder-instance` names");
    assert_eq!(names(&sandbox, &["--builder-instance", "default"]), "");
}

#[test]
fn the_manifest_names_a_builder_at_its_root_and_once() {
    let wrong = |root: &str, words: &str| {
        let sandbox = sandbox(&format!(
            "{root}\nimage \"a\" {{ base-image \"scratch\" }}\n"
        ));
        sandbox.write(
            "inner/imgspec.kdl",
            "builder-instance \"far\"\nimage \"b\" { base-image \"scratch\" }\n",
        );
        sandbox.run_soon(&["check"]).code(2).says(words);
    };
    wrong(
        "workspace { include \"inner\" }",
        "`builder-instance` belongs in the root manifest",
    );
    wrong(
        "builder-instance \"far\"\nbuilder-instance \"near\"",
        "`builder-instance` is given twice in one file",
    );
    wrong(
        "builder-instance",
        "`builder-instance` needs the name of a builder",
    );
    wrong(
        "builder-instance \"a/b\"",
        "a builder of buildx cannot be called `a/b`",
    );
    wrong(
        "defaults { builder-instance \"far\" }",
        "`builder-instance` cannot be used in",
    );
    // It is in no key.
    let tag = |first: &str| {
        let sandbox = sandbox(&format!(
            "{first}\nimage \"a\" {{ base-image \"scratch\" }}\n"
        ));
        sandbox.run(&["tag"]).success().stdout
    };
    assert_eq!(tag(""), tag("builder-instance \"far\""));
}

#[test]
fn doctor_tells_the_builder_its_driver_and_its_nodes() {
    let sandbox = sandbox(&one(&Registry::new()));
    let doctor = ["doctor", "--builder-instance", "far"];
    sandbox
        .run_soon(&doctor)
        .says("v0.29.1")
        .says("builds run in buildx's builder `far` (kubernetes), which `--builder-instance` names")
        .says("node `far0` at kubernetes:///far?deployment=far0: running, BuildKit v0.26.0, linux/amd64, linux/arm64")
        .says("node `far1` at kubernetes:///far?deployment=far1 does not answer: no pods");
    sandbox.write("../home/inspect", &NODES.replace("Status:  ", "Error:  "));
    sandbox
        .run_soon(&doctor)
        .code(1)
        .says("buildx's builder `far` (kubernetes) does not answer: node `far0` at")
        .says("look at `docker buildx inspect far`");
    sandbox
        .run_soon(&["graph", "build", "--push", "--builder-instance", "far"])
        .code(2)
        .says("`docker` cannot build here: buildx's builder `far` (kubernetes) does not answer");
}

#[test]
fn what_cannot_leave_is_refused_before_anything_is_built() {
    let registry = Registry::new();
    let manifest = format!(
        "defaults {{ builder \"docker\" }}\n{}image \"homeless\" {{ base-image \"scratch\" }}\n\
         image \"own\" {{ builder \"oci\"; base-image \"scratch\"; registry \"{host}\" }}\n\
         image \"on-own\" {{ base-image image=\"own\"; registry \"{host}\" }}\n",
        one(&registry),
        host = registry.host,
    );
    let sandbox = sandbox(&manifest);
    sandbox
        .run_soon(&["graph", "build", "--push", "--builder-instance", "far"])
        .code(2)
        .says("image `homeless` has no `registry`, but `docker` builds elsewhere")
        .says("imgspec.kdl:3:7")
        .says("image `on-own`: `docker` builds it elsewhere, and cannot reach `own`, which `oci` builds on this machine");
    assert_eq!(calls(&sandbox), "");
    // Nobody asked Docker's own registry about the image that has none.
    let asked = registry.asked();
    let homeless = asked.iter().filter(|asked| asked.contains("homeless"));
    assert_eq!(homeless.count(), 0);
}

#[test]
fn existence_is_asked_once_of_the_registry_and_what_a_builder_says_is_confirmed_there() {
    let registry = Registry::new();
    // Requests are counted; the record of an image that has to be built is asked for, too.
    let sandbox = sandbox(&one(&registry)).env("IMGSPEC_REMOTE_RECORDS", "0");
    let far = ["--push", "--builder-instance", "far", "--attempts", "1"];
    let plan = sandbox
        .run_soon(&[&["graph", "plan"], &far[..3]].concat())
        .success();
    assert!(plan.stdout.contains("1 to build"), "{}", plan.stdout);
    let asked = registry.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].starts_with("GET /v2/team/a/manifests/"),
        "{asked:?}"
    );
    assert_eq!(calls(&sandbox), "");
    sandbox
        .run_soon(&[&["graph", "build"], &far[..]].concat())
        .code(1)
        .says(&format!(
            "the builder says it has pushed `{}/team/a@{DIGEST}`, but the registry does not have it",
            registry.host
        ));
    let called = calls(&sandbox);
    let build = called
        .lines()
        .find(|line| line.starts_with("buildx build"))
        .unwrap();
    for part in [
        " --builder far ",
        " --output=type=image,push=true,oci-mediatypes=true,registry.insecure=true ",
        " --provenance=false --sbom=false ",
        &format!(" --tag {}/team/a:", registry.host),
    ] {
        assert!(build.contains(part), "{part}: {build}");
    }
    assert!(
        !called.contains("docker info") && !build.contains("--load"),
        "{called}"
    );
    let asked = registry.asked();
    assert!(
        asked.iter().any(|asked| asked.contains(DIGEST)),
        "{asked:?}"
    );
}

#[test]
fn without_a_push_a_builder_elsewhere_needs_the_local_docker() {
    let sandbox = sandbox(&one(&Registry::new()));
    sandbox
        .run_soon(&["graph", "build", "--builder-instance", "far"])
        .code(2)
        .says("its images are loaded into Docker, and the Docker daemon at unix:///nowhere/docker.sock does not answer")
        .says("or add `--push`, which needs no Docker here");
    assert!(!calls(&sandbox).contains("buildx build"));
}

#[test]
fn a_silent_build_goes_on_while_its_builder_answers_and_ends_when_that_does_not() {
    let registry = Registry::new();
    let sandbox = sandbox(&one(&registry))
        .env("IMGSPEC_IDLE_TIMEOUT", "300ms")
        .env("IMGSPEC_ANSWER_TIMEOUT", "1s");
    let build = [
        "graph",
        "build",
        "--push",
        "--builder-instance",
        "far",
        "--attempts",
        "1",
    ];
    sandbox.write("../home/silent", "sleep 1.5\n");
    sandbox
        .run_soon(&build)
        .code(1)
        .says("the builder says it has pushed");
    let asked = calls(&sandbox);
    let lives = asked
        .lines()
        .filter(|line| *line == "buildx inspect far")
        .count();
    assert!(lives >= 3, "{asked}");
    sandbox.write("../home/silent", "touch \"$HOME/hang\"; sleep 600\n");
    sandbox
        .run_soon(&build)
        .code(1)
        .says("buildx's builder `far` (kubernetes) does not answer: no answer within 1 s");
}
