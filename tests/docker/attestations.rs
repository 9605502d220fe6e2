//! Attestations: what the real `BuildKit` writes down beside an image in a real registry.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::engines;
use crate::names::{manifest, manifest_of, part_of, remove};
use crate::sandbox::Ran;
use crate::{build, docker, named, nonce, on, references};

fn registry() -> String {
    std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is")
}

#[test]
fn attestations_are_made_where_they_are_asked_for_and_can_be_kept() {
    let registry = registry();
    for (store, engine) in engines() {
        let name = nonce();
        let sandbox = on(&engine);
        let more = "attest provenance=\"max\"";
        sandbox.write("imgspec.kdl", &manifest(&registry, &name, more));
        if store == "classic" {
            build(&sandbox, &[])
                .code(2)
                .says("Docker's classic image store keeps no attestations")
                .says("imgspec.kdl:8");
            continue;
        }
        for programs in ["", "1"] {
            let mut command = sandbox.command(&["graph", "build", "--push", "--force"]);
            command.env("IMGSPEC_DOCKER_PROGRAMS", programs);
            let _ = Ran::of(&mut command).success();
            let reference = references(&sandbox, &[])["a"].clone();
            let index = manifest_of(&reference).expect("it is pushed");
            let parts = index["manifests"].as_array().expect("an index").iter();
            let kinds = parts.map(|part| part["annotations"]["vnd.docker.reference.type"].as_str());
            assert!(
                kinds.flatten().any(|kind| kind == "attestation-manifest"),
                "programs: {programs:?}: {index:#}"
            );
            let again = build(&sandbox, &["--push"]).success();
            assert_eq!(named(&again, "image-fresh"), ["a"], "{}", again.stderr);
        }
        remove(&engine, &sandbox);
    }
}

/// A scanner by the protocol of `BuildKit`: lists the packages that dpkg has installed.
///
/// Source: <https://github.com/moby/buildkit/blob/master/docs/attestations/sbom-protocol.md>
const SCANNER: &str = r#"set -eu
awk '
    BEGIN {
        printf "{\"_type\": \"https://in-toto.io/Statement/v0.1\", \"predicateType\": \"https://spdx.dev/Document\", \"subject\": [], "
        printf "\"predicate\": {\"spdxVersion\": \"SPDX-2.3\", \"dataLicense\": \"CC0-1.0\", \"SPDXID\": \"SPDXRef-DOCUMENT\", "
        printf "\"name\": \"packages\", \"documentNamespace\": \"https://example.com/packages\", "
        printf "\"creationInfo\": {\"created\": \"2026-01-01T00:00:00Z\", \"creators\": [\"Tool: scan\"]}, \"packages\": ["
    }
    function end_package() {
        if (state == "installed") {
            if (count++) printf ", "
            printf "{\"SPDXID\": \"SPDXRef-%d\", \"name\": \"%s\", \"versionInfo\": \"%s\", ", count, name, version
            printf "\"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false}"
        }
        state = ""
    }
    /^Package: / { name = $2 }
    /^Status: / { state = $4 }
    /^Version: / { version = $2 }
    /^$/ { end_package() }
    END { end_package(); print "]}}" }
' "$BUILDKIT_SCAN_SOURCE/var/lib/dpkg/status" > "$BUILDKIT_SCAN_DESTINATION/${BUILDKIT_SCAN_SOURCE##*/}.spdx.json"
"#;

/// An image of Debian with one more package, and the scanner that is to look at it.
fn scanned(registry: &str, name: &str) -> String {
    format!(
        r#"defaults {{ builder "docker"; registry "{registry}/imgspec-test" }}
image "scanner" {{
    name "{name}-scanner"
    also-tag "1"
    base-image "busybox:1.36"
    copy "scan" to="/scan"
    entrypoint "/bin/sh" "/scan"
}}
image "a" {{
    name "{name}"
    base-image "debian:bookworm-slim"
    commands "printf 'Package: own-tool\\nStatus: install ok installed\\nMaintainer: me <me@example.com>\\nArchitecture: all\\nVersion: 1:2.3-4\\nDescription: mine\\n\\n' >> /var/lib/dpkg/status"
    attest sbom="{registry}/imgspec-test/{name}-scanner:1"
}}
"#
    )
}

/// The packages of an image in its registry with their versions, by the SPDX document that is attached to it.
fn attested(reference: &str) -> BTreeMap<String, String> {
    let (repository, _) = reference.rsplit_once(':').unwrap();
    let index = manifest_of(reference).expect("it is pushed");
    let parts = index["manifests"].as_array().expect("an index");
    let is_attestation =
        |part: &&Value| part["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
    let part = parts.iter().find(is_attestation).expect("an attestation");
    let digest = part["digest"].as_str().unwrap();
    let attestation = part_of(repository, &format!("manifests/{digest}")).unwrap();
    let is_spdx = |layer: &&Value| {
        layer["annotations"]["in-toto.io/predicate-type"] == "https://spdx.dev/Document"
    };
    let layers = attestation["layers"].as_array().unwrap();
    let layer = layers.iter().find(is_spdx).expect("an SPDX document");
    let digest = layer["digest"].as_str().unwrap();
    let statement = part_of(repository, &format!("blobs/{digest}")).unwrap();
    // The statement is about this image.
    let image = parts.iter().find(|part| !is_attestation(part)).unwrap();
    let (_, hash) = image["digest"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], hash);
    let packages = statement["predicate"]["packages"].as_array().unwrap();
    let text = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    let pair = |package: &Value| (text(package, "name"), text(package, "versionInfo"));
    packages.iter().map(pair).collect()
}

#[test]
fn an_sbom_by_the_scanner_that_the_field_names_lists_the_packages_of_the_image() {
    let registry = registry();
    let containerd = engines()
        .into_iter()
        .find(|(store, _)| *store == "containerd");
    let (_, engine) = containerd.expect("tests/run starts one with containerd's store");
    let name = nonce();
    let sandbox = on(&engine);
    sandbox.write("scan", SCANNER);
    sandbox.write("imgspec.kdl", &scanned(&registry, &name));
    build(&sandbox, &["--push", "scanner"]).success();
    for programs in ["", "1"] {
        let mut command = sandbox.command(&["graph", "build", "--push", "--force", "a"]);
        command.env("IMGSPEC_DOCKER_PROGRAMS", programs);
        Ran::of(&mut command).success();
        let reference = references(&sandbox, &[])["a"].clone();
        let list = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n"];
        let run = ["run", "--rm", &reference];
        let said = docker(&engine, &[&run[..], &list].concat()).success();
        let lines = said
            .stdout
            .lines()
            .map(|line| line.split_once(' ').unwrap());
        let there: BTreeMap<String, String> = lines
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        assert_eq!(there["own-tool"], "1:2.3-4");
        assert!(there.contains_key("dpkg"), "{there:?}");
        assert_eq!(attested(&reference), there, "programs: {programs:?}");
    }
    remove(&engine, &sandbox);
}
