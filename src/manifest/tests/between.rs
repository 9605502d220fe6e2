//! Relations between images.

use insta::assert_snapshot;

use super::{told, told_of};

#[test]
fn an_image_on_itself() {
    assert_snapshot!(told("image \"a\" {\n    base-image image=\"a\"\n}\nimage \"b\" {\n    copy image=\"b\" \"/x\"\n}\n"), @r#"
    error[cycle]: image `a` uses itself as base
     --> imgspec.kdl:2:22
      |
    2 |     base-image image="a"
      |                      ^^^ `a` is built on `a`

    error[cycle]: image `b` copies files from itself
     --> imgspec.kdl:5:16
      |
    5 |     copy image="b" "/x"
      |                ^^^ `b` copies from `b`

    2 errors
    "#);
}

#[test]
fn two_images_on_each_other() {
    assert_snapshot!(told("image \"a\" {\n    base-image image=\"b\"\n}\nimage \"b\" {\n    copy image=\"a\" \"/x\" to=\"/y\"\n}\n"), @r#"
    error[cycle]: images depend on each other in a cycle: `a` -> `b` -> `a`
     --> imgspec.kdl:2:22
      |
    2 |     base-image image="b"
      |                      ^^^ `a` is built on `b`
    ...
    5 |     copy image="a" "/x" to="/y"
      |                --- `b` copies from `a`
      |
      = help: one of them must be built on something else

    1 error
    "#);
}

#[test]
fn many_images_of_many_files_in_a_circle() {
    let files = [
        (
            "imgspec.kdl",
            "workspace { include \"*/\" }\nimage \"a\" {\n    base-image image=\"b\"\n}\n",
        ),
        (
            "b/imgspec.kdl",
            "image \"b\" {\n    base-image image=\"c\"\n}\n",
        ),
        (
            "c/imgspec.kdl",
            "image \"c\" {\n    base-image image=\"d\"\n}\nimage \"d\" {\n    base-image image=\"a\"\n}\n",
        ),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[cycle]: images depend on each other in a cycle: `a` -> `b` -> `c` -> `d` -> `a`
     --> imgspec.kdl:3:22
      |
    3 |     base-image image="b"
      |                      ^^^ `a` is built on `b`
      |
     ::: b/imgspec.kdl:2:22
      |
    2 |     base-image image="c"
      |                      --- `b` is built on `c`
      |
     ::: c/imgspec.kdl:2:22
      |
    2 |     base-image image="d"
      |                      --- `c` is built on `d`
    ...
    5 |     base-image image="a"
      |                      --- `d` is built on `a`
      |
      = help: one of them must be built on something else

    1 error
    "#);
}

#[test]
fn unknown_images() {
    assert_snapshot!(told("image \"ml-base\"\nimage \"a\" {\n    base-image image=\"ml-bsae\"\n    copy image=\"nothing\" \"/x\"\n}\nimage \"b\" {\n    base-image image=\"debian\"\n}\n"), @r#"
    error[unknown-image]: unknown base image `ml-bsae`
     --> imgspec.kdl:3:22
      |
    3 |     base-image image="ml-bsae"
      |                      ^^^^^^^^^ did you mean `ml-base`?
      |
    help: write it like this
      |
    3 -     base-image image="ml-bsae"
    3 +     base-image image="ml-base"
      |

    error[unknown-image]: unknown image `nothing`
     --> imgspec.kdl:4:16
      |
    4 |     copy image="nothing" "/x"
      |                ^^^^^^^^^ no image of this workspace has this id

    error[unknown-image]: unknown base image `debian`
     --> imgspec.kdl:7:22
      |
    7 |     base-image image="debian"
      |                      ^^^^^^^^ no image of this workspace has this id
      |
      = help: a registry image is named without `image=`: `base-image "debian"`

    3 errors
    "#);
}

#[test]
fn a_base_that_could_be_meant_in_two_ways() {
    assert_snapshot!(told("image \"ml-base\"\nimage \"a\" {\n    base-image \"ml-base\"\n}\nimage \"b\" {\n    base-image \"ml-bsae\"\n}\nimage \"c\" {\n    base-image \"ml-base:latest\"\n}\n"), @r#"
    warning[ambiguous-base]: base image `ml-base` is taken from a registry, but an image of this workspace has that id
     --> imgspec.kdl:3:16
      |
    1 | image "ml-base"
      |       --------- `ml-base` of this workspace
    2 | image "a" {
    3 |     base-image "ml-base"
      |                ^^^^^^^^^ Docker would pull `docker.io/library/ml-base`
      |
      = help: to pull it nevertheless, add its tag: `ml-base:…`
    help: to build on the image of this workspace
      |
    3 |     base-image image="ml-base"
      |                ++++++

    warning[ambiguous-base]: base image `ml-bsae` is taken from a registry, but it resembles the id `ml-base`
     --> imgspec.kdl:6:16
      |
    6 |     base-image "ml-bsae"
      |                ^^^^^^^^^ Docker would pull `docker.io/library/ml-bsae`
      |
      = help: to pull it nevertheless, add its tag: `ml-bsae:…`
    help: to build on the image `ml-base` of this workspace
      |
    6 -     base-image "ml-bsae"
    6 +     base-image image="ml-base"
      |

    warning[floating-base]: base `ml-base:latest` has no fixed tag
     --> imgspec.kdl:9:16
      |
    9 |     base-image "ml-base:latest"
      |                ^^^^^^^^^^^^^^^^ it is whatever was pushed last
      |
      = help: builds with the same key may get different bases: use a fixed tag, such as `debian:bookworm-slim`, or pin it with `imgspec lock`

    3 warnings
    "#);
}

#[test]
fn two_images_with_one_reference() {
    assert_snapshot!(told("image \"a\" {\n    name \"x\"\n}\nimage \"b\" {\n    name \"x\"\n    tag-format \"{spec_hash}\"\n}\nimage \"c\" {\n    name \"x\"\n    tag-format \"{spec_hash}-c\"\n}\nimage \"x\"\nimage \"s{{ v }}\" {\n    matrix { v \"1\" \"2\" }\n    name \"serve\"\n}\n"), @r#"
    error[one-reference]: images `a` and `b` are both called `x`
     --> imgspec.kdl:5:10
      |
    2 |     name "x"
      |          --- `a` is named here
    ...
    5 |     name "x"
      |          ^^^ `b` is named here
      |
      = help: give one of them another `name`, or each a `tag-format` of its own, such as "{spec_hash}-cpu"

    error[one-reference]: images `a` and `x` are both called `x`
      --> imgspec.kdl:12:7
       |
     2 |     name "x"
       |          --- `a` is named here
    ...
    12 | image "x"
       |       ^^^ `x` is named here
       |
       = help: give one of them another `name`, or each a `tag-format` of its own, such as "{spec_hash}-cpu"

    error[one-reference]: images `s1` and `s2` are both called `serve`
      --> imgspec.kdl:15:10
       |
    15 |     name "serve"
       |          ^^^^^^^ set for both `s1` and `s2`
       |
       = help: give one of them another `name`, or each a `tag-format` of its own, such as "{spec_hash}-cpu"

    3 errors
    "#);
}
