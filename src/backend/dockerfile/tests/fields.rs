//! Tests of manifest fields, down to the Dockerfile.

use insta::assert_snapshot;

use super::*;
use crate::check::check;
use crate::fingerprint::{FileReader, fingerprint};
use crate::manifest::Overrides;

/// The files that the manifests in these tests refer to.
const FILES: &[(&str, &str)] = &[
    ("lock/uv.lock", "version = 1"),
    ("lock/poetry.lock", "[metadata]"),
    ("lock/pyproject.toml", "[project]"),
    ("lock/pylock.toml", "lock-version = \"1.0\""),
    ("requirements.txt", "numpy\n"),
    ("src/main.py", "pass"),
    ("Dockerfile", "FROM base\nCOPY . /app\n"),
];

/// The Dockerfile of an image with these fields; `base` is another image.
fn of(lines: &str) -> Dockerfile {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!("image \"train\" {{\n{lines}\n}}\nimage \"base\"\n");
    let files = [("imgspec.kdl", manifest.as_str())];
    for (path, text) in files.iter().chain(FILES) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let manifest = folder.path().join("imgspec.kdl");
    let found = check(&manifest, &Overrides::default(), &|_| None);
    assert!(!found.has_errors(), "{:?}", found.diagnostics);
    let reader = FileReader::new(folder.path()).unwrap();
    let print = fingerprint(found.graph.as_ref().unwrap(), &found.recipes, None, &reader)
        .swap_remove(0)
        .unwrap();
    let recipe = &found.recipes[0];
    for_job(recipe, &print.files, |job, called| {
        match &recipe.dockerfile {
            Some(own) => super::own(job, called, own, "FROM base\n".to_owned()),
            None => render(job, called).unwrap(),
        }
    })
}

/// The Dockerfile's instructions without comments and generated labels; one mount or argument list per line.
fn instructions(lines: &str) -> String {
    let text = of(lines).text;
    let kept = text
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.starts_with("LABEL dev.imgspec"))
        .filter(|line| !line.starts_with("LABEL \"dev.imgspec"))
        .filter(|line| !line.contains("org.opencontainers.image.base.name"));
    let kept: Vec<&str> = kept.collect();
    kept.join("\n")
        .replace(" --mount", "\n  --mount")
        .replace(" [\"", "\n  [\"")
}

fn steps(lines: &str) -> Vec<String> {
    let steps = of(lines).steps.into_iter();
    steps.map(|step| step.words).collect()
}

#[test]
fn conda_packages_are_installed_by_micromamba_from_conda_forge_first() {
    assert_snapshot!(instructions(
        r#"
        python-version "3.12"
        conda-packages "numpy>=2" "conda-forge::blas=*=openblas"
        conda-channels "pytorch" "https://example.org/channel"
        packages "torch"
        steps { conda "scipy" }
    "#
    ));
    assert_eq!(
        steps("conda-packages \"numpy\" \"blas\""),
        [
            "base-image: debian:bookworm-slim",
            "conda-packages: numpy blas"
        ]
    );
}

#[test]
fn a_uv_lock_makes_an_environment_that_later_packages_go_into() {
    assert_snapshot!(instructions(
        r#"
        python-version "3.12"
        requirements "lock/uv.lock"
        pip-index "https://example.org/simple"
        pip-extra-args "--extra gpu"
        steps { pip "numpy" }
    "#
    ));
}

#[test]
fn a_poetry_lock_is_installed_by_poetry() {
    assert_snapshot!(instructions(
        r#"
        base-image "python:3.12-slim"
        requirements "lock/poetry.lock"
    "#
    ));
}

#[test]
fn packages_are_compiled_unless_the_manifest_says_no() {
    for lines in [
        r#"python-version "3.12"; packages "numpy""#,
        r#"python-version "3.12"; requirements "lock/uv.lock""#,
        r#"base-image "python:3.12-slim"; requirements "lock/poetry.lock""#,
    ] {
        let told = ["", "; python-bytecode #true", "; python-bytecode #false"];
        let [plain, yes, no] = told.map(|told| instructions(&format!("{lines}{told}")));
        assert_eq!(plain, yes);
        assert!(yes.contains("\"--compile"), "{yes}");
        assert!(!no.contains("--compile"), "{no}");
    }
}

#[test]
fn standard_lock_files_and_projects_are_requirements() {
    let run = |file: &str| {
        let lines = format!("python-exec \"/usr/bin/python3\"; requirements \"lock/{file}\"");
        instructions(&lines)
    };
    for file in ["pylock.toml", "pyproject.toml"] {
        let text = run(file);
        let argument = format!("=/run/imgspec/requirements/{file}\"");
        assert!(text.contains(&argument), "{text}");
        assert!(text.contains("\"--python\",\"/usr/bin/python3\""), "{text}");
    }
}

#[test]
fn cuda_is_nvidias_base() {
    assert_snapshot!(instructions(
        r#"
        cuda "12.6"
        cudnn "9"
        base-image "ubuntu:22.04"
    "#
    ));
}

