mod pythons;
mod refused;
mod replaced;

use std::collections::BTreeMap;
use std::io::Read as _;

use parking_lot::Mutex;

use super::install::layers;
use super::onto::{Installed, Place};
use super::zip::sample::{Part, wheel};
use super::*;
use crate::backend::embedded::base::{self, Image, Source};
use crate::backend::embedded::config::Config;
use crate::backend::oci::layer::{Encoding, Node, NodeKind};
use crate::backend::oci::registry::Access;
use crate::backend::oci::store::Store;
use crate::backend::oci::tree::Tree;
use crate::backend::{BuildError, Notes};
use crate::cancel::Cancel;
use crate::limits::Limits;
use crate::recipe::Interpreter;

/// A Debian with Python: `d/` is a directory, `a>b` a link, `t=…` a file with a text.
const DEBIAN: &str = "bin>usr/bin usr/ usr/bin/ usr/bin/python3>python3.11 usr/bin/python3.11 usr/lib/ usr/lib/python3/ \
    usr/lib/python3/dist-packages/ usr/lib/python3.11/ usr/lib/python3.11/os.py usr/local/ usr/local/bin/ usr/local/lib/ \
    usr/local/share/ usr/local/share/man/ usr/local/man>share/man \
    usr/lib/x86_64-linux-gnu/libc.so.6=GNU_C_Library_stable_release_version_2.36. \
    var/lib/dpkg/status=python3.11-minimal_3.11.2-6+deb12u6 etc/os-release=ID=debian";

fn tree(words: &str) -> Tree {
    let node = |word: &str| {
        let (path, kind) = if let Some((path, text)) = word.split_once('=') {
            (path, NodeKind::File(Some(text.replace('_', " "))))
        } else if let Some((path, target)) = word.split_once('>') {
            (path, NodeKind::Link(target.to_owned()))
        } else if let Some(path) = word.strip_suffix('/') {
            (path, NodeKind::Folder)
        } else {
            (word, NodeKind::File(None))
        };
        Node {
            path: path.into(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: if path == "usr/local/lib" { 50 } else { 0 },
        }
    };
    let mut tree = Tree::default();
    tree.apply(&words.split_whitespace().map(node).collect());
    tree
}

fn config(variables: &[(&str, &str)]) -> Config {
    let mut config = Config::scratch(&Platform::read("linux/amd64"));
    for (name, value) in variables {
        config.set_variable(name, value);
    }
    config
}

fn find(tree: &Tree, interpreter: &Interpreter, config: &Config) -> Result<Target, String> {
    let platform = Platform::read("linux/amd64");
    target::find(tree, &platform, interpreter, config).map_err(|error| error.to_string())
}

/// Takes what is logged.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Notes for Log {
    fn step(&self, _: usize, _: usize, _: &str) {}
    fn cached(&self, what: &str) {
        self.0.lock().push(format!("cached {what}"));
    }
    fn log(&self, line: &str) {
        self.0.lock().push(line.to_owned());
    }
}

pub(super) struct Bench {
    pub(super) store: Store,
    _folder: tempfile::TempDir,
    log: Log,
    tree: Tree,
    parts: Vec<base::Part>,
    encoding: Encoding,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(&folder.path().join("images")).unwrap(),
            _folder: folder,
            log: Log::default(),
            tree: tree(DEBIAN),
            parts: Vec::new(),
            encoding: Encoding::Gzip,
        }
    }

    fn put(&self, stem: &str, parts: Vec<Part>) -> Wheel {
        self.put_bytes(stem, &wheel(stem, parts))
    }

    pub(super) fn put_bytes(&self, stem: &str, bytes: &[u8]) -> Wheel {
        let blob = self.store.put(bytes, None).unwrap();
        let (name, version) = stem.split_once('-').unwrap();
        Wheel {
            name: name.to_owned(),
            version: version.to_owned(),
            file: format!("{stem}-py3-none-any.whl"),
            url: String::new(),
            sha256: blob.digest,
            size: Some(blob.size),
            is_requested: true,
        }
    }

    pub(super) fn install(&self, wheels: &[Wheel]) -> Result<Vec<Installed>, BuildError> {
        let target = find(&self.tree, &Interpreter::Base, &config(&[])).unwrap();
        let image = Image {
            parts: self.parts.clone(),
            tree: self.tree.clone(),
            ..Image::bare(config(&[]))
        };
        let place = Place {
            target: &target,
            image: &image,
            encoding: self.encoding,
            use_known: true,
        };
        let source = Source {
            store: &self.store,
            access: &Access {
                limits: Limits::default(),
                configuration: None,
                ..Access::default()
            },
            cancel: &Cancel::default(),
            notes: &self.log,
        };
        layers(wheels, &place, &source)
    }

    /// Makes a layer one of the image below.
    fn put_below(&mut self, layer: Installed) {
        self.tree.apply(&layer.made.note.index);
        self.parts.push(layer.made.part);
    }

    fn why(&self, stem: &str, parts: Vec<Part>) -> String {
        let wheel = self.put(stem, parts);
        self.install(&[wheel]).unwrap_err().to_string()
    }

    /// The entries of a layer: path, with mode and group, and content.
    fn files(&self, installed: &Installed) -> BTreeMap<String, (u32, u64, Vec<u8>)> {
        let (blob, _) = self.store.read(installed.made.part.digest).unwrap();
        let plain: Box<dyn std::io::Read> = match self.encoding {
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(blob)),
            Encoding::GzipSingle => Box::new(flate2::read::GzDecoder::new(blob)),
            Encoding::Zstd => Box::new(zstd::Decoder::new(blob).unwrap()),
        };
        let mut bytes = Vec::new();
        std::io::BufReader::new(plain)
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), installed.made.note.diff_id);
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let mut files = BTreeMap::new();
        let mut last = String::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            assert!(
                path.trim_end_matches('/') > last.as_str(),
                "{path} after {last}"
            );
            last = path.trim_end_matches('/').to_owned();
            let header = entry.header();
            let (mode, group) = (header.mode().unwrap(), header.gid().unwrap());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, (mode, group, content));
        }
        files
    }
}

