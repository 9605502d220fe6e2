//! Variables, defaults, templates, matrices.

use insta::assert_snapshot;

use super::{told, told_of};

#[test]
fn unknown_nodes() {
    assert_snapshot!(told("imge \"app\"\nvolumes \"/data\"\n"), @r#"
    error[unknown-node]: unknown node `imge`
     --> imgspec.kdl:1:1
      |
    1 | imge "app"
      | ^^^^ did you mean `image`?
      |
    help: write it like this
      |
    1 | image "app"
      |   +

    error[unknown-node]: unknown node `volumes`
     --> imgspec.kdl:2:1
      |
    2 | volumes "/data"
      | ^^^^^^^ there is no node with this name
      |
      = help: the top level of a file can have workspace, variable, defaults, template, image, group, builder-instance, allow

    2 errors
    "#);
}

#[test]
fn fields_and_includes_outside_of_their_nodes() {
    assert_snapshot!(told("python-version \"3.12\"\ninclude \"a\"\nimage \"a\" {\n    image \"b\"\n}\n"), @r#"
    error[misplaced]: `python-version` cannot be used outside an image
     --> imgspec.kdl:1:1
      |
    1 | python-version "3.12"
      | ^^^^^^^^^^^^^^ a field belongs in an image, a template or `defaults`
      |
      = help: for all images of this file: `defaults { python-version … }`

    error[misplaced]: `include` cannot be used outside `workspace`
     --> imgspec.kdl:2:1
      |
    2 | include "a"
      | ^^^^^^^ write `workspace { include "…" }`

    error[misplaced]: `image` cannot be used in an image
     --> imgspec.kdl:4:5
      |
    4 |     image "b"
      |     ^^^^^ it belongs at the top of a file

    3 errors
    "#);
}

#[test]
fn unknown_variables() {
    assert_snapshot!(
        told("variable \"registry\" default=\"ghcr.io/acme\"\nimage \"app\" {\n    registry \"{{ regsitry }}/x\"\n    user \"{{ nobody }}\"\n    commands \"docker inspect --format '{{.Id}}'\" \"echo {{ registry\"\n}\n"),
        @r##"
    error[unknown-variable]: unknown variable `regsitry`
     --> imgspec.kdl:3:18
      |
    3 |     registry "{{ regsitry }}/x"
      |                  ^^^^^^^^ did you mean `registry`?
      |
    help: write it like this
      |
    3 -     registry "{{ regsitry }}/x"
    3 +     registry "{{ registry }}/x"
      |

    error[unknown-variable]: unknown variable `nobody`
     --> imgspec.kdl:4:14
      |
    4 |     user "{{ nobody }}"
      |              ^^^^^^ declared neither here nor in a file that includes this one
      |
      = help: declare it: `variable "nobody" default="…"`
      = help: a matrix axis is visible only inside its image; raw strings (`#"…"#`) are taken literally

    error[unknown-variable]: `{{.Id}}` is not a variable
     --> imgspec.kdl:5:42
      |
    5 |     commands "docker inspect --format '{{.Id}}'" "echo {{ registry"
      |                                          ^^^
      |
      = help: for literal braces, write a raw string: `#"…"#`

    error[syntax]: a `{{` is never closed
     --> imgspec.kdl:5:56
      |
    5 |     commands "docker inspect --format '{{.Id}}'" "echo {{ registry"
      |                                                        ^^ a variable's name and `}}` must follow
      |
      = help: for literal braces, write a raw string: `#"…"#`

    4 errors
    "##
    );
}

#[test]
fn variables_without_a_value() {
    assert_snapshot!(told("variable \"a\"\nvariable \"b\" env=\"ACME_B\"\nimage \"app\" {\n    user \"{{ a }}{{ b }}\"\n}\n"), @r#"
    error[no-value]: variable `a` has no value
     --> imgspec.kdl:1:10
      |
    1 | variable "a"
      |          ^^^ it has no default
      |
      = help: pass `--var a=…`, or give it a `default="…"`

    error[no-value]: variable `b` has no value
     --> imgspec.kdl:2:10
      |
    2 | variable "b" env="ACME_B"
      |          ^^^ ACME_B is not set, and there is no default
      |
      = help: set ACME_B, or pass `--var b=…`, or give it a `default="…"`

    2 errors
    "#);
}

#[test]
fn names_that_are_declared_twice() {
    let files = [
        (
            "imgspec.kdl",
            "variable \"v\" default=\"1\"\nvariable \"v\" default=\"2\"\ntemplate \"t\" { }\ntemplate \"t\" { }\nimage \"i\"\nimage \"i\"\nworkspace { include \"a\" }\n",
        ),
        (
            "a/imgspec.kdl",
            "variable \"v\" default=\"3\"\nimage \"i\"\n",
        ),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[duplicate-variable]: variable `v` is declared twice
     --> imgspec.kdl:2:10
      |
    1 | variable "v" default="1"
      |          --- first declared here
    2 | variable "v" default="2"
      |          ^^^ again here

    error[duplicate-template]: template `t` is declared twice
     --> imgspec.kdl:4:10
      |
    3 | template "t" { }
      |          --- first declared here
    4 | template "t" { }
      |          ^^^ again here

    error[duplicate-image]: image `i` is declared twice
     --> imgspec.kdl:6:7
      |
    5 | image "i"
      |       --- first declared here
    6 | image "i"
      |       ^^^ again here

    error[duplicate-variable]: variable `v` is declared twice
     --> a/imgspec.kdl:1:10
      |
    1 | variable "v" default="3"
      |          ^^^ again here
      |
     ::: imgspec.kdl:1:10
      |
    1 | variable "v" default="1"
      |          --- first declared here
      |
      = help: declarations are visible in included files, where no name may shadow another

    error[duplicate-image]: image `i` is declared twice
     --> a/imgspec.kdl:2:7
      |
    2 | image "i"
      |       ^^^ again here
      |
     ::: imgspec.kdl:5:7
      |
    5 | image "i"
      |       --- first declared here

    5 errors
    "#);
}

#[test]
fn defaults_that_stand_twice_or_have_a_name() {
    assert_snapshot!(told("defaults \"x\" { user \"a\" }\ndefaults { user \"b\" }\nimage \"i\"\n"), @r#"
    error[too-many-arguments]: `defaults` has no name
     --> imgspec.kdl:1:10
      |
    1 | defaults "x" { user "a" }
      |          ^^^
      |
      = help: to name a set of fields, use a `template`

    error[duplicate-node]: `defaults` is given twice in one file
     --> imgspec.kdl:2:1
      |
    1 | defaults "x" { user "a" }
      | -------- first here
    2 | defaults { user "b" }
      | ^^^^^^^^ again here
      |
      = help: merge the two

    2 errors
    "#);
}

#[test]
fn declarations_without_a_name() {
    assert_snapshot!(told("variable\ntemplate { }\nimage { }\nimage \"a\" \"b\"\nvariable \"a b\" default=\"x\"\n"), @r#"
    error[missing-argument]: a variable needs a name
     --> imgspec.kdl:1:1
      |
    1 | variable
      | ^^^^^^^^ nothing follows
      |
      = help: write `variable "name" …`

    error[missing-argument]: a template needs a name
     --> imgspec.kdl:2:1
      |
    2 | template { }
      | ^^^^^^^^ nothing follows
      |
      = help: write `template "name" …`

    error[missing-argument]: an image needs an id
     --> imgspec.kdl:3:1
      |
    3 | image { }
      | ^^^^^ nothing follows
      |
      = help: write `image "name" { … }`

    error[too-many-arguments]: an image has one id
     --> imgspec.kdl:4:11
      |
    4 | image "a" "b"
      |           ^^^ one too many

    error[invalid-value]: a variable cannot be called `a b`
     --> imgspec.kdl:5:10
      |
    5 | variable "a b" default="x"
      |          ^^^^^ a name consists of letters, digits, `_` and `-`, and begins with a letter

    5 errors
    "#);
}

#[test]
fn ids_that_cannot_name_files() {
    assert_snapshot!(told("image \"a/b\"\nimage \"..\"\nimage \"x{{ v }}\" { matrix { v \"ubuntu:22.04\" } }\n"), @r#"
    error[invalid-value]: an image cannot be called `a/b`
     --> imgspec.kdl:1:7
      |
    1 | image "a/b"
      |       ^^^^^ an id cannot contain `/`: only letters, digits, `.`, `_`, `-`

    error[invalid-value]: an image cannot be called `..`
     --> imgspec.kdl:2:7
      |
    2 | image ".."
      |       ^^^^ an id begins and ends with a letter or digit

    error[invalid-value]: an image cannot be called `xubuntu:22.04`
     --> imgspec.kdl:3:7
      |
    3 | image "x{{ v }}" { matrix { v "ubuntu:22.04" } }
      |       ^^^^^^^^^^ an id cannot contain `:`: only letters, digits, `.`, `_`, `-`

    3 errors
    "#);
}

#[test]
fn flags_that_name_nothing() {
    assert_snapshot!(
        told_of(
            &[("imgspec.kdl", "variable \"registry\" default=\"a\"\nimage \"train\" { registry \"{{ registry }}\" }\n")],
            &["var:regsitry=b", "var:other=c", "set:trian.user=x", "set:train.platform=linux/x86_64", "set:train.user=a b", "set:train.copy=x"],
        ),
        @r#"
    error[unknown-image]: no image matches `trian`
     --> --set:1:1
      |
    1 | trian.user=x
      | ^^^^^ did you mean `train`?

    error[invalid-value]: `platform` cannot be `linux/x86_64`
     --> --set:1:16
      |
    1 | train.platform=linux/x86_64
      |                ^^^^^^^^^^^^ did you mean `linux/amd64`?

    error[invalid-value]: `user` cannot be `a b`
     --> --set:1:12
      |
    1 | train.user=a b
      |            ^^^ it must be a name or number, optionally followed by `:` and a group, such as `app` or `1000:1000`

    error[invalid-value]: `copy` cannot be set on the command line
     --> --set:1:7
      |
    1 | train.copy=x
      |       ^^^^
      |
      = help: set it in the manifest, using variables for the parts that change

    error[unknown-variable]: unknown variable `regsitry`
     --> --var:1:1
      |
    1 | regsitry=b
      | ^^^^^^^^ did you mean `registry`?

    error[unknown-variable]: unknown variable `other`
     --> --var:1:1
      |
    1 | other=c
      | ^^^^^ no manifest declares it
      |
      = help: declare it: `variable "other"`

    6 errors
    "#
    );
}
