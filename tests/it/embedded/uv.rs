//! Real wheels from the public index, installed by real uv into an environment, and by the embedded builder onto an image
//! with the same environment: the trees are compared path by path, with modes, contents and links.
//!
//! Needs uv (`IMGSPEC_TEST_UV`) and the index; `tests/run` provides them, or says that they are left out.
//!
//! So are packages that have only sources, built by both with setuptools, which the index has, by a Python of this machine.
//!
//! What differs, all of it:
//! * `INSTALLER` names who installed, and RECORD has its hash;
//! * bytecode: neither compiles by default, so there is none;
//! * `uv_build.json`, which uv adds to what it built of sources;
//! * `.lock` in the environment, which uv leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::browser::provided;
use crate::sandbox::{Ran, Sandbox};

/// Wheels of every kind: with scripts, with data, headers, namespaces, programs, large and tiny ones.
const WHEELS: &str = "\
    ansible-core==2.18.2 awscli==1.37.11 black==25.1.0 certifi==2025.1.31 cmake==3.31.4 docutils==0.21.2 \
    googleapis-common-protos==1.66.0 greenlet==3.1.1 ipykernel==6.29.5 jmespath==1.0.1 jupyter-core==5.7.2 \
    jupyterlab-widgets==3.0.13 lxml==5.3.0 numpy==2.2.6 pandas==2.2.3 pip==25.0 protobuf==5.29.3 psycopg2-binary==2.9.10 \
    pybind11==2.13.6 pybind11-global==2.13.6 pyyaml==6.0.2 ruff==0.9.4 setuptools==75.8.0 six==1.17.0 \
    sphinxcontrib-jsmath==1.0.1 sqlalchemy==2.0.37 tqdm==4.67.1 wheel==0.45.1 zope-interface==7.2";

/// What an environment has before, and what it gets.
const OLD: &str = "\
    black==24.10.0 certifi==2024.8.30 docutils==0.20.1 googleapis-common-protos==1.65.0 jmespath==0.10.0 \
    jupyterlab-widgets==3.0.10 protobuf==5.29.2 pybind11==2.12.0 six==1.17.0 tqdm==4.66.0 zope-interface==7.1.0";
const NEW: &str = "\
    black==25.1.0 certifi==2025.1.31 docutils==0.21.2 googleapis-common-protos==1.66.0 jmespath==1.0.1 \
    jupyterlab-widgets==3.0.13 pybind11==2.13.6 six==1.17.0 toml==0.10.2 tqdm==4.67.1 zope-interface==7.2";

/// A file, directory or link, by path: mode and hash, or where it leads.
type Tree = BTreeMap<String, String>;

struct Bench {
    uv: String,
    sandbox: Sandbox,
    /// The virtual environment, at the path that it has in the image too.
    environment: PathBuf,
}

impl Bench {
    /// `None` if there is no uv here.
    fn new() -> Option<Self> {
        let uv = provided("IMGSPEC_TEST_UV")?;
        let sandbox = Sandbox::new();
        let environment = sandbox.root().canonicalize().unwrap().join("env");
        let bench = Self {
            uv,
            sandbox,
            environment,
        };
        let path = bench.environment.display().to_string();
        bench.uv(&["venv", "--quiet", "--python", "python3", &path]);
        Some(bench)
    }

