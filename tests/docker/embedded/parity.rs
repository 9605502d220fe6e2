//! The examples and the manifest of this repository, each image made by Docker and by the embedded builder: the same files
//! and the same config, but for what `docs/design/parity.md` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::saved::{self, Image};
use crate::engine::{engines, wants_all};
use crate::sandbox::Sandbox;
use crate::{copy_folder, docker, nonce, on, references};

const LIST: &str = include_str!("../../../docs/design/parity.md");

/// Images that only Docker builds: a Dockerfile of one's own, and what is built on it.
const DOCKERS: &[(&str, &[&str])] = &[("dockerfile", &["legacy", "tool"])];

/// The images that the embedded builder makes for both: a base of Debian's packages.
const OURS: &[(&str, &[&str])] = &[("imgspec", &["base"])];

/// Examples whose packages take many minutes: only with `IMGSPEC_TEST_ALL=1`. What they consist of is in other tests, too.
const LONG: &[&str] = &["imgspec", "monorepo", "services"];

/// A row of the list: a pattern, what differs there, and why.
struct Row {
    pattern: &'static str,
    differ: BTreeSet<&'static str>,
}

fn rows() -> Vec<Row> {
    let rows = LIST.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let (pattern, differ) = (cells.next()?.trim_end_matches('`'), cells.next()?);
        assert!(!cells.next()?.is_empty(), "no reason: {line}");
        let differ = differ.split(", ").collect();
        Some(Row { pattern, differ })
    });
    rows.collect()
}

impl Row {
    fn covers(&self, path: &str, differ: &[&str]) -> bool {
        matches(self.pattern, path) && differ.iter().all(|each| self.differ.contains(each))
    }
}

/// Whether a path fits a pattern, in which `*` stands for anything in a name, and `**` for anything.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(rest) = path.strip_prefix(head) else {
        return false;
    };
    let (tail, limit) = match tail.strip_prefix('*') {
        Some(tail) => (tail, rest.len()),
        None => (tail, rest.find('/').unwrap_or(rest.len())),
    };
    let mut ends = (0..=limit).filter(|end| rest.is_char_boundary(*end));
    ends.any(|end| matches(tail, &rest[end..]))
}

#[test]
fn patterns_are_those_of_paths() {
    for (pattern, path, fits) in [
        ("/a", "/a", true),
        ("/a", "/a/b", false),
        ("/a/*.txt", "/a/b.txt", true),
        ("/a/*.txt", "/a/b/c.txt", false),
        ("/**/*.txt", "/a/b/c.txt", true),
        ("/**", "/a", true),
        ("config:*", "/a", false),
    ] {
        assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
    }
}

/// The directories of the examples, by name, of this repository, and of a manifest with all that containers start with.
fn examples() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = root.join("examples").read_dir().unwrap();
    let paths = examples.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.join("imgspec.kdl").exists());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut all: BTreeMap<_, _> = paths.map(|path| (name(&path), path)).collect();
    all.insert("imgspec".to_owned(), root.to_owned());
    all.insert("runtime".to_owned(), root.join("tests/data/runtime"));
    all
}

fn of<'a>(list: &[(&str, &'a [&'a str])], example: &str) -> &'a [&'a str] {
    let found = list.iter().find(|(name, _)| *name == example);
    found.map_or(&[], |(_, images)| images)
}

/// An engine with a base in a registry, whose name no other test has.
struct Bench {
    engine: String,
    bases: Vec<(&'static str, String)>,
}

impl Bench {
    fn new() -> Self {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
        let (_, engine) = engines().swap_remove(0);
        let word = nonce();
        let base = |name, own: &str| {
            let to = format!("{registry}/imgspec-test/parity-{word}/{own}");
            docker(&engine, &["tag", own, &to]).success();
            docker(&engine, &["push", "-q", &to]).success();
            (name, to)
        };
        let bases = vec![
            base("debian:bookworm-slim", "debian:bookworm-slim"),
            base("python:3.12-slim-bookworm", "debian:bookworm-slim"),
            base("busybox:1.36", "busybox:1.36"),
        ];
        Self { engine, bases }
    }

    /// The example in a directory of its own, on the bases of this bench.
    fn copy(&self, name: &str, from: &Path) -> Sandbox {
        let sandbox = on(&self.engine).env("TOOL_TOKEN", "token");
        if name == "imgspec" {
            sandbox.write(
                "imgspec.kdl",
                &std::fs::read_to_string(from.join("imgspec.kdl")).unwrap(),
            );
            copy_folder(&from.join("stack"), &sandbox.path("stack"));
        } else {
            copy_folder(from, &sandbox.root());
        }
        for manifest in manifests(&sandbox.root()) {
            let mut text = std::fs::read_to_string(&manifest).unwrap();
            for (name, base) in &self.bases {
                text = text.replace(&format!("\"{name}\""), &format!("\"{base}\""));
            }
            for builder in ["docker", "envd", "oci"] {
                text = text.replace(&format!("builder \"{builder}\""), "");
            }
            for (list, builder) in [(DOCKERS, "docker"), (OURS, "oci")] {
                for image in of(list, name) {
                    let head = format!("image \"{image}\" {{");
                    text = text.replace(&head, &format!("{head}\n    builder \"{builder}\""));
                }
            }
            std::fs::write(&manifest, text).unwrap();
        }
        if name == "imgspec" {
            trust(&sandbox);
        }
        sandbox
    }

    /// The images of an example that both builders make, from each.
    fn compare(&self, name: &str, from: &Path) -> Vec<(String, [Image; 2])> {
        let sandbox = self.copy(name, from);
        let tags = references(&sandbox, &[]);
        let apart = [of(DOCKERS, name), of(OURS, name)].concat();
        let ids = tags.keys().map(String::as_str);
        let ids: Vec<&str> = ids.filter(|id| !apart.contains(id)).collect();
        self.build(&sandbox, &ids)
    }

    /// Builds images with both builders; returns the two of each.
    fn build(&self, sandbox: &Sandbox, ids: &[&str]) -> Vec<(String, [Image; 2])> {
        // Without a limit of time: a busy machine takes minutes for a large example.
        let build = |builder: &'static str, more: &[&str]| {
            let head = ["graph", "build", "--builder", builder];
            let child = sandbox.spawn(&[&head[..], more, ids].concat());
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "{builder}: {said}");
        };
        build("docker", &[]);
        build("oci", &["--output", "tar:ours.tar"]);
        let names = references(sandbox, &[]);
        let names: Vec<(&str, &str)> = ids.iter().map(|id| (*id, names[*id].as_str())).collect();
        let saved = sandbox.path("docker.tar").display().to_string();
        let references: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        let mut save = Command::new("docker");
        save.args(["save", "-o", &saved]).args(&references);
        save.env("DOCKER_HOST", &self.engine);
        assert!(save.status().unwrap().success(), "{references:?}");
        docker(
            &self.engine,
            &[&["image", "rm", "--force"], references.as_slice()].concat(),
        )
        .success();
        let [mut docker, mut ours] =
            ["docker.tar", "ours.tar"].map(|file| saved::read(&sandbox.path(file)));
        let mut both = |name| [docker.remove(name).unwrap(), ours.remove(name).unwrap()];
        let each = names.into_iter();
        each.map(|(id, name)| (id.to_owned(), both(name))).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let names = self.bases.iter().map(|(_, name)| name.as_str());
        let names: Vec<&str> = names.collect();
        let _ = docker(
            &self.engine,
            &[&["image", "rm", "--force"], names.as_slice()].concat(),
        );
    }
}

