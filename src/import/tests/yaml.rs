//! ImageSpecs in YAML.

use insta::assert_snapshot;

use super::{imported_in, told, told_of};

#[test]
fn the_example_of_flytekit_s_documentation() {
    assert_snapshot!(told("docs.yaml", "python_version: 3.11\nregistry: pingsutw\npackages:\n  - sklearn\nenv:\n  Debug: \"True\"\n"), @r#"
    // From docs.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "docs" {
        registry "pingsutw"
        name "flytekit"
        python-version "3.11"
        packages "sklearn"
        env Debug="True"
    }

    - 1: docs: `python_version` is a number: taken as the string `3.11`, so the tag differs from flytekit's; quote it in the source
    "#);
}

#[test]
fn every_field_is_carried_over() {
    let text = r#"
name: Train
python_version: "3.12"
builder: envd
source_root: .
env: {A: "1", B-C: "two words"}
registry: ghcr.io/acme
packages: ["numpy>=2"]
conda_packages: [gcc]
conda_channels: [pytorch]
requirements: requirements.txt
apt_packages: [git]
cuda: "12.1"
cudnn: "8"
base_image: "debian:bookworm-slim"
platform: linux/amd64,linux/arm64
pip_index: https://pypi.example.org/simple
pip_extra_index_url: ["https://x.example.org/simple"]
pip_secret_mounts: [[secrets/netrc, /root/.netrc], [/etc/netrc, /etc/netrc], [~/.netrc, /n]]
pip_extra_args: --pre
registry_config: registries.json
entrypoint: [python, -m, train]
commands: ["true", "test -d /"]
tag_format: "{spec_hash}-cpu"
source_copy_mode: ALL
copy: [src, ./a/b.txt]
python_exec: /usr/bin/python3
runtime_packages: [six]
builder_options: {imagepull_secret_name: x}
builder_config: {uv_image: "uv:1", micromamba_image: "mm:1"}
"#;
    // Not a buildable combination; `check` would report it.
    let folder = tempfile::tempdir().unwrap();
    let imported = imported_in(folder.path(), "train.yaml", text).unwrap();
    assert_snapshot!(told_of(&imported), @r#"
    // From train.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "train" {
        registry "ghcr.io/acme"
        name "train"
        tag-format "{spec_hash}-cpu"
        builder "envd"
        builder-options imagepull_secret_name="x"
        builder-config uv-image="uv:1" micromamba-image="mm:1"
        registry-config "registries.json"
        platform "linux/amd64" "linux/arm64"
        base-image "debian:bookworm-slim"
        cuda "12.1"
        cudnn "8"
        apt-packages "git"
        python-version "3.12"
        python-exec "/usr/bin/python3"
        conda-channels "pytorch"
        conda-packages "gcc"
        requirements "requirements.txt"
        packages "numpy>=2"
        pip-index "https://pypi.example.org/simple"
        pip-extra-index-url "https://x.example.org/simple"
        pip-extra-args "--pre"
        pip-secret-mounts "secrets/netrc" to="/root/.netrc"
        pip-secret-mounts "/etc/netrc" to="/etc/netrc"
        pip-secret-mounts "~/.netrc" to="/n"
        runtime-packages "six"
        env A="1" B-C="two words"
        source-root "."
        source-copy-mode "all"
        copy "src" "a/b.txt"
        commands "true" "test -d /"
        entrypoint "python" "-m" "train"
    }

    - 11: train: `requirements` names `requirements.txt`, which does not exist; paths are relative to flytekit's working directory, which `-C` sets
    - 21: train: `registry_config` names `registries.json`, which does not exist; paths are relative to flytekit's working directory, which `-C` sets
    - 26: train: `copy` names `src`, which does not exist; paths are relative to flytekit's working directory, which `-C` sets
    - 26: train: `copy` names `./a/b.txt`, which does not exist; paths are relative to flytekit's working directory, which `-C` sets
    - 25: train: `source_copy_mode` is a string, which flytekit always reads as `ALL`: taken by its name as `all`, so the tag differs from flytekit's
    "#);
}

#[test]
fn numbers_dates_and_truth_are_taken_as_they_are_written() {
    let text = "python_version: 3.10\nname: 017\nenv: {A: yes, B: 2024-01-01, C: ~, D: 1_000, E: 1e3, F: !!str 3.10}\ncuda: 12.0\ntag_format: null\n";
    assert_snapshot!(told("x.yaml", text), @r#"
    // From x.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "017"
        cuda "12.0"
        python-version "3.10"
        env A="True" B="2024-01-01" D="1_000" E="1e3" F="3.10"
    }

    - 1: x: `python_version` is a number, read as `3.1`: taken as the string `3.10`, so the tag differs from flytekit's; quote it in the source
    - 2: x: `name` is a number, read as `15`: taken as the string `017`, so the tag differs from flytekit's; quote it in the source
    - 3: x: `env.A` is a boolean: taken as `True`, which flytekit sets too, but the tag differs from flytekit's
    - 3: x: `env.B` is a date: taken as the string `2024-01-01`, so the tag differs from flytekit's; quote it in the source
    - 3: x: `env.C` is left out: it has no value, which flytekit sets to `None`
    - 3: x: `env.D` is a number, read as `1000`: taken as the string `1_000`, so the tag differs from flytekit's; quote it in the source
    - 4: x: `cuda` is a number: taken as the string `12.0`, so the tag differs from flytekit's; quote it in the source
    "#);
}

