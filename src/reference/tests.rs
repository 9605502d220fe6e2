//! What Docker takes and refuses.

use super::*;
use crate::spec::{ImageSpec, WorkspacePath};
use crate::workspace::Places;

fn why(result: Result<(), Refused>) -> String {
    result.map_or_else(|refused| refused.why, |()| "fine".into())
}

#[test]
fn a_reference_is_registry_name_and_tag() {
    let mut image = Image {
        id: "train".into(),
        spec: ImageSpec::default(),
        folder: WorkspacePath::default(),
        places: Places::default(),
    };
    let key = Tag::Of(crate::fingerprint::Key::new([0xab; 32]));
    assert_eq!(of(&image, &key), format!("train:{}", "ab".repeat(16)));
    image.spec.registry = Some("ghcr.io/acme".into());
    image.spec.name = Some("ml/train".into());
    image.spec.tag_format = Some("{spec_hash:.6}-cpu".into());
    assert_eq!(of(&image, &key), "ghcr.io/acme/ml/train:ababab-cpu");
}

#[test]
fn names_are_docker_s() {
    for name in ["a", "ml-base", "a/b/c", "a__b", "a---b", "x.y_z", "0"] {
        assert_eq!(why(check_name(name)), "fine", "{name}");
    }
    for name in [
        "", "-a", "a-", "a..b", "a___b", "a._b", "a b", "a//b", "/a", "é", "a:b", "a:", "a@b",
        "a\nb",
    ] {
        assert_ne!(why(check_name(name)), "fine", "{name}");
    }
    assert_eq!(
        check_name("Train").unwrap_err().mend.as_deref(),
        Some("train")
    );
    assert!(check_name(&"a".repeat(256)).is_err());
}

#[test]
fn schemes_without_end_are_refused_in_no_time() {
    // Found by fuzzing: one call within the other for each, until the stack was full.
    let text = format!("{}r.test/a", "https://".repeat(100_000));
    let mend = |result: Result<(), Refused>| result.unwrap_err().mend;
    assert_eq!(mend(check_reference(&text)).as_deref(), Some("r.test/a"));
    assert_eq!(mend(check_registry(&text)).as_deref(), Some("r.test/a"));
}

#[test]
fn nothing_but_a_port_follows_an_ipv6_address() {
    // Found by fuzzing: whatever followed the bracket was taken, a line end with an instruction too.
    for host in [
        "[::1]x",
        "[::1] ",
        "[::1]\nRUN touch x",
        "[::1]x:5000",
        "[::1]:",
        "[::1]:5000x",
    ] {
        assert_ne!(why(check_registry(host)), "fine", "{host}");
        assert_ne!(why(check_reference(&format!("{host}/a"))), "fine", "{host}");
    }
    assert_eq!(why(check_reference("[::1]:5000/a:1")), "fine");
}

#[test]
fn registries_are_hosts_with_a_path_or_an_organisation() {
    for registry in [
        "ghcr.io/acme",
        "localhost:5000",
        "localhost",
        "acme",
        "127.0.0.1:30000/a/b",
        "my-registry:5000/team_a",
        "[::1]:5000",
    ] {
        assert_eq!(why(check_registry(registry)), "fine", "{registry}");
    }
    for registry in [
        "",
        "/",
        "ghcr.io//x",
        "ghcr.io:port",
        "ghcr.io:99999",
        "-x.io",
        "a b",
        "ghcr.io/acme:tag",
        "x.io/é",
        "[::x]:1",
        "a..io/x",
    ] {
        assert_ne!(why(check_registry(registry)), "fine", "{registry}");
    }
    let mend = |registry| check_registry(registry).unwrap_err().mend.unwrap();
    assert_eq!(mend("https://ghcr.io/acme/"), "ghcr.io/acme");
    assert_eq!(mend("ghcr.io/Acme"), "ghcr.io/acme");
    assert_eq!(mend("ghcr.io/"), "ghcr.io");
}

#[test]
fn base_references_are_whole_references() {
    let digest = format!("debian@sha256:{}", "0a".repeat(32));
    for reference in [
        "debian",
        "debian:bookworm-slim",
        "ghcr.io/a/b:1",
        "localhost:5000/x",
        &digest,
    ] {
        assert_eq!(why(check_reference(reference)), "fine", "{reference}");
    }
    for reference in [
        "",
        "debian:",
        "debian:a b",
        "debian@sha256:12",
        "Debian",
        ":x",
        "a/b:c/d",
        "debian:-x",
        "x.io/",
        &"0a".repeat(32),
    ] {
        assert_ne!(why(check_reference(reference)), "fine", "{reference}");
    }
    assert_eq!(
        check_reference("ghcr.io/Acme/X:V1")
            .unwrap_err()
            .mend
            .unwrap(),
        "ghcr.io/acme/x:V1"
    );
}