    fn uv(&self, arguments: &[&str]) -> Ran {
        // Modes are those of the usual mask, whoever runs the tests.
        let mut command = Command::new("sh");
        command.args(["-c", "umask 022; exec \"$@\"", "sh", &self.uv]);
        command.args(arguments).current_dir(self.sandbox.root());
        command.env_clear().env("UV_LINK_MODE", "copy");
        // Certificates of the machine: its index may be a mirror.
        command
            .env("UV_NATIVE_TLS", "1")
            .env("UV_SYSTEM_CERTS", "1");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.sandbox.root().join("../home"));
        Ran::of(&mut command).success()
    }

    /// Has uv install these wheels, which it pins by their hashes in a file first.
    fn install(&self, wheels: &str, file: &str) {
        self.sandbox.write("in.txt", &wheels.replace(' ', "\n"));
        let python = self.environment.join("bin/python3");
        let python = python.display().to_string();
        let common = [
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--python",
            &python,
        ];
        let compile = ["pip", "compile", "--generate-hashes", "in.txt", "-o", file];
        self.uv(&[&compile[..], &common].concat());
        self.uv(&[&["pip", "install", "-r", file][..], &common].concat());
    }

    fn library(&self) -> PathBuf {
        let mut inside = self.environment.join("lib").read_dir().unwrap();
        inside.next().unwrap().unwrap().path().join("site-packages")
    }

    /// Begins the root file system of an image with the environment.
    fn root(&self) -> tar::Builder<std::fs::File> {
        let mut tar =
            tar::Builder::new(std::fs::File::create(self.sandbox.path("root.tar")).unwrap());
        tar.follow_symlinks(false);
        tar.append_dir_all(inside(&self.environment), &self.environment)
            .unwrap();
        tar
    }

    /// Writes that root file system with the Python itself, which can run there.
    fn archive_with_python(&self) {
        let mut tar = self.root();
        tar.follow_symlinks(true);
        let (mut files, _) = super::sdists::python_of_this_machine(true);
        let link = self.environment.join("bin/python").read_link().unwrap();
        files.insert(link.display().to_string());
        for file in files {
            tar.append_path_with_name(&file, inside(Path::new(&file)))
                .unwrap();
        }
        tar.finish().unwrap();
    }

    /// Writes that root file system with what tells Python and the C library.
    fn archive(&self) {
        let mut tar = self.root();
        let mut add = |path: &str, text: &str| {
            let mut head = tar::Header::new_ustar();
            head.set_size(text.len() as u64);
            head.set_mode(0o755);
            head.set_uid(0);
            head.set_gid(0);
            tar.append_data(&mut head, path, text.as_bytes()).unwrap();
        };
        let python = self.environment.join("bin/python").canonicalize().unwrap();
        let prefix = python.parent().unwrap().parent().unwrap();
        let version = self.library();
        let version = version.parent().unwrap().file_name().unwrap();
        let standard = prefix.join("lib").join(version).join("os.py");
        for path in [
            &python,
            &standard,
            &self.environment.join("bin/python").read_link().unwrap(),
        ] {
            add(&inside(path).display().to_string(), "");
        }
        let libc = Ran::of(Command::new("getconf").arg("GNU_LIBC_VERSION")).success();
        let libc = libc.stdout.trim().trim_start_matches("glibc ").to_owned();
        let machine = std::env::consts::ARCH;
        add(
            &format!("usr/lib/{machine}-linux-gnu/libc.so.6"),
            &format!("GNU C Library (Debian GLIBC {libc}) stable release version {libc}.\n"),
        );
        tar.finish().unwrap();
    }

    /// Has the embedded builder install the wheels of this file; returns the environment in the image.
    fn build(&self, file: &str) -> Tree {
        let machine = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            _ => "amd64",
        };
        let python = self.environment.join("bin/python3");
        let manifest = format!(
            "image \"app\" {{\n    builder \"oci\"\n    platform \"linux/{machine}\"\n    base-image file=\"root.tar\"\n    \
             python-exec \"{}\"\n    requirements \"{file}\"\n    pip-extra-args \"--no-deps\"\n}}\n",
            python.display()
        );
        self.sandbox.write("imgspec.kdl", &manifest);
        let ran = self.sandbox.run(&["graph", "build", "--output", "oci:out"]);
        ran.success();
        let start = self.environment.strip_prefix("/").unwrap();
        let start = format!("{}/", start.display());
        let tree = unpacked(&self.sandbox).into_iter();
        let tree =
            tree.filter_map(|(path, what)| Some((path.strip_prefix(&start)?.to_owned(), what)));
        tree.collect()
    }

    /// The environment as it is on the disk.
    fn installed(&self) -> Tree {
        let mut tree = Tree::new();
        walk(&self.environment, "", &mut tree);
        tree
    }
}

fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap().to_owned()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What is at a path, in words. Of RECORDs, what belongs to them whoever installed.
fn words(path: &str, mode: u32, bytes: &[u8]) -> String {
    if path.ends_with(".dist-info/INSTALLER") {
        return format!("{mode:o}");
    }
    if path.ends_with(".dist-info/RECORD") {
        let text = String::from_utf8_lossy(bytes);
        let rows = text
            .lines()
            .filter(|row| !row.contains(".dist-info/INSTALLER,"))
            .filter(|row| !row.contains(".dist-info/uv_build.json,"));
        let rows: BTreeSet<&str> = rows.collect();
        return format!("{mode:o} {}", Vec::from_iter(rows).join("\n"));
    }
    format!("{mode:o} {}", hash(bytes))
}

fn walk(root: &Path, folder: &str, tree: &mut Tree) {
    for entry in root.join(folder).read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        };
        let meta = entry.path().symlink_metadata().unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        let what = if meta.is_dir() {
            walk(root, &path, tree);
            format!("directory {mode:o}")
        } else if meta.is_symlink() {
            format!("> {}", entry.path().read_link().unwrap().display())
        } else {
            words(&path, mode, &std::fs::read(entry.path()).unwrap())
        };
        tree.insert(path, what);
    }
}

