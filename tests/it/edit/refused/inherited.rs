//! Inherited values cannot be edited through an image; values that it adds can.

use insta::assert_snapshot;

use super::{of_one, told};
use crate::edit::edited;
use crate::sandbox::{Ran, Sandbox};

const INHERITED: &str = r#"defaults {
    registry "ghcr.io/acme"
    labels team="ml"
}
template "service" {
    python-version "3.12"
    packages "uvicorn==0.30"
    env PORT="8080"
    cmd "serve" "--all"
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
fn what_a_template_says_is_refused_with_its_place() {
    let told = of_one(
        INHERITED,
        &[
            &["set", "web", "python-version", "3.13"],
            &["add", "web", "packages", "uvicorn==0.31"],
            &["remove", "web", "packages", "uvicorn"],
            &["set", "web", "packages", "a"],
            &["add", "web", "cmd", "--more"],
            &["set", "web", "env", "PORT=1"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec set web python-version 3.13
    error[inherited]: `python-version` of image `web` comes from template `service`
      --> imgspec.kdl:6:20
       |
     6 |     python-version "3.12"
       |                    ^^^^^^ edit it here, for all images that extend the template
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: to change only `web`, write it in the image: `python-version "3.13"`
       = help: for all of them, give `--template service` instead of `web`

    1 error
    $ imgspec add web packages uvicorn==0.31
    error[inherited]: `packages` of image `web` comes from template `service`
      --> imgspec.kdl:7:14
       |
     7 |     packages "uvicorn==0.30"
       |              ^^^^^^^^^^^^^^^ edit it here, for all images that extend the template
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: `packages reset=#true …` in the image discards everything it inherits
       = help: for all of them, give `--template service` instead of `web`

    1 error
    $ imgspec remove web packages uvicorn
    error[inherited]: `packages` of image `web` comes from template `service`
      --> imgspec.kdl:7:14
       |
     7 |     packages "uvicorn==0.30"
       |              ^^^^^^^^^^^^^^^ edit it here, for all images that extend the template
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: `packages reset=#true` in the image discards everything it inherits
       = help: for all of them, give `--template service` instead of `web`

    1 error
    $ imgspec set web packages a
    error[inherited]: `packages` of image `web` comes from template `service`
      --> imgspec.kdl:7:14
       |
     7 |     packages "uvicorn==0.30"
       |              ^^^^^^^^^^^^^^^ edit it here, for all images that extend the template
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: `packages reset=#true …` in the image discards everything it inherits
       = help: for all of them, give `--template service` instead of `web`

    1 error
    $ imgspec add web cmd --more
    error[inherited]: `cmd` of image `web` comes from template `service`
      --> imgspec.kdl:9:9
       |
     9 |     cmd "serve" "--all"
       |         ^^^^^^^ edit it here, for all images that extend the template
    10 | }
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: to change only `web`, write it in the image: `cmd "serve" "--all" "--more"`
       = help: for all of them, give `--template service` instead of `web`

    1 error
    $ imgspec set web env PORT=1
    error[inherited]: `env` of image `web` comes from template `service`
      --> imgspec.kdl:8:14
       |
     8 |     env PORT="8080"
       |              ^^^^^^ edit it here, for all images that extend the template
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: to change only `web`, write it in the image: `env PORT="1"`
       = help: for all of them, give `--template service` instead of `web`

    1 error
    "#);
}

#[test]
fn what_defaults_or_a_matrix_says_is_refused_with_its_place() {
    let told = of_one(
        INHERITED,
        &[
            &["remove", "web", "labels", "team"],
            &["set", "web", "registry", "x.io"],
            &["remove", "web", "registry"],
            &["add", "py3.11", "packages", "a"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec remove web labels team
    error[inherited]: `labels` of image `web` comes from `defaults`
      --> imgspec.kdl:3:17
       |
     3 |     labels team="ml"
       |                 ^^^^ edit it here, for all images below it
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: `labels reset=#true` in the image discards everything it inherits

    1 error
    $ imgspec set web registry x.io
    error[inherited]: `registry` of image `web` comes from `defaults`
      --> imgspec.kdl:2:14
       |
     2 |     registry "ghcr.io/acme"
       |              ^^^^^^^^^^^^^^ edit it here, for all images below it
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: to change only `web`, write it in the image: `registry "x.io"`

    1 error
    $ imgspec remove web registry
    error[inherited]: `registry` of image `web` comes from `defaults`
      --> imgspec.kdl:2:14
       |
     2 |     registry "ghcr.io/acme"
       |              ^^^^^^^^^^^^^^ edit it here, for all images below it
    ...
    11 | image "web" extends="service" {
       |       ----- `web` inherits it
       |
       = help: `registry reset=#true` in the image discards everything it inherits

    1 error
    $ imgspec add py3.11 packages a
    error[inherited]: image `py3.11` is one of the 2 images of a matrix
      --> imgspec.kdl:14:7
       |
    14 | image "py{{ v }}" {
       |       ^^^^^^^^^^^ edit it here, for all of them
    15 |     matrix { v "3.11" "3.12" }
       |     ------ this declares several images

    1 error
    "#);
}

#[test]
fn what_is_new_takes_nothing_away_from_what_is_inherited() {
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
    // Arguments set by the image replace everything it would inherit.
    let words = INHERITED.replace("slim\"\n", "slim\"\n    cmd \"x\"\n");
    let more = edited(&words, &["add", "web", "cmd", "--all"]);
    assert_eq!(more, words.replace("\"x\"", "\"x\" \"--all\""));
    // Nothing to do if the template already has the value.
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
fn in_several_files_each_place_is_that_of_its_file() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"services/*\" }\ndefaults { user \"app\" }\ntemplate \"t\" { packages \"a==1\" }\n",
        ),
        (
            "services/api/imgspec.kdl",
            "image \"api\" extends=\"t\" {}\n",
        ),
        (
            "services/web/imgspec.kdl",
            "image \"web\" extends=\"t\" {}\n",
        ),
    ];
    let told = told(
        &files,
        &[
            &["add", "api", "packages", "a==2"],
            &["set", "web", "user", "x"],
            &["set", "web", "base-image", "image=ap"],
            &["fmt", "services/api"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec add api packages a==2
    error[inherited]: `packages` of image `api` comes from template `t`
     --> imgspec.kdl:3:25
      |
    3 | template "t" { packages "a==1" }
      |                         ^^^^^^ edit it here, for all images that extend the template
      |
     ::: services/api/imgspec.kdl:1:7
      |
    1 | image "api" extends="t" {}
      |       ----- `api` inherits it
      |
      = help: `packages reset=#true …` in the image discards everything it inherits
      = help: for all of them, give `--template t` instead of `api`

    1 error
    $ imgspec set web user x
    error[inherited]: `user` of image `web` comes from `defaults`
     --> imgspec.kdl:2:17
      |
    2 | defaults { user "app" }
      |                 ^^^^^ edit it here, for all images below it
      |
     ::: services/web/imgspec.kdl:1:7
      |
    1 | image "web" extends="t" {}
      |       ----- `web` inherits it
      |
      = help: to change only `web`, write it in the image: `user "x"`

    1 error
    $ imgspec set web base-image image=ap
    error[unknown-image]: unknown base image `ap`
     --> services/web/imgspec.kdl:2:22
      |
    2 |     base-image image="ap"
      |                      ^^^^ did you mean `api`?
      |
    help: nothing was written: the edit would not pass `imgspec check`
      |
    2 |     base-image image="api"
      |                         +

    1 error
    $ imgspec fmt services/api
    error[usage]: `services/api` cannot be read: it is a directory, not a file

    1 error
    "#);
    // The file that declares the image is edited, wherever the command is run.
    let sandbox = Sandbox::with(&files);
    let mut command = sandbox.command(&[
        "-C",
        "services",
        "-f",
        "../imgspec.kdl",
        "set",
        "web",
        "workdir",
        "/w",
    ]);
    Ran::of(&mut command)
        .success()
        .says("(services/web/imgspec.kdl:2)");
    assert_eq!(
        sandbox.read("services/web/imgspec.kdl"),
        "image \"web\" extends=\"t\" {\n    workdir \"/w\"\n}\n"
    );
    for (path, text) in &files[..2] {
        assert_eq!(sandbox.read(path), *text);
    }
}
