//! The fields that say how an image is built: conda, CUDA, sources, secrets, steps, Dockerfiles, builders.

use insta::assert_snapshot;

use super::{told, told_of};

/// One image with these lines.
fn image(lines: &str) -> String {
    told(&manifest(lines))
}

fn manifest(lines: &str) -> String {
    let lines: String = lines
        .trim()
        .lines()
        .map(|line| format!("    {}\n", line.trim()))
        .collect();
    format!("image \"app\" {{\n{lines}}}\n")
}

#[test]
fn values_of_the_wrong_type() {
    assert_snapshot!(image(r#"
        cuda 12.4
        cudnn #true
        conda-packages 1
        runtime-packages #null
        flytekit 1.16
        source-root #false
        builder-options "network=host"
        builder-config "uv-image" 2
        registry-config 3
        secret 4 env="A"
        secret "a" env=5
        pip-secret-mounts "a" to=6
        dockerfile 7
        steps "apt"
    "#), @r#"
    error[wrong-type]: `cuda` takes text, not a number
     --> imgspec.kdl:2:10
      |
    2 |     cuda 12.4
      |          ^^^^ text needs quotes here
      |
    help: write it like this
      |
    2 -     cuda 12.4
    2 +     cuda "12.4"
      |

    error[wrong-type]: `cudnn` takes text, not a boolean
     --> imgspec.kdl:3:11
      |
    3 |     cudnn #true
      |           ^^^^^ text needs quotes here
      |
    help: write it like this
      |
    3 -     cudnn #true
    3 +     cudnn "true"
      |

    error[wrong-type]: `conda-packages` takes text, not a number
     --> imgspec.kdl:4:20
      |
    4 |     conda-packages 1
      |                    ^ text needs quotes here
      |
    help: write it like this
      |
    4 -     conda-packages 1
    4 +     conda-packages "1"
      |

    error[wrong-type]: `runtime-packages` takes text, not `#null`
     --> imgspec.kdl:5:22
      |
    5 |     runtime-packages #null
      |                      ^^^^^
      |
      = help: to drop what was inherited write `runtime-packages reset=#true`

    error[wrong-type]: `flytekit` takes text, not a number
     --> imgspec.kdl:6:14
      |
    6 |     flytekit 1.16
      |              ^^^^ text needs quotes here
      |
    help: write it like this
      |
    6 -     flytekit 1.16
    6 +     flytekit "1.16"
      |

    error[wrong-type]: `source-root` takes text, not a boolean
     --> imgspec.kdl:7:17
      |
    7 |     source-root #false
      |                 ^^^^^^ text needs quotes here
      |
    help: write it like this
      |
    7 -     source-root #false
    7 +     source-root "false"
      |

    error[wrong-type]: `builder-options` takes names with values
     --> imgspec.kdl:8:21
      |
    8 |     builder-options "network=host"
      |                     ^^^^^^^^^^^^^^
      |
    help: write it like this
      |
    8 -     builder-options "network=host"
    8 +     builder-options network="host"
      |

    error[wrong-type]: `builder-config` takes names with values
     --> imgspec.kdl:9:20
      |
    9 |     builder-config "uv-image" 2
      |                    ^^^^^^^^^^
      |
      = help: write `builder-config NAME="value"`

    error[wrong-type]: `builder-config` takes names with values
     --> imgspec.kdl:9:31
      |
    9 |     builder-config "uv-image" 2
      |                               ^
      |
      = help: write `builder-config NAME="value"`

    error[wrong-type]: `registry-config` takes text, not a number
      --> imgspec.kdl:10:21
       |
    10 |     registry-config 3
       |                     ^ text needs quotes here
       |
    help: write it like this
       |
    10 -     registry-config 3
    10 +     registry-config "3"
       |

    error[wrong-type]: `secret` takes text, not a number
      --> imgspec.kdl:11:12
       |
    11 |     secret 4 env="A"
       |            ^ text needs quotes here
       |
    help: write it like this
       |
    11 -     secret 4 env="A"
    11 +     secret "4" env="A"
       |

    error[wrong-type]: `env` takes text, not a number
      --> imgspec.kdl:12:20
       |
    12 |     secret "a" env=5
       |                    ^ text needs quotes here
       |
    help: write it like this
       |
    12 -     secret "a" env=5
    12 +     secret "a" env="5"
       |

    error[wrong-type]: `to` takes text, not a number
      --> imgspec.kdl:13:30
       |
    13 |     pip-secret-mounts "a" to=6
       |                              ^ text needs quotes here
       |
    help: write it like this
       |
    13 -     pip-secret-mounts "a" to=6
    13 +     pip-secret-mounts "a" to="6"
       |

    error[wrong-type]: `dockerfile` takes text, not a number
      --> imgspec.kdl:14:16
       |
    14 |     dockerfile 7
       |                ^ text needs quotes here
       |
    help: write it like this
       |
    14 -     dockerfile 7
    14 +     dockerfile "7"
       |

    error[wrong-type]: `steps` takes a block
      --> imgspec.kdl:15:11
       |
    15 |     steps "apt"
       |           ^^^^^
       |
       = help: write `steps { apt "git"; run "make" }`

    15 errors
    "#);
}

#[test]
fn missing_arguments() {
    assert_snapshot!(image(r#"
        cuda
        cudnn
        conda-packages
        conda-channels
        source-root
        source-copy-mode
        flytekit
        runtime-packages
        registry-config
        builder-options
        builder-config
        pip-secret-mounts
        pip-secret-mounts "netrc"
        secret
        secret "token"
        steps
        dockerfile
    "#), @r#"
    error[missing-argument]: `cuda` needs a value
     --> imgspec.kdl:2:5
      |
    2 |     cuda
      |     ^^^^ nothing follows
      |
      = help: write `cuda "…"`, or `cuda reset=#true` to drop what was inherited

    error[missing-argument]: `cudnn` needs a value
     --> imgspec.kdl:3:5
      |
    3 |     cudnn
      |     ^^^^^ nothing follows
      |
      = help: write `cudnn "…"`, or `cudnn reset=#true` to drop what was inherited

    error[missing-argument]: `conda-packages` needs a value
     --> imgspec.kdl:4:5
      |
    4 |     conda-packages
      |     ^^^^^^^^^^^^^^ nothing follows
      |
      = help: write `conda-packages "…"`, or `conda-packages reset=#true` to drop what was inherited

    error[missing-argument]: `conda-channels` needs a value
     --> imgspec.kdl:5:5
      |
    5 |     conda-channels
      |     ^^^^^^^^^^^^^^ nothing follows
      |
      = help: write `conda-channels "…"`, or `conda-channels reset=#true` to drop what was inherited

    error[missing-argument]: `source-root` takes one folder
     --> imgspec.kdl:6:5
      |
    6 |     source-root
      |     ^^^^^^^^^^^

    error[missing-argument]: `source-copy-mode` needs a value
     --> imgspec.kdl:7:5
      |
    7 |     source-copy-mode
      |     ^^^^^^^^^^^^^^^^ nothing follows
      |
      = help: write `source-copy-mode "…"`, or `source-copy-mode reset=#true` to drop what was inherited

    error[missing-argument]: `flytekit` needs a value
     --> imgspec.kdl:8:5
      |
    8 |     flytekit
      |     ^^^^^^^^ nothing follows
      |
      = help: write `flytekit "…"`, or `flytekit reset=#true` to drop what was inherited

    error[missing-argument]: `runtime-packages` needs a value
     --> imgspec.kdl:9:5
      |
    9 |     runtime-packages
      |     ^^^^^^^^^^^^^^^^ nothing follows
      |
      = help: write `runtime-packages "…"`, or `runtime-packages reset=#true` to drop what was inherited

    error[missing-argument]: `registry-config` takes one file
      --> imgspec.kdl:10:5
       |
    10 |     registry-config
       |     ^^^^^^^^^^^^^^^

    error[missing-argument]: `builder-options` needs a value
      --> imgspec.kdl:11:5
       |
    11 |     builder-options
       |     ^^^^^^^^^^^^^^^ nothing follows
       |
       = help: write `builder-options NAME="value"`, or `builder-options reset=#true` to drop what was inherited

    error[missing-argument]: `builder-config` needs a value
      --> imgspec.kdl:12:5
       |
    12 |     builder-config
       |     ^^^^^^^^^^^^^^ nothing follows
       |
       = help: write `builder-config NAME="value"`, or `builder-config reset=#true` to drop what was inherited

    error[missing-argument]: `pip-secret-mounts` needs a value
      --> imgspec.kdl:13:5
       |
    13 |     pip-secret-mounts
       |     ^^^^^^^^^^^^^^^^^ nothing follows
       |
       = help: write `pip-secret-mounts "file" to="/root/.netrc"`, or `pip-secret-mounts reset=#true` to drop what was inherited

    error[missing-argument]: `pip-secret-mounts` needs `to=`
      --> imgspec.kdl:14:5
       |
    14 |     pip-secret-mounts "netrc"
       |     ^^^^^^^^^^^^^^^^^^^^^^^^^ where the file is shown to the installer
       |
       = help: write `pip-secret-mounts "file" to="/root/.netrc"`

    error[missing-argument]: `secret` needs a value
      --> imgspec.kdl:15:5
       |
    15 |     secret
       |     ^^^^^^ nothing follows
       |
       = help: write `secret "id" env="VARIABLE"`, or `secret reset=#true` to drop what was inherited

    error[missing-argument]: a secret needs a source
      --> imgspec.kdl:16:5
       |
    16 |     secret "token"
       |     ^^^^^^^^^^^^^^
       |
       = help: write `secret "id" env="VARIABLE"` or `secret "id" file="path"`: the value itself stands in no manifest

    error[missing-argument]: `steps` needs a value
      --> imgspec.kdl:17:5
       |
    17 |     steps
       |     ^^^^^ nothing follows
       |
       = help: write `steps { run "make"; }`, or `steps reset=#true` to drop what was inherited

    error[missing-argument]: `dockerfile` needs a value
      --> imgspec.kdl:18:5
       |
    18 |     dockerfile
       |     ^^^^^^^^^^ nothing follows
       |
       = help: write `dockerfile "Dockerfile"`, or `dockerfile reset=#true` to drop what was inherited

    17 errors
    "#);
}

#[test]
fn superfluous_arguments() {
    assert_snapshot!(image(r#"
        cuda "12.4" "12.6"
        source-root "a" "b"
        pip-secret-mounts "a" "b" to="/x"
        secret "a" "b" env="A"
        secret "c" env="C" file="c"
        secret "d" env="D" { commands "make" env="D"; }
        dockerfile "a" "b"
        steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
    "#), @r#"
    error[together]: image `app`: `cuda` does not go with `dockerfile`
     --> imgspec.kdl:2:10
      |
    2 |     cuda "12.4" "12.6"
      |          ^^^^^^ the Dockerfile says it
      |
      = help: write it into the Dockerfile, or drop what was inherited with `reset=#true`

    error[too-many-arguments]: `cuda` takes one value
     --> imgspec.kdl:2:17
      |
    2 |     cuda "12.4" "12.6"
      |                 ^^^^^^ one too many

    error[too-many-arguments]: `source-root` takes one folder
     --> imgspec.kdl:3:21
      |
    3 |     source-root "a" "b"
      |                     ^^^

    error[together]: image `app`: `pip-secret-mounts` does not go with `dockerfile`
     --> imgspec.kdl:4:5
      |
    4 |     pip-secret-mounts "a" "b" to="/x"
      |     ^^^^^^^^^^^^^^^^^ the Dockerfile says it
      |
      = help: write it into the Dockerfile, or drop what was inherited with `reset=#true`

    error[too-many-arguments]: `pip-secret-mounts` takes one value
     --> imgspec.kdl:4:27
      |
    4 |     pip-secret-mounts "a" "b" to="/x"
      |                           ^^^ one too many

    error[too-many-arguments]: `secret` takes one value
     --> imgspec.kdl:5:16
      |
    5 |     secret "a" "b" env="A"
      |                ^^^ one too many

    error[too-many-arguments]: a secret has one source
     --> imgspec.kdl:6:5
      |
    6 |     secret "c" env="C" file="c"
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `secret "id" env="VARIABLE"` or `secret "id" file="path"`: the value itself stands in no manifest

    error[together]: image `app`: a Dockerfile says itself which steps get a secret
     --> imgspec.kdl:7:12
      |
    7 |     secret "d" env="D" { commands "make" env="D"; }
      |            ^^^ the block means nothing
      |
      = help: leave the block out, and write `RUN --mount=type=secret,id=d` in the Dockerfile

    error[too-many-arguments]: `commands` takes no value here
     --> imgspec.kdl:7:35
      |
    7 |     secret "d" env="D" { commands "make" env="D"; }
      |                                   ^^^^^^
      |
      = help: `env="NAME"` gives the secret as a variable, `mount="/path"` as a file

    error[missing-file]: `a` does not exist
     --> imgspec.kdl:8:16
      |
    8 |     dockerfile "a" "b"
      |                ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[too-many-arguments]: `dockerfile` takes one value
     --> imgspec.kdl:8:20
      |
    8 |     dockerfile "a" "b"
      |                    ^^^ one too many

    error[together]: image `app`: `steps` does not go with `dockerfile`
     --> imgspec.kdl:9:5
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |     ^^^^^ the Dockerfile says it
      |
      = help: write it into the Dockerfile, or drop what was inherited with `reset=#true`

    error[too-many-arguments]: `user` takes one value
     --> imgspec.kdl:9:22
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                      ^^^ one too many

    error[missing-argument]: `run` needs a value
     --> imgspec.kdl:9:27
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                           ^^^ nothing follows

    error[missing-argument]: `apt` needs a value
     --> imgspec.kdl:9:32
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                                ^^^ nothing follows

    error[wrong-type]: `apt` takes no block
     --> imgspec.kdl:9:36
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                                    ^ opened here
      |
      = help: write its values behind it: `apt "…"`

    error[missing-file]: `r.txt` does not exist
     --> imgspec.kdl:9:45
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                                             ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[unknown-property]: `pip` has no property `index`
     --> imgspec.kdl:9:70
      |
    9 |     steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
      |                                                                      ^^^^^^^^^
      |
      = help: it takes `requirements`

    18 errors
    "#);
}

#[test]
fn unknown_children_and_properties() {
    assert_snapshot!(image(r#"
        secret "a" evn="A" { pip env="A"; comands; volumes }
        secret "b" env="B" { packages path="/x" }
        pip-secret-mounts "a" too="/x"
        dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
        steps { apt-packages "git"; runn "make"; entrypoint "x" }
    "#), @r#"
    error[missing-argument]: a secret needs a source
     --> imgspec.kdl:2:5
      |
    2 |     secret "a" evn="A" { pip env="A"; comands; volumes }
      |     ^^^^^^^^^^^^^^^^^^
      |
      = help: write `secret "id" env="VARIABLE"` or `secret "id" file="path"`: the value itself stands in no manifest

    error[unknown-property]: `secret` has no property `evn`
     --> imgspec.kdl:2:16
      |
    2 |     secret "a" evn="A" { pip env="A"; comands; volumes }
      |                ^^^ did you mean `env`?
      |
    help: write it like this
      |
    2 -     secret "a" evn="A" { pip env="A"; comands; volumes }
    2 +     secret "a" env="A" { pip env="A"; comands; volumes }
      |

    error[unknown-node]: a secret has no `pip`
     --> imgspec.kdl:2:26
      |
    2 |     secret "a" evn="A" { pip env="A"; comands; volumes }
      |                          ^^^ did you mean `packages`?
      |
    help: write it like this
      |
    2 -     secret "a" evn="A" { pip env="A"; comands; volumes }
    2 +     secret "a" evn="A" { packages env="A"; comands; volumes }
      |

    error[unknown-node]: a secret has no `comands`
     --> imgspec.kdl:2:39
      |
    2 |     secret "a" evn="A" { pip env="A"; comands; volumes }
      |                                       ^^^^^^^ did you mean `commands`?
      |
    help: write it like this
      |
    2 |     secret "a" evn="A" { pip env="A"; commands; volumes }
      |                                          +

    error[unknown-node]: a secret has no `volumes`
     --> imgspec.kdl:2:48
      |
    2 |     secret "a" evn="A" { pip env="A"; comands; volumes }
      |                                                ^^^^^^^
      |
      = help: it takes apt-packages, conda-packages, packages, commands

    error[together]: image `app`: a Dockerfile says itself which steps get a secret
     --> imgspec.kdl:3:12
      |
    3 |     secret "b" env="B" { packages path="/x" }
      |            ^^^ the block means nothing
      |
      = help: leave the block out, and write `RUN --mount=type=secret,id=b` in the Dockerfile

    error[unknown-property]: `packages` has no property `path`
     --> imgspec.kdl:3:35
      |
    3 |     secret "b" env="B" { packages path="/x" }
      |                                   ^^^^^^^^^
      |
      = help: it takes `env`, `mount`

    error[missing-argument]: `pip-secret-mounts` needs `to=`
     --> imgspec.kdl:4:5
      |
    4 |     pip-secret-mounts "a" too="/x"
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ where the file is shown to the installer
      |
      = help: write `pip-secret-mounts "file" to="/root/.netrc"`

    error[unknown-property]: `pip-secret-mounts` has no property `too`
     --> imgspec.kdl:4:27
      |
    4 |     pip-secret-mounts "a" too="/x"
      |                           ^^^ did you mean `to`?
      |
    help: write it like this
      |
    4 -     pip-secret-mounts "a" too="/x"
    4 +     pip-secret-mounts "a" to="/x"
      |

    error[missing-file]: `Dockerfile` does not exist
     --> imgspec.kdl:5:16
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
      |                ^^^^^^^^^^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[unknown-property]: `dockerfile` has no property `contxt`
     --> imgspec.kdl:5:29
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
      |                             ^^^^^^ did you mean `context`?
      |
    help: write it like this
      |
    5 |     dockerfile "Dockerfile" context="." { arg A="1"; context { }; stages }
      |                                 +

    error[unknown-node]: `dockerfile` has no `arg`
     --> imgspec.kdl:5:42
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
      |                                          ^^^ did you mean `args`?
      |
    help: write it like this
      |
    5 |     dockerfile "Dockerfile" contxt="." { args A="1"; context { }; stages }
      |                                             +

    error[unknown-node]: `dockerfile` has no `context`
     --> imgspec.kdl:5:53
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
      |                                                     ^^^^^^^ did you mean `contexts`?
      |
    help: write it like this
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; contexts { }; stages }
      |                                                            +

    error[unknown-node]: `dockerfile` has no `stages`
     --> imgspec.kdl:5:66
      |
    5 |     dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
      |                                                                  ^^^^^^
      |
      = help: it takes args, contexts

    error[together]: image `app`: `steps` does not go with `dockerfile`
     --> imgspec.kdl:6:5
      |
    6 |     steps { apt-packages "git"; runn "make"; entrypoint "x" }
      |     ^^^^^ the Dockerfile says it
      |
      = help: write it into the Dockerfile, or drop what was inherited with `reset=#true`

    error[unknown-node]: `steps` has no `apt-packages`
     --> imgspec.kdl:6:13
      |
    6 |     steps { apt-packages "git"; runn "make"; entrypoint "x" }
      |             ^^^^^^^^^^^^ did you mean `apt`?
      |
    help: write it like this
      |
    6 -     steps { apt-packages "git"; runn "make"; entrypoint "x" }
    6 +     steps { apt "git"; runn "make"; entrypoint "x" }
      |

    error[unknown-node]: `steps` has no `runn`
     --> imgspec.kdl:6:33
      |
    6 |     steps { apt-packages "git"; runn "make"; entrypoint "x" }
      |                                 ^^^^ did you mean `run`?
      |
    help: write it like this
      |
    6 -     steps { apt-packages "git"; runn "make"; entrypoint "x" }
    6 +     steps { apt-packages "git"; run "make"; entrypoint "x" }
      |

    error[unknown-node]: `steps` has no `entrypoint`
     --> imgspec.kdl:6:46
      |
    6 |     steps { apt-packages "git"; runn "make"; entrypoint "x" }
      |                                              ^^^^^^^^^^
      |
      = help: it takes apt, conda, pip, copy, run, env, user, workdir

    18 errors
    "#);
    assert_snapshot!(image(r#"
        dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
    "#), @r#"
    error[wrong-type]: `.` is a folder
     --> imgspec.kdl:2:16
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                ^^^ a file is wanted here

    error[missing-argument]: the context `base` needs one value
     --> imgspec.kdl:2:33
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                                 ^^^^^^^^^^^^
      |
      = help: `image="id"` is an image of this workspace, `"reference"` one of a registry, `path="folder"` a folder

    error[unknown-property]: `base` has no property `img`
     --> imgspec.kdl:2:38
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                                      ^^^^^^^
      |
      = help: it takes `image`, `path`

    error[missing-argument]: the context `tools` needs one value
     --> imgspec.kdl:2:47
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                                               ^^^^^^^^^^^^^^^^^^^
      |
      = help: `image="id"` is an image of this workspace, `"reference"` one of a registry, `path="folder"` a folder

    error[outside]: `../x` is no path of the workspace
     --> imgspec.kdl:2:77
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                                                                             ^^^^^^ this leads out of the workspace
      |
      = help: an image is made only of files below the folder of the root manifest

    error[missing-argument]: the context `none` needs one value
     --> imgspec.kdl:2:85
      |
    2 |     dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
      |                                                                                     ^^^^
      |
      = help: `image="id"` is an image of this workspace, `"reference"` one of a registry, `path="folder"` a folder

    6 errors
    "#);
}

#[test]
fn names_that_stand_twice() {
    assert_snapshot!(image(r#"
        cuda "12.4"
        cuda "12.6"
        secret "a" env="A"
        secret "a" env="B"
        builder-options network="host"
        builder-options network="none"
        dockerfile "a" { args A="1"; args A="2" B="3" }
        dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
    "#), @r#"
    error[duplicate-field]: `cuda` is said twice
     --> imgspec.kdl:3:5
      |
    2 |     cuda "12.4"
      |     ---- first said here
    3 |     cuda "12.6"
      |     ^^^^ again here
      |
      = help: it has one value: leave one of the two lines

    error[together]: image `app`: `cuda` does not go with `dockerfile`
     --> imgspec.kdl:3:10
      |
    3 |     cuda "12.6"
      |          ^^^^^^ the Dockerfile says it
      |
      = help: write it into the Dockerfile, or drop what was inherited with `reset=#true`

    error[duplicate-field]: `secret` gives `a` twice
     --> imgspec.kdl:5:12
      |
    4 |     secret "a" env="A"
      |            --- first given here
    5 |     secret "a" env="B"
      |            ^^^ again here

    error[duplicate-field]: `builder-options` gives `network` twice
     --> imgspec.kdl:7:21
      |
    6 |     builder-options network="host"
      |                     ------- first given here
    7 |     builder-options network="none"
      |                     ^^^^^^^ again here

    error[duplicate-field]: `args` gives `A` twice
     --> imgspec.kdl:8:39
      |
    8 |     dockerfile "a" { args A="1"; args A="2" B="3" }
      |                           -           ^ again here
      |                           |
      |                           first given here

    error[duplicate-field]: `dockerfile` is said twice
     --> imgspec.kdl:9:5
      |
    8 |     dockerfile "a" { args A="1"; args A="2" B="3" }
      |     ---------- first said here
    9 |     dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
      |     ^^^^^^^^^^ again here
      |
      = help: it has one value: leave one of the two lines

    error[missing-file]: `b` does not exist
     --> imgspec.kdl:9:16
      |
    9 |     dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
      |                ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[duplicate-field]: `contexts` gives `base` twice
     --> imgspec.kdl:9:43
      |
    9 |     dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
      |                                 ----      ^^^^ again here
      |                                 |
      |                                 first given here

    error[duplicate-field]: `contexts` gives `base` twice
     --> imgspec.kdl:9:66
      |
    9 |     dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
      |                                           ---- first given here  ^^^^ again here

    9 errors
    "#);
}

#[test]
fn values_that_rules_refuse() {
    assert_snapshot!(image(r#"
        conda-packages "--yes" "https://example.org/x.conda" "num py;"
        conda-channels "a b" "-c"
        cuda "twelve"
        cudnn "9.x"
        source-copy-mode "loaded-modules"
        flytekit "1.9.1"
        runtime-packages "-r x"
        builder-options "1x"="y"
        builder-config uv_image="x" micromamba-image="a b,source=/etc"
        secret "a/b" env="A"
        secret "c" env="A-B"
        secret "pip-secret-mounts-0" file="x"
        secret "d" env="D" { packages mount="root/.netrc"; commands env="1A" mount="/a,b" }
        pip-secret-mounts "x" to="y"
    "#), @r#"
    error[invalid-value]: `conda-packages` cannot be `--yes`
     --> imgspec.kdl:2:20
      |
    2 |     conda-packages "--yes" "https://example.org/x.conda" "num py;"
      |                    ^^^^^^^ an option is no package

    error[invalid-value]: `conda-packages` cannot be `https://example.org/x.conda`
     --> imgspec.kdl:2:28
      |
    2 |     conda-packages "--yes" "https://example.org/x.conda" "num py;"
      |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a package has a name: files and URLs are not taken

    error[invalid-value]: `conda-packages` cannot be `num py;`
     --> imgspec.kdl:2:58
      |
    2 |     conda-packages "--yes" "https://example.org/x.conda" "num py;"
      |                                                          ^^^^^^^^^ a package is such as `numpy`, `numpy=1.26`, `numpy>=1.26,<2` or `conda-forge::numpy`

    error[invalid-value]: `conda-channels` cannot be `a b`
     --> imgspec.kdl:3:20
      |
    3 |     conda-channels "a b" "-c"
      |                    ^^^^^ a channel is a name such as `pytorch`, or a URL

    error[invalid-value]: `conda-channels` cannot be `-c`
     --> imgspec.kdl:3:26
      |
    3 |     conda-channels "a b" "-c"
      |                          ^^^^ a channel is a name such as `pytorch`, or a URL

    error[invalid-value]: `cuda` cannot be `twelve`
     --> imgspec.kdl:4:10
      |
    4 |     cuda "twelve"
      |          ^^^^^^^^ a version is such as `12`, `12.4` or `12.4.1`

    error[invalid-value]: `cudnn` cannot be `9.x`
     --> imgspec.kdl:5:11
      |
    5 |     cudnn "9.x"
      |           ^^^^^ a version is such as `12`, `12.4` or `12.4.1`

    error[invalid-value]: `source-copy-mode` cannot be `loaded-modules`
     --> imgspec.kdl:6:22
      |
    6 |     source-copy-mode "loaded-modules"
      |                      ^^^^^^^^^^^^^^^^ which modules are loaded only the Python process knows that runs the workflow: `all` copies every file of `source-root`, `none` leaves them to fast registration

    error[invalid-value]: `flytekit` cannot be `1.9.1`
     --> imgspec.kdl:7:14
      |
    7 |     flytekit "1.9.1"
      |              ^^^^^^^ flytekit computes tags as today since 1.15.3: earlier releases are not understood

    error[invalid-value]: `runtime-packages` cannot be `-r x`
     --> imgspec.kdl:8:22
      |
    8 |     runtime-packages "-r x"
      |                      ^^^^^^ options go to `pip-extra-args`, further files to `requirements`

    error[invalid-value]: `builder-options` cannot have an entry `1x`
     --> imgspec.kdl:9:21
      |
    9 |     builder-options "1x"="y"
      |                     ^^^^ names of options have letters, digits, `-` and `_`, and begin with a letter

    error[invalid-value]: `builder-config` cannot have an entry `uv_image`
      --> imgspec.kdl:10:20
       |
    10 |     builder-config uv_image="x" micromamba-image="a b,source=/etc"
       |                    ^^^^^^^^ did you mean `uv-image`?

    error[invalid-value]: `micromamba-image` cannot be `a b,source=/etc`
      --> imgspec.kdl:10:50
       |
    10 |     builder-config uv_image="x" micromamba-image="a b,source=/etc"
       |                                                  ^^^^^^^^^^^^^^^^^ Docker takes no ` ` in it: only lower-case letters, digits, `.`, `_`, `-`

    error[invalid-value]: `secret` cannot be `a/b`
      --> imgspec.kdl:11:12
       |
    11 |     secret "a/b" env="A"
       |            ^^^^^ an id has letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most 64 characters

    error[invalid-value]: `env` cannot be `A-B`
      --> imgspec.kdl:12:20
       |
    12 |     secret "c" env="A-B"
       |                    ^^^^^ a shell's variables have letters, digits and `_`, and begin with no digit

    error[invalid-value]: `secret` cannot be `pip-secret-mounts-0`
      --> imgspec.kdl:13:12
       |
    13 |     secret "pip-secret-mounts-0" file="x"
       |            ^^^^^^^^^^^^^^^^^^^^^ secrets of imgspec's own are called so

    error[invalid-value]: `mount` cannot be `root/.netrc`
      --> imgspec.kdl:14:41
       |
    14 |     secret "d" env="D" { packages mount="root/.netrc"; commands env="1A" mount="/a,b" }
       |                                         ^^^^^^^^^^^^^ it must be absolute
       |
    help: write it like this
       |
    14 |     secret "d" env="D" { packages mount="/root/.netrc"; commands env="1A" mount="/a,b" }
       |                                          +

    error[invalid-value]: `env` cannot be `1A`
      --> imgspec.kdl:14:69
       |
    14 |     secret "d" env="D" { packages mount="root/.netrc"; commands env="1A" mount="/a,b" }
       |                                                                     ^^^^ a shell's variables have letters, digits and `_`, and begin with no digit

    error[invalid-value]: `mount` cannot be `/a,b`
      --> imgspec.kdl:14:80
       |
    14 |     secret "d" env="D" { packages mount="root/.netrc"; commands env="1A" mount="/a,b" }
       |                                                                                ^^^^^^ a mount's path has no spaces, commas, quotes, `$` or `\` in it

    error[invalid-value]: `to` cannot be `y`
      --> imgspec.kdl:15:30
       |
    15 |     pip-secret-mounts "x" to="y"
       |                              ^^^ it must be absolute
       |
    help: write it like this
       |
    15 |     pip-secret-mounts "x" to="/y"
       |                               +

    20 errors
    "#);
    assert_snapshot!(image(r#"
        source-copy-mode "ALL"
        flytekit "1.16"
        requirements "environment.yml"
        dockerfile "../Dockerfile" context="/src" target="a b" { args A-B="1"; contexts { context "x"; "a b" "y" } }
        steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
    "#), @r#"
    error[invalid-value]: `source-copy-mode` cannot be `ALL`
     --> imgspec.kdl:2:22
      |
    2 |     source-copy-mode "ALL"
      |                      ^^^^^ it is written in lower case
      |
    help: write it like this
      |
    2 -     source-copy-mode "ALL"
    2 +     source-copy-mode "all"
      |

    error[invalid-value]: `flytekit` cannot be `1.16`
     --> imgspec.kdl:3:14
      |
    3 |     flytekit "1.16"
      |              ^^^^^^ the whole version is needed, such as `1.16.31`: it is also what is installed

    error[invalid-value]: `requirements` cannot be `environment.yml`
     --> imgspec.kdl:4:18
      |
    4 |     requirements "environment.yml"
      |                  ^^^^^^^^^^^^^^^^^ conda's packages go to `conda-packages`, its channels to `conda-channels`

    error[outside]: `../Dockerfile` is no path of the workspace
     --> imgspec.kdl:5:16
      |
    5 |     dockerfile "../Dockerfile" context="/src" target="a b" { args A-B="1"; contexts { context "x"; "a b" "y" } }
      |                ^^^^^^^^^^^^^^^ this leads out of the workspace
      |
      = help: an image is made only of files below the folder of the root manifest

    error[outside]: `/src` is no path of the workspace
     --> imgspec.kdl:5:40
      |
    5 |     dockerfile "../Dockerfile" context="/src" target="a b" { args A-B="1"; contexts { context "x"; "a b" "y" } }
      |                                        ^^^^^^ paths are relative to the folder of this file
      |
      = help: an image is made only of files below the folder of the root manifest

    error[invalid-value]: `target` cannot be `a b`
     --> imgspec.kdl:5:54
      |
    5 |     dockerfile "../Dockerfile" context="/src" target="a b" { args A-B="1"; contexts { context "x"; "a b" "y" } }
      |                                                      ^^^^^ stages have names of letters, digits, `-`, `_` and `.`, or a number

    error[invalid-value]: `apt` cannot be `-y`
     --> imgspec.kdl:6:17
      |
    6 |     steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app...
      |                 ^^^^ an option is no package

    error[invalid-value]: `conda` cannot be `-c`
     --> imgspec.kdl:6:29
      |
    6 |     steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app...
      |                             ^^^^ an option is no package

    error[invalid-value]: `requirements` cannot be `Pipfile.lock`
     --> imgspec.kdl:6:59
      |
    6 | ...ts="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |       ^^^^^^^^^^^^^^ it is a list of requirements, `uv.lock`, `poetry.lock`, `pylock.toml` or `pyproject.toml`

    error[invalid-value]: `env` cannot have an entry `A B`
     --> imgspec.kdl:6:79
      |
    6 | ...ock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |              ^^^^^ names of environment variables have letters, digits and `_`, and begin with no digit

    error[invalid-value]: `user` cannot be `a b`
     --> imgspec.kdl:6:95
      |
    6 | ...B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                 ^^^^^ it is a name or number, and after a `:` a group, such as `app` or `1000:1000`

    error[invalid-value]: `workdir` cannot be `app`
     --> imgspec.kdl:6:110
      |
    6 | ...lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                                              ^^^^^ it must be absolute
      |
    help: write it like this
      |
    6 |     steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "/app"; run ""; copy "a" "b" to="/x" }
      |                                                                                                               +

    error[invalid-value]: `run` cannot be empty
     --> imgspec.kdl:6:121
      |
    6 | ....lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                                                          ^^

    error[missing-file]: `a` does not exist
     --> imgspec.kdl:6:130
      |
    6 | ...; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                                              ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[missing-file]: `b` does not exist
     --> imgspec.kdl:6:134
      |
    6 | ...er "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                                              ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[invalid-value]: several paths are copied to one
     --> imgspec.kdl:6:141
      |
    6 | ..."; workdir "app"; run ""; copy "a" "b" to="/x" }
      |                                              ^^^^ a folder ends in `/`
      |
    help: write it like this
      |
    6 |     steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x/" }
      |                                                                                                                                                +

    16 errors
    "#);
    for (mode, told) in [
        ("LOADED_MODULES", "which modules are loaded only the Python"),
        ("no-copy", "it is called `none`"),
        ("some", "it is `all` or `none`"),
    ] {
        let lines = format!("source-copy-mode \"{mode}\"");
        assert!(image(&lines).contains(told), "{mode}");
    }
    for (version, told) in [
        ("2.0.0", "only flytekit 1 has ImageSpecs"),
        ("1.15.2", "since 1.15.3"),
        ("latest", "a version is such as"),
    ] {
        let lines = format!("flytekit \"{version}\"");
        assert!(image(&lines).contains(told), "{version}");
    }
}

#[test]
fn files_that_are_not_there_or_of_the_wrong_kind() {
    let text = manifest(
        r#"
        source-root "srcs"
        registry-config "conf"
        secret "a" file="not-looked-for"
        steps { pip requirements="nowhere.txt"; copy "nothing" }
    "#,
    );
    let files = [("imgspec.kdl", text.as_str()), ("src/", ""), ("conf/", "")];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[missing-file]: `srcs` does not exist
     --> imgspec.kdl:2:17
      |
    2 |     source-root "srcs"
      |                 ^^^^^^ did you mean `src`?
      |
      = help: paths are relative to the folder of the manifest that says them

    error[wrong-type]: `conf` is a folder
     --> imgspec.kdl:3:21
      |
    3 |     registry-config "conf"
      |                     ^^^^^^ a file is wanted here

    error[missing-file]: `nowhere.txt` does not exist
     --> imgspec.kdl:5:13
      |
    5 |     steps { pip requirements="nowhere.txt"; copy "nothing" }
      |             ^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    error[missing-file]: `nothing` does not exist
     --> imgspec.kdl:5:50
      |
    5 |     steps { pip requirements="nowhere.txt"; copy "nothing" }
      |                                                  ^^^^^^^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    4 errors
    "#);
    let text =
        manifest(r#"dockerfile "Dockerfil" context="a.txt" { contexts { src path="nowhere" } }"#);
    let files = [
        ("imgspec.kdl", text.as_str()),
        ("Dockerfile", ""),
        ("a.txt", ""),
    ];
    assert_snapshot!(told_of(&files, &[]), @r#"
    error[missing-file]: `Dockerfil` does not exist
     --> imgspec.kdl:2:16
      |
    2 |     dockerfile "Dockerfil" context="a.txt" { contexts { src path="nowhere" } }
      |                ^^^^^^^^^^^ did you mean `Dockerfile`?
      |
      = help: paths are relative to the folder of the manifest that says them

    error[wrong-type]: `a.txt` is a file
     --> imgspec.kdl:2:36
      |
    2 |     dockerfile "Dockerfil" context="a.txt" { contexts { src path="nowhere" } }
      |                                    ^^^^^^^ a folder is wanted here

    error[missing-file]: `nowhere` does not exist
     --> imgspec.kdl:2:66
      |
    2 |     dockerfile "Dockerfil" context="a.txt" { contexts { src path="nowhere" } }
      |                                                                  ^^^^^^^^^ no such file or folder
      |
      = help: paths are relative to the folder of the manifest that says them

    3 errors
    "#);
}

#[test]
fn what_the_command_line_cannot_set() {
    let files = [("imgspec.kdl", "image \"a\"\n")];
    let flags = [
        "set:a.secret=x",
        "set:a.steps=x",
        "set:a.dockerfile=x",
        "set:a.pip-secret-mounts=x",
        "set:a.builder-config.uv=x",
    ];
    assert_snapshot!(told_of(&files, &flags), @r"
    error[invalid-value]: `secret` cannot be set on the command line
     --> --set:1:3
      |
    1 | a.secret=x
      |   ^^^^^^
      |
      = help: write it in the manifest, with a variable where it must change

    error[invalid-value]: `steps` cannot be set on the command line
     --> --set:1:3
      |
    1 | a.steps=x
      |   ^^^^^
      |
      = help: write it in the manifest, with a variable where it must change

    error[invalid-value]: `dockerfile` cannot be set on the command line
     --> --set:1:3
      |
    1 | a.dockerfile=x
      |   ^^^^^^^^^^
      |
      = help: write it in the manifest, with a variable where it must change

    error[invalid-value]: `pip-secret-mounts` cannot be set on the command line
     --> --set:1:3
      |
    1 | a.pip-secret-mounts=x
      |   ^^^^^^^^^^^^^^^^^
      |
      = help: write it in the manifest, with a variable where it must change

    error[invalid-value]: `builder-config` cannot have an entry `uv`
     --> --set:1:3
      |
    1 | a.builder-config.uv=x
      |   ^^^^^^^^^^^^^^^^^ it knows `uv-image` and `micromamba-image`

    5 errors
    ");
}