/// With the certificates that this machine trusts in the base of Debian's packages, as the base images of the engine have.
fn trust(sandbox: &Sandbox) {
    let text = sandbox.read("imgspec.kdl");
    let inside = "/etc/ssl/certs/machine.crt";
    let env = "    env PYTHONUNBUFFERED";
    assert!(text.contains(env), "{text}");
    let trusting = format!(
        "    copy \"machine.crt\" to=\"{inside}\"\n    env SSL_CERT_FILE=\"{inside}\" PYTHONUNBUFFERED"
    );
    sandbox.write("imgspec.kdl", &text.replacen(env, &trusting, 1));
    let bundle = std::env::var("SSL_CERT_FILE");
    let bundle = bundle.unwrap_or_else(|_| "/etc/ssl/certs/ca-certificates.crt".to_owned());
    std::fs::copy(bundle, sandbox.path("machine.crt")).unwrap();
}

fn manifests(directory: &Path) -> Vec<PathBuf> {
    let paths = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let each = paths.map(|path| match path.is_dir() {
        true => manifests(&path),
        false if path.extension().is_some_and(|ending| ending == "kdl") => vec![path],
        false => Vec::new(),
    });
    each.flatten().collect()
}

/// What the list does not have, of all examples, and the rows that nothing was found for.
#[derive(Default)]
struct Found {
    unlisted: Vec<String>,
    used: BTreeSet<&'static str>,
    images: usize,
    files: usize,
}

impl Found {
    fn compare(&mut self, rows: &[Row], image: &str, [docker, ours]: &[Image; 2]) {
        self.images += 1;
        self.files += docker.len();
        for (path, differ) in saved::differences(docker, ours) {
            let covering = rows.iter().filter(|row| row.covers(&path, &differ));
            let covering: Vec<&str> = covering.map(|row| row.pattern).collect();
            if covering.is_empty() {
                let of = |image: &Image| format!("{:?}", image.get(&path));
                let line = format!(
                    "{image} {path}: {}\n    docker {}\n    oci    {}",
                    differ.join(", "),
                    of(docker),
                    of(ours)
                );
                self.unlisted.push(line);
            }
            self.used.extend(covering);
        }
    }
}

#[test]
fn every_example_is_the_same_from_docker_and_from_the_embedded_builder() {
    let (bench, rows) = (Bench::new(), rows());
    let only = std::env::var("IMGSPEC_TEST_EXAMPLE").ok();
    let mut examples = examples();
    examples.retain(|name, _| match &only {
        Some(only) => only == name,
        None => wants_all() || !LONG.contains(&name.as_str()),
    });
    // Mostly, a build waits for what it downloads.
    let (queue, found) = (Mutex::new(examples), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_first();
                    let Some((name, from)) = next else {
                        break;
                    };
                    let images = bench.compare(&name, &from);
                    let mut found = found.lock().unwrap();
                    for (id, both) in images {
                        found.compare(&rows, &format!("{name}/{id}"), &both);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(
        found.unlisted.is_empty(),
        "{}:\n{}",
        found.unlisted.len(),
        found.unlisted.join("\n")
    );
    if only.is_none() && wants_all() {
        let idle: Vec<_> = rows
            .iter()
            .filter(|row| !found.used.contains(row.pattern))
            .map(|row| row.pattern)
            .collect();
        assert!(
            idle.is_empty(),
            "no difference fits these rows of the list any more: {idle:#?}"
        );
    }
    if only.is_none() {
        let (images, files) = (found.images, found.files);
        let least = if wants_all() {
            (30, 100_000)
        } else {
            (10, 30_000)
        };
        assert!(
            images > least.0 && files > least.1,
            "{images} images, {files} files"
        );
    }
}
