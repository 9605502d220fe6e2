//! Bake files in their printed form; those that need bake itself are tested where Docker is available.

use insta::assert_snapshot;

use super::{imported, imported_in, refused, told, told_of};

/// A directory with the files that a bake file refers to.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    folder
}

#[test]
fn targets_become_images_bases_first() {
    let folder = folder(&["Dockerfile", "app/prod.Dockerfile", "assets/x"]);
    let text = r#"{
  "group": { "default": { "targets": ["app", "z-base"] } },
  "target": {
    "app": {
      "context": "app", "dockerfile": "prod.Dockerfile", "target": "prod",
      "args": { "VERSION": "1.2", "EMPTY": "" },
      "contexts": { "base": "target:z-base", "alpine": "docker-image://alpine:3.20", "assets": "./assets" },
      "tags": ["ghcr.io/acme/shop/app:v1"], "platforms": ["linux/amd64", "linux/arm64"],
      "labels": { "org.opencontainers.image.source": "https://example.org" },
      "secret": [{ "id": "token", "env": "TOKEN" }, { "id": "netrc", "src": "/etc/netrc" }, "id=old,src=./x"],
      "description": "The shop."
    },
    "z-base": { "context": ".", "dockerfile": "Dockerfile" }
  }
}"#;
    let imported = imported_in(folder.path(), "bake.json", text).unwrap();
    super::understood(&imported);
    assert_snapshot!(told_of(&imported), @r#"
    // From bake.json, by `imgspec import`.

    image "z-base" {
        dockerfile "Dockerfile"
    }

    // The shop.
    image "app" {
        registry "ghcr.io/acme/shop"
        also-tag "v1"
        platform "linux/amd64" "linux/arm64"
        dockerfile "app/prod.Dockerfile" context="app" target="prod" {
            args EMPTY="" VERSION="1.2"
            contexts {
                alpine "alpine:3.20"
                assets path="assets"
                base image="z-base"
            }
        }
        secret "token" env="TOKEN"
        secret "netrc" file="/etc/netrc"
        secret "old" file="x"
        labels "org.opencontainers.image.source"="https://example.org"
    }

    group "default" {
        images "app" "z-base"
    }

    "#);
}

