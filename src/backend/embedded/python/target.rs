//! Which Python an image has, read from the paths of its files and a few kept texts; nothing is run.
//!
//! Python itself finds its directories in the same way: from the path of its executable, and from files beside it.

use super::scheme;
use super::{Libc, Target};
use crate::backend::BuildError;
use crate::backend::embedded::config::Config;
use crate::backend::oci::layer::NodeKind;
use crate::backend::oci::tree::Tree;
use crate::backend::platform::Platform;
use crate::recipe::{CONDA_HOME, Interpreter, PYTHON_HOME, VENV_HOME};

/// How many links an executable may be behind.
const LINKS: usize = 40;

/// The Python that packages are installed for.
pub(in crate::backend::embedded) fn find(
    tree: &Tree,
    platform: &Platform,
    interpreter: &Interpreter,
    config: &Config,
) -> Result<Target, BuildError> {
    let path = executable(tree, interpreter, config).map_err(BuildError::Failed)?;
    let real = real(tree, &path);
    let version = version(tree, &real).map_err(BuildError::Failed)?;
    let libc = libc(tree, platform).map_err(BuildError::Failed)?;
    let scheme = scheme::find(tree, &path, &real, version);
    Ok(Target {
        version,
        full_version: full_version(tree, config, &real, version),
        platform: platform.clone(),
        libc,
        interpreter: path,
        scheme,
    })
}

/// The same Python without the environment that it may be called from: other environments are made of this one.
pub(in crate::backend::embedded) fn base(tree: &Tree, target: &Target) -> Target {
    Target {
        interpreter: real(tree, &target.interpreter),
        ..target.clone()
    }
}

/// The absolute path by which the interpreter is called.
fn executable(tree: &Tree, interpreter: &Interpreter, config: &Config) -> Result<String, String> {
    let given = match interpreter {
        Interpreter::Managed => format!("{PYTHON_HOME}/bin/python3"),
        Interpreter::Venv => format!("{VENV_HOME}/bin/python3"),
        Interpreter::Exec(path) => path.clone(),
        Interpreter::Conda => format!("{CONDA_HOME}/bin/python"),
        Interpreter::Base => {
            let path = config.search_path();
            let folders = path.split(':').filter(|folder| folder.starts_with('/'));
            let mut paths =
                folders.map(|folder| format!("{}/python3", folder.trim_end_matches('/')));
            return paths.find(|path| is_program(tree, path)).ok_or_else(|| {
                format!(
                    "there is no `python3` in the image's PATH (`{path}`); use a base with Python, or set `python-version`"
                )
            });
        }
    };
    if is_program(tree, &given) {
        Ok(given)
    } else {
        Err(format!("there is no Python `{given}` in the image"))
    }
}

fn is_program(tree: &Tree, path: &str) -> bool {
    let Ok(real) = tree.resolve(path) else {
        return false;
    };
    let node = tree.get(&real);
    node.is_some_and(|node| match &node.kind {
        NodeKind::File(_) => node.mode & 0o111 != 0,
        NodeKind::HardLink(_) => true,
        _ => false,
    })
}

/// The path of an executable after its own links, but not those of its directories, as Python looks for its library.
fn real(tree: &Tree, path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = tree.resolve(above).unwrap_or_default();
        let Some(NodeKind::Link(target)) = tree.get(&join(&folder, name)).map(|node| &node.kind)
        else {
            break;
        };
        path = if target.starts_with('/') {
            normal(target)
        } else {
            normal(&format!("{above}/{target}"))
        };
    }
    path
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// An absolute path without `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Major and minor version: from the name of the executable, or else from the library beside it.
fn version(tree: &Tree, real: &str) -> Result<(u32, u32), String> {
    let name = real.rsplit('/').next().unwrap_or(real);
    if let Some(version) = minor(name) {
        return Ok(version);
    }
    let prefix = scheme::prefix(real);
    let library = tree.resolve(&format!("{prefix}/lib")).unwrap_or_default();
    let has_library = |name: &&str| {
        let path = join(&library, name) + "/os.py";
        tree.resolve(&path)
            .is_ok_and(|path| tree.get(&path).is_some())
    };
    let found: Vec<&str> = tree
        .names(&library)
        .into_iter()
        .filter(has_library)
        .collect();
    match found.as_slice() {
        [name] => {
            minor(name).ok_or_else(|| format!("`{prefix}/lib/{name}` names no version of Python"))
        }
        [] => Err(format!(
            "the version of `{real}` is unknown: its name does not tell it, and there is no `{prefix}/lib/python3.*/os.py`"
        )),
        several => Err(format!(
            "the version of `{real}` is unknown: `{prefix}/lib` has {}",
            several.join(", ")
        )),
    }
}

