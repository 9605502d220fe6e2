//! Edits that are not possible here, or would not pass `check`: reported with their location, and nothing is written.

mod inherited;
mod unchecked;

use insta::assert_snapshot;

use super::TRAIN;
use crate::sandbox::Sandbox;

/// The messages for rejected edits of a workspace; each must leave all files unchanged.
#[track_caller]
fn told(files: &[(&str, &str)], edits: &[&[&str]]) -> String {
    let sandbox = Sandbox::with(files);
    let mut told = String::new();
    for arguments in edits {
        let ran = sandbox.run(arguments).code(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        for (path, text) in files {
            assert_eq!(sandbox.read(path), *text, "{arguments:?}");
        }
        let shown = arguments.iter().map(|word| shown(word)).collect::<Vec<_>>();
        told += &format!("$ imgspec {}\n{}", shown.join(" "), ran.stderr);
    }
    told
}

/// An argument as typed in a shell.
fn shown(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '\n']) {
        return format!("{word:?}");
    }
    word.to_owned()
}

#[track_caller]
fn of_one(text: &str, edits: &[&[&str]]) -> String {
    told(&[("imgspec.kdl", text)], edits)
}

#[test]
fn what_is_unknown_is_suggested() {
    let told = of_one(
        TRAIN,
        &[
            &["add", "trian", "packages", "x"],
            &["add", "nothing-like-it", "packages", "x"],
            &["add", "train", "pip", "x"],
            &["add", "train", "pakages", "x"],
            &["set", "train", "extends", "x"],
            &["set", "train", "nothing-such", "x"],
            &["remove", "train", "packages", "torsh"],
            &["remove", "train", "env", "AA"],
            &["remove", "train", "user"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec add trian packages x
    error[usage]: there is no image `trian`
     |
     = help: did you mean `train`?

    1 error
    $ imgspec add nothing-like-it packages x
    error[usage]: there is no image `nothing-like-it`
     |
     = help: `imgspec graph show '*'` lists the images

    1 error
    $ imgspec add train pip x
    error[usage]: there is no field `pip`
     |
     = help: did you mean `packages`?

    1 error
    $ imgspec add train pakages x
    error[usage]: there is no field `pakages`
     |
     = help: did you mean `packages`?

    1 error
    $ imgspec set train extends x
    error[usage]: commands cannot edit `extends`
     |
     = help: edit the image by hand

    1 error
    $ imgspec set train nothing-such x
    error[usage]: there is no field `nothing-such`
     |
     = help: docs/manifest.md lists all fields

    1 error
    $ imgspec remove train packages torsh
    error[not-there]: "torsh" is not in `packages` of image `train`
     --> imgspec.kdl:5:18
      |
    5 |     /* Python */ packages "torch==2.4" "numpy" // both
      |                  ^^^^^^^^ did you mean "torch"?

    1 error
    $ imgspec remove train env AA
    error[not-there]: "AA" is not in `env` of image `train`
     --> imgspec.kdl:6:5
      |
    6 |     env A="1" B="2"
      |     ^^^ did you mean "A"?

    1 error
    $ imgspec remove train user
    error[not-there]: image `train` has no `user`
     --> imgspec.kdl:2:7
      |
    2 | image "train" { // one
      |       ^^^^^^^

    1 error
    "#);
}

#[test]
fn what_no_command_edits_is_said() {
    let told = of_one(
        TRAIN,
        &[
            &["remove", "train", "packages"],
            &["add", "train", "user", "x"],
            &["set", "train", "user", "x", "y"],
            &["add", "train", "copy", "x"],
            &["set", "train", "env", "A"],
            &["set", "train", "env", "=1"],
            &["set", "train", "env", "reset=1"],
            &["set", "train", "env", "A={{ \n }}"],
            &["--set", "train.user=x", "set", "train", "user", "y"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec remove train packages
    error[usage]: no values of `packages` to remove were given
     |
     = help: list them after the field

    1 error
    $ imgspec add train user x
    error[usage]: `user` holds a single value
     |
     = help: write `imgspec set train user VALUE`

    1 error
    $ imgspec set train user x y
    error[usage]: `user` holds a single value
     |
     = help: write `imgspec set train user VALUE`

    1 error
    $ imgspec add train copy x
    error[by-hand]: commands cannot edit `copy`
     --> imgspec.kdl:2:7
      |
    2 | image "train" { // one
      |       ^^^^^^^ edit it here by hand
      |
      = help: commands can edit strings, paths, lists and maps

    1 error
    $ imgspec set train env A
    error[usage]: `env` takes `NAME=VALUE` pairs, and "A" has no name
     |
     = help: write `NAME=VALUE`

    1 error
    $ imgspec set train env =1
    error[usage]: `env` takes `NAME=VALUE` pairs, and "=1" has no name
     |
     = help: write `NAME=VALUE`

    1 error
    $ imgspec set train env reset=1
    error[usage]: commands cannot edit an entry of `env` named `reset`
     |
     = help: write it by hand: `env { reset "1" }`

    1 error
    $ imgspec set train env "A={{ \n }}"
    error[usage]: commands cannot write a value that has both `{{` and invisible characters
     |
     = help: write it into the manifest by hand

    1 error
    $ imgspec --set train.user=x set train user y
    error[usage]: `--set` applies to a single run, but an edit is permanent
     |
     = help: `imgspec set IMAGE FIELD VALUE` writes a field into the manifest

    1 error
    "#);
}

#[test]
fn what_would_take_a_comment_along_is_left_to_its_writer() {
    let text = r#"image "a" {
    packages /-"old" "b" \ // two
        // end
    env {
        A /* why */ "1"
    }
    copy "src" to="/src"
}
"#;
    let told = of_one(
        text,
        &[
            &["remove", "a", "packages", "b"],
            &["remove", "a", "env", "A"],
            &["remove", "a", "copy", "src"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec remove a packages b
    error[by-hand]: `packages` of image `a` must be edited by hand
     --> imgspec.kdl:2:14
      |
    2 |     packages /-"old" "b" \ // two
      |              ^^ this would be removed with it

    1 error
    $ imgspec remove a env A
    error[by-hand]: `env` of image `a` must be edited by hand
     --> imgspec.kdl:5:11
      |
    5 |         A /* why */ "1"
      |           ^^^^^^^^^ this would be removed with it

    1 error
    $ imgspec remove a copy src
    error[by-hand]: commands cannot edit `copy`
     --> imgspec.kdl:7:5
      |
    7 |     copy "src" to="/src"
      |     ^^^^ edit it here by hand
      |
      = help: commands can edit strings, paths, lists and maps

    1 error
    "#);
}

#[test]
fn a_template_is_looked_up_by_its_name() {
    let root = r#"workspace { include "a" "b"; }
template "service" { env A="1"; }
image "web" extends="service" { base-image "debian:12.5"; }
"#;
    let other = |name: &str| {
        format!(
            "template \"own\" {{ env A=\"1\"; }}\nimage \"{name}\" extends=\"own\" {{ base-image \"debian:12.5\"; }}\n"
        )
    };
    let (a, b) = (other("a"), other("b"));
    let files = [
        ("imgspec.kdl", root),
        ("a/imgspec.kdl", a.as_str()),
        ("b/imgspec.kdl", b.as_str()),
    ];
    let told = told(
        &files,
        &[
            &["add", "--template", "servcie", "packages", "x"],
            &["add", "--template", "web", "packages", "x"],
            &["add", "service", "packages", "x"],
            &["add", "--template", "far-from-any", "packages", "x"],
            &["add", "--template", "own", "packages", "x"],
            &["remove", "--template", "service", "env", "B"],
            &["remove", "--template", "service", "user"],
            &["add", "--template", "service", "user", "x"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec add --template servcie packages x
    error[usage]: there is no template `servcie`
     |
     = help: did you mean `service`?

    1 error
    $ imgspec add --template web packages x
    error[usage]: there is no template `web`
     |
     = help: without `--template`, the image `web` is edited

    1 error
    $ imgspec add service packages x
    error[usage]: there is no image `service`
     |
     = help: with `--template`, the template `service` is edited

    1 error
    $ imgspec add --template far-from-any packages x
    error[usage]: there is no template `far-from-any`
     |
     = help: the templates are `own`, `service`

    1 error
    $ imgspec add --template own packages x
    error[by-hand]: template `own` is declared in 2 files
     --> a/imgspec.kdl:1:10
      |
    1 | template "own" { env A="1"; }
      |          ^^^^^
      |
     ::: b/imgspec.kdl:1:10
      |
    1 | template "own" { env A="1"; }
      |          -----
      |
      = help: each applies in its own directory: edit the one that is meant by hand

    1 error
    $ imgspec remove --template service env B
    error[not-there]: "B" is not in `env` of template `service`
     --> imgspec.kdl:2:22
      |
    2 | template "service" { env A="1"; }
      |                      ^^^

    1 error
    $ imgspec remove --template service user
    error[not-there]: template `service` has no `user`
     --> imgspec.kdl:2:10
      |
    2 | template "service" { env A="1"; }
      |          ^^^^^^^^^

    1 error
    $ imgspec add --template service user x
    error[usage]: `user` holds a single value
     |
     = help: write `imgspec set --template service user VALUE`

    1 error
    "#);
}
