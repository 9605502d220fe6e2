use super::super::super::Libc;
use super::super::super::testing::{mangled, target};
use super::*;

const PROJECT: &str = r#"
[project]
name = "App"
dependencies = ["click<9,>=8", "requests[socks]", "colorama; sys_platform == 'win32'", "app[own]"]
optional-dependencies = { cpu = ["six<1.17"], cu = ["six>=1.17"], own = ["attrs"] }
[dependency-groups]
dev = ["iniconfig"]
docs = ["packaging"]
[tool.uv]
default-groups = ["dev", "docs"]
"#;

const LOCK: &str = r#"
version = 1
revision = 3
requires-python = ">=3.9"
resolution-markers = ["python_full_version >= '3.10'", "python_full_version < '3.10'"]
conflicts = [[{ package = "app", extra = "cpu" }, { package = "app", extra = "cu" }]]
[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "app", extra = ["own"] },
    { name = "click", version = "8.1.8", source = { registry = "https://h/simple" }, marker = "python_full_version < '3.10' or (extra == 'extra-3-app-cpu' and extra == 'extra-3-app-cu')" },
    { name = "click", version = "8.5.1", source = { registry = "https://h/simple" }, marker = "python_full_version >= '3.10' or (extra == 'extra-3-app-cpu' and extra == 'extra-3-app-cu')" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "requests", extra = ["socks"] },
]
[package.optional-dependencies]
cpu = [{ name = "six", version = "1.16.0", source = { registry = "https://h/simple" } }]
cu = [{ name = "six", version = "1.17.0", source = { registry = "https://h/simple" } }]
own = [{ name = "attrs" }]
[package.dev-dependencies]
dev = [{ name = "iniconfig" }]
docs = [{ name = "packaging" }]
[package.metadata]
requires-dist = [
    { name = "app", extras = ["own"] },
    { name = "attrs", marker = "extra == 'own'" },
    { name = "click", specifier = ">=8,<9" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "requests", extras = ["socks"] },
    { name = "six", marker = "extra == 'cpu'", specifier = "<1.17" },
    { name = "six", marker = "extra == 'cu'", specifier = ">=1.17" },
]
[package.metadata.requires-dev]
dev = [{ name = "iniconfig" }]
docs = [{ name = "packaging" }]
"#;

/// The lock file with a wheel for each package.
fn lock() -> String {
    let mut text = LOCK.to_owned();
    let optional = "optional-dependencies = { socks = [{ name = 'pysocks' }] }\n\
                    dependencies = [{ name = 'dep', marker = \"extra != 'extra-3-app-cu'\" }]";
    for (name, version, more) in [
        ("attrs", "26.1", ""),
        (
            "click",
            "8.1.8",
            "resolution-markers = [\"python_full_version < '3.10'\"]",
        ),
        (
            "click",
            "8.5.1",
            "resolution-markers = [\"python_full_version >= '3.10'\"]",
        ),
        ("colorama", "0.4", ""),
        ("dep", "1.0", ""),
        ("iniconfig", "2.0", ""),
        ("packaging", "24", ""),
        ("pysocks", "1.7", ""),
        ("requests", "2.32", optional),
        ("six", "1.16.0", ""),
        ("six", "1.17.0", ""),
    ] {
        let digest = "0".repeat(64);
        text += &format!(
            "[[package]]\nname = '{name}'\nversion = '{version}'\nsource = {{ registry = 'https://h/simple' }}\n{more}\n\
             wheels = [{{ url = 'https://h/{name}-{version}-py3-none-any.whl', hash = 'sha256:{digest}', size = 7 }}]\n"
        );
    }
    text
}

fn told(text: &str, project: &str, options: &str) -> Result<String, String> {
    let environment = Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36)))?;
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let choice = Choice::of(&super::super::super::arguments::sync(&words)?);
    let locked = read(text, &Project::read(project)?, &choice, &environment)?;
    let told = |it: &Locked| {
        let mark = if it.is_requested { "*" } else { "" };
        format!("{mark}{} {}", it.name, it.version)
    };
    Ok(locked.iter().map(told).collect::<Vec<_>>().join(", "))
}

