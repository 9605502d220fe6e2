//! Edits that cannot be made here, or would not check: told with their places, and nothing is written.

use super::{TRAIN, edited, refused};

const INHERITED: &str = r#"defaults {
    registry "ghcr.io/acme"
    labels team="ml"
}
template "service" {
    python-version "3.12"
    packages "uvicorn==0.30"
    env PORT="8080"
}
image "web" extends="service" {
    base-image "debian:bookworm-slim"
}
image "py{{ v }}" {
    matrix { v "3.11" "3.12" }
    python-version "{{ v }}"
}
"#;

#[test]
fn what_a_template_defaults_or_a_matrix_says_is_refused_with_its_place() {
    for (arguments, place, words) in [
        (
            &["set", "web", "python-version", "3.13"][..],
            "imgspec.kdl:6:20",
            "`python-version` of image `web` comes from template `service`",
        ),
        (
            &["add", "web", "packages", "uvicorn==0.31"],
            "imgspec.kdl:7:14",
            "comes from template `service`",
        ),
        (
            &["remove", "web", "packages", "uvicorn"],
            "imgspec.kdl:7:14",
            "`packages reset=#true` in the image drops all that it inherits",
        ),
        (
            &["set", "web", "packages", "a"],
            "imgspec.kdl:7:14",
            "comes from template `service`",
        ),
        (
            &["set", "web", "env", "PORT=1"],
            "imgspec.kdl:8:14",
            "for `web` alone, write it into the image: `env PORT=\"1\"`",
        ),
        (
            &["remove", "web", "labels", "team"],
            "imgspec.kdl:3:17",
            "comes from `defaults`",
        ),
        (
            &["set", "web", "registry", "x.io"],
            "imgspec.kdl:2:14",
            "edit it here, for all images below it",
        ),
        (
            &["add", "py3.11", "packages", "a"],
            "imgspec.kdl:13:7",
            "image `py3.11` is one of the 2 of a matrix",
        ),
    ] {
        refused(INHERITED, arguments).says(place).says(words);
    }
    // What is new takes nothing away from what is inherited, and is the image's own.
    let added = edited(INHERITED, &["add", "web", "packages", "httptools"]);
    assert_eq!(
        added,
        INHERITED.replace("slim\"\n", "slim\"\n    packages \"httptools\"\n")
    );
    let env = edited(INHERITED, &["set", "web", "env", "HOST=::"]);
    assert_eq!(
        env,
        INHERITED.replace("slim\"\n", "slim\"\n    env HOST=\"::\"\n")
    );
    // Words that the image says itself take the place of all that it would inherit.
    let words = INHERITED
        .replace("    env PORT", "    cmd \"a\" \"b\" \"c\"\n    env PORT")
        .replace("slim\"\n", "slim\"\n    cmd \"x\"\n");
    let more = edited(&words, &["add", "web", "cmd", "c"]);
    assert_eq!(more, words.replace("\"x\"", "\"x\" \"c\""));
    // What the template says already needs nothing.
    assert_eq!(
        edited(INHERITED, &["set", "web", "env", "PORT=8080"]),
        INHERITED
    );
}

#[test]
fn what_drops_the_inherited_goes_on_dropping_it() {
    let text = INHERITED.replace("slim\"\n", "slim\"\n    packages \"a\" reset=#true\n");
    let gone = edited(&text, &["remove", "web", "packages", "a"]);
    assert_eq!(gone, text.replace(" \"a\" reset", " reset"));
    assert_eq!(
        edited(&gone, &["add", "web", "packages", "a"]),
        text.replace("\"a\" reset=#true", "reset=#true \"a\"")
    );
}

#[test]
fn what_is_unknown_is_suggested_and_what_no_command_edits_is_said() {
    for (arguments, words) in [
        (
            &["add", "trian", "packages", "x"][..],
            "did you mean `train`?",
        ),
        (&["add", "train", "pip", "x"], "did you mean `packages`?"),
        (
            &["set", "train", "nothing-such", "x"],
            "there is no field `nothing-such`",
        ),
        (
            &["remove", "train", "packages", "torsh"],
            "did you mean \"torch\"?",
        ),
        (
            &["remove", "train", "env", "AA"],
            "\"AA\" is not in `env` of image `train`",
        ),
        (&["remove", "train", "user"], "image `train` has no `user`"),
        (
            &["remove", "train", "packages"],
            "which values of `packages` are to be removed is not said",
        ),
        (
            &["add", "train", "user", "x"],
            "write `imgspec set train user VALUE`",
        ),
        (&["set", "train", "user", "x", "y"], "`user` has one value"),
        (
            &["add", "train", "copy", "x"],
            "`copy` is not edited by a command",
        ),
        (&["set", "train", "env", "A"], "write `NAME=VALUE`"),
        (
            &["set", "train", "env", "reset=1"],
            "write it by hand: `env { reset \"1\" }`",
        ),
        (
            &["--set", "train.user=x", "set", "train", "user", "y"],
            "`--set` is for one run",
        ),
    ] {
        refused(TRAIN, arguments).says(words);
    }
}

#[test]
fn an_edit_that_does_not_check_is_shown_and_not_written() {
    for (arguments, words) in [
        (
            &["set", "train", "python-version", "three"][..],
            "`python-version` cannot be `three`",
        ),
        (
            &["set", "train", "base-image", "image=nothing"],
            "unknown base image `nothing`",
        ),
        (
            &["set", "train", "requirements", "none.txt"],
            "`none.txt` does not exist",
        ),
        (
            &["add", "train", "platform", "amd64"],
            "did you mean `linux/amd64`?",
        ),
        (
            &["add", "train", "packages", "-r x"],
            "options go to `pip-extra-args`",
        ),
        (
            &["set", "train", "env", "A B=1"],
            "`env` cannot have an entry `A B`",
        ),
        (
            &["set", "train", "builder", "dokcer"],
            "did you mean `docker`?",
        ),
    ] {
        refused(TRAIN, arguments)
            .says(words)
            .says("nothing was written")
            .says("--> imgspec.kdl:");
    }
    // An edit that mends what is wrong is written.
    let wrong = TRAIN.replace("    env", "    python-version \"three\"\n    env");
    assert_eq!(
        edited(&wrong, &["set", "train", "python-version", "3.12"]),
        wrong.replace("three", "3.12")
    );
}
