//! Locked packages on real engines: an index that later has a newer version, or another file under the same name, changes
//! nothing in what is installed.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::engine::by_turns;
use crate::sandbox::Sandbox;
use crate::{docker, nonce, on};

/// A wheel with one module, `imgspec_probe`, whose `PLACE` is `the index`.
const WHEEL: &[u8] = include_bytes!("../data/imgspec_probe-1.0-py3-none-any.whl");

/// A file of an index: its name, the digest that the index tells of it, and its content.
type File = (String, String, Vec<u8>);

/// A package index on its own port until the test ends, with files that a test changes.
struct Index {
    port: u16,
    files: Arc<Mutex<Vec<File>>>,
}

impl Index {
    /// An index with the wheel.
    fn new() -> Self {
        let index = Self::bare();
        index.offer(&name("1.0"), WHEEL);
        index
    }

    fn bare() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&files);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || answer(&stream.unwrap(), &served.lock().unwrap()));
            }
        });
        Self { port, files }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.port)
    }

    /// Adds a file, or replaces its content, of which the index still tells the first digest.
    fn offer(&self, name: &str, content: &[u8]) {
        let mut files = self.files.lock().unwrap();
        if let Some((.., before)) = files.iter_mut().find(|(file, ..)| *file == name) {
            *before = content.to_vec();
        } else {
            let digest = hex::encode(Sha256::digest(content));
            files.push((name.to_owned(), digest, content.to_vec()));
        }
    }
}

fn name(version: &str) -> String {
    format!("imgspec_probe-{version}-py3-none-any.whl")
}