#[test]
fn what_is_not_carried_over_is_named() {
    let text = r#"{ "target": { "a": {
      "annotations": ["a=b"], "attest": [{"type": "sbom"}], "cache-from": ["type=gha"], "cache-to": [{"type": "gha", "mode": "max"}],
      "call": "check", "entitlements": ["network.host"], "extra-hosts": {"h": "1.2.3.4"}, "network": "host", "no-cache": true,
      "no-cache-filter": ["x"], "output": ["type=registry"], "pull": true, "shm-size": "1g", "ssh": [{"id": "default"}],
      "ulimits": ["nofile=1:1"], "something-new": {"x": [1, "y"]}, "pull-not": false,
      "tags": ["a:1", "a:2", "b@sha256:00"], "platforms": ["linux/amd64", "linux/amd64", "windows/amd64"],
      "labels": {"a b": "c", "d": null}, "args": {"A-B": "x", "N": null, "NPM_TOKEN": "npm_x", "NO_TOKEN": ""},
      "contexts": {"git": "https://example.org/a.git", "oci": "oci-layout:///x", "none": "target:none", "bad": "docker-image://A B", "out": "../.."},
      "secret": [{"id": "bare"}, {"src": "x"}]
    } } }"#;
    assert_snapshot!(told("bake.json", text), @r#"
    // From bake.json, by `imgspec import`.

    image "a" {
        also-tag "1" "2"
        platform "linux/amd64"
        dockerfile "Dockerfile" {
            args NO_TOKEN=""
        }
        secret "bare" env="bare"
        attest sbom="default"
    }

    - a: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - a: `args.A-B` is left out: names of arguments consist of letters, digits and `_`
    - a: `args.N` is left out: it has no value, so the Dockerfile's default applies
    - a: `args.NPM_TOKEN` is left out: it looks like a secret, which would end up in the manifest and the image's history; pass it as a `secret`
    - a: `contexts.bad` is left out: `A B` is not a valid reference: Docker does not allow ` ` here: only lower-case letters, digits, `.`, `_`, `-`
    - a: `contexts.git` is left out: `https://example.org/a.git` is not on this machine
    - a: `contexts.none` is left out: target `none` is not imported
    - a: `contexts.oci` is left out: `oci-layout:///x` is not on this machine
    - a: `contexts.out` is left out: `../..` is outside the manifest's directory; `-o` can write the manifest further up
    - a: `annotations` (a=b) is left out: imgspec writes labels, not annotations
    - a: the cache `type=gha` of `cache-from` is left out: caches are in registries, not of the type `gha`
    - a: the cache `mode=max,type=gha` of `cache-to` is left out: caches are in registries, not of the type `gha`
    - a: `call` (check) is left out: use `imgspec check` for the manifest and `docker build --check` for the Dockerfile
    - a: `entitlements` (network.host) is left out: builds get no extra privileges
    - a: `extra-hosts` (h=1.2.3.4) is left out: builds use the builder's hosts
    - a: `labels.a b` is left out: names of labels consist of letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit
    - a: `labels.d` is left out: it has no value
    - a: `network` (host) is left out: builds use the builder's network
    - a: `no-cache` (true) is left out: use `imgspec graph build --force` to build every step again
    - a: `no-cache-filter` (x) is left out: use `imgspec graph build --force` to build every step again
    - a: `output` (type=registry) is left out: images go to the local store, and with `--push` to their registry
    - a: the platform `windows/amd64` is left out: known platforms are `linux/amd64`, `linux/arm64`, `linux/arm/v7`, `linux/arm/v6`, `linux/arm/v5`
    - a: `pull` (true) is left out: pin the base by its digest instead
    - a: the secret `bare` names no source: taken from the variable `bare`
    - a: the secret `src=x` is left out: it has no usable id
    - a: `shm-size` (1g) is left out: builds use the builder's shared memory
    - a: `something-new` (x=1 y) is left out: imgspec does not know this field
    - a: `ssh` (id=default) is left out: builds get no SSH agent; pass the key as a `secret`
    - a: the tag `b@sha256:00` is left out: a further name has a tag, not a digest
    - a: `ulimits` (nofile=1:1) is left out: builds use the builder's limits
    "#);
}

#[test]
fn a_dockerfile_inside_of_the_bake_file_becomes_a_file() {
    let made = imported(
        "bake.json",
        r#"{"target": {"A_b": {"dockerfile-inline": "FROM scratch\n"}}}"#,
    );
    assert_eq!(made.files[0].path, "a-b.Dockerfile");
    assert_eq!(made.files[0].text, "FROM scratch\n");
    assert_eq!(made.images[0].id, "a-b");
}

#[test]
fn contexts_of_elsewhere_leave_their_images_out() {
    let text = r#"{"target": {
        "far": {"context": "https://example.org/a.git#main"}, "tar": {"context": "-"}, "out": {"context": "../up"},
        "remote": {"dockerfile": "https://example.org/Dockerfile"},
        "near": {"contexts": {"base": "target:far"}}, "cwd": {"context": "cwd://sub", "dockerfile": "cwd://x.Dockerfile"}
    }}"#;
    let folder = folder(&["Dockerfile", "sub/y", "x.Dockerfile"]);
    assert_snapshot!(told_of(&imported_in(folder.path(), "bake.json", text).unwrap()), @r#"
    // From bake.json, by `imgspec import`.

    image "cwd" {
        dockerfile "x.Dockerfile" context="sub"
    }

    image "near" {
        dockerfile "Dockerfile"
    }

    - far: the target is left out: its `context` `https://example.org/a.git#main` is not on this machine
    - near: `contexts.base` is left out: target `far` is not imported
    - out: the target is left out: its `context` `../up` is outside the manifest's directory; `-o` can write the manifest further up
    - remote: the target is left out: its `dockerfile` `https://example.org/Dockerfile` is not on this machine
    - tar: the target is left out: its `context` `-` is not on this machine
    "#);
}