fn text(files: &BTreeMap<String, (u32, u64, Vec<u8>)>, path: &str) -> String {
    String::from_utf8(files[path].2.clone()).unwrap()
}

const SITE: &str = "usr/local/lib/python3.11/dist-packages";

#[test]
fn a_wheel_becomes_what_uv_would_install() {
    let bench = Bench::new();
    let big: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|at| (at / 7).to_le_bytes())
        .collect();
    let run = Part {
        mode: 0o100_755,
        ..Part::new("demo/run.sh", b"#!/bin/sh\n")
    };
    let info = "demo-1.0.dist-info";
    let wheel = bench.put(
        "demo-1.0",
        vec![
            Part::new("demo/__init__.py", b"x = 1\n"),
            Part::new("demo/big.bin", &big),
            Part::stored("demo/stored.bin", &big[..200_000]),
            Part::new("demo/middle.txt", &b"middle ".repeat(1000)),
            Part::stored("demo/empty/", b""),
            run,
            Part::new("demo-1.0.data/scripts/tool", b"#!python -E\nprint(1)\n"),
            Part::new("demo-1.0.data/scripts/other", b"#!/bin/sh\n"),
            Part::new("demo-1.0.data/scripts/demo", b"replaced by the entry point"),
            Part::new("demo-1.0.data/data/man/man1/demo.1", b"manual"),
            Part::new("demo-1.0.data/headers/demo.h", b"int x;"),
            Part::new("demo-1.0.data/purelib/pure.py", b"p"),
            Part::new(
                &format!("{info}/entry_points.txt"),
                b"[console_scripts]\ndemo = demo:main\n",
            ),
        ],
    );
    let mut made = bench.install(&[wheel]).unwrap();
    let files = bench.files(&made.pop().unwrap());
    assert!(made.is_empty());
    assert_eq!(files[&format!("{SITE}/demo/big.bin")].2, big);
    assert_eq!(files[&format!("{SITE}/demo/stored.bin")].2, big[..200_000]);
    assert_eq!(files[&format!("{SITE}/demo/run.sh")].0, 0o755);
    assert_eq!(files[&format!("{SITE}/demo/__init__.py")].0, 0o644);
    assert_eq!(files[&format!("{SITE}/demo/empty/")].0, 0o755);
    // As the base has it.
    assert_eq!(files["usr/local/lib/"].1, 50);
    assert_eq!(
        text(&files, "usr/local/bin/tool"),
        "#!/usr/bin/python3\nprint(1)\n"
    );
    assert_eq!(files["usr/local/bin/other"].0, 0o755);
    assert!(text(&files, "usr/local/bin/demo").contains("from demo import main"));
    // Through the base's link.
    assert_eq!(text(&files, "usr/local/share/man/man1/demo.1"), "manual");
    assert_eq!(text(&files, "usr/include/python3.11/demo/demo.h"), "int x;");
    assert_eq!(text(&files, &format!("{SITE}/pure.py")), "p");
    assert_eq!(text(&files, &format!("{SITE}/{info}/INSTALLER")), "imgspec");
    let record = text(&files, &format!("{SITE}/{info}/RECORD"));
    let paths: Vec<&str> = record
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    let expected = [
        "../../../../include/python3.11/demo/demo.h",
        "../../../bin/demo",
        "../../../bin/other",
        "../../../bin/tool",
        "../../../man/man1/demo.1",
        "demo-1.0.dist-info/INSTALLER",
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info/REQUESTED",
        "demo-1.0.dist-info/WHEEL",
        "demo-1.0.dist-info/entry_points.txt",
        "demo/__init__.py",
        "demo/big.bin",
        "demo/middle.txt",
        "demo/run.sh",
        "demo/stored.bin",
        "pure.py",
    ];
    assert_eq!(paths, expected);
    assert!(record.contains("demo-1.0.dist-info/RECORD,,\n"));
}

