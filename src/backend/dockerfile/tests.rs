//! Tests of whole Dockerfiles.

mod fields;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use insta::assert_snapshot;

use super::*;
use crate::backend::Artifact;
use crate::fingerprint::{Entry, EntryKind, Key, Outside, Pins};
use crate::recipe::{Config, FileSet, Interpreter, OutsideImage, Own, Pip};
use crate::spec::WorkspacePath;
use crate::workspace::{Locked, LockedImage, LockedWheel, PlatformPackages, StepPackages};

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), text).unwrap()
}

fn files(single: bool, main: Option<&str>, name: &str) -> Files {
    let kind = EntryKind::File {
        executable: false,
        size: 0,
        digest: [0; 32],
    };
    let entries = vec![Entry {
        path: name.into(),
        kind,
    }];
    let mut files = Files::new(
        PathBuf::from("/w/app"),
        single,
        main.map(str::to_owned),
        entries,
    );
    files.place = "app".into();
    files
}

fn tree(to: &str) -> Step {
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Files(FileSet::Tree {
            path: path("app"),
            ignore: WorkspacePath::default(),
            own: Own::NOTHING,
        }),
        to: to.into(),
        owner: Some("app:app".into()),
    }))
}

fn recipe(base: Base, steps: Vec<Step>, config: Config) -> Recipe {
    Recipe {
        platforms: vec!["linux/amd64".into()],
        base,
        steps,
        config,
        ..Recipe::default()
    }
}

fn called() -> Called {
    Called {
        parents: BTreeMap::from([("base".to_owned(), "imgspec-pin:1-1".to_owned())]),
        ..Called::default()
    }
}

fn rendered(recipe: &Recipe, files: &[Files]) -> Dockerfile {
    let files: Vec<Arc<Files>> = files.iter().cloned().map(Arc::new).collect();
    for_job(recipe, &files, render).unwrap()
}

