//! An edit after which the workspace would not pass `check` is reported like an error of `check`.

use insta::assert_snapshot;

use super::of_one;
use crate::edit::{TRAIN, edited};

#[test]
fn a_value_that_does_not_check_is_shown_and_not_written() {
    let told = of_one(
        TRAIN,
        &[
            &["set", "train", "python-version", "three"],
            &["add", "train", "platform", "amd64"],
            &["add", "train", "packages", "-r x"],
            &["add", "train", "packages", ""],
            &["set", "train", "env", "A B=1"],
            &["set", "train", "source-copy-mode", "al"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec set train python-version three
    error[invalid-value]: `python-version` cannot be `three`
     --> imgspec.kdl:4:20
      |
    4 |     python-version "three"
      |                    ^^^^^^^ a version looks like `3.12`, `3.12.4`, `3.14rc1` or `3.13t`
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec add train platform amd64
    error[invalid-value]: `platform` cannot be `amd64`
     --> imgspec.kdl:3:14
      |
    3 |     platform "amd64"
      |              ^^^^^^^ did you mean `linux/amd64`?
      |
    help: nothing was written: the edit would not pass `imgspec check`
      |
    3 |     platform "linux/amd64"
      |               ++++++

    1 error
    $ imgspec add train packages "-r x"
    error[invalid-value]: `packages` cannot be `-r x`
     --> imgspec.kdl:5:48
      |
    5 |     /* Python */ packages "torch==2.4" "numpy" "-r x" // both
      |                                                ^^^^^^ options belong in `pip-extra-args`, requirements files in `requirements`
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec add train packages ""
    error[invalid-value]: `packages` cannot be empty
     --> imgspec.kdl:5:48
      |
    5 |     /* Python */ packages "torch==2.4" "numpy" "" // both
      |                                                ^^
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec set train env "A B=1"
    error[invalid-value]: `env` cannot have an entry `A B`
     --> imgspec.kdl:6:21
      |
    6 |     env A="1" B="2" "A B"="1"
      |                     ^^^^^ names of environment variables consist of letters, digits and `_`, and cannot begin with a digit
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec set train source-copy-mode al
    error[invalid-value]: `source-copy-mode` cannot be `al`
     --> imgspec.kdl:7:22
      |
    7 |     source-copy-mode "al"
      |                      ^^^^ it must be `all` or `none`
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    "#);
}

#[test]
fn an_edit_that_does_not_check_with_all_else_is_shown_and_not_written() {
    let told = of_one(
        TRAIN,
        &[
            &["set", "train", "base-image", "image=nothing"],
            &["set", "train", "base-image", "image=train"],
            &["set", "train", "requirements", "none.txt"],
            &["set", "train", "builder", "dokcer"],
        ],
    );
    assert_snapshot!(told, @r#"
    $ imgspec set train base-image image=nothing
    error[unknown-image]: unknown base image `nothing`
     --> imgspec.kdl:3:22
      |
    3 |     base-image image="nothing" // slim
      |                      ^^^^^^^^^ no image of this workspace has this id
      |
      = help: a registry image is named without `image=`: `base-image "nothing"`
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec set train base-image image=train
    error[cycle]: image `train` uses itself as base
     --> imgspec.kdl:3:22
      |
    3 |     base-image image="train" // slim
      |                      ^^^^^^^ `train` is built on `train`
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec set train requirements none.txt
    error[missing-file]: `none.txt` does not exist
     --> imgspec.kdl:4:18
      |
    4 |     requirements "none.txt"
      |                  ^^^^^^^^^^ no such file or directory
      |
      = help: paths are relative to the directory of the manifest that contains them
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    $ imgspec set train builder dokcer
    error[invalid-value]: `builder` cannot be `dokcer`
     --> imgspec.kdl:3:13
      |
    3 |     builder "dokcer"
      |             ^^^^^^^^ did you mean `docker`?
      |
    help: nothing was written: the edit would not pass `imgspec check`
      |
    3 -     builder "dokcer"
    3 +     builder "docker"
      |

    1 error
    "#);
}

#[test]
fn an_edit_that_mends_what_is_wrong_is_written() {
    let wrong = TRAIN.replace("    env", "    python-version \"three\"\n    env");
    assert_eq!(
        edited(&wrong, &["set", "train", "python-version", "3.12"]),
        wrong.replace("three", "3.12")
    );
}

#[test]
fn a_manifest_that_is_wrong_already_is_told_as_it_is() {
    let twice = "image \"a\" {\n    user \"x\"\n    user \"y\"\n    env A=\"1\" A=\"2\"\n}\n";
    let told_twice = of_one(
        twice,
        &[&["set", "a", "user", "z"], &["set", "a", "env", "A=3"]],
    );
    assert_snapshot!(told_twice, @r#"
    $ imgspec set a user z
    error[duplicate-field]: `user` is given twice
     --> imgspec.kdl:3:5
      |
    2 |     user "z"
      |     ---- first here
    3 |     user "y"
      |     ^^^^ again here
      |
      = help: it holds a single value: remove one of the two lines

    error[duplicate-field]: `env` has `A` twice
     --> imgspec.kdl:4:15
      |
    4 |     env A="1" A="2"
      |         -     ^ again here
      |         |
      |         first here
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    2 errors
    $ imgspec set a env A=3
    error[duplicate-field]: `user` is given twice
     --> imgspec.kdl:3:5
      |
    2 |     user "x"
      |     ---- first here
    3 |     user "y"
      |     ^^^^ again here
      |
      = help: it holds a single value: remove one of the two lines

    error[duplicate-field]: `env` has `A` twice
     --> imgspec.kdl:4:15
      |
    4 |     env A="3" A="2"
      |         -     ^ again here
      |         |
      |         first here
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    2 errors
    "#);
    let broken = "image \"a\" {\n    user \"x\n}\n";
    assert_snapshot!(of_one(broken, &[&["set", "a", "user", "z"], &["fmt"]]), @r#"
    $ imgspec set a user z
    error[syntax]: a string is never closed
     --> imgspec.kdl:2:10
      |
    2 |     user "x
      |          ^ begins here
      |
      = help: close it on the same line; a multi-line string begins and ends with `"""`

    1 error
    $ imgspec fmt
    error[syntax]: a string is never closed
     --> imgspec.kdl:2:10
      |
    2 |     user "x
      |          ^ begins here
      |
      = help: close it on the same line; a multi-line string begins and ends with `"""`

    1 error
    "#);
    let two = "image \"a\" {}\nimage \"a\" {}\n";
    assert_snapshot!(of_one(two, &[&["set", "a", "user", "z"]]), @r#"
    $ imgspec set a user z
    error[duplicate-image]: image `a` is declared twice
     --> imgspec.kdl:4:7
      |
    1 | image "a" {
      |       --- first declared here
    ...
    4 | image "a" {}
      |       ^^^ again here
      |
      = help: nothing was written: the edit would not pass `imgspec check`

    1 error
    "#);
}
