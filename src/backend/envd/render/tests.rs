//! Tests of whole scripts.

use std::path::PathBuf;

use insta::assert_snapshot;

use super::task::{OWN_SCRIPT, PIP_SCRIPT, PLACE_SCRIPT, owned};
use super::*;
use crate::backend::envd::layout::lay_out;
use crate::fingerprint::{Entry, EntryKind};
use crate::recipe::{Conda, Config, CopyStep, FileSet, Interpreter, Own, Pip, Recipe};
use crate::spec::{Base, WorkspacePath};

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), text).unwrap()
}

fn files(single: bool, main: Option<&str>, names: &[&str]) -> Files {
    let entries = names.iter().map(|name| Entry {
        path: (*name).into(),
        kind: EntryKind::File {
            executable: false,
            size: 0,
            digest: [0; 32],
        },
    });
    let main = main.map(str::to_owned);
    let mut files = Files::new(PathBuf::from("/w/app"), single, main, entries.collect());
    files.place = "app".into();
    files
}

fn copy(to: &str, owner: Option<&str>) -> Step {
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Files(FileSet::Tree {
            path: path("app"),
            ignore: WorkspacePath::default(),
            own: Own::NOTHING,
        }),
        to: to.into(),
        owner: owner.map(str::to_owned),
    }))
}

fn take(from: &str, to: &str, owner: &str) -> Step {
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Image {
            image: "tools".into(),
            path: from.into(),
        },
        to: to.into(),
        owner: Some(owner.into()),
    }))
}

fn pip(requirements: bool, packages: &[&str]) -> Step {
    Step::Pip(Box::new(Pip {
        interpreter: Interpreter::Base,
        requirements: requirements.then(|| FileSet::Requirements {
            path: path("app/requirements.txt"),
        }),
        packages: packages.iter().map(|&each| each.to_owned()).collect(),
        index: Some("https://index.test/simple".into()),
        extra_indexes: vec!["https://more.test/simple".into()],
        extra_args: vec!["--pre".into()],
        bytecode: None,
        unless_named: None,
    }))
}

fn script(steps: Vec<Step>, files: &[Files]) -> Script {
    script_with(steps, files, &[])
}

/// The same, where these lines are locked for each step that installs Python packages.
fn script_with(steps: Vec<Step>, files: &[Files], locked: &[String]) -> Script {
    let recipe = Recipe {
        base: Base::Registry("debian:bookworm-slim".into()),
        steps,
        ..Recipe::default()
    };
    let (layout, _) = lay_out(&recipe);
    let pips = recipe.pips().map(|(pip, _)| (pip, locked.to_vec()));
    let pinned: Vec<(&Pip, Vec<String>)> = pips.filter(|_| !locked.is_empty()).collect();
    render(&ScriptInput {
        image: "train",
        layout: &layout,
        files: files.iter().collect(),
        images: vec!["127.0.0.1:5000/tools@sha256:11"; layout.taken.len()],
        base: "127.0.0.1:5000/base@sha256:00",
        base_words: "debian:bookworm-slim",
        folder: "/w",
        config: &Config {
            entrypoint: Some(["python", "-m", "train"].map(str::to_owned).to_vec()),
            ..Config::default()
        },
        pinned: &pinned,
    })
}

#[test]
fn locked_packages_are_all_that_is_installed() {
    let sets = [files(
        false,
        Some("requirements.txt"),
        &["requirements.txt"],
    )];
    let lines = ["six==1.17 ; platform_machine == 'x86_64' --hash=sha256:11".to_owned()];
    let script = script_with(vec![pip(true, &["torch==2.5.1"])], &sets, &lines).text;
    let line = script.lines().find(|line| line.contains("run(")).unwrap();
    assert!(line.contains("six==1.17 ; platform_machine =="), "{line}");
    assert!(
        line.contains("--pre --require-hashes --no-deps --requirement=/dev/stdin"),
        "{line}"
    );
    assert!(
        !line.contains("torch") && !line.contains("--requirement=/tmp"),
        "{line}"
    );
}

#[test]
fn every_step_has_its_statement_and_its_words() {
    let steps = vec![
        Step::Apt {
            packages: vec!["git".into(), "libgomp1".into()],
        },
        Step::Env(vec![("A".into(), "$A \"x\"\n".into())]),
        pip(true, &["torch==2.5.1", "x; python_version < '3.9'"]),
        Step::Workdir("/app".into()),
        copy("src", None),
        copy("/app/run.sh", Some("app")),
        Step::Run {
            command: "make all\necho it's \"$A\"".into(),
        },
    ];
    let sets = [
        files(false, Some("requirements.txt"), &["requirements.txt"]),
        files(false, None, &["a.py"]),
        files(true, None, &["run.sh"]),
    ];
    let script = script(steps, &sets);
    let pip = PIP_SCRIPT
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\'', "\\047");
    let pip = quote::string(&pip);
    let own = quote::string(&OWN_SCRIPT.replace('\n', "\\n"));
    let text = script.text.replace(&pip[1..pip.len() - 1], "<install>");
    assert_snapshot!(text.replace(&own[1..own.len() - 1], "<own>"));
    let words: Vec<&str> = script
        .steps
        .names
        .iter()
        .map(|step| step.words.as_str())
        .collect();
    assert_eq!(
        words,
        [
            "base-image: debian:bookworm-slim",
            "apt-packages: git libgomp1",
            "copy: app to src",
            "copy: app/run.sh to /app/run.sh",
            "requirements: app/requirements.txt, packages: torch==2.5.1 x; python_version < '3.9'",
            "workdir: /app",
            "copy: chown app/run.sh to app",
            "commands: make all echo it's \"$A\"",
        ]
    );
    assert_eq!(script.steps.commands, 4);
    let places: Vec<&str> = script
        .places
        .iter()
        .map(|(place, _)| place.as_str())
        .collect();
    assert_eq!(
        places,
        ["files/imgspec-requirements-0", "files/1/src", "files/2"]
    );
}

