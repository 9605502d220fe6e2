//! Values that the rules of a field refuse.

use insta::assert_snapshot;

use super::told;

#[test]
fn names_registries_and_tags_that_docker_would_refuse() {
    assert_snapshot!(told("image \"Train\"\nimage \"a\" {\n    name \"My App\"\n    registry \"https://ghcr.io/acme\"\n    tag-format \"{hash}\"\n}\nimage \"b\" {\n    name \"team/App\"\n    registry \"ghcr.io/acme:v1\"\n    tag-format \"-{spec_hash}\"\n    base-image \"Debian:12\"\n}\n"), @r#"
    error[invalid-value]: image `Train` cannot be called `Train` in a registry
     --> imgspec.kdl:1:7
      |
    1 | image "Train"
      |       ^^^^^^^ Docker allows only lower-case letters
      |
      = help: give it a `name "train"`, or another id

    error[invalid-value]: `name` cannot be `My App`
     --> imgspec.kdl:3:10
      |
    3 |     name "My App"
      |          ^^^^^^^^ Docker does not allow ` ` here: only lower-case letters, digits, `.`, `_`, `-`

    error[invalid-value]: `registry` cannot be `https://ghcr.io/acme`
     --> imgspec.kdl:4:14
      |
    4 |     registry "https://ghcr.io/acme"
      |              ^^^^^^^^^^^^^^^^^^^^^^ a registry cannot have a scheme
      |
    help: write it like this
      |
    4 -     registry "https://ghcr.io/acme"
    4 +     registry "ghcr.io/acme"
      |

    error[invalid-value]: `tag-format` cannot be `{hash}`
     --> imgspec.kdl:5:16
      |
    5 |     tag-format "{hash}"
      |                ^^^^^^^^ `{hash}` is unknown: the only field is `{spec_hash}`

    error[invalid-value]: `name` cannot be `team/App`
     --> imgspec.kdl:8:10
      |
    8 |     name "team/App"
      |          ^^^^^^^^^^ Docker allows only lower-case letters
      |
    help: write it like this
      |
    8 -     name "team/App"
    8 +     name "team/app"
      |

    error[invalid-value]: `registry` cannot be `ghcr.io/acme:v1`
     --> imgspec.kdl:9:14
      |
    9 |     registry "ghcr.io/acme:v1"
      |              ^^^^^^^^^^^^^^^^^ a registry cannot include a tag: the tag is made from the key, or from `tag-format`

    error[invalid-value]: `tag-format` cannot be `-{spec_hash}`
      --> imgspec.kdl:10:16
       |
    10 |     tag-format "-{spec_hash}"
       |                ^^^^^^^^^^^^^^ a tag cannot begin with `.` or `-`

    error[invalid-value]: `base-image` cannot be `Debian:12`
      --> imgspec.kdl:11:16
       |
    11 |     base-image "Debian:12"
       |                ^^^^^^^^^^^ Docker allows only lower-case letters
       |
    help: write it like this
       |
    11 -     base-image "Debian:12"
    11 +     base-image "debian:12"
       |

    8 errors
    "#);
}

#[test]
fn platforms_and_builders_that_do_not_exist() {
    assert_snapshot!(told("image \"a\" {\n    platform \"linux/amd46\" \"x86_64\" \"plan9\"\n    builder \"dokcer\"\n}\n"), @r#"
    error[invalid-value]: `platform` cannot be `linux/amd46`
     --> imgspec.kdl:2:14
      |
    2 |     platform "linux/amd46" "x86_64" "plan9"
      |              ^^^^^^^^^^^^^ did you mean `linux/amd64`?
      |
    help: write it like this
      |
    2 -     platform "linux/amd46" "x86_64" "plan9"
    2 +     platform "linux/amd64" "x86_64" "plan9"
      |

    error[invalid-value]: `platform` cannot be `x86_64`
     --> imgspec.kdl:2:28
      |
    2 |     platform "linux/amd46" "x86_64" "plan9"
      |                            ^^^^^^^^ did you mean `linux/amd64`?
      |
    help: write it like this
      |
    2 -     platform "linux/amd46" "x86_64" "plan9"
    2 +     platform "linux/amd46" "linux/amd64" "plan9"
      |

    error[invalid-value]: `platform` cannot be `plan9`
     --> imgspec.kdl:2:37
      |
    2 |     platform "linux/amd46" "x86_64" "plan9"
      |                                     ^^^^^^^ known platforms are `linux/amd64`, `linux/arm64`, `linux/arm/v7`, `linux/arm/v6`, `linux/arm/v5`

    error[invalid-value]: `builder` cannot be `dokcer`
     --> imgspec.kdl:3:13
      |
    3 |     builder "dokcer"
      |             ^^^^^^^^ did you mean `docker`?
      |
    help: write it like this
      |
    3 -     builder "dokcer"
    3 +     builder "docker"
      |

    4 errors
    "#);
}

#[test]
fn packages_that_would_be_taken_for_something_else() {
    assert_snapshot!(told("image \"a\" {\n    apt-packages \"git\" \"-y\" \"vim-\" \"Curl\" \"git curl\"\n    packages \"-r x.txt\" \"a\\nb\" \"\"\n    pip-extra-args \"--find-links 'x\"\n    pip-index \"pypi.example.org\"\n}\n"), @r#"
    error[invalid-value]: `apt-packages` cannot be `-y`
     --> imgspec.kdl:2:24
      |
    2 |     apt-packages "git" "-y" "vim-" "Curl" "git curl"
      |                        ^^^^ an option is not a package

    error[invalid-value]: `apt-packages` cannot be `vim-`
     --> imgspec.kdl:2:29
      |
    2 |     apt-packages "git" "-y" "vim-" "Curl" "git curl"
      |                             ^^^^^^ a `-` at the end would make apt remove the package

    error[invalid-value]: `apt-packages` cannot be `Curl`
     --> imgspec.kdl:2:36
      |
    2 |     apt-packages "git" "-y" "vim-" "Curl" "git curl"
      |                                    ^^^^^^ names of Debian packages are lower-case
      |
    help: write it like this
      |
    2 -     apt-packages "git" "-y" "vim-" "Curl" "git curl"
    2 +     apt-packages "git" "-y" "vim-" "curl" "git curl"
      |

    error[invalid-value]: `apt-packages` cannot be `git curl`
     --> imgspec.kdl:2:43
      |
    2 |     apt-packages "git" "-y" "vim-" "Curl" "git curl"
      |                                           ^^^^^^^^^^ one package per value: `apt-packages "git" "curl"`

    error[invalid-value]: `packages` cannot be `-r x.txt`
     --> imgspec.kdl:3:14
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |              ^^^^^^^^^^ options belong in `pip-extra-args`, requirements files in `requirements`

    error[invalid-value]: `packages` cannot be `a\nb`
     --> imgspec.kdl:3:25
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |                         ^^^^^^ it cannot contain a line break

    error[invalid-value]: `packages` cannot be empty
     --> imgspec.kdl:3:32
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |                                ^^

    error[invalid-value]: `pip-extra-args` cannot be `--find-links 'x`
     --> imgspec.kdl:4:20
      |
    4 |     pip-extra-args "--find-links 'x"
      |                    ^^^^^^^^^^^^^^^^^ a shell could not split this into words: a quote or a `\` is left open

    error[invalid-value]: `pip-index` cannot be `pypi.example.org`
     --> imgspec.kdl:5:15
      |
    5 |     pip-index "pypi.example.org"
      |               ^^^^^^^^^^^^^^^^^^ a URL begins with `https://`, `http://` or `file://`

    9 errors
    "#);
}

#[test]
fn names_and_paths_that_an_image_cannot_have() {
    assert_snapshot!(told("image \"a\" {\n    env \"1A\"=\"x\" \"A B\"=\"y\"\n    labels \"dev.imgspec.key\"=\"x\" \"a b\"=\"y\"\n    user \"me too\"\n    workdir \"app\"\n    python-exec \"python3\"\n    python-version \">=3.9\"\n    commands \"\"\n    cmd \"a\\u{0}b\"\n    copy \".\" to=\"\" owner=\"a:\"\n    copy image=\"a\" \"etc/passwd\"\n    copy \".\" \".\" to=\"/x\"\n}\n"), @r#"
    error[invalid-value]: `env` cannot have an entry `1A`
     --> imgspec.kdl:2:9
      |
    2 |     env "1A"="x" "A B"="y"
      |         ^^^^ names of environment variables consist of letters, digits and `_`, and cannot begin with a digit

    error[invalid-value]: `env` cannot have an entry `A B`
     --> imgspec.kdl:2:18
      |
    2 |     env "1A"="x" "A B"="y"
      |                  ^^^^^ names of environment variables consist of letters, digits and `_`, and cannot begin with a digit

    error[invalid-value]: `labels` cannot have an entry `dev.imgspec.key`
     --> imgspec.kdl:3:12
      |
    3 |     labels "dev.imgspec.key"="x" "a b"="y"
      |            ^^^^^^^^^^^^^^^^^ labels that begin with `dev.imgspec.` are reserved for imgspec

    error[invalid-value]: `labels` cannot have an entry `a b`
     --> imgspec.kdl:3:34
      |
    3 |     labels "dev.imgspec.key"="x" "a b"="y"
      |                                  ^^^^^ names of labels consist of letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit

    error[invalid-value]: `user` cannot be `me too`
     --> imgspec.kdl:4:10
      |
    4 |     user "me too"
      |          ^^^^^^^^ it must be a name or number, optionally followed by `:` and a group, such as `app` or `1000:1000`

    error[invalid-value]: `workdir` cannot be `app`
     --> imgspec.kdl:5:13
      |
    5 |     workdir "app"
      |             ^^^^^ it must be absolute
      |
    help: write it like this
      |
    5 |     workdir "/app"
      |              +

    error[invalid-value]: `python-exec` cannot be `python3`
     --> imgspec.kdl:6:17
      |
    6 |     python-exec "python3"
      |                 ^^^^^^^^^ it must be an absolute path, such as `/usr/bin/python3`

    error[invalid-value]: `python-version` cannot be `>=3.9`
     --> imgspec.kdl:7:20
      |
    7 |     python-version ">=3.9"
      |                    ^^^^^^^ a version looks like `3.12`, `3.12.4`, `3.14rc1` or `3.13t`

    error[invalid-value]: `commands` cannot be empty
     --> imgspec.kdl:8:14
      |
    8 |     commands ""
      |              ^^

    error[invalid-value]: `cmd` cannot be `a\u{0}b`
     --> imgspec.kdl:9:9
      |
    9 |     cmd "a\u{0}b"
      |         ^^^^^^^^^ it cannot contain a NUL character

    error[invalid-value]: `to` cannot be empty
      --> imgspec.kdl:10:17
       |
    10 |     copy "." to="" owner="a:"
       |                 ^^

    error[invalid-value]: `owner` cannot be `a:`
      --> imgspec.kdl:10:26
       |
    10 |     copy "." to="" owner="a:"
       |                          ^^^^ it must be a name or number, optionally followed by `:` and a group, such as `app` or `1000:1000`

    error[invalid-value]: `copy` cannot be `etc/passwd`
      --> imgspec.kdl:11:20
       |
    11 |     copy image="a" "etc/passwd"
       |                    ^^^^^^^^^^^^ it must be absolute
       |
    help: write it like this
       |
    11 |     copy image="a" "/etc/passwd"
       |                     +

    warning[no-ignore-file]: the manifest's entire directory is copied without an ignore file
      --> imgspec.kdl:12:10
       |
    12 |     copy "." "." to="/x"
       |          ^^^ this includes every file that appears there
       |
       = help: add a `.dockerignore` beside the manifest that excludes, for example, build results and `.venv`; an empty one is enough

    error[invalid-value]: several paths need a directory as their destination
      --> imgspec.kdl:12:21
       |
    12 |     copy "." "." to="/x"
       |                     ^^^^ a directory ends in `/`
       |
    help: write it like this
       |
    12 |     copy "." "." to="/x/"
       |                        +

    14 errors, 1 warning
    "#);
}