/// The files of the image in `out`, as a runtime puts its layers on each other.
fn unpacked(sandbox: &Sandbox) -> Tree {
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
        std::fs::read(sandbox.path("out/blobs/sha256").join(digest)).unwrap()
    };
    let index: Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0]["digest"])).unwrap();
    let mut tree = Tree::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let bytes = blob(&layer["digest"]);
        let plain = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        for entry in tar::Archive::new(plain).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let path = path.trim_end_matches('/').to_owned();
            let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if let Some(gone) = name.strip_prefix(".wh.") {
                let gone = format!("{above}/{gone}");
                let below = format!("{gone}/");
                assert!(tree.contains_key(&gone), "`{gone}` is not there");
                tree.retain(|path, _| *path != gone && !path.starts_with(&below));
                continue;
            }
            let mode = entry.header().mode().unwrap() & 0o7777;
            let what = match (entry.link_name().unwrap(), entry.header().entry_type()) {
                (Some(target), tar::EntryType::Symlink) => format!("> {}", target.display()),
                (_, tar::EntryType::Directory) => format!("directory {mode:o}"),
                (_, kind) => {
                    assert_eq!(kind, tar::EntryType::Regular, "{path}");
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).unwrap();
                    words(&path, mode, &bytes)
                }
            };
            tree.insert(path, what);
        }
    }
    tree
}

/// The paths that differ, with what they are in both.
#[track_caller]
fn assert_same(ours: &Tree, theirs: &Tree) {
    let mut paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.retain(|path| *path != ".lock" && !path.ends_with(".dist-info/uv_build.json"));
    let differing = paths
        .into_iter()
        .filter(|path| ours.get(*path) != theirs.get(*path));
    let cut = |what: Option<&String>| what.map(|what| what.chars().take(400).collect::<String>());
    let told = differing.map(|path| {
        let (ours, theirs) = (cut(ours.get(path)), cut(theirs.get(path)));
        format!("{path}\n    ours:   {ours:?}\n    theirs: {theirs:?}\n")
    });
    let told: String = told.collect();
    assert_eq!(told, "");
}

#[test]
fn what_is_installed_is_what_uv_installs() {
    let Some(bench) = Bench::new() else { return };
    bench.archive();
    bench.install(WHEELS, "all.txt");
    let theirs = bench.installed();
    assert!(theirs.len() > 10_000, "{}", theirs.len());
    assert_same(&bench.build("all.txt"), &theirs);
}

/// Packages that have only sources.
const SOURCES: &str = "docopt==0.6.2 sgmllib3k==1.0.0 antlr4-python3-runtime==4.9.3";

#[test]
fn what_is_built_of_sources_is_what_uv_builds() {
    let Some(bench) = Bench::new() else { return };
    bench.archive_with_python();
    bench.sandbox.write("all.txt", &SOURCES.replace(' ', "\n"));
    let python = bench.environment.join("bin/python3");
    let python = python.display().to_string();
    let install = ["pip", "install", "--quiet", "--no-deps", "-r", "all.txt"];
    bench.uv(&[&install[..], &["--python", &python]].concat());
    let theirs = bench.installed();
    assert_same(&bench.build("all.txt"), &theirs);
}

#[test]
fn what_is_replaced_is_what_uv_replaces() {
    let Some(bench) = Bench::new() else { return };
    bench.install(OLD, "old.txt");
    let library = bench.library();
    // Bytecode that no RECORD lists, files of the user's own, a package whose RECORD is lost, and one of an older kind.
    let python = bench.environment.join("bin/python");
    let mut compile = Command::new(python);
    compile.args(["-m", "compileall", "-q"]);
    compile.args([
        library.join("black"),
        library.join("jmespath"),
        library.join("six.py"),
    ]);
    Ran::of(&mut compile).success();
    std::fs::write(library.join("jmespath/mine.txt"), "mine").unwrap();
    std::fs::remove_file(library.join("tqdm-4.66.0.dist-info/RECORD")).unwrap();
    let egg = library.join("toml-0.9.0-py3.11.egg-info");
    for (folder, file, text) in [
        (
            &egg,
            "PKG-INFO",
            "Metadata-Version: 1.0\nName: toml\nVersion: 0.9.0\n",
        ),
        (&egg, "top_level.txt", "toml\n\n"),
        (&library.join("toml"), "old.py", ""),
    ] {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
    }
    bench.archive();
    let before = bench.installed();
    bench.install(NEW, "new.txt");
    let theirs = bench.installed();
    let gone = before.keys().filter(|path| !theirs.contains_key(*path));
    assert!(gone.count() > 50);
    assert_same(&bench.build("new.txt"), &theirs);
}