#[test]
fn pip_compiles_unless_the_manifest_says_no() {
    let rendered = |bytecode| {
        let Step::Pip(mut step) = pip(false, &["six"]) else {
            panic!("pip makes a step of this kind")
        };
        step.bytecode = bytecode;
        script(vec![Step::Pip(step)], &[]).text
    };
    assert_eq!(rendered(None), rendered(Some(true)));
    assert!(!rendered(None).contains("--no-compile"));
    assert!(rendered(Some(false)).contains("--no-compile"));
}

#[test]
fn envds_own_python_and_conda_are_asked_for_by_name() {
    let conda = Step::Conda(Box::new(Conda {
        python: Some("3.12".into()),
        packages: vec!["numpy>=1.26,<2".into()],
        channels: vec!["bioconda".into()],
    }));
    let script = script(vec![conda], &[]);
    assert_snapshot!(script.text);
}

#[test]
fn no_value_can_become_a_statement() {
    let evil = "x\")\n    run(commands=[\"touch /pwned\"])\n'; touch /pwned; '";
    let steps = vec![
        Step::Apt {
            packages: vec![evil.into()],
        },
        Step::Env(vec![("A".into(), evil.into())]),
        pip(false, &[evil]),
        Step::Workdir(format!("/{evil}")),
        copy(&format!("/{evil}"), Some(evil)),
        take(&format!("/{evil}"), evil, evil),
        Step::Run {
            command: evil.into(),
        },
    ];
    let script = script(steps, &[files(false, None, &[evil])]);
    for line in script.text.lines().skip(5) {
        let statements = [
            "base(",
            "config.",
            "install.",
            "io.copy(",
            "run(commands=[\": ",
        ];
        let line = line.strip_prefix("    ").unwrap();
        assert!(
            statements.iter().any(|head| line.starts_with(head)),
            "{line}"
        );
    }
}

#[test]
fn a_folder_for_the_root_is_copied_name_by_name() {
    let script = script(
        vec![copy("/", None)],
        &[files(false, None, &["a/b", "a/c", "d"])],
    );
    let copies: Vec<&str> = script
        .text
        .lines()
        .filter(|line| line.contains("copy"))
        .collect();
    assert_eq!(
        copies,
        [
            "    io.copy(source=\"files/0/a\", target=\"/\")",
            "    io.copy(source=\"files/0/d\", target=\"/\")",
        ]
    );
}

#[test]
fn an_owner_is_given_to_what_was_copied_and_to_nothing_else() {
    let folder = files(false, None, &["a/b", "c"]);
    assert_eq!(
        owned(&folder, "/app", "app"),
        ["app:", "/app", ".", "./a", "./a/b", "./c"]
    );
    assert_eq!(
        owned(&folder, "/root", "7"),
        ["7:7", "/root", "./a", "./a/b", "./c"]
    );
    let file = files(true, None, &["x.py"]);
    assert_eq!(owned(&file, "/app/", "a:b"), ["a:b", "/app", "./x.py"]);
    assert_eq!(owned(&file, "/y.py", "a:b"), ["a:b", "/", "./y.py"]);
    let many: Vec<String> = (0..9000).map(|at| format!("folder/file-{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        owned(&files(false, None, &many), "/app", "1:1"),
        ["1:1", "/app", ".", "-R", "./folder"]
    );
}

#[test]
fn what_comes_out_of_another_image_is_put_into_its_place_by_a_command() {
    let script = script(vec![take("/usr/bin/it's", "bin/", "7")], &[]);
    let place = quote::inside(&quote::bash(PLACE_SCRIPT));
    let place = quote::string(&place);
    let text = script.text.replace(&place[1..place.len() - 1], "<place>");
    assert_snapshot!(text);
    let words: Vec<&str> = script
        .steps
        .names
        .iter()
        .map(|step| step.words.as_str())
        .collect();
    assert_eq!(
        words,
        [
            "base-image: debian:bookworm-slim",
            "copy: tools:/usr/bin/it's",
            "copy: tools:/usr/bin/it's to bin/",
        ]
    );
    assert_eq!(script.steps.copies, [("usr/bin/it's".to_owned(), 1)]);
}
