//! Fuzzes the readers of lock files and of what stands beside them. Whatever is written there, it is read or refused in words;
//! of what is read, names are normalized, and the file that is chosen is one of the package.

use std::collections::BTreeSet;

use super::super::Libc;
use super::super::arguments::sync;
use super::super::environment::Environment;
use super::super::places::normal;
use super::super::tags::Tags;
use super::super::testing::target;
use super::project::Project;
use super::uv_lock::Choice;
use super::{Locked, choose, poetry, pylock, requirements, uv_lock};
use crate::fuzz::{Fuzz, Random};

const DIGEST: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";

const PROJECT: &str = "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\ndependencies = [\"click>=8\", \"six; python_version > '3'\"]\n\
    [project.optional-dependencies]\ngpu = [\"attrs\"]\n[tool.poetry.dependencies]\npython = \">=3.9,<4\"\nold = [{ version = \"^1\", python = \"<3.10\" }]\n";

const WORDS: &[&str] = &[
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "#",
    "\\",
    "\u{0}",
    "é",
    "-",
    "--hash=sha256:",
    "-r x\n",
    "-c x\n",
    "[[package]]\n",
    "[[packages]]\n",
    "name = \"click\"\n",
    "version = \"9\"\n",
    "marker = \"python_version < '3'\"\n",
    "markers = \"extra == 'gpu'\"\n",
    "source = { git = \"x\" }\n",
    "source = { registry = \"https://h/simple\" }\n",
    "sdist = { url = \"x.tar.gz\" }\n",
    "dependencies = [{ name = \"app\" }]\n",
    "wheels = []\n",
    "size = -1\n",
    "99999999999999999999",
    "lock-version = \"2.1\"\n",
    "(",
    ")",
    " and ",
    " or ",
    "python_version",
    "==",
    "https://u:p@h/",
    "../",
    "click-8.1-py3-none-any.whl",
];

fn package(random: &mut Random, list: &str) -> String {
    let name = *random.pick(&["click", "six", "attrs", "old", "Six", "a.b"]);
    let version = *random.pick(&["8.1", "1.0", "2.5.0", "1!0", "x"]);
    let tag = *random.pick(&[
        "py3-none-any",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp39-abi3-musllinux_1_1_x86_64",
        "win",
    ]);
    let file = format!("{name}-{version}-{tag}.whl");
    let more = random.soup(
        &[
            "optional = true\n",
            "groups = [\"main\"]\n",
            "python-versions = \">=3.9\"\n",
            "markers = \"python_version < '3.10'\"\n",
            "dependencies = [{ name = \"six\" }]\n",
            "[package.dependencies]\nsix = \"*\"\n",
            "marker = \"sys_platform == 'linux'\"\n",
        ],
        2,
    );
    format!(
        "[[{list}]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ registry = \"https://h/simple\" }}\n\
         files = [{{ file = \"{file}\", hash = \"sha256:{DIGEST}\" }}]\n\
         wheels = [{{ url = \"https://h/{file}\", hash = \"sha256:{DIGEST}\", hashes = {{ sha256 = \"{DIGEST}\" }}, size = 7 }}]\n{more}"
    )
}

/// A lock file of each kind, and what stands beside it, apart from each other by a line of its own.
fn make(random: &mut Random) -> String {
    let kind = *random.pick(&["uv", "poetry", "pylock", "requirements"]);
    let list = if kind == "pylock" {
        "packages"
    } else {
        "package"
    };
    let packages: String = (0..random.few(0, 4))
        .map(|_| package(random, list))
        .collect();
    let lock = match kind {
        "uv" => format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"click\" }}]\n[package.metadata]\nrequires-dist = [{{ name = \"click\", specifier = \">=8\" }}]\n{packages}"
        ),
        "poetry" => format!(
            "{packages}[extras]\ngpu = [\"attrs\"]\n[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\ncontent-hash = \"x\"\n"
        ),
        "pylock" => format!("lock-version = \"1.0\"\ncreated-by = \"x\"\n{packages}"),
        _ => format!(
            "click==8.1 --hash=sha256:{DIGEST}\nsix==1.0 ; python_version > '3' \\\n  --hash=sha256:{DIGEST} # x\n--index-url https://h/simple\n"
        ),
    };
    let mut project = PROJECT.to_owned();
    let lock = if random.chance(2, 3) {
        random.spoilt(&lock, WORDS)
    } else {
        lock
    };
    if random.chance(1, 4) {
        project = random.spoilt(&project, WORDS);
    }
    random.long(WORDS).map_or_else(
        || format!("{kind}\n{lock}\n---\n{project}"),
        |long| format!("{kind}\n{long}\n---\n{project}"),
    )
}

fn read(text: &str, environment: &Environment) -> Result<Vec<Locked>, String> {
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (lock, project) = rest.split_once("\n---\n").unwrap_or((rest, ""));
    match kind {
        "uv" => {
            let choice = Choice::of(&sync(&["--frozen".to_owned()])?);
            uv_lock::read(lock, &Project::read(project)?, &choice, environment)
        }
        "poetry" => {
            let project = Project::read(project)?;
            let [hash, _] = project.content_hashes()?;
            let lock = lock.replace("content-hash = \"x\"", &format!("content-hash = '{hash}'"));
            poetry::read(&lock, &project, None, environment)
        }
        "pylock" => pylock::read(lock, environment),
        _ => {
            let include =
                |_: &str, name: &str| (name == "x").then(|| ("x".to_owned(), lock.to_owned()));
            let closed = requirements::read("x", &include, environment);
            closed
                .map(|closed| closed.locked)
                .ok_or_else(|| "it is not closed".to_owned())
        }
    }
}

#[test]
fn lock_files() {
    let target = target((3, 12), "linux/amd64", Libc::Glibc(2, 36));
    let environment = Environment::of(&target).expect("it has one");
    let tags = Tags::of(&target);
    let judge = |text: &String| match read(text, &environment) {
        Ok(all) => {
            for locked in &all {
                assert_eq!(locked.name, normal(&locked.name));
                match choose(locked, &tags, true) {
                    Ok(offer) => {
                        assert!(
                            locked
                                .wheels
                                .iter()
                                .chain(&locked.sdist)
                                .any(|one| one == offer)
                        );
                        let wheel = locked.wheel(offer);
                        let is_url =
                            |url: &str| url.starts_with("https://") || url.starts_with("http://");
                        if let Some(wheel) = wheel.ok().filter(|wheel| is_url(&wheel.url)) {
                            let url = url::Url::parse(&wheel.url).expect("it was read");
                            let has_login = !url.username().is_empty() || url.password().is_some();
                            assert!(!has_login, "{url}");
                        }
                    }
                    Err(why) => assert!(!why.is_empty()),
                }
            }
            let names: BTreeSet<&str> = all.iter().map(|locked| locked.name.as_str()).collect();
            !names.is_empty()
        }
        Err(why) => {
            assert!(!why.is_empty());
            false
        }
    };
    Fuzz {
        name: "lock files",
        runs: 4000,
        make,
        judge,
    }
    .run()
    .accepts(15);
}
