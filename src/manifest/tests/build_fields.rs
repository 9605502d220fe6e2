//! Fields that control how an image is built: conda, CUDA, sources, secrets, steps, Dockerfiles, builders.

use insta::assert_snapshot;

use super::{told, told_of};

/// An image with these fields.
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
    assert_snapshot!(image(
        r#"
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
    "#
    ));
}

#[test]
fn missing_arguments() {
    assert_snapshot!(image(
        r#"
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
    "#
    ));
}

#[test]
fn superfluous_arguments() {
    assert_snapshot!(image(
        r#"
        cuda "12.4" "12.6"
        source-root "a" "b"
        pip-secret-mounts "a" "b" to="/x"
        secret "a" "b" env="A"
        secret "c" env="C" file="c"
        secret "d" env="D" { commands "make" env="D"; }
        dockerfile "a" "b"
        steps { user "a" "b"; run; apt { git }; pip requirements="r.txt" index="x" }
    "#
    ));
}

#[test]
fn unknown_children_and_properties() {
    assert_snapshot!(image(
        r#"
        secret "a" evn="A" { pip env="A"; comands; volumes }
        secret "b" env="B" { packages path="/x" }
        pip-secret-mounts "a" too="/x"
        dockerfile "Dockerfile" contxt="." { arg A="1"; context { }; stages }
        steps { apt-packages "git"; runn "make"; entrypoint "x" }
    "#
    ));
    assert_snapshot!(image(
        r#"
        dockerfile "." { contexts { base img="x"; tools "a" image="b"; src path="../x"; none } }
    "#
    ));
}

#[test]
fn names_that_stand_twice() {
    assert_snapshot!(image(
        r#"
        cuda "12.4"
        cuda "12.6"
        secret "a" env="A"
        secret "a" env="B"
        builder-options network="host"
        builder-options network="none"
        dockerfile "a" { args A="1"; args A="2" B="3" }
        dockerfile "b" { contexts { base "x"; base "y" }; contexts { base "z" } }
    "#
    ));
}

#[test]
fn values_that_rules_refuse() {
    assert_snapshot!(image(
        r#"
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
    "#
    ));
    assert_snapshot!(image(
        r#"
        source-copy-mode "ALL"
        flytekit "1.16"
        requirements "environment.yml"
        dockerfile "../Dockerfile" context="/src" target="a b" { args A-B="1"; contexts { context "x"; "a b" "y" } }
        steps { apt "-y"; conda "-c"; pip "-r x" requirements="Pipfile.lock"; env "A B"="1"; user "a b"; workdir "app"; run ""; copy "a" "b" to="/x" }
    "#
    ));
    for (mode, told) in [
        (
            "LOADED_MODULES",
            "only the Python process that runs the workflow",
        ),
        ("no-copy", "it is called `none`"),
        ("some", "it must be `all` or `none`"),
    ] {
        let lines = format!("source-copy-mode \"{mode}\"");
        assert!(image(&lines).contains(told), "{mode}");
    }
    for (version, told) in [
        ("2.0.0", "only flytekit 1 has ImageSpecs"),
        ("1.15.2", "from 1.15.3 on"),
        ("latest", "a version looks like"),
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
    assert_snapshot!(told_of(&files, &[]));
    let text =
        manifest(r#"dockerfile "Dockerfil" context="a.txt" { contexts { src path="nowhere" } }"#);
    let files = [
        ("imgspec.kdl", text.as_str()),
        ("Dockerfile", ""),
        ("a.txt", ""),
    ];
    assert_snapshot!(told_of(&files, &[]));
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
    assert_snapshot!(told_of(&files, &flags));
}
