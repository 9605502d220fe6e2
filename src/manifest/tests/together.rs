//! Fields that cannot be combined, or that have no effect without another.

use insta::assert_snapshot;

use super::{told, told_of};

/// The files that the manifests in this module refer to.
const FILES: &[(&str, &str)] = &[
    ("uv.lock", ""),
    ("pylock.toml", ""),
    ("pyproject.toml", ""),
    ("Dockerfile", "FROM scratch\n"),
    ("conf.json", ""),
    ("src/", ""),
    ("alone/poetry.lock", ""),
];

pub(super) fn with_files(manifest: &str) -> String {
    let mut files = vec![("imgspec.kdl", manifest)];
    files.extend(FILES);
    told_of(&files, &[])
}

#[test]
fn cuda_and_cudnn_have_one_base_and_need_a_python() {
    assert_snapshot!(told(r#"image "a" { cudnn "9" }
image "b" { cuda "10.2" }
image "c" { cuda "12.1.0" }
image "d" { cuda "12.6"; cudnn "8" }
image "e" { cuda "12.6"; base-image "debian:12" }
image "f" { cuda "13"; base-image "ubuntu:20.04" }
image "g" { cuda "12.6"; base-image image="a" }
image "h" { cuda "12.6"; packages "torch" }
image "i" { cuda "12.6"; steps { pip "torch" } }
"#), @r#"
    error[together]: image `a`: `cudnn` needs `cuda`
     --> imgspec.kdl:1:19
      |
    1 | image "a" { cudnn "9" }
      |                   ^^^ for which CUDA?
      |
      = help: add the CUDA version: `cuda "12.6"`

    error[together]: image `b`: there is no image of CUDA 10.2
     --> imgspec.kdl:2:18
      |
    2 | image "b" { cuda "10.2" }
      |                  ^^^^^^ images exist for CUDA 11.7, 11.8, 12.0, 12.1, 12.2, 12.3, 12.4, 12.5, 12.6, 12.8, 12.9, 13.0

    error[together]: image `c`: there is no image of CUDA 12.1.0
     --> imgspec.kdl:3:18
      |
    3 | image "c" { cuda "12.1.0" }
      |                  ^^^^^^^^ for CUDA 12.1, images exist only of 12.1.1
      |
      = help: write `cuda "12.1"`

    error[together]: image `d`: `cudnn` cannot be combined with CUDA 12.6
     --> imgspec.kdl:4:32
      |
    4 | image "d" { cuda "12.6"; cudnn "8" }
      |                                ^^^ the images of CUDA 12.6 have cuDNN 9

    error[together]: image `e`: `base-image` cannot be combined with CUDA 12.6
     --> imgspec.kdl:5:37
      |
    5 | image "e" { cuda "12.6"; base-image "debian:12" }
      |                                     ^^^^^^^^^^^ with `cuda`, the base image is NVIDIA's
      |
      = help: omit `base-image`, or name the Ubuntu release to use (`ubuntu:22.04`); if your base already has CUDA, omit `cuda`

    error[together]: image `f`: `base-image` cannot be combined with CUDA 13
     --> imgspec.kdl:6:35
      |
    6 | image "f" { cuda "13"; base-image "ubuntu:20.04" }
      |                                   ^^^^^^^^^^^^^^ images of CUDA 13 exist for Ubuntu 24.04, 22.04

    error[together]: image `g`: `base-image` cannot be combined with CUDA 12.6
     --> imgspec.kdl:7:43
      |
    7 | image "g" { cuda "12.6"; base-image image="a" }
      |                                           ^^^ with `cuda`, the base image is NVIDIA's
      |
      = help: omit `base-image`, or name the Ubuntu release to use (`ubuntu:22.04`); if your base already has CUDA, omit `cuda`

    error[together]: image `h`: NVIDIA's images have no Python
     --> imgspec.kdl:8:18
      |
    8 | image "h" { cuda "12.6"; packages "torch" }
      |                  ^^^^^^ packages need one
      |
      = help: choose one: `python-version "3.12"`

    error[together]: image `i`: NVIDIA's images have no Python
     --> imgspec.kdl:9:18
      |
    9 | image "i" { cuda "12.6"; steps { pip "torch" } }
      |                  ^^^^^^ packages need one
      |
      = help: choose one: `python-version "3.12"`

    9 errors
    "#);
    assert_eq!(
        told("image \"a\" { cuda \"12.6\"; packages \"torch\"; conda-packages \"python\" }\n"),
        ""
    );
}

#[test]
fn conda_brings_its_own_python() {
    assert_snapshot!(told(r#"image "a" {
    conda-packages "numpy"
    python-exec "/usr/bin/python3"
}
image "b" {
    conda-channels "pytorch"
}
"#), @r#"
    error[together]: image `a`: `python-exec` cannot be combined with conda packages
     --> imgspec.kdl:3:17
      |
    3 |     python-exec "/usr/bin/python3"
      |                 ^^^^^^^^^^^^^^^^^^ conda installs its own Python
      |
      = help: remove one of the two; `python-version` sets which Python conda installs

    warning[no-effect]: image `b`: `conda-channels` has no effect without `conda-packages`
     --> imgspec.kdl:6:5
      |
    6 |     conda-channels "pytorch"
      |     ^^^^^^^^^^^^^^ nothing is installed from here

    1 error, 1 warning
    "#);
}

#[test]
fn lock_files_say_all_and_need_their_project() {
    assert_snapshot!(with_files(r#"image "a" {
    requirements "uv.lock"
    packages "numpy"
}
image "b" {
    requirements "alone/poetry.lock"
    pip-index "https://example.org/simple"
}
image "c" {
    requirements "pylock.toml"
    packages "numpy"
}
image "d" {
    steps {
        pip "numpy" requirements="uv.lock"
    }
}
"#), @r#"
    error[together]: image `a`: packages cannot be combined with `uv.lock`
     --> imgspec.kdl:3:5
      |
    3 |     packages "numpy"
      |     ^^^^^^^^ the lock file lists everything that is installed
      |
      = help: add them to the project and lock it again: `uv add`

    error[together]: image `b`: `poetry.lock` needs its `pyproject.toml`
     --> imgspec.kdl:6:18
      |
    6 |     requirements "alone/poetry.lock"
      |                  ^^^^^^^^^^^^^^^^^^^ there is none in the same directory
      |
      = help: a lock file is useless without the project that it belongs to

    warning[no-effect]: image `b`: poetry ignores `pip-index`
     --> imgspec.kdl:7:15
      |
    7 |     pip-index "https://example.org/simple"
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it uses the package sources of its project
      |
      = help: add it to the `pyproject.toml`: `[[tool.poetry.source]]`

    error[together]: image `c`: packages cannot be combined with `pylock.toml`
      --> imgspec.kdl:11:5
       |
    11 |     packages "numpy"
       |     ^^^^^^^^ the lock file lists everything that is installed
       |
       = help: add them to the project and lock it again: `uv export -o pylock.toml`

    error[together]: image `d`: packages cannot be combined with `uv.lock`
      --> imgspec.kdl:15:9
       |
    15 |         pip "numpy" requirements="uv.lock"
       |         ^^^ the lock file lists everything that is installed
       |
       = help: add them to the project and lock it again: `uv add`

    4 errors, 1 warning
    "#);
    assert_eq!(
        with_files("image \"a\" { requirements \"pyproject.toml\"; packages \"numpy\" }\n"),
        ""
    );
}

#[test]
fn sources_need_their_folder() {
    assert_snapshot!(told(r#"image "a" { source-copy-mode "all" }
"#), @r#"
    error[together]: image `a`: `source-copy-mode` needs `source-root`
     --> imgspec.kdl:1:30
      |
    1 | image "a" { source-copy-mode "all" }
      |                              ^^^^^ there is no directory to copy from
      |
      = help: name the directory: `source-root "src"`

    1 error
    "#);
    assert_eq!(told("image \"a\" { source-copy-mode \"none\" }\n"), "");
}

#[test]
fn a_dockerfile_stands_alone() {
    assert_snapshot!(with_files(r#"image "a" {
    dockerfile "Dockerfile"
    packages "numpy"
    steps {
        run "make"
    }
    pip-secret-mounts "netrc" to="/root/.netrc"
    labels team="ml"
    builder-options network="host"
    secret "token" env="TOKEN"
}
"#), @r#"
    error[together]: image `a`: `packages` cannot be combined with `dockerfile`
     --> imgspec.kdl:3:5
      |
    3 |     packages "numpy"
      |     ^^^^^^^^ the Dockerfile determines this
      |
      = help: move it into the Dockerfile, or discard the inherited values with `reset=#true`

    error[together]: image `a`: `steps` cannot be combined with `dockerfile`
     --> imgspec.kdl:4:5
      |
    4 |     steps {
      |     ^^^^^ the Dockerfile determines this
      |
      = help: move it into the Dockerfile, or discard the inherited values with `reset=#true`

    error[together]: image `a`: `pip-secret-mounts` cannot be combined with `dockerfile`
     --> imgspec.kdl:7:5
      |
    7 |     pip-secret-mounts "netrc" to="/root/.netrc"
      |     ^^^^^^^^^^^^^^^^^ the Dockerfile determines this
      |
      = help: move it into the Dockerfile, or discard the inherited values with `reset=#true`

    3 errors
    "#);
    // Decides for every field whether it may accompany one.
    let beside = [
        ("name", "\"x\""),
        ("registry", "\"ghcr.io/x\""),
        ("builder", "\"docker\""),
        ("platform", "\"linux/arm64\""),
        ("labels", "a=\"b\""),
        ("tag-format", "\"{spec_hash}-x\""),
        ("secret", "\"a\" env=\"A\""),
        ("builder-options", "network=\"host\""),
        ("registry-config", "\"conf.json\""),
        ("cache-from", "\"ghcr.io/x:c\""),
        ("cache-to", "\"ghcr.io/x:c\""),
    ];
    for (field, value) in beside {
        let manifest = format!("image \"a\" {{ dockerfile \"Dockerfile\"; {field} {value} }}\n");
        assert_eq!(with_files(&manifest), "", "{field}");
    }
}

#[test]
fn every_other_field_is_told_beside_a_dockerfile() {
    let others = [
        ("base-image", "\"debian:12\""),
        ("apt-packages", "\"git\""),
        ("python-version", "\"3.12\""),
        ("python-exec", "\"/bin/python\""),
        ("packages", "\"numpy\""),
        ("requirements", "\"uv.lock\""),
        ("pip-index", "\"https://example.org\""),
        ("pip-extra-index-url", "\"https://example.org\""),
        ("pip-extra-args", "\"--pre\""),
        ("python-bytecode", "#true"),
        ("env", "A=\"1\""),
        ("copy", "\"src\""),
        ("commands", "\"make\""),
        ("entrypoint", "\"x\""),
        ("cmd", "\"x\""),
        ("user", "\"app\""),
        ("workdir", "\"/app\""),
        ("conda-packages", "\"numpy\""),
        ("conda-channels", "\"pytorch\""),
        ("cuda", "\"12.6\""),
        ("cudnn", "\"9\""),
        ("source-root", "\"src\""),
        ("source-copy-mode", "\"none\""),
        ("pip-secret-mounts", "\"a\" to=\"/a\""),
        ("steps", "{ run \"make\"; }"),
        ("flytekit", "\"1.16.31\""),
        ("flytekit-id", "\"3kQmFH5d_tZ0aR5b0wF-2A\""),
        ("flytekit-python", "\"3.12\""),
        ("source-files", "\"a.py\""),
        ("runtime-packages", "\"numpy\""),
        ("builder-config", "uv-image=\"x\""),
        ("compression", "\"zstd\""),
        ("expose", "8080"),
        ("volume", "\"/data\""),
        ("healthcheck", "#false"),
        ("stop-signal", "\"SIGINT\""),
        ("shell", "\"/bin/bash\" \"-c\""),
    ];
    for (field, value) in others {
        let manifest = format!("image \"a\" {{ dockerfile \"Dockerfile\"; {field} {value} }}\n");
        let told = with_files(&manifest);
        let message = format!("image `a`: `{field}` cannot be combined with `dockerfile`");
        assert!(told.contains(&message), "{field}\n{told}");
    }
    // `dockerfile` itself, and those covered by `a_dockerfile_stands_alone`.
    let all = crate::spec::fields::names().count();
    assert_eq!(
        others.len() + 14,
        all,
        "a new field must be in one of the tables"
    );
}

#[test]
fn flytekits_images_are_named_by_flytekit() {
    assert_snapshot!(with_files(r#"image "plain" {
    runtime-packages "numpy"
}
image "own" {
    flytekit "1.16.31"
    base-image image="plain"
}
image "sources" {
    flytekit "1.16.31"
    name "sources"
    source-root "src"
}
image "project" {
    flytekit "1.16.31"
    name "project"
    requirements "pyproject.toml"
    registry-config "conf.json"
    builder-options network="host"
}
"#), @r#"
    error[together]: image `plain`: `runtime-packages` needs `flytekit`
     --> imgspec.kdl:2:5
      |
    2 |     runtime-packages "numpy"
      |     ^^^^^^^^^^^^^^^^ flytekit installs them when a task starts
      |
      = help: add `flytekit "1.16.31"`, or install them in the image: `packages`

    error[together]: image `own`: flytekit cannot refer to the base `plain`
     --> imgspec.kdl:6:22
      |
    6 |     base-image image="plain"
      |                      ^^^^^^^ its tag is not one of flytekit's
      |
      = help: add `flytekit` to `plain` too, or set it in `defaults`

    error[together]: image `sources`: flytekit would copy the loaded modules, which only the workflow's process knows
      --> imgspec.kdl:11:17
       |
    11 |     source-root "src"
       |                 ^^^^^ which files?
       |
       = help: set `source-copy-mode "all"` here and `CopyFileDetection.ALL` in the workflow; or `"none"` and `NO_COPY`

    error[together]: image `project`: flytekit does not support project files
      --> imgspec.kdl:16:18
       |
    16 |     requirements "pyproject.toml"
       |                  ^^^^^^^^^^^^^^^^ it would read this as a list of requirements
       |
       = help: use a `.txt`, `uv.lock` or `poetry.lock`

    warning[no-effect]: image `project`: flytekit's Docker builder ignores `registry-config`
      --> imgspec.kdl:17:21
       |
    17 |     registry-config "conf.json"
       |                     ^^^^^^^^^^^ it affects only flytekit's id

    warning[no-effect]: image `project`: flytekit's Docker builder ignores `builder-options`
      --> imgspec.kdl:18:5
       |
    18 |     builder-options network="host"
       |     ^^^^^^^^^^^^^^^ they affect only the tag

    4 errors, 2 warnings
    "#);
}