#[test]
fn every_encoding_and_number_of_threads_gives_the_same_tar() {
    let mut bench = Bench::new();
    let big: Vec<u8> = (0..6_000_000_u32)
        .flat_map(|at| (at / 7 % 65_521).to_le_bytes())
        .collect();
    let noise: Vec<u8> = big
        .iter()
        .zip(1_u32..)
        .map(|(byte, at)| byte ^ (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let wheels = [
        bench.put(
            "one-1",
            vec![Part::new("one/a", &noise), Part::new("one/b", &big[..5000])],
        ),
        bench.put("two-2", vec![Part::new("two.py", b"2")]),
        bench.put("three-3", vec![Part::new("three.py", b"3")]),
    ];
    let digests = |made: Vec<Installed>| {
        let one = |installed: Installed| {
            (
                installed.words,
                installed.made.note.diff_id,
                installed.made.part.digest,
            )
        };
        made.into_iter().map(one).collect::<Vec<_>>()
    };
    let first = digests(bench.install(&wheels).unwrap());
    assert_eq!(first.len(), 2);
    // A large wheel has a layer of its own, below the one of the small ones.
    assert_eq!(
        (first[0].0.as_str(), first[1].0.as_str()),
        ("one 1", "three 3, two 2")
    );
    let again = digests(bench.install(&wheels).unwrap());
    assert_eq!(again, first);
    assert!(bench.log.0.lock().contains(&"cached one 1".to_owned()));
    for threads in [1, 3] {
        let other = Bench::new();
        for wheel in &wheels {
            let (file, _) = bench.store.read(wheel.sha256).unwrap();
            other.store.put(file, None).unwrap();
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(
            digests(pool.install(|| other.install(&wheels)).unwrap()),
            first
        );
    }
    for encoding in [Encoding::Zstd, Encoding::GzipSingle] {
        bench.encoding = encoding;
        let made = bench.install(&wheels).unwrap();
        assert_eq!(made[0].made.part.media_type, encoding.media_type());
        bench.files(&made[0]);
        let diff_ids: Vec<_> = digests(made)
            .into_iter()
            .map(|(_, diff_id, _)| diff_id)
            .collect();
        let expected: Vec<_> = first
            .iter()
            .map(|(_, diff_id, _)| diff_id.clone())
            .collect();
        assert_eq!(diff_ids, expected);
    }
}

#[test]
fn packages_that_meet_are_told_or_refused() {
    let bench = Bench::new();
    let one = bench.put(
        "a-1",
        vec![Part::new("both.py", b"a"), Part::new("same.py", b"s")],
    );
    let other = bench.put(
        "b-1",
        vec![Part::new("both.py", b"b"), Part::new("same.py", b"s")],
    );
    let made = bench.install(&[one.clone(), other]).unwrap();
    assert_eq!(
        text(&bench.files(&made[0]), &format!("{SITE}/both.py")),
        "b"
    );
    let log = bench.log.0.lock().join("\n");
    assert!(
        log.contains("both.py` is in both `a-1-py3-none-any.whl` and `b-1"),
        "{log}"
    );
    assert!(!log.contains("same.py"), "{log}");
    let folder = bench.put("c-1", vec![Part::new("both.py/x", b"")]);
    let why = bench.install(&[one, folder]).unwrap_err().to_string();
    assert!(
        why.contains("a directory in one package and a file in another"),
        "{why}"
    );
}

#[test]
fn what_the_base_has_is_not_installed_again() {
    let mut bench = Bench::new();
    bench.tree = tree(&format!("{DEBIAN} {SITE}/My_Demo-1.0.dist-info/"));
    let same = Wheel {
        name: "my-demo".into(),
        ..bench.put("my_demo-1.0", vec![])
    };
    assert!(
        bench
            .install(std::slice::from_ref(&same))
            .unwrap()
            .is_empty()
    );
    // What Debian's own packages bring is not where packages are installed: it is neither asked nor touched, as with uv.
    let own = "usr/lib/python3/dist-packages/my_demo-1.0.egg-info";
    bench.tree = tree(&format!("{DEBIAN} {own}"));
    let made = bench.install(&[same]).unwrap();
    assert_eq!(made.len(), 1);
    assert!(
        bench
            .files(&made[0])
            .keys()
            .all(|path| !path.contains(".wh."))
    );
}