#[test]
fn a_base_that_is_a_mapping_is_an_image_of_its_own() {
    let text = "packages: [a]\nbase_image:\n  name: mid\n  python_version: '3.12'\n  base_image:\n    name: low\n    python_version: '3.12'\n    apt_packages: [git]\n";
    assert_snapshot!(told("top.yaml", text), @r#"
    // From top.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "top-base-base" {
        name "low"
        apt-packages "git"
        python-version "3.12"
    }

    image "top-base" {
        name "mid"
        base-image image="top-base-base"
        python-version "3.12"
    }

    image "top" {
        name "flytekit"
        base-image image="top-base"
        packages "a"
    }

    - 5: top-base: `base_image` is a mapping, which flytekit would copy to `FROM`: it becomes an image of its own
    - 2: top: `base_image` is a mapping, which flytekit would copy to `FROM`: it becomes an image of its own
    - top: `python_version` is not set: flytekit takes the version of the Python that runs it; add `python-version` if the base has no Python
    "#);
}

#[test]
fn the_names_of_copy_modes_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    let mut told = String::new();
    for mode in [
        "",
        "source_copy_mode: LOADED_MODULES",
        "source_copy_mode: no-copy",
        "source_copy_mode: CopyFileDetection.ALL",
        "source_copy_mode: some",
    ] {
        let text = format!("source_root: src\npython_version: '3.12'\n{mode}\n");
        let imported = imported_in(folder.path(), "x.yaml", &text).unwrap();
        let modes = imported.images[0]
            .fields
            .iter()
            .find(|node| node.name == "source-copy-mode");
        told += &format!("{mode} -> {:?}\n", modes.map(|node| node.args.clone()));
        imported
            .notes
            .iter()
            .for_each(|note| told += &format!("  {}\n", note.message));
    }
    for mode in ["ALL", "NO_COPY"] {
        let text = format!("python_version: '3.12'\nsource_copy_mode: {mode}\n");
        told += &told_of(&imported_in(folder.path(), "x.yaml", &text).unwrap());
    }
    assert_snapshot!(told, @r#"
     -> Some(["all"])
      `source_copy_mode` is `LOADED_MODULES`, and only the running Python knows which modules are loaded: taken as `all`, which copies all of `source_root`
    source_copy_mode: LOADED_MODULES -> Some(["all"])
      `source_copy_mode` is `LOADED_MODULES`, and only the running Python knows which modules are loaded: taken as `all`, which copies all of `source_root`
    source_copy_mode: no-copy -> Some(["none"])
      `source_copy_mode` is a string, which flytekit always reads as `ALL`: taken by its name as `none`, so the tag differs from flytekit's
    source_copy_mode: CopyFileDetection.ALL -> Some(["all"])
    source_copy_mode: some -> Some(["all"])
      `source_copy_mode` is `some`, which flytekit reads as `ALL`: taken as `all`
    // From x.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "flytekit"
        python-version "3.12"
    }

    - 2: x: `source_copy_mode` is a string, which flytekit always reads as `ALL`: taken by its name as `all`, so the tag differs from flytekit's
    - 2: x: `source_copy_mode` is left out: without `source_root` flytekit copies the directory that it registers; set `source-root` and `source-copy-mode`// From x.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "flytekit"
        python-version "3.12"
        source-copy-mode "none"
    }

    - 2: x: `source_copy_mode` is a string, which flytekit always reads as `ALL`: taken by its name as `none`, so the tag differs from flytekit's
    "#);
}

