//! Images of two platforms on two nodes, the second of which says that it is of another kind.

use std::process::Command;

use crate::bridge::Bridge;
use crate::sandbox::Ran;
use crate::{build, daemons, docker, events, missing, named, references, repository, workspace};

const BOTH: &str = r#"
defaults { registry "REGISTRY"; labels nonce="NONCE"; platform "linux/amd64" "linux/arm64" }
image "files" { base-image "scratch"; copy "f" to="/f" }
image "more" { base-image image="files"; copy "g" to="/g" }
"#;

#[test]
fn two_platforms_are_built_by_nodes_of_their_kinds_and_joined() {
    let daemons = daemons();
    let (own, foreign) = (Bridge::new(&daemons[0]), Bridge::foreign(&daemons[1]));
    let nodes = [own.address(), foreign.address()];
    let sandbox = workspace(BOTH, &repository());
    let ran = build(&sandbox, &nodes, &[]).success();
    assert_eq!(named(&ran, "image-built"), ["files", "more"]);
    for image in ["files", "more"] {
        let mut placed: Vec<String> = events(&ran, "image-placed")
            .iter()
            .filter(|event| event["image"] == image)
            .map(|event| event["node"].as_str().unwrap().to_owned())
            .collect();
        placed.sort();
        let mut expected = nodes.to_vec();
        expected.sort();
        assert_eq!(placed, expected, "{image}: {}", ran.stderr);
    }
    assert_eq!(missing(&sandbox, &nodes, &[]), Vec::<String>::new());

    let more = &references(&sandbox, &[])["more"];
    for platform in ["linux/amd64", "linux/arm64"] {
        docker(
            &daemons[0],
            &["pull", "--quiet", "--platform", platform, more],
        )
        .success();
        let copied = docker(&daemons[0], &["create", "--platform", platform, more, "x"]).success();
        let container = copied.stdout.trim();
        let listed = docker(
            &daemons[0],
            &["export", "--output", &archive(&sandbox), container],
        );
        let _ = docker(&daemons[0], &["rm", container]);
        listed.success();
        let listed = Ran::of(Command::new("tar").args(["-tf", &archive(&sandbox)])).success();
        for file in ["f", "g"] {
            assert!(
                listed.stdout.lines().any(|line| line == file),
                "{platform}: {}",
                listed.stdout
            );
        }
    }
    let _ = docker(&daemons[0], &["image", "rm", "--force", more]);
    if let Ok(skopeo) = std::env::var("IMGSPEC_TEST_SKOPEO") {
        for architecture in ["amd64", "arm64"] {
            let mut skopeo = Command::new(&skopeo);
            let name = format!("docker://{more}");
            let words = [
                "--override-arch",
                architecture,
                "inspect",
                "--tls-verify=false",
                &name,
            ];
            let said = Ran::of(skopeo.args(words)).success().json();
            assert_eq!(said["Architecture"], architecture);
        }
    }
}

fn archive(sandbox: &crate::sandbox::Sandbox) -> String {
    sandbox.path("../archive.tar").display().to_string()
}
