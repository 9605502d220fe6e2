//! Fields and their values.

use insta::assert_snapshot;

use super::{told, told_of};

#[test]
fn unknown_fields() {
    assert_snapshot!(told("image \"app\" {\n    pakages \"numpy\"\n    base_image \"debian:12\"\n    run \"make\"\n    volumes \"/data\"\n}\n"), @r#"
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

    error[unknown-field]: unknown field `volumes` in an image
     --> imgspec.kdl:5:5
      |
    5 |     volumes "/data"
      |     ^^^^^^^ no field has this name
      |
      = help: the fields are name, registry, builder, platform, base-image, apt-packages, python-version, python-exec, packages, requirements, pip-index, pip-extra-index-url, pip-extra-args, env, copy, commands, entrypoint, cmd, user, workdir, labels, tag-format, conda-packages, conda-channels, cuda, cudnn, source-root, source-copy-mode, pip-secret-mounts, secret, steps, dockerfile, flytekit, runtime-packages, registry-config, builder-options, builder-config

    4 errors
    "#);
}

#[test]
fn fields_of_coming_versions() {
    let manifest = "image \"app\" {\n    base-image debian=\"bookworm\"\n    builder \"oci\"\n}\n";
    assert_snapshot!(told(manifest), @r#"
    error[not-yet]: `base-image debian=` is not supported yet
     --> imgspec.kdl:2:16
      |
    2 |     base-image debian="bookworm"
      |                ^^^^^^^^^^^^^^^^^ it needs the embedded builder, which version 0.3 will have
      |
    help: until then take Debian's image
      |
    2 -     base-image debian="bookworm"
    2 +     base-image "debian:bookworm-slim"
      |

    error[invalid-value]: `builder` cannot be `oci`
     --> imgspec.kdl:3:13
      |
    3 |     builder "oci"
      |             ^^^^^ version 0.3 will have this builder

    2 errors
    "#);
}

#[test]
fn unknown_properties() {
    assert_snapshot!(told("image \"app\" {\n    copy \".\" too=\"/app\"\n    user \"me\" group=\"us\"\n    base-image img=\"x\" tag=\"y\"\n}\n"), @r#"
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
      = help: it takes `image`, `debian`, `reset`

    error[unknown-property]: `base-image` has no property `tag`
     --> imgspec.kdl:4:24
      |
    4 |     base-image img="x" tag="y"
      |                        ^^^^^^^
      |
      = help: it takes `image`, `debian`, `reset`

    4 errors
    "#);
}

#[test]
fn values_of_the_wrong_type() {
    assert_snapshot!(told("image \"app\" {\n    python-version 3.10\n    user #true\n    workdir #null\n    env \"DEBUG=1\" OTHER=2\n    labels \"x\"\n    packages \"a\" reset=\"yes\"\n    commands {\n        echo \"hi\"\n    }\n}\n"), @r#"
    error[wrong-type]: `python-version` takes text, not a number
     --> imgspec.kdl:2:20
      |
    2 |     python-version 3.10
      |                    ^^^^ text needs quotes here
      |
    help: write it like this
      |
    2 -     python-version 3.10
    2 +     python-version "3.10"
      |

    error[wrong-type]: `user` takes text, not a boolean
     --> imgspec.kdl:3:10
      |
    3 |     user #true
      |          ^^^^^ text needs quotes here
      |
    help: write it like this
      |
    3 -     user #true
    3 +     user "true"
      |

    error[wrong-type]: `workdir` takes text, not `#null`
     --> imgspec.kdl:4:13
      |
    4 |     workdir #null
      |             ^^^^^
      |
      = help: to drop what was inherited write `workdir reset=#true`

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

    error[wrong-type]: `OTHER` takes text, not a number
     --> imgspec.kdl:5:25
      |
    5 |     env "DEBUG=1" OTHER=2
      |                         ^ text needs quotes here
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
    help: `packages reset=#true` drops what was inherited
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
      = help: write `python-version "…"`, or `python-version reset=#true` to drop what was inherited

    error[missing-argument]: `packages` needs a value
     --> imgspec.kdl:3:5
      |
    3 |     packages
      |     ^^^^^^^^ nothing follows
      |
      = help: write `packages "…"`, or `packages reset=#true` to drop what was inherited

    error[missing-argument]: `env` needs a value
     --> imgspec.kdl:4:5
      |
    4 |     env
      |     ^^^ nothing follows
      |
      = help: write `env NAME="value"`, or `env reset=#true` to drop what was inherited

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
      = help: `base-image "debian:bookworm-slim"` is of a registry, `base-image image="id"` of this workspace

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
      = help: it has one value: leave one of the two lines

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
       = help: write `platform "…"`, or `platform reset=#true` to drop what was inherited

    10 errors
    "#);
}

#[test]
fn fields_that_are_said_twice() {
    assert_snapshot!(told("image \"app\" {\n    user \"a\"\n    platform \"linux/amd64\"\n    env A=\"1\" B=\"2\"\n    env A=\"3\"\n    user \"b\"\n    platform \"linux/arm64\"\n    copy \".\" to=\"/a\" to=\"/b\"\n}\n"), @r#"
    error[duplicate-field]: `env` gives `A` twice
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
      = help: it has one value: leave one of the two lines

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

    error[duplicate-field]: the property `to` is given twice
     --> imgspec.kdl:8:22
      |
    8 |     copy "." to="/a" to="/b"
      |              --      ^^ again here
      |              |
      |              first here

    4 errors
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
      = help: `base-image "debian:bookworm-slim"` is of a registry, `base-image image="id"` of this workspace

    1 error
    "#);
}

#[test]
fn names_registries_and_tags_that_docker_would_refuse() {
    assert_snapshot!(told("image \"Train\"\nimage \"a\" {\n    name \"My App\"\n    registry \"https://ghcr.io/acme\"\n    tag-format \"{hash}\"\n}\nimage \"b\" {\n    name \"team/App\"\n    registry \"ghcr.io/acme:v1\"\n    tag-format \"-{spec_hash}\"\n    base-image \"Debian:12\"\n}\n"), @r#"
    error[invalid-value]: image `Train` cannot be called `Train` in a registry
     --> imgspec.kdl:1:7
      |
    1 | image "Train"
      |       ^^^^^^^ Docker takes lower-case letters only
      |
      = help: give it a `name "train"`, or another id

    error[invalid-value]: `name` cannot be `My App`
     --> imgspec.kdl:3:10
      |
    3 |     name "My App"
      |          ^^^^^^^^ Docker takes no ` ` in it: only lower-case letters, digits, `.`, `_`, `-`

    error[invalid-value]: `registry` cannot be `https://ghcr.io/acme`
     --> imgspec.kdl:4:14
      |
    4 |     registry "https://ghcr.io/acme"
      |              ^^^^^^^^^^^^^^^^^^^^^^ a registry has no scheme
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
      |                ^^^^^^^^ `{hash}` is unknown: the one field is `{spec_hash}`

    error[invalid-value]: `name` cannot be `team/App`
     --> imgspec.kdl:8:10
      |
    8 |     name "team/App"
      |          ^^^^^^^^^^ Docker takes lower-case letters only
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
      |              ^^^^^^^^^^^^^^^^^ a registry has no tag in it: that is made of the key, or of `tag-format`

    error[invalid-value]: `tag-format` cannot be `-{spec_hash}`
      --> imgspec.kdl:10:16
       |
    10 |     tag-format "-{spec_hash}"
       |                ^^^^^^^^^^^^^^ a tag cannot begin with `.` or `-`

    error[invalid-value]: `base-image` cannot be `Debian:12`
      --> imgspec.kdl:11:16
       |
    11 |     base-image "Debian:12"
       |                ^^^^^^^^^^^ Docker takes lower-case letters only
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
      |                                           ^^^^^^^^^^ one package a value: `apt-packages "git" "curl"`

    error[invalid-value]: `packages` cannot be `-r x.txt`
     --> imgspec.kdl:3:14
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |              ^^^^^^^^^^ options go to `pip-extra-args`, further files to `requirements`

    error[invalid-value]: `packages` cannot be `a\nb`
     --> imgspec.kdl:3:25
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |                         ^^^^^^ it cannot have a line break in it

    error[invalid-value]: `packages` cannot be empty
     --> imgspec.kdl:3:32
      |
    3 |     packages "-r x.txt" "a\nb" ""
      |                                ^^

    error[invalid-value]: `pip-extra-args` cannot be `--find-links 'x`
     --> imgspec.kdl:4:20
      |
    4 |     pip-extra-args "--find-links 'x"
      |                    ^^^^^^^^^^^^^^^^^ it does not split into words as a shell would: a quote or a `\` is left open

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
      |         ^^^^ names of environment variables have letters, digits and `_`, and begin with no digit

    error[invalid-value]: `env` cannot have an entry `A B`
     --> imgspec.kdl:2:18
      |
    2 |     env "1A"="x" "A B"="y"
      |                  ^^^^^ names of environment variables have letters, digits and `_`, and begin with no digit

    error[invalid-value]: `labels` cannot have an entry `dev.imgspec.key`
     --> imgspec.kdl:3:12
      |
    3 |     labels "dev.imgspec.key"="x" "a b"="y"
      |            ^^^^^^^^^^^^^^^^^ labels below `dev.imgspec.` are imgspec's own

    error[invalid-value]: `labels` cannot have an entry `a b`
     --> imgspec.kdl:3:34
      |
    3 |     labels "dev.imgspec.key"="x" "a b"="y"
      |                                  ^^^^^ names of labels have letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit

    error[invalid-value]: `user` cannot be `me too`
     --> imgspec.kdl:4:10
      |
    4 |     user "me too"
      |          ^^^^^^^^ it is a name or number, and after a `:` a group, such as `app` or `1000:1000`

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
      |                    ^^^^^^^ a version is such as `3.12`, `3.12.4`, `3.14rc1` or `3.13t`

    error[invalid-value]: `commands` cannot be empty
     --> imgspec.kdl:8:14
      |
    8 |     commands ""
      |              ^^

    error[invalid-value]: `cmd` cannot be `a\u{0}b`
     --> imgspec.kdl:9:9
      |
    9 |     cmd "a\u{0}b"
      |         ^^^^^^^^^ no program can be given a NUL character

    error[invalid-value]: `to` cannot be empty
      --> imgspec.kdl:10:17
       |
    10 |     copy "." to="" owner="a:"
       |                 ^^

    error[invalid-value]: `owner` cannot be `a:`
      --> imgspec.kdl:10:26
       |
    10 |     copy "." to="" owner="a:"
       |                          ^^^^ it is a name or number, and after a `:` a group, such as `app` or `1000:1000`

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

    error[invalid-value]: several paths are copied to one
      --> imgspec.kdl:12:21
       |
    12 |     copy "." "." to="/x"
       |                     ^^^^ a directory ends in `/`
       |
    help: write it like this
       |
    12 |     copy "." "." to="/x/"
       |                        +

    14 errors
    "#);
}

#[test]
fn paths_outside_of_the_workspace() {
    assert_snapshot!(told("image \"a\" {\n    requirements \"/etc/passwd\"\n    copy \"../secret\" \"\"\n}\n"), @r#"
    error[outside]: `/etc/passwd` is not a path in the workspace
     --> imgspec.kdl:2:18
      |
    2 |     requirements "/etc/passwd"
      |                  ^^^^^^^^^^^^^ paths are relative to the directory of this file
      |
      = help: an image is made only of files below the directory of the root manifest

    error[outside]: `../secret` is not a path in the workspace
     --> imgspec.kdl:3:10
      |
    3 |     copy "../secret" ""
      |          ^^^^^^^^^^^ this leads out of the workspace
      |
      = help: an image is made only of files below the directory of the root manifest

    error[outside]: `` is not a path in the workspace
     --> imgspec.kdl:3:22
      |
    3 |     copy "../secret" ""
      |                      ^^ a path cannot be empty; the directory of this file is `.`
      |
      = help: an image is made only of files below the directory of the root manifest

    3 errors
    "#);
}

#[test]
fn files_that_are_missing() {
    let files = [
        (
            "imgspec.kdl",
            "image \"a\" {\n    requirements \"requirments.txt\"\n    copy \"sorce\" \"src/*.py\" to=\"/app/\"\n}\nimage \"b\" { requirements \"src\" }\n",
        ),
        ("requirements.txt", ""),
        ("src/", ""),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[missing-file]: `requirments.txt` does not exist
     --> imgspec.kdl:2:18
      |
    2 |     requirements "requirments.txt"
      |                  ^^^^^^^^^^^^^^^^^ did you mean `requirements.txt`?
      |
      = help: paths are relative to the directory of the manifest that gives them

    error[missing-file]: `sorce` does not exist
     --> imgspec.kdl:3:10
      |
    3 |     copy "sorce" "src/*.py" to="/app/"
      |          ^^^^^^^ did you mean `src`?
      |
      = help: paths are relative to the directory of the manifest that gives them

    error[missing-file]: `src/*.py` does not exist
     --> imgspec.kdl:3:18
      |
    3 |     copy "sorce" "src/*.py" to="/app/"
      |                  ^^^^^^^^^^ no such file or directory
      |
      = help: globs are not expanded: copy the directory, and leave out what is not wanted with a `.dockerignore`

    error[wrong-type]: `src` is a directory
     --> imgspec.kdl:5:26
      |
    5 | image "b" { requirements "src" }
      |                          ^^^^^ expected a file

    4 errors
    "#);
}

#[cfg(unix)]
#[test]
fn files_behind_links_out_of_the_workspace() {
    let files = super::folder(&[
        (
            "imgspec.kdl",
            "image \"a\" {\n    copy \"etc/passwd\" \"gone\"\n    requirements \"inside\"\n}\n",
        ),
        ("real", ""),
    ]);
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, files.path().join(at)).unwrap();
    link("/etc", "etc");
    link("nowhere", "gone");
    link("real", "inside");
    let checked = crate::check::check(
        &files.path().join("imgspec.kdl"),
        &crate::manifest::Overrides::default(),
        &|_| None,
    );
    assert_snapshot!(super::drawn(&checked), @r#"
    error[outside]: `etc/passwd` is outside the workspace
     --> imgspec.kdl:2:10
      |
    2 |     copy "etc/passwd" "gone"
      |          ^^^^^^^^^^^^ a link on the way leads out of it
      |
      = help: an image is made only of files below the directory of the root manifest

    error[missing-file]: `gone` does not exist
     --> imgspec.kdl:2:23
      |
    2 |     copy "etc/passwd" "gone"
      |                       ^^^^^^ a link that leads nowhere

    2 errors
    "#);
}
