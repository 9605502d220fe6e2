//! What changes a key and what does not, and that every change shows in the listing.

use std::path::PathBuf;

use super::super::files::{Entry, EntryKind};
use super::super::listing::inputs;
use super::*;
use crate::recipe::{FileSet, Interpreter, Own, Pip};
use crate::spec::{Base, Debian, Variant, WorkspacePath};

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), text).unwrap()
}

fn tree(text: &str) -> FileSet {
    FileSet::Tree {
        path: path(text),
        ignore: path(""),
        own: Own::NOTHING,
    }
}

fn texts(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn entry(path: &str, kind: EntryKind) -> Entry {
    Entry {
        path: path.to_owned(),
        kind,
    }
}

fn file(path: &str, content: &str, executable: bool) -> Entry {
    let kind = EntryKind::File {
        executable,
        size: content.len() as u64,
        digest: *blake3::hash(content.as_bytes()).as_bytes(),
    };
    entry(path, kind)
}

/// A recipe that uses every field.
fn sample() -> Recipe {
    Recipe {
        platforms: texts("linux/amd64"),
        base: Base::Image("ml-base".into()),
        steps: vec![
            Step::Apt {
                packages: texts("git libgomp1"),
            },
            Step::Python {
                version: "3.12".into(),
            },
            Step::Env(vec![("MODE".into(), "train".into())]),
            Step::Pip(Box::new(Pip {
                interpreter: Interpreter::Managed,
                requirements: Some(FileSet::Requirements {
                    path: path("requirements.txt"),
                }),
                packages: texts("torch==2.5.1 numpy"),
                index: Some("https://me:secret@example.org/simple".into()),
                extra_indexes: texts("https://example.org/extra"),
                extra_args: texts("--pre"),
                bytecode: None,
                unless_named: None,
            })),
            Step::Workdir("/app".into()),
            Step::Copy(Box::new(CopyStep {
                from: CopySource::Files(tree("src")),
                to: "/app/src".into(),
                owner: Some("app".into()),
            })),
            Step::Copy(Box::new(CopyStep {
                from: CopySource::Image {
                    image: "tools".into(),
                    path: "/bin/tool".into(),
                },
                to: "/bin/tool".into(),
                owner: None,
            })),
            Step::Run {
                command: "python -m compileall /app/src".into(),
            },
        ],
        config: Config {
            entrypoint: Some(texts("python -m train")),
            cmd: Some(texts("--help")),
            user: Some("app".into()),
            labels: vec![("team".into(), "ml".into())],
            ..Config::default()
        },
        ..Recipe::default()
    }
}

fn sample_files() -> Vec<Arc<Files>> {
    let requirements = vec![file("requirements.txt", "numpy", false)];
    let main = Some("requirements.txt".to_owned());
    let mut src = Files::new(
        PathBuf::new(),
        false,
        None,
        vec![
            entry("data", EntryKind::Folder),
            entry(
                "link",
                EntryKind::Link {
                    target: "run.sh".into(),
                },
            ),
            file("run.sh", "#!/bin/sh", true),
            file("train.py", "pass", false),
        ],
    );
    src.place = "src".to_owned();
    vec![
        Arc::new(Files::new(PathBuf::new(), false, main, requirements)),
        Arc::new(src),
    ]
}

fn sample_bases() -> Vec<(String, Key)> {
    vec![
        ("ml-base".to_owned(), Key::new([1; 32])),
        ("tools".to_owned(), Key::new([2; 32])),
    ]
}

fn sample_key() -> Key {
    key(
        &sample(),
        &sample_files(),
        &sample_bases(),
        &Outside::default(),
    )
}

fn listed(recipe: &Recipe, files: &[Arc<Files>], bases: &[(String, Key)]) -> Vec<String> {
    inputs(recipe, files, bases, &Outside::default())
        .into_iter()
        .map(|input| format!("{} = {}", input.name, input.value))
        .collect()
}

#[test]
fn the_golden_key() {
    // flytekit#1730 (a memory address was hashed), flytekit#2593 (a new field with its default changed every key).
    // If this key changes, every image of every user is rebuilt: increment KEY_FORMAT and mention it in the changelog.
    assert_eq!(
        sample_key().to_string(),
        "7a13c85e48a029c92457e8169252528eda9de8f82ec74babad5e76103e63bc1a"
    );
}

#[test]
fn the_listing_names_inputs_as_the_manifest_does() {
    let shown = listed(&sample(), &sample_files(), &sample_bases());
    let expected = [
        "key-format = 2",
        "recipe-format = 1",
        "platform[0] = linux/amd64",
        "base key ml-base = 0101010101010101010101010101010101010101010101010101010101010101",
        "steps = apt-packages, python-version, env, packages, workdir, copy[0], copy[1], commands[0]",
        "uv-image = ghcr.io/astral-sh/uv:0.9",
        "apt-packages[0] = git",
        "apt-packages[1] = libgomp1",
        "python-version = 3.12",
        "env.MODE = train",
        "python = managed",
        "requirements = requirements.txt",
        "requirements:requirements.txt = 0644 blake3:db42ea07c7ffa6e8",
        "packages[0] = torch==2.5.1",
        "packages[1] = numpy",
        "pip-index = https://example.org/simple",
        "pip-extra-index-url[0] = https://example.org/extra",
        "pip-extra-args[0] = --pre",
        "workdir = /app",
        "copy[0]:src = directory",
        "copy[0]:src/data = directory",
        "copy[0]:src/link = link -> run.sh",
        "copy[0]:src/run.sh = 0755 blake3:a29b927444ff1336",
        "copy[0]:src/train.py = 0644 blake3:7be1b497736a4478",
        "copy[0].to = /app/src",
        "copy[0].owner = app",
        "copy[1] key tools = 0202020202020202020202020202020202020202020202020202020202020202",
        "copy[1].path = /bin/tool",
        "copy[1].to = /bin/tool",
        "commands[0] = python -m compileall /app/src",
        "entrypoint[0] = python",
        "entrypoint[1] = -m",
        "entrypoint[2] = train",
        "cmd[0] = --help",
        "user = app",
        "labels.team = ml",
    ];
    assert_eq!(shown, expected);
}

fn file_base(name: Option<&str>) -> Base {
    let file = crate::spec::GivenPath::new("base.tar");
    let name = name.map(str::to_owned);
    Base::File { file, name }
}

fn debian(suite: &str, edit: fn(&mut Debian)) -> Base {
    let mut debian = Debian::new(suite);
    edit(&mut debian);
    Base::Debian(debian)
}

type Edit = fn(&mut Recipe);

/// Each edit results in a different image.
const EDITS: &[(&str, Edit)] = &[
    ("platform", |it| it.platforms[0] = "linux/arm64".into()),
    ("platforms", |it| it.platforms.push("linux/arm64".into())),
    ("registry base", |it| {
        it.base = Base::Registry("ml-base".into());
    }),
    ("scratch", |it| it.base = Base::Scratch),
    ("a file", |it| it.base = file_base(None)),
    ("a named image of a file", |it| {
        it.base = file_base(Some("a:1"));
    }),
    ("a suite", |it| it.base = debian("bookworm", |_| ())),
    ("another suite", |it| it.base = debian("trixie", |_| ())),
    ("a suite of a mirror", |it| {
        it.base = debian("bookworm", |it| it.mirror = Some("http://a/debian".into()));
    }),
    ("a snapshot of a suite", |it| {
        it.base = debian("bookworm", |it| {
            it.snapshot = Some("20250520T000000Z".into());
        });
    }),
    ("a variant of a suite", |it| {
        it.base = debian("bookworm", |it| it.variant = Variant::Apt);
    }),
    ("base called scratch", |it| {
        it.base = Base::Registry("scratch".into());
    }),
    ("the other base", |it| it.base = Base::Image("tools".into())),
    ("apt split", |it| {
        it.steps.insert(
            0,
            Step::Apt {
                packages: texts("git"),
            },
        );
        it.steps[1] = Step::Apt {
            packages: texts("libgomp1"),
        };
    }),
    ("apt order", |it| {
        it.steps[0] = Step::Apt {
            packages: texts("libgomp1 git"),
        };
    }),
    ("apt framing", |it| {
        it.steps[0] = Step::Apt {
            packages: texts("gitl ibgomp1"),
        };
    }),
    ("apt empty", |it| {
        it.steps[0] = Step::Apt {
            packages: Vec::new(),
        };
    }),
    ("no apt", |it| drop(it.steps.remove(0))),
    ("python", |it| {
        it.steps[1] = Step::Python {
            version: "3.13".into(),
        };
    }),
    ("env value", |it| {
        it.steps[2] = Step::Env(vec![("MODE".into(), "serve".into())]);
    }),
    ("env name", |it| {
        it.steps[2] = Step::Env(vec![("MOD".into(), "Etrain".into())]);
    }),
    ("interpreter", |it| pip(it).interpreter = Interpreter::Base),
    ("python-exec", |it| {
        pip(it).interpreter = Interpreter::Exec("managed".into());
    }),
    ("packages", |it| pip(it).packages.push("scipy".into())),
    ("no index", |it| pip(it).index = None),
    ("index", |it| {
        pip(it).index = Some("https://example.net/simple".into());
    }),
    ("extra index", |it| pip(it).extra_indexes.clear()),
    ("extra args", |it| pip(it).extra_args = texts("--no-deps")),
    ("bytecode", |it| pip(it).bytecode = Some(true)),
    ("no bytecode", |it| pip(it).bytecode = Some(false)),
    ("workdir", |it| it.steps[4] = Step::Workdir("/srv".into())),
    ("copy to", |it| copy(it, 5).to = "/app/src/".into()),
    ("copy owner", |it| copy(it, 5).owner = None),
    ("copy other owner", |it| {
        copy(it, 5).owner = Some("root".into());
    }),
    ("copy image owner", |it| {
        copy(it, 6).owner = Some("app".into());
    }),
    ("copy image path", |it| {
        copy(it, 6).from = CopySource::Image {
            image: "tools".into(),
            path: "/bin".into(),
        };
    }),
    ("command", |it| {
        it.steps[7] = Step::Run {
            command: "true".into(),
        };
    }),
    ("commands", |it| {
        it.steps.push(Step::Run {
            command: "true".into(),
        });
    }),
    ("order of steps", |it| it.steps.swap(4, 7)),
    ("order of copies", |it| it.steps.swap(5, 6)),
    ("no entrypoint", |it| it.config.entrypoint = None),
    ("empty entrypoint", |it| {
        it.config.entrypoint = Some(Vec::new());
    }),
    ("entrypoint as cmd", |it| {
        std::mem::swap(&mut it.config.entrypoint, &mut it.config.cmd);
    }),
    ("user", |it| it.config.user = None),
    ("labels", |it| it.config.labels.clear()),
    ("label", |it| it.config.labels[0].1 = "data".into()),
];

fn pip(recipe: &mut Recipe) -> &mut Pip {
    match &mut recipe.steps[3] {
        Step::Pip(pip) => pip,
        _ => panic!("no pip step"),
    }
}

fn copy(recipe: &mut Recipe, at: usize) -> &mut CopyStep {
    match &mut recipe.steps[at] {
        Step::Copy(copy) => copy,
        _ => panic!("no copy step"),
    }
}

#[test]
fn every_field_that_makes_another_image_makes_another_key_and_listing() {
    // skaffold#5504, pants#14724: a builder, a template or an argument was missing from the key.
    let (files, bases) = (sample_files(), sample_bases());
    let mut keys = BTreeMap::from([(sample_key(), "sample")]);
    let mut listings = std::collections::BTreeSet::from([listed(&sample(), &files, &bases)]);
    for (what, edit) in EDITS {
        let mut recipe = sample();
        edit(&mut recipe);
        let same = keys.insert(key(&recipe, &files, &bases, &Outside::default()), what);
        assert_eq!(same, None, "`{what}`");
        assert!(listings.insert(listed(&recipe, &files, &bases)), "`{what}`");
    }
}

#[test]
fn the_keys_of_bases_count_and_their_names_do_not() {
    let (recipe, files) = (sample(), sample_files());
    for at in 0..2 {
        let mut bases = sample_bases();
        bases[at].1 = Key::new([9; 32]);
        assert_ne!(
            key(&recipe, &files, &bases, &Outside::default()),
            sample_key()
        );
    }
    let mut renamed = sample();
    renamed.base = Base::Image("base".into());
    let mut bases = sample_bases();
    bases[0].0 = "base".into();
    assert_eq!(
        key(&renamed, &files, &bases, &Outside::default()),
        sample_key()
    );
}

#[test]
fn files_count_by_path_kind_mode_target_and_content() {
    // flytekit `_pathhash_update`, skaffold `fi.Name()`, werf#7465: names without lengths, base names only, no modes,
    // no link targets.
    let sets = [
        vec![file("a", "x", false)],
        vec![file("a", "x", true)],
        vec![file("a", "y", false)],
        vec![file("b", "x", false)],
        vec![file("a/b", "x", false)],
        vec![entry("a", EntryKind::Folder)],
        vec![entry("a", EntryKind::Link { target: "x".into() })],
        vec![entry("a", EntryKind::Link { target: "y".into() })],
        vec![entry("a", EntryKind::Folder), file("a/b", "x", false)],
        vec![],
    ];
    let mut digests = std::collections::BTreeSet::new();
    for entries in sets {
        for (single, main) in [(false, None), (true, None), (false, Some("a".to_owned()))] {
            let files = Files::new(PathBuf::new(), single, main, entries.clone());
            assert!(digests.insert(files.digest), "{files:?}");
        }
    }
}

#[test]
fn where_the_files_are_is_no_input() {
    let mut files = sample_files();
    let src = Arc::make_mut(&mut files[1]);
    src.folder = PathBuf::from("/elsewhere");
    src.place = "lib".into();
    let mut recipe = sample();
    copy(&mut recipe, 5).from = CopySource::Files(tree("lib"));
    assert_eq!(
        key(&recipe, &files, &sample_bases(), &Outside::default()),
        sample_key()
    );
}

#[test]
fn user_and_password_of_an_index_are_in_no_key_and_no_listing() {
    // CVE-2025-0495: credentials in stored build metadata.
    let mut recipe = sample();
    pip(&mut recipe).index = Some("https://example.org/simple".into());
    assert_eq!(
        key(
            &recipe,
            &sample_files(),
            &sample_bases(),
            &Outside::default()
        ),
        sample_key()
    );
    let shown = listed(&sample(), &sample_files(), &sample_bases()).join("\n");
    assert!(!shown.contains("secret"), "{shown}");
    for (text, kept) in [
        ("https://u:p@h/x@y", "https://h/x@y"),
        ("pkg @ git+https://token@h/x", "pkg @ git+https://h/x"),
        (
            "--a=https://u:p@h --b=http://u@i?q",
            "--a=https://h --b=http://i?q",
        ),
        ("a@b", "a@b"),
        ("https://h", "https://h"),
    ] {
        assert_eq!(without_credentials(text), kept);
    }
}