/// `python3.12` as numbers.
fn minor(name: &str) -> Option<(u32, u32)> {
    let minor = name.strip_prefix("python3.")?;
    minor.parse().ok().map(|minor| (3, minor))
}

/// The whole version, from what usually tells it: Docker's official images, the packages of distributions, uv's directories.
fn full_version(
    tree: &Tree,
    config: &Config,
    real: &str,
    (major, minor): (u32, u32),
) -> Option<String> {
    let start = format!("{major}.{minor}.");
    let is_it = |version: &&str| {
        let patch = version.strip_prefix(&start);
        patch.is_some_and(|patch| patch.starts_with(|first: char| first.is_ascii_digit()))
    };
    let official = || config.variable("PYTHON_VERSION").filter(is_it);
    let packages = || {
        let debian = tree.text("var/lib/dpkg/status");
        let debian = package(debian, &format!("python{major}.{minor}-minimal"));
        let lists = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
        let mut alpine = lists.iter().map(|list| package(tree.text(list), "python3"));
        let version = debian.or_else(|| alpine.find_map(|it| it))?;
        // What follows is the packager's.
        version.split(['-', '+', '~']).next().filter(is_it)
    };
    let managed = || {
        let library = format!("{PYTHON_HOME}/lib/python{major}.{minor}");
        let library = tree.resolve(&library).ok()?;
        let part = library
            .split('/')
            .find_map(|part| part.strip_prefix("cpython-"))?;
        let version = part.split('-').next().filter(is_it)?;
        Some(version.to_owned())
    };
    let conda = || {
        // A file for each package: name, version, build.
        let notes = tree.resolve(&format!("{CONDA_HOME}/conda-meta")).ok()?;
        let mut notes = tree.names(&notes).into_iter();
        notes.find_map(|note| {
            let (version, _) = note.strip_prefix("python-")?.split_once('-')?;
            Some(version).filter(is_it).map(str::to_owned)
        })
    };
    let version = match scheme::prefix(real).as_str() {
        "/usr/local" => official(),
        "/usr" => packages(),
        PYTHON_HOME => return managed(),
        CONDA_HOME => return conda(),
        _ => None,
    };
    version.map(str::to_owned)
}

/// The version of a package in a kept list.
fn package<'a>(list: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut lines = list?.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

/// The C library, by the names that its kind has on this architecture.
pub(in crate::backend::embedded) fn libc(tree: &Tree, platform: &Platform) -> Result<Libc, String> {
    let architecture = match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("amd64", _) => ["x86_64-linux-gnu", "x86_64"],
        ("arm64", _) => ["aarch64-linux-gnu", "aarch64"],
        ("arm", "v6" | "v5") => ["arm-linux-gnueabi", "armhf"],
        ("arm", _) => ["arm-linux-gnueabihf", "armhf"],
        ("386", _) => ["i386-linux-gnu", "i386"],
        ("ppc64le", _) => ["powerpc64le-linux-gnu", "powerpc64le"],
        ("s390x", _) => ["s390x-linux-gnu", "s390x"],
        ("riscv64", _) => ["riscv64-linux-gnu", "riscv64"],
        _ => return Err(format!("wheels for {platform} are not known")),
    };
    let [triplet, machine] = architecture;
    let folders = [
        format!("lib/{triplet}"),
        format!("usr/lib/{triplet}"),
        "lib64".to_owned(),
        "usr/lib64".to_owned(),
        "lib".to_owned(),
        "usr/lib".to_owned(),
    ];
    for folder in &folders {
        let line = tree.text(&format!("{folder}/libc.so.6"));
        let version = line.and_then(|line| line.split("release version ").nth(1));
        if let Some((major, minor)) = version.and_then(numbers) {
            return Ok(Libc::Glibc(major, minor));
        }
    }
    let loader = format!("lib/ld-musl-{machine}.so.1");
    let lists = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
    let packaged = lists
        .iter()
        .find_map(|list| package(tree.text(list), "musl"));
    let musl = packaged.or_else(|| tree.text(&loader));
    if let Some((major, minor)) = musl.and_then(numbers) {
        return Ok(Libc::Musl(major, minor));
    }
    Err(format!(
        "the C library is unknown, so no wheel can be chosen: there is neither glibc (`{}/libc.so.6`) nor musl (`/{loader}`) for {platform}",
        folders.map(|folder| format!("/{folder}")).join(", ")
    ))
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|other: char| !other.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
