//! Further names of an image, with a real daemon and a real registry.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::engine::by_turns;
use crate::sandbox::{Ran, Sandbox};
use crate::{build, docker, named, nonce, on};

pub(crate) fn manifest(registry: &str, name: &str, more: &str) -> String {
    format!(
        r#"image "a" {{
    builder "docker"
    registry "{registry}/imgspec-test"
    name "{name}"
    base-image "busybox:1.36"
    expose 8080
    healthcheck "test -e /bin/sh" interval="1m"
    {more}
}}
"#
    )
}

/// What a registry has under a name.
pub(crate) fn manifest_of(reference: &str) -> Option<Value> {
    serde_json::from_str(&manifest_text(reference)?).ok()
}

/// The same, byte by byte.
pub(crate) fn manifest_text(reference: &str) -> Option<String> {
    let (repository, tag) = reference.rsplit_once(':')?;
    text_of(repository, &format!("manifests/{tag}"))
}

/// What a registry has at a path of a repository.
pub(crate) fn part_of(repository: &str, path: &str) -> Option<Value> {
    serde_json::from_str(&text_of(repository, path)?).ok()
}

fn text_of(repository: &str, path: &str) -> Option<String> {
    let (host, name) = repository.split_once('/')?;
    let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.v2+json";
    let url = format!("http://{host}/v2/{name}/{path}");
    let mut curl = Command::new("curl");
    let said = Ran::of(curl.args(["-sf", "-H", accept, &url]));
    (said.code == Some(0)).then_some(said.stdout)
}

fn id(engine: &str, reference: &str) -> String {
    let format = ["image", "inspect", "--format", "{{.Id}}", reference];
    docker(engine, &format).stdout.trim().to_owned()
}

pub(crate) fn remove(engine: &str, sandbox: &Sandbox) {
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let mut all = Vec::new();
    for tag in tags.as_array().unwrap() {
        let names = tag["names"].as_array().into_iter().flatten();
        all.extend(names.chain([&tag["reference"]]).filter_map(Value::as_str));
    }
    let _ = docker(
        engine,
        &[&["image", "rm", "--force"], all.as_slice()].concat(),
    );
}

#[test]
fn a_daemon_and_its_registry_get_names_and_nothing_is_built_for_one() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (store, engine) in by_turns() {
        let name = nonce();
        let own = format!("{registry}/imgspec-test/{name}");
        let other = format!("{registry}/imgspec-test/{name}-releases:1");
        let sandbox = on(&engine);
        sandbox.write(
            "imgspec.kdl",
            &manifest(&registry, &name, "also-tag \"latest\""),
        );
        build(&sandbox, &["--push"]).success();
        let reference = crate::references(&sandbox, &[])["a"].clone();
        let image = id(&engine, &reference);
        assert_eq!(id(&engine, &format!("{own}:latest")), image, "{store}");
        let first = manifest_of(&reference).expect("it is pushed");
        assert_eq!(manifest_of(&format!("{own}:latest")), Some(first.clone()));
        let config = docker(
            &engine,
            &[
                "image",
                "inspect",
                "--format",
                "{{json .Config}}",
                &reference,
            ],
        );
        let config: Value = serde_json::from_str(&config.success().stdout).unwrap();
        assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}}));
        assert_eq!(
            config["Healthcheck"]["Test"],
            json!(["CMD-SHELL", "test -e /bin/sh"])
        );
        // Another version, in another repository too.
        let more = format!("also-tag \"latest\" \"v2\" \"{other}\"");
        sandbox.write("imgspec.kdl", &manifest(&registry, &name, &more));
        let ran = build(&sandbox, &["--push"]).success();
        assert_eq!(
            named(&ran, "image-built"),
            [""; 0],
            "{store}: {}",
            ran.stderr
        );
        assert_eq!(named(&ran, "image-tagged"), ["a"]);
        for name in [format!("{own}:v2"), other] {
            assert_eq!(id(&engine, &name), image, "{store}: {name}");
            assert!(manifest_of(&name).is_some(), "{store}: {name}");
        }
        let again = build(&sandbox, &["--push"]).success();
        assert_eq!(
            named(&again, "image-fresh"),
            ["a"],
            "{store}: {}",
            again.stderr
        );
        // A name that somebody else took is taken back.
        docker(&engine, &["tag", "busybox:1.36", &format!("{own}:latest")]).success();
        build(&sandbox, &[]).success().says("image-tagged");
        assert_eq!(id(&engine, &format!("{own}:latest")), image, "{store}");
        remove(&engine, &sandbox);
    }
}

/// Docker, which gives the name to another image before its first push.
const TAKER: &str = r#"#!/bin/sh
if [ "$1 $2" = "image push" ] && [ ! -e "$HERE/taken" ]; then
  for name; do :; done
  DOCKER tag busybox:1.36 "$name" && : > "$HERE/taken"
fi
exec DOCKER "$@"
"#;

#[test]
fn a_tag_that_another_checkout_takes_during_a_push_is_told_and_not_recorded() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    let real = which::which("docker").expect("it is installed");
    for (store, engine) in by_turns() {
        let name = nonce();
        let own = format!("{registry}/imgspec-test/{name}:fixed");
        let sandbox = on(&engine);
        let text = manifest(&registry, &name, "tag-format \"fixed\"");
        sandbox.write("imgspec.kdl", &text);
        let programs = tempfile::tempdir().unwrap();
        let here = programs.path().display();
        let text = TAKER.replace("DOCKER", real.to_str().unwrap());
        let docker = programs.path().join("docker");
        std::fs::write(&docker, text.replace("$HERE", &here.to_string())).unwrap();
        std::fs::set_permissions(&docker, PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{here}:{}", std::env::var("PATH").unwrap());
        let sandbox = sandbox.env("PATH", &path);
        build(&sandbox, &["--push", "--attempts", "1"])
            .code(1)
            .says("became the name of another image while it was pushed");
        assert!(programs.path().join("taken").exists(), "{store}");
        // It is not recorded as pushed, so another run does it.
        build(&sandbox, &["--push"]).success();
        let config = manifest_of(&own).expect("it is pushed")["config"]["digest"].clone();
        let (repository, _) = own.rsplit_once(':').unwrap();
        let config = config.as_str().map(|digest| format!("blobs/{digest}"));
        let config = config.and_then(|path| part_of(repository, &path));
        let key = &config.expect("an image of one platform")["config"]["Labels"]["dev.imgspec.key"];
        assert!(key.is_string(), "{store}: the registry has another image");
        remove(&engine, &sandbox);
    }
}