#[test]
fn packages_are_those_that_uv_sync_installs() {
    let lock = lock();
    let of = |options: &str| told(&lock, PROJECT, options).unwrap();
    let plain = "attrs 26.1, *click 8.5.1, dep 1.0, *packaging 24, pysocks 1.7, *requests 2.32";
    assert_eq!(of(""), plain);
    assert_eq!(of("--group dev --no-dev"), plain);
    assert_eq!(of("--no-group docs"), plain.replace("*packaging 24, ", ""));
    assert_eq!(
        of("--no-default-groups"),
        plain.replace("*packaging 24, ", "")
    );
    assert_eq!(of("--extra cpu"), format!("{plain}, *six 1.16.0"));
    // A marker of uv's own leaves out what excludes the extra.
    assert_eq!(
        of("--extra=cu"),
        format!("{plain}, *six 1.17.0").replace("dep 1.0, ", "")
    );
    assert_eq!(
        of("--all-extras --no-extra cpu"),
        of("--extra cu").replace("attrs", "*attrs")
    );
}

#[test]
fn what_does_not_fit_is_said() {
    let lock = lock();
    for (from, to, options, said) in [
        ("", "", "--extra tpu", "it has no extra `tpu`"),
        ("", "", "--group tests", "it has no group `tests`"),
        ("", "", "--all-extras", "several versions of"),
        ("version = 1\n", "version = 2\n", "", "only 1 is known"),
        ("\">=3.9\"", "\">=3.13\"", "", "for Python >=3.13"),
        (
            "name = \"app\"\nversion",
            "name = \"other\"\nversion",
            "",
            "does not know the project `app`",
        ),
        (
            "specifier = \">=8,<9\"",
            "specifier = \">=7\"",
            "",
            "out of date: `pyproject.toml` says something else about `click`",
        ),
        (
            "name = 'dep'\n",
            "name = 'gone'\n",
            "",
            "it wants dep, but does not list it",
        ),
        (
            "name = 'dep'\nversion = '1.0'\nsource = { registry",
            "name = 'dep'\nversion = '1.0'\nsource = { git",
            "",
            "dep: it comes from a source of kind `git`",
        ),
        (
            "name = 'dep'\nversion = '1.0'\nsource = { registry = 'https://h/simple'",
            "name = 'dep'\nversion = '1.0'\nsource = { url = 'https://h/x.zip', subdirectory = 'a'",
            "",
            "dep: its sources are in a subdirectory",
        ),
        (
            "url = 'https://h/dep",
            "path = 'dep",
            "",
            "dep: `dep-1.0-py3-none-any.whl` is a file of the machine",
        ),
    ] {
        let text = lock.replacen(from, to, 1);
        let error = told(&text, PROJECT, options).unwrap_err();
        assert!(error.contains(said), "{options} {from}: {error}");
    }
    let other = PROJECT.replace("click<9,>=8", "click<9,>=8\", \"numpy");
    assert!(
        told(&lock, &other, "")
            .unwrap_err()
            .contains("`numpy`; run `uv lock`")
    );
    assert!(told(&lock, &other, "--frozen").is_ok());
    let other = PROJECT.replace(
        "name = \"App\"",
        "name = \"App\"\nrequires-python = \">=3.13\"",
    );
    assert!(
        told(&lock, &other, "--frozen")
            .unwrap_err()
            .contains("its `pyproject.toml` is for Python >=3.13")
    );
}

#[test]
fn mangled_files_are_refused_or_read() {
    for text in mangled(&lock()) {
        let _ = told(&text, PROJECT, "--frozen");
    }
    for text in mangled(PROJECT) {
        let _ = Project::read(&text);
    }
}

#[test]
fn sources_by_their_address_are_fetched_from_there() {
    let hash = format!("sha256:{}", "0".repeat(64));
    let text = lock().replacen(
        "name = 'dep'\nversion = '1.0'\nsource = { registry = 'https://h/simple' }",
        &format!("name = 'dep'\nversion = '1.0'\nsource = {{ url = 'https://h/dep-1.0.tar.gz' }}\nsdist = {{ hash = '{hash}' }}"),
        1,
    );
    let environment = Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36)));
    let choice = Choice::of(&super::super::super::arguments::sync(&[]).unwrap());
    let project = Project::read(PROJECT).unwrap();
    let locked = read(&text, &project, &choice, &environment.unwrap()).unwrap();
    let sdist = locked.into_iter().find_map(|one| one.sdist).unwrap();
    assert_eq!(sdist.file, "dep-1.0.tar.gz");
    assert_eq!(sdist.url.as_deref(), Some("https://h/dep-1.0.tar.gz"));
    assert!(sdist.sha256.is_some());
}