#[test]
fn what_the_manifest_refuses_is_mended_or_left_out() {
    let text = r#"
registry: https://GHCR.io/acme/
name: ""
packages: [-r other.txt, "numpy", "--pre", "x @ https://u:p@example.org/x.whl"]
apt_packages: [Git, "a b", curl]
platform: arm64,windows/amd64
pip_index: https://user:password@example.org/simple
pip_extra_index_url: [example.org]
python_version: latest
commands: ["", "true"]
env: {"A B": "1", 1: "2", N: [1], Z: "a\0b"}
entrypoint: python main.py
cuda: [1]
conda_packages: []
builder: unionai
copy: [/etc/passwd, ../x, "."]
requirements: ../other/requirements.txt
source_root: /etc
pip_secret_mounts: {a: b}
builder_config: {uv_image: u, other: x}
builder_options: {a: 1, b: {c: d}}
"#;
    assert_snapshot!(told("x.yml", text), @r#"
    // From x.yml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        registry "ghcr.io/acme"
        builder-options a="1"
        builder-config uv-image="u"
        platform "linux/arm64"
        apt-packages "git" "curl"
        packages "numpy"
        copy "."
        commands "true"
        entrypoint "python main.py"
    }

    - 2: x: `registry` cannot be `https://ghcr.io/acme/`: corrected to `ghcr.io/acme`
    - 3: x: `name` is left out: it is empty, so the tag differs from flytekit's
    - 4: x: `packages` value `-r other.txt` is left out: options belong in `pip-extra-args`, requirements files in `requirements`
    - 4: x: `packages` value `--pre` is left out: options belong in `pip-extra-args`, requirements files in `requirements`
    - 4: x: `packages` has a password in a URL, which would end up in the image's history: left out; pass it as a `secret`, or in a file by `pip-secret-mounts`
    - 5: x: `apt_packages` cannot be `Git`: corrected to `git`
    - 5: x: `apt_packages` value `a b` is left out: one package per value: `apt-packages "git" "curl"`
    - 6: x: `platform` cannot be `arm64`: corrected to `linux/arm64`
    - 6: x: `platform` value `windows/amd64` is left out: known platforms are `linux/amd64`, `linux/arm64`, `linux/arm/v7`, `linux/arm/v6`, `linux/arm/v5`
    - 7: x: `pip_index` has a password in a URL, which would end up in the image's history: left out; pass it as a `secret`, or in a file by `pip-secret-mounts`
    - 8: x: `pip_extra_index_url` value `example.org` is left out: a URL begins with `https://`, `http://` or `file://`
    - 9: x: `python_version` value `latest` is left out: a version looks like `3.12`, `3.12.4`, `3.14rc1` or `3.13t`
    - 10: x: `commands` value `` is left out: an empty command does nothing
    - 11: x: `env.A B` is left out: names of environment variables consist of letters, digits and `_`, and cannot begin with a digit
    - 11: x: `env.1` is left out: names of environment variables consist of letters, digits and `_`, and cannot begin with a digit
    - 11: x: `env.N` takes a string, not a list: left out
    - 11: x: `env.Z` is left out: it contains a NUL character
    - 12: x: `entrypoint` is not a list, which flytekit rejects: taken as a list of one
    - 13: x: `cuda` takes a string, not a list: left out
    - 14: x: `conda_packages` is left out: it is an empty list, so the tag differs from flytekit's
    - 15: x: `builder` value `unionai` is left out: imgspec has no such builder
    - 16: x: `copy` value `/etc/passwd` is left out: flytekit rejects absolute paths and `..`
    - 16: x: `copy` value `../x` is left out: flytekit rejects absolute paths and `..`
    - 17: x: `requirements` value `../other/requirements.txt` is left out: it is outside the manifest's directory; `-o` can write the manifest further up
    - 19: x: `pip_secret_mounts` takes a list of pairs, not a mapping: left out
    - 20: x: `builder_config.other` is left out: flytekit's builder ignores it too
    - 21: x: `builder_options.a` is a number: taken as the string `1`, so the tag differs from flytekit's; quote it in the source
    - 21: x: `builder_options.b` takes a string, not a mapping: left out
    - 18: x: `source_copy_mode` is `LOADED_MODULES`, and only the running Python knows which modules are loaded: taken as `all`, which copies all of `source_root`
    - 18: x: `source_root` value `/etc` is left out: it is outside the manifest's directory; `-o` can write the manifest further up
    "#);
}

#[test]
fn merge_keys_aliases_and_equal_keys_are_read_as_pyyaml_does() {
    let text = "env:\n  <<: [&a {A: 'x', B: 'x'}, {B: 'y', C: 'y'}]\n  C: 'z'\npackages: &p [numpy]\npackages: [six]\napt_packages: *p\npython_version: '3.12'\n";
    assert_snapshot!(told("x.yaml", text), @r#"
    // From x.yaml, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "flytekit"
        apt-packages "numpy"
        python-version "3.12"
        packages "six"
        env B="x" C="z" A="x"
    }
    "#);
}

#[test]
fn texts_with_braces_and_lines_stay_what_they_are() {
    let text = "python_version: '3.12'\ncommands:\n- docker inspect -f '{{.Id}}'\n- |\n  for a in 1 2; do\n    echo \"$a\"\n  done\n- \"echo {{\\necho }}\"\n";
    assert_snapshot!(told("x.yaml", text), @r##"
    // From x.yaml, by `imgspec import`.

    // For texts with two literal braces.
    variable "braces" default=#"{{"#

    defaults {
        flytekit "1.16.31"
    }

    image "x" {
        name "flytekit"
        python-version "3.12"
        commands #"docker inspect -f '{{.Id}}'"#
        commands """
            for a in 1 2; do
              echo "$a"
            done

            """
        commands "echo {{ braces }}\necho }}"
    }
    "##);
}