#[test]
fn helpers_come_from_the_images_that_are_named() {
    let text = instructions(
        r#"
        builder-config uv-image="example.org/uv:1" micromamba-image="example.org/mamba@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        conda-packages "numpy"
        packages "torch"
    "#,
    );
    assert!(text.contains("from=example.org/uv:1,source=/uv,"), "{text}");
    assert!(
        text.contains("from=example.org/mamba@sha256:0123"),
        "{text}"
    );
    assert!(!text.contains("astral"), "{text}");
}

#[test]
fn every_kind_of_step_gets_its_secrets_and_no_other_one() {
    assert_snapshot!(instructions(
        r#"
        apt-packages "git"
        python-version "3.12"
        conda-packages "numpy"
        packages "torch"
        commands "make"
        copy "src" to="/src"
        secret "everywhere" env="A"
        secret "apt" file="~/apt.conf" { apt-packages mount="/etc/apt/auth.conf.d/x.conf"; }
        secret "token" env="TOKEN" { commands env="API_TOKEN"; packages env="API_TOKEN" mount="/root/token"; }
        pip-secret-mounts "netrc" to="/root/.netrc"
    "#
    ));
}

#[test]
fn a_secret_is_never_where_it_comes_from() {
    let text = of(r#"
        commands "make"
        secret "a" env="VARIABLE_OF_MINE"
        secret "b" file="/home/me/secret-file"
    "#)
    .text;
    assert!(
        !text.contains("VARIABLE_OF_MINE") && !text.contains("secret-file"),
        "{text}"
    );
}

#[test]
fn own_steps_follow_the_fields_in_the_users_order() {
    assert_snapshot!(instructions(
        r#"
        workdir "/app"
        commands "echo fields"
        steps {
            run "echo root"
            user "app"
            env B="2" A="1"
            workdir "/home/app"
            copy "src" owner="app"
            copy image="base" "/bin/tool" to="/usr/bin/"
            run "make" "make install"
            user "root"
            apt "git"
        }
    "#
    ));
    assert_eq!(
        steps("steps { workdir \"/app\"; run \"make\"; user \"app\"; }"),
        [
            "base-image: debian:bookworm-slim",
            "workdir: /app",
            "commands: make"
        ]
    );
}

#[test]
fn sources_go_to_the_working_folder_by_the_ignore_file() {
    assert_snapshot!(instructions(
        r#"
        workdir "/app"
        source-root "src"
    "#
    ));
    let text = instructions("source-root \"src\"; source-copy-mode \"none\"");
    assert!(!text.contains("COPY"), "{text}");
}

#[test]
fn a_dockerfile_is_taken_as_it_is_and_told_besides() {
    let dockerfile = of(r#"
        dockerfile "Dockerfile" context="src" target="app" {
            args VERSION="1" A="$x y"
            contexts { tools "alpine:3"; parent image="base"; lib path="lock"; assets path="src" }
        }
        labels team="ml"
        secret "token" env="TOKEN"
    "#);
    assert_eq!(dockerfile.text, "FROM base\n");
    assert!(dockerfile.steps.is_empty() && !dockerfile.newline);
    let own = dockerfile.own.unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(own.target.as_deref(), Some("app"));
    assert_eq!(own.args, [pair("A", "$x y"), pair("VERSION", "1")]);
    assert_eq!(
        own.images,
        [pair("parent", "imgspec-pin:1-1"), pair("tools", "alpine:3")]
    );
    assert_eq!(
        own.folders,
        [("assets".to_owned(), 2), ("lib".to_owned(), 3)]
    );
    let labels: Vec<&str> = own.labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(labels, ["dev.imgspec.key", "dev.imgspec.image", "team"]);
}

#[test]
fn a_flytekit_image_whole() {
    let dockerfile = of(r#"
        flytekit "1.16.31"
        name "train"
        registry "localhost:30000"
        python-version "3.12"
        apt-packages "git"
        requirements "requirements.txt"
        packages "torch"
        env MODE="train"
        runtime-packages "scipy" "numpy"
        source-root "src"
        source-copy-mode "all"
        commands "make"
        entrypoint "pyflyte-execute"
    "#);
    assert_snapshot!(
        dockerfile
            .text
            .replace(" --mount", "\n  --mount")
            .replace(" [\"", "\n  [\"")
    );
}

#[test]
fn flytekit_is_installed_unless_it_is_asked_for() {
    let with = |lines: &str| {
        instructions(&format!(
            "flytekit \"1.16.31\"; python-version \"3.12\"; {lines}"
        ))
    };
    assert!(with("").contains("\"flytekit==1.16.31\""));
    assert!(with("packages \"numpy\"").contains("\"numpy\",\"flytekit==1.16.31\""));
    assert!(!with("packages \"flytekit>=1.15\"").contains("flytekit==1.16.31"));
    assert!(with("packages \"flytekitplugins-spark\"").contains("flytekit==1.16.31"));
    // A lock file lists everything to install.
    assert!(!with("requirements \"lock/uv.lock\"").contains("flytekit==1.16.31"));
}

#[test]
fn what_the_user_says_is_stronger_than_flytekits_profile() {
    let text = instructions(
        r#"
        flytekit "1.16.31"
        python-version "3.12"
        env PYTHONPATH="/mine"
        user "me"
        workdir "/srv"
    "#,
    );
    for line in [
        "ENV PYTHONPATH=\"/mine\"",
        "USER \"me\"",
        "WORKDIR \"/srv\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("USER \"flytekit\""), "{text}");
}