fn answer(stream: &TcpStream, files: &[File]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_matches('/');
    let anchor =
        |(file, digest, _): &File| format!("<a href=\"/{file}#sha256={digest}\">{file}</a>\n");
    let page = || {
        let rows: String = files.iter().map(anchor).collect();
        format!("<html><body>{rows}</body></html>").into_bytes()
    };
    let (status, kind, body) = match files.iter().find(|(file, ..)| file == path) {
        Some((.., content)) => (200, "application/octet-stream", content.clone()),
        None if path == "simple/imgspec-probe" => (200, "text/html", page()),
        None => (404, "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes());
    if !first.starts_with("HEAD") {
        let _ = stream.write_all(&body);
    }
}

/// A workspace with an image on a Debian with Python that is in the registry.
fn workspace(engine: &str, index: &Index, builder: &str) -> (Sandbox, String) {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    let word = nonce();
    let base = format!("{registry}/imgspec-test/python-{word}:1");
    docker(engine, &["tag", "debian:bookworm-slim", &base]).success();
    docker(engine, &["push", "-q", &base]).success();
    // uv's image, where a registry has it: containerd's store asks for what is locked by digest.
    let uv = format!("{registry}/imgspec-test/uv:1");
    docker(engine, &["tag", "ghcr.io/astral-sh/uv:0.9", &uv]).success();
    docker(engine, &["push", "-q", &uv]).success();
    let options =
        format!("    builder-options network=\"host\"\n    builder-config uv-image=\"{uv}\"\n");
    let sandbox = on(engine);
    sandbox.write(
        "imgspec.kdl",
        &format!(
            "image \"app\" {{\n    name \"packages-{word}\"\n    registry \"{registry}/imgspec-test\"\n    builder \"{builder}\"\n    \
             base-image \"{base}\"\n    packages \"imgspec-probe\"\n    pip-index \"{}\"\n{}}}\n",
            index.url(),
            if builder == "docker" { options.as_str() } else { "" }
        ),
    );
    (sandbox, base)
}

/// What the built image prints.
fn printed(engine: &str, sandbox: &Sandbox) -> String {
    let reference = sandbox.run(&["tag", "app"]).success().stdout;
    let reference = reference.trim();
    let program = "import imgspec_probe, importlib.metadata as m; print(m.version('imgspec-probe'), imgspec_probe.PLACE)";
    let run = [
        "run",
        "--rm",
        "--entrypoint=python3",
        reference,
        "-c",
        program,
    ];
    docker(engine, &run).success().stdout.trim().to_owned()
}

/// A workspace of this builder, with its packages locked, and the name of its base.
fn locked(engine: &str, index: &Index, builder: &str) -> (Sandbox, String) {
    let (sandbox, base) = workspace(engine, index, builder);
    sandbox
        .run(&["lock"])
        .success()
        .says("added   imgspec-probe 1.0 (app)");
    let lock = sandbox.read("imgspec.lock");
    assert!(lock.contains(&hex::encode(Sha256::digest(WHEEL))), "{lock}");
    (sandbox, base)
}

const BUILD: [&str; 6] = [
    "graph",
    "build",
    "--locked",
    "--push",
    "--progress",
    "plain",
];

fn a_newer_version_and_another_file_change_nothing(builder: &str) {
    for (store, engine) in by_turns() {
        let index = Index::new();
        let (sandbox, base) = locked(&engine, &index, builder);
        // The time of the first file: still a wheel, with the same files.
        let mut other = WHEEL.to_vec();
        other[10] ^= 1;
        index.offer(&name("1.0"), &other);
        let told = sandbox.run(&BUILD).code(1).stderr.to_lowercase();
        assert!(
            told.contains("hash") || told.contains("sha256"),
            "{store}: {told}"
        );
        // Another index, because uv remembers what it has fetched from this one.
        let index = Index::new();
        let (sandbox, other_base) = locked(&engine, &index, builder);
        // Not a wheel at all: nobody is to look into it.
        index.offer(&name("2.0"), b"newer");
        sandbox.run(&BUILD).success();
        assert_eq!(printed(&engine, &sandbox), "1.0 the index", "{store}");
        sandbox.run(&["lock"]).success().says("unchanged");
        let reference = sandbox.run(&["tag", "app"]).success().stdout;
        let images = [base.as_str(), other_base.as_str(), reference.trim()];
        let _ = docker(
            &engine,
            &[&["image", "rm", "--force"][..], &images].concat(),
        );
    }
}

#[test]
fn docker_installs_what_is_locked_whatever_the_index_has_later() {
    a_newer_version_and_another_file_change_nothing("docker");
}

#[test]
fn the_embedded_builder_installs_what_is_locked_whatever_the_index_has_later() {
    a_newer_version_and_another_file_change_nothing("oci");
}

/// Sources of the wheel, whose backend needs nothing, and takes it from among them.
fn sources() -> Vec<u8> {
    const BACKEND: &str = "import os, shutil
def build_wheel(folder, config_settings=None, metadata_directory=None):
    wheel = 'imgspec_probe-1.0-py3-none-any.whl'
    shutil.copy(os.path.join('in', wheel), folder)
    return wheel
";
    let metadata = "Metadata-Version: 2.2\nName: imgspec-probe\nVersion: 1.0\n";
    let project =
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['in']\n";
    let wheel = format!("in/{}", name("1.0"));
    let files = [
        ("PKG-INFO", metadata.as_bytes()),
        ("pyproject.toml", project.as_bytes()),
        ("in/backend.py", BACKEND.as_bytes()),
        (wheel.as_str(), WHEEL),
    ];
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, content) in files {
        let mut head = tar::Header::new_ustar();
        head.set_size(content.len() as u64);
        head.set_mode(0o644);
        let path = format!("imgspec_probe-1.0/{path}");
        tar.append_data(&mut head, path, content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn sources_that_are_locked_are_built_by_whichever_builder() {
    for (store, engine) in by_turns() {
        for builder in ["docker", "oci"] {
            let index = Index::bare();
            let sources = sources();
            index.offer("imgspec_probe-1.0.tar.gz", &sources);
            let (sandbox, base) = workspace(&engine, &index, builder);
            sandbox.run(&["lock"]).success();
            let lock = sandbox.read("imgspec.lock");
            let digest = hex::encode(Sha256::digest(&sources));
            let node = format!(
                "sdist \"imgspec-probe\" \"1.0\" \"imgspec_probe-1.0.tar.gz\" \"sha256:{digest}\""
            );
            assert!(lock.contains(&node), "{lock}");
            // Neither newer sources nor a wheel of the same version.
            index.offer("imgspec_probe-2.0.tar.gz", b"newer");
            index.offer(&name("1.0"), b"no wheel");
            sandbox.run(&BUILD).success();
            let printed = printed(&engine, &sandbox);
            assert_eq!(printed, "1.0 the index", "{store} {builder}");
            let reference = sandbox.run(&["tag", "app"]).success().stdout;
            let images = [base.as_str(), reference.trim()];
            let _ = docker(
                &engine,
                &[&["image", "rm", "--force"][..], &images].concat(),
            );
        }
    }
}

/// The base of the base is in no registry: Docker knows it by its id, for one platform, and its files cannot be read.
#[test]
fn packages_on_an_image_whose_base_is_only_local_are_locked_or_told() {
    for (store, engine) in by_turns() {
        let index = Index::new();
        let word = nonce();
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
        let base = format!("{registry}/imgspec-test/local-{word}:1");
        docker(&engine, &["tag", "debian:bookworm-slim", &base]).success();
        let sandbox = on(&engine);
        let write = |platforms: &str, python: &str| {
            let manifest = format!(
                "defaults {{\n    builder \"docker\"\n    platform {platforms}\n}}\n\
                 image \"os\" {{\n    base-image \"{base}\"\n    env A=\"{word}\"\n}}\n\
                 image \"app\" {{\n    base-image image=\"os\"\n    {python}\n    packages \"imgspec-probe\"\n    pip-index \"{}\"\n}}\n",
                index.url()
            );
            sandbox.write("imgspec.kdl", &manifest);
        };
        write("\"linux/amd64\"", "");
        sandbox
            .run(&["lock"])
            .success()
            .says(&format!("`{base}` is locked by its id in the local store"))
            .says(&format!(
                "image `app`: its packages are not locked: `{base}` is only in the local store, where its files cannot be read; with \
                 `python-version`, or with a requirements file that has hashes, they are pinned"
            ));
        // As it was told; the base's C library is assumed.
        write("\"linux/amd64\"", "python-version \"3.12\"");
        sandbox
            .run(&["lock"])
            .success()
            .says("image `app`: its packages are locked for glibc 2.28, because its base cannot be read without a build")
            .says("added   imgspec-probe 1.0 (app)");
        sandbox.run(&["graph", "plan", "--locked"]).success();
        let lock = sandbox.read("imgspec.lock");
        write("\"linux/amd64\" \"linux/arm64\"", "python-version \"3.12\"");
        sandbox
            .run(&["graph", "plan", "--locked"])
            .code(2)
            .says(&format!("`{base}` (of os)"))
            .says("the packages of `app`");
        sandbox
            .run(&["lock"])
            .code(2)
            .says(&format!(
                "`{base}` cannot be locked: it is not available for linux/arm64, only for linux/amd64"
            ))
            .says("push it to a registry for all of them");
        assert_eq!(sandbox.read("imgspec.lock"), lock, "{store}");
        let _ = docker(&engine, &["image", "rm", "--force", &base]);
    }
}
