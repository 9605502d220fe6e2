//! Conflicting secrets, and passwords that should be secrets.

use insta::assert_snapshot;

use super::together::with_files;
use super::{checked, told};

#[test]
fn secrets_do_not_take_each_others_place() {
    assert_snapshot!(with_files(r#"image "a" {
    packages "numpy"
    secret "one" env="ONE" {
        packages env="TOKEN"
        commands env="TOKEN"
    }
    secret "two" env="TWO" {
        packages env="TOKEN"
        commands env="TOKEN"
    }
    secret "netrc" file="netrc" {
        packages mount="/root/.netrc"
    }
    pip-secret-mounts "netrc" to="/root/.netrc"
    pip-secret-mounts "other" to="/root/.netrc"
}
image "b" {
    pip-secret-mounts "netrc" to="/root/.netrc"
}
image "c" {
    dockerfile "Dockerfile"
    secret "one" env="ONE" {
        commands env="TOKEN"
    }
}
"#), @r#"
    error[together]: image `a`: two secrets are assigned to the variable `TOKEN`
     --> imgspec.kdl:7:12
      |
    7 |     secret "two" env="TWO" {
      |            ^^^^^ so is the secret `one`

    error[together]: image `a`: two secrets are assigned to the file `/root/.netrc`
      --> imgspec.kdl:14:23
       |
    14 |     pip-secret-mounts "netrc" to="/root/.netrc"
       |                       ^^^^^^^ so is the secret `netrc`

    error[together]: image `a`: two secrets are assigned to the file `/root/.netrc`
      --> imgspec.kdl:15:23
       |
    15 |     pip-secret-mounts "other" to="/root/.netrc"
       |                       ^^^^^^^ so is another one of `pip-secret-mounts`

    warning[no-effect]: image `b`: `pip-secret-mounts` has no effect without Python packages
      --> imgspec.kdl:18:5
       |
    18 |     pip-secret-mounts "netrc" to="/root/.netrc"
       |     ^^^^^^^^^^^^^^^^^ nothing would read this

    error[together]: image `c`: a Dockerfile itself determines which steps use a secret
      --> imgspec.kdl:22:12
       |
    22 |     secret "one" env="ONE" {
       |            ^^^^^ the block has no effect
       |
       = help: remove the block, and use `RUN --mount=type=secret,id=one` in the Dockerfile

    4 errors, 1 warning
    "#);
}

#[test]
fn passwords_are_seen_wherever_urls_are() {
    assert_snapshot!(told(r#"image "a" {
    flytekit "1.16.31"
    conda-packages "numpy"
    conda-channels "https://me:pass@example.org/channel" "https://example.org/t/abc/channel"
    runtime-packages "x @ git+https://token@example.org/x"
    steps {
        pip "x @ git+https://token@example.org/x"
    }
}
"#), @r#"
    error[password]: a URL contains a password
     --> imgspec.kdl:4:20
      |
    4 |     conda-channels "https://me:pass@example.org/channel" "https://example.org/t/abc/channel"
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it would end up in the image's history and in logs
      |
      = help: pass it to the step as a secret: `secret "netrc" file="~/.netrc" { conda-packages mount="/root/.netrc" }`

    error[password]: a URL contains a password
     --> imgspec.kdl:4:58
      |
    4 |     conda-channels "https://me:pass@example.org/channel" "https://example.org/t/abc/channel"
      |                                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it would end up in the image's history and in logs
      |
      = help: pass it to the step as a secret: `secret "netrc" file="~/.netrc" { conda-packages mount="/root/.netrc" }`

    error[password]: a URL contains a password
     --> imgspec.kdl:5:22
      |
    5 |     runtime-packages "x @ git+https://token@example.org/x"
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it would end up in the image's history and in logs
      |
      = help: pass it to the step as a secret: `secret "netrc" file="~/.netrc" { packages mount="/root/.netrc" }`

    error[password]: a URL contains a password
     --> imgspec.kdl:7:9
      |
    7 |         pip "x @ git+https://token@example.org/x"
      |         ^^^ it would end up in the image's history and in logs
      |
      = help: pass it to the step as a secret: `secret "netrc" file="~/.netrc" { packages mount="/root/.netrc" }`

    4 errors
    "#);
}

#[test]
fn secrets_are_not_looked_for_by_a_check() {
    let manifest = r#"image "a" {
    secret "a" env="NOT_SET"
    secret "b" file="nowhere"
    commands "make"
}
"#;
    assert!(
        checked(&[("imgspec.kdl", manifest)], &[])
            .diagnostics
            .is_empty()
    );
}