#[test]
fn targets_of_one_name_are_told_apart() {
    let text = r#"{"target": {
        "dev": {"tags": ["r.example.com/app:dev"]}, "prod": {"tags": ["r.example.com/app:prod"]},
        "web": {}, "web2": {"tags": ["web:1"]}, "Web": {}
    }}"#;
    assert_snapshot!(told("bake.json", text), @r#"
    // From bake.json, by `imgspec import`.

    image "web" {
        tag-format "{spec_hash}-web"
        dockerfile "Dockerfile"
    }

    image "dev" {
        registry "r.example.com"
        name "app"
        tag-format "{spec_hash}-dev"
        also-tag "dev"
        dockerfile "Dockerfile"
    }

    image "prod" {
        registry "r.example.com"
        name "app"
        tag-format "{spec_hash}-prod"
        also-tag "prod"
        dockerfile "Dockerfile"
    }

    image "web-2" {
        dockerfile "Dockerfile"
    }

    image "web2" {
        name "web"
        tag-format "{spec_hash}-web2"
        also-tag "1"
        dockerfile "Dockerfile"
    }

    - web: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - dev: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - prod: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - web-2: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - web2: `dockerfile` names `Dockerfile`, which does not exist; paths are relative to bake's working directory, which `-C` sets
    - web: other targets have the same name: `tag-format` is set to `{spec_hash}-web` to keep them apart
    - dev: other targets have the same name: `tag-format` is set to `{spec_hash}-dev` to keep them apart
    - prod: other targets have the same name: `tag-format` is set to `{spec_hash}-prod` to keep them apart
    - web2: other targets have the same name: `tag-format` is set to `{spec_hash}-web2` to keep them apart
    "#);
}

#[test]
fn targets_that_need_each_other_end() {
    let text = r#"{"target": {"a": {"contexts": {"x": "target:b"}}, "b": {"contexts": {"x": "target:a"}}}}"#;
    let folder = folder(&["Dockerfile"]);
    let imported = imported_in(folder.path(), "bake.json", text).unwrap();
    assert_eq!(imported.images.len(), 2);
}

#[test]
fn what_has_no_target_is_refused() {
    let mut told = String::new();
    for text in [
        r#"{"target": {}}"#,
        " ",
        r#"{"target": {"a": {"context": "https://example.org/x.git"}}}"#,
    ] {
        told += &refused("bake.json", text);
    }
    assert_snapshot!(told, @"
    error[no-image]: `bake.json` defines no target
     |
     = help: a bake file has a `target` for each image

    1 error
    error[empty]: `bake.json` is empty
     |
     = help: name a file that defines images

    1 error
    error[no-image]: no target of `bake.json` can be imported
     |
     = help: a: the target is left out: its `context` `https://example.org/x.git` is not on this machine

    1 error
    ");
}

#[test]
fn groups_are_kept_as_far_as_their_targets_are() {
    let text = r#"{
      "group": { "default": { "targets": ["web", "Tools"] }, "Tools": { "targets": ["cli", "far"] }, "gone": { "targets": ["far"] }, "b\u0007": { "targets": ["web"] } },
      "target": { "web": {}, "cli": {}, "far": { "context": "https://example.org/a.git" } }
    }"#;
    let folder = folder(&["Dockerfile"]);
    assert_snapshot!(told_of(&imported_in(folder.path(), "bake.json", text).unwrap()), @r#"
    // From bake.json, by `imgspec import`.

    image "cli" {
        dockerfile "Dockerfile"
    }

    image "web" {
        dockerfile "Dockerfile"
    }

    group "tools" {
        images "cli"
    }

    group "b" {
        images "web"
    }

    group "default" {
        images "web" "tools"
    }

    - far: the target is left out: its `context` `https://example.org/a.git` is not on this machine
    - group `Tools` is called `tools`
    - group `Tools` is without `far`, which is not imported
    - group `b\u{7}` is called `b`
    - group `gone` is left out: none of its targets is imported
    "#);
}
