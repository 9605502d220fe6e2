//! Fields and their values.

use insta::assert_snapshot;

use super::told;

#[test]
fn unknown_fields() {
    assert_snapshot!(told("image \"app\" {\n    pakages \"numpy\"\n    base_image \"debian:12\"\n    run \"make\"\n    restart \"always\"\n}\n"), @r#"
    error[unknown-field]: unknown field `pakages` in an image
     --> imgspec.kdl:2:5
      |
    2 |     pakages "numpy"
      |     ^^^^^^^ did you mean `packages`?
      |
    help: write it like this
      |
    2 |     packages "numpy"
      |       +

    error[unknown-field]: unknown field `base_image` in an image
     --> imgspec.kdl:3:5
      |
    3 |     base_image "debian:12"
      |     ^^^^^^^^^^ did you mean `base-image`?
      |
    help: write it like this
      |
    3 -     base_image "debian:12"
    3 +     base-image "debian:12"
      |

    error[unknown-field]: unknown field `run` in an image
     --> imgspec.kdl:4:5
      |
    4 |     run "make"
      |     ^^^ did you mean `commands`?
      |
    help: write it like this
      |
    4 -     run "make"
    4 +     commands "make"
      |

    error[unknown-field]: unknown field `restart` in an image
     --> imgspec.kdl:5:5
      |
    5 |     restart "always"
      |     ^^^^^^^ no field has this name
      |
      = help: similar names: `registry`; docs/manifest.md lists all fields

    4 errors
    "#);
}

#[test]
fn what_other_tools_call_a_property_suggests_ours() {
    let told = told(
        "image \"app\" {\n    base-image \"a:1\"\n    copy \".\" dest=\"/app\"\n    copy \".\" chown=\"me\" to=\"/b\"\n}\n",
    );
    assert!(told.contains("^^^^ did you mean `to`?"), "{told}");
    assert!(told.contains("^^^^^ did you mean `owner`?"), "{told}");
}

#[test]
fn unknown_properties() {
    assert_snapshot!(told("image \"app\" {\n    copy \".\" too=\"/app\"\n    user \"me\" group=\"us\"\n    base-image img=\"x\" tag=\"y\"\n}\n"), @r#"
    warning[no-ignore-file]: the manifest's entire directory is copied without an ignore file
     --> imgspec.kdl:2:10
      |
    2 |     copy "." too="/app"
      |          ^^^ this includes every file that appears there
      |
      = help: add a `.dockerignore` beside the manifest that excludes, for example, build results and `.venv`; an empty one is enough

    error[unknown-property]: `copy` has no property `too`
     --> imgspec.kdl:2:14
      |
    2 |     copy "." too="/app"
      |              ^^^ did you mean `to`?
      |
    help: write it like this
      |
    2 -     copy "." too="/app"
    2 +     copy "." to="/app"
      |

    error[unknown-property]: `user` has no property `group`
     --> imgspec.kdl:3:15
      |
    3 |     user "me" group="us"
      |               ^^^^^ it takes no properties

    error[unknown-property]: `base-image` has no property `img`
     --> imgspec.kdl:4:16
      |
    4 |     base-image img="x" tag="y"
      |                ^^^^^^^
      |
      = help: it takes `image`, `debian`, `mirror`, `snapshot`, `variant`, `file`, `ref`, `reset`

    error[unknown-property]: `base-image` has no property `tag`
     --> imgspec.kdl:4:24
      |
    4 |     base-image img="x" tag="y"
      |                        ^^^^^^^
      |
      = help: it takes `image`, `debian`, `mirror`, `snapshot`, `variant`, `file`, `ref`, `reset`

    4 errors, 1 warning
    "#);
}

#[test]
fn a_flag_is_a_boolean_or_what_a_variable_says() {
    assert_snapshot!(told("image \"a\" {\n    python-bytecode 1\n}\nimage \"b\" {\n    python-bytecode \"yes\"\n}\n"), @r#"
    error[wrong-type]: `python-bytecode` takes `#true` or `#false`, not a number
     --> imgspec.kdl:2:21
      |
    2 |     python-bytecode 1
      |                     ^

    error[invalid-value]: `python-bytecode` cannot be `yes`
     --> imgspec.kdl:5:21
      |
    5 |     python-bytecode "yes"
      |                     ^^^^^ it must be `#true` or `#false`

    2 errors
    "#);
}

#[test]
fn values_of_the_wrong_type() {
    assert_snapshot!(told("image \"app\" {\n    python-version 3.10\n    user #true\n    workdir #null\n    env \"DEBUG=1\" OTHER=2\n    labels \"x\"\n    packages \"a\" reset=\"yes\"\n    commands {\n        echo \"hi\"\n    }\n}\n"), @r#"
    error[wrong-type]: `python-version` takes a string, not a number
     --> imgspec.kdl:2:20
      |
    2 |     python-version 3.10
      |                    ^^^^ strings need quotes here
      |
    help: write it like this
      |
    2 -     python-version 3.10
    2 +     python-version "3.10"
      |

    error[wrong-type]: `user` takes a string, not a boolean
     --> imgspec.kdl:3:10
      |
    3 |     user #true
      |          ^^^^^ strings need quotes here
      |
    help: write it like this
      |
    3 -     user #true
    3 +     user "true"
      |

    error[wrong-type]: `workdir` takes a string, not `#null`
     --> imgspec.kdl:4:13
      |
    4 |     workdir #null
      |             ^^^^^
      |
      = help: to discard inherited values, write `workdir reset=#true`

    error[wrong-type]: `env` takes names with values
     --> imgspec.kdl:5:9
      |
    5 |     env "DEBUG=1" OTHER=2
      |         ^^^^^^^^^
      |
    help: write it like this
      |
    5 -     env "DEBUG=1" OTHER=2
    5 +     env DEBUG="1" OTHER=2
      |

    error[wrong-type]: `OTHER` takes a string, not a number
     --> imgspec.kdl:5:25
      |
    5 |     env "DEBUG=1" OTHER=2
      |                         ^ strings need quotes here
      |
    help: write it like this
      |
    5 -     env "DEBUG=1" OTHER=2
    5 +     env "DEBUG=1" OTHER="2"
      |

    error[wrong-type]: `labels` takes names with values
     --> imgspec.kdl:6:12
      |
    6 |     labels "x"
      |            ^^^
      |
      = help: write `labels NAME="value"`

    error[wrong-type]: `reset` takes `#true`
     --> imgspec.kdl:7:24
      |
    7 |     packages "a" reset="yes"
      |                        ^^^^^
      |
    help: `packages reset=#true` discards inherited values
      |
    7 -     packages "a" reset="yes"
    7 +     packages "a" reset=#true
      |

    error[wrong-type]: `commands` takes no block
     --> imgspec.kdl:8:14
      |
    8 |     commands {
      |              ^ opened here
      |
      = help: write its values after it: `commands "…"`

    8 errors
    "#);
}

#[test]
fn missing_and_superfluous_arguments() {
    assert_snapshot!(told("image \"app\" {\n    python-version\n    packages\n    env\n    copy\n    base-image\n    requirements\n    user \"a\" \"b\"\n    requirements \"a\" \"b\"\n    platform\n}\n"), @r#"
    error[missing-argument]: `python-version` needs a value
     --> imgspec.kdl:2:5
      |
    2 |     python-version
      |     ^^^^^^^^^^^^^^ nothing follows
      |
      = help: write `python-version "…"`, or `python-version reset=#true` to discard inherited values

    error[missing-argument]: `packages` needs a value
     --> imgspec.kdl:3:5
      |
    3 |     packages
      |     ^^^^^^^^ nothing follows
      |
      = help: write `packages "…"`, or `packages reset=#true` to discard inherited values

    error[missing-argument]: `env` needs a value
     --> imgspec.kdl:4:5
      |
    4 |     env
      |     ^^^ nothing follows
      |
      = help: write `env NAME="value"`, or `env reset=#true` to discard inherited values

    error[missing-argument]: `copy` needs a path
     --> imgspec.kdl:5:5
      |
    5 |     copy
      |     ^^^^ nothing follows
      |
      = help: write `copy "src" to="/app/src"`

    error[missing-argument]: `base-image` needs a value
     --> imgspec.kdl:6:5
      |
    6 |     base-image
      |     ^^^^^^^^^^ nothing follows
      |
      = help: `base-image "debian:bookworm-slim"` names a registry image, `base-image image="id"` one of this workspace, `base-image file="base.tar"` one in a file, `base-image debian="bookworm"` one of Debian's packages

    error[missing-argument]: `requirements` takes one file
     --> imgspec.kdl:7:5
      |
    7 |     requirements
      |     ^^^^^^^^^^^^
      |
      = help: a requirements file can include others with `-r other.txt`

    error[too-many-arguments]: `user` takes one value
     --> imgspec.kdl:8:14
      |
    8 |     user "a" "b"
      |              ^^^ one too many

    error[duplicate-field]: `requirements` is given twice
     --> imgspec.kdl:9:5
      |
    7 |     requirements
      |     ------------ first here
    8 |     user "a" "b"
    9 |     requirements "a" "b"
      |     ^^^^^^^^^^^^ again here
      |
      = help: it holds a single value: remove one of the two lines

    error[too-many-arguments]: `requirements` takes one file
     --> imgspec.kdl:9:22
      |
    9 |     requirements "a" "b"
      |                      ^^^
      |
      = help: a requirements file can include others with `-r other.txt`

    error[missing-argument]: `platform` needs a value
      --> imgspec.kdl:10:5
       |
    10 |     platform
       |     ^^^^^^^^ nothing follows
       |
       = help: write `platform "…"`, or `platform reset=#true` to discard inherited values

    10 errors
    "#);
}

#[test]
fn fields_that_are_said_twice() {
    assert_snapshot!(told("image \"app\" {\n    user \"a\"\n    platform \"linux/amd64\"\n    env A=\"1\" B=\"2\"\n    env A=\"3\"\n    user \"b\"\n    platform \"linux/arm64\"\n    copy \".\" to=\"/a\" to=\"/b\"\n}\n"), @r#"
    error[duplicate-field]: `env` has `A` twice
     --> imgspec.kdl:5:9
      |
    4 |     env A="1" B="2"
      |         - first here
    5 |     env A="3"
      |         ^ again here

    error[duplicate-field]: `user` is given twice
     --> imgspec.kdl:6:5
      |
    2 |     user "a"
      |     ---- first here
    ...
    6 |     user "b"
      |     ^^^^ again here
      |
      = help: it holds a single value: remove one of the two lines

    error[duplicate-field]: `platform` is given twice
     --> imgspec.kdl:7:5
      |
    3 |     platform "linux/amd64"
      |     -------- first here
    ...
    7 |     platform "linux/arm64"
      |     ^^^^^^^^ again here
      |
      = help: write several values one after another: `platform "…" "…"`

    warning[no-ignore-file]: the manifest's entire directory is copied without an ignore file
     --> imgspec.kdl:8:10
      |
    8 |     copy "." to="/a" to="/b"
      |          ^^^ this includes every file that appears there
      |
      = help: add a `.dockerignore` beside the manifest that excludes, for example, build results and `.venv`; an empty one is enough

    error[duplicate-field]: the property `to` is given twice
     --> imgspec.kdl:8:22
      |
    8 |     copy "." to="/a" to="/b"
      |              --      ^^ again here
      |              |
      |              first here

    4 errors, 1 warning
    "#);
}

#[test]
fn two_bases() {
    assert_snapshot!(told("image \"a\"\nimage \"b\" {\n    base-image \"debian\" image=\"a\"\n}\n"), @r#"
    error[too-many-arguments]: `base-image` takes one value
     --> imgspec.kdl:3:5
      |
    3 |     base-image "debian" image="a"
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ an image has one base
      |
      = help: `base-image "debian:bookworm-slim"` names a registry image, `base-image image="id"` one of this workspace, `base-image file="base.tar"` one in a file, `base-image debian="bookworm"` one of Debian's packages

    1 error
    "#);
}
