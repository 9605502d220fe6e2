//! What Docker, apt, pip and conda accept, and what they would reject or misread.

use super::names::{check_name, check_reference, check_registry, check_tag_format, format_tag};
use super::packages::*;
use super::values::*;
use super::{Refused, ValueRule};

fn why(result: Result<(), Refused>) -> String {
    result.map_or_else(|refused| refused.why, |()| "fine".into())
}

#[track_caller]
fn takes(rule: ValueRule, good: &[&str], bad: &[&str]) {
    for value in good {
        assert_eq!(rule(value), Ok(()), "{value}");
    }
    for value in bad {
        assert!(rule(value).is_err(), "{value:?}");
    }
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
        check_name("Train").unwrap_err().fix.as_deref(),
        Some("train")
    );
    assert!(check_name(&"a".repeat(256)).is_err());
}

#[test]
fn schemes_without_end_are_refused_in_no_time() {
    // Found by fuzzing: the function called itself once per scheme until the stack overflowed.
    let text = format!("{}r.test/a", "https://".repeat(100_000));
    let fix = |result: Result<(), Refused>| result.unwrap_err().fix;
    assert_eq!(fix(check_reference(&text)).as_deref(), Some("r.test/a"));
    assert_eq!(fix(check_registry(&text)).as_deref(), Some("r.test/a"));
}

#[test]
fn nothing_but_a_port_follows_an_ipv6_address() {
    // Found by fuzzing: anything after the bracket was accepted, even a line break followed by an instruction.
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
    let fix = |registry| check_registry(registry).unwrap_err().fix.unwrap();
    assert_eq!(fix("https://ghcr.io/acme/"), "ghcr.io/acme");
    assert_eq!(fix("ghcr.io/Acme"), "ghcr.io/acme");
    assert_eq!(fix("ghcr.io/"), "ghcr.io");
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
            .fix
            .unwrap(),
        "ghcr.io/acme/x:V1"
    );
}

#[test]
fn tag_formats_are_python_s_and_make_tags() {
    let hash = "0123456789abcdef";
    let tag = |format| format_tag(format, hash).unwrap();
    assert_eq!(tag("{spec_hash}-cpu"), "0123456789abcdef-cpu");
    assert_eq!(tag("v1-{spec_hash:.4}"), "v1-0123");
    assert_eq!(tag("{spec_hash:}"), hash);
    assert_eq!(tag("{spec_hash:.99}"), hash);
    assert_eq!(tag("a{{b}}c"), "a{b}c");
    for format in [
        "{}",
        "{x}",
        "{spec_hash:8}",
        "{spec_hash!r}",
        "{spec_hash",
        "x}",
        "{spec_hash:.+8}",
        "",
        "-{spec_hash}",
        "a b",
        "{{x}}",
    ] {
        assert!(check_tag_format(format).is_err(), "{format}");
    }
    assert!(check_tag_format(&format!("{}{{spec_hash}}", "a".repeat(97))).is_err());
    assert!(check_tag_format(&format!("{}{{spec_hash}}", "a".repeat(96))).is_ok());
}

#[test]
fn ids_can_name_files_and_stand_in_selections() {
    takes(
        id,
        &["a", "ml-base", "py3.12", "A_b"],
        &[
            "", "a/b", ".a", "a.", "-a", "..", "a..b", "a b", "é", "!a", "a*",
        ],
    );
    assert!(id(&"a".repeat(129)).is_err());
}

#[test]
fn the_other_rules_take_what_docker_takes() {
    takes(
        platform,
        &["linux/amd64", "linux/arm/v7"],
        &["", "amd64", "linux", "windows/amd64"],
    );
    takes(
        user,
        &["app", "1000", "app:staff", "1000:1000", "_x"],
        &["", ":", "app:", "a b", "-x", "a:b:c", "root\nRUN x"],
    );
    takes(absolute, &["/", "/app"], &["", "app", "/a\nb"]);
    takes(
        env_name,
        &["A", "_a1", "a.b-c"],
        &["", "1A", "A B", "A=B", "é", "A\n", "IMGSPEC_NEWLINE"],
    );
    takes(
        label_name,
        &["a", "org.opencontainers.image.source", "x/y"],
        &["", ".a", "a b", "dev.imgspec.key", "a\""],
    );
    takes(builder, &["docker", "oci", "fake"], &["", "dokcer"]);
    takes(command, &["true", "a\nb"], &["", " \n", "a\0"]);
}

#[test]
fn no_apt_package_can_be_an_option_or_a_removal() {
    takes(
        apt_package,
        &[
            "git",
            "g++",
            "libstdc++6",
            "libc6:amd64",
            "git=1:2.39.2-1.1",
            "0ad",
        ],
        &[
            "",
            "-y",
            "git-",
            "a",
            "git curl",
            "git\ncurl",
            "git;",
            "git=",
            "git=a b",
            "git=$(x)",
            "python3.*",
            "git/stable",
            "git>=2",
            "git:-",
        ],
    );
    assert_eq!(apt_package("Git").unwrap_err().fix.as_deref(), Some("git"));
}

#[test]
fn no_requirement_can_be_an_option() {
    takes(
        requirement,
        &[
            "numpy",
            "torch==2.5.1",
            "x @ https://example.org/x.whl",
            "a[b]>=1; python_version<'3.12'",
        ],
        &["", " ", "-r x", " --pre", "a\nb", "# x", "a\0"],
    );
}

#[test]
fn versions_urls_and_arguments_are_whole() {
    takes(
        python_version,
        &["3", "3.12", "3.12.4", "3.14rc1", "3.13t", "3.14.0a2"],
        &[
            "",
            "3.",
            "x",
            ">=3.9",
            "3.12.4.5",
            "3.12-slim",
            "3..1",
            "t",
            "3.12 ",
        ],
    );
    takes(
        url,
        &["https://example.org/simple", "file:///x"],
        &["", "example.org", "https://a b", "-x"],
    );
    takes(shell_words, &["--no-deps", "--x 'a b'"], &["", "'", "a\\"]);
}