fn for_job<T>(
    recipe: &Recipe,
    files: &[Arc<Files>],
    make: impl FnOnce(&Job<'_>, &Called) -> T,
) -> T {
    let base = Artifact {
        backend: "docker".into(),
        reference: "acme/base:7".into(),
        digest: String::new(),
        size: None,
    };
    let job = Job {
        image: "train",
        recipe,
        key: &Key::new([1; 32]),
        reference: "train:1",
        files,
        bases: BTreeMap::from([("base".to_owned(), base)]),
        outside: &Outside::default(),
        no_cache: false,
        is_base: false,
        root: Path::new("/"),
        scratch: PathBuf::new(),
    };
    make(&job, &called())
}

#[test]
fn every_step_has_its_instruction_and_its_words() {
    let pip = Pip {
        interpreter: Interpreter::Base,
        requirements: Some(FileSet::Requirements {
            path: path("app/requirements.txt"),
        }),
        packages: vec!["torch==2.5.1".into(), "x; python_version < '3.9'".into()],
        index: Some("https://index.test/simple".into()),
        extra_indexes: vec!["https://more.test/simple".into()],
        extra_args: vec!["--pre".into()],
        bytecode: None,
        unless_named: None,
    };
    let steps = vec![
        Step::Apt {
            packages: vec!["git".into(), "libgomp1".into()],
        },
        Step::Env(vec![
            ("A".into(), "1".into()),
            ("B".into(), "$A \"x\"".into()),
        ]),
        Step::Pip(Box::new(pip)),
        Step::Workdir("/app".into()),
        tree("/app/src"),
        Step::Copy(Box::new(CopyStep {
            from: CopySource::Image {
                image: "base".into(),
                path: "/opt/tool".into(),
            },
            to: "/opt/tool".into(),
            owner: None,
        })),
        Step::Run {
            command: "make all\nmake install".into(),
        },
    ];
    let config = Config {
        entrypoint: Some(vec!["python".into(), "-m".into(), "train".into()]),
        cmd: Some(Vec::new()),
        user: Some("app".into()),
        labels: vec![("org.opencontainers.image.title".into(), "Train".into())],
        ..Config::default()
    };
    let sets = [
        files(false, Some("requirements.txt"), "requirements.txt"),
        files(false, None, "a.py"),
    ];
    let dockerfile = rendered(&recipe(Base::Image("base".into()), steps, config), &sets);
    assert_snapshot!(
        dockerfile
            .text
            .replace(" --mount", "\n  --mount")
            .replace(" [\"", "\n  [\"")
    );
    let words: Vec<&str> = dockerfile
        .steps
        .iter()
        .map(|step| step.words.as_str())
        .collect();
    assert_eq!(
        words,
        [
            "base-image: base",
            "apt-packages: git libgomp1",
            "requirements: app/requirements.txt, packages: torch==2.5.1 x; python_version < '3.9'",
            "workdir: /app",
            "copy: app to /app/src",
            "copy: base:/opt/tool to /opt/tool",
            "commands: make all make install",
        ]
    );
    assert!(!dockerfile.newline && dockerfile.secrets.is_empty());
}

#[test]
fn a_managed_python_is_given_its_sources_as_secrets() {
    let steps = vec![Step::Python {
        version: "3.12".into(),
    }];
    let base = Base::Registry("debian:bookworm-slim".into());
    let dockerfile = rendered(&recipe(base, steps, Config::default()), &[]);
    assert_snapshot!(
        dockerfile
            .text
            .replace(" --mount", "\n  --mount")
            .replace(" [\"", "\n  [\"")
    );
    assert_eq!(
        dockerfile.secrets,
        ["UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL"]
    );
}

fn locked(recipe: &Recipe, names: &[(&str, &str)]) -> Dockerfile {
    let pairs = names
        .iter()
        .map(|(name, called)| ((*name).to_owned(), (*called).to_owned()));
    let called = Called {
        locked: pairs.collect(),
        ..Called::default()
    };
    let outside = Outside {
        images: vec![OutsideImage {
            name: "debian:12".into(),
            any_platform: false,
        }],
        locked: vec![Some(Locked {
            image: LockedImage::Digest("sha256:1".into()),
            platforms: BTreeMap::new(),
        })],
        ..Outside::default()
    };
    for_job(recipe, &[], |job, _| {
        let job = &Job {
            outside: &outside,
            ..job.clone()
        };
        match &recipe.dockerfile {
            Some(own) => super::own(job, &called, own, "FROM debian:12\n".to_owned()),
            None => render(job, &called).unwrap(),
        }
    })
}

#[test]
fn what_is_locked_is_named_by_digest_however_the_manifest_spells_it() {
    let steps = vec![Step::Python {
        version: "3.12".into(),
    }];
    let base = Base::Registry("docker.io/library/debian:12".into());
    let names = [
        ("debian:12", "debian@sha256:1"),
        ("ghcr.io/astral-sh/uv:0.9", "ghcr.io/astral-sh/uv@sha256:2"),
    ];
    let text = locked(&recipe(base, steps, Config::default()), &names).text;
    assert!(text.contains("FROM debian@sha256:1\n"), "{text}");
    assert!(
        text.contains("from=ghcr.io/astral-sh/uv@sha256:2,"),
        "{text}"
    );
    assert!(
        !text.contains("FROM debian:12") && !text.contains("uv:0.9"),
        "{text}"
    );
    assert!(
        text.contains("org.opencontainers.image.base.digest"),
        "{text}"
    );
}

/// An image that installs `torch`, for which the lock has `six`.
fn with_locked_packages(pip: Pip) -> String {
    let wheel = LockedWheel {
        name: "six".into(),
        version: "1.17.0".into(),
        file: "six-1.17.0-py3-none-any.whl".into(),
        sha256: format!("sha256:{}", "1".repeat(64)),
        size: None,
        url: "https://files.test/six-1.17.0-py3-none-any.whl".into(),
        is_requested: true,
    };
    let platform = PlatformPackages {
        target: "python 3.12".into(),
        base: None,
        wheels: vec![wheel],
    };
    let locked = StepPackages {
        inputs: String::new(),
        platforms: BTreeMap::from([("linux/amd64".into(), platform)]),
    };
    let outside = Outside {
        packages: vec![Pins::Open, Pins::Locked(Arc::new(locked))],
        ..Outside::default()
    };
    let open = Pip {
        packages: vec!["click".into()],
        ..pip.clone()
    };
    let steps = [open, pip].map(|pip| Step::Pip(Box::new(pip))).to_vec();
    let recipe = recipe(
        Base::Registry("python:3.12".into()),
        steps,
        Config::default(),
    );
    for_job(&recipe, &[], |job, called| {
        let job = &Job {
            outside: &outside,
            ..job.clone()
        };
        render(job, called).unwrap().text
    })
}

#[test]
fn locked_packages_are_installed_by_digest_and_nothing_else_is() {
    let pip = Pip {
        interpreter: Interpreter::Managed,
        requirements: None,
        packages: vec!["torch".into()],
        index: Some("https://index.test/simple".into()),
        extra_indexes: Vec::new(),
        extra_args: vec!["--no-deps".into(), "it's".into()],
        bytecode: None,
        unless_named: Some(("flytekit".into(), "flytekit==1.16.31".into())),
    };
    let text = with_locked_packages(pip);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("RUN"))
        .collect();
    let [open, locked] = lines.as_slice() else {
        panic!("{text}");
    };
    assert!(
        open.contains("\"click\"") && !open.contains("--require-hashes"),
        "{open}"
    );
    assert!(
        !locked.contains("torch") && !locked.contains("flytekit"),
        "{locked}"
    );
    let (_, command) = locked.split_once("done\\nprintf %s").unwrap();
    assert_snapshot!(command.replace("\",\"", "\n"), @r#"
     \"$lines\" | \"$@\"
    1
    six==1.17.0 --hash=sha256:1111111111111111111111111111111111111111111111111111111111111111
    /run/imgspec/uv
    pip
    install
    --python
    /opt/python/bin/python3
    --break-system-packages
    --no-python-downloads
    --no-config
    --no-progress
    --compile-bytecode
    --link-mode=copy
    --cache-dir
    /run/imgspec/cache
    --default-index=https://index.test/simple
    --no-deps
    it's
    --require-hashes
    --requirement=-"]
    "#);
}

#[test]
fn what_a_dockerfile_names_gets_its_digest_by_a_context_unless_the_manifest_says_otherwise() {
    let file = FileSet::File {
        path: path("Dockerfile"),
    };
    let recipe = Recipe {
        dockerfile: Some(Box::new(DockerfileRecipe {
            context: file.clone(),
            file,
            target: None,
            args: Vec::new(),
            contexts: vec![
                ("tools".into(), ContextSource::Registry("busybox:1".into())),
                (
                    "docker.io/library/debian:12".into(),
                    ContextSource::Registry("own:1".into()),
                ),
            ],
        })),
        ..Recipe::default()
    };
    let names = [
        ("alpine:3", "alpine@sha256:3"),
        ("busybox:1", "busybox@sha256:2"),
        ("debian:12", "debian@sha256:1"),
    ];
    let own = locked(&recipe, &names).own.unwrap();
    let images: Vec<String> = own
        .images
        .iter()
        .map(|(name, image)| format!("{name} {image}"))
        .collect();
    assert_eq!(
        images,
        [
            "tools busybox@sha256:2",
            "docker.io/library/debian:12 own:1",
            "alpine:3 alpine@sha256:3",
            "busybox:1 busybox@sha256:2",
        ]
    );
}

#[test]
fn nothing_has_neither_user_nor_numbered_steps() {
    let dockerfile = rendered(&recipe(Base::Scratch, Vec::new(), Config::default()), &[]);
    assert_snapshot!(dockerfile.text);
    assert!(dockerfile.steps.is_empty());
}

#[test]
fn no_value_can_become_an_instruction() {
    let evil = "x\nRUN touch /pwned\n";
    let steps = vec![
        Step::Apt {
            packages: vec![evil.into()],
        },
        Step::Env(vec![("A".into(), evil.into())]),
        Step::Workdir(evil.into()),
        tree(evil),
        Step::Run {
            command: evil.into(),
        },
        Step::Python {
            version: evil.into(),
        },
    ];
    let config = Config {
        entrypoint: Some(vec![evil.into()]),
        cmd: Some(vec![evil.into()]),
        user: Some(evil.into()),
        labels: vec![(evil.into(), evil.into())],
        ..Config::default()
    };
    let sets = [files(true, None, "x\nRUN touch /pwned\n")];
    let dockerfile = rendered(&recipe(Base::Registry("a:1".into()), steps, config), &sets);
    assert!(
        !dockerfile
            .text
            .lines()
            .any(|line| line.starts_with("RUN touch"))
    );
    assert!(dockerfile.newline);
    assert!(
        dockerfile
            .text
            .contains("FROM a:1\nARG IMGSPEC_NEWLINE\nUSER 0\n")
    );
}

#[test]
fn a_single_file_keeps_its_name_unless_it_looks_like_a_pattern() {
    let copied = |name: &str, to: &str| super::copied(0, &files(true, None, name), to);
    let pair = |source: &str, to: &str| (source.to_owned(), to.to_owned());
    assert_eq!(copied("a b.txt", "/x/"), pair("0/a b.txt", "/x/"));
    assert_eq!(copied("a*.txt", "/x/"), pair("0/file", "/x/a*.txt"));
    assert_eq!(copied(r"a\b", "/x"), pair("0/file", "/x"));
}
